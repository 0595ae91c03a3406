//! Events on their way to JavaScript: records in one buffer, written by any thread, taken whole. The queue is bounded:
//! at most so many handshake messages and warnings wait, and all other events are said once until JavaScript answers.
//!
//! Initiations, which anyone may send who knows our public key, wait in a lane of their own and are taken a few at a time:
//! so a flood of them delays nothing else by more than those few, neither here nor on the JavaScript thread.
//!
//! A record, little-endian: kind (1), peer or `u32::MAX` (4), length of the payload (2), payload.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::endpoint::{Endpoint, SOURCE_BYTES, pack_source};
use crate::packet::INITIATION_BYTES;
use crate::peer::PeerId;

/// Initiations that may wait.
pub const MAX_INITIATIONS: usize = 4096;
/// Initiations that one `drain` takes: some milliseconds of JavaScript.
pub const INITIATIONS_AT_ONCE: usize = 64;
/// Responses and cookie replies that may wait. They name an index of ours, so they are few.
pub const MAX_REPLIES: usize = 1024;
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

const INITIATION_RECORD_BYTES: usize = HEAD_BYTES + SOURCE_BYTES + INITIATION_BYTES;

#[derive(Default)]
struct Queue {
    records: Vec<u8>,
    /// Records of initiations, one after the other, all of one length.
    initiations: VecDeque<u8>,
    replies: usize,
    warnings: usize,
    /// Whoever drains was told, and has not found the queue empty since.
    woken: bool,
}

fn head(kind: Kind, peer: Option<PeerId>, payload_bytes: usize) -> [u8; HEAD_BYTES] {
    let mut head = [kind as u8; HEAD_BYTES];
    head[1..5].copy_from_slice(&peer.unwrap_or(NO_PEER).to_le_bytes());
    head[5..].copy_from_slice(&(payload_bytes as u16).to_le_bytes());
    head
}

impl Queue {
    fn push(&mut self, kind: Kind, peer: Option<PeerId>, payload: [&[u8]; 2]) {
        let bytes = payload[0].len() + payload[1].len();
        self.records.extend_from_slice(&head(kind, peer, bytes));
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
    /// `wake` is called, from any thread, when the first event comes after a `drain` that found none.
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

    /// An initiation; false if too many wait.
    #[must_use]
    pub fn initiation(&self, from: &Endpoint, message: &[u8; INITIATION_BYTES]) -> bool {
        let mut queue = self.queue();
        if queue.initiations.len() == MAX_INITIATIONS * INITIATION_RECORD_BYTES {
            return false;
        }
        let payload_bytes = SOURCE_BYTES + INITIATION_BYTES;
        queue
            .initiations
            .extend(head(Kind::Handshake, None, payload_bytes));
        queue
            .initiations
            .extend(pack_source(from, INITIATION_BYTES));
        queue.initiations.extend(message);
        self.wake_after(queue);
        true
    }

    /// How many initiations wait.
    #[must_use]
    pub fn initiations(&self) -> usize {
        self.queue().initiations.len() / INITIATION_RECORD_BYTES
    }

    /// A response or cookie reply to a peer's handshake; false if too many wait.
    #[must_use]
    pub fn reply(&self, peer: PeerId, from: &Endpoint, message: &[u8]) -> bool {
        let mut queue = self.queue();
        if queue.replies == MAX_REPLIES {
            return false;
        }
        queue.replies += 1;
        let source: [u8; SOURCE_BYTES] = pack_source(from, message.len());
        queue.push(Kind::Handshake, Some(peer), [&source, message]);
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

    /// Takes the records that wait, oldest first, and then some initiations. Empty: none waits, and `wake` will tell.
    #[must_use]
    pub fn drain(&self) -> Vec<u8> {
        let mut queue = self.queue();
        let mut records = std::mem::take(&mut queue.records);
        (queue.replies, queue.warnings) = (0, 0);
        let taken = queue
            .initiations
            .len()
            .min(INITIATIONS_AT_ONCE * INITIATION_RECORD_BYTES);
        records.extend(queue.initiations.drain(..taken));
        queue.woken = !records.is_empty();
        records
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
                queue.replies -= usize::from(record[0] == Kind::Handshake as u8);
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
