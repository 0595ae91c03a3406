//! Addresses on links.

use std::collections::HashMap;
use std::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressScope,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::error::Result;
use crate::socket::Netlink;

/// An address of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The link's name.
    pub link: String,
    /// The address itself.
    pub address: IpAddr,
    /// Length of the prefix that is on the link.
    pub prefix_length: u8,
    /// How far it is valid.
    pub scope: Scope,
}

/// How far an address is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everywhere.
    Global,
    /// On its link.
    Link,
    /// In this host.
    Host,
}

impl Netlink {
    /// The addresses of all links, both families.
    pub fn addresses(&mut self) -> Result<Vec<Address>> {
        let names: HashMap<u32, String> = self
            .links()?
            .into_iter()
            .map(|link| (link.index, link.name))
            .collect();
        let question = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        let answer = self.dump("listing the addresses", &question)?;
        Ok(answer
            .into_iter()
            .filter_map(|message| address_of(message, &names))
            .collect())
    }

    /// Gives a link an address, at once usable (no duplicate address detection). One that is there stays.
    pub fn add_address(&mut self, link: &str, address: IpAddr, prefix_length: u8) -> Result<()> {
        let mut message = self.address_message(link, address, prefix_length)?;
        if address.is_ipv6() {
            message.header.flags = AddressHeaderFlags::Nodad;
            message
                .attributes
                .push(AddressAttribute::Flags(AddressFlags::Nodad));
        }
        let what = format!("adding the address {address}/{prefix_length} to {link}");
        self.change(
            &what,
            RouteNetlinkMessage::NewAddress(message),
            NLM_F_CREATE | NLM_F_REPLACE,
        )
    }

    /// Takes an address from a link. That it is not there is no error.
    pub fn remove_address(&mut self, link: &str, address: IpAddr, prefix_length: u8) -> Result<()> {
        let message = self.address_message(link, address, prefix_length)?;
        let what = format!("removing the address {address}/{prefix_length} from {link}");
        match self.change(&what, RouteNetlinkMessage::DelAddress(message), 0) {
            Err(error) if error.errno == libc::EADDRNOTAVAIL => Ok(()),
            result => result,
        }
    }

    fn address_message(
        &mut self,
        link: &str,
        address: IpAddr,
        prefix_length: u8,
    ) -> Result<AddressMessage> {
        let mut message = AddressMessage::default();
        message.header.family = family_of(address);
        message.header.prefix_len = prefix_length;
        message.header.index = self.link_named(link)?.index;
        message.attributes.push(AddressAttribute::Local(address));
        message.attributes.push(AddressAttribute::Address(address));
        Ok(message)
    }
}

pub(crate) fn family_of(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    }
}

fn address_of(message: RouteNetlinkMessage, names: &HashMap<u32, String>) -> Option<Address> {
    let RouteNetlinkMessage::NewAddress(message) = message else {
        return None;
    };
    // On a point-to-point link IFA_LOCAL is ours and IFA_ADDRESS the peer's; elsewhere they agree, or only one is there.
    let mut local = None;
    let mut remote = None;
    for attribute in message.attributes {
        match attribute {
            AddressAttribute::Local(address) => local = Some(address),
            AddressAttribute::Address(address) => remote = Some(address),
            _ => {}
        }
    }
    Some(Address {
        link: names.get(&message.header.index)?.clone(),
        address: local.or(remote)?,
        prefix_length: message.header.prefix_len,
        scope: match message.header.scope {
            AddressScope::Link => Scope::Link,
            AddressScope::Host => Scope::Host,
            _ => Scope::Global,
        },
    })
}
