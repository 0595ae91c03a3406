//! Keys are overwritten before their memory is given back. An allocator that looks at what is freed shows it, for every
//! block on the heap; copies on the stack and in registers are out of reach.

use std::alloc::{GlobalAlloc, Layout, System};
use std::slice;
use std::sync::atomic::{AtomicUsize, Ordering};

use podwire_engine::keypair::KeypairOptions;
use podwire_engine::table::Table;

const SEND: [u8; 32] = *b"the key that seals what is sent.";
const RECEIVE: [u8; 32] = *b"the key that opens what comes in";

static SEEN: AtomicUsize = AtomicUsize::new(0);

struct Watch;

// SAFETY: all is done by the system's allocator; a block is only read, while it is still ours.
unsafe impl GlobalAlloc for Watch {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Zeroed, so that all of a block may be read when it is freed.
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is of this layout, was zeroed at first, and nobody else uses it any more.
        let bytes = unsafe { slice::from_raw_parts(block, layout.size()) };
        if bytes
            .windows(32)
            .any(|window| window == SEND || window == RECEIVE)
        {
            SEEN.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: the caller's promise is the same.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static WATCH: Watch = Watch;

fn seen(action: impl FnOnce()) -> usize {
    let before = SEEN.load(Ordering::Relaxed);
    action();
    SEEN.load(Ordering::Relaxed) - before
}

#[test]
fn keys_are_zeroised_when_they_are_pushed_out_cleared_or_their_peer_is_removed() {
    assert_eq!(
        seen(|| drop(vec![SEND, RECEIVE])),
        1,
        "what is freed is looked at"
    );

    let mut table = Table::default();
    let peer = table.add_peer([1; 32]).unwrap();
    let install = |table: &mut Table| {
        let options = KeypairOptions {
            local_index: table.new_index(peer).unwrap(),
            remote_index: 9,
            initiator: true,
            send_key: &SEND,
            receive_key: &RECEIVE,
        };
        table.install(peer, &options, 1000).unwrap();
    };
    assert_eq!(
        seen(|| (0..4).for_each(|_| install(&mut table))),
        0,
        "pushed out"
    );
    assert_eq!(seen(|| table.clear_keypairs(peer).unwrap()), 0, "cleared");
    assert_eq!(table.sessions(), 0);
    install(&mut table);
    assert_eq!(seen(|| drop(table.remove_peer(peer))), 0, "removed");
    assert_eq!(table.sessions(), 0);
}
