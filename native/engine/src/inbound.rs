//! UDP to TUN: receive, open, deliver. On few cores one thread does it all, so that nothing is handed over; on more, one
//! thread receives, several open, and one delivers in the order in which the packets came.
//!
//! ```text
//!   one:    receive -> open -> deliver
//!   more:   receive -> order.rs: open | open | open -> in order: deliver -> back to receive
//! ```

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc;
use std::thread::{self, Scope};

use crate::arrival::Arrival;
use crate::counters::Drop;
use crate::deliver::Delivery;
use crate::order::Order;
use crate::plane::{Plane, Warning};
use crate::sys::host::now_ms;
use crate::sys::poll::{self, Waker};
use crate::sys::receive::{RECEIVE_MESSAGES, SLOT_BYTES};
use crate::tun::Tun;
use crate::wire::WIRE_BYTES;

/// Messages in one arrival that travels between threads, and how many arrivals travel for each thread that opens.
const SHARED_MESSAGES: usize = 8;
const ARRIVALS_A_THREAD: usize = 3;

/// How many threads `run` is.
#[must_use]
pub fn threads(openers: usize) -> usize {
    if openers == 0 { 1 } else { openers + 2 }
}

/// What they have together.
#[must_use]
pub fn buffer_bytes(openers: usize) -> usize {
    let messages = match openers {
        0 => RECEIVE_MESSAGES,
        _ => openers * ARRIVALS_A_THREAD * SHARED_MESSAGES,
    };
    messages * SLOT_BYTES + WIRE_BYTES
}

/// The thread: runs until `stop` is woken. `openers` is how many threads open; without any, this one does everything.
pub fn run(plane: &Plane, tun: &Tun, stop: &Waker, openers: usize) {
    let mut delivery = Delivery::new(plane);
    if openers == 0 {
        let mut arrival = Arrival::new(RECEIVE_MESSAGES);
        receive_all(plane, stop, |socket| {
            let lost = arrival.receive(socket)?;
            arrival.open(plane);
            delivery.deliver(&mut arrival, tun, plane);
            Ok(lost)
        });
        return;
    }
    let order = &Order::default();
    let (give_back, free) = mpsc::channel();
    for _ in 0..openers * ARRIVALS_A_THREAD {
        give_back
            .send(Arrival::new(SHARED_MESSAGES))
            .expect("the other end is here");
    }
    thread::scope(|scope| {
        for _ in 0..openers {
            let open = || order.work(|arrival: &mut Arrival| arrival.open(plane));
            spawn(scope, "podwire-open", open);
        }
        let delivered = give_back.clone();
        spawn(scope, "podwire-deliver", move || {
            while let Some(mut arrival) = order.next() {
                delivery.deliver(&mut arrival, tun, plane);
                // Nobody takes it at the end.
                let _ = delivered.send(arrival);
            }
        });
        receive_all(plane, stop, |socket| {
            let mut arrival = free.recv().expect("this thread holds the other end, too");
            let received = arrival.receive(socket);
            if received.is_ok() {
                order.push(arrival);
            } else {
                give_back.send(arrival).expect("the other end is here");
            }
            received
        });
        order.close();
    });
}

/// Starts a thread with a name, by which a defect in it is reported.
fn spawn<'scope>(scope: &'scope Scope<'scope, '_>, name: &str, run: impl FnOnce() + Send + 'scope) {
    let thread = thread::Builder::new().name(name.into());
    let started = thread.spawn_scoped(scope, run);
    started.expect("the kernel starts a thread");
}

/// Waits for datagrams and lets `receive` take them from a socket, until `stop` is woken.
fn receive_all(
    plane: &Plane,
    stop: &Waker,
    mut receive: impl FnMut(&OwnedFd) -> io::Result<Option<u32>>,
) {
    let mut held = None;
    // What each socket has lost so far, by its own count.
    let mut lost = [0; 2];
    plane.sockets.adopt(&mut held);
    loop {
        let sockets = held.as_deref();
        let families = [
            sockets.and_then(|sockets| sockets.v4.as_ref()),
            sockets.and_then(|sockets| sockets.v6.as_ref()),
        ];
        let [v4, v6] = families.map(|socket| socket.map(AsFd::as_fd));
        let wakers = [stop, &plane.sockets.waker].map(|waker| Some(waker.descriptor()));
        let [stopped, exchanged, ready @ ..] = poll::wait([wakers[0], wakers[1], v4, v6]);
        if stopped.readable {
            break;
        }
        if exchanged.readable {
            plane.sockets.waker.clear();
            plane.sockets.adopt(&mut held);
            lost = [0; 2];
            continue;
        }
        for (i, ready) in ready.iter().enumerate() {
            let Some(socket) = families[i].filter(|_| ready.readable) else {
                continue;
            };
            match receive(socket) {
                Ok(None) => {}
                Ok(Some(now_lost)) => {
                    let more = now_lost.wrapping_sub(std::mem::replace(&mut lost[i], now_lost));
                    plane.drops.add(Drop::ReceiveBuffer, more as usize);
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                    ) => {}
                Err(error) => {
                    plane.warn(Warning::Receive, now_ms(), || format!("receiving: {error}"));
                }
            }
        }
    }
    drop(held);
    plane.sockets.release();
}
