//! The TUN device, and the watch on its link.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::sync::atomic::Ordering;

use crate::error::{Error, Result, system};
use crate::events::Kind;
use crate::plane::{Plane, Warning};
use crate::sys::link::{LinkSocket, Said};
use crate::sys::tun as sys;

const DEVICE: &str = "/dev/net/tun";
const MAX_NAME_BYTES: usize = 15;

/// A TUN device. Dropping it removes the link, if it was created here.
pub struct Tun {
    file: File,
    name: String,
    index: u32,
}

impl Tun {
    /// Creates a link of that name. It is gone when the result is dropped.
    pub fn create(name: &str, mtu_bytes: usize) -> Result<Self> {
        check_name(name)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(DEVICE)
            .map_err(|error| match error.raw_os_error() {
                Some(libc::EACCES) => Error::NeedsRoot(format!("opening {DEVICE}")),
                _ => Error::NoTun(error),
            })?;
        let name = sys::create(&file, name).map_err(|error| match error.raw_os_error() {
            Some(libc::EBUSY) => Error::NameInUse(name.into()),
            Some(libc::EPERM) => Error::NeedsRoot(format!("creating the interface \"{name}\"")),
            _ => Error::System(format!("creating the interface \"{name}\""), error),
        })?;
        Self::ready(file, name, mtu_bytes)
    }

    /// Takes a descriptor of /dev/net/tun that has a device already, in this namespace.
    pub fn adopt(descriptor: RawFd, mtu_bytes: usize) -> Result<Self> {
        let file =
            sys::adopt(descriptor).map_err(system(format!("the TUN descriptor {descriptor}")))?;
        let (name, flags) =
            sys::attached(&file).map_err(system(format!("the TUN descriptor {descriptor}")))?;
        if flags & libc::IFF_TUN == 0
            || flags & libc::IFF_NO_PI == 0
            || flags & libc::IFF_VNET_HDR != 0
        {
            return Err(system(format!("the TUN descriptor {descriptor}"))(
                io::Error::other("it needs IFF_TUN and IFF_NO_PI, and must not have IFF_VNET_HDR"),
            ));
        }
        Self::ready(file, name, mtu_bytes)
    }

    fn ready(file: File, name: String, mtu_bytes: usize) -> Result<Self> {
        sys::set_nonblocking(file.as_fd()).map_err(system("the TUN descriptor"))?;
        let index = sys::link_index(&name).map_err(system(format!("the interface \"{name}\"")))?;
        sys::set_mtu(&name, mtu_bytes).map_err(system(format!(
            "setting the MTU of \"{name}\" to {mtu_bytes}"
        )))?;
        Ok(Self { file, name, index })
    }

    /// The name that it had when it was opened.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What to wait for.
    #[must_use]
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Whether its link still exists, in whichever namespace.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        sys::attached(&self.file).is_ok()
    }

    /// Reads one packet; `WouldBlock` if none waits.
    pub fn read(&self, packet: &mut [u8]) -> io::Result<usize> {
        (&self.file).read(packet)
    }

    /// Writes one packet.
    pub fn write(&self, packet: &[u8]) -> io::Result<()> {
        (&self.file).write(packet).map(|_| ())
    }
}

/// What the kernel would take for a pattern, or refuse without a reason.
fn check_name(name: &str) -> Result<()> {
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.len() > MAX_NAME_BYTES {
        "it is longer than 15 bytes"
    } else if name == "."
        || name == ".."
        || name
            .bytes()
            .any(|byte| b"/:%".contains(&byte) || !byte.is_ascii_graphic())
    {
        "it has a character that the kernel does not take, or takes for a pattern"
    } else {
        return Ok(());
    };
    Err(Error::Name(name.into(), reason))
}

/// Tells of the link's state when it changes.
pub struct LinkWatch {
    socket: LinkSocket,
    index: u32,
    up: bool,
    mtu_bytes: usize,
    gone: bool,
}

impl LinkWatch {
    /// Watches the link, which is taken to be down: if it is up already, that is the first thing to be told.
    pub fn new(tun: &Tun, mtu_bytes: usize) -> Result<Self> {
        let socket = LinkSocket::open().map_err(system("opening an rtnetlink socket"))?;
        socket
            .ask(tun.index)
            .map_err(system(format!("watching \"{}\"", tun.name)))?;
        Ok(Self {
            socket,
            index: tun.index,
            up: false,
            mtu_bytes,
            gone: false,
        })
    }

    /// What to wait for.
    #[must_use]
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Reads what was said, and tells what it changes.
    pub fn read(&mut self, plane: &Plane, tun: &Tun, now_ms: u64) {
        let said = match self.socket.read(self.index) {
            Ok(said) => said,
            Err(error) => {
                if error.raw_os_error() == Some(libc::ENOBUFS) {
                    let _ = self.socket.ask(self.index);
                }
                plane.warn(Warning::Link, now_ms, || {
                    format!("watching {}: {error}", tun.name)
                });
                return;
            }
        };
        for said in said {
            match said {
                Said::State { up, mtu_bytes } => {
                    if std::mem::replace(&mut self.up, up) != up {
                        plane
                            .events
                            .link(if up { Kind::LinkUp } else { Kind::LinkDown }, &[]);
                    }
                    if let Some(mtu_bytes) =
                        mtu_bytes.filter(|&mtu_bytes| mtu_bytes != self.mtu_bytes)
                    {
                        self.mtu_bytes = mtu_bytes;
                        plane.mtu_bytes.store(mtu_bytes, Ordering::Relaxed);
                        plane
                            .events
                            .link(Kind::LinkMtu, &(mtu_bytes as u32).to_le_bytes());
                    }
                }
                // A link that moved to another namespace is deleted here, and goes on there.
                Said::Deleted if tun.is_attached() => {}
                Said::Deleted => self.gone(plane),
            }
        }
    }

    /// Tells, once, that the link is gone.
    pub fn gone(&mut self, plane: &Plane) {
        if !std::mem::replace(&mut self.gone, true) {
            plane.events.link(Kind::LinkGone, &[]);
        }
    }
}
