//! From opened datagrams to the TUN, in the order in which they came: replay, inner source, ECN, joining, writing. What
//! changes the table (a peer that moved, a session that went live) waits until the batch is through.

use std::io::IoSlice;
use std::iter::once;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use crate::arrival::{Arrival, Run};
use crate::coalesce::{Coalescer, Item};
use crate::counters::Drop;
use crate::endpoint::Endpoint;
use crate::events::Kind;
use crate::gate::{self, Reply};
use crate::offload::Offload;
use crate::packet::{MAX_PACKET_BYTES, TAG_BYTES, decapsulate_ecn, parse_inner};
use crate::plane::{Plane, Warning};
use crate::segment::Segments;
use crate::table::{Session, Table};
use crate::tun::Tun;
use crate::vnet::Vnet;
use crate::wire::Wire;

/// A change that a packet asks for. It names the session, not the peer: if that is gone when its turn comes, so is the
/// reason.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    /// The first data packet of this session came.
    Promote(u32),
    /// The peer of this session is somewhere else.
    Roam(u32, Endpoint),
}

/// What delivery works with, in reused memory.
pub struct Delivery {
    /// Packets for the TUN.
    pub coalescer: Coalescer,
    /// What the packets ask for.
    pub changes: Vec<Change>,
    /// What is answered at once.
    pub replies: Vec<Reply>,
    wire: Wire,
}

impl Delivery {
    /// One that joins what the offloads allow.
    #[must_use]
    pub fn new(plane: &Plane) -> Self {
        Self {
            coalescer: coalescer(plane),
            changes: Vec::new(),
            replies: Vec::new(),
            wire: Wire::default(),
        }
    }

    /// Delivers what was opened: packets to the TUN, handshake messages up.
    pub fn deliver(&mut self, arrival: &mut Arrival, tun: &Tun, plane: &Plane) {
        self.check(arrival, plane);
        plane.reply(&mut self.replies);
        self.apply(plane, arrival.now_ms);
        self.write(arrival, tun, plane);
    }

    /// Checks what was opened, and keeps the packets that may pass.
    pub fn check(&mut self, arrival: &mut Arrival, plane: &Plane) {
        self.coalescer.clear();
        let table = plane.table();
        let mut handshakes = std::mem::take(&mut arrival.handshakes);
        for (kind, place, from) in handshakes.drain(..) {
            let now_ms = arrival.now_ms;
            let message = &arrival.slots()[place];
            let from = &from.endpoint;
            let replies = &mut self.replies;
            if let Err(reason) = gate::admit(kind, message, from, &table, plane, replies, now_ms) {
                plane.drops.add(reason, 1);
            }
        }
        arrival.handshakes = handshakes;
        for number in 0..arrival.runs.len() {
            self.check_run(number, arrival, &table, plane);
        }
        // A session's keys are wiped when the last who holds them lets go.
        arrival.runs.clear();
    }

    fn check_run(&mut self, number: usize, arrival: &mut Arrival, table: &Table, plane: &Plane) {
        let now_ms = arrival.now_ms;
        let Run {
            keys,
            from,
            ecn,
            pieces,
        } = &arrival.runs[number];
        let (keys, from, ecn, pieces) = (Arc::clone(keys), *from, *ecn, pieces.clone());
        let index = keys.local_index;
        // The session may have gone since it was looked up, and the peer's place be another's.
        let peer = match table.session(index) {
            Some(Session::Keys(same)) if Arc::ptr_eq(same, &keys) => table.peer(keys.peer).ok(),
            _ => None,
        };
        let Some(peer) = peer else {
            plane.drops.add(Drop::Index, pieces.len());
            return;
        };
        let mut replay = keys.replay();
        let (mut bytes, mut has_data, mut is_authentic) = (0, false, false);
        let mut known_source = None;
        for number in pieces {
            let piece = &arrival.pieces[number];
            if !arrival.is_open[number] {
                plane.drops.add(Drop::Authentication, 1);
                continue;
            }
            if !replay.accept(piece.counter) {
                plane.drops.add(Drop::Replay, 1);
                continue;
            }
            is_authentic = true;
            let text = piece.range.start..piece.range.end - TAG_BYTES;
            bytes += crate::packet::HEADER_BYTES + piece.range.len();
            if text.is_empty() {
                continue;
            }
            has_data = true;
            let packet = &mut arrival.slots()[text.clone()];
            match check_packet(packet, ecn, keys.peer, table, &mut known_source) {
                Ok(length) => {
                    let packet = text.start..text.start + length;
                    self.coalescer.add(arrival.slots(), packet);
                }
                Err(reason) => plane.drops.add(reason, 1),
            }
        }
        drop(replay);
        if !is_authentic {
            return;
        }
        // The newest packet says where the peer is, also when one before it in this batch came from elsewhere.
        let moves = |change: &Change| matches!(change, Change::Roam(..));
        if peer.endpoint != Some(from) || self.changes.iter().any(moves) {
            self.changes.push(Change::Roam(index, from));
        }
        if keys.confirm() {
            self.changes.push(Change::Promote(index));
        }
        // The current keys are no older than the ones it came under.
        if keys.is_stale_for_receive(now_ms)
            && peer
                .keypairs
                .current()
                .is_some_and(|current| current.is_stale_for_receive(now_ms))
        {
            peer.ask(&plane.events);
        }
        peer.note_received(bytes, has_data, now_ms);
        peer.arm(&plane.events);
    }

