//! The Diffie-Hellman function of the handshake (RFC 7748), for the state machine in TypeScript: node:crypto takes four
//! times as long, most of it for turning 32 bytes into a key object. Constant-time, and its scalars are wiped.

use curve25519_dalek::MontgomeryPoint;
use zeroize::Zeroizing;

/// The public key of a private key, which is clamped on use.
#[must_use]
pub fn public_key(private_key: &[u8; 32]) -> [u8; 32] {
    let scalar = Zeroizing::new(*private_key);
    MontgomeryPoint::mul_base_clamped(*scalar).to_bytes()
}

/// The shared secret; `None` if it is all zero, as with a public key of low order.
#[must_use]
pub fn shared_secret(private_key: &[u8; 32], public_key: &[u8; 32]) -> Option<Zeroizing<[u8; 32]>> {
    let scalar = Zeroizing::new(*private_key);
    let point = Zeroizing::new(MontgomeryPoint(*public_key).mul_clamped(*scalar));
    // All 32 bytes are looked at, whatever they are.
    let any = point.as_bytes().iter().fold(0, |any, byte| any | byte);
    (any != 0).then(|| Zeroizing::new(point.to_bytes()))
}
