//! UDP sockets and their batches: many messages a call, each with its address, our own address and its ECN bits. A message
//! is one datagram or, where the kernel segments and coalesces UDP, several of one length (the last may be shorter).

use std::io;
use std::mem::zeroed;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::check;
use crate::endpoint::Endpoint;

/// Messages in one system call to send.
pub const SEND_MESSAGES: usize = 16;
/// Messages in one system call to receive.
pub const RECEIVE_MESSAGES: usize = 64;
/// Room for one message when receiving.
pub const SLOT_BYTES: usize = 65_536;
/// Datagrams in one segmented message, in every kernel that segments.
pub const MAX_SEGMENTS: usize = 64;
/// The longest message that IPv4 and IPv6 carry in one datagram before it is segmented.
pub const MAX_MESSAGE_BYTES: usize = 65_507;

// linux/udp.h
const UDP_SEGMENT: libc::c_int = 103;
const UDP_GRO: libc::c_int = 104;

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

/// Room for control messages: our address, the ECN bits, the segments' length and the count of lost ones take at most 112
/// bytes.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; 128]);

/// A message to send: where, from which of our addresses, with which ECN bits.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// The datagrams, one after the other.
    pub bytes: &'a [u8],
    /// The length of each but the last.
    pub segment_bytes: usize,
    /// Where to, and from where.
    pub endpoint: Endpoint,
    /// The two ECN bits.
    pub ecn: u8,
}

/// A message that came, in the slot of its number.
#[derive(Clone, Copy, Debug)]
pub struct Incoming {
    /// Its length.
    pub length: usize,
    /// The length of each datagram in it but the last.
    pub segment_bytes: usize,
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
    // SAFETY: `msg_control` points to a `Control`, aligned and longer than the three messages that are ever added, so
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

fn add_controls(header: &mut libc::msghdr, message: &Outgoing) {
    let mut used = 0;
    match message.endpoint.local {
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
    if message.ecn != 0 {
        let (level, kind) = match message.endpoint.remote {
            SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_TOS),
            SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_TCLASS),
        };
        add_control(
            header,
            &mut used,
            level,
            kind,
            libc::c_int::from(message.ecn),
        );
    }
    if message.bytes.len() > message.segment_bytes {
        add_control(
            header,
            &mut used,
            libc::SOL_UDP,
            UDP_SEGMENT,
            message.segment_bytes as u16,
        );
    }
    header.msg_controllen = used;
}

/// Sends up to `SEND_MESSAGES` messages of one family and returns how many the kernel took; an error is that of the first.
pub fn send(socket: &OwnedFd, messages: &[Outgoing]) -> io::Result<usize> {
    let messages = &messages[..messages.len().min(SEND_MESSAGES)];
    // SAFETY: these are made of integers and pointers; zero is a value of each.
    let (mut addresses, mut pieces, mut headers) = unsafe {
        (
            zeroed::<[libc::sockaddr_in6; SEND_MESSAGES]>(),
            zeroed::<[libc::iovec; SEND_MESSAGES]>(),
            zeroed::<[libc::mmsghdr; SEND_MESSAGES]>(),
        )
    };
    let mut controls = [Control([0; size_of::<Control>()]); SEND_MESSAGES];
    for (i, message) in messages.iter().enumerate() {
        let (address, length) = write_address(message.endpoint.remote);
        addresses[i] = address;
        pieces[i] = libc::iovec {
            iov_base: message.bytes.as_ptr().cast_mut().cast(),
            iov_len: message.bytes.len(),
        };
        let header = &mut headers[i].msg_hdr;
        header.msg_name = (&raw mut addresses[i]).cast();
        header.msg_namelen = length;
        header.msg_iov = &raw mut pieces[i];
        header.msg_iovlen = 1;
        header.msg_control = (&raw mut controls[i]).cast();
        add_controls(header, message);
    }
    // SAFETY: as many headers as are counted were filled above, and all that they point to lives on.
    let sent = unsafe {
        libc::sendmmsg(
            socket.as_raw_fd(),
            headers.as_mut_ptr(),
            messages.len() as u32,
            0,
        )
    };
    check(sent).map(|sent| sent.unsigned_abs() as usize)
}

/// Memory to receive into: `RECEIVE_MESSAGES` slots at most, of which the kernel gives pages to those that are used.
pub struct Receiver {
    slots: Box<[u8]>,
    addresses: Box<[libc::sockaddr_in6]>,
    controls: Box<[Control]>,
    pieces: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
    /// What came with the last call.
    pub incoming: Vec<Incoming>,
    /// How many datagrams the socket lost since it was opened, as far as it was told; counts modulo 2^32.
    pub lost: Option<u32>,
}

