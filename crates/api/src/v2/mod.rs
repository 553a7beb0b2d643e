//! Our own API under `/v2`: one file per subject. Bodies are JSON objects whose unknown fields are refused, as unknown query
//! parameters are; lists come in pages with a cursor; errors are problem details (RFC 9457) with a stable `code`.

pub(crate) mod audit;
pub(crate) mod auth_tokens;
pub(crate) mod batch;
pub(crate) mod channel_shown;
pub(crate) mod channel_state;
pub(crate) mod channels;
pub(crate) mod connections;
pub(crate) mod explain;
pub(crate) mod find;
pub(crate) mod history;
pub(crate) mod introspect;
pub(crate) mod issuers;
pub(crate) mod jobs;
pub(crate) mod keys;
pub(crate) mod me;
pub(crate) mod messages;
pub(crate) mod online;
pub(crate) mod project;
pub(crate) mod project_hook;
pub(crate) mod revoke;
pub(crate) mod signing_keys;
pub(crate) mod tickets;
pub(crate) mod token_shown;
pub(crate) mod token_state;
pub(crate) mod token_use;
pub(crate) mod tokens;
pub(crate) mod usage;
pub(crate) mod users;
pub(crate) mod webhooks;

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tollgate_core::clock::UnixMillis;
use tollgate_core::{Error, ErrorKind, Result};

use crate::call::Call;
use crate::fields::invalid;

/// Entries of a page unless the caller says otherwise.
pub(crate) const PAGE_DEFAULT: usize = 100;
/// Most entries of a page.
pub(crate) const PAGE_MAX: usize = 1_000;

/// Longest text that lists are narrowed by; whatever they hold is shorter.
const FILTER_BYTES_MAX: usize = 1_024;

/// A page of a list.
#[derive(Debug, Serialize)]
pub(crate) struct Page<T> {
    pub(crate) data: Vec<T>,
    /// To be sent as `cursor` for the next page; `null` on the last.
    pub(crate) next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// A page that was asked for with one entry more than `limit`: the surplus tells that there is another page. `place` is what the cursor
    /// holds of the last entry shown.
    pub(crate) fn cut(mut entries: Vec<T>, limit: usize, place: impl Fn(&T) -> u64) -> Self {
        let more = entries.len() > limit;
        entries.truncate(limit);
        let next_cursor = entries.last().filter(|_| more).map(|last| cursor(place(last)));
        Self { data: entries, next_cursor }
    }
}

pub(crate) fn cursor(place: u64) -> String {
    URL_SAFE_NO_PAD.encode(place.to_be_bytes())
}

/// The cursor of a list that is sorted by names.
pub(crate) fn cursor_of(name: &str) -> String {
    URL_SAFE_NO_PAD.encode(name)
}

impl Call {
    /// `limit` and `cursor` of the query: how many entries, and after which place.
    pub(crate) fn paging(&self) -> Result<(usize, Option<u64>)> {
        let place = |bytes: Vec<u8>| <[u8; 8]>::try_from(bytes).ok().map(u64::from_be_bytes);
        Ok((self.limit()?, self.cursor(place)?))
    }

    /// The same of a list that is sorted by names: how many entries, and after which name.
    pub(crate) fn paging_by_name(&self) -> Result<(usize, Option<String>)> {
        Ok((self.limit()?, self.cursor(|bytes| String::from_utf8(bytes).ok().filter(|name| !name.is_empty()))?))
    }

    fn limit(&self) -> Result<usize> {
        match self.query().given("limit")? {
            None => Ok(PAGE_DEFAULT),
            Some(text) => match text.parse() {
                Ok(limit) if (1..=PAGE_MAX).contains(&limit) => Ok(limit),
                _ => Err(Error::new(
                    ErrorKind::InvalidInput,
                    format!("The query parameter `limit` must be a whole number from 1 to {PAGE_MAX}."),
                )),
            },
        }
    }

    fn cursor<T>(&self, read: impl FnOnce(Vec<u8>) -> Option<T>) -> Result<Option<T>> {
        let Some(text) = self.query().given("cursor")? else { return Ok(None) };
        let place = URL_SAFE_NO_PAD.decode(&text).ok().and_then(read);
        place.map(Some).ok_or_else(|| {
            let why = "The query parameter `cursor` must be the `next_cursor` of an earlier page of this list.";
            Error::new(ErrorKind::InvalidInput, why)
        })
    }

