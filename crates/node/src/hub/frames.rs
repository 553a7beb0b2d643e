//! Frames: one delivery as bytes, in each wire format that somebody listens in and in no other. Not when it is encoded: whoever writes asks.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tollgate_core::delivery::Delivery;

use super::{FormatIndex, WireFormat};

/// About what a protocol puts around the data of a message.
const AROUND: usize = 192;

/// A delivery that is encoded and framed once for a wire format, when a shard first writes in that format. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Frames(Arc<Encoded>);

#[derive(Debug)]
struct Encoded {
    delivery: Delivery,
    /// By wire format; empty bytes where a format has no word for the delivery.
    frames: Box<[OnceLock<Bytes>]>,
}

impl Frames {
    pub(super) fn new(delivery: Delivery, formats: usize) -> Self {
        let frames = (0..formats).map(|_| OnceLock::new()).collect();
        Self(Arc::new(Encoded { delivery, frames }))
    }

    /// The frame in a format; empty where the format has no word for it.
    pub(super) fn of(&self, format: FormatIndex, formats: &[WireFormat]) -> &Bytes {
        let place = usize::from(format.0);
        self.0.frames[place].get_or_init(|| encode(&self.0.delivery, &formats[place]))
    }
}

/// Encodes and frames a delivery in one wire format; empty where the format has no word for it.
pub(super) fn encode(delivery: &Delivery, format: &WireFormat) -> Bytes {
    let data = match delivery {
        Delivery::Message { publication, .. } | Delivery::Direct { publication, .. } => publication.data.as_str().len(),
        Delivery::State { state, .. } => state.as_str().len(),
        Delivery::Restarted { .. } | Delivery::Presence { .. } | Delivery::Deleted { .. } => 0,
    };
    let mut payload = Vec::with_capacity(AROUND + data);
    let mut framed = Vec::new();
    if format.encoder.encode(delivery, &mut payload) {
        framed.reserve_exact(payload.len() + 10);
        (format.frame)(&payload, &mut framed);
    }
    Bytes::from(framed)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tollgate_core::delivery::Encoder;
    use tollgate_core::ids::ChannelId;

    use super::*;

    /// Says how often it was asked, and has a word for nothing but deletions.
    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl Encoder for Counting {
        fn encode(&self, delivery: &Delivery, out: &mut Vec<u8>) -> bool {
            self.0.fetch_add(1, Ordering::Relaxed);
            out.extend_from_slice(b"gone");
            matches!(delivery, Delivery::Deleted { .. })
        }
    }

    fn framed(payload: &[u8], out: &mut Vec<u8>) {
        out.push(b'<');
        out.extend_from_slice(payload);
    }

    #[test]
    fn each_format_is_encoded_once_and_only_if_somebody_wants_it() {
        let encoders: [Arc<Counting>; 2] = std::array::from_fn(|_| Arc::default());
        let format = |encoder: &Arc<Counting>| WireFormat {
            name: "",
            encoder: encoder.clone(),
            frame: framed,
            frame_bytes: <[u8]>::len,
        };
        let formats: Vec<_> = encoders.iter().map(format).collect();
        let asked = || encoders.each_ref().map(|encoder| encoder.0.load(Ordering::Relaxed));
        let channel = ChannelId::from_number(1);
        let frames = Frames::new(Delivery::Deleted { channel: channel.clone() }, formats.len());
        assert_eq!(asked(), [0, 0], "nobody listens");
        for _ in 0..2 {
            assert_eq!(frames.clone().of(FormatIndex(1), &formats), &b"<gone"[..]);
        }
        assert_eq!(asked(), [0, 1]);
        let position = tollgate_core::delivery::Position::default();
        let wordless = Frames::new(Delivery::Restarted { channel, position }, formats.len());
        for _ in 0..2 {
            assert!(wordless.of(FormatIndex(0), &formats).is_empty());
        }
        assert_eq!(asked(), [1, 1], "that it has no word for it is known, too");
    }
}
