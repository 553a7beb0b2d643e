//! What is explained of a project's access hook is what a client meets: a question, an answer that is kept, or a rest. Nobody is asked by looking.

use tollgate_core::clock::Clock as _;
use tollgate_core::command::{Command, NewMessage, PresentedSecret, Reply};
use tollgate_core::ids::ChannelId;
use tollgate_core::json::JsonValue;
use tollgate_core::model::ChannelType;
use tollgate_core::records::{HookQuestion, HookRecord};
use tollgate_node::{ConnectionKey, ExplainQuestion, ExplainStep, ExplainVerdict, ExplainWish, NewToken};

use super::bench::{Bench, IssuedToken, secret};

const WISHES: [(ExplainWish, HookQuestion, &str); 3] = [
    (ExplainWish::Connect, HookQuestion::Connect, "forbidden"),
    (ExplainWish::Subscribe, HookQuestion::Subscribe, "not_granted"),
    (ExplainWish::Publish, HookQuestion::Publish, "not_granted"),
];

/// A hook, a private channel into which it lets, and a public one in which it lets publish, where the connection is.
fn place(question: HookQuestion, allow_on_failure: bool) -> (Bench, IssuedToken, ConnectionKey) {
    let bench = Bench::new();
    bench.channel("den", ChannelType::Private);
    bench.channel("room", ChannelType::Public);
    let token = bench.issue(NewToken { channels: vec![ChannelId::new("room").unwrap()], ..NewToken::default() });
    let connection = bench.connect(&secret(&token)).unwrap();
    let drawn = bench.node.draw_hook_secret().expose().to_string();
    bench.settings(|settings| {
        settings.hook = Some(HookRecord {
            url: "https://backend.example.com/hook".into(),
            secret: drawn.clone(),
            previous_secret: None,
            // Of private channels alone there is no leaving open.
            questions: if question == HookQuestion::Subscribe {
                vec![question, HookQuestion::Publish]
            } else {
                vec![question]
            },
            anonymous: false,
            timeout_ms: None,
            allow_on_failure,
        });
    });
    (bench, token, connection)
}

fn channel_of(wish: ExplainWish) -> Option<&'static str> {
    match wish {
        ExplainWish::Connect => None,
        ExplainWish::Publish => Some("room"),
        _ => Some("den"),
    }
}

/// What it comes to, what the client is told, and what is said of the hook.
fn explained(bench: &Bench, token: &IssuedToken, wish: ExplainWish) -> (ExplainVerdict, Option<&'static str>, String) {
    let question = ExplainQuestion {
        token: PresentedSecret::new(token.token.id.to_string()),
        wish,
        channel: channel_of(wish).map(|id| ChannelId::new(id).unwrap()),
        over_rest: false,
        address: None,
        origin: None,
    };
    let explanation = bench.node.explain(&bench.key, &question).unwrap();
    let last = explanation.steps.last().unwrap();
    assert_eq!(last.what, ExplainStep::Hook, "{explanation:#?}");
    (explanation.verdict, explanation.told, last.said.clone())
}

/// What happens: the code that the client is told; nothing where it may.
fn happens(bench: &Bench, token: &IssuedToken, connection: ConnectionKey, wish: ExplainWish) -> Option<&'static str> {
    let told = match wish {
        ExplainWish::Connect => bench.connect(&secret(token)).map(|_| None),
        ExplainWish::Publish => {
            bench.command(connection, Command::Publish(NewMessage::new("room", "said", JsonValue::null())))
        }
        _ => bench.command(connection, Command::Subscribe { channel: "den".into(), wish: None }),
    };
    match told {
        Ok(Some(Reply::NotAllowed)) => Some("not_granted"),
        Ok(_) => None,
        Err(error) => Some(error.kind.code()),
    }
}

#[test]
fn an_answer_that_is_kept_is_told_with_its_times_and_holds() {
    for (wish, question, denied) in WISHES {
        for allow in [true, false] {
            let (bench, token, connection) = place(question, true);
            let (verdict, told, said) = explained(&bench, &token, wish);
            assert_eq!((verdict, told), (ExplainVerdict::HookDecides, None), "{wish:?}");
            assert!(said.contains("is asked"), "{said}");
            let at = bench.clock.unix();
            let body = format!(r#"{{"allow":{allow},"cache_ms":60000,"reason":"because"}}"#);
            bench.outbound.answer_with(200, body.as_bytes());
            let expected = (!allow).then_some(denied);
            assert_eq!(happens(&bench, &token, connection, wish), expected, "{wish:?}");
            if wish == ExplainWish::Subscribe && allow {
                // It is subscribed now; the answer is of use when it is not any more.
                bench.command(connection, Command::Unsubscribe { channel: "den".into() }).unwrap();
            }
            bench.clock.advance(30_000);
            let (verdict, told, said) = explained(&bench, &token, wish);
            let (answer, comes_to) = if allow { ("yes", ExplainVerdict::Yes) } else { ("no", ExplainVerdict::No) };
            assert_eq!((verdict, told), (comes_to, expected), "{wish:?}");
            let until = at.plus(60_000);
            assert!(said.contains(&format!("it answered {answer} at {at}")), "{said}");
            assert!(said.contains(&format!("kept until {until}")), "{said}");
            assert_eq!(said.contains("“because”"), !allow, "{said}");
            assert_eq!(happens(&bench, &token, connection, wish), expected, "as it was said, of {wish:?}");
            assert_eq!(bench.outbound.take_calls().len(), 1, "nobody was asked again");
        }
    }
}

#[test]
fn a_hook_that_rests_is_told_with_what_holds_meanwhile() {
    for (wish, question, _) in WISHES {
        for allow in [false, true] {
            let (bench, token, connection) = place(question, allow);
            for _ in 0..5 {
                bench.outbound.answer_with(503, b"");
                happens(&bench, &token, connection, wish);
            }
            let lets = allow && wish != ExplainWish::Subscribe;
            let expected = (!lets).then_some("hook_unavailable");
            let (verdict, told, said) = explained(&bench, &token, wish);
            let comes_to = if lets { ExplainVerdict::Yes } else { ExplainVerdict::No };
            assert_eq!((verdict, told), (comes_to, expected), "{wish:?}");
            let until = bench.clock.unix().plus(5_000);
            assert!(said.contains(&format!("not asked until {until}")), "{said}");
            assert_eq!(happens(&bench, &token, connection, wish), expected, "as it was said, of {wish:?}");
            assert_eq!(bench.outbound.take_calls().len(), 5, "and nobody was asked");
            bench.clock.advance(5_000);
            assert_eq!(explained(&bench, &token, wish).0, ExplainVerdict::HookDecides, "it is tried again");
            assert_eq!(explained(&bench, &token, wish).0, ExplainVerdict::HookDecides, "looking is no try");
        }
    }
}
