//! Which paths become a WebSocket, and which dialect and wire format are spoken behind each.

use std::sync::Arc;

use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use tollgate_core::delivery::Encoder;
use tollgate_gateway::{Door, Doors, ErrorForm, Opening, Reading, Refused, Transport, events, frame};
use tollgate_node::{FormatIndex, WireFormat};
use tollgate_protocol_leap::{LeapConfig, LeapDialect, LeapEncoder, check_query};
use tollgate_protocol_native::{NativeConfig, NativeDialect, NativeEncoder, SSE_BODY_BYTES_MAX, SseEncoder, SseStart};

use super::streams::{self, Asked};

/// The places in [`formats`].
const LEAP: FormatIndex = FormatIndex(0);
const NATIVE: FormatIndex = FormatIndex(1);
const EVENTS: FormatIndex = FormatIndex(2);

/// The subprotocol of our own protocol.
const SUBPROTOCOL: &str = "tollgate.v1";

/// The wire formats of all doors.
pub(super) fn formats() -> Vec<WireFormat> {
    let socket = |name, encoder: Arc<dyn Encoder>| WireFormat {
        name,
        encoder,
        frame: frame::encode_text,
        frame_bytes: frame::frame_bytes,
    };
    let stream = WireFormat {
        name: "events",
        encoder: Arc::new(SseEncoder),
        frame: events::frame,
        frame_bytes: events::frame_bytes,
    };
    vec![socket("leap", Arc::new(LeapEncoder)), socket("native", Arc::new(NativeEncoder)), stream]
}

/// The door of an event stream.
fn stream(native: Arc<NativeConfig>, asked: Result<SseStart, Refused>) -> Door {
    match asked {
        Ok(start) => Door::Open(Opening {
            dialect: Box::new(NativeDialect::stream(native, start)),
            format: EVENTS,
            transport: Transport::Events,
            errors: ErrorForm::Problem,
        }),
        Err(refused) => Door::Refused(refused),
    }
}

/// All doors.
pub(super) fn doors(leap: Arc<LeapConfig>, native: Arc<NativeConfig>) -> impl Doors {
    move |head: &Parts| match head.uri.path() {
        "/ws" | "/1.0/ws" => match check_query(head.uri.query()) {
            Ok(()) => Door::Open(Opening {
                dialect: Box::new(LeapDialect::new(Arc::clone(&leap))),
                format: LEAP,
                transport: Transport::WebSocket { subprotocol: None },
                errors: ErrorForm::Envelope,
            }),
            Err(text) => Door::Refused(Refused {
                status: StatusCode::BAD_REQUEST,
                code: "invalid_input",
                text,
                errors: ErrorForm::Envelope,
            }),
        },
        "/connect" => Door::Open(Opening {
            dialect: Box::new(NativeDialect::new(Arc::clone(&native))),
            format: NATIVE,
            transport: Transport::WebSocket { subprotocol: Some(SUBPROTOCOL) },
            errors: ErrorForm::Problem,
        }),
        // What a browser asks before it sends a token in a header is answered where all such questions are.
        "/connect/sse" if head.method == Method::OPTIONS => Door::Elsewhere,
        "/connect/sse" => match streams::start(head) {
            Ok(Asked::Whole(start)) => stream(Arc::clone(&native), Ok(start)),
            Ok(Asked::InBody(headers)) => {
                let native = Arc::clone(&native);
                Door::Read(Reading {
                    bytes_max: SSE_BODY_BYTES_MAX,
                    decide: Box::new(move |body| stream(native, headers.with(body))),
                    errors: ErrorForm::Problem,
                })
            }
            Err(refused) => Door::Refused(refused),
        },
        _ => Door::Elsewhere,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn doors_are_where_hops_clients_knock() {
        let doors = doors(Arc::default(), Arc::default());
        for (uri, expected) in [
            ("/ws", "open"),
            ("/ws?encoding=json&compression=zlib", "open"),
            ("/1.0/ws", "open"),
            ("/ws?encoding=etf", "refused"),
            ("/connect", "open"),
            ("/ws/", "elsewhere"),
            ("/v1/channels", "elsewhere"),
            ("/", "elsewhere"),
        ] {
            let (head, ()) = hyper::Request::get(uri).body(()).unwrap().into_parts();
            let found = match doors.knock(&head) {
                Door::Elsewhere => "elsewhere",
                Door::Read(_) => "read",
                Door::Refused(refused) => {
                    assert_eq!(refused.status, 400);
                    "refused"
                }
                Door::Open(opening) => {
                    assert_eq!(opening.format, if uri == "/connect" { NATIVE } else { LEAP });
                    "open"
                }
            };
            assert_eq!(found, expected, "{uri}");
        }
    }

    #[test]
    fn each_format_is_in_its_place() {
        assert_eq!(formats()[usize::from(LEAP.0)].name, "leap");
        assert_eq!(formats()[usize::from(NATIVE.0)].name, "native");
    }
}
