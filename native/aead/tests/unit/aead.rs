use proptest::prelude::*;

use super::*;

const KEY: [u8; 32] = [7; 32];
/// Bytes between messages, that stay as they are.
const GAP_BYTES: usize = 16;

/// A buffer of messages of these counters and text lengths, and where they lie.
fn batch(shapes: impl IntoIterator<Item = (u64, usize)>) -> (Vec<u8>, Vec<Message>) {
    let (mut buffer, mut messages) = (Vec::new(), Vec::new());
    for (counter, text_bytes) in shapes {
        let start = buffer.len() + GAP_BYTES;
        let end = start + text_bytes + TAG_BYTES;
        buffer.extend((buffer.len()..end).map(|at| ((at * 31) >> 3) as u8));
        messages.push(Message {
            counter,
            range: start..end,
        });
    }
    (buffer, messages)
}

/// Seals and opens by sixteen lanes whatever the shapes are, and holds each step against ring.
fn agrees_with_ring(key: &[u8; 32], shapes: impl IntoIterator<Item = (u64, usize)>) {
    let Some(lanes) = avx512::Key::new(key) else {
        return;
    };
    let ring = Key::portable(key);
    let (text, messages) = batch(shapes);
    let (mut ours, mut rings) = (text.clone(), text.clone());
    ring.seal(&mut rings, &messages);
    for chunk in messages.chunks(LANES) {
        lanes.seal(&mut ours, chunk);
    }
    assert!(ours == rings, "sealed differently: {messages:?}");
    let mut right = Vec::new();
    ring.open(&mut rings, &messages, &mut right);
    assert_eq!(right, vec![true; messages.len()]);
    for chunk in messages.chunks(LANES) {
        assert_eq!(
            lanes.open(&mut ours, chunk)[..chunk.len()],
            vec![true; chunk.len()],
            "{chunk:?}"
        );
    }
    for message in &messages {
        let text_of = message.range.start..message.range.end - TAG_BYTES;
        assert!(
            ours[text_of.clone()] == text[text_of],
            "opened differently: {message:?}"
        );
    }
}

#[test]
fn every_length_to_4096_agrees_with_ring() {
    for first in (0..=4096).step_by(LANES) {
        agrees_with_ring(
            &KEY,
            (first..first + LANES).map(|bytes| (bytes as u64, bytes)),
        );
        agrees_with_ring(&KEY, [(1, first)]);
    }
}

#[test]
fn batches_of_super_packets_agree_with_ring() {
    for (count, bytes) in [
        (1, 1420),
        (7, 1420),
        (8, 1420),
        (9, 1420),
        (45, 1420),
        (64, 64),
        (512, 128),
        (16, 65_519),
    ] {
        for first in [0, u64::from(u32::MAX) - 3, u64::MAX - 600] {
            // The last of a super-packet is shorter.
            let shape = |i: u64| (first + i, if i + 1 == count { bytes / 2 } else { bytes });
            agrees_with_ring(&KEY, (0..count).map(shape));
        }
    }
}

#[test]
fn a_batch_too_small_or_too_uneven_goes_to_ring() {
    let cases: [(&[usize], bool); 6] = [
        (&[1420], false),
        (&[1420; 2], false),
        (&[1420; 16], true),
        (&[64; 16], true),
        (&[65_535, 16, 16, 16, 16, 16, 16, 16], false),
        (&[15; 16], false),
    ];
    for (lengths, expected) in cases {
        let messages: Vec<_> = lengths
            .iter()
            .map(|length| Message {
                counter: 0,
                range: 0..*length,
            })
            .collect();
        assert_eq!(
            avx512::is_supported() && avx512::is_worth_it(&messages),
            avx512::is_supported() && expected
        );
    }
}

#[test]
fn one_too_short_for_a_tag_is_wrong_and_the_others_are_not() {
    for key in [Key::new(&KEY), Key::portable(&KEY)] {
        let (mut buffer, mut messages) = batch((0..16).map(|counter| (counter, 100)));
        key.seal(&mut buffer, &messages);
        messages[3].range.end = messages[3].range.start + 15;
        messages[4].range.end = messages[4].range.start;
        let mut right = vec![true; 99];
        key.open(&mut buffer, &messages, &mut right);
        assert_eq!(right, (0..16).map(|i| i != 3 && i != 4).collect::<Vec<_>>());
    }
}

/// Seals sixteen messages in these places of 4,096 bytes.
fn seal_at(place: impl Fn(usize) -> Range<usize>) {
    let messages: Vec<_> = (0..LANES)
        .map(|i| Message {
            counter: 0,
            range: place(i),
        })
        .collect();
    Key::new(&KEY).seal(&mut [0; 4096], &messages);
}

#[test]
#[should_panic(expected = "one after the other")]
fn messages_beyond_the_buffer_are_refused() {
    seal_at(|i| i * 256 + 1..i * 256 + 257);
}

#[test]
#[should_panic(expected = "room for a tag")]
fn messages_without_room_for_a_tag_are_refused() {
    seal_at(|i| i * 256..i * 256 + 15);
}

#[test]
#[should_panic(expected = "one after the other")]
fn messages_that_overlap_are_refused() {
    seal_at(|i| i * 64..i * 64 + 100);
}

proptest! {
    #[test]
    fn batches_of_any_shape_agree_with_ring(
        key: [u8; 32],
        shapes in prop::collection::vec((any::<u64>(), prop_oneof![0..200usize, 0..2000usize]), 1..40),
    ) {
        agrees_with_ring(&key, shapes);
    }

    #[test]
    fn both_ways_give_the_same(key: [u8; 32], count in 1..70usize, bytes in 0..1500usize) {
        let (text, messages) = batch((0..count).map(|i| (i as u64, bytes)));
        let [lanes, ring] = [Key::new(&key), Key::portable(&key)].map(|key| {
            let mut buffer = text.clone();
            key.seal(&mut buffer, &messages);
            buffer
        });
        prop_assert!(lanes == ring);
    }

    #[test]
    fn a_flipped_bit_spoils_its_message_alone(
        shapes in prop::collection::vec((any::<u64>(), 0..300usize), 1..=LANES),
        which: prop::sample::Index,
        bit: prop::sample::Index,
    ) {
        let Some(key) = avx512::Key::new(&KEY) else { return Ok(()) };
        let (text, messages) = batch(shapes);
        let mut buffer = text.clone();
        key.seal(&mut buffer, &messages);
        let which = which.index(messages.len());
        let range = messages[which].range.clone();
        let bit = bit.index(8 * range.len());
        buffer[range.start + bit / 8] ^= 1 << (bit % 8);
        let received = buffer.clone();
        let right = key.open(&mut buffer, &messages);
        for (lane, message) in messages.iter().enumerate() {
            prop_assert_eq!(right[lane], lane != which);
            // What is wrong is not even decrypted.
            let expected = if lane == which { &received } else { &text };
            let text_of = message.range.start..message.range.end - TAG_BYTES;
            prop_assert!(buffer[text_of.clone()] == expected[text_of]);
        }
        prop_assert!(!right[messages.len()..].contains(&true));
    }
}
