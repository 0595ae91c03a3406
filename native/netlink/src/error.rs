//! The crate's one error: what was tried, and the kernel's own words.

use std::{fmt, io};

/// A system call or a netlink request that failed.
#[derive(Debug)]
pub struct Error {
    /// What was tried: `putting the route 10.99.0.0/16`.
    pub what: String,
    /// Why it failed: the text of the errno, and the kernel's extended message if it gave one.
    pub reason: String,
    /// The errno; 0 if the failure is not the kernel's.
    pub errno: i32,
}

/// The result of this crate's calls.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn io(what: &str, error: &io::Error) -> Self {
        Self::errno(what, error.raw_os_error().unwrap_or(0), &words(error))
    }

    pub(crate) fn errno(what: &str, errno: i32, reason: &str) -> Self {
        Self {
            what: what.to_owned(),
            reason: reason.to_owned(),
            errno,
        }
    }

    pub(crate) fn other(what: &str, reason: impl Into<String>) -> Self {
        Self {
            what: what.to_owned(),
            reason: reason.into(),
            errno: 0,
        }
    }

    /// Whether permission was missing.
    #[must_use]
    pub fn needs_root(&self) -> bool {
        self.errno == libc::EPERM || self.errno == libc::EACCES
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.reason)
    }
}

impl std::error::Error for Error {}

/// The text of an error of the system, without the number that the standard library adds.
pub(crate) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error")
        .next()
        .unwrap_or_default()
        .to_owned()
}
