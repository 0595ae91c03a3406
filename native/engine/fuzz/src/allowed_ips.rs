//! Additions and removals, eight bytes each, to the trie and to a list.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use podwire_engine::allowed_ips::{AllowedIps, Prefix};

fn address(bytes: [u8; 4], v6: bool) -> IpAddr {
    if v6 {
        let [a, b, c, d] = bytes;
        Ipv6Addr::from([a, b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, c, d]).into()
    } else {
        Ipv4Addr::from(bytes).into()
    }
}

pub fn run(bytes: &[u8]) {
    let (mut trie, mut list) = (AllowedIps::default(), BTreeMap::new());
    for &[add, owner, length, a, b, c, d, v6] in bytes.as_chunks::<8>().0.iter().take(200) {
        let v6 = v6 & 1 == 1;
        let at = address([a, b, c, d], v6);
        let Some(prefix) = Prefix::new(at, length % if v6 { 129 } else { 33 }) else {
            continue;
        };
        let owner = u32::from(owner % 4);
        if add & 1 == 1 {
            assert_eq!(trie.insert(prefix, owner), list.insert(prefix, owner));
        } else {
            let is_owner = list.get(&prefix) == Some(&owner);
            assert_eq!(trie.remove(prefix, owner), is_owner);
            if is_owner {
                list.remove(&prefix);
            }
        }
        let longest = list
            .iter()
            .filter(|(prefix, _)| prefix.contains(at))
            .max_by_key(|(prefix, _)| prefix.length());
        assert_eq!(trie.lookup(at), longest.map(|(_, owner)| *owner));
        assert!(trie.nodes() <= 2 * list.len());
    }
}
