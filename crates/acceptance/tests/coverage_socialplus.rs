//! Every numbered item of what social.plus's users need (1–41) has a test: the table names one or more for each, and this test looks for
//! them in the sources, so that an item whose test goes away is missed.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tollgate_testkit::binary::workspace;

/// Items 1–41, each with the tests that hold it. Those with the published packages are in [`WITH_PACKAGES`].
const ITEMS: [(u32, &[&str]); 41] = [
    (1, &["sp01_sp02_every_version_and_prefix_answers_alike"]),
    (
        2,
        &["sp01_sp02_every_version_and_prefix_answers_alike", "sp02_odd_requests_of_sdks_are_served_over_real_sockets"],
    ),
    (3, &["sp03_any_page_may_call_and_listed_ones_with_credentials"]),
    (4, &["sp04_sp35_sp36_values_are_checked_and_named"]),
    (5, &["sp05_sp38_the_access_token_is_a_jwt_that_tells_who_it_is_of_and_hides_the_refresh_token"]),
    (
        6,
        &[
            "sp06_sp39_the_token_works_until_its_session_is_ended",
            "sp06_an_admin_ends_all_sessions_of_a_user_in_every_way_that_is_documented",
            "sp06_sp07_auth_tokens_are_made_in_both_documented_ways",
            "sp06_visitors_and_bots_get_sessions_of_their_own",
        ],
    ),
    (7, &["sp07_sp08_no_refusal_of_a_session_looks_like_the_end_of_another"]),
    (
        8,
        &[
            "sp07_sp08_no_refusal_of_a_session_looks_like_the_end_of_another",
            "sp08_a_banned_user_is_told_so_and_gets_nothing",
        ],
    ),
    (9, &["sp09_every_request_is_answered_within_ten_seconds"]),
    (10, &["sp10_sp14_times_ride_through_the_sdk"]),
    (
        11,
        &[
            "sp11_a_session_replaces_only_its_own_kind_on_the_same_device",
            "random_devices_do_not_grow_the_store_for_ever",
        ],
    ),
    (
        12,
        &[
            "sp12_sp37_an_auth_token_is_good_for_one_session_of_its_user",
            "one_auth_token_makes_one_session_however_many_ask_at_once",
            "a_used_auth_token_stays_used_through_a_crash",
            "sp12_what_was_used_or_ended_stays_so_through_kills",
        ],
    ),
    (
        13,
        &[
            "sp13_the_same_request_within_ten_seconds_gets_the_same_token",
            "the_same_request_sent_twice_at_once_makes_one_token",
        ],
    ),
    (14, &["sp10_sp14_times_ride_through_the_sdk", "sp14_a_publishable_key_asks_for_no_more_than_its_policy"]),
    (
        15,
        &[
            "sp15_no_secret_of_a_session_is_on_disk_or_in_the_log",
            "no_secret_is_on_disk_or_in_the_log",
            "nothing_of_an_auth_token_is_stored_but_its_hash",
        ],
    ),
    (
        16,
        &[
            "opens_nowhere_else",
            "a_wrong_missing_or_broken_master_key_stops_the_start_with_a_clear_error",
            "every_record_is_sealed_again_while_clients_come_in",
            "the_master_key_is_exchanged_and_the_old_one_opens_nothing",
        ],
    ),
    (17, &["a_retired_token_key_takes_its_secrets_along"]),
    (18, &["sp18_secret_keys_are_refused_from_web_pages"]),
    (19, &["plain_http_on_the_tls_port_gets_nothing"]),
    (20, &["sp20_a_bearer_is_asked_for_in_one_way"]),
    (21, &["rest_and_socket_work_over_tls"]),
    (22, &["every_edit_drop_reorder_and_forgery_is_found", "every_operation_on_a_user_leaves_one_entry"]),
    (
        23,
        &[
            "sp14_sp23_an_idempotency_key_makes_one_session_whichever_device_asks",
            "sp13_the_same_request_within_ten_seconds_gets_the_same_token",
        ],
    ),
    (24, &["what_was_changed_or_signed_elsewhere_is_refused", "a_jwt_is_worth_what_its_record_is"]),
    (25, &["b07_one_connection_serves_many_requests"]),
    (26, &["sp10_sp14_times_ride_through_the_sdk", "b32_an_expired_token_is_cut_off_when_its_time_comes"]),
    (27, &["errors_page_is_current"]),
    (28, &["refusals_are_written_down_as_sums"]),
    (29, &["sp04_sp35_sp36_values_are_checked_and_named"]),
    (30, &["sp41_limits_say_when_to_come_again_and_end_nothing"]),
    (31, &["a_batch_answers_each_entry_in_its_place"]),
    (32, &["a_job_that_is_killed_again_and_again_does_each_entry_once"]),
    (33, &["b32_a_deleted_token_is_cut_off_and_never_comes_back"]),
    (34, &["refusals_are_written_down_as_sums"]),
    (35, &["sp04_sp35_sp36_values_are_checked_and_named"]),
    (36, &["sp04_sp35_sp36_values_are_checked_and_named"]),
    (37, &["sp12_sp37_an_auth_token_is_good_for_one_session_of_its_user"]),
    (38, &["sp05_sp38_the_access_token_is_a_jwt_that_tells_who_it_is_of_and_hides_the_refresh_token"]),
    (
        39,
        &[
            "sp06_sp39_the_token_works_until_its_session_is_ended",
            "sp39_the_access_token_opens_a_socket_and_dies_with_its_session",
        ],
    ),
    (40, &["sp07_sp08_no_refusal_of_a_session_looks_like_the_end_of_another"]),
    (
        41,
        &[
            "sp41_limits_say_when_to_come_again_and_end_nothing",
            "minting_is_bounded_by_key_user_and_address_apart",
            "guessing_slows_down_and_a_good_key_always_gets_in",
        ],
    ),
];

fn rust_files(dir: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).unwrap();
            let lines: Vec<&str> = source.lines().map(str::trim).collect();
            for (at, line) in lines.iter().enumerate() {
                let name =
                    line.trim_start_matches("async ").strip_prefix("fn ").and_then(|rest| rest.split('(').next());
                // A test is a function right behind an attribute that says so.
                let is_test = at > 0
                    && lines[at.saturating_sub(3)..at]
                        .iter()
                        .any(|line| line.starts_with("#[") && line.contains("test"));
                if let Some(name) = name.filter(|_| is_test) {
                    found.insert(name.to_owned());
                }
            }
        }
    }
}

#[test]
fn every_item_has_a_test() {
    let mut tests = BTreeSet::new();
    rust_files(&workspace().join("crates"), &mut tests);
    for (expected, (number, names)) in (1..).zip(ITEMS) {
        assert_eq!(number, expected, "the table is in order and has no gaps");
        assert!(!names.is_empty(), "social.plus item {number} has no test");
        for name in names {
            assert!(tests.contains(*name), "social.plus item {number}: no test is called {name}");
        }
    }
    let named: BTreeSet<u32> = tests
        .iter()
        .flat_map(|name| name.split('_').map_while(|word| word.strip_prefix("sp")?.parse().ok()).collect::<Vec<u32>>())
        .collect();
    let strays: Vec<_> = named.iter().filter(|number| !(1..=41).contains(*number)).collect();
    assert!(strays.is_empty(), "no items have these numbers: {strays:?}");
}
