//! Whatever changes something is in the audit log, once.

use serde_json::Value;

use crate::document::{Needs, operations};
use crate::things::{entries_after, last_sequence, prepare, server, things};

#[test]
fn each_operation_leaves_exactly_the_entries_that_it_must() {
    let (server, receiver) = server();
    for (number, operation) in operations(&server).iter().enumerate() {
        let mut names = things(&server, &receiver, number);
        let _kept = prepare(&server, operation, &mut names);
        let before = last_sequence(&server);
        let credential = if operation.needs == Needs::Token { &names["secret"] } else { &server.key };
        let reply = operation.ask(&server, credential, &names);
        assert_eq!(reply.status, operation.succeeds, "{}: {}", operation.id, reply.text());
        let entries = entries_after(&server, before);
        let done: Vec<&Value> = entries.iter().filter(|entry| entry["outcome"] == "done").collect();
        assert_eq!(
            (done.len(), entries.len()),
            (operation.entries, operation.entries),
            "{}: {entries:?}",
            operation.id
        );
        for entry in done {
            assert_eq!(entry["request_id"].as_str(), reply.header("x-request-id"), "{}: {entry}", operation.id);
            assert_ne!(entry["actor"], "anonymous", "{}: {entry}", operation.id);
        }
        // A project has only so many of these.
        server.api().try_call("POST", &format!("/v2/jobs/{}/cancel", names["job"]), None).unwrap();
        server.api().try_call("DELETE", &format!("/v2/issuers/{}", names["issuer"]), None).unwrap();
        server.api().try_call("DELETE", &format!("/v2/webhooks/{}", names["webhook"]), None).unwrap();
    }
    let proof = server.api().try_call("GET", "/v2/audit/verify", None).unwrap().json();
    assert_eq!(proof["intact"], true, "{proof}");
}
