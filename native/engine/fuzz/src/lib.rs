//! What each target does with the bytes that it is fed. Apart from the targets, so that a test can run it too
//! (`../../tests/corpus.rs`).

pub mod allowed_ips;
pub mod coalesce;
pub mod gate;
pub mod icmp;
pub mod inbound;
pub mod packet;
pub mod packets;
pub mod segment;
