//! Many messages a call, each to its address, from one of ours, with its ECN bits. A message is one datagram or, where the
//! kernel segments UDP, several of one length (the last may be shorter).

use std::io;
use std::mem::zeroed;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};

use super::check;
use super::msghdr::{Control, write_address};
use super::socket::UDP_SEGMENT;
use crate::endpoint::Endpoint;

/// Messages in one system call to send.
pub const SEND_MESSAGES: usize = 16;
/// Datagrams in one segmented message, in every kernel that segments.
pub const MAX_SEGMENTS: usize = 64;
/// The longest message that IPv4 and IPv6 carry in one datagram before it is segmented.
pub const MAX_MESSAGE_BYTES: usize = 65_507;

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
    let mut controls = [Control::EMPTY; SEND_MESSAGES];
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
