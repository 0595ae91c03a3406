//! Transport keys of one session, and the three that a peer may hold at a time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use podwire_aead::{Key, Message};

use crate::packet::{HEADER_BYTES, write_header};
use crate::peer::PeerId;
use crate::replay::{REJECT_AFTER_MESSAGES, Replay};

/// A session is renewed after so many messages (paper, section 6.1).
const REKEY_AFTER_MESSAGES: u64 = 1 << 60;
/// The initiator renews a session this old when it sends.
const REKEY_AFTER_MS: u64 = 120_000;
/// No packet passes under keys this old.
pub const REJECT_AFTER_MS: u64 = 180_000;
/// The initiator renews a session this old when it receives: 180 s less the keepalive's 10 s and a handshake's 5 s.
const REKEY_ON_RECEIVE_MS: u64 = 165_000;

/// The keys of one session. The outbound side counts up `sent`, the inbound side owns the replay window.
pub struct Keypair {
    /// The index that the peer writes in its packets to us.
    pub local_index: u32,
    remote_index: u32,
    /// Whose session it is.
    pub peer: PeerId,
    /// Whether we began the handshake.
    pub initiator: bool,
    created_ms: u64,
    sealing: Key,
    opening: Key,
    /// Messages sent, which is the next counter.
    sent: AtomicU64,
    replay: Mutex<Replay>,
    /// The responder's first data packet was seen; true from the start for an initiator.
    confirmed: AtomicBool,
}

/// What makes a [`Keypair`].
pub struct KeypairOptions<'a> {
    /// The index that the peer writes in its packets to us.
    pub local_index: u32,
    /// The index that we write in ours.
    pub remote_index: u32,
    /// Whether we began the handshake.
    pub initiator: bool,
    /// Seals what we send.
    pub send_key: &'a [u8; 32],
    /// Opens what we receive.
    pub receive_key: &'a [u8; 32],
}

impl Keypair {
    /// Keys of a handshake completed at `now_ms`.
    #[must_use]
    pub fn new(peer: PeerId, options: &KeypairOptions, now_ms: u64) -> Self {
        Self {
            local_index: options.local_index,
            remote_index: options.remote_index,
            peer,
            initiator: options.initiator,
            created_ms: now_ms,
            sealing: Key::new(options.send_key),
            opening: Key::new(options.receive_key),
            sent: AtomicU64::new(0),
            replay: Mutex::default(),
            confirmed: AtomicBool::new(options.initiator),
        }
    }

    fn age_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.created_ms)
    }

    /// Whether packets may pass under these keys.
    #[must_use]
    pub fn is_alive(&self, now_ms: u64) -> bool {
        self.age_ms(now_ms) < REJECT_AFTER_MS
    }

    /// Whether packets may be sent under these keys.
    #[must_use]
    pub fn can_send(&self, now_ms: u64) -> bool {
        self.is_alive(now_ms) && self.sent.load(Ordering::Relaxed) < REJECT_AFTER_MESSAGES
    }

    /// Whether sending should ask for new keys.
    #[must_use]
    pub fn is_stale_for_send(&self, now_ms: u64) -> bool {
        self.sent.load(Ordering::Relaxed) > REKEY_AFTER_MESSAGES
            || (self.initiator && self.age_ms(now_ms) >= REKEY_AFTER_MS)
    }

    /// Whether receiving should ask for new keys.
    #[must_use]
    pub fn is_stale_for_receive(&self, now_ms: u64) -> bool {
        self.initiator && self.age_ms(now_ms) >= REKEY_ON_RECEIVE_MS
    }

    /// True once, for the responder's first data packet.
    #[must_use]
    pub fn confirm(&self) -> bool {
        !self.confirmed.load(Ordering::Relaxed) && !self.confirmed.swap(true, Ordering::Relaxed)
    }

    /// Makes data messages: each range is room for the header, the padded packet, room for the tag. The counters are
    /// reserved at once. False: they have come to their end.
    #[must_use]
    pub fn seal(&self, wire: &mut [u8], messages: &mut [Message]) -> bool {
        let count = messages.len() as u64;
        // Other threads may add between the check and the addition. That cannot bring the counter to wrap: whatever their
        // batches, a session dies of age long before it has sent 2^60 messages.
        if self.sent.load(Ordering::Relaxed) + count > REJECT_AFTER_MESSAGES {
            return false;
        }
        let first = self.sent.fetch_add(count, Ordering::Relaxed);
        for (counter, message) in (first..).zip(&mut *messages) {
            write_header(&mut wire[message.range.clone()], self.remote_index, counter);
            message.counter = counter;
            message.range.start += HEADER_BYTES;
        }
        self.sealing.seal(wire, messages);
        true
    }

    /// Opens what follows the headers of data messages, in place. `right` says of each whether its tag was right; if not,
    /// its text is spoilt.
    pub fn open(&self, buffer: &mut [u8], messages: &[Message], right: &mut Vec<bool>) {
        self.opening.open(buffer, messages, right);
    }

    /// The counters that came, to take those of opened messages.
    pub fn replay(&self) -> MutexGuard<'_, Replay> {
        self.replay.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the next message carry this counter.
    #[cfg(test)]
    pub fn set_sent(&self, sent: u64) {
        self.sent.store(sent, Ordering::Relaxed);
    }
}

/// A peer's keypairs, rotated as the kernel does. What a rotation pushes out is returned, for its index to be freed.
#[derive(Default)]
pub struct Keypairs {
    previous: Option<Arc<Keypair>>,
    current: Option<Arc<Keypair>>,
    next: Option<Arc<Keypair>>,
}

impl Keypairs {
    /// The keys to send with.
    #[must_use]
    pub fn current(&self) -> Option<&Arc<Keypair>> {
        self.current.as_ref()
    }

    /// The initiator's new keys are current at once, since the response proved that the peer has them; the responder's
    /// wait as next until the first data packet.
    pub fn install(&mut self, keypair: Arc<Keypair>) -> Vec<Arc<Keypair>> {
        let pushed_out = if keypair.initiator {
            let former = self.current.replace(keypair);
            if let Some(next) = self.next.take() {
                [self.previous.replace(next), former]
            } else {
                [std::mem::replace(&mut self.previous, former), None]
            }
        } else {
            [self.next.replace(keypair), self.previous.take()]
        };
        pushed_out.into_iter().flatten().collect()
    }

    /// Makes the next keypair the current one, if it is the one with that index.
    pub fn promote(&mut self, local_index: u32) -> Option<Vec<Arc<Keypair>>> {
        let next = self.next.take_if(|next| next.local_index == local_index)?;
        let former = self.current.replace(next);
        Some(
            std::mem::replace(&mut self.previous, former)
                .into_iter()
                .collect(),
        )
    }

    /// Forgets all.
    pub fn clear(&mut self) -> Vec<Arc<Keypair>> {
        [self.previous.take(), self.current.take(), self.next.take()]
            .into_iter()
            .flatten()
            .collect()
    }
}

#[cfg(test)]
#[path = "../tests/unit/keypair.rs"]
mod tests;
