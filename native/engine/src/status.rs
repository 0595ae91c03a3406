//! What an engine says of itself: how packets are sealed, by how many threads, with how much memory, and which offloads
//! of the kernel are in use.

use crate::offload::State;

/// An offload by its name, its state, and why it is not on.
pub type Offload = (&'static str, State, Option<String>);

/// See the module.
#[derive(Clone, Debug)]
pub struct Status {
    /// Who seals and opens packets.
    pub aead: &'static str,
    /// Threads that move packets.
    pub threads: usize,
    /// Size of the engine's buffers and tables; the kernel gives memory only to what of them is used.
    pub memory_bytes: usize,
    /// Each offload once, in the order of `src/native/engine-status.ts`.
    pub offloads: Vec<Offload>,
}
