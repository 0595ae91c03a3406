//! Up to sixteen messages at a time, on AVX-512 with IFMA.
//!
//! ```text
//!   seal:  first block of each ──> one-time keys ──────────────────┐
//!          text blocks, any sixteen a time ──XOR──> ciphertext ────┴─> Poly1305, a lane a message ──> tags
//!   open:  the same, but the ciphertext passes Poly1305 before it is decrypted
//! ```
#![allow(clippy::wildcard_imports)]

mod chacha20;
mod poly1305;
mod vector;

use std::arch::x86_64::*;

use zeroize::Zeroize;

use crate::{LANES, Message, TAG_BYTES};
use chacha20::Blocks;
use poly1305::OneTimeKeys;

/// Bytes of a `ChaCha20` block, and of a register.
const BLOCK_BYTES: usize = 64;
/// A chunk with less than so many times the bytes of its longest message leaves too many lanes idle to beat ring.
const MIN_BUSY_LANES: usize = 3;

/// Whether this machine has what the code below needs.
pub fn is_supported() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512ifma")
}

/// Whether these messages are faster together than one by one with ring.
pub fn is_worth_it(chunk: &[Message]) -> bool {
    let lengths = || chunk.iter().map(|message| message.range.len());
    let longest = lengths().max().unwrap_or(0);
    lengths().all(|length| length >= TAG_BYTES)
        && lengths().sum::<usize>() >= MIN_BUSY_LANES * longest
}

/// A key on a machine that is supported; wiped when dropped.
pub struct Key(Box<[u32; 8]>);

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Key {
    /// None if the machine is not supported.
    pub fn new(key: &[u8; 32]) -> Option<Self> {
        is_supported().then(|| {
            let mut words = Box::new([0; 8]);
            for (word, bytes) in words.iter_mut().zip(key.as_chunks().0) {
                *word = u32::from_le_bytes(*bytes);
            }
            Self(words)
        })
    }

    /// Seals at most sixteen messages, each with room for a tag.
    pub fn seal(&self, buffer: &mut [u8], chunk: &[Message]) {
        // SAFETY: by `new`, there is a key only where the machine has the instructions.
        unsafe { seal(&self.0, &mut Chunk::new(buffer, chunk)) }
    }

    /// Opens at most sixteen messages, each long enough for a tag; whose tags were right.
    pub fn open(&self, buffer: &mut [u8], chunk: &[Message]) -> [bool; LANES] {
        // SAFETY: by `new`, there is a key only where the machine has the instructions.
        unsafe { open(&self.0, &mut Chunk::new(buffer, chunk)) }
    }
}

