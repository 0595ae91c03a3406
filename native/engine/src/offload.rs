//! What the kernel can do for many packets at once, and whether it does: switched off by the operator, not known to this
//! kernel, or tried and failed while running. One place, so that every fall-back is seen in the status.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

/// One offload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offload {
    /// The TUN hands over TCP super-packets.
    Tso,
    /// The TUN hands over UDP super-packets.
    Uso,
    /// The sockets segment what is sent (`UDP_SEGMENT`).
    Gso,
    /// The sockets coalesce what is received (`UDP_GRO`).
    Gro,
    /// TCP packets are joined before they are written to the TUN.
    CoalesceTcp,
    /// UDP packets are joined before they are written to the TUN.
    CoalesceUdp,
}

/// All offloads with their names, in the order of their numbers.
pub const OFFLOADS: [(Offload, &str); 6] = [
    (Offload::Tso, "tso"),
    (Offload::Uso, "uso"),
    (Offload::Gso, "gso"),
    (Offload::Gro, "gro"),
    (Offload::CoalesceTcp, "coalesceTcp"),
    (Offload::CoalesceUdp, "coalesceUdp"),
];

/// How an offload stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// In use.
    On = 0,
    /// Switched off by the operator.
    Off = 1,
    /// The kernel does not know it, or is known to get it wrong.
    Unsupported = 2,
    /// It was in use, and the kernel refused.
    Failed = 3,
}

impl State {
    /// As the status writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        ["on", "off", "unsupported", "failed"][self as usize]
    }
}

/// What the operator wants; all is on unless said.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools)] // five switches
pub struct Switches {
    /// TCP super-packets from the TUN.
    pub tso: bool,
    /// UDP super-packets from the TUN.
    pub uso: bool,
    /// `UDP_SEGMENT`.
    pub gso: bool,
    /// `UDP_GRO`.
    pub gro: bool,
    /// Joining packets towards the TUN.
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

/// The states; read once a batch by the threads.
pub struct Offloads {
    states: [AtomicU8; OFFLOADS.len()],
    reasons: Mutex<[Option<String>; OFFLOADS.len()]>,
}

impl Offloads {
    /// As the operator wants them.
    #[must_use]
    pub fn new(switches: Switches) -> Self {
        let Switches {
            tso,
            uso,
            gso,
            gro,
            coalesce,
        } = switches;
        let wanted = [tso, uso, gso, gro, coalesce, coalesce];
        Self {
            states: wanted.map(|on| AtomicU8::new(u8::from(!on))),
            reasons: Mutex::default(),
        }
    }

    /// Whether it is in use.
    #[must_use]
    pub fn is_on(&self, offload: Offload) -> bool {
        self.states[offload as usize].load(Ordering::Relaxed) == State::On as u8
    }

    /// Ends the use of an offload that is on; true if this call did.
    pub fn end(&self, offload: Offload, state: State, reason: impl Into<String>) -> bool {
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        let was_on = self.is_on(offload);
        if was_on {
            self.states[offload as usize].store(state as u8, Ordering::Relaxed);
            reasons[offload as usize] = Some(reason.into());
        }
        was_on
    }

    /// All of them: name, state, and why it is not on.
    #[must_use]
    pub fn all(&self) -> Vec<(&'static str, State, Option<String>)> {
        let reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        let state = |offload: Offload| match self.states[offload as usize].load(Ordering::Relaxed) {
            0 => State::On,
            1 => State::Off,
            2 => State::Unsupported,
            _ => State::Failed,
        };
        OFFLOADS
            .iter()
            .map(|&(offload, name)| (name, state(offload), reasons[offload as usize].clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offload_ends_once_and_says_why() {
        let offloads = Offloads::new(Switches {
            uso: false,
            ..Switches::default()
        });
        assert!(offloads.is_on(Offload::Gso));
        assert!(offloads.end(Offload::Gso, State::Failed, "EIO"));
        assert!(!offloads.end(Offload::Gso, State::Failed, "again"));
        assert!(!offloads.end(Offload::Uso, State::Unsupported, "it is off"));
        let said: Vec<_> = offloads
            .all()
            .into_iter()
            .map(|(name, state, reason)| (name, state.name(), reason))
            .collect();
        assert_eq!(said[0], ("tso", "on", None));
        assert_eq!(said[1], ("uso", "off", None));
        assert_eq!(said[2], ("gso", "failed", Some("EIO".into())));
    }
}
