//! One netlink socket, of links, addresses and routes or of generic netlink: requests out, answers in.
//!
//! ```text
//! request -> kernel -> NLMSG_ERROR (0: done, else errno and text)     a change
//!                   -> message, NLMSG_ERROR 0                         a question about one thing
//!                   -> message ... message, NLMSG_DONE                a dump; again if it was interrupted
//! ```

use std::io;
use std::marker::PhantomData;
use std::path::Path;
use std::thread;

use netlink_packet_core::{
    ErrorMessage, NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST,
    NetlinkDeserializable, NetlinkHeader, NetlinkMessage, NetlinkPayload, NetlinkSerializable,
    NlasIterator,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use zeroize::Zeroizing;

use crate::error::{Error, Result, words};
use crate::sys::enter_namespace;

/// The kernel writes at most 32 KiB of a dump into one datagram.
const RECEIVE_BYTES: usize = 64 * 1024;
/// A table that changes during each of this many dumps is not going to stand still.
const DUMP_ATTEMPTS: usize = 16;
const NLMSG_HEADER_BYTES: usize = 16;
/// Attribute of an extended acknowledgement: the kernel's message in words.
const NLMSGERR_ATTR_MSG: u16 = 1;

/// A socket in one network namespace, which it keeps alive while open; `M` are the messages of its protocol. What it sent and
/// read last is wiped: `WireGuard`'s messages have keys.
pub struct Connection<M> {
    socket: Socket,
    sequence: u32,
    buffer: Zeroizing<Vec<u8>>,
    messages: PhantomData<fn() -> M>,
}

/// A socket to the kernel's links, addresses and routes.
pub type Netlink = Connection<RouteNetlinkMessage>;

impl Netlink {
    /// Opens a socket in the namespace at `path` (as `/run/netns/NAME`), or in the caller's own.
    pub fn open(namespace: Option<&Path>) -> Result<Self> {
        let connection = Self::open_protocol(namespace, NETLINK_ROUTE)?;
        // Lets the kernel filter dumps by table (4.20 and newer); the answer is filtered here as well.
        let _ = connection.socket.set_netlink_get_strict_chk(true);
        Ok(connection)
    }
}

impl<M: NetlinkSerializable + NetlinkDeserializable> Connection<M> {
    /// Opens a socket of a `NETLINK_…` protocol.
    pub(crate) fn open_protocol(namespace: Option<&Path>, protocol: isize) -> Result<Self> {
        let what = "opening a netlink socket";
        let socket = socket_in(namespace, protocol, SocketAddr::new(0, 0))?;
        socket
            .set_ext_ack(true)
            .map_err(|error| Error::io(what, &error))?;
        // Errors echo only the header of the request, so that the extended message has a fixed place.
        socket
            .set_cap_ack(true)
            .map_err(|error| Error::io(what, &error))?;
        Ok(Self::over(socket))
    }

    /// The number by which the kernel names this socket in what it tells others of.
    pub fn port(&self) -> Result<u32> {
        let mut address = SocketAddr::new(0, 0);
        self.socket
            .get_address(&mut address)
            .map_err(|error| Error::io("asking for a netlink socket's port", &error))?;
        Ok(address.port_number())
    }

    pub(crate) fn over(socket: Socket) -> Self {
        Self {
            socket,
            sequence: 0,
            buffer: Zeroizing::new(Vec::with_capacity(RECEIVE_BYTES)),
            messages: PhantomData,
        }
    }

    /// Asks for a change, with the `NLM_F_…` flags besides REQUEST and ACK.
    pub(crate) fn change(&mut self, what: &str, message: M, flags: u16) -> Result<()> {
        self.exchange(what, message, flags | NLM_F_ACK).map(drop)
    }

    /// Asks for one thing.
    pub(crate) fn get(&mut self, what: &str, message: M) -> Result<M> {
        let answer = self.exchange(what, message, NLM_F_ACK)?.messages.pop();
        answer.ok_or_else(|| Error::other(what, "the kernel's answer was empty"))
    }

    /// Asks for all of a kind, until an answer comes that no change interrupted.
    pub(crate) fn dump(&mut self, what: &str, message: &M) -> Result<Vec<M>>
    where
        M: Clone,
    {
        for _ in 0..DUMP_ATTEMPTS {
            let answer = self.exchange(what, message.clone(), NLM_F_DUMP)?;
            if !answer.interrupted {
                return Ok(answer.messages);
            }
        }
        Err(Error::other(
            what,
            "the table changed during every attempt to read it",
        ))
    }

    fn exchange(&mut self, what: &str, message: M, flags: u16) -> Result<Answer<M>> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut request = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
        request.finalize();
        let mut bytes = Zeroizing::new(vec![0; request.buffer_len()]);
        request.serialize(&mut bytes);
        self.socket
            .send(&bytes, 0)
            .map_err(|error| Error::io(what, &error))?;

        let mut answer = Answer::default();
        loop {
            self.receive(what)?;
            if answer.take(what, self.sequence, &self.buffer)? {
                return Ok(answer);
            }
        }
    }

    fn receive(&mut self, what: &str) -> Result<()> {
        loop {
            self.buffer.clear();
            match self.socket.recv(&mut *self.buffer, 0) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io(what, &error)),
            }
        }
    }
}

