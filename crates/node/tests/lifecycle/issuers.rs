//! Registered issuers on a clock that tests own, with a network that answers as told: whose JWTs get in, as whom, and until when.

use serde_json::{Value, json};
use tollgate_core::CloseReason;
use tollgate_core::command::PresentedSecret;
use tollgate_core::credentials::jwt::{AccessClaims, AccessUser, SigningAlgorithm, SigningKey};
use tollgate_core::error::{Error, ErrorKind};
use tollgate_core::grants::{Grant, Operation};
use tollgate_core::ids::{IssuerId, ProjectId, TokenId};
use tollgate_core::ports::outbound::{OutboundAnswer, OutboundFailure};
use tollgate_core::records::MintPolicy;
use tollgate_node::{IssuerUpdate, IssuerView, KeySource, NewIssuer, Place, TokenDetail};

use super::bench::{Bench, Told};

const ISSUER: &str = "https://login.example/";
const URL: &str = "https://login.example/keys";
const MINUTE: u64 = 60_000;

/// A key of an issuer: one of our own kind, which signs claims that look like ours and need not be.
fn key() -> SigningKey {
    SigningKey::generate(SigningAlgorithm::Es256).unwrap()
}

fn set(keys: &[&SigningKey]) -> String {
    json!({ "keys": keys.iter().map(|key| key.public_jwk()).collect::<Vec<Value>>() }).to_string()
}

/// What a JWT says; `capabilities` travels where ours have another thing.
struct Says<'a> {
    issuer: &'a str,
    user: &'a str,
    name: Option<&'a str>,
    capabilities: &'a str,
    audience: Option<&'a str>,
    issued_ago_s: u64,
    lasts_s: u64,
}

const PLAIN: Says<'static> =
    Says { issuer: ISSUER, user: "alice", name: None, capabilities: "", audience: None, issued_ago_s: 0, lasts_s: 600 };

impl Bench {
    fn jwt(&self, key: &SigningKey, says: &Says<'_>) -> String {
        let iat = self.now() / 1_000 - says.issued_ago_s;
        let user = AccessUser {
            user_id: "of another system".into(),
            public_user_id: says.capabilities.into(),
            display_name: says.name.map(str::to_owned),
        };
        key.sign(&AccessClaims {
            iss: says.issuer.into(),
            sub: says.user.into(),
            aud: says.audience.map(str::to_owned),
            iat,
            exp: iat + says.lasts_s,
            nbf: None,
            jti: TokenId::new(7),
            generation: 1,
            project: ProjectId::new(7),
            user: Some(user),
        })
        .to_string()
    }

    fn register(&self, keys: KeySource, edit: impl FnOnce(&mut NewIssuer)) -> Result<IssuerView, Error> {
        let mut new = NewIssuer {
            issuer: ISSUER.into(),
            audiences: Vec::new(),
            user_id_claim: "sub".into(),
            display_name_claim: Some("user.displayName".into()),
            capabilities_claim: None,
            policy: MintPolicy::default(),
            leeway_s: 0,
            keys,
        };
        edit(&mut new);
        self.run(self.node.create_issuer(&self.key, new))
    }

    fn enter(&self, text: &str) -> Result<TokenDetail, Error> {
        let secret = PresentedSecret::new(text.into());
        let caller = self.run(self.node.authenticate_token(Some(self.project), &secret, Place::default()))?;
        self.node.own_token(&caller)
    }

    fn user_of(&self, text: &str) -> (String, Option<String>) {
        let user = self.enter(text).unwrap().user.unwrap().1;
        (user.user_id.clone(), user.display_name.clone())
    }

    fn refused_because(&self, text: &str) -> (ErrorKind, String) {
        let error = self.enter(text).unwrap_err();
        let connecting = self.connect(text).unwrap_err();
        assert_eq!((error.kind, &error.detail), (connecting.kind, &connecting.detail), "the same at every door");
        (error.kind, error.detail)
    }
}

fn url() -> KeySource {
    KeySource::Url { url: URL.into(), defer: false }
}

fn grant(channels: &str, operations: &[Operation]) -> Grant {
    Grant { channels: channels.into(), operations: operations.into() }
}