// SAFETY: the pointers in `pieces` and `headers` are written anew before each use, and lead into the boxes beside them.
unsafe impl Send for Receiver {}

impl Receiver {
    /// Room for `messages`, at most `RECEIVE_MESSAGES`.
    #[must_use]
    pub fn new(messages: usize) -> Self {
        let messages = messages.min(RECEIVE_MESSAGES);
        // SAFETY: these are made of integers and pointers; zero is a value of each.
        let (address, piece, header) = unsafe { (zeroed(), zeroed(), zeroed()) };
        Self {
            slots: vec![0; messages * SLOT_BYTES].into(),
            addresses: vec![address; messages].into(),
            controls: vec![Control([0; size_of::<Control>()]); messages].into(),
            pieces: vec![piece; messages].into(),
            headers: vec![header; messages].into(),
            incoming: Vec::with_capacity(messages),
            lost: None,
        }
    }

    /// The slots, one after the other.
    pub fn slots(&mut self) -> &mut [u8] {
        &mut self.slots
    }

    /// Receives what waits, at most so many messages. `WouldBlock`: nothing waits.
    pub fn receive(&mut self, socket: &OwnedFd, messages: usize) -> io::Result<()> {
        self.incoming.clear();
        self.lost = None;
        let messages = messages.min(self.headers.len());
        for i in 0..messages {
            self.pieces[i] = libc::iovec {
                iov_base: self.slots[i * SLOT_BYTES..].as_mut_ptr().cast(),
                iov_len: SLOT_BYTES,
            };
            let header = &mut self.headers[i].msg_hdr;
            header.msg_name = (&raw mut self.addresses[i]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
            header.msg_iov = &raw mut self.pieces[i];
            header.msg_iovlen = 1;
            header.msg_control = (&raw mut self.controls[i]).cast();
            header.msg_controllen = size_of::<Control>();
        }
        // SAFETY: so many headers were filled above, and all that they point to lives on in `self`.
        let read = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                messages as u32,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        let read = check(read)?.unsigned_abs() as usize;
        for (header, address) in self.headers.iter().zip(&self.addresses).take(read) {
            // SAFETY: the kernel wrote the control messages that the header counts.
            let controls = unsafe { read_controls(&header.msg_hdr) };
            self.lost = controls.lost.or(self.lost);
            // A datagram always has an address; one without is an empty one to whoever reads it.
            let remote = read_address(address);
            let length = if remote.is_some() {
                (header.msg_len as usize).min(SLOT_BYTES)
            } else {
                0
            };
            self.incoming.push(Incoming {
                length,
                segment_bytes: controls.segment_bytes.unwrap_or(length).max(1),
                endpoint: Endpoint {
                    remote: remote.unwrap_or((Ipv4Addr::UNSPECIFIED, 0).into()),
                    local: controls.local,
                },
                ecn: controls.ecn,
            });
        }
        Ok(())
    }
}

/// What the kernel said of a message.
#[derive(Default)]
struct Controls {
    local: Option<IpAddr>,
    ecn: u8,
    segment_bytes: Option<usize>,
    lost: Option<u32>,
}

/// Reads the control messages.
///
/// # Safety
/// The header must be one that the kernel has filled.
unsafe fn read_controls(header: &libc::msghdr) -> Controls {
    let mut read = Controls::default();
    // SAFETY: by the caller's promise the control messages are well-formed, so that CMSG_* stay within them, and each
    // holds a value of its type (unaligned, perhaps).
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while let Some(head) = message.as_ref() {
            let data = libc::CMSG_DATA(message);
            match (head.cmsg_level, head.cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info = data.cast::<libc::in_pktinfo>().read_unaligned();
                    read.local =
                        Some(Ipv4Addr::from_bits(u32::from_be(info.ipi_spec_dst.s_addr)).into());
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info = data.cast::<libc::in6_pktinfo>().read_unaligned();
                    read.local = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
                }
                (libc::IPPROTO_IP, libc::IP_TOS) => read.ecn = data.read() & 3,
                (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                    let class = data.cast::<libc::c_int>().read_unaligned();
                    read.ecn = class.to_le_bytes()[0] & 3;
                }
                (libc::SOL_UDP, UDP_GRO) => {
                    let bytes = data.cast::<libc::c_int>().read_unaligned();
                    read.segment_bytes = usize::try_from(bytes).ok();
                }
                (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => {
                    read.lost = Some(data.cast::<u32>().read_unaligned());
                }
                _ => {}
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    read
}
