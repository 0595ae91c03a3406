//! Packets on their way out, in one dense buffer of reused memory: each is written where its datagram will be, behind room
//! for the header, before room for padding and tag; sealed in place; and sent as long messages that the kernel cuts.
//!
//! ```text
//!   | header | packet, padding | tag | header | packet, padding | tag | ...
//!   ^ slot 0                         ^ slot 1
//!   |<----------- a message, if both go to one peer and are of one length ----------->|
//! ```

use std::ops::Range;
use std::sync::Arc;

use podwire_aead as aead;

use crate::counters::Drop;
use crate::endpoint::Endpoint;
use crate::icmp;
use crate::keypair::Keypair;
use crate::packet::{HEADER_BYTES, Inner, MAX_PACKET_BYTES, TAG_BYTES, padded_bytes, parse_inner};
use crate::peer::{Peer, PeerId};
use crate::plane::Plane;
use crate::segment::Segments;
use crate::sys::send::{MAX_MESSAGE_BYTES, MAX_SEGMENTS};
use crate::table::Table;
use crate::vnet::Vnet;

const OVERHEAD_BYTES: usize = HEADER_BYTES + TAG_BYTES;
/// A batch is full with so many packets, or bytes: what fits the processor's nearer cache.
pub const BATCH: usize = 128;
const BATCH_BYTES: usize = 128 << 10;
/// Behind a batch that is nearly full there is room for any super-packet but one of absurdly short segments.
pub const WIRE_BYTES: usize = 512 << 10;

/// A packet in the buffer: where its datagram begins, its length, its length with padding, its ECN bits.
#[derive(Clone, Copy)]
struct Slot {
    start: usize,
    packet_bytes: usize,
    padded_bytes: usize,
    ecn: u8,
}

impl Slot {
    fn datagram(self) -> Range<usize> {
        self.start..self.start + self.padded_bytes + OVERHEAD_BYTES
    }

    fn packet(self) -> Range<usize> {
        self.start + HEADER_BYTES..self.start + HEADER_BYTES + self.packet_bytes
    }
}

/// What was read at once: the slots of one packet's segments, and the header that they share.
struct Run {
    slots: Range<usize>,
    inner: Option<Inner>,
}

/// Sealed datagrams, one after the other, that go to one place: all of one length but the last.
pub struct Message {
    range: Range<usize>,
    /// The length of each but the last.
    pub segment_bytes: usize,
    /// How many there are.
    pub datagrams: usize,
    /// Whose they are.
    pub peer: PeerId,
    /// Where they go, and from which of our addresses.
    pub endpoint: Endpoint,
    /// The ECN bits of the packets inside.
    pub ecn: u8,
}

/// See the module.
pub struct Wire {
    bytes: Box<[u8]>,
    used: usize,
    slots: Vec<Slot>,
    runs: Vec<Run>,
    sealing: Vec<aead::Message>,
    /// What is ready to be sent.
    pub messages: Vec<Message>,
    /// Peers for whom packets were staged.
    waiting: Vec<PeerId>,
    /// What is told to the senders of packets that nobody can get.
    pub errors: icmp::Errors,
}

impl Default for Wire {
    fn default() -> Self {
        Self {
            bytes: vec![0; WIRE_BYTES].into(),
            used: 0,
            slots: Vec::with_capacity(BATCH),
            runs: Vec::with_capacity(BATCH),
            sealing: Vec::with_capacity(BATCH),
            messages: Vec::with_capacity(BATCH),
            waiting: Vec::new(),
            errors: icmp::Errors::default(),
        }
    }
}

impl Wire {
    /// Forgets what is in it.
    pub fn clear(&mut self) {
        self.used = 0;
        self.slots.clear();
        self.runs.clear();
        self.messages.clear();
        self.waiting.clear();
    }

    /// Whether another packet may be added.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.slots.len() < BATCH && self.used < BATCH_BYTES
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Adds what the TUN gave: a packet, or a super-packet that is cut to packets here.
    pub fn add(&mut self, vnet: &Vnet, packet: &[u8], mtu_bytes: usize) -> Result<(), Drop> {
        let segments = Segments::new(vnet, packet)?;
        let inner = parse_inner(packet);
        let first = self.slots.len();
        let used = self.used;
        for i in 0..segments.count() {
            let Some(slot) = self.slot(segments.bytes(i), mtu_bytes, inner) else {
                self.slots.truncate(first);
                self.used = used;
                return Err(Drop::SegmentSize);
            };
            segments.write(i, &mut self.bytes[slot.packet()]);
        }
        self.runs.push(Run {
            slots: first..self.slots.len(),
            inner,
        });
        Ok(())
    }

