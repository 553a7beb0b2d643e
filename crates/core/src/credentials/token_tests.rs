//! Tests of token secrets: spelling, reading and proving together. No product code.
#![allow(clippy::unwrap_used)]

use super::base62;
use super::test_entropy::TestEntropy;
use super::{KeyRing, RING_KEYS_MAX, RingError, RingKey, TokenClaims, TokenRefusal, TokenSpelling, UnverifiedToken};
use crate::ids::{ProjectId, TokenId};
use proptest::prelude::*;
use zeroize::Zeroizing;

const PROJECT: ProjectId = ProjectId::new(7);
const TOKEN: TokenId = TokenId::new(42);

/// Worked out with Python (hmac, zlib, integers): key 258 = bytes 0..32, project 7, token 42, generation 3.
const REFERENCE_TAIL: &str = "00rslZPwTWVdXu9SjCqal5Lh2AxkbZ0mfgKBhIhKx3q125f";

fn counting_key() -> RingKey {
    RingKey::from_bytes(Zeroizing::new(std::array::from_fn(|at| at as u8)))
}

fn ring(seed: u64) -> KeyRing {
    KeyRing::new(1, &RingKey::generate(&TestEntropy::new(seed)))
}

fn spell(ring: &KeyRing) -> String {
    ring.spell(PROJECT, TOKEN, 3).expose(TokenSpelling::Native).to_string()
}

/// A tail of right form and checksum around any 30 bytes.
fn tail_of(body: &[u8; 30]) -> String {
    let text: [u8; 41] = base62::encode(body);
    let checksum = base62::checksum(&text);
    text.iter().chain(&checksum).map(|digit| char::from(*digit)).collect()
}

#[test]
fn the_spelling_stays_as_it_is() {
    let ring = KeyRing::new(258, &counting_key());
    let secret = ring.spell(PROJECT, TOKEN, 3);
    for spelling in TokenSpelling::ALL {
        let text = secret.expose(spelling);
        assert_eq!(*text, format!("{}{REFERENCE_TAIL}", spelling.prefix()));
        let claims = TokenClaims { key_number: 258, token: TOKEN, generation: 3 };
        assert_eq!(ring.verify(PROJECT, &text), Ok(claims));
        assert_eq!(UnverifiedToken::parse(&text).unwrap().unproven_claims(), claims);
    }
    assert_eq!(TokenSpelling::ALL.map(|spelling| secret.expose(spelling).len()), [51, 58]);
}

#[test]
fn refuses_in_the_order_form_checksum_key_mac() {
    use TokenRefusal::{Checksum, Forged, Malformed, UnknownKey};
    let ring = ring(1);
    let good = spell(&ring);
    let tail = good.strip_prefix("tgt_").unwrap();
    let at = tail.as_bytes().windows(2).position(|pair| pair[0] != pair[1]).unwrap();
    let swapped = format!("tgt_{}{}{}{}", &tail[..at], &tail[at + 1..at + 2], &tail[at..=at], &tail[at + 2..]);
    let mut unknown_key = [0; 30];
    unknown_key[1] = 2;
    let mut known_key = [0; 30];
    known_key[1] = 1;
    for (text, refusal) in [
        (String::new(), Malformed),
        ("tgt_".into(), Malformed),
        (tail.into(), Malformed),
        (format!("tok_{tail}"), Malformed),
        (format!("TGT_{tail}"), Malformed),
        (format!("leap_token{tail}"), Malformed),
        (format!("tgt_leap_token_{tail}"), Malformed),
        (format!(" {good}"), Malformed),
        (format!("{good}\n"), Malformed),
        (format!("{good}0"), Malformed),
        (good[..50].into(), Malformed),
        (format!("tgt_{}", "-".repeat(47)), Malformed),
        (format!("tgt_{}é", &tail[..45]), Malformed),
        (format!("tgt_{}", "z".repeat(1 << 20)), Malformed),
        (format!("tgt_{}", "0".repeat(47)), Checksum),
        (swapped, Checksum),
        (format!("tgt_{}000000", &tail[..41]), Checksum),
        (format!("tgt_{}{}", "z".repeat(41), checksum_text(&"z".repeat(41))), Malformed),
        (format!("tgt_{}", tail_of(&unknown_key)), UnknownKey),
        (format!("tgt_{}", tail_of(&known_key)), Forged),
    ] {
        let shown = &text[..text.len().min(70)];
        assert_eq!(ring.verify(PROJECT, &text), Err(refusal), "{shown}");
    }
}

fn checksum_text(body: &str) -> String {
    base62::checksum(body.as_bytes()).map(char::from).iter().collect()
}

