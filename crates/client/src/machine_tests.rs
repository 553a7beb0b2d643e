//! The machine on virtual time: what it is told, and exactly what it wants.
#![allow(clippy::unwrap_used)]

use tollgate_protocol_native::wire::{self, Request};

use super::*;
use crate::channels::Wanted;
use crate::{EndReason, Rewind};

const CONNECTED: &str = r#""connection":"conn_1","session":"ses_1","resumed":false,"ping_ms":25000,"timeout_ms":10000,
    "limits":{"message_bytes":1048576,"requests":2,"subscriptions":8},"direct":"5a-7""#;

struct Bench {
    machine: Machine,
    now: u64,
    socket: u64,
}

impl Bench {
    fn new(setup: Setup) -> Self {
        let setup = Setup { project: "p".into(), queue_limit: 4, token_timeout_ms: 30_000, ..setup };
        let mut bench = Self { machine: Machine::new(setup, || 0.5), now: 1_000, socket: 0 };
        bench.machine.connect(bench.now);
        bench
    }

    /// One with a fixed token, connected to a server that has these channels.
    fn connected(channels: &str) -> Self {
        let mut bench = Self::new(Setup { token: Some("t".into()), ..Setup::default() });
        bench.reach(channels);
        bench
    }

    /// From `Open` on, to connected; returns the frame of `connect`.
    fn reach(&mut self, channels: &str) -> String {
        let effects = self.machine.take();
        let Some(Effect::Open(socket)) = effects.last() else { panic!("{effects:?}") };
        self.socket = *socket;
        self.machine.opened(self.now, self.socket);
        let sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        self.heard(&format!(r#"{{"id":1,"ok":{{{CONNECTED},"channels":[{channels}]}}}}"#));
        sent.into_iter().next().unwrap()
    }

    fn heard(&mut self, text: &str) {
        self.machine.frame(self.now, self.socket, text);
    }

    fn effects(&mut self) -> Vec<Effect> {
        self.machine.take()
    }

    fn sent(&mut self) -> Vec<String> {
        let sent = |effect| if let Effect::Send(_, text) = effect { Some(text) } else { None };
        self.effects().into_iter().filter_map(sent).collect()
    }

    fn told(&mut self) -> Vec<String> {
        let told = |effect| match effect {
            Effect::Tell(channel, event) => Some(match event {
                Event::Message(message) => format!("{channel} {} {}", message.position, message.event),
                Event::Subscribed { position } => format!("{channel} in {}", position.unwrap()),
                Event::Gap { from, to } => format!("{channel} gap {} {to}", from.unwrap()),
                Event::Ended { reason, .. } => format!("{channel} {reason:?}"),
                Event::State { state, version } => format!("{channel} state {version} {state:?}"),
                Event::Presence(change) => format!("{channel} presence {}", change.count),
            }),
            Effect::TellDirect(Direct::Message(message)) => Some(format!("direct {}", message.event)),
            Effect::TellDirect(other) => Some(format!("direct {other:?}")),
            _ => None,
        };
        self.effects().into_iter().filter_map(told).collect()
    }

    fn settled(&mut self) -> Vec<(u64, Result<String, String>)> {
        let settled = |effect| match effect {
            Effect::Settle(number, outcome) => Some((number, outcome.map_err(|error| error.code().to_owned()))),
            _ => None,
        };
        self.effects().into_iter().filter_map(settled).collect()
    }

    fn message(&mut self, offset: u64, more: &str) {
        self.heard(&format!(
            r#"{{"push":"message","channel":"room","offset":{offset},"event":"said","data":{offset},"at":1{more}}}"#
        ));
    }

    /// The connection ends, and time goes by until the next try.
    fn lose(&mut self, code: u16) -> u64 {
        self.machine.lost(self.now, self.socket, code);
        assert_eq!(self.machine.state(), State::Waiting);
        let waited = self.machine.wake_at() - self.now;
        self.now += waited;
        self.machine.wake(self.now);
        waited
    }

    fn subscribe(&mut self, wanted: Wanted, from: Option<&str>) {
        self.machine.subscribe(self.now, "room", wanted, from.map(|text| text.parse().unwrap()));
    }

    fn call(&mut self, number: u64, resend_ms: u64) {
        let id = format!("m{number}");
        let publish = wire::Publish {
            channel: "room".into(),
            event: "said".into(),
            data: None,
            id: Some(id.into()),
            echo: None,
            key: None,
        };
        self.machine.call(self.now, Call::app(&Request::Publish(publish)), number, 30_000, resend_ms);
    }
}

fn entry(position: &str, more: &str) -> String {
    format!(r#"{{"channel":"room","type":"private","state":{{}},"version":1,"position":"{position}"{more}}}"#)
}

fn subscribed(position: &str, recovered: bool) -> String {
    let entry = entry(position, &format!(r#","recovered":{recovered}"#));
    format!(r#"{{"push":"subscribed",{}"#, entry.strip_prefix('{').unwrap())
}

#[test]
fn messages_come_in_order_once_and_whole() {
    let mut bench = Bench::connected("");
    bench.effects();
    bench.subscribe(Wanted::default(), None);
    assert_eq!(bench.sent(), [r#"{"id":2,"subscribe":{"channel":"room"}}"#]);
    bench.heard(&format!(r#"{{"id":2,"ok":{}}}"#, entry("a-5", "")));
    assert_eq!(bench.told(), ["room state 1 {}", "room in a-5"]);
    bench.message(6, "");
    bench.message(6, "");
    bench.message(5, "");
    assert_eq!(bench.told(), ["room a-6 said"]);
    assert_eq!(bench.machine.counters().duplicates, 2);

    // A hole is not handed out: the channel is entered again where everything is known.
    bench.message(9, "");
    bench.message(10, "");
    assert_eq!(bench.sent(), [r#"{"id":3,"subscribe":{"channel":"room","position":"a-6"}}"#]);
    bench.heard(&format!(r#"{{"id":3,"ok":{}}}"#, entry("a-6", r#","recovered":true"#)));
    for offset in 7..=10 {
        bench.message(offset, "");
    }
    assert_eq!(bench.told(), ["room in a-6", "room a-7 said", "room a-8 said", "room a-9 said", "room a-10 said"]);
    let counters = *bench.machine.counters();
    assert_eq!((counters.holes, counters.deferred, counters.gaps), (1, 1, 0));
}

#[test]
fn coming_back_names_where_it_was_and_hears_the_rest() {
    let mut bench = Bench::connected(&entry("a-5", ""));
    bench.subscribe(Wanted::default(), None);
    bench.message(6, "");
    bench.effects();
    assert_eq!(bench.lose(BROKEN), 250);
    let connect = bench.reach(&entry("a-9", r#","resuming":true"#));
    assert!(connect.contains(r#""session":"ses_1","positions":{"room":"a-6"},"direct":"5a-7""#), "{connect}");
    // Before its own `subscribed` nothing of the channel counts.
    bench.message(10, "");
    bench.heard(&subscribed("a-6", true));
    bench.message(7, "");
    assert_eq!(bench.told(), ["room in a-6", "room a-7 said"]);
    assert_eq!(bench.machine.counters().gaps, 0);

    // A lost position is one gap, before what comes after it.
    bench.lose(4000);
    bench.reach(&entry("b-2", r#","resuming":true"#));
    bench.heard(&subscribed("b-2", false));
    bench.message(3, "");
    assert_eq!(bench.told(), ["room gap a-7 b-2", "room in b-2", "room b-3 said"]);

    // A new epoch in which nothing was lost is none.
    bench.heard(r#"{"push":"position","channel":"room","position":"c-0"}"#);
    bench.message(1, "");
    assert_eq!(bench.told(), ["room c-1 said"]);
}

#[test]
fn what_the_server_does_not_know_any_more_is_asked_for_again() {
    let mut bench = Bench::new(Setup::default());
    let connect = bench.reach("");
    assert!(!connect.contains("token"), "{connect}");
    bench.subscribe(Wanted::default(), None);
    bench.heard(&format!(r#"{{"id":2,"ok":{}}}"#, entry("a-5", "")));
    bench.message(6, "");
    bench.effects();
    bench.lose(4001);
    let connect = bench.reach("");
    assert!(!connect.contains("session") && !connect.contains("positions"), "{connect}");
    assert_eq!(bench.sent(), [r#"{"id":2,"subscribe":{"channel":"room","position":"a-6"}}"#]);
}

#[test]
fn a_token_s_subscription_that_ended_meanwhile_ends_the_stream() {
    let mut bench = Bench::connected(&entry("a-5", ""));
    bench.effects();
    bench.heard(r#"{"push":"unsubscribed","channel":"room","reason":"deleted"}"#);
    bench.message(6, "");
    assert_eq!(bench.told(), [format!("room {:?}", EndReason::Deleted)]);
    assert_eq!(bench.machine.counters().strays, 1);
}

#[test]
fn rewinding_leaves_out_what_came_before_its_reply() {
    let mut bench = Bench::connected(&entry("a-5", ""));
    bench.effects();
    bench.subscribe(Wanted { rewind: Some(Rewind::Last(2)), ..Wanted::default() }, None);
    assert_eq!(bench.sent(), [r#"{"id":2,"subscribe":{"channel":"room","rewind":{"last":2}}}"#]);
    bench.message(6, "");
    bench.heard(&format!(r#"{{"id":2,"ok":{}}}"#, entry("a-4", r#","recovered":true"#)));
    bench.message(5, "");
    bench.message(6, "");
    assert_eq!(bench.told(), ["room in a-4", "room a-5 said", "room a-6 said"]);
    // The next time it goes on from where it is.
    bench.lose(BROKEN);
    assert!(bench.reach("").contains(r#""positions":{"room":"a-6"}"#));
}

#[test]
fn an_own_message_without_echo_counts_as_read() {
    let mut bench = Bench::connected(&entry("a-5", ""));
    bench.effects();
    bench.message(6, r#","connection":"conn_1""#);
    bench.message(7, r#","connection":"conn_2""#);
    assert_eq!(bench.told(), ["room a-7 said"]);
    assert_eq!(bench.machine.counters().echoes, 1);
}

#[test]
fn calls_wait_bounded_and_only_what_may_is_sent_again() {
    let mut bench = Bench::connected("");
    bench.effects();
    for number in 1..=3 {
        bench.call(number, 110_000);
    }
    // No more are under way than the server takes.
    assert_eq!(bench.sent().len(), 2);
    bench.heard(r#"{"id":2,"ok":{"position":"a-1"}}"#);
    let effects = bench.effects();
    assert!(
        matches!(&effects[..], [Effect::Settle(1, Ok(_)), Effect::Send(_, text)] if text.contains("m3")),
        "{effects:?}"
    );
    bench.call(4, 0);
    bench.call(5, 110_000);
    bench.heard(r#"{"id":3,"error":{"code":"forbidden","message":"No.","retry":"auth"}}"#);
    assert_eq!(bench.settled(), [(2, Err("forbidden".to_owned()))]);

    bench.machine.lost(bench.now, bench.socket, BROKEN);
    assert_eq!(bench.settled(), [(4, Err("connection_lost".to_owned()))]);
    for number in 6..=8 {
        bench.call(number, 110_000);
    }
    assert_eq!(bench.settled(), [(8, Err("queue_full".to_owned()))]);
    bench.now = bench.machine.wake_at();
    bench.machine.wake(bench.now);
    bench.reach("");
    let sent = bench.sent();
    assert!(sent.len() == 2 && sent[0].contains("m3") && sent[1].contains("m5"), "{sent:?}");
    bench.now += 30_000;
    bench.machine.wake(bench.now);
    let late = bench.settled();
    assert_eq!(late.len(), 4, "{late:?}");
    assert!(late.iter().all(|(_, outcome)| *outcome == Err("timeout".to_owned())), "{late:?}");
}

#[test]
fn silence_is_the_end_of_a_connection() {
    let mut bench = Bench::connected("");
    bench.effects();
    bench.now += 34_999;
    bench.machine.wake(bench.now);
    assert_eq!(bench.effects(), []);
    bench.heard("{}");
    assert_eq!(bench.sent(), ["{}"]);
    bench.now += 34_999;
    bench.machine.wake(bench.now);
    assert_eq!(bench.machine.state(), State::Connected);
    bench.now += 1;
    bench.machine.wake(bench.now);
    assert_eq!(bench.machine.state(), State::Waiting);
    assert_eq!(bench.effects()[0], Effect::Close(bench.socket, BROKEN));
}

#[test]
fn tokens_are_asked_for_once_and_renewed_before_they_end() {
    let mut bench = Bench::new(Setup { has_provider: true, ..Setup::default() });
    assert_eq!(bench.effects(), [Effect::State(State::NeedsToken, None), Effect::AskToken]);
    bench.machine.provided(bench.now, Ok("one".into()));
    assert!(bench.reach("").contains(r#""token":"one""#));
    bench.effects();
    for _ in 0..2 {
        bench.heard(r#"{"push":"expiring","in_ms":60000}"#);
    }
    assert_eq!(bench.effects(), [Effect::AskToken]);
    // It fails at first: asked again after a while, on the same connection.
    bench.machine.provided(bench.now, Err(Error::token_later("busy")));
    bench.now = bench.machine.wake_at();
    bench.machine.wake(bench.now);
    assert_eq!(bench.effects(), [Effect::AskToken]);
    bench.machine.provided(bench.now, Ok("two".into()));
    assert_eq!(bench.sent(), [r#"{"id":2,"renew":{"token":"two"}}"#]);
    bench.heard(r#"{"id":2,"ok":{"token":{"id":"tok_1","expires_in_ms":1000000}}}"#);

    // The same is good for the next connection, until the server says that it is not.
    bench.lose(BROKEN);
    assert!(bench.reach("").contains(r#""token":"two""#));
    bench.lose(4102);
    assert_eq!(bench.effects().last(), Some(&Effect::AskToken));
    assert_eq!(bench.machine.state(), State::NeedsToken);
    bench.machine.provided(bench.now, Err(Error::token_never("logged out")));
    assert_eq!(bench.machine.state(), State::Closed);
}

#[test]
fn tickets_are_asked_for_before_each_try_and_sent_once() {
    let setup = || Setup { has_provider: true, is_ticket: true, ..Setup::default() };
    let mut bench = Bench::new(setup());
    assert!(bench.effects().contains(&Effect::AskToken));
    bench.machine.provided(bench.now, Ok("tkt_1".into()));
    let said = bench.reach("");
    assert!(said.contains(r#""ticket":"tkt_1""#) && !said.contains(r#""token""#), "{said}");
    bench.effects();
    bench.heard(r#"{"push":"expiring","in_ms":60000}"#);
    assert_eq!(bench.effects(), [Effect::AskToken]);
    bench.machine.provided(bench.now, Ok("tkt_2".into()));
    assert_eq!(bench.sent(), [r#"{"id":2,"renew":{"ticket":"tkt_2"}}"#]);
    // A connection that ends, and one that is never made.
    for ticket in ["tkt_3", "tkt_4"] {
        let socket = bench.machine.socket;
        bench.machine.lost(bench.now, socket, BROKEN);
        bench.now = bench.machine.wake_at();
        bench.machine.wake(bench.now);
        let effects = bench.effects();
        assert!(effects.contains(&Effect::AskToken), "{effects:?}");
        bench.machine.provided(bench.now, Ok(ticket.into()));
    }
    assert!(bench.reach("").contains(r#""ticket":"tkt_4""#));
}

#[test]
fn another_token_has_a_session_and_direct_messages_of_its_own() {
    let renewed = |reply: &str| {
        let mut bench = Bench::new(Setup { has_provider: true, ..Setup::default() });
        bench.machine.provided(bench.now, Ok("one".into()));
        bench.reach("");
        bench.heard(r#"{"push":"expiring","in_ms":60000}"#);
        bench.machine.provided(bench.now, Ok("two".into()));
        bench.effects();
        bench.heard(&format!(r#"{{"id":2,"ok":{{"token":{{"id":"tok_2"}}{reply}}}}}"#));
        bench
    };
    let mut bench = renewed(r#","session":"ses_2","direct":"6b-3""#);
    bench.heard(r#"{"push":"direct","offset":4,"event":"e","data":1,"at":1}"#);
    let effects = bench.effects();
    assert!(
        matches!(&effects[..], [Effect::TellDirect(Direct::Message(_))]),
        "not lost, and not an old one: {effects:?}"
    );
    bench.lose(BROKEN);
    let said = bench.reach("");
    assert!(said.contains(r#""session":"ses_2""#) && said.contains(r#""direct":"6b-4""#), "{said}");
    // Of its mailbox more may be gone than is kept.
    let mut bench = renewed(r#","session":"ses_2","direct":"1-3","direct_lost":true"#);
    assert_eq!(bench.effects(), [Effect::TellDirect(Direct::Lost)]);
    // The same token, spelled anew, counts on.
    let mut bench = renewed("");
    bench.heard(r#"{"push":"direct","offset":8,"event":"e","data":1,"at":1}"#);
    bench.effects();
    bench.lose(BROKEN);
    let said = bench.reach("");
    assert!(said.contains(r#""session":"ses_1""#) && said.contains(r#""direct":"5a-8""#), "{said}");
}

#[test]
fn ends_that_make_no_other_try() {
    for (setup, code) in [
        (Setup { token: Some("t".into()), ..Setup::default() }, 4102),
        (Setup { token: Some("t".into()), ..Setup::default() }, 4200),
        (Setup::default(), 4202),
    ] {
        let mut bench = Bench::new(setup);
        bench.reach("");
        bench.call(1, 110_000);
        bench.effects();
        bench.machine.lost(bench.now, bench.socket, code);
        let effects = bench.effects();
        assert_eq!(effects[0], Effect::State(State::Closed, Some(Error::ConnectionLost(code))), "{code}");
        assert_eq!(effects[1], Effect::Settle(1, Err(Error::ConnectionLost(code))), "{code}");
        assert_eq!(bench.machine.wake_at(), NEVER);
    }
}

#[test]
fn each_try_in_a_row_waits_longer_until_a_connection_has_lasted() {
    let mut bench = Bench::connected("");
    let mut waits = Vec::new();
    for _ in 0..8 {
        waits.push(bench.lose(BROKEN));
        let Some(Effect::Open(socket)) = bench.effects().last().cloned() else { panic!() };
        bench.socket = socket;
    }
    assert_eq!(waits, [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
    bench.machine.opened(bench.now, bench.socket);
    bench.heard(&format!(r#"{{"id":1,"ok":{{{CONNECTED},"channels":[]}}}}"#));
    bench.now += 10_000;
    assert_eq!(bench.lose(4000), 2_500);
}

#[test]
fn direct_messages_are_heard_once_and_their_loss_is_told() {
    let mut bench = Bench::connected("");
    bench.effects();
    for offset in [8, 8, 10] {
        bench.heard(&format!(r#"{{"push":"direct","offset":{offset},"event":"e{offset}","data":null,"at":1}}"#));
    }
    assert_eq!(bench.told(), ["direct e8", "direct Lost", "direct e10"]);
    bench.lose(BROKEN);
    assert!(bench.reach("").contains(r#""direct":"5a-10""#));
}

#[test]
fn what_is_not_of_the_protocol_ends_the_connection() {
    for text in ["", "[]", "7", r#"{"push":"message","channel":"room"}"#, r#"{"ok":{}}"#] {
        let mut bench = Bench::connected("");
        bench.heard(text);
        assert_eq!(bench.machine.state(), State::Waiting, "{text}");
        assert_eq!(bench.machine.counters().nonsense, 1, "{text}");
    }
    let mut bench = Bench::connected("");
    bench.heard(r#"{"push":"of_tomorrow","x":1}"#);
    assert_eq!(bench.machine.state(), State::Connected);
}

#[test]
fn presence_is_asked_for_once_on_each_connection() {
    let mut bench = Bench::connected(&entry("a-5", ""));
    bench.effects();
    bench.subscribe(Wanted { presence: true, ..Wanted::default() }, None);
    assert_eq!(bench.sent(), [r#"{"id":2,"subscribe":{"channel":"room","presence":true}}"#]);
    bench.heard(&format!(r#"{{"id":2,"ok":{}}}"#, entry("a-5", "")));
    bench.heard(r#"{"push":"presence","channel":"room","count":3,"joined":[],"left":["ben"]}"#);
    assert_eq!(bench.told(), ["room presence 3"]);
    bench.lose(BROKEN);
    let connect = bench.reach(&entry("a-5", r#","resuming":true"#));
    assert!(connect.contains(r#""watch":["room"]"#), "{connect}");
    bench.heard(&subscribed("a-5", true));
    assert_eq!(bench.sent(), [] as [&str; 0]);
}

#[test]
fn a_state_that_is_older_than_the_known_one_is_left_out() {
    let mut bench = Bench::connected(&entry("a-5", ""));
    bench.effects();
    for version in [3, 2, 3, 4] {
        bench.heard(&format!(r#"{{"push":"state","channel":"room","state":{{"v":{version}}},"version":{version}}}"#));
    }
    assert_eq!(bench.told(), [r#"room state 3 {"v":3}"#, r#"room state 4 {"v":4}"#]);
    assert_eq!(bench.machine.counters().strays, 1);
}
