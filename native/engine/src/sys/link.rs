//! What the kernel says of one link, over rtnetlink: is it up, how long are its packets, is it gone. By index, so that a
//! new name does not matter.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::{check, check_size};

/// One thing that was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// The link's state.
    State {
        /// Whether it is administratively up.
        up: bool,
        /// Its MTU, if it was said.
        mtu_bytes: Option<usize>,
    },
    /// It left this namespace.
    Deleted,
}

/// An rtnetlink socket that hears of all links.
pub struct LinkSocket(OwnedFd);

const HEADER_BYTES: usize = size_of::<libc::nlmsghdr>();
const INFO_BYTES: usize = 16;

impl LinkSocket {
    /// Opens it in this namespace.
    pub fn open() -> io::Result<Self> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: no memory is passed.
        let socket = check(unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE) })?;
        // SAFETY: the kernel has just given it to us, and nobody else owns it.
        let socket = unsafe { OwnedFd::from_raw_fd(socket) };
        // SAFETY: a sockaddr_nl is made of integers; zero is a value of each.
        let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
        address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
        address.nl_groups = libc::RTMGRP_LINK as u32;
        let length = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
        // SAFETY: the pointer and the length are those of `address`.
        check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) })?;
        Ok(Self(socket))
    }

    /// Asks for the state of a link; the answer comes by `read`.
    pub fn ask(&self, index: u32) -> io::Result<()> {
        self.send(libc::RTM_GETLINK, index, &[])
    }

    /// Lets a link come up without a link-local address of its own, as the kernel's `WireGuard` does: it would be another
    /// one each time, and no peer's `AllowedIPs` have it.
    pub fn forgo_link_local(&self, index: u32) -> io::Result<()> {
        /// `linux/if_link.h`
        const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
        const IN6_ADDR_GEN_MODE_NONE: u8 = 1;
        let attribute = |bytes: u16, kind: u16| {
            let [bytes, kind] = [bytes, kind].map(u16::to_ne_bytes);
            [bytes[0], bytes[1], kind[0], kind[1]]
        };
        let attributes = [
            attribute(16, libc::IFLA_AF_SPEC),
            attribute(12, libc::AF_INET6 as u16),
            attribute(5, IFLA_INET6_ADDR_GEN_MODE),
            [IN6_ADDR_GEN_MODE_NONE, 0, 0, 0],
        ];
        self.send(libc::RTM_SETLINK, index, attributes.as_flattened())
    }

    /// Sends a request about a link.
    fn send(&self, kind: u16, index: u32, attributes: &[u8]) -> io::Result<()> {
        let mut message = vec![0_u8; HEADER_BYTES + INFO_BYTES];
        message.extend(attributes);
        let length = message.len() as u32;
        message[..4].copy_from_slice(&length.to_ne_bytes());
        message[4..6].copy_from_slice(&kind.to_ne_bytes());
        message[6..8].copy_from_slice(&(libc::NLM_F_REQUEST as u16).to_ne_bytes());
        message[HEADER_BYTES + 4..HEADER_BYTES + 8].copy_from_slice(&index.to_ne_bytes());
        // SAFETY: the pointer and the length are those of `message`.
        check_size(unsafe {
            libc::send(
                self.0.as_raw_fd(),
                message.as_ptr().cast(),
                message.len(),
                0,
            )
        })?;
        Ok(())
    }

    /// What was said of the link since the last call. ENOBUFS: something was lost, so ask.
    pub fn read(&self, index: u32) -> io::Result<Vec<Said>> {
        let mut buffer = [0_u8; 16_384];
        // SAFETY: the pointer and the length are those of `buffer`.
        let read = unsafe {
            libc::recv(
                self.0.as_raw_fd(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                0,
            )
        };
        Ok(parse(&buffer[..check_size(read)?], index))
    }
}

impl AsFd for LinkSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Netlink pads to four bytes.
fn aligned(bytes: &[u8], length: usize) -> &[u8] {
    &bytes[length.next_multiple_of(4).min(bytes.len())..]
}

fn parse(mut messages: &[u8], index: u32) -> Vec<Said> {
    let mut said = Vec::new();
    while let Some(length) = number(messages, 0) {
        let length = length as usize;
        let Some(message) = messages
            .get(..length)
            .filter(|message| message.len() >= HEADER_BYTES)
        else {
            break;
        };
        let kind = u16::from_ne_bytes([message[4], message[5]]);
        let body = &message[HEADER_BYTES..];
        if number(body, 4) == Some(index) && body.len() >= INFO_BYTES {
            match kind {
                libc::RTM_NEWLINK => said.push(Said::State {
                    up: number(body, 8).unwrap_or(0) & libc::IFF_UP.cast_unsigned() != 0,
                    mtu_bytes: attribute(&body[INFO_BYTES..], libc::IFLA_MTU),
                }),
                libc::RTM_DELLINK => said.push(Said::Deleted),
                _ => {}
            }
        }
        messages = aligned(messages, length);
    }
    said
}

fn attribute(mut attributes: &[u8], wanted: u16) -> Option<usize> {
    loop {
        let head = number(attributes, 0)?.to_ne_bytes();
        let length = usize::from(u16::from_ne_bytes([head[0], head[1]]));
        if u16::from_ne_bytes([head[2], head[3]]) == wanted {
            return number(attributes, 4).map(|value| value as usize);
        }
        if length < 4 {
            return None;
        }
        attributes = aligned(attributes, length);
    }
}
