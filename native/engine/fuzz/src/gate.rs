//! Any handshake message to the gate. The first byte says how: under load or not, with a right mac1 or not, over which IP;
//! the second makes it a message of that type, or leaves it as it is.

use podwire_engine::counters::Drop;
use podwire_engine::endpoint::Endpoint;
use podwire_engine::events::MAX_INITIATIONS;
use podwire_engine::gate::{Reply, admit};
use podwire_engine::mac::Mac1;
use podwire_engine::offload::Switches;
use podwire_engine::packet::{
    COOKIE_REPLY_BYTES, INITIATION_BYTES, Message, RESPONSE_BYTES, parse,
};
use podwire_engine::plane::Plane;

const KEY: [u8; 32] = [7; 32];

pub fn run(bytes: &[u8]) {
    let [how, kind, rest @ ..] = bytes else {
        return;
    };
    let [loaded, right, v6, ours] = [0, 1, 2, 3].map(|bit| how >> bit & 1 == 1);
    let plane = Plane::new(1420, Switches::default(), || {}).expect("an eventfd");
    let index = {
        let mut table = plane.table_mut();
        table.mac1 = Some(Mac1::new(&KEY));
        let peer = table.add_peer([1; 32]).expect("the first peer");
        table.new_index(peer).expect("it exists")
    };
    let endpoint = Endpoint::configured(if v6 {
        "[2001:db8::1]:1".parse().expect("an address")
    } else {
        "192.0.2.1:1".parse().expect("an address")
    });
    if loaded {
        for _ in 0..MAX_INITIATIONS / 8 {
            assert!(plane.events.initiation(&endpoint, &[1; INITIATION_BYTES]));
        }
    }
    let mut message = rest.to_vec();
    let length = [0, INITIATION_BYTES, RESPONSE_BYTES, COOKIE_REPLY_BYTES][usize::from(kind & 3)];
    if length > 0 {
        message.resize(length, *kind);
        message[..4].copy_from_slice(&[kind & 3, 0, 0, 0]);
        let at = if length == RESPONSE_BYTES { 8 } else { 4 };
        if ours {
            message[at..at + 4].copy_from_slice(&index.to_le_bytes());
        }
    }
    if right && message.len() >= 32 {
        let at = message.len() - 32;
        let mac1 = Mac1::new(&KEY).compute(&message[..at]);
        message[at..at + 16].copy_from_slice(&mac1);
    }
    let Ok(kind) = parse(&message) else { return };
    let waiting = plane.events.initiations();
    let mut replies: Vec<Reply> = Vec::new();
    let table = plane.table();
    let admitted = admit(
        kind,
        &message,
        &endpoint,
        &table,
        &plane,
        &mut replies,
        1000,
    );
    let expected = match kind {
        Message::Data { .. } => Err(Drop::Type),
        Message::Response { receiver } | Message::CookieReply { receiver } if receiver != index => {
            Err(Drop::Index)
        }
        Message::CookieReply { .. } => Ok(()),
        _ if !Mac1::new(&KEY).verify(&message) => Err(Drop::Mac),
        // Nobody guesses a cookie.
        _ if loaded => Err(Drop::Mac2),
        _ => Ok(()),
    };
    assert_eq!(admitted, expected);
    let went_up = plane.events.initiations() - waiting;
    assert_eq!(
        went_up,
        usize::from(expected.is_ok() && kind == Message::Initiation)
    );
    assert_eq!(replies.len(), usize::from(expected == Err(Drop::Mac2)));
    for reply in replies {
        assert_eq!(reply.endpoint, endpoint);
        assert_eq!(reply.message[..4], [3, 0, 0, 0]);
        assert_eq!(reply.message[4..8], message[4..8], "the sender's index");
    }
}
