//! What is explained is what happens: of tokens of all kinds, in channels of all kinds, for every wish, over a connection and over REST.

use tollgate_core::authorize::Caller;
use tollgate_core::clock::UnixMillis;
use tollgate_core::command::{Command, HistoryFrom, HistoryQuery, MembersQuery, NewMessage, PresentedSecret, Reply};
use tollgate_core::error::{ErrorKind, Result};
use tollgate_core::grants::{Grant, Operation};
use tollgate_core::ids::ChannelId;
use tollgate_core::json::{JsonObject, JsonValue};
use tollgate_core::model::{Capabilities, ChannelSettings, ChannelType};
use tollgate_core::ports::store::StateChange;
use tollgate_node::{
    ChannelUpdate, ConnectionKey, ExplainHeld, ExplainQuestion, ExplainStep, ExplainVerdict, ExplainWish, Explanation,
    NewChannel, NewToken, Place, UserOfToken,
};

use super::bench::{Bench, by_id, secret};

const KINDS: [ChannelType; 3] = [ChannelType::Private, ChannelType::Public, ChannelType::Unprotected];
const ADDRESS: &str = "10.1.2.3";
const ORIGIN: &str = "https://a.example";

struct Rng(u64);

impl Rng {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Channels of every type with every set of the capabilities that matter to tokens; some keep presence.
fn channels(bench: &Bench) -> Vec<String> {
    let mut ids = Vec::new();
    for (at, kind) in KINDS.into_iter().enumerate() {
        for bits in [0, Capabilities::TOKEN_PUBLISH, Capabilities::TOKEN_SET_STATE, 31 & !Capabilities::EPHEMERAL] {
            let id = format!("c{at}-{bits}");
            let new = NewChannel {
                id: Some(ChannelId::new(&id).unwrap()),
                kind,
                state: JsonObject::empty(),
                capabilities: Capabilities::from_bits(bits.into()).unwrap(),
                settings: ChannelSettings { presence: bits != 0, ..ChannelSettings::default() },
            };
            bench.run(bench.node.create_channel(&bench.key, new)).unwrap();
            ids.push(id);
        }
    }
    ids
}

/// A token of some kind, and the text to present.
fn token(bench: &Bench, rng: &mut Rng, channels: &[String], round: u64) -> String {
    let channel = |rng: &mut Rng| channels[usize::try_from(rng.below(channels.len() as u64)).unwrap()].clone();
    let grants = (rng.below(3) > 0).then(|| {
        let grant = |rng: &mut Rng| {
            let pattern = [channel(rng), "c1*".to_owned(), "*".to_owned(), "elsewhere".to_owned()];
            let pattern = pattern[usize::try_from(rng.below(4)).unwrap()].clone();
            let wanted: Vec<_> = Operation::ALL.into_iter().filter(|_| rng.below(2) == 0).collect();
            let operations = if wanted.is_empty() { vec![Operation::Presence] } else { wanted };
            Grant { channels: pattern, operations }
        };
        (0..rng.below(3)).map(|_| grant(rng)).collect::<Vec<_>>()
    });
    let mut new = NewToken {
        user: (rng.below(4) == 0).then(|| UserOfToken { user_id: format!("u{round}"), display_name: None }),
        channels: (0..rng.below(4)).map(|_| ChannelId::new(&channel(rng)).unwrap()).collect(),
        ..NewToken::default()
    };
    new.channels.sort_unstable();
    new.channels.dedup();
    new.terms.grants = grants;
    match rng.below(8) {
        0 => new.terms.networks = vec!["10.1.0.0/16".into()],
        1 => new.terms.networks = vec!["10.2.0.0/16".into()],
        2 => new.terms.origins = vec!["https://b.example".into()],
        3 => new.terms.connections_max = Some(1),
        4 if rng.below(2) == 0 => new.life_ms = Some(1_000),
        5 if rng.below(2) == 0 => new.not_before = Some(UnixMillis(bench.now() + 600_000)),
        _ => {}
    }
    let (has_user, is_early) = (new.user.is_some(), new.not_before.is_some());
    let issued = bench.issue(new);
    let text = secret(&issued);
    match rng.below(12) {
        0 if !is_early => bench.revoke(issued.token.id),
        1 if has_user => drop(bench.run(bench.node.ban_user(&bench.key, &format!("u{round}"))).unwrap()),
        2 => drop(bench.run(bench.node.rotate_token(&bench.key, &by_id(&issued), Some(0), None, None)).unwrap()),
        3 => bench.run(bench.node.delete_token(&bench.key, &by_id(&issued))).unwrap(),
        4 => return format!("{text}x"),
        _ => {}
    }
    text
}

fn question(text: &str, wish: ExplainWish, channel: Option<&str>, over_rest: bool) -> ExplainQuestion {
    ExplainQuestion {
        token: PresentedSecret::new(text.into()),
        wish,
        channel: channel.map(|id| ChannelId::new(id).unwrap()),
        over_rest,
        address: Some(ADDRESS.parse().unwrap()),
        origin: Some(ORIGIN.into()),
    }
}

fn explained(bench: &Bench, question: &ExplainQuestion) -> Explanation {
    let explanation = bench.node.explain(&bench.key, question).unwrap();
    let (last, before) = explanation.steps.split_last().unwrap();
    assert!(before.iter().all(|step| step.held != ExplainHeld::Failed), "{explanation:?}");
    assert_eq!(explanation.verdict == ExplainVerdict::No, last.held == ExplainHeld::Failed, "{explanation:?}");
    assert_eq!(explanation.told.is_some(), explanation.verdict == ExplainVerdict::No, "{explanation:?}");
    explanation
}

const HISTORY: HistoryQuery = HistoryQuery { from: HistoryFrom::End, newest_first: false, limit: 10 };

fn members() -> MembersQuery {
    MembersQuery { after: None, limit: 10, sample: false }
}

/// What a connection's client is told: nothing where it was done.
fn over_connection(bench: &Bench, connection: ConnectionKey, wish: ExplainWish, channel: &str) -> Option<&'static str> {
    let channel = channel.to_owned();
    let command = match wish {
        ExplainWish::Connect | ExplainWish::ReadState => return None,
        ExplainWish::Subscribe => Command::Subscribe { channel, wish: None },
        ExplainWish::Publish => Command::Publish(NewMessage::new(&channel, "e", JsonValue::null())),
        ExplainWish::ReadHistory => Command::History { channel, query: HISTORY },
        ExplainWish::ReadPresence => Command::Members { channel, query: members() },
        ExplainWish::SetState => {
            let change = StateChange::Replace(JsonObject::empty());
            Command::SetState { channel, change, if_version: None }
        }
    };
    match bench.command(connection, command) {
        Ok(Some(Reply::NotSubscribed)) => Some("not_subscribed"),
        // As `protocol-native` spells it: its transcript of publications.
        Ok(Some(Reply::NotAllowed)) => Some("not_granted"),
        Ok(_) => None,
        Err(error) => Some(error.kind.code()),
    }
}

