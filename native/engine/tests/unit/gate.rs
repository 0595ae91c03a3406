use std::net::SocketAddr;

use blake2::digest::Mac;

use super::*;
use crate::mac::keyed;
use crate::offload::Switches;
use crate::packet::{INITIATION_BYTES, RESPONSE_BYTES, parse};

const OURS: [u8; 32] = [7; 32];
const START_MS: u64 = 1_000_000;

struct Host {
    plane: Plane,
    replies: Vec<Reply>,
}

impl Host {
    fn new() -> Self {
        let plane = Plane::new(1420, Switches::default(), || {}).unwrap();
        plane.table_mut().mac1 = Some(Mac1::new(&OURS));
        let replies = Vec::new();
        Self { plane, replies }
    }

    /// One that so many initiations wait in.
    fn loaded(waiting: usize) -> Self {
        let host = Self::new();
        for _ in 0..waiting {
            let endpoint = Endpoint::configured(([192, 0, 2, 99], 1).into());
            assert!(host.plane.events.initiation(&endpoint, &[1; 148]));
        }
        host
    }

    fn receive(&mut self, message: &[u8], source: &str, now_ms: u64) -> Result<(), Drop> {
        let remote: SocketAddr = source.parse().unwrap();
        let endpoint = Endpoint {
            remote,
            local: Some(([192, 0, 2, 2]).into()),
        };
        let kind = parse(message).unwrap();
        let table = self.plane.table();
        admit(
            kind,
            message,
            &endpoint,
            &table,
            &self.plane,
            &mut self.replies,
            now_ms,
        )
    }

    /// The cookie that it gives a source, as the source learns it only by decrypting; here from the state.
    fn cookie(&self, source: &str, now_ms: u64) -> cookie::Cookie {
        let mut state = self.plane.gate.0.lock().unwrap();
        state.baker.cookie(&source.parse().unwrap(), now_ms)
    }

    fn drain(&self) {
        while !self.plane.events.drain().is_empty() {}
    }
}

/// A handshake message with a right mac1 and, with a cookie, a right mac2.
fn handshake(kind: u8, receiver: u32, cookie: Option<&cookie::Cookie>) -> Vec<u8> {
    let length = if kind == 1 {
        INITIATION_BYTES
    } else {
        RESPONSE_BYTES
    };
    let mut message = vec![0; length];
    message[0] = kind;
    message[4..8].copy_from_slice(&[1, 2, 3, 4]);
    message[8..12].copy_from_slice(&receiver.to_le_bytes());
    let (mac1_at, mac2_at) = (length - 32, length - 16);
    let mac1 = Mac1::new(&OURS).compute(&message[..mac1_at]);
    message[mac1_at..mac2_at].copy_from_slice(&mac1);
    if let Some(cookie) = cookie {
        let mac2 = keyed(cookie).chain_update(&message[..mac2_at]).finalize();
        message[mac2_at..].copy_from_slice(&mac2.into_bytes());
    }
    message
}

const A: &str = "192.0.2.1:5000";

#[test]
fn kernel_load_is_an_eighth_of_the_queue_and_sticks_for_a_second() {
    let mut host = Host::loaded(511);
    let message = handshake(1, 0, None);
    assert_eq!(
        host.receive(&message, A, START_MS),
        Ok(()),
        "511 waited, and it is the 512th"
    );
    assert_eq!(host.receive(&message, A, START_MS), Err(Drop::Mac2));
    host.drain();
    assert_eq!(
        host.receive(&message, A, START_MS + 999),
        Err(Drop::Mac2),
        "sticky"
    );
    assert_eq!(host.receive(&message, A, START_MS + 1000), Ok(()));
}

#[test]
fn a_flood_that_goes_on_is_a_load_and_passes_nothing_more() {
    let mut host = Host::loaded(LOAD);
    let message = handshake(1, 0, None);
    assert_eq!(host.receive(&message, A, START_MS), Err(Drop::Mac2));
    host.drain();
    for now_ms in START_MS..START_MS + 5000 {
        assert_eq!(host.receive(&message, A, now_ms), Err(Drop::Mac2));
    }
    // 513 and 5,000 were refused, the last whole 512 of them until here.
    let last_ms = START_MS + 9 * LOAD as u64 - 2;
    assert_eq!(
        host.receive(&message, A, last_ms + LOAD_MS - 1),
        Err(Drop::Mac2)
    );
    assert_eq!(host.receive(&message, A, last_ms + LOAD_MS), Ok(()));
}

