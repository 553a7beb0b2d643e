//! The little of WebSocket that a load generator needs: a publication's frame as a template with a sequence number in it, client
//! frames, frame heads. Not a codec: fragments and extensions are refused.
use crate::dialect::{Hole, Shape};
use crate::failure::{Outcome, cannot};

/// Stands in front of the sequence number in the payload, so that it is found in any envelope.
const MARK: &[u8] = b"seq:";
const DIGITS: usize = 16;

/// The frame of a publication, WebSocket head included, in which only the sequence number varies, and what the protocol's
/// [`Hole`]s name.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    digits_at: usize,
    /// What a message consists of, in its order, but for the bytes behind the last gap.
    parts: Vec<Part>,
    tail_at: usize,
}

/// Bytes that every message has, and the gap behind them.
#[derive(Debug, Clone, Copy)]
struct Part {
    from: usize,
    to: usize,
    /// None is the sequence number.
    hole: Option<Hole>,
}

impl Template {
    /// Learns from a message that carries a [`payload`].
    pub(crate) fn learn(opcode: u8, message: &[u8], holes: &[Hole]) -> Option<Template> {
        sequence(message)?;
        let bytes = server(opcode, message);
        let message_at = bytes.len() - message.len();
        let behind = |word: &[u8]| Some(message_at + find(message, word)? + word.len());
        let digits_at = behind(MARK)?;
        let mut gaps = vec![(digits_at, digits_at + DIGITS, None)];
        for hole in holes {
            if let Some(begin) = behind(hole.after) {
                gaps.push((begin, begin + taken(*hole, &bytes[begin..]), Some(*hole)));
            }
        }
        gaps.sort_unstable_by_key(|(begin, ..)| *begin);
        let (mut parts, mut from) = (Vec::new(), message_at);
        for (begin, end, hole) in gaps {
            parts.push(Part { from, to: begin, hole });
            from = end;
        }
        Some(Template { bytes, digits_at, parts, tail_at: from })
    }

    /// The publication at the front of a frame's payload: its sequence number, and its bytes. Nothing if it is none as
    /// expected. It runs for every delivery, so it neither allocates nor searches.
    pub(crate) fn first(&self, opcode: u8, payload: &[u8]) -> Option<(u64, usize)> {
        if self.bytes[0] & 0x0f != opcode {
            return None;
        }
        let (mut at, mut sequence) = (0, 0);
        for part in &self.parts {
            let same = &self.bytes[part.from..part.to];
            if payload.get(at..at + same.len())? != same {
                return None;
            }
            at += same.len();
            at += match part.hole {
                Some(hole) => taken(hole, &payload[at..]),
                None => {
                    sequence = parse_digits(payload.get(at..at + DIGITS)?)?;
                    DIGITS
                }
            };
        }
        let tail = &self.bytes[self.tail_at..];
        (payload.get(at..at + tail.len())? == tail).then_some((sequence, at + tail.len()))
    }

