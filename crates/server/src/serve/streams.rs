//! The door of event streams, `/connect/sse`: what a `GET` asks for in its address and a `POST` in its body, both with their headers. Not what
//! follows from it, which is the dialect's.

use hyper::StatusCode;
use hyper::http::header::{AUTHORIZATION, HeaderName};
use hyper::http::request::Parts;
use hyper::http::{HeaderMap, Method};
use tollgate_api::percent_decode;
use tollgate_core::clock::UnixMillis;
use tollgate_core::command::{PresentedSecret, StartFrom};
use tollgate_core::delivery::Position;
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_gateway::{ErrorForm, Refused};
use tollgate_protocol_native::{SSE_CHANNELS_MAX, SseChannel, SseStart};

/// Longest query, in bytes: 16 channels with their positions.
const QUERY_BYTES_MAX: usize = 16 * 1024;
/// Most messages that a stream begins with.
const REWIND_MAX: u32 = 1_000;

/// What a browser sends when it reconnects (HTML standard, section 9.2.4).
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What the request asks for, if its head says all of it.
///
/// # Errors
/// The refusal, in the caller's words.
pub(super) fn start(head: &Parts) -> std::result::Result<Asked, Refused> {
    let query = head.uri.query().unwrap_or_default();
    match head.method {
        Method::GET => read(query, &head.headers).map(Asked::Whole).map_err(refused),
        Method::POST if query.is_empty() => Ok(Asked::InBody(Headers::of(&head.headers))),
        Method::POST => Err(refused(wrong("What a `POST` asks for is said in its body; leave the query out."))),
        _ => Err(Refused {
            status: StatusCode::METHOD_NOT_ALLOWED,
            code: "method_not_allowed",
            text: "An event stream is opened with GET or POST.".to_owned(),
            errors: ErrorForm::Problem,
        }),
    }
}

/// What a request asks for.
#[derive(Debug)]
pub(super) enum Asked {
    Whole(SseStart),
    /// The body says it, with these.
    InBody(Headers),
}

/// The headers that say something, kept until the body is there.
#[derive(Debug)]
pub(super) struct Headers {
    bearer: Option<PresentedSecret>,
    last: Option<String>,
}

impl Headers {
    fn of(headers: &HeaderMap) -> Self {
        let bearer = bearer(headers).map(|token| PresentedSecret::new(token.to_owned()));
        Self { bearer, last: last_event(headers).map(str::to_owned) }
    }

    /// What the body asks for.
    ///
    /// # Errors
    /// The refusal, in the caller's words.
    pub(super) fn with(self, body: &[u8]) -> std::result::Result<SseStart, Refused> {
        self.read(body).map_err(refused)
    }

    fn read(self, body: &[u8]) -> Result<SseStart> {
        let body = std::str::from_utf8(body)
            .map_err(|_| Error::new(ErrorKind::InvalidBody, "The body is not text in UTF-8."))?;
        let mut start = SseStart::read(body)?;
        resume_behind(&mut start, self.last.as_deref())?;
        authorize(&mut start, self.bearer)?;
        Ok(start)
    }
}

fn refused(error: Error) -> Refused {
    let status = match error.kind {
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    };
    Refused { status, code: error.kind.code(), text: error.detail, errors: ErrorForm::Problem }
}

fn wrong(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, why)
}

fn read(query: &str, headers: &HeaderMap) -> Result<SseStart> {
    if query.len() > QUERY_BYTES_MAX {
        return Err(wrong(format!("The query has {} bytes; at most {QUERY_BYTES_MAX} are allowed.", query.len())));
    }
    let mut start = SseStart::default();
    let (mut positions, mut rewind) = (Vec::new(), None);
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')).filter(|(_, value)| !value.is_empty())
    {
        let decoded = || percent_decode("query", value, true);
        match name {
            "project" => start.project = decoded()?,
            "channel" => start.channels.push(SseChannel { channel: decoded()?, ..SseChannel::default() }),
            "position" => positions.push(decoded()?),
            "rewind" => rewind = Some(decoded()?),
            "ticket" => start.token = Some(PresentedSecret::new(decoded()?)),
            "token" | "access_token" => {
                return Err(wrong(
                    "A token does not belong into an address, where proxies and logs keep it: send `Authorization: Bearer …`, or a `ticket` from `POST /v2/tickets`.",
                ));
            }
            other => {
                let shown: String = other.chars().take(32).collect();
                return Err(wrong(format!(
                    "The query has no `{shown}`; it has project, channel, position, rewind and ticket."
                )));
            }
        }
    }
    if start.project.is_empty() {
        return Err(wrong("The query names the `project`."));
    }
    if start.channels.is_empty() || start.channels.len() > SSE_CHANNELS_MAX {
        return Err(wrong(format!("The query names 1 to {SSE_CHANNELS_MAX} channels, each as `channel=…`.")));
    }
    for position in positions {
        place(&mut start.channels, &position)?;
    }
    resume_behind(&mut start, last_event(headers))?;
    if let Some(rewind) = rewind {
        let from = rewind_from(&rewind)?;
        let wishes = start.channels.iter_mut().map(|one| &mut one.wish);
        wishes.filter(|wish| wish.from.is_none()).for_each(|wish| wish.from = Some(from));
    }
    authorize(&mut start, bearer(headers).map(|token| PresentedSecret::new(token.to_owned())))?;
    Ok(start)
}

