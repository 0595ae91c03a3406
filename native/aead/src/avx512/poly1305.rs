//! `Poly1305` of eight messages side by side (RFC 8439, section 2.5), a lane of 64 bits each. A number modulo 2^130 - 5
//! is three limbs of 44, 44 and 42 bits, that IFMA multiplies; what passes 2^130 comes back times five.

use std::arch::x86_64::*;

use super::BLOCK_BYTES;
use super::vector::{from_words, load, to_words, turn_double_words};

/// Messages side by side.
pub const LANES: usize = 8;
/// Bytes that one step takes of each message.
const STEP_BYTES: usize = 16;

/// A number a lane; between steps its limbs may pass their size by a little.
type Limbs = [__m512i; 3];

/// The one-time keys of eight messages; wiped when dropped.
pub struct OneTimeKeys {
    /// The multiplier, clamped.
    r: Limbs,
    /// Its upper limbs times twenty: at 2^132, four times five.
    r20: [__m512i; 2],
    /// What is added last: low and high half.
    pad: [__m512i; 2],
}

impl Drop for OneTimeKeys {
    fn drop(&mut self) {
        // SAFETY: it is our own, holds only plain registers, and nothing reads it any more.
        unsafe { zeroize::zeroize_flat_type(self) };
    }
}

/// A sum of eight messages under way.
pub type Sums = Limbs;

/// 2^44 - 1 or 2^42 - 1 in each lane.
#[inline]
#[target_feature(enable = "avx512f")]
fn ones(bits: u32) -> __m512i {
    _mm512_set1_epi64((1 << bits) - 1)
}

/// The limbs of 128-bit numbers given as halves.
#[inline]
#[target_feature(enable = "avx512f")]
fn limbs(low: __m512i, high: __m512i) -> Limbs {
    let middle = _mm512_or_si512(_mm512_srli_epi64::<44>(low), _mm512_slli_epi64::<20>(high));
    [
        _mm512_and_si512(low, ones(44)),
        _mm512_and_si512(middle, ones(44)),
        _mm512_srli_epi64::<24>(high),
    ]
}

#[inline]
#[target_feature(enable = "avx512f")]
fn five_times(x: __m512i) -> __m512i {
    _mm512_add_epi64(x, _mm512_slli_epi64::<2>(x))
}

impl OneTimeKeys {
    /// From the halves of r and of the pad: [r low, r high, pad low, pad high].
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn new([low, high, pad_low, pad_high]: [__m512i; 4]) -> Self {
        let low = _mm512_and_si512(low, _mm512_set1_epi64(0x0fff_fffc_0fff_ffff));
        let high = _mm512_and_si512(high, _mm512_set1_epi64(0x0fff_fffc_0fff_fffc));
        let r = limbs(low, high);
        let twenty_times = |x| _mm512_slli_epi64::<2>(five_times(x));
        Self {
            r,
            r20: [twenty_times(r[1]), twenty_times(r[2])],
            pad: [pad_low, pad_high],
        }
    }

    /// (sums + block) * r, where a block is the halves of sixteen bytes, and 2^128.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn step(&self, sums: Sums, low: __m512i, high: __m512i) -> Sums {
        let block = limbs(low, high);
        let h = [
            _mm512_add_epi64(sums[0], block[0]),
            _mm512_add_epi64(sums[1], block[1]),
            _mm512_add_epi64(
                sums[2],
                _mm512_or_si512(block[2], _mm512_set1_epi64(1 << 40)),
            ),
        ];
        let (r, r20) = (&self.r, &self.r20);
        // The row of r that each limb of h meets, for each limb of the product.
        let rows = [
            [r[0], r20[1], r20[0]],
            [r[1], r[0], r20[1]],
            [r[2], r[1], r[0]],
        ];
        let zero = _mm512_setzero_si512();
        let (mut low, mut high) = ([zero; 3], [zero; 3]);
        for (h, limb) in h.into_iter().zip(0..3) {
            for product in 0..3 {
                low[product] = _mm512_madd52lo_epu64(low[product], h, rows[product][limb]);
                high[product] = _mm512_madd52hi_epu64(high[product], h, rows[product][limb]);
            }
        }
        carry(low, high)
    }

    /// The tags of messages with these texts and sums: the last block has the lengths, of no associated data and of the
    /// text (RFC 8439, section 2.8).
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn tags(&self, sums: Sums, texts: &[&[u8]; LANES]) -> [u128; LANES] {
        self.finish(self.step(sums, _mm512_setzero_si512(), lengths(texts)))
    }

    /// The sums, wholly reduced, plus the pad.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn finish(&self, sums: Sums) -> [u128; LANES] {
        let [mut h0, mut h1, mut h2] = sums;
        let (ones44, ones42) = (ones(44), ones(42));
        let zero = _mm512_setzero_si512();
        let mut carry = zero;
        // If the second round still carries from the top, next to nothing is left below: the first limb has room for it.
        for _ in 0..2 {
            h0 = _mm512_add_epi64(h0, five_times(carry));
            h1 = _mm512_add_epi64(h1, _mm512_srli_epi64::<44>(h0));
            h0 = _mm512_and_si512(h0, ones44);
            h2 = _mm512_add_epi64(h2, _mm512_srli_epi64::<44>(h1));
            h1 = _mm512_and_si512(h1, ones44);
            carry = _mm512_srli_epi64::<42>(h2);
            h2 = _mm512_and_si512(h2, ones42);
        }
        h0 = _mm512_add_epi64(h0, five_times(carry));
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

/// Sums of products to limbs. A high half counts 2^52, which is 2^8 of the limb above its own.
#[inline]
#[target_feature(enable = "avx512f")]
fn carry(low: [__m512i; 3], high: [__m512i; 3]) -> Sums {
    let up =
        |low, high| _mm512_add_epi64(_mm512_srli_epi64::<44>(low), _mm512_slli_epi64::<8>(high));
    let h0 = _mm512_and_si512(low[0], ones(44));
    let h1 = _mm512_add_epi64(low[1], up(low[0], high[0]));
    let h2 = _mm512_add_epi64(low[2], up(h1, high[1]));
    let h1 = _mm512_and_si512(h1, ones(44));
    let top = _mm512_add_epi64(
        _mm512_srli_epi64::<42>(h2),
        _mm512_slli_epi64::<10>(high[2]),
    );
    let h2 = _mm512_and_si512(h2, ones(42));
    let h0 = _mm512_add_epi64(h0, five_times(top));
    let h1 = _mm512_add_epi64(h1, _mm512_srli_epi64::<44>(h0));
    [_mm512_and_si512(h0, ones(44)), h1, h2]
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
        for word in [0, 2, 4, 6] {
            for group in 0..G {
                sums[group] =
                    keys[group].step(sums[group], blocks[group][word], blocks[group][word + 1]);
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
                let next = keys[group].step(sums[group], blocks[2 * word], blocks[2 * word + 1]);
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
