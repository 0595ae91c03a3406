//! Datagrams to the whole way from UDP to TUN. The first byte says how the rest is used: as it is, with an index that
//! is known, or as the text of a message sealed under right keys; the second how many such come as one message.

use std::sync::Arc;

use podwire_aead::Message;
use podwire_engine::arrival::{Arrival, Incoming};
use podwire_engine::deliver::Delivery;
use podwire_engine::endpoint::Endpoint;
use podwire_engine::keypair::{Keypair, KeypairOptions};
use podwire_engine::mac::Mac1;
use podwire_engine::offload::Switches;
use podwire_engine::plane::Plane;

const KEY: [u8; 32] = [7; 32];

pub fn run(bytes: &[u8]) {
    let [how, count, rest @ ..] = bytes else {
        return;
    };
    let plane = Plane::new(1420, Switches::default(), || {}).expect("an eventfd");
    let (peer, index) = {
        let mut table = plane.table_mut();
        table.mac1 = Some(Mac1::new(&KEY));
        let peer = table.add_peer([1; 32]).expect("the first peer");
        let prefixes = ["10.0.0.0/8", "fd00::/8"].map(|text| text.parse().expect("a prefix"));
        table.add_allowed_ips(peer, &prefixes).expect("it exists");
        (peer, table.new_index(peer).expect("it exists"))
    };
    let options = |initiator| KeypairOptions {
        local_index: index,
        remote_index: index,
        initiator,
        send_key: &KEY,
        receive_key: &KEY,
    };
    plane
        .table_mut()
        .install(peer, &options(how & 1 == 1), 1000)
        .expect("the index is a handshake's");
    let theirs = Arc::new(Keypair::new(peer, &options(true), 1000));

    let mut known = rest.to_vec();
    for (to, from) in known.iter_mut().skip(4).zip(index.to_le_bytes()) {
        *to = from;
    }
    let sealed = || {
        let mut message = [&[0; 16], rest, &[0; 16]].concat();
        let range = 0..message.len();
        assert!(theirs.seal(&mut message, &mut [Message { counter: 0, range }]));
        message
    };
    let count = usize::from(count % 40) + 1;
    let datagrams: Vec<Vec<u8>> = match how >> 1 & 3 {
        0 => vec![rest.to_vec(); count],
        1 => vec![known; count],
        _ => (0..count).map(|_| sealed()).collect(),
    };
    let segment_bytes = datagrams[0].len().max(1);
    let mut message = datagrams.concat();
    message.truncate(65_507);
    let now_ms = 1000 + u64::from(how >> 4) * 15_000;
    let from = Incoming {
        length: message.len(),
        segment_bytes,
        endpoint: Endpoint::configured(([192, 0, 2, 1], 1).into()),
        ecn: how >> 3 & 3,
    };
    let (mut arrival, mut delivery) = (Arrival::new(1), Delivery::new(&plane));
    for _ in 0..2 {
        arrival.put(&message, from, now_ms);
        arrival.open(&plane);
        delivery.check(&mut arrival, &plane);
        delivery.coalescer.finish(arrival.slots());
        for item in delivery.coalescer.items() {
            for piece in item.pieces {
                assert!(!piece.is_empty() && piece.end <= message.len() - 16);
            }
        }
        delivery.apply(&plane, now_ms);
    }
    let _ = plane.events.drain();
}