#[test]
fn a_registered_issuers_jwt_is_its_users_token() {
    let mut bench = Bench::new();
    let key = key();
    bench.register(KeySource::Jwks(set(&[&key])), |_| {}).unwrap();
    let text = bench.jwt(&key, &Says { name: Some("Alice"), ..PLAIN });
    let connection = bench.connect(&text).unwrap();
    assert_eq!(bench.ends_in(connection), Some(600_000), "no longer than the JWT");
    let first = bench.enter(&text).unwrap();
    assert_eq!(bench.user_of(&text), ("alice".into(), Some("Alice".into())));
    let newer = bench.jwt(&key, &Says { name: Some("Alice B"), ..PLAIN });
    assert_eq!(bench.enter(&newer).unwrap().id, first.id, "one record for an issuer's user");
    assert_eq!(bench.user_of(&newer).1, Some("Alice B".into()));
    assert_ne!(bench.enter(&bench.jwt(&key, &Says { user: "bob", ..PLAIN })).unwrap().id, first.id);
    assert_eq!(bench.audit("token.create").len(), 2, "not one for each connection");
    bench.restart();
    assert_eq!(bench.enter(&text).unwrap().id, first.id);
    bench.clock.advance(600_000);
    assert_eq!(bench.refused_because(&text).0, ErrorKind::TokenExpired);
}

#[test]
fn what_an_issuer_may_not_say_is_refused_in_words() {
    let bench = Bench::new();
    let (key, other) = (key(), key());
    bench
        .register(KeySource::Jwks(set(&[&key])), |new| {
            new.audiences = vec!["us".into()];
            new.capabilities_claim = Some("user.publicUserId".into());
            new.policy.life_ms_max = Some(3_600_000);
        })
        .unwrap();
    let ours = Says { audience: Some("us"), ..PLAIN };
    bench.enter(&bench.jwt(&key, &ours)).unwrap();
    let long = "u".repeat(51);
    let table = [
        (bench.jwt(&other, &ours), ErrorKind::InvalidAuth, "`kid`"),
        (bench.jwt(&key, &PLAIN), ErrorKind::InvalidAuth, "`aud`"),
        (bench.jwt(&key, &Says { audience: Some("them"), ..PLAIN }), ErrorKind::InvalidAuth, "`aud`"),
        (
            bench.jwt(&key, &Says { issuer: "https://login.example", ..ours }),
            ErrorKind::InvalidAuth,
            "no issuer registered",
        ),
        (bench.jwt(&key, &Says { lasts_s: 3_601, ..ours }), ErrorKind::InvalidAuth, "3600 s are allowed"),
        (bench.jwt(&key, &Says { issued_ago_s: 700, ..ours }), ErrorKind::TokenExpired, "has expired"),
        (bench.jwt(&key, &Says { capabilities: "everything", ..ours }), ErrorKind::InvalidAuth, "user.publicUserId"),
        (bench.jwt(&key, &Says { user: &long, ..ours }), ErrorKind::InvalidAuth, "51 characters"),
        (bench.jwt(&key, &Says { user: "", ..ours }), ErrorKind::InvalidAuth, "`sub`"),
    ];
    for (text, kind, words) in table {
        let (refused, detail) = bench.refused_because(&text);
        assert!(refused == kind && detail.contains(words), "{refused:?} {detail}; not {words}");
    }
    let mut forged = bench.jwt(&key, &ours);
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'Q' } else { 'A' });
    assert_eq!(bench.refused_because(&forged).0, ErrorKind::InvalidAuth);
    for text in ["a.b", "a.b.c", "..", "eyJhbGciOiJub25lIn0.e30.", &format!("{}.x", bench.jwt(&key, &ours))] {
        assert_eq!(bench.refused_because(text).0, ErrorKind::InvalidAuth, "{text}");
    }
    assert_eq!(bench.users(), 1, "nothing that was refused left a user");
}

