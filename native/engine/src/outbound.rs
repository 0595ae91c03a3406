//! TUN to UDP: read, cut, route, seal, send; one thread, or on more cores one for each queue of the TUN, over which the
//! kernel spreads the flows.

use std::io::{self, IoSlice};

use crate::plane::{Plane, Warning};
use crate::sys::host::now_ms;
use crate::sys::poll::{self, Waker};
use crate::tun::{LinkWatch, Tun};
use crate::vnet::{VNET_BYTES, Vnet};
use crate::wire::{READ_BYTES, WIRE_BYTES, Wire};

/// What each thread has.
pub const BUFFER_BYTES: usize = READ_BYTES + WIRE_BYTES;

/// The thread of one queue: runs until `stop` is woken. One of them also watches the link.
pub fn run(plane: &Plane, tun: &Tun, mut link: Option<LinkWatch>, stop: &Waker) {
    let mut wire = Wire::default();
    let mut packet = vec![0; READ_BYTES];
    let header = Vnet::default().write();
    let mut gone = false;
    loop {
        let descriptors = [
            Some(stop.descriptor()),
            link.as_ref().map(LinkWatch::descriptor),
            (!gone).then(|| tun.descriptor()),
        ];
        let [stopped, link_ready, tun_ready] = poll::wait(descriptors);
        if stopped.readable {
            return;
        }
        let now_ms = now_ms();
        if let Some(link) = link.as_mut().filter(|_| link_ready.readable) {
            link.read(plane, tun, now_ms);
        }
        if !gone && tun_ready.broken && !tun.is_attached() {
            gone = true;
            if let Some(link) = &mut link {
                link.gone(plane);
            }
        }
        if !gone && tun_ready.readable {
            fill(plane, tun, &mut wire, &mut packet, now_ms);
            wire.route(plane, now_ms);
            plane.send(&wire, now_ms);
            for error in wire.errors.packets.drain(..) {
                // If the TUN does not take it, its sender waits in vain, as for any lost packet.
                let _ = tun.write(&[IoSlice::new(&header), IoSlice::new(&error)]);
            }
            for id in wire.take_waiting() {
                plane.flush(id, &mut wire, now_ms);
            }
        }
    }
}

/// Reads what waits in the TUN, as much as fits.
fn fill(plane: &Plane, tun: &Tun, wire: &mut Wire, packet: &mut [u8], now_ms: u64) {
    wire.clear();
    let mtu_bytes = plane.mtu();
    while wire.has_room() {
        match tun.read(packet) {
            Ok(bytes) => {
                let Some((header, packet)) = packet[..bytes].split_first_chunk::<VNET_BYTES>()
                else {
                    continue;
                };
                if let Err(reason) = wire.add(&Vnet::read(header), packet, mtu_bytes) {
                    plane.drops.add(reason, 1);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) => {
                if tun.is_attached() {
                    plane.warn(Warning::TunRead, now_ms, || {
                        format!("reading {}: {error}", tun.name())
                    });
                }
                return;
            }
        }
    }
}
