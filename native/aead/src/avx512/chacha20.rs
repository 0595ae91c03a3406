//! Sixteen blocks of `ChaCha20` at a time (RFC 8439, section 2.3), each with its own nonce: word w of block l is lane l
//! of register w.

use std::arch::x86_64::*;

use super::LANES;
use super::vector::{from_words, turn_words};

/// "expand 32-byte k".
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

/// Which sixteen blocks.
#[derive(Default)]
pub struct Blocks {
    /// Place of the block in its key stream.
    pub block: [u32; LANES],
    /// The nonce's two words that are not zero.
    pub nonce: [[u32; LANES]; 2],
}

impl Blocks {
    /// Makes a lane stand for one block of the stream of this counter.
    #[inline]
    pub fn set(&mut self, lane: usize, block: u32, counter: u64) {
        self.block[lane] = block;
        self.nonce[0][lane] = counter as u32;
        self.nonce[1][lane] = (counter >> 32) as u32;
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
    start[12] = from_words(&blocks.block);
    start[14] = from_words(&blocks.nonce[0]);
    start[15] = from_words(&blocks.nonce[1]);
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
