//! How the whole server does, on the overview and alone.

use super::*;
use crate::{Condition, Stretch};

fn stretch(messages_in: u64) -> Stretch {
    Stretch {
        ms: 5_000,
        connections: 7,
        messages_in,
        deliveries: 50_000,
        refusals: 1,
        delivery_p50_us: Some(250),
        delivery_p99_us: Some(u64::MAX),
        commit_p99_us: Some(5_000),
        store_waiting: 0,
        webhooks_waiting: 3,
    }
}

#[tokio::test]
async fn a_server_that_just_started_shows_that_nothing_is_known_and_then_figures_that_move() {
    let place = Place::open().await;
    let viewer = place.sign_in(Role::Viewer);
    for path in [place.at("/"), "/console/server/pulse".to_owned()] {
        *place.around.pulse.lock().unwrap() = Pulse { now: None, stretches: vec![None; 180], stretch_ms: 5_000 };
        let begun = place.get(&viewer, &path).await;
        assert_eq!(begun.status, 200);
        for said in
            ["Whole server, now", "beginning", "nothing yet", "data-live=\"2\" data-from=\"/console/server/pulse\""]
        {
            assert!(begun.text.contains(said), "{path}: {said}: {}", begun.text);
        }
        *place.around.pulse.lock().unwrap() = Pulse {
            now: Some(stretch(10)),
            stretches: vec![None, Some(stretch(10)), Some(stretch(40))],
            stretch_ms: 5_000,
        };
        let part = |name, condition, said: &str| Part { name, condition, said: said.to_owned() };
        *place.around.health.lock().unwrap() = vec![
            part("Store", Condition::Good, "Writes"),
            part("Disk", Condition::Strained, "<script>alert(1)</script>"),
            part("Delivery", Condition::Failing, "A shard does not answer"),
        ];
        let now = place.get(&viewer, &path).await.text;
        for said in [
            "<dt>Live connections</dt><dd>7 ",
            "<dt>Messages in</dt><dd>2.00 <small>a second</small>",
            "<dt>Messages delivered</dt><dd>10,000 ",
            "<dt>Delivery takes up to</dt><dd>over 10 s ",
            "<dt>Half of it up to</dt><dd>0.25 ms ",
            "Messages in: between 2.00 and 8.00 so far",
            "at most 8.00 in, at most 10,000 delivered",
            "<span class=\"tag dot bad\">Fails</span><span>Delivery",
            "<span class=\"tag dot warn\">Look at it</span><span>Disk",
        ] {
            assert!(now.contains(said), "{path}: {said}: {now}");
        }
        assert!(!now.contains("<script>alert") && !now.contains("nothing yet"), "{now}");
    }
    assert!(!place.get(&viewer, "/console/server/pulse").await.text.contains("<nav"), "nothing else comes along");
}
