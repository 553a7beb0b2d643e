//! The query parameters that mean something, and pages. Unknown parameters are not even decoded: `/v2` refuses them, Hop's API ignores them.

use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::Page;

use crate::percent;

/// So much is told of a name that nobody knows.
const NAME_CHARS_SHOWN: usize = 64;

/// The text behind the question mark.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    pub(crate) fn new(text: Option<&'a str>) -> Self {
        Self(text.unwrap_or_default())
    }

    /// Every value of a parameter, decoded. Empty values count as absent.
    pub(crate) fn all(self, name: &'static str) -> impl Iterator<Item = Result<String>> + use<'a> {
        self.0
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .filter(move |(key, value)| *key == name && !value.is_empty())
            .map(move |(_, value)| percent::decode(name, value, true))
    }

    /// A parameter's first value.
    pub(crate) fn first(self, name: &'static str) -> Result<Option<String>> {
        self.all(name).next().transpose()
    }

    /// A parameter's first value, an empty one too.
    pub(crate) fn given(self, name: &'static str) -> Result<Option<String>> {
        let mut pairs = self.0.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| percent::decode(name, value, true)).transpose()
    }

    /// A parameter that is `true` or `false`; absent is false.
    pub(crate) fn flag(self, name: &'static str) -> Result<bool> {
        match self.given(name)?.as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(wrong(name, "`true` or `false`")),
        }
    }

    /// Checks that there are only these parameters, each at most once and with a value, be it empty.
    ///
    /// # Errors
    /// `invalid_input`, naming the first that is not so.
    pub(crate) fn only(self, known: &[&str]) -> Result<()> {
        let refuse = |why: String| Err(Error::new(ErrorKind::InvalidInput, why));
        let mut seen = Vec::new();
        for pair in self.0.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').map_or((pair, None), |(name, value)| (name, Some(value)));
            if !known.contains(&name) {
                let name: String = name.chars().take(NAME_CHARS_SHOWN).collect();
                let known: Vec<String> = known.iter().map(|known| format!("`{known}`")).collect();
                return refuse(format!("There is no query parameter `{name}` here; this takes {}.", known.join(", ")));
            }
            if value.is_none() {
                return refuse(format!(
                    "The query parameter `{name}` has no value; write `{name}=…`, or leave it out."
                ));
            }
            if seen.contains(&name) {
                return refuse(format!("The query parameter `{name}` is given twice; once is all that counts."));
            }
            seen.push(name);
        }
        Ok(())
    }

    /// The part of a list that is asked for, as Hop's tools ask: nothing asked is everything, oldest first; pages without an
    /// order are newest first (Hop's CLI puts later pages before earlier ones).
    pub(crate) fn page(self) -> Result<Page> {
        let (number, size) = (self.number("page")?, self.number("pageSize")?);
        if self.first("sortBy")?.is_some_and(|by| by != "created_at") {
            return Err(wrong("sortBy", "`created_at`"));
        }
        let newest_first = match self.first("orderBy")?.as_deref() {
            None => size.is_some(),
            Some("asc") => false,
            Some("desc") => true,
            Some(_) => return Err(wrong("orderBy", "`asc` or `desc`")),
        };
        Ok(Page { number: number.unwrap_or(1), size, newest_first })
    }

    fn number(self, name: &'static str) -> Result<Option<u64>> {
        let parse = |text: String| match text.parse::<u32>() {
            Ok(number) if number > 0 => Ok(u64::from(number)),
            _ => Err(wrong(name, "a whole number from 1 to 4294967295")),
        };
        self.first(name)?.map(parse).transpose()
    }
}

fn wrong(name: &str, wanted: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("The query parameter `{name}` must be {wanted}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b19_pages_are_read_as_hops_tools_mean_them() {
        let table = [
            ("", Some((1, None, false))),
            ("x=1&&=&y", Some((1, None, false))),
            ("page=1&orderBy=asc&sortBy=created_at", Some((1, None, false))),
            ("project=p&page=2&pageSize=75", Some((2, Some(75), true))),
            ("pageSize=3&orderBy=asc", Some((1, Some(3), false))),
            ("orderBy=desc", Some((1, None, true))),
            ("page=&pageSize=", Some((1, None, false))),
            ("page=0", None),
            ("page=-1", None),
            ("page=1.5", None),
            ("page=99999999999999999999", None),
            ("pageSize=0", None),
            ("pageSize=ten", None),
            ("pageSize=%", None),
            ("orderBy=up", None),
            ("sortBy=name", None),
        ];
        for (text, expected) in table {
            let page = Query::new(Some(text)).page();
            assert_eq!(page.as_ref().ok().map(|page| (page.number, page.size, page.newest_first)), expected, "{text}");
            assert!(page.err().is_none_or(|error| error.kind == ErrorKind::InvalidInput), "{text}");
        }
    }

    #[test]
    fn only_known_parameters_are_taken_and_each_once() {
        for text in ["", "&", "limit=", "limit=1&project=2&", "project=&limit=1"] {
            assert!(Query::new(Some(text)).only(&["limit", "project"]).is_ok(), "{text}");
        }
        let long = format!("{}=1", "x".repeat(70));
        for (text, why) in [
            ("Limit=1", "There is no query parameter `Limit` here; this takes `limit`, `project`."),
            ("limit=1&limi%74=2", "There is no query parameter `limi%74` here; this takes `limit`, `project`."),
            (&long, &format!("There is no query parameter `{}` here; this takes `limit`, `project`.", "x".repeat(64))),
            ("limit", "The query parameter `limit` has no value; write `limit=…`, or leave it out."),
            ("limit=1&limit=1", "The query parameter `limit` is given twice; once is all that counts."),
        ] {
            let error = Query::new(Some(text)).only(&["limit", "project"]).err();
            let told = error.as_ref().map(|error| (error.kind, error.detail.as_ref()));
            assert_eq!(told, Some((ErrorKind::InvalidInput, why)), "{text}");
        }
    }

    #[test]
    fn flags_are_true_or_false() {
        for (text, expected) in [("", Some(false)), ("on=true", Some(true)), ("on=false", Some(false)), ("on=1", None)]
        {
            assert_eq!(Query::new(Some(text)).flag("on").ok(), expected, "{text}");
        }
    }
}
