//! Links, addresses, routes and `WireGuard` devices of any network namespace, over netlink, without an async runtime.
//!
//! A [`Netlink`] or [`Wireguard`] is one socket. It is opened in a namespace (its own, or one given by path) and stays there; each call
//! sends one request and reads the kernel's answer, which takes microseconds. [`watch`] tells when something changed.
//! [`probe_socket`] is for what routes say of long packets.

mod address;
mod attribute;
mod error;
// To panic is how a target says what it found.
#[allow(clippy::missing_panics_doc)]
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod generic;
mod link;
mod probe;
mod route;
mod socket;
mod sys;
mod watch;
mod wireguard;

pub use address::{Address, Scope};
pub use error::{Error, Result};
pub use link::{Link, LinkChange};
pub use probe::probe_socket;
pub use route::{Path, Route, RouteKind};
pub use socket::Netlink;
pub use watch::{News, Watch, watch};
pub use wireguard::{
    SecretKey, Wireguard, WireguardChange, WireguardDevice, WireguardPeer, WireguardPeerChange,
};
