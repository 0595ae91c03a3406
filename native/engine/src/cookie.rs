//! Cookies (paper, sections 5.3 and 5.4.7): under load, whoever begins a handshake must show that it gets what is sent to its
//! address. It is sent a cookie, which only we can make and which needs no memory, and makes mac2 of its next message with it.
//!
//! ```text
//!   cookie = Mac(secret, address || port)            secret: ours, random, for 120 s
//!   reply  = 3 000 | receiver 4 | nonce 24 | XChaCha20-Poly1305(Hash("cookie--" || our key), nonce, cookie, mac1)
//! ```

use std::net::{IpAddr, SocketAddr};

use blake2::digest::Mac;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::mac::keyed;
use crate::packet::{COOKIE_REPLY_BYTES, TAG_BYTES};

/// A secret lives this long.
const SECRET_MS: u64 = 120_000;
/// Nonces that are fetched from the kernel at once.
const NONCES_AT_ONCE: usize = 64;

/// A cookie, the key of mac2.
pub type Cookie = [u8; TAG_BYTES];
/// A nonce of `XChaCha20`.
pub type LongNonce = [u8; 24];

fn fill_random(bytes: &mut [u8]) {
    let filled = SystemRandom::new().fill(bytes);
    filled.expect("the kernel gives random bytes");
}

/// What cookies are made with.
#[derive(Default)]
pub struct Baker {
    secret: Zeroizing<[u8; 32]>,
    made_ms: Option<u64>,
    nonces: Vec<LongNonce>,
}

impl Baker {
    /// The cookie of a source at this time.
    pub fn cookie(&mut self, source: &SocketAddr, now_ms: u64) -> Cookie {
        let is_fresh = |made_ms| now_ms.saturating_sub(made_ms) < SECRET_MS;
        if !self.made_ms.is_some_and(is_fresh) {
            fill_random(&mut *self.secret);
            self.made_ms = Some(now_ms);
        }
        let mac = keyed(&*self.secret);
        let mac = match source.ip() {
            IpAddr::V4(v4) => mac.chain_update(v4.octets()),
            IpAddr::V6(v6) => mac.chain_update(v6.octets()),
        };
        let mac = mac.chain_update(source.port().to_be_bytes());
        mac.finalize().into_bytes().into()
    }

    /// A nonce that was never used: random ones of this length do not meet.
    pub fn nonce(&mut self) -> LongNonce {
        if self.nonces.is_empty() {
            self.nonces = vec![[0; 24]; NONCES_AT_ONCE];
            fill_random(self.nonces.as_flattened_mut());
        }
        self.nonces.pop().unwrap_or_default()
    }
}

/// Whether mac2, the last 16 bytes of a message of type 1 or 2, was made with this cookie.
#[must_use]
pub fn verify_mac2(cookie: &Cookie, message: &[u8]) -> bool {
    message
        .split_last_chunk::<TAG_BYTES>()
        .is_some_and(|(covered, mac2)| {
            // Zeros say that there is no cookie, as in a flood: that is told without the work.
            let mac = || keyed(cookie).chain_update(covered);
            *mac2 != [0; TAG_BYTES] && mac().verify(mac2.into()).is_ok()
        })
}

/// The cookie reply (type 3) to a message of type 1 or 2, encrypted under the `cookie_key` of [`crate::mac::Mac1`].
#[must_use]
pub fn reply(
    cookie_key: &[u8; 32],
    cookie: &Cookie,
    nonce: &LongNonce,
    message: &[u8],
) -> [u8; COOKIE_REPLY_BYTES] {
    let mac1_at = message.len() - 2 * TAG_BYTES;
    let mut reply = [0; COOKIE_REPLY_BYTES];
    reply[0] = 3;
    reply[4..8].copy_from_slice(&message[4..8]);
    reply[8..32].copy_from_slice(nonce);
    reply[32..48].copy_from_slice(cookie);
    let mac1 = &message[mac1_at..mac1_at + TAG_BYTES];
    seal_extended(cookie_key, nonce, mac1, &mut reply[32..]);
    reply
}

/// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha, section 2.3) in place; the last 16 bytes become the tag.
fn seal_extended(key: &[u8; 32], nonce: &LongNonce, authenticated: &[u8], buffer: &mut [u8]) {
    let (long, short) = nonce.split_first_chunk::<16>().expect("24 is more than 16");
    let key = UnboundKey::new(&CHACHA20_POLY1305, &hchacha20(key, long));
    let key = LessSafeKey::new(key.expect("ring takes any 32 bytes"));
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(short);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let (text, room) = buffer.split_at_mut(buffer.len() - TAG_BYTES);
    let tag = key.seal_in_place_separate_tag(nonce, Aad::from(authenticated), text);
    room.copy_from_slice(tag.expect("shorter than 2^38 bytes").as_ref());
}

/// `HChaCha20` (draft-irtf-cfrg-xchacha, section 2.2): a key of its own for each first 16 bytes of a nonce.
fn hchacha20(key: &[u8; 32], nonce: &[u8; 16]) -> [u8; 32] {
    let mut state = [0; 16];
    let words = [&b"expand 32-byte k"[..], key, nonce];
    for (word, bytes) in state.iter_mut().zip(words.concat().chunks_exact(4)) {
        *word = u32::from_le_bytes(bytes.try_into().expect("four bytes"));
    }
    let mut quarter = |[a, b, c, d]: [usize; 4]| {
        for (to, from, turned, by) in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)] {
            state[to] = u32::wrapping_add(state[to], state[from]);
            state[turned] = (state[turned] ^ state[to]).rotate_left(by);
        }
    };
    for _ in 0..10 {
        (0..4).for_each(|i| quarter([i, 4 + i, 8 + i, 12 + i]));
        (0..4).for_each(|i| quarter([i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4]));
    }
    let mut output = [0; 32];
    for (bytes, word) in output.chunks_exact_mut(4).zip(&state[..4]) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    for (bytes, word) in output[16..].chunks_exact_mut(4).zip(&state[12..]) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    output
}

#[cfg(test)]
#[path = "../tests/unit/cookie.rs"]
mod tests;
