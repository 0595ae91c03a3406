//! The system calls that the engine makes, each behind a safe function. All unsafe code of the crate is here.

pub mod host;
pub mod link;
mod msghdr;
pub mod poll;
pub mod receive;
pub mod send;
pub mod simd;
pub mod socket;
pub mod tun;

use std::io;

/// The result of a call that answers -1 on failure.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// The same for calls that answer a length.
fn check_size(result: libc::ssize_t) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}
