//! A new token, as its form says it; and of any token, what it may do, as a table to fill in.

use tollgate_core::grants::{Grant, Operation};
use tollgate_core::ids::ChannelId;
use tollgate_core::json::JsonObject;
use tollgate_core::limits::{GRANTS_PER_TOKEN_MAX, METADATA_BYTES_MAX, TOKEN_STATE_BYTES_MAX};
use tollgate_core::records::TokenTerms;
use tollgate_core::{Error, ErrorKind};
use tollgate_node::{NewToken, UserOfToken};

use crate::form::Form;
use crate::json_text;

/// Rows of the table of capabilities, at least.
const GRANTS_MIN: usize = 3;
/// Empty ones behind those that are filled in.
const GRANTS_SPARE: usize = 2;

/// How long a token lasts: value and words. An empty value is for ever.
pub(crate) const LIVES: [(&str, &str); 5] = [
    ("3600000", "one hour"),
    ("86400000", "one day"),
    ("604800000", "a week"),
    ("2592000000", "30 days"),
    ("", "until it is revoked"),
];

/// A field, and what is wrong with it.
pub(crate) type Wrong = (&'static str, Error);

/// A row of the table of capabilities.
pub(crate) struct GrantRow {
    pub(crate) pattern_field: String,
    pub(crate) pattern: String,
    pub(crate) boxes: Vec<(String, &'static str, bool)>,
}

/// The table as it is for these capabilities, with room for more.
pub(crate) fn with_grants(form: Form, grants: &[Grant]) -> Form {
    let mut form = form;
    for row in 0..(grants.len() + GRANTS_SPARE).clamp(GRANTS_MIN, GRANTS_PER_TOKEN_MAX) {
        let grant = grants.get(row);
        let field = format!("grant_{row}");
        form = form.with(&field, grant.map(|grant| grant.channels.clone()).unwrap_or_default());
        for operation in grant.iter().flat_map(|grant| &grant.operations) {
            form = form.with(&format!("{field}_{}", operation.word()), "on");
        }
    }
    form
}

/// The table as it was filled in.
pub(crate) fn grant_rows(form: &Form) -> Vec<GrantRow> {
    let sent = (0..GRANTS_PER_TOKEN_MAX).take_while(|row| form.get(&format!("grant_{row}")).is_some()).count();
    (0..sent.max(GRANTS_MIN))
        .map(|row| {
            let pattern_field = format!("grant_{row}");
            let boxes = Operation::ALL.map(|operation| {
                let field = format!("grant_{row}_{}", operation.word());
                let is_on = form.is_on(&field);
                (field, operation.word(), is_on)
            });
            GrantRow { pattern: form.value(&pattern_field).to_owned(), pattern_field, boxes: boxes.into() }
        })
        .collect()
}

/// What the form says.
///
/// # Errors
/// The field, and what is wrong with it.
pub(crate) fn read(form: &Form) -> Result<NewToken, Wrong> {
    let text = |field: &str| form.filled(field).map(str::to_owned);
    let user = text("user").map(|user_id| UserOfToken { user_id, display_name: text("display_name") });
    let terms = terms(form)?;
    let channels = listed(form, "channels").iter().map(|id| ChannelId::new(id)).collect::<tollgate_core::Result<_>>();
    Ok(NewToken {
        user,
        state: object(form, "state", TOKEN_STATE_BYTES_MAX)?,
        life_ms: number(form, "life_ms")?,
        terms,
        channels: channels.map_err(|error| ("channels", error))?,
        ..NewToken::default()
    })
}

/// What the form says that a token may do, from where, and what is noted of it.
///
/// # Errors
/// The field, and what is wrong with it.
pub(crate) fn terms(form: &Form) -> Result<TokenTerms, Wrong> {
    let text = |field: &str| form.filled(field).map(str::to_owned);
    Ok(TokenTerms {
        grants: grants(form)?,
        connections_max: number(form, "connections_max")?,
        networks: listed(form, "networks"),
        origins: listed(form, "origins"),
        metadata: object(form, "metadata", METADATA_BYTES_MAX)?,
        device: text("device"),
        name: text("name"),
        ..TokenTerms::default()
    })
}

/// Which field a refusal is about, by its name in the operation's sentence.
pub(crate) fn field_of(error: &Error) -> &'static str {
    let named = [
        ("channel", "channels"),
        ("network", "networks"),
        ("origin", "origins"),
        ("max_connections", "connections_max"),
        ("metadata", "metadata"),
        ("device", "device"),
        ("`name`", "name"),
        ("expires_at", "life_ms"),
        ("user", "user"),
        ("capabilit", "grants"),
    ];
    named.into_iter().find(|(word, _)| error.detail.contains(word)).map_or("", |(_, field)| field)
}

fn grants(form: &Form) -> Result<Option<Vec<Grant>>, Wrong> {
    let mut grants = Vec::new();
    for row in grant_rows(form) {
        let ticked = Operation::ALL.into_iter().zip(&row.boxes).filter(|(_, (.., is_on))| *is_on);
        let operations: Vec<Operation> = ticked.map(|(operation, _)| operation).collect();
        match (row.pattern.trim(), operations.is_empty()) {
            ("", true) => {}
            ("", false) => {
                return Err((
                    "grants",
                    Error::new(ErrorKind::InvalidInput, "Say on which channels: an id, or a beginning and a *."),
                ));
            }
            (_, true) => {
                return Err((
                    "grants",
                    Error::new(ErrorKind::InvalidInput, "Tick what may be done on those channels."),
                ));
            }
            (pattern, false) => grants.push(Grant { channels: pattern.to_owned(), operations }),
        }
    }
    Ok(Some(grants).filter(|grants| !grants.is_empty()))
}

/// Words parted by spaces, commas or lines.
fn listed(form: &Form, field: &str) -> Vec<String> {
    let parted = form.value(field).split(|letter: char| letter.is_whitespace() || letter == ',');
    parted.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn number<T: std::str::FromStr>(form: &Form, field: &'static str) -> Result<Option<T>, Wrong> {
    let refused = || (field, Error::new(ErrorKind::InvalidInput, "A whole number is needed here, or nothing."));
    form.filled(field).map(|text| text.parse().map_err(|_| refused())).transpose()
}

fn object(form: &Form, field: &'static str, bytes_max: usize) -> Result<Option<JsonObject>, Wrong> {
    let parsed =
        form.filled(field).map(|text| JsonObject::parse(json_text::compact_checked(text).as_bytes(), bytes_max));
    parsed.transpose().map_err(|error| (field, error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_form_becomes_a_token() {
        let form = Form::read(b"user=ann&channels=a%2C+b%0Ac&life_ms=1000&grant_0=x*&grant_0_publish=on&grant_0_state.read=on&metadata=%7B%22a%22%3A+1%7D").unwrap();
        let new = read(&form).unwrap();
        assert_eq!(new.user.unwrap().user_id, "ann");
        assert_eq!(new.channels.iter().map(ChannelId::as_str).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(new.life_ms, Some(1_000));
        let operations = vec![Operation::Publish, Operation::StateRead];
        assert_eq!(new.terms.grants, Some(vec![Grant { channels: "x*".to_owned(), operations }]));
        assert_eq!(new.terms.metadata.unwrap().as_str(), "{\"a\":1}");
        assert_eq!(read(&Form::default()).unwrap().terms, TokenTerms::default());
        // However many there are, none is lost on the way through the form.
        for count in [0, 1, 2, 5, GRANTS_PER_TOKEN_MAX] {
            let there: Vec<Grant> = (0..count)
                .map(|at| Grant { channels: format!("c{at}"), operations: Operation::ALL[..=at % 6].to_vec() })
                .collect();
            let form = with_grants(Form::default(), &there);
            assert_eq!(terms(&form).unwrap().grants.unwrap_or_default(), there, "{count}");
            let rows = grant_rows(&form).len();
            assert_eq!(rows, (count + GRANTS_SPARE).clamp(GRANTS_MIN, GRANTS_PER_TOKEN_MAX));
        }
        for (text, field) in [
            ("grant_1_publish=on", "grants"),
            ("grant_1=x", "grants"),
            ("life_ms=x", "life_ms"),
            ("state=%5B%5D", "state"),
            ("channels=a%2Fb", "channels"),
        ] {
            assert_eq!(read(&Form::read(text.as_bytes()).unwrap()).unwrap_err().0, field, "{text}");
        }
    }
}