#[test]
fn keys_belong_to_one_issuer_and_one_project() {
    let bench = Bench::new();
    let (key, others) = (key(), key());
    bench.register(KeySource::Jwks(set(&[&key])), |_| {}).unwrap();
    bench.register(KeySource::Jwks(set(&[&others])), |new| new.issuer = "https://other.example".into()).unwrap();
    // CVE-2026-49998: a key of one issuer under the name of another.
    assert!(bench.refused_because(&bench.jwt(&others, &PLAIN)).1.contains("`kid`"));
    bench.enter(&bench.jwt(&others, &Says { issuer: "https://other.example", ..PLAIN })).unwrap();
    // Remembered for one project, asked in another.
    let text = bench.jwt(&key, &PLAIN);
    bench.enter(&text).unwrap();
    let (second, _) =
        bench.run(bench.node.create_project(&tollgate_core::authorize::Caller::Operator, "second")).unwrap();
    let secret = PresentedSecret::new(text);
    let refused = bench.run(bench.node.authenticate_token(Some(second.id), &secret, Place::default())).unwrap_err();
    assert!(refused.detail.contains("no issuer registered"), "{}", refused.detail);
    let unnamed = bench.run(bench.node.authenticate_token(None, &secret, Place::default())).unwrap_err();
    assert!(unnamed.detail.contains("X-Tollgate-Project"), "{}", unnamed.detail);
    // Two users of one name: the issuers' records are apart.
    let one = bench.enter(&bench.jwt(&key, &PLAIN)).unwrap();
    let two = bench.enter(&bench.jwt(&others, &Says { issuer: "https://other.example", ..PLAIN })).unwrap();
    assert_ne!(one.id, two.id);
}

#[test]
fn capabilities_are_the_claims_within_the_ceiling_and_the_newest_jwt_decides() {
    use Operation::{Publish, Subscribe};
    let bench = Bench::new();
    let key = key();
    let issuer = bench
        .register(KeySource::Jwks(set(&[&key])), |new| {
            new.capabilities_claim = Some("user.publicUserId".into());
            new.policy.ceiling = Some(vec![grant("room-*", &[Subscribe, Publish])]);
        })
        .unwrap();
    let grants = |text: &str| bench.enter(text).unwrap().terms.grants;
    let wide = bench.jwt(&key, &Says { capabilities: "subscribe,publish:*", issued_ago_s: 20, ..PLAIN });
    assert_eq!(grants(&wide), Some(vec![grant("room-*", &[Subscribe, Publish])]));
    let narrow = bench.jwt(&key, &Says { capabilities: "subscribe:room-1", issued_ago_s: 10, ..PLAIN });
    assert_eq!(grants(&narrow), Some(vec![grant("room-1", &[Subscribe])]));
    assert_eq!(grants(&wide), Some(vec![grant("room-1", &[Subscribe])]), "the older takes nothing back");
    let nothing = bench.jwt(&key, &Says { capabilities: "publish:other", issued_ago_s: 5, ..PLAIN });
    assert_eq!(grants(&nothing), Some(Vec::new()));
    let all = Says { capabilities: "subscribe,publish:*", ..PLAIN };
    let newest = bench.jwt(&key, &all);
    assert_eq!(grants(&newest), Some(vec![grant("room-*", &[Subscribe, Publish])]));
    let policy = MintPolicy { ceiling: Some(vec![grant("room-1", &[Subscribe])]), ..MintPolicy::default() };
    let update = IssuerUpdate { policy: Some(policy), ..IssuerUpdate::default() };
    bench.run(bench.node.change_issuer(&bench.key, issuer.id, update)).unwrap();
    assert_eq!(grants(&newest), Some(vec![grant("room-1", &[Subscribe])]), "a narrower ceiling holds at once");
    // Without a claim to look at, all that the issuer may give.
    let update = IssuerUpdate { capabilities_claim: Some(None), ..IssuerUpdate::default() };
    bench.run(bench.node.change_issuer(&bench.key, issuer.id, update)).unwrap();
    assert_eq!(grants(&bench.jwt(&key, &PLAIN)), Some(vec![grant("room-1", &[Subscribe])]));
}

