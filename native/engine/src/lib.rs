//! The packet half of a userspace `WireGuard` device. It knows sessions but no handshakes: those come up as events, and
//! keypairs come down as commands.
//!
//! ```text
//!            read          route, stage, seal              sendmmsg
//!   TUN  ----------> batch ------------------> datagrams ------------> UDP     outbound.rs, one thread
//!
//!            write         open, replay, check             recvmmsg
//!   TUN  <---------- batch <------------------ datagrams <------------ UDP     inbound.rs, one thread
//!                               |
//!                               +--> events (handshakes, timers, link) --> whoever holds the Engine
//! ```
//!
//! All state is one [`table::Table`] behind one lock: the threads take it for reading once a batch, commands take it for
//! writing. What both threads write (counters, times, replay windows) is atomic or has one writer.

// What is expected in them cannot fail: slices of a length just checked, and limits of ring beyond any packet.
#![allow(clippy::missing_panics_doc)]

pub mod allowed_ips;
pub mod arrival;
pub mod checksum;
pub mod coalesce;
pub mod cookie;
pub mod counters;
pub mod defect;
pub mod deliver;
pub mod endpoint;
pub mod engine;
pub mod error;
pub mod events;
pub mod flow;
pub mod gate;
pub mod icmp;
pub mod inbound;
pub mod keypair;
pub mod mac;
pub mod offload;
pub mod order;
pub mod outbound;
pub mod packet;
pub mod peer;
pub mod plane;
pub mod rate_limit;
pub mod replay;
pub mod segment;
pub mod stage;
pub mod status;
mod sys;
pub mod table;
pub mod tun;
pub mod udp;
pub mod vnet;
pub mod wire;
pub mod x25519;

pub use engine::{Engine, Options};
pub use error::Error;
