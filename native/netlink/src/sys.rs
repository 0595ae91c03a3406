//! The system calls that the standard library lacks.

use std::fs::File;
use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
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

/// A UDP socket bound to the port on all addresses of one family, which sends what fits the link, in one piece.
pub(crate) fn unfragmented_socket(ipv6: bool, port: u16, mark: u32) -> io::Result<UdpSocket> {
    let domain = if ipv6 { libc::AF_INET6 } else { libc::AF_INET };
    // SAFETY: no memory is passed.
    let fd = check(unsafe { libc::socket(domain, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: the kernel has just given it to us, and nobody else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    if ipv6 {
        let (level, probe) = (libc::IPPROTO_IPV6, libc::IPV6_PMTUDISC_PROBE);
        set_option(&socket, level, libc::IPV6_V6ONLY, 1)?;
        set_option(&socket, level, libc::IPV6_MTU_DISCOVER, probe)?;
    } else {
        let probe = libc::IP_PMTUDISC_PROBE;
        set_option(&socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, probe)?;
    }
    if mark != 0 {
        set_option(&socket, libc::SOL_SOCKET, libc::SO_MARK, mark.cast_signed())?;
    }
    // SAFETY: sockaddr_in6 is made of integers, zero is a value of each, and it is no shorter than sockaddr_in.
    let mut name: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
    name.sin6_family = domain.cast_unsigned() as libc::sa_family_t;
    name.sin6_port = port.to_be(); // at the same place in both; the address stays unspecified
    let length = if ipv6 {
        size_of::<libc::sockaddr_in6>()
    } else {
        size_of::<libc::sockaddr_in>()
    };
    // SAFETY: `name` holds an address of that length.
    check(unsafe {
        libc::bind(
            socket.as_raw_fd(),
            (&raw const name).cast(),
            length as libc::socklen_t,
        )
    })?;
    Ok(socket.into())
}

fn set_option(socket: &OwnedFd, level: i32, option: i32, value: i32) -> io::Result<()> {
    // SAFETY: the pointer and the length are those of `value`, and each option set here is an integer.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    })
    .map(drop)
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

/// A socket with a test at its other end in place of the kernel.
#[cfg(test)]
pub(crate) fn socket_pair() -> (netlink_sys::Socket, std::os::unix::net::UnixDatagram) {
    use std::os::fd::{FromRawFd, IntoRawFd};
    let (near, far) = std::os::unix::net::UnixDatagram::pair().expect("a socket pair");
    // SAFETY: the descriptor is open, and nobody else has it.
    (unsafe { FromRawFd::from_raw_fd(near.into_raw_fd()) }, far)
}
