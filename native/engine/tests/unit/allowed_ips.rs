use std::collections::BTreeMap;
use std::time::Instant;

use proptest::prelude::*;

use super::*;

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn text_is_read_and_written() {
    for text in [
        "0.0.0.0/0",
        "10.99.1.0/24",
        "192.0.2.1/32",
        "::/0",
        "fd99:0:1::/64",
        "2001:db8::1/128",
    ] {
        assert_eq!(prefix(text).to_string(), text);
    }
    assert_eq!(prefix("10.1.2.3/8").to_string(), "10.0.0.0/8");
    for text in [
        "",
        "10.0.0.0",
        "10.0.0.0/33",
        "::/129",
        "::/-1",
        "010.0.0.0/8",
        "10.0.0/8",
        "a/8",
    ] {
        assert_eq!(text.parse::<Prefix>(), Err(()), "{text}");
    }
}

#[test]
fn paper_2_longest_prefix_wins() {
    let mut trie = AllowedIps::default();
    let owners = [
        ("0.0.0.0/0", 0),
        ("10.0.0.0/8", 1),
        ("10.1.0.0/16", 2),
        ("10.1.2.3/32", 3),
        ("10.1.2.2/32", 4),
        ("192.168.0.0/17", 5),
        ("fd00::/8", 6),
        ("fd00::1/128", 7),
    ];
    for (text, owner) in owners {
        assert_eq!(trie.insert(prefix(text), owner), None, "{text}");
    }
    let cases = [
        ("1.1.1.1", Some(0)),
        ("10.200.0.1", Some(1)),
        ("10.1.200.1", Some(2)),
        ("10.1.2.3", Some(3)),
        ("10.1.2.2", Some(4)),
        ("10.1.2.1", Some(2)),
        ("192.168.1.1", Some(5)),
        ("192.168.128.1", Some(0)),
        ("fd00::2", Some(6)),
        ("fd00::1", Some(7)),
        ("fe80::1", None),
        ("::ffff:10.1.2.3", None),
    ];
    for (text, owner) in cases {
        assert_eq!(trie.lookup(address(text)), owner, "{text}");
    }
}

#[test]
fn a_prefix_moves_to_its_new_owner() {
    let mut trie = AllowedIps::default();
    assert_eq!(trie.insert(prefix("10.0.0.0/8"), 1), None);
    assert_eq!(trie.insert(prefix("10.0.0.0/8"), 2), Some(1));
    assert_eq!(trie.lookup(address("10.0.0.1")), Some(2));
    assert!(!trie.remove(prefix("10.0.0.0/8"), 1));
    assert!(!trie.remove(prefix("10.0.0.0/9"), 2));
    assert!(trie.remove(prefix("10.0.0.0/8"), 2));
    assert_eq!((trie.lookup(address("10.0.0.1")), trie.nodes()), (None, 0));
}

#[test]
fn many_prefixes_load_fast_and_leave_nothing() {
    let mut trie = AllowedIps::default();
    let prefixes: Vec<Prefix> = (0..130_000_u32)
        .map(|number| {
            let bits = number.wrapping_mul(0x9e37_79b1);
            Prefix::new(Ipv4Addr::from_bits(bits).into(), 16 + (number % 17) as u8).unwrap()
        })
        .collect();
    let start = Instant::now();
    for (owner, &prefix) in (0..).zip(&prefixes) {
        trie.insert(prefix, owner);
    }
    assert!(start.elapsed().as_millis() < 2000, "{:?}", start.elapsed());
    assert!(trie.nodes() < 2 * prefixes.len());
    for (owner, &prefix) in (0..).zip(&prefixes) {
        trie.remove(prefix, owner);
    }
    assert_eq!(trie.nodes(), 0);
}

/// Addresses close together, so that prefixes nest and meet.
fn near() -> impl Strategy<Value = IpAddr> {
    let bits = prop_oneof![Just(0_u32), Just(u32::MAX), Just(0x0a00_0000)];
    (any::<bool>(), bits, 0_u32..64, 0_u32..32).prop_map(|(v6, bits, low, shift)| {
        let bits = bits ^ low << shift;
        if v6 {
            IpAddr::from(Ipv6Addr::from_bits(
                u128::from(bits) << 96 | u128::from(low),
            ))
        } else {
            IpAddr::from(Ipv4Addr::from_bits(bits))
        }
    })
}

fn near_prefix() -> impl Strategy<Value = Prefix> {
    (near(), any::<u8>()).prop_map(|(address, length)| {
        let bits = if address.is_ipv4() { 33 } else { 129 };
        Prefix::new(address, (u16::from(length) % bits) as u8).unwrap()
    })
}

proptest! {
    #[test]
    fn trie_agrees_with_a_list(
        steps in proptest::collection::vec((near_prefix(), 0_u32..3, any::<bool>()), 1..80),
        looked_up in proptest::collection::vec(near(), 40),
    ) {
        let mut trie = AllowedIps::default();
        let mut list: BTreeMap<Prefix, PeerId> = BTreeMap::new();
        for (prefix, owner, add) in steps {
            if add {
                prop_assert_eq!(trie.insert(prefix, owner), list.insert(prefix, owner));
            } else {
                let is_owner = list.get(&prefix) == Some(&owner);
                prop_assert_eq!(trie.remove(prefix, owner), is_owner);
                if is_owner {
                    list.remove(&prefix);
                }
            }
            prop_assert!(trie.nodes() <= 2 * list.len());
        }
        for address in looked_up.into_iter().chain(list.keys().map(|prefix| {
            prefix.to_string().split_once('/').unwrap().0.parse().unwrap()
        })) {
            let longest = list.iter().filter(|(prefix, _)| prefix.contains(address)).max_by_key(|(prefix, _)| prefix.length());
            prop_assert_eq!(trie.lookup(address), longest.map(|(_, owner)| *owner), "{}", address);
        }
    }
}
