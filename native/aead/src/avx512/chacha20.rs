//! Sixteen blocks of `ChaCha20` at a time (RFC 8439, section 2.3), each with its own nonce: word w of block l is lane l
//! of register w.

use std::arch::x86_64::*;

use super::vector::{from_words, turn_words};
use crate::LANES;

/// "expand 32-byte k".
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

/// Which sixteen blocks.
pub struct Blocks {
    /// Place of the block in its key stream.
    block: __m512i,
    /// The nonce's two words that are not zero.
    nonce: [__m512i; 2],
}

impl Blocks {
    /// The first block of the stream of each counter.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn firsts(counters: &[u64; LANES]) -> Self {
        let counters = counters.as_chunks().0;
        let halves = [0, 1].map(|half: usize| from_words(&counters[half]));
        let join = |[a, b]: [__m512i; 2]| {
            let b = _mm512_cvtepi64_epi32(b);
            _mm512_inserti64x4::<1>(_mm512_castsi256_si512(_mm512_cvtepi64_epi32(a)), b)
        };
        let nonce = [
            join(halves),
            join(halves.map(|half| _mm512_srli_epi64::<32>(half))),
        ];
        Self {
            block: _mm512_setzero_si512(),
            nonce,
        }
    }

    /// To be set from lane 0.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn none() -> Self {
        let zero = _mm512_setzero_si512();
        Self {
            block: zero,
            nonce: [zero; 2],
        }
    }

    /// Makes this lane and all after it stand for successive blocks of the stream of this counter.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn set_from(&mut self, lane: usize, block: u32, counter: u64) {
        let lanes = u16::MAX << lane;
        let first = _mm512_set1_epi32(block.wrapping_sub(lane as u32).cast_signed());
        let numbers = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
        self.block = _mm512_mask_add_epi32(self.block, lanes, first, numbers);
        let [low, high] = [counter as u32, (counter >> 32) as u32].map(u32::cast_signed);
        self.nonce[0] = _mm512_mask_set1_epi32(self.nonce[0], lanes, low);
        self.nonce[1] = _mm512_mask_set1_epi32(self.nonce[1], lanes, high);
    }
}

/// Four quarter rounds side by side: on the columns, or with `turn` 1 on the diagonals.
#[inline]
#[target_feature(enable = "avx512f")]
fn quarter_rounds(x: &mut [__m512i; 16], turn: usize) {
    macro_rules! step {
        ($sum:literal, $add:literal, $mix:literal, $left:literal) => {
            for i in 0..4 {
                let [sum, add, mix] =
                    [$sum, $add, $mix].map(|row: usize| 4 * row + (i + row * turn) % 4);
                x[sum] = _mm512_add_epi32(x[sum], x[add]);
                x[mix] = _mm512_rol_epi32::<$left>(_mm512_xor_si512(x[mix], x[sum]));
            }
        };
    }
    step!(0, 1, 3, 16);
    step!(2, 3, 1, 12);
    step!(0, 1, 3, 8);
    step!(2, 3, 1, 7);
}

/// The blocks' words: register w has word w of each.
#[inline]
#[target_feature(enable = "avx512f")]
pub fn words(key: &[u32; 8], blocks: &Blocks) -> [__m512i; 16] {
    let mut start = [_mm512_setzero_si512(); 16];
    for (register, word) in start.iter_mut().zip(CONSTANTS.iter().chain(key)) {
        *register = _mm512_set1_epi32(word.cast_signed());
    }
    start[12] = blocks.block;
    start[14] = blocks.nonce[0];
    start[15] = blocks.nonce[1];
    let mut x = start;
    for _ in 0..10 {
        quarter_rounds(&mut x, 0);
        quarter_rounds(&mut x, 1);
    }
    for (register, start) in x.iter_mut().zip(start) {
        *register = _mm512_add_epi32(*register, start);
    }
    x
}

/// The blocks, one a register.
#[inline]
#[target_feature(enable = "avx512f")]
pub fn streams(key: &[u32; 8], blocks: &Blocks) -> [__m512i; 16] {
    turn_words(&words(key, blocks))
}

#[cfg(test)]
#[path = "../../tests/unit/chacha20.rs"]
mod tests;