    /// A parameter of the query that is one of these words; the place of the word.
    pub(crate) fn word<const N: usize>(&self, name: &'static str, words: [&str; N]) -> Result<Option<usize>> {
        let Some(text) = self.query().given(name)? else { return Ok(None) };
        words.iter().position(|word| *word == text).map(Some).ok_or_else(|| {
            let words = words.map(|word| format!("`{word}`")).join(" or ");
            Error::new(ErrorKind::InvalidInput, format!("The query parameter `{name}` must be {words}."))
        })
    }

    /// Whether a list is to be sorted by names, and which of them: it is when `prefix` says how they begin, or `order` is `name`.
    pub(crate) fn names(&self) -> Result<Option<String>> {
        let by_name = self.word("order", ["created", "name"])?;
        let prefix = self.filter("prefix")?;
        if by_name == Some(0) && prefix.is_some() {
            let why = "What begins so is found in the order of names; leave out `order`, or `prefix`.";
            return Err(Error::new(ErrorKind::InvalidInput, why));
        }
        Ok(prefix.or_else(|| (by_name == Some(1)).then(String::new)))
    }

    /// The body as the object that `T` describes; `{}` where there is none.
    ///
    /// # Errors
    /// `invalid_body`, saying which field is wrong and how.
    pub(crate) fn object<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        object(&self.body)
    }

    /// A text in the query that a list is narrowed by.
    pub(crate) fn filter(&self, name: &'static str) -> Result<Option<String>> {
        match self.query().given(name)? {
            Some(text) if text.len() > FILTER_BYTES_MAX => Err(Error::new(
                ErrorKind::InvalidInput,
                format!("The query parameter `{name}` has at most {FILTER_BYTES_MAX} bytes."),
            )),
            text => Ok(text),
        }
    }

    /// An id in the query. An empty one is none: it would be taken for a list of everything.
    pub(crate) fn id_given<T: FromStr<Err = Error>>(&self, name: &'static str) -> Result<Option<T>> {
        self.query().given(name)?.map(|id| id.parse()).transpose()
    }

    /// A time in the query, RFC 3339.
    pub(crate) fn time(&self, name: &'static str) -> Result<Option<UnixMillis>> {
        let Some(text) = self.query().given(name)? else { return Ok(None) };
        let at = OffsetDateTime::parse(&text, &Rfc3339).ok().and_then(unix);
        at.map(Some).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidInput,
                format!("The query parameter `{name}` must be an RFC 3339 time like 2030-01-31T12:00:00Z."),
            )
        })
    }
}

/// A body as the object that `T` describes; `{}` where there is none.
pub(crate) fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T> {
    let text = std::str::from_utf8(body).map_err(|_| invalid("The body is not UTF-8."))?.trim();
    let text = if text.is_empty() { "{}" } else { text };
    if !text.starts_with('{') {
        return Err(invalid("The body must be a JSON object, like {\"key\": 1}."));
    }
    serde_json::from_str(text).map_err(|error| invalid(format!("The body is not what this takes: {error}.")))
}

/// A list that may be so long, also where the same entry again and again would come to one.
///
/// # Errors
/// `limit_reached`, naming the list and both lengths.
pub(super) fn at_most(name: &str, entries: &[impl Sized], most: usize) -> Result<()> {
    match entries.len() {
        more if more > most => Err(Error::new(
            ErrorKind::LimitReached,
            format!("`{name}` has {more} entries; at most {most} are allowed."),
        )),
        _ => Ok(()),
    }
}

fn unix(at: OffsetDateTime) -> Option<UnixMillis> {
    u64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok().map(UnixMillis)
}

/// A time as RFC 3339, both ways, for serde.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time(pub(crate) UnixMillis);

impl Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0.0) * 1_000_000);
        let text = at.ok().and_then(|at| at.format(&Rfc3339).ok());
        serializer.serialize_str(text.as_deref().unwrap_or("9999-12-31T23:59:59Z"))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        OffsetDateTime::parse(&text, &Rfc3339).ok().and_then(unix).map(Self).ok_or_else(|| {
            serde::de::Error::custom("a time must be RFC 3339 and after 1970, like \"2030-01-31T12:00:00Z\"")
        })
    }
}

/// A value that must be a JSON object: serde's structs would be read from arrays, too.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Map<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Map<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Visitor<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for Visitor<T> {
            type Value = Map<T>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> std::result::Result<Self::Value, A::Error> {
                T::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Map)
            }
        }
        deserializer.deserialize_map(Visitor(std::marker::PhantomData))
    }
}

/// Keeps `null` apart from an absent field: for `#[serde(default, deserialize_with = "present")]`.
pub(crate) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}
