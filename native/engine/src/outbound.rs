//! TUN to UDP. A batch is read into one dense buffer, each packet where its datagram will be: behind room for the
//! header, before room for padding and tag. It is then routed and sealed in place, and sent.
//!
//! ```text
//!   wire:  | header | packet, padding | tag | header | packet, padding | tag | ...
//!          ^ slot 0                         ^ slot 1
//! ```

use std::io;
use std::ops::Range;
use std::sync::Arc;

use crate::counters::Drop;
use crate::endpoint::Endpoint;
use crate::icmp;
use crate::keypair::Keypair;
use crate::packet::{HEADER_BYTES, MAX_PACKET_BYTES, TAG_BYTES, padded_bytes, parse_inner};
use crate::peer::{Peer, PeerId};
use crate::plane::{Plane, Warning};
use crate::sys::clock::now_ms;
use crate::sys::poll::{self, Waker};
use crate::sys::socket::BATCH;
use crate::tun::{LinkWatch, Tun};

const MAX_PADDING_BYTES: usize = 15;
const OVERHEAD_BYTES: usize = HEADER_BYTES + TAG_BYTES;
/// Room for the longest packet, whatever was read before it, and for a whole batch of usual ones.
const WIRE_BYTES: usize = 4 * MAX_PACKET_BYTES;

/// A packet in the wire buffer: where its datagram begins, its length, and its length with padding.
#[derive(Clone, Copy)]
struct Slot {
    start: usize,
    packet_bytes: usize,
    padded_bytes: usize,
}

impl Slot {
    fn datagram(self) -> Range<usize> {
        self.start..self.start + self.padded_bytes + OVERHEAD_BYTES
    }

    fn packet(self) -> Range<usize> {
        self.start + HEADER_BYTES..self.start + HEADER_BYTES + self.packet_bytes
    }
}

/// A sealed datagram in the wire buffer.
pub struct Datagram {
    range: Range<usize>,
    /// Whose it is.
    pub peer: PeerId,
    /// Where it goes, and from which of our addresses.
    pub endpoint: Endpoint,
    /// The ECN bits of the packet inside.
    pub ecn: u8,
}

/// Packets on their way out, in reused memory.
pub struct Batch {
    wire: Box<[u8]>,
    used: usize,
    slots: Vec<Slot>,
    /// What is ready to be sent.
    pub datagrams: Vec<Datagram>,
    /// Peers for whom packets were staged.
    waiting: Vec<PeerId>,
    /// What is told to the senders of packets that nobody can get.
    pub errors: icmp::Errors,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            wire: vec![0; WIRE_BYTES].into(),
            used: 0,
            slots: Vec::with_capacity(BATCH),
            datagrams: Vec::with_capacity(BATCH),
            waiting: Vec::new(),
            errors: icmp::Errors::default(),
        }
    }
}

impl Batch {
    /// Forgets what is in it.
    pub fn clear(&mut self) {
        self.used = 0;
        self.slots.clear();
        self.datagrams.clear();
        self.waiting.clear();
    }

    /// Room for one more packet, of any length; `None` if the batch is full.
    pub fn room(&mut self) -> Option<&mut [u8]> {
        let start = self.used + HEADER_BYTES;
        let end = start + MAX_PACKET_BYTES + MAX_PADDING_BYTES + TAG_BYTES;
        if self.slots.len() == BATCH || end > self.wire.len() {
            return None;
        }
        Some(&mut self.wire[start..start + MAX_PACKET_BYTES])
    }

    /// Keeps the packet that was put into `room`.
    pub fn keep(&mut self, packet_bytes: usize, mtu_bytes: usize) {
        let slot = Slot {
            start: self.used,
            packet_bytes,
            padded_bytes: padded_bytes(packet_bytes, mtu_bytes),
        };
        self.used = slot.datagram().end;
        self.slots.push(slot);
    }

    /// The bytes of a datagram.
    #[must_use]
    pub fn bytes(&self, datagram: &Datagram) -> &[u8] {
        &self.wire[datagram.range.clone()]
    }

    /// Puts a finished datagram into the batch: a handshake message.
    pub fn put(&mut self, message: &[u8], peer: PeerId, endpoint: Endpoint) {
        let range = self.used..self.used + message.len();
        self.wire[range.clone()].copy_from_slice(message);
        self.used = range.end;
        self.datagrams.push(Datagram {
            range,
            peer,
            endpoint,
            ecn: 0,
        });
    }

