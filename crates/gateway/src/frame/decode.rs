//! The incremental decoder.
//!
//! The common case, a whole frame in the buffer, is unmasked in place and handed out as a slice. Everything else goes through
//! [`Partial`], which exists only while a header, a frame or a fragmented message is incomplete. Nothing is allocated by a
//! declared length: memory grows with bytes that have arrived.

use std::borrow::Cow;

use super::{Event, FrameLimits, Opcode, Violation, close, header::Header, mask::unmask, utf8::Utf8};

/// One client's side of the wire. Idle, it owns no memory beyond this pointer.
#[derive(Debug, Default)]
pub struct Decoder {
    partial: Option<Box<Partial>>,
}

/// One step of decoding: how many bytes of the input are used up, and what they completed.
#[derive(Debug, PartialEq, Eq)]
pub struct Step<'a> {
    pub consumed: usize,
    pub event: Option<Event<'a>>,
}

/// What has arrived of something incomplete.
#[derive(Debug, Default)]
struct Partial {
    /// The first bytes of a header whose end has not arrived.
    head: [u8; 14],
    head_len: u8,
    frame: Option<OpenFrame>,
    message: Option<OpenMessage>,
    /// Payload of an incomplete control frame, at most 125 bytes.
    control: Vec<u8>,
}

/// A frame whose header is known and whose payload is not all here.
#[derive(Debug, Clone, Copy)]
struct OpenFrame {
    header: Header,
    taken: u64,
}

/// A message whose last byte is not here, already unmasked and, if text, already checked.
#[derive(Debug)]
struct OpenMessage {
    is_text: bool,
    bytes: Vec<u8>,
    fragments: u32,
    utf8: Utf8,
}

impl Decoder {
    /// Whether nothing incomplete is held.
    pub fn is_idle(&self) -> bool {
        self.partial.is_none()
    }

    /// Bytes held on the heap for what is incomplete.
    pub fn held_bytes(&self) -> usize {
        let Some(partial) = &self.partial else { return 0 };
        let message = partial.message.as_ref().map_or(0, |message| message.bytes.capacity());
        size_of::<Partial>() + partial.control.capacity() + message
    }

