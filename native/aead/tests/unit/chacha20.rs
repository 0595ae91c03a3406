use super::super::vector::to_words;
use super::*;

/// RFC 8439, appendix A.1: which byte of the key is not zero and what it is, the nonce's last eight bytes, the block,
/// and what it is.
const VECTORS: [(usize, u8, u64, u32, &str); 5] = [
    (
        0,
        0,
        0,
        0,
        "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7\
         da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586",
    ),
    (
        0,
        0,
        0,
        1,
        "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed\
         29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f",
    ),
    (
        31,
        1,
        0,
        1,
        "3aeb5224ecf849929b9d828db1ced4dd832025e8018b8160b82284f3c949aa5a\
         8eca00bbb4a73bdad192b5c42f73f2fd4e273644c8b36125a64addeb006c13a0",
    ),
    (
        1,
        0xff,
        0,
        2,
        "72d54dfbf12ec44b362692df94137f328fea8da73990265ec1bbbea1ae9af0ca\
         13b25aa26cb4a648cb9b9d1be65b2c0924a66c54d545ec1b7374f4872e99f096",
    ),
    (
        0,
        0,
        2 << 56,
        0,
        "c2c64d378cd536374ae204b9ef933fcd1a8b2288b3dfa49672ab765b54ee27c7\
         8a970e0e955c14f3a88e741b97c286f75f8fc299e8148362fa198a39531bed6d",
    ),
];

#[test]
fn each_lane_gives_the_rfcs_blocks() {
    if !crate::avx512::is_supported() {
        return;
    }
    for (byte, value, counter, block, expected) in VECTORS {
        let mut key = [0; 8];
        key[byte / 4] = u32::from(value) << (8 * (byte % 4));
        for lane in 0..LANES {
            let mut blocks = Blocks::default();
            blocks.set(lane, block, counter);
            // SAFETY: the machine is supported.
            let words = unsafe { to_words(streams(&key, &blocks)[lane]) };
            let hex = words
                .map(|word| format!("{:016x}", word.swap_bytes()))
                .concat();
            assert_eq!(hex, expected, "lane {lane}");
        }
    }
}
