//! Usage and alerts: what is counted is kept, and what should be looked at is told once.

use std::net::IpAddr;

use tollgate_core::ErrorKind;
use tollgate_core::authorize::Caller;
use tollgate_core::clock::{Clock as _, UnixMillis};
use tollgate_core::command::PresentedSecret;
use tollgate_core::ids::{TokenId, WebhookId};
use tollgate_core::records::AlertRecord;
use tollgate_node::{KeyUpdate, Origin, Place, UsageView, with_origin};

use super::support::{Bench, DAY_MS};

const SPAN: (UnixMillis, UnixMillis) = (UnixMillis(0), UnixMillis(u64::MAX));

impl Bench {
    /// A request with this credential from this address; whether it was let in.
    async fn request(&self, secret: &str, address: &str) -> bool {
        let origin = Origin { address: Some(address.parse::<IpAddr>().unwrap()), ..Origin::default() };
        let presented = PresentedSecret::new(secret.to_owned());
        with_origin(origin, async { self.node.authenticate_token(None, &presented, Place::default()).await.is_ok() })
            .await
    }

    fn usage(&self, token: &str) -> UsageView {
        self.node.token_usage(&self.key, &PresentedSecret::new(token.to_owned())).unwrap().1
    }

    async fn minute(&self) {
        self.clock.advance(60_000);
        self.node.keep_usage().await;
        self.node.look_for_alerts().await;
    }

    fn alerts(&self, kind: &str) -> Vec<AlertRecord> {
        let all = self.node.alerts(&self.key).unwrap();
        all.into_iter().map(|view| view.record).filter(|alert| alert.kind == kind).collect()
    }

    fn told(&self, hook: WebhookId) -> Vec<String> {
        let all = self.node.deliveries(&self.key, hook, None, (None, 1_000)).unwrap();
        all.iter().map(|one| one.record.body.clone()).collect()
    }
}

#[tokio::test]
async fn what_a_token_used_is_kept_over_a_restart() {
    let mut bench = Bench::new().await;
    let (token, secret) = bench.token().await;
    assert_eq!(bench.usage(&token).record.requests, 0);
    for last in 1..=3 {
        assert!(bench.request(&secret, &format!("192.0.2.{last}")).await);
    }
    bench.node.keep_usage().await;
    bench.clock.advance(5_000);
    assert!(bench.request(&secret, "192.0.2.1").await);
    // An orderly stop writes what was not written yet.
    bench.node.keep_usage().await;
    bench.restart().await;
    let record = bench.usage(&token).record;
    assert_eq!((record.requests, record.connections), (4, 0));
    assert_eq!(record.last_used_at.unwrap().0 - record.first_seen_at.unwrap().0, 5_000);
    let addresses: Vec<&str> = record.addresses.iter().map(|(address, _)| address.as_str()).collect();
    assert_eq!(addresses, ["192.0.2.2", "192.0.2.3", "192.0.2.1"]);
    let hours = bench.node.project_usage(&bench.key, SPAN, false).unwrap();
    // The key's own request among them.
    assert_eq!((hours.len(), hours[0].requests), (1, 5));
    let stranger = bench.stranger().await;
    assert_eq!(bench.node.token_usage(&stranger, &PresentedSecret::new(token)).unwrap_err().kind, ErrorKind::NotFound);
    assert!(bench.node.project_usage(&stranger, SPAN, false).unwrap().is_empty());
}

#[tokio::test]
async fn refusals_are_counted_by_their_reason_and_are_no_use() {
    let bench = Bench::new().await;
    let (token, secret) = bench.token().await;
    bench.revoke(&token).await;
    assert!(!bench.request(&secret, "192.0.2.1").await);
    assert!(!bench.request(&secret, "192.0.2.1").await);
    bench.node.keep_usage().await;
    let record = bench.usage(&token).record;
    assert_eq!((record.requests, record.last_used_at), (0, None));
    assert_eq!(record.refusals, [("token_revoked".to_owned(), 2)]);
}

