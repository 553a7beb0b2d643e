//! Lengths of time as people write them, and back, nothing lost: `30 d`, `1 h 30 min`. Where a rough one does, [`words::span`](crate::words::span).

use tollgate_core::{Error, ErrorKind};

/// The units that lengths are said in, the longest first, each in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)];
/// Other words for them that people write.
const WORDS: [(&str, u64); 16] = [
    ("w", 604_800_000),
    ("week", 604_800_000),
    ("weeks", 604_800_000),
    ("day", 86_400_000),
    ("days", 86_400_000),
    ("hour", 3_600_000),
    ("hours", 3_600_000),
    ("hr", 3_600_000),
    ("hrs", 3_600_000),
    ("m", 60_000),
    ("mins", 60_000),
    ("minute", 60_000),
    ("minutes", 60_000),
    ("sec", 1_000),
    ("second", 1_000),
    ("seconds", 1_000),
];

/// A length, whole.
pub(crate) fn said(ms: u64) -> String {
    let mut rest = ms;
    let mut parts = Vec::new();
    for (word, unit) in UNITS {
        if rest >= unit {
            parts.push(format!("{} {word}", rest / unit));
            rest %= unit;
        }
    }
    if parts.is_empty() { "0 s".to_owned() } else { parts.join(" ") }
}

/// A length that was written: one or more whole numbers, each with its unit. In milliseconds.
///
/// # Errors
/// `invalid_input`.
pub(crate) fn read(text: &str) -> Result<u64, Error> {
    let refused = || Error::new(ErrorKind::InvalidInput, "Write a time like 30 d, 12 h, 90 min or 1 h 30 min.");
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(refused());
    }
    let mut all = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|one: char| !one.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().map_err(|_| refused())?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|one: char| !one.is_ascii_alphabetic()).unwrap_or(rest.len());
        let word = rest[..letters].to_ascii_lowercase();
        let unit = UNITS.iter().chain(&WORDS).find(|(one, _)| *one == word).ok_or_else(refused)?.1;
        all = number.checked_mul(unit).and_then(|part| all.checked_add(part)).ok_or_else(refused)?;
        rest = rest[letters..].trim_start_matches([' ', ',']);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lengths_come_back_as_they_were_said() {
        for (ms, text) in [
            (0, "0 s"),
            (1, "1 ms"),
            (90_000, "1 min 30 s"),
            (5_400_000, "1 h 30 min"),
            (30 * 86_400_000, "30 d"),
            (86_400_000 + 3_600_000 + 1_001, "1 d 1 h 1 s 1 ms"),
        ] {
            assert_eq!(said(ms), text);
            assert_eq!(read(text).unwrap(), ms, "{text}");
        }
        assert_eq!(read(&said(u64::MAX)).unwrap(), u64::MAX);
    }

    #[test]
    fn people_write_them_in_many_ways() {
        for (text, ms) in [
            ("90min", 5_400_000),
            (" 2 Weeks ", 1_209_600_000),
            ("1 hour, 30 minutes", 5_400_000),
            ("1h30m", 5_400_000),
            ("07 s", 7_000),
        ] {
            assert_eq!(read(text).unwrap(), ms, "{text}");
        }
        for text in [
            "",
            " ",
            "30",
            "d",
            "1.5 h",
            "-1 d",
            "1 fortnight",
            "1 h 30",
            "1 é",
            "99999999999999999999 s",
            "9999999999999999 d",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
