//! mac1: proof that whoever wrote a handshake message knows our public key (paper, section 5.4.4). It costs one short
//! hash, so it is checked before anything is passed on.

use blake2::digest::consts::U16;
use blake2::digest::{Digest, KeyInit, Mac};
use blake2::{Blake2s256, Blake2sMac};

use crate::packet::TAG_BYTES;

/// The key of mac1 for messages to one public key.
#[derive(Clone)]
pub struct Mac1(Blake2sMac<U16>);

impl Mac1 {
    /// For messages to the owner of this key.
    #[must_use]
    pub fn new(public_key: &[u8; 32]) -> Self {
        let key = Blake2s256::new()
            .chain_update(b"mac1----")
            .chain_update(public_key)
            .finalize();
        Self(Blake2sMac::new_from_slice(&key).expect("BLAKE2s takes a key of 32 bytes"))
    }

    /// Whether mac1 of a message of type 1 or 2 is right: the 16 bytes before the last 16, over all before them.
    #[must_use]
    pub fn verify(&self, message: &[u8]) -> bool {
        let Some((head, _mac2)) = message.split_last_chunk::<TAG_BYTES>() else {
            return false;
        };
        let Some((covered, mac1)) = head.split_last_chunk::<TAG_BYTES>() else {
            return false;
        };
        self.0
            .clone()
            .chain_update(covered)
            .verify(mac1.into())
            .is_ok()
    }

    /// The mac1 over `covered`.
    #[must_use]
    pub fn compute(&self, covered: &[u8]) -> [u8; TAG_BYTES] {
        self.0
            .clone()
            .chain_update(covered)
            .finalize()
            .into_bytes()
            .into()
    }
}
