//! What does not pass, and what goes up in its stead.

use super::*;

#[test]
fn paper_3_what_a_peer_may_not_send_is_dropped() {
    let (a, mut b) = connected();
    let third = {
        let mut table = b.plane.table_mut();
        let third = table.add_peer([3; 32]).unwrap();
        table
            .add_allowed_ips(third, &["10.0.0.3/32".parse().unwrap()])
            .unwrap();
        third
    };
    assert_ne!(third, b.peer);
    let mut longer = packet(1, 2, 64);
    longer[3] = 65;
    let mut trimmed = packet(1, 2, 64);
    trimmed[3] = 40;
    let mut longest = packet(1, 2, 64);
    longest[2..4].fill(255);
    let mut longest_v6 = packet(1, 2, 64);
    (longest_v6[0], longest_v6[4], longest_v6[5]) = (0x60, 255, 255);
    let mut short = packet(1, 2, 64);
    short[3] = 19;
    let cases = [
        ("a source of nobody", packet(9, 2, 64), Err(Drop::Source)),
        (
            "a source of another peer",
            packet(3, 2, 64),
            Err(Drop::Source),
        ),
        ("longer than what came", longer, Err(Drop::InnerHeader)),
        ("65,535 bytes", longest, Err(Drop::InnerHeader)),
        ("65,535 bytes of IPv6", longest_v6, Err(Drop::InnerHeader)),
        (
            "19 bytes, shorter than a header",
            short,
            Err(Drop::InnerHeader),
        ),
        ("not IP", vec![0x75; 64], Err(Drop::InnerHeader)),
        ("padding", trimmed.clone(), Ok(Some(trimmed[..40].to_vec()))),
    ];
    for (name, text, expected) in cases {
        let mut message = [&[0; 16][..], &text, &[0; 16]].concat();
        a.seal(&mut message);
        assert_eq!(b.receive(&message, START_MS), expected, "{name}");
        assert_eq!(
            b.receive(&message, START_MS),
            Err(Drop::Replay),
            "{name}, again"
        );
    }
}

#[test]
fn what_nobody_may_get_is_dropped() {
    let (mut a, _) = connected();
    let cases: [(&str, Vec<u8>, Drop); 4] = [
        ("nobody's address", packet(1, 9, 20), Drop::NoPeer),
        ("not IP", vec![0x15; 40], Drop::OutboundHeader),
        (
            "cut short",
            packet(1, 2, 20)[..19].to_vec(),
            Drop::OutboundHeader,
        ),
        ("nothing", vec![], Drop::OutboundHeader),
    ];
    for (name, text, reason) in cases {
        let before = a.plane.drops.get(reason);
        assert!(a.send(&text, START_MS).is_empty(), "{name}");
        assert_eq!(a.plane.drops.get(reason), before + 1, "{name}");
        let told = a.wire.errors.packets.drain(..).count();
        assert_eq!(told, usize::from(reason == Drop::NoPeer), "{name}");
    }
    a.plane.table_mut().peer_mut(0).unwrap().endpoint = None;
    assert!(a.send(&packet(1, 2, 20), START_MS).is_empty());
    assert_eq!(a.plane.drops.get(Drop::NoEndpoint), 1);
    assert_eq!(a.wire.errors.packets.len(), 1);
}

#[test]
fn paper_2_1_only_authenticated_packets_move_a_peer() {
    let (mut a, mut b) = connected();
    let elsewhere = endpoint(99);
    let sent = a.send(&packet(1, 2, 20), START_MS);
    let mut forged = sent[0].clone();
    forged[20] ^= 1;
    let from = incoming(forged.len(), elsewhere, 0);
    assert_eq!(
        b.receive_from(&forged, from, START_MS),
        Err(Drop::Authentication)
    );
    b.apply(START_MS);
    assert_eq!(b.endpoint(), endpoint(1));
    assert!(b.receive_from(&sent[0], from, START_MS).is_ok());
    b.apply(START_MS);
    assert_eq!(b.endpoint(), elsewhere);
    assert_eq!(
        b.receive_from(&sent[0], incoming(sent[0].len(), endpoint(7), 0), START_MS),
        Err(Drop::Replay)
    );
    b.apply(START_MS);
    assert_eq!(b.endpoint(), elsewhere, "a copy does not move it back");
}

#[test]
fn paper_2_1_a_peer_is_where_its_newest_packet_came_from() {
    let (mut a, mut b) = connected();
    let sent = [0, 1].map(|_| a.send(&packet(1, 2, 20), START_MS).remove(0));
    for (datagram, place) in sent.iter().zip([endpoint(99), endpoint(1)]) {
        let from = incoming(datagram.len(), place, 0);
        assert!(b.receive_from(datagram, from, START_MS).is_ok());
    }
    b.apply(START_MS);
    assert_eq!(b.endpoint(), endpoint(1), "it was elsewhere for one packet");
}

/// A handshake message with a right mac1 for the key.
fn handshake(length: usize, kind: u8, receiver: u32, key: &[u8; 32]) -> Vec<u8> {
    let mut message = vec![0; length];
    message[0] = kind;
    let at = if kind == 3 { 4 } else { 8 };
    message[at..at + 4].copy_from_slice(&receiver.to_le_bytes());
    if kind < 3 {
        let mac1 = Mac1::new(key).compute(&message[..length - 32]);
        message[length - 32..length - 16].copy_from_slice(&mac1);
    }
    message
}

