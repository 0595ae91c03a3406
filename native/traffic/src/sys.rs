//! The system calls: datagrams in batches. All unsafe code of the crate is here.

use std::io;
use std::mem::zeroed;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

/// Datagrams in one system call.
pub const BATCH: usize = 64;
const SLOT_BYTES: usize = 65_536;
/// Datagrams in one message that the kernel cuts.
pub const MAX_SEGMENTS: usize = 64;
// linux/udp.h
const UDP_SEGMENT: libc::c_int = 103;
const BUFFER_BYTES: libc::c_int = 32 << 20;

/// A socket that sends to one address, from any port.
pub fn connected(to: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    set(
        &socket,
        libc::SOL_SOCKET,
        libc::SO_SNDBUFFORCE,
        BUFFER_BYTES,
    )?;
    socket.connect(to)?;
    Ok(socket)
}

/// A socket that receives on a port of both families, with room for a burst. A receive gives up after `timeout`.
pub fn bound(port: u16, timeout: Duration) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port))?;
    set(
        &socket,
        libc::SOL_SOCKET,
        libc::SO_RCVBUFFORCE,
        BUFFER_BYTES,
    )?;
    socket.set_read_timeout(Some(timeout))?;
    Ok(socket)
}

/// Lets the kernel cut each message into datagrams of this length.
pub fn segment(socket: &UdpSocket, bytes: usize) -> io::Result<()> {
    let bytes = libc::c_int::try_from(bytes).map_err(io::Error::other)?;
    set(socket, libc::SOL_UDP, UDP_SEGMENT, bytes)
}

fn set(
    socket: &UdpSocket,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the pointer and the length are those of `value`, which has the type of these options.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };
    check(result).map(|_| ())
}

fn check(result: libc::c_int) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Lets this thread's sleeps end on time, not up to 50 us later.
pub fn sleep_precisely() {
    // SAFETY: this call takes a number of nanoseconds and touches no memory.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_u64) };
}

/// Sends up to `BATCH` datagrams and returns how many the kernel took; an error is that of the first.
pub fn send(socket: &UdpSocket, datagrams: &[Vec<u8>]) -> io::Result<usize> {
    // SAFETY: these are made of integers and pointers; zero is a value of each.
    let (mut pieces, mut headers) = unsafe {
        (
            zeroed::<[libc::iovec; BATCH]>(),
            zeroed::<[libc::mmsghdr; BATCH]>(),
        )
    };
    for ((datagram, piece), header) in datagrams.iter().zip(&mut pieces).zip(&mut headers) {
        piece.iov_base = datagram.as_ptr().cast_mut().cast();
        piece.iov_len = datagram.len();
        header.msg_hdr.msg_iov = piece;
        header.msg_hdr.msg_iovlen = 1;
    }
    let count = datagrams.len().min(BATCH) as libc::c_uint;
    // SAFETY: `count` headers were filled above; what they point to lives on, and is only read.
    check(unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count, 0) })
}

/// Room for `BATCH` datagrams.
pub struct Slots {
    bytes: Vec<u8>,
    lengths: [usize; BATCH],
}

impl Slots {
    /// All empty.
    pub fn new() -> Self {
        Self {
            bytes: vec![0; BATCH * SLOT_BYTES],
            lengths: [0; BATCH],
        }
    }

    /// The first `count` datagrams.
    pub fn filled(&self, count: usize) -> impl Iterator<Item = &[u8]> {
        let slots = self.bytes.chunks_exact(SLOT_BYTES).zip(self.lengths);
        slots.take(count).map(|(slot, length)| &slot[..length])
    }
}

/// Waits for a datagram and takes what else is there. `WouldBlock`: nothing came within the socket's timeout.
pub fn receive(socket: &UdpSocket, slots: &mut Slots) -> io::Result<usize> {
    // SAFETY: these are made of integers and pointers; zero is a value of each.
    let (mut pieces, mut headers) = unsafe {
        (
            zeroed::<[libc::iovec; BATCH]>(),
            zeroed::<[libc::mmsghdr; BATCH]>(),
        )
    };
    let rooms = slots.bytes.chunks_exact_mut(SLOT_BYTES);
    for ((room, piece), header) in rooms.zip(&mut pieces).zip(&mut headers) {
        piece.iov_base = room.as_mut_ptr().cast();
        piece.iov_len = room.len();
        header.msg_hdr.msg_iov = piece;
        header.msg_hdr.msg_iovlen = 1;
    }
    let (descriptor, flags) = (socket.as_raw_fd(), libc::MSG_WAITFORONE);
    let forever = std::ptr::null_mut();
    // SAFETY: the headers were filled above, each with a slot of its own that lives on and is not borrowed elsewhere.
    let received = check(unsafe {
        libc::recvmmsg(
            descriptor,
            headers.as_mut_ptr(),
            BATCH as libc::c_uint,
            flags,
            forever,
        )
    })?;
    for (length, header) in slots.lengths.iter_mut().zip(&headers) {
        *length = header.msg_len as usize;
    }
    Ok(received)
}
