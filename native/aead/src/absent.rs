//! In place of `avx512` on other processors: a key that cannot be.

use crate::{LANES, Message};

pub enum Key {}

impl Key {
    pub fn new(_: &[u8; 32]) -> Option<Self> {
        None
    }

    pub fn seal(&self, _: &mut [u8], _: &[Message]) {
        match *self {}
    }

    pub fn open(&self, _: &mut [u8], _: &[Message]) -> [bool; LANES] {
        match *self {}
    }
}

pub fn is_supported() -> bool {
    false
}

pub fn is_worth_it(_: &[Message]) -> bool {
    false
}
