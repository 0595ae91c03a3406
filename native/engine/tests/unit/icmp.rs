use proptest::prelude::*;

use super::*;

const V4: [u8; 8] = [192, 0, 2, 1, 10, 9, 9, 9];

/// A UDP packet from 192.0.2.1 to 10.9.9.9.
fn v4(length: usize) -> Vec<u8> {
    let mut packet: Vec<u8> = (0..length).map(|place| place as u8).collect();
    packet[..12].copy_from_slice(&[0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0]);
    packet[2..4].copy_from_slice(&(length as u16).to_be_bytes());
    packet[12..20].copy_from_slice(&V4);
    packet
}

/// A packet from `fdfd:…01` to `fdfd:…02`.
fn v6(next: u8, rest: &[u8]) -> Vec<u8> {
    let length = (rest.len() as u16).to_be_bytes();
    let mut packet = vec![0x60, 0, 0, 0, length[0], length[1], next, 64];
    packet.extend([&[0xfd; 15][..], &[1], &[0xfd; 15], &[2]].concat());
    packet.extend(rest);
    packet
}

fn answer(packet: &[u8]) -> Option<Vec<u8>> {
    let mut out = vec![1, 2, 3];
    unreachable(packet, &mut out).then_some(out)
}

#[test]
fn rfc_1812_host_unreachable_quotes_up_to_576_bytes() {
    for (length, quoted) in [
        (20, 20),
        (28, 28),
        (29, 29),
        (548, 548),
        (549, 548),
        (65_535, 548),
    ] {
        let packet = v4(length);
        let error = answer(&packet).unwrap();
        assert_eq!(error.len(), 28 + quoted, "{length}");
        assert_eq!(
            usize::from(u16::from_be_bytes([error[2], error[3]])),
            error.len()
        );
        assert_eq!(
            error[12..20],
            [V4[4..].to_vec(), V4[..4].to_vec()].concat(),
            "from what was tried"
        );
        assert_eq!(
            (error[9], error[20], error[21]),
            (1, 3, 1),
            "host unreachable"
        );
        assert_eq!(error[28..], packet[..quoted]);
        assert_eq!(
            (checksum(&[&error[..20]]), checksum(&[&error[20..]])),
            ([0; 2], [0; 2])
        );
    }
}

#[test]
fn rfc_4443_address_unreachable_quotes_up_to_1280_bytes() {
    for (length, quoted) in [(8, 48), (9, 49), (1192, 1232), (1193, 1232), (60_000, 1232)] {
        let packet = v6(17, &vec![7; length]);
        let error = answer(&packet).unwrap();
        assert_eq!(error.len(), 48 + quoted, "{length}");
        assert_eq!(
            usize::from(u16::from_be_bytes([error[4], error[5]])),
            error.len() - 40
        );
        assert_eq!(
            (&error[8..24], &error[24..40]),
            (&packet[24..40], &packet[8..24])
        );
        assert_eq!(
            (error[6], error[40], error[41]),
            (58, 1, 3),
            "address unreachable"
        );
        assert_eq!(error[48..], packet[..quoted]);
        let pseudo = [0, 0, error[4], error[5], 0, 0, 0, 58];
        assert_eq!(checksum(&[&error[8..40], &pseudo, &error[40..]]), [0; 2]);
    }
}

