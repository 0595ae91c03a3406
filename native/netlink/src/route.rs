//! Routes of the main table, both families.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteMetric, RouteProtocol,
    RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::address::family_of;
use crate::error::Result;
use crate::socket::Netlink;

/// A route of the main table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Address part of the destination prefix.
    pub destination: IpAddr,
    /// Length of the destination prefix.
    pub prefix_length: u8,
    /// Where packets go.
    pub kind: RouteKind,
    /// The link of a unicast route (none for one with several next hops).
    pub link: Option<String>,
    /// The next hop.
    pub gateway: Option<IpAddr>,
    /// Priority: the lower wins.
    pub metric: u32,
    /// Longest packet on this route, if it says so.
    pub mtu_bytes: Option<u32>,
    /// Preferred source address of what starts here.
    pub source: Option<IpAddr>,
    /// Whose route it is.
    pub protocol: u8,
}

/// Where the packets of a route go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteKind {
    /// Out of a link.
    Unicast,
    /// Nowhere: the sender is told.
    Unreachable,
    /// Anything else: blackhole, prohibit, throw, …
    Other,
}

/// The way that a packet would take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// The link that it leaves on.
    pub link: String,
    /// Its source address, if it starts here.
    pub source: Option<IpAddr>,
    /// Longest packet: the route's, or else the link's.
    pub mtu_bytes: u32,
}

impl Netlink {
    /// All routes of the main table.
    pub fn routes(&mut self) -> Result<Vec<Route>> {
        let names: HashMap<u32, String> = self
            .links()?
            .into_iter()
            .map(|link| (link.index, link.name))
            .collect();
        let mut routes = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut message = RouteMessage::default();
            message.header.address_family = family;
            message.header.table = RouteHeader::RT_TABLE_MAIN;
            let answer = match self.dump(
                "listing the routes",
                &RouteNetlinkMessage::GetRoute(message),
            ) {
                // The kernel makes the main table with the first route.
                Err(error) if error.errno == libc::ENOENT => Vec::new(),
                answer => answer?,
            };
            routes.extend(
                answer
                    .into_iter()
                    .filter_map(|message| route_of(message, &names)),
            );
        }
        Ok(routes)
    }

    /// Adds a route, or replaces the one with the same destination and metric.
    pub fn put_route(&mut self, route: &Route) -> Result<()> {
        let mut message = route_message(route);
        if route.kind == RouteKind::Unicast {
            let link_only = route.gateway.is_none();
            message.header.scope = if link_only {
                RouteScope::Link
            } else {
                RouteScope::Universe
            };
            if let Some(name) = &route.link {
                message
                    .attributes
                    .push(RouteAttribute::Oif(self.link_named(name)?.index));
            }
        }
        message.attributes.extend(
            route
                .gateway
                .map(|gateway| RouteAttribute::Gateway(gateway.into())),
        );
        message.attributes.extend(
            route
                .source
                .map(|source| RouteAttribute::PrefSource(source.into())),
        );
        message.attributes.extend(
            route
                .mtu_bytes
                .map(|mtu| RouteAttribute::Metrics(vec![RouteMetric::Mtu(mtu)])),
        );
        let what = format!(
            "putting the route {}/{}",
            route.destination, route.prefix_length
        );
        self.change(
            &what,
            RouteNetlinkMessage::NewRoute(message),
            NLM_F_CREATE | NLM_F_REPLACE,
        )
    }

    /// Removes the route of that destination, metric, kind, and protocol (0: of anyone). That it is not there is no error.
    pub fn remove_route(&mut self, route: &Route) -> Result<()> {
        let mut message = route_message(route);
        message.header.scope = RouteScope::NoWhere; // any
        let what = format!(
            "removing the route {}/{}",
            route.destination, route.prefix_length
        );
        match self.change(&what, RouteNetlinkMessage::DelRoute(message), 0) {
            Err(error) if error.errno == libc::ESRCH => Ok(()),
            result => result,
        }
    }

    /// The way that a packet to `address` would take; none if it has none.
    pub fn route_to(&mut self, address: IpAddr) -> Result<Option<Path>> {
        let what = format!("looking up the route to {address}");
        let mut message = RouteMessage::default();
        message.header.address_family = family_of(address);
        message.header.destination_prefix_length = if address.is_ipv4() { 32 } else { 128 };
        message
            .attributes
            .push(RouteAttribute::Destination(address.into()));
        let answer = match self.get(&what, RouteNetlinkMessage::GetRoute(message)) {
            // Unreachable, prohibit and blackhole routes are told as these.
            Err(error)
                if [
                    libc::ENETUNREACH,
                    libc::EHOSTUNREACH,
                    libc::EACCES,
                    libc::EINVAL,
                ]
                .contains(&error.errno) =>
            {
                return Ok(None);
            }
            answer => answer?,
        };
        let RouteNetlinkMessage::NewRoute(message) = answer else {
            return Ok(None);
        };
        let parts = Parts::of(message.attributes);
        let Some(index) = parts.oif else {
            return Ok(None);
        };
        let link = self.link_numbered(index)?;
        let mtu_bytes = parts.mtu_bytes.unwrap_or(link.mtu_bytes);
        Ok(Some(Path {
            link: link.name,
            source: parts.source,
            mtu_bytes,
        }))
    }
}

