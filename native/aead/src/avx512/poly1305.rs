//! `Poly1305` of eight messages side by side (RFC 8439, section 2.5), a lane of 64 bits each.

use std::arch::x86_64::*;
use std::sync::atomic::{Ordering, compiler_fence};

use super::BLOCK_BYTES;
use super::limbs::{Limbs, Multiplier, Products, five_times, limbs, ones, sum};
use super::vector::{from_words, load, to_words, turn_double_words};

/// Messages side by side.
pub const LANES: usize = 8;
/// Bytes that one step takes of each message.
const STEP_BYTES: usize = 16;

/// A sum of eight messages under way.
pub type Sums = Limbs;

/// The one-time keys of eight messages; wiped when dropped.
pub struct OneTimeKeys {
    /// The key's r, clamped, and its square.
    r: Multiplier,
    square: Multiplier,
    /// What is added last: low and high half.
    pad: [__m512i; 2],
}

impl Drop for OneTimeKeys {
    fn drop(&mut self) {
        // Not by zeroize, which writes byte by byte: that took a third of the time of small messages.
        // SAFETY: it is our own, zeros are a value of it, and nothing reads it any more.
        unsafe { std::ptr::write_volatile(self, std::mem::zeroed()) };
        compiler_fence(Ordering::SeqCst);
    }
}

/// A block of eight messages, and 2^128, from the halves of its sixteen bytes.
#[inline]
#[target_feature(enable = "avx512f")]
fn block(low: __m512i, high: __m512i) -> Limbs {
    let [bottom, middle, top] = limbs(low, high);
    [
        bottom,
        middle,
        _mm512_or_si512(top, _mm512_set1_epi64(1 << 40)),
    ]
}

impl OneTimeKeys {
    /// From the halves of r and of the pad: [r low, r high, pad low, pad high].
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn new([low, high, pad_low, pad_high]: [__m512i; 4]) -> Self {
        let low = _mm512_and_si512(low, _mm512_set1_epi64(0x0fff_fffc_0fff_ffff));
        let high = _mm512_and_si512(high, _mm512_set1_epi64(0x0fff_fffc_0fff_fffc));
        let r = Multiplier::new(limbs(low, high));
        let square = Multiplier::new(Products::new().add(r.limbs, &r).carry());
        Self {
            r,
            square,
            pad: [pad_low, pad_high],
        }
    }

    /// (sums + block) * r.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn step(&self, sums: Sums, block: Limbs) -> Sums {
        Products::new().add(sum(sums, block), &self.r).carry()
    }

    /// Two steps, ((sums + first) * r + second) * r, that carry once.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn two_steps(&self, sums: Sums, [first, second]: [Limbs; 2]) -> Sums {
        Products::new()
            .add(second, &self.r)
            .add(sum(sums, first), &self.square)
            .carry()
    }

    /// The tags of messages with these texts and sums: the last block has the lengths, of no associated data and of the
    /// text (RFC 8439, section 2.8).
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn tags(&self, sums: Sums, texts: &[&[u8]; LANES]) -> [u128; LANES] {
        self.finish(self.step(sums, block(_mm512_setzero_si512(), lengths(texts))))
    }

    /// The sums, wholly reduced, plus the pad.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn finish(&self, sums: Sums) -> [u128; LANES] {
        let [mut h0, mut h1, mut h2] = sums;
        let (ones44, ones42) = (ones(44), ones(42));
        // From the middle limb to the top, round to the bottom and to the middle, which has room: if something passed
        // 2^130, the middle is below 2^11.
        h2 = _mm512_add_epi64(h2, _mm512_srli_epi64::<44>(h1));
        h1 = _mm512_and_si512(h1, ones44);
        h0 = _mm512_add_epi64(h0, five_times(_mm512_srli_epi64::<42>(h2)));
        h2 = _mm512_and_si512(h2, ones42);
        h1 = _mm512_add_epi64(h1, _mm512_srli_epi64::<44>(h0));
        h0 = _mm512_and_si512(h0, ones44);
        // Less 2^130 - 5, where that is not below zero.
        let g0 = _mm512_add_epi64(h0, _mm512_set1_epi64(5));
        let g1 = _mm512_add_epi64(h1, _mm512_srli_epi64::<44>(g0));
        let g2 = _mm512_add_epi64(h2, _mm512_srli_epi64::<44>(g1));
        let above = _mm512_cmpgt_epu64_mask(g2, ones42);
        h0 = _mm512_mask_and_epi64(h0, above, g0, ones44);
        h1 = _mm512_mask_and_epi64(h1, above, g1, ones44);
        h2 = _mm512_mask_and_epi64(h2, above, g2, ones42);
        let low = _mm512_or_si512(h0, _mm512_slli_epi64::<44>(h1));
        let high = _mm512_or_si512(_mm512_srli_epi64::<20>(h1), _mm512_slli_epi64::<24>(h2));
        let low = _mm512_add_epi64(low, self.pad[0]);
        let carried = _mm512_cmplt_epu64_mask(low, self.pad[0]);
        let high = _mm512_add_epi64(high, self.pad[1]);
        let high = _mm512_mask_add_epi64(high, carried, high, _mm512_set1_epi64(1));
        let (low, high) = (to_words(low), to_words(high));
        std::array::from_fn(|lane| u128::from(high[lane]) << 64 | u128::from(low[lane]))
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn lengths(texts: &[&[u8]; LANES]) -> __m512i {
    from_words(&texts.map(|text| text.len() as u64))
}

/// The sums of `G` times eight texts, each padded with zeros to a whole block. In step with one another, so that one's
/// multiplications fill the time in which the other's carries wait.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512ifma")]
pub fn sums<const G: usize>(keys: [&OneTimeKeys; G], texts: &[[&[u8]; LANES]; G]) -> [Sums; G] {
    let bytes = || texts.iter().flatten().map(|text| text.len());
    let whole = bytes().min().unwrap_or(0) / BLOCK_BYTES * BLOCK_BYTES;
    let longest = bytes().max().unwrap_or(0);
    let mut sums = [[_mm512_setzero_si512(); 3]; G];
    for at in (0..whole).step_by(BLOCK_BYTES) {
        let blocks = texts
            .each_ref()
            .map(|texts| turn_double_words(&texts.map(|text| load(text, at))));
        for pair in [0, 4] {
            for group in 0..G {
                let [a, b, c, d] = [0, 1, 2, 3].map(|word| blocks[group][pair + word]);
                sums[group] = keys[group].two_steps(sums[group], [block(a, b), block(c, d)]);
            }
        }
    }
    // Some texts end: the sums of those that have ended stay.
    let ends = texts.each_ref().map(|texts| lengths(texts));
    for at in (whole..longest).step_by(BLOCK_BYTES) {
        for group in 0..G {
            let blocks = turn_double_words(&texts[group].map(|text| load(text, at)));
            for word in 0..4 {
                let place = _mm512_set1_epi64((at + word * STEP_BYTES).cast_signed() as i64);
                let goes_on = _mm512_cmplt_epu64_mask(place, ends[group]);
                let next =
                    keys[group].step(sums[group], block(blocks[2 * word], blocks[2 * word + 1]));
                for (sum, next) in sums[group].iter_mut().zip(next) {
                    *sum = _mm512_mask_mov_epi64(*sum, goes_on, next);
                }
            }
        }
    }
    sums
}

#[cfg(test)]
#[path = "../../tests/unit/poly1305.rs"]
mod tests;
