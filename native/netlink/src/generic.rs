//! Generic netlink: families with names, whose numbers the kernel gives at run time.

use netlink_packet_core::{NetlinkDeserializable, NetlinkHeader, NetlinkSerializable};
use zeroize::Zeroizing;

use crate::attribute::{Writer, attributes, bytes_of};
use crate::error::{Error, Result};
use crate::socket::Connection;

/// The family that tells of the others, with its command and attributes (linux/genetlink.h).
const CONTROL: u16 = 16;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;

/// Command, version and two bytes that are zero.
const HEADER_BYTES: usize = 4;

/// A message of any family; its attributes may be keys.
#[derive(Clone)]
pub(crate) struct GenericMessage {
    pub(crate) family: u16,
    pub(crate) command: u8,
    pub(crate) attributes: Zeroizing<Vec<u8>>,
}

impl NetlinkSerializable for GenericMessage {
    fn message_type(&self) -> u16 {
        self.family
    }

    fn buffer_len(&self) -> usize {
        HEADER_BYTES + self.attributes.len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        let version = 1; // of every family that we speak
        buffer[..HEADER_BYTES].copy_from_slice(&[self.command, version, 0, 0]);
        buffer[HEADER_BYTES..].copy_from_slice(&self.attributes);
    }
}

impl NetlinkDeserializable for GenericMessage {
    type Error = std::io::Error;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> std::io::Result<Self> {
        let attributes = payload
            .get(HEADER_BYTES..)
            .ok_or(std::io::ErrorKind::UnexpectedEof)?;
        Ok(Self {
            family: header.message_type,
            command: payload[0],
            attributes: Zeroizing::new(attributes.to_vec()),
        })
    }
}

impl Connection<GenericMessage> {
    /// The number of a family; asking makes the kernel load a module that has it. The errno is ENOENT if there is none.
    pub(crate) fn family(&mut self, name: &str) -> Result<u16> {
        let what = format!("looking up the netlink family {name}");
        let mut writer = Writer::new(bytes_of(name.len() + 1));
        writer.put(FAMILY_NAME, &[name.as_bytes(), b"\0"].concat());
        let question = GenericMessage {
            family: CONTROL,
            command: GET_FAMILY,
            attributes: writer.finish(),
        };
        let answer = self.get(&what, question)?;
        for attribute in attributes(&what, &answer.attributes) {
            let attribute = attribute?;
            if attribute.kind == FAMILY_ID {
                return attribute.fixed(&what).map(u16::from_ne_bytes);
            }
        }
        Err(Error::other(&what, "the kernel's answer has no number"))
    }
}

#[cfg(test)]
mod tests {
    use netlink_sys::protocols::NETLINK_GENERIC;

    use super::*;

    #[test]
    fn family_control_is_16_and_an_unknown_one_is_not_found() {
        let mut connection = Connection::open_protocol(None, NETLINK_GENERIC).unwrap();
        assert_eq!(connection.family("nlctrl").unwrap(), CONTROL);
        let error = connection.family("podwire-none").unwrap_err();
        assert_eq!(error.errno, libc::ENOENT);
        assert!(error.what.contains("podwire-none"), "{error}");
    }
}
