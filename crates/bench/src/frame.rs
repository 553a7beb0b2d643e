//! The little of WebSocket and of Leap that a load generator needs: the broadcast frame as a template with a sequence
//! number in it, client frames, frame heads. Not a codec: fragments and extensions are refused.
use crate::failure::{Outcome, cannot};

/// Stands in front of the sequence number in the payload, so that it is found in any envelope.
const MARK: &[u8] = b"seq:";
const DIGITS: usize = 16;

/// What varies beside the sequence number in a frame of the native protocol: numbers of as many digits as they like.
const NUMBERS: [&[u8]; 2] = [b"\"offset\":", b"\"at\":"];

/// A broadcast frame as it goes over the wire, WebSocket head included, in which only the sequence number varies; in a frame of the native protocol
/// also the offset and the moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    digits_at: usize,
    /// Where other numbers begin, and how many digits they have here.
    numbers: Vec<(usize, usize)>,
}

impl Template {
    /// Learns from a whole frame that carries a [`payload`].
    pub(crate) fn learn(frame: &[u8]) -> Option<Template> {
        let at = frame.windows(MARK.len()).position(|window| window == MARK)? + MARK.len();
        parse_digits(frame.get(at..at + DIGITS)?)?;
        let number = |word: &[u8]| {
            let begin = frame.windows(word.len()).position(|window| window == word)? + word.len();
            Some((begin, frame[begin..].iter().take_while(|byte| byte.is_ascii_digit()).count()))
        };
        let mut numbers: Vec<_> = NUMBERS.into_iter().filter_map(number).collect();
        numbers.sort_unstable();
        Some(Template { bytes: frame.to_vec(), digits_at: at, numbers })
    }

    /// The broadcast at the front of a buffer: its sequence number, and its bytes. Nothing if it is none, or not whole.
    pub(crate) fn first(&self, buffer: &[u8]) -> Option<(u64, usize)> {
        if self.numbers.is_empty() {
            return buffer.get(..self.len()).and_then(|frame| self.sequence(frame)).map(|number| (number, self.len()));
        }
        let length = receive(buffer).ok()??.length;
        let frame = &buffer[..length];
        // The heads say lengths, which vary, too: what is compared begins behind them.
        let head = |frame: &[u8]| if frame[1] == 126 { 4 } else { 2 };
        let (mut mine, mut theirs, mut sequence) = (head(&self.bytes), head(frame), None);
        let marks = self.numbers.iter().map(|(at, digits)| (*at, *digits, false));
        let mut marks: Vec<_> = marks.chain([(self.digits_at, DIGITS, true)]).collect();
        marks.sort_unstable();
        for (at, digits, is_sequence) in marks {
            let same = at - mine;
            if frame.get(theirs..theirs + same)? != &self.bytes[mine..at] {
                return None;
            }
            theirs += same;
            let theirs_digits = frame[theirs..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            if is_sequence {
                sequence = parse_digits(frame.get(theirs..theirs + DIGITS)?);
                theirs += DIGITS;
            } else {
                theirs += theirs_digits;
            }
            mine = at + digits;
        }
        (frame.get(theirs..)? == &self.bytes[mine..]).then_some((sequence?, length))
    }

    /// The frame that Hop's documentation describes, `bytes` long on the wire.
    pub(crate) fn documented(bytes: usize) -> Outcome<Template> {
        let frame = |padding| {
            let payload = payload(0, padding);
            server_text(&format!(
                r#"{{"op":0,"d":{{"c":"bench","u":false,"e":"MESSAGE","d":{{"e":"tick","d":"{payload}"}}}}}}"#
            ))
        };
        let bare = frame(0).len();
        // The head grows by two bytes at 126, so the padding is found by trying.
        let fitting = (0..=bytes.saturating_sub(bare)).rev().map(frame).find(|frame| frame.len() == bytes);
        match fitting.as_deref().and_then(Template::learn) {
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

    /// The sequence number, if `frame` equals the template in every other byte.
    pub(crate) fn sequence(&self, frame: &[u8]) -> Option<u64> {
        let after = self.digits_at + DIGITS;
        let same = frame.len() == self.len()
            && frame[..self.digits_at] == self.bytes[..self.digits_at]
            && frame[after..] == self.bytes[after..];
        if same { parse_digits(&frame[self.digits_at..after]) } else { None }
    }

    /// Spelling for the floor server's control connection.
    pub(crate) fn to_hex(&self) -> String {
        self.bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) fn from_hex(hex: &str) -> Option<Template> {
        let pair = |at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
        let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(pair).collect();
        Template::learn(&bytes?)
    }
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

/// An unmasked text frame, as a server sends it.
fn server_text(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    push_length(text.len(), 0, &mut frame);
    frame.extend_from_slice(text.as_bytes());
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

    #[test]
    fn a_documented_template_has_the_size_asked_for_and_carries_its_number() {
        for size in [120, 127, 131, 200, 1000, 70_000] {
            let template = Template::documented(size).unwrap();
            let mut wire = Vec::new();
            template.append(42, &mut wire);
            template.append(43, &mut wire);
            assert_eq!(wire.len(), 2 * size);
            assert_eq!(template.sequence(&wire[..size]), Some(42));
            assert_eq!(template.sequence(&wire[size..]), Some(43));
            assert_eq!(receive(&wire).unwrap().unwrap().length, size);
            assert_eq!(Template::from_hex(&template.to_hex()).unwrap(), template);
        }
        assert!(Template::documented(20).is_err());
    }

    #[test]
    fn numbers_of_the_native_protocol_may_vary_and_nothing_else() {
        let native = |offset: u64, sequence: u64, at: u64| {
            let data = payload(sequence, 120);
            server_text(&format!(
                r#"{{"push":"message","channel":"bench","offset":{offset},"event":"tick","data":"{data}","at":{at}}}"#
            ))
        };
        let template = Template::learn(&native(9, 1, 99)).unwrap();
        let mut wire = native(1_000, 2, 1_700_000_000_000);
        let length = wire.len();
        wire.extend(native(1_001, 3, 1));
        assert_eq!(template.first(&wire), Some((2, length)));
        assert_eq!(template.first(&wire[length..]).unwrap().0, 3);
        assert_eq!(template.first(&wire[..length - 1]), None);
        for at in 4..length {
            let mut altered = wire.clone();
            altered[at] ^= 0x40;
            assert_eq!(template.first(&altered), None, "byte {at}");
        }
    }

    #[test]
    fn any_altered_byte_is_noticed() {
        let template = Template::documented(200).unwrap();
        let mut wire = Vec::new();
        template.append(7, &mut wire);
        for at in 0..wire.len() {
            let mut altered = wire.clone();
            altered[at] ^= 0x10;
            assert_ne!(template.sequence(&altered), Some(7), "byte {at}");
        }
    }

    #[test]
    fn heads_of_every_length_are_read_and_incomplete_ones_wait() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536] {
            let frame = server_text(&"x".repeat(length));
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
