//! Ids: numbers that sort by time (snowflakes) with the spellings Hop's users know, and channel ids, which are chosen strings.
//!
//! A snowflake is 64 bits: milliseconds since 2022-01-01 in the top bits, a 10-bit node number and a 12-bit sequence. Its
//! spelling is `<prefix>_<base64url without padding of the decimal number>` (source: Hop's Pika ids).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::clock::UnixMillis;
use crate::error::{Error, ErrorKind};
use crate::limits;

/// 2022-01-01T00:00:00Z in milliseconds since 1970.
const SNOWFLAKE_EPOCH_MS: u64 = 1_640_995_200_000;

/// Most decimal digits of a number, and most characters of their base64.
const DIGITS_MAX: usize = 20;
const SPELLING_MAX: usize = 27;

/// A number as ids spell it: base64url, without padding, of its decimal digits. On the stack, for every connection spells several.
struct Spelling {
    text: [u8; SPELLING_MAX],
    length: usize,
}

impl Spelling {
    fn of(mut number: u64) -> Self {
        let (mut digits, mut first) = ([0; DIGITS_MAX], DIGITS_MAX);
        loop {
            first -= 1;
            digits[first] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        let mut text = [0; SPELLING_MAX];
        let length = URL_SAFE_NO_PAD
            .encode_slice(&digits[first..], &mut text)
            .expect("invariant: 20 digits are 27 characters of base64");
        Self { text, length }
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..self.length]).expect("invariant: base64 is ASCII")
    }
}

/// The number that is spelled so, if one is.
fn read(spelling: &str) -> Option<u64> {
    if spelling.len() > SPELLING_MAX {
        return None;
    }
    // As many bytes as whole groups of four characters hold: what the decoder asks for.
    let mut digits = [0; SPELLING_MAX.div_ceil(4) * 3];
    let length = URL_SAFE_NO_PAD.decode_slice(spelling, &mut digits).ok()?;
    std::str::from_utf8(&digits[..length]).ok()?.parse().ok()
}

macro_rules! snowflake_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub struct $name(u64);

        impl $name {
            /// The id with this number.
            #[must_use]
            pub const fn new(number: u64) -> Self { Self(number) }
            /// The number of this id.
            #[must_use]
            pub const fn get(self) -> u64 { self.0 }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!($prefix, "_"))?;
                f.write_str(Spelling::of(self.0).as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Display::fmt(self, f) }
        }

        impl FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self, Error> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(read)
                    .map(Self)
                    .ok_or_else(|| Error::new(ErrorKind::InvalidInput, concat!("This is not a ", $what, " id: it starts with `", $prefix, "_` and is copied whole.")))
            }
        }
    };
}

snowflake_id!(
    /// A project, the tenant that owns everything below it. Spelled `project_…`.
    ProjectId, "project", "project"
);
snowflake_id!(
    /// A project key's public id. Spelled `ptkid_…`; it is not the secret.
    KeyId, "ptkid", "project key"
);
snowflake_id!(
    /// A token's public id. Spelled `tok_…`; it is not the secret and may be logged.
    TokenId, "tok", "token"
);
snowflake_id!(
    /// A user's number in this server. Customers know their users by `user_id`, which is text of their own. Spelled `user_…`.
    UserId, "user", "user"
);
snowflake_id!(
    /// A registered issuer of foreign JWTs. Spelled `iss_…`.
    IssuerId, "iss", "issuer"
);
snowflake_id!(
    /// A webhook endpoint. Spelled `wh_…`.
    WebhookId, "wh", "webhook"
);
snowflake_id!(
    /// One message to a webhook endpoint, the `webhook-id` of its deliveries. Spelled `msg_…`.
    DeliveryId, "msg", "webhook message"
);
snowflake_id!(
    /// A background job. Spelled `job_…`.
    JobId, "job", "job"
);
snowflake_id!(
    /// A person who operates this server. Spelled `opr_…`.
    OperatorId, "opr", "operator"
);
snowflake_id!(
    /// A link that makes an operator, or gives one a new password. Spelled `inv_…`; it is not the secret.
    InvitationId, "inv", "invitation"
);
snowflake_id!(
    /// One live connection, for logs and clients (`cid`). Spelled `conn_…`; never reused.
    ConnectionId, "conn", "connection"
);

impl ConnectionId {
    /// When it was given out, to within a few milliseconds: the time in its number.
    #[must_use]
    pub const fn made_at(self) -> UnixMillis {
        UnixMillis((self.0 >> 22) + SNOWFLAKE_EPOCH_MS)
    }
}

impl ProjectId {
    /// The house: a project that is kept beside the others and is none of them. Its rows are what belongs to the server itself.
    pub const HOUSE: Self = Self::new(0);
}

/// Makes ids that sort by time and never repeat, even when the wall clock stands still or jumps back.
#[derive(Debug, Default)]
pub struct SnowflakeSource {
    last: AtomicU64,
    node: u64,
}

impl SnowflakeSource {
    /// A source for node number `node` (0 to 1023) that continues after `last`, the largest id already given out.
    #[must_use]
    pub fn new(node: u16, last: u64) -> Self {
        Self { last: AtomicU64::new(last), node: u64::from(node & 0x3ff) }
    }

    /// The next number. Later calls give larger numbers.
    pub fn next(&self, now: UnixMillis) -> u64 {
        self.next_run(now, 1)
    }

