//! Counts the datagrams of one flow after the other, and says a line of JSON when a flow has been quiet for a while.

use std::io;
use std::time::Duration;

use crate::arguments::{Arguments, Failure};
use crate::send::HEADER_BYTES;
use crate::sys;

/// A flow that says nothing for so long has ended.
const QUIET: Duration = Duration::from_millis(200);
/// Numbers beyond this are not ours: a sender runs for seconds.
const LARGEST_NUMBER: u64 = 1 << 32;

/// Of one flow.
#[derive(Default)]
struct Count {
    received: u64,
    distinct: u64,
    /// Those with a number below one that came before.
    reordered: u64,
    bytes: u64,
    /// One more than the largest number.
    end: u64,
    /// A bit a number.
    seen: Vec<u64>,
}

impl Count {
    fn add(&mut self, number: u64, bytes: usize) {
        self.received += 1;
        self.bytes += bytes as u64;
        if number < self.end {
            self.reordered += 1;
        } else {
            self.end = number + 1;
        }
        let (word, bit) = ((number / 64) as usize, 1 << (number % 64));
        if word >= self.seen.len() {
            self.seen.resize(word + 1, 0);
        }
        if self.seen[word] & bit == 0 {
            self.seen[word] |= bit;
            self.distinct += 1;
        }
    }

    fn print(&self, flow: u32) {
        let Self {
            received,
            distinct,
            reordered,
            bytes,
            ..
        } = self;
        println!(
            r#"{{"flow":{flow},"received":{received},"distinct":{distinct},"reordered":{reordered},"bytes":{bytes}}}"#
        );
    }
}

/// Receives until it is killed.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let port: u16 = arguments.get("port")?;
    let socket = sys::bound(port, QUIET)
        .map_err(|error| Failure::System(format!("port {port}: {error}")))?;
    let mut slots = sys::Slots::new();
    let mut current: Option<(u32, Count)> = None;
    loop {
        match sys::receive(&socket, &mut slots) {
            Ok(count) => {
                for datagram in slots.filled(count) {
                    let Some((flow, number)) = read_header(datagram) else {
                        continue;
                    };
                    if let Some((before, count)) = current.take_if(|(before, _)| *before != flow) {
                        count.print(before);
                    }
                    let (_, count) = current.get_or_insert_with(|| (flow, Count::default()));
                    count.add(number, datagram.len());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if let Some((flow, count)) = current.take() {
                    count.print(flow);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Failure::System(format!("receiving: {error}"))),
        }
    }
}

fn read_header(datagram: &[u8]) -> Option<(u32, u64)> {
    let (flow, rest) = datagram.split_first_chunk()?;
    let number = u64::from_le_bytes(*rest.first_chunk::<{ HEADER_BYTES - 4 }>()?);
    (number < LARGEST_NUMBER).then_some((u32::from_le_bytes(*flow), number))
}

#[cfg(test)]
mod tests {
    use super::Count;

    #[test]
    fn count_knows_duplicates_and_reordering() {
        let mut count = Count::default();
        for number in [0, 1, 3, 2, 2, 4, 200] {
            count.add(number, 10);
        }
        assert_eq!(
            (count.received, count.distinct, count.reordered, count.bytes),
            (7, 6, 2, 70)
        );
    }
}
