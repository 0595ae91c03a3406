//! UDP sockets and their batches: many datagrams a call, each with its address, our own address and its ECN bits.

use std::io;
use std::mem::{MaybeUninit, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::check;
use crate::endpoint::Endpoint;

/// Datagrams in one system call.
pub const BATCH: usize = 64;
/// Room for one datagram when receiving.
pub const SLOT_BYTES: usize = 65_536;

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

/// An address of either family, in the room of the longer one.
fn write_address(address: SocketAddr) -> (libc::sockaddr_in6, libc::socklen_t) {
    // SAFETY: a sockaddr_in6 is made of integers; zero is a value of each.
    let mut room: libc::sockaddr_in6 = unsafe { zeroed() };
    match address {
        SocketAddr::V4(v4) => {
            let value = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr {
                    s_addr: v4.ip().to_bits().to_be(),
                },
                sin_zero: [0; 8],
            };
            // SAFETY: a sockaddr_in is shorter than a sockaddr_in6 and needs no stricter alignment.
            unsafe { (&raw mut room).cast::<libc::sockaddr_in>().write(value) };
            (room, size_of::<libc::sockaddr_in>() as libc::socklen_t)
        }
        SocketAddr::V6(v6) => {
            room.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            room.sin6_port = v6.port().to_be();
            room.sin6_addr.s6_addr = v6.ip().octets();
            room.sin6_scope_id = v6.scope_id();
            (room, size_of::<libc::sockaddr_in6>() as libc::socklen_t)
        }
    }
}

fn read_address(room: &libc::sockaddr_in6) -> Option<SocketAddr> {
    match libc::c_int::from(room.sin6_family) {
        libc::AF_INET => {
            // SAFETY: the family says that the room holds a sockaddr_in, which is shorter.
            let value = unsafe { (&raw const *room).cast::<libc::sockaddr_in>().read() };
            let ip = Ipv4Addr::from_bits(u32::from_be(value.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, u16::from_be(value.sin_port)).into())
        }
        libc::AF_INET6 => {
            let ip = Ipv6Addr::from(room.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(ip, u16::from_be(room.sin6_port), 0, room.sin6_scope_id).into())
        }
        _ => None,
    }
}

/// Room for control messages: our address and the ECN bits, of either family, take at most 64 bytes.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; 96]);

/// A datagram to send: where, from which of our addresses, with which ECN bits.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// The datagram.
    pub bytes: &'a [u8],
    /// Where to, and from where.
    pub endpoint: Endpoint,
    /// The two ECN bits.
    pub ecn: u8,
}

/// A datagram that came, in the slot of its number.
#[derive(Clone, Copy, Debug)]
pub struct Incoming {
    /// Its length.
    pub length: usize,
    /// Where it came from, and to which of our addresses.
    pub endpoint: Endpoint,
    /// The two ECN bits.
    pub ecn: u8,
}

fn add_control<T>(
    header: &mut libc::msghdr,
    used: &mut usize,
    level: libc::c_int,
    kind: libc::c_int,
    value: T,
) {
    let data_bytes = size_of::<T>() as u32;
    // SAFETY: `msg_control` points to a `Control`, aligned and longer than the two messages that are ever added, so
    // the header and the value at `used` lie within it.
    unsafe {
        let message = header.msg_control.byte_add(*used).cast::<libc::cmsghdr>();
        (*message).cmsg_len = libc::CMSG_LEN(data_bytes) as usize;
        (*message).cmsg_level = level;
        (*message).cmsg_type = kind;
        libc::CMSG_DATA(message).cast::<T>().write_unaligned(value);
        *used += libc::CMSG_SPACE(data_bytes) as usize;
    }
    header.msg_controllen = *used;
}

/// Sends up to `BATCH` datagrams of one family and returns how many the kernel took; an error is that of the first.
pub fn send(socket: &OwnedFd, datagrams: &[Outgoing]) -> io::Result<usize> {
    let datagrams = &datagrams[..datagrams.len().min(BATCH)];
    // SAFETY: these are made of integers and pointers; zero is a value of each.
    let (mut addresses, mut pieces, mut headers) = unsafe {
        (
            zeroed::<[libc::sockaddr_in6; BATCH]>(),
            zeroed::<[libc::iovec; BATCH]>(),
            zeroed::<[libc::mmsghdr; BATCH]>(),
        )
    };
    let mut controls = [Control([0; 96]); BATCH];
    for (i, datagram) in datagrams.iter().enumerate() {
        let (address, length) = write_address(datagram.endpoint.remote);
        addresses[i] = address;
        pieces[i] = libc::iovec {
            iov_base: datagram.bytes.as_ptr().cast_mut().cast(),
            iov_len: datagram.bytes.len(),
        };
        let header = &mut headers[i].msg_hdr;
        header.msg_name = (&raw mut addresses[i]).cast();
        header.msg_namelen = length;
        header.msg_iov = &raw mut pieces[i];
        header.msg_iovlen = 1;
        header.msg_control = (&raw mut controls[i]).cast();
        let mut used = 0;
        match datagram.endpoint.local {
            Some(IpAddr::V4(v4)) => {
                let spec_dst = libc::in_addr {
                    s_addr: v4.to_bits().to_be(),
                };
                let info = libc::in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: spec_dst,
                    ipi_addr: spec_dst,
                };
                add_control(header, &mut used, libc::IPPROTO_IP, libc::IP_PKTINFO, info);
            }
            Some(IpAddr::V6(v6)) => {
                let info = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr {
                        s6_addr: v6.octets(),
                    },
                    ipi6_ifindex: 0,
                };
                add_control(
                    header,
                    &mut used,
                    libc::IPPROTO_IPV6,
                    libc::IPV6_PKTINFO,
                    info,
                );
            }
            None => {}
        }
        if datagram.ecn != 0 {
            let (level, kind) = match datagram.endpoint.remote {
                SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_TOS),
                SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_TCLASS),
            };
            add_control(
                header,
                &mut used,
                level,
                kind,
                libc::c_int::from(datagram.ecn),
            );
        }
        header.msg_controllen = used;
    }
    // SAFETY: as many headers as are counted were filled above, and all that they point to lives on.
    let sent = unsafe {
        libc::sendmmsg(
            socket.as_raw_fd(),
            headers.as_mut_ptr(),
            datagrams.len() as u32,
            0,
        )
    };
    check(sent).map(|sent| sent.unsigned_abs() as usize)
}

