//! This machine's kernel may have no `WireGuard`, so a thread plays it: it takes requests as the kernel does and answers a dump in as
//! many messages as it is told. What the real one does is tested by `npm run test:kernel`.

use std::os::unix::net::UnixDatagram;
use std::thread::{self, JoinHandle};

use netlink_packet_core::{NLM_F_DUMP_INTR, NLM_F_MULTIPART};
use proptest::prelude::*;

use super::*;
use crate::attribute::attributes;
use crate::sys::socket_pair;

const FAMILY: u16 = 31;

/// A message of netlink: header and payload.
fn message(kind: u16, flags: u16, sequence: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let length = (16 + payload.len() as u32).to_ne_bytes();
    let [kind, flags] = [kind, flags].map(u16::to_ne_bytes);
    [&length[..], &kind, &flags, &sequence, &[0; 4], payload].concat()
}

fn device_message(flags: u16, sequence: [u8; 4], attributes: &[u8]) -> Vec<u8> {
    message(
        FAMILY,
        flags,
        sequence,
        &[&[0, 1, 0, 0][..], attributes].concat(),
    )
}

/// The datagrams that answer the request of that sequence number.
type Answer = Box<dyn Fn([u8; 4]) -> Vec<Vec<u8>> + Send>;

/// Answers each request with the next list of datagrams; returns the payloads that came.
fn kernel(socket: UnixDatagram, answers: Vec<Answer>) -> JoinHandle<Vec<Vec<u8>>> {
    thread::spawn(move || {
        let mut buffer = vec![0; 128 * 1024];
        let mut requests = Vec::new();
        for answer in answers {
            let length = socket.recv(&mut buffer).unwrap();
            requests.push(buffer[16..length].to_vec());
            let sequence = buffer[8..12].try_into().unwrap();
            for datagram in answer(sequence) {
                socket.send(&datagram).unwrap();
            }
        }
        requests
    })
}

fn done(sequence: [u8; 4]) -> Vec<u8> {
    message(3, NLM_F_MULTIPART, sequence, &[0; 4])
}

fn errno(sequence: [u8; 4], code: i32) -> Vec<u8> {
    let payload = [&code.to_ne_bytes()[..], &[0; 16]].concat();
    message(2, 0, sequence, &payload)
}

fn connected() -> (Wireguard, UnixDatagram) {
    let (near, far) = socket_pair();
    let wireguard = Wireguard {
        connection: Connection::over(near),
        family: FAMILY,
    };
    (wireguard, far)
}

/// The attributes of a peer with those `AllowedIPs`, and what `rest` writes between.
fn peer_bytes(key: u8, rest: impl Fn(&mut Writer), allowed_ips: &[(&str, u8)]) -> Vec<u8> {
    let mut writer = Writer::new(64 * 1024);
    let peers = writer.open(device_attribute::PEERS);
    let peer = writer.open(0);
    writer.put(peer_attribute::PUBLIC_KEY, &[key; 32]);
    rest(&mut writer);
    let list = writer.open(peer_attribute::ALLOWED_IPS);
    for (address, length) in allowed_ips {
        write::put_allowed_ip(&mut writer, address.parse().unwrap(), *length, true);
    }
    writer.close(list);
    writer.close(peer);
    writer.close(peers);
    writer.finish().to_vec()
}

fn put(attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut writer = Writer::new(64 * 1024);
    for (kind, value) in attributes {
        writer.put(*kind, value);
    }
    writer.finish().to_vec()
}