#[test]
fn a_secret_is_bound_to_key_project_token_and_generation() {
    let ring = ring(1);
    let good = spell(&ring);
    assert_eq!(ring.verify(ProjectId::new(8), &good), Err(TokenRefusal::Forged), "another project");
    assert_eq!(self::ring(2).verify(PROJECT, &good), Err(TokenRefusal::Forged), "another server");
    // Each bit of the body, with the checksum made to fit: nothing of it is free to change.
    let body: [u8; 30] = base62::decode::<41, 30>(good.as_bytes()[4..45].try_into().unwrap()).unwrap();
    for bit in 0..240 {
        let mut changed = body;
        changed[bit / 8] ^= 1 << (bit % 8);
        let expected = if bit < 16 { TokenRefusal::UnknownKey } else { TokenRefusal::Forged };
        assert_eq!(ring.verify(PROJECT, &format!("tgt_{}", tail_of(&changed))), Err(expected), "bit {bit}");
    }
}

#[test]
fn the_ring_rotates_and_retires() {
    let entropy = TestEntropy::new(9);
    let mut ring = KeyRing::new(1, &RingKey::generate(&entropy));
    let old = spell(&ring);
    ring.add(2, &RingKey::generate(&entropy)).unwrap();
    assert_eq!(spell(&ring), old, "an added key does not spell yet");
    ring.activate(2).unwrap();
    let new = spell(&ring);
    assert_ne!(new, old);
    assert_eq!(ring.verify(PROJECT, &old).unwrap().key_number, 1);
    assert_eq!(ring.verify(PROJECT, &new).unwrap().key_number, 2);
    ring.retire(1).unwrap();
    assert_eq!(ring.verify(PROJECT, &old), Err(TokenRefusal::UnknownKey));
    assert_eq!(ring.verify(PROJECT, &new).unwrap().generation, 3);
    assert_eq!((ring.active(), ring.numbers().collect::<Vec<_>>()), (2, vec![2]));
}

#[test]
fn the_ring_refuses_changes_that_make_no_sense() {
    let mut ring = ring(1);
    let key = RingKey::generate(&TestEntropy::new(2));
    assert_eq!(ring.add(1, &key), Err(RingError::NumberTaken(1)));
    assert_eq!(ring.activate(5), Err(RingError::Unknown(5)));
    assert_eq!(ring.retire(5), Err(RingError::Unknown(5)));
    assert_eq!(ring.retire(1), Err(RingError::Active(1)));
    for number in 2..=RING_KEYS_MAX as u16 {
        ring.add(number, &key).unwrap();
    }
    assert_eq!(ring.add(99, &key), Err(RingError::Full));
    assert_eq!(ring.verify(PROJECT, &spell(&ring)).unwrap().key_number, 1, "and none of it changed the ring");
}

#[test]
fn debug_prints_kind_and_public_id_only() {
    let ring = ring(1);
    let text = spell(&ring);
    let parsed = UnverifiedToken::parse(&text).unwrap();
    assert_eq!(format!("{:?}", ring.spell(PROJECT, TOKEN, 3)), format!("TokenSecret({TOKEN})"));
    assert_eq!(format!("{parsed:?}"), format!("UnverifiedToken({TOKEN})"));
    assert_eq!(format!("{ring:?}"), "KeyRing { numbers: [1], active: 1 }");
    assert_eq!(format!("{:?}", counting_key()), "RingKey(…)");
}

proptest! {
    #[test]
    fn verify_undoes_spell(seed: u64, number: u16, project: u64, token: u64, generation: u32, leap: bool) {
        let ring = KeyRing::new(number, &RingKey::generate(&TestEntropy::new(seed)));
        let secret = ring.spell(ProjectId::new(project), TokenId::new(token), generation);
        let text = secret.expose(if leap { TokenSpelling::Leap } else { TokenSpelling::Native });
        let claims = TokenClaims { key_number: number, token: TokenId::new(token), generation };
        prop_assert_eq!(ring.verify(ProjectId::new(project), &text), Ok(claims));
        prop_assert_eq!(UnverifiedToken::parse(&text).unwrap().unproven_claims(), claims);
    }

    #[test]
    fn any_single_character_change_is_refused_without_a_key(token: u64, at in 0usize..58, to: char) {
        let text = ring(1).spell(PROJECT, TokenId::new(token), 0).expose(TokenSpelling::Leap);
        let mut changed: Vec<char> = text.chars().collect();
        prop_assume!(changed[at] != to);
        changed[at] = to;
        let changed: String = changed.into_iter().collect();
        prop_assert!(UnverifiedToken::parse(&changed).is_err(), "{}", changed);
    }

    #[test]
    fn junk_is_refused(text in ".{0,80}") {
        prop_assert_eq!(ring(1).verify(PROJECT, &text), Err(TokenRefusal::Malformed));
    }

    #[test]
    fn junk_of_the_right_form_is_refused(text in "(tgt|leap_token)_[0-9A-Za-z]{47}") {
        prop_assert_eq!(ring(1).verify(PROJECT, &text), Err(TokenRefusal::Checksum));
    }

    #[test]
    fn junk_with_a_right_checksum_and_key_number_is_refused(mut body: [u8; 30]) {
        body[..2].copy_from_slice(&1u16.to_be_bytes());
        prop_assert_eq!(ring(1).verify(PROJECT, &format!("tgt_{}", tail_of(&body))), Err(TokenRefusal::Forged));
    }
}
