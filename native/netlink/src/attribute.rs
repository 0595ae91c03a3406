//! Attributes of generic netlink messages: length, kind and value, one after the other or nested, padded to four bytes.

use netlink_packet_core::{NLA_F_NESTED, NlaBuffer, NlasIterator};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// Length and kind, before the value.
pub(crate) const HEADER_BYTES: usize = 4;

/// Bytes that an attribute takes with a value of that many.
pub(crate) const fn bytes_of(value: usize) -> usize {
    HEADER_BYTES + value.next_multiple_of(4)
}

/// Writes attributes, which may be keys, into memory that is set aside once (growing would leave copies) and wiped at its end.
pub(crate) struct Writer {
    bytes: Zeroizing<Vec<u8>>,
    capacity: usize,
}

/// Where a nested attribute began.
#[must_use]
pub(crate) struct Nest(usize);

impl Writer {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            bytes: Zeroizing::new(Vec::with_capacity(capacity)),
            capacity,
        }
    }

    /// Whether that many bytes more find room.
    pub(crate) fn fits(&self, more: usize) -> bool {
        self.bytes.len() + more <= self.capacity
    }

    pub(crate) fn put(&mut self, kind: u16, value: &[u8]) {
        let length = (HEADER_BYTES + value.len()) as u16;
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
        let padded = self.bytes.len().next_multiple_of(4);
        self.bytes.resize(padded, 0);
    }

    /// Begins an attribute whose value are attributes.
    pub(crate) fn open(&mut self, kind: u16) -> Nest {
        let at = self.bytes.len();
        self.put(kind | NLA_F_NESTED, &[]);
        Nest(at)
    }

    pub(crate) fn close(&mut self, Nest(at): Nest) {
        let length = (self.bytes.len() - at) as u16;
        self.bytes[at..at + 2].copy_from_slice(&length.to_ne_bytes());
    }

    pub(crate) fn finish(self) -> Zeroizing<Vec<u8>> {
        self.bytes
    }
}

/// An attribute that was read.
pub(crate) struct Attribute<'a> {
    pub(crate) kind: u16,
    pub(crate) value: &'a [u8],
}

impl Attribute<'_> {
    /// The value, if it has that many bytes.
    pub(crate) fn fixed<const N: usize>(&self, what: &str) -> Result<[u8; N]> {
        self.value.try_into().map_err(|_| self.wrong(what))
    }

    /// What is wrong with it; the value may be a key and is not said.
    pub(crate) fn wrong(&self, what: &str) -> Error {
        let reason = format!(
            "an answer that cannot be read: {} bytes in attribute {}",
            self.value.len(),
            self.kind
        );
        Error::other(what, reason)
    }
}

/// The attributes in those bytes.
pub(crate) fn attributes<'a>(
    what: &'a str,
    bytes: &'a [u8],
) -> impl Iterator<Item = Result<Attribute<'a>>> {
    NlasIterator::new(bytes).map(move |attribute| {
        let attribute = attribute.map_err(|error| {
            Error::other(what, format!("an answer that cannot be read: {error}"))
        })?;
        let value = bytes_after_header(attribute);
        Ok(Attribute {
            kind: attribute.kind(),
            value,
        })
    })
}

/// The value, with the life of the buffer and not of its reader.
fn bytes_after_header(attribute: NlaBuffer<&[u8]>) -> &[u8] {
    let end = usize::from(attribute.length());
    &attribute.into_inner()[HEADER_BYTES..end]
}