    /// Adds a packet that is whole.
    fn put(&mut self, packet: &[u8], mtu_bytes: usize) -> Option<()> {
        let slot = self.slot(packet.len(), mtu_bytes, parse_inner(packet))?;
        self.bytes[slot.packet()].copy_from_slice(packet);
        Some(())
    }

    /// Takes room for a packet; `None` if the buffer is full.
    fn slot(
        &mut self,
        packet_bytes: usize,
        mtu_bytes: usize,
        inner: Option<Inner>,
    ) -> Option<Slot> {
        let slot = Slot {
            start: self.used,
            packet_bytes,
            padded_bytes: padded_bytes(packet_bytes, mtu_bytes),
            ecn: inner.map_or(0, |inner| inner.ecn),
        };
        let end = slot.datagram().end;
        // What was there before must not leave as padding.
        self.bytes.get_mut(slot.packet().end..end)?[..slot.padded_bytes - packet_bytes].fill(0);
        self.used = end;
        self.slots.push(slot);
        Some(slot)
    }

    /// The bytes of a message.
    #[must_use]
    pub fn bytes(&self, message: &Message) -> &[u8] {
        &self.bytes[message.range.clone()]
    }

    /// Adds a finished datagram: a handshake message.
    pub fn add_datagram(&mut self, datagram: &[u8], peer: PeerId, endpoint: Endpoint) {
        let range = self.used..self.used + datagram.len();
        self.bytes[range.clone()].copy_from_slice(datagram);
        self.used = range.end;
        self.messages.push(Message {
            segment_bytes: datagram.len(),
            range,
            datagrams: 1,
            peer,
            endpoint,
            ecn: 0,
        });
    }

    /// Routes every packet that was added: seals it, or stages it if its peer has no session.
    pub fn route(&mut self, plane: &Plane, now_ms: u64) {
        let table = plane.table();
        let mut group: Option<(&Peer, Range<usize>)> = None;
        for i in 0..self.runs.len() {
            let slots = self.runs[i].slots.clone();
            let peer = match self.destination(i, &table) {
                Ok(peer) => peer,
                Err(reason) => {
                    plane.drops.add(reason, slots.len());
                    self.tell_unreachable(slots, now_ms);
                    continue;
                }
            };
            match &mut group {
                Some((same, all)) if same.id == peer.id && all.end == slots.start => {
                    all.end = slots.end;
                }
                _ => {
                    if let Some((peer, slots)) = group.replace((peer, slots)) {
                        self.route_group(peer, slots, plane, now_ms);
                    }
                }
            }
        }
        if let Some((peer, slots)) = group {
            self.route_group(peer, slots, plane, now_ms);
        }
    }

