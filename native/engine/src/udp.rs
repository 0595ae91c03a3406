//! The sockets of both families on one port, and how they are exchanged while two threads use them.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use crate::error::{Error, Result, system};
use crate::offload::{Offload, Offloads, State};
use crate::sys::host::release;
use crate::sys::poll::Waker;
use crate::sys::send::{Outgoing, send};
use crate::sys::socket::{self, Family};

/// How often to look for a port that is free in both families.
const PORT_ATTEMPTS: usize = 32;
/// The receiving thread takes new sockets within a batch; never wait for it for ever.
const ADOPTION_TIMEOUT: Duration = Duration::from_secs(1);

/// A socket of each family that the host has.
pub struct Sockets {
    /// IPv4.
    pub v4: Option<OwnedFd>,
    /// IPv6.
    pub v6: Option<OwnedFd>,
    /// The port of both.
    pub port: u16,
}

/// Opens a socket, or none if the host does not have the family.
fn open_family(family: Family, port: u16) -> io::Result<Option<OwnedFd>> {
    match socket::open(family, port) {
        Ok(socket) => Ok(Some(socket)),
        Err(error)
            if matches!(
                error.raw_os_error(),
                Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

impl Sockets {
    /// Opens both on the port; 0 takes one that is free in both families.
    pub fn open(port: u16, mark: u32, offloads: &Offloads) -> Result<Self> {
        let mut attempts = if port == 0 { PORT_ATTEMPTS } else { 1 };
        loop {
            attempts -= 1;
            match Self::try_open(port) {
                Ok(sockets) => {
                    sockets.set_mark(mark)?;
                    sockets.offload(offloads);
                    return Ok(sockets);
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempts > 0 => {}
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    return Err(Error::PortInUse(port));
                }
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    return Err(Error::NeedsRoot(format!("binding UDP port {port}")));
                }
                Err(error) => return Err(Error::System(format!("binding UDP port {port}"), error)),
            }
        }
    }

    fn try_open(port: u16) -> io::Result<Self> {
        let v4 = open_family(Family::V4, port)?;
        let port = v4.as_ref().map_or(Ok(port), socket::port)?;
        let v6 = open_family(Family::V6, port)?;
        let port = v6.as_ref().map_or(Ok(port), socket::port)?;
        if v4.is_none() && v6.is_none() {
            return Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT));
        }
        Ok(Self { v4, v6, port })
    }

    /// Marks what both send.
    pub fn set_mark(&self, mark: u32) -> Result<()> {
        for socket in [&self.v4, &self.v6].into_iter().flatten() {
            socket::set_mark(socket, mark).map_err(|error| match error.kind() {
                io::ErrorKind::PermissionDenied => Error::NeedsRoot("setting the fwmark".into()),
                _ => Error::System(format!("setting the fwmark {mark:#x}"), error),
            })?;
        }
        Ok(())
    }

    /// Asks the kernel for what it can do; what it cannot is said in the offloads.
    fn offload(&self, offloads: &Offloads) {
        for socket in [&self.v4, &self.v6].into_iter().flatten() {
            if let Err(error) = segmentation(socket) {
                offloads.end(Offload::Gso, State::Unsupported, error.to_string());
            }
            if offloads.is_on(Offload::Gro)
                && let Err(error) = socket::coalesce(socket)
            {
                offloads.end(Offload::Gro, State::Unsupported, error.to_string());
            }
        }
    }

    fn of(&self, remote: &SocketAddr) -> Option<&OwnedFd> {
        if remote.is_ipv4() {
            self.v4.as_ref()
        } else {
            self.v6.as_ref()
        }
    }

    /// Sends messages in order. `failed` is told of each whose datagrams were not all sent, how many, and why; or that the
    /// kernel would not use our address, and it was sent from one of the kernel's choice; or that it cannot segment. False:
    /// the buffer stayed full for the whole of the socket's time-out, and what follows would wait as long.
    pub fn send(
        &self,
        messages: &[Outgoing],
        offloads: &Offloads,
        mut failed: impl FnMut(usize, usize, Failure),
    ) -> bool {
        let mut at = 0;
        while let Some(first) = messages.get(at) {
            let Some(socket) = self.of(&first.endpoint.remote) else {
                failed(at, datagrams(first), Failure::NoSocket);
                at += 1;
                continue;
            };
            if is_segmented(first) && !offloads.is_on(Offload::Gso) {
                if !send_each(socket, first, |count, failure| failed(at, count, failure)) {
                    return false;
                }
                at += 1;
                continue;
            }
            let run = messages[at..].iter().take_while(|next| {
                next.endpoint.remote.is_ipv4() == first.endpoint.remote.is_ipv4()
                    && (!is_segmented(next) || offloads.is_on(Offload::Gso))
            });
            match send(socket, &messages[at..at + run.count()]) {
                Ok(sent) => at += sent,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let left = messages[at..].iter().map(datagrams).sum();
                    failed(at, left, Failure::Refused(error));
                    return false;
                }
                Err(error) if is_segmented(first) && is_not_segmentable(&error) => {
                    // Longer than the path's MTU (then it leaves in fragments, each datagram alone), or a source that is
                    // not ours any more, or a device that cannot do it, which alone is for good.
                    let mut all = true;
                    let goes_on = send_each(socket, first, |count, failure| {
                        all = false;
                        failed(at, count, failure);
                    });
                    if !goes_on {
                        return false;
                    }
                    if all && error.raw_os_error() == Some(libc::EIO) {
                        failed(at, 0, Failure::Segmentation(error));
                    }
                    at += 1;
                }
                Err(error) => {
                    send_again(socket, first, error, |failure| {
                        failed(at, datagrams(first), failure);
                    });
                    at += 1;
                }
            }
        }
        true
    }
}

