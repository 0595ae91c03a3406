//! What a TUN with offloads gave, as packets that can go alone: a super-packet of TCP or UDP is cut, and a checksum that was
//! left to the device is completed. All is verified first, so that writing the segments cannot fail.
//!
//! ```text
//!   | IP | TCP |   payload, gso_size times n and the rest   |
//!      |     \_________
//!   | IP | TCP | part |   | IP | TCP | part |   | IP | TCP | rest |
//! ```
//!
//! The checksum field holds the sum of the pseudo header, over the length of the whole. Each segment takes it from there
//! with its own length in place of that: behind a routing header the addresses would not give it.

use std::ops::Range;

use crate::checksum::{copy_and_sum, fold, sum, word};
use crate::counters::Drop;
use crate::flow::{TCP, UDP};
use crate::packet::{MAX_PACKET_BYTES, parse_inner};
use crate::vnet::{GSO_ECN, GSO_NONE, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4, NEEDS_CSUM, Vnet};

/// Where the checksum is in the transport header.
const TCP_CHECKSUM: u16 = 16;
const UDP_CHECKSUM: u16 = 6;
const FIN_PSH: u8 = 0x09;
const CWR: u8 = 0x80;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Goes as it is.
    Whole,
    /// Lacks its checksum.
    Unfinished,
    Tcp,
    Udp,
}

/// The packets in what was read.
pub struct Segments<'a> {
    packet: &'a [u8],
    kind: Kind,
    /// Where the transport header begins.
    transport: usize,
    /// Where the checksum is.
    checksum: usize,
    /// Length of the headers that each segment repeats.
    header_bytes: usize,
    /// Payload of each segment but the last.
    size: usize,
    count: usize,
    /// Sums of the headers without the fields that differ.
    ip_sum: u64,
    transport_sum: u64,
}

impl<'a> Segments<'a> {
    /// Takes a packet and the header that came before it. `hdr_len` is not used.
    pub fn new(vnet: &Vnet, packet: &'a [u8]) -> Result<Self, Drop> {
        parse_inner(packet)
            .filter(|inner| inner.length == packet.len() && packet.len() <= MAX_PACKET_BYTES)
            .ok_or(Drop::OutboundHeader)?;
        let whole = Self {
            packet,
            kind: Kind::Whole,
            transport: 0,
            checksum: 0,
            header_bytes: packet.len(),
            size: 0,
            count: 1,
            ip_sum: 0,
            transport_sum: 0,
        };
        let needs_checksum = vnet.flags & NEEDS_CSUM != 0;
        if vnet.gso_type == GSO_NONE && !needs_checksum {
            return Ok(whole);
        }
        let transport = usize::from(vnet.csum_start);
        let unfinished = Self {
            kind: Kind::Unfinished,
            transport,
            checksum: transport + usize::from(vnet.csum_offset),
            ..whole
        };
        let ip_bytes = if packet[0] >> 4 == 4 {
            usize::from(packet[0] & 15) * 4
        } else {
            40
        };
        if !needs_checksum || transport < ip_bytes || unfinished.checksum + 2 > packet.len() {
            return Err(Drop::Offload);
        }
        if vnet.gso_type == GSO_NONE {
            return Ok(unfinished);
        }
        unfinished.cut(vnet).ok_or(Drop::Offload)
    }

    fn cut(mut self, vnet: &Vnet) -> Option<Self> {
        let packet = self.packet;
        let protocol = protocol_at(packet, self.transport)?;
        let header = &packet[self.transport..];
        let length = header.len() as u16;
        let is_v4 = packet[0] >> 4 == 4;
        let mut constant = [0; 60];
        let transport_bytes = match (vnet.gso_type, vnet.gso_type & !GSO_ECN, protocol) {
            (_, GSO_TCPV4, TCP) if is_v4 => usize::from(header.get(12)? >> 4) * 4,
            (_, GSO_TCPV6, TCP) if !is_v4 => usize::from(header.get(12)? >> 4) * 4,
            (GSO_UDP_L4, _, UDP) if header.get(4..6)? == length.to_be_bytes() => 8,
            _ => return None,
        };
        let constant = &mut constant[..transport_bytes];
        constant.copy_from_slice(header.get(..transport_bytes)?);
        if protocol == TCP {
            if transport_bytes < 20 || vnet.csum_offset != TCP_CHECKSUM {
                return None;
            }
            self.kind = Kind::Tcp;
            constant[4..8].fill(0);
            constant[13] = 0;
        } else {
            if vnet.csum_offset != UDP_CHECKSUM {
                return None;
            }
            self.kind = Kind::Udp;
            constant[4..6].fill(0);
        }
        // The checksum field counts: it holds the pseudo header, from which the length of the whole is taken away.
        self.transport_sum = sum(constant, word(!length));
        if is_v4 {
            let mut constant = [0; 60];
            let constant = &mut constant[..self.transport];
            constant.copy_from_slice(&packet[..self.transport]);
            constant[2..6].fill(0);
            constant[10..12].fill(0);
            self.ip_sum = sum(constant, 0);
        }
        self.header_bytes = self.transport + transport_bytes;
        self.size = usize::from(vnet.gso_size);
        self.count = (packet.len() - self.header_bytes)
            .checked_div(self.size)?
            .max(1);
        if self.header_bytes + self.count * self.size < packet.len() {
            self.count += 1;
        }
        Some(self)
    }

