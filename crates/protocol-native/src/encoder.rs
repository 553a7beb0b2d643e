//! The broadcast encodings. Not what one connection alone is told: that is the dialect's.

use tollgate_core::delivery::{Delivery, Encoder};

use crate::{sse, write};

/// Encodes what many WebSockets get, the same bytes for all of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct NativeEncoder;

impl Encoder for NativeEncoder {
    fn encode(&self, delivery: &Delivery, out: &mut Vec<u8>) -> bool {
        match delivery {
            Delivery::Message { channel, position, publication } => {
                write::message(out, channel, *position, publication);
            }
            Delivery::State { channel, state, version } => write::state(out, channel, state, *version),
            Delivery::Restarted { channel, position } => write::moved(out, channel, *position),
            Delivery::Presence { channel, count, changes } => write::presence(out, channel, *count, changes.as_ref()),
            Delivery::Deleted { channel } => write::unsubscribed(out, channel, "deleted"),
            Delivery::Direct { position, publication } => write::direct(out, *position, publication),
        }
        true
    }
}

/// Encodes the same as events of a stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct SseEncoder;

impl Encoder for SseEncoder {
    fn encode(&self, delivery: &Delivery, out: &mut Vec<u8>) -> bool {
        let mut data = Vec::new();
        let is_known = NativeEncoder.encode(delivery, &mut data);
        let (kind, id) = match delivery {
            Delivery::Message { channel, position, .. } => ("message", Some((channel, *position))),
            Delivery::State { .. } => ("state", None),
            Delivery::Restarted { channel, position } => ("position", Some((channel, *position))),
            Delivery::Presence { .. } => ("presence", None),
            Delivery::Deleted { .. } => ("unsubscribed", None),
            Delivery::Direct { .. } => ("direct", None),
        };
        if is_known {
            sse::event(out, id, kind, &data);
        }
        is_known
    }
}
