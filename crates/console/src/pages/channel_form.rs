//! What a channel keeps and lets clients do, as a form and back.

use tollgate_core::model::{Capabilities, ChannelSettings, ChannelType};
use tollgate_core::{Error, ErrorKind};
use tollgate_node::SettingsUpdate;

use crate::form::Form;
use crate::words;

/// The boxes of what clients may do: field, what it says, bit.
pub(crate) const BOXES: [(&str, &str, u32); 5] = [
    ("token_publish", "Clients with a token publish", Capabilities::TOKEN_PUBLISH),
    ("anonymous_publish", "Anonymous clients publish", Capabilities::ANONYMOUS_PUBLISH),
    ("token_set_state", "Clients with a token set the state", Capabilities::TOKEN_SET_STATE),
    ("anonymous_set_state", "Anonymous clients set the state", Capabilities::ANONYMOUS_SET_STATE),
    ("ephemeral", "It is deleted once all its subscribers have gone", Capabilities::EPHEMERAL),
];

/// The types: word, and who may come in.
pub(crate) const TYPES: [(&str, &str); 3] = [
    ("private", "Only tokens that you subscribe, that have a capability for it, or that your access hook lets in."),
    ("public", "Any token of this project."),
    ("unprotected", "Anybody who knows its id, without a token."),
];

const SECOND_MS: u64 = 1_000;

/// The form of a channel as it is; with the defaults, of a new one.
pub(crate) fn filled(capabilities: Capabilities, settings: ChannelSettings) -> Form {
    let mut form = Form::default()
        .with("history_size", settings.history.size.to_string())
        .with("history_ttl_s", (settings.history.ttl_ms / SECOND_MS).to_string())
        .with("conflate_per_second", settings.conflate_per_second.to_string());
    let flags = [
        ("history_durable", settings.history.durable),
        ("presence", settings.presence),
        ("echo", settings.echo),
        ("retain", settings.retain),
    ];
    let boxes = BOXES.map(|(field, _, bit)| (field, capabilities.has(bit)));
    for (field, _) in flags.iter().chain(&boxes).filter(|(_, is_on)| *is_on) {
        form = form.with(field, "on");
    }
    form
}

/// What the boxes say.
pub(crate) fn capabilities(form: &Form) -> Capabilities {
    let bits = BOXES.iter().filter(|(field, ..)| form.is_on(field)).fold(0, |bits, (_, _, bit)| bits | bit);
    Capabilities::from_bits(bits.into()).unwrap_or_default()
}

/// What the fields say.
///
/// # Errors
/// The field, and what a number there may be.
pub(crate) fn settings(form: &Form) -> Result<SettingsUpdate, (&'static str, Error)> {
    Ok(SettingsUpdate {
        history_size: Some(number(form, "history_size")?),
        history_ttl_ms: Some(number::<u64>(form, "history_ttl_s")?.saturating_mul(SECOND_MS)),
        history_durable: Some(form.is_on("history_durable")),
        presence: Some(form.is_on("presence")),
        echo: Some(form.is_on("echo")),
        retain: Some(form.is_on("retain")),
        conflate_per_second: Some(number(form, "conflate_per_second")?),
    })
}

fn number<T: std::str::FromStr>(form: &Form, field: &'static str) -> Result<T, (&'static str, Error)> {
    let refused = || (field, Error::new(ErrorKind::InvalidInput, "A whole number is needed here."));
    form.value(field).trim().parse().map_err(|_| refused())
}

/// Which field a refused setting is about, by its name in the operation's sentence.
pub(crate) fn field_of(error: &Error) -> &'static str {
    let named =
        [("history.size", "history_size"), ("history.ttl_ms", "history_ttl_s"), ("conflate", "conflate_per_second")];
    named.into_iter().find(|(word, _)| error.detail.contains(word)).map_or("", |(_, field)| field)
}

/// What a channel keeps, in a few words.
pub(crate) fn keeps(settings: ChannelSettings) -> String {
    let history = settings.history;
    let mut said = match (history.size, history.durable) {
        (0, _) if settings.retain => "the last one".to_owned(),
        (0, _) => "nothing".to_owned(),
        (size, true) => format!("last {}, {}, durable", words::count(size), words::span(history.ttl_ms)),
        (size, false) => format!("last {}, {}", words::count(size), words::span(history.ttl_ms)),
    };
    if settings.retain && history.size > 0 {
        said.push_str(", retained");
    }
    said
}

/// What clients may do, in a few words.
pub(crate) fn may(capabilities: Capabilities, settings: ChannelSettings) -> String {
    let words = [
        (Capabilities::TOKEN_PUBLISH, "token publish"),
        (Capabilities::ANONYMOUS_PUBLISH, "anonymous publish"),
        (Capabilities::TOKEN_SET_STATE, "token set state"),
        (Capabilities::ANONYMOUS_SET_STATE, "anonymous set state"),
        (Capabilities::EPHEMERAL, "ephemeral"),
    ];
    let mut said: Vec<&str> = words.iter().filter(|(bit, _)| capabilities.has(*bit)).map(|(_, word)| *word).collect();
    if settings.presence {
        said.push("presence");
    }
    said.join(", ")
}

/// The colour of a type's tag.
pub(crate) fn look(kind: ChannelType) -> &'static str {
    match kind {
        ChannelType::Private => "blue",
        ChannelType::Public => "",
        ChannelType::Unprotected => "warn",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_form_comes_back_as_it_was_filled() {
        let settings_there = ChannelSettings { presence: true, retain: true, ..ChannelSettings::default() };
        for bits in 0..=u64::from(Capabilities::ALL) {
            let there = Capabilities::from_bits(bits).unwrap();
            let form = filled(there, settings_there);
            assert_eq!(capabilities(&form), there);
            let back =
                settings(&form).unwrap().applied_to(ChannelSettings { presence: false, ..ChannelSettings::default() });
            assert_eq!(back, settings_there);
        }
    }
}
