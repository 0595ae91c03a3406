//! A change as requests that fit a message. What acts on the whole (keys, replace flags) is in the first request of its device or
//! peer only; a peer whose `AllowedIPs` do not fit goes on in the next, by its key, and only if it is still there.

use std::net::{IpAddr, SocketAddr};

use zeroize::Zeroizing;

use super::{
    WireguardChange, WireguardPeerChange, allowed_ip_attribute, device_attribute, peer_attribute,
};
use crate::address::family_of;
use crate::attribute::{HEADER_BYTES, Nest, Writer, bytes_of};
use crate::error::Result;

/// Below the 64 KiB that the length of an attribute can say, and what a socket's send buffer holds.
pub(super) const REQUEST_BYTES: usize = 32 * 1024;

const REPLACE_PEERS: u32 = 1;
const REMOVE_PEER: u32 = 1;
const REPLACE_ALLOWED_IPS: u32 = 1 << 1;
const UPDATE_ONLY: u32 = 1 << 2;
const REMOVE_ALLOWED_IP: u32 = 1;

/// The most that an `AllowedIP` takes: its family, an IPv6 address, the prefix length and flags.
const ALLOWED_IP_BYTES: usize =
    HEADER_BYTES + bytes_of(2) + bytes_of(16) + bytes_of(1) + bytes_of(4);
/// The most that a peer takes with one `AllowedIP`: itself, two keys, flags, an IPv6 endpoint, the keepalive, the list.
const PEER_BYTES: usize = HEADER_BYTES
    + 2 * bytes_of(32)
    + bytes_of(4)
    + bytes_of(28)
    + bytes_of(2)
    + HEADER_BYTES
    + ALLOWED_IP_BYTES;

/// Calls `send` with the attributes of each request of at most `request_bytes`, until it fails.
pub(crate) fn each_request(
    name: &str,
    change: &WireguardChange,
    request_bytes: usize,
    send: impl FnMut(Zeroizing<Vec<u8>>) -> Result<()>,
) -> Result<()> {
    let mut writer = Writer::new(request_bytes);
    put_name(&mut writer, name);
    if let Some(key) = &change.private_key {
        writer.put(device_attribute::PRIVATE_KEY, &key[..]);
    }
    if let Some(port) = change.listen_port {
        writer.put(device_attribute::LISTEN_PORT, &port.to_ne_bytes());
    }
    if let Some(mark) = change.fwmark {
        writer.put(device_attribute::FWMARK, &mark.to_ne_bytes());
    }
    if change.replace_peers {
        writer.put(device_attribute::FLAGS, &REPLACE_PEERS.to_ne_bytes());
    }
    let peers = writer.open(device_attribute::PEERS);
    let mut requests = Requests {
        name,
        request_bytes,
        writer,
        peers,
        send,
    };
    for peer in &change.peers {
        requests.put_peer(peer)?;
    }
    let Requests {
        mut writer,
        peers,
        mut send,
        ..
    } = requests;
    writer.close(peers);
    send(writer.finish())
}

/// The request that is being written.
struct Requests<'a, Send> {
    name: &'a str,
    request_bytes: usize,
    writer: Writer,
    peers: Nest,
    send: Send,
}

