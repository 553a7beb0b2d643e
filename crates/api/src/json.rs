//! Writing JSON without a tree: values that are JSON already (states) go in as they are.

/// An object being written.
#[derive(Debug)]
pub(crate) struct Object(String);

impl Object {
    pub(crate) fn new() -> Self {
        // Most fit, so that it need not grow.
        let mut text = String::with_capacity(128);
        text.push('{');
        Self(text)
    }

    /// A value that is JSON text.
    pub(crate) fn raw(mut self, key: &'static str, json: &str) -> Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        // Keys are our own words: letters and underscores.
        self.0.push('"');
        self.0.push_str(key);
        self.0.push_str("\":");
        self.0.push_str(json);
        self
    }

    pub(crate) fn text(self, key: &'static str, value: &str) -> Self {
        self.raw(key, &serde_json::to_string(value).expect("invariant: a string is always JSON"))
    }

    pub(crate) fn number(self, key: &'static str, value: u64) -> Self {
        self.raw(key, &value.to_string())
    }

    pub(crate) fn flag(self, key: &'static str, value: bool) -> Self {
        self.raw(key, if value { "true" } else { "false" })
    }

    /// The finished text.
    pub(crate) fn close(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// An array of values that are JSON text.
pub(crate) fn array(values: impl IntoIterator<Item = String>) -> String {
    let mut text = String::from("[");
    for value in values {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&value);
    }
    text.push(']');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_and_arrays_are_json() {
        let inner = Object::new()
            .text("id", "\"é\n\u{0}\"")
            .number("n", u64::MAX)
            .flag("on", true)
            .raw("state", r#"{"k":1.50}"#)
            .close();
        assert_eq!(inner, r#"{"id":"\"é\n\u0000\"","n":18446744073709551615,"on":true,"state":{"k":1.50}}"#);
        assert_eq!(array([Object::new().close(), inner.clone()]), format!("[{{}},{inner}]"));
        assert_eq!(array([]), "[]");
    }
}
