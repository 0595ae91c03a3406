use super::*;
use crate::vnet::GSO_UDP_L4;

use crate::packets::{Packet, unfinish};

/// A super-packet as a TUN gives it, in segments of 100.
fn read(packet: &Packet) -> (Vnet, Vec<u8>) {
    let mut bytes = packet.bytes();
    unfinish(&mut bytes, packet.transport(), packet.protocol);
    let (gso_type, csum_offset) = match (packet.protocol, packet.v6) {
        (UDP, _) => (GSO_UDP_L4, UDP_CHECKSUM),
        (_, false) => (GSO_TCPV4, TCP_CHECKSUM),
        (_, true) => (GSO_TCPV6, TCP_CHECKSUM),
    };
    let vnet = Vnet {
        flags: NEEDS_CSUM,
        gso_type,
        header_bytes: 0xbad,
        gso_size: 100,
        csum_start: packet.transport() as u16,
        csum_offset,
    };
    (vnet, bytes)
}

fn written(vnet: &Vnet, packet: &[u8]) -> Result<Vec<Vec<u8>>, Drop> {
    let segments = Segments::new(vnet, packet)?;
    Ok((0..segments.count())
        .map(|i| {
            let mut out = vec![0xaa; segments.bytes(i)];
            segments.write(i, &mut out);
            out
        })
        .collect())
}

#[test]
fn super_packets_are_cut() {
    const EVERY_FLAG: u8 = 0xff;
    let text: Vec<u8> = (0..=255).cycle().take(65_000).collect();
    let hop_by_hop = |protocol| vec![protocol, 0, 1, 4, 0, 0, 0, 0];
    for length in [0, 1, 99, 100, 101, 200, 251, 65_000] {
        for (protocol, v6, extra) in [
            (TCP, false, vec![]),
            (TCP, false, vec![1; 8]),
            (TCP, true, vec![]),
            (TCP, true, hop_by_hop(TCP)),
            (UDP, false, vec![]),
            (UDP, true, vec![]),
            (UDP, true, hop_by_hop(UDP)),
        ] {
            let whole = Packet {
                v6,
                protocol,
                extra,
                id: 0xfffe,
                sequence: u32::MAX - 150,
                flags: EVERY_FLAG,
                payload: text[..length].to_vec(),
                ..Packet::default()
            };
            let (mut vnet, bytes) = read(&whole);
            if protocol == TCP {
                vnet.gso_type |= GSO_ECN;
            }
            let parts: Vec<&[u8]> = if length == 0 {
                vec![&[]]
            } else {
                whole.payload.chunks(100).collect()
            };
            let expected: Vec<Vec<u8>> = (0..parts.len())
                .map(|i| {
                    let is_last = i + 1 == parts.len();
                    let flags = EVERY_FLAG
                        & if i == 0 { 0xff } else { !CWR }
                        & if is_last { 0xff } else { !FIN_PSH };
                    let part = Packet {
                        id: whole.id.wrapping_add(i as u16),
                        sequence: whole.sequence.wrapping_add(100 * i as u32),
                        flags,
                        payload: parts[i].to_vec(),
                        ..whole.clone()
                    };
                    part.bytes()
                })
                .collect();
            assert_eq!(
                written(&vnet, &bytes),
                Ok(expected),
                "{length} of {whole:?}"
            );
        }
    }
}

#[test]
fn a_checksum_left_to_the_device_is_completed() {
    for (protocol, v6) in [(TCP, false), (TCP, true), (UDP, false), (UDP, true)] {
        let whole = Packet {
            protocol,
            v6,
            payload: vec![7; 1001],
            ..Packet::default()
        };
        let (mut vnet, bytes) = read(&whole);
        vnet.gso_type = GSO_NONE;
        assert_eq!(written(&vnet, &bytes), Ok(vec![whole.bytes()]));
        let untouched = vec![bytes.clone()];
        assert_eq!(written(&Vnet::default(), &bytes), Ok(untouched));
    }
}