#[test]
fn a_revocation_holds_for_what_was_issued_before_it() {
    let bench = Bench::new();
    let key = key();
    bench.register(KeySource::Jwks(set(&[&key])), |_| {}).unwrap();
    let text = bench.jwt(&key, &PLAIN);
    let connection = bench.connect(&text).unwrap();
    let first = bench.enter(&text).unwrap();
    bench.told();
    bench.revoke(first.id);
    assert_eq!(bench.told(), vec![(connection, Told::Closed(CloseReason::TokenRevoked))]);
    let (kind, detail) = bench.refused_because(&text);
    assert_eq!(kind, ErrorKind::TokenRevoked);
    assert!(detail.contains("`iat`"), "{detail}");
    assert_eq!(bench.refused_because(&bench.jwt(&key, &PLAIN)).0, ErrorKind::TokenRevoked, "of the same second");
    bench.clock.advance(1_000);
    let later = bench.jwt(&key, &PLAIN);
    let second = bench.enter(&later).unwrap();
    assert_ne!(second.id, first.id, "what was revoked stays revoked");
    assert_eq!(bench.refused_because(&text).0, ErrorKind::TokenRevoked, "though a newer one was let in");
    // However short the project keeps ended tokens, as long as a JWT from before could last.
    bench.settings(|settings| settings.ended_token_life_ms = Some(0));
    let lasting = bench.jwt(&key, &Says { issued_ago_s: 2, lasts_s: 86_400, ..PLAIN });
    bench.clock.advance(3_600_000);
    bench.run(bench.node.forget_ended());
    assert_eq!(bench.refused_because(&lasting).0, ErrorKind::TokenRevoked);
    bench.clock.advance(31 * 86_400_000);
    bench.run(bench.node.forget_ended());
    assert_eq!(bench.user_tokens("alice"), 1, "no JWT from before can last that long");
    bench.run(bench.node.ban_user(&bench.key, "alice")).unwrap();
    bench.clock.advance(1_000);
    assert_eq!(bench.refused_because(&bench.jwt(&key, &PLAIN)).0, ErrorKind::UserBanned, "newer ones, too");
}

