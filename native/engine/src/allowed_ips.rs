//! `AllowedIPs`: which peer a prefix belongs to. A binary trie with compressed paths for each family, in one vector of
//! nodes. A prefix belongs to one peer: adding it to another moves it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::peer::PeerId;

/// A prefix of either family, its host bits zero. Ordered by family, then address, then length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    v6: bool,
    /// The address, its first bit in the highest place.
    bits: u128,
    length: u8,
}

fn key(address: IpAddr) -> (bool, u128) {
    match address {
        IpAddr::V4(v4) => (false, u128::from(v4.to_bits()) << 96),
        IpAddr::V6(v6) => (true, v6.to_bits()),
    }
}

fn mask(length: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)
}

impl Prefix {
    /// The prefix around an address; `None` if the length is beyond the family's.
    #[must_use]
    pub fn new(address: IpAddr, length: u8) -> Option<Self> {
        let (v6, bits) = key(address);
        (length <= if v6 { 128 } else { 32 }).then(|| Self {
            v6,
            bits: bits & mask(length),
            length,
        })
    }

    /// Whether the address lies in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (v6, bits) = key(address);
        v6 == self.v6 && bits & mask(self.length) == self.bits
    }

    /// The number of leading bits that count.
    #[must_use]
    pub fn length(&self) -> u8 {
        self.length
    }
}

impl FromStr for Prefix {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, length) = text.split_once('/').ok_or(())?;
        let address = address.parse().map_err(|_| ())?;
        Self::new(address, length.parse().map_err(|_| ())?).ok_or(())
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = if self.v6 {
            IpAddr::from(Ipv6Addr::from_bits(self.bits))
        } else {
            IpAddr::from(Ipv4Addr::from_bits((self.bits >> 96) as u32))
        };
        write!(f, "{address}/{}", self.length)
    }
}

const NONE: u32 = u32::MAX;

/// A node: a prefix that has an owner, or one at which two subtrees part.
#[derive(Clone, Copy)]
struct Node {
    bits: u128,
    length: u8,
    owner: u32,
    children: [u32; 2],
}

impl Node {
    fn holds(&self, bits: u128) -> bool {
        (self.bits ^ bits) & mask(self.length) == 0
    }

    /// Which child leads to `bits`. Only for nodes shorter than `bits`' prefix, so below 128.
    fn branch(&self, bits: u128) -> usize {
        bit(bits, self.length)
    }
}

fn bit(bits: u128, place: u8) -> usize {
    (bits >> (127 - place) & 1) as usize
}

/// All `AllowedIPs` of a device.
#[derive(Default)]
pub struct AllowedIps {
    nodes: Vec<Node>,
    free: Vec<u32>,
    /// Of IPv4 and IPv6; absent when empty.
    roots: [Option<u32>; 2],
}

/// Where a link to a node is stored: a root, or a child of a node.
#[derive(Clone, Copy)]
enum Place {
    Root(usize),
    Child(u32, usize),
}

impl AllowedIps {
    /// The owner of the longest prefix that holds the address.
    #[must_use]
    pub fn lookup(&self, address: IpAddr) -> Option<PeerId> {
        let (v6, bits) = key(address);
        let mut at = self.roots[usize::from(v6)]?;
        let mut owner = NONE;
        while at != NONE {
            let node = &self.nodes[at as usize];
            if !node.holds(bits) {
                break;
            }
            if node.owner != NONE {
                owner = node.owner;
            }
            if node.length == 128 {
                break;
            }
            at = node.children[node.branch(bits)];
        }
        (owner != NONE).then_some(owner)
    }

    /// Gives the prefix to a peer and returns whose it was.
    pub fn insert(&mut self, prefix: Prefix, owner: PeerId) -> Option<PeerId> {
        let mut place = Place::Root(usize::from(prefix.v6));
        loop {
            let at = self.link(place);
            if at == NONE {
                let leaf = self.node(prefix.bits, prefix.length, owner);
                self.set_link(place, leaf);
                return None;
            }
            let node = self.nodes[at as usize];
            let common = ((node.bits ^ prefix.bits).leading_zeros() as u8)
                .min(node.length)
                .min(prefix.length);
            if common == node.length && common == prefix.length {
                let former = std::mem::replace(&mut self.nodes[at as usize].owner, owner);
                return (former != NONE).then_some(former);
            }
            if common == node.length {
                place = Place::Child(at, node.branch(prefix.bits));
                continue;
            }
            // The paths part inside this node's: put a node where they do, and this one below it.
            let is_prefix = common == prefix.length;
            let parting = self.node(
                prefix.bits & mask(common),
                common,
                if is_prefix { owner } else { NONE },
            );
            self.nodes[parting as usize].children[bit(node.bits, common)] = at;
            if !is_prefix {
                let leaf = self.node(prefix.bits, prefix.length, owner);
                self.nodes[parting as usize].children[bit(prefix.bits, common)] = leaf;
            }
            self.set_link(place, parting);
            return None;
        }
    }

    /// Takes the prefix from a peer; false if it is not that peer's.
    pub fn remove(&mut self, prefix: Prefix, owner: PeerId) -> bool {
        let mut parent = None;
        let mut place = Place::Root(usize::from(prefix.v6));
        loop {
            let at = self.link(place);
            if at == NONE {
                return false;
            }
            let node = self.nodes[at as usize];
            if !node.holds(prefix.bits) || node.length > prefix.length {
                return false;
            }
            if node.length == prefix.length {
                if node.owner != owner {
                    return false;
                }
                self.nodes[at as usize].owner = NONE;
                self.prune(place);
                if let Some(parent) = parent {
                    self.prune(parent);
                }
                return true;
            }
            parent = Some(place);
            place = Place::Child(at, node.branch(prefix.bits));
        }
    }

    /// Takes out the node at `place` if it has no owner and fewer than two children.
    fn prune(&mut self, place: Place) {
        let at = self.link(place);
        let node = self.nodes[at as usize];
        let child = match node.children {
            _ if node.owner != NONE => return,
            [NONE, child] | [child, NONE] => child,
            _ => return,
        };
        self.set_link(place, child);
        self.free.push(at);
    }

    fn node(&mut self, bits: u128, length: u8, owner: u32) -> u32 {
        let node = Node {
            bits,
            length,
            owner,
            children: [NONE; 2],
        };
        if let Some(at) = self.free.pop() {
            self.nodes[at as usize] = node;
            return at;
        }
        self.nodes.push(node);
        self.nodes.len() as u32 - 1
    }

    fn link(&self, place: Place) -> u32 {
        match place {
            Place::Root(family) => self.roots[family].unwrap_or(NONE),
            Place::Child(at, side) => self.nodes[at as usize].children[side],
        }
    }

    fn set_link(&mut self, place: Place, to: u32) {
        match place {
            Place::Root(family) => self.roots[family] = (to != NONE).then_some(to),
            Place::Child(at, side) => self.nodes[at as usize].children[side] = to,
        }
    }

    /// How many nodes are in use: at most twice the number of prefixes.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    /// How much memory they take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>() + self.free.capacity() * size_of::<u32>()
    }
}

#[cfg(test)]
#[path = "../tests/unit/allowed_ips.rs"]
mod tests;
