//! What passes: packets under keys, in order, as keys come and go, and what is told of it.

use super::*;

#[test]
fn packets_of_every_length_pass_both_ways() {
    let (mut a, mut b) = connected();
    for length in (20..=MTU).chain([MTU + 1, 9000, 65_507 - 32]) {
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
fn a_batch_takes_what_fits_and_sends_runs_as_one() {
    let (a, _) = connected();
    // Two packets of the longest kind fill a batch, but do not fit one message.
    for (length, fits, messages) in [(65_000, 3, 3), (9000, 15, 3), (1420, 91, 3), (20, BATCH, 2)] {
        let mut wire = Wire::default();
        let mut kept = 0;
        while wire.has_room() {
            wire.add(&Vnet::default(), &packet(1, 2, length), MTU)
                .unwrap();
            kept += 1;
        }
        wire.route(&a.plane, START_MS);
        let datagrams: usize = wire.messages.iter().map(|message| message.datagrams).sum();
        assert_eq!(
            (kept, datagrams, wire.messages.len()),
            (fits, fits, messages),
            "{length} bytes"
        );
    }
}

#[test]
fn a_message_has_datagrams_of_one_length_and_mark_to_one_place() {
    let (a, _) = connected();
    let marked = |ecn: u8| {
        let mut packet = packet(1, 2, 100);
        packet[1] = ecn;
        packet
    };
    let sizes = |packets: &[Vec<u8>]| {
        let mut wire = Wire::default();
        for packet in packets {
            wire.add(&Vnet::default(), packet, MTU).unwrap();
        }
        wire.route(&a.plane, START_MS);
        let counts = wire.messages.iter().map(|message| message.datagrams);
        counts.collect::<Vec<_>>()
    };
    let long = |count| vec![packet(1, 2, 200); count];
    let short = vec![packet(1, 2, 100)];
    assert_eq!(
        sizes(&[long(2), short.clone()].concat()),
        [3],
        "a shorter tail"
    );
    assert_eq!(
        sizes(&[long(1), short.clone(), short.clone()].concat()),
        [2, 1],
        "ends it"
    );
    assert_eq!(
        sizes(&[short, long(2)].concat()),
        [1, 2],
        "a longer one begins another"
    );
    assert_eq!(sizes(&[marked(0), marked(2), marked(2)]), [1, 2], "ECN");
    assert_eq!(
        sizes(&vec![packet(1, 2, 20); 100]),
        [64, 36],
        "what kernels take"
    );
}

#[test]
fn kernel_first_packet_asks_for_a_handshake_and_goes_out_after_it() {
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
fn a_packet_that_comes_while_others_are_being_sent_goes_behind_them() {
    let (mut a, mut b) = ends();
    assert!(a.send(&packet(1, 2, 30), START_MS).is_empty());
    shake(&mut a, &mut b, START_MS);
    assert!(a.take_staged(false, START_MS));
    let sent = a.datagrams();
    assert_eq!(sent.len(), 1);

    // Another thread comes before the first has sent: it neither sends nor takes what it staged.
    assert!(a.send(&packet(1, 2, 40), START_MS).is_empty());
    assert!(a.take_staged(true, START_MS));
    assert_eq!(a.datagrams()[0].len(), 32 + 48);
    assert!(!a.take_staged(true, START_MS), "nothing is left");
    assert_eq!(
        a.send(&packet(1, 2, 50), START_MS).len(),
        1,
        "at once, as ever"
    );
}

#[test]
fn paper_5_1_responder_waits_for_the_first_packet() {
    let (mut a, mut b) = ends();
    assert!(b.send(&packet(2, 1, 20), START_MS).is_empty());
    shake(&mut a, &mut b, START_MS);
    b.events();
    assert!(b.flush(START_MS).is_empty(), "the keys are not confirmed");
    assert_eq!(b.kinds(), [Kind::HandshakeWanted as u8]);

    // What the initiator sends if it has nothing to say.
    let keepalive = a.keepalive(START_MS);
    assert_eq!(keepalive.len(), 32);
    assert_eq!(b.receive(&keepalive, START_MS), Ok(None));
    let events = b.events();
    assert_eq!(
        events.iter().map(|event| event.0).collect::<Vec<_>>(),
        [Kind::Active as u8, Kind::Confirmed as u8]
    );
    assert_eq!(events[1].2, keepalive[4..8], "the local index");
    assert_eq!(b.receive(&keepalive, START_MS), Err(Drop::Replay));

    let sent = b.flush(START_MS);
    assert_eq!(a.receive(&sent[0], START_MS), Ok(Some(packet(2, 1, 20))));
}

#[test]
fn what_waits_under_a_session_asks_for_no_other() {
    let (mut a, mut b) = ends();
    let mut wire = Wire::default();
    assert!(a.send(&packet(1, 2, 20), START_MS).is_empty());
    a.events();
    let mut ask_again = |end: &mut End| {
        end.plane.ask_again(end.peer, &mut wire, START_MS).unwrap();
        end.kinds().contains(&(Kind::HandshakeWanted as u8))
    };
    assert!(ask_again(&mut a), "there is none");
    shake(&mut a, &mut b, START_MS);
    a.events();
    // As while one thread sends what waited and JavaScript hears on another that the session is complete.
    assert!(a.take_staged(false, START_MS));
    assert!(!ask_again(&mut a), "it is being sent");
    assert!(!a.take_staged(true, START_MS));
    let table = a.plane.table();
    table.peer(a.peer).unwrap().stage.push(&packet(1, 2, 20));
    drop(table);
    assert!(!ask_again(&mut a), "it is sent now");
    let table = a.plane.table();
    assert!(!table.peer(a.peer).unwrap().stage.is_occupied());
}

#[test]
fn kernel_packets_of_former_sessions_pass_until_they_are_replaced() {
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
fn kernel_a_peer_removed_while_its_packet_is_on_its_way_leaves_nothing() {
    let (mut a, mut b) = ends();
    shake(&mut a, &mut b, START_MS);
    let sent = [0, 1].map(|_| a.send(&packet(1, 2, 20), START_MS).remove(0));
    let elsewhere = incoming(sent[0].len(), endpoint(99), 0);
    assert!(b.receive_from(&sent[0], elsewhere, START_MS).is_ok());
    assert_eq!(b.delivery.changes.len(), 2, "it moved, and is confirmed");
    b.plane.table_mut().remove_peer(b.peer).unwrap();
    b.delivery.apply(&b.plane, START_MS);
    assert_eq!(b.plane.table().sessions(), 0);
    let late = b.receive_from(&sent[1], elsewhere, START_MS);
    assert_eq!(late, Err(Drop::Index));
    assert!(b.send(&packet(2, 1, 20), START_MS).is_empty());
    assert_eq!(b.plane.drops.get(Drop::NoPeer), 1);
}

#[test]
fn paper_6_2_only_the_initiator_renews_in_time() {
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
fn paper_6_2_receiving_asks_for_new_keys_before_they_die() {
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
    let keepalive = b.keepalive(START_MS + 30);
    assert_eq!(words(&b), [0, 0, 30]);
    a.receive(&keepalive, START_MS + 31).unwrap();
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

#[test]
fn kernel_ecn_is_copied_both_ways() {
    let (mut a, mut b) = connected();
    let mut text = packet(1, 2, 20);
    text[1] = 2;
    let sent = a.send(&text, START_MS);
    assert_eq!(a.wire.messages[0].ecn, 2, "carried outwards");
    let marked = b.receive_from(&sent[0], incoming(sent[0].len(), endpoint(1), 3), START_MS);
    assert_eq!(marked.unwrap().unwrap()[1], 3, "carried inwards");
    let sent = a.send(&packet(1, 2, 20), START_MS);
    let marked = b.receive_from(&sent[0], incoming(sent[0].len(), endpoint(1), 3), START_MS);
    assert_eq!(marked, Err(Drop::Congestion));
}
