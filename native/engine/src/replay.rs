//! Which counters of a session were seen: a window of 8,192 bits in a ring of words (RFC 6479), so that sliding clears
//! words and never shifts.

const WORD_BITS: u64 = u64::BITS as u64;
const WORDS: usize = 8192 / u64::BITS as usize;
/// How far behind the newest counter one may lie. One word is always being reused.
pub const WINDOW: u64 = 8192 - WORD_BITS;

/// The highest counter, exclusive, that a session may use (paper, section 6.1).
pub const REJECT_AFTER_MESSAGES: u64 = u64::MAX - (1 << 13);

/// The counters received in one session. Only an authenticated counter may be shown to it.
pub struct Replay {
    /// One more than the newest counter seen; 0 before the first.
    next: u64,
    words: [u64; WORDS],
}

impl Default for Replay {
    fn default() -> Self {
        Self {
            next: 0,
            words: [0; WORDS],
        }
    }
}

impl Replay {
    /// Takes the counter of an authenticated packet; false if it was seen before, is too old, or is beyond the limit.
    #[must_use]
    pub fn accept(&mut self, counter: u64) -> bool {
        if counter >= REJECT_AFTER_MESSAGES || counter.saturating_add(WINDOW + 1) < self.next {
            return false;
        }
        let word = counter / WORD_BITS;
        if counter >= self.next {
            let newest = self.next.saturating_sub(1) / WORD_BITS;
            for reused in newest + 1..=word.min(newest + WORDS as u64) {
                self.words[reused as usize % WORDS] = 0;
            }
            self.next = counter + 1;
        }
        let bit = 1 << (counter % WORD_BITS);
        let slot = &mut self.words[word as usize % WORDS];
        let fresh = *slot & bit == 0;
        *slot |= bit;
        fresh
    }
}

#[cfg(test)]
#[path = "../tests/unit/replay.rs"]
mod tests;
