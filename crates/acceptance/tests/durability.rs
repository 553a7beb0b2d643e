//! kill -9 at random points under load. Whatever was acknowledged is there after the restart, whatever was refused or taken
//! back is not, and every start is clean.
//!
//! Each writer keeps a ledger of facts. An operation that got no answer leaves its facts in doubt: either is right.
//! A failure is repeated with `TOLLGATE_TEST_SEED`, as far as threads and fsync let it.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use tollgate_testkit::{Api, Random, Server};

const ROUNDS: usize = 24;
const WRITERS: u64 = 6;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Fact {
    Channel(String),
    Token(String, u64),
    Subscription(String, String),
}

impl Fact {
    /// Whether this one can only be while the other is.
    fn hangs_on(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Subscription(channel, _), Self::Channel(gone)) => channel == gone,
            (Self::Subscription(_, token), Self::Token(gone, _)) => token == gone,
            _ => false,
        }
    }
}

#[derive(Debug, Default)]
struct Ledger {
    present: BTreeSet<Fact>,
    absent: BTreeSet<Fact>,
    /// The own key of the shared state: acknowledged, and tried.
    patched: (u64, u64),
    count: u64,
    /// Operations that leave an entry in the audit log: acknowledged, and tried.
    audited: (u64, u64),
}

impl Ledger {
    fn appeared(&mut self, fact: Fact) {
        self.absent.remove(&fact);
        self.present.insert(fact);
    }

    /// Takes the fact and what hangs on it out of `present`; gives them.
    fn take(&mut self, fact: &Fact) -> Vec<Fact> {
        let gone: Vec<_> =
            self.present.iter().filter(|other| *other == fact || other.hangs_on(fact)).cloned().collect();
        self.present.retain(|fact| !gone.contains(fact));
        gone
    }

    fn any(&self, random: &mut Random, wanted: impl Fn(&Fact) -> bool) -> Option<Fact> {
        let all: Vec<_> = self.present.iter().filter(|fact| wanted(fact)).collect();
        let pick = usize::try_from(random.bits() >> 1).unwrap();
        (!all.is_empty()).then(|| all[pick % all.len()].clone())
    }
}

fn is_channel(fact: &Fact) -> bool {
    matches!(fact, Fact::Channel(_))
}

fn is_token(fact: &Fact) -> bool {
    matches!(fact, Fact::Token(..))
}

fn is_subscription(fact: &Fact) -> bool {
    matches!(fact, Fact::Subscription(..))
}

/// One request that must succeed or fail by the connection; gives the answer's `data`.
fn ask(api: &Api<'_>, method: &str, path: &str, body: Option<Value>) -> io::Result<Value> {
    let body = body.map(|body| body.to_string().into_bytes());
    let reply = api.try_call(method, path, body.as_deref())?;
    assert!(matches!(reply.status, 200 | 204), "{method} {path}: {reply:?}");
    Ok(if reply.status == 200 { reply.json()["data"].clone() } else { Value::Null })
}

/// Adds one fact.
fn add(api: &Api<'_>, writer: u64, ledger: &mut Ledger, random: &mut Random) -> io::Result<()> {
    ledger.count += 1;
    let n = ledger.count;
    let pair = (ledger.any(random, is_channel), ledger.any(random, is_token));
    let fact = match (random.below(3), pair) {
        (0, (Some(Fact::Channel(channel)), Some(Fact::Token(token, _)))) => {
            let fact = Fact::Subscription(channel.clone(), token.clone());
            ledger.absent.remove(&fact);
            ask(api, "PUT", &format!("/v1/channels/{channel}/subscribers/{token}"), None)?;
            fact
        }
        (1, _) => {
            let id = format!("w{writer}-{n}");
            ask(api, "PUT", &format!("/v1/channels/{id}"), Some(json!({"type": "private", "state": {"n": n}})))?;
            Fact::Channel(id)
        }
        _ => {
            let data = ask(api, "POST", "/v1/channels/tokens", Some(json!({"state": {"n": n}})))?;
            Fact::Token(data["token"]["id"].as_str().unwrap().to_owned(), n)
        }
    };
    ledger.appeared(fact);
    Ok(())
}

