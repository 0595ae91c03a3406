//! Waiting for several descriptors at once, and waking a thread that waits.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd};

use super::check;

/// What a descriptor that was waited for can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// Data can be read, or an error waits to be read.
    pub readable: bool,
    /// The other side, or the device, is gone.
    pub broken: bool,
}

/// Waits until one of the descriptors is ready; absent ones never are. A thread that cannot wait would leave a device that
/// is half dead: that is a defect.
pub fn wait<const N: usize>(descriptors: [Option<BorrowedFd>; N]) -> [Ready; N] {
    let mut polled = descriptors.map(|descriptor| libc::pollfd {
        fd: descriptor.map_or(-1, |descriptor| descriptor.as_raw_fd()),
        events: libc::POLLIN,
        revents: 0,
    });
    loop {
        // SAFETY: the pointer and the count are those of `polled`, which lives on.
        match check(unsafe { libc::poll(polled.as_mut_ptr(), N as libc::nfds_t, -1) }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => panic!("waiting for packets: {error}"),
            Ok(_) => break,
        }
    }
    polled.map(|polled| Ready {
        readable: polled.revents & (libc::POLLIN | libc::POLLERR) != 0,
        broken: polled.revents & (libc::POLLERR | libc::POLLHUP | libc::POLLNVAL) != 0,
    })
}

/// Wakes a thread from `wait`.
pub struct Waker(File);

impl Waker {
    /// An eventfd.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no memory is passed.
        let descriptor =
            check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: the kernel has just given it to us, and nobody else owns it.
        Ok(Self(unsafe { File::from_raw_fd(descriptor) }))
    }

    /// What to wait for.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        std::os::fd::AsFd::as_fd(&self.0)
    }

    /// Makes it ready.
    pub fn wake(&self) {
        // It cannot fail but by overflow, and then it is ready already.
        let _ = (&self.0).write(&1_u64.to_ne_bytes());
    }

    /// Makes it unready.
    pub fn clear(&self) {
        let _ = (&self.0).read(&mut [0; 8]);
    }
}
