//! Every numbered behaviour of Hop has a test: the table below names one for each (there may be more), and this test looks
//! for them in the sources, so that a behaviour whose test goes away is missed.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use tollgate_testkit::binary::workspace;

/// Behaviours 1–63, each with one test that holds it.
const IN_RUST: [(u32, &str); 63] = [
    (1, "b01_duplicate_slashes_a_bare_question_mark_and_unknown_parameters_are_tolerated"),
    (2, "b02_the_bare_secret_and_a_bearer_prefix_are_both_accepted"),
    (3, "b03_b13_every_route_refuses_every_caller_who_must_not_have_it"),
    (4, "b04_every_answer_has_the_envelope"),
    (5, "b05_success_is_200_with_data_or_204_without"),
    (6, "b06_options_answers_any_path_without_auth"),
    (7, "b07_one_connection_serves_many_requests"),
    (8, "b08_a_body_of_1_mib_is_accepted_and_delivered"),
    (9, "b09_a_body_that_is_no_object_is_400_invalid_body_wherever_one_is_needed"),
    (10, "b10_the_project_is_implied_and_a_different_one_is_403"),
    (11, "b11_personal_and_console_tokens_do_not_exist_here"),
    (12, "b12_personal_tokens_do_not_resolve_channels_or_tokens"),
    (13, "b03_b13_every_route_refuses_every_caller_who_must_not_have_it"),
    (14, "b14_post_makes_an_id_and_put_takes_one"),
    (15, "b15_type_and_state_are_checked"),
    (16, "b16_an_id_that_exists_is_409_and_keeps_what_it_has"),
    (17, "b17_ids_are_percent_decoded"),
    (18, "b18_a_channel_is_shaped_as_the_sdks_need_it"),
    (19, "b19_without_a_page_everything_is_listed"),
    (20, "b20_delete_is_204_then_404_and_subscribers_are_told"),
    (21, "b21_patch_merges_top_level_keys_only"),
    (22, "b22_concurrent_patches_lose_nothing_and_have_one_order"),
    (23, "b23_a_message_reaches_every_subscribed_connection_once"),
    (24, "b24_publish_is_an_alias_of_messages"),
    (25, "b25_a_removed_token_is_told_and_hears_no_more"),
    (26, "b26_subscribed_tokens_are_listed_with_live_is_online"),
    (27, "b27_online_count_counts_sessions_and_drops_on_disconnect"),
    (28, "b28_a_token_is_shaped_as_the_sdks_need_it"),
    (29, "b29_a_token_is_read_back"),
    (30, "b30_is_online_from_init_until_the_last_connection_is_gone"),
    (31, "b31_a_direct_message_reaches_every_connection_of_the_token_and_nobody_else"),
    (32, "b32_a_deleted_token_is_cut_off_and_never_comes_back"),
    (33, "b33_this_is_the_project_of_the_key"),
    (34, "b34_both_paths_any_origin_and_unknown_parameters_are_welcome"),
    (35, "b35_json_is_spoken_and_other_encodings_are_refused_cleanly"),
    (36, "b36_frames_are_text_whatever_compression_is_asked_for"),
    (37, "b37_permessage_deflate_may_be_offered_and_is_not_needed"),
    (38, "b38_hello_comes_at_once_and_once"),
    (39, "b39_who_does_not_identify_within_10_s_is_closed_4002"),
    (40, "b40_wrong_credentials_are_closed_4001"),
    (41, "b41_a_heartbeat_before_identify_is_acked"),
    (42, "b42_init_of_a_token_has_all_its_subscriptions_with_their_state"),
    (43, "b43_every_kind_of_frame_is_one_the_published_clients_can_take"),
    (44, "b44_acks_come_5_to_20_ms_after_the_heartbeat"),
    (45, "b45_a_tag_comes_back"),
    (46, "b46_silence_is_closed_4007_but_not_before_two_intervals_and_the_grace"),
    (47, "b47_sigterm_acks_closes_and_refuses_newcomers"),
    (48, "b48_a_draining_server_sends_its_clients_to_the_configured_address"),
    (49, "b49_who_may_subscribe_to_what"),
    (50, "b50_subscribing_again_answers_with_fresh_state_and_changes_nothing_else"),
    (51, "b51_a_burst_of_1000_subscribes_is_answered_and_ends_available"),
    (52, "b52_a_tokens_subscribe_lasts_and_an_anonymous_one_ends_with_its_socket"),
    (53, "b53_the_other_connections_of_the_token_get_available_too"),
    (54, "b54_nothing_comes_before_available_or_after_unavailable"),
    (55, "b55_no_update_is_lost_between_available_and_the_first_change"),
    (56, "b56_unsubscribe_ends_delivery_without_a_word_to_the_requester"),
    (57, "b57_a_subscribed_tokens_message_reaches_everybody_including_itself"),
    (58, "b58_where_it_is_allowed_a_client_replaces_the_state"),
    (59, "b59_pipe_rooms_are_answered_unknown_and_unknown_events_ignored"),
    (60, "b60_clients_hear_of_nothing_but_the_events_they_know"),
    (61, "b61_a_slow_consumer_is_closed_and_nobody_else_notices"),
    (62, "b62_a_session_lasts_30_s_after_its_last_connection_and_takes_what_is_ephemeral_with_it"),
    (63, "b63_connections_are_counted_and_each_hears_everything_once"),
];

