//! Who is there: what webhook endpoints are told of it, in which order and after which accidents, and when somebody was last seen.

use tollgate_core::ErrorKind;
use tollgate_core::clock::UnixMillis;
use tollgate_core::command::{Command, PresentedSecret};
use tollgate_core::ids::{ChannelId, WebhookId};
use tollgate_core::limits::{BATCH_MAX, NATIVE_SESSION_MS, SESSION_GRACE_MS};
use tollgate_core::model::ChannelType;
use tollgate_core::permissions::Permissions;
use tollgate_node::{ConnectionKey, NewToken, NewWebhook, OnlineView, UserOfToken, WebhookUpdate};

use super::bench::{Bench, IssuedToken, by_id, secret};

const BOTH: &[&str] = &["token.online", "token.offline", "channel.*"];

fn endpoint(bench: &Bench, events: &[&str]) -> WebhookId {
    let events = events.iter().map(|one| (*one).to_owned()).collect();
    let new = NewWebhook { url: "https://hooks.example.com/in".into(), events, disabled: false };
    bench.run(bench.node.create_webhook(&bench.key, new)).unwrap().0.id
}

fn enable(bench: &Bench, webhook: WebhookId, enabled: bool) {
    let update = WebhookUpdate { disabled: Some(!enabled), ..WebhookUpdate::default() };
    bench.run(bench.node.change_webhook(&bench.key, webhook, update)).unwrap();
}

/// A look, and the names of all events so far, with what each is about.
fn told(bench: &Bench, webhook: WebhookId) -> Vec<String> {
    bench.run(bench.node.tell_presence());
    let all = bench.node.deliveries(&bench.key, webhook, None, (None, 1_000)).unwrap();
    let about = |line: &str| line.split_once(':').unwrap().1.to_owned();
    let of = all.iter().filter_map(|one| Some((one.record.event.clone(), one.record.line.as_deref()?)));
    of.map(|(event, line)| format!("{event} {}", about(line))).collect()
}

/// What was told since the last look.
struct Ear<'a>(&'a Bench, WebhookId, usize);

impl Ear<'_> {
    fn hears(&mut self) -> Vec<String> {
        let all = told(self.0, self.1);
        let new = all[self.2..].to_vec();
        self.2 = all.len();
        new
    }
}

fn listen<'a>(bench: &'a Bench, events: &[&str]) -> Ear<'a> {
    Ear(bench, endpoint(bench, events), 0)
}

fn token(bench: &Bench) -> IssuedToken {
    bench.issue(NewToken::default())
}

fn connect(bench: &Bench, token: &IssuedToken) -> ConnectionKey {
    bench.connect(&secret(token)).unwrap()
}

fn join(bench: &Bench, connection: ConnectionKey, channel: &str) {
    bench.command(connection, Command::Subscribe { channel: channel.into(), wish: None }).unwrap();
}

fn guest(bench: &Bench) -> ConnectionKey {
    let connection = bench.open();
    let command = Command::Connect { project: bench.project.to_string(), token: None, resume: None };
    bench.command(connection, command).unwrap();
    connection
}

