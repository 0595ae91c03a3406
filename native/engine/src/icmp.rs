//! What is told to whoever sent a packet that no peer can get: ICMP host unreachable, or `ICMPv6` address unreachable, as the
//! kernel's device does, so that programs fail at once in place of waiting.
//!
//! Such an error comes from a router, but which address of the host that would be is not known here, and the kernel drops a
//! packet from the TUN whose source is an address of its own. So it comes from the very destination that was tried: that is
//! no address of the host, is routed to this device (which reverse path filters ask for), and routers' addresses are not checked.

use crate::checksum::{fold, sum};
use crate::packet::{Inner, parse_inner};

const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
/// An error is no longer than this (RFC 1812, 4.3.2.3).
const V4_BYTES: usize = 576;
/// An error is no longer than this (RFC 4443, 2.4).
const V6_BYTES: usize = 1280;
const ERROR_HEADER_BYTES: usize = 8;
const HOPS: u8 = 64;

/// Writes the error about a packet that has no peer into `out`; false if there must be none: the packet is an error itself,
/// a fragment but the first, or not from one host to one host (RFC 1812, 4.3.2.7; RFC 4443, 2.4).
pub fn unreachable(packet: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    let Some(inner) = parse_inner(packet) else {
        return false;
    };
    let packet = &packet[..packet.len().min(inner.length)];
    let is_v4 = inner.source.is_ipv4();
    if !is_between_hosts(&inner)
        || !(if is_v4 {
            may_answer_v4(packet)
        } else {
            may_answer_v6(packet)
        })
    {
        return false;
    }
    if is_v4 {
        let quoted = &packet[..packet.len().min(V4_BYTES - 20 - ERROR_HEADER_BYTES)];
        let length = (20 + ERROR_HEADER_BYTES + quoted.len()) as u16;
        // Type of service: internetwork control (RFC 1812, 4.3.2.5). May not be fragmented, so it needs no number.
        out.extend([0x45, 0xc0, 0, 0, 0, 0, 0x40, 0, HOPS, ICMP, 0, 0]);
        out[2..4].copy_from_slice(&length.to_be_bytes());
        out.extend([&packet[16..20], &packet[12..16]].concat());
        let sum = checksum(&[out]);
        out[10..12].copy_from_slice(&sum);
        out.extend([3, 1, 0, 0, 0, 0, 0, 0]);
        out.extend(quoted);
        let sum = checksum(&[&out[20..]]);
        out[22..24].copy_from_slice(&sum);
    } else {
        let quoted = &packet[..packet.len().min(V6_BYTES - 40 - ERROR_HEADER_BYTES)];
        let length = ((ERROR_HEADER_BYTES + quoted.len()) as u16).to_be_bytes();
        out.extend([0x60, 0, 0, 0, length[0], length[1], ICMPV6, HOPS]);
        out.extend([&packet[24..40], &packet[8..24]].concat());
        out.extend([1, 3, 0, 0, 0, 0, 0, 0]);
        out.extend(quoted);
        let pseudo = [0, 0, length[0], length[1], 0, 0, 0, ICMPV6];
        let sum = checksum(&[&out[8..40], &pseudo, &out[40..]]);
        out[42..44].copy_from_slice(&sum);
    }
    true
}

fn is_between_hosts(inner: &Inner) -> bool {
    let is_broadcast = |address| matches!(address, std::net::IpAddr::V4(v4) if v4.is_broadcast());
    let (from, to) = (inner.source, inner.destination);
    let is_one = !from.is_unspecified() && !from.is_loopback();
    is_one
        && ![from, to]
            .iter()
            .any(|&ip| ip.is_multicast() || is_broadcast(ip))
}

fn may_answer_v4(packet: &[u8]) -> bool {
    let header_bytes = usize::from(packet[0] & 15) * 4;
    let is_first = [packet[6] & 0x1f, packet[7]] == [0, 0];
    // Errors: unreachable, source quench, redirect, time exceeded, parameter problem.
    let is_error = packet[9] == ICMP
        && packet
            .get(header_bytes)
            .is_none_or(|kind| [3, 4, 5, 11, 12].contains(kind));
    is_first && !is_error
}

fn may_answer_v6(packet: &[u8]) -> bool {
    let (mut next, mut at) = (packet[6], 40);
    loop {
        let Some(header) = packet.get(at..at + 8) else {
            return next != ICMPV6; // cut short: what cannot be seen to be no error may be one
        };
        let length = match next {
            // Hop-by-hop options, routing, destination options.
            0 | 43 | 60 => 8 + 8 * usize::from(header[1]),
            // Fragment: its offset is not zero, but for the first.
            44 if u16::from_be_bytes([header[2], header[3]]) & !7 != 0 => return false,
            44 => 8,
            // Errors have the lower half of the numbers; a redirect must not be answered either.
            ICMPV6 => return header[0] >= 128 && header[0] != 137,
            _ => return true,
        };
        (next, at) = (header[0], at + length);
    }
}

/// The Internet checksum over the parts, all of even length but the last.
fn checksum(parts: &[&[u8]]) -> [u8; 2] {
    let partial = parts.iter().fold(0, |partial, part| sum(part, partial));
    (!fold(partial)).to_be_bytes()
}

/// Errors a second, and how many at once: the kernel's `icmp_msgs_per_sec` and `icmp_msgs_burst`.
const ERRORS_PER_MS: u64 = 1;
const BURST: u64 = 50;

/// Errors that wait to be written to the TUN, no more than the kernel would send.
#[derive(Default)]
pub struct Errors {
    /// Those that wait.
    pub packets: Vec<Vec<u8>>,
    tokens: u64,
    filled_ms: u64,
}

impl Errors {
    /// Adds the error about a packet, if there may be one (more).
    pub fn add(&mut self, packet: &[u8], now_ms: u64) {
        let gained = now_ms
            .saturating_sub(self.filled_ms)
            .saturating_mul(ERRORS_PER_MS);
        self.tokens = BURST.min(self.tokens.saturating_add(gained));
        self.filled_ms = now_ms;
        let mut error = Vec::new();
        if self.tokens > 0 && unreachable(packet, &mut error) {
            self.tokens -= 1;
            self.packets.push(error);
        }
    }
}

#[cfg(test)]
#[path = "../tests/unit/icmp.rs"]
mod tests;
