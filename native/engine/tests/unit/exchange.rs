//! Two planes that talk in memory: what one seals, the other opens. No socket, no TUN, and time is a number.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;

use proptest::prelude::*;

use super::*;
use crate::arrival::Arrival;
use crate::counters::{DROPS, Word};
use crate::deliver::Delivery;
use crate::events::Kind;
use crate::keypair::KeypairOptions;
use crate::mac::Mac1;
use crate::offload::Switches;
use crate::packet::{COOKIE_REPLY_BYTES, INITIATION_BYTES, RESPONSE_BYTES};
use crate::sys::receive::Incoming;

#[path = "exchange_refusals.rs"]
mod refusals;
#[path = "exchange_sessions.rs"]
mod sessions;

const MTU: usize = 1420;
const START_MS: u64 = 1_000_000;
const A_KEY: [u8; 32] = [0xa; 32];
const B_KEY: [u8; 32] = [0xb; 32];

/// One end: a plane with one peer, which has 10.0.0.`number`/32.
struct End {
    plane: Plane,
    peer: PeerId,
    number: u8,
    wire: Wire,
    arrival: Arrival,
    delivery: Delivery,
}

/// An event, its peer and its payload.
type Event = (u8, u32, Vec<u8>);

impl End {
    fn new(number: u8, other: u8, key: [u8; 32]) -> Self {
        let plane = Plane::new(MTU, Switches::default(), || {}).unwrap();
        let peer = {
            let mut table = plane.table_mut();
            let peer = table.add_peer(key).unwrap();
            table
                .add_allowed_ips(peer, &[format!("10.0.0.{other}/32").parse().unwrap()])
                .unwrap();
            table.peer_mut(peer).unwrap().endpoint = Some(endpoint(other));
            peer
        };
        Self {
            delivery: Delivery::new(&plane),
            plane,
            peer,
            number,
            wire: Wire::default(),
            arrival: Arrival::new(1),
        }
    }

    fn index(&self) -> u32 {
        self.plane.table_mut().new_index(self.peer).unwrap()
    }

    /// Puts a packet into the TUN and returns the datagrams that leave, those that waited included.
    fn send(&mut self, packet: &[u8], now_ms: u64) -> Vec<Vec<u8>> {
        self.wire.clear();
        if let Err(reason) = self.wire.add(&Vnet::default(), packet, MTU) {
            self.plane.drops.add(reason, 1);
        }
        self.wire.route(&self.plane, now_ms);
        let mut sent = self.datagrams();
        for _ in self.wire.take_waiting() {
            sent.extend(self.flush(now_ms));
        }
        sent
    }

