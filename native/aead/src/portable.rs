//! One message at a time, by ring.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

use crate::TAG_BYTES;
use crate::wipe::Wiped;

pub struct Key(Wiped<LessSafeKey>);

impl Key {
    pub fn new(key: &[u8; 32]) -> Self {
        let key = UnboundKey::new(&CHACHA20_POLY1305, key).expect("ring takes any 32 bytes");
        Self(Wiped::new(LessSafeKey::new(key)))
    }

    fn nonce(counter: u64) -> Nonce {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&counter.to_le_bytes());
        Nonce::assume_unique_for_key(nonce)
    }

    /// Encrypts all but the last 16 bytes, which become the tag.
    pub fn seal(&self, counter: u64, message: &mut [u8]) {
        let (text, room) = message
            .split_last_chunk_mut::<TAG_BYTES>()
            .expect("room for a tag");
        let tag = self
            .0
            .seal_in_place_separate_tag(Self::nonce(counter), Aad::empty(), text);
        room.copy_from_slice(tag.expect("shorter than 2^38 bytes").as_ref());
    }

    /// Decrypts and verifies; false, and the message is spoilt, if the tag is wrong.
    pub fn open(&self, counter: u64, message: &mut [u8]) -> bool {
        self.0
            .open_in_place(Self::nonce(counter), Aad::empty(), message)
            .is_ok()
    }
}
