//! How often a source may have its handshake messages worked on under load: a token bucket for each IPv4 address or IPv6 /64,
//! as the kernel's. Only sources that have shown a cookie get one, so that the table is not filled by forged addresses.

use std::collections::HashMap;
use std::net::IpAddr;

/// A message costs so much of what a bucket gains each millisecond: 20 messages a second.
const COST_MS: u64 = 50;
/// What a bucket holds: five messages at once.
const FULL_MS: u64 = 5 * COST_MS;
/// Sources without a message for this long are forgotten: their bucket is full again.
const FORGET_MS: u64 = 1000;
/// Sources that are known at a time, a megabyte of them. Beyond, new ones are refused.
pub const MAX_SOURCES: usize = 16_384;

struct Bucket {
    tokens_ms: u64,
    seen_ms: u64,
}

/// The buckets.
#[derive(Default)]
pub struct RateLimit {
    buckets: HashMap<(bool, u64), Bucket>,
    swept_ms: u64,
}

/// The address, or of IPv6 its first 64 bits, which one host may have all to itself.
fn source_of(address: IpAddr) -> (bool, u64) {
    match address {
        IpAddr::V4(v4) => (false, v4.to_bits().into()),
        IpAddr::V6(v6) => (true, (v6.to_bits() >> 64) as u64),
    }
}

impl RateLimit {
    /// Takes a message of a source into account; false if it is one too many.
    pub fn allow(&mut self, address: IpAddr, now_ms: u64) -> bool {
        if now_ms.saturating_sub(self.swept_ms) >= FORGET_MS {
            self.swept_ms = now_ms;
            self.buckets
                .retain(|_, bucket| now_ms.saturating_sub(bucket.seen_ms) <= FORGET_MS);
        }
        let source = source_of(address);
        if self.buckets.len() >= MAX_SOURCES && !self.buckets.contains_key(&source) {
            return false;
        }
        let bucket = self.buckets.entry(source).or_insert(Bucket {
            tokens_ms: FULL_MS,
            seen_ms: now_ms,
        });
        let gained_ms = now_ms.saturating_sub(bucket.seen_ms);
        bucket.tokens_ms = (bucket.tokens_ms + gained_ms).min(FULL_MS);
        bucket.seen_ms = now_ms;
        let allowed = bucket.tokens_ms >= COST_MS;
        if allowed {
            bucket.tokens_ms -= COST_MS;
        }
        allowed
    }

    /// How many sources are known.
    #[must_use]
    pub fn sources(&self) -> usize {
        self.buckets.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: &str = "192.0.2.1";

    /// How many of the messages, each at its time, pass.
    fn passed(
        limit: &mut RateLimit,
        address: &str,
        times_ms: impl IntoIterator<Item = u64>,
    ) -> usize {
        let address = address.parse().unwrap();
        let allowed = |&now_ms: &u64| limit.allow(address, now_ms);
        times_ms.into_iter().filter(allowed).count()
    }

    #[test]
    fn kernel_ratelimiter_20_a_second_with_bursts_of_5() {
        let cases: [(&str, Vec<u64>, usize); 6] = [
            ("a burst", vec![0; 100], 5),
            (
                "a burst, and one too soon",
                [vec![0; 5], vec![49]].concat(),
                5,
            ),
            (
                "a burst, and one in time",
                [vec![0; 5], vec![50]].concat(),
                6,
            ),
            ("a second of each millisecond", (0..1000).collect(), 5 + 19),
            (
                "exactly as many as may",
                (0..200).map(|i| i * 50).collect(),
                200,
            ),
            ("two bursts", [vec![0; 10], vec![250; 10]].concat(), 10),
        ];
        for (name, times_ms, expected) in cases {
            assert_eq!(
                passed(&mut RateLimit::default(), FROM, times_ms),
                expected,
                "{name}"
            );
        }
    }

    #[test]
    fn kernel_ratelimiter_counts_by_ipv4_address_and_ipv6_64() {
        let cases = [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("2001:db8::1", "2001:db8::ffff:1:2:3", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("192.0.2.1", "::192.0.2.1", false),
            ("0.0.0.1", "0:0:0:1::", false),
        ];
        for (first, second, is_one) in cases {
            let mut limit = RateLimit::default();
            assert_eq!(passed(&mut limit, first, [0; 5]), 5);
            assert_eq!(
                passed(&mut limit, second, [0]),
                usize::from(!is_one),
                "{first} and {second}"
            );
        }
    }

    #[test]
    fn kernel_ratelimiter_is_bounded_and_forgets_after_a_second() {
        let mut limit = RateLimit::default();
        for number in 0..2 * MAX_SOURCES as u32 {
            let allowed = limit.allow(IpAddr::V4(number.into()), 5000);
            assert_eq!(allowed, number < MAX_SOURCES as u32, "source {number}");
        }
        assert_eq!(limit.sources(), MAX_SOURCES);
        assert_eq!(
            passed(&mut limit, "0.0.0.1", [5000]),
            1,
            "who is known goes on"
        );
        assert_eq!(
            passed(&mut limit, FROM, [6000]),
            0,
            "full until the second is over"
        );
        assert_eq!(passed(&mut limit, FROM, [7001]), 1);
        assert_eq!(limit.sources(), 1);
    }
}
