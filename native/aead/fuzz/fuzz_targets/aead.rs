//! A batch sealed and opened by the fastest way here and by ring. The input: a key, a flip, then six bytes a message, of
//! which two are its length and four its counter's edges; the whole of it, over and over, is the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use podwire_aead::{Key, Message, TAG_BYTES};

const MOST_MESSAGES: usize = 70;

fuzz_target!(|bytes: &[u8]| {
    let Some((key, rest)) = bytes.split_first_chunk::<32>() else {
        return;
    };
    let Some((flip, rest)) = rest.split_first_chunk::<4>() else {
        return;
    };
    let (mut messages, mut end) = (Vec::new(), 0);
    for &[low, high, a, b, c, d] in rest.as_chunks::<6>().0.iter().take(MOST_MESSAGES) {
        let start = end + usize::from(low % 32);
        end = start + TAG_BYTES + usize::from(u16::from_le_bytes([low, high]) % 4096);
        messages.push(Message {
            counter: u64::from_le_bytes([a, b, b, b, c, c, c, d]),
            range: start..end,
        });
    }
    let text: Vec<u8> = bytes.iter().copied().cycle().take(end).collect();
    let keys = [Key::new(key), Key::portable(key)];

    let [sealed, by_ring] = keys.each_ref().map(|key| {
        let mut buffer = text.clone();
        key.seal(&mut buffer, &messages);
        buffer
    });
    assert!(sealed == by_ring);

    let mut received = sealed;
    if let Some(byte) = received.get_mut(u32::from_le_bytes(*flip) as usize % (end + 1)) {
        *byte ^= 1 << (flip[0] % 8);
    }
    let [(opened, right), (by_ring, right_by_ring)] = keys.each_ref().map(|key| {
        let (mut buffer, mut right) = (received.clone(), Vec::new());
        key.open(&mut buffer, &messages, &mut right);
        (buffer, right)
    });
    assert_eq!(right, right_by_ring);
    for (message, _) in messages.iter().zip(right).filter(|(_, right)| *right) {
        assert!(opened[message.range.clone()] == by_ring[message.range.clone()]);
        let text_of = message.range.start..message.range.end - TAG_BYTES;
        assert!(opened[text_of.clone()] == text[text_of]);
    }
});
