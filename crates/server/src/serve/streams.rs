//! The door of event streams, `GET /connect/sse`: what its address and headers ask for. Not what follows from it, which is the dialect's.

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

/// What the request asks for.
///
/// # Errors
/// The refusal, in the caller's words.
pub(super) fn start(head: &Parts) -> std::result::Result<SseStart, Refused> {
    if head.method != Method::GET {
        return Err(Refused {
            status: StatusCode::METHOD_NOT_ALLOWED,
            code: "method_not_allowed",
            text: "An event stream is opened with GET.".to_owned(),
            errors: ErrorForm::Problem,
        });
    }
    read(head.uri.query().unwrap_or_default(), &head.headers).map_err(|error| Refused {
        status: StatusCode::BAD_REQUEST,
        code: error.kind.code(),
        text: error.detail,
        errors: ErrorForm::Problem,
    })
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
            "channel" => start.channels.push(SseChannel { channel: decoded()?, from: None }),
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
    // What a browser had last counts more than what its address said when it was made.
    if let Some(last) = headers
        .get(LAST_EVENT_ID)
        .and_then(|value| std::str::from_utf8(value.as_bytes()).ok())
        .filter(|last| !last.is_empty())
    {
        positions.push(last.to_owned());
    }
    for position in positions {
        place(&mut start.channels, &position)?;
    }
    if let Some(rewind) = rewind {
        let from = rewind_from(&rewind)?;
        start.channels.iter_mut().filter(|one| one.from.is_none()).for_each(|one| one.from = Some(from));
    }
    if let Some(bearer) = bearer(headers) {
        if start.token.is_some() {
            return Err(wrong("Send a token or a ticket, not both."));
        }
        start.token = Some(PresentedSecret::new(bearer.to_owned()));
    }
    Ok(start)
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
        (None, [only]) => only.from = from,
        (None, _) => return Err(wrong("With several channels a position is spelled `CHANNEL@POSITION`.")),
        (Some(named), channels) => match channels.iter_mut().find(|one| one.channel == named) {
            Some(one) => one.from = from,
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
        let start = start(&head).map_err(|refused| refused.text)?;
        let channels: Vec<_> = start.channels.iter().map(|one| format!("{} {:?}", one.channel, one.from)).collect();
        let token = start.token.map(|token| token.expose().to_owned());
        Ok(format!("{} {token:?} {}", start.project, channels.join(", ")))
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
            ("project=p&channel=a&ticket=tkt_1", &[("authorization", "Bearer tgt_1")], "not both"),
            ("project=p&channel=%ff", &[], "UTF-8"),
        ] {
            let why = told(query, headers).unwrap_err();
            assert!(why.contains(expected) && !why.contains("secret"), "{query}: {why}");
        }
        let many = "&channel=a".repeat(17);
        assert!(told(&format!("project=p{many}"), &[]).unwrap_err().contains("1 to 16"));
        assert!(told(&format!("project=p&channel={}", "a".repeat(20_000)), &[]).unwrap_err().contains("16384"));
    }
}
