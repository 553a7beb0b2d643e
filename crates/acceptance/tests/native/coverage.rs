//! Every request, push, error code and close code of the protocol's page has a test: the tables below name one for each (there may be more), and this
//! test reads the page, and looks for them where they are said to be. What the page gains and nobody tests is missed here.

use std::collections::BTreeSet;
use std::fs;

use tollgate_testkit::binary::workspace;

/// A word of the page; a file; and what must stand in it: a test by its name, or a line of a transcript.
type Row = (&'static str, &'static str, &'static str);

const REQUESTS: &str = "crates/acceptance/tests/native/requests.rs";
const PUSHES: &str = "crates/acceptance/tests/native/pushes.rs";
const ERRORS: &str = "crates/acceptance/tests/native/errors.rs";
const CLOSES: &str = "crates/acceptance/tests/native/closes.rs";

const OF_REQUESTS: [Row; 11] = [
    ("connect", REQUESTS, "connect_says_who_one_is_and_what_holds"),
    ("renew", REQUESTS, "renew_goes_on_with_another_token_of_the_user"),
    ("subscribe", REQUESTS, "subscribe_begins_now_or_in_the_past"),
    ("unsubscribe", REQUESTS, "unsubscribe_ends_it_for_every_connection_of_the_token"),
    ("state", REQUESTS, "state_is_set_and_merged_by_version"),
    ("publish", REQUESTS, "publish_has_a_place_an_id_and_no_echo"),
    ("batch", REQUESTS, "batch_tells_the_outcome_of_each"),
    ("history", REQUESTS, "history_is_read_in_pages_both_ways"),
    ("presence", REQUESTS, "presence_lists_counts_and_samples"),
    ("presence_set", REQUESTS, "presence_set_changes_what_others_see"),
    ("ack", REQUESTS, "ack_takes_direct_messages_out_of_the_mailbox"),
];

const OF_PUSHES: [Row; 8] = [
    ("message", PUSHES, "message_comes_with_its_offset_and_sender"),
    ("state", PUSHES, "state_comes_whole_with_its_version"),
    ("subscribed", PUSHES, "subscribed_and_unsubscribed_tell_what_the_backend_did"),
    ("unsubscribed", PUSHES, "subscribed_and_unsubscribed_tell_what_the_backend_did"),
    ("position", PUSHES, "position_tells_of_a_new_epoch_and_nothing_is_lost"),
    ("direct", PUSHES, "direct_comes_to_every_connection_and_to_one_alone"),
    ("presence", PUSHES, "presence_tells_who_came_and_went"),
    ("expiring", PUSHES, "expiring_comes_before_the_end"),
];

const OF_ERRORS: [Row; 22] = [
    ("invalid_body", ERRORS, "invalid_body_and_invalid_input_tell_where"),
    ("invalid_input", ERRORS, "invalid_body_and_invalid_input_tell_where"),
    ("unknown_request", ERRORS, "unknown_request_names_those_that_are_known"),
    ("not_found", ERRORS, "not_found_not_granted_and_not_subscribed"),
    ("not_granted", ERRORS, "what_a_channel_refuses_is_not_granted_on_every_way"),
    ("forbidden", ERRORS, "forbidden_is_to_go_on_as_somebody_else"),
    ("not_subscribed", ERRORS, "not_found_not_granted_and_not_subscribed"),
    ("version_mismatch", ERRORS, "version_mismatch_and_position_lost_say_what_holds"),
    ("position_lost", ERRORS, "version_mismatch_and_position_lost_say_what_holds"),
    ("payload_too_large", ERRORS, "payload_too_large_and_limit_reached_name_the_limit"),
    ("limit_reached", ERRORS, "payload_too_large_and_limit_reached_name_the_limit"),
    ("rate_limited", ERRORS, "rate_limited_is_the_65th_request_that_waits"),
    ("hook_unavailable", ERRORS, "hook_unavailable_is_for_later"),
    // A store that fails, and a defect, are not to be had from outside.
    ("unavailable", "crates/protocol-native/transcripts/publish.transcript", "answer 8 error unavailable"),
    (
        "internal_error",
        "crates/protocol-native/transcripts/connect_refused.transcript",
        "answer 1 error internal_error",
    ),
    ("invalid_auth", ERRORS, "invalid_auth_is_closed_4100"),
    ("token_expired", ERRORS, "token_expired_is_closed_4101"),
    ("token_revoked", ERRORS, "token_revoked_is_closed_4102"),
    ("token_rotated", ERRORS, "token_rotated_and_token_not_yet_valid_are_closed_4100"),
    ("token_not_yet_valid", ERRORS, "token_rotated_and_token_not_yet_valid_are_closed_4100"),
    ("user_banned", ERRORS, "user_banned_and_wrong_place_are_closed_4202"),
    ("wrong_place", ERRORS, "user_banned_and_wrong_place_are_closed_4202"),
];

const OF_CLOSES: [Row; 13] = [
    ("4000", CLOSES, "draining_is_4000_and_nobody_new_gets_in"),
    (
        "4001",
        "crates/acceptance/tests/native_load/slow.rs",
        "a_slow_reader_comes_back_with_everything_and_nobody_else_notices",
    ),
    ("4002", CLOSES, "who_answers_no_ping_is_4002_and_who_does_stays"),
    ("4003", CLOSES, "a_flood_of_frames_is_4003_and_nobody_else_notices"),
    ("4004", CLOSES, "a_backend_that_does_not_answer_is_4004_for_who_connects"),
    ("4005", CLOSES, "who_does_not_connect_within_10_s_is_4005"),
    ("4006", CLOSES, "a_connection_that_is_closed_by_an_operator_is_4006_and_may_come_back"),
    ("4100", ERRORS, "invalid_auth_is_closed_4100"),
    ("4101", CLOSES, "a_token_that_ends_while_connected_is_4101_and_one_that_is_revoked_4102"),
    ("4102", CLOSES, "a_token_that_ends_while_connected_is_4101_and_one_that_is_revoked_4102"),
    ("4200", CLOSES, "frames_that_are_not_of_the_page_are_4200"),
    ("4201", CLOSES, "a_message_over_the_limit_is_4201"),
    ("4202", CLOSES, "who_may_not_connect_at_all_is_4202"),
];

/// The part of the page from this heading to the next of its kind.
fn section<'p>(page: &'p str, heading: &str) -> &'p str {
    let (_, rest) = page.split_once(heading).unwrap_or_else(|| panic!("the page has no {heading:?}"));
    rest.split_once("\n## ").map_or(rest, |(section, _)| section)
}

