//! Revocation, batches and jobs as `/v2` spells them.

use super::*;

fn statuses(results: &Value) -> Vec<&str> {
    results.as_array().unwrap().iter().map(|one| one["status"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_batch_answers_each_entry_in_its_place() {
    let door = Door::open().await;
    let body =
        r#"{"action":"create","entries":[{"state":{"a":1}},{"stat":1},5,{"expires_at":"2001-01-01T00:00:00Z"},{}]}"#;
    let made = door.call("POST", "/v2/tokens/batch", body).await.json;
    assert_eq!(statuses(&made["results"]), ["created", "refused", "refused", "refused", "created"]);
    assert_eq!(made["results"][1]["code"], "invalid_body");
    assert_eq!(made["results"][3]["code"], "invalid_input");
    let secret = made["results"][0]["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("tgt_"), "{made}");
    let id = made["results"][4]["id"].as_str().unwrap().to_owned();

    let body = json!({"action": "rotate", "entries": [secret, {"token": id, "grace_s": 0}]}).to_string();
    let rotated = door.call("POST", "/v2/tokens/batch", &body).await.json;
    assert_eq!(statuses(&rotated["results"]), ["rotated", "rotated"]);
    assert_eq!(rotated["results"][0]["generation"], 2);

    let body = json!({"action": "introspect", "entries": [secret, made["results"][4]["secret"], "tgt_x"]}).to_string();
    let seen = door.call("POST", "/v2/tokens/batch", &body).await.json;
    assert_eq!(statuses(&seen["results"]), ["active", "inactive", "inactive"]);
    assert_eq!(seen["results"][1]["code"], "token_rotated");

    for body in
        [r#"{"action":"fly","entries":[]}"#, r#"{"action":"create"}"#, r#"{"action":"create","entries":[],"x":1}"#]
    {
        door.call("POST", "/v2/tokens/batch", body).await.refused(422, "invalid_body");
    }
    let atomic = r#"{"action":"create","mode":"atomic","entries":[{},{"x":1}]}"#;
    door.call("POST", "/v2/tokens/batch", atomic).await.refused(422, "invalid_body");
}

#[tokio::test]
async fn revocation_counts_and_tells_when() {
    let door = Door::open().await;
    let token = door.token("{}").await;
    let unknown =
        door.call("POST", "/v2/tokens/revoke", r#"{"token":"tgt_x","token_type_hint":"access_token"}"#).await.json;
    assert_eq!((&unknown["matched"], &unknown["revoked"]), (&json!(0), &json!(0)));
    let dry = door.call("POST", "/v2/tokens/revoke", r#"{"all":true,"dry_run":true}"#).await.json;
    assert_eq!((&dry["matched"], &dry["dry_run"]), (&json!(1), &json!(true)));
    let body = json!({"token": token, "reason": "lost phone"}).to_string();
    let done = door.call("POST", "/v2/tokens/revoke", &body).await.json;
    assert_eq!((&done["revoked"], &done["connections_closed"]), (&json!(1), &json!(0)));
    assert!(done["effective_at"].as_str().unwrap().ends_with('Z'));
    door.call("POST", &format!("/v2/tokens/{token}/restore"), "").await;
    for body in ["{}", r#"{"all":false}"#, r#"{"all":true,"grace_s":999999999}"#] {
        door.call("POST", "/v2/tokens/revoke", body).await.refused(422, "invalid_input");
    }
    for body in [r#"{"al":true}"#, r#"{"issued_before":5}"#, "[]"] {
        door.call("POST", "/v2/tokens/revoke", body).await.refused(422, "invalid_body");
    }
}

#[tokio::test]
async fn a_job_takes_arrays_and_lines() {
    let door = Door::open().await;
    let job = door.call("POST", "/v2/jobs", r#"{"action":"create","total":4}"#).await.json;
    let path = format!("/v2/jobs/{}", job["id"].as_str().unwrap());
    assert_eq!((&job["status"], &job["total"]), (&json!("receiving"), &json!(4)));
    door.call("PUT", &format!("{path}/parts/1"), "[{},{}]").await;
    let lines = "{\"state\":{\"n\":1}}\n\n{\"n\":1}\n";
    let seen = door.call("PUT", &format!("{path}/parts/2"), lines).await.json;
    assert_eq!((&seen["received"], &seen["parts"]), (&json!(4), &json!(2)));
    door.call("GET", &format!("{path}/results?part=1"), "").await.refused(409, "wrong_state");
    let started = door.call("POST", &format!("{path}/start"), "").await.json;
    assert_eq!(started["status"], "running");
    while door.node.work_on_jobs().await {}
    let done = door.call("GET", &path, "").await.json;
    assert_eq!(
        (&done["status"], &done["succeeded"], &done["failed"], &done["parts_done"]),
        (&json!("finished"), &json!(3), &json!(1), &json!(2))
    );
    let results = door.call("GET", &format!("{path}/results?part=2"), "").await.json;
    assert_eq!(statuses(&results["results"]), ["created", "refused"]);
    door.call("GET", &format!("{path}/results?part=2"), "").await.refused(410, "gone");
    let listed = door.call("GET", "/v2/jobs", "").await.json;
    assert_eq!((&listed["data"][0]["parts_read"], &listed["next_cursor"]), (&json!(1), &Value::Null));
    for body in [r#"{"action":"create"}"#, r#"{"action":"create","total":1,"entries":[]}"#] {
        door.call("POST", "/v2/jobs", body).await.refused(422, "invalid_body");
    }
    for part in ["0", "x", "1001"] {
        door.call("GET", &format!("{path}/results?part={part}"), "").await.refused(422, "invalid_input");
    }
}
