//! Numbered datagrams of one flow at a rate. Each begins with the flow (4 bytes) and its number (8), little-endian.

use std::net::SocketAddr;

use crate::arguments::{Arguments, Failure};
use crate::pace::paced;
use crate::sys;

/// Flow and number.
pub const HEADER_BYTES: usize = 12;

/// Sends and prints `{"flow", "sent", "seconds"}`.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let to: SocketAddr = arguments.get("to")?;
    let sizes = arguments.get::<String>("size")?;
    let sizes: Option<Vec<usize>> = sizes
        .split(',')
        .map(|size| size.parse().ok())
        .map(|size| size.filter(|size| (HEADER_BYTES..=65_507).contains(size)))
        .collect();
    let sizes =
        sizes.ok_or_else(|| Failure::Usage(format!("--size is {HEADER_BYTES} to 65507")))?;
    let socket = sys::connected(to).map_err(|error| Failure::System(format!("{to}: {error}")))?;
    let mut datagrams = vec![Vec::new(); sys::BATCH];
    let flow = std::process::id();
    let mut number = 0_u64;
    let sent = paced(arguments.get("rate")?, arguments.get("seconds")?, |due| {
        for (datagram, number) in datagrams.iter_mut().zip(number..).take(due) {
            datagram.resize(sizes[number as usize % sizes.len()], 0);
            datagram[..4].copy_from_slice(&flow.to_le_bytes());
            datagram[4..HEADER_BYTES].copy_from_slice(&number.to_le_bytes());
        }
        let sent = sys::send(&socket, &datagrams[..due])?;
        number += sent as u64;
        Ok(sent)
    });
    let sent = sent.map_err(|error| Failure::System(format!("sending to {to}: {error}")))?;
    sent.print(&format!(r#""flow":{flow},"#));
    Ok(())
}
