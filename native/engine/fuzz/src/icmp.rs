//! Any packet to the errors about what nobody can get: an error is whole, quotes the packet, and is not answered itself.

use podwire_engine::checksum::{fold, pseudo_header, sum};
use podwire_engine::icmp::unreachable;
use podwire_engine::packet::parse_inner;

pub fn run(packet: &[u8]) {
    let (mut error, mut again) = (vec![0xff; 7], Vec::new());
    if !unreachable(packet, &mut error) {
        assert!(error.is_empty());
        return;
    }
    let about = parse_inner(packet).expect("what is answered is a packet");
    let inner = parse_inner(&error).expect("an error is a packet");
    assert_eq!(inner.length, error.len());
    assert_eq!(
        (inner.source, inner.destination),
        (about.destination, about.source)
    );
    let (ip, most, initial) = if inner.source.is_ipv4() {
        assert_eq!(fold(sum(&error[..20], 0)), 0xffff);
        (20, 576, 0)
    } else {
        (
            40,
            1280,
            pseudo_header(&error[8..40], 58, error.len() as u16 - 40),
        )
    };
    assert_eq!(fold(sum(&error[ip..], initial)), 0xffff);
    assert!(error.len() <= most);
    let quoted = &error[ip + 8..];
    assert_eq!(quoted, &packet[..quoted.len()]);
    let whole = packet.len().min(about.length);
    assert!(quoted.len() == whole || error.len() == most);
    assert!(!unreachable(&error, &mut again));
}
