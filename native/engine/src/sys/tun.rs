//! The ioctls of TUN devices and of links.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::check;

fn request(name: &str) -> libc::ifreq {
    // SAFETY: an ifreq is made of integers and of a union of such; zero is a value of each.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name[..libc::IFNAMSIZ - 1]
        .iter_mut()
        .zip(name.bytes())
    {
        *to = from.cast_signed();
    }
    request
}

fn name_of(request: &libc::ifreq) -> String {
    let bytes = request.ifr_name.iter().take_while(|&&byte| byte != 0);
    String::from_utf8_lossy(&bytes.map(|byte| byte.cast_unsigned()).collect::<Vec<_>>())
        .into_owned()
}

/// Makes a TUN device with virtio headers on an open /dev/net/tun and returns its name. EBUSY: a link of that name exists.
/// `queues`: it may get more of them by `add_queue`.
pub fn create(tun: &File, name: &str, queues: bool) -> io::Result<String> {
    set_interface(tun, name, libc::IFF_TUN_EXCL | queue_flag(queues))
}

/// Makes an open /dev/net/tun another queue of a device that may have several.
pub fn add_queue(tun: &File, name: &str) -> io::Result<()> {
    set_interface(tun, name, queue_flag(true)).map(|_| ())
}

/// Takes a queue away from those that packets for the reader are spread over; it can still be written.
pub fn detach_queue(tun: &File) -> io::Result<()> {
    let mut request = request("");
    request.ifr_ifru.ifru_flags = libc::IFF_DETACH_QUEUE as libc::c_short;
    // SAFETY: TUNSETQUEUE reads one ifreq.
    check(unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETQUEUE, &raw mut request) })?;
    Ok(())
}

fn queue_flag(queues: bool) -> libc::c_int {
    if queues { libc::IFF_MULTI_QUEUE } else { 0 }
}

fn set_interface(tun: &File, name: &str, flags: libc::c_int) -> io::Result<String> {
    let mut request = request(name);
    let flags = libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR | flags;
    request.ifr_ifru.ifru_flags = flags as libc::c_short;
    // SAFETY: TUNSETIFF reads and writes one ifreq.
    check(unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETIFF, &raw mut request) })?;
    Ok(name_of(&request))
}

/// Offloads of a TUN towards its reader (`linux/if_tun.h`).
pub const CSUM: libc::c_uint = 0x01;
/// TCP super-packets of both families, and with ECN. Needs `CSUM`.
pub const TSO: libc::c_uint = 0x02 | 0x04 | 0x08;
/// UDP super-packets of both families; since Linux 6.2, and only together. Needs `CSUM`.
pub const USO: libc::c_uint = 0x20 | 0x40;

/// Says which offloads the reader can take.
pub fn set_offloads(tun: &File, offloads: libc::c_uint) -> io::Result<()> {
    // SAFETY: TUNSETOFFLOAD takes its argument by value.
    check(unsafe {
        libc::ioctl(
            tun.as_raw_fd(),
            libc::TUNSETOFFLOAD,
            libc::c_ulong::from(offloads),
        )
    })?;
    Ok(())
}

/// Sets the length of the virtio header.
pub fn set_header_bytes(tun: &File, bytes: usize) -> io::Result<()> {
    let bytes = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
    // SAFETY: TUNSETVNETHDRSZ reads one int.
    check(unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETVNETHDRSZ, &raw const bytes) })?;
    Ok(())
}

/// The name and flags of the device behind a TUN descriptor; EBADFD once it has none (any more).
pub fn attached(tun: &File) -> io::Result<(String, libc::c_int)> {
    let mut request = request("");
    // SAFETY: TUNGETIFF writes one ifreq.
    check(unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNGETIFF, &raw mut request) })?;
    // SAFETY: the kernel has filled the flags.
    let flags = libc::c_int::from(unsafe { request.ifr_ifru.ifru_flags });
    Ok((name_of(&request), flags & 0xffff))
}

/// Takes an open descriptor that a caller hands over.
pub fn adopt(descriptor: RawFd) -> io::Result<File> {
    // SAFETY: F_GETFD only looks whether it is open.
    check(unsafe { libc::fcntl(descriptor, libc::F_GETFD) })?;
    // SAFETY: it is open, and by the interface's contract it is the engine's from now on.
    Ok(unsafe { File::from_raw_fd(descriptor) })
}

/// Makes reads answer `WouldBlock` in place of waiting.
pub fn set_nonblocking(descriptor: BorrowedFd) -> io::Result<()> {
    let descriptor = descriptor.as_raw_fd();
    // SAFETY: no memory is passed.
    let flags = check(unsafe { libc::fcntl(descriptor, libc::F_GETFL) })?;
    // SAFETY: no memory is passed.
    check(unsafe { libc::fcntl(descriptor, libc::F_SETFL, flags | libc::O_NONBLOCK) })?;
    Ok(())
}

fn any_socket() -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed.
    let socket =
        check(unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: the kernel has just given it to us, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(socket) })
}

/// The index of a link in this namespace.
pub fn link_index(name: &str) -> io::Result<u32> {
    let mut request = request(name);
    // SAFETY: SIOCGIFINDEX reads and writes one ifreq.
    check(unsafe {
        libc::ioctl(
            any_socket()?.as_raw_fd(),
            libc::SIOCGIFINDEX,
            &raw mut request,
        )
    })?;
    // SAFETY: the kernel has filled the index.
    Ok(unsafe { request.ifr_ifru.ifru_ifindex }.cast_unsigned())
}

/// Sets the MTU of a link in this namespace.
pub fn set_mtu(name: &str, mtu_bytes: usize) -> io::Result<()> {
    let mut request = request(name);
    request.ifr_ifru.ifru_mtu = libc::c_int::try_from(mtu_bytes).unwrap_or(libc::c_int::MAX);
    // SAFETY: SIOCSIFMTU reads one ifreq.
    check(unsafe {
        libc::ioctl(
            any_socket()?.as_raw_fd(),
            libc::SIOCSIFMTU,
            &raw mut request,
        )
    })?;
    Ok(())
}