/// Counts what must leave an entry in the audit log. `work` says whether it asked for anything.
fn audited(ledger: &mut Ledger, work: impl FnOnce(&mut Ledger) -> io::Result<bool>) -> io::Result<()> {
    ledger.audited.1 += 1;
    ledger.audited.0 += u64::from(work(ledger)?);
    Ok(())
}

/// Takes one fact back, and what hangs on it.
fn take_back(api: &Api<'_>, ledger: &mut Ledger, random: &mut Random) -> io::Result<bool> {
    let wanted = [is_subscription, is_subscription, is_channel, is_token][usize::try_from(random.below(4)).unwrap()];
    let Some(fact) = ledger.any(random, wanted) else { return Ok(false) };
    let path = match &fact {
        Fact::Channel(id) => format!("/v1/channels/{id}"),
        Fact::Token(token, _) => format!("/v1/channels/tokens/{token}"),
        Fact::Subscription(channel, token) => format!("/v1/channels/{channel}/subscribers/{token}"),
    };
    let gone = ledger.take(&fact);
    ask(api, "DELETE", &path, None)?;
    ledger.absent.extend(gone);
    Ok(true)
}

/// Writes until the connection breaks.
fn write(api: &Api<'_>, writer: u64, ledger: &mut Ledger, mut random: Random) {
    loop {
        let done = match random.below(10) {
            0..6 => audited(ledger, |ledger| add(api, writer, ledger, &mut random).map(|()| true)),
            6..8 => audited(ledger, |ledger| take_back(api, ledger, &mut random)),
            _ => {
                ledger.patched.1 += 1;
                let patch = json!({(format!("w{writer}")): ledger.patched.1});
                ask(api, "PATCH", "/v1/channels/shared/state", Some(patch)).map(|_| ledger.patched.0 = ledger.patched.1)
            }
        };
        if done.is_err() {
            return;
        }
    }
}

/// Every fact that the server knows.
fn facts(api: &Api<'_>) -> BTreeSet<Fact> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut facts = BTreeSet::new();
    for channel in api.get("/v1/channels").data()["channels"].as_array().unwrap() {
        let id = text(&channel["id"]);
        if id == "shared" {
            continue;
        }
        assert!(id.ends_with(&format!("-{}", channel["state"]["n"])), "{channel}");
        for token in api.get(&format!("/v1/channels/{id}/tokens")).data()["tokens"].as_array().unwrap() {
            facts.insert(Fact::Subscription(id.clone(), text(&token["id"])));
        }
        facts.insert(Fact::Channel(id));
    }
    for token in api.get("/v1/channels/tokens").data()["tokens"].as_array().unwrap() {
        facts.insert(Fact::Token(text(&token["id"]), token["state"]["n"].as_u64().unwrap()));
    }
    facts
}

/// Compares what the server knows with all ledgers; gives what is wrong.
fn compare(actual: &BTreeSet<Fact>, shared: &Value, ledgers: &[Ledger]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (writer, ledger) in ledgers.iter().enumerate() {
        wrong.extend(ledger.present.difference(actual).map(|fact| format!("acknowledged and lost: {fact:?}")));
        wrong.extend(ledger.absent.intersection(actual).map(|fact| format!("taken back and still there: {fact:?}")));
        let (acked, tried) = ledger.patched;
        let n = shared[format!("w{writer}")].as_u64().unwrap_or(0);
        if n < acked || n > tried {
            wrong.push(format!("writer {writer}: state {n}, acknowledged {acked}, tried {tried}"));
        }
    }
    wrong
}

