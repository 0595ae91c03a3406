//! What goes with a message both ways: its address, and room for control messages.

use std::mem::zeroed;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// An address of either family, in the room of the longer one.
pub fn write_address(address: SocketAddr) -> (libc::sockaddr_in6, libc::socklen_t) {
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

/// The address that the kernel wrote there; `None` if it is of neither family.
pub fn read_address(room: &libc::sockaddr_in6) -> Option<SocketAddr> {
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
pub struct Control([u8; 128]);

impl Control {
    /// Empty.
    pub const EMPTY: Self = Self([0; 128]);
}
