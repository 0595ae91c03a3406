//! Netlink calls for JavaScript.
#![allow(clippy::needless_pass_by_value)] // napi hands arguments over as owned values

use std::net::IpAddr;
use std::os::fd::IntoRawFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use napi::bindgen_prelude::Function;
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;
use podwire_netlink as netlink;

use crate::error::coded;

pub(crate) type Result<T> = std::result::Result<T, napi::Error<String>>;

#[napi(object)]
pub struct LinkInfo {
    pub index: u32,
    pub name: String,
    pub kind: Option<String>,
    pub mtu_bytes: u32,
    pub up: bool,
}

#[napi(object)]
pub struct LinkChange {
    pub up: Option<bool>,
    pub mtu_bytes: Option<u32>,
}

#[napi(object)]
pub struct AddressInfo {
    pub link: String,
    pub cidr: String,
    pub scope: String,
}

#[napi(object)]
pub struct RouteInfo {
    pub destination: String,
    pub r#type: String,
    pub link: Option<String>,
    pub gateway: Option<String>,
    pub metric: u32,
    pub mtu_bytes: Option<u32>,
    pub source: Option<String>,
    pub protocol: Option<u32>,
}

#[napi(object)]
pub struct PathInfo {
    pub link: String,
    pub source: Option<String>,
    pub mtu_bytes: u32,
}

#[napi]
pub struct Links {
    netlink: Option<netlink::Netlink>,
}

#[napi]
impl Links {
    #[napi(constructor)]
    pub fn open(namespace_path: Option<String>) -> Result<Self> {
        let netlink =
            netlink::Netlink::open(namespace_path.as_deref().map(Path::new)).map_err(error)?;
        Ok(Self {
            netlink: Some(netlink),
        })
    }

    #[napi]
    pub fn links(&mut self) -> Result<Vec<LinkInfo>> {
        let links = self.netlink()?.links().map_err(error)?;
        let info = |netlink::Link {
                        index,
                        name,
                        kind,
                        mtu_bytes,
                        up,
                    }| LinkInfo {
            index,
            name,
            kind,
            mtu_bytes,
            up,
        };
        Ok(links.into_iter().map(info).collect())
    }

    #[napi]
    pub fn set_link(&mut self, name: String, change: LinkChange) -> Result<()> {
        let LinkChange { up, mtu_bytes } = change;
        self.netlink()?
            .set_link(&name, netlink::LinkChange { up, mtu_bytes })
            .map_err(error)
    }

    #[napi]
    pub fn create_wireguard(&mut self, name: String) -> Result<()> {
        let created = self.netlink()?.create_wireguard(&name);
        created.map_err(|cause| match cause.errno {
            libc::EEXIST => coded("ERR_PODWIRE_NAME_IN_USE", &[("name", name)]),
            libc::EOPNOTSUPP => no_wireguard(),
            _ => error(cause),
        })
    }

    #[napi]
    pub fn delete_link(&mut self, name: String) -> Result<()> {
        self.netlink()?.delete_link(&name).map_err(error)
    }

    #[napi]
    pub fn addresses(&mut self) -> Result<Vec<AddressInfo>> {
        let addresses = self.netlink()?.addresses().map_err(error)?;
        let info = |address: netlink::Address| AddressInfo {
            link: address.link,
            cidr: format!("{}/{}", address.address, address.prefix_length),
            scope: match address.scope {
                netlink::Scope::Global => "global",
                netlink::Scope::Link => "link",
                netlink::Scope::Host => "host",
            }
            .to_owned(),
        };
        Ok(addresses.into_iter().map(info).collect())
    }

    #[napi]
    pub fn add_address(&mut self, link: String, cidr: String) -> Result<()> {
        let (address, length) = parse_cidr(&cidr)?;
        self.netlink()?
            .add_address(&link, address, length)
            .map_err(error)
    }

    #[napi]
    pub fn remove_address(&mut self, link: String, cidr: String) -> Result<()> {
        let (address, length) = parse_cidr(&cidr)?;
        self.netlink()?
            .remove_address(&link, address, length)
            .map_err(error)
    }

    #[napi]
    pub fn routes(&mut self) -> Result<Vec<RouteInfo>> {
        let routes = self.netlink()?.routes().map_err(error)?;
        let info = |route: netlink::Route| RouteInfo {
            destination: format!("{}/{}", route.destination, route.prefix_length),
            r#type: match route.kind {
                netlink::RouteKind::Unicast => "unicast",
                netlink::RouteKind::Unreachable => "unreachable",
                netlink::RouteKind::Other => "other",
            }
            .to_owned(),
            link: route.link,
            gateway: route.gateway.map(|address| address.to_string()),
            metric: route.metric,
            mtu_bytes: route.mtu_bytes,
            source: route.source.map(|address| address.to_string()),
            protocol: Some(route.protocol.into()),
        };
        Ok(routes.into_iter().map(info).collect())
    }

    #[napi]
    pub fn put_route(&mut self, route: RouteInfo) -> Result<()> {
        self.netlink()?
            .put_route(&parse_route(route)?)
            .map_err(error)
    }

    #[napi]
    pub fn remove_route(&mut self, route: RouteInfo) -> Result<()> {
        self.netlink()?
            .remove_route(&parse_route(route)?)
            .map_err(error)
    }

    #[napi]
    pub fn route_to(&mut self, address: String) -> Result<Option<PathInfo>> {
        let path = self
            .netlink()?
            .route_to(parse_address(&address)?)
            .map_err(error)?;
        Ok(path.map(|path| PathInfo {
            link: path.link,
            source: path.source.map(|address| address.to_string()),
            mtu_bytes: path.mtu_bytes,
        }))
    }

    #[napi]
    pub fn port(&mut self) -> Result<u32> {
        self.netlink()?.port().map_err(error)
    }

    #[napi]
    pub fn close(&mut self) {
        self.netlink = None;
    }

    fn netlink(&mut self) -> Result<&mut netlink::Netlink> {
        self.netlink
            .as_mut()
            .ok_or_else(|| system("using a netlink socket", "it was closed"))
    }
}