    /// Routes every packet that was kept: seals it, or stages it if its peer has no session.
    pub fn route(&mut self, plane: &Plane, now_ms: u64) {
        let table = plane.table();
        for i in 0..self.slots.len() {
            let slot = self.slots[i];
            let packet = &self.wire[slot.packet()];
            let Some(inner) = parse_inner(packet) else {
                plane.drops.add(Drop::OutboundHeader, 1);
                continue;
            };
            let owner = table.allowed_ips.lookup(inner.destination);
            let Some(peer) = owner.and_then(|id| table.peer(id).ok()) else {
                plane.drops.add(Drop::NoPeer, 1);
                self.errors.add(packet, now_ms);
                continue;
            };
            let Some(endpoint) = peer.endpoint else {
                plane.drops.add(Drop::NoEndpoint, 1);
                self.errors.add(packet, now_ms);
                continue;
            };
            // What waits goes first. Keys do not change while we hold the table, so a session that comes now finds
            // the packet staged.
            let keys = peer
                .keypairs
                .current()
                .filter(|keys| keys.can_send(now_ms) && !peer.stage.is_occupied());
            if let Some(keys) = keys {
                self.seal(slot, peer, keys, endpoint, inner.ecn, plane, now_ms);
            } else {
                plane.drops.add(Drop::Staged, peer.stage.push(packet));
                if !self.waiting.contains(&peer.id) {
                    self.waiting.push(peer.id);
                }
            }
        }
    }

    #[expect(clippy::too_many_arguments)] // each is looked up by the caller, once a packet
    fn seal(
        &mut self,
        slot: Slot,
        peer: &Peer,
        keys: &Arc<Keypair>,
        endpoint: Endpoint,
        ecn: u8,
        plane: &Plane,
        now_ms: u64,
    ) {
        let range = slot.datagram();
        self.wire[slot.packet().end..range.end - TAG_BYTES].fill(0);
        if !keys.seal(&mut self.wire[range.clone()]) {
            peer.ask(&plane.events);
            return;
        }
        peer.note_sent(range.len(), slot.packet_bytes > 0, now_ms);
        peer.arm(&plane.events);
        if keys.is_stale_for_send(now_ms) {
            peer.ask(&plane.events);
        }
        self.datagrams.push(Datagram {
            range,
            peer: peer.id,
            endpoint,
            ecn,
        });
    }

    /// Seals what waits for the peer, as much as fits; true if there is more. Without a session, asks for one.
    pub fn take_staged(&mut self, peer: &Peer, plane: &Plane, now_ms: u64) -> bool {
        let mut staged = peer.stage.hold();
        while let Some(packet) = staged.front() {
            let Some(endpoint) = peer.endpoint else {
                plane.drops.add(Drop::NoEndpoint, 1);
                staged.pop();
                continue;
            };
            let Some(keys) = peer.keypairs.current().filter(|keys| keys.can_send(now_ms)) else {
                peer.ask(&plane.events);
                return false;
            };
            let Some(room) = self.room() else { return true };
            room[..packet.len()].copy_from_slice(packet);
            let ecn = parse_inner(packet).map_or(0, |inner| inner.ecn);
            self.keep(packet.len(), plane.mtu());
            self.seal(
                self.slots[self.slots.len() - 1],
                peer,
                keys,
                endpoint,
                ecn,
                plane,
                now_ms,
            );
            staged.pop();
        }
        false
    }

    /// Peers for whom packets were staged by `route`.
    #[must_use]
    pub fn take_waiting(&mut self) -> Vec<PeerId> {
        std::mem::take(&mut self.waiting)
    }
}

/// The thread: runs until `stop` is woken.
pub fn run(plane: &Plane, tun: &Tun, mut link: LinkWatch, stop: &Waker) {
    let mut batch = Batch::default();
    let mut gone = false;
    loop {
        let descriptors = [
            Some(stop.descriptor()),
            Some(link.descriptor()),
            (!gone).then(|| tun.descriptor()),
        ];
        let Ok([stopped, link_ready, tun_ready]) = poll::wait(descriptors) else {
            return;
        };
        if stopped.readable {
            return;
        }
        let now_ms = now_ms();
        if link_ready.readable {
            link.read(plane, tun, now_ms);
        }
        if !gone && tun_ready.broken && !tun.is_attached() {
            gone = true;
            link.gone(plane);
        }
        if !gone && tun_ready.readable {
            fill(plane, tun, &mut batch, now_ms);
            batch.route(plane, now_ms);
            plane.send(&batch, now_ms);
            for error in batch.errors.packets.drain(..) {
                // If the TUN does not take it, its sender waits in vain, as for any lost packet.
                let _ = tun.write(&error);
            }
            for id in batch.take_waiting() {
                plane.flush(id, &mut batch, now_ms);
            }
        }
    }
}

/// Reads what waits in the TUN, as much as fits.
fn fill(plane: &Plane, tun: &Tun, batch: &mut Batch, now_ms: u64) {
    batch.clear();
    let mtu_bytes = plane.mtu();
    while let Some(room) = batch.room() {
        match tun.read(room) {
            Ok(packet_bytes) => batch.keep(packet_bytes, mtu_bytes),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) => {
                if tun.is_attached() {
                    plane.warn(Warning::TunRead, now_ms, || {
                        format!("reading {}: {error}", tun.name())
                    });
                }
                return;
            }
        }
    }
}

#[cfg(test)]
#[path = "../tests/unit/exchange.rs"]
mod tests;
