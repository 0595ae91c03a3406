//! Arithmetic modulo 2^130 - 5 on eight numbers side by side. A number is three limbs of 44, 44 and 42 bits, that IFMA
//! multiplies; what passes 2^130 comes back times five.
//!
//! Why nothing overflows: after a carry the limbs are below 2^44, 2^44 + 2^11 and 2^42, and with a block added below 2^46,
//! 2^46 and 2^43. Twenty times an upper limb is below 2^49. So each factor has the 52 bits that IFMA takes, a product's
//! bits above its low 52 are below 2^43, and of two products, which is six terms a limb, low sums are below 2^55, high
//! ones below 2^46; moved up by eight and added, below 2^56. What passes 2^130 comes from factors without the twenty, of
//! 2^91 at most: six times 2^39, moved up by ten, times five, is below 2^54, and carries less than 2^11 into the middle.

use std::arch::x86_64::*;

/// A number a lane; of which the middle limb may pass its size by 2^11.
pub type Limbs = [__m512i; 3];

/// 2^44 - 1 or 2^42 - 1 in each lane.
#[inline]
#[target_feature(enable = "avx512f")]
pub fn ones(bits: u32) -> __m512i {
    _mm512_set1_epi64((1 << bits) - 1)
}

/// The limbs of 128-bit numbers given as halves.
#[inline]
#[target_feature(enable = "avx512f")]
pub fn limbs(low: __m512i, high: __m512i) -> Limbs {
    let middle = _mm512_or_si512(_mm512_srli_epi64::<44>(low), _mm512_slli_epi64::<20>(high));
    [
        _mm512_and_si512(low, ones(44)),
        _mm512_and_si512(middle, ones(44)),
        _mm512_srli_epi64::<24>(high),
    ]
}

#[inline]
#[target_feature(enable = "avx512f")]
pub fn five_times(x: __m512i) -> __m512i {
    _mm512_add_epi64(x, _mm512_slli_epi64::<2>(x))
}

/// A carried number to multiply by.
pub struct Multiplier {
    pub limbs: Limbs,
    /// The upper limbs times twenty: at 2^132, four times five.
    upper20: [__m512i; 2],
}

impl Multiplier {
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn new(limbs: Limbs) -> Self {
        let twenty_times = |x| _mm512_slli_epi64::<2>(five_times(x));
        Self {
            limbs,
            upper20: [twenty_times(limbs[1]), twenty_times(limbs[2])],
        }
    }
}

/// The sum, not carried.
#[inline]
#[target_feature(enable = "avx512f")]
pub fn sum(a: Limbs, b: Limbs) -> Limbs {
    [
        _mm512_add_epi64(a[0], b[0]),
        _mm512_add_epi64(a[1], b[1]),
        _mm512_add_epi64(a[2], b[2]),
    ]
}

/// Sums of products before their carries: for each limb the low 52 bits of each product, and the bits above.
pub struct Products {
    low: [__m512i; 3],
    high: [__m512i; 3],
}

impl Products {
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn new() -> Self {
        let zeros = [_mm512_setzero_si512(); 3];
        Self {
            low: zeros,
            high: zeros,
        }
    }

    /// Adds a product.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn add(mut self, factor: Limbs, by: &Multiplier) -> Self {
        let (r, r20) = (&by.limbs, &by.upper20);
        // What each limb of the factor is multiplied by, for each limb of the product.
        let rows = [
            [r[0], r20[1], r20[0]],
            [r[1], r[0], r20[1]],
            [r[2], r[1], r[0]],
        ];
        for limb in 0..3 {
            for (product, row) in rows.iter().enumerate() {
                self.low[product] =
                    _mm512_madd52lo_epu64(self.low[product], factor[limb], row[limb]);
                self.high[product] =
                    _mm512_madd52hi_epu64(self.high[product], factor[limb], row[limb]);
            }
        }
        self
    }

    /// To limbs. The bits above count 2^52, which is 2^8 of the next limb, and 2^10 of what passes 2^130.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn carry(self) -> Limbs {
        let Self { low, high } = self;
        let up = |low, high| {
            _mm512_add_epi64(_mm512_srli_epi64::<44>(low), _mm512_slli_epi64::<8>(high))
        };
        let h1 = _mm512_add_epi64(low[1], up(low[0], high[0]));
        let h2 = _mm512_add_epi64(low[2], up(h1, high[1]));
        let top = _mm512_add_epi64(
            _mm512_srli_epi64::<42>(h2),
            _mm512_slli_epi64::<10>(high[2]),
        );
        let h0 = _mm512_add_epi64(_mm512_and_si512(low[0], ones(44)), five_times(top));
        [
            _mm512_and_si512(h0, ones(44)),
            _mm512_add_epi64(_mm512_and_si512(h1, ones(44)), _mm512_srli_epi64::<44>(h0)),
            _mm512_and_si512(h2, ones(42)),
        ]
    }
}
