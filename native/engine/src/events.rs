//! Events on their way to JavaScript: records in one buffer, written by any thread, taken whole. The queue is bounded:
//! at most so many handshake messages and warnings wait, and all other events are said once until JavaScript answers.
//!
//! A record, little-endian: kind (1), peer or `u32::MAX` (4), length of the payload (2), payload.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::endpoint::{Endpoint, SOURCE_BYTES, pack_source};
use crate::peer::PeerId;

/// Handshake messages that may wait.
pub const MAX_HANDSHAKES: usize = 4096;
/// Warnings that may wait. Link events have no bound of their own: only root makes them, by hand.
const MAX_WARNINGS: usize = 64;

const NO_PEER: u32 = u32::MAX;
const HEAD_BYTES: usize = 7;

/// What a record tells; the numbers are read by `src/native/engine.ts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Payload: packed source, message.
    Handshake = 0,
    /// A new handshake is due.
    HandshakeWanted = 1,
    /// Data passed while the timers were at rest.
    Active = 2,
    /// Payload: local index.
    Confirmed = 3,
    /// The link is up.
    LinkUp = 4,
    /// The link is down.
    LinkDown = 5,
    /// Payload: the MTU.
    LinkMtu = 6,
    /// The link is gone.
    LinkGone = 7,
    /// Payload: text.
    Warning = 8,
}

#[derive(Default)]
struct Queue {
    records: Vec<u8>,
    handshakes: usize,
    warnings: usize,
    /// Whoever drains was told since it last did.
    woken: bool,
}

impl Queue {
    fn push(&mut self, kind: Kind, peer: Option<PeerId>, payload: [&[u8]; 2]) {
        let bytes = payload[0].len() + payload[1].len();
        self.records.push(kind as u8);
        self.records
            .extend_from_slice(&peer.unwrap_or(NO_PEER).to_le_bytes());
        self.records
            .extend_from_slice(&(bytes as u16).to_le_bytes());
        self.records.extend_from_slice(payload[0]);
        self.records.extend_from_slice(payload[1]);
    }
}

/// The queue, and how to wake whoever drains it.
pub struct Events {
    queue: Mutex<Queue>,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Events {
    /// `wake` is called, from any thread, when the first event comes after a `drain`.
    #[must_use]
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            queue: Mutex::default(),
            wake: Box::new(wake),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake_after(&self, mut queue: MutexGuard<Queue>) {
        let first = !std::mem::replace(&mut queue.woken, true);
        drop(queue);
        if first {
            (self.wake)();
        }
    }

    /// A handshake message; false if too many wait.
    #[must_use]
    pub fn handshake(&self, peer: Option<PeerId>, from: &Endpoint, message: &[u8]) -> bool {
        let mut queue = self.queue();
        if queue.handshakes == MAX_HANDSHAKES {
            return false;
        }
        queue.handshakes += 1;
        let source: [u8; SOURCE_BYTES] = pack_source(from, message.len());
        queue.push(Kind::Handshake, peer, [&source, message]);
        self.wake_after(queue);
        true
    }

    /// An event of a peer.
    pub fn peer(&self, kind: Kind, peer: PeerId, payload: &[u8]) {
        let mut queue = self.queue();
        queue.push(kind, Some(peer), [payload, &[]]);
        self.wake_after(queue);
    }

    /// An event of the link.
    pub fn link(&self, kind: Kind, payload: &[u8]) {
        let mut queue = self.queue();
        queue.push(kind, None, [payload, &[]]);
        self.wake_after(queue);
    }

    /// Something that went wrong and was survived; lost if whoever drains is far behind.
    pub fn warn(&self, text: &str) {
        let mut queue = self.queue();
        if queue.warnings < MAX_WARNINGS {
            queue.warnings += 1;
            queue.push(Kind::Warning, None, [text.as_bytes(), &[]]);
            self.wake_after(queue);
        }
    }

    /// Takes all records that wait, oldest first.
    #[must_use]
    pub fn drain(&self) -> Vec<u8> {
        std::mem::take(&mut *self.queue()).records
    }

    /// Takes back the events of a peer, whose number may soon be another's.
    pub fn forget(&self, peer: PeerId) {
        let mut queue = self.queue();
        let records = std::mem::take(&mut queue.records);
        let mut rest = &records[..];
        while !rest.is_empty() {
            let payload = usize::from(u16::from_le_bytes([rest[5], rest[6]]));
            let (record, after) = rest.split_at(HEAD_BYTES + payload);
            if record[1..5] == peer.to_le_bytes() {
                queue.handshakes -= usize::from(record[0] == Kind::Handshake as u8);
            } else {
                queue.records.extend_from_slice(record);
            }
            rest = after;
        }
    }
}

#[cfg(test)]
#[path = "../tests/unit/events.rs"]
mod tests;
