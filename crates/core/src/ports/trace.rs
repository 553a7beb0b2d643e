//! Traces of operations: what began when, how long it took, and what it was a part of, told to whoever collects them. The words and the port;
//! ids, sampling and sending are the implementation's (`server`). Where nobody collects there is no tracer, and nothing is done.

/// Where in whose trace something happens: a W3C trace context, version 00 (<https://www.w3.org/TR/trace-context/>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace; never all zeroes.
    pub trace: [u8; 16],
    /// The span; never all zeroes.
    pub span: [u8; 8],
    /// Whether whoever began it keeps it.
    pub sampled: bool,
}

impl TraceContext {
    /// Reads a `traceparent`. Of later versions what this one knows is read, as the standard asks for.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (version, rest) = (hex::<1>(bytes.get(..2)?)?[0], bytes.get(2..)?);
        let whole = match version {
            0 => bytes.len() == 55,
            255 => false,
            _ => bytes.len() == 55 || bytes.get(55) == Some(&b'-'),
        };
        if !whole || rest[0] != b'-' || rest[33] != b'-' || rest[50] != b'-' {
            return None;
        }
        let (trace, span, flags) = (hex::<16>(&rest[1..33])?, hex::<8>(&rest[34..50])?, hex::<1>(&rest[51..53])?[0]);
        (trace != [0; 16] && span != [0; 8]).then_some(Self { trace, span, sampled: flags & 1 == 1 })
    }
}

impl std::fmt::Display for TraceContext {
    /// As a `traceparent`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("00-")?;
        self.trace.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("-")?;
        self.span.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, "-{:02x}", u8::from(self.sampled))
    }
}

/// Lower-case hexadecimal digits only, as the standard has them.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    if digits.len() != 2 * N {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

/// What a span is in the eyes of who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// An answer to a request from outside.
    Server,
    /// A request to somebody else.
    Client,
    /// Work of our own.
    Internal,
}

/// What is said of a span besides its name. Never a secret, never what customers write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// A word of ours, or an id.
    Text(String),
    /// A number.
    Number(u64),
}

/// A piece of work that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its own place.
    pub context: TraceContext,
    /// What it was a part of, and whether that is somebody else's.
    pub parent: Option<([u8; 8], bool)>,
    /// A word of ours.
    pub name: String,
    /// What it is.
    pub kind: SpanKind,
    /// On the clock of [`crate::clock::Clock::micros`].
    pub begun_us: u64,
    /// The same clock.
    pub ended_us: u64,
    /// By the names of OpenTelemetry's conventions where it has some.
    pub attributes: Vec<(&'static str, Attribute)>,
    /// What caused it, in a trace that had ended by then, perhaps.
    pub cause: Option<TraceContext>,
    /// Whether it failed by our own fault, or that of who was called.
    pub failed: bool,
}

/// Collects spans.
///
/// Contract: no call waits. What cannot be kept is dropped and counted.
pub trait Tracer: Send + Sync {
    /// A place for work that begins, in `parent`'s trace or one of its own; `None` when this one is not to be collected.
    fn begin(&self, parent: Option<TraceContext>) -> Option<TraceContext>;

    /// A place for work that nobody waits for, in a trace of its own: collected if what caused it was, and without a known cause as
    /// [`Tracer::begin`] decides on its own.
    fn follow(&self, cause: Option<TraceContext>) -> Option<TraceContext>;

    /// A place for a part of that work.
    fn part(&self, whole: TraceContext) -> TraceContext;

    /// The work has ended.
    fn end(&self, span: Span);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn trace_parents_are_read_and_written() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context = TraceContext::parse(text).unwrap();
        assert_eq!((context.trace[0], context.span[7], context.sampled), (0x4b, 0xb7, true));
        assert_eq!(context.to_string(), text);
        let later = format!("cc{}-what-comes", &text[2..]);
        assert_eq!(TraceContext::parse(&later), Some(context), "a later version");
        assert!(!TraceContext::parse(&text.replace("-01", "-02")).unwrap().sampled);
        for bad in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-xy",
            "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-0",
        ] {
            assert_eq!(TraceContext::parse(bad), None, "{bad}");
        }
    }
}