/// The parts by which the kernel finds a route.
fn route_message(route: &Route) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family_of(route.destination);
    message.header.destination_prefix_length = route.prefix_length;
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::from(route.protocol);
    message.header.kind = match route.kind {
        RouteKind::Unicast => RouteType::Unicast,
        RouteKind::Unreachable => RouteType::Unreachable,
        RouteKind::Other => RouteType::Unspec,
    };
    message
        .attributes
        .push(RouteAttribute::Destination(route.destination.into()));
    message
        .attributes
        .push(RouteAttribute::Priority(route.metric));
    message
}

/// The attributes of a route that matter here.
#[derive(Default)]
struct Parts {
    destination: Option<IpAddr>,
    oif: Option<u32>,
    gateway: Option<IpAddr>,
    metric: u32,
    mtu_bytes: Option<u32>,
    source: Option<IpAddr>,
    table: Option<u32>,
}

impl Parts {
    fn of(attributes: Vec<RouteAttribute>) -> Self {
        let mut parts = Self::default();
        for attribute in attributes {
            match attribute {
                RouteAttribute::Destination(address) => parts.destination = ip_of(&address),
                RouteAttribute::Oif(index) => parts.oif = Some(index),
                RouteAttribute::Gateway(address) => parts.gateway = ip_of(&address),
                RouteAttribute::Priority(metric) => parts.metric = metric,
                RouteAttribute::PrefSource(address) => parts.source = ip_of(&address),
                RouteAttribute::Table(table) => parts.table = Some(table),
                RouteAttribute::Metrics(metrics) => {
                    parts.mtu_bytes = metrics.into_iter().find_map(|metric| match metric {
                        RouteMetric::Mtu(mtu) if mtu > 0 => Some(mtu),
                        _ => None,
                    });
                }
                _ => {}
            }
        }
        parts
    }
}

fn route_of(message: RouteNetlinkMessage, names: &HashMap<u32, String>) -> Option<Route> {
    let RouteNetlinkMessage::NewRoute(message) = message else {
        return None;
    };
    let parts = Parts::of(message.attributes);
    if parts.table.unwrap_or(message.header.table.into()) != RouteHeader::RT_TABLE_MAIN.into() {
        return None;
    }
    let kind = match message.header.kind {
        RouteType::Unicast => RouteKind::Unicast,
        RouteType::Unreachable => RouteKind::Unreachable,
        _ => RouteKind::Other,
    };
    let unspecified = match message.header.address_family {
        AddressFamily::Inet => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        _ => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    Some(Route {
        destination: parts.destination.unwrap_or(unspecified),
        prefix_length: message.header.destination_prefix_length,
        // IPv6 hangs its unreachable routes on lo, which says nothing.
        link: parts
            .oif
            .filter(|_| kind == RouteKind::Unicast)
            .and_then(|index| names.get(&index).cloned()),
        kind,
        gateway: parts.gateway,
        metric: parts.metric,
        mtu_bytes: parts.mtu_bytes,
        source: parts.source,
        protocol: message.header.protocol.into(),
    })
}

fn ip_of(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some(IpAddr::V4(*address)),
        RouteAddress::Inet6(address) => Some(IpAddr::V6(*address)),
        _ => None,
    }
}
