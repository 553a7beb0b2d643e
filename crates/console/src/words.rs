//! Times, sizes, counts and addresses as people read them.

use tollgate_core::clock::UnixMillis;

/// A moment, for a `<time>`: the script of the page adds the reader's own zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) rfc3339: String,
    pub(crate) said: String,
}

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A moment seen from now: how long ago, or in how long.
pub(crate) fn moment(at: UnixMillis, now: UnixMillis) -> Moment {
    let rfc3339 = at.to_string();
    let said = match (now.0.checked_sub(at.0), at.0.saturating_sub(now.0)) {
        (Some(ago), _) if ago < 5 * SECOND => "just now".to_owned(),
        (Some(ago), _) if ago < 2 * DAY => format!("{} ago", span(ago)),
        (None, ahead) if ahead < 60 * DAY => format!("in {}", span(ahead)),
        _ => rfc3339[..10].to_owned(),
    };
    Moment { rfc3339, said }
}

/// A length of time, in its largest unit.
pub(crate) fn span(ms: u64) -> String {
    match ms {
        0..SECOND => format!("{ms} ms"),
        SECOND..MINUTE => format!("{} s", ms / SECOND),
        MINUTE..HOUR => format!("{} min", ms / MINUTE),
        HOUR..DAY => format!("{} h", ms / HOUR),
        _ => format!("{} d", ms / DAY),
    }
}

/// The time of day with its milliseconds, for lists of what just went by.
pub(crate) fn time_of_day(at: UnixMillis) -> String {
    format!("{}.{:03}", &at.to_string()[11..19], at.0 % SECOND)
}

/// A number with its thousands apart.
pub(crate) fn count(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut said = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            said.push(',');
        }
        said.push(digit);
    }
    said
}

/// A size in bytes.
pub(crate) fn bytes(size: usize) -> String {
    match size {
        0..1_024 => format!("{size} B"),
        1_024..1_048_576 => format!("{}.{} KB", size / 1_024, size % 1_024 * 10 / 1_024),
        _ => format!("{}.{} MB", size / 1_048_576, size % 1_048_576 * 10 / 1_048_576),
    }
}

/// Text of the outside, cut where a table would burst.
pub(crate) fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// Text of any kind as one segment of a path: with a mark before what browsers would take for a step up or to itself, and before the mark itself.
pub(crate) fn segment(text: &str) -> String {
    let mark = if matches!(text, "." | "..") || text.starts_with('~') { "~" } else { "" };
    format!("{mark}{}", path(text))
}

/// The text behind a segment, once that is decoded.
pub(crate) fn unmarked(segment: &str) -> &str {
    segment.strip_prefix('~').unwrap_or(segment)
}

/// A number of things: `1 token`, `2,000 tokens`.
pub(crate) fn counted(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{} {one}s", count(number)) }
}

/// Text as one segment of a path, or one value of a query.
pub(crate) fn path(text: &str) -> String {
    let mut said = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~' | b'.') {
            said.push(char::from(byte));
        } else {
            said.push_str(&format!("%{byte:02X}"));
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_seen_from_now() {
        let now = UnixMillis(1_795_379_121_000);
        let table = [
            (now.0, "just now"),
            (now.0 - 3 * MINUTE, "3 min ago"),
            (now.0 - 30 * HOUR, "1 d ago"),
            (now.0 - 10 * DAY, "2026-11-12"),
            (now.0 + 60 * MINUTE, "in 1 h"),
            (now.0 + 100 * DAY, "2027-03-02"),
        ];
        for (at, said) in table {
            assert_eq!(moment(UnixMillis(at), now).said, said, "{at}");
        }
        assert_eq!(time_of_day(UnixMillis(1_795_379_121_073)), "20:25:21.073");
    }

    #[test]
    fn numbers_sizes_and_paths() {
        for (number, said) in [(0_u64, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), said);
        }
        for (size, said) in [(0, "0 B"), (1_023, "1023 B"), (1_536, "1.5 KB"), (3 << 20, "3.0 MB")] {
            assert_eq!(bytes(size), said);
        }
        for text in [".", "..", "...", "~", "~~", "~..", "a~", "a/../b", "%2e%2e", "é<>&'\"\\"] {
            let there = crate::form::decode(segment(text).as_bytes(), false);
            assert_eq!(there.as_deref().map(unmarked), Ok(text));
            assert!(!matches!(segment(text).as_str(), "." | ".."), "{text}");
        }
        assert_eq!([0, 1, 2_000].map(|number| counted(number, "token")), ["0 tokens", "1 token", "2,000 tokens"]);
        assert_eq!(path("a/b?c#<é>"), "a%2Fb%3Fc%23%3C%C3%A9%3E");
        assert_eq!((cut("abcd", 4), cut("abcde", 4)), ("abcd".to_owned(), "abcd…".to_owned()));
    }
}