#[napi]
pub struct HostWatch {
    watch: Option<netlink::Watch>,
}

#[napi]
impl HostWatch {
    #[napi]
    pub fn close(&mut self) {
        self.watch = None;
    }
}

/// Calls `on_change` after each burst of changes that others than the socket `own` made to links, addresses, routes and the tables
/// `podwire-…` of nftables: with 1 if they are podwire's, 2 if not, 3 if there are both. Does not keep Node.js alive.
#[napi]
pub fn watch_host(
    on_change: Function<'_, u32, ()>,
    own: Option<u32>,
    namespace_path: Option<String>,
) -> Result<HostWatch> {
    let failed = |cause: napi::Error| system("watching the host", &cause.reason);
    // One call in the queue is enough: it takes all that came until it is carried out.
    let pending = Arc::new(AtomicU32::new(0));
    let taken = pending.clone();
    let builder = on_change
        .build_threadsafe_function::<()>()
        .weak::<true>()
        .max_queue_size::<1>();
    let build = builder.build_callback(move |_| Ok(taken.swap(0, Ordering::AcqRel)));
    let tell = Arc::new(build.map_err(failed)?);
    let told = move |news: netlink::News| {
        let bits = u32::from(news.ours) | u32::from(news.others) << 1;
        pending.fetch_or(bits, Ordering::AcqRel);
        tell.call((), ThreadsafeFunctionCallMode::NonBlocking);
    };
    let path = namespace_path.as_deref().map(Path::new);
    let watch = netlink::watch(path, own, told).map_err(error)?;
    Ok(HostWatch { watch: Some(watch) })
}

/// Opens a UDP socket that never fragments; its descriptor is the caller's.
#[napi]
pub fn open_probe_socket(ipv6: bool, port: u16, mark: u32) -> Result<i32> {
    let socket = netlink::probe_socket(ipv6, port, mark).map_err(error)?;
    Ok(socket.into_raw_fd())
}

fn parse_route(route: RouteInfo) -> Result<netlink::Route> {
    let (destination, prefix_length) = parse_cidr(&route.destination)?;
    let address = |text: Option<String>| text.map(|text| parse_address(&text)).transpose();
    Ok(netlink::Route {
        destination,
        prefix_length,
        kind: match route.r#type.as_str() {
            "unicast" => netlink::RouteKind::Unicast,
            "unreachable" => netlink::RouteKind::Unreachable,
            _ => netlink::RouteKind::Other,
        },
        link: route.link,
        gateway: address(route.gateway)?,
        metric: route.metric,
        mtu_bytes: route.mtu_bytes,
        source: address(route.source)?,
        protocol: route.protocol.unwrap_or(0) as u8,
    })
}

pub(crate) fn parse_address(text: &str) -> Result<IpAddr> {
    text.parse().map_err(|_| {
        system(
            "reading an address",
            &format!("\"{text}\" is neither IPv4 nor IPv6"),
        )
    })
}

pub(crate) fn parse_cidr(text: &str) -> Result<(IpAddr, u8)> {
    let wrong = || {
        system(
            "reading a prefix",
            &format!("\"{text}\" is not an address with a prefix length"),
        )
    };
    let (address, length) = text.split_once('/').ok_or_else(wrong)?;
    Ok((
        parse_address(address)?,
        length.parse().map_err(|_| wrong())?,
    ))
}

pub(crate) fn error(error: netlink::Error) -> napi::Error<String> {
    if error.needs_root() {
        return coded("ERR_PODWIRE_NEEDS_ROOT", &[("what", error.what)]);
    }
    let values = [
        ("what", error.what),
        ("reason", error.reason),
        ("errno", error.errno.to_string()), // not in the message: src/native/addon.ts
    ];
    coded("ERR_PODWIRE_SYSTEM", &values)
}

pub(crate) fn system(what: &str, reason: &str) -> napi::Error<String> {
    let values = [("what", what.to_owned()), ("reason", reason.to_owned())];
    coded("ERR_PODWIRE_SYSTEM", &values)
}

/// The kernel does not know `WireGuard`, and found no module of it.
pub(crate) fn no_wireguard() -> napi::Error<String> {
    coded("ERR_PODWIRE_NO_KERNEL_WIREGUARD", &[])
}
