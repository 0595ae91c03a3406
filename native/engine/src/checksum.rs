//! The Internet checksum (RFC 1071): the sum of 16-bit words with the carries added back. It may be taken in any byte order
//! and in words of any width, so it is taken in native 32-bit words, into sums of 64 bits that cannot overflow, and folded
//! at the end. Partial sums of a packet's pieces add up.

use crate::sys::simd;

/// Adds bytes to a partial sum. An odd last byte counts as if a zero followed, so only the last piece may be odd.
#[must_use]
pub fn sum(bytes: &[u8], initial: u64) -> u64 {
    initial + simd::sum(bytes)
}

/// Copies, and sums what it copies: the second pass finds all of it in the nearest cache, and one loop for both is no
/// faster. Both slices have one length.
#[must_use]
pub fn copy_and_sum(to: &mut [u8], from: &[u8]) -> u64 {
    to.copy_from_slice(from);
    simd::sum(from)
}

/// The partial sum of one 16-bit field with this value.
#[must_use]
pub fn word(value: u16) -> u64 {
    u64::from(value.to_be())
}

/// The sum in 16 bits, as it would stand in a packet. Its complement is the checksum.
#[must_use]
pub fn fold(partial: u64) -> u16 {
    let sum = (partial & 0xffff_ffff) + (partial >> 32);
    let sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    u16::from_be((sum + (sum >> 16)) as u16)
}

/// The sum of the pseudo header (RFC 9293, section 3.1; RFC 8200, section 8.1): source and destination, protocol, and the
/// length of the transport's header and payload.
#[must_use]
pub fn pseudo_header(addresses: &[u8], protocol: u8, length: u16) -> u64 {
    sum(addresses, word(u16::from(protocol)) + word(length))
}

#[cfg(test)]
#[path = "../tests/unit/checksum.rs"]
mod tests;