    /// How many they are: at least one.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The length of one of them.
    #[must_use]
    pub fn bytes(&self, i: usize) -> usize {
        self.header_bytes + self.payload(i).len()
    }

    fn payload(&self, i: usize) -> Range<usize> {
        let start = self.header_bytes + i * self.size;
        start..(start + self.size).min(self.packet.len())
    }

    /// Writes one of them into a slice of its length.
    pub fn write(&self, i: usize, out: &mut [u8]) {
        let mut partial = match self.kind {
            Kind::Whole => return out.copy_from_slice(self.packet),
            Kind::Unfinished => {
                out.copy_from_slice(self.packet);
                sum(&out[self.transport..], 0)
            }
            Kind::Tcp | Kind::Udp => {
                let (headers, payload) = out.split_at_mut(self.header_bytes);
                headers.copy_from_slice(&self.packet[..self.header_bytes]);
                self.transport_sum + copy_and_sum(payload, &self.packet[self.payload(i)])
            }
        };
        let length = (out.len() - self.transport) as u16;
        let (ip, transport) = out.split_at_mut(self.transport);
        match self.kind {
            Kind::Whole | Kind::Unfinished => {}
            Kind::Tcp => {
                self.write_ip(i, ip, length);
                partial += word(length) + self.write_tcp(i, transport);
            }
            Kind::Udp => {
                self.write_ip(i, ip, length);
                transport[4..6].copy_from_slice(&length.to_be_bytes());
                // Once in the pseudo header, once in the header.
                partial += 2 * word(length);
            }
        }
        let checksum = match !fold(partial) {
            // For UDP, zero says that there is no checksum.
            0 if self.checksum - self.transport == usize::from(UDP_CHECKSUM) => 0xffff,
            checksum => checksum,
        };
        out[self.checksum..self.checksum + 2].copy_from_slice(&checksum.to_be_bytes());
    }

    fn write_ip(&self, i: usize, ip: &mut [u8], length: u16) {
        if ip[0] >> 4 == 6 {
            let length = ip.len() as u16 - 40 + length;
            ip[4..6].copy_from_slice(&length.to_be_bytes());
            return;
        }
        let length = ip.len() as u16 + length;
        let id = u16::from_be_bytes([ip[4], ip[5]]).wrapping_add(i as u16);
        let checksum = !fold(self.ip_sum + word(length) + word(id));
        ip[2..4].copy_from_slice(&length.to_be_bytes());
        ip[4..6].copy_from_slice(&id.to_be_bytes());
        ip[10..12].copy_from_slice(&checksum.to_be_bytes());
    }

    /// The sum is that of what differs: the sequence number and the flags.
    fn write_tcp(&self, i: usize, header: &mut [u8]) -> u64 {
        let sequence = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        let sequence = sequence.wrapping_add((i * self.size) as u32).to_be_bytes();
        header[4..8].copy_from_slice(&sequence);
        if i > 0 {
            header[13] &= !CWR;
        }
        if i + 1 < self.count {
            header[13] &= !FIN_PSH;
        }
        u64::from(u32::from_ne_bytes(sequence)) + word(u16::from(header[13]))
    }
}

/// The protocol of the transport header that begins there; `None` if the IP headers do not lead to it.
fn protocol_at(packet: &[u8], transport: usize) -> Option<u8> {
    const HOP_BY_HOP: u8 = 0;
    const ROUTING: u8 = 43;
    const DESTINATION: u8 = 60;
    if packet[0] >> 4 == 4 {
        let is_fragment = packet[6] & 0x3f != 0 || packet[7] != 0;
        let header_bytes = usize::from(packet[0] & 15) * 4;
        return (header_bytes == transport && !is_fragment).then_some(packet[9]);
    }
    let (mut at, mut protocol) = (40, packet[6]);
    while at < transport && matches!(protocol, HOP_BY_HOP | ROUTING | DESTINATION) {
        protocol = packet[at];
        at += 8 + 8 * usize::from(packet[at + 1]);
    }
    (at == transport).then_some(protocol)
}

#[cfg(test)]
#[path = "../tests/unit/segment.rs"]
mod tests;