#[test]
fn rfc_1122_no_error_about_an_error_a_later_fragment_or_a_group() {
    type Change = fn(&mut Vec<u8>);
    let cases: [(&str, Change, bool); 16] = [
        ("UDP", |_| {}, true),
        ("first fragment", |packet| packet[6] = 0x20, true),
        ("later fragment", |packet| packet[7] = 1, false),
        ("ping", |packet| (packet[9], packet[20]) = (1, 8), true),
        (
            "unreachable",
            |packet| (packet[9], packet[20]) = (1, 3),
            false,
        ),
        ("redirect", |packet| (packet[9], packet[20]) = (1, 5), false),
        (
            "time exceeded",
            |packet| (packet[9], packet[20]) = (1, 11),
            false,
        ),
        (
            "parameter problem",
            |packet| (packet[9], packet[20]) = (1, 12),
            false,
        ),
        ("to a group", |packet| packet[16] = 224, false),
        ("to all", |packet| packet[16..20].fill(255), false),
        ("from nobody", |packet| packet[12..16].fill(0), false),
        ("from itself", |packet| packet[12] = 127, false),
        ("from a group", |packet| packet[12] = 239, false),
        ("from all", |packet| packet[12..16].fill(255), false),
        (
            "ICMP cut short",
            |packet| (packet[9], packet[0]) = (1, 0x4f),
            false,
        ),
        ("padding behind it", |packet| packet[3] = 24, true),
    ];
    for (name, change, expected) in cases {
        let mut packet = v4(40);
        change(&mut packet);
        assert_eq!(answer(&packet).is_some(), expected, "{name}");
    }
}

#[test]
fn rfc_4443_no_error_about_an_error_a_later_fragment_or_a_group() {
    let options = |next: u8| [next, 1].into_iter().chain([0; 14]).collect::<Vec<u8>>();
    let fragment = |next: u8, offset: u8| vec![next, 0, 0, offset, 0, 0, 0, 1];
    let icmp = |kind: u8| vec![kind, 0, 0, 0, 0, 0, 0, 0];
    let mut to_group = v6(17, &[0; 8]);
    to_group[24] = 0xff;
    let mut from_nobody = v6(17, &[0; 8]);
    from_nobody[8..24].fill(0);
    let cases = [
        ("UDP", v6(17, &[0; 8]), true),
        ("no next header", v6(59, &[]), true),
        ("ping", v6(58, &icmp(128)), true),
        ("unreachable", v6(58, &icmp(1)), false),
        ("redirect", v6(58, &icmp(137)), false),
        ("ICMPv6 cut short", v6(58, &[]), false),
        (
            "ping behind options",
            v6(60, &[options(58), icmp(128)].concat()),
            true,
        ),
        (
            "error behind options",
            v6(0, &[options(43), options(58), icmp(1)].concat()),
            false,
        ),
        ("first fragment", v6(44, &fragment(17, 1)), true),
        (
            "first fragment of an error",
            v6(44, &[fragment(58, 1), icmp(1)].concat()),
            false,
        ),
        ("later fragment", v6(44, &fragment(17, 8)), false),
        ("to a group", to_group, false),
        ("from nobody", from_nobody, false),
    ];
    for (name, packet, expected) in cases {
        assert_eq!(answer(&packet).is_some(), expected, "{name}");
    }
}

#[test]
fn kernel_icmp_errors_1000_a_second_with_bursts_of_50() {
    let mut errors = Errors::default();
    let mut taken = |times_ms: &mut dyn Iterator<Item = u64>| {
        times_ms.for_each(|now_ms| errors.add(&v4(40), now_ms));
        errors.packets.drain(..).count()
    };
    assert_eq!(taken(&mut std::iter::repeat_n(10_000, 1000)), 50, "at once");
    assert_eq!(
        taken(&mut (10_001..10_101).flat_map(|now_ms| [now_ms; 3])),
        100,
        "one a millisecond"
    );
    assert_eq!(
        taken(&mut std::iter::repeat_n(90_000, 1000)),
        50,
        "no more is saved"
    );
}

proptest! {
    #[test]
    fn any_packet_is_answered_or_not(mut packet in proptest::collection::vec(any::<u8>(), 0..1400), version in 3_u8..8) {
        if let Some(first) = packet.first_mut() {
            *first = version << 4 | *first & 15;
        }
        if let Some(error) = answer(&packet) {
            prop_assert!(error.len() <= V6_BYTES);
            prop_assert!(answer(&error).is_none(), "an error is not answered");
            prop_assert!(parse_inner(&error).is_some_and(|inner| inner.length == error.len()));
        }
    }
}
