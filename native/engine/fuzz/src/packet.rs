//! Any bytes to the parsers.

use podwire_engine::packet::{decapsulate_ecn, padded_bytes, parse, parse_inner};

pub fn run(bytes: &[u8]) {
    let _ = parse(bytes);
    let Some(inner) = parse_inner(bytes) else {
        return;
    };
    assert!(inner.length >= if inner.source.is_ipv4() { 20 } else { 40 });
    assert!(padded_bytes(bytes.len(), inner.length) >= bytes.len());
    for outer in 0..4 {
        let mut packet = bytes.to_vec();
        if decapsulate_ecn(&mut packet, inner.ecn, outer) {
            let marked = parse_inner(&packet).expect("it was one before");
            assert_eq!((marked.source, marked.length), (inner.source, inner.length));
        }
    }
}