    /// The frame that Hop's documentation describes, `bytes` long on the wire.
    pub(crate) fn documented(bytes: usize) -> Outcome<Template> {
        let frame = |padding| {
            let payload = payload(0, padding);
            let message =
                format!(r#"{{"op":0,"d":{{"c":"bench","u":false,"e":"MESSAGE","d":{{"e":"tick","d":"{payload}"}}}}}}"#);
            Template::learn(Shape::TEXT.opcode, message.as_bytes(), Shape::TEXT.holes)
        };
        let length = |template: &Option<Template>| template.as_ref().map_or(0, Template::len);
        let bare = length(&frame(0));
        // The head grows by two bytes at 126, so the padding is found by trying.
        let fitting = (0..=bytes.saturating_sub(bare)).rev().map(frame).find(|frame| length(frame) == bytes);
        match fitting.flatten() {
            Some(template) => Ok(template),
            None => cannot(format!("no frame of {bytes} bytes exists; the smallest has {bare}")),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn append(&self, sequence: u64, out: &mut Vec<u8>) {
        let start = out.len() + self.digits_at;
        out.extend_from_slice(&self.bytes);
        out[start..start + DIGITS].copy_from_slice(format!("{sequence:016}").as_bytes());
    }

    /// Spelling for the floor server's control connection.
    pub(crate) fn to_hex(&self) -> String {
        self.bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) fn from_hex(hex: &str) -> Option<Template> {
        let pair = |at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
        let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(pair).collect();
        let bytes = bytes?;
        let frame = receive(&bytes).ok()??;
        Template::learn(frame.opcode, frame.payload, &[])
    }
}

/// The sequence number of any message that carries a [`payload`].
pub(crate) fn sequence(message: &[u8]) -> Option<u64> {
    let at = find(message, MARK)? + MARK.len();
    parse_digits(message.get(at..at + DIGITS)?)
}

fn find(message: &[u8], word: &[u8]) -> Option<usize> {
    message.windows(word.len()).position(|window| window == word)
}

fn taken(hole: Hole, bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| (hole.takes)(byte)).count()
}

/// The text that a publication carries; needs no escaping in JSON.
pub(crate) fn payload(sequence: u64, padding: usize) -> String {
    format!("seq:{sequence:016}{}", ".".repeat(padding))
}

fn parse_digits(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |number, digit| {
        if digit.is_ascii_digit() { Some(number * 10 + u64::from(digit - b'0')) } else { None }
    })
}

/// An unmasked frame, as a server sends it.
fn server(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    push_length(payload.len(), 0, &mut frame);
    frame.extend_from_slice(payload);
    frame
}

/// A client's frame. The mask is all zeros: the protocol asks for a mask, only a browser needs it unpredictable.
pub(crate) fn client(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    push_length(payload.len(), 0x80, &mut frame);
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

fn push_length(length: usize, mask_bit: u8, frame: &mut Vec<u8>) {
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..126), _) => frame.push(mask_bit | short),
        (_, Ok(medium)) => {
            frame.push(mask_bit | 126);
            frame.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            frame.push(mask_bit | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

/// One whole frame at the front of a buffer.
#[derive(Debug, PartialEq)]
pub(crate) struct Received<'a> {
    pub(crate) opcode: u8,
    pub(crate) payload: &'a [u8],
    /// Bytes of the buffer that the frame takes.
    pub(crate) length: usize,
}

/// `Ok(None)` while the frame is incomplete.
pub(crate) fn receive(buffer: &[u8]) -> Outcome<Option<Received<'_>>> {
    let [first, second, ..] = *buffer else { return Ok(None) };
    if first & 0x70 != 0 || first & 0x80 == 0 || second & 0x80 != 0 {
        return cannot(format!(
            "the server sent a frame that is masked, fragmented or compressed: {first:#x} {second:#x}"
        ));
    }
    let (head, length) = match second {
        126 => match buffer.get(2..4) {
            Some(bytes) => (4, bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))),
            None => return Ok(None),
        },
        127 => match buffer.get(2..10) {
            Some(bytes) => (10, bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))),
            None => return Ok(None),
        },
        short => (2, usize::from(short)),
    };
    if length > 1 << 20 {
        return cannot(format!("the server sent a frame of {length} bytes; the bench takes up to 1 MiB"));
    }
    Ok(buffer.get(head..head + length).map(|payload| Received { opcode: first & 0x0f, payload, length: head + length }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// What one finds at the front of a buffer: the sequence number, and the bytes of the whole frame.
    fn first(template: &Template, wire: &[u8]) -> Option<(u64, usize)> {
        let frame = receive(wire).ok()??;
        let (sequence, length) = template.first(frame.opcode, frame.payload)?;
        (length == frame.payload.len()).then_some((sequence, frame.length))
    }

    #[test]
    fn a_documented_template_has_the_size_asked_for_and_carries_its_number() {
        for size in [120, 127, 131, 200, 1000, 70_000] {
            let template = Template::documented(size).unwrap();
            let mut wire = Vec::new();
            template.append(42, &mut wire);
            template.append(43, &mut wire);
            assert_eq!(wire.len(), 2 * size);
            assert_eq!(first(&template, &wire), Some((42, size)));
            assert_eq!(first(&template, &wire[size..]), Some((43, size)));
            assert_eq!(Template::from_hex(&template.to_hex()).unwrap().bytes, template.bytes);
        }
        assert!(Template::documented(20).is_err());
    }

    #[test]
    fn numbers_of_the_native_protocol_may_vary_and_nothing_else() {
        let native = |offset: u64, sequence: u64, at: u64| {
            let data = payload(sequence, 120);
            format!(
                r#"{{"push":"message","channel":"bench","offset":{offset},"event":"tick","data":"{data}","at":{at}}}"#
            )
        };
        let template = Template::learn(1, native(9, 1, 99).as_bytes(), crate::dialect::native::HOLES).unwrap();
        let mut wire = server(1, native(1_000, 2, 1_700_000_000_000).as_bytes());
        let length = wire.len();
        wire.extend(server(1, native(1_001, 3, 1).as_bytes()));
        assert_eq!(first(&template, &wire), Some((2, length)));
        assert_eq!(first(&template, &wire[length..]).unwrap().0, 3);
        assert_eq!(first(&template, &wire[..length - 1]), None);
        for at in 0..length {
            let mut altered = wire[..length].to_vec();
            altered[at] ^= 0x40;
            assert_eq!(first(&template, &altered), None, "byte {at}");
        }
    }

    #[test]
    fn several_messages_of_one_frame_are_taken_one_after_the_other() {
        let message = |sequence| format!(r#"{{"pub":{{"data":"{}"}}}}"#, payload(sequence, 3));
        let template = Template::learn(1, message(1).as_bytes(), &[]).unwrap();
        let both = format!("{}\n{}", message(5), message(6));
        let (sequence, length) = template.first(1, both.as_bytes()).unwrap();
        assert_eq!((sequence, both.as_bytes()[length]), (5, b'\n'));
        assert_eq!(template.first(1, &both.as_bytes()[length + 1..]).unwrap().0, 6);
        assert_eq!(template.first(2, both.as_bytes()), None, "a binary frame");
    }

    #[test]
    fn any_altered_byte_is_noticed() {
        let template = Template::documented(200).unwrap();
        let mut wire = Vec::new();
        template.append(7, &mut wire);
        for at in 0..wire.len() {
            let mut altered = wire.clone();
            altered[at] ^= 0x10;
            assert_ne!(first(&template, &altered), Some((7, 200)), "byte {at}");
        }
    }

    #[test]
    fn heads_of_every_length_are_read_and_incomplete_ones_wait() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536] {
            let frame = server(1, "x".repeat(length).as_bytes());
            let whole = receive(&frame).unwrap().unwrap();
            assert_eq!((whole.opcode, whole.payload.len(), whole.length), (1, length, frame.len()));
            for cut in [0, 1, 2, 3, 9, frame.len() - 1] {
                if cut < frame.len() {
                    assert_eq!(receive(&frame[..cut]).unwrap(), None, "{length} cut at {cut}");
                }
            }
        }
        assert!(receive(&[0x01, 0]).is_err(), "a fragment");
        assert!(receive(&[0xc1, 0]).is_err(), "a compressed frame");
        assert!(receive(&[0x81, 0x80]).is_err(), "a masked frame");
    }
}
