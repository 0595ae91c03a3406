//! A device from the messages of a dump. A peer whose `AllowedIPs` did not fit goes on, with its key, in the next message.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::time::Duration;

use super::{
    SecretKey, WireguardDevice, WireguardPeer, allowed_ip_attribute, device_attribute,
    peer_attribute,
};
use crate::attribute::{Attribute, attributes};
use crate::error::{Error, Result};

/// The device that these messages' attributes tell of. Attributes that are not known are passed over.
pub(crate) fn device_of<'a>(
    what: &str,
    messages: impl Iterator<Item = &'a [u8]>,
) -> Result<WireguardDevice> {
    let mut device = WireguardDevice::default();
    for message in messages {
        for attribute in attributes(what, message) {
            let attribute = attribute?;
            match attribute.kind {
                device_attribute::PRIVATE_KEY => device.private_key = secret(what, &attribute)?,
                device_attribute::LISTEN_PORT => {
                    device.listen_port = u16::from_ne_bytes(attribute.fixed(what)?);
                }
                device_attribute::FWMARK => {
                    device.fwmark = u32::from_ne_bytes(attribute.fixed(what)?);
                }
                device_attribute::PEERS => {
                    for peer in attributes(what, attribute.value) {
                        add_peer(&mut device.peers, peer_of(what, peer?.value)?);
                    }
                }
                _ => {}
            }
        }
    }
    Ok(device)
}

fn add_peer(peers: &mut Vec<WireguardPeer>, peer: WireguardPeer) {
    match peers.last_mut() {
        Some(last) if last.public_key == peer.public_key => {
            last.allowed_ips.extend(peer.allowed_ips);
        }
        _ => peers.push(peer),
    }
}

fn peer_of(what: &str, bytes: &[u8]) -> Result<WireguardPeer> {
    let mut peer = WireguardPeer::default();
    let mut public_key = None;
    for attribute in attributes(what, bytes) {
        let attribute = attribute?;
        match attribute.kind {
            peer_attribute::PUBLIC_KEY => public_key = Some(attribute.fixed(what)?),
            peer_attribute::PRESHARED_KEY => peer.preshared_key = secret(what, &attribute)?,
            peer_attribute::ENDPOINT => peer.endpoint = Some(endpoint(what, &attribute)?),
            peer_attribute::PERSISTENT_KEEPALIVE => {
                peer.persistent_keepalive = u16::from_ne_bytes(attribute.fixed(what)?);
            }
            peer_attribute::LAST_HANDSHAKE => peer.last_handshake = time(what, &attribute)?,
            peer_attribute::RX_BYTES => {
                peer.rx_bytes = u64::from_ne_bytes(attribute.fixed(what)?);
            }
            peer_attribute::TX_BYTES => {
                peer.tx_bytes = u64::from_ne_bytes(attribute.fixed(what)?);
            }
            peer_attribute::ALLOWED_IPS => {
                for allowed_ip in attributes(what, attribute.value) {
                    peer.allowed_ips.push(prefix(what, allowed_ip?.value)?);
                }
            }
            _ => {}
        }
    }
    peer.public_key = public_key.ok_or_else(|| incomplete(what, "a peer without a key"))?;
    Ok(peer)
}

/// A key, not left on the stack; zeroes mean that there is none.
fn secret(what: &str, attribute: &Attribute<'_>) -> Result<Option<SecretKey>> {
    let mut key = SecretKey::default();
    if attribute.value.len() != key.len() {
        return Err(attribute.wrong(what));
    }
    key.copy_from_slice(attribute.value);
    Ok(key.iter().any(|byte| *byte != 0).then_some(key))
}

/// A `sockaddr_in` or `sockaddr_in6`.
fn endpoint(what: &str, attribute: &Attribute<'_>) -> Result<SocketAddr> {
    let (family, rest) = attribute
        .value
        .split_first_chunk()
        .ok_or_else(|| attribute.wrong(what))?;
    match (i32::from(u16::from_ne_bytes(*family)), rest) {
        (libc::AF_INET, [p0, p1, a, b, c, d, ..]) => {
            let address = Ipv4Addr::new(*a, *b, *c, *d);
            Ok(SocketAddrV4::new(address, u16::from_be_bytes([*p0, *p1])).into())
        }
        (libc::AF_INET6, rest) => {
            let bytes: &[u8; 26] = rest.try_into().map_err(|_| attribute.wrong(what))?;
            let [p0, p1, f0, f1, f2, f3, address @ .., s0, s1, s2, s3] = *bytes;
            let address: [u8; 16] = address;
            Ok(SocketAddrV6::new(
                Ipv6Addr::from(address),
                u16::from_be_bytes([p0, p1]),
                u32::from_ne_bytes([f0, f1, f2, f3]),
                u32::from_ne_bytes([s0, s1, s2, s3]),
            )
            .into())
        }
        _ => Err(attribute.wrong(what)),
    }
}

/// A `__kernel_timespec`: seconds and nanoseconds, of 64 bits each.
fn time(what: &str, attribute: &Attribute<'_>) -> Result<Duration> {
    let bytes: [u8; 16] = attribute.fixed(what)?;
    let [seconds, nanoseconds] = [0, 8].map(|at| {
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[at..at + 8]);
        u64::from_ne_bytes(word)
    });
    if nanoseconds >= 1_000_000_000 {
        return Err(attribute.wrong(what));
    }
    Ok(Duration::new(seconds, nanoseconds as u32))
}

fn prefix(what: &str, bytes: &[u8]) -> Result<(IpAddr, u8)> {
    let mut address = None;
    let mut length = None;
    for attribute in attributes(what, bytes) {
        let attribute = attribute?;
        match attribute.kind {
            allowed_ip_attribute::ADDRESS => {
                address = Some(if attribute.value.len() == 4 {
                    IpAddr::from(attribute.fixed::<4>(what)?)
                } else {
                    IpAddr::from(attribute.fixed::<16>(what)?)
                });
            }
            allowed_ip_attribute::PREFIX_LENGTH => {
                length = Some(u8::from_ne_bytes(attribute.fixed(what)?));
            }
            _ => {}
        }
    }
    match (address, length) {
        (Some(IpAddr::V4(address)), Some(length @ 0..=32)) => Ok((address.into(), length)),
        (Some(IpAddr::V6(address)), Some(length @ 0..=128)) => Ok((address.into(), length)),
        _ => Err(incomplete(what, "an AllowedIP that is no prefix")),
    }
}

fn incomplete(what: &str, which: &str) -> Error {
    Error::other(what, format!("an answer that cannot be read: {which}"))
}
