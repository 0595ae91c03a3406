//! Flows stay spread over the queues of a TUN when packets of their other direction come. Runs again in a network
//! namespace of its own, as root.

use std::io::IoSlice;
use std::net::UdpSocket;
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs};

use podwire_engine::checksum::{fold, sum};
use podwire_engine::offload::{Offloads, Switches};
use podwire_engine::tun::Tun;
use podwire_engine::vnet::{VNET_BYTES, Vnet};

const VARIABLE: &str = "PODWIRE_TEST_QUEUES";
const FLOWS: usize = 64;
const OURS: [u8; 4] = [10, 77, 0, 1];
const THEIRS: [u8; 4] = [10, 77, 0, 2];

fn ip(args: &str) {
    let status = Command::new("ip").args(args.split(' ')).status();
    assert!(status.unwrap().success(), "ip {args}");
}

/// Sends a datagram of each flow; how many each queue got.
fn spread(tuns: &[Tun], sockets: &[UdpSocket]) -> Vec<usize> {
    for (socket, port) in sockets.iter().zip(30_000..) {
        socket.send_to(b"there", ("10.77.0.2", port)).unwrap();
    }
    let mut counts = vec![0; tuns.len()];
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut packet = [0; 2000];
    while counts.iter().sum::<usize>() < FLOWS {
        assert!(Instant::now() < deadline, "{counts:?}");
        for (tun, count) in tuns.iter().zip(&mut counts) {
            while let Ok(bytes) = tun.read(&mut packet) {
                let packet = &packet[VNET_BYTES..bytes];
                // Not what the kernel says of itself when a link comes up.
                *count += usize::from(packet.len() > 20 && packet[16..20] == THEIRS);
            }
        }
    }
    counts
}

/// A datagram that answers one of a socket's.
fn answer(to: u16, from: u16) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 33, 0, 0, 0x40, 0, 64, 17, 0, 0];
    packet.extend([THEIRS, OURS].concat());
    packet.extend([from.to_be_bytes(), to.to_be_bytes(), [0, 13], [0, 0]].concat());
    let checksum = !fold(sum(&packet[..20], 0));
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    packet.extend(b"back.");
    packet
}

fn check() {
    let offloads = Offloads::new(Switches::default());
    let tuns = Tun::create("queues0", 1420, 4, &offloads).unwrap();
    let writer = tuns[0].writer().unwrap();
    ip("addr add 10.77.0.1/24 dev queues0");
    ip("link set queues0 up");
    let sockets: Vec<_> = (0..FLOWS)
        .map(|_| UdpSocket::bind("10.77.0.1:0").unwrap())
        .collect();
    let before = spread(&tuns, &sockets);
    assert!(before.iter().all(|&count| count > 0), "{before:?}");
    for (socket, from) in sockets.iter().zip(30_000..) {
        let packet = answer(socket.local_addr().unwrap().port(), from);
        let header = Vnet::default().write();
        writer
            .write(&[IoSlice::new(&header), IoSlice::new(&packet)])
            .unwrap();
        let timeout = Some(Duration::from_secs(10));
        socket.set_read_timeout(timeout).unwrap();
        assert_eq!(socket.recv(&mut [0; 100]).unwrap(), 5);
    }
    assert_eq!(spread(&tuns, &sockets), before);
}

#[test]
fn flows_stay_where_they_are_when_answers_come() {
    if env::var(VARIABLE).is_ok() {
        return check();
    }
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        eprintln!("skipped: no TUN without root here");
        return;
    }
    let mut command = Command::new("unshare");
    command.arg("--net").arg(env::current_exe().unwrap());
    let status = command.arg("--nocapture").env(VARIABLE, "1").status();
    assert!(status.unwrap().success());
}
