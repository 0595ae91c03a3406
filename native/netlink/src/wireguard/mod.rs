//! The kernel's `WireGuard` devices over generic netlink (linux/wireguard.h): read whole, changed by what is said.
//!
//! ```text
//! change -> write.rs: requests of bounded size ─┐                   ┌─ messages -> read.rs: device
//!                                               └─> Connection <────┘  (a dump; again if it was interrupted)
//! ```

pub(crate) mod read;
pub(crate) mod write;

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use netlink_sys::protocols::NETLINK_GENERIC;
use zeroize::Zeroizing;

use crate::attribute::{Writer, bytes_of};
use crate::error::Result;
use crate::generic::GenericMessage;
use crate::socket::Connection;

const GET_DEVICE: u8 = 0;
const SET_DEVICE: u8 = 1;

/// Kinds of attributes of a device.
mod device_attribute {
    pub(super) const NAME: u16 = 2;
    pub(super) const PRIVATE_KEY: u16 = 3;
    pub(super) const FLAGS: u16 = 5;
    pub(super) const LISTEN_PORT: u16 = 6;
    pub(super) const FWMARK: u16 = 7;
    pub(super) const PEERS: u16 = 8;
}

/// Kinds of attributes of a peer.
mod peer_attribute {
    pub(super) const PUBLIC_KEY: u16 = 1;
    pub(super) const PRESHARED_KEY: u16 = 2;
    pub(super) const FLAGS: u16 = 3;
    pub(super) const ENDPOINT: u16 = 4;
    pub(super) const PERSISTENT_KEEPALIVE: u16 = 5;
    pub(super) const LAST_HANDSHAKE: u16 = 6;
    pub(super) const RX_BYTES: u16 = 7;
    pub(super) const TX_BYTES: u16 = 8;
    pub(super) const ALLOWED_IPS: u16 = 9;
}

/// Kinds of attributes of an `AllowedIP`.
mod allowed_ip_attribute {
    pub(super) const FAMILY: u16 = 1;
    pub(super) const ADDRESS: u16 = 2;
    pub(super) const PREFIX_LENGTH: u16 = 3;
    /// Since Linux 6.16; a kernel that does not know it refuses the request with EINVAL.
    pub(super) const FLAGS: u16 = 4;
}

/// A private or preshared key, wiped when dropped.
pub type SecretKey = Zeroizing<[u8; 32]>;

/// What a device says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct WireguardDevice {
    /// None if it has none.
    pub private_key: Option<SecretKey>,
    /// Where it listens; 0 if that was not chosen yet.
    pub listen_port: u16,
    /// 0 is none.
    pub fwmark: u32,
    /// In the kernel's order.
    pub peers: Vec<WireguardPeer>,
}

/// What a device says of a peer.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct WireguardPeer {
    /// Who it is.
    pub public_key: [u8; 32],
    /// None if it has none.
    pub preshared_key: Option<SecretKey>,
    /// Where its packets go.
    pub endpoint: Option<SocketAddr>,
    /// Since 1970; zero is never.
    pub last_handshake: Duration,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Seconds; 0 is off.
    pub persistent_keepalive: u16,
    /// Address and prefix length.
    pub allowed_ips: Vec<(IpAddr, u8)>,
}

/// What to change of a device; what is none stays.
#[derive(Default)]
pub struct WireguardChange {
    /// Zeroes clear it.
    pub private_key: Option<SecretKey>,
    /// 0 lets the kernel choose.
    pub listen_port: Option<u16>,
    /// 0 is none.
    pub fwmark: Option<u32>,
    /// Remove every peer first.
    pub replace_peers: bool,
    /// In this order.
    pub peers: Vec<WireguardPeerChange>,
}

/// What to change of a peer; what is none stays.
#[derive(Default)]
pub struct WireguardPeerChange {
    /// Who it is.
    pub public_key: [u8; 32],
    /// Remove it.
    pub remove: bool,
    /// Change it only if it is there.
    pub update_only: bool,
    /// Zeroes clear it.
    pub preshared_key: Option<SecretKey>,
    /// Where its packets go.
    pub endpoint: Option<SocketAddr>,
    /// Seconds; 0 is off.
    pub persistent_keepalive: Option<u16>,
    /// Forget its `AllowedIPs` before adding those here.
    pub replace_allowed_ips: bool,
    /// Address, prefix length, and whether it is added (or else taken away).
    pub allowed_ips: Vec<(IpAddr, u8, bool)>,
}

/// A socket to the `WireGuard` devices of one network namespace.
pub struct Wireguard {
    connection: Connection<GenericMessage>,
    family: u16,
}

impl Wireguard {
    /// Opens a socket in the namespace at `path`, or in the caller's own; none if the kernel has no `WireGuard`, and no module of it.
    pub fn open(namespace: Option<&Path>) -> Result<Option<Self>> {
        let mut connection = Connection::open_protocol(namespace, NETLINK_GENERIC)?;
        match connection.family("wireguard") {
            Ok(family) => Ok(Some(Self { connection, family })),
            Err(error) if error.errno == libc::ENOENT => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All of a device. The errno is ENODEV if there is no such link, EOPNOTSUPP if it is of another kind.
    pub fn device(&mut self, name: &str) -> Result<WireguardDevice> {
        let what = format!("reading the WireGuard device {name}");
        let mut writer = Writer::new(bytes_of(name.len() + 1));
        write::put_name(&mut writer, name);
        let question = self.message(GET_DEVICE, writer.finish());
        let answer = self.connection.dump(&what, &question)?;
        read::device_of(&what, answer.iter().map(|message| &message.attributes[..]))
    }

    /// Changes a device, in the order of `change`; what came before an error stays.
    pub fn set_device(&mut self, name: &str, change: &WireguardChange) -> Result<()> {
        let what = format!("changing the WireGuard device {name}");
        write::each_request(name, change, write::REQUEST_BYTES, |attributes| {
            let request = self.message(SET_DEVICE, attributes);
            self.connection.change(&what, request, 0)
        })
    }

    fn message(&self, command: u8, attributes: Zeroizing<Vec<u8>>) -> GenericMessage {
        GenericMessage {
            family: self.family,
            command,
            attributes,
        }
    }
}

#[cfg(test)]
mod tests;
