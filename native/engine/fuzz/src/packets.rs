//! IP packets for tests, made and checked in the plainest way: nothing here is the engine's.

pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
pub const ACK: u8 = 0x10;
pub const PSH: u8 = 0x08;

/// A packet by its fields. Lengths and checksums are made right.
#[derive(Clone, Debug)]
pub struct Packet {
    pub v6: bool,
    pub protocol: u8,
    pub source: u8,
    pub port: u8,
    pub traffic_class: u8,
    pub flow_label: u8,
    pub ttl: u8,
    /// "Don't fragment" in the first byte of flags and fragment offset.
    pub fragment: u8,
    pub id: u16,
    /// IPv4 options, or IPv6 extension headers, the first of which is a hop-by-hop one.
    pub extra: Vec<u8>,
    pub sequence: u32,
    pub acknowledgement: u32,
    pub flags: u8,
    pub window: u16,
    pub options: Vec<u8>,
    pub payload: Vec<u8>,
}

impl Default for Packet {
    fn default() -> Self {
        Self {
            v6: false,
            protocol: TCP,
            source: 1,
            port: 1,
            traffic_class: 0,
            flow_label: 0,
            ttl: 64,
            fragment: 0x40,
            id: 7,
            extra: vec![],
            sequence: 1000,
            acknowledgement: 2000,
            flags: ACK,
            window: 500,
            options: vec![1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2],
            payload: vec![b'x'; 100],
        }
    }
}

impl Packet {
    /// Where the transport header begins.
    pub fn transport(&self) -> usize {
        self.extra.len() + if self.v6 { 40 } else { 20 }
    }

    /// Length of all headers.
    pub fn header_bytes(&self) -> usize {
        self.transport()
            + match self.protocol {
                TCP => 20 + self.options.len(),
                UDP => 8,
                _ => 0,
            }
    }

    /// The packet.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.header_bytes()];
        bytes.extend(&self.payload);
        let transport = self.transport();
        if self.v6 {
            let next = if self.extra.is_empty() {
                self.protocol
            } else {
                0
            };
            let [a, b] = [0x60 | self.traffic_class >> 4, self.traffic_class << 4];
            bytes[..8].copy_from_slice(&[a, b, 0, self.flow_label, 0, 0, next, self.ttl]);
            bytes[8..40].fill(0xfd);
            bytes[23] = self.source;
        } else {
            let ihl = 5 + self.extra.len() as u8 / 4;
            let [id, id_low] = self.id.to_be_bytes();
            let head = [
                0x40 | ihl,
                self.traffic_class,
                0,
                0,
                id,
                id_low,
                self.fragment,
                0,
                self.ttl,
                self.protocol,
            ];
            bytes[..10].copy_from_slice(&head);
            bytes[12..20].copy_from_slice(&[10, 0, 0, self.source, 10, 0, 0, 99]);
        }
        bytes[transport - self.extra.len()..transport].copy_from_slice(&self.extra);
        let header = &mut bytes[transport..];
        if matches!(self.protocol, TCP | UDP) {
            header[..4].copy_from_slice(&[4, self.port, 20, 81]);
        }
        if self.protocol == TCP {
            header[4..8].copy_from_slice(&self.sequence.to_be_bytes());
            header[8..12].copy_from_slice(&self.acknowledgement.to_be_bytes());
            header[12] = (20 + self.options.len() as u8) << 2;
            header[13] = self.flags;
            header[14..16].copy_from_slice(&self.window.to_be_bytes());
            header[20..20 + self.options.len()].copy_from_slice(&self.options);
        }
        finish(&mut bytes, transport, self.protocol);
        bytes
    }
}

/// RFC 1071, word by word.
pub fn sum(pieces: &[&[u8]]) -> u16 {
    let mut sum = 0_u32;
    for pair in pieces.concat().chunks(2) {
        sum += u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |&low| u32::from(low));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// Sum of the pseudo header of a packet with no routing header.
pub fn pseudo(packet: &[u8], transport: usize, protocol: u8) -> u16 {
    let length = (packet.len() - transport) as u16;
    let addresses = if packet[0] >> 4 == 4 {
        &packet[12..20]
    } else {
        &packet[8..40]
    };
    sum(&[addresses, &[0, protocol], &length.to_be_bytes()])
}

/// Where the checksum of a protocol is in its header.
pub fn checksum_offset(protocol: u8) -> Option<usize> {
    match protocol {
        TCP => Some(16),
        UDP => Some(6),
        _ => None,
    }
}

/// Writes all lengths and checksums. The slice is a packet with room for its headers.
pub fn finish(packet: &mut [u8], transport: usize, protocol: u8) {
    let length = packet.len();
    if packet[0] >> 4 == 4 {
        packet[2..4].copy_from_slice(&(length as u16).to_be_bytes());
        packet[10..12].fill(0);
        let header_bytes = usize::from(packet[0] & 15) * 4;
        let checksum = !sum(&[&packet[..header_bytes]]);
        packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    } else {
        packet[4..6].copy_from_slice(&(length as u16 - 40).to_be_bytes());
    }
    if protocol == UDP {
        packet[transport + 4..transport + 6]
            .copy_from_slice(&((length - transport) as u16).to_be_bytes());
    }
    let Some(offset) = checksum_offset(protocol) else {
        return;
    };
    let place = transport + offset;
    packet[place..place + 2].fill(0);
    let pseudo = pseudo(packet, transport, protocol);
    let checksum = match !sum(&[&pseudo.to_be_bytes(), &packet[transport..]]) {
        0 if protocol == UDP => 0xffff,
        checksum => checksum,
    };
    packet[place..place + 2].copy_from_slice(&checksum.to_be_bytes());
}

/// Writes the sum of the pseudo header in place of the checksum: what a sender leaves to the device.
pub fn unfinish(packet: &mut [u8], transport: usize, protocol: u8) {
    let sum = pseudo(packet, transport, protocol);
    if let Some(offset) = checksum_offset(protocol) {
        packet[transport + offset..transport + offset + 2].copy_from_slice(&sum.to_be_bytes());
    }
}
