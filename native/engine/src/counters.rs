//! Counters in memory that others read without a call: words of a peer, and packets dropped, by reason.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Words of a peer: two cache lines, the first written mostly by the outbound thread and the second by the inbound one.
pub const PEER_WORDS: usize = 16;
/// Peers in one chunk.
pub const CHUNK_PEERS: usize = 256;

/// A word of a peer, by its place. Times are milliseconds of `CLOCK_BOOTTIME`, 0 is never.
#[derive(Clone, Copy, Debug)]
pub enum Word {
    /// Bytes sent, headers included.
    TxBytes = 0,
    /// When data went that nothing has come after.
    SentUnanswered = 1,
    /// Bytes received, headers included.
    RxBytes = 8,
    /// When data came that nothing has been sent after.
    ReceivedUnanswered = 9,
    /// When an authenticated packet last passed either way.
    LastTraversal = 10,
}

/// The words of `CHUNK_PEERS` peers. Chunks never move, so that JavaScript may read them while the engine writes.
pub struct Chunk(Box<[AtomicU64]>);

impl Default for Chunk {
    fn default() -> Self {
        Self(
            (0..CHUNK_PEERS * PEER_WORDS)
                .map(|_| AtomicU64::new(0))
                .collect(),
        )
    }
}

impl Chunk {
    /// The words, to be shared for reading.
    #[must_use]
    pub fn words(&self) -> &[AtomicU64] {
        &self.0
    }
}

/// The words of one peer.
pub struct Words {
    chunk: Arc<Chunk>,
    base: usize,
}

impl Words {
    /// Those of the peer that is `place`th in the chunk, set to zero.
    #[must_use]
    pub fn new(chunk: Arc<Chunk>, place: usize) -> Self {
        let words = Self {
            chunk,
            base: place * PEER_WORDS,
        };
        for word in &words.chunk.0[words.base..words.base + PEER_WORDS] {
            word.store(0, Ordering::Relaxed);
        }
        words
    }

    /// The word itself.
    #[must_use]
    pub fn at(&self, word: Word) -> &AtomicU64 {
        &self.chunk.0[self.base + word as usize]
    }
}

macro_rules! drops {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Why a packet was dropped.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Drop { $($(#[$doc])* $name,)* }

        /// The reasons, in the order of their counters.
        pub const DROPS: &[Drop] = &[$(Drop::$name,)*];

        /// The names of the reasons, in the order of their counters.
        pub const DROP_NAMES: &[&str] = &[$($text,)*];
    };
}

drops! {
    /// A datagram whose length does not fit its type.
    Length = "length",
    /// An unknown message type, or reserved bytes that are not zero.
    Type = "type",
    /// A handshake message that was not made for our public key, or one while no key is set.
    Mac = "mac1",
    /// A handshake message without a right mac2, under load: it is answered by a cookie.
    Mac2 = "mac2",
    /// A handshake message of a source that sends too many, under load.
    RateLimited = "rateLimited",
    /// A receiver index that is not ours.
    Index = "unknownIndex",
    /// A session older than 180 s.
    Expired = "expiredKey",
    /// A tag that is wrong.
    Authentication = "authentication",
    /// A counter seen before, too old, or beyond the limit.
    Replay = "replay",
    /// Decrypted, but neither IPv4 nor IPv6, or its length disagrees with the packet.
    InnerHeader = "innerHeader",
    /// The inner source is not in the peer's `AllowedIPs`.
    Source = "source",
    /// Marked as congested, and the inner packet cannot carry the mark.
    Congestion = "congestion",
    /// The TUN did not take it.
    TunWrite = "tunWrite",
    /// A handshake message while too many wait.
    HandshakeQueue = "handshakeQueue",
    /// Read from the TUN, but not an IP packet.
    OutboundHeader = "outboundHeader",
    /// A super-packet of segments so short that together they are too long.
    SegmentSize = "segmentSize",
    /// Read from the TUN with an offload that disagrees with the packet.
    Offload = "offload",
    /// No peer has the destination in its `AllowedIPs`.
    NoPeer = "noPeer",
    /// The peer has no endpoint.
    NoEndpoint = "noEndpoint",
    /// Pushed out of the queue that waits for a session.
    Staged = "staged",
    /// No socket of the endpoint's family is bound.
    NoSocket = "noSocket",
    /// The kernel refused to send it.
    Send = "send",
    /// Lost by a socket whose buffer was full.
    ReceiveBuffer = "receiveBuffer",
}

/// How many packets were dropped for each reason.
pub struct Drops([AtomicU64; DROP_NAMES.len()]);

impl Default for Drops {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Drops {
    /// Counts `packets` more.
    pub fn add(&self, reason: Drop, packets: usize) {
        self.0[reason as usize].fetch_add(packets as u64, Ordering::Relaxed);
    }

    /// The count of one reason.
    #[must_use]
    pub fn get(&self, reason: Drop) -> u64 {
        self.0[reason as usize].load(Ordering::Relaxed)
    }

    /// All counts, in the order of `DROP_NAMES`.
    #[must_use]
    pub fn all(&self) -> Vec<u64> {
        self.0
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .collect()
    }
}
