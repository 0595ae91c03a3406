//! Numbered datagrams of one flow at a rate. Each begins with the flow (4 bytes) and its number (8), little-endian.

use std::net::SocketAddr;

use crate::arguments::Arguments;
use crate::pace::paced;
use crate::sys;

/// Flow and number.
pub const HEADER_BYTES: usize = 12;

/// Sends and prints `{"flow", "sent", "seconds"}`.
pub fn run(arguments: &Arguments) -> Result<(), String> {
    let to: SocketAddr = arguments.get("to")?;
    let size: usize = arguments.get("size")?;
    if !(HEADER_BYTES..=65_507).contains(&size) {
        return Err(format!("--size is {HEADER_BYTES} to 65507"));
    }
    let segments: usize = arguments.get_or("segments", 1)?;
    if !(1..=sys::MAX_SEGMENTS).contains(&segments) || segments * size > 65_507 {
        return Err(format!(
            "--segments is 1 to {}, of 65507 bytes at most",
            sys::MAX_SEGMENTS
        ));
    }
    let socket = sys::connected(to).map_err(|error| format!("{to}: {error}"))?;
    if segments > 1 {
        sys::segment(&socket, size).map_err(|error| format!("UDP_SEGMENT: {error}"))?;
    }
    let mut messages = vec![vec![0; segments * size]; sys::BATCH];
    let flow = std::process::id();
    let mut number = 0_u64;
    let rate = arguments.get::<u32>("rate")? / segments as u32;
    let sent = paced(rate, arguments.get("seconds")?, |due| {
        let datagrams = messages.iter_mut().take(due);
        let datagrams = datagrams.flat_map(|message| message.chunks_exact_mut(size));
        for (datagram, number) in datagrams.zip(number..) {
            datagram[..4].copy_from_slice(&flow.to_le_bytes());
            datagram[4..HEADER_BYTES].copy_from_slice(&number.to_le_bytes());
        }
        let sent = sys::send(&socket, &messages[..due])?;
        number += (sent * segments) as u64;
        Ok(sent)
    });
    let mut sent = sent.map_err(|error| format!("sending to {to}: {error}"))?;
    sent.datagrams = number;
    sent.print(&format!(r#""flow":{flow},"#));
    Ok(())
}
