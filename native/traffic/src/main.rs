//! UDP traffic for benchmarks and tests: numbered datagrams at a paced rate, so that loss and reordering are known, and
//! floods of messages that a `WireGuard` device must refuse. For loopback and lab namespaces only.

mod arguments;
mod flood;
mod pace;
mod receive;
mod send;
mod sys;

use std::process::ExitCode;

use arguments::{Arguments, Failure};

const HELP: &str = "\
Numbered UDP at a paced rate, so that loss and reordering are known, and floods of
messages that a WireGuard device must refuse. For loopback and lab namespaces only.

Usage:
  podwire-traffic receive --port PORT
  podwire-traffic send    --to IP:PORT --rate PPS --seconds S|--datagrams N --size BYTES [--segments N]
  podwire-traffic flood   --to IP:PORT --rate PPS --seconds S --kind KIND [...]

receive  counts what `send` sends, until it is killed; prints a line of JSON for each flow
         that has ended: flow, received, distinct (no duplicates), reordered, bytes
send     sends datagrams of so many bytes, 12 to 65507; of several lengths, separated by
         commas, each in turn; prints flow, sent, seconds
flood    sends what must be refused; prints sent, seconds

Options:
  --to IP:PORT      where to; IPv6 as [IP]:PORT
  --rate PPS        datagrams a second
  --seconds S       for how long; fractions are allowed
  --datagrams N     until so many went, however long it takes
  --segments N      N datagrams at once as one message, which the kernel cuts (UDP_SEGMENT)
  --kind KIND       initiations --public-key BASE64  to that device: mac1 is right, the rest random
                    replayed --message HEX           one recorded message, again and again
                    bad-tags --index N               data for a session that is there, sealed by nobody
                    unknown-index                    data for sessions that are not there

Examples:
  podwire-traffic receive --port 7777 &
  podwire-traffic send --to 127.0.0.1:7777 --rate 10000 --seconds 2 --size 1372
  podwire-traffic flood --to [::1]:51820 --rate 50000 --seconds 5 --kind unknown-index

Exit status: 0 done, 1 failed, 2 bad input.";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--help" || word == "-h") {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    match run(words.into_iter()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(reason)) => {
            eprintln!("podwire-traffic: {reason}; see `podwire-traffic --help`");
            ExitCode::from(2)
        }
        Err(Failure::System(reason)) => {
            eprintln!("podwire-traffic: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut words: impl Iterator<Item = String>) -> Result<(), Failure> {
    let mode = words.next().unwrap_or_default();
    let run = match mode.as_str() {
        "receive" => receive::run,
        "send" => send::run,
        "flood" => flood::run,
        "" => return Err(Failure::Usage("receive, send or flood?".into())),
        _ => {
            let reason = format!("\"{mode}\" is none of receive, send and flood");
            return Err(Failure::Usage(reason));
        }
    };
    run(&Arguments::parse(words)?)
}