#[test]
fn paper_5_4_7_a_cookie_reply_is_sent_to_who_has_no_mac2_under_load() {
    let mut host = Host::loaded(LOAD);
    let peer = host.plane.table_mut().add_peer([1; 32]).unwrap();
    let index = host.plane.table_mut().new_index(peer).unwrap();
    let waiting = host.plane.events.initiations();
    for kind in [1, 2] {
        let bare = handshake(kind, index, None);
        let mut wrong = handshake(kind, index, Some(&host.cookie(A, START_MS)));
        *wrong.last_mut().unwrap() ^= 1;
        let moved = handshake(kind, index, Some(&host.cookie("192.0.2.1:5001", START_MS)));
        let former = Baker::default().cookie(&A.parse().unwrap(), START_MS);
        let old = handshake(kind, index, Some(&former));
        for (name, message) in [
            ("none", bare),
            ("wrong", wrong),
            ("another port's", moved),
            ("old", old),
        ] {
            let cookie = host.cookie(A, START_MS);
            assert_eq!(
                host.receive(&message, A, START_MS),
                Err(Drop::Mac2),
                "{name}, type {kind}"
            );
            let reply = host.replies.pop().unwrap();
            assert_eq!(reply.endpoint.remote, A.parse().unwrap());
            assert_eq!(
                reply.endpoint.local,
                Some(([192, 0, 2, 2]).into()),
                "from where it came to"
            );
            let nonce = reply.message[8..32].try_into().unwrap();
            let key = Mac1::new(&OURS).cookie_key;
            assert_eq!(
                reply.message,
                cookie::reply(&key, &cookie, &nonce, &message),
                "{name}, type {kind}"
            );
        }
    }
    assert_eq!(host.plane.events.initiations(), waiting, "nothing went up");
}

#[test]
fn paper_5_3_nothing_answers_a_wrong_mac1_or_an_unknown_index_under_load() {
    let mut host = Host::loaded(LOAD);
    let mut forged = handshake(1, 0, None);
    forged[120] ^= 1;
    assert_eq!(host.receive(&forged, A, START_MS), Err(Drop::Mac));
    assert_eq!(
        host.receive(&handshake(2, 5, None), A, START_MS),
        Err(Drop::Index)
    );
    assert!(host.replies.is_empty());
}

#[test]
fn paper_5_3_who_has_mac2_passes_under_load_20_times_a_second() {
    let mut host = Host::loaded(LOAD);
    let mut passed = 0;
    for now_ms in START_MS..START_MS + 1000 {
        let message = handshake(1, 0, Some(&host.cookie(A, now_ms)));
        match host.receive(&message, A, now_ms) {
            Ok(()) => passed += 1,
            Err(reason) => assert_eq!(reason, Drop::RateLimited),
        }
    }
    assert_eq!(passed, 24);
    let other = "198.51.100.1:5000";
    let message = handshake(1, 0, Some(&host.cookie(other, START_MS + 1000)));
    assert_eq!(
        host.receive(&message, other, START_MS + 1000),
        Ok(()),
        "each source for itself"
    );
    assert!(host.replies.is_empty());
}

#[test]
fn kernel_without_load_mac2_and_rate_do_not_matter() {
    let mut host = Host::new();
    let mut message = handshake(1, 0, None);
    message[140] = 1;
    for _ in 0..LOAD {
        assert_eq!(host.receive(&message, A, START_MS), Ok(()));
    }
    assert!(host.replies.is_empty());
}

#[test]
fn handshake_queue_is_full_for_those_with_mac2_too() {
    let mut host = Host::loaded(MAX_INITIATIONS);
    let message = handshake(1, 0, Some(&host.cookie(A, START_MS)));
    assert_eq!(
        host.receive(&message, A, START_MS),
        Err(Drop::HandshakeQueue)
    );
}
