//! One peer: its keys, its place, what waits for it, and the words that its timers are read from.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::allowed_ips::Prefix;
use crate::counters::{Word, Words};
use crate::endpoint::Endpoint;
use crate::events::{Events, Kind};
use crate::keypair::Keypairs;
use crate::stage::{Budget, Stage};

/// A peer's place in the table.
pub type PeerId = u32;

/// A peer. Plain fields change under the table's write lock; the others are shared by the threads.
pub struct Peer {
    /// Its place.
    pub id: PeerId,
    /// Who it is.
    pub public_key: [u8; 32],
    /// Where it is, if that is known.
    pub endpoint: Option<Endpoint>,
    /// Its sessions.
    pub keypairs: Keypairs,
    /// Its prefixes, as the trie has them.
    pub allowed: BTreeSet<Prefix>,
    /// Packets that wait for a session.
    pub stage: Stage,
    /// Counters and times that JavaScript reads.
    pub words: Words,
    /// A handshake was asked for.
    asked: AtomicBool,
    /// Its timers run in JavaScript.
    armed: AtomicBool,
}

impl Peer {
    /// A peer without keys, endpoint or prefixes.
    #[must_use]
    pub fn new(id: PeerId, public_key: [u8; 32], words: Words, staging: Arc<Budget>) -> Self {
        Self {
            id,
            public_key,
            endpoint: None,
            keypairs: Keypairs::default(),
            allowed: BTreeSet::new(),
            stage: Stage::new(staging),
            words,
            asked: AtomicBool::new(false),
            armed: AtomicBool::new(false),
        }
    }

    /// Asks for a handshake, once until `answer`.
    pub fn ask(&self, events: &Events) {
        if !self.asked.load(Ordering::Relaxed) && !self.asked.swap(true, Ordering::Relaxed) {
            events.peer(Kind::HandshakeWanted, self.id, &[]);
        }
    }

    /// Lets a handshake be asked for again.
    pub fn answer(&self) {
        self.asked.store(false, Ordering::Relaxed);
    }

    fn set(&self, word: Word, value: u64) {
        let word = self.words.at(word);
        if word.load(Ordering::Relaxed) != value {
            word.store(value, Ordering::SeqCst);
        }
    }

    fn set_first(&self, word: Word, now_ms: u64) {
        let word = self.words.at(word);
        if word.load(Ordering::Relaxed) == 0 {
            word.store(now_ms, Ordering::Relaxed);
        }
    }

    /// Stamps a packet that went; `is_data`: it was neither keepalive nor handshake.
    pub fn note_sent(&self, bytes: usize, is_data: bool, now_ms: u64) {
        self.words
            .at(Word::TxBytes)
            .fetch_add(bytes as u64, Ordering::Relaxed);
        if is_data {
            self.set_first(Word::SentUnanswered, now_ms);
        }
        self.set(Word::ReceivedUnanswered, 0);
        self.set(Word::LastTraversal, now_ms);
    }

    /// Stamps an authenticated packet that came.
    pub fn note_received(&self, bytes: usize, is_data: bool, now_ms: u64) {
        self.words
            .at(Word::RxBytes)
            .fetch_add(bytes as u64, Ordering::Relaxed);
        if is_data {
            self.set_first(Word::ReceivedUnanswered, now_ms);
        }
        self.set(Word::SentUnanswered, 0);
        self.set(Word::LastTraversal, now_ms);
    }

    /// Says that the timers must run, if they do not. After the stamps: `rest` looks in the opposite order, so that one
    /// of the two sees the other.
    pub fn arm(&self, events: &Events) {
        if !self.armed.load(Ordering::SeqCst) && !self.armed.swap(true, Ordering::SeqCst) {
            events.peer(Kind::Active, self.id, &[]);
        }
    }

    /// Disarms, unless something passed after `seen_ms`; within one millisecond that cannot be told, so the timers
    /// stay armed.
    pub fn rest(&self, seen_ms: u64, now_ms: u64) -> bool {
        if seen_ms >= now_ms {
            return false;
        }
        self.armed.store(false, Ordering::SeqCst);
        let still = self.words.at(Word::LastTraversal).load(Ordering::SeqCst) == seen_ms;
        // If the other side armed in between, its event tells; else it is as if they had never been at rest.
        still || self.armed.swap(true, Ordering::SeqCst)
    }
}