#[test]
fn a_disabled_or_deleted_issuer_is_believed_no_more() {
    let bench = Bench::new();
    let key = key();
    let issuer = bench.register(KeySource::Jwks(set(&[&key])), |_| {}).unwrap();
    let text = bench.jwt(&key, &PLAIN);
    let connection = bench.connect(&text).unwrap();
    bench.told();
    let disable = |disabled| IssuerUpdate { disabled: Some(disabled), ..IssuerUpdate::default() };
    bench.run(bench.node.change_issuer(&bench.key, issuer.id, disable(true))).unwrap();
    assert_eq!(bench.told(), vec![(connection, Told::Closed(CloseReason::TokenRevoked))]);
    assert!(bench.refused_because(&text).1.contains("disabled"));
    bench.run(bench.node.change_issuer(&bench.key, issuer.id, disable(false))).unwrap();
    let connection = bench.connect(&text).unwrap();
    bench.told();
    assert_eq!(bench.run(bench.node.delete_issuer(&bench.key, issuer.id)).unwrap(), 1);
    assert!(bench.told().contains(&(connection, Told::Closed(CloseReason::TokenRevoked))));
    assert_eq!(bench.user_tokens("alice"), 0);
    assert_eq!(bench.refused_because(&text).0, ErrorKind::InvalidAuth);
    assert_eq!(bench.run(bench.node.delete_issuer(&bench.key, issuer.id)).unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(bench.audit("issuer.delete").len(), 1);
}

#[test]
fn a_new_key_is_fetched_from_the_registered_address_once_a_minute_at_most() {
    let mut bench = Bench::new();
    let (old, new, unknown) = (key(), key(), key());
    bench.outbound.answer_with(200, set(&[&old]).as_bytes());
    bench.register(url(), |_| {}).unwrap();
    assert_eq!(bench.outbound.take_calls().len(), 1);
    bench.enter(&bench.jwt(&old, &PLAIN)).unwrap();
    assert_eq!(bench.outbound.take_calls().len(), 0, "known keys ask nobody");
    // Within the minute of the first fetch nobody is asked.
    assert!(bench.refused_because(&bench.jwt(&new, &PLAIN)).1.contains("`kid`"));
    assert!(bench.outbound.take_calls().is_empty());
    bench.clock.advance(MINUTE);
    bench.outbound.answer_with(200, set(&[&old, &new]).as_bytes());
    bench.connect(&bench.jwt(&new, &PLAIN)).unwrap();
    let calls = bench.outbound.take_calls();
    assert_eq!(calls.iter().map(|call| call.url.as_str()).collect::<Vec<_>>(), [URL], "and nothing that a token says");
    for _ in 0..10 {
        assert!(bench.refused_because(&bench.jwt(&unknown, &PLAIN)).1.contains("`kid`"));
    }
    assert!(bench.outbound.take_calls().is_empty(), "a flood of unknown keys asks once a minute");
    bench.restart();
    bench.enter(&bench.jwt(&new, &PLAIN)).unwrap();
    assert!(bench.outbound.take_calls().is_empty(), "a restart needs no fetch");
}

#[test]
fn keys_are_fetched_again_in_time_and_a_failure_keeps_the_old_ones() {
    let bench = Bench::new();
    let (old, new) = (key(), key());
    let answer = |keys: &[&SigningKey], cache_max_age_s| {
        Ok(OutboundAnswer { status: 200, body: set(keys).into_bytes(), retry_after_s: None, cache_max_age_s })
    };
    bench.outbound.answer(answer(&[&old], Some(1)));
    bench.register(url(), |_| {}).unwrap();
    bench.outbound.take_calls();
    let refresh = |ms: u64| {
        bench.clock.advance(ms);
        bench.run(bench.node.refresh_issuers());
        bench.outbound.take_calls().len()
    };
    assert_eq!(refresh(5 * MINUTE - 1), 0, "five minutes at least, whatever its server says");
    let too_many = format!("{{\"keys\":[{}{{}}]}}", "{},".repeat(64));
    let private = json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}).to_string();
    let failures: [Result<OutboundAnswer, OutboundFailure>; 7] = [
        Err(OutboundFailure::Timeout(5_000)),
        Err(OutboundFailure::Redirect(302)),
        Err(OutboundFailure::TooLarge(262_144)),
        Ok(OutboundAnswer { status: 500, body: set(&[&new]).into_bytes(), retry_after_s: None, cache_max_age_s: None }),
        Ok(OutboundAnswer { status: 200, body: b"<html>".to_vec(), retry_after_s: None, cache_max_age_s: None }),
        Ok(OutboundAnswer { status: 200, body: too_many.into_bytes(), retry_after_s: None, cache_max_age_s: None }),
        Ok(OutboundAnswer { status: 200, body: private.into_bytes(), retry_after_s: None, cache_max_age_s: None }),
    ];
    let mut wait = 1;
    for failure in failures {
        bench.outbound.answer(failure);
        assert_eq!(refresh(wait), 1);
        assert_eq!(refresh(MINUTE - 1), 0, "a minute between tries");
        bench.enter(&bench.jwt(&old, &PLAIN)).unwrap();
        wait = 1;
    }
    assert_eq!(bench.node.counters().key_sets_failed.get(), 7);
    bench.outbound.answer(answer(&[&new], Some(10_000_000)));
    assert_eq!(refresh(1), 1);
    bench.enter(&bench.jwt(&new, &PLAIN)).unwrap();
    assert!(bench.refused_because(&bench.jwt(&old, &PLAIN)).1.contains("`kid`"), "what its issuer took back");
    assert_eq!(bench.audit("issuer.keys").len(), 1, "one entry for one change of keys");
    bench.outbound.take_calls();
    bench.outbound.answer(answer(&[&new], None));
    assert_eq!(refresh(24 * 60 * MINUTE), 1, "a day at most");
    assert_eq!(bench.audit("issuer.keys").len(), 1, "the same keys are no change");
}

