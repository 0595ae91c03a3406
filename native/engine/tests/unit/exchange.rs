//! Two planes that talk in memory: what one seals, the other opens. No socket, no TUN, and time is a number.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;

use proptest::prelude::*;

use super::*;
use crate::counters::Word;
use crate::events::Kind;
use crate::inbound::{Change, Incoming, apply, open};
use crate::keypair::KeypairOptions;
use crate::mac::Mac1;
use crate::packet::{COOKIE_REPLY_BYTES, INITIATION_BYTES, RESPONSE_BYTES};

const MTU: usize = 1420;
const START_MS: u64 = 1_000_000;
const A_KEY: [u8; 32] = [0xa; 32];
const B_KEY: [u8; 32] = [0xb; 32];

/// One end: a plane with one peer, which has 10.0.0.`number`/32.
struct End {
    plane: Plane,
    peer: PeerId,
    number: u8,
    batch: Batch,
    changes: Vec<Change>,
}

/// An event, its peer and its payload.
type Event = (u8, u32, Vec<u8>);

impl End {
    fn new(number: u8, other: u8, key: [u8; 32]) -> Self {
        let plane = Plane::new(MTU, || {}).unwrap();
        let peer = {
            let mut table = plane.table_mut();
            let peer = table.add_peer(key).unwrap();
            table
                .add_allowed_ips(peer, &[format!("10.0.0.{other}/32").parse().unwrap()])
                .unwrap();
            table.peer_mut(peer).unwrap().endpoint = Some(endpoint(other));
            peer
        };
        Self {
            plane,
            peer,
            number,
            batch: Batch::default(),
            changes: Vec::new(),
        }
    }

    fn index(&self) -> u32 {
        self.plane.table_mut().new_index(self.peer).unwrap()
    }

    /// Puts a packet into the TUN and returns the datagrams that leave, those that waited included.
    fn send(&mut self, packet: &[u8], now_ms: u64) -> Vec<Vec<u8>> {
        self.batch.clear();
        self.batch.room().unwrap()[..packet.len()].copy_from_slice(packet);
        self.batch.keep(packet.len(), MTU);
        self.batch.route(&self.plane, now_ms);
        let mut sent = self.datagrams();
        for _ in self.batch.take_waiting() {
            sent.extend(self.flush(now_ms));
        }
        sent
    }

    /// Sends what waits.
    fn flush(&mut self, now_ms: u64) -> Vec<Vec<u8>> {
        self.batch.clear();
        let table = self.plane.table();
        assert!(
            !self
                .batch
                .take_staged(table.peer(self.peer).unwrap(), &self.plane, now_ms)
        );
        drop(table);
        self.datagrams()
    }

    fn datagrams(&self) -> Vec<Vec<u8>> {
        self.batch
            .datagrams
            .iter()
            .map(|datagram| self.batch.bytes(datagram).to_vec())
            .collect()
    }

    fn receive_from(
        &mut self,
        datagram: &[u8],
        from: Incoming,
        now_ms: u64,
    ) -> Result<Option<Vec<u8>>, Drop> {
        let mut datagram = datagram.to_vec();
        let opened = {
            let table = self.plane.table();
            open(
                &mut datagram,
                &from,
                &table,
                &self.plane,
                &mut self.changes,
                now_ms,
            )
        };
        let opened = opened.map(|range| range.map(|range| datagram[range].to_vec()));
        // Without sockets what is flushed is lost, so keep it: this is what `apply` does, less the sending.
        for change in &self.changes {
            assert!(matches!(change, Change::Promote(_) | Change::Roam(..)));
        }
        opened
    }

    fn receive(&mut self, datagram: &[u8], now_ms: u64) -> Result<Option<Vec<u8>>, Drop> {
        let other = 3 - self.number;
        let opened = self.receive_from(
            datagram,
            incoming(datagram.len(), endpoint(other), 0),
            now_ms,
        );
        self.apply(now_ms);
        opened
    }

    /// Carries out the changes, keeping what waits where it is.
    fn apply(&mut self, now_ms: u64) {
        let waits: VecDeque<Box<[u8]>> = {
            let table = self.plane.table();
            let stage = &table.peer(self.peer).unwrap().stage;
            let mut staged = stage.hold();
            let mut waits = VecDeque::new();
            while let Some(packet) = staged.front() {
                waits.push_back(packet.into());
                staged.pop();
            }
            waits
        };
        apply(&mut self.changes, &self.plane, &mut self.batch, now_ms);
        for packet in waits {
            self.plane
                .table()
                .peer(self.peer)
                .unwrap()
                .stage
                .push(&packet);
        }
    }