#[test]
fn a_token_is_online_with_its_first_connection_and_offline_when_its_session_is_over() {
    let bench = Bench::new();
    let mut ear = listen(&bench, BOTH);
    let token = token(&bench);
    let id = token.token.id;
    assert_eq!(ear.hears(), [""; 0]);
    let first = connect(&bench, &token);
    let second = connect(&bench, &token);
    assert_eq!(ear.hears(), [format!("token.online {id}")]);
    bench.gone(first);
    bench.clock.advance(SESSION_GRACE_MS * 2);
    assert_eq!(ear.hears(), [""; 0], "one is there");
    // A flap within the session is no news.
    bench.gone(second);
    assert_eq!(ear.hears(), [""; 0]);
    bench.clock.advance(SESSION_GRACE_MS - 1);
    assert_eq!(ear.hears(), [""; 0]);
    let third = connect(&bench, &token);
    bench.gone(third);
    bench.clock.advance(1);
    assert_eq!(ear.hears(), [""; 0], "a new session began");
    bench.clock.advance(SESSION_GRACE_MS);
    assert_eq!(ear.hears(), [format!("token.offline {id}")]);
    let all = bench.node.deliveries(&bench.key, ear.1, None, (None, 9)).unwrap();
    let seen = UnixMillis(bench.now() - SESSION_GRACE_MS - 1);
    assert!(
        all[1].record.body.contains(&format!(r#""connections":0,"last_seen_at":"{seen}""#)),
        "{}",
        all[1].record.body
    );
    // What came and went between two looks is not told.
    let flap = connect(&bench, &token);
    bench.gone(flap);
    bench.clock.advance(SESSION_GRACE_MS);
    assert_eq!(ear.hears(), [""; 0]);
}

#[test]
fn a_session_of_our_own_protocol_lasts_longer() {
    let bench = Bench::new();
    let mut ear = listen(&bench, BOTH);
    let token = token(&bench);
    let connection = bench.open();
    let (project, presented) = (bench.project.to_string(), Some(PresentedSecret::new(secret(&token))));
    let resume = Some(Box::default());
    bench.command(connection, Command::Connect { project, token: presented, resume }).unwrap();
    assert_eq!(ear.hears().len(), 1);
    bench.gone(connection);
    ear.hears();
    bench.clock.advance(NATIVE_SESSION_MS - 1);
    assert_eq!(ear.hears(), [""; 0]);
    bench.clock.advance(1);
    assert_eq!(ear.hears(), [format!("token.offline {}", token.token.id)]);
}

#[test]
fn a_channel_is_occupied_by_anybody_and_vacated_after_the_last() {
    let bench = Bench::new();
    let mut ear = listen(&bench, &["channel.*"]);
    bench.channel("hall", ChannelType::Unprotected);
    let token = token(&bench);
    let hall = ChannelId::new("hall").unwrap();
    // Somebody who is not there does not occupy.
    bench.run(bench.node.subscribe_token(&bench.key, &hall, &by_id(&token), false)).unwrap();
    assert_eq!(ear.hears(), [""; 0]);
    let somebody = guest(&bench);
    join(&bench, somebody, "hall");
    assert_eq!(ear.hears(), ["channel.occupied hall"]);
    let connection = connect(&bench, &token);
    bench.gone(somebody);
    bench.clock.advance(60_000);
    assert_eq!(ear.hears(), [""; 0], "the token is in it");
    bench.gone(connection);
    assert_eq!(ear.hears(), [""; 0]);
    bench.clock.advance(SESSION_GRACE_MS - 1);
    assert_eq!(ear.hears(), [""; 0], "its session lasts");
    bench.clock.advance(1);
    assert_eq!(ear.hears(), ["channel.vacated hall"]);
    // Anonymous clients have no session: a second after the last.
    let somebody = guest(&bench);
    join(&bench, somebody, "hall");
    assert_eq!(ear.hears(), ["channel.occupied hall"]);
    bench.gone(somebody);
    assert_eq!(ear.hears(), [""; 0]);
    bench.clock.advance(999);
    let next = guest(&bench);
    join(&bench, next, "hall");
    bench.clock.advance(1);
    assert_eq!(ear.hears(), [""; 0], "a flap");
    bench.gone(next);
    ear.hears();
    bench.clock.advance(1_000);
    assert_eq!(ear.hears(), ["channel.vacated hall"]);
}

#[test]
fn what_is_gone_for_good_is_told_at_once() {
    let bench = Bench::new();
    let mut ear = listen(&bench, BOTH);
    bench.channel("hall", ChannelType::Public);
    let token = token(&bench);
    join(&bench, connect(&bench, &token), "hall");
    let id = token.token.id;
    assert_eq!(ear.hears(), [format!("token.online {id}"), "channel.occupied hall".into()]);
    let hall = ChannelId::new("hall").unwrap();
    bench.run(bench.node.delete_channel(&bench.key, &hall)).unwrap();
    assert_eq!(ear.hears(), ["channel.vacated hall"]);
    bench.run(bench.node.delete_token(&bench.key, &by_id(&token))).unwrap();
    bench.told();
    assert_eq!(ear.hears(), [format!("token.offline {id}")]);
}

#[test]
fn after_a_kill_endpoints_are_told_what_differs_from_what_they_heard() {
    let mut bench = Bench::new();
    let webhook = endpoint(&bench, BOTH);
    bench.channel("hall", ChannelType::Public);
    let (stays, goes) = (token(&bench), token(&bench));
    for token in [&stays, &goes] {
        join(&bench, connect(&bench, token), "hall");
    }
    assert_eq!(told(&bench, webhook).len(), 3);
    bench.restart();
    assert_eq!(told(&bench, webhook).len(), 3, "they may come back");
    connect(&bench, &stays);
    bench.clock.advance(NATIVE_SESSION_MS - 1);
    assert_eq!(told(&bench, webhook).len(), 3);
    bench.clock.advance(1);
    assert_eq!(told(&bench, webhook)[3..], [format!("token.offline {}", goes.token.id)]);
    // Killed again before anything else was told, and nobody comes.
    bench.restart();
    told(&bench, webhook);
    bench.clock.advance(NATIVE_SESSION_MS);
    let last = told(&bench, webhook)[4..].to_vec();
    assert_eq!(last, [format!("token.offline {}", stays.token.id), "channel.vacated hall".into()]);
    bench.restart();
    told(&bench, webhook);
    bench.clock.advance(NATIVE_SESSION_MS);
    assert_eq!(told(&bench, webhook).len(), 6, "nothing is told twice");
}

#[test]
fn who_begins_to_listen_is_told_who_is_there() {
    let bench = Bench::new();
    bench.channel("hall", ChannelType::Public);
    let token = token(&bench);
    let connection = connect(&bench, &token);
    join(&bench, connection, "hall");
    let mut ear = listen(&bench, BOTH);
    let id = token.token.id;
    assert_eq!(ear.hears(), [format!("token.online {id}"), "channel.occupied hall".into()]);
    // Nothing is said while it is disabled; then what differs is.
    enable(&bench, ear.1, false);
    assert_eq!(ear.hears(), [""; 0]);
    bench.gone(connection);
    bench.clock.advance(NATIVE_SESSION_MS);
    assert_eq!(ear.hears(), [""; 0]);
    enable(&bench, ear.1, true);
    assert_eq!(ear.hears(), [""; 0]);
    bench.clock.advance(NATIVE_SESSION_MS);
    assert_eq!(ear.hears(), [format!("token.offline {id}"), "channel.vacated hall".into()]);
    // When the last endpoint is gone, what was told is forgotten with it.
    connect(&bench, &token);
    assert_eq!(ear.hears().len(), 2);
    bench.run(bench.node.delete_webhook(&bench.key, ear.1)).unwrap();
    bench.run(bench.node.tell_presence());
    assert_eq!(listen(&bench, BOTH).hears().len(), 2, "another endpoint begins anew");
}

#[test]
fn of_one_thing_nothing_overtakes_and_of_others_nothing_waits() {
    let bench = Bench::new();
    let mut ear = listen(&bench, &["channel.*"]);
    bench.channel("a", ChannelType::Unprotected);
    bench.channel("b", ChannelType::Unprotected);
    let send = || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(bench.node.deliver_due());
        let calls = bench.outbound.take_calls();
        let text = |call: &tollgate_core::ports::outbound::OutboundCall| String::from_utf8(call.body.clone()).unwrap();
        let word = |body: &String| {
            let word = |key: &str| body.split_once(key).unwrap().1.split('"').next().unwrap().to_owned();
            format!("{} {}", word(r#""type":"channel."#), word(r#""channel_id":""#))
        };
        calls.iter().map(|call| word(&text(call))).collect::<Vec<_>>()
    };
    let come_and_go = |channel: &str, ear: &mut Ear<'_>| {
        let somebody = guest(&bench);
        join(&bench, somebody, channel);
        ear.hears();
        bench.gone(somebody);
        ear.hears();
        bench.clock.advance(1_000);
        ear.hears();
    };
    come_and_go("a", &mut ear);
    bench.outbound.answer_with(500, b"");
    assert_eq!(send(), ["occupied a"]);
    come_and_go("b", &mut ear);
    assert_eq!(send(), ["occupied b", "vacated b"], "the other waits for its first");
    bench.clock.advance(10_000);
    assert_eq!(send(), ["occupied a", "vacated a"]);
}

#[test]
fn last_seen_is_now_while_online_and_then_when_it_ended_also_after_a_kill() {
    let mut bench = Bench::new();
    let user = || Some(UserOfToken { user_id: "ann".into(), ..UserOfToken::default() });
    let ann = bench.issue(NewToken { user: user(), ..NewToken::default() });
    let other = bench.issue(NewToken { user: user(), ..NewToken::default() });
    let never = token(&bench);
    let named = |bench: &Bench| {
        let tokens =
            [by_id(&ann), PresentedSecret::new(secret(&other)), by_id(&never), PresentedSecret::new("x".into())];
        bench.node.online(&bench.key, &tokens, &["ann".into(), "nobody".into()]).unwrap()
    };
    let nothing = OnlineView::default();
    assert_eq!(named(&bench), (vec![nothing; 4], vec![nothing; 2]));
    let (one, two) = (connect(&bench, &ann), connect(&bench, &ann));
    connect(&bench, &other);
    bench.clock.advance(500);
    let at = |ms: u64| Some(UnixMillis(super::bench::START + ms));
    let seen = |connections, ms| OnlineView { connections, last_seen_at: at(ms) };
    assert_eq!(named(&bench), (vec![seen(2, 500), seen(1, 500), nothing, nothing], vec![seen(3, 500), nothing]));
    bench.gone(one);
    bench.clock.advance(500);
    bench.gone(two);
    bench.clock.advance(500);
    assert_eq!(named(&bench).0[0], seen(0, 1_000));
    assert_eq!(named(&bench).1[0], seen(1, 1_500));
    assert_eq!(bench.node.token_detail(&bench.key, &by_id(&ann)).unwrap().last_seen_at, at(1_000));
    assert_eq!(bench.node.user(&bench.key, "ann").unwrap().last_seen_at, at(1_500));
    bench.run(bench.node.keep_usage());
    assert_eq!(named(&bench).0[0], seen(0, 1_000));
    // A connection that outlasts what is written down meanwhile, and a request that is no connection.
    let long = connect(&bench, &ann);
    bench.run(bench.node.keep_usage());
    bench.clock.advance(500);
    bench.gone(long);
    bench.clock.advance(500);
    assert!(bench.works(&secret(&ann)));
    bench.run(bench.node.keep_usage());
    assert_eq!(named(&bench).0[0], seen(0, 2_000));
    bench.restart();
    bench.clock.advance(60_000);
    // Of the other it is known that it came, at the start of the second.
    assert_eq!(named(&bench), (vec![seen(0, 2_000), seen(0, 0), nothing, nothing], vec![seen(0, 2_000), nothing]));
}

#[test]
fn who_may_ask_who_is_online_and_how_many_at_once() {
    let bench = Bench::new();
    let (tokens, users) = (vec![PresentedSecret::new("x".into())], vec!["ann".to_owned()]);
    let key = |permissions| {
        let (_, secret) = bench
            .run(bench.node.create_key(&tollgate_core::authorize::Caller::Operator, bench.project, permissions))
            .unwrap();
        bench.node.authenticate(&PresentedSecret::new(secret.expose().to_string())).unwrap()
    };
    let (reader, registrar) = (key(Permissions::READ_LEAP_TOKENS), key(Permissions::MANAGE_USERS));
    let ask = |caller, tokens: &[PresentedSecret], users: &[String]| {
        bench.node.online(caller, tokens, users).map(drop).map_err(|error| error.kind)
    };
    assert_eq!(ask(&reader, &tokens, &[]), Ok(()));
    assert_eq!(ask(&registrar, &[], &users), Ok(()));
    assert_eq!(ask(&reader, &tokens, &users), Err(ErrorKind::Forbidden));
    assert_eq!(ask(&registrar, &tokens, &users), Err(ErrorKind::Forbidden));
    assert_eq!(ask(&registrar, &[], &[]), Err(ErrorKind::Forbidden));
    assert_eq!(ask(&registrar, &[], &vec![String::new(); BATCH_MAX]), Ok(()));
    assert_eq!(ask(&bench.key, &tokens, &vec![String::new(); BATCH_MAX]), Err(ErrorKind::InvalidInput));
}
