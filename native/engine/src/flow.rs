//! Which flow a packet belongs to, and whether it may be joined with others of it.

use std::ops::Range;

use crate::checksum::{fold, pseudo_header, sum};
use crate::packet::parse_inner;

/// The protocol number of TCP.
pub const TCP: u8 = 6;
/// The protocol number of UDP.
pub const UDP: u8 = 17;

const ACK: u8 = 0x10;
const PSH: u8 = 0x08;

/// Whose order must be kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    ports: [u8; 4],
    /// `TCP` or `UDP`.
    pub protocol: u8,
    is_v6: bool,
    addresses: [u8; 32],
}

/// Where the parts of a packet begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The transport header.
    pub transport: usize,
    /// The payload.
    pub payload: usize,
}

/// What may be done with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It may be joined with its neighbours.
    Joinable(Flow, Layout),
    /// It goes alone, and nothing of its flow may pass it.
    Alone(Flow),
    /// It goes alone, and its protocol is never joined.
    Other,
    /// It goes alone, and its flow is not known (a fragment, extension headers): nothing may pass it.
    Unknown,
}

/// Looks at a packet, whose length must be the one that its header gives.
#[must_use]
pub fn classify(packet: &[u8]) -> Class {
    const HOP_BY_HOP: u8 = 0;
    const ROUTING: u8 = 43;
    const FRAGMENT: u8 = 44;
    const DESTINATION: u8 = 60;
    if parse_inner(packet).is_none_or(|inner| inner.length != packet.len()) {
        return Class::Unknown;
    }
    let is_v6 = packet[0] >> 4 == 6;
    let mut flow = Flow {
        protocol: packet[if is_v6 { 6 } else { 9 }],
        is_v6,
        ..Flow::default()
    };
    let transport = if is_v6 {
        if matches!(flow.protocol, HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION) {
            return Class::Unknown;
        }
        flow.addresses.copy_from_slice(&packet[8..40]);
        40
    } else {
        flow.addresses[..8].copy_from_slice(&packet[12..20]);
        usize::from(packet[0] & 15) * 4
    };
    if !matches!(flow.protocol, TCP | UDP) {
        return Class::Other;
    }
    let is_fragment = !is_v6 && (packet[6] & 0x3f != 0 || packet[7] != 0);
    let Some(ports) = packet[transport..].first_chunk().filter(|_| !is_fragment) else {
        return Class::Unknown;
    };
    flow.ports = *ports;
    let has_options = !is_v6 && transport > 20;
    match header_bytes(flow.protocol, &packet[transport..]) {
        Some(bytes) if !has_options => Class::Joinable(
            flow,
            Layout {
                transport,
                payload: transport + bytes,
            },
        ),
        _ => Class::Alone(flow),
    }
}

/// The length of a transport header that may be joined with others and has something behind it.
fn header_bytes(protocol: u8, transport: &[u8]) -> Option<usize> {
    if protocol == UDP {
        let header = transport.first_chunk::<8>()?;
        let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
        // Without a checksum it would come out with one.
        let has_checksum = header[6..] != [0, 0];
        return (length == transport.len() && length > 8 && has_checksum).then_some(8);
    }
    let header = transport.first_chunk::<20>()?;
    let bytes = usize::from(header[12] >> 4) * 4;
    // CWR, ECE, SYN, FIN and the rest say something that is not for all of a run.
    let is_plain = header[12] % 16 == 0 && header[13] & !PSH == ACK;
    (is_plain && bytes >= 20 && bytes < transport.len()).then_some(bytes)
}

/// Whether two packets of a flow, with one layout, have all headers in common but for lengths, checksums, the
/// identification, the sequence number and PSH. Traffic class, ECN and flow label count.
#[must_use]
pub fn has_same_headers(one: &[u8], other: &[u8], protocol: u8, layout: Layout) -> bool {
    let is_same = |range: Range<usize>| one[range.clone()] == other[range];
    let t = layout.transport;
    let ip = if one[0] >> 4 == 4 {
        is_same(0..2) && is_same(6..10)
    } else {
        is_same(0..4) && is_same(6..8)
    };
    // Acknowledgement and length of the header; window; urgent pointer and options.
    let is_same_tcp =
        || is_same(t + 8..t + 13) && is_same(t + 14..t + 16) && is_same(t + 18..layout.payload);
    ip && (protocol != TCP || is_same_tcp())
}

/// Whether both checksums are right, and written as anyone would compute them: a sum has two forms of zero.
#[must_use]
pub fn verify(packet: &[u8], protocol: u8, layout: Layout) -> bool {
    let (ip, transport) = packet.split_at(layout.transport);
    let is_v4 = ip[0] >> 4 == 4;
    if is_v4 && (fold(sum(ip, 0)) != 0xffff || ip[10..12] == [0xff; 2]) {
        return false;
    }
    if protocol == TCP && transport[16..18] == [0xff; 2] {
        return false;
    }
    let addresses = if is_v4 { &ip[12..20] } else { &ip[8..40] };
    let pseudo = pseudo_header(addresses, protocol, transport.len() as u16);
    fold(sum(transport, pseudo)) == 0xffff
}

#[cfg(test)]
#[path = "../tests/unit/flow.rs"]
mod tests;
