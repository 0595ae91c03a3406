//! What the fuzz targets do, with the bytes that their corpora keep and with random ones.

#[allow(clippy::pedantic, missing_docs)]
#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::fs;
use std::path::Path;

use fuzz::{allowed_ips, coalesce, gate, icmp, inbound, packet, segment};
use proptest::prelude::*;

type Run = fn(&[u8]);

#[test]
fn corpora_are_answered() {
    let targets: [(&str, Run); 7] = [
        ("allowed_ips", allowed_ips::run),
        ("coalesce", coalesce::run),
        ("gate", gate::run),
        ("icmp", icmp::run),
        ("inbound", inbound::run),
        ("packet", packet::run),
        ("segment", segment::run),
    ];
    for (name, run) in targets {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz/corpus")
            .join(name);
        let Ok(files) = fs::read_dir(&folder) else {
            continue;
        };
        for file in files {
            let path = file.unwrap().path();
            println!("{}", path.display());
            run(&fs::read(path).unwrap());
        }
    }
}

proptest! {
    #[test]
    fn coalescing_and_cutting_gives_the_same_packets(
        switches in 0_u8..16,
        steps in proptest::collection::vec((0_u8..10, 0_u8..64, any::<u8>(), any::<u8>()), 0..200),
        flows in 1_u8..10,
    ) {
        // Of all that may happen to a packet, half is nothing.
        let steps = steps.into_iter().flat_map(|(flow, what, value, length)| [flow % flows, what.min(31), value, length]);
        coalesce::run(&[switches].into_iter().chain(steps).collect::<Vec<u8>>());
    }

    #[test]
    fn segments_are_those_of_a_plain_reference(
        kind in prop::sample::select(vec![0_u8, 1, 4, 5, 0x81, 0x84]),
        first in prop::sample::select(vec![0x45_u8, 0x46, 0x60]),
        size in 1_u16..3000,
        mut packet in proptest::collection::vec(any::<u8>(), 80..3000),
        how in 0_u8..8,
    ) {
        let transport = match first { 0x45 => 20, 0x46 => 24, _ => 40 };
        packet[0] = first;
        packet[transport + 12] |= 0x50;
        let vnet = podwire_engine::vnet::Vnet {
            flags: 1,
            gso_type: kind,
            header_bytes: 0,
            gso_size: size,
            csum_start: transport as u16,
            csum_offset: 16,
        };
        segment::run(&[&vnet.write()[..], &[how | 1], &packet].concat());
    }
}
