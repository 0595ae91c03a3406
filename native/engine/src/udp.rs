//! The sockets of both families on one port, and how they are exchanged while two threads use them.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use crate::error::{Error, Result, system};
use crate::sys::poll::Waker;
use crate::sys::socket::{self, Family, Outgoing};

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
    pub fn open(port: u16, mark: u32) -> Result<Self> {
        let mut attempts = if port == 0 { PORT_ATTEMPTS } else { 1 };
        loop {
            attempts -= 1;
            match Self::try_open(port) {
                Ok(sockets) => {
                    sockets.set_mark(mark)?;
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

    fn of(&self, remote: &SocketAddr) -> Option<&OwnedFd> {
        if remote.is_ipv4() {
            self.v4.as_ref()
        } else {
            self.v6.as_ref()
        }
    }

    /// Sends datagrams in order. `failed` is told of each that was not sent, and whether it is because the kernel
    /// would not use our address; such a one was sent again from an address of the kernel's choice.
    pub fn send(&self, datagrams: &[Outgoing], mut failed: impl FnMut(usize, Failure)) {
        let mut at = 0;
        while let Some(first) = datagrams.get(at) {
            let family = first.endpoint.remote.is_ipv4();
            let run = datagrams[at..]
                .iter()
                .take_while(|next| next.endpoint.remote.is_ipv4() == family)
                .count();
            let Some(socket) = self.of(&first.endpoint.remote) else {
                (at..at + run).for_each(|i| failed(i, Failure::NoSocket));
                at += run;
                continue;
            };
            match socket::send(socket, &datagrams[at..at + run]) {
                Ok(sent) => at += sent,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let mut unbound = *first;
                    let error = match unbound
                        .endpoint
                        .local
                        .take()
                        .filter(|_| is_stale_source(&error))
                    {
                        Some(_) => {
                            failed(at, Failure::Source);
                            socket::send(socket, &[unbound]).err()
                        }
                        None => Some(error),
                    };
                    if let Some(error) = error {
                        failed(at, Failure::Refused(error));
                    }
                    at += 1;
                }
            }
        }
    }
}

/// Why a datagram was not sent, or not as it should be.
pub enum Failure {
    /// The host, or the engine now, has no socket of that family.
    NoSocket,
    /// Our address is not ours any more.
    Source,
    /// The kernel's reason.
    Refused(io::Error),
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
