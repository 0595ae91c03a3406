//! The kernel's `WireGuard` devices for JavaScript, through `src/native/wireguard-link.ts`. Each call has a socket of its own, so
//! that nothing keeps a namespace alive, and nothing a key.
#![allow(clippy::needless_pass_by_value)] // napi hands arguments over as owned values

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::Path;

use napi::bindgen_prelude::{BigInt, Buffer, Uint8Array};
use napi_derive::napi;
use podwire_netlink as netlink;

use crate::error::coded;
use crate::link::{Result, error, no_wireguard, parse_cidr, system};

/// A device as it is.
#[napi(object, object_from_js = false)]
pub struct WireguardDevice {
    pub private_key: Option<Buffer>,
    pub listen_port: u32,
    pub fwmark: u32,
    pub peers: Vec<WireguardPeer>,
}

/// A peer as it is.
#[napi(object, object_from_js = false)]
pub struct WireguardPeer {
    pub public_key: Buffer,
    pub preshared_key: Option<Buffer>,
    pub endpoint: Option<String>,
    /// Since 1970; 0 is never.
    pub last_handshake_ms: i64,
    pub tx_bytes: BigInt,
    pub rx_bytes: BigInt,
    pub persistent_keepalive_seconds: u32,
    /// Separated by spaces.
    pub allowed_ips: String,
}

/// What to change of a device.
#[napi(object, object_to_js = false)]
pub struct WireguardChange {
    pub private_key: Option<Uint8Array>,
    pub listen_port: Option<f64>,
    pub fwmark: Option<f64>,
    pub replace_peers: Option<bool>,
    pub peers: Vec<WireguardPeerChange>,
}

/// What to change of a peer.
#[napi(object, object_to_js = false)]
pub struct WireguardPeerChange {
    pub public_key: Uint8Array,
    pub remove: Option<bool>,
    pub update_only: Option<bool>,
    pub preshared_key: Option<Uint8Array>,
    pub endpoint: Option<String>,
    pub persistent_keepalive_seconds: Option<f64>,
    pub replace_allowed_ips: Option<bool>,
    /// Separated by spaces.
    pub allowed_ips: String,
    /// To take away, separated by spaces.
    pub remove_allowed_ips: String,
}

/// Whether the kernel has `WireGuard`, or a module of it, which is then loaded.
#[napi]
pub fn has_wireguard() -> Result<bool> {
    Ok(netlink::Wireguard::open(None).map_err(error)?.is_some())
}

#[napi]
pub fn get_wireguard(name: String, namespace_path: Option<String>) -> Result<WireguardDevice> {
    let device = open(namespace_path)?
        .device(&name)
        .map_err(|cause| refused(cause, name, None))?;
    Ok(WireguardDevice {
        private_key: device.private_key.map(buffer),
        listen_port: device.listen_port.into(),
        fwmark: device.fwmark,
        peers: device.peers.into_iter().map(peer_state).collect(),
    })
}

#[napi]
pub fn set_wireguard(
    name: String,
    change: WireguardChange,
    namespace_path: Option<String>,
) -> Result<()> {
    let port = change
        .listen_port
        .map(|port| whole(port, "the listen port", u16::MAX))
        .transpose()?;
    let change = netlink::WireguardChange {
        private_key: change.private_key.map(secret).transpose()?,
        listen_port: port,
        fwmark: change
            .fwmark
            .map(|mark| whole(mark, "the mark", u32::MAX))
            .transpose()?,
        replace_peers: change.replace_peers.unwrap_or(false),
        peers: change
            .peers
            .into_iter()
            .map(peer_change)
            .collect::<Result<_>>()?,
    };
    open(namespace_path)?
        .set_device(&name, &change)
        .map_err(|cause| refused(cause, name, port))
}

fn open(namespace_path: Option<String>) -> Result<netlink::Wireguard> {
    let path = namespace_path.as_deref().map(Path::new);
    let opened = netlink::Wireguard::open(path).map_err(error)?;
    opened.ok_or_else(no_wireguard)
}

