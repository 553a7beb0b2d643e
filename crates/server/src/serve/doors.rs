//! Which paths become a WebSocket, and which dialect and wire format are spoken behind each.

use std::sync::Arc;

use hyper::StatusCode;
use hyper::http::request::Parts;
use tollgate_gateway::{Door, Doors, Opening, Transport, frame};
use tollgate_node::{FormatIndex, WireFormat};
use tollgate_protocol_leap::{LeapConfig, LeapDialect, LeapEncoder, check_query};

/// The place of Leap in [`formats`].
const LEAP: FormatIndex = FormatIndex(0);

/// The wire formats of all doors.
pub(super) fn formats() -> Vec<WireFormat> {
    vec![WireFormat {
        name: "leap",
        encoder: Arc::new(LeapEncoder),
        frame: frame::encode_text,
        frame_bytes: frame::frame_bytes,
    }]
}

/// All doors.
pub(super) fn doors(leap: Arc<LeapConfig>) -> impl Doors {
    move |head: &Parts| match head.uri.path() {
        "/ws" | "/1.0/ws" => match check_query(head.uri.query()) {
            Ok(()) => Door::Open(Opening {
                dialect: Box::new(LeapDialect::new(Arc::clone(&leap))),
                format: LEAP,
                transport: Transport::WebSocket { subprotocol: None },
            }),
            Err(text) => Door::Refused { status: StatusCode::BAD_REQUEST, text },
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
        let doors = doors(Arc::default());
        for (uri, expected) in [
            ("/ws", "open"),
            ("/ws?encoding=json&compression=zlib", "open"),
            ("/1.0/ws", "open"),
            ("/ws?encoding=etf", "refused"),
            ("/ws/", "elsewhere"),
            ("/v1/channels", "elsewhere"),
            ("/", "elsewhere"),
        ] {
            let (head, ()) = hyper::Request::get(uri).body(()).unwrap().into_parts();
            let found = match doors.knock(&head) {
                Door::Elsewhere => "elsewhere",
                Door::Refused { status, .. } => {
                    assert_eq!(status, 400);
                    "refused"
                }
                Door::Open(opening) => {
                    assert_eq!(opening.format, LEAP);
                    "open"
                }
            };
            assert_eq!(found, expected, "{uri}");
        }
    }

    #[test]
    fn the_format_of_leap_is_in_its_place() {
        assert_eq!(formats()[usize::from(LEAP.0)].name, "leap");
    }
}
