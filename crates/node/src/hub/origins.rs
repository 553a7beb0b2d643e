//! The origins of web pages that connections of a shard came from, each kept once: a service has a handful of them, however many users.

use std::collections::HashMap;
use std::sync::Arc;

/// Most origins that are kept. Whoever makes up more of them gets a number that stands for none.
const ORIGINS_MAX: u16 = 4_096;

/// An origin by its number; 0 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OriginNumber(u16);

impl OriginNumber {
    /// Of no origin.
    pub(super) const NONE: Self = Self(0);
}

/// Of an origin that found no room: it is one, but nobody knows which.
const SOME: OriginNumber = OriginNumber(u16::MAX);

/// The origins.
#[derive(Debug, Default)]
pub(super) struct Origins {
    texts: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u16>,
}

impl Origins {
    /// The number of an origin, which is kept for as long as the shard.
    pub(super) fn number(&mut self, origin: Option<&Arc<str>>) -> OriginNumber {
        let Some(origin) = origin else { return OriginNumber::NONE };
        if let Some(known) = self.numbers.get(origin) {
            return OriginNumber(*known);
        }
        let number = u16::try_from(self.texts.len() + 1).ok().filter(|number| *number <= ORIGINS_MAX);
        let Some(number) = number else { return SOME };
        self.texts.push(Arc::clone(origin));
        self.numbers.insert(Arc::clone(origin), number);
        OriginNumber(number)
    }

    /// The origin with this number. One that found no room is the empty text, which no page has.
    pub(super) fn text(&self, number: OriginNumber) -> Option<Arc<str>> {
        if number == SOME {
            return Some("".into());
        }
        self.texts.get(usize::from(number.0).checked_sub(1)?).cloned()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_origin_is_kept_once_and_there_is_an_end_to_them() {
        let mut origins = Origins::default();
        let number = |origins: &mut Origins, text: &str| origins.number(Some(&Arc::from(text)));
        assert_eq!(origins.number(None), OriginNumber::NONE);
        assert_eq!(origins.text(OriginNumber::NONE), None);
        let first = number(&mut origins, "https://a.example");
        assert_eq!(number(&mut origins, "https://a.example"), first);
        assert_eq!(origins.text(first).as_deref(), Some("https://a.example"));
        (0..2 * u32::from(ORIGINS_MAX)).for_each(|made_up| {
            number(&mut origins, &made_up.to_string());
        });
        assert_eq!(origins.texts.len(), usize::from(ORIGINS_MAX));
        let late = number(&mut origins, "https://late.example");
        assert_eq!((late, origins.text(late).as_deref()), (SOME, Some("")));
        assert_eq!(number(&mut origins, "https://a.example"), first);
    }
}
