//! Secrets of a type that does not wipe itself.

use std::mem::ManuallyDrop;
use std::ops::Deref;

/// A value on the heap, where it stays, whose bytes are overwritten when it is dropped.
pub struct Wiped<T>(Box<ManuallyDrop<T>>);

impl<T> Wiped<T> {
    /// Takes a value that owns nothing beyond its own bytes.
    pub fn new(value: T) -> Self {
        const { assert!(!std::mem::needs_drop::<T>(), "it would not be dropped") };
        Self(Box::new(ManuallyDrop::new(value)))
    }
}

impl<T> Deref for Wiped<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Drop for Wiped<T> {
    fn drop(&mut self) {
        let value: *mut T = &raw mut **self.0;
        // SAFETY: the pointer is to our own box, whose value is not used again: `ManuallyDrop` keeps the box from
        // dropping it, and by the assertion in `new` it has nothing to drop.
        unsafe { zeroize::zeroize_flat_type(value) };
    }
}
