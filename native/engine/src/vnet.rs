//! The header that a TUN with `IFF_VNET_HDR` puts before each packet (`virtio_net_hdr`, native byte order): what is left to
//! do to the packet, a checksum to complete or a super-packet to cut.

/// Length of the header, unless `TUNSETVNETHDRSZ` says otherwise.
pub const VNET_BYTES: usize = 10;

/// In `flags`: the transport checksum covers only the pseudo header yet.
pub const NEEDS_CSUM: u8 = 1;
/// In `gso_type`: one packet.
pub const GSO_NONE: u8 = 0;
/// In `gso_type`: TCP over IPv4.
pub const GSO_TCPV4: u8 = 1;
/// In `gso_type`: TCP over IPv6.
pub const GSO_TCPV6: u8 = 4;
/// In `gso_type`: UDP datagrams one after the other, of either family.
pub const GSO_UDP_L4: u8 = 5;
/// In `gso_type`, beside TCP: CWR may be set, and belongs to the first segment alone.
pub const GSO_ECN: u8 = 0x80;

/// One header. The default is that of a packet with nothing left to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vnet {
    /// `NEEDS_CSUM`, or none.
    pub flags: u8,
    /// One of `GSO_NONE` to `GSO_UDP_L4`, with `GSO_ECN`.
    pub gso_type: u8,
    /// Length of the headers (`hdr_len`). The kernel writes it wrong on packets that it forwards.
    pub header_bytes: u16,
    /// Payload of each segment but the last.
    pub gso_size: u16,
    /// Where the checksum begins to count: the transport header.
    pub csum_start: u16,
    /// Where it goes, from `csum_start`.
    pub csum_offset: u16,
}

impl Vnet {
    /// Reads what the TUN gave.
    #[must_use]
    pub fn read(bytes: &[u8; VNET_BYTES]) -> Self {
        let [flags, gso_type, fields @ ..] = bytes;
        let field = |place: usize| u16::from_ne_bytes([fields[2 * place], fields[2 * place + 1]]);
        Self {
            flags: *flags,
            gso_type: *gso_type,
            header_bytes: field(0),
            gso_size: field(1),
            csum_start: field(2),
            csum_offset: field(3),
        }
    }

    /// What the TUN takes.
    #[must_use]
    pub fn write(&self) -> [u8; VNET_BYTES] {
        let mut bytes = [self.flags, self.gso_type, 0, 0, 0, 0, 0, 0, 0, 0];
        let fields = [
            self.header_bytes,
            self.gso_size,
            self.csum_start,
            self.csum_offset,
        ];
        for (to, field) in bytes[2..].as_chunks_mut().0.iter_mut().zip(fields) {
            *to = field.to_ne_bytes();
        }
        bytes
    }
}

#[cfg(test)]
#[path = "../tests/unit/vnet.rs"]
mod tests;
