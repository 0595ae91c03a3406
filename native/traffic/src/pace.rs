//! Sending at a rate by the clock: short sleeps, small batches, and no bursts to make up for time that was lost.

use std::io;
use std::time::{Duration, Instant};

use crate::sys;

/// What was sent, and in which time.
pub struct Sent {
    /// Datagrams that the kernel took.
    pub datagrams: u64,
    /// From the first to the end.
    pub elapsed: Duration,
}

impl Sent {
    /// As a line of JSON, with `more` in front.
    pub fn print(&self, more: &str) {
        let seconds = self.elapsed.as_secs_f64();
        println!(
            r#"{{{more}"sent":{},"seconds":{seconds:.6}}}"#,
            self.datagrams
        );
    }
}

/// A sleep is about this long. Datagrams of one are sent together.
const TICK: Duration = Duration::from_micros(250);
/// Whoever was off the processor for longer than this, and two intervals, does not catch up: the burst would test queues, not
/// rates.
const LARGEST_DEBT: Duration = Duration::from_millis(1);

/// How long to send.
pub enum Span {
    /// So many seconds: fewer go where there is no time for more.
    Seconds(f64),
    /// Until so many went.
    Messages(u64),
}

/// Calls `transmit` with how many are due, at most `sys::BATCH`, for the span; it says how many were sent.
pub fn paced(
    rate: u32,
    span: &Span,
    mut transmit: impl FnMut(usize) -> io::Result<usize>,
) -> io::Result<Sent> {
    sys::sleep_precisely();
    let (start, rate) = (Instant::now(), u64::from(rate.max(1)));
    let each = |datagrams: u64| Duration::from_nanos(datagrams * 1_000_000_000 / rate);
    // The time up to which all that was due is sent.
    let (mut paid, mut datagrams) = (start, 0);
    loop {
        let now = Instant::now();
        let elapsed = now - start;
        let left = match *span {
            Span::Seconds(seconds) if elapsed.as_secs_f64() >= seconds => 0,
            Span::Seconds(_) => u64::MAX,
            Span::Messages(all) => all.saturating_sub(datagrams),
        };
        if left == 0 {
            return Ok(Sent { datagrams, elapsed });
        }
        let largest_debt = LARGEST_DEBT.max(each(2));
        paid = paid.max(now.checked_sub(largest_debt).unwrap_or(start));
        // Bounded, so that the product is far from overflow.
        let debt = now.saturating_duration_since(paid).as_nanos() as u64;
        let due = (debt * rate / 1_000_000_000).min(left) as usize;
        if due == 0 {
            std::thread::sleep((paid + each(1).max(TICK)).saturating_duration_since(now));
            continue;
        }
        let sent = transmit(due.min(sys::BATCH))?;
        datagrams += sent as u64;
        paid += each(sent as u64);
    }
}
