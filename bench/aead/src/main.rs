//! Nanoseconds a message of podwire-aead beside ring, aws-lc-rs and RustCrypto, sealing and opening batches in place;
//! each figure is the least of many repetitions. `--json` prints one object: what
//! podwire runs on here, and the rows.
//!
//! cargo run --release --manifest-path bench/aead/Cargo.toml -- --json

use std::hint::black_box;
use std::time::{Duration, Instant};

use chacha20poly1305::{AeadInPlace, ChaCha20Poly1305, KeyInit};
use podwire_aead::{Key, Message, TAG_BYTES};

const KEY: [u8; 32] = [7; 32];
/// A message's header, which lies before it in the buffer.
const HEADER_BYTES: usize = 16;
const TEXT_BYTES: [usize; 2] = [1420, 64];
const BATCHES: [usize; 4] = [1, 8, 45, 64];
const TIME_A_FIGURE: Duration = Duration::from_millis(60);

/// One way to seal and open a batch.
trait Aead {
    fn seal(&mut self, buffer: &mut [u8], messages: &[Message]);
    fn open(&mut self, buffer: &mut [u8], messages: &[Message]) -> bool;
}

struct Podwire(Key, Vec<bool>);

impl Aead for Podwire {
    fn seal(&mut self, buffer: &mut [u8], messages: &[Message]) {
        self.0.seal(buffer, messages);
    }

    fn open(&mut self, buffer: &mut [u8], messages: &[Message]) -> bool {
        self.0.open(buffer, messages, &mut self.1);
        self.1.iter().all(|right| *right)
    }
}

fn nonce(counter: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&counter.to_le_bytes());
    nonce
}

/// Ring and aws-lc-rs have one interface.
macro_rules! ring_like {
    ($name:ident, $library:ident) => {
        struct $name($library::aead::LessSafeKey);

        impl $name {
            fn new() -> Self {
                use $library::aead::{CHACHA20_POLY1305, LessSafeKey, UnboundKey};
                Self(LessSafeKey::new(
                    UnboundKey::new(&CHACHA20_POLY1305, &KEY).unwrap(),
                ))
            }
        }

        impl Aead for $name {
            fn seal(&mut self, buffer: &mut [u8], messages: &[Message]) {
                use $library::aead::{Aad, Nonce};
                for message in messages {
                    let (text, room) =
                        buffer[message.range.clone()].split_at_mut(message.range.len() - TAG_BYTES);
                    let nonce = Nonce::assume_unique_for_key(nonce(message.counter));
                    let tag = self
                        .0
                        .seal_in_place_separate_tag(nonce, Aad::empty(), text)
                        .unwrap();
                    room.copy_from_slice(tag.as_ref());
                }
            }

            fn open(&mut self, buffer: &mut [u8], messages: &[Message]) -> bool {
                use $library::aead::{Aad, Nonce};
                messages.iter().all(|message| {
                    let nonce = Nonce::assume_unique_for_key(nonce(message.counter));
                    self.0
                        .open_in_place(nonce, Aad::empty(), &mut buffer[message.range.clone()])
                        .is_ok()
                })
            }
        }
    };
}
ring_like!(Ring, ring);
ring_like!(AwsLc, aws_lc_rs);

impl Aead for ChaCha20Poly1305 {
    fn seal(&mut self, buffer: &mut [u8], messages: &[Message]) {
        for message in messages {
            let (text, room) =
                buffer[message.range.clone()].split_at_mut(message.range.len() - TAG_BYTES);
            let tag = self
                .encrypt_in_place_detached(&nonce(message.counter).into(), b"", text)
                .unwrap();
            room.copy_from_slice(&tag);
        }
    }

    fn open(&mut self, buffer: &mut [u8], messages: &[Message]) -> bool {
        messages.iter().all(|message| {
            let (text, tag) =
                buffer[message.range.clone()].split_at_mut(message.range.len() - TAG_BYTES);
            self.decrypt_in_place_detached(
                &nonce(message.counter).into(),
                b"",
                text,
                (&*tag).into(),
            )
            .is_ok()
        })
    }
}

/// Least nanoseconds a message to seal and to open such a batch.
fn measure(aead: &mut dyn Aead, text_bytes: usize, batch: usize) -> [f64; 2] {
    let stride = HEADER_BYTES + text_bytes + TAG_BYTES;
    let range = |i: usize| i * stride + HEADER_BYTES..(i + 1) * stride;
    let messages: Vec<_> = (0..batch)
        .map(|i| Message {
            counter: i as u64,
            range: range(i),
        })
        .collect();
    let mut buffer = vec![1; batch * stride];
    let mut least = [f64::MAX; 2];
    let start = Instant::now();
    while start.elapsed() < TIME_A_FIGURE {
        let begin = Instant::now();
        aead.seal(black_box(&mut buffer), &messages);
        let middle = Instant::now();
        assert!(aead.open(black_box(&mut buffer), &messages));
        let times =
            [middle - begin, middle.elapsed()].map(|time| time.as_nanos() as f64 / batch as f64);
        least = [least[0].min(times[0]), least[1].min(times[1])];
    }
    least
}

fn main() {
    let json = std::env::args().any(|argument| argument == "--json");
    let mut aeads: [(&str, Box<dyn Aead>); 4] = [
        ("podwire", Box::new(Podwire(Key::new(&KEY), Vec::new()))),
        ("ring", Box::new(Ring::new())),
        ("aws-lc-rs", Box::new(AwsLc::new())),
        ("RustCrypto", Box::new(ChaCha20Poly1305::new(&KEY.into()))),
    ];
    let mut rows = Vec::new();
    if !json {
        println!(
            "podwire runs on {}; ns a message",
            podwire_aead::implementation()
        );
        println!(
            "{:12} {:>6} {:>6} {:>8} {:>8}",
            "library", "bytes", "batch", "seal", "open"
        );
    }
    for text_bytes in TEXT_BYTES {
        for batch in BATCHES {
            for (name, aead) in &mut aeads {
                let [seal, open] = measure(aead.as_mut(), text_bytes, batch);
                if json {
                    rows.push(format!(
                        r#"{{"library":"{name}","bytes":{text_bytes},"batch":{batch},"sealNs":{seal:.1},"openNs":{open:.1}}}"#
                    ));
                } else {
                    println!("{name:12} {text_bytes:6} {batch:6} {seal:8.1} {open:8.1}");
                }
            }
        }
    }
    if json {
        let (podwire, rows) = (podwire_aead::implementation(), rows.join(","));
        println!(r#"{{"podwire":"{podwire}","rows":[{rows}]}}"#);
    }
}