#[test]
fn dump_joins_a_peer_that_goes_on_in_the_next_message_and_is_read_again_after_an_interruption() {
    let (mut wireguard, far) = connected();
    let head = put(&[
        (device_attribute::PRIVATE_KEY, &[7; 32]),
        (device_attribute::LISTEN_PORT, &51820_u16.to_ne_bytes()),
        (device_attribute::FWMARK, &0x1234_u32.to_ne_bytes()),
        (99, b"what a newer kernel says"),
    ]);
    let full = |writer: &mut Writer| {
        writer.put(peer_attribute::PRESHARED_KEY, &[0; 32]);
        writer.put(peer_attribute::RX_BYTES, &5_u64.to_ne_bytes());
        writer.put(peer_attribute::TX_BYTES, &6_u64.to_ne_bytes());
        let time = [1_700_000_000_u64, 250_000_000]
            .map(u64::to_ne_bytes)
            .concat();
        writer.put(peer_attribute::LAST_HANDSHAKE, &time);
        writer.put(peer_attribute::PERSISTENT_KEEPALIVE, &25_u16.to_ne_bytes());
        write::put_endpoint(writer, "[fe80::1%3]:7".parse().unwrap());
    };
    let first = [head, peer_bytes(1, full, &[("10.0.0.0", 8)])].concat();
    let second = peer_bytes(1, |_| {}, &[("fd00::", 16), ("0.0.0.0", 0)]);
    let third = peer_bytes(
        2,
        |writer| writer.put(peer_attribute::PRESHARED_KEY, &[9; 32]),
        &[],
    );
    let torn = first.clone();
    let requests = kernel(
        far,
        vec![
            Box::new(move |sequence| {
                let interrupted = NLM_F_MULTIPART | NLM_F_DUMP_INTR;
                vec![device_message(interrupted, sequence, &torn), done(sequence)]
            }),
            Box::new(move |sequence| {
                let part = |bytes: &[u8]| device_message(NLM_F_MULTIPART, sequence, bytes);
                // The second datagram holds two messages.
                let late = [part(&second), part(&third)].concat();
                vec![errno([0xee; 4], -1), part(&first), late, done(sequence)]
            }),
        ],
    );
    let device = wireguard.device("wg0").unwrap();
    assert_eq!(device.private_key.as_deref(), Some(&[7; 32]));
    assert_eq!((device.listen_port, device.fwmark), (51820, 0x1234));
    let prefix = |address: &str, length| (address.parse().unwrap(), length);
    let expected = [
        WireguardPeer {
            public_key: [1; 32],
            preshared_key: None,
            endpoint: Some("[fe80::1%3]:7".parse().unwrap()),
            last_handshake: Duration::from_millis(1_700_000_000_250),
            rx_bytes: 5,
            tx_bytes: 6,
            persistent_keepalive: 25,
            allowed_ips: vec![
                prefix("10.0.0.0", 8),
                prefix("fd00::", 16),
                prefix("0.0.0.0", 0),
            ],
        },
        WireguardPeer {
            public_key: [2; 32],
            preshared_key: Some(Zeroizing::new([9; 32])),
            ..WireguardPeer::default()
        },
    ];
    assert_eq!(device.peers, expected);
    let question = [
        &[GET_DEVICE, 1, 0, 0][..],
        &put(&[(device_attribute::NAME, b"wg0\0")]),
    ]
    .concat();
    assert_eq!(requests.join().unwrap(), [question.clone(), question]);
}

#[test]
fn dump_that_is_interrupted_every_time_is_given_up_and_says_so() {
    let (mut wireguard, far) = connected();
    let interrupted = || -> Answer {
        Box::new(|sequence| {
            let flags = NLM_F_MULTIPART | NLM_F_DUMP_INTR;
            vec![device_message(flags, sequence, &[]), done(sequence)]
        })
    };
    let requests = kernel(far, (0..16).map(|_| interrupted()).collect());
    let error = wireguard.device("wg0").unwrap_err();
    assert_eq!(error.errno, 0);
    assert!(error.reason.contains("during every attempt"), "{error}");
    assert_eq!(requests.join().unwrap().len(), 16);
}

#[test]
fn dump_that_fails_or_cannot_be_read_is_an_error_with_its_errno_and_no_key_in_it() {
    let wrong = [
        put(&[(device_attribute::PRIVATE_KEY, &[0xab; 31])]),
        put(&[(device_attribute::LISTEN_PORT, &[1])]),
        put(&[(
            device_attribute::PEERS,
            &put(&[(0, &put(&[(peer_attribute::RX_BYTES, &[0; 8])]))]),
        )]),
        peer_bytes(
            1,
            |writer| writer.put(peer_attribute::ENDPOINT, &[2, 0, 1, 1, 127]),
            &[],
        ),
        peer_bytes(
            1,
            |writer| writer.put(peer_attribute::ENDPOINT, &[10, 0, 1, 1, 0, 0]),
            &[],
        ),
        peer_bytes(1, |writer| writer.put(peer_attribute::ENDPOINT, &[]), &[]),
        peer_bytes(
            1,
            |writer| writer.put(peer_attribute::LAST_HANDSHAKE, &[0xff; 16]),
            &[],
        ),
        peer_bytes(1, |_| {}, &[("10.0.0.0", 33)]),
        peer_bytes(1, |_| {}, &[("fd00::", 129)]),
        vec![200, 0, 3, 0, 0xab],
    ];
    for bytes in wrong {
        let error = read::device_of("reading", [&bytes[..]].into_iter()).unwrap_err();
        assert_eq!(error.errno, 0);
        assert!(error.reason.contains("cannot be read"), "{error}");
        assert!(!error.to_string().contains("ab, ab"), "{error}");
    }

    let (mut wireguard, far) = connected();
    let refused = kernel(
        far,
        vec![Box::new(|sequence| vec![errno(sequence, -libc::ENODEV)])],
    );
    assert_eq!(wireguard.device("wg0").unwrap_err().errno, libc::ENODEV);
    refused.join().unwrap();
}

