//! An engine from outside: opened with a TUN, driven by commands, closed. Commands run on the caller's thread; what they
//! need of the packets' threads they say through the table.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::str::FromStr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crate::allowed_ips::Prefix;
use crate::counters::{Chunk, Drop as Reason};
use crate::endpoint::{Endpoint, unpack_source};
use crate::error::{Error, Result, system};
use crate::inbound;
use crate::keypair::KeypairOptions;
use crate::mac::Mac1;
use crate::offload::Switches;
use crate::outbound;
use crate::packet::{COOKIE_REPLY_BYTES, INITIATION_BYTES, RESPONSE_BYTES};
use crate::peer::PeerId;
use crate::plane::Plane;
use crate::status::Status;
use crate::sys::host::now_ms;
use crate::sys::poll::Waker;
use crate::tun::{LinkWatch, Tun};
use crate::udp::Sockets;
use crate::wire::{WIRE_BYTES, Wire};

/// The lock is taken anew for each so many prefixes, so that packets pass while a long list loads.
const PREFIXES_AT_ONCE: usize = 1024;

/// What starts an engine.
pub struct Options<'a> {
    /// Name of the interface to create.
    pub name: &'a str,
    /// Its MTU.
    pub mtu_bytes: usize,
    /// A TUN descriptor to use instead of creating one; it is the engine's from then on.
    pub tun_fd: Option<RawFd>,
    /// Which offloads to use.
    pub switches: Switches,
    /// Queues of the TUN, and as many threads for each direction; 0: as many as the cores deserve. One thread each way
    /// does everything itself.
    pub threads: usize,
}

/// Half the cores for each direction; more than eight gain nothing.
const MAX_THREADS: usize = 8;

fn threads(wanted: usize) -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = if wanted == 0 { cores / 2 } else { wanted };
    threads.clamp(1, MAX_THREADS)
}

/// See the module. Dropping it closes it.
pub struct Engine {
    plane: Arc<Plane>,
    name: String,
    mark: u32,
    wire: Wire,
    stop: Arc<Waker>,
    /// See `inbound::run`.
    openers: usize,
    threads: Vec<JoinHandle<()>>,
}

impl Engine {
    /// Opens the TUN and starts the threads. `wake` is called, from any thread, when events wait that `drain` has not
    /// taken; it must not call the engine.
    pub fn open(options: &Options, wake: impl Fn() + Send + Sync + 'static) -> Result<Self> {
        let plane = Arc::new(Plane::new(options.mtu_bytes, options.switches, wake)?);
        let mut threads = threads(options.threads);
        let tuns = match options.tun_fd {
            Some(descriptor) => {
                threads = 1;
                vec![Tun::adopt(descriptor, options.mtu_bytes, &plane.offloads)?]
            }
            None => Tun::create(options.name, options.mtu_bytes, threads, &plane.offloads)?,
        };
        let writer = match threads {
            1 => None,
            _ => Some(Arc::new(tuns[0].writer()?)),
        };
        let mut link = Some(LinkWatch::new(&tuns[0], options.mtu_bytes)?);
        let stop = Arc::new(Waker::new().map_err(system("making an eventfd"))?);
        let mut engine = Self {
            plane,
            name: tuns[0].name().to_owned(),
            mark: 0,
            wire: Wire::default(),
            stop,
            openers: if threads == 1 { 0 } else { threads },
            threads: Vec::new(),
        };
        let tuns: Vec<_> = tuns.into_iter().map(Arc::new).collect();
        for (i, tun) in tuns.iter().enumerate() {
            let (plane, stop) = (Arc::clone(&engine.plane), Arc::clone(&engine.stop));
            let (tun, link) = (Arc::clone(tun), link.take());
            let name = match i {
                0 => "podwire-out".into(),
                _ => format!("podwire-out-{i}"),
            };
            engine.spawn(name, move || {
                outbound::run(&plane, &tun, link, &stop);
            })?;
        }
        let (plane, stop) = (Arc::clone(&engine.plane), Arc::clone(&engine.stop));
        let tun = writer.unwrap_or_else(|| Arc::clone(&tuns[0]));
        let openers = engine.openers;
        engine.spawn("podwire-in".into(), move || {
            inbound::run(&plane, &tun, &stop, openers);
        })?;
        Ok(engine)
    }

    fn spawn(&mut self, name: String, run: impl FnOnce() + Send + 'static) -> Result<()> {
        let thread = thread::Builder::new()
            .name(name)
            .spawn(run)
            .map_err(system("starting a thread"))?;
        self.threads.push(thread);
        Ok(())
    }

    /// The interface's name as the kernel has it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The interface's MTU.
    #[must_use]
    pub fn mtu_bytes(&self) -> usize {
        self.plane.mtu()
    }