/// The words in the first column of tables, without their quotes.
fn first_column(section: &str) -> BTreeSet<String> {
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    let words = rows.flat_map(|cell| cell.split(", ")).map(|word| word.trim_matches('`').to_owned());
    words.filter(|word| !word.is_empty() && word.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())).collect()
}

fn check(what: &str, of_page: &BTreeSet<String>, table: &[Row]) {
    let of_table: BTreeSet<_> = table.iter().map(|(word, ..)| (*word).to_owned()).collect();
    assert_eq!(*of_page, of_table, "{what}: those of the page, and those that a test is named for");
    for (word, file, holds) in table {
        let source = fs::read_to_string(workspace().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let needle = if file.ends_with(".rs") { format!("fn {holds}(") } else { (*holds).to_owned() };
        assert!(source.contains(&needle), "{what} {word}: {file} has no {needle:?}");
    }
}

#[test]
fn every_word_of_the_page_has_a_test() {
    let page = fs::read_to_string(workspace().join("docs/protocol/native.md")).unwrap();
    let (_, requests) = page.split_once("The requests are ").unwrap();
    let requests = requests.split_once('.').unwrap().0.split(", ").map(str::to_owned).collect();
    check("request", &requests, &OF_REQUESTS);
    let (_, pushes) = section(&page, "\n## 3. Channels").split_once("| push | |").unwrap();
    check("push", &first_column(pushes), &OF_PUSHES);
    let mut errors = first_column(section(&page, "\n## 8. Errors"));
    assert!(errors.remove("code"), "the head of the table");
    check("error", &errors, &OF_ERRORS);
    let mut closes = first_column(section(&page, "\n## 9. Close codes"));
    assert!(closes.remove("code"), "the head of the table");
    check("close", &closes, &OF_CLOSES);
}
