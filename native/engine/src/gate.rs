//! Which handshake messages go up. Anyone can send one, and each costs whoever handles it some hundred times what it costs
//! the sender; so a flood of them must end here (paper, section 5.3; the kernel's `wg_receive_handshake_packet`).
//!
//! ```text
//!   mac1 ── right ──> under load? ── no ─────────────────────────────────────────> event
//!     │                   └── yes ──> mac2 ── right ──> 20 a second of a source ──> event
//!   dropped                             └── a cookie reply instead
//! ```

use std::sync::{Mutex, PoisonError};

use crate::cookie::{self, Baker};
use crate::counters::Drop;
use crate::endpoint::Endpoint;
use crate::events::MAX_INITIATIONS;
use crate::mac::Mac1;
use crate::packet::{COOKIE_REPLY_BYTES, Message};
use crate::plane::Plane;
use crate::rate_limit::RateLimit;
use crate::table::{Session, Table};

/// So many initiations that wait are a load: an eighth of what may wait. So are as many that were refused since a load was
/// last seen, or each second of a flood would let the first of them through.
const LOAD: usize = MAX_INITIATIONS / 8;
/// A load goes on for this long after it was last seen.
const LOAD_MS: u64 = 1000;

/// A cookie reply to send.
#[derive(Clone, Copy, Debug)]
pub struct Reply {
    /// To whom, and from the address that it wrote to.
    pub endpoint: Endpoint,
    /// The message.
    pub message: [u8; COOKIE_REPLY_BYTES],
}

#[derive(Default)]
struct State {
    loaded_ms: Option<u64>,
    /// Messages without a cookie since then.
    refused: usize,
    baker: Baker,
    limit: RateLimit,
}

impl State {
    fn is_loaded(&mut self, waiting: usize, now_ms: u64) -> bool {
        if waiting >= LOAD {
            self.load(now_ms);
        }
        self.loaded_ms
            .is_some_and(|loaded_ms| now_ms.saturating_sub(loaded_ms) < LOAD_MS)
    }

    fn load(&mut self, now_ms: u64) {
        self.loaded_ms = Some(now_ms);
        self.refused = 0;
    }

    fn refuse(&mut self, now_ms: u64) {
        self.refused += 1;
        if self.refused == LOAD {
            self.load(now_ms);
        }
    }
}

/// What the gate remembers: one for a device, whoever receives. It is locked for handshake messages only.
#[derive(Default)]
pub struct Gate(Mutex<State>);

/// Passes a handshake message up, or says why not; then there may be a reply to send.
pub fn admit(
    kind: Message,
    message: &[u8],
    from: &Endpoint,
    table: &Table,
    plane: &Plane,
    replies: &mut Vec<Reply>,
    now_ms: u64,
) -> Result<(), Drop> {
    let mac1 = table.mac1.as_ref();
    let mut check = || check(message, from, mac1, plane, replies, now_ms);
    let passed = match (kind, message.first_chunk()) {
        (Message::Initiation, Some(initiation)) => {
            check()?;
            plane.events.initiation(from, initiation)
        }
        (Message::Response { receiver }, _) => {
            let Some(Session::Handshake(peer)) = table.session(receiver) else {
                return Err(Drop::Index);
            };
            check()?;
            plane.events.reply(*peer, from, message)
        }
        // It answers an initiation, or a response, whose index is a keypair's by now. It has no MACs: its key is secret to
        // nobody, but it is bound to a mac1 that we sent.
        (Message::CookieReply { receiver }, _) => {
            let session = table.session(receiver).ok_or(Drop::Index)?;
            plane.events.reply(session.peer(), from, message)
        }
        _ => return Err(Drop::Type),
    };
    passed.then_some(()).ok_or(Drop::HandshakeQueue)
}

/// Both MACs, and the rate, of a message of type 1 or 2.
fn check(
    message: &[u8],
    from: &Endpoint,
    mac1: Option<&Mac1>,
    plane: &Plane,
    replies: &mut Vec<Reply>,
    now_ms: u64,
) -> Result<(), Drop> {
    let mac1 = mac1.filter(|mac1| mac1.verify(message)).ok_or(Drop::Mac)?;
    let waiting = plane.events.initiations();
    let mut state = plane.gate.0.lock().unwrap_or_else(PoisonError::into_inner);
    if !state.is_loaded(waiting, now_ms) {
        return Ok(());
    }
    let source = from.remote;
    let cookie = state.baker.cookie(&source, now_ms);
    if !cookie::verify_mac2(&cookie, message) {
        state.refuse(now_ms);
        let nonce = state.baker.nonce();
        drop(state);
        replies.push(Reply {
            endpoint: *from,
            message: cookie::reply(&mac1.cookie_key, &cookie, &nonce, message),
        });
        return Err(Drop::Mac2);
    }
    let allowed = state.limit.allow(source.ip(), now_ms);
    allowed.then_some(()).ok_or(Drop::RateLimited)
}

#[cfg(test)]
#[path = "../tests/unit/gate.rs"]
mod tests;
