//! Time and chance as parameters. Nothing here reads a real clock; the server passes one in, tests own theirs.

/// Milliseconds since an arbitrary start that never goes backwards. For deadlines and durations within one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Monotonic(pub u64);

impl Monotonic {
    /// This moment plus `ms` milliseconds.
    #[must_use]
    pub const fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this moment; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z, from the wall clock, which may jump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// This moment plus `ms` milliseconds.
    #[must_use]
    pub const fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

impl UnixMillis {
    /// The time of a text like `2026-11-22T20:25:21Z` or `2026-11-22T20:25:21.073Z`: RFC 3339 in UTC, as JavaScript writes it.
    #[must_use]
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let (whole, fraction) =
            text.strip_suffix('Z')?.split_once('.').unwrap_or_else(|| (text.strip_suffix('Z').unwrap_or(text), "0"));
        let number = |from: usize, to: usize| {
            whole.get(from..to).filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()))?.parse::<u64>().ok()
        };
        let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
        if whole.len() != 19 || marks.iter().any(|(at, mark)| whole.as_bytes()[*at] != *mark) {
            return None;
        }
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        if year < 1970
            || !(1..=12).contains(&month)
            || !(1..=31).contains(&day)
            || hour > 23
            || minute > 59
            || second > 59
        {
            return None;
        }
        // The inverse of the algorithm below.
        let year = year - u64::from(month <= 2);
        let (era, year_of_era) = (year / 400, year % 400);
        let month_from_march = if month > 2 { month - 3 } else { month + 9 };
        let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
        let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
        let ms = match fraction {
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                format!("{digits:0<3}").get(..3)?.parse::<u64>().ok()?
            }
            _ => return None,
        };
        let at = Self((days * 86_400 + hour * 3_600 + minute * 60 + second) * 1_000 + ms);
        // A day that its month does not have would come out as another.
        at.to_string().starts_with(whole).then_some(at)
    }
}

/// As RFC 3339 in UTC, to the second: `2026-11-22T20:25:21Z`. Beyond the year 9999 its last second.
impl std::fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = (self.0 / 1_000).min(253_402_300_799);
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        // Days in eras of 400 years that begin on a first of March (Howard Hinnant, "chrono-compatible low-level date algorithms").
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        let (hour, minute) = (second / 3_600, second / 60 % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}Z", second % 60)
    }
}

/// Where time comes from. `Send + Sync`, cheap to call from any thread.
pub trait Clock: Send + Sync {
    /// The monotonic clock, for deadlines.
    fn monotonic(&self) -> Monotonic;
    /// The same clock in microseconds, for measuring how long something takes.
    fn micros(&self) -> u64 {
        self.monotonic().0.saturating_mul(1_000)
    }
    /// The wall clock, for what is stored and shown.
    fn unix(&self) -> UnixMillis;
}

/// Where randomness comes from. Must be cryptographically strong in production.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` completely.
    fn fill(&self, bytes: &mut [u8]);
}

#[cfg(test)]
mod tests {
    use super::UnixMillis;

    #[test]
    fn times_are_spelled_as_rfc_3339() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399_999, "2000-02-28T23:59:59Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (951_868_800_000, "2000-03-01T00:00:00Z"),
            (1_795_379_121_073, "2026-11-22T20:25:21Z"),
            (4_107_542_399_000, "2100-02-28T23:59:59Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59Z"),
            (u64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(UnixMillis(ms).to_string(), text);
            let back = UnixMillis::from_rfc3339(text).map(|at| at.0 / 1_000);
            assert_eq!(back, Some(ms.min(253_402_300_799_999) / 1_000), "{text}");
        }
        let table = [
            ("2026-11-22T20:25:21.073Z", Some(1_795_379_121_073)),
            ("2026-11-22T20:25:21.1Z", Some(1_795_379_121_100)),
        ];
        for (text, ms) in table {
            assert_eq!(UnixMillis::from_rfc3339(text), ms.map(UnixMillis));
        }
        for text in [
            "",
            "Z",
            "2026-11-22T20:25:21",
            "2026-02-30T00:00:00Z",
            "2026-11-22T20:25:21+01:00",
            "2026-11-22T24:00:00Z",
            "1969-12-31T23:59:59Z",
            "+026-11-22T20:25:21Z",
            "2026-11-22T20:25:21.xZ",
        ] {
            assert_eq!(UnixMillis::from_rfc3339(text), None, "{text}");
        }
    }
}
