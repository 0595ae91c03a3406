//! Datagrams to the whole way from UDP to TUN. The first byte says how the rest is used: as it is, with an index that
//! is known, or as the text of a message sealed under right keys.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use podwire_engine::endpoint::Endpoint;
use podwire_engine::inbound::{Incoming, apply, open};
use podwire_engine::keypair::{Keypair, KeypairOptions};
use podwire_engine::mac::Mac1;
use podwire_engine::outbound::Batch;
use podwire_engine::plane::Plane;

const KEY: [u8; 32] = [7; 32];

fuzz_target!(|bytes: &[u8]| {
    let [how, rest @ ..] = bytes else { return };
    let plane = Plane::new(1420, || {}).expect("an eventfd");
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
    plane.table_mut().install(peer, &options(how & 1 == 1), 1000).expect("the index is a handshake's");
    let theirs = Arc::new(Keypair::new(peer, &options(true), 1000));

    let mut datagram = match how >> 1 & 3 {
        0 => rest.to_vec(),
        1 => {
            let mut known = rest.to_vec();
            for (to, from) in known.iter_mut().skip(4).zip(index.to_le_bytes()) {
                *to = from;
            }
            known
        }
        _ => {
            let mut message = [&[0; 16], rest, &[0; 16]].concat();
            assert!(theirs.seal(&mut message));
            message
        }
    };
    let now_ms = 1000 + u64::from(how >> 4) * 15_000;
    let from = Incoming {
        length: datagram.len(),
        endpoint: Endpoint::configured(([192, 0, 2, 1], 1).into()),
        ecn: how >> 3 & 3,
    };
    let (mut changes, mut replies, mut batch) = (Vec::new(), Vec::new(), Batch::default());
    for _ in 0..2 {
        let opened = {
            let table = plane.table();
            open(&mut datagram, &from, &table, &plane, &mut changes, &mut replies, now_ms)
        };
        if let Ok(Some(range)) = opened {
            assert!(range.len() >= 20 && range.end <= datagram.len() - 16);
        }
        apply(&mut changes, &plane, &mut batch, now_ms);
    }
    let _ = plane.events.drain();
});
