//! Links: the interfaces of a namespace.

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoKind, LinkAttribute, LinkExtentMask, LinkFlags, LinkInfo, LinkMessage,
};

use crate::error::{Error, Result};
use crate::socket::Netlink;

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number in the namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// `tun`, `veth`, `wireguard`, …; none for hardware.
    pub kind: Option<String>,
    /// The longest packet that it carries.
    pub mtu_bytes: u32,
    /// Whether it is administratively up.
    pub up: bool,
}

/// What to change of a link; what is none stays.
#[derive(Debug, Clone, Copy, Default)]
pub struct LinkChange {
    /// Administratively up or down.
    pub up: Option<bool>,
    /// The longest packet that it carries.
    pub mtu_bytes: Option<u32>,
}

impl Netlink {
    /// All links.
    pub fn links(&mut self) -> Result<Vec<Link>> {
        let mut message = LinkMessage::default();
        message
            .attributes
            .push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
        let answer = self.dump("listing the links", &RouteNetlinkMessage::GetLink(message))?;
        Ok(answer.into_iter().filter_map(link_of).collect())
    }

    /// Changes a link.
    pub fn set_link(&mut self, name: &str, change: LinkChange) -> Result<()> {
        let mut message = named(name);
        if let Some(up) = change.up {
            message.header.change_mask = LinkFlags::Up;
            message.header.flags = if up {
                LinkFlags::Up
            } else {
                LinkFlags::empty()
            };
        }
        message
            .attributes
            .extend(change.mtu_bytes.map(LinkAttribute::Mtu));
        self.change(
            &format!("changing the link {name}"),
            RouteNetlinkMessage::SetLink(message),
            0,
        )
    }

    /// Creates a `WireGuard` device of the kernel, down. The errno is EEXIST if the name is taken, EOPNOTSUPP if the kernel has no
    /// `WireGuard`.
    pub fn create_wireguard(&mut self, name: &str) -> Result<()> {
        let mut message = named(name);
        let info = LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Wireguard)]);
        message.attributes.push(info);
        self.change(
            &format!("creating the WireGuard device {name}"),
            RouteNetlinkMessage::NewLink(message),
            NLM_F_CREATE | NLM_F_EXCL,
        )
    }

    /// Removes a link.
    pub fn delete_link(&mut self, name: &str) -> Result<()> {
        self.change(
            &format!("removing the link {name}"),
            RouteNetlinkMessage::DelLink(named(name)),
            0,
        )
    }

    /// The link of a name.
    pub(crate) fn link_named(&mut self, name: &str) -> Result<Link> {
        self.link(&format!("looking up the link {name}"), named(name))
    }

    /// The link of a number.
    pub(crate) fn link_numbered(&mut self, index: u32) -> Result<Link> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        self.link(&format!("looking up link {index}"), message)
    }

    fn link(&mut self, what: &str, mut message: LinkMessage) -> Result<Link> {
        message
            .attributes
            .push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
        let answer = self.get(what, RouteNetlinkMessage::GetLink(message))?;
        link_of(answer).ok_or_else(|| Error::other(what, "the kernel's answer has no name"))
    }
}

fn named(name: &str) -> LinkMessage {
    let mut message = LinkMessage::default();
    message
        .attributes
        .push(LinkAttribute::IfName(name.to_owned()));
    message
}

fn link_of(message: RouteNetlinkMessage) -> Option<Link> {
    let RouteNetlinkMessage::NewLink(message) = message else {
        return None;
    };
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        kind: None,
        mtu_bytes: 0,
        up: message.header.flags.contains(LinkFlags::Up),
    };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::Mtu(mtu) => link.mtu_bytes = mtu,
            LinkAttribute::LinkInfo(infos) => {
                link.kind = infos.into_iter().find_map(|info| match info {
                    LinkInfo::Kind(kind) => Some(kind.to_string()),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    (!link.name.is_empty()).then_some(link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_the_loopback_without_root() {
        let links = Netlink::open(None).unwrap().links().unwrap();
        let loopback = links.iter().find(|link| link.name == "lo").unwrap();
        assert_eq!(loopback.index, 1);
        assert!(loopback.mtu_bytes > 0);
        assert_eq!(loopback.kind, None);
    }

    #[test]
    fn an_unknown_link_is_said_by_name() {
        let error = Netlink::open(None)
            .unwrap()
            .link_named("none-such")
            .unwrap_err();
        assert_eq!(error.errno, libc::ENODEV);
        assert!(error.what.contains("none-such"), "{error}");
    }
}
