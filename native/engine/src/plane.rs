//! What the two threads and the commands share: the table behind its lock, the sockets, the way up for events, the
//! counters of drops. And the one way in which packets leave, for whoever sends.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::counters::{Drop, Drops};
use crate::error::Result;
use crate::events::Events;
use crate::gate::{Gate, Reply};
use crate::outbound::Batch;
use crate::peer::PeerId;
use crate::sys::socket::Outgoing;
use crate::table::Table;
use crate::udp::{Failure, SocketSlot};

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
    warned_ms: [AtomicU64; WARNINGS],
}

impl Plane {
    /// An empty one. `wake` is called when events wait.
    pub fn new(mtu_bytes: usize, wake: impl Fn() + Send + Sync + 'static) -> Result<Self> {
        Ok(Self {
            table: RwLock::default(),
            sockets: SocketSlot::new()?,
            events: Events::new(wake),
            drops: Drops::default(),
            gate: Gate::default(),
            mtu_bytes: AtomicUsize::new(mtu_bytes),
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

    /// Sends the batch's datagrams. Without the table's lock, since the kernel may make it wait. True: all were sent.
    pub fn send(&self, batch: &Batch, now_ms: u64) -> bool {
        let count = batch.datagrams.len();
        if count == 0 {
            return true;
        }
        let guard = self.sockets.get();
        let Some(sockets) = guard.as_ref() else {
            self.drops.add(Drop::NoSocket, count);
            return false;
        };
        let mut all = true;
        let mut stale = Vec::new();
        for datagrams in batch.datagrams.chunks(crate::sys::socket::BATCH) {
            let mut outgoing = [Outgoing {
                bytes: &[],
                endpoint: datagrams[0].endpoint,
                ecn: 0,
            }; crate::sys::socket::BATCH];
            for (to, from) in outgoing.iter_mut().zip(datagrams) {
                *to = Outgoing {
                    bytes: batch.bytes(from),
                    endpoint: from.endpoint,
                    ecn: from.ecn,
                };
            }
            sockets.send(&outgoing[..datagrams.len()], |i, failure| match failure {
                Failure::NoSocket => {
                    all = false;
                    self.drops.add(Drop::NoSocket, 1);
                }
                Failure::Source => stale.push((datagrams[i].peer, datagrams[i].endpoint)),
                Failure::Refused(error) => {
                    all = false;
                    self.drops.add(Drop::Send, 1);
                    let remote = datagrams[i].endpoint.remote;
                    self.warn(Warning::Send, now_ms, || {
                        format!("sending to {remote}: {error}")
                    });
                }
            });
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
            let outgoing: Vec<_> = replies
                .iter()
                .map(|reply| Outgoing {
                    bytes: &reply.message,
                    endpoint: reply.endpoint,
                    ecn: 0,
                })
                .collect();
            sockets.send(&outgoing, |_, failure| match failure {
                Failure::Source => {}
                Failure::NoSocket => self.drops.add(Drop::NoSocket, 1),
                Failure::Refused(_) => self.drops.add(Drop::Send, 1),
            });
        }
        replies.clear();
    }

    /// Sends what waits for a session of the peer, if it has one; otherwise asks for a handshake. A packet that is
    /// staged while this runs is sent by it, or by whoever staged it.
    pub fn flush(&self, id: PeerId, batch: &mut Batch, now_ms: u64) {
        loop {
            batch.clear();
            let more = {
                let table = self.table();
                let Ok(peer) = table.peer(id) else { return };
                batch.take_staged(peer, self, now_ms)
            };
            self.send(batch, now_ms);
            if !more {
                return;
            }
        }
    }
}
