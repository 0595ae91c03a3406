//! Bytes to registers and back, and how registers are turned: rows to columns.

use std::arch::x86_64::*;

use super::BLOCK_BYTES;

/// The bytes at `at`, as many as there are, then zeros.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub fn load(bytes: &[u8], at: usize) -> __m512i {
    let rest = bytes.get(at..).unwrap_or_default();
    if rest.len() >= BLOCK_BYTES {
        // SAFETY: `rest` has the 64 bytes that are read, at any alignment.
        unsafe { _mm512_loadu_si512(rest.as_ptr().cast()) }
    } else {
        // SAFETY: the mask is as long as `rest`, and bytes that it leaves out are not touched.
        unsafe { _mm512_maskz_loadu_epi8(!(u64::MAX << rest.len()), rest.as_ptr().cast()) }
    }
}

/// XORs a register over the bytes at `at`, as many as there are.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub fn xor(bytes: &mut [u8], at: usize, stream: __m512i) {
    let text = _mm512_xor_si512(load(bytes, at), stream);
    let rest = bytes.get_mut(at..).unwrap_or_default();
    if rest.len() >= BLOCK_BYTES {
        // SAFETY: `rest` has the 64 bytes that are written, at any alignment.
        unsafe { _mm512_storeu_si512(rest.as_mut_ptr().cast(), text) };
    } else {
        // SAFETY: the mask is as long as `rest`, and bytes that it leaves out are not touched.
        unsafe {
            _mm512_mask_storeu_epi8(rest.as_mut_ptr().cast(), !(u64::MAX << rest.len()), text);
        }
    }
}

/// What a register can be made of.
pub trait Word {}
impl Word for u32 {}
impl Word for u64 {}

/// Sixteen 32-bit or eight 64-bit words.
#[inline]
#[target_feature(enable = "avx512f")]
pub fn from_words<W: Word, const N: usize>(words: &[W; N]) -> __m512i {
    const { assert!(size_of::<[W; N]>() == BLOCK_BYTES) };
    // SAFETY: the array has the 64 bytes that are read.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

/// Eight 64-bit words.
#[inline]
#[target_feature(enable = "avx512f")]
pub fn to_words(register: __m512i) -> [u64; 8] {
    let mut words = [0; 8];
    // SAFETY: the array has the 64 bytes that are written.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), register) };
    words
}

/// Turns four rows of four quarters (of 128 bits): quarter i of row j becomes quarter j of row i.
#[inline]
#[target_feature(enable = "avx512f")]
fn turn_quarters([a, b, c, d]: [__m512i; 4]) -> [__m512i; 4] {
    let even_ab = _mm512_shuffle_i32x4::<0b10_00_10_00>(a, b);
    let odd_ab = _mm512_shuffle_i32x4::<0b11_01_11_01>(a, b);
    let even_cd = _mm512_shuffle_i32x4::<0b10_00_10_00>(c, d);
    let odd_cd = _mm512_shuffle_i32x4::<0b11_01_11_01>(c, d);
    [
        _mm512_shuffle_i32x4::<0b10_00_10_00>(even_ab, even_cd),
        _mm512_shuffle_i32x4::<0b10_00_10_00>(odd_ab, odd_cd),
        _mm512_shuffle_i32x4::<0b11_01_11_01>(even_ab, even_cd),
        _mm512_shuffle_i32x4::<0b11_01_11_01>(odd_ab, odd_cd),
    ]
}

/// Turns sixteen rows of 32-bit words: word i of row j becomes word j of row i.
#[inline]
#[target_feature(enable = "avx512f")]
pub fn turn_words(rows: &[__m512i; 16]) -> [__m512i; 16] {
    let mut fours = [[_mm512_setzero_si512(); 4]; 4];
    for (four, rows) in rows.as_chunks::<4>().0.iter().enumerate() {
        let low = _mm512_unpacklo_epi32(rows[0], rows[1]);
        let high = _mm512_unpackhi_epi32(rows[0], rows[1]);
        let low_next = _mm512_unpacklo_epi32(rows[2], rows[3]);
        let high_next = _mm512_unpackhi_epi32(rows[2], rows[3]);
        fours[0][four] = _mm512_unpacklo_epi64(low, low_next);
        fours[1][four] = _mm512_unpackhi_epi64(low, low_next);
        fours[2][four] = _mm512_unpacklo_epi64(high, high_next);
        fours[3][four] = _mm512_unpackhi_epi64(high, high_next);
    }
    let mut columns = [_mm512_setzero_si512(); 16];
    for (word, four) in fours.into_iter().enumerate() {
        for (quarter, column) in turn_quarters(four).into_iter().enumerate() {
            columns[4 * quarter + word] = column;
        }
    }
    columns
}

/// Turns eight rows of 64-bit words.
#[inline]
#[target_feature(enable = "avx512f")]
pub fn turn_double_words(rows: &[__m512i; 8]) -> [__m512i; 8] {
    let pairs = rows.as_chunks::<2>().0;
    let even =
        [0, 1, 2, 3].map(|pair: usize| _mm512_unpacklo_epi64(pairs[pair][0], pairs[pair][1]));
    let odd = [0, 1, 2, 3].map(|pair: usize| _mm512_unpackhi_epi64(pairs[pair][0], pairs[pair][1]));
    let [even, odd] = [turn_quarters(even), turn_quarters(odd)];
    [
        even[0], odd[0], even[1], odd[1], even[2], odd[2], even[3], odd[3],
    ]
}
