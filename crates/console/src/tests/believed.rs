//! Whose tokens are believed besides our own, and what signs ours.

use super::*;
use crate::words::path as encoded;

/// HS256 by [`SECRET`], of `https://login.example/<b>`: one of `ann<i>` that ends in an hour, one of `bob` that has ended.
const JWT: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUvPGI-Iiwic3ViIjoiYW5uPGk-IiwiaWF0IjoxNzk1Mzc5MTAwLCJleHAiOjE3OTUzODI3MDB9.nZTwBsh3fE8PPhqXnsr0nSKvREhyBHHNErOdH5ULTXI";
const OVER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUvPGI-Iiwic3ViIjoiYm9iIiwiaWF0IjoxNzk1Mzc5MTAwLCJleHAiOjE3OTUzNzkxMTB9.6hubHgXcxbdKHEOhY-Io3P5gm2MkeBNoDwr9CZQv1r8";
const SECRET: &str = "0123456789abcdef0123456789abcdef";
const ISSUER: &str = "https://login.example/<b>";

#[tokio::test]
async fn an_issuer_is_registered_tried_disabled_and_deleted() {
    let place = Place::open().await;
    let (owner, viewer) = (place.sign_in(Role::Owner), place.sign_in(Role::Viewer));
    let (new, attempt) = (place.at("/issuers/new"), place.at("/issuers/try"));
    let fields = format!("issuer={}&source=secret&algorithm=HS256&secret={SECRET}", encoded(ISSUER));
    for (wrong, field) in [
        ("issuer=x&source=secret&algorithm=HS256&secret=", "secret"),
        ("issuer=x&source=secret&algorithm=HS256&secret=%25&encoding=base64", "secret"),
        ("issuer=x&source=pem&algorithm=ES256", "key"),
        ("issuer=x&source=nonsense", "source"),
        ("source=secret&algorithm=HS256&secret=0123456789abcdef0123456789abcdef", "issuer"),
        ("issuer=x&source=secret&algorithm=HS256&secret=0123456789abcdef0123456789abcdef&leeway_s=-1", "leeway_s"),
    ] {
        let seen = place.post(&owner, &new, wrong).await;
        assert!(seen.status == 422 && seen.text.contains(&format!("id=\"{field}-wrong\"")), "{wrong}: {}", seen.text);
        assert!(!seen.text.contains(SECRET), "a secret is not put into the page again");
    }
    let refused = place.post(&owner, &attempt, &format!("token={JWT}")).await.text;
    assert!(refused.contains("<b>Refused</b>") && !refused.contains(JWT), "{refused}");

    let made = place.post(&owner, &new, &fields).await;
    let (one, _) = made.location().split_once("?done=made").expect(&made.text);
    let page = place.get(&owner, one).await.text;
    assert!(page.contains("login.example/&#60;b&#62;") && page.contains("HS256"), "{page}");
    assert!(!page.contains("/<b>") && !page.contains(SECRET), "{page}");
    let list = place.get(&viewer, &place.at("/keys")).await.text;
    assert!(list.contains("login.example/&#60;b&#62;") && !list.contains("/issuers/"), "{list}");
    assert!(place.get(&owner, &place.at("/keys")).await.text.contains(one));

    let seen = place.post(&owner, &attempt, &format!("token={JWT}")).await.text;
    assert!(seen.contains("<b>Believed.</b>") && seen.contains("ann&#60;i&#62;") && !seen.contains(JWT), "{seen}");
    let over = place.post(&owner, &attempt, &format!("token={OVER}")).await.text;
    assert!(over.contains("<b>Refused</b>") && over.contains("expired"), "{over}");

    let token = seen.split_once("<footer><a href=\"").and_then(|(_, rest)| rest.split('"').next()).unwrap().to_owned();
    assert_eq!(place.post(&owner, &format!("{token}/revoke"), "reason=left").await.status, 303);
    let revoked = place.post(&owner, &attempt, &format!("token={JWT}")).await.text;
    assert!(revoked.contains("<b>Refused</b>") && revoked.contains("token_revoked"), "{revoked}");

    // Of our own it is known whose they are, also when their record says no: that makes them no better.
    let key = Caller::ProjectOperator { project: place.project };
    let own = place.node.issue_token(&key, tollgate_node::NewToken::default(), None).await.unwrap();
    let secret = own.secret.expose(tollgate_core::credentials::TokenSpelling::Native).to_string();
    let seen = place.post(&owner, &attempt, &format!("token={secret}")).await.text;
    assert!(seen.contains("<b>Believed.</b>") && seen.contains(&own.token.id.to_string()), "{seen}");
    let revoke = place.at(&format!("/tokens/{}/revoke", own.token.id));
    assert_eq!(place.post(&owner, &revoke, "reason=left").await.status, 303);
    let seen = place.post(&owner, &attempt, &format!("token={secret}")).await.text;
    assert!(seen.contains("<b>Refused</b>") && seen.contains("token_revoked"), "{seen}");
    assert!(!seen.contains("Believed") && !seen.contains(&secret), "{seen}");

    let saved =
        place.post(&owner, one, "act=save&user_id_claim=sub&audiences=a,+b&leeway_s=5&source=&life_s=7200").await;
    assert_eq!(saved.location(), format!("{one}?done=saved"));
    let (caller, _, _) = place.node.caller_of(place.people[2], Some(place.project)).unwrap();
    let record = &place.node.issuers(&caller).unwrap()[0].record.clone();
    assert_eq!((record.audiences.join(" ").as_str(), record.leeway_s), ("a b", 5));
    assert_eq!(record.policy.life_ms_max, Some(7_200_000));
    let wrong = place.post(&owner, one, "act=save&leeway_s=61&source=").await;
    assert!(wrong.status == 422 && wrong.text.contains("leeway_s-wrong"), "{}", wrong.text);
    place.post(&owner, one, "act=save&leeway_s=0&source=").await;
    assert_eq!(place.post(&owner, one, "act=disable").await.location(), format!("{one}?done=disabled"));
    let seen = place.post(&owner, &attempt, &format!("token={JWT}")).await.text;
    assert!(seen.contains("<b>Refused</b>"), "{seen}");
    assert!(place.get(&owner, one).await.text.contains("value=\"enable\""));

    let delete = format!("{one}/delete");
    let page = place.get(&owner, &delete).await.text;
    assert!(page.contains("1 token of a user") && page.contains("Delete it now"), "{page}");
    place.clock.advance(15 * 60_000);
    let seen = place.post(&owner, &delete, "how=delete&password=a+wrong+guess").await;
    assert!(seen.status == 422 && seen.text.contains("not your password"), "{}", seen.text);
    let sent = place.post(&owner, &delete, &format!("how=delete&password={}", encoded(PASSWORD))).await;
    assert_eq!(sent.location(), place.at("/keys?done=deleted"));
    assert_eq!(place.get(&owner, one).await.status, 404);
}

