//! Numbered datagrams of one flow at a rate. Each begins with the flow (4 bytes) and its number (8), little-endian.

use std::net::SocketAddr;

use crate::arguments::{Arguments, Failure};
use crate::pace::{Span, paced};
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
    let segments: usize = arguments.get_or("segments", 1)?;
    let fits = (2..=sys::MAX_SEGMENTS).contains(&segments) && segments * sizes[0] <= 65_507;
    if segments != 1 && (sizes.len() > 1 || !fits) {
        let reason = "--segments is 1 to 64, of one size, and of 65507 bytes at most";
        return Err(Failure::Usage(reason.into()));
    }
    let socket = sys::connected(to).map_err(|error| Failure::System(format!("{to}: {error}")))?;
    if segments > 1 {
        sys::segment(&socket, sizes[0])
            .map_err(|error| Failure::System(format!("UDP_SEGMENT: {error}")))?;
    }
    let mut messages = vec![Vec::new(); sys::BATCH];
    let flow = std::process::id();
    let mut number = 0_u64;
    let rate = arguments.get::<u32>("rate")? / segments as u32;
    let span = match arguments.get_or("datagrams", 0_u64)? {
        0 => Span::Seconds(arguments.get("seconds")?),
        datagrams => Span::Messages(datagrams.div_ceil(segments as u64)),
    };
    let sent = paced(rate, &span, |due| {
        let mut next = number;
        for message in messages.iter_mut().take(due) {
            let size = sizes[next as usize % sizes.len()];
            message.resize(segments * size, 0);
            for datagram in message.chunks_exact_mut(size) {
                datagram[..4].copy_from_slice(&flow.to_le_bytes());
                datagram[4..HEADER_BYTES].copy_from_slice(&next.to_le_bytes());
                next += 1;
            }
        }
        let sent = sys::send(&socket, &messages[..due])?;
        number += (sent * segments) as u64;
        Ok(sent)
    });
    let mut sent = sent.map_err(|error| Failure::System(format!("sending to {to}: {error}")))?;
    sent.datagrams = number;
    sent.print(&format!(r#""flow":{flow},"#));
    Ok(())
}
