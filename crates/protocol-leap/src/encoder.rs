//! Leap's broadcast encoding. Not what one connection alone is told: that is the dialect's.

use tollgate_core::delivery::{Delivery, Encoder};

use crate::write;

/// Encodes what many connections get, the same bytes for all of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeapEncoder;

impl Encoder for LeapEncoder {
    fn encode(&self, delivery: &Delivery, out: &mut Vec<u8>) -> bool {
        match delivery {
            Delivery::Message { channel, publication, .. } => write::message(out, Some(channel), publication),
            Delivery::State { channel, state, .. } => write::state_update(out, channel, state),
            Delivery::Deleted { channel } => write::ended(out, channel, false),
            Delivery::Direct { publication, .. } => write::message(out, None, publication),
            // Leap has no word for these.
            Delivery::Restarted { .. } | Delivery::Presence { .. } => return false,
        }
        true
    }
}