#[test]
fn paper_5_4_4_only_handshakes_with_our_mac1_go_up() {
    let (mut a, mut b) = connected();
    let pending = b.index();
    let of_keys = u32::from_le_bytes(
        a.send(&packet(1, 2, 20), START_MS)[0][4..8]
            .try_into()
            .unwrap(),
    );
    let (ours, theirs) = (&A_KEY, &B_KEY);
    let unmade = handshake(INITIATION_BYTES, 1, 0, ours);
    assert_eq!(
        b.receive(&unmade, START_MS),
        Err(Drop::Mac),
        "no key is set"
    );
    b.plane.table_mut().mac1 = Some(Mac1::new(ours));
    let mut spoilt = unmade.clone();
    spoilt[50] ^= 1;
    let none = u32::MAX;
    let cases = [
        ("initiation", unmade, Ok(none)),
        (
            "initiation for another key",
            handshake(INITIATION_BYTES, 1, 0, theirs),
            Err(Drop::Mac),
        ),
        ("initiation changed on the way", spoilt, Err(Drop::Mac)),
        (
            "response",
            handshake(RESPONSE_BYTES, 2, pending, ours),
            Ok(b.peer),
        ),
        (
            "response for another key",
            handshake(RESPONSE_BYTES, 2, pending, theirs),
            Err(Drop::Mac),
        ),
        (
            "response to nothing",
            handshake(RESPONSE_BYTES, 2, pending ^ 1, ours),
            Err(Drop::Index),
        ),
        (
            "response to a session",
            handshake(RESPONSE_BYTES, 2, of_keys, ours),
            Err(Drop::Index),
        ),
        (
            "cookie reply to an initiation",
            handshake(COOKIE_REPLY_BYTES, 3, pending, ours),
            Ok(b.peer),
        ),
        (
            "cookie reply to a response",
            handshake(COOKIE_REPLY_BYTES, 3, of_keys, ours),
            Ok(b.peer),
        ),
        (
            "cookie reply to nothing",
            handshake(COOKIE_REPLY_BYTES, 3, pending ^ 1, ours),
            Err(Drop::Index),
        ),
    ];
    for (name, message, expected) in cases {
        b.events();
        assert_eq!(
            b.receive(&message, START_MS),
            expected.map(|_| None),
            "{name}"
        );
        let events = b.events();
        match expected {
            Ok(peer) => {
                assert_eq!(
                    (events[0].0, events[0].1),
                    (Kind::Handshake as u8, peer),
                    "{name}"
                );
                assert_eq!(
                    events[0].2[crate::endpoint::SOURCE_BYTES..],
                    message,
                    "{name}"
                );
            }
            Err(_) => assert!(events.is_empty(), "{name}"),
        }
    }
}

#[test]
fn truncated_and_garbled_datagrams_of_every_length_are_dropped() {
    let (mut a, mut b) = connected();
    let whole = &a.send(&packet(1, 2, 65_535 - 64), START_MS)[0];
    assert!(whole.len() <= 65_535);
    for length in (0..2000).chain((2000..whole.len()).step_by(1009)) {
        assert!(
            b.receive(&whole[..length], START_MS).is_err(),
            "{length} bytes"
        );
        let noise: Vec<u8> = (0..length)
            .map(|place| (place * 31 + length) as u8)
            .collect();
        assert!(
            b.receive(&noise, START_MS).is_err(),
            "{length} bytes of noise"
        );
    }
    assert!(b.receive(whole, START_MS).is_ok(), "the session lives");
}

proptest! {
    #[test]
    fn any_datagram_can_be_opened(
        kind in 0_u8..6,
        known in any::<bool>(),
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let (mut a, mut b) = connected();
        let index = a.send(&packet(1, 2, 20), START_MS)[0][4..8].to_vec();
        let mut datagram = vec![kind, 0, 0, 0];
        if known {
            datagram.extend(index);
        }
        datagram.extend(bytes);
        // A cookie reply for an index of ours goes up; nothing else that is not sealed passes.
        let expected = if kind == 3 && known && datagram.len() == 64 { Ok(None) } else { Err(()) };
        prop_assert_eq!(b.receive(&datagram, START_MS).map_err(|_| ()), expected);
    }

    #[test]
    fn any_text_of_a_peer_can_be_opened(
        version in 3_u8..8,
        mut text in proptest::collection::vec(any::<u8>(), 0..120),
        ecn in 0_u8..4,
    ) {
        let (a, mut b) = connected();
        if let Some(first) = text.first_mut() {
            *first = version << 4 | *first & 15;
        }
        let mut message = [&[0; 16][..], &text, &[0; 16]].concat();
        a.seal(&mut message);
        let from = incoming(message.len(), endpoint(1), ecn);
        if let Ok(Some(packet)) = b.receive_from(&message, from, START_MS) {
            prop_assert!(packet.len() >= 20 && packet.len() <= text.len());
        }
    }
}
