//! The AEAD of data messages, a batch at a time: ChaCha20-Poly1305 (RFC 8439) without associated data, the nonce four
//! zero bytes and a 64-bit little-endian counter.
//!
//! Why it is our own: the segments of one super-packet share a key and have known counters, so that sixteen blocks of
//! `ChaCha20`, of whichever messages, fit one AVX-512 register a word, and sixteen messages' `Poly1305` run side by side.
//! Libraries take one message a call and cannot. Nothing in it depends on a secret for a branch or an address. Tests
//! hold it against the RFC's vectors, against a plain `Poly1305` and, message by message, against ring; the fuzz target
//! does so on any input. On a machine without AVX-512 IFMA, and where a batch is too small to gain, ring does the work.

#[cfg_attr(not(target_arch = "x86_64"), path = "absent.rs")]
mod avx512;
mod portable;
mod wipe;

use std::ops::Range;

/// The tag that follows a message's text.
pub const TAG_BYTES: usize = 16;

/// Messages that go together.
const LANES: usize = 16;

/// One message of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The nonce.
    pub counter: u64,
    /// Where in the buffer it lies: text, then tag.
    pub range: Range<usize>,
}

/// A key for many messages; wiped when dropped.
pub struct Key {
    portable: portable::Key,
    avx512: Option<avx512::Key>,
}

impl Key {
    /// The fastest that this machine can run.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self {
            avx512: avx512::Key::new(key),
            ..Self::portable(key)
        }
    }

    /// Ring alone, as on a machine without AVX-512.
    #[must_use]
    pub fn portable(key: &[u8; 32]) -> Self {
        Self {
            portable: portable::Key::new(key),
            avx512: None,
        }
    }

    /// Encrypts the text of each message in place and writes the tag after it.
    ///
    /// # Panics
    /// If a range exceeds the buffer, begins before the end of the one before it, or has no room for a tag.
    pub fn seal(&self, buffer: &mut [u8], messages: &[Message]) {
        check(buffer, messages);
        for chunk in messages.chunks(LANES) {
            match &self.avx512 {
                Some(key) if avx512::is_worth_it(chunk) => key.seal(buffer, chunk),
                _ => {
                    for message in chunk {
                        self.portable
                            .seal(message.counter, &mut buffer[message.range.clone()]);
                    }
                }
            }
        }
    }

    /// Decrypts the text of each message in place. `right` comes to say of each whether its tag is right; the text of one
    /// with a wrong tag is of no use. One too short for a tag is wrong.
    ///
    /// # Panics
    /// If a range exceeds the buffer or begins before the end of the one before it.
    pub fn open(&self, buffer: &mut [u8], messages: &[Message], right: &mut Vec<bool>) {
        check(buffer, messages);
        right.clear();
        for chunk in messages.chunks(LANES) {
            match &self.avx512 {
                Some(key) if avx512::is_worth_it(chunk) => {
                    right.extend_from_slice(&key.open(buffer, chunk)[..chunk.len()]);
                }
                _ => right.extend(chunk.iter().map(|message| {
                    self.portable
                        .open(message.counter, &mut buffer[message.range.clone()])
                })),
            }
        }
    }
}

fn check(buffer: &[u8], messages: &[Message]) {
    let mut passed = 0;
    for Range { start, end } in messages.iter().map(|message| &message.range) {
        assert!(
            passed <= *start && start <= end && *end <= buffer.len(),
            "messages lie in the buffer, one after the other"
        );
        passed = *end;
    }
}

/// What [`Key::new`] uses here for batches: "avx512" or "ring".
#[must_use]
pub fn implementation() -> &'static str {
    if avx512::is_supported() {
        "avx512"
    } else {
        "ring"
    }
}

#[cfg(test)]
#[path = "../tests/unit/aead.rs"]
mod tests;
