//! The pages, a file for each part of the console. What is here asks the node and writes a page; it decides nothing.
//!
//! **How a page is added.**
//!
//! 1. A file `pages/NAME.rs` and a template `templates/NAME.html` that says `{% extends "base.html" %}` and has the blocks `title` and `main`. The
//!    template's struct holds finished texts and flags, and a `frame: Frame` from `visit.frame("NAME")`; the word lights up the link in the side.
//!    Small pieces are macros: `{% import "parts/macros.html" as m %}`, `{% call m::icon("plus") %}{% endcall %}`. A macro that has fields in it
//!    reads `typed: Typed`. Never `|safe`; attributes always in quotes; no inline style or script (the policy refuses them).
//! 2. A handler `pub(crate) async fn show(visit: &Visit) -> Result<Answer>`: `visit.node()`, `&visit.caller`, `visit.param("channel")`,
//!    `visit.query`, `visit.form`. It answers [`Answer::page`], or an error, which becomes a page by itself.
//! 3. Its row in `routes.rs`: `inside!(Viewer GET "/console/p/:project/NAME" => NAME::show)`, sorted by path, with the least role. The table test of
//!    `tests.rs` then runs it through all rules.
//! 4. A change is a POST of a form with `{% call m::csrf() %}{% endcall %}` in it; it answers `Answer::see(&visit.at("/NAME?done=saved"))`
//!    (words of `frame::done`), or, refused, the same page with [`refused::status`](crate::refused::status) and what was typed.
//!
//! With script a form or link that has `data-swap="ID"` exchanges only the element with that id, taken out of the answered whole page; a part with
//! `id` and `data-live="SECONDS"` is asked for again (its page, or `data-from`), while somebody looks. No handler knows who asked.

pub(crate) mod audit;
pub(crate) mod channel;
mod channel_form;
pub(crate) mod channel_more;
pub(crate) mod channel_past;
pub(crate) mod channels;
pub(crate) mod connections;
pub(crate) mod doors;
pub(crate) mod explain;
pub(crate) mod find;
pub(crate) mod issuers;
pub(crate) mod keys;
mod once;
pub(crate) mod operators;
pub(crate) mod overview;
pub(crate) mod projects;
pub(crate) mod pulse;
pub(crate) mod revoke;
pub(crate) mod server;
pub(crate) mod settings;
mod settings_form;
pub(crate) mod signing;
mod sure;
pub(crate) mod token;
mod token_form;
pub(crate) mod token_more;
pub(crate) mod token_terms;
pub(crate) mod tokens;
pub(crate) mod user_more;
pub(crate) mod users;
pub(crate) mod webhooks;
pub(crate) mod works;
pub(crate) mod you;
