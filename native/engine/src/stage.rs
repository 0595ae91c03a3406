//! Packets that wait for a session: at most 128 a peer, the oldest pushed out, and at most so many bytes for all peers, so that
//! packets to many peers that do not answer cost a bounded memory.

use std::collections::VecDeque;
use std::mem::take;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Packets of one peer that may wait.
pub const MAX_STAGED: usize = 128;
/// Bytes of all peers' packets that may wait.
pub const MAX_STAGED_BYTES: usize = 16 << 20;

/// The bytes that wait, of all peers.
#[derive(Default)]
pub struct Budget(AtomicUsize);

impl Budget {
    fn take(&self, bytes: usize) -> bool {
        let taken = self.0.fetch_add(bytes, Ordering::Relaxed) + bytes <= MAX_STAGED_BYTES;
        if !taken {
            self.give(bytes);
        }
        taken
    }

    fn give(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes that wait.
    #[must_use]
    pub fn used(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// The queue of one peer. Empty while there is a session, so looking costs one load.
pub struct Stage {
    occupied: AtomicBool,
    queue: Mutex<Queue>,
    budget: Arc<Budget>,
}

#[derive(Default)]
struct Queue {
    packets: VecDeque<Box<[u8]>>,
    /// Whether packets were taken that may not have reached the socket yet.
    leaving: bool,
}

/// The queue, held by whoever changes it.
pub struct Staged<'a> {
    occupied: &'a AtomicBool,
    queue: MutexGuard<'a, Queue>,
    budget: &'a Budget,
}

impl Stage {
    /// An empty queue.
    #[must_use]
    pub fn new(budget: Arc<Budget>) -> Self {
        Self {
            occupied: AtomicBool::default(),
            queue: Mutex::default(),
            budget,
        }
    }

    /// Whether packets wait, or are on their way to the socket: what comes now has to go after them.
    #[must_use]
    pub fn is_occupied(&self) -> bool {
        self.occupied.load(Ordering::Acquire)
    }

    /// Adds a packet and returns how many were dropped for it: the oldest if the queue is full, or itself if all the
    /// peers' queues are.
    pub fn push(&self, packet: &[u8]) -> usize {
        let mut staged = self.hold();
        let full = staged.queue.packets.len() == MAX_STAGED;
        if full {
            staged.pop();
        }
        if !self.budget.take(packet.len()) {
            return usize::from(full) + 1;
        }
        staged.queue.packets.push_back(packet.into());
        usize::from(full)
    }

    /// Holds the queue.
    pub fn hold(&self) -> Staged<'_> {
        Staged {
            occupied: &self.occupied,
            queue: self.queue.lock().unwrap_or_else(PoisonError::into_inner),
            budget: &self.budget,
        }
    }

    /// Holds the queue to send from it, one thread at a time so that packets leave in order; `None` while another does, who
    /// looks again before it ends. `again`: the caller is that one, and has sent what it took.
    pub fn hold_to_send(&self, again: bool) -> Option<Staged<'_>> {
        let mut staged = self.hold();
        let leaving = take(&mut staged.queue.leaving);
        if leaving && !again {
            staged.queue.leaving = true;
            return None;
        }
        Some(staged)
    }

    /// Drops all and returns how many there were.
    pub fn clear(&self) -> usize {
        self.hold().clear()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Staged<'_> {
    /// The oldest packet.
    #[must_use]
    pub fn front(&self) -> Option<&[u8]> {
        self.queue.packets.front().map(|packet| &**packet)
    }

    /// Removes the oldest packet.
    pub fn pop(&mut self) {
        if let Some(packet) = self.queue.packets.pop_front() {
            self.budget.give(packet.len());
        }
    }

    /// Drops all and returns how many there were.
    pub fn clear(&mut self) -> usize {
        let packets = self.queue.packets.len();
        while !self.queue.packets.is_empty() {
            self.pop();
        }
        packets
    }

    /// Says that the packets that were removed are about to be sent, after which the queue is held again.
    pub fn leave(&mut self) {
        self.queue.leaving = true;
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        self.occupied.store(
            self.queue.leaving || !self.queue.packets.is_empty(),
            Ordering::Release,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_128_packets_wait_and_the_oldest_is_pushed_out() {
        let stage = Stage::new(Arc::default());
        let pushed_out: usize = (0..130_u8).map(|number| stage.push(&[number])).sum();
        assert_eq!(pushed_out, 2);
        assert!(stage.is_occupied());
        assert_eq!(stage.hold().front(), Some(&[2][..]));
        assert_eq!(stage.clear(), MAX_STAGED);
        assert!(!stage.is_occupied());
    }

    #[test]
    fn all_peers_share_one_bound() {
        let budget = Arc::new(Budget::default());
        let packet = vec![0; MAX_STAGED_BYTES / 100];
        let stages = [(); 2].map(|()| Stage::new(Arc::clone(&budget)));
        let dropped: Vec<usize> = stages
            .iter()
            .map(|stage| (0..60).map(|_| stage.push(&packet)).sum())
            .collect();
        assert_eq!(dropped, [0, 20]);
        drop(stages);
        assert_eq!(budget.used(), 0);
    }
}
