//! Messages that a `WireGuard` device must refuse, at a rate: what an attacker on the path, or off it, can send.

use std::net::SocketAddr;

use blake2::digest::consts::U16;
use blake2::digest::{Digest, KeyInit, Mac};
use blake2::{Blake2s256, Blake2sMac};

use crate::arguments::{Arguments, Failure};
use crate::pace::{Span, paced};
use crate::sys;

const INITIATION_BYTES: usize = 148;
const MAC1_AT: usize = 116;
/// A short data message: header, 64 bytes, tag.
const DATA_BYTES: usize = 96;

/// Writes the next message.
type Refresh = Box<dyn FnMut(&mut Vec<u8>)>;

/// Sends and prints `{"sent", "seconds"}`.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let to: SocketAddr = arguments.get("to")?;
    let socket = sys::connected(to).map_err(|error| Failure::System(format!("{to}: {error}")))?;
    let mut refresh = messages(arguments)?;
    let mut datagrams = vec![Vec::new(); sys::BATCH];
    // So many at the front are not sent yet.
    let mut fresh = 0;
    let span = Span::Seconds(arguments.get("seconds")?);
    let sent = paced(arguments.get("rate")?, &span, |due| {
        datagrams[fresh.min(due)..due]
            .iter_mut()
            .for_each(&mut refresh);
        fresh = fresh.max(due);
        // Where nobody listens yet, or no more, each other send fails, and the flood goes on.
        let sent = sys::send(&socket, &datagrams[..due]).unwrap_or(0);
        datagrams[..fresh].rotate_left(sent);
        fresh -= sent;
        Ok(sent)
    });
    sent.map_err(|error| Failure::System(format!("sending to {to}: {error}")))?
        .print("");
    Ok(())
}

/// What makes the next message of the wanted kind.
fn messages(arguments: &Arguments) -> Result<Refresh, Failure> {
    let mut random = Random(u64::from(std::process::id()));
    Ok(match arguments.get::<String>("kind")?.as_str() {
        "initiations" => {
            let key = base64_key(&arguments.get::<String>("public-key")?)
                .ok_or_else(|| Failure::Usage("--public-key is not a key in base64".into()))?;
            let mac1_key = Blake2s256::new()
                .chain_update(b"mac1----")
                .chain_update(key)
                .finalize();
            let mac1 = Blake2sMac::<U16>::new_from_slice(&mac1_key)
                .map_err(|error| Failure::System(error.to_string()))?;
            Box::new(move |message| {
                message.resize(INITIATION_BYTES, 0);
                message[..4].copy_from_slice(&[1, 0, 0, 0]);
                random.fill(&mut message[4..MAC1_AT]);
                let mac = mac1
                    .clone()
                    .chain_update(&message[..MAC1_AT])
                    .finalize()
                    .into_bytes();
                message[MAC1_AT..MAC1_AT + 16].copy_from_slice(&mac);
            })
        }
        "replayed" => {
            let recorded = hex(&arguments.get::<String>("message")?)
                .ok_or_else(|| Failure::Usage("--message is not hexadecimal".into()))?;
            Box::new(move |message| recorded.clone_into(message))
        }
        "bad-tags" => data(random, Some(arguments.get("index")?)),
        "unknown-index" => data(random, None),
        other => return Err(Failure::Usage(format!("--kind cannot be \"{other}\""))),
    })
}

/// Data messages with rising counters, for one session or for random ones.
fn data(mut random: Random, index: Option<u32>) -> Refresh {
    let mut counter = 0_u64;
    Box::new(move |message| {
        message.resize(DATA_BYTES, 0);
        random.fill(message);
        message[..4].copy_from_slice(&[4, 0, 0, 0]);
        if let Some(index) = index {
            message[4..8].copy_from_slice(&index.to_le_bytes());
        }
        message[8..16].copy_from_slice(&counter.to_le_bytes());
        counter += 1;
    })
}

/// `SplitMix64`: not secret, only different each time.
struct Random(u64);

impl Random {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits = text
        .chars()
        .map(|digit| digit.to_digit(16).map(|value| value as u8))
        .collect::<Option<Vec<u8>>>()?;
    let pairs = digits.chunks_exact(2);
    pairs
        .remainder()
        .is_empty()
        .then(|| pairs.map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// 32 bytes from the 44 characters that `wg` prints.
fn base64_key(text: &str) -> Option<[u8; 32]> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let characters = text.strip_suffix('=')?.as_bytes();
    let mut key = [0; 32];
    let (mut bits, mut held, mut at) = (0_u32, 0, 0);
    for character in characters {
        let value = ALPHABET.iter().position(|one| one == character)?;
        bits = bits << 6 | value as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            *key.get_mut(at)? = (bits >> held) as u8;
            bits &= (1 << held) - 1;
            at += 1;
        }
    }
    (at == key.len()).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::{base64_key, hex};

    #[test]
    fn keys_and_messages_are_read_or_refused() {
        let key = base64_key("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
        assert_eq!(key, Some(std::array::from_fn(|i| i as u8)));
        for bad in [
            "",
            "AAEC=",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
            "?AECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        ] {
            assert_eq!(base64_key(bad), None, "{bad}");
        }
        assert_eq!(hex("00ff1e"), Some(vec![0, 255, 30]));
        assert_eq!((hex("0"), hex("0g")), (None, None));
    }
}