/// What a browser had last counts more than what was said when its stream was first opened. It may be of a channel that was not named: the
/// token was subscribed to it already.
fn resume_behind(start: &mut SseStart, last: Option<&str>) -> Result<()> {
    let Some((channel, position)) = last.and_then(|last| last.rsplit_once('@')) else {
        return last.map_or(Ok(()), |last| place(&mut start.channels, last));
    };
    if start.channels.iter().any(|one| one.channel == channel) {
        return place(&mut start.channels, last.unwrap_or_default());
    }
    let position = position.parse::<Position>()?;
    start.resume.positions.retain(|(other, _)| other != channel);
    start.resume.positions.push((channel.to_owned(), position));
    Ok(())
}

fn authorize(start: &mut SseStart, bearer: Option<PresentedSecret>) -> Result<()> {
    if start.token.is_some() && bearer.is_some() {
        return Err(wrong("Send a token or a ticket, and it once: in `Authorization`, or where the page says."));
    }
    start.token = start.token.take().or(bearer);
    Ok(())
}

fn last_event(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(LAST_EVENT_ID).and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    value.filter(|last| !last.is_empty())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Has a channel begin at `CHANNEL@POSITION`, or the only one at `POSITION`.
fn place(channels: &mut [SseChannel], text: &str) -> Result<()> {
    let (named, position) = match text.rsplit_once('@') {
        Some((channel, position)) => (Some(channel), position),
        None => (None, text),
    };
    let from = Some(StartFrom::Position(position.parse::<Position>()?));
    match (named, channels) {
        (None, [only]) => only.wish.from = from,
        (None, _) => return Err(wrong("With several channels a position is spelled `CHANNEL@POSITION`.")),
        (Some(named), channels) => match channels.iter_mut().find(|one| one.channel == named) {
            Some(one) => one.wish.from = from,
            None => return Err(wrong("A position is of a channel that the query does not name.")),
        },
    }
    Ok(())
}

/// `rewind=10`: the last ten messages; `rewind=since:MOMENT`: those from then on.
fn rewind_from(text: &str) -> Result<StartFrom> {
    let from = match text.strip_prefix("since:") {
        Some(at) => at.parse().ok().map(|at| StartFrom::Since(UnixMillis(at))),
        None => text.parse().ok().filter(|last| (1..=REWIND_MAX).contains(last)).map(StartFrom::Last),
    };
    from.ok_or_else(|| wrong(format!("`rewind` is a number of messages, 1 to {REWIND_MAX}, or `since:` and a moment.")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn told(query: &str, headers: &[(&'static str, &str)]) -> std::result::Result<String, String> {
        let (mut head, ()) = hyper::Request::get(format!("/connect/sse?{query}")).body(()).unwrap().into_parts();
        for (name, value) in headers {
            head.headers.append(*name, value.parse().unwrap());
        }
        let Ok(Asked::Whole(start)) = start(&head) else {
            return Err(start(&head).unwrap_err().text);
        };
        Ok(shown(start))
    }

    fn shown(start: SseStart) -> String {
        let from = |one: &SseChannel| format!("{} {:?}", one.channel, one.wish.from);
        let channels: Vec<_> = start.channels.iter().map(from).collect();
        let token = start.token.map(|token| token.expose().to_owned());
        let more: String =
            start.resume.positions.iter().map(|(channel, position)| format!(" + {channel} {position}")).collect();
        format!("{} {token:?} {}{more}", start.project, channels.join(", "))
    }

    /// What a `POST` comes to, with the status of a refusal.
    fn posted(body: &str, headers: &[(&'static str, &str)]) -> std::result::Result<String, String> {
        let (mut head, ()) = hyper::Request::post("/connect/sse").body(()).unwrap().into_parts();
        for (name, value) in headers {
            head.headers.append(*name, value.parse().unwrap());
        }
        let Ok(Asked::InBody(headers)) = start(&head) else { panic!("a POST says it in its body") };
        let refused = |refused: Refused| format!("{} {} {}", refused.status.as_u16(), refused.code, refused.text);
        headers.with(body.as_bytes()).map(shown).map_err(refused)
    }

    #[test]
    fn an_address_says_what_is_wanted() {
        let at = |offset| format!("Some(Position(Position {{ epoch: 26, offset: {offset} }}))");
        for (query, headers, expected) in [
            ("project=p&channel=a%2Bb", &[][..], "p None a+b None".to_owned()),
            ("project=p&channel=a&position=1a-7", &[], format!("p None a {}", at(7))),
            (
                "project=p&channel=a&channel=b&position=b@1a-7&ticket=tkt_1",
                &[],
                format!("p Some(\"tkt_1\") a None, b {}", at(7)),
            ),
            (
                "project=p&channel=a&rewind=5",
                &[("authorization", "bearer tgt_1")],
                "p Some(\"tgt_1\") a Some(Last(5))".to_owned(),
            ),
            (
                "project=p&channel=a&rewind=since:9&position=1a-1",
                &[("last-event-id", "a@1a-8")],
                format!("p None a {}", at(8)),
            ),
            // The token was subscribed to it already, and heard from it last.
            (
                "project=p&channel=a",
                &[("last-event-id", "other@place@1a-8")],
                "p None a None + other@place 1a-8".to_owned(),
            ),
        ] {
            assert_eq!(told(query, headers), Ok(expected), "{query}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_repeating_secrets() {
        for (query, headers, expected) in [
            ("channel=a", &[][..], "names the `project`"),
            ("project=p", &[], "1 to 16 channels"),
            ("project=p&channel=a&token=tgt_secret", &[], "does not belong into an address"),
            ("project=p&channel=a&x=1", &[], "has no `x`"),
            ("project=p&channel=a&position=zz", &[], "spelled like"),
            ("project=p&channel=a&position=b@1a-1", &[], "does not name"),
            ("project=p&channel=a&channel=b&position=1a-1", &[], "CHANNEL@POSITION"),
            ("project=p&channel=a&rewind=0", &[], "1 to 1000"),
            ("project=p&channel=a&ticket=tkt_1", &[("authorization", "Bearer tgt_1")], "it once"),
            ("project=p&channel=a", &[("last-event-id", "b@secret")], "spelled like"),
            ("project=p&channel=%ff", &[], "UTF-8"),
        ] {
            let why = told(query, headers).unwrap_err();
            assert!(why.contains(expected) && !why.contains("secret"), "{query}: {why}");
        }
        let many = "&channel=a".repeat(17);
        assert!(told(&format!("project=p{many}"), &[]).unwrap_err().contains("1 to 16"));
        assert!(told(&format!("project=p&channel={}", "a".repeat(20_000)), &[]).unwrap_err().contains("16384"));
    }
    #[test]
    fn a_body_says_what_is_wanted_beside_the_headers() {
        let at = |offset| format!("Some(Position(Position {{ epoch: 26, offset: {offset} }}))");
        let room = r#"{"connect":{"project":"p"},"subscribe":[{"channel":"a","position":"1a-7"}]}"#;
        for (body, headers, expected) in [
            (r#"{"connect":{"project":"p"}}"#, &[][..], Ok("p None ".to_owned())),
            (room, &[("authorization", "Bearer tgt_1")], Ok(format!("p Some(\"tgt_1\") a {}", at(7)))),
            (room, &[("last-event-id", "a@1a-8")], Ok(format!("p None a {}", at(8)))),
            (room, &[("last-event-id", "1a-9")], Ok(format!("p None a {}", at(9)))),
            (
                r#"{"connect":{"project":"p","ticket":"tkt_1","positions":{"b":"1a-1","c":"1a-2"}}}"#,
                &[("last-event-id", "b@1a-3")],
                Ok("p Some(\"tkt_1\")  + c 1a-2 + b 1a-3".to_owned()),
            ),
            (
                r#"{"connect":{"project":"p","token":"tgt_secret"}}"#,
                &[("authorization", "Bearer tgt_secret")],
                Err("400 invalid_input Send a token or a ticket, and it once"),
            ),
            (r#"{"connect":{"project":"p"},"subscribe":[{}]}"#, &[], Err("400 invalid_body subscribe[0]: missing")),
            (r#"{"connect":{"project":"p","sdk":""}}"#, &[], Err("400 invalid_input `sdk`")),
            ("project=p", &[], Err("400 invalid_body ")),
            (room, &[("last-event-id", "a@secret")], Err("400 invalid_input ")),
        ] {
            match (posted(body, headers), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{body}"),
                (Err(why), Err(expected)) => {
                    assert!(why.starts_with(expected) && !why.contains("secret"), "{body}: {why}");
                }
                (found, expected) => panic!("{body}: {found:?}, not {expected:?}"),
            }
        }
        let many: Vec<_> = (0..65).map(|_| r#"{"channel":"a"}"#).collect();
        let body = format!(r#"{{"connect":{{"project":"p"}},"subscribe":[{}]}}"#, many.join(","));
        assert!(posted(&body, &[]).unwrap_err().contains("at most 64"));
    }
}
