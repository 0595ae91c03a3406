//! Packets that wait for a session: at most 128 a peer, the oldest pushed out.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Packets that may wait.
pub const MAX_STAGED: usize = 128;

/// The queue of one peer. Empty while there is a session, so looking costs one load.
#[derive(Default)]
pub struct Stage {
    occupied: AtomicBool,
    packets: Mutex<VecDeque<Box<[u8]>>>,
}

/// The queue, held by whoever sends from it.
pub struct Staged<'a> {
    occupied: &'a AtomicBool,
    packets: MutexGuard<'a, VecDeque<Box<[u8]>>>,
}

impl Stage {
    /// Whether packets wait. Another thread may be sending them.
    #[must_use]
    pub fn is_occupied(&self) -> bool {
        self.occupied.load(Ordering::Acquire)
    }

    /// Adds a packet and returns how many were pushed out for it: 0 or 1.
    pub fn push(&self, packet: &[u8]) -> usize {
        let mut staged = self.hold();
        let full = staged.packets.len() == MAX_STAGED;
        if full {
            staged.packets.pop_front();
        }
        staged.packets.push_back(packet.into());
        usize::from(full)
    }

    /// Takes the queue, so that packets leave in order.
    pub fn hold(&self) -> Staged<'_> {
        let packets = self.packets.lock().unwrap_or_else(PoisonError::into_inner);
        Staged {
            occupied: &self.occupied,
            packets,
        }
    }

    /// Drops all and returns how many there were.
    pub fn clear(&self) -> usize {
        let mut staged = self.hold();
        let packets = staged.packets.len();
        staged.packets.clear();
        packets
    }
}

impl Staged<'_> {
    /// The oldest packet.
    #[must_use]
    pub fn front(&self) -> Option<&[u8]> {
        self.packets.front().map(|packet| &**packet)
    }

    /// Removes the oldest packet.
    pub fn pop(&mut self) {
        self.packets.pop_front();
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        self.occupied
            .store(!self.packets.is_empty(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_128_packets_wait_and_the_oldest_is_pushed_out() {
        let stage = Stage::default();
        let pushed_out: usize = (0..130_u8).map(|number| stage.push(&[number])).sum();
        assert_eq!(pushed_out, 2);
        assert!(stage.is_occupied());
        assert_eq!(stage.hold().front(), Some(&[2][..]));
        assert_eq!(stage.clear(), MAX_STAGED);
        assert!(!stage.is_occupied());
    }
}