#[test]
fn a_checksum_of_udp_that_comes_out_zero_is_sent_as_ones() {
    let mut packet = Packet {
        protocol: UDP,
        payload: vec![0; 100],
        ..Packet::default()
    };
    // The complement of the sum without them, so that the sum with them is all ones.
    let bytes = packet.bytes();
    packet.payload[..2].copy_from_slice(&bytes[26..28]);
    assert_eq!(packet.bytes()[26..28], [0xff; 2], "the packet of this test");
    let (vnet, bytes) = read(&packet);
    for gso_type in [GSO_NONE, GSO_UDP_L4] {
        let vnet = Vnet { gso_type, ..vnet };
        assert_eq!(written(&vnet, &bytes), Ok(vec![packet.bytes()]));
    }
}

type Spoil = fn(&mut Vnet, &mut Vec<u8>);

#[test]
fn nonsense_is_refused() {
    let v4: [(&str, Spoil); 20] = [
        ("no segment size", |vnet, _| vnet.gso_size = 0),
        ("no checksum to complete", |vnet, _| vnet.flags = 0),
        ("the other family", |vnet, _| vnet.gso_type = GSO_TCPV6),
        ("UDP", |vnet, _| vnet.gso_type = GSO_UDP_L4),
        ("fragments of UDP", |vnet, _| vnet.gso_type = 3),
        ("ECN and nothing", |vnet, _| vnet.gso_type = GSO_ECN),
        ("another offset", |vnet, _| vnet.csum_offset = 6),
        ("start in the IP header", |vnet, _| vnet.csum_start = 18),
        ("start behind the transport's", |vnet, packet| {
            vnet.csum_start = 24;
            packet[36] = 0x50;
        }),
        ("start at the end", |vnet, packet| {
            vnet.csum_start = packet.len() as u16;
        }),
        ("start beyond the end", |vnet, _| vnet.csum_start = 65_535),
        ("offset beyond the end", |vnet, _| {
            vnet.gso_type = GSO_NONE;
            vnet.csum_offset = 65_535;
        }),
        ("a checksum half beyond the end", |vnet, packet| {
            vnet.gso_type = GSO_NONE;
            vnet.csum_offset = packet.len() as u16 - vnet.csum_start - 1;
        }),
        ("a checksum in the IP header", |vnet, _| {
            vnet.gso_type = GSO_NONE;
            vnet.csum_start = 0;
        }),
        ("a fragment", |_, packet| packet[6] = 0x20),
        ("a later fragment", |_, packet| packet[7] = 1),
        ("neither TCP nor UDP", |_, packet| packet[9] = 1),
        ("UDP inside", |_, packet| packet[9] = UDP),
        ("a TCP header below 20", |_, packet| packet[32] = 0x40),
        ("a TCP header beyond the end", |_, packet| {
            packet.truncate(44);
            packet[3] = 44;
            packet[2] = 0;
        }),
    ];
    let udp: [(&str, Spoil); 3] = [
        ("a UDP length of its own", |_, packet| packet[25] ^= 1),
        ("ECN on UDP", |vnet, _| vnet.gso_type |= GSO_ECN),
        ("offset of TCP", |vnet, _| vnet.csum_offset = TCP_CHECKSUM),
    ];
    let v6: [(&str, Spoil); 3] = [
        ("an unknown extension header", |_, packet| packet[6] = 135),
        ("extension headers beyond the start", |_, packet| {
            packet[41] = 1;
        }),
        ("a protocol that is not the transport's", |_, packet| {
            packet[40] = 1;
        }),
    ];
    let extra = vec![TCP, 0, 1, 4, 0, 0, 0, 0];
    let packet = |protocol, v6, extra| Packet {
        protocol,
        v6,
        extra,
        payload: vec![1; 1000],
        ..Packet::default()
    };
    for (packet, spoils) in [
        (packet(TCP, false, vec![]), &v4[..]),
        (packet(UDP, false, vec![]), &udp),
        (packet(TCP, true, extra), &v6),
    ] {
        let (vnet, bytes) = read(&packet);
        assert!(written(&vnet, &bytes).is_ok());
        for (name, spoil) in spoils {
            let (mut vnet, mut bytes) = (vnet, bytes.clone());
            spoil(&mut vnet, &mut bytes);
            assert_eq!(written(&vnet, &bytes), Err(Drop::Offload), "{name}");
        }
        for length in 0..bytes.len() {
            let cut = written(&vnet, &bytes[..length]);
            assert_eq!(cut, Err(Drop::OutboundHeader), "cut to {length}");
        }
    }
}
