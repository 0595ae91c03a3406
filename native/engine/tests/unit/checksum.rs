use proptest::prelude::*;

use super::*;

/// RFC 1071, section 4.1, word by word.
fn naive(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |&low| u32::from(low));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[test]
fn sums_are_those_of_the_rfc() {
    // RFC 1071, section 3.
    assert_eq!(
        fold(sum(&[0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7], 0)),
        0xddf2
    );
    let cases: [(&[u8], u16); 6] = [
        (&[], 0),
        (&[0x12], 0x1200),
        (&[0x12, 0x34, 0x56], 0x6834),
        (&[0xff, 0xff], 0xffff),
        (&[0xff, 0xff, 0xff, 0xff], 0xffff),
        (&[0xff, 0xff, 0, 1], 1),
    ];
    for (bytes, expected) in cases {
        assert_eq!(fold(sum(bytes, 0)), expected, "{bytes:02x?}");
    }
    assert_eq!(fold(word(0x1234)), 0x1234);
    assert_eq!(fold(u64::MAX), 0xffff, "the greatest partial sum");
    let ones = vec![0xff; 65_535];
    assert_eq!(fold(sum(&ones, 0)), naive(&ones), "the greatest packet");
}

#[test]
fn pseudo_headers_are_those_of_both_families() {
    let v4 = [
        &[10, 0, 0, 1, 10, 0, 0, 2, 0, 6][..],
        &1400_u16.to_be_bytes(),
    ]
    .concat();
    assert_eq!(fold(pseudo_header(&v4[..8], 6, 1400)), naive(&v4));
    let addresses: Vec<u8> = (200..232).collect();
    let v6 = [&addresses[..], &[0, 0, 0xfe, 0xdc, 0, 0, 0, 17]].concat();
    assert_eq!(fold(pseudo_header(&addresses, 17, 0xfedc)), naive(&v6));
}

proptest! {
    #[test]
    fn sums_are_right_at_any_place_and_length(
        bytes in proptest::collection::vec(any::<u8>(), 0..2000),
        start in 0_usize..70,
        place in 0_usize..70,
        cut in 0_usize..1000,
    ) {
        let bytes = &bytes[start.min(bytes.len())..];
        let mut copy = vec![0xaa; place + bytes.len() + 1];
        let copied = copy_and_sum(&mut copy[place..place + bytes.len()], bytes);
        prop_assert_eq!(&copy[place..place + bytes.len()], bytes);
        prop_assert_eq!(copy[place + bytes.len()], 0xaa);
        prop_assert_eq!(fold(copied), naive(bytes));

        let (head, tail) = bytes.split_at((2 * cut).min(bytes.len()));
        prop_assert_eq!(fold(sum(tail, sum(head, 0))), naive(bytes), "in two pieces");
    }
}