    /// Sends what waits.
    fn flush(&mut self, now_ms: u64) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        while self.take_staged(!sent.is_empty(), now_ms) {
            sent.extend(self.datagrams());
        }
        sent
    }

    /// Takes what waits as `Plane::flush` does.
    fn take_staged(&mut self, again: bool, now_ms: u64) -> bool {
        self.wire.clear();
        let table = self.plane.table();
        let peer = table.peer(self.peer).unwrap();
        self.wire.take_staged(peer, &self.plane, again, now_ms)
    }

    /// Sends an empty packet.
    fn keepalive(&mut self, now_ms: u64) -> Vec<u8> {
        self.wire.clear();
        let table = self.plane.table();
        let peer = table.peer(self.peer).unwrap();
        assert!(self.wire.add_keepalive(peer, &self.plane, now_ms));
        drop(table);
        self.datagrams().remove(0)
    }

    fn datagrams(&self) -> Vec<Vec<u8>> {
        self.wire
            .messages
            .iter()
            .flat_map(|message| self.wire.bytes(message).chunks(message.segment_bytes))
            .map(<[u8]>::to_vec)
            .collect()
    }

    /// What comes out at the other end, or why nothing does.
    fn receive_from(
        &mut self,
        datagram: &[u8],
        from: Incoming,
        now_ms: u64,
    ) -> Result<Option<Vec<u8>>, Drop> {
        let before = self.plane.drops.all();
        self.arrival.put(datagram, from, now_ms);
        self.arrival.open(&self.plane);
        self.delivery.check(&mut self.arrival, &self.plane);
        let after = self.plane.drops.all();
        if let Some(reason) = (0..before.len()).find(|&i| after[i] > before[i]) {
            return Err(DROPS[reason]);
        }
        self.delivery.coalescer.finish(self.arrival.slots());
        let slots = self.arrival.slots();
        let mut items = self.delivery.coalescer.items();
        Ok(items.next().map(|item| {
            let pieces = item.pieces.iter().map(|piece| &slots[piece.clone()]);
            pieces.flatten().copied().collect()
        }))
    }

    fn receive(&mut self, datagram: &[u8], now_ms: u64) -> Result<Option<Vec<u8>>, Drop> {
        let other = 3 - self.number;
        let opened = self.receive_from(
            datagram,
            incoming(datagram.len(), endpoint(other), 0),
            now_ms,
        );
        self.apply(now_ms);
        opened
    }

    /// Makes a data message of a text that no TUN would give.
    fn seal(&self, message: &mut [u8]) {
        let table = self.plane.table();
        let keys = table.peer(self.peer).unwrap().keypairs.current().unwrap();
        let range = 0..message.len();
        assert!(keys.seal(message, &mut [podwire_aead::Message { counter: 0, range }]));
    }

    /// Carries out the changes, keeping what waits where it is.
    fn apply(&mut self, now_ms: u64) {
        let waits: VecDeque<Box<[u8]>> = {
            let table = self.plane.table();
            let stage = &table.peer(self.peer).unwrap().stage;
            let mut staged = stage.hold();
            let mut waits = VecDeque::new();
            while let Some(packet) = staged.front() {
                waits.push_back(packet.into());
                staged.pop();
            }
            waits
        };
        self.delivery.apply(&self.plane, now_ms);
        for packet in waits {
            self.plane
                .table()
                .peer(self.peer)
                .unwrap()
                .stage
                .push(&packet);
        }
    }

    fn events(&self) -> Vec<Event> {
        let records = self.plane.events.drain();
        let mut rest = &records[..];
        let mut events = Vec::new();
        while !rest.is_empty() {
            let length = 7 + usize::from(u16::from_le_bytes([rest[5], rest[6]]));
            let peer = u32::from_le_bytes(rest[1..5].try_into().unwrap());
            events.push((rest[0], peer, rest[7..length].to_vec()));
            rest = &rest[length..];
        }
        events
    }

    fn kinds(&self) -> Vec<u8> {
        self.events().iter().map(|event| event.0).collect()
    }

    fn word(&self, word: Word) -> u64 {
        self.plane
            .table()
            .peer(self.peer)
            .unwrap()
            .words
            .at(word)
            .load(Ordering::Relaxed)
    }

    fn endpoint(&self) -> Endpoint {
        self.plane
            .table()
            .peer(self.peer)
            .unwrap()
            .endpoint
            .unwrap()
    }
}

fn endpoint(number: u8) -> Endpoint {
    Endpoint {
        remote: SocketAddr::from(([192, 0, 2, number], 51820)),
        local: Some(IpAddr::from([192, 0, 2, 3_u8.wrapping_sub(number)])),
    }
}

fn incoming(length: usize, endpoint: Endpoint, ecn: u8) -> Incoming {
    Incoming {
        length,
        segment_bytes: length.max(1),
        endpoint,
        ecn,
    }
}

/// An IPv4 packet between the two.
fn packet(from: u8, to: u8, length: usize) -> Vec<u8> {
    let mut packet: Vec<u8> = (0..length).map(|place| place as u8).collect();
    packet[..20].fill(0);
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&(length as u16).to_be_bytes());
    packet[12..16].copy_from_slice(&[10, 0, 0, from]);
    packet[16..20].copy_from_slice(&[10, 0, 0, to]);
    packet
}

/// Gives both ends the keys of a handshake that A began, at a time.
fn shake(a: &mut End, b: &mut End, now_ms: u64) {
    let (a_index, b_index) = (a.index(), b.index());
    let (to_b, to_a) = ([a_index as u8; 32], [b_index as u8 ^ 0x55; 32]);
    let of_b = KeypairOptions {
        local_index: b_index,
        remote_index: a_index,
        initiator: false,
        send_key: &to_a,
        receive_key: &to_b,
    };
    let of_a = KeypairOptions {
        local_index: a_index,
        remote_index: b_index,
        initiator: true,
        send_key: &to_b,
        receive_key: &to_a,
    };
    b.plane.table_mut().install(b.peer, &of_b, now_ms).unwrap();
    a.plane.table_mut().install(a.peer, &of_a, now_ms).unwrap();
}

fn ends() -> (End, End) {
    (End::new(1, 2, B_KEY), End::new(2, 1, A_KEY))
}

/// Two ends with a session that both have seen a packet of.
fn connected() -> (End, End) {
    let (mut a, mut b) = ends();
    shake(&mut a, &mut b, START_MS);
    let there = a.send(&packet(1, 2, 20), START_MS);
    b.receive(&there[0], START_MS).unwrap();
    let back = b.send(&packet(2, 1, 20), START_MS);
    a.receive(&back[0], START_MS).unwrap();
    a.events();
    b.events();
    (a, b)
}