    fn destination<'a>(&self, run: usize, table: &'a Table) -> Result<&'a Peer, Drop> {
        let inner = self.runs[run].inner.as_ref().ok_or(Drop::OutboundHeader)?;
        let owner = table.allowed_ips.lookup(inner.destination);
        let peer = owner.and_then(|id| table.peer(id).ok());
        peer.ok_or(Drop::NoPeer)
    }

    /// Tells whoever sent these packets that nobody can get them.
    fn tell_unreachable(&mut self, slots: Range<usize>, now_ms: u64) {
        for slot in &self.slots[slots] {
            self.errors.add(&self.bytes[slot.packet()], now_ms);
        }
    }

    fn route_group(&mut self, peer: &Peer, slots: Range<usize>, plane: &Plane, now_ms: u64) {
        let Some(endpoint) = peer.endpoint else {
            plane.drops.add(Drop::NoEndpoint, slots.len());
            self.tell_unreachable(slots, now_ms);
            return;
        };
        // What waits goes first. Keys do not change while the caller holds the table, so a session that comes now finds
        // the packets staged.
        let keys = peer
            .keypairs
            .current()
            .filter(|keys| keys.can_send(now_ms) && !peer.stage.is_occupied());
        if let Some(keys) = keys {
            self.seal(slots, peer, keys, endpoint, plane, now_ms);
            return;
        }
        for slot in &self.slots[slots] {
            let pushed_out = peer.stage.push(&self.bytes[slot.packet()]);
            plane.drops.add(Drop::Staged, pushed_out);
        }
        if !self.waiting.contains(&peer.id) {
            self.waiting.push(peer.id);
        }
    }

    /// Seals the slots and makes messages of them.
    fn seal(
        &mut self,
        slots: Range<usize>,
        peer: &Peer,
        keys: &Arc<Keypair>,
        endpoint: Endpoint,
        plane: &Plane,
        now_ms: u64,
    ) {
        if slots.is_empty() {
            return;
        }
        self.sealing.clear();
        let datagrams = self.slots[slots.clone()].iter().map(|slot| slot.datagram());
        self.sealing
            .extend(datagrams.map(|range| aead::Message { counter: 0, range }));
        if !keys.seal(&mut self.bytes, &mut self.sealing) {
            peer.ask(&plane.events);
            return;
        }
        let (mut bytes, mut has_data) = (0, false);
        for i in slots {
            let slot = self.slots[i];
            bytes += slot.datagram().len();
            has_data |= slot.packet_bytes > 0;
            self.add_sealed(slot, peer.id, endpoint);
        }
        peer.note_sent(bytes, has_data, now_ms);
        peer.arm(&plane.events);
        if keys.is_stale_for_send(now_ms) {
            peer.ask(&plane.events);
        }
    }

    /// Adds a sealed datagram to the last message if the kernel can cut it off there, or begins another.
    fn add_sealed(&mut self, slot: Slot, peer: PeerId, endpoint: Endpoint) {
        let range = slot.datagram();
        if let Some(last) = self.messages.last_mut()
            && last.range.end == range.start
            && last.range.len() == last.datagrams * last.segment_bytes
            && range.len() <= last.segment_bytes
            && last.range.len() + range.len() <= MAX_MESSAGE_BYTES
            && last.datagrams < MAX_SEGMENTS
            && (last.peer, last.ecn) == (peer, slot.ecn)
            && last.endpoint == endpoint
        {
            last.range.end = range.end;
            last.datagrams += 1;
            return;
        }
        self.messages.push(Message {
            segment_bytes: range.len(),
            range,
            datagrams: 1,
            peer,
            endpoint,
            ecn: slot.ecn,
        });
    }

    /// Seals what waits for the peer, as much as fits; true: the caller sends it and calls again, with `again`. Without a
    /// session, asks for one.
    pub fn take_staged(&mut self, peer: &Peer, plane: &Plane, again: bool, now_ms: u64) -> bool {
        let Some(mut staged) = peer.stage.hold_to_send(again) else {
            return false;
        };
        if staged.front().is_none() {
            return false;
        }
        let Some(endpoint) = peer.endpoint else {
            plane.drops.add(Drop::NoEndpoint, staged.clear());
            return false;
        };
        let Some(keys) = peer.keypairs.current().filter(|keys| keys.can_send(now_ms)) else {
            peer.ask(&plane.events);
            return false;
        };
        let first = self.slots.len();
        while let Some(packet) = staged.front() {
            if !self.has_room() || self.put(packet, plane.mtu()).is_none() {
                break;
            }
            staged.pop();
        }
        staged.leave();
        self.seal(first..self.slots.len(), peer, keys, endpoint, plane, now_ms);
        true
    }

    /// Seals an empty packet for the peer; false: it has no session.
    pub fn add_keepalive(&mut self, peer: &Peer, plane: &Plane, now_ms: u64) -> bool {
        let keys = peer.keypairs.current().filter(|keys| keys.can_send(now_ms));
        let (Some(keys), Some(endpoint)) = (keys, peer.endpoint) else {
            return false;
        };
        let first = self.slots.len();
        if self.put(&[], plane.mtu()).is_some() {
            self.seal(first..first + 1, peer, keys, endpoint, plane, now_ms);
        }
        true
    }

    /// Peers for whom packets were staged by `route`.
    #[must_use]
    pub fn take_waiting(&mut self) -> Vec<PeerId> {
        std::mem::take(&mut self.waiting)
    }
}

/// The longest packet that a TUN gives, behind its virtio header.
pub const READ_BYTES: usize = MAX_PACKET_BYTES + crate::vnet::VNET_BYTES;

#[cfg(test)]
#[path = "../tests/unit/exchange.rs"]
mod tests;
