//! What a panic does: it is a defect of ours, after which nothing here can be trusted, so the process ends with a message.
//! A device that lost one of its threads would look alive and carry nothing.

use std::io::{self, Write};
use std::process;
use std::thread;

/// Makes a panic, in any thread, say what happened on stderr and abort the process, whatever the build says of panics.
pub fn end_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = thread::current();
        // The engine's threads have names; the one that calls it belongs to Node.js.
        let thread = thread.name().unwrap_or("JavaScript");
        let what = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map(ToString::to_string);
        let place = place.unwrap_or_default();
        let _ = writeln!(
            io::stderr(),
            "podwire: a defect in thread {thread}: {what}, {place}; the device ends; please report it"
        );
        process::abort();
    }));
}