type ToldPeer = (u8, Vec<u16>, u32, usize);

/// What one request says: its peers, each with the kinds of its attributes, flags and number of `AllowedIPs`.
fn told(request: &[u8]) -> (Vec<u16>, Vec<ToldPeer>) {
    let mut kinds = Vec::new();
    let mut peers = Vec::new();
    for attribute in attributes("", request).map(Result::unwrap) {
        kinds.push(attribute.kind);
        if attribute.kind != device_attribute::PEERS {
            continue;
        }
        for peer in attributes("", attribute.value).map(Result::unwrap) {
            let (mut key, mut inner, mut flags, mut count) = (0, Vec::new(), 0, 0);
            for attribute in attributes("", peer.value).map(Result::unwrap) {
                inner.push(attribute.kind);
                match attribute.kind {
                    peer_attribute::PUBLIC_KEY => key = attribute.value[0],
                    peer_attribute::FLAGS => {
                        flags = u32::from_ne_bytes(attribute.fixed("").unwrap());
                    }
                    peer_attribute::ALLOWED_IPS => count = attributes("", attribute.value).count(),
                    _ => {}
                }
            }
            peers.push((key, inner, flags, count));
        }
    }
    (kinds, peers)
}

#[test]
fn set_says_keys_and_replaces_once_and_goes_on_only_with_peers_that_are_there() {
    use device_attribute::{FLAGS, FWMARK, LISTEN_PORT, NAME, PEERS, PRIVATE_KEY};
    let change = WireguardChange {
        private_key: Some(Zeroizing::new([7; 32])),
        listen_port: Some(1),
        fwmark: Some(0),
        replace_peers: true,
        peers: vec![
            WireguardPeerChange {
                public_key: [1; 32],
                preshared_key: Some(Zeroizing::new([0; 32])),
                endpoint: Some("192.0.2.1:5".parse().unwrap()),
                persistent_keepalive: Some(0),
                replace_allowed_ips: true,
                allowed_ips: (0..20)
                    .map(|i| (IpAddr::from([10, 0, i, 0]), 24, true))
                    .collect(),
                ..WireguardPeerChange::default()
            },
            WireguardPeerChange {
                public_key: [2; 32],
                remove: true,
                update_only: true,
                ..WireguardPeerChange::default()
            },
        ],
    };
    let mut requests = Vec::new();
    let send = |bytes: Zeroizing<Vec<u8>>| {
        assert!(
            bytes.len() <= 600 && bytes.capacity() == 600,
            "{}",
            bytes.len()
        );
        requests.push(told(&bytes));
        Ok(())
    };
    write::each_request("wg0", &change, 600, send).unwrap();
    assert_eq!(
        requests,
        [
            (
                vec![NAME, PRIVATE_KEY, LISTEN_PORT, FWMARK, FLAGS, PEERS],
                vec![(1, vec![1, 2, 3, 4, 5, 9], 2, 14)]
            ),
            (
                vec![NAME, PEERS],
                vec![(1, vec![1, 3, 9], 4, 6), (2, vec![1, 3, 9], 5, 0)]
            ),
        ]
    );

    let mut calls = 0;
    let refused = write::each_request("wg0", &change, 600, |_| {
        calls += 1;
        Err(crate::Error::errno("setting", libc::EADDRINUSE, "in use"))
    });
    assert_eq!((calls, refused.unwrap_err().errno), (1, libc::EADDRINUSE));
}