pub(crate) struct Answer<M> {
    pub(crate) messages: Vec<M>,
    interrupted: bool,
}

impl<M> Default for Answer<M> {
    fn default() -> Self {
        Self {
            messages: Vec::new(),
            interrupted: false,
        }
    }
}

impl<M: NetlinkDeserializable> Answer<M> {
    /// Takes the messages of one datagram; true when the answer is whole.
    pub(crate) fn take(&mut self, what: &str, sequence: u32, datagram: &[u8]) -> Result<bool> {
        let mut rest = datagram;
        while rest.len() >= NLMSG_HEADER_BYTES {
            let message = NetlinkMessage::<M>::deserialize(rest).map_err(|error| {
                Error::other(what, format!("an answer that cannot be read: {error}"))
            })?;
            let length = (message.header.length as usize).next_multiple_of(4);
            rest = rest
                .get(length.max(NLMSG_HEADER_BYTES)..)
                .unwrap_or_default();
            if message.header.sequence_number != sequence {
                continue; // what is left of an exchange that ended with an error
            }
            self.interrupted |= message.header.flags & NLM_F_DUMP_INTR != 0;
            match message.payload {
                NetlinkPayload::InnerMessage(inner) => self.messages.push(inner),
                NetlinkPayload::Done(done) if done.code < 0 => {
                    let extended = extended_message(&done.extended_ack);
                    return Err(refusal(what, done.code.wrapping_neg(), extended));
                }
                NetlinkPayload::Done(_) => return Ok(true),
                NetlinkPayload::Error(error) => {
                    let Some(code) = error.code else {
                        return Ok(true);
                    };
                    let extended = words_of(&message.header, &error);
                    return Err(refusal(what, code.get().wrapping_neg(), extended));
                }
                _ => {}
            }
        }
        Ok(false)
    }
}

/// Opens a bound socket. Only a thread can enter a namespace, so a path costs a thread for the length of this call.
pub(crate) fn socket_in(
    namespace: Option<&Path>,
    protocol: isize,
    address: SocketAddr,
) -> Result<Socket> {
    let open = move |what: &str| {
        let mut socket = Socket::new(protocol).map_err(|error| Error::io(what, &error))?;
        socket
            .bind(&address)
            .map_err(|error| Error::io(what, &error))?;
        Ok(socket)
    };
    let Some(path) = namespace else {
        return open("opening a netlink socket");
    };
    let what = format!("entering the network namespace {}", path.display());
    thread::scope(|scope| {
        let inside = scope.spawn(|| {
            enter_namespace(path).map_err(|error| Error::io(&what, &error))?;
            open(&what)
        });
        inside
            .join()
            .unwrap_or_else(|_| Err(Error::other(&what, "the thread ended early")))
    })
}

fn refusal(what: &str, errno: i32, extended: Option<String>) -> Error {
    let text = words(&io::Error::from_raw_os_error(errno));
    Error::errno(
        what,
        errno,
        &extended.map_or_else(|| text.clone(), |extended| format!("{text} ({extended})")),
    )
}

/// The kernel's words behind the echoed header of the request.
fn words_of(header: &NetlinkHeader, error: &ErrorMessage) -> Option<String> {
    if header.flags & NLM_F_ACK_TLVS == 0 {
        return None;
    }
    extended_message(error.header.get(NLMSG_HEADER_BYTES..)?)
}

fn extended_message(attributes: &[u8]) -> Option<String> {
    let message = NlasIterator::new(attributes)
        .flatten()
        .find(|attribute| attribute.kind() == NLMSGERR_ATTR_MSG)?;
    Some(
        String::from_utf8_lossy(message.value())
            .trim_end_matches('\0')
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extended_message_reads_the_text_and_survives_garbage() {
        let mut attribute = vec![10, 0, 1, 0];
        attribute.extend(b"no no\0\0\0");
        assert_eq!(extended_message(&attribute).as_deref(), Some("no no"));
        for bytes in [
            &[][..],
            &[1],
            &[0, 0, 0, 0],
            &[255, 255, 1, 0],
            &[8, 0, 2, 0, 1, 2, 3, 4],
        ] {
            assert_eq!(extended_message(bytes), None, "{bytes:?}");
        }
    }
}
