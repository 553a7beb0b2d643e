//! Coming in and going out: signing in, the one-time link, signing out, and the theme.

use askama::Template;
use http::header::HeaderName;
use http::{HeaderValue, StatusCode, Uri};
use tollgate_core::command::PresentedSecret;
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::SignedIn;

use crate::answer::Answer;
use crate::assets::Assets;
use crate::cookie::{self, Drawn};
use crate::form::{Form, Typed};
use crate::sessions::Session;
use crate::visit::{Knock, Visit};
use crate::{refused, rules, words};

/// Most bytes that a session remembers of its browser's name.
const USER_AGENT_BYTES_MAX: usize = 255;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn<'a> {
    assets: &'a Assets,
    theme: Option<&'static str>,
    host: &'a str,
    to: String,
    nobody: bool,
    typed: Typed,
}

#[derive(Template)]
#[template(path = "set_up.html")]
struct SetUp<'a> {
    assets: &'a Assets,
    theme: Option<&'static str>,
    typed: Typed,
}

#[derive(Template)]
#[template(path = "no_cookie.html")]
struct NoCookie<'a> {
    assets: &'a Assets,
    theme: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "bounce.html")]
struct Bounce<'a> {
    assets: &'a Assets,
    to: String,
}

/// Sends somebody who followed a link on another site to the same page again, this time from here: then the cookie comes along.
pub(crate) fn bounce(assets: &Assets, uri: &Uri) -> Result<Answer> {
    let path: Vec<String> = uri
        .path()
        .split('/')
        .map(|segment| words::path(&crate::form::decode(segment.as_bytes(), false).unwrap_or_default()))
        .collect();
    let to = format!("/{}", path.join("/").trim_start_matches('/'));
    Answer::page(&Bounce { assets, to })
}

/// Leads to the sign-in, and remembers where to afterwards.
pub(crate) fn to_sign_in(knock: &Knock) -> Answer {
    let wanted = knock.parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let is_page = knock.parts.method == http::Method::GET && wanted != "/console" && wanted != "/console/";
    Answer::see(&if is_page {
        format!("/console/sign-in?to={}", words::path(&wanted))
    } else {
        "/console/sign-in".to_owned()
    })
}

fn sign_in_page(knock: &Knock, status: StatusCode, typed: Typed, to: &str) -> Result<Answer> {
    let asked = rules::Request { method: &knock.parts.method, uri: &knock.parts.uri, headers: &knock.parts.headers };
    let page = SignIn {
        assets: &knock.house.assets,
        theme: knock.theme(),
        host: asked.host().unwrap_or("this server"),
        to: knock.to(to),
        nobody: !knock.node().has_operator(),
        typed,
    };
    Answer::page_as(status, &page)
}

/// `GET /console/sign-in`.
pub(crate) async fn sign_in(knock: &Knock) -> Result<Answer> {
    let to = knock.query.value("to");
    if knock.session.is_some() {
        return Ok(Answer::see(&knock.to(to)));
    }
    sign_in_page(knock, StatusCode::OK, Typed::default(), to)
}

/// `POST /console/sign-in`.
pub(crate) async fn enter(knock: &Knock) -> Result<Answer> {
    let (name, to) = (knock.form.value("username"), knock.form.value("to"));
    let outcome = knock.node().sign_in(name.trim(), &secret(knock.form.value("password"))).await;
    knock.house.figures.sign_in(outcome.as_ref().map(|_| ()).map_err(|error| error.kind));
    match outcome {
        Ok(signed_in) => Ok(begin(knock, signed_in, &knock.to(to))),
        Err(error) => {
            let typed = Typed::new(Form::default().with("username", name)).wrong_at("", &error);
            sign_in_page(knock, refused::status(error.kind), typed, to)
        }
    }
}

/// `GET /console/sign-in/check`: whether the browser kept what it was given.
pub(crate) async fn check(knock: &Knock) -> Result<Answer> {
    if knock.session.is_some() {
        return Ok(Answer::see(&knock.to(knock.query.value("to"))));
    }
    Answer::page(&NoCookie { assets: &knock.house.assets, theme: knock.theme() })
}

/// `GET /console/set-up`. The code of the link is behind its `#` and never comes here by itself.
pub(crate) async fn set_up(knock: &Knock) -> Result<Answer> {
    Answer::page(&SetUp { assets: &knock.house.assets, theme: knock.theme(), typed: Typed::default() })
}

/// `POST /console/set-up`.
pub(crate) async fn accept(knock: &Knock) -> Result<Answer> {
    let (code, name, password) = (knock.form.value("code"), knock.form.value("username"), knock.form.value("password"));
    let made = if code.trim().is_empty() {
        Err(Error::new(ErrorKind::Gone, "Open the link that was printed once more: its code is missing."))
    } else if password == knock.form.value("again") {
        let code = secret(code.trim().trim_start_matches('#'));
        knock.node().accept_invitation(&code, Some(name.trim()), &secret(password)).await
    } else {
        Err(Error::new(ErrorKind::InvalidInput, "The two passwords are not the same; type them again."))
    };
    match made {
        Ok(signed_in) => Ok(begin(knock, signed_in, "/console/")),
        Err(error) => {
            let typed = Typed::new(Form::default().with("username", name).with("code", code)).wrong_at("", &error);
            let page = SetUp { assets: &knock.house.assets, theme: knock.theme(), typed };
            Answer::page_as(refused::status(error.kind), &page)
        }
    }
}

fn secret(text: &str) -> PresentedSecret {
    PresentedSecret::new(text.to_owned())
}

/// Begins a session: always a new one, whatever the browser brought along, and ends the one that it had.
pub(crate) fn begin(knock: &Knock, signed_in: SignedIn, to: &str) -> Answer {
    let house = &knock.house;
    let (drawn, csrf) = (Drawn::new(house.entropy.as_ref()), Drawn::new(house.entropy.as_ref()));
    let now = house.clock.monotonic();
    let agent =
        knock.parts.headers.get(http::header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let session = Session {
        signed_in,
        begun: now,
        begun_at: knock.now(),
        used: now,
        confirmed: now,
        address: knock.address,
        user_agent: agent.chars().take(USER_AGENT_BYTES_MAX).collect(),
        csrf: csrf.into_value(),
    };
    let mut sessions = house.sessions();
    if let Some(before) = &knock.session {
        sessions.end(|name, _| *name == before.name);
    }
    sessions.begin(drawn.name(), session, now);
    Answer::see(&format!("/console/sign-in/check?to={}", words::path(to))).with_cookie(drawn.header())
}

/// `POST /console/sign-out`.
pub(crate) async fn leave(visit: &Visit) -> Result<Answer> {
    visit.house.sessions().end(|name, _| *name == visit.session.name);
    visit.node().sign_out(&visit.caller).await?;
    let clear = (HeaderName::from_static("clear-site-data"), HeaderValue::from_static("\"cache\""));
    Ok(Answer::see("/console/sign-in").with_cookie(cookie::gone()).with(clear.0, clear.1))
}

/// `POST /console/theme`.
pub(crate) async fn theme(visit: &Visit) -> Result<Answer> {
    let to = visit.to(visit.form.value("to"));
    let theme = cookie::theme_named(visit.form.value("theme")).unwrap_or("light");
    Ok(Answer::see(&to).with_cookie(cookie::theme_header(theme)))
}
