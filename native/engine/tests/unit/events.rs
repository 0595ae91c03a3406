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
fn wakes_once_until_drained() {
    let (events, wakes) = watched();
    for _ in 0..3 {
        events.peer(Kind::HandshakeWanted, 7, &[]);
    }
    assert_eq!(wakes.load(Ordering::Relaxed), 1);
    let record = [1, 7, 0, 0, 0, 0, 0];
    assert_eq!(events.drain(), record.repeat(3));
    assert!(events.drain().is_empty());
    events.link(Kind::LinkUp, &[]);
    assert_eq!(wakes.load(Ordering::Relaxed), 2);
}

#[test]
fn handshakes_and_warnings_are_bounded() {
    let (events, _) = watched();
    for _ in 0..MAX_HANDSHAKES {
        assert!(events.handshake(None, &from(), &[1; 148]));
    }
    assert!(!events.handshake(None, &from(), &[1; 148]));
    for _ in 0..2 * MAX_WARNINGS {
        events.warn("w");
    }
    let bytes =
        MAX_HANDSHAKES * (HEAD_BYTES + SOURCE_BYTES + 148) + MAX_WARNINGS * (HEAD_BYTES + 1);
    assert_eq!(events.drain().len(), bytes);
    assert!(events.handshake(None, &from(), &[1; 148]));
}

#[test]
fn events_of_a_removed_peer_are_taken_back() {
    let (events, _) = watched();
    assert!(events.handshake(Some(1), &from(), &[2; 92]));
    events.peer(Kind::Active, 2, &[]);
    events.peer(Kind::Confirmed, 1, &[0; 4]);
    events.link(Kind::LinkUp, &[]);
    events.forget(1);
    assert_eq!(events.queue().handshakes, 0);
    assert_eq!(
        events.drain(),
        [[2, 2, 0, 0, 0, 0, 0], [4, 255, 255, 255, 255, 0, 0]].concat()
    );
}
