//! Any text into the parsers of credentials: they never panic, accept nothing that they would spell differently, and no forgery verifies.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tollgate_core::clock::Entropy;
use tollgate_core::credentials::{KeyRing, ProjectKeySecret, RingKey, TokenSpelling, UnverifiedToken};
use tollgate_core::ids::ProjectId;

/// Always the same bytes: a corpus entry means the same in every run.
struct Fixed;

impl Entropy for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0x42);
    }
}

static RING: LazyLock<KeyRing> = LazyLock::new(|| KeyRing::new(1, &RingKey::generate(&Fixed)));

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let project = ProjectId::new(7);
    if let Ok(token) = UnverifiedToken::parse(&text) {
        let _unproven = token.unproven_claims();
    }
    if let Ok(claims) = RING.verify(project, &text) {
        // Who has found a token that verifies has not forged it: it is the one that we spell for its claims.
        let secret = RING.spell(project, claims.token, claims.generation);
        let spellings = [TokenSpelling::Leap, TokenSpelling::Native].map(|spelling| secret.expose(spelling));
        assert!(spellings.iter().any(|spelled| **spelled == *text), "{text:?} is another spelling of a token");
    }
    if let Ok(key) = ProjectKeySecret::parse(&text) {
        assert_eq!(*key.expose(), *text, "a project key has one spelling");
        let _hash = key.hash();
    }
});
