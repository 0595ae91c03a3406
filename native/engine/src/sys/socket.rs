//! UDP sockets: how they are opened, and what the kernel is asked of them. Messages leave by `send.rs` and come by
//! `receive.rs`.

use std::io;
use std::mem::zeroed;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::check;
use super::msghdr::write_address;

// linux/udp.h
pub(super) const UDP_SEGMENT: libc::c_int = 103;
pub(super) const UDP_GRO: libc::c_int = 104;

/// Which IP a socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6 only.
    V6,
}

const BUFFER_BYTES: libc::c_int = 16 << 20;
/// A send waits this long for room, then the packet is dropped.
const SEND_TIMEOUT_MICROS: libc::suseconds_t = 100_000;

fn set<T>(socket: &OwnedFd, level: libc::c_int, option: libc::c_int, value: &T) -> io::Result<()> {
    let length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the pointer and the length are those of `value`, and callers pass the option's type, made of integers.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const *value).cast(),
            length,
        )
    })?;
    Ok(())
}

/// Opens a socket bound to the port on all addresses (0: any port), ready for batches.
pub fn open(family: Family, port: u16) -> io::Result<OwnedFd> {
    let domain = if family == Family::V4 {
        libc::AF_INET
    } else {
        libc::AF_INET6
    };
    // SAFETY: no memory is passed.
    let socket = check(unsafe { libc::socket(domain, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: the kernel has just given it to us, and nobody else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // As the kernel's WireGuard: the outer packet may be fragmented, whatever is known of the path.
    let (level, options): (_, &[(_, libc::c_int)]) = match family {
        Family::V4 => (
            libc::IPPROTO_IP,
            &[
                (libc::IP_PKTINFO, 1),
                (libc::IP_RECVTOS, 1),
                (libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DONT),
            ],
        ),
        Family::V6 => (
            libc::IPPROTO_IPV6,
            &[
                (libc::IPV6_V6ONLY, 1),
                (libc::IPV6_RECVPKTINFO, 1),
                (libc::IPV6_RECVTCLASS, 1),
                (libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DONT),
            ],
        ),
    };
    for (option, value) in options {
        set(&socket, level, *option, value)?;
    }
    for (force, plain) in [
        (libc::SO_RCVBUFFORCE, libc::SO_RCVBUF),
        (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF),
    ] {
        set(&socket, libc::SOL_SOCKET, force, &BUFFER_BYTES)
            .or_else(|_| set(&socket, libc::SOL_SOCKET, plain, &BUFFER_BYTES))?;
    }
    // How many datagrams it lost for want of room, told with the next one.
    set(&socket, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, &1_i32)?;
    let timeout = libc::timeval {
        tv_sec: 0,
        tv_usec: SEND_TIMEOUT_MICROS,
    };
    set(&socket, libc::SOL_SOCKET, libc::SO_SNDTIMEO, &timeout)?;
    let (address, length) = write_address(match family {
        Family::V4 => (Ipv4Addr::UNSPECIFIED, port).into(),
        Family::V6 => (Ipv6Addr::UNSPECIFIED, port).into(),
    });
    // SAFETY: `address` holds an address of that length.
    check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) })?;
    Ok(socket)
}

/// The port that a socket is bound to.
pub fn port(socket: &OwnedFd) -> io::Result<u16> {
    // SAFETY: a sockaddr_in6 is made of integers; zero is a value of each.
    let mut address: libc::sockaddr_in6 = unsafe { zeroed() };
    let mut length = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
    // SAFETY: the pointer and the length are those of `address`.
    check(unsafe {
        libc::getsockname(
            socket.as_raw_fd(),
            (&raw mut address).cast(),
            &raw mut length,
        )
    })?;
    // The port lies at the same place in both families' addresses.
    Ok(u16::from_be(address.sin6_port))
}

/// Marks what the socket sends, for routing rules.
pub fn set_mark(socket: &OwnedFd, mark: u32) -> io::Result<()> {
    set(socket, libc::SOL_SOCKET, libc::SO_MARK, &mark)
}

/// Whether the kernel segments what the socket sends (since 4.18).
pub fn can_segment(socket: &OwnedFd) -> io::Result<()> {
    let (mut value, mut length): (libc::c_int, _) =
        (0, size_of::<libc::c_int>() as libc::socklen_t);
    // SAFETY: the pointer and the length are those of `value`.
    check(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_UDP,
            UDP_SEGMENT,
            (&raw mut value).cast(),
            &raw mut length,
        )
    })?;
    Ok(())
}

/// Lets the kernel hand over several datagrams of one flow as one message (since 5.0).
pub fn coalesce(socket: &OwnedFd) -> io::Result<()> {
    set(socket, libc::SOL_UDP, UDP_GRO, &1_i32)
}