    /// The first of `count` numbers that follow each other, 1 to 4,096. Later calls give larger numbers than all of them.
    pub fn next_run(&self, now: UnixMillis, count: u16) -> u64 {
        let surplus = u64::from(count.clamp(1, 4_096)) - 1;
        let fresh = (now.0.saturating_sub(SNOWFLAKE_EPOCH_MS) << 22) | (self.node << 12);
        let first = |last: u64| {
            // The sequence is the low 12 bits; when it is used up, the time part runs ahead of the clock by a millisecond.
            let after = if (last & 0xfff) + 1 + surplus > 0xfff {
                (((last >> 22) + 1) << 22) | (self.node << 12)
            } else {
                last + 1
            };
            fresh.max(after)
        };
        match self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(first(last) + surplus)) {
            Ok(last) | Err(last) => first(last),
        }
    }
}

/// A channel's id: any string of 1 to 255 bytes without `/ ? #` and control characters, and not `tokens`
/// (a reserved path segment of Hop's API). Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(Arc<str>);

impl ChannelId {
    /// Checks the rules for ids that a caller chose.
    ///
    /// # Errors
    /// `invalid_input`, saying which rule the id breaks.
    pub fn new(text: &str) -> Result<Self, Error> {
        let refuse = |why: &str| Err(Error::new(ErrorKind::InvalidInput, format!("The channel id {why}.")));
        if text.is_empty() {
            return refuse("is empty");
        }
        if text.len() > limits::CHANNEL_ID_BYTES_MAX {
            return refuse(&format!("has {} bytes; at most {} are allowed", text.len(), limits::CHANNEL_ID_BYTES_MAX));
        }
        if text == "tokens" {
            return refuse("`tokens` is reserved; choose another");
        }
        if let Some(bad) = text.chars().find(|c| matches!(c, '/' | '?' | '#') || c.is_control()) {
            return refuse(&format!("contains {bad:?}; `/ ? #` and control characters are not allowed"));
        }
        Ok(Self(text.into()))
    }

    /// An id of our own making, spelled `channel_…`.
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        Self(format!("channel_{}", URL_SAFE_NO_PAD.encode(number.to_string())).into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl serde::Serialize for ChannelId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for ChannelId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::new(&text).map_err(|error| serde::de::Error::custom(error.detail))
    }
}

/// Ids sort as their texts do.
impl std::borrow::Borrow<str> for ChannelId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// A channel of a project: the key under which brokers, shards and directories know it. Ids repeat across projects.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ChannelKey {
    /// The owner.
    pub project: ProjectId,
    /// The id within the project.
    pub channel: ChannelId,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ids_spell_and_parse() {
        let id = ProjectId::new(1_234_567_890_123);
        assert_eq!(id.to_string(), "project_MTIzNDU2Nzg5MDEyMw");
        assert_eq!(id.to_string().parse::<ProjectId>().unwrap(), id);
        for number in [0, 9, 10, 99, 100, 1_000, u64::MAX - 1, u64::MAX] {
            let spelled = format!("project_{}", URL_SAFE_NO_PAD.encode(number.to_string()));
            assert_eq!(ProjectId::new(number).to_string(), spelled);
            assert_eq!(spelled.parse::<ProjectId>().unwrap().get(), number);
        }
        for bad in [
            "",
            "project_",
            "project_!!",
            "token_MTIz",
            "project_YWJj",
            "project_MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkw",
        ] {
            assert_eq!(bad.parse::<ProjectId>().unwrap_err().kind, ErrorKind::InvalidInput, "{bad}");
        }
    }

    #[test]
    fn snowflakes_grow_even_when_the_clock_does_not() {
        let source = SnowflakeSource::new(3, 0);
        let times = [1_700_000_000_000_u64, 1_700_000_000_000, 1_600_000_000_000, 1_700_000_000_001];
        let mut last = 0;
        for time in times.iter().cycle().take(20_000) {
            let next = source.next(UnixMillis(*time));
            assert!(next > last, "{next} after {last}");
            assert_eq!(next >> 12 & 0x3ff, 3, "the node number stays in its bits");
            last = next;
        }
    }

    #[test]
    fn runs_of_snowflakes_are_whole_and_apart() {
        let source = SnowflakeSource::new(3, 0);
        let mut last = 0;
        for count in [1_u16, 1_001, 7, 4_096, 1, 3_000, 3_000, 1].iter().cycle().take(2_000) {
            let first = source.next_run(UnixMillis(1_700_000_000_000), *count);
            let end = first + u64::from(*count) - 1;
            assert!(first > last, "{first} after {last}");
            assert_eq!(
                (first >> 12, first >> 12 & 0x3ff),
                (end >> 12, 3),
                "a run stays within a millisecond and a node"
            );
            last = end;
        }
    }

    #[test]
    fn channel_ids_follow_the_rules() {
        for good in ["room1", "group chat", "é", "project_x", &"x".repeat(255)] {
            assert!(ChannelId::new(good).is_ok(), "{good}");
        }
        for bad in ["", "tokens", "a/b", "a?b", "a#b", "a\nb", "a\u{7f}b", &"x".repeat(256)] {
            assert_eq!(ChannelId::new(bad).unwrap_err().kind, ErrorKind::InvalidInput, "{bad}");
        }
    }
}