fn refused(cause: netlink::Error, name: String, port: Option<u16>) -> napi::Error<String> {
    match (cause.errno, port) {
        (libc::ENODEV | libc::EOPNOTSUPP, _) => {
            let values = [("name", name), ("reason", cause.reason)];
            coded("ERR_PODWIRE_NO_DEVICE", &values)
        }
        (libc::EADDRINUSE, Some(port)) => {
            coded("ERR_PODWIRE_PORT_IN_USE", &[("port", port.to_string())])
        }
        _ => error(cause),
    }
}

/// The memory goes to JavaScript, where a `Secret` wipes it.
fn buffer(key: netlink::SecretKey) -> Buffer {
    key.to_vec().into()
}

fn secret(bytes: Uint8Array) -> Result<netlink::SecretKey> {
    let mut key = netlink::SecretKey::default();
    if bytes.len() != key.len() {
        return Err(system("reading a key", "it has not 32 bytes"));
    }
    key.copy_from_slice(&bytes);
    Ok(key)
}

fn peer_state(peer: netlink::WireguardPeer) -> WireguardPeer {
    let prefixes: Vec<String> = peer
        .allowed_ips
        .iter()
        .map(|(address, length)| format!("{address}/{length}"))
        .collect();
    WireguardPeer {
        public_key: peer.public_key.to_vec().into(),
        preshared_key: peer.preshared_key.map(buffer),
        endpoint: peer.endpoint.map(|endpoint| endpoint.to_string()),
        last_handshake_ms: peer.last_handshake.as_millis() as i64,
        tx_bytes: peer.tx_bytes.into(),
        rx_bytes: peer.rx_bytes.into(),
        persistent_keepalive_seconds: peer.persistent_keepalive.into(),
        allowed_ips: prefixes.join(" "),
    }
}

fn peer_change(peer: WireguardPeerChange) -> Result<netlink::WireguardPeerChange> {
    let public_key = *secret(peer.public_key)?;
    let prefixes = |text: String, added| {
        let parsed = text.split_ascii_whitespace().map(|text| {
            let (address, length) = parse_cidr(text)?;
            Ok((address, length, added))
        });
        parsed.collect::<Result<Vec<_>>>()
    };
    let mut allowed_ips = prefixes(peer.allowed_ips, true)?;
    allowed_ips.extend(prefixes(peer.remove_allowed_ips, false)?);
    Ok(netlink::WireguardPeerChange {
        public_key,
        remove: peer.remove.unwrap_or(false),
        update_only: peer.update_only.unwrap_or(false),
        preshared_key: peer.preshared_key.map(secret).transpose()?,
        endpoint: peer
            .endpoint
            .map(|text| parse_endpoint(&text))
            .transpose()?,
        persistent_keepalive: peer
            .persistent_keepalive_seconds
            .map(|seconds| whole(seconds, "the persistent keepalive", u16::MAX))
            .transpose()?,
        replace_allowed_ips: peer.replace_allowed_ips.unwrap_or(false),
        allowed_ips,
    })
}

/// A number of JavaScript as one of the kernel's: what does not fit is refused, never cut.
fn whole<T: TryFrom<i64> + Display>(value: f64, place: &str, highest: T) -> Result<T> {
    let whole = Some(value).filter(|value| value.fract() == 0.0);
    let number = whole.and_then(|value| T::try_from(value as i64).ok());
    number.ok_or_else(|| {
        let values = [
            ("where", place.to_owned()),
            ("text", value.to_string()),
            ("expected", format!("a whole number from 0 to {highest}")),
        ];
        coded("ERR_PODWIRE_VALUE", &values)
    })
}

fn parse_endpoint(text: &str) -> Result<SocketAddr> {
    text.parse().map_err(|_| {
        let values = [
            ("where", "endpoint".to_owned()),
            ("text", text.to_owned()),
            ("reason", "expected an address and a port".to_owned()),
        ];
        coded("ERR_PODWIRE_ENDPOINT", &values)
    })
}