    fn events(&self) -> Vec<Event> {
        let records = self.plane.events.drain();
        let mut rest = &records[..];
        let mut events = Vec::new();
        while !rest.is_empty() {
            let length = 7 + usize::from(u16::from_le_bytes([rest[5], rest[6]]));
            let peer = u32::from_le_bytes(rest[1..5].try_into().unwrap());
            events.push((rest[0], peer, rest[7..length].to_vec()));
            rest = &rest[length..];
        }
        events
    }

    fn kinds(&self) -> Vec<u8> {
        self.events().iter().map(|event| event.0).collect()
    }

    fn word(&self, word: Word) -> u64 {
        self.plane
            .table()
            .peer(self.peer)
            .unwrap()
            .words
            .at(word)
            .load(Ordering::Relaxed)
    }

    fn endpoint(&self) -> Endpoint {
        self.plane
            .table()
            .peer(self.peer)
            .unwrap()
            .endpoint
            .unwrap()
    }
}

fn endpoint(number: u8) -> Endpoint {
    Endpoint {
        remote: SocketAddr::from(([192, 0, 2, number], 51820)),
        local: Some(IpAddr::from([192, 0, 2, 3 - number])),
    }
}

fn incoming(length: usize, endpoint: Endpoint, ecn: u8) -> Incoming {
    Incoming {
        length,
        endpoint,
        ecn,
    }
}

/// An IPv4 packet between the two.
fn packet(from: u8, to: u8, length: usize) -> Vec<u8> {
    let mut packet: Vec<u8> = (0..length).map(|place| place as u8).collect();
    packet[..20].fill(0);
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&(length as u16).to_be_bytes());
    packet[12..16].copy_from_slice(&[10, 0, 0, from]);
    packet[16..20].copy_from_slice(&[10, 0, 0, to]);
    packet
}

/// Gives both ends the keys of a handshake that A began, at a time.
fn shake(a: &mut End, b: &mut End, now_ms: u64) {
    let (a_index, b_index) = (a.index(), b.index());
    let (to_b, to_a) = ([a_index as u8; 32], [b_index as u8 ^ 0x55; 32]);
    let of_b = KeypairOptions {
        local_index: b_index,
        remote_index: a_index,
        initiator: false,
        send_key: &to_a,
        receive_key: &to_b,
    };
    let of_a = KeypairOptions {
        local_index: a_index,
        remote_index: b_index,
        initiator: true,
        send_key: &to_b,
        receive_key: &to_a,
    };
    b.plane.table_mut().install(b.peer, &of_b, now_ms).unwrap();
    a.plane.table_mut().install(a.peer, &of_a, now_ms).unwrap();
}

fn ends() -> (End, End) {
    (End::new(1, 2, B_KEY), End::new(2, 1, A_KEY))
}

/// Two ends with a session that both have seen a packet of.
fn connected() -> (End, End) {
    let (mut a, mut b) = ends();
    shake(&mut a, &mut b, START_MS);
    let there = a.send(&packet(1, 2, 20), START_MS);
    b.receive(&there[0], START_MS).unwrap();
    let back = b.send(&packet(2, 1, 20), START_MS);
    a.receive(&back[0], START_MS).unwrap();
    a.events();
    b.events();
    (a, b)
}

#[test]
fn packets_of_every_length_pass_both_ways() {
    let (mut a, mut b) = connected();
    for length in (20..=MTU).chain([MTU + 1, 9000, 65_535]) {
        let text = packet(1, 2, length);
        let sent = a.send(&text, START_MS);
        assert_eq!(sent[0].len(), 32 + padded_bytes(length, MTU), "{length}");
        assert_eq!(b.receive(&sent[0], START_MS), Ok(Some(text)), "{length}");
        let text = packet(2, 1, length);
        let sent = b.send(&text, START_MS);
        assert_eq!(a.receive(&sent[0], START_MS), Ok(Some(text)), "{length}");
    }
}

#[test]
fn a_batch_takes_what_fits() {
    let (a, _) = connected();
    for (length, fits) in [(65_535, 3), (9000, 22), (20, BATCH)] {
        let mut batch = Batch::default();
        let mut kept = 0;
        while let Some(room) = batch.room() {
            room[..length].copy_from_slice(&packet(1, 2, length));
            batch.keep(length, MTU);
            kept += 1;
        }
        batch.route(&a.plane, START_MS);
        assert_eq!(
            (kept, batch.datagrams.len()),
            (fits, fits),
            "{length} bytes"
        );
    }
}

