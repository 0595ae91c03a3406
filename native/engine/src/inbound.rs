//! UDP to TUN. A batch is received, each datagram in a slot of its own, opened in place, checked, and written. What
//! changes the table (a peer that moved, a session that went live) waits until the batch is through.

use std::io;
use std::ops::Range;
use std::os::fd::AsFd;

use crate::counters::Drop;
use crate::endpoint::Endpoint;
use crate::events::Kind;
use crate::gate::{self, Reply};
use crate::outbound::Batch;
use crate::packet::{HEADER_BYTES, Message, TAG_BYTES, decapsulate_ecn, parse, parse_inner};
use crate::plane::{Plane, Warning};
use crate::sys::clock::now_ms;
use crate::sys::poll::{self, Waker};
pub use crate::sys::socket::Incoming;
use crate::sys::socket::{self, BATCH, SLOT_BYTES};
use crate::table::{Session, Table};
use crate::tun::Tun;

/// A change that a packet asks for. It names the session, not the peer: if that is gone when its turn comes, so is the
/// reason.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    /// The first data packet of this session came.
    Promote(u32),
    /// The peer of this session is somewhere else.
    Roam(u32, Endpoint),
}

/// Opens and checks one datagram. The result is where the packet lies in it, or nothing: it was a keepalive, or it went
/// up as an event, or it is answered by one of `replies`.
pub fn open(
    datagram: &mut [u8],
    from: &Incoming,
    table: &Table,
    plane: &Plane,
    changes: &mut Vec<Change>,
    replies: &mut Vec<Reply>,
    now_ms: u64,
) -> Result<Option<Range<usize>>, Drop> {
    let (receiver, counter) = match parse(datagram)? {
        Message::Data { receiver, counter } => (receiver, counter),
        handshake => {
            gate::admit(handshake, datagram, from, table, plane, replies, now_ms)?;
            return Ok(None);
        }
    };
    let Some(Session::Keys(keys)) = table.session(receiver) else {
        return Err(Drop::Index);
    };
    if !keys.is_alive(now_ms) {
        return Err(Drop::Expired);
    }
    if !keys.open(counter, &mut datagram[HEADER_BYTES..]) {
        return Err(Drop::Authentication);
    }
    if !keys.accept(counter) {
        return Err(Drop::Replay);
    }
    let peer = table.peer(keys.peer).map_err(|_| Drop::Index)?;
    if peer.endpoint != Some(from.endpoint) {
        changes.push(Change::Roam(receiver, from.endpoint));
    }
    if keys.confirm() {
        changes.push(Change::Promote(receiver));
    }
    // The current keys are no older than the ones it came under.
    let is_stale = keys.is_stale_for_receive(now_ms);
    if is_stale
        && peer
            .keypairs
            .current()
            .is_some_and(|current| current.is_stale_for_receive(now_ms))
    {
        peer.ask(&plane.events);
    }
    let text = HEADER_BYTES..datagram.len() - TAG_BYTES;
    peer.note_received(datagram.len(), !text.is_empty(), now_ms);
    peer.arm(&plane.events);
    if text.is_empty() {
        return Ok(None);
    }
    let packet = &mut datagram[text.clone()];
    let inner = parse_inner(packet)
        .filter(|inner| inner.length <= packet.len())
        .ok_or(Drop::InnerHeader)?;
    if table.allowed_ips.lookup(inner.source) != Some(keys.peer) {
        return Err(Drop::Source);
    }
    if !decapsulate_ecn(packet, inner.ecn, from.ecn) {
        return Err(Drop::Congestion);
    }
    Ok(Some(text.start..text.start + inner.length))
}

/// Carries out what a batch asked for.
pub fn apply(changes: &mut Vec<Change>, plane: &Plane, batch: &mut Batch, now_ms: u64) {
    let mut live = Vec::new();
    if !changes.is_empty() {
        let mut table = plane.table_mut();
        for change in changes.drain(..) {
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
        plane.flush(id, batch, now_ms);
    }
}

/// The thread: runs until `stop` is woken.
pub fn run(plane: &Plane, tun: &Tun, stop: &Waker) {
    let mut slots = vec![0_u8; BATCH * SLOT_BYTES];
    let mut incoming = Vec::with_capacity(BATCH);
    let mut changes = Vec::new();
    let mut replies = Vec::new();
    let mut packets = Vec::with_capacity(BATCH);
    let mut batch = Batch::default();
    let mut held = None;
    plane.sockets.adopt(&mut held);
    loop {
        let sockets = held.as_deref();
        let v4 = sockets.and_then(|sockets| sockets.v4.as_ref());
        let v6 = sockets.and_then(|sockets| sockets.v6.as_ref());
        let wakers = [
            Some(stop.descriptor()),
            Some(plane.sockets.waker.descriptor()),
        ];
        let descriptors = [
            wakers[0],
            wakers[1],
            v4.map(AsFd::as_fd),
            v6.map(AsFd::as_fd),
        ];
        let Ok([stopped, exchanged, v4_ready, v6_ready]) = poll::wait(descriptors) else {
            break;
        };
        if stopped.readable {
            break;
        }
        if exchanged.readable {
            plane.sockets.waker.clear();
            plane.sockets.adopt(&mut held);
            continue;
        }
        for socket in [
            v4.filter(|_| v4_ready.readable),
            v6.filter(|_| v6_ready.readable),
        ]
        .into_iter()
        .flatten()
        {
            let received = socket::receive(socket, &mut slots, &mut incoming);
            let now_ms = now_ms();
            match received {
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                    ) => {}
                Err(error) => {
                    plane.warn(Warning::Receive, now_ms, || format!("receiving: {error}"));
                }
                Ok(()) => {
                    open_all(
                        &mut slots,
                        &incoming,
                        &mut packets,
                        &mut changes,
                        &mut replies,
                        plane,
                        now_ms,
                    );
                    plane.reply(&mut replies);
                    apply(&mut changes, plane, &mut batch, now_ms);
                    write(&slots, &packets, tun, plane, now_ms);
                }
            }
        }
    }
    drop(held);
    plane.sockets.release();
}

/// Opens a batch; `packets` are where the packets lie in the slots.
fn open_all(
    slots: &mut [u8],
    incoming: &[Incoming],
    packets: &mut Vec<Range<usize>>,
    changes: &mut Vec<Change>,
    replies: &mut Vec<Reply>,
    plane: &Plane,
    now_ms: u64,
) {
    packets.clear();
    let table = plane.table();
    for (i, (slot, from)) in slots.chunks_exact_mut(SLOT_BYTES).zip(incoming).enumerate() {
        match open(
            &mut slot[..from.length],
            from,
            &table,
            plane,
            changes,
            replies,
            now_ms,
        ) {
            Ok(Some(packet)) => {
                packets.push(i * SLOT_BYTES + packet.start..i * SLOT_BYTES + packet.end);
            }
            Ok(None) => {}
            Err(reason) => plane.drops.add(reason, 1),
        }
    }
}

fn write(slots: &[u8], packets: &[Range<usize>], tun: &Tun, plane: &Plane, now_ms: u64) {
    for packet in packets {
        if let Err(error) = tun.write(&slots[packet.clone()]) {
            plane.drops.add(Drop::TunWrite, 1);
            // EIO: the link is down, which is no news.
            if error.raw_os_error() != Some(libc::EIO) && tun.is_attached() {
                plane.warn(Warning::TunWrite, now_ms, || {
                    format!("writing {}: {error}", tun.name())
                });
            }
        }
    }
}
