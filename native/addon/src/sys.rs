//! Memory of the engine, shared with JavaScript. All unsafe code of the crate is here.

use std::sync::Arc;

use napi::bindgen_prelude::BigUint64Array;
use podwire_engine::counters::Chunk;

/// The words of a chunk as an array that JavaScript reads in place; the chunk lives as long as the array.
pub fn share(chunk: Arc<Chunk>) -> BigUint64Array {
    let (words, length) = (chunk.words().as_ptr(), chunk.words().len());
    // SAFETY: the words are atomics of 64 bits, which may be read and written through the array at any time, never
    // move, and live until the finalizer drops the reference that it owns.
    unsafe {
        BigUint64Array::with_external_data(words.cast_mut().cast(), length, move |_, _| drop(chunk))
    }
}