#[test]
fn first_packet_asks_for_a_handshake_and_goes_out_after_it() {
    let (mut a, mut b) = ends();
    let texts: Vec<_> = (20..23).map(|length| packet(1, 2, length)).collect();
    for text in &texts {
        assert!(a.send(text, START_MS).is_empty());
    }
    assert_eq!(a.kinds(), [Kind::HandshakeWanted as u8], "asked once");
    shake(&mut a, &mut b, START_MS);
    let sent = a.flush(START_MS);
    let opened: Vec<_> = sent
        .iter()
        .map(|datagram| b.receive(datagram, START_MS).unwrap().unwrap())
        .collect();
    assert_eq!(opened, texts, "all, in order");
    assert_eq!(a.kinds(), [Kind::Active as u8]);
}

#[test]
fn a_packet_that_comes_while_others_wait_goes_behind_them() {
    let (mut a, mut b) = ends();
    assert!(a.send(&packet(1, 2, 30), START_MS).is_empty());
    shake(&mut a, &mut b, START_MS);
    let lengths: Vec<_> = a
        .send(&packet(1, 2, 40), START_MS)
        .iter()
        .map(Vec::len)
        .collect();
    assert_eq!(lengths, [32 + 32, 32 + 48]);
}

#[test]
fn responder_waits_for_the_first_packet() {
    let (mut a, mut b) = ends();
    assert!(b.send(&packet(2, 1, 20), START_MS).is_empty());
    shake(&mut a, &mut b, START_MS);
    b.events();
    assert!(b.flush(START_MS).is_empty(), "the keys are not confirmed");
    assert_eq!(b.kinds(), [Kind::HandshakeWanted as u8]);

    // What the initiator sends if it has nothing to say.
    a.plane.table().peer(a.peer).unwrap().stage.push(&[]);
    let keepalive = a.flush(START_MS);
    assert_eq!(keepalive[0].len(), 32);
    assert_eq!(b.receive(&keepalive[0], START_MS), Ok(None));
    let events = b.events();
    assert_eq!(
        events.iter().map(|event| event.0).collect::<Vec<_>>(),
        [Kind::Active as u8, Kind::Confirmed as u8]
    );
    assert_eq!(events[1].2, keepalive[0][4..8], "the local index");
    assert_eq!(b.receive(&keepalive[0], START_MS), Err(Drop::Replay));

    let sent = b.flush(START_MS);
    assert_eq!(a.receive(&sent[0], START_MS), Ok(Some(packet(2, 1, 20))));
}

#[test]
fn packets_of_former_sessions_pass_until_they_are_replaced() {
    let (mut a, mut b) = connected();
    let old = a.send(&packet(1, 2, 50), START_MS);
    shake(&mut a, &mut b, START_MS);
    let new = a.send(&packet(1, 2, 60), START_MS);
    // The responder keeps only current and next, until next is confirmed.
    assert_eq!(b.receive(&new[0], START_MS), Ok(Some(packet(1, 2, 60))));
    assert_eq!(
        b.receive(&old[0], START_MS),
        Ok(Some(packet(1, 2, 50))),
        "from the previous session"
    );
    shake(&mut a, &mut b, START_MS);
    let again = a.send(&packet(1, 2, 70), START_MS);
    assert_eq!(
        b.receive(&old[0], START_MS),
        Err(Drop::Index),
        "two sessions ago"
    );
    assert!(b.receive(&again[0], START_MS).is_ok());
    assert_eq!(
        (a.plane.table().sessions(), b.plane.table().sessions()),
        (2, 2)
    );
}

#[test]
fn only_the_initiator_renews_in_time() {
    let (mut a, mut b) = connected();
    let cases = [
        (119_999, false, false),
        (120_000, true, false),
        (179_999, false, false),
    ];
    for (age_ms, asks_a, asks_b) in cases {
        let now_ms = START_MS + age_ms;
        let asked = |end: &End| end.kinds().contains(&(Kind::HandshakeWanted as u8));
        assert_eq!(a.send(&packet(1, 2, 20), now_ms).len(), 1);
        assert_eq!(b.send(&packet(2, 1, 20), now_ms).len(), 1);
        assert_eq!((asked(&a), asked(&b)), (asks_a, asks_b), "{age_ms}");
    }
    assert!(b.send(&packet(2, 1, 20), START_MS + 180_000).is_empty());
    assert_eq!(
        b.kinds(),
        [Kind::HandshakeWanted as u8],
        "too old to send: the responder asks too"
    );
}

#[test]
fn receiving_asks_for_new_keys_before_they_die() {
    for (age_ms, expected) in [(164_999, false), (165_000, true), (179_999, true)] {
        let (mut a, mut b) = connected();
        let sent = b.send(&packet(2, 1, 20), START_MS + age_ms);
        assert!(a.receive(&sent[0], START_MS + age_ms).is_ok());
        assert_eq!(
            a.kinds().contains(&(Kind::HandshakeWanted as u8)),
            expected,
            "{age_ms}"
        );
    }
    let (mut a, mut b) = connected();
    let sent = b.send(&packet(2, 1, 20), START_MS + 179_999);
    assert_eq!(a.receive(&sent[0], START_MS + 180_000), Err(Drop::Expired));
}

