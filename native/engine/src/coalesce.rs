//! Packets in the order in which they came, joined into super-packets for a TUN with offloads. Nothing is copied: an item
//! is a list of pieces of the caller's buffer, the first packet whole and of the others the payload.
//!
//! ```text
//!   add(a1) add(a2) add(b1) add(a3) ...    finish()    items(): [a1 a2 a3] [b1] ...
//! ```
//!
//! A packet joins only its flow's last item, so the order within a flow holds. Only what `Segments` would cut into the
//! same bytes again is joined: headers equal but for what counts up, and both checksums right. (With "don't fragment" the
//! identification means nothing, RFC 6864, and may stand still. It counts up when the item is cut.)

use std::ops::Range;

use crate::checksum::{fold, pseudo_header, sum};
use crate::flow::{Class, Flow, Layout, TCP, classify, has_same_headers, verify};
use crate::packet::MAX_PACKET_BYTES;
use crate::vnet::{GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4, NEEDS_CSUM, Vnet};

/// Segments in one item of TCP.
pub const MAX_TCP_SEGMENTS: usize = 128;
/// Segments in one item of UDP. Older kernels take no more (`UDP_MAX_SEGMENTS`).
pub const MAX_UDP_SEGMENTS: usize = 64;
/// Flows that are looked for. The one that has rested longest makes room, and begins a new item when it comes again.
const MAX_FLOWS: usize = 32;
const PSH: u8 = 0x08;
const DONT_FRAGMENT: u8 = 0x40;

/// What goes to the TUN in one write.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// The header before it.
    pub vnet: Vnet,
    /// Where its bytes lie in the buffer: a packet, then payloads.
    pub pieces: &'a [Range<usize>],
}

/// A packet, and the next of its item.
struct Piece {
    range: Range<usize>,
    next: usize,
}

/// An item as it grows.
#[derive(Default)]
struct Run {
    flow: Flow,
    layout: Layout,
    /// Where the first packet lies in the buffer.
    start: usize,
    /// The first and the last of its packets.
    head: usize,
    tail: usize,
    count: usize,
    bytes: usize,
    /// Payload of each packet but the last.
    size: usize,
    /// Of the last packet.
    id: u16,
    /// Where the next packet's payload begins in the stream.
    sequence: u32,
    pushed: bool,
    /// By PSH, or a shorter packet.
    ended: bool,
    vnet: Vnet,
    /// Its place in `Coalescer::ranges`, once finished.
    ranges: Range<usize>,
}

/// Joins the packets of one batch. Its memory is used again.
pub struct Coalescer {
    tcp: bool,
    udp: bool,
    pieces: Vec<Piece>,
    runs: Vec<Run>,
    /// Runs that may go on, one a flow, the most recent last.
    open: Vec<usize>,
    ranges: Vec<Range<usize>>,
}

impl Coalescer {
    /// Joins packets of the given protocols; others stay alone.
    #[must_use]
    pub fn new(tcp: bool, udp: bool) -> Self {
        Self {
            tcp,
            udp,
            pieces: Vec::new(),
            runs: Vec::new(),
            open: Vec::new(),
            ranges: Vec::new(),
        }
    }

    /// Forgets the batch.
    pub fn clear(&mut self) {
        self.pieces.clear();
        self.runs.clear();
        self.open.clear();
        self.ranges.clear();
    }

    /// Takes the next packet, which lies there in the buffer. All packets of a batch lie in one.
    pub fn add(&mut self, buffer: &[u8], packet: Range<usize>) {
        let bytes = &buffer[packet.clone()];
        let is_on = |flow: &Flow| {
            if flow.protocol == TCP {
                self.tcp
            } else {
                self.udp
            }
        };
        match classify(bytes) {
            Class::Joinable(flow, layout) if is_on(&flow) => {
                let known = self.close(&flow);
                let run = match known {
                    Some(run) if self.runs[run].is_followed_by(buffer, bytes, layout) => {
                        self.append(run, bytes, packet.start + layout.payload..packet.end);
                        run
                    }
                    _ => self.begin(flow, layout, bytes, packet),
                };
                if self.runs[run].may_go_on() {
                    if self.open.len() == MAX_FLOWS {
                        self.open.remove(0);
                    }
                    self.open.push(run);
                }
                return;
            }
            Class::Alone(flow) => {
                self.close(&flow);
            }
            Class::Unknown => self.open.clear(),
            Class::Joinable(..) | Class::Other => {}
        }
        self.begin(Flow::default(), Layout::default(), bytes, packet);
    }

    /// The run of this flow, which is not open any more.
    fn close(&mut self, flow: &Flow) -> Option<usize> {
        let runs = &self.runs;
        let place = self.open.iter().rposition(|&run| runs[run].flow == *flow)?;
        Some(self.open.remove(place))
    }