#[test]
fn set_is_answered_request_by_request() {
    let (mut wireguard, far) = connected();
    let peer = |key| WireguardPeerChange {
        public_key: [key; 32],
        allowed_ips: vec![(IpAddr::from([10, 0, 0, key]), 32, true); 600],
        ..WireguardPeerChange::default()
    };
    let change = WireguardChange {
        peers: vec![peer(1), peer(2)],
        ..WireguardChange::default()
    };
    let requests = kernel(
        far,
        vec![
            Box::new(|sequence| vec![errno(sequence, 0)]),
            Box::new(|sequence| vec![errno(sequence, -libc::EPERM)]),
        ],
    );
    let error = wireguard.set_device("wg0", &change).unwrap_err();
    assert!(error.needs_root(), "{error}");
    let requests = requests.join().unwrap();
    assert!(
        requests
            .iter()
            .all(|request| request[..4] == [SET_DEVICE, 1, 0, 0])
    );
}

#[test]
fn an_allowed_ip_to_take_away_has_the_flag() {
    let mut writer = Writer::new(64);
    write::put_allowed_ip(&mut writer, "10.0.0.0".parse().unwrap(), 8, false);
    let expected: &[u8] = &[
        36, 0, 0, 0x80, 6, 0, 1, 0, 2, 0, 0, 0, 8, 0, 2, 0, 10, 0, 0, 0, 5, 0, 3, 0, 8, 0, 0, 0, 8,
        0, 4, 0, 1, 0, 0, 0,
    ];
    if cfg!(target_endian = "little") {
        assert_eq!(writer.finish()[..], *expected);
    }
}

fn any_endpoint() -> impl Strategy<Value = SocketAddr> {
    let v6 = (any::<[u8; 16]>(), any::<u16>(), any::<u32>());
    prop_oneof![
        (any::<[u8; 4]>(), any::<u16>()).prop_map(SocketAddr::from),
        v6.prop_map(
            |(ip, port, scope)| std::net::SocketAddrV6::new(ip.into(), port, 0, scope).into()
        ),
    ]
}

fn any_prefix() -> impl Strategy<Value = (IpAddr, u8)> {
    prop_oneof![
        (any::<[u8; 4]>(), 0..=32_u8).prop_map(|(ip, length)| (ip.into(), length)),
        (any::<[u8; 16]>(), 0..=128_u8).prop_map(|(ip, length)| (ip.into(), length)),
    ]
}

proptest! {
    /// What is written for a set reads back as the same device, however small the requests are (get and set share their attributes).
    #[test]
    fn set_reads_back_whole(
        peers in prop::collection::vec(
            (any::<Option<u16>>(), prop::option::of(any_endpoint()), prop::collection::vec(any_prefix(), 0..40)),
            0..6,
        ),
        request_bytes in 400..4000_usize,
    ) {
        let peer = |(i, (keepalive, endpoint, prefixes)): (usize, &(_, _, Vec<(IpAddr, u8)>))| WireguardPeerChange {
            public_key: [i as u8; 32],
            persistent_keepalive: *keepalive,
            endpoint: *endpoint,
            allowed_ips: prefixes.iter().map(|(address, length)| (*address, *length, true)).collect(),
            ..WireguardPeerChange::default()
        };
        let change = WireguardChange {
            peers: peers.iter().enumerate().map(peer).collect(),
            ..WireguardChange::default()
        };
        let mut requests = Vec::new();
        write::each_request("wg0", &change, request_bytes, |bytes| {
            assert!(bytes.len() <= request_bytes);
            requests.push(bytes);
            Ok(())
        }).unwrap();
        let device = read::device_of("", requests.iter().map(|bytes| &bytes[..])).unwrap();
        let read: Vec<_> = device.peers.into_iter().map(|peer| (peer.persistent_keepalive, peer.endpoint, peer.allowed_ips)).collect();
        let expected: Vec<_> = peers.into_iter().map(|(keepalive, endpoint, prefixes)| (keepalive.unwrap_or(0), endpoint, prefixes)).collect();
        prop_assert_eq!(read, expected);
    }

    /// Neither any bytes nor a good answer with some of them changed do more than fail.
    #[test]
    fn no_answer_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let _ = read::device_of("", [&bytes[..]].into_iter());
        let mut good = peer_bytes(1, |writer| {
            write::put_endpoint(writer, "[fe80::1%3]:7".parse().unwrap());
            writer.put(peer_attribute::LAST_HANDSHAKE, &[0; 16]);
        }, &[("10.0.0.0", 8), ("fd00::", 16)]);
        for (at, byte) in changes {
            let at = at.index(good.len());
            good[at] = byte;
        }
        let _ = read::device_of("", [&good[..]].into_iter());
    }
}
