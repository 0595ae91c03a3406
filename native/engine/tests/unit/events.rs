use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

fn watched() -> (Events, Arc<AtomicUsize>) {
    let wakes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&wakes);
    (
        Events::new(move || _ = counted.fetch_add(1, Ordering::Relaxed)),
        wakes,
    )
}

fn from() -> Endpoint {
    Endpoint::configured("192.0.2.1:51820".parse().unwrap())
}

#[test]
fn wakes_once_until_drained_empty() {
    let (events, wakes) = watched();
    for _ in 0..3 {
        events.peer(Kind::HandshakeWanted, 7, &[]);
    }
    assert_eq!(wakes.load(Ordering::Relaxed), 1);
    let record = [1, 7, 0, 0, 0, 0, 0];
    assert_eq!(events.drain(), record.repeat(3));
    events.peer(Kind::HandshakeWanted, 7, &[]);
    assert_eq!(
        wakes.load(Ordering::Relaxed),
        1,
        "whoever drains comes again"
    );
    assert_eq!(events.drain(), record);
    assert!(events.drain().is_empty());
    events.link(Kind::LinkUp, &[]);
    assert_eq!(wakes.load(Ordering::Relaxed), 2);
}

#[test]
fn handshakes_and_warnings_are_bounded() {
    let (events, _) = watched();
    for _ in 0..MAX_INITIATIONS {
        assert!(events.initiation(&from(), &[1; 148]));
    }
    assert!(!events.initiation(&from(), &[1; 148]));
    for _ in 0..MAX_REPLIES {
        assert!(events.reply(3, &from(), &[2; 92]));
    }
    assert!(!events.reply(3, &from(), &[2; 92]));
    for _ in 0..2 * MAX_WARNINGS {
        events.warn("w");
    }
    let bytes = MAX_INITIATIONS * INITIATION_RECORD_BYTES
        + MAX_REPLIES * (HEAD_BYTES + SOURCE_BYTES + 92)
        + MAX_WARNINGS * (HEAD_BYTES + 1);
    let drained = std::iter::repeat_with(|| events.drain()).take_while(|some| !some.is_empty());
    assert_eq!(drained.map(|some| some.len()).sum::<usize>(), bytes);
    assert!(events.initiation(&from(), &[1; 148]));
    assert!(events.reply(3, &from(), &[2; 92]));
}

#[test]
fn a_flood_of_initiations_delays_nothing_else() {
    let (events, _) = watched();
    for number in 0..=INITIATIONS_AT_ONCE {
        assert!(events.initiation(&from(), &[number as u8; 148]));
    }
    assert!(events.reply(3, &from(), &[2; 92]));
    events.peer(Kind::Active, 2, &[]);
    let first = events.drain();
    let others = HEAD_BYTES + SOURCE_BYTES + 92 + HEAD_BYTES;
    assert_eq!(
        first.len(),
        others + INITIATIONS_AT_ONCE * INITIATION_RECORD_BYTES
    );
    assert_eq!(first[1..5], 3_u32.to_le_bytes(), "the reply leads");
    assert_eq!(first[others..][..5], [0, 255, 255, 255, 255]);
    let second = events.drain();
    assert_eq!(second.len(), INITIATION_RECORD_BYTES);
    assert_eq!(
        second.last(),
        Some(&(INITIATIONS_AT_ONCE as u8)),
        "in order"
    );
}

#[test]
fn events_of_a_removed_peer_are_taken_back() {
    let (events, _) = watched();
    assert!(events.reply(1, &from(), &[2; 92]));
    events.peer(Kind::Active, 2, &[]);
    events.peer(Kind::Confirmed, 1, &[0; 4]);
    events.link(Kind::LinkUp, &[]);
    events.forget(1);
    assert_eq!(events.queue().replies, 0);
    assert_eq!(
        events.drain(),
        [[2, 2, 0, 0, 0, 0, 0], [4, 255, 255, 255, 255, 0, 0]].concat()
    );
}
