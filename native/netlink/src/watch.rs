//! Tells that links, addresses, routes or podwire's own nftables tables changed; what changed is for the listener to
//! observe.

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

/// Whether a datagram of messages is about something that we look after.
type Concern = fn(&[u8]) -> bool;

/// A running watch; it ends when this is dropped.
pub struct Watch {
    _alive: UnixStream,
}

/// Calls `on_change`, on threads of its own, after each burst of changes, the caller's own changes included.
pub fn watch(
    namespace: Option<&Path>,
    on_change: impl Fn() + Send + Sync + 'static,
) -> Result<Watch> {
    let what = "watching the host";
    let failed = |error: io::Error| Error::io(what, &error);
    // The other end closes when the Watch is dropped, which wakes the threads.
    let (alive, ended) = UnixStream::pair().map_err(failed)?;
    let on_change = Arc::new(on_change);
    let any = |_: &[u8]| true;
    let ours = |messages: &[u8]| messages.windows(TABLE.len()).any(|bytes| bytes == TABLE);
    let sources: [(isize, u32, Concern); 2] = [
        (NETLINK_ROUTE, LINK | ADDRESS | ROUTE, any),
        (NETLINK_NETFILTER, NFTABLES, ours),
    ];
    for (protocol, groups, concerns_us) in sources {
        let socket = socket_in(namespace, protocol, SocketAddr::new(0, groups))?;
        socket.set_non_blocking(true).map_err(failed)?;
        let (ended, on_change) = (ended.try_clone().map_err(failed)?, on_change.clone());
        thread::Builder::new()
            .name("podwire-watch".into())
            .spawn(move || listen(&socket, &ended, concerns_us, &*on_change))
            .map_err(failed)?;
    }
    Ok(Watch { _alive: alive })
}

fn listen(socket: &Socket, ended: &UnixStream, concerns_us: Concern, on_change: &impl Fn()) {
    let mut buffer = Vec::with_capacity(64 * 1024);
    while let Ok((_, false)) = wait_readable(socket.as_raw_fd(), ended.as_raw_fd()) {
        let mut changed = false;
        loop {
            buffer.clear();
            match socket.recv(&mut buffer, 0) {
                // An overflow says that something changed as well as a message does.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => changed = true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
                Ok(_) => changed |= concerns_us(&buffer),
            }
        }
        if changed {
            on_change();
        }
    }
}
