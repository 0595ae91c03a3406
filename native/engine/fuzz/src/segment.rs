//! A vnet header and a packet to the segments, compared with those of a plain reference. The last bit of the eleventh byte
//! says whether lengths and checksums are made to agree first.

use podwire_engine::segment::Segments;
use podwire_engine::vnet::{GSO_NONE, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4, NEEDS_CSUM, Vnet};

use super::packets::{TCP, UDP, checksum_offset, finish, sum, unfinish};

pub fn run(bytes: &[u8]) {
    let Some((vnet, [how, packet @ ..])) = bytes.split_first_chunk() else {
        return;
    };
    let (mut vnet, mut packet) = (Vnet::read(vnet), packet.to_vec());
    let is_mended = how & 1 == 1 && mend(&mut vnet, &mut packet).is_some();
    let Ok(segments) = Segments::new(&vnet, &packet) else {
        // A hop limit for routers in front of the transport header is all that may be refused of what was mended.
        assert!(!is_mended || usize::from(vnet.csum_start) > 40);
        return;
    };
    let expected = reference(&vnet, &packet);
    assert_eq!(segments.count(), expected.len());
    for (i, mut expected) in expected.into_iter().enumerate() {
        let mut out = vec![0xaa; segments.bytes(i)];
        segments.write(i, &mut out);
        if !is_mended && vnet.flags & NEEDS_CSUM != 0 {
            let place = usize::from(vnet.csum_start + vnet.csum_offset);
            let of_ip = if packet[0] >> 4 == 4 && vnet.gso_type != GSO_NONE {
                10..12
            } else {
                0..0
            };
            assert_eq!(out[of_ip.clone()], expected[of_ip]);
            out[place..place + 2].fill(0);
            expected[place..place + 2].fill(0);
        }
        assert_eq!(out, expected, "segment {i} of {}", segments.count());
    }
}

/// What a right super-packet would say.
fn mend(vnet: &mut Vnet, packet: &mut [u8]) -> Option<()> {
    let transport = usize::from(vnet.csum_start);
    let protocol = if vnet.gso_type == GSO_UDP_L4 {
        UDP
    } else {
        TCP
    };
    let is_v4 = packet.first()? >> 4 == 4;
    if is_v4 {
        if !matches!(transport, 20..=60) || transport % 4 != 0 || packet.len() < 20 {
            return None;
        }
        packet[0] = 0x40 + transport as u8 / 4;
        packet[6] &= 0x40;
        packet[7] = 0;
        packet[9] = protocol;
    } else {
        if packet[0] >> 4 != 6 || transport < 40 || packet.len() < 40 {
            return None;
        }
        if transport == 40 {
            packet[6] = protocol;
        }
    }
    let header = packet.get(transport..)?;
    let bytes = if protocol == TCP {
        usize::from(header.get(12)? >> 4) * 4
    } else {
        8
    };
    if packet.len() > 65_535 || header.len() < bytes || (protocol == TCP && bytes < 20) {
        return None;
    }
    vnet.flags = NEEDS_CSUM;
    vnet.csum_offset = checksum_offset(protocol)? as u16;
    vnet.gso_size = vnet.gso_size.max(1);
    if vnet.gso_type & 1 == 0 || vnet.gso_type & 0x80 != 0 {
        vnet.gso_type = vnet.gso_type & 0x80 | if is_v4 { GSO_TCPV4 } else { GSO_TCPV6 };
    } else if vnet.gso_type != GSO_UDP_L4 {
        vnet.gso_type = GSO_NONE;
    }
    finish(packet, transport, protocol);
    unfinish(packet, transport, protocol);
    Some(())
}

/// The segments of a packet that can be cut.
pub fn reference(vnet: &Vnet, packet: &[u8]) -> Vec<Vec<u8>> {
    if vnet.gso_type == GSO_NONE && vnet.flags & NEEDS_CSUM == 0 {
        return vec![packet.to_vec()];
    }
    let transport = usize::from(vnet.csum_start);
    let protocol = if vnet.csum_offset == 16 { TCP } else { UDP };
    if vnet.gso_type == GSO_NONE {
        let mut whole = packet.to_vec();
        let place = transport + usize::from(vnet.csum_offset);
        let checksum = match !sum(&[&packet[transport..]]) {
            0 if vnet.csum_offset == 6 => 0xffff,
            checksum => checksum,
        };
        whole[place..place + 2].copy_from_slice(&checksum.to_be_bytes());
        return vec![whole];
    }
    let header_bytes = transport
        + if protocol == TCP {
            usize::from(packet[transport + 12] >> 4) * 4
        } else {
            8
        };
    let (headers, payload) = packet.split_at(header_bytes);
    let mut parts: Vec<&[u8]> = payload.chunks(vnet.gso_size.into()).collect();
    if parts.is_empty() {
        parts.push(payload);
    }
    let mut sequence = u32::from_be_bytes(packet[transport + 4..transport + 8].try_into().unwrap());
    let mut id = u16::from_be_bytes([packet[4], packet[5]]);
    let last = parts.len() - 1;
    let cut = |(i, part): (usize, &[u8])| {
        let mut segment = [headers, part].concat();
        if packet[0] >> 4 == 4 {
            segment[4..6].copy_from_slice(&id.to_be_bytes());
            id = id.wrapping_add(1);
        }
        if protocol == TCP {
            segment[transport + 4..transport + 8].copy_from_slice(&sequence.to_be_bytes());
            sequence = sequence.wrapping_add(part.len() as u32);
            if i > 0 {
                segment[transport + 13] &= !0x80;
            }
            if i < last {
                segment[transport + 13] &= !0x09;
            }
        }
        finish(&mut segment, transport, protocol);
        segment
    };
    parts.into_iter().enumerate().map(cut).collect()
}
