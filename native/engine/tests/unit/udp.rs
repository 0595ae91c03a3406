use std::net::UdpSocket;

use super::*;
use crate::endpoint::Endpoint;
use crate::offload::Switches;

/// Forty datagrams of a hundred bytes and a shorter one.
fn message() -> Vec<u8> {
    (0..4030_u32).map(|place| (place / 100) as u8).collect()
}

/// What arrives of a message, whether it all went, and how many were told of, as refused and as sent from elsewhere.
fn sent(gso: bool, local: Option<&str>) -> (Vec<u8>, bool, [usize; 2]) {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let offloads = Offloads::new(Switches {
        gso,
        ..Switches::default()
    });
    let sockets = Sockets::open(0, 0, &offloads).unwrap();
    let bytes = message();
    let outgoing = Outgoing {
        bytes: &bytes,
        segment_bytes: 100,
        endpoint: Endpoint {
            remote: receiver.local_addr().unwrap(),
            local: local.map(|local| local.parse().unwrap()),
        },
        ecn: 0,
    };
    let mut told = [0; 2];
    let went = sockets.send(&[outgoing], &offloads, |_, count, failure| match failure {
        Failure::Source => told[1] += count,
        Failure::NoSocket | Failure::Segmentation(_) | Failure::Refused(_) => told[0] += count,
    });
    let (mut arrived, mut room) = (Vec::new(), [0; 200]);
    while arrived.len() < bytes.len() {
        let (length, from) = receiver.recv_from(&mut room).unwrap();
        assert_eq!(from.port(), sockets.port);
        assert!(length == 100 || arrived.len() == 4000, "{length}");
        arrived.extend(&room[..length]);
    }
    (arrived, went, told)
}

#[test]
fn a_message_arrives_as_its_datagrams_in_order_with_and_without_segmentation() {
    for gso in [true, false] {
        assert_eq!(sent(gso, None), (message(), true, [0, 0]), "{gso}");
        let local = Some("127.0.0.1");
        assert_eq!(sent(gso, local), (message(), true, [0, 0]), "{gso}");
    }
}

#[test]
fn a_source_that_is_not_ours_any_more_is_told_of_and_left_to_the_kernel() {
    for gso in [true, false] {
        let stale = Some("203.0.113.9");
        assert_eq!(sent(gso, stale), (message(), true, [0, 41]), "{gso}");
    }
}

#[test]
fn what_the_kernel_refuses_is_counted_in_datagrams() {
    let bytes = message();
    for gso in [true, false] {
        let offloads = Offloads::new(Switches {
            gso,
            ..Switches::default()
        });
        let sockets = Sockets::open(0, 0, &offloads).unwrap();
        let outgoing = Outgoing {
            bytes: &bytes,
            segment_bytes: 100,
            // Nobody has port 0.
            endpoint: Endpoint::configured(([127, 0, 0, 1], 0).into()),
            ecn: 0,
        };
        let (mut refused, was_on) = (0, offloads.is_on(Offload::Gso));
        sockets.send(&[outgoing; 2], &offloads, |_, count, _| refused += count);
        assert_eq!(refused, 2 * 41, "{gso}");
        assert_eq!(offloads.is_on(Offload::Gso), was_on, "it is not to blame");
    }
}