    fn begin(&mut self, flow: Flow, layout: Layout, bytes: &[u8], packet: Range<usize>) -> usize {
        self.runs.push(Run {
            flow,
            layout,
            start: packet.start,
            head: self.pieces.len(),
            bytes: layout.payload,
            size: bytes.len() - layout.payload,
            ..Run::default()
        });
        self.append(self.runs.len() - 1, bytes, packet);
        self.runs.len() - 1
    }

    fn append(&mut self, run: usize, bytes: &[u8], range: Range<usize>) {
        let run = &mut self.runs[run];
        let next = self.pieces.len();
        if run.count > 0 {
            self.pieces[run.tail].next = next;
        }
        self.pieces.push(Piece { range, next: 0 });
        run.tail = next;
        run.count += 1;
        let payload_bytes = bytes.len() - run.layout.payload;
        run.bytes += payload_bytes;
        if run.layout.payload == 0 {
            return;
        }
        run.id = identification(bytes);
        run.ended = payload_bytes < run.size;
        if run.flow.protocol == TCP {
            let transport = &bytes[run.layout.transport..];
            run.sequence = sequence(transport).wrapping_add(payload_bytes as u32);
            run.pushed = transport[13] & PSH != 0;
            run.ended |= run.pushed;
        }
    }

    /// Writes the headers of what was joined, in place. Nothing may be added after it.
    pub fn finish(&mut self, buffer: &mut [u8]) {
        for run in &mut self.runs {
            let start = self.ranges.len();
            let mut next = run.head;
            for _ in 0..run.count {
                let piece = &self.pieces[next];
                self.ranges.push(piece.range.clone());
                next = piece.next;
            }
            run.ranges = start..self.ranges.len();
            if run.count > 1 {
                run.vnet = run.write_headers(&mut buffer[run.start..]);
            }
        }
    }

    /// What to write, in order, once finished.
    pub fn items(&self) -> impl Iterator<Item = Item<'_>> {
        self.runs.iter().map(|run| Item {
            vnet: run.vnet,
            pieces: &self.ranges[run.ranges.clone()],
        })
    }
}

impl Run {
    fn may_go_on(&self) -> bool {
        let most = if self.flow.protocol == TCP {
            MAX_TCP_SEGMENTS
        } else {
            MAX_UDP_SEGMENTS
        };
        !self.ended && self.count < most
    }

    /// Whether the packet, of the same flow, is what comes next.
    fn is_followed_by(&self, buffer: &[u8], packet: &[u8], layout: Layout) -> bool {
        let payload_bytes = packet.len() - layout.payload;
        let first = &buffer[self.start..self.start + self.layout.payload + self.size];
        let id = identification(packet);
        let is_atomic = packet[0] >> 4 == 4 && packet[6] & DONT_FRAGMENT != 0;
        layout == self.layout
            && payload_bytes <= self.size
            && self.bytes + payload_bytes <= MAX_PACKET_BYTES
            && (packet[0] >> 4 == 6
                || id == self.id.wrapping_add(1)
                || (is_atomic && id == self.id))
            && (self.flow.protocol != TCP || sequence(&packet[layout.transport..]) == self.sequence)
            && has_same_headers(first, packet, self.flow.protocol, layout)
            && (self.count > 1 || verify(first, self.flow.protocol, layout))
            && verify(packet, self.flow.protocol, layout)
    }

    /// `first` begins with the first packet.
    fn write_headers(&self, first: &mut [u8]) -> Vnet {
        let Layout { transport, payload } = self.layout;
        let length = (self.bytes - transport) as u16;
        let (ip, header) = first[..payload].split_at_mut(transport);
        let (gso_type, addresses) = if ip[0] >> 4 == 4 {
            ip[2..4].copy_from_slice(&(self.bytes as u16).to_be_bytes());
            ip[10..12].fill(0);
            let checksum = !fold(sum(ip, 0));
            ip[10..12].copy_from_slice(&checksum.to_be_bytes());
            (GSO_TCPV4, &ip[12..20])
        } else {
            ip[4..6].copy_from_slice(&length.to_be_bytes());
            (GSO_TCPV6, &ip[8..40])
        };
        let pseudo = fold(pseudo_header(addresses, self.flow.protocol, length)).to_be_bytes();
        let (gso_type, csum_offset) = if self.flow.protocol == TCP {
            if self.pushed {
                header[13] |= PSH;
            }
            header[16..18].copy_from_slice(&pseudo);
            (gso_type, 16)
        } else {
            header[4..6].copy_from_slice(&length.to_be_bytes());
            header[6..8].copy_from_slice(&pseudo);
            (GSO_UDP_L4, 6)
        };
        Vnet {
            flags: NEEDS_CSUM,
            gso_type,
            header_bytes: payload as u16,
            gso_size: self.size as u16,
            csum_start: transport as u16,
            csum_offset,
        }
    }
}

fn identification(packet: &[u8]) -> u16 {
    u16::from_be_bytes([packet[4], packet[5]])
}

fn sequence(header: &[u8]) -> u32 {
    u32::from_be_bytes([header[4], header[5], header[6], header[7]])
}

#[cfg(test)]
#[path = "../tests/unit/coalesce.rs"]
mod tests;
