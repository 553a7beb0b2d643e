//! A page before what cannot be taken back: it says what will happen, and has the button there.

use askama::Template;
use tollgate_core::{Error, Result};

use crate::answer::Answer;
use crate::confirm;
use crate::form::{Form, Typed};
use crate::frame::Frame;
use crate::refused;
use crate::visit::Visit;
use http::StatusCode;

/// What is about to happen, in finished texts.
pub(crate) struct Sure {
    /// The part of the console that is open.
    pub(crate) here: &'static str,
    pub(crate) heading: &'static str,
    /// Where it is listed: a label and a path.
    pub(crate) list: (&'static str, String),
    /// What it happens to; text of the outside.
    pub(crate) subject: String,
    /// Its own page, to go back to.
    pub(crate) keep: String,
    /// What will happen, a sentence or two each.
    pub(crate) says: Vec<String>,
    /// Where the form is sent.
    pub(crate) action: String,
    /// The values of `how` and their labels.
    pub(crate) buttons: Vec<(&'static str, &'static str)>,
    /// Whether the password is asked for, unless it was said lately.
    pub(crate) asks: bool,
}

#[derive(Template)]
#[template(path = "sure.html")]
struct Page {
    frame: Frame,
    typed: Typed,
    confirm: bool,
    heading: &'static str,
    list: (&'static str, String),
    subject: String,
    keep: String,
    says: Vec<String>,
    action: String,
    buttons: Vec<(&'static str, &'static str)>,
    carried: Vec<(String, String)>,
}

/// The page, perhaps with why it was refused: a field and the error.
pub(crate) fn page(visit: &Visit, sure: Sure, wrong: Option<(&'static str, &Error)>) -> Result<Answer> {
    carrying(visit, sure, Vec::new(), wrong)
}

/// The same with fields of the form before it, which are sent once more.
pub(crate) fn carrying(
    visit: &Visit,
    sure: Sure,
    carried: Vec<(String, String)>,
    wrong: Option<(&'static str, &Error)>,
) -> Result<Answer> {
    let (mut status, mut typed) = (StatusCode::OK, Typed::new(Form::default()));
    if let Some((field, error)) = wrong {
        (status, typed) = (refused::status(error.kind), typed.wrong_at(field, error));
    }
    let page = Page {
        frame: visit.frame(sure.here),
        typed,
        confirm: sure.asks && confirm::is_due(visit),
        heading: sure.heading,
        list: sure.list,
        subject: sure.subject,
        keep: sure.keep,
        says: sure.says,
        action: sure.action,
        buttons: sure.buttons,
        carried,
    };
    Answer::page_as(status, &page)
}
