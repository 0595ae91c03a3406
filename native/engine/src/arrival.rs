//! What one call received: messages in slots, the datagrams in them, and the runs of data datagrams of one session. First it is
//! opened, which needs nothing but the keys and may happen on any thread; then it is delivered, in order (`deliver.rs`).

use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::{io, mem};

use podwire_aead as aead;

use crate::counters::Drop;
use crate::endpoint::Endpoint;
use crate::keypair::Keypair;
use crate::packet::{HEADER_BYTES, Message, parse};
use crate::plane::Plane;
use crate::sys::host::now_ms;
pub use crate::sys::receive::Incoming;
use crate::sys::receive::{RECEIVE_MESSAGES, Receiver, SLOT_BYTES};
use crate::table::{Session, Table};

/// Messages to ask for, unless those that come are short: eight that are coalesced fill the processor's nearer cache.
const FEW_MESSAGES: usize = 8;
/// Messages of this mean length and less are short.
const SHORT_BYTES: usize = 4096;

/// Data datagrams of one session, from one range, one after the other.
pub struct Run {
    /// The keys, as they were found.
    pub keys: Arc<Keypair>,
    /// Where they came from, and to which of our addresses.
    pub from: Endpoint,
    /// Their outer ECN bits.
    pub ecn: u8,
    /// Which of the pieces are its own.
    pub pieces: Range<usize>,
}

/// See the module.
pub struct Arrival {
    receiver: Receiver,
    /// How many messages to ask for.
    wanted: usize,
    /// When it came.
    pub now_ms: u64,
    /// The data datagrams: their counters, and where their ciphertexts and tags lie in the slots.
    pub pieces: Vec<aead::Message>,
    /// Which of them had a right tag, and are text now.
    pub is_open: Vec<bool>,
    right: Vec<bool>,
    /// The runs that they make.
    pub runs: Vec<Run>,
    /// Handshake messages: where they lie, and the message that they came in.
    pub handshakes: Vec<(Message, Range<usize>, Incoming)>,
}

impl Arrival {
    /// Room for so many messages.
    #[must_use]
    pub fn new(messages: usize) -> Self {
        Self {
            receiver: Receiver::new(messages),
            wanted: FEW_MESSAGES,
            now_ms: 0,
            pieces: Vec::new(),
            is_open: Vec::new(),
            right: Vec::new(),
            runs: Vec::new(),
            handshakes: Vec::new(),
        }
    }

    /// The bytes that the ranges lie in.
    pub fn slots(&mut self) -> &mut [u8] {
        self.receiver.slots()
    }

    /// Receives what waits; the result is how many datagrams the socket has lost, if it said so. `WouldBlock`: nothing waits.
    pub fn receive(&mut self, socket: &OwnedFd) -> io::Result<Option<u32>> {
        self.receiver.receive(socket, self.wanted)?;
        self.now_ms = now_ms();
        let incoming = &self.receiver.incoming;
        let bytes: usize = incoming.iter().map(|message| message.length).sum();
        let is_full = incoming.len() == self.wanted;
        self.wanted = if is_full && bytes <= SHORT_BYTES * self.wanted {
            RECEIVE_MESSAGES
        } else {
            FEW_MESSAGES
        };
        Ok(self.receiver.lost)
    }

    /// Takes a message as if it had been received.
    pub fn put(&mut self, message: &[u8], from: Incoming, now_ms: u64) {
        self.now_ms = now_ms;
        self.receiver.slots()[..message.len()].copy_from_slice(message);
        self.receiver.incoming.clear();
        self.receiver.incoming.push(from);
    }

    /// Finds the datagrams and their sessions, and opens what has one.
    pub fn open(&mut self, plane: &Plane) {
        self.sort(plane);
        self.is_open.clear();
        for run in &self.runs {
            let pieces = &self.pieces[run.pieces.clone()];
            run.keys
                .open(self.receiver.slots(), pieces, &mut self.right);
            self.is_open.append(&mut self.right);
        }
    }

    fn sort(&mut self, plane: &Plane) {
        self.pieces.clear();
        self.runs.clear();
        self.handshakes.clear();
        let table = plane.table();
        let incoming = mem::take(&mut self.receiver.incoming);
        for (i, message) in incoming.iter().enumerate() {
            let base = i * SLOT_BYTES;
            for start in (0..message.length.max(1)).step_by(message.segment_bytes) {
                let end = message.length.min(start + message.segment_bytes);
                let range = base + start..base + end;
                match parse(&self.receiver.slots()[range.clone()]) {
                    Ok(Message::Data { receiver, counter }) => {
                        let range = range.start + HEADER_BYTES..range.end;
                        match self.run(receiver, message, &table) {
                            Ok(run) => {
                                run.pieces.end += 1;
                                self.pieces.push(aead::Message { counter, range });
                            }
                            Err(reason) => plane.drops.add(reason, 1),
                        }
                    }
                    Ok(handshake) => self.handshakes.push((handshake, range, *message)),
                    Err(reason) => plane.drops.add(reason, 1),
                }
            }
        }
        self.receiver.incoming = incoming;
    }

    /// The run that a datagram of this message belongs to: the last one, unless it begins another.
    fn run(&mut self, receiver: u32, message: &Incoming, table: &Table) -> Result<&mut Run, Drop> {
        let goes_on = self.runs.last().is_some_and(|run| {
            run.keys.local_index == receiver
                && run.from == message.endpoint
                && run.ecn == message.ecn
        });
        if !goes_on {
            let keys = match table.session(receiver) {
                Some(Session::Keys(keys)) if keys.is_alive(self.now_ms) => Arc::clone(keys),
                Some(Session::Keys(_)) => return Err(Drop::Expired),
                _ => return Err(Drop::Index),
            };
            self.runs.push(Run {
                keys,
                from: message.endpoint,
                ecn: message.ecn,
                pieces: self.pieces.len()..self.pieces.len(),
            });
        }
        self.runs.last_mut().ok_or(Drop::Index)
    }
}