#[test]
fn b21_kill_9_at_random_points_loses_nothing_acknowledged() {
    let mut random = Random::announced("durability");
    let mut server = Server::start();
    server.api().channel("shared", "private", json!({}));
    let before = server.command(&["audit", "verify", "--json"])["last_sequence"].as_u64().unwrap();
    let mut ledgers: Vec<Ledger> = (0..WRITERS).map(|_| Ledger::default()).collect();
    for round in 0..ROUNDS {
        let pause = Duration::from_millis(20 + random.below(250));
        std::thread::scope(|scope| {
            for (writer, ledger) in (0..).zip(&mut ledgers) {
                let (api, random) = (server.api(), Random::seeded(random.bits()));
                scope.spawn(move || write(&api, writer, ledger, random));
            }
            // The random point: nothing is waited for here.
            std::thread::sleep(pause);
            kill(server.pid());
        });
        server.kill();
        if round % 3 == 0 {
            server.start_and_kill(Duration::from_millis(random.below(80)));
        }
        let announced = server.start_again();
        assert_eq!((&announced["project"], announced.get("key")), (&json!(server.project), None));
        let api = server.api();
        let shared = api.get("/v1/channels/shared/state").data()["state"].clone();
        let wrong = compare(&facts(&api), &shared, &ledgers);
        assert!(wrong.is_empty(), "round {round}: {wrong:#?}");
        // Each acknowledged change has its entry, none has two, and the chain holds.
        let log = server.command(&["audit", "verify", "--json"]);
        let entries = log["last_sequence"].as_u64().unwrap() - before;
        let sum = |pick: fn(&Ledger) -> u64| ledgers.iter().map(pick).sum::<u64>();
        let (acknowledged, tried) = (sum(|ledger| ledger.audited.0), sum(|ledger| ledger.audited.1));
        assert!(log["intact"] == true && (acknowledged..=tried).contains(&entries), "{acknowledged} to {tried}: {log}");
    }
    let written: u64 = ledgers.iter().map(|ledger| ledger.count + ledger.patched.0).sum();
    assert!(written > 500, "only {written} operations in {ROUNDS} rounds prove little");
    a_subscription_works_after_all(&server, &ledgers);
}

/// The recovered records are alive: a token that survived is let in, finds its channels, and hears from them.
fn a_subscription_works_after_all(server: &Server, ledgers: &[Ledger]) {
    let found = ledgers.iter().flat_map(|ledger| &ledger.present).find(|fact| is_subscription(fact));
    let Some(Fact::Subscription(channel, token)) = found else { panic!("no subscription is left") };
    let (mut leap, init) = server.identified(Some(token));
    assert!(init["channels"].as_array().unwrap().iter().any(|have| have["id"] == json!(channel)));
    server.api().publish(channel, "X", json!(1));
    leap.expect("MESSAGE", channel);
}

fn kill(pid: u32) {
    assert!(std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap().success());
}

#[test]
fn the_checker_sees_what_is_lost_and_what_came_back() {
    let channel = Fact::Channel("w0-1".into());
    let token = Fact::Token("t".into(), 2);
    let subscription = Fact::Subscription("w0-1".into(), "t".into());
    let mut ledger = Ledger { patched: (3, 4), ..Ledger::default() };
    for fact in [&channel, &token, &subscription] {
        ledger.appeared(fact.clone());
    }
    let all: BTreeSet<_> = [channel.clone(), token, subscription.clone()].into();
    let check = |actual: &BTreeSet<Fact>, n: u64, ledger: Ledger| compare(actual, &json!({"w0": n}), &[ledger]).len();
    assert_eq!(check(&all, 3, Ledger { present: all.clone(), patched: (3, 4), ..Ledger::default() }), 0);
    assert_eq!(check(&BTreeSet::new(), 4, Ledger { present: all.clone(), patched: (3, 4), ..Ledger::default() }), 3);
    assert_eq!(check(&all, 2, Ledger { patched: (3, 4), ..Ledger::default() }), 1);
    assert_eq!(check(&all, 5, Ledger { patched: (3, 4), ..Ledger::default() }), 1);
    let gone = ledger.take(&channel);
    assert_eq!(gone, [channel, subscription]);
    ledger.absent.extend(gone);
    assert_eq!(check(&all, 3, ledger), 2);
}
