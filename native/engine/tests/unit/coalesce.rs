use super::*;

use crate::flow::UDP;
use crate::packets::{ACK, Packet, unfinish};

/// The items' headers, packets and bytes.
fn coalesce(coalescer: &mut Coalescer, packets: &[Vec<u8>]) -> Vec<(Vnet, usize, Vec<u8>)> {
    let mut buffer = packets.concat();
    coalescer.clear();
    let mut start = 0;
    for packet in packets {
        coalescer.add(&buffer, start..start + packet.len());
        start += packet.len();
    }
    coalescer.finish(&mut buffer);
    let bytes = |item: &Item| {
        item.pieces
            .iter()
            .flat_map(|piece| &buffer[piece.clone()])
            .copied()
            .collect()
    };
    coalescer
        .items()
        .map(|item| (item.vnet, item.pieces.len(), bytes(&item)))
        .collect()
}

fn counts(packets: &[Vec<u8>]) -> Vec<usize> {
    let items = coalesce(&mut Coalescer::new(true, true), packets);
    items.into_iter().map(|(_, count, _)| count).collect()
}

/// The packets of a sender, with payloads of these lengths.
fn run(first: &Packet, lengths: &[usize]) -> Vec<Packet> {
    let mut next = first.clone();
    let packet = |&length: &usize| {
        next.payload = (0..length).map(|place| (place + length) as u8).collect();
        let packet = next.clone();
        next.sequence = next.sequence.wrapping_add(length as u32);
        next.id = next.id.wrapping_add(1);
        packet
    };
    lengths.iter().map(packet).collect()
}

fn bytes(packets: &[Packet]) -> Vec<Vec<u8>> {
    packets.iter().map(Packet::bytes).collect()
}

fn kinds() -> [Packet; 4] {
    [(TCP, false), (TCP, true), (UDP, false), (UDP, true)].map(|(protocol, v6)| Packet {
        protocol,
        v6,
        id: 0xffff,
        sequence: u32::MAX - 50,
        ..Packet::default()
    })
}

#[test]
fn a_run_becomes_the_packet_that_would_be_cut_into_it() {
    for first in kinds() {
        for push in [0, PSH] {
            let mut packets = run(&first, &[101, 101, 101, 7]);
            packets[3].flags |= push;
            let whole = Packet {
                flags: first.flags | push,
                payload: packets
                    .iter()
                    .flat_map(|packet| packet.payload.clone())
                    .collect(),
                ..first.clone()
            };
            let mut expected = whole.bytes();
            unfinish(&mut expected, whole.transport(), whole.protocol);
            let (gso_type, csum_offset) = match (first.protocol, first.v6) {
                (UDP, _) => (GSO_UDP_L4, 6),
                (_, false) => (GSO_TCPV4, 16),
                (_, true) => (GSO_TCPV6, 16),
            };
            let vnet = Vnet {
                flags: NEEDS_CSUM,
                gso_type,
                header_bytes: whole.header_bytes() as u16,
                gso_size: 101,
                csum_start: whole.transport() as u16,
                csum_offset,
            };
            let items = coalesce(&mut Coalescer::new(true, true), &bytes(&packets));
            assert_eq!(items, [(vnet, 4, expected)]);
        }
    }
}

#[test]
fn a_packet_that_stays_alone_is_not_touched() {
    for first in kinds() {
        let mut packet = first.bytes();
        packet[60] ^= 1;
        let items = coalesce(
            &mut Coalescer::new(true, true),
            std::slice::from_ref(&packet),
        );
        assert_eq!(items, [(Vnet::default(), 1, packet)]);
    }
}

/// Packets in each item, of TCP and of UDP.
type Expected<'a> = [&'a [usize]; 2];