/// Messages side by side; lanes without one are empty.
#[derive(Default)]
struct Chunk<'a> {
    counters: [u64; LANES],
    texts: [&'a mut [u8]; LANES],
    tags: [&'a mut [u8]; LANES],
    length: usize,
}

impl<'a> Chunk<'a> {
    fn new(buffer: &'a mut [u8], messages: &[Message]) -> Self {
        let mut chunk = Self {
            length: messages.len(),
            ..Self::default()
        };
        let (mut rest, mut passed) = (buffer, 0);
        for (lane, message) in messages.iter().enumerate() {
            let skipped = message
                .range
                .start
                .checked_sub(passed)
                .expect("ranges that ascend");
            let (bytes, after) = rest[skipped..].split_at_mut(message.range.len());
            let (text, tag) = bytes
                .split_last_chunk_mut::<TAG_BYTES>()
                .expect("room for a tag");
            (chunk.texts[lane], chunk.tags[lane]) = (text, tag);
            chunk.counters[lane] = message.counter;
            (rest, passed) = (after, message.range.end);
        }
        chunk
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512ifma")]
fn seal(key: &[u32; 8], chunk: &mut Chunk) {
    let keys = one_time_keys(key, chunk);
    xor_streams(key, chunk);
    let tags = tags(&keys, chunk);
    for (room, tag) in chunk.tags.iter_mut().zip(tags).take(chunk.length) {
        room.copy_from_slice(&tag.to_le_bytes());
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512ifma")]
fn open(key: &[u32; 8], chunk: &mut Chunk) -> [bool; LANES] {
    let tags = tags(&one_time_keys(key, chunk), chunk);
    let mut right = [false; LANES];
    for ((right, tag), given) in right
        .iter_mut()
        .zip(tags)
        .zip(&chunk.tags)
        .take(chunk.length)
    {
        // One comparison of 128 bits, whose time does not depend on where they differ.
        *right = given
            .first_chunk()
            .is_some_and(|given| std::hint::black_box(u128::from_le_bytes(*given) ^ tag) == 0);
    }
    xor_streams(key, chunk);
    right
}

/// The one-time keys of lanes 0 to 7 and 8 to 15: the first half of each stream's first block (RFC 8439, section 2.6).
#[target_feature(enable = "avx512f,avx512bw,avx512ifma")]
fn one_time_keys(key: &[u32; 8], chunk: &Chunk) -> [OneTimeKeys; 2] {
    let mut blocks = Blocks::default();
    for (lane, counter) in chunk.counters.iter().enumerate() {
        blocks.set(lane, 0, *counter);
    }
    let words = chacha20::words(key, &blocks);
    let pairs = [0, 2, 4, 6].map(|word| [words[word], words[word + 1]]);
    let join = |low, high| {
        _mm512_or_si512(
            _mm512_cvtepu32_epi64(low),
            _mm512_slli_epi64::<32>(_mm512_cvtepu32_epi64(high)),
        )
    };
    [
        OneTimeKeys::new(
            pairs
                .map(|[low, high]| join(_mm512_castsi512_si256(low), _mm512_castsi512_si256(high))),
        ),
        OneTimeKeys::new(pairs.map(|[low, high]| {
            join(
                _mm512_extracti64x4_epi64::<1>(low),
                _mm512_extracti64x4_epi64::<1>(high),
            )
        })),
    ]
}

/// The tags that belong to the texts as they are.
#[target_feature(enable = "avx512f,avx512bw,avx512ifma")]
fn tags(keys: &[OneTimeKeys; 2], chunk: &Chunk) -> [u128; LANES] {
    // An empty lane does as the first, so that all go the same way as far as they can.
    let texts: [&[u8]; LANES] =
        std::array::from_fn(|lane| &*chunk.texts[if lane < chunk.length { lane } else { 0 }]);
    let [first, second] = [0, 1].map(|group: usize| texts.as_chunks().0[group]);
    let mut tags = [[0; poly1305::LANES]; 2];
    if chunk.length <= poly1305::LANES {
        let [sums] = poly1305::sums([&keys[0]], &[first]);
        tags[0] = keys[0].tags(sums, &first);
    } else {
        let sums = poly1305::sums([&keys[0], &keys[1]], &[first, second]);
        tags = [
            keys[0].tags(sums[0], &first),
            keys[1].tags(sums[1], &second),
        ];
    }
    std::array::from_fn(|lane| tags[lane / poly1305::LANES][lane % poly1305::LANES])
}

/// Encrypts or decrypts the texts. Sixteen blocks a time, in the order of the texts' bytes: a message's last go with the
/// next one's first.
#[target_feature(enable = "avx512f,avx512bw")]
fn xor_streams(key: &[u32; 8], chunk: &mut Chunk) {
    let (mut message, mut at) = (0, 0);
    loop {
        let mut blocks = Blocks::default();
        let mut places = [(0, 0); LANES];
        let mut lanes = 0;
        while lanes < LANES && message < chunk.length {
            if at >= chunk.texts[message].len() {
                (message, at) = (message + 1, 0);
                continue;
            }
            blocks.set(
                lanes,
                (at / BLOCK_BYTES + 1) as u32,
                chunk.counters[message],
            );
            places[lanes] = (message, at);
            lanes += 1;
            at += BLOCK_BYTES;
        }
        if lanes == 0 {
            return;
        }
        for ((message, at), stream) in places
            .into_iter()
            .zip(chacha20::streams(key, &blocks))
            .take(lanes)
        {
            vector::xor(chunk.texts[message], at, stream);
        }
    }
}