    /// `CLOCK_BOOTTIME` in milliseconds.
    #[must_use]
    pub fn now_ms() -> u64 {
        now_ms()
    }

    /// Whose mac1 to accept; without a key no handshake message passes.
    pub fn set_public_key(&self, public_key: Option<&[u8; 32]>) {
        let mac1 = public_key.map(Mac1::new);
        self.plane.table_mut().mac1 = mac1;
    }

    /// Opens sockets on both families and returns the port; the port that is bound already stays as it is.
    pub fn bind(&self, port: u16) -> Result<u16> {
        let bound = self
            .plane
            .sockets
            .get()
            .as_ref()
            .map(|sockets| sockets.port);
        if bound == Some(port) {
            return Ok(port);
        }
        let sockets = Sockets::open(port, self.mark, &self.plane.offloads)?;
        let port = sockets.port;
        self.plane.sockets.replace(Some(sockets));
        self.plane.table_mut().forget_sources();
        Ok(port)
    }

    /// Closes the sockets.
    pub fn unbind(&self) {
        self.plane.sockets.replace(None);
    }

    /// Marks what the sockets send. Packets may take another way from now on, for which the sources of the former one are
    /// not the right ones.
    pub fn set_fwmark(&mut self, mark: u32) -> Result<()> {
        if let Some(sockets) = self.plane.sockets.get().as_ref() {
            sockets.set_mark(mark)?;
        }
        self.mark = mark;
        self.plane.table_mut().forget_sources();
        Ok(())
    }

    /// Adds a peer.
    pub fn add_peer(&self, public_key: [u8; 32]) -> Result<PeerId> {
        self.plane.table_mut().add_peer(public_key)
    }

    /// Removes a peer, its keys, indices, prefixes and waiting packets.
    pub fn remove_peer(&self, id: PeerId) -> Result<()> {
        self.clear_allowed_ips(id)?;
        let mut table = self.plane.table_mut();
        self.plane.drops.add(Reason::Staged, table.remove_peer(id)?);
        self.plane.events.forget(id);
        Ok(())
    }

    /// Sets where the peer is: "ip:port".
    pub fn set_endpoint(&self, id: PeerId, endpoint: &str) -> Result<()> {
        let remote = SocketAddr::from_str(endpoint)
            .map_err(|_| Error::Invalid("the endpoint is not \"ip:port\""))?;
        self.plane.table_mut().peer_mut(id)?.endpoint = Some(Endpoint::configured(remote));
        Ok(())
    }

    /// Takes the source of an authenticated handshake message, and counts the message as received.
    pub fn adopt_endpoint(&self, id: PeerId, source: &[u8]) -> Result<()> {
        let (endpoint, message_bytes) =
            unpack_source(source).ok_or(Error::Invalid("not a source of a message"))?;
        let mut table = self.plane.table_mut();
        let peer = table.peer_mut(id)?;
        peer.endpoint = Some(endpoint);
        peer.note_received(message_bytes, false, now_ms());
        Ok(())
    }

    /// Where the peer is.
    pub fn endpoint(&self, id: PeerId) -> Result<Option<String>> {
        Ok(self
            .plane
            .table()
            .peer(id)?
            .endpoint
            .map(|endpoint| endpoint.remote.to_string()))
    }

    /// Gives prefixes, separated by spaces, to a peer, from whoever has them.
    pub fn add_allowed_ips(&self, id: PeerId, cidrs: &str) -> Result<()> {
        for some in parse_prefixes(cidrs)?.chunks(PREFIXES_AT_ONCE) {
            self.plane.table_mut().add_allowed_ips(id, some)?;
        }
        Ok(())
    }

    /// Takes prefixes from a peer.
    pub fn remove_allowed_ips(&self, id: PeerId, cidrs: &str) -> Result<()> {
        for some in parse_prefixes(cidrs)?.chunks(PREFIXES_AT_ONCE) {
            self.plane.table_mut().remove_allowed_ips(id, some)?;
        }
        Ok(())
    }

    /// Takes all prefixes from a peer.
    pub fn clear_allowed_ips(&self, id: PeerId) -> Result<()> {
        while self
            .plane
            .table_mut()
            .clear_some_allowed_ips(id, PREFIXES_AT_ONCE)?
        {}
        Ok(())
    }

    /// The prefixes of a peer, in order, separated by spaces.
    pub fn allowed_ips(&self, id: PeerId) -> Result<String> {
        let prefixes: Vec<Prefix> = self
            .plane
            .table()
            .peer(id)?
            .allowed
            .iter()
            .copied()
            .collect();
        let mut text = String::with_capacity(prefixes.len() * 20);
        for (i, prefix) in prefixes.iter().enumerate() {
            let space = if i == 0 { "" } else { " " };
            write!(text, "{space}{prefix}").expect("a string takes all");
        }
        Ok(text)
    }

