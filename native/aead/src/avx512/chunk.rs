//! Messages side by side, and the order of their blocks: that of their bytes, so that a message's last blocks go with the
//! next one's first.

use super::BLOCK_BYTES;
use crate::{LANES, Message, TAG_BYTES};

/// Messages side by side; lanes without one are empty.
#[derive(Default)]
pub struct Chunk<'a> {
    pub counters: [u64; LANES],
    pub texts: [&'a mut [u8]; LANES],
    pub tags: [&'a mut [u8]; LANES],
    pub length: usize,
}

impl<'a> Chunk<'a> {
    /// Messages that lie in the buffer, one after the other, each with room for a tag.
    pub fn new(buffer: &'a mut [u8], messages: &[Message]) -> Self {
        let mut chunk = Self {
            length: messages.len(),
            ..Self::default()
        };
        let (mut rest, mut passed) = (buffer, 0);
        for (lane, message) in messages.iter().enumerate() {
            let (bytes, after) =
                rest[message.range.start - passed..].split_at_mut(message.range.len());
            let (text, tag) = bytes
                .split_last_chunk_mut::<TAG_BYTES>()
                .expect("room for a tag");
            (chunk.texts[lane], chunk.tags[lane]) = (text, tag);
            chunk.counters[lane] = message.counter;
            (rest, passed) = (after, message.range.end);
        }
        chunk
    }

    /// The next run from `place` on, which moves behind it; none at the end, or if there is no room.
    #[inline]
    pub fn next_run(&self, place: &mut Place, most_blocks: usize) -> Option<Run> {
        while place.at >= self.texts.get(place.lane)?.len() {
            *place = Place {
                lane: place.lane + 1,
                at: 0,
            };
        }
        let Place { lane, at } = *place;
        let blocks = (self.texts[lane].len() - at)
            .div_ceil(BLOCK_BYTES)
            .min(most_blocks);
        place.at += blocks * BLOCK_BYTES;
        (blocks > 0).then_some(Run { lane, at, blocks })
    }
}

/// A byte of one of the texts.
#[derive(Clone, Copy, Default)]
pub struct Place {
    lane: usize,
    at: usize,
}

/// Blocks of one text.
pub struct Run {
    pub lane: usize,
    /// Where in the text they begin.
    pub at: usize,
    pub blocks: usize,
}
