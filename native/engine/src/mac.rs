//! mac1: proof that whoever wrote a handshake message knows our public key (paper, section 5.4.4). It costs one short
//! hash, so it is checked before anything is passed on.

use blake2::digest::consts::U16;
use blake2::digest::{Digest, KeyInit, Mac};
use blake2::{Blake2s256, Blake2sMac};

use crate::packet::TAG_BYTES;

/// MAC of the paper: keyed BLAKE2s of 16 bytes.
pub(crate) fn keyed(key: &[u8]) -> Blake2sMac<U16> {
    Blake2sMac::new_from_slice(key).expect("BLAKE2s takes a key of up to 32 bytes")
}

/// What our public key gives to check what others made for it, and to answer them.
#[derive(Clone)]
pub struct Mac1 {
    mac: Blake2sMac<U16>,
    /// The key of our cookie replies.
    pub cookie_key: [u8; 32],
}

impl Mac1 {
    /// For messages to the owner of this key.
    #[must_use]
    pub fn new(public_key: &[u8; 32]) -> Self {
        let key = |label: &[u8]| -> [u8; 32] {
            let hash = Blake2s256::new().chain_update(label);
            hash.chain_update(public_key).finalize().into()
        };
        Self {
            mac: keyed(&key(b"mac1----")),
            cookie_key: key(b"cookie--"),
        }
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
        let mac = self.mac.clone().chain_update(covered);
        mac.verify(mac1.into()).is_ok()
    }

    /// The mac1 over `covered`.
    #[must_use]
    pub fn compute(&self, covered: &[u8]) -> [u8; TAG_BYTES] {
        let mac = self.mac.clone().chain_update(covered);
        mac.finalize().into_bytes().into()
    }
}
