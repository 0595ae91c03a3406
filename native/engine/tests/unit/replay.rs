use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

/// The kernel's own table (drivers/net/wireguard/selftest/counter.c).
#[test]
fn kernel_replay_window_of_8192_bits() {
    const LIMIT: u64 = WINDOW + 1;
    const REJECT: u64 = REJECT_AFTER_MESSAGES;
    let table = [
        (0, true),
        (1, true),
        (1, false),
        (9, true),
        (8, true),
        (7, true),
        (7, false),
        (LIMIT, true),
        (LIMIT - 1, true),
        (LIMIT - 1, false),
        (LIMIT - 2, true),
        (2, true),
        (2, false),
        (LIMIT + 16, true),
        (3, false),
        (LIMIT + 16, false),
        (LIMIT * 4, true),
        (LIMIT * 4 - (LIMIT - 1), true),
        (10, false),
        (LIMIT * 4 - LIMIT, false),
        (LIMIT * 4 - (LIMIT + 1), false),
        (LIMIT * 4 - (LIMIT - 2), true),
        (LIMIT * 4 + 1 - LIMIT, false),
        (0, false),
        (REJECT, false),
        (REJECT - 1, true),
        (REJECT, false),
        (REJECT - 1, false),
        (REJECT - 2, true),
        (REJECT + 1, false),
        (REJECT + 2, false),
        (u64::MAX, false),
        (REJECT - 2, false),
        (REJECT - 3, true),
        (0, false),
    ];
    let mut replay = Replay::default();
    for (step, (counter, expected)) in table.into_iter().enumerate() {
        assert_eq!(replay.accept(counter), expected, "step {step}: {counter}");
    }
}

#[test]
fn paper_5_4_6_window_takes_all_of_it_in_any_order() {
    let orders: [(&str, Vec<u64>); 3] = [
        ("up", (0..=WINDOW).collect()),
        ("down", (0..=WINDOW).rev().collect()),
        (
            "newest first",
            std::iter::once(WINDOW).chain(0..WINDOW).collect(),
        ),
    ];
    for (name, order) in orders {
        let mut replay = Replay::default();
        assert!(
            order.iter().all(|&counter| replay.accept(counter)),
            "{name}"
        );
        assert!(
            !order.iter().any(|&counter| replay.accept(counter)),
            "{name}, again"
        );
        assert!(replay.accept(WINDOW + 1), "{name}");
        assert!(!replay.accept(0), "{name}: too old");
    }
}

proptest! {
    #[test]
    fn window_agrees_with_a_set(
        start in prop_oneof![Just(0), 0_u64..1 << 40, Just(REJECT_AFTER_MESSAGES - 20_000)],
        steps in proptest::collection::vec((0_u64..20_000, 0_u64..8200), 1..400),
    ) {
        let mut replay = Replay::default();
        let mut seen = HashSet::new();
        let mut newest: Option<u64> = None;
        for (ahead, behind) in steps {
            let counter = (start + ahead).saturating_sub(behind);
            let old = newest.is_some_and(|newest| counter + WINDOW < newest);
            let expected = counter < REJECT_AFTER_MESSAGES && !old && !seen.contains(&counter);
            prop_assert_eq!(replay.accept(counter), expected, "{}", counter);
            if expected {
                seen.insert(counter);
                newest = newest.max(Some(counter));
            }
        }
    }
}
