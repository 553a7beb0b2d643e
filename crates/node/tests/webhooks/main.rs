//! Webhooks over a node on the store in memory: what is told, when it is tried again, and what survives a kill. What is called is recorded.
#![allow(clippy::unwrap_used)]

mod support;
mod usage;

use support::{Bench, DAY_MS, id_of};
use tollgate_core::ErrorKind;
use tollgate_core::clock::UnixMillis;
use tollgate_core::credentials::{WebhookSecret, verify_webhook};
use tollgate_core::ports::outbound::{OutboundAnswer, OutboundFailure};
use tollgate_node::{DeliveryStatus, NewToken, NewWebhook, WebhookUpdate};

#[tokio::test]
async fn a_change_is_told_signed_and_without_secrets() {
    let bench = Bench::new().await;
    let (hook, secret) = bench.hook(&["token.*"]).await;
    let (token, token_secret) = bench.token().await;
    bench.node.deliver_due().await;
    let calls = bench.outbound.take_calls();
    assert_eq!(calls.len(), 1);
    let call = &calls[0];
    let header = |name: &str| call.headers.iter().find(|(known, _)| known == name).unwrap().1.clone();
    let (id, seconds) = (header("webhook-id"), header("webhook-timestamp").parse().unwrap());
    assert!(verify_webhook(&secret, &id, seconds, &call.body, &header("webhook-signature")));
    assert_eq!(
        (header("content-type"), call.url.as_str()),
        ("application/json".into(), "https://hooks.example.com/in")
    );
    let body = String::from_utf8(call.body.clone()).unwrap();
    assert!(body.starts_with(r#"{"type":"token.created","timestamp":"2027-01-15T08:00:00Z","data":{"#), "{body}");
    assert!(body.contains(&format!(r#""id":"{token}""#)), "{body}");
    assert!(!body.contains(&token_secret[10..]) && !body.contains(&*secret.expose()), "{body}");
    let told = bench.node.deliveries(&bench.key, hook, None, (None, 10)).unwrap();
    assert_eq!((told.len(), told[0].status, told[0].id.to_string()), (1, DeliveryStatus::Delivered, id));
    bench.node.deliver_due().await;
    assert!(bench.outbound.take_calls().is_empty(), "what was taken is not sent again");
}

#[tokio::test]
async fn only_what_is_wanted_is_told_and_nobody_elses() {
    let bench = Bench::new().await;
    bench.hook(&["user.*", "key.revoked"]).await;
    let stranger = bench.stranger().await;
    bench.token().await;
    bench.node.create_token(&stranger, NewToken::default()).await.unwrap();
    bench.node.deliver_due().await;
    assert!(bench.outbound.take_calls().is_empty());
    assert_eq!(bench.node.webhooks(&stranger).unwrap().len(), 0);
    let ours = bench.node.webhooks(&bench.key).unwrap()[0].id;
    assert_eq!(bench.node.webhook(&stranger, ours).unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(bench.node.deliveries(&stranger, ours, None, (None, 9)).unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(bench.node.delete_webhook(&stranger, ours).await.unwrap_err().kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn tries_go_on_for_a_day_with_one_id_and_then_it_is_kept_to_be_replayed() {
    let bench = Bench::new().await;
    let (hook, _) = bench.hook(&["token.created"]).await;
    bench.token().await;
    let (mut ids, mut at) = (Vec::new(), Vec::new());
    bench.outbound.answer_with(500, b"");
    while bench.status(hook) == [DeliveryStatus::Waiting] {
        bench.node.deliver_due().await;
        for call in bench.outbound.take_calls() {
            ids.push(id_of(&call));
            at.push(bench.now() / 1_000);
            bench.outbound.answer_with(500, b"");
        }
        bench.clock.advance(1_000);
    }
    let pauses: Vec<u64> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let expected = [5, 30, 120, 600, 1_800, 3_600, 10_800].into_iter().chain(std::iter::repeat(21_600));
    assert!(pauses.len() >= 8 && pauses.iter().sum::<u64>() <= DAY_MS / 1_000, "{pauses:?}");
    for (pause, expected) in pauses.iter().zip(expected) {
        assert!(*pause * 10 >= expected * 8 && *pause * 10 <= expected * 12 + 10, "{pauses:?}");
    }
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(bench.node.counters().webhook_deliveries_given_up.get(), 1);
    let given_up = bench.node.deliveries(&bench.key, hook, Some(DeliveryStatus::Failed), (None, 10)).unwrap();
    assert_eq!(given_up[0].record.last_failure.as_deref(), Some("the endpoint answered 500"));
    // Replayed under its id, with a whole day before it; an answer is left in line.
    bench.node.replay_delivery(&bench.key, hook, given_up[0].id).await.unwrap();
    bench.node.deliver_due().await;
    bench.clock.advance(6_000);
    bench.node.deliver_due().await;
    let calls = bench.outbound.take_calls();
    assert_eq!((calls.len(), bench.status(hook)), (2, vec![DeliveryStatus::Delivered]));
    assert_eq!(id_of(&calls[1]), ids[0]);
}

#[tokio::test]
async fn given_up_messages_are_forgotten_after_three_days_and_delivered_ones_after_one() {
    let bench = Bench::new().await;
    let (hook, _) = bench.hook(&["token.created"]).await;
    bench.token().await;
    bench.node.deliver_due().await;
    bench.clock.advance(DAY_MS - 1);
    bench.node.forget_deliveries().await;
    assert_eq!(bench.status(hook).len(), 1);
    bench.clock.advance(1);
    bench.node.forget_deliveries().await;
    assert_eq!(bench.status(hook).len(), 0);
    // A message that waits for a disabled endpoint is given up after a day.
    bench.token().await;
    let update = WebhookUpdate { disabled: Some(true), ..WebhookUpdate::default() };
    bench.node.change_webhook(&bench.key, hook, update).await.unwrap();
    bench.token().await;
    bench.node.deliver_due().await;
    bench.clock.advance(DAY_MS);
    bench.node.forget_deliveries().await;
    assert_eq!(bench.status(hook), [DeliveryStatus::Failed], "the second was never meant for it");
    bench.clock.advance(3 * DAY_MS);
    bench.node.forget_deliveries().await;
    assert_eq!(bench.status(hook).len(), 0);
    assert!(bench.outbound.take_calls().is_empty() || bench.node.counters().webhook_deliveries.get() == 1);
}

#[tokio::test]
async fn an_endpoint_may_ask_for_more_time_or_to_be_left_alone() {
    let bench = Bench::new().await;
    let (hook, _) = bench.hook(&["token.created"]).await;
    bench.token().await;
    let answer = |status, retry_after_s| OutboundAnswer { status, body: vec![], retry_after_s, cache_max_age_s: None };
    bench.outbound.answer(Ok(answer(429, Some(100))));
    bench.node.deliver_due().await;
    bench.clock.advance(99_000);
    bench.node.deliver_due().await;
    assert_eq!(bench.outbound.take_calls().len(), 1, "not before it may");
    bench.clock.advance(1_000);
    bench.outbound.answer(Ok(answer(410, None)));
    bench.node.deliver_due().await;
    assert_eq!(bench.outbound.take_calls().len(), 1);
    let record = bench.node.webhook(&bench.key, hook).unwrap().record;
    assert!(record.disabled_at.is_some());
    assert_eq!(record.disabled_for.as_deref(), Some("the endpoint answered 410"));
    assert_eq!(bench.audit("webhook.disable").await, [hook.to_string()]);
    let refused = bench.node.test_webhook(&bench.key, hook).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::WrongState);
    // Enabled again, what waits is sent.
    let update = WebhookUpdate { disabled: Some(false), ..WebhookUpdate::default() };
    bench.node.change_webhook(&bench.key, hook, update).await.unwrap();
    bench.clock.advance(60_000);
    bench.node.deliver_due().await;
    assert_eq!(bench.status(hook), [DeliveryStatus::Delivered]);
}

#[tokio::test]
async fn an_endpoint_that_fails_for_a_day_is_disabled_and_one_that_works_again_is_not() {
    let bench = Bench::new().await;
    let (hook, _) = bench.hook(&["token.created"]).await;
    let fail = || bench.outbound.answer(Err(OutboundFailure::Timeout(15_000)));
    bench.token().await;
    fail();
    bench.node.deliver_due().await;
    assert!(bench.node.webhook(&bench.key, hook).unwrap().record.failing_since.is_some());
    bench.clock.advance(10_000);
    bench.node.deliver_due().await;
    assert_eq!(bench.node.webhook(&bench.key, hook).unwrap().record.failing_since, None);
    bench.token().await;
    fail();
    bench.node.deliver_due().await;
    bench.clock.advance(DAY_MS);
    fail();
    bench.node.deliver_due().await;
    let record = bench.node.webhook(&bench.key, hook).unwrap().record;
    let why = record.disabled_for.clone().unwrap();
    assert!(why.starts_with("nothing was delivered since 2027-01-15T08:00:10Z") && why.ends_with("15000 ms"), "{why}");
    assert_eq!(bench.audit("webhook.disable").await.len(), 1);
    assert_eq!(bench.node.counters().webhooks_disabled.get(), 1);
}

#[tokio::test]
async fn a_kill_loses_nothing_and_the_id_stays() {
    let mut bench = Bench::new().await;
    let (hook, _) = bench.hook(&["token.created"]).await;
    bench.token().await;
    // Killed before anything was sent.
    bench.restart().await;
    bench.outbound.answer_with(500, b"");
    bench.node.deliver_due().await;
    let first = id_of(&bench.outbound.take_calls()[0]);
    // Killed between two tries.
    bench.restart().await;
    bench.clock.advance(7_000);
    bench.node.deliver_due().await;
    assert_eq!(id_of(&bench.outbound.take_calls()[0]), first);
    assert_eq!(bench.status(hook), [DeliveryStatus::Delivered]);
    bench.restart().await;
    bench.node.deliver_due().await;
    assert!(bench.outbound.take_calls().is_empty());
}

#[tokio::test]
async fn a_rotated_secret_signs_beside_the_new_one_until_its_grace_ends() {
    let bench = Bench::new().await;
    let (hook, old) = bench.hook(&["token.created"]).await;
    let (_, new) = bench.node.rotate_webhook(&bench.key, hook, 60_000).await.unwrap();
    let verified = async |secret: &WebhookSecret| {
        bench.token().await;
        bench.node.deliver_due().await;
        let call = bench.outbound.take_calls().remove(0);
        let header = |name: &str| call.headers.iter().find(|(known, _)| known == name).unwrap().1.clone();
        let seconds = header("webhook-timestamp").parse().unwrap();
        verify_webhook(secret, &header("webhook-id"), seconds, &call.body, &header("webhook-signature"))
    };
    assert!(verified(&old).await && verified(&new).await);
    bench.clock.advance(60_000);
    assert!(!verified(&old).await && verified(&new).await);
}

#[tokio::test]
async fn addresses_and_events_are_checked_at_registration_and_addresses_at_each_try() {
    let mut bench = Bench::new().await;
    let register = async |url: &str, events: &[&str]| {
        let events = events.iter().map(|one| (*one).to_owned()).collect();
        let new = NewWebhook { url: url.into(), events, disabled: false };
        bench.node.create_webhook(&bench.key, new).await.map(|(made, _)| made.id)
    };
    for url in [
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/",
        "http://example.com/",
        "ftp://example.com",
        "x",
    ] {
        let error = register(url, &["*"]).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidInput, "{url}");
        assert!(error.detail.starts_with("`url`"), "{error}");
    }
    for events in [&[][..], &["token.craeted"], &["tok*"], &["*", "nothing.*"], &["*"; 65]] {
        assert_eq!(
            register("https://example.com/", events).await.unwrap_err().kind,
            ErrorKind::InvalidInput,
            "{events:?}"
        );
    }
    let hook = register("https://hooks.example.com/", &["*"]).await.unwrap();
    for _ in 0..31 {
        register("https://example.com/", &["user.*"]).await.unwrap();
    }
    assert_eq!(register("https://example.com/", &["*"]).await.unwrap_err().kind, ErrorKind::LimitReached);
    // Settings that came later hold for what was registered before.
    bench.refuse_everything().await;
    bench.token().await;
    bench.node.deliver_due().await;
    let told = bench.node.deliveries(&bench.key, hook, None, (None, 10)).unwrap();
    let created: Vec<_> = told.iter().filter(|one| one.record.event == "token.created").collect();
    assert_eq!((created[0].status, created[0].record.tries), (DeliveryStatus::Waiting, 1));
    assert!(bench.outbound.take_calls().is_empty(), "not even tried");
}

#[tokio::test]
async fn what_expires_is_told_once_even_if_nobody_was_there() {
    let mut bench = Bench::new().await;
    let (hook, _) = bench.hook(&["token.expiring", "token.expired"]).await;
    let expires_at = Some(UnixMillis(bench.now() + 100_000));
    bench.node.create_token(&bench.key, NewToken { expires_at, ..NewToken::default() }).await.unwrap();
    let events = async |bench: &Bench| {
        bench.node.tell_expiries().await;
        let told = bench.node.deliveries(&bench.key, hook, None, (None, 10)).unwrap();
        told.iter().map(|one| one.record.event.clone()).collect::<Vec<_>>()
    };
    bench.clock.advance(89_000);
    assert!(events(&bench).await.is_empty());
    bench.clock.advance(1_000);
    assert_eq!(events(&bench).await, ["token.expiring"]);
    assert_eq!(events(&bench).await, ["token.expiring"]);
    bench.clock.advance(DAY_MS);
    bench.restart().await;
    assert_eq!(events(&bench).await, ["token.expiring", "token.expired"]);
    bench.restart().await;
    assert_eq!(events(&bench).await.len(), 2);
}

#[tokio::test]
async fn many_changes_at_once_share_a_message() {
    let bench = Bench::new().await;
    let (hook, _) = bench.hook(&["token.created"]).await;
    bench.batch(16).await;
    assert_eq!(bench.status(hook).len(), 16);
    bench.batch(17).await;
    let told = bench.node.deliveries(&bench.key, hook, None, (None, 100)).unwrap();
    assert_eq!(told.len(), 17);
    let body = &told[16].record.body;
    assert!(body.contains(r#""count":17"#) && body.matches("tok_").count() == 17, "{body}");
}

#[tokio::test]
async fn a_deleted_endpoint_gets_nothing_more() {
    let bench = Bench::new().await;
    let (hook, _) = bench.hook(&["*"]).await;
    bench.token().await;
    bench.node.delete_webhook(&bench.key, hook).await.unwrap();
    bench.node.deliver_due().await;
    assert!(bench.outbound.take_calls().is_empty());
    bench.node.forget_deliveries().await;
    assert_eq!(bench.node.deliveries(&bench.key, hook, None, (None, 9)).unwrap_err().kind, ErrorKind::NotFound);
}
