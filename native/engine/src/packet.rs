//! The bytes of `WireGuard` messages (paper, section 5.4) and of the IP packets inside them. Pure, and total: any slice of
//! any length gives an answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::counters::Drop;

/// Length of a handshake initiation, message type 1.
pub const INITIATION_BYTES: usize = 148;
/// Length of a handshake response, message type 2.
pub const RESPONSE_BYTES: usize = 92;
/// Length of a cookie reply, message type 3.
pub const COOKIE_REPLY_BYTES: usize = 64;
/// Header of a data message: type and reserved bytes, receiver index, counter.
pub const HEADER_BYTES: usize = 16;
/// Authentication tag at the end of a data message.
pub const TAG_BYTES: usize = 16;
/// The longest IP packet, and the longest datagram.
pub const MAX_PACKET_BYTES: usize = 65_535;

const DATA: u8 = 4;

/// A datagram whose type and length are those of a `WireGuard` message. Indices and counters are in host order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// Type 1.
    Initiation,
    /// Type 2; `receiver` is the index of whoever sent the initiation.
    Response {
        /// Our index.
        receiver: u32,
    },
    /// Type 3.
    CookieReply {
        /// Our index.
        receiver: u32,
    },
    /// Type 4: ciphertext and tag follow the header.
    Data {
        /// Our index.
        receiver: u32,
        /// The nonce.
        counter: u64,
    },
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// Reads type, length, receiver index and counter. The three reserved bytes must be zero.
pub fn parse(datagram: &[u8]) -> Result<Message, Drop> {
    let [kind, 0, 0, 0, ..] = *datagram else {
        return Err(if datagram.len() < 4 {
            Drop::Length
        } else {
            Drop::Type
        });
    };
    match (kind, datagram.len()) {
        (1, INITIATION_BYTES) => Ok(Message::Initiation),
        (2, RESPONSE_BYTES) => Ok(Message::Response {
            receiver: u32_at(datagram, 8),
        }),
        (3, COOKIE_REPLY_BYTES) => Ok(Message::CookieReply {
            receiver: u32_at(datagram, 4),
        }),
        (DATA, length) if length >= HEADER_BYTES + TAG_BYTES => Ok(Message::Data {
            receiver: u32_at(datagram, 4),
            counter: u64::from_le_bytes(datagram[8..16].try_into().expect("eight bytes")),
        }),
        (1..=DATA, _) => Err(Drop::Length),
        _ => Err(Drop::Type),
    }
}

/// Writes the header of a data message. The slice begins with it.
pub fn write_header(message: &mut [u8], receiver: u32, counter: u64) {
    message[..4].copy_from_slice(&[DATA, 0, 0, 0]);
    message[4..8].copy_from_slice(&receiver.to_le_bytes());
    message[8..16].copy_from_slice(&counter.to_le_bytes());
}

/// Length to which a packet is padded: the next multiple of 16, but not beyond the MTU. (A packet longer than the MTU,
/// which a change of MTU can leave in the queue, is padded as its last piece would be.)
#[must_use]
pub fn padded_bytes(length: usize, mtu: usize) -> usize {
    if mtu == 0 {
        return length.next_multiple_of(16);
    }
    let last = if length > mtu { length % mtu } else { length };
    length - last + last.next_multiple_of(16).min(mtu)
}

/// What is needed of an IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inner {
    /// Where the packet says that it comes from.
    pub source: IpAddr,
    /// Where it goes.
    pub destination: IpAddr,
    /// Its own length, header included.
    pub length: usize,
    /// The two ECN bits.
    pub ecn: u8,
}

/// Reads an IPv4 or IPv6 header. `None` if it is neither, cut short, or gives a length below that of its header; the
/// length may be less than the slice (padding), and it may be more: the caller decides.
#[must_use]
pub fn parse_inner(packet: &[u8]) -> Option<Inner> {
    match packet.first()? >> 4 {
        4 => {
            let header = packet.first_chunk::<20>()?;
            let header_bytes = usize::from(header[0] & 15) * 4;
            let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
            let address = |at: usize| {
                let octets: [u8; 4] = header[at..at + 4].try_into().expect("four bytes");
                IpAddr::from(Ipv4Addr::from(octets))
            };
            (header_bytes >= 20 && length >= header_bytes).then(|| Inner {
                source: address(12),
                destination: address(16),
                length,
                ecn: header[1] & 3,
            })
        }
        6 => {
            let header = packet.first_chunk::<40>()?;
            let address = |at: usize| {
                let octets: [u8; 16] = header[at..at + 16].try_into().expect("sixteen bytes");
                IpAddr::from(Ipv6Addr::from(octets))
            };
            Some(Inner {
                source: address(8),
                destination: address(24),
                length: 40 + usize::from(u16::from_be_bytes([header[4], header[5]])),
                ecn: (header[1] >> 4) & 3,
            })
        }
        _ => None,
    }
}

const NOT_ECT: u8 = 0;
const ECT_1: u8 = 1;
const ECT_0: u8 = 2;
const CE: u8 = 3;

/// Carries congestion marks of the outer header into the inner one (RFC 6040, figure 4). False: the packet must be
/// dropped, for the network says that it is congested and the sender cannot be told otherwise.
#[must_use]
pub fn decapsulate_ecn(packet: &mut [u8], inner: u8, outer: u8) -> bool {
    let mark = match (inner, outer) {
        (NOT_ECT, CE) => return false,
        (ECT_0 | ECT_1, CE) => CE,
        (ECT_0, ECT_1) => ECT_1,
        _ => return true,
    };
    if packet[0] >> 4 == 4 {
        let before = u16::from_be_bytes([packet[0], packet[1]]);
        packet[1] = (packet[1] & !3) | mark;
        let after = u16::from_be_bytes([packet[0], packet[1]]);
        // RFC 1624, equation 3.
        let old = u16::from_be_bytes([packet[10], packet[11]]);
        let sum = u32::from(!old) + u32::from(!before) + u32::from(after);
        let sum = (sum & 0xffff) + (sum >> 16);
        let sum = (sum & 0xffff) + (sum >> 16);
        packet[10..12].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    } else {
        packet[1] = (packet[1] & !0x30) | mark << 4;
    }
    true
}

#[cfg(test)]
#[path = "../tests/unit/packet.rs"]
mod tests;
