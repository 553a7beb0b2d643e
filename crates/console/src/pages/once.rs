//! A page with something that is shown this once: a key, a secret, a link.

use askama::Template;
use tollgate_core::Result;

use crate::answer::Answer;
use crate::frame::Frame;

/// What is shown.
#[derive(Template)]
#[template(path = "once.html")]
pub(crate) struct Once {
    pub(crate) frame: Frame,
    pub(crate) heading: &'static str,
    /// Where it is listed: a label and a path.
    pub(crate) back: (&'static str, String),
    /// What to do with it.
    pub(crate) said: String,
    pub(crate) secret: String,
    /// More about it: names and texts.
    pub(crate) facts: Vec<(&'static str, String)>,
}

/// The answer itself, not a page to go to: so the secret is in no address and kept nowhere.
pub(crate) fn page(once: &Once) -> Result<Answer> {
    Answer::page(once)
}
