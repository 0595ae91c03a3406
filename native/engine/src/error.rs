//! What an engine can refuse. Each error has a code of the error table in `src/base/errors.ts` and the values of its
//! message; an `Invalid` one has none, for it is a defect of the caller.

use std::io;

/// Why a command changed nothing.
#[derive(Debug)]
pub enum Error {
    /// /dev/net/tun cannot be opened.
    NoTun(io::Error),
    /// The kernel asks for `CAP_NET_ADMIN`.
    NeedsRoot(String),
    /// A link of that name exists.
    NameInUse(String),
    /// The name cannot be that of a link.
    Name(String, &'static str),
    /// The UDP port is taken.
    PortInUse(u16),
    /// A system call failed: what it was for, and the kernel's reason.
    System(String, io::Error),
    /// The engine was closed.
    Closed,
    /// The caller passed what the interface forbids.
    Invalid(&'static str),
}

/// The result of a command.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The code, and the values of its message by name.
    #[must_use]
    pub fn parts(&self) -> (&'static str, Vec<(&'static str, String)>) {
        match self {
            Self::NoTun(reason) => ("ERR_PODWIRE_NO_TUN", vec![("reason", reason.to_string())]),
            Self::NeedsRoot(what) => ("ERR_PODWIRE_NEEDS_ROOT", vec![("what", what.clone())]),
            Self::NameInUse(name) => ("ERR_PODWIRE_NAME_IN_USE", vec![("name", name.clone())]),
            Self::Name(text, reason) => (
                "ERR_PODWIRE_NAME",
                vec![
                    ("where", "the interface".into()),
                    ("text", text.clone()),
                    ("reason", (*reason).into()),
                ],
            ),
            Self::PortInUse(port) => ("ERR_PODWIRE_PORT_IN_USE", vec![("port", port.to_string())]),
            Self::System(what, reason) => (
                "ERR_PODWIRE_SYSTEM",
                vec![("what", what.clone()), ("reason", reason.to_string())],
            ),
            Self::Closed => ("ERR_PODWIRE_CLOSED", vec![("what", "the engine".into())]),
            Self::Invalid(what) => ("InvalidArg", vec![("what", (*what).into())]),
        }
    }
}

/// Turns an `io::Error` into a `System` error that says what was tried.
pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
    |reason| Error::System(what.into(), reason)
}
