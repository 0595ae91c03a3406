//! The system calls that the standard library lacks.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;

/// Moves the calling thread, and no other, into the network namespace at `path`.
pub(crate) fn enter_namespace(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    // SAFETY: the descriptor is open for the length of the call, and setns touches no memory of ours.
    match unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Waits until one of the two descriptors can be read or is closed at its other end; says which: (first, second).
pub(crate) fn wait_readable(first: RawFd, second: RawFd) -> io::Result<(bool, bool)> {
    let mut fds = [first, second].map(|fd| libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    });
    loop {
        // SAFETY: `fds` is an array of two pollfd that lives across the call.
        if unsafe { libc::poll(fds.as_mut_ptr(), 2, -1) } >= 0 {
            return Ok((fds[0].revents != 0, fds[1].revents != 0));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// A socket with a test at its other end in place of the kernel.
#[cfg(test)]
pub(crate) fn socket_pair() -> (netlink_sys::Socket, std::os::unix::net::UnixDatagram) {
    use std::os::fd::{FromRawFd, IntoRawFd};
    let (near, far) = std::os::unix::net::UnixDatagram::pair().expect("a socket pair");
    // SAFETY: the descriptor is open, and nobody else has it.
    (unsafe { FromRawFd::from_raw_fd(near.into_raw_fd()) }, far)
}
