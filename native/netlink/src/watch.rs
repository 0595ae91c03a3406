//! Tells that links, addresses or routes changed; what changed is for the listener to observe.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;

use netlink_sys::SocketAddr;

use crate::error::{Error, Result};
use crate::socket::socket_in;
use crate::sys::wait_readable;

const LINK: u32 = libc::RTMGRP_LINK as u32;
const ADDRESS: u32 = (libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR) as u32;
const ROUTE: u32 = (libc::RTMGRP_IPV4_ROUTE | libc::RTMGRP_IPV6_ROUTE) as u32;

/// A running watch; it ends when this is dropped.
pub struct Watch {
    _alive: UnixStream,
}

/// Calls `on_change` on a thread of its own after each burst of changes, the caller's own changes included.
pub fn watch(namespace: Option<&Path>, on_change: impl Fn() + Send + 'static) -> Result<Watch> {
    let what = "watching the links";
    let socket = socket_in(namespace, SocketAddr::new(0, LINK | ADDRESS | ROUTE))?;
    socket
        .set_non_blocking(true)
        .map_err(|error| Error::io(what, &error))?;
    // The other end closes when the Watch is dropped, which wakes the thread.
    let (alive, ended) = UnixStream::pair().map_err(|error| Error::io(what, &error))?;
    let run = move || {
        let mut buffer = Vec::with_capacity(64 * 1024);
        while let Ok((_, false)) = wait_readable(socket.as_raw_fd(), ended.as_raw_fd()) {
            loop {
                buffer.clear();
                match socket.recv(&mut buffer, 0) {
                    // An overflow says that something changed as well as a message does.
                    Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => return,
                    Ok(_) => {}
                }
            }
            on_change();
        }
    };
    thread::Builder::new()
        .name("podwire-links".into())
        .spawn(run)
        .map_err(|error| Error::io(what, &error))?;
    Ok(Watch { _alive: alive })
}