#[tokio::test]
async fn usage_goes_with_its_token() {
    let mut bench = Bench::new().await;
    let (token, secret) = bench.token().await;
    bench.request(&secret, "192.0.2.1").await;
    bench.node.keep_usage().await;
    let tokens: Vec<TokenId> = vec![token.parse().unwrap()];
    assert!(bench.usage_row(tokens[0]).await.is_some());
    bench.node.delete_token(&bench.key, &PresentedSecret::new(token.clone())).await.unwrap();
    // Noted before, written after: it counts for the project alone.
    bench.request(&secret, "192.0.2.1").await;
    bench.node.keep_usage().await;
    bench.restart().await;
    for token in tokens {
        assert_eq!(bench.usage_row(token).await, None);
    }
}

#[tokio::test]
async fn failures_are_told_once_and_when_they_are_over() {
    let mut bench = Bench::new().await;
    let (hook, _) = bench.hook(&["alert.*"]).await;
    let (_, good) = bench.token().await;
    let (bad_id, bad) = bench.token().await;
    bench.revoke(&bad_id).await;
    for _ in 0..48 {
        bench.request(&good, "192.0.2.1").await;
    }
    bench.request(&bad, "192.0.2.1").await;
    bench.minute().await;
    assert!(bench.alerts("failure_rate").is_empty(), "too few to say");
    for _ in 0..5 {
        bench.request(&bad, "192.0.2.1").await;
    }
    bench.minute().await;
    bench.minute().await;
    assert_eq!(bench.alerts("failure_rate").len(), 1);
    assert_eq!(bench.told(hook).len(), 1);
    assert!(bench.told(hook)[0].contains(r#""alert":"failure_rate""#), "{:?}", bench.told(hook));
    bench.restart().await;
    bench.node.look_for_alerts().await;
    assert_eq!(bench.node.counters().alerts_raised.get(), 0, "a restart is no news of an alert");
    bench.clock.advance(6 * 60_000);
    bench.minute().await;
    let alerts = bench.alerts("failure_rate");
    assert!(alerts.len() == 1 && alerts[0].cleared_at.is_some(), "{alerts:?}");
    assert!(bench.told(hook)[1].starts_with(r#"{"type":"alert.cleared""#));
}

#[tokio::test]
async fn old_keys_and_unused_tokens_are_told() {
    let bench = Bench::new().await;
    let (_, secret) = bench.token().await;
    bench.token().await;
    bench.minute().await;
    assert!(bench.alerts("old_key").is_empty() && bench.alerts("unused_tokens").is_empty());
    bench.clock.advance(30 * DAY_MS);
    bench.request(&secret, "192.0.2.1").await;
    bench.minute().await;
    let unused = bench.alerts("unused_tokens");
    assert!(unused.len() == 1 && unused[0].detail.starts_with("1 tokens"), "{unused:?}");
    bench.clock.advance(335 * DAY_MS);
    bench.minute().await;
    let Caller::ProjectKey { key, .. } = bench.key else { panic!("a key") };
    assert_eq!(bench.alerts("old_key")[0].subject, key.to_string());
    // A key that ends is no matter any more.
    let expires_at = Some(Some(bench.clock.unix().plus(1)));
    let update = KeyUpdate { expires_at, ..KeyUpdate::default() };
    bench.node.change_project_key(&bench.key, key, update).await.unwrap();
    bench.minute().await;
    assert!(bench.alerts("old_key")[0].cleared_at.is_some());
}

#[tokio::test]
async fn minutes_are_kept_for_a_day_and_hours_for_seven() {
    let bench = Bench::new().await;
    let (_, secret) = bench.token().await;
    for _ in 0..200 {
        bench.request(&secret, "192.0.2.1").await;
        bench.node.keep_usage().await;
        bench.clock.advance(3_600_000);
    }
    let hours = bench.node.project_usage(&bench.key, SPAN, false).unwrap();
    assert_eq!(hours.len(), 7 * 24);
    let minutes = bench.node.project_usage(&bench.key, SPAN, true).unwrap();
    assert!(minutes.len() <= 1_440 && minutes.iter().all(|minute| minute.at.0 % 60_000 == 0));
    let (from, to) = (hours[3].at, hours[5].at);
    assert_eq!(bench.node.project_usage(&bench.key, (from, to), false).unwrap(), hours[3..5]);
}
