use proptest::prelude::*;

use super::*;

fn message(kind: u8, length: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..length).map(|place| place as u8).collect();
    for (to, from) in bytes.iter_mut().zip([kind, 0, 0, 0]) {
        *to = from;
    }
    bytes
}

#[test]
fn parse_knows_types_by_their_lengths() {
    let receiver_4 = u32::from_le_bytes([4, 5, 6, 7]);
    let receiver_8 = u32::from_le_bytes([8, 9, 10, 11]);
    let counter = u64::from_le_bytes([8, 9, 10, 11, 12, 13, 14, 15]);
    let data = Message::Data {
        receiver: receiver_4,
        counter,
    };
    let cases = [
        (1, 148, Ok(Message::Initiation)),
        (1, 147, Err(Drop::Length)),
        (1, 149, Err(Drop::Length)),
        (
            2,
            92,
            Ok(Message::Response {
                receiver: receiver_8,
            }),
        ),
        (2, 91, Err(Drop::Length)),
        (
            3,
            64,
            Ok(Message::CookieReply {
                receiver: receiver_4,
            }),
        ),
        (3, 65, Err(Drop::Length)),
        (4, 32, Ok(data)),
        (4, 31, Err(Drop::Length)),
        (4, 4, Err(Drop::Length)),
        (4, 33, Ok(data)),
        (4, 65_535, Ok(data)),
        (0, 148, Err(Drop::Type)),
        (5, 148, Err(Drop::Type)),
        (255, 32, Err(Drop::Type)),
        (4, 3, Err(Drop::Length)),
        (4, 0, Err(Drop::Length)),
    ];
    for (kind, length, expected) in cases {
        assert_eq!(
            parse(&message(kind, length)),
            expected,
            "type {kind}, {length} bytes"
        );
    }
    for place in 1..4 {
        let mut reserved = message(4, 100);
        reserved[place] = 1;
        assert_eq!(parse(&reserved), Err(Drop::Type), "reserved byte {place}");
    }
}

#[test]
fn header_is_read_as_it_was_written() {
    let mut bytes = [0; 32];
    write_header(&mut bytes, 0x8899_aabb, 0x0102_0304_0506_0708);
    let expected = Message::Data {
        receiver: 0x8899_aabb,
        counter: 0x0102_0304_0506_0708,
    };
    assert_eq!(parse(&bytes), Ok(expected));
}

#[test]
fn kernel_padding_is_to_16_and_stops_at_the_mtu() {
    let cases = [
        (0, 1420, 0),
        (1, 1420, 16),
        (16, 1420, 16),
        (1419, 1420, 1420),
        (1420, 1420, 1420),
        (1421, 1420, 1436),
        (2841, 1420, 2856),
        (100, 0, 112),
        (65_535, 65_535, 65_535),
        (65_535, 1420, 65_544),
    ];
    for (length, mtu, expected) in cases {
        assert_eq!(
            padded_bytes(length, mtu),
            expected,
            "{length} bytes, MTU {mtu}"
        );
    }
}

