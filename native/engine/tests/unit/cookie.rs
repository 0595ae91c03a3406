use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

#[test]
fn xchacha_draft_2_2_1_hchacha20() {
    let key = std::array::from_fn(|place| place as u8);
    let nonce = bytes("000000090000004a0000000031415927");
    let expected = "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc";
    assert_eq!(
        hchacha20(&key, nonce[..].try_into().unwrap()),
        bytes(expected)[..]
    );
}

#[test]
fn xchacha_draft_a_3_1_aead() {
    let key = std::array::from_fn(|place| 0x80 + place as u8);
    let nonce = std::array::from_fn(|place| 0x40 + place as u8);
    let mut buffer =
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the \
        future, sunscreen would be it."
            .to_vec();
    buffer.extend([0; TAG_BYTES]);
    seal_extended(
        &key,
        &nonce,
        &bytes("50515253c0c1c2c3c4c5c6c7"),
        &mut buffer,
    );
    let expected = "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39
        ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9
        21f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49";
    assert_eq!(buffer, bytes(expected));
}

/// Made with @noble/ciphers and @noble/hashes, which `src/wireguard/crypto.ts` opens cookies with: public key 07…, nonce 00 01
/// 02…, mac1 09…, cookie 03….
#[test]
fn paper_5_4_7_a_cookie_reply_is_the_one_that_noble_makes() {
    let mut message = [9; 148];
    message[4..8].copy_from_slice(&[1, 2, 3, 4]);
    let nonce: LongNonce = std::array::from_fn(|place| place as u8);
    let mac1 = crate::mac::Mac1::new(&[7; 32]);
    let made = reply(&mac1.cookie_key, &[3; 16], &nonce, &message);
    assert_eq!(
        made[..8],
        [3, 0, 0, 0, 1, 2, 3, 4],
        "type, and whose message it answers"
    );
    assert_eq!(made[8..32], nonce);
    assert_eq!(
        made[32..],
        bytes("728b3453f1f3bfdc68a759702c8663523cd86914282b52077470c438cc4316ee")
    );
}

#[test]
fn paper_5_4_7_a_cookie_is_of_one_address_and_port() {
    let mut baker = Baker::default();
    let sources = [
        "192.0.2.1:1",
        "192.0.2.1:2",
        "192.0.2.2:1",
        "[2001:db8::1]:1",
        "[2001:db8::1]:256",
        "[2001:db8::2]:1",
    ];
    let cookies = sources.map(|source| baker.cookie(&source.parse().unwrap(), 0));
    for (i, cookie) in cookies.iter().enumerate() {
        assert_eq!(
            cookies.iter().position(|other| other == cookie),
            Some(i),
            "{}",
            sources[i]
        );
        assert_eq!(
            *cookie,
            baker.cookie(&sources[i].parse().unwrap(), 0),
            "{}",
            sources[i]
        );
    }
}

#[test]
fn paper_5_4_7_the_secret_of_cookies_changes_every_120_s() {
    let source = "192.0.2.1:1".parse().unwrap();
    let mut baker = Baker::default();
    let first = baker.cookie(&source, 5000);
    assert_eq!(first, baker.cookie(&source, 124_999));
    let second = baker.cookie(&source, 125_000);
    assert_ne!(first, second);
    assert_eq!(second, baker.cookie(&source, 244_999));
    assert_ne!(first, Baker::default().cookie(&source, 5000), "random");
}

#[test]
fn nonces_of_cookie_replies_do_not_repeat() {
    let mut baker = Baker::default();
    let nonces: std::collections::HashSet<_> = (0..1000).map(|_| baker.nonce()).collect();
    assert_eq!(nonces.len(), 1000);
}

#[test]
fn paper_5_4_4_mac2_is_over_all_before_it() {
    let cookie = [3; 16];
    let mut message = [5; 92];
    let mac2: [u8; 16] = keyed(&cookie)
        .chain_update(&message[..76])
        .finalize()
        .into_bytes()
        .into();
    message[76..].copy_from_slice(&mac2);
    assert!(verify_mac2(&cookie, &message));
    assert!(!verify_mac2(&[4; 16], &message), "another cookie");
    for place in 0..message.len() {
        let mut spoilt = message;
        spoilt[place] ^= 1;
        assert!(!verify_mac2(&cookie, &spoilt), "byte {place}");
    }
    assert!(!verify_mac2(&cookie, &message[..15]));
}