impl<Send: FnMut(Zeroizing<Vec<u8>>) -> Result<()>> Requests<'_, Send> {
    fn put_peer(&mut self, peer: &WireguardPeerChange) -> Result<()> {
        if !self.writer.fits(PEER_BYTES) {
            self.next()?;
        }
        let mut nest = self.writer.open(0);
        self.writer
            .put(peer_attribute::PUBLIC_KEY, &peer.public_key);
        if let Some(key) = &peer.preshared_key {
            self.writer.put(peer_attribute::PRESHARED_KEY, &key[..]);
        }
        let flags = [
            (peer.remove, REMOVE_PEER),
            (peer.update_only, UPDATE_ONLY),
            (peer.replace_allowed_ips, REPLACE_ALLOWED_IPS),
        ];
        put_flags(&mut self.writer, peer_attribute::FLAGS, &flags);
        if let Some(endpoint) = peer.endpoint {
            put_endpoint(&mut self.writer, endpoint);
        }
        if let Some(seconds) = peer.persistent_keepalive {
            let kind = peer_attribute::PERSISTENT_KEEPALIVE;
            self.writer.put(kind, &seconds.to_ne_bytes());
        }
        let mut list = self.writer.open(peer_attribute::ALLOWED_IPS);
        for &(address, length, added) in &peer.allowed_ips {
            if !self.writer.fits(ALLOWED_IP_BYTES) {
                self.writer.close(list);
                self.writer.close(nest);
                self.next()?;
                nest = self.writer.open(0);
                self.writer
                    .put(peer_attribute::PUBLIC_KEY, &peer.public_key);
                let kind = peer_attribute::FLAGS;
                put_flags(&mut self.writer, kind, &[(true, UPDATE_ONLY)]);
                list = self.writer.open(peer_attribute::ALLOWED_IPS);
            }
            put_allowed_ip(&mut self.writer, address, length, added);
        }
        self.writer.close(list);
        self.writer.close(nest);
        Ok(())
    }

    /// Sends what is there and begins the next request.
    fn next(&mut self) -> Result<()> {
        let mut writer = Writer::new(self.request_bytes);
        put_name(&mut writer, self.name);
        let peers = writer.open(device_attribute::PEERS);
        let mut full = std::mem::replace(&mut self.writer, writer);
        full.close(std::mem::replace(&mut self.peers, peers));
        (self.send)(full.finish())
    }
}

pub(super) fn put_name(writer: &mut Writer, name: &str) {
    let value = [name.as_bytes(), b"\0"].concat();
    writer.put(device_attribute::NAME, &value);
}

/// No attribute where no flag is set.
fn put_flags(writer: &mut Writer, kind: u16, flags: &[(bool, u32)]) {
    let set = flags
        .iter()
        .filter(|(is, _)| *is)
        .fold(0, |all, (_, flag)| all | flag);
    if set != 0 {
        writer.put(kind, &set.to_ne_bytes());
    }
}

/// As a `sockaddr_in` or `sockaddr_in6`.
pub(super) fn put_endpoint(writer: &mut Writer, endpoint: SocketAddr) {
    let family = family_bytes(endpoint.ip());
    let port = endpoint.port().to_be_bytes();
    let value = match endpoint {
        SocketAddr::V4(v4) => [&family[..], &port, &v4.ip().octets(), &[0; 8]].concat(),
        SocketAddr::V6(v6) => {
            let [flow, scope] = [v6.flowinfo(), v6.scope_id()].map(u32::to_ne_bytes);
            [&family[..], &port, &flow, &v6.ip().octets(), &scope].concat()
        }
    };
    writer.put(peer_attribute::ENDPOINT, &value);
}

pub(super) fn put_allowed_ip(writer: &mut Writer, address: IpAddr, length: u8, added: bool) {
    let nest = writer.open(0);
    writer.put(allowed_ip_attribute::FAMILY, &family_bytes(address));
    match address {
        IpAddr::V4(v4) => writer.put(allowed_ip_attribute::ADDRESS, &v4.octets()),
        IpAddr::V6(v6) => writer.put(allowed_ip_attribute::ADDRESS, &v6.octets()),
    }
    writer.put(allowed_ip_attribute::PREFIX_LENGTH, &[length]);
    let kind = allowed_ip_attribute::FLAGS;
    put_flags(writer, kind, &[(!added, REMOVE_ALLOWED_IP)]);
    writer.close(nest);
}

fn family_bytes(address: IpAddr) -> [u8; 2] {
    u16::from(u8::from(family_of(address))).to_ne_bytes()
}