fn over_rest(bench: &Bench, text: &str, wish: ExplainWish, channel: &str) -> Option<&'static str> {
    let place = Place { address: Some(ADDRESS.parse().unwrap()), origin: Some(ORIGIN) };
    let secret = PresentedSecret::new(text.into());
    let caller = match bench.run(bench.node.authenticate_token(Some(bench.project), &secret, place)) {
        Ok(caller) => caller,
        Err(error) => return Some(error.kind.code()),
    };
    let id = ChannelId::new(channel).unwrap();
    let code = |done: Result<()>| done.err().map(|error| error.kind.code());
    match wish {
        ExplainWish::Connect | ExplainWish::Subscribe => None,
        ExplainWish::Publish => {
            let message = NewMessage::new(channel, "e", JsonValue::null());
            code(bench.run(bench.node.publish(&caller, message)).map(drop))
        }
        ExplainWish::ReadHistory => code(bench.run(bench.node.history(&caller, &id, HISTORY)).map(drop)),
        ExplainWish::ReadPresence => code(bench.run(bench.node.members(&caller, &id, members())).map(drop)),
        ExplainWish::ReadState => code(bench.node.channel_state(&caller, &id).map(drop)),
        ExplainWish::SetState => {
            let change = StateChange::Replace(JsonObject::empty());
            code(bench.run(bench.node.change_state(&caller, &id, change, None)).map(drop))
        }
    }
}

