//! What an engine says of itself: how packets are sealed, by how many threads, with how much memory, and which offloads
//! of the kernel are in use. And the switches that turn those off.

/// Which offloads may be used; all of them, unless said otherwise.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools)] // five switches
pub struct Switches {
    /// TCP super-packets from the TUN.
    pub tso: bool,
    /// UDP super-packets from the TUN.
    pub uso: bool,
    /// `UDP_SEGMENT` when sending.
    pub gso: bool,
    /// `UDP_GRO` when receiving.
    pub gro: bool,
    /// Joining TCP and UDP packets towards the TUN.
    pub coalesce: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            tso: true,
            uso: true,
            gso: true,
            gro: true,
            coalesce: true,
        }
    }
}

/// What became of an offload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// In use.
    On,
    /// Its switch turned it off.
    Off,
    /// The kernel, or this engine, does not have it.
    Unsupported,
    /// It failed while it was in use, and is not used any more.
    Failed,
}

impl State {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Unsupported => "unsupported",
            Self::Failed => "failed",
        }
    }
}

/// An offload by its name, its state, and why it is not on.
pub type Offload = (&'static str, State, Option<String>);

/// See the module.
#[derive(Clone, Debug)]
pub struct Status {
    /// Who seals and opens packets.
    pub aead: &'static str,
    /// Threads that move packets.
    pub threads: usize,
    /// Size of the engine's buffers and tables.
    pub memory_bytes: usize,
    /// Each offload once, in the order of `src/native/engine-status.ts`.
    pub offloads: Vec<Offload>,
}

/// As the offloads are today: none.
#[must_use]
pub fn status(switches: Switches, threads: usize, memory_bytes: usize) -> Status {
    let offload = |name, switch| {
        if switch {
            let reason = "this version does not have it".to_owned();
            (name, State::Unsupported, Some(reason))
        } else {
            (name, State::Off, None)
        }
    };
    Status {
        aead: "ring",
        threads,
        memory_bytes,
        offloads: vec![
            offload("tso", switches.tso),
            offload("uso", switches.uso),
            offload("gso", switches.gso),
            offload("gro", switches.gro),
            offload("coalesceTcp", switches.coalesce),
            offload("coalesceUdp", switches.coalesce),
        ],
    }
}