/// Behaviours that only the published packages can show: the test's name, as it begins, and a file that must have it.
const WITH_PACKAGES: [(u32, &str, &str); 6] = [
    (44, "b44 ", "conformance/hop/tests/heartbeats.test.mjs"),
    (51, "b51 ", "conformance/hop/tests/burst.test.mjs"),
    (64, "b64 ", "conformance/hop/tests/js-esm.test.mjs"),
    (64, "b64 ", "conformance/hop/tests/chromium-js.test.mjs"),
    (65, "b65 ", "conformance/hop/tests/outage-node.test.mjs"),
    (66, "b66 ", "conformance/hop/tests/react.test.mjs"),
];

fn rust_files(dir: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(fs::read_to_string(&path).unwrap());
        }
    }
}

/// The names of all test functions whose name begins with `b` and a number: by number.
fn tests() -> BTreeMap<u32, BTreeSet<String>> {
    let mut sources = Vec::new();
    rust_files(&workspace().join("crates"), &mut sources);
    let mut tests: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
    for line in sources.iter().flat_map(|source| source.lines()) {
        let Some(name) = line.trim_start().strip_prefix("fn b").and_then(|rest| rest.split('(').next()) else {
            continue;
        };
        // `b03_b13_…` holds both.
        for word in format!("b{name}").split('_') {
            let Some(number) = word.strip_prefix('b').and_then(|number| number.parse().ok()) else { break };
            tests.entry(number).or_default().insert(format!("b{name}"));
        }
    }
    tests
}

#[test]
fn every_behaviour_has_a_test() {
    let tests = tests();
    for (expected, (number, name)) in (1..).zip(IN_RUST) {
        assert_eq!(number, expected, "the table is in order and has no gaps");
        let found = tests.get(&number).is_some_and(|names| names.contains(name));
        assert!(found, "Hop behaviour {number}: no test is called {name}; there are {:?}", tests.get(&number));
    }
    let known = 1..=68;
    let strays: Vec<_> = tests.keys().filter(|number| !known.contains(*number)).collect();
    assert!(strays.is_empty(), "no behaviours have these numbers: {strays:?}");
}

#[test]
fn what_only_the_packages_can_show_is_in_their_suites() {
    for (number, name, file) in WITH_PACKAGES {
        let source = fs::read_to_string(workspace().join(file))
            .unwrap_or_else(|error| panic!("Hop behaviour {number}: {file}: {error}"));
        assert!(source.contains(name), "Hop behaviour {number}: {file} has no test called {name:?}");
    }
}
