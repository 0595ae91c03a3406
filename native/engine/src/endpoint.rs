//! Where a peer is, and the address of ours that it knows.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// A peer's address, and the local one that packets to it leave from (`None`: the kernel chooses).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where its packets come from, or where configuration says that it is.
    pub remote: SocketAddr,
    /// Where its packets arrived.
    pub local: Option<IpAddr>,
}

impl Endpoint {
    /// One named by configuration.
    #[must_use]
    pub fn configured(remote: SocketAddr) -> Self {
        Self {
            remote,
            local: None,
        }
    }
}

/// An endpoint and the length of the message that came from it, as bytes that JavaScript carries but does not read.
pub const SOURCE_BYTES: usize = 42;

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// Packs the source of a handshake message of `message_bytes`.
#[must_use]
pub fn pack_source(endpoint: &Endpoint, message_bytes: usize) -> [u8; SOURCE_BYTES] {
    let mut packed = [0; SOURCE_BYTES];
    packed[0] = u8::from(endpoint.remote.is_ipv6());
    packed[1] = u8::from(endpoint.local.is_some());
    packed[2..4].copy_from_slice(&endpoint.remote.port().to_le_bytes());
    if let SocketAddr::V6(v6) = endpoint.remote {
        packed[4..8].copy_from_slice(&v6.scope_id().to_le_bytes());
    }
    packed[8..24].copy_from_slice(&octets(endpoint.remote.ip()));
    if let Some(local) = endpoint.local {
        packed[24..40].copy_from_slice(&octets(local));
    }
    packed[40..].copy_from_slice(&(message_bytes as u16).to_le_bytes());
    packed
}

/// Unpacks what `pack_source` made: the endpoint, and the length of the message.
#[must_use]
pub fn unpack_source(packed: &[u8]) -> Option<(Endpoint, usize)> {
    let packed: &[u8; SOURCE_BYTES] = packed.try_into().ok()?;
    let number = |at: usize| u16::from_le_bytes([packed[at], packed[at + 1]]);
    let address = |at: usize| -> Ipv6Addr {
        let octets: [u8; 16] = packed[at..at + 16].try_into().expect("sixteen bytes");
        octets.into()
    };
    let v4 = |at: usize| -> Option<Ipv4Addr> { address(at).to_ipv4_mapped() };
    let v6 = packed[0] == 1;
    let remote: SocketAddr = if v6 {
        let scope = u32::from(number(4)) | u32::from(number(6)) << 16;
        SocketAddrV6::new(address(8), number(2), 0, scope).into()
    } else {
        SocketAddrV4::new(v4(8)?, number(2)).into()
    };
    let local = match packed[1] {
        0 => None,
        _ if v6 => Some(address(24).into()),
        _ => Some(v4(24)?.into()),
    };
    Some((Endpoint { remote, local }, usize::from(number(40))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_packs_and_unpacks() {
        let cases = [
            ("192.0.2.1:51820", None),
            ("192.0.2.1:51820", Some("192.0.2.9")),
            ("[2001:db8::1]:1", Some("2001:db8::2")),
            ("[fe80::1%7]:65535", Some("fe80::2")),
        ];
        for (remote, local) in cases {
            let endpoint = Endpoint {
                remote: remote.parse().unwrap(),
                local: local.map(|local| local.parse().unwrap()),
            };
            assert_eq!(
                unpack_source(&pack_source(&endpoint, 148)),
                Some((endpoint, 148)),
                "{remote}"
            );
        }
        assert_eq!(unpack_source(&[0; SOURCE_BYTES - 1]), None);
        assert_eq!(unpack_source(&[0; SOURCE_BYTES]), None);
    }
}
