//! The TUN device, and the watch on its link.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::sync::atomic::Ordering;

use crate::error::{Error, Result, system};
use crate::events::Kind;
use crate::offload::{OFFLOADS, Offload, Offloads, State};
use crate::plane::{Plane, Warning};
use crate::sys::link::{LinkSocket, Said};
use crate::sys::tun as sys;
use crate::vnet::VNET_BYTES;

const DEVICE: &str = "/dev/net/tun";
const MAX_NAME_BYTES: usize = 15;

/// A TUN device, or one queue of it. When the last is dropped the link is removed, if it was created here.
pub struct Tun {
    file: File,
    name: String,
    index: u32,
    has_header: bool,
}

fn open_device() -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(DEVICE)
        .map_err(|error| match error.raw_os_error() {
            Some(libc::EACCES) => Error::NeedsRoot(format!("opening {DEVICE}")),
            _ => Error::NoTun(error),
        })
}

impl Tun {
    /// Creates a link of that name, with one queue or more. It is gone when all are dropped.
    pub fn create(
        name: &str,
        mtu_bytes: usize,
        queues: usize,
        offloads: &Offloads,
    ) -> Result<Vec<Self>> {
        check_name(name)?;
        let file = open_device()?;
        let name =
            sys::create(&file, name, queues > 1).map_err(|error| match error.raw_os_error() {
                Some(libc::EBUSY) => Error::NameInUse(name.into()),
                Some(libc::EPERM) => Error::NeedsRoot(format!("creating the interface \"{name}\"")),
                _ => Error::System(format!("creating the interface \"{name}\""), error),
            })?;
        let mut tuns = vec![Self::ready(file, name, true, offloads)?];
        for _ in 1..queues {
            let (file, name) = (open_device()?, tuns[0].name.clone());
            sys::add_queue(&file, &name)
                .map_err(system(format!("adding a queue to \"{name}\"")))?;
            tuns.push(Self::ready(file, name, true, offloads)?);
        }
        tuns[0].set_mtu(mtu_bytes)?;
        // Without IPv6 there is nothing to forgo.
        let _ = LinkSocket::open().and_then(|socket| socket.forgo_link_local(tuns[0].index));
        Ok(tuns)
    }

    /// Takes a descriptor of /dev/net/tun that has a device already, in this namespace.
    pub fn adopt(descriptor: RawFd, mtu_bytes: usize, offloads: &Offloads) -> Result<Self> {
        let what = format!("the TUN descriptor {descriptor}");
        let file = sys::adopt(descriptor).map_err(system(&what))?;
        let (name, flags) = sys::attached(&file).map_err(system(&what))?;
        if flags & libc::IFF_TUN == 0 || flags & libc::IFF_NO_PI == 0 {
            let reason = io::Error::other("it needs IFF_TUN and IFF_NO_PI");
            return Err(system(&what)(reason));
        }
        let tun = Self::ready(file, name, flags & libc::IFF_VNET_HDR != 0, offloads)?;
        tun.set_mtu(mtu_bytes)?;
        Ok(tun)
    }

    fn ready(file: File, name: String, has_header: bool, offloads: &Offloads) -> Result<Self> {
        sys::set_nonblocking(file.as_fd()).map_err(system("the TUN descriptor"))?;
        let index = sys::link_index(&name).map_err(system(format!("the interface \"{name}\"")))?;
        let tun = Self {
            file,
            name,
            index,
            has_header,
        };
        tun.offload(offloads)?;
        Ok(tun)
    }

    /// Asks the kernel for what it can do; what it cannot is said in the offloads.
    fn offload(&self, offloads: &Offloads) -> Result<()> {
        if !self.has_header {
            for (offload, _) in OFFLOADS {
                if !matches!(offload, Offload::Gso | Offload::Gro) {
                    let reason = "the TUN descriptor has no IFF_VNET_HDR";
                    offloads.end(offload, State::Unsupported, reason);
                }
            }
            return Ok(());
        }
        sys::set_header_bytes(&self.file, VNET_BYTES)
            .map_err(system("setting the length of the TUN's header"))?;
        for (offload, flags) in [(Offload::Uso, sys::USO), (Offload::Tso, sys::TSO)] {
            if offloads.is_on(offload)
                && let Err(error) = sys::set_offloads(&self.file, sys::CSUM | flags)
            {
                offloads.end(offload, State::Unsupported, error.to_string());
            }
        }
        let flag = |offload, flags| if offloads.is_on(offload) { flags } else { 0 };
        let wanted = flag(Offload::Tso, sys::TSO) | flag(Offload::Uso, sys::USO);
        // A kernel without any computes the checksums itself.
        let _ = sys::set_offloads(&self.file, sys::CSUM | wanted);
        if !offloads.is_on(Offload::Uso) {
            // Kernels that do not cut such packets for us do not take them from us either.
            let reason = "this kernel's TUN does not segment UDP";
            if offloads.all()[Offload::Uso as usize].1 == State::Unsupported {
                offloads.end(Offload::CoalesceUdp, State::Unsupported, reason);
            }
        }
        Ok(())
    }

    fn set_mtu(&self, mtu_bytes: usize) -> Result<()> {
        let name = &self.name;
        sys::set_mtu(name, mtu_bytes).map_err(system(format!(
            "setting the MTU of \"{name}\" to {mtu_bytes}"
        )))
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

    /// Reads a virtio header and a packet; `WouldBlock` if none waits.
    pub fn read(&self, packet: &mut [u8]) -> io::Result<usize> {
        if self.has_header {
            return (&self.file).read(packet);
        }
        let (header, packet) = packet.split_at_mut(VNET_BYTES);
        header.fill(0);
        (&self.file).read(packet).map(|bytes| bytes + VNET_BYTES)
    }

    /// Writes one packet in parts, of which the first is the virtio header.
    pub fn write(&self, parts: &[IoSlice]) -> io::Result<()> {
        let parts = if self.has_header { parts } else { &parts[1..] };
        (&self.file).write_vectored(parts).map(|_| ())
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
