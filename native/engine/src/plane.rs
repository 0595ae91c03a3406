//! What the two threads and the commands share: the table behind its lock, the sockets, the way up for events, the
//! counters of drops. And the one way in which packets leave, for whoever sends.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::counters::{Drop, Drops};
use crate::error::Result;
use crate::events::Events;
use crate::gate::{Gate, Reply};
use crate::offload::{OFFLOADS, Offload, Offloads, State, Switches};
use crate::packet::COOKIE_REPLY_BYTES;
use crate::peer::PeerId;
use crate::sys::send::{MAX_SEGMENTS, Outgoing, SEND_MESSAGES};
use crate::table::Table;
use crate::udp::{Failure, SocketSlot};
use crate::wire::Wire;

/// What can go wrong again and again; each is said at most once a second.
#[derive(Clone, Copy, Debug)]
pub enum Warning {
    /// Reading the TUN.
    TunRead,
    /// Writing the TUN.
    TunWrite,
    /// Sending a datagram.
    Send,
    /// Receiving datagrams.
    Receive,
    /// Watching the link.
    Link,
}

const WARNINGS: usize = 5;
const WARNING_INTERVAL_MS: u64 = 1000;

/// See the module.
pub struct Plane {
    table: RwLock<Table>,
    /// The sockets in use.
    pub sockets: SocketSlot,
    /// On their way up.
    pub events: Events,
    /// Packets dropped.
    pub drops: Drops,
    /// Which handshake messages pass.
    pub gate: Gate,
    /// The link's MTU, which bounds padding.
    pub mtu_bytes: AtomicUsize,
    /// What the kernel does for many packets at once.
    pub offloads: Offloads,
    warned_ms: [AtomicU64; WARNINGS],
}