#[test]
fn what_a_peer_may_not_send_is_dropped() {
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
        ("shorter than a header", short, Err(Drop::InnerHeader)),
        ("not IP", vec![0x75; 64], Err(Drop::InnerHeader)),
        ("padding", trimmed.clone(), Ok(Some(trimmed[..40].to_vec()))),
    ];
    for (name, text, expected) in cases {
        let mut message = [&[0; 16][..], &text, &[0; 16]].concat();
        assert!(
            a.plane
                .table()
                .peer(a.peer)
                .unwrap()
                .keypairs
                .current()
                .unwrap()
                .seal(&mut message)
        );
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
    }
    a.plane.table_mut().peer_mut(0).unwrap().endpoint = None;
    assert!(a.send(&packet(1, 2, 20), START_MS).is_empty());
    assert_eq!(a.plane.drops.get(Drop::NoEndpoint), 1);
}

#[test]
fn only_authenticated_packets_move_a_peer() {
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
fn congestion_passes_through() {
    let (mut a, mut b) = connected();
    let mut text = packet(1, 2, 20);
    text[1] = 2;
    let sent = a.send(&text, START_MS);
    assert_eq!(a.batch.datagrams[0].ecn, 2, "carried outwards");
    let marked = b.receive_from(&sent[0], incoming(sent[0].len(), endpoint(1), 3), START_MS);
    assert_eq!(marked.unwrap().unwrap()[1], 3, "carried inwards");
    let sent = a.send(&packet(1, 2, 20), START_MS);
    let marked = b.receive_from(&sent[0], incoming(sent[0].len(), endpoint(1), 3), START_MS);
    assert_eq!(marked, Err(Drop::Congestion));
}

#[test]
fn words_tell_the_timers() {
    let (mut a, mut b) = connected();
    let words = |end: &End| {
        [
            Word::SentUnanswered,
            Word::ReceivedUnanswered,
            Word::LastTraversal,
        ]
        .map(|word| {
            let time = end.word(word);
            if time == 0 { 0 } else { time - START_MS }
        })
    };
    let rest = |end: &End, seen_ms: u64, now_ms: u64| {
        end.plane
            .table()
            .peer(end.peer)
            .unwrap()
            .rest(seen_ms, now_ms)
    };
    let (a_tx, b_rx) = (a.word(Word::TxBytes), b.word(Word::RxBytes));

    let sent = a.send(&packet(1, 2, 20), START_MS + 10);
    a.send(&packet(1, 2, 20), START_MS + 20);
    assert_eq!(words(&a), [10, 0, 20], "the first that is unanswered");
    assert_eq!(a.word(Word::TxBytes) - a_tx, 2 * 64);
    b.receive(&sent[0], START_MS + 11).unwrap();
    assert_eq!(words(&b), [0, 11, 11]);
    assert_eq!(b.word(Word::RxBytes) - b_rx, 64);

    // A keepalive answers data, and is no data itself.
    b.plane.table().peer(b.peer).unwrap().stage.push(&[]);
    let keepalive = b.flush(START_MS + 30);
    assert_eq!(words(&b), [0, 0, 30]);
    a.receive(&keepalive[0], START_MS + 31).unwrap();
    assert_eq!(words(&a), [0, 0, 31]);

    assert!(
        a.events().is_empty() && b.events().is_empty(),
        "the timers have run all the time"
    );
    assert!(
        !rest(&a, START_MS + 30, START_MS + 100),
        "something passed since"
    );
    assert!(!rest(&a, START_MS + 31, START_MS + 31), "too close to tell");
    assert!(rest(&a, START_MS + 31, START_MS + 100));
    a.send(&packet(1, 2, 20), START_MS + 200);
    a.send(&packet(1, 2, 20), START_MS + 201);
    assert_eq!(a.kinds(), [Kind::Active as u8], "said once");
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
fn only_handshakes_for_us_go_up() {
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
        prop_assert!(b.receive(&datagram, START_MS).is_err());
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
        prop_assert!(a.plane.table().peer(a.peer).unwrap().keypairs.current().unwrap().seal(&mut message));
        let from = incoming(message.len(), endpoint(1), ecn);
        if let Ok(Some(packet)) = b.receive_from(&message, from, START_MS) {
            prop_assert!(packet.len() >= 20 && packet.len() <= text.len());
        }
    }
}