fn ipv4(ecn: u8) -> Vec<u8> {
    let mut packet = vec![
        0x45,
        0xb8 | ecn,
        0,
        24,
        1,
        2,
        0,
        0,
        64,
        17,
        0,
        0,
        10,
        0,
        0,
        1,
        10,
        0,
        0,
        2,
    ];
    packet.extend([1, 2, 3, 4]);
    let sum = checksum(&packet[..20]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet
}

fn ipv6(ecn: u8) -> Vec<u8> {
    let mut packet = vec![0x6b, 0x80 | ecn << 4, 0, 0, 0, 4, 17, 64];
    packet.extend([0xfd; 16]);
    packet.extend([0xfe; 16]);
    packet.extend([1, 2, 3, 4]);
    packet
}

/// The Internet checksum, which over a header with a right one is 0.
fn checksum(header: &[u8]) -> u16 {
    let sum: u32 = header
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    !((sum & 0xffff) + (sum >> 16)) as u16
}

type Spoil = fn(&mut Vec<u8>);

#[test]
fn inner_headers_are_read() {
    let v4 = Inner {
        source: "10.0.0.1".parse().unwrap(),
        destination: "10.0.0.2".parse().unwrap(),
        length: 24,
        ecn: 1,
    };
    assert_eq!(parse_inner(&ipv4(1)), Some(v4));
    let v6 = Inner {
        source: IpAddr::from([0xfd; 16]),
        destination: IpAddr::from([0xfe; 16]),
        length: 44,
        ecn: 2,
    };
    assert_eq!(parse_inner(&ipv6(2)), Some(v6));

    let spoilt: [(&str, Vec<u8>, Spoil); 7] = [
        ("nothing", ipv4(0), Vec::clear),
        ("short IPv4", ipv4(0), |packet| packet.truncate(19)),
        ("short IPv6", ipv6(0), |packet| packet.truncate(39)),
        ("IPv4 length below its header's", ipv4(0), |packet| {
            packet[3] = 19;
        }),
        ("IPv4 header below 20", ipv4(0), |packet| packet[0] = 0x44),
        ("IPv4 header beyond its length", ipv4(0), |packet| {
            packet[0] = 0x47;
        }),
        ("version 5", ipv4(0), |packet| packet[0] = 0x55),
    ];
    for (name, mut packet, spoil) in spoilt {
        spoil(&mut packet);
        assert_eq!(parse_inner(&packet), None, "{name}");
    }
}

#[test]
fn rfc_6040_congestion_marks_are_carried_inwards() {
    // RFC 6040, figure 4; rows are the inner marks, columns the outer ones: Not-ECT, ECT(1), ECT(0), CE.
    let table = [
        [Some(0), Some(0), Some(0), None],
        [Some(1), Some(1), Some(1), Some(3)],
        [Some(2), Some(1), Some(2), Some(3)],
        [Some(3), Some(3), Some(3), Some(3)],
    ];
    for (inner, row) in (0_u8..).zip(table) {
        for (outer, expected) in (0_u8..).zip(row) {
            for mut packet in [ipv4(inner), ipv6(inner)] {
                let before = packet.clone();
                let passed = decapsulate_ecn(&mut packet, inner, outer);
                let after = parse_inner(&packet).unwrap();
                assert_eq!(
                    passed.then_some(after.ecn),
                    expected,
                    "inner {inner}, outer {outer}"
                );
                if packet[0] >> 4 == 4 {
                    assert_eq!(checksum(&packet[..20]), 0, "inner {inner}, outer {outer}");
                    packet[10..12].copy_from_slice(&before[10..12]);
                }
                packet[1] = before[1];
                assert_eq!(packet, before, "nothing else changes");
            }
        }
    }
}

proptest! {
    #[test]
    fn parse_takes_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if parse(&bytes).is_ok() {
            prop_assert!(bytes[0] >= 1 && bytes[0] <= 4 && bytes[1..4] == [0; 3]);
        }
    }

    #[test]
    fn parse_takes_any_message(kind in 0_u8..6, length in 0_usize..2000) {
        let parsed = parse(&message(kind, length));
        let fits = matches!((kind, length), (1, 148) | (2, 92) | (3, 64)) || (kind == 4 && length >= 32);
        prop_assert_eq!(parsed.is_ok(), fits);
    }

    #[test]
    fn inner_header_takes_any_bytes(
        version in 3_u8..8,
        mut bytes in proptest::collection::vec(any::<u8>(), 0..80),
        outer in 0_u8..4,
    ) {
        if let Some(first) = bytes.first_mut() {
            *first = version << 4 | (*first & 15);
        }
        if let Some(inner) = parse_inner(&bytes) {
            let least = if version == 4 { 20 } else { 40 };
            prop_assert!(inner.length >= least);
            prop_assert_eq!(inner.source.is_ipv4(), version == 4);
            let length = bytes.len();
            let _ = decapsulate_ecn(&mut bytes, inner.ecn, outer);
            prop_assert_eq!(bytes.len(), length);
        }
    }

    #[test]
    fn padding_is_least(length in 0_usize..=65_535, mtu in 1_usize..=65_535) {
        let padded = padded_bytes(length, mtu);
        prop_assert!(padded >= length && padded < length + 16);
        prop_assert!(length > mtu || padded <= mtu);
        prop_assert!(length > mtu || padded.is_multiple_of(16) || padded == mtu);
    }
}
