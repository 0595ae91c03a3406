//! What the device knows: its peers, whose each prefix and each index is, and the key of mac1. Plain data and its
//! changes; no clock, no socket. The threads read it once a batch, commands change it.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use ring::rand::{SecureRandom, SystemRandom};

use crate::allowed_ips::{AllowedIps, Prefix};
use crate::counters::{CHUNK_PEERS, Chunk, Words};
use crate::error::{Error, Result};
use crate::keypair::{Keypair, KeypairOptions};
use crate::mac::Mac1;
use crate::peer::{Peer, PeerId};
use crate::stage::Budget;

/// What an index of ours stands for.
pub enum Session {
    /// A handshake that runs.
    Handshake(PeerId),
    /// Transport keys.
    Keys(Arc<Keypair>),
}

impl Session {
    /// Whose it is.
    #[must_use]
    pub fn peer(&self) -> PeerId {
        match self {
            Self::Handshake(peer) => *peer,
            Self::Keys(keypair) => keypair.peer,
        }
    }
}

/// Indices are random numbers of our own choice, so they are their own hash.
#[derive(Default)]
pub struct IndexHasher(u64);

impl Hasher for IndexHasher {
    fn write(&mut self, _: &[u8]) {
        unreachable!("only u32 is hashed")
    }

    fn write_u32(&mut self, index: u32) {
        // hashbrown takes its buckets from the low bits and its tags from the high ones.
        self.0 = u64::from(index) << 32 | u64::from(index);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// See the module.
#[derive(Default)]
pub struct Table {
    peers: Vec<Option<Box<Peer>>>,
    /// Free places, the longest free first, so that a number is not soon another peer's.
    free: VecDeque<PeerId>,
    public_keys: HashSet<[u8; 32]>,
    chunks: Vec<Arc<Chunk>>,
    /// Whose a prefix is.
    pub allowed_ips: AllowedIps,
    sessions: HashMap<u32, Session, BuildHasherDefault<IndexHasher>>,
    /// Handshake messages must be made for our public key.
    pub mac1: Option<Mac1>,
    /// What all the peers' stages may hold together.
    pub staging: Arc<Budget>,
}

const UNKNOWN: Error = Error::Invalid("no such peer");

impl Table {
    /// A peer by its place.
    pub fn peer(&self, id: PeerId) -> Result<&Peer> {
        self.peers
            .get(id as usize)
            .and_then(Option::as_deref)
            .ok_or(UNKNOWN)
    }

    /// A peer by its place, to change.
    pub fn peer_mut(&mut self, id: PeerId) -> Result<&mut Peer> {
        self.peers
            .get_mut(id as usize)
            .and_then(Option::as_deref_mut)
            .ok_or(UNKNOWN)
    }

    /// Lets the kernel choose anew which of our addresses packets leave from, to every peer.
    pub fn forget_sources(&mut self) {
        let peers = self.peers.iter_mut().flatten();
        for endpoint in peers.filter_map(|peer| peer.endpoint.as_mut()) {
            endpoint.local = None;
        }
    }

    /// What an index of ours stands for.
    #[must_use]
    pub fn session(&self, index: u32) -> Option<&Session> {
        self.sessions.get(&index)
    }

    /// A chunk of peers' words; `None` if no peer was ever that far.
    #[must_use]
    pub fn chunk(&self, number: usize) -> Option<&Arc<Chunk>> {
        self.chunks.get(number)
    }

    /// Adds a peer.
    pub fn add_peer(&mut self, public_key: [u8; 32]) -> Result<PeerId> {
        if !self.public_keys.insert(public_key) {
            return Err(Error::Invalid("a peer with this public key exists"));
        }
        let id = self.free.pop_front().unwrap_or_else(|| {
            self.peers.push(None);
            self.peers.len() as PeerId - 1
        });
        let (chunk, place) = (id as usize / CHUNK_PEERS, id as usize % CHUNK_PEERS);
        if chunk == self.chunks.len() {
            self.chunks.push(Arc::default());
        }
        let words = Words::new(Arc::clone(&self.chunks[chunk]), place);
        let peer = Peer::new(id, public_key, words, Arc::clone(&self.staging));
        self.peers[id as usize] = Some(Box::new(peer));
        Ok(id)
    }

    /// Removes a peer and all that is its own; returns how many packets waited.
    pub fn remove_peer(&mut self, id: PeerId) -> Result<usize> {
        self.clear_keypairs(id)?;
        self.clear_allowed_ips(id)?;
        self.sessions.retain(|_, session| session.peer() != id);
        let peer = self.peers[id as usize].take().ok_or(UNKNOWN)?;
        self.public_keys.remove(&peer.public_key);
        self.free.push_back(id);
        Ok(peer.stage.clear())
    }

    /// Gives prefixes to a peer, from whoever has them.
    pub fn add_allowed_ips(&mut self, id: PeerId, prefixes: &[Prefix]) -> Result<()> {
        self.peer(id)?;
        for &prefix in prefixes {
            match self.allowed_ips.insert(prefix, id) {
                Some(former) if former == id => continue,
                Some(former) => {
                    self.peer_mut(former)?.allowed.remove(&prefix);
                }
                None => {}
            }
            self.peer_mut(id)?.allowed.insert(prefix);
        }
        Ok(())
    }

    /// Takes prefixes from a peer; those that are not its own stay.
    pub fn remove_allowed_ips(&mut self, id: PeerId, prefixes: &[Prefix]) -> Result<()> {
        self.peer(id)?;
        for &prefix in prefixes {
            if self.allowed_ips.remove(prefix, id) {
                self.peer_mut(id)?.allowed.remove(&prefix);
            }
        }
        Ok(())
    }

    /// Takes all prefixes from a peer.
    pub fn clear_allowed_ips(&mut self, id: PeerId) -> Result<()> {
        while self.clear_some_allowed_ips(id, usize::MAX)? {}
        Ok(())
    }

    /// Takes at most `count` prefixes from a peer; false if it has none left.
    pub fn clear_some_allowed_ips(&mut self, id: PeerId, count: usize) -> Result<bool> {
        for _ in 0..count {
            let Some(prefix) = self.peer_mut(id)?.allowed.pop_first() else {
                return Ok(false);
            };
            self.allowed_ips.remove(prefix, id);
        }
        Ok(true)
    }

    /// A random index that nobody has, bound to the peer.
    pub fn new_index(&mut self, id: PeerId) -> Result<u32> {
        self.peer(id)?;
        loop {
            let mut bytes = [0; 4];
            SystemRandom::new()
                .fill(&mut bytes)
                .expect("the kernel gives random bytes");
            let index = u32::from_le_bytes(bytes);
            if let Entry::Vacant(place) = self.sessions.entry(index) {
                place.insert(Session::Handshake(id));
                return Ok(index);
            }
        }
    }

    /// Frees the index of a handshake. (That of a keypair goes with it.)
    pub fn free_index(&mut self, index: u32) {
        if let Some(Session::Handshake(_)) = self.sessions.get(&index) {
            self.sessions.remove(&index);
        }
    }

    /// Installs the keys of a handshake whose index came from `new_index`.
    pub fn install(&mut self, id: PeerId, options: &KeypairOptions, now_ms: u64) -> Result<()> {
        match self.sessions.get(&options.local_index) {
            Some(Session::Handshake(peer)) if *peer == id => {}
            _ => {
                return Err(Error::Invalid(
                    "the keypair's local index is not one of this peer's handshakes",
                ));
            }
        }
        let keypair = Arc::new(Keypair::new(id, options, now_ms));
        let peer = self.peer_mut(id)?;
        peer.answer();
        let pushed_out = peer.keypairs.install(Arc::clone(&keypair));
        self.sessions
            .insert(keypair.local_index, Session::Keys(keypair));
        self.forget(&pushed_out);
        Ok(())
    }

    /// Makes the next keypair with this index the current one and returns whose it is; `None` if it is not (any more)
    /// somebody's next.
    pub fn promote(&mut self, local_index: u32) -> Option<PeerId> {
        let id = self.session(local_index)?.peer();
        let peer = self.peer_mut(id).ok()?;
        let pushed_out = peer.keypairs.promote(local_index)?;
        peer.answer();
        self.forget(&pushed_out);
        Some(id)
    }

    /// Wipes a peer's keys.
    pub fn clear_keypairs(&mut self, id: PeerId) -> Result<()> {
        let pushed_out = self.peer_mut(id)?.keypairs.clear();
        self.forget(&pushed_out);
        Ok(())
    }

    fn forget(&mut self, keypairs: &[Arc<Keypair>]) {
        for keypair in keypairs {
            self.sessions.remove(&keypair.local_index);
        }
    }

    /// How many indices are bound.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }
}

#[cfg(test)]
#[path = "../tests/unit/table.rs"]
mod tests;
