use proptest::prelude::*;

use super::*;

/// The tags of eight messages of whole blocks under one key each.
fn tags(keys: &[[u128; 2]; LANES], texts: &[&[u8]; LANES]) -> [u128; LANES] {
    let half = |part: usize, shift: u32| keys.map(|key| (key[part] >> shift) as u64);
    // SAFETY: callers ask whether the machine is supported.
    unsafe {
        let keys = OneTimeKeys::new(
            [half(0, 0), half(0, 64), half(1, 0), half(1, 64)].map(|half| from_words(&half)),
        );
        let [sums] = sums([&keys], &[*texts]);
        keys.finish(sums)
    }
}

/// RFC 8439, appendix A.3, those of whole blocks (7 to 11): r, pad, blocks, tag, as little-endian numbers.
const VECTORS: [(u128, u128, &[u128], u128); 5] = [
    (2, 0, &[u128::MAX], 3),
    (2, u128::MAX, &[2], 3),
    (2, 0, &[u128::MAX - 2], u128::MAX - 5),
    (
        1 | 4 << 64,
        0,
        &[0xb943_5e50_d794_35e3, 0x0001_cd79_435e_50d7_9433, 0, 1],
        0x55_0000_0000_0000_0014,
    ),
    (
        1 | 4 << 64,
        0,
        &[0xb943_5e50_d794_35e3, 0x0001_cd79_435e_50d7_9433, 0],
        0x13,
    ),
];

fn bytes(blocks: &[u128]) -> Vec<u8> {
    blocks
        .iter()
        .flat_map(|block| block.to_le_bytes())
        .collect()
}

#[test]
fn each_lane_gives_the_rfcs_tags() {
    if !crate::avx512::is_supported() {
        return;
    }
    for (r, pad, blocks, expected) in VECTORS {
        let text = bytes(blocks);
        assert_eq!(
            tags(&[[r, pad]; LANES], &[&text; LANES]),
            [expected; LANES],
            "{blocks:x?}"
        );
    }
}

/// A number below 2^130 - 5, as its low 128 bits and the two above.
type Wide = (u128, u128);

fn reduced((low, high): Wide) -> Wide {
    let (less, borrows) = low.overflowing_sub(u128::MAX - 4);
    if (high, low) >= (3, u128::MAX - 4) {
        (less, high - 3 - u128::from(borrows))
    } else {
        (low, high)
    }
}

fn added(a: Wide, b: Wide) -> Wide {
    let (low, carries) = a.0.overflowing_add(b.0);
    reduced((low, a.1 + b.1 + u128::from(carries)))
}

/// RFC 8439, section 2.5, by doubling and adding.
fn plain(r: u128, pad: u128, blocks: &[u128]) -> u128 {
    let r = r & 0x0fff_fffc_0fff_fffc_0fff_fffc_0fff_ffff;
    let sum = blocks.iter().fold((0, 0), |sum, block| {
        let sum = added(sum, (*block, 1));
        (0..128).rev().fold((0, 0), |product, bit| {
            let doubled = added(product, product);
            if r >> bit & 1 == 1 {
                added(doubled, sum)
            } else {
                doubled
            }
        })
    });
    sum.0.wrapping_add(pad)
}

/// Numbers of which many are near a limb's or the modulus' edge.
fn edgy() -> impl Strategy<Value = u128> {
    prop_oneof![
        any::<u128>(),
        Just(0),
        Just(u128::MAX),
        (0..6u128).prop_map(|less| u128::MAX - less),
        (0..128u32).prop_map(|bits| u128::MAX << bits),
        (0..128u32).prop_map(|bits| u128::MAX >> bits),
    ]
}

#[test]
fn sums_at_the_edges_of_their_limbs_are_reduced() {
    if !crate::avx512::is_supported() {
        return;
    }
    let bottoms = [0, 4, (1 << 44) - 6, (1 << 44) - 5, (1 << 44) - 1];
    let middles = [0, (1 << 44) - 1, 1 << 44, (1 << 44) + (1 << 11) - 1];
    let tops = [0, (1 << 42) - 1];
    for [h0, h1, h2] in bottoms.iter().flat_map(|h0| {
        middles
            .iter()
            .flat_map(move |h1| tops.map(|h2| [*h0, *h1, h2]))
    }) {
        let expected = added(added((h0, 0), (h1 << 44, 0)), (h2 << 88, h2 >> 40)).0;
        // SAFETY: the machine is supported.
        let tags = unsafe {
            let zeros = [from_words(&[0; LANES]); 4];
            OneTimeKeys::new(zeros)
                .finish([h0, h1, h2].map(|limb| from_words(&[limb as u64; LANES])))
        };
        assert_eq!(tags, [expected; LANES], "{h0:x} {h1:x} {h2:x}");
    }
}

proptest! {
    #[test]
    fn lanes_of_any_lengths_give_what_plain_arithmetic_gives(
        lanes in prop::array::uniform8((edgy(), edgy(), prop::collection::vec(edgy(), 0..14)))
    ) {
        prop_assume!(crate::avx512::is_supported());
        let texts = lanes.each_ref().map(|(_, _, blocks)| bytes(blocks));
        let keys = lanes.each_ref().map(|(r, pad, _)| [*r, *pad]);
        let expected = lanes.each_ref().map(|(r, pad, blocks)| plain(*r, *pad, blocks));
        prop_assert_eq!(tags(&keys, &texts.each_ref().map(Vec::as_slice)), expected);
    }
}
