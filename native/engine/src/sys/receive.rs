//! Many messages a call, each with its address, our own address and its ECN bits. A message is one datagram or, where the
//! kernel coalesces UDP, several of one length (the last may be shorter).

use std::io;
use std::mem::zeroed;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};

use super::check;
use super::msghdr::{Control, read_address};
use super::socket::UDP_GRO;
use crate::endpoint::Endpoint;

/// Messages in one system call to receive. More gain little, and each may grow to a slot: 1 MiB in all.
pub const RECEIVE_MESSAGES: usize = 16;
/// Room for one message when receiving.
pub const SLOT_BYTES: usize = 65_536;

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
            controls: vec![Control::EMPTY; messages].into(),
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