#[test]
fn what_is_explained_is_what_happens() {
    let bench = Bench::new();
    let channels = channels(&bench);
    let mut rng = Rng(11);
    let (mut yes, mut no) = (0, 0);
    for round in 0..400 {
        let text = token(&bench, &mut rng, &channels, round);
        // So that some have ended, and that failures to authenticate are not answered as too many.
        bench.clock.advance(60_000);
        let channel = if rng.below(12) == 0 {
            "nowhere".to_owned()
        } else {
            channels[usize::try_from(rng.below(channels.len() as u64)).unwrap()].clone()
        };
        let mut compare = |explanation: &Explanation, told: Option<&str>, what: &str| {
            assert_eq!(explanation.told, told, "{round} {what} {channel}: {explanation:#?}");
            if told.is_none() { yes += 1 } else { no += 1 }
        };
        for wish in
            ExplainWish::ALL.into_iter().filter(|wish| !matches!(wish, ExplainWish::Connect | ExplainWish::Subscribe))
        {
            let explanation = explained(&bench, &question(&text, wish, Some(&channel), true));
            compare(&explanation, over_rest(&bench, &text, wish, &channel), wish.word());
        }
        let mut connection = None;
        for _ in 0..2 {
            let explanation = explained(&bench, &question(&text, ExplainWish::Connect, None, false));
            let connected = bench.connect_from(&text, Some(ADDRESS), Some(ORIGIN));
            compare(&explanation, connected.as_ref().err().map(|error| error.kind.code()), "connect");
            connection = connection.or(connected.ok());
        }
        let Some(connection) = connection else { continue };
        for wish in
            ExplainWish::ALL.into_iter().filter(|wish| !matches!(wish, ExplainWish::Connect | ExplainWish::ReadState))
        {
            let explanation = explained(&bench, &question(&text, wish, Some(&channel), false));
            compare(&explanation, over_connection(&bench, connection, wish, &channel), wish.word());
        }
    }
    assert!(yes > 500 && no > 500, "{yes} {no}");
}

#[test]
fn each_rule_is_named_with_what_would_change_it() {
    let bench = Bench::new();
    bench.channel("room", ChannelType::Private);
    let room = ChannelId::new("room").unwrap();
    let none = bench.issue(NewToken::default());
    let in_it = bench.issue(NewToken { channels: vec![room.clone()], ..NewToken::default() });
    let grant = Grant { channels: "ro*".into(), operations: vec![Operation::Publish, Operation::History] };
    let granted = bench.with_terms(|terms| terms.grants = Some(vec![grant]));
    let capabilities = Some(Capabilities::from_bits(0).unwrap());
    let closed = ChannelUpdate { capabilities, ..ChannelUpdate::default() };
    bench.run(bench.node.change_channel(&bench.key, &room, closed)).unwrap();
    let table = [
        (&none, ExplainWish::Subscribe, false, Some("not_granted"), "there is none", true),
        (&none, ExplainWish::Publish, false, Some("not_subscribed"), "is not subscribed", true),
        (&none, ExplainWish::ReadState, true, Some("not_found"), "no such channel, as of any private one", true),
        (&in_it, ExplainWish::Publish, false, Some("not_granted"), "`token_publish` decides, which is off", true),
        (&in_it, ExplainWish::ReadHistory, true, None, "It is subscribed", false),
        (&granted, ExplainWish::Publish, true, None, "`publish,history:ro*` says so", false),
        (&granted, ExplainWish::SetState, true, Some("not_granted"), "1 capabilities, and none", true),
    ];
    for (issued, wish, over_rest, told, said, advised) in table {
        for text in [secret(issued), issued.token.id.to_string()] {
            let explanation = explained(&bench, &question(&text, wish, Some("room"), over_rest));
            let last = explanation.steps.last().unwrap();
            assert_eq!((explanation.told, last.advice.is_some()), (told, advised), "{wish:?} {explanation:#?}");
            assert!(last.said.contains(said), "{wish:?} {explanation:#?}");
            assert_eq!(explanation.token, Some(issued.token.id));
        }
    }
    let networks = bench.with_terms(|terms| terms.networks = vec!["10.1.0.0/16".into()]);
    let mut asked = question(&secret(&networks), ExplainWish::Connect, None, false);
    (asked.address, asked.origin) = (None, None);
    let unknown = explained(&bench, &asked);
    assert!(unknown.steps.iter().any(|step| (step.what, step.held) == (ExplainStep::Place, ExplainHeld::Unknown)));
    for (wish, channel, over_rest) in [
        (ExplainWish::Connect, Some("room"), false),
        (ExplainWish::Publish, None, false),
        (ExplainWish::Subscribe, Some("room"), true),
        (ExplainWish::ReadState, Some("room"), false),
    ] {
        let refused = bench.node.explain(&bench.key, &question("x", wish, channel, over_rest)).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::InvalidInput, "{wish:?}");
    }
    let own = Caller::Token { project: bench.project, token: none.token.id };
    let asked = question("x", ExplainWish::Connect, None, false);
    assert_eq!(bench.node.explain(&own, &asked).unwrap_err().kind, ErrorKind::Forbidden);
}