#[tokio::test]
async fn a_signing_key_is_made_turned_over_and_retired() {
    let place = Place::open().await;
    let owner = place.sign_in(Role::Owner);
    let (caller, _, _) = place.node.caller_of(place.people[2], Some(place.project)).unwrap();
    let keys = || place.node.signing_keys(&caller).unwrap();
    let new = place.at("/signing-keys/new");
    assert_eq!(place.post(&owner, &new, "algorithm=&when=0").await.location(), place.at("/keys?done=made"));
    let first = keys()[0].kid.clone();
    assert_eq!(place.post(&owner, &new, "algorithm=EdDSA&when=86400000").await.status, 303);
    let second = keys()[1].clone();
    assert_eq!((second.algorithm.as_str(), second.signs_from.0), ("EdDSA", NOW + 86_400_000));
    for wrong in ["algorithm=none&when=0", "algorithm=&when=soon"] {
        assert_eq!(place.post(&owner, &new, wrong).await.status, 422, "{wrong}");
    }
    let retire = |kid: &str| place.at(&format!("/signing-keys/{kid}/retire"));
    assert!(place.get(&owner, &place.at("/keys")).await.text.contains(&retire(&first)));
    let page = place.get(&owner, &retire(&first)).await.text;
    assert!(page.contains("another signs at once") && page.contains("value=\"normal\""), "{page}");
    assert_eq!(place.post(&owner, &retire(&first), "how=").await.status, 422);
    assert_eq!(place.post(&owner, &retire(&first), "how=normal").await.location(), place.at("/keys?done=retired"));
    let status = |kid: &str| keys().into_iter().find(|key| key.kid == kid).unwrap().status;
    assert_ne!(status(&first), tollgate_node::SigningKeyStatus::Signing);
    assert!(keys().iter().all(|key| key.retired_at.is_none()));
    place.clock.advance(15 * 60_000);
    assert_eq!(place.post(&owner, &retire(&second.kid), "how=emergency").await.status, 422, "without the password");
    let fields = format!("how=emergency&password={}", encoded(PASSWORD));
    assert_eq!(place.post(&owner, &retire(&second.kid), &fields).await.status, 303);
    assert_eq!(status(&second.kid), tollgate_node::SigningKeyStatus::Retired);
    assert!(!place.get(&owner, &place.at("/keys")).await.text.contains(&retire(&second.kid)));
    assert_eq!(place.get(&owner, &retire("nothing")).await.status, 404);
}