/// Receives what waits, at most `BATCH` datagrams, one in each slot of `SLOT_BYTES`. `WouldBlock`: nothing waits.
pub fn receive(socket: &OwnedFd, slots: &mut [u8], incoming: &mut Vec<Incoming>) -> io::Result<()> {
    incoming.clear();
    let mut addresses = MaybeUninit::<[libc::sockaddr_in6; BATCH]>::zeroed();
    let mut controls = MaybeUninit::<[Control; BATCH]>::uninit();
    // SAFETY: these are made of integers and pointers; zero is a value of each.
    let (mut pieces, mut headers) = unsafe {
        (
            zeroed::<[libc::iovec; BATCH]>(),
            zeroed::<[libc::mmsghdr; BATCH]>(),
        )
    };
    let count = slots.len() / SLOT_BYTES;
    for (i, slot) in slots.chunks_exact_mut(SLOT_BYTES).take(BATCH).enumerate() {
        pieces[i] = libc::iovec {
            iov_base: slot.as_mut_ptr().cast(),
            iov_len: slot.len(),
        };
        let header = &mut headers[i].msg_hdr;
        header.msg_name = addresses
            .as_mut_ptr()
            .cast::<libc::sockaddr_in6>()
            .wrapping_add(i)
            .cast();
        header.msg_namelen = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
        header.msg_iov = &raw mut pieces[i];
        header.msg_iovlen = 1;
        header.msg_control = controls
            .as_mut_ptr()
            .cast::<Control>()
            .wrapping_add(i)
            .cast();
        header.msg_controllen = size_of::<Control>();
    }
    let (descriptor, flags) = (socket.as_raw_fd(), libc::MSG_DONTWAIT);
    let none = std::ptr::null_mut();
    // SAFETY: `count` headers, at most `BATCH`, were filled above, and all that they point to lives on.
    let read = unsafe {
        libc::recvmmsg(
            descriptor,
            headers.as_mut_ptr(),
            count.min(BATCH) as u32,
            flags,
            none,
        )
    };
    let read = check(read)?.unsigned_abs() as usize;
    // SAFETY: it was zeroed, and is made of integers.
    let addresses = unsafe { addresses.assume_init_ref() };
    for (header, address) in headers.iter().zip(addresses).take(read) {
        // SAFETY: the kernel wrote the control messages that the header counts.
        let (local, ecn) = unsafe { read_control(&header.msg_hdr) };
        // A datagram always has an address; one without is an empty one to whoever reads it.
        let remote = read_address(address);
        incoming.push(Incoming {
            length: if remote.is_some() {
                header.msg_len as usize
            } else {
                0
            },
            endpoint: Endpoint {
                remote: remote.unwrap_or((Ipv4Addr::UNSPECIFIED, 0).into()),
                local,
            },
            ecn,
        });
    }
    Ok(())
}

/// Our address that a datagram came to, and its ECN bits.
///
/// # Safety
/// The header must be one that the kernel has filled.
unsafe fn read_control(header: &libc::msghdr) -> (Option<IpAddr>, u8) {
    let (mut local, mut ecn) = (None, 0);
    // SAFETY: by the caller's promise the control messages are well-formed, so that CMSG_* stay within them, and each
    // holds a value of its type (unaligned, perhaps).
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while let Some(head) = message.as_ref() {
            let data = libc::CMSG_DATA(message);
            match (head.cmsg_level, head.cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info = data.cast::<libc::in_pktinfo>().read_unaligned();
                    local =
                        Some(Ipv4Addr::from_bits(u32::from_be(info.ipi_spec_dst.s_addr)).into());
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info = data.cast::<libc::in6_pktinfo>().read_unaligned();
                    local = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
                }
                (libc::IPPROTO_IP, libc::IP_TOS) => ecn = data.read() & 3,
                (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                    ecn = data.cast::<libc::c_int>().read_unaligned().to_le_bytes()[0] & 3;
                }
                _ => {}
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    (local, ecn)
}