#[test]
fn a_run_ends() {
    let cases: [(&str, &[usize], Expected); 5] = [
        (
            "behind a shorter one",
            &[100, 100, 99, 99],
            [&[3, 1], &[3, 1]],
        ),
        ("before a longer one", &[100, 101, 101], [&[1, 2], &[1, 2]]),
        (
            "before an empty one",
            &[100, 100, 0, 100, 100],
            [&[2, 1, 2], &[2, 1, 2]],
        ),
        ("at the most bytes", &[20_000; 5], [&[3, 2], &[3, 2]]),
        (
            "at the most segments",
            &[10; 200],
            [&[128, 72], &[64, 64, 64, 8]],
        ),
    ];
    for (name, lengths, [tcp, udp]) in cases {
        for first in kinds() {
            let expected = if first.protocol == TCP { tcp } else { udp };
            let packets = bytes(&run(
                &Packet {
                    options: vec![],
                    ..first
                },
                lengths,
            ));
            assert_eq!(counts(&packets), expected, "{name}");
        }
    }
    for first in kinds() {
        let bytes_left = MAX_PACKET_BYTES - first.header_bytes();
        let size = bytes_left / 2 + 1;
        let last = bytes_left - size;
        for (last, expected) in [(last, &[2][..]), (last + 1, &[1, 1])] {
            let packets = bytes(&run(&first, &[size, last]));
            assert_eq!(counts(&packets), expected, "{size} and {last} bytes");
        }
    }
    let mut packets = run(&Packet::default(), &[100; 4]);
    packets[1].flags |= PSH;
    assert_eq!(counts(&bytes(&packets)), [2, 2], "behind PSH");
}

type Change = fn(&mut Packet);

#[test]
fn headers_must_be_the_same() {
    let any: [(&str, Change); 5] = [
        ("source", |packet| packet.source += 1),
        ("port", |packet| packet.port += 1),
        ("traffic class", |packet| packet.traffic_class = 4),
        ("congestion", |packet| packet.traffic_class = 3),
        ("hop limit", |packet| packet.ttl -= 1),
    ];
    let tcp: [(&str, Change); 7] = [
        ("acknowledgement", |packet| packet.acknowledgement += 1),
        ("window", |packet| packet.window += 1),
        ("options", |packet| packet.options[7] += 1),
        ("length of options", |packet| packet.options.extend([1; 4])),
        ("flags", |packet| packet.flags = ACK | 0x40),
        ("gap", |packet| {
            packet.sequence = packet.sequence.wrapping_add(1);
        }),
        ("repetition", |packet| {
            packet.sequence = packet.sequence.wrapping_sub(1);
        }),
    ];
    let v4: [(&str, Change); 4] = [
        ("gap of the identification", |packet| {
            packet.id = packet.id.wrapping_add(2);
        }),
        ("fragments allowed", |packet| packet.fragment = 0),
        ("fragment", |packet| packet.fragment = 0x20),
        ("options", |packet| packet.extra = vec![1; 4]),
    ];
    let v6: [(&str, Change); 1] = [("flow label", |packet| packet.flow_label = 1)];
    for first in kinds() {
        let packets = run(&first, &[100; 2]);
        assert_eq!(counts(&bytes(&packets)), [2]);
        let tcp = tcp.iter().filter(|_| first.protocol == TCP);
        let family = if first.v6 { &v6[..] } else { &v4 };
        for (name, change) in any.iter().chain(tcp).chain(family) {
            for place in [0, 1] {
                let mut packets = packets.clone();
                change(&mut packets[place]);
                assert_eq!(
                    counts(&bytes(&packets)),
                    [1, 1],
                    "{name} of {:?}",
                    packets[place]
                );
            }
        }
    }
}

#[test]
fn the_identification_may_stand_still_where_it_means_nothing() {
    for (fragment, expected) in [(0x40, &[3][..]), (0, &[1, 1, 1])] {
        let first = Packet {
            fragment,
            ..Packet::default()
        };
        let mut packets = run(&first, &[100; 3]);
        for packet in &mut packets {
            packet.id = 0;
        }
        assert_eq!(counts(&bytes(&packets)), expected, "{fragment:#x}");
    }
}

