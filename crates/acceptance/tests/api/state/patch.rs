//! `PATCH /v1/channels/:id/state`: merge, one level deep.

use serde_json::{Value, json};
use tollgate_testkit::Server;

#[test]
fn b21_patch_merges_top_level_keys_only() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "unprotected", json!({"keep": {"x": 1}, "replace": {"gone": 1, "too": 2}, "nulled": 1}));
    let (mut guest, _) = server.identified(None);
    guest.join("room");
    let patch = json!({"replace": {"only": 3}, "nulled": null, "added": [1]});
    let expected = json!({"keep": {"x": 1}, "replace": {"only": 3}, "nulled": null, "added": [1]});
    assert_eq!(api.patch("/v1/channels/room/state", patch).data(), json!({"state": expected}));
    assert_eq!(guest.expect("STATE_UPDATE", "room"), json!({"state": expected}));
    assert_eq!(api.patch("/v1/channels/room/state", json!({})).data(), json!({"state": expected}));
    assert_eq!(api.get("/v1/channels/room/state").data(), json!({"state": expected}));
}

#[test]
fn b22_concurrent_patches_lose_nothing_and_have_one_order() {
    const WRITERS: usize = 6;
    const PATCHES: usize = 25;
    let server = Server::start();
    server.api().channel("room", "unprotected", json!({}));
    let mut guests: Vec<_> = (0..4).map(|_| server.identified(None).0).collect();
    for guest in &mut guests {
        guest.join("room");
    }
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let api = server.api();
            scope.spawn(move || {
                for n in 0..PATCHES {
                    let data = api.patch("/v1/channels/room/state", json!({(format!("w{writer}")): n})).data();
                    assert_eq!(data["state"][format!("w{writer}")], n, "the answer has the own change");
                }
            });
        }
    });
    let last = server.api().get("/v1/channels/room/state").data()["state"].clone();
    for writer in 0..WRITERS {
        assert_eq!(last[format!("w{writer}")], PATCHES - 1, "{last}");
    }
    let seen: Vec<Vec<Value>> = guests
        .iter_mut()
        .map(|guest| {
            let mut seen = Vec::new();
            while seen.last() != Some(&last) {
                seen.push(guest.expect("STATE_UPDATE", "room")["state"].clone());
            }
            guest.quiet();
            seen
        })
        .collect();
    for other in &seen[1..] {
        assert_eq!(&seen[0], other, "every subscriber sees the same sequence");
    }
    // Each state is the one before with one change: no patch was applied to an old state.
    for pair in seen[0].windows(2) {
        let (before, after) = (pair[0].as_object().unwrap(), pair[1].as_object().unwrap());
        let changed = after.iter().filter(|(key, value)| before.get(*key) != Some(value)).count();
        assert!(changed == 1 && before.keys().all(|key| after.contains_key(key)), "{pair:?}");
    }
}
