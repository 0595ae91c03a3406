//! UDP sockets that ask how long a packet may be: what they send is never fragmented, neither here nor on its way, whatever
//! the host believes of the path.

use std::net::UdpSocket;

use crate::error::{Error, Result};
use crate::sys::unfragmented_socket;

/// Opens a probe socket bound to the port on all addresses of one family; `mark` is what routing rules see (0: none).
pub fn probe_socket(ipv6: bool, port: u16, mark: u32) -> Result<UdpSocket> {
    let what = format!("opening a path probe on UDP port {port}");
    unfragmented_socket(ipv6, port, mark).map_err(|error| Error::io(&what, &error))
}