    /// Carries out what the batch asked for.
    pub fn apply(&mut self, plane: &Plane, now_ms: u64) {
        if self.changes.is_empty() {
            return;
        }
        let mut live = Vec::new();
        {
            let mut table = plane.table_mut();
            for change in self.changes.drain(..) {
                match change {
                    Change::Roam(index, endpoint) => {
                        let id = table.session(index).map(Session::peer);
                        if let Some(peer) = id.and_then(|id| table.peer_mut(id).ok()) {
                            peer.endpoint = Some(endpoint);
                        }
                    }
                    Change::Promote(index) => {
                        if let Some(id) = table.promote(index) {
                            plane.events.peer(Kind::Confirmed, id, &index.to_le_bytes());
                            live.push(id);
                        }
                    }
                }
            }
        }
        for id in live {
            plane.flush(id, &mut self.wire, now_ms);
        }
    }

    /// Writes the packets, joined where they can be.
    fn write(&mut self, arrival: &mut Arrival, tun: &Tun, plane: &Plane) {
        let (now_ms, slots) = (arrival.now_ms, arrival.slots());
        self.coalescer.finish(slots);
        let mut refused = None;
        for item in self.coalescer.items() {
            let header = item.vnet.write();
            let pieces = item.pieces.iter().map(|piece| &slots[piece.clone()]);
            let parts: Vec<_> = once(&header[..]).chain(pieces).map(IoSlice::new).collect();
            if let Err(error) = tun.write(&parts) {
                if item.pieces.len() > 1 && error.raw_os_error() == Some(libc::EINVAL) {
                    write_each(&item, slots, tun, plane, now_ms);
                    refused = Some(error);
                } else {
                    report(&error, item.pieces.len(), tun, plane, now_ms);
                }
            }
        }
        if let Some(error) = refused {
            for offload in [Offload::CoalesceTcp, Offload::CoalesceUdp] {
                plane.give_up(offload, &error);
            }
            self.coalescer = coalescer(plane);
        }
    }
}

fn coalescer(plane: &Plane) -> Coalescer {
    let [tcp, udp] =
        [Offload::CoalesceTcp, Offload::CoalesceUdp].map(|on| plane.offloads.is_on(on));
    Coalescer::new(tcp, udp)
}

/// Checks a packet's header against its peer; the result is its length.
fn check_packet(
    packet: &mut [u8],
    outer_ecn: u8,
    peer: crate::peer::PeerId,
    table: &Table,
    known_source: &mut Option<IpAddr>,
) -> Result<usize, Drop> {
    let inner = parse_inner(packet)
        .filter(|inner| inner.length <= packet.len())
        .ok_or(Drop::InnerHeader)?;
    if *known_source != Some(inner.source) {
        if table.allowed_ips.lookup(inner.source) != Some(peer) {
            return Err(Drop::Source);
        }
        *known_source = Some(inner.source);
    }
    if !decapsulate_ecn(packet, inner.ecn, outer_ecn) {
        return Err(Drop::Congestion);
    }
    Ok(inner.length)
}

/// Writes the packets of an item that the kernel did not take as one.
fn write_each(item: &Item, slots: &[u8], tun: &Tun, plane: &Plane, now_ms: u64) {
    let whole: Vec<u8> = item
        .pieces
        .iter()
        .flat_map(|piece: &Range<usize>| &slots[piece.clone()])
        .copied()
        .collect();
    let Ok(segments) = Segments::new(&item.vnet, &whole) else {
        plane.drops.add(Drop::TunWrite, item.pieces.len());
        return;
    };
    let header = Vnet::default().write();
    let mut packet = vec![0; MAX_PACKET_BYTES];
    for i in 0..segments.count() {
        let packet = &mut packet[..segments.bytes(i)];
        segments.write(i, packet);
        if let Err(error) = tun.write(&[IoSlice::new(&header), IoSlice::new(packet)]) {
            report(&error, 1, tun, plane, now_ms);
        }
    }
}

fn report(error: &std::io::Error, packets: usize, tun: &Tun, plane: &Plane, now_ms: u64) {
    plane.drops.add(Drop::TunWrite, packets);
    // EIO: the link is down, which is no news.
    if error.raw_os_error() != Some(libc::EIO) && tun.is_attached() {
        plane.warn(Warning::TunWrite, now_ms, || {
            format!("writing {}: {error}", tun.name())
        });
    }
}