impl Plane {
    /// An empty one. `wake` is called when events wait.
    pub fn new(
        mtu_bytes: usize,
        switches: Switches,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self> {
        Ok(Self {
            table: RwLock::default(),
            sockets: SocketSlot::new()?,
            events: Events::new(wake),
            drops: Drops::default(),
            gate: Gate::default(),
            mtu_bytes: AtomicUsize::new(mtu_bytes),
            offloads: Offloads::new(switches),
            warned_ms: Default::default(),
        })
    }

    /// The table, to read.
    pub fn table(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The table, to change.
    pub fn table_mut(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The link's MTU.
    pub fn mtu(&self) -> usize {
        self.mtu_bytes.load(Ordering::Relaxed)
    }

    /// Says that something went wrong and was survived.
    pub fn warn(&self, warning: Warning, now_ms: u64, text: impl FnOnce() -> String) {
        let last = &self.warned_ms[warning as usize];
        let last_ms = last.load(Ordering::Relaxed);
        if last_ms == 0 || now_ms.saturating_sub(last_ms) >= WARNING_INTERVAL_MS {
            last.store(now_ms.max(1), Ordering::Relaxed);
            self.events.warn(&text());
        }
    }

    /// Does without an offload that the kernel refused, and says so, once.
    pub fn give_up(&self, offload: Offload, error: &std::io::Error) {
        if self.offloads.end(offload, State::Failed, error.to_string()) {
            let name = OFFLOADS[offload as usize].1;
            self.events
                .warn(&format!("{name} is not used any more: {error}"));
        }
    }

    /// Sends the messages. Without the table's lock, since the kernel may make it wait. True: all were sent.
    pub fn send(&self, wire: &Wire, now_ms: u64) -> bool {
        if wire.messages.is_empty() {
            return true;
        }
        let guard = self.sockets.get();
        let Some(sockets) = guard.as_ref() else {
            let datagrams = wire.messages.iter().map(|message| message.datagrams);
            self.drops.add(Drop::NoSocket, datagrams.sum());
            return false;
        };
        let mut all = true;
        let mut stale = Vec::new();
        let mut chunks = wire.messages.chunks(SEND_MESSAGES);
        while let Some(messages) = chunks.next() {
            let outgoing: [Outgoing; SEND_MESSAGES] = std::array::from_fn(|i| {
                let message = messages.get(i).unwrap_or(&messages[0]);
                Outgoing {
                    bytes: wire.bytes(message),
                    segment_bytes: message.segment_bytes,
                    endpoint: message.endpoint,
                    ecn: message.ecn,
                }
            });
            let outgoing = &outgoing[..messages.len()];
            let goes_on =
                sockets.send(
                    outgoing,
                    &self.offloads,
                    |i, datagrams, failure| match failure {
                        Failure::NoSocket => {
                            all = false;
                            self.drops.add(Drop::NoSocket, datagrams);
                        }
                        Failure::Source => {
                            let source = (messages[i].peer, messages[i].endpoint);
                            if stale.last() != Some(&source) {
                                stale.push(source);
                            }
                        }
                        Failure::Segmentation(error) => self.give_up(Offload::Gso, &error),
                        Failure::Refused(error) => {
                            all = false;
                            self.drops.add(Drop::Send, datagrams);
                            let remote = messages[i].endpoint.remote;
                            self.warn(Warning::Send, now_ms, || {
                                format!("sending to {remote}: {error}")
                            });
                        }
                    },
                );
            if !goes_on {
                let left = chunks.by_ref().flatten().map(|message| message.datagrams);
                self.drops.add(Drop::Send, left.sum());
            }
        }
        drop(guard);
        for (id, endpoint) in stale {
            if let Some(current) = self
                .table_mut()
                .peer_mut(id)
                .ok()
                .and_then(|peer| peer.endpoint.as_mut())
                && *current == endpoint
            {
                current.local = None;
            }
        }
        all
    }

    /// Sends cookie replies. What the kernel does not take is counted, no more: their receivers are whoever was written
    /// as the source of a flood.
    pub fn reply(&self, replies: &mut Vec<Reply>) {
        if replies.is_empty() {
            return;
        }
        if let Some(sockets) = self.sockets.get().as_ref() {
            let bytes: Vec<u8> = replies.iter().flat_map(|reply| reply.message).collect();
            let mut rest = &bytes[..];
            // A flood from one source costs one message, not one for each reply.
            let runs = replies.chunk_by(|one, next| one.endpoint == next.endpoint);
            let runs = runs.flat_map(|run| run.chunks(MAX_SEGMENTS)).map(|run| {
                let (bytes, others) = rest.split_at(run.len() * COOKIE_REPLY_BYTES);
                rest = others;
                Outgoing {
                    bytes,
                    segment_bytes: COOKIE_REPLY_BYTES,
                    endpoint: run[0].endpoint,
                    ecn: 0,
                }
            });
            let outgoing: Vec<_> = runs.collect();
            sockets.send(&outgoing, &self.offloads, |_, datagrams, failure| {
                let reason = match failure {
                    Failure::Source => return,
                    Failure::Segmentation(error) => return self.give_up(Offload::Gso, &error),
                    Failure::NoSocket => Drop::NoSocket,
                    Failure::Refused(_) => Drop::Send,
                };
                self.drops.add(reason, datagrams);
            });
        }
        replies.clear();
    }

    /// Lets a handshake with the peer be asked for again. Packets that wait under a session are only on their way (another
    /// thread may be sending them now): they ask for nothing.
    pub fn ask_again(&self, id: PeerId, wire: &mut Wire, now_ms: u64) -> Result<()> {
        self.table().peer(id)?.answer();
        self.flush(id, wire, now_ms);
        Ok(())
    }

    /// Sends what waits for a session of the peer, if it has one; otherwise asks for a handshake. A packet that is staged
    /// while this runs is sent by it, after the others.
    pub fn flush(&self, id: PeerId, wire: &mut Wire, now_ms: u64) {
        let mut again = false;
        loop {
            wire.clear();
            {
                let table = self.table();
                let Ok(peer) = table.peer(id) else { return };
                if !wire.take_staged(peer, self, again, now_ms) {
                    return;
                }
            }
            self.send(wire, now_ms);
            again = true;
        }
    }
}
