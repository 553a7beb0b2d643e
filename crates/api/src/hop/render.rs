//! Our records as Hop's objects. None has a top-level key `setState`, `patchState`, `subscribeToken`, `subscribeTokens`,
//! `removeToken` or `publishMessage`: Hop's JS SDK puts methods of these names on objects and throws if one is taken.

use time::OffsetDateTime;
use tollgate_core::clock::UnixMillis;
use tollgate_core::credentials::TokenSpelling;
use tollgate_core::json::JsonObject;
use tollgate_node::{ChannelView, Listed, ProjectView, TokenView};

use crate::answer::Answer;
use crate::json::{Object, array};

pub(super) fn project(view: &ProjectView) -> String {
    let id = view.id.to_string();
    // What Hop's clients need of its other products: a tier and a type from closed lists, and quotas of nothing.
    let nothing = Object::new().number("vcpu", 0).number("ram", 0).number("volume", 0).close();
    Object::new()
        .text("id", &id)
        .text("name", &view.name)
        .text("tier", "free")
        .text("created_at", &timestamp(view.created_at))
        .raw("icon", "null")
        .text("namespace", &id)
        .text("type", "regular")
        .raw("default_quotas", &nothing)
        .raw("quota_overrides", "{}")
        .raw("quota_usage", &nothing)
        .close()
}

pub(super) fn channel(view: &ChannelView) -> String {
    Object::new()
        .text("id", view.id.as_str())
        .text("type", view.kind.word())
        .raw("project", &project(&view.project))
        .raw("state", view.state.as_str())
        .number("capabilities", u64::from(view.capabilities.bits()))
        .text("created_at", &timestamp(view.created_at))
        .close()
}

/// A token; its `id` is its secret, as Hop has it. `public_id` is ours: it names the token in URLs without opening it.
pub(super) fn token(view: &TokenView) -> String {
    let object = Object::new()
        .text("id", &view.secret.expose(TokenSpelling::Leap))
        .text("public_id", &view.id.to_string())
        .raw("state", view.state.as_ref().map_or("null", JsonObject::as_str))
        .text("project_id", &view.project.to_string())
        .flag("is_online", view.is_online)
        .text("created_at", &timestamp(view.created_at));
    match view.expires_at {
        Some(time) => object.text("expires_at", &timestamp(time)),
        None => object.raw("expires_at", "null"),
    }
    .close()
}

/// `{"<key>": <value>}` as data.
pub(super) fn one(key: &'static str, value: &str) -> Answer {
    Answer::data(&Object::new().raw(key, value).close())
}

/// A list, with the counts that Hop's tools read beside it.
pub(super) fn list<T>(
    key: &'static str,
    listed: &Listed<T>,
    page_size: Option<u64>,
    entry: fn(&T) -> String,
) -> Answer {
    let entries = array(listed.entries.iter().map(entry));
    let page_size = page_size.unwrap_or(listed.total);
    Answer::data(
        &Object::new().raw(key, &entries).number("page_size", page_size).number("total_count", listed.total).close(),
    )
}

/// RFC 3339 in UTC, with milliseconds. Times beyond the year 9999, which the format cannot say, become its last moment.
pub(crate) fn timestamp(time: UnixMillis) -> String {
    let last = 253_402_300_799_999;
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(time.0.min(last)) * 1_000_000)
        .expect("invariant: within the years 1970 to 9999");
    let (date, clock) = (time.date(), time.time());
    let (month, day) = (u8::from(date.month()), date.day());
    format!(
        "{:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        date.year(),
        clock.hour(),
        clock.minute(),
        clock.second(),
        clock.millisecond()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_with_milliseconds() {
        let table = [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_795_379_121_073, "2026-11-22T20:25:21.073Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (u64::MAX, "9999-12-31T23:59:59.999Z"),
        ];
        for (millis, expected) in table {
            assert_eq!(timestamp(UnixMillis(millis)), expected);
        }
    }
}