#[test]
fn a_registration_that_cannot_work_is_refused() {
    let bench = Bench::new();
    let key = key();
    let given = || KeySource::Jwks(set(&[&key]));
    let refused = |keys: KeySource, edit: &dyn Fn(&mut NewIssuer)| bench.register(keys, |new| edit(new)).unwrap_err();
    let secret = |bytes: &[u8]| KeySource::Secret { algorithm: "HS256".into(), secret: bytes.to_vec() };
    let at = |url: &str| KeySource::Url { url: url.into(), defer: true };
    let private = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}]});
    #[allow(clippy::type_complexity)] // a table, read where it stands
    let table: [(KeySource, &dyn Fn(&mut NewIssuer), &str); 12] = [
        (given(), &|new| new.issuer.clear(), "issuer"),
        (given(), &|new| new.leeway_s = 61, "60 s"),
        (given(), &|new| new.user_id_claim.clear(), "user_id_claim"),
        (given(), &|new| new.policy.life_ms_max = Some(0), "ttl_s_max"),
        (given(), &|new| new.policy.ceiling = Some(vec![grant("a/b", &[Operation::Publish])]), "channels"),
        (secret(b"short"), &|_| {}, "32 to"),
        (secret(b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA"), &|_| {}, "PEM"),
        (KeySource::Pem { algorithm: "HS256".into(), pem: "-----BEGIN PUBLIC KEY-----".into() }, &|_| {}, "PEM"),
        (KeySource::Jwks(private.to_string()), &|_| {}, "private"),
        (KeySource::Jwks("{}".into()), &|_| {}, "key set"),
        (at("http://login.example/keys"), &|_| {}, "jwks_url"),
        (at("https://169.254.169.254/keys"), &|_| {}, "169.254.169.254"),
    ];
    for (keys, edit, words) in table {
        let error = refused(keys, edit);
        assert!(error.kind == ErrorKind::InvalidInput && error.detail.contains(words), "{error}; not {words}");
    }
    assert!(bench.outbound.take_calls().is_empty(), "an address that may not be called is not");
    bench.outbound.answer(Err(OutboundFailure::Resolve("login.example".into())));
    let error = refused(url(), &|_| {});
    assert!(error.detail.contains("could not be resolved") && error.detail.contains("defer"), "{error}");
    assert!(bench.node.issuers(&bench.key).unwrap().is_empty());

    bench.outbound.answer(Err(OutboundFailure::Timeout(5_000)));
    let deferred = bench.register(KeySource::Url { url: URL.into(), defer: true }, |_| {}).unwrap();
    assert!(deferred.keys.is_empty());
    assert!(bench.refused_because(&bench.jwt(&key, &PLAIN)).1.contains("`kid`"));
    bench.clock.advance(MINUTE);
    bench.outbound.answer_with(200, set(&[&key]).as_bytes());
    bench.enter(&bench.jwt(&key, &PLAIN)).unwrap();
    assert_eq!(refused(given(), &|_| {}).kind, ErrorKind::AlreadyExists);
    for number in 1..32 {
        bench.register(given(), |new| new.issuer = format!("https://{number}.example")).unwrap();
    }
    assert_eq!(refused(given(), &|new| new.issuer = "https://more.example".into()).kind, ErrorKind::LimitReached);
    let missing = bench.run(bench.node.change_issuer(&bench.key, IssuerId::new(1), IssuerUpdate::default()));
    assert_eq!(missing.unwrap_err().kind, ErrorKind::NotFound);
}

#[test]
fn two_first_connections_make_one_record() {
    let bench = Bench::new();
    let key = key();
    bench.register(KeySource::Jwks(set(&[&key])), |_| {}).unwrap();
    let texts: Vec<String> = (0..8).map(|ago| bench.jwt(&key, &Says { issued_ago_s: ago, ..PLAIN })).collect();
    let secrets: Vec<PresentedSecret> = texts.into_iter().map(PresentedSecret::new).collect();
    let enter = |secret| bench.node.authenticate_token(Some(bench.project), secret, Place::default());
    let mut waiting: Vec<_> = secrets.iter().map(|secret| Box::pin(enter(secret))).collect();
    let mut callers = Vec::new();
    while let Some(next) = waiting.pop() {
        callers.push(bench.run(next).unwrap());
    }
    callers.dedup();
    assert_eq!((callers.len(), bench.user_tokens("alice")), (1, 1));
}
