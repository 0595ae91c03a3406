//! UDP traffic for benchmarks and tests: numbered datagrams at a paced rate, so that loss and reordering are known, and
//! floods of messages that a `WireGuard` device must refuse. For loopback and lab namespaces only.
//!
//! ```text
//! podwire-traffic receive --port PORT                                             a line of JSON a flow, until killed
//! podwire-traffic send  --to IP:PORT --rate PPS --size BYTES --seconds S          a line of JSON at the end
//!   --segments N         hands N datagrams at once to the kernel, which cuts them (UDP_SEGMENT)
//! podwire-traffic flood --to IP:PORT --rate PPS --seconds S --kind KIND ...       a line of JSON at the end
//!   KIND: initiations --public-key BASE64    mac1 is right, the rest is random
//!         replayed --message HEX             one recorded message, again and again
//!         bad-tags --index N                 data for a session that is there, sealed by nobody
//!         unknown-index                      data for sessions that are not there
//! ```

mod arguments;
mod flood;
mod pace;
mod receive;
mod send;
mod sys;

use std::process::ExitCode;

use arguments::Arguments;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let mode = words.next().unwrap_or_default();
    let result = Arguments::parse(words).and_then(|arguments| match mode.as_str() {
        "receive" => receive::run(&arguments),
        "send" => send::run(&arguments),
        "flood" => flood::run(&arguments),
        _ => Err(format!(
            "\"{mode}\" is none of receive, send and flood; the head of main.rs says how to use them"
        )),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("podwire-traffic: {reason}");
            ExitCode::FAILURE
        }
    }
}
