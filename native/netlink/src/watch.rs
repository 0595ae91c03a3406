//! Tells that links, addresses, routes or podwire's own nftables tables were changed by others; what changed is for the listener
//! to observe. The kernel says in a message by which socket a change was asked for, so that our own are no news: routes, and
//! IPv4 addresses. IPv6 addresses, and before Linux 6.1 links, come without it, and `nft` has a socket of its own: these are told.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use netlink_sys::protocols::{NETLINK_NETFILTER, NETLINK_ROUTE};
use netlink_sys::{Socket, SocketAddr};

use crate::error::{Error, Result};
use crate::socket::socket_in;
use crate::sys::wait_readable;

const LINK: u32 = libc::RTMGRP_LINK as u32;
const ADDRESS: u32 = (libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR) as u32;
const ROUTE: u32 = (libc::RTMGRP_IPV4_ROUTE | libc::RTMGRP_IPV6_ROUTE) as u32;
const NFTABLES: u32 = 1 << (libc::NFNLGRP_NFTABLES - 1);
/// Every message of nftables names its table; those of others (there may be many) do not concern us.
const TABLE: &[u8] = b"podwire-";

/// Routing protocol number of podwire's routes, as `src/model/host-state.ts` has it.
const ROUTE_PROTOCOL: u8 = 112;
/// `struct nlmsghdr`, and behind it `rtm_protocol` of `struct rtmsg`.
const HEADER_BYTES: usize = 16;
const PROTOCOL_AT: usize = HEADER_BYTES + 5;

/// What others changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct News {
    /// Something of podwire's: one of its routes, or a table of nftables.
    pub ours: bool,
    /// A link, an address, or a route that is not podwire's.
    pub others: bool,
}

impl News {
    const NONE: Self = Self {
        ours: false,
        others: false,
    };
    const ALL: Self = Self {
        ours: true,
        others: true,
    };

    fn or(self, other: Self) -> Self {
        Self {
            ours: self.ours || other.ours,
            others: self.others || other.others,
        }
    }
}

/// What a datagram of messages tells of.
type Reading = Box<dyn Fn(&[u8]) -> News + Send>;

/// A running watch; it ends when this is dropped.
pub struct Watch {
    _alive: UnixStream,
}

/// Calls `on_change`, on threads of its own, after each burst of changes; those asked for by the socket with the port number `own`
/// are left out, as far as the kernel says so.
pub fn watch(
    namespace: Option<&Path>,
    own: Option<u32>,
    on_change: impl Fn(News) + Send + Sync + 'static,
) -> Result<Watch> {
    let what = "watching the host";
    let failed = |error: io::Error| Error::io(what, &error);
    // The other end closes when the Watch is dropped, which wakes the threads.
    let (alive, ended) = UnixStream::pair().map_err(failed)?;
    let on_change = Arc::new(on_change);
    let sources: [(isize, u32, Reading); 2] = [
        (
            NETLINK_ROUTE,
            LINK | ADDRESS | ROUTE,
            Box::new(move |messages| route_news(messages, own)),
        ),
        (NETLINK_NETFILTER, NFTABLES, Box::new(table_news)),
    ];
    for (protocol, groups, read) in sources {
        let socket = socket_in(namespace, protocol, SocketAddr::new(0, groups))?;
        socket.set_non_blocking(true).map_err(failed)?;
        let (ended, on_change) = (ended.try_clone().map_err(failed)?, on_change.clone());
        thread::Builder::new()
            .name("podwire-watch".into())
            .spawn(move || listen(&socket, &ended, &read, &*on_change))
            .map_err(failed)?;
    }
    Ok(Watch { _alive: alive })
}

/// Reads the messages of a datagram, whatever its bytes are.
pub(crate) fn route_news(mut messages: &[u8], own: Option<u32>) -> News {
    let mut news = News::NONE;
    while let Some(header) = messages.first_chunk::<HEADER_BYTES>() {
        let word = |at: usize| u32::from_ne_bytes([0, 1, 2, 3].map(|i| header[at + i]));
        let (kind, port) = (u16::from_ne_bytes([header[4], header[5]]), word(12));
        if own != Some(port) {
            let is_route = kind == libc::RTM_NEWROUTE || kind == libc::RTM_DELROUTE;
            let is_ours = is_route && messages.get(PROTOCOL_AT) == Some(&ROUTE_PROTOCOL);
            news.ours |= is_ours;
            news.others |= !is_ours;
        }
        let length = (word(0) as usize).next_multiple_of(4).max(HEADER_BYTES);
        messages = messages.get(length..).unwrap_or_default();
    }
    news
}

fn table_news(messages: &[u8]) -> News {
    News {
        ours: messages.windows(TABLE.len()).any(|bytes| bytes == TABLE),
        others: false,
    }
}

fn listen(socket: &Socket, ended: &UnixStream, read: &Reading, on_change: &impl Fn(News)) {
    let mut buffer = Vec::with_capacity(64 * 1024);
    while let Ok((_, false)) = wait_readable(socket.as_raw_fd(), ended.as_raw_fd()) {
        let mut news = News::NONE;
        loop {
            buffer.clear();
            match socket.recv(&mut buffer, 0) {
                // An overflow says that something changed as well as a message does.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => news = News::ALL,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
                Ok(_) => news = news.or(read(&buffer)),
            }
        }
        if news != News::NONE {
            on_change(news);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message of that kind, port and routing protocol.
    fn message(kind: u16, port: u32, protocol: u8) -> Vec<u8> {
        let mut bytes = 28_u32.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 6]);
        bytes.extend(port.to_ne_bytes());
        bytes.extend([2, 0, 0, 0, 254, protocol, 0, 0, 0, 0, 0, 0]);
        bytes
    }

    #[test]
    fn what_we_asked_for_is_no_news_and_our_routes_are_told_apart() {
        let cases = [
            (libc::RTM_NEWROUTE, 7, 112, (false, false)),
            (libc::RTM_NEWROUTE, 8, 112, (true, false)),
            (libc::RTM_DELROUTE, 0, 112, (true, false)),
            (libc::RTM_NEWROUTE, 0, 3, (false, true)),
            (libc::RTM_NEWADDR, 7, 112, (false, false)),
            (libc::RTM_NEWADDR, 0, 112, (false, true)),
            (libc::RTM_NEWLINK, 0, 0, (false, true)),
        ];
        for (kind, port, protocol, (ours, others)) in cases {
            let bytes = message(kind, port, protocol);
            assert_eq!(route_news(&bytes, Some(7)), News { ours, others });
            let both = [bytes, message(libc::RTM_NEWROUTE, 7, 112)].concat();
            assert_eq!(route_news(&both, Some(7)), News { ours, others });
        }
        let own = message(libc::RTM_NEWROUTE, 7, 112);
        assert!(route_news(&own, None).ours);
        for end in 0..own.len() {
            let _ = route_news(&own[..end], Some(7));
        }
        let mut endless = own;
        endless[0] = 0;
        assert_eq!(
            route_news(&endless, Some(7)),
            News::NONE.or(route_news(&endless[16..], Some(7)))
        );
    }
}
