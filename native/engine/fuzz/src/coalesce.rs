//! Packets of a few flows, made of four bytes each, joined and cut again: they must be the same, and in order. The first
//! byte says which protocols are joined.

use std::collections::HashMap;
use std::ops::Range;

use podwire_engine::coalesce::{Coalescer, Item};
use podwire_engine::flow::classify;
use podwire_engine::packet::parse_inner;
use podwire_engine::segment::Segments;

use super::packets::{ACK, PSH, Packet, TCP, UDP, finish};

/// A packet that went in.
struct Sent {
    range: Range<usize>,
    bytes: Vec<u8>,
}

pub fn run(bytes: &[u8]) {
    let [switches, steps @ ..] = bytes else {
        return;
    };
    let _ = classify(steps);
    let (mut buffer, mut sent) = (vec![], vec![]);
    let mut flows: Vec<Flow> = (0..10).map(Flow::new).collect();
    for &step in steps.as_chunks().0.iter().take(512) {
        let bytes = flows[usize::from(step[0] % 10)].next(step);
        if parse_inner(&bytes).is_some_and(|inner| inner.length == bytes.len()) {
            buffer.resize(buffer.len() + usize::from(switches >> 2), 0xee);
            let range = buffer.len()..buffer.len() + bytes.len();
            buffer.extend(&bytes);
            sent.push(Sent { range, bytes });
        }
    }
    let mut coalescer = Coalescer::new(switches & 1 == 0, switches & 2 == 0);
    // The second batch finds the memory of the first.
    for _ in 0..2 {
        let mut buffer = buffer.clone();
        coalescer.clear();
        for packet in &sent {
            coalescer.add(&buffer, packet.range.clone());
        }
        coalescer.finish(&mut buffer);
        check(&sent, &buffer, coalescer.items());
    }
}

fn check<'a>(sent: &[Sent], buffer: &[u8], items: impl Iterator<Item = Item<'a>>) {
    let mut seen = vec![false; sent.len()];
    let mut newest = HashMap::new();
    let ends: HashMap<usize, usize> = sent.iter().map(|sent| sent.range.end).zip(0..).collect();
    for item in items {
        let joined: Vec<u8> = item
            .pieces
            .iter()
            .flat_map(|piece| &buffer[piece.clone()])
            .copied()
            .collect();
        let segments = Segments::new(&item.vnet, &joined).expect("an item is a packet of the TUN");
        assert_eq!(segments.count(), item.pieces.len());
        assert!(item.pieces.len() <= if item.vnet.csum_offset == 16 { 128 } else { 64 });
        let places: Vec<usize> = item.pieces.iter().map(|piece| ends[&piece.end]).collect();
        let counts_up = places.windows(2).all(|pair| {
            let [one, other] = [pair[0], pair[1]].map(|place| id(&sent[place].bytes));
            other == one.wrapping_add(1)
        });
        for (i, place) in places.into_iter().enumerate() {
            let sent = &sent[place];
            assert!(
                !std::mem::replace(&mut seen[place], true),
                "packet {place} came twice"
            );
            let before = newest.insert(flow(&sent.bytes), place);
            assert!(before < Some(place), "packet {place} was overtaken");
            let mut segment = vec![0; segments.bytes(i)];
            segments.write(i, &mut segment);
            if segment[0] >> 4 == 4 && !counts_up && segments.count() > 1 {
                assert_eq!(sent.bytes[6] & 0x40, 0x40, "the identification matters");
                segment[4..6].copy_from_slice(&sent.bytes[4..6]);
                segment[10..12].copy_from_slice(&sent.bytes[10..12]);
            }
            assert_eq!(segment, sent.bytes, "packet {place}");
        }
    }
    assert!(seen.into_iter().all(|seen| seen), "a packet was lost");
}

/// Addresses, protocol and ports.
fn flow(packet: &[u8]) -> Vec<u8> {
    let (protocol, addresses, transport) = match packet[0] >> 4 {
        4 => (packet[9], &packet[12..20], usize::from(packet[0] & 15) * 4),
        _ => (packet[6], &packet[8..40], 40),
    };
    let ports = packet
        .get(transport..transport + 4)
        .filter(|_| matches!(protocol, TCP | UDP));
    [&[protocol], addresses, ports.unwrap_or_default()].concat()
}

fn id(packet: &[u8]) -> u16 {
    u16::from_be_bytes([packet[4], packet[5]])
}

/// A sender, whose packets mostly go on where the last one ended.
struct Flow {
    packet: Packet,
    size: usize,
    id_step: u16,
}

impl Flow {
    fn new(flow: u8) -> Self {
        let packet = Packet {
            v6: flow & 1 == 1,
            protocol: match flow {
                8.. => 1,
                _ if flow & 2 == 2 => UDP,
                _ => TCP,
            },
            port: flow,
            ..Packet::default()
        };
        Self {
            packet,
            size: 100,
            id_step: 1,
        }
    }

    fn next(&mut self, [_, what, value, length]: [u8; 4]) -> Vec<u8> {
        let packet = &mut self.packet;
        let number = usize::from(value);
        packet.flags = ACK;
        match what % 32 {
            0 => packet.flags |= PSH,
            1 => self.size = number * 8,
            2 => packet.acknowledgement += u32::from(value),
            3 => packet.traffic_class ^= value,
            4 => packet.ttl = value,
            5 => packet.window ^= u16::from(value),
            6 => packet.flags = value,
            7 => packet.fragment = value & 0xc0,
            8 => packet.options = vec![1; number % 11 * 4],
            9 if packet.v6 => {
                packet.extra = [packet.protocol, 0, 1, 4, 0, 0, 0, 0][..number % 2 * 8].to_vec()
            }
            9 => packet.extra = vec![1; number % 11 * 4],
            10 => packet.sequence = packet.sequence.wrapping_add(u32::from(value) << 24),
            11 => packet.id ^= u16::from(value),
            12 => self.id_step = u16::from(value % 3),
            13 => packet.flow_label = value,
            14 => packet.source = value % 2,
            _ => {}
        }
        packet.payload = match length {
            ..240 => vec![value; self.size],
            _ => vec![value; usize::from(length - 240) * 7],
        };
        let mut bytes = packet.bytes();
        packet.sequence = packet.sequence.wrapping_add(packet.payload.len() as u32);
        packet.id = packet.id.wrapping_add(self.id_step);
        let place = number * 131 % bytes.len();
        match what % 32 {
            // Spoilt on the way.
            16 => bytes[place] ^= length | 1,
            // Spoilt by the sender.
            17 => {
                bytes[place] ^= length | 1;
                if bytes.len() > packet.transport() + 20
                    && bytes[0] >> 4 == if packet.v6 { 6 } else { 4 }
                    && bytes[0] & 15 >= 5
                {
                    finish(&mut bytes, packet.transport(), packet.protocol);
                }
            }
            // Another form of the same sum, or none.
            18 if packet.protocol == UDP => {
                bytes[packet.transport() + 6..packet.transport() + 8].fill(0)
            }
            19 => bytes.truncate(place),
            20 if !packet.v6 => {
                bytes[6] = value & 0x3f;
                finish(&mut bytes, packet.transport(), packet.protocol);
            }
            _ => {}
        }
        bytes
    }
}