    /// A random index that nobody has.
    pub fn new_index(&self, id: PeerId) -> Result<u32> {
        self.plane.table_mut().new_index(id)
    }

    /// Frees an index that no keypair took.
    pub fn free_index(&self, index: u32) {
        self.plane.table_mut().free_index(index);
    }

    /// Installs keys; as the initiator, also sends what waits, or an empty packet.
    pub fn install_keypair(&mut self, id: PeerId, options: &KeypairOptions) -> Result<()> {
        self.plane.table_mut().install(id, options, now_ms())?;
        if options.initiator {
            self.send_keepalive(id)
        } else {
            Ok(())
        }
    }

    /// Wipes the peer's keys.
    pub fn clear_keypairs(&self, id: PeerId) -> Result<()> {
        self.plane.table_mut().clear_keypairs(id)
    }

    /// Drops the packets that wait for a session.
    pub fn drop_staged(&self, id: PeerId) -> Result<()> {
        self.plane
            .drops
            .add(Reason::Staged, self.plane.table().peer(id)?.stage.clear());
        Ok(())
    }

    /// Sends a handshake message; false if the peer has no endpoint or the kernel refused.
    pub fn send_handshake(&mut self, id: PeerId, message: &[u8]) -> Result<bool> {
        if ![INITIATION_BYTES, RESPONSE_BYTES, COOKIE_REPLY_BYTES].contains(&message.len()) {
            return Err(Error::Invalid(
                "the length is not that of a handshake message",
            ));
        }
        let Some(endpoint) = self.plane.table().peer(id)?.endpoint else {
            return Ok(false);
        };
        let now_ms = now_ms();
        self.wire.clear();
        self.wire.add_datagram(message, id, endpoint);
        // Before it goes, as with data: what answers it may come before this thread goes on.
        self.plane
            .table()
            .peer(id)?
            .note_sent(message.len(), false, now_ms);
        Ok(self.plane.send(&self.wire, now_ms))
    }

    /// Sends what waits, or an empty packet; without a session asks for one.
    pub fn send_keepalive(&mut self, id: PeerId) -> Result<()> {
        let now_ms = now_ms();
        self.wire.clear();
        {
            let table = self.plane.table();
            let peer = table.peer(id)?;
            // A packet that is staged would make the data of other threads wait for it.
            if !peer.stage.is_occupied() && !self.wire.add_keepalive(peer, &self.plane, now_ms) {
                peer.stage.push(&[]);
            }
        }
        if !self.wire.messages.is_empty() {
            self.plane.send(&self.wire, now_ms);
        }
        self.plane.flush(id, &mut self.wire, now_ms);
        Ok(())
    }

    /// Lets a handshake be asked for again; what waits is sent, or asks at once.
    pub fn ask_again(&mut self, id: PeerId) -> Result<()> {
        self.plane.ask_again(id, &mut self.wire, now_ms())
    }

    /// Puts the peer's timers to rest; false if data passed since `seen_ms`.
    pub fn rest(&self, id: PeerId, seen_ms: u64) -> Result<bool> {
        Ok(self.plane.table().peer(id)?.rest(seen_ms, now_ms()))
    }

    /// A chunk of peers' words.
    #[must_use]
    pub fn chunk(&self, number: usize) -> Option<Arc<Chunk>> {
        self.plane.table().chunk(number).map(Arc::clone)
    }

    /// Packets dropped, in the order of `counters::DROP_NAMES`.
    #[must_use]
    pub fn drops(&self) -> Vec<u64> {
        self.plane.drops.all()
    }

    /// What it says of itself.
    #[must_use]
    pub fn status(&self) -> Status {
        let table = self.plane.table();
        let outbound = self.threads.len() - 1;
        let inbound = inbound::threads(self.openers);
        let buffers =
            outbound * outbound::BUFFER_BYTES + inbound::buffer_bytes(self.openers) + WIRE_BYTES;
        Status {
            aead: podwire_aead::implementation(),
            threads: outbound + inbound,
            memory_bytes: buffers + table.staging.used() + table.allowed_ips.bytes(),
            offloads: self.plane.offloads.all(),
        }
    }

    /// The records of all events that wait (see `events`).
    #[must_use]
    pub fn drain(&self) -> Vec<u8> {
        self.plane.events.drain()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop.wake();
        for thread in self.threads.drain(..) {
            // It cannot have panicked: a panic ends the process.
            let _ = thread.join();
        }
    }
}

fn parse_prefixes(cidrs: &str) -> Result<Vec<Prefix>> {
    let parsed = cidrs.split_ascii_whitespace().map(str::parse);
    parsed
        .collect::<std::result::Result<_, ()>>()
        .map_err(|()| Error::Invalid("not a canonical CIDR"))
}