fn is_segmented(message: &Outgoing) -> bool {
    message.bytes.len() > message.segment_bytes
}

fn datagrams(message: &Outgoing) -> usize {
    message.bytes.len().div_ceil(message.segment_bytes.max(1))
}

/// Sends a message's datagrams each for itself. False: the buffer stayed full.
fn send_each(socket: &OwnedFd, message: &Outgoing, mut failed: impl FnMut(usize, Failure)) -> bool {
    let pieces = message.bytes.chunks(message.segment_bytes);
    let datagrams: Vec<_> = pieces.map(|bytes| Outgoing { bytes, ..*message }).collect();
    let mut rest = &datagrams[..];
    while let Some((first, others)) = rest.split_first() {
        match send(socket, rest) {
            Ok(sent) => rest = &rest[sent..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                failed(rest.len(), Failure::Refused(error));
                return false;
            }
            Err(error) => {
                send_again(socket, first, error, |failure| failed(1, failure));
                rest = others;
            }
        }
    }
    true
}

/// Sends a message that failed once more if that may help: without our address, if that may be the trouble.
fn send_again(
    socket: &OwnedFd,
    message: &Outgoing,
    error: io::Error,
    mut failed: impl FnMut(Failure),
) {
    let mut unbound = *message;
    let has_source = unbound.endpoint.local.take().is_some();
    let error = if error.kind() == io::ErrorKind::Interrupted {
        send(socket, &[*message]).err()
    } else if has_source && is_stale_source(&error) {
        failed(Failure::Source);
        send(socket, &[unbound]).err()
    } else {
        Some(error)
    };
    if let Some(error) = error {
        failed(Failure::Refused(error));
    }
}

/// Linux 7.0 to 7.1.4 spoils segmented messages whose segments are all of one length.
fn segmentation(socket: &OwnedFd) -> io::Result<()> {
    let release = release();
    if ((7, 0, 0)..(7, 1, 5)).contains(&release) {
        let (major, minor, patch) = release;
        return Err(io::Error::other(format!(
            "Linux {major}.{minor}.{patch} spoils segmented datagrams"
        )));
    }
    socket::can_segment(socket)
}

/// Why a datagram was not sent, or not as it should be.
pub enum Failure {
    /// The host, or the engine now, has no socket of that family.
    NoSocket,
    /// Our address is not ours any more.
    Source,
    /// The device cannot segment; each datagram was sent alone.
    Segmentation(io::Error),
    /// The kernel's reason.
    Refused(io::Error),
}

fn is_not_segmentable(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EIO | libc::EINVAL | libc::EMSGSIZE)
    )
}

fn is_stale_source(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::EINVAL
                | libc::EADDRNOTAVAIL
                | libc::ENETUNREACH
                | libc::EHOSTUNREACH
                | libc::ENODEV
        )
    )
}

struct Adoption {
    /// Counts the exchanges.
    generation: u64,
    /// The last one that the receiving thread has taken.
    adopted: u64,
    /// Whether there is such a thread.
    received: bool,
}

/// The sockets in use. Senders hold them for the length of a batch; the receiving thread keeps its own reference, since
/// it waits on them, and lets go when woken: so that a port is free when an exchange returns.
pub struct SocketSlot {
    current: RwLock<Option<Arc<Sockets>>>,
    adoption: Mutex<Adoption>,
    taken: Condvar,
    /// Wakes the receiving thread.
    pub waker: Waker,
}

impl SocketSlot {
    /// No sockets.
    pub fn new() -> Result<Self> {
        Ok(Self {
            current: RwLock::default(),
            adoption: Mutex::new(Adoption {
                generation: 0,
                adopted: 0,
                received: false,
            }),
            taken: Condvar::new(),
            waker: Waker::new().map_err(system("making an eventfd"))?,
        })
    }

    /// The sockets, to send on.
    pub fn get(&self) -> RwLockReadGuard<'_, Option<Arc<Sockets>>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Exchanges the sockets; on return the former ones are closed.
    pub fn replace(&self, sockets: Option<Sockets>) {
        {
            let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
            *current = sockets.map(Arc::new);
        }
        let mut adoption = self.adoption.lock().unwrap_or_else(PoisonError::into_inner);
        adoption.generation += 1;
        self.waker.wake();
        let waits =
            |adoption: &mut Adoption| adoption.received && adoption.adopted < adoption.generation;
        drop(
            self.taken
                .wait_timeout_while(adoption, ADOPTION_TIMEOUT, waits),
        );
    }

    /// For the receiving thread: gives up the sockets that it has and takes the current ones.
    pub fn adopt(&self, held: &mut Option<Arc<Sockets>>) {
        *held = None;
        let mut adoption = self.adoption.lock().unwrap_or_else(PoisonError::into_inner);
        held.clone_from(&self.get());
        adoption.received = true;
        adoption.adopted = adoption.generation;
        self.taken.notify_all();
    }

    /// For the receiving thread, at its end.
    pub fn release(&self) {
        self.adoption
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .received = false;
        self.taken.notify_all();
    }
}

#[cfg(test)]
#[path = "../tests/unit/udp.rs"]
mod tests;
