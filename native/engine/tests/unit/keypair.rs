use super::*;
use crate::packet::{self, TAG_BYTES, parse};

const KEY: [u8; 32] = [7; 32];

fn keypair(local_index: u32, initiator: bool) -> Arc<Keypair> {
    let options = KeypairOptions {
        local_index,
        remote_index: 9,
        initiator,
        send_key: &KEY,
        receive_key: &KEY,
    };
    Arc::new(Keypair::new(0, &options, 1000))
}

fn indices(keypairs: &Keypairs) -> [u32; 3] {
    [&keypairs.previous, &keypairs.current, &keypairs.next]
        .map(|slot| slot.as_ref().map_or(0, |keys| keys.local_index))
}

fn out(pushed_out: &[Arc<Keypair>]) -> Vec<u32> {
    pushed_out.iter().map(|keys| keys.local_index).collect()
}

/// A step; then what the peer has: previous, current, next; and what was pushed out.
type Row = (Step, [u32; 3], &'static [u32]);

/// What happens to a peer.
enum Step {
    Initiated(u32),
    Responded(u32),
    Confirmed(u32),
}

#[test]
fn kernel_keypairs_rotate_between_previous_current_and_next() {
    use Step::{Confirmed, Initiated, Responded};
    let cases: [&[Row]; 5] = [
        &[
            (Initiated(1), [0, 1, 0], &[]),
            (Initiated(2), [1, 2, 0], &[]),
            (Initiated(3), [2, 3, 0], &[1]),
        ],
        &[
            (Responded(1), [0, 0, 1], &[]),
            (Confirmed(1), [0, 1, 0], &[]),
            (Responded(2), [0, 1, 2], &[]),
            (Confirmed(2), [1, 2, 0], &[]),
            (Responded(3), [0, 2, 3], &[1]),
        ],
        // Both began at once: the unconfirmed session is kept as the previous one.
        &[
            (Initiated(1), [0, 1, 0], &[]),
            (Responded(2), [0, 1, 2], &[]),
            (Initiated(3), [2, 3, 0], &[1]),
        ],
        // A response was lost, and its initiator began again.
        &[
            (Responded(1), [0, 0, 1], &[]),
            (Responded(2), [0, 0, 2], &[1]),
            (Confirmed(2), [0, 2, 0], &[]),
        ],
        // A late packet of a session that is not the next one (any more) changes nothing.
        &[
            (Responded(1), [0, 0, 1], &[]),
            (Responded(2), [0, 0, 2], &[1]),
            (Confirmed(1), [0, 0, 2], &[]),
        ],
    ];
    for (number, case) in cases.into_iter().enumerate() {
        let mut keypairs = Keypairs::default();
        for (step, (what, expected, expected_out)) in case.iter().enumerate() {
            let pushed_out = match *what {
                Initiated(index) => keypairs.install(keypair(index, true)),
                Responded(index) => keypairs.install(keypair(index, false)),
                Confirmed(index) => keypairs.promote(index).unwrap_or_default(),
            };
            assert_eq!(indices(&keypairs), *expected, "case {number}, step {step}");
            assert_eq!(
                out(&pushed_out),
                *expected_out,
                "case {number}, step {step}"
            );
        }
        let before = indices(&keypairs)
            .iter()
            .filter(|&&index| index != 0)
            .count();
        assert_eq!(keypairs.clear().len(), before, "case {number}");
        assert_eq!(indices(&keypairs), [0; 3], "case {number}");
    }
}

#[test]
fn paper_6_1_keys_are_renewed_at_120_and_165_s_and_dead_at_180_s() {
    // Age; then whether they live, and are stale for sending and for receiving, as initiator.
    let cases = [
        (0, true, false, false),
        (119_999, true, false, false),
        (120_000, true, true, false),
        (164_999, true, true, false),
        (165_000, true, true, true),
        (179_999, true, true, true),
        (180_000, false, true, true),
    ];
    for (age_ms, alive, stale_send, stale_receive) in cases {
        let now_ms = 1000 + age_ms;
        let initiator = keypair(1, true);
        assert_eq!(initiator.is_alive(now_ms), alive, "{age_ms}");
        assert_eq!(initiator.can_send(now_ms), alive, "{age_ms}");
        assert_eq!(initiator.is_stale_for_send(now_ms), stale_send, "{age_ms}");
        assert_eq!(
            initiator.is_stale_for_receive(now_ms),
            stale_receive,
            "{age_ms}"
        );
        let responder = keypair(1, false);
        assert_eq!(responder.is_alive(now_ms), alive, "{age_ms}");
        assert!(
            !responder.is_stale_for_send(now_ms) && !responder.is_stale_for_receive(now_ms),
            "{age_ms}"
        );
    }
}

fn seal(keys: &Keypair, message: &mut [u8]) -> bool {
    let range = 0..message.len();
    keys.seal(message, &mut [Message { counter: 0, range }])
}

fn open(keys: &Keypair, counter: u64, message: &mut [u8]) -> bool {
    let (range, mut right) = (HEADER_BYTES..message.len(), Vec::new());
    keys.open(message, &[Message { counter, range }], &mut right);
    right == [true]
}

#[test]
fn paper_6_1_keys_are_renewed_after_2_60_messages_and_dead_after_2_64() {
    for initiator in [true, false] {
        let keys = keypair(1, initiator);
        keys.set_sent(REKEY_AFTER_MESSAGES);
        assert!(!keys.is_stale_for_send(1000));
        let mut message = [0; 64];
        assert!(seal(&keys, &mut message));
        assert!(
            keys.is_stale_for_send(1000),
            "either side renews after so many messages"
        );

        keys.set_sent(REJECT_AFTER_MESSAGES - 1);
        assert!(keys.can_send(1000) && seal(&keys, &mut message));
        assert_eq!(
            parse(&message),
            Ok(packet::Message::Data {
                receiver: 9,
                counter: REJECT_AFTER_MESSAGES - 1
            })
        );
        assert!(!keys.can_send(1000) && !seal(&keys, &mut message));
        assert!(!keys.replay().accept(REJECT_AFTER_MESSAGES));
    }
}

#[test]
fn what_is_sealed_opens_once_and_only_whole() {
    let keys = keypair(1, true);
    let mut message: Vec<u8> = (0..HEADER_BYTES + 48 + TAG_BYTES)
        .map(|place| place as u8)
        .collect();
    let text = message[HEADER_BYTES..HEADER_BYTES + 48].to_vec();
    assert!(seal(&keys, &mut message));
    assert_ne!(message[HEADER_BYTES..HEADER_BYTES + 48], text);
    for place in HEADER_BYTES..message.len() {
        let mut spoilt = message.clone();
        spoilt[place] ^= 1;
        assert!(!open(&keys, 0, &mut spoilt), "byte {place}");
    }
    assert!(!open(&keys, 1, &mut message.clone()), "another counter");
    assert!(open(&keys, 0, &mut message));
    assert_eq!(message[HEADER_BYTES..HEADER_BYTES + 48], text);
    assert!(keys.replay().accept(0) && !keys.replay().accept(0));
}

/// RFC 8439's vectors have nonces that are no counters, so this one was made by OpenSSL (through Node.js): key 07...,
/// nonce 00000000 0500000000000000, no additional data, and the text "podwire".
#[test]
fn paper_5_4_6_nonce_is_the_counter_in_little_endian() {
    let keys = keypair(1, true);
    keys.set_sent(5);
    let mut message = [0; HEADER_BYTES + 7 + TAG_BYTES];
    message[HEADER_BYTES..HEADER_BYTES + 7].copy_from_slice(b"podwire");
    assert!(seal(&keys, &mut message));
    let expected = [
        0x3c, 0xf5, 0x44, 0x5f, 0xa8, 0x49, 0xe9, 0x79, 0xa4, 0x19, 0xe7, 0x77, 0x8a, 0x49, 0x19,
        0x59, 0x55, 0x4e, 0xf1, 0x35, 0xf9, 0x95, 0xc0,
    ];
    assert_eq!(message[HEADER_BYTES..], expected);
}
