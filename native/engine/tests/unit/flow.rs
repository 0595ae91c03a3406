use super::*;

use crate::packets::Packet;

#[derive(Debug, PartialEq)]
enum Expected {
    Joinable,
    Alone,
    Other,
    Unknown,
}
use Expected::{Alone, Joinable, Other, Unknown};

type Change = fn(&mut Packet);
type Spoil = fn(&mut Vec<u8>);

fn class(packet: &[u8]) -> Expected {
    match classify(packet) {
        Class::Joinable(..) => Joinable,
        Class::Alone(_) => Alone,
        Class::Other => Other,
        Class::Unknown => Unknown,
    }
}

#[test]
fn packets_are_classified() {
    let fields: [(&str, Change, Expected); 19] = [
        ("TCP", |_| {}, Joinable),
        ("TCP, IPv6", |packet| packet.v6 = true, Joinable),
        ("PSH", |packet| packet.flags = ACK | PSH, Joinable),
        ("no ACK", |packet| packet.flags = 0, Alone),
        ("FIN", |packet| packet.flags = ACK | 0x01, Alone),
        ("SYN", |packet| packet.flags = ACK | 0x02, Alone),
        ("RST", |packet| packet.flags = ACK | 0x04, Alone),
        ("URG", |packet| packet.flags = ACK | 0x20, Alone),
        ("ECE", |packet| packet.flags = ACK | 0x40, Alone),
        ("CWR", |packet| packet.flags = ACK | 0x80, Alone),
        ("empty", |packet| packet.payload.clear(), Alone),
        ("IPv4 options", |packet| packet.extra = vec![1; 4], Alone),
        ("first fragment", |packet| packet.fragment = 0x20, Unknown),
        ("later fragment", |packet| packet.fragment = 0x01, Unknown),
        ("UDP", |packet| packet.protocol = UDP, Joinable),
        (
            "UDP, IPv6",
            |packet| (packet.protocol, packet.v6) = (UDP, true),
            Joinable,
        ),
        (
            "empty UDP",
            |packet| {
                packet.protocol = UDP;
                packet.payload.clear();
            },
            Alone,
        ),
        ("ICMP", |packet| packet.protocol = 1, Other),
        (
            "extension headers",
            |packet| (packet.v6, packet.extra) = (true, vec![TCP, 0, 1, 4, 0, 0, 0, 0]),
            Unknown,
        ),
    ];
    for (name, change, expected) in fields {
        let mut packet = Packet::default();
        change(&mut packet);
        assert_eq!(class(&packet.bytes()), expected, "{name}");
    }

    let tcp: [(&str, Spoil, Expected); 6] = [
        ("reserved bits", |bytes| bytes[32] |= 1, Alone),
        ("header below 20", |bytes| bytes[32] = 0x40, Alone),
        (
            "header to the end",
            |bytes| {
                bytes.truncate(52);
                bytes[3] = 52;
            },
            Alone,
        ),
        (
            "no ports",
            |bytes| {
                bytes.truncate(22);
                bytes[3] = 22;
            },
            Unknown,
        ),
        ("longer than it says", |bytes| bytes.push(0), Unknown),
        ("nothing", Vec::clear, Unknown),
    ];
    let udp: [(&str, Spoil, Expected); 2] = [
        ("no checksum", |bytes| bytes[26..28].fill(0), Alone),
        ("a length of its own", |bytes| bytes[25] ^= 1, Alone),
    ];
    for (protocol, spoils) in [(TCP, &tcp[..]), (UDP, &udp)] {
        for (name, spoil, expected) in spoils {
            let mut bytes = Packet {
                protocol,
                ..Packet::default()
            }
            .bytes();
            spoil(&mut bytes);
            assert_eq!(class(&bytes), *expected, "{name}");
        }
    }
}

#[test]
fn every_spoilt_bit_is_found() {
    for (protocol, v6) in [(TCP, false), (TCP, true), (UDP, false), (UDP, true)] {
        let packet = Packet {
            protocol,
            v6,
            ..Packet::default()
        };
        let layout = Layout {
            transport: packet.transport(),
            payload: packet.header_bytes(),
        };
        let bytes = packet.bytes();
        assert!(verify(&bytes, protocol, layout));
        // What IPv6 has in front of its addresses is covered by nothing.
        for bit in if v6 { 64 } else { 8 }..bytes.len() * 8 {
            let mut spoilt = bytes.clone();
            spoilt[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify(&spoilt, protocol, layout), "bit {bit}");
        }
    }
}