#[test]
fn checksums_must_be_right() {
    for first in kinds() {
        let packets = bytes(&run(&first, &[100; 4]));
        for (spoilt, expected) in [
            (0, &[1, 3][..]),
            (1, &[1, 1, 2]),
            (2, &[2, 1, 1]),
            (3, &[3, 1]),
        ] {
            let mut packets = packets.clone();
            *packets[spoilt].last_mut().unwrap() ^= 1;
            assert_eq!(counts(&packets), expected, "packet {spoilt}");
        }
    }
}

#[test]
fn a_checksum_in_another_form_is_kept_by_not_joining() {
    // All ones say the same as zero, but are not what comes out when the item is cut.
    for (place, at) in [("TCP", 36..38), ("IPv4", 10..12)] {
        let mut first = Packet {
            payload: vec![0; 100],
            ..Packet::default()
        };
        let checksum = [first.bytes()[at.start], first.bytes()[at.start + 1]];
        if place == "TCP" {
            first.payload[..2].copy_from_slice(&checksum);
        } else {
            first.id += u16::from_be_bytes(checksum);
        }
        let next = Packet {
            id: first.id.wrapping_add(1),
            sequence: first.sequence + 100,
            ..first.clone()
        };
        let mut packets = bytes(&[first, next]);
        assert_eq!(packets[0][at.clone()], [0; 2], "the packet of this test");
        assert_eq!(counts(&packets), [2], "{place}");
        packets[0][at].fill(0xff);
        assert_eq!(counts(&packets), [1, 1], "{place}");
    }
}

#[test]
fn nothing_overtakes_its_flow() {
    let [a, b] = [1, 2].map(|port| {
        bytes(&run(
            &Packet {
                port,
                ..Packet::default()
            },
            &[100; 4],
        ))
    });
    let [ping, fragment] = [(1, 0x40), (UDP, 0x20)].map(|(protocol, fragment)| {
        Packet {
            protocol,
            fragment,
            ..Packet::default()
        }
        .bytes()
    });
    let ack = Packet {
        payload: vec![],
        ..Packet::default()
    }
    .bytes();
    let pick = |places: &str| -> Vec<Vec<u8>> {
        let (mut a, mut b) = (a.iter(), b.iter());
        let packet = |name| match name {
            'a' => a.next().unwrap(),
            'b' => b.next().unwrap(),
            'p' => &ping,
            'f' => &fragment,
            _ => &ack,
        };
        places.chars().map(packet).cloned().collect()
    };
    let cases: [(&str, &[usize]); 6] = [
        ("aaaa", &[4]),
        ("abababab", &[4, 4]),
        ("abbaab", &[3, 3]),
        ("abpab", &[2, 2, 1]),
        ("abfab", &[1, 1, 1, 1, 1]),
        // The acknowledgement is of flow a.
        ("ab.ab", &[1, 2, 1, 1]),
    ];
    for (places, expected) in cases {
        assert_eq!(counts(&pick(places)), expected, "{places}");
    }
}

#[test]
fn many_flows_cost_joining_and_nothing_else() {
    let flow = |port: u8| {
        bytes(&run(
            &Packet {
                port,
                ..Packet::default()
            },
            &[100; 3],
        ))
    };
    for (flows, expected) in [(32, vec![3; 32]), (33, vec![1; 99])] {
        let flows: Vec<_> = (0..flows).map(flow).collect();
        let packets: Vec<_> = (0..3)
            .flat_map(|i| flows.iter().map(move |flow| flow[i].clone()))
            .collect();
        assert_eq!(counts(&packets), expected);
    }
}

#[test]
fn each_protocol_has_a_switch() {
    for first in kinds() {
        let packets = bytes(&run(&first, &[100; 3]));
        for (tcp, udp) in [(false, false), (true, false), (false, true)] {
            let is_on = if first.protocol == TCP { tcp } else { udp };
            let items = coalesce(&mut Coalescer::new(tcp, udp), &packets);
            assert_eq!(items.len(), if is_on { 1 } else { 3 });
        }
    }
}