    /// Takes at most one event from the front of `input`, which is unmasked in place. Call again with what is left, until
    /// `input` is used up. After an error the connection must be failed: the decoder is not usable any more.
    pub fn decode<'a>(&mut self, input: &'a mut [u8], limits: &FrameLimits) -> Result<Step<'a>, Violation> {
        let Some(partial) = self.partial.as_deref() else { return self.decode_fresh(input, limits) };
        if partial.frame.is_some() {
            return self.continue_frame(input, 0);
        }
        if partial.head_len > 0 {
            return self.continue_header(input, limits);
        }
        self.decode_fresh(input, limits)
    }

    /// The input starts with a header.
    fn decode_fresh<'a>(&mut self, input: &'a mut [u8], limits: &FrameLimits) -> Result<Step<'a>, Violation> {
        let Some(header) = Header::parse(input)? else {
            let partial = self.partial.get_or_insert_default();
            partial.head[..input.len()].copy_from_slice(input);
            partial.head_len = input.len() as u8;
            self.drop_if_idle();
            return Ok(Step { consumed: input.len(), event: None });
        };
        self.admit(&header, limits)?;
        let whole = header.fin && header.opcode != Opcode::Continuation;
        let end = header.length.saturating_add(header.header_len as u64);
        if !whole || end > input.len() as u64 {
            self.open_frame(header);
            return self.continue_frame(input, header.header_len);
        }
        let end = end as usize;
        let payload = &mut input[header.header_len..end];
        unmask(payload, header.mask, 0);
        Ok(Step { consumed: end, event: Some(whole_event(header.opcode, payload)?) })
    }

    /// The input starts with the rest of a header.
    fn continue_header<'a>(&mut self, input: &'a mut [u8], limits: &FrameLimits) -> Result<Step<'a>, Violation> {
        let partial = self.partial.get_or_insert_default();
        let had = usize::from(partial.head_len);
        let take = input.len().min(partial.head.len() - had);
        partial.head[had..had + take].copy_from_slice(&input[..take]);
        let Some(header) = Header::parse(&partial.head[..had + take])? else {
            partial.head_len += take as u8;
            return Ok(Step { consumed: take, event: None });
        };
        partial.head_len = 0;
        self.admit(&header, limits)?;
        self.open_frame(header);
        self.continue_frame(input, header.header_len - had)
    }

    /// The checks of a header that depend on what came before it and on limits.
    fn admit(&self, header: &Header, limits: &FrameLimits) -> Result<(), Violation> {
        if header.opcode.is_control() {
            return Ok(());
        }
        let message = self.partial.as_ref().and_then(|partial| partial.message.as_ref());
        let (held, fragments) = match (header.opcode, message) {
            (Opcode::Continuation, None) => return Err(Violation::ContinuationWithoutStart),
            (Opcode::Continuation, Some(message)) => (message.bytes.len(), message.fragments),
            (_, Some(_)) => return Err(Violation::StartInsideMessage),
            (_, None) => (0, 0),
        };
        if header.length > limits.message_bytes_max.saturating_sub(held) as u64 {
            return Err(Violation::MessageTooLong { bytes_max: limits.message_bytes_max });
        }
        if fragments >= limits.fragments_max {
            return Err(Violation::TooManyFragments { fragments_max: limits.fragments_max });
        }
        Ok(())
    }

    fn open_frame(&mut self, header: Header) {
        let partial = self.partial.get_or_insert_default();
        partial.frame = Some(OpenFrame { header, taken: 0 });
        match header.opcode {
            Opcode::Close | Opcode::Ping | Opcode::Pong => {}
            Opcode::Text | Opcode::Binary | Opcode::Continuation => {
                let message = partial.message.get_or_insert_with(|| OpenMessage {
                    is_text: header.opcode == Opcode::Text,
                    bytes: Vec::new(),
                    fragments: 0,
                    utf8: Utf8::default(),
                });
                message.fragments += 1;
            }
        }
    }

    /// Takes payload of the open frame from `input[skip..]`.
    fn continue_frame<'a>(&mut self, input: &'a mut [u8], skip: usize) -> Result<Step<'a>, Violation> {
        let partial = self.partial.get_or_insert_default();
        let frame = partial.frame.as_mut().expect("invariant: called with an open frame only");
        let left = frame.header.length - frame.taken;
        let take = usize::try_from(left).map_or(input.len() - skip, |left| left.min(input.len() - skip));
        let consumed = skip + take;
        let payload = &mut input[skip..consumed];
        unmask(payload, frame.header.mask, (frame.taken % 4) as usize);
        frame.taken += take as u64;
        let whole = frame.taken == frame.header.length;
        let header = frame.header;
        if whole {
            partial.frame = None;
        }
        let event = if header.opcode.is_control() {
            partial.control.extend_from_slice(payload);
            if whole {
                Some(whole_event(header.opcode, &std::mem::take(&mut partial.control))?.into_owned())
            } else {
                None
            }
        } else {
            partial.take_data(payload, whole && header.fin)?
        };
        self.drop_if_idle();
        Ok(Step { consumed, event })
    }

    fn drop_if_idle(&mut self) {
        if self.partial.as_ref().is_some_and(|p| p.frame.is_none() && p.message.is_none() && p.head_len == 0) {
            self.partial = None;
        }
    }
}

impl Partial {
    /// Adds payload to the open message and hands it out when `last`.
    fn take_data(&mut self, payload: &[u8], last: bool) -> Result<Option<Event<'static>>, Violation> {
        let message = self.message.as_mut().expect("invariant: a data frame is open, so its message is");
        if message.is_text {
            message.utf8.push(payload).map_err(|_| Violation::TextNotUtf8)?;
            if last && !message.utf8.is_whole() {
                return Err(Violation::TextNotUtf8);
            }
        }
        message.bytes.extend_from_slice(payload);
        if !last {
            return Ok(None);
        }
        let Some(OpenMessage { is_text, bytes, .. }) = self.message.take() else { return Ok(None) };
        if !is_text {
            return Ok(Some(Event::Binary(Cow::Owned(bytes))));
        }
        let text = String::from_utf8(bytes).map_err(|_| Violation::TextNotUtf8)?;
        Ok(Some(Event::Text(Cow::Owned(text))))
    }
}

/// The event of a frame that is a whole message by itself.
fn whole_event(opcode: Opcode, payload: &[u8]) -> Result<Event<'_>, Violation> {
    match opcode {
        Opcode::Text => {
            let text = std::str::from_utf8(payload).map_err(|_| Violation::TextNotUtf8)?;
            Ok(Event::Text(Cow::Borrowed(text)))
        }
        Opcode::Binary => Ok(Event::Binary(Cow::Borrowed(payload))),
        Opcode::Ping => Ok(Event::Ping(Cow::Borrowed(payload))),
        Opcode::Pong => Ok(Event::Pong(Cow::Borrowed(payload))),
        Opcode::Close => Ok(Event::Close(close::parse(payload)?)),
        Opcode::Continuation => Err(Violation::ContinuationWithoutStart),
    }
}
