//! Fields of forms and queries: `application/x-www-form-urlencoded`, read strictly and bounded.

use tollgate_core::{Error, ErrorKind};

/// Most fields of one form: a token with as many capabilities as there may be, seven fields each, and what else is said of it.
const FIELDS_MAX: usize = 256;

/// Fields in the order they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a text.
    ///
    /// # Errors
    /// `invalid_input` for broken percent-encoding, for text that is not UTF-8, and for more fields than any form here has.
    pub(crate) fn read(text: &[u8]) -> Result<Self, Error> {
        let mut fields = Vec::new();
        for pair in text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            if fields.len() == FIELDS_MAX {
                return Err(Error::new(ErrorKind::InvalidInput, format!("A form has at most {FIELDS_MAX} fields.")));
            }
            let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let value = pair.get(at + 1..).unwrap_or_default();
            fields.push((decode(&pair[..at], true)?, decode(value, true)?));
        }
        Ok(Self(fields))
    }

    /// A field's value; nothing where it is not there.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
    }

    /// A field's value, or an empty text.
    pub(crate) fn value(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// The value without spaces around it, where there is any.
    pub(crate) fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).map(str::trim).filter(|value| !value.is_empty())
    }

    /// Whether a box is ticked.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| !value.is_empty())
    }

    /// Every field, in order.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// With the fields of another behind its own, which count where both have one.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// With a field more; a first value for a form that nobody has filled in yet.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.push((name.to_owned(), value.into()));
        self
    }
}

/// A form as it was typed, and what is wrong with it: what its page is written from when it comes back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Typed {
    pub(crate) form: Form,
    wrong: Vec<(&'static str, String)>,
}

impl Typed {
    pub(crate) fn new(form: Form) -> Self {
        Self { form, wrong: Vec::new() }
    }

    /// The operation's own sentence, beside the field that it is about; an empty name is the whole form.
    pub(crate) fn wrong_at(mut self, field: &'static str, error: &Error) -> Self {
        self.wrong.push((field, error.detail.clone()));
        self
    }

    pub(crate) fn value(&self, name: &str) -> &str {
        self.form.value(name)
    }

    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.form.is_on(name)
    }

    pub(crate) fn is(&self, name: &str, value: &str) -> bool {
        self.form.value(name) == value
    }

    pub(crate) fn wrong(&self, field: &str) -> Option<&str> {
        self.wrong.iter().find(|(one, _)| *one == field).map(|(_, said)| said.as_str())
    }
}

/// The text behind a percent-encoded one.
pub(crate) fn decode(text: &[u8], plus_is_space: bool) -> Result<String, Error> {
    let broken = || Error::new(ErrorKind::InvalidInput, "The address or the form is not properly percent-encoded.");
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => match (rest.next().and_then(digit), rest.next().and_then(digit)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err(broken()),
            },
            b'+' if plus_is_space => b' ',
            other => *other,
        });
    }
    String::from_utf8(bytes).map_err(|_| broken())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn forms_are_read_strictly() {
        let form = Form::read(b"a=1&b=%26+x&c&&a=2&d=%C3%A9").unwrap();
        assert_eq!(
            (form.get("a"), form.get("b"), form.get("c"), form.get("d")),
            (Some("1"), Some("& x"), Some(""), Some("é"))
        );
        assert_eq!(form.get("e"), None);
        for broken in ["a=%", "a=%g0", "a=%ff", "%=1"] {
            assert!(Form::read(broken.as_bytes()).is_err(), "{broken}");
        }
        let many = |count: usize| vec!["a=1"; count].join("&");
        assert!(Form::read(many(FIELDS_MAX).as_bytes()).is_ok());
        assert!(Form::read(many(FIELDS_MAX + 1).as_bytes()).is_err());
    }
}
