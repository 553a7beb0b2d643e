//! Who calls: the credentials of social.plus's headers. A key of ours stands for its API key, server key and admin token alike; what it may do
//! tells them apart.

use std::sync::OnceLock;

use http::header::{AUTHORIZATION, ORIGIN};
use http::{HeaderMap, HeaderName};
use tollgate_core::authorize::Caller;
use tollgate_core::command::PresentedSecret;
use tollgate_core::{Error, ErrorKind, Result};

use super::Failure;
use crate::call::{Asked, place};
use crate::percent;
use crate::query::Query;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const SERVER_KEY: HeaderName = HeaderName::from_static("x-server-key");
const ADMIN_TOKEN: HeaderName = HeaderName::from_static("x-admin-token");

/// A request, as the handlers of this facade see it.
pub(crate) struct Called<'a> {
    pub(super) asked: &'a Asked,
    /// Once it is known.
    caller: OnceLock<Caller>,
}

impl<'a> Called<'a> {
    pub(super) const fn new(asked: &'a Asked) -> Self {
        Self { asked, caller: OnceLock::new() }
    }

    pub(super) fn caller(&self) -> Option<&Caller> {
        self.caller.get()
    }

    pub(super) fn query(&self) -> Query<'_> {
        Query::new(self.asked.parts.uri.query())
    }

    /// A parameter of the path, decoded.
    pub(super) fn text(&self, name: &'static str) -> Result<String> {
        let found = self.asked.params.iter().find(|(known, _)| *known == name);
        let (_, text) = found.expect("invariant: a handler asks for parameters that its route's template has");
        percent::decode(name, text, false)
    }

    /// The key in `X-API-Key`. Whatever is in `Authorization` does not matter here: it may be the rest of a URL with a user name.
    pub(super) fn api_key(&self) -> std::result::Result<Caller, Failure> {
        let text = self.header(&API_KEY)?.ok_or_else(|| {
            Failure::unknown_key(Error::new(
                ErrorKind::InvalidAuth,
                "The X-API-Key header is missing; send a key of your project that may create sessions, ptk_….",
            ))
        })?;
        self.key("The API key in X-API-Key", text).map_err(Failure::unknown_key)
    }

    /// The key in `x-server-key`.
    pub(super) fn server_key(&self) -> Result<Caller> {
        let text = self.header(&SERVER_KEY)?.ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidAuth,
                "The x-server-key header is missing; send a key of your project that may create auth tokens, ptk_….",
            )
        })?;
        self.key("The key in x-server-key", text)
    }

    /// The key in `x-admin-token`, or after `Bearer`.
    pub(super) fn admin(&self) -> Result<Caller> {
        match self.header(&ADMIN_TOKEN)? {
            Some(text) => self.key("The key in x-admin-token", text),
            None => self.key("The key after `Bearer`", self.bearer()?),
        }
    }

    /// The token after `Bearer`.
    pub(super) async fn token(&self) -> Result<Caller> {
        let secret = PresentedSecret::new(self.bearer()?.to_owned());
        let caller = self.asked.node.authenticate_token(None, &secret, place(&self.asked.parts)).await?;
        let _once = self.caller.set(caller);
        Ok(caller)
    }

    /// Whether an admin's credential came with the request, rather than a user's.
    pub(super) fn is_admin(&self) -> bool {
        let headers = &self.asked.parts.headers;
        headers.contains_key(&ADMIN_TOKEN) || self.bearer().is_ok_and(|text| text.starts_with("ptk_"))
    }

    fn bearer(&self) -> Result<&str> {
        let missing =
            || Error::new(ErrorKind::InvalidAuth, "The access token is missing; send it as `Authorization: Bearer …`.");
        let text = self.header(&AUTHORIZATION)?.ok_or_else(missing)?;
        let (scheme, rest) = text.split_once(' ').ok_or_else(missing)?;
        if scheme.eq_ignore_ascii_case("bearer") { Ok(rest.trim()) } else { Err(missing()) }
    }

    /// A key by its text; the page of a browser gets in with a publishable one only. `which` says where it was, for whom nothing but the
    /// message reaches.
    fn key(&self, which: &str, text: &str) -> Result<Caller> {
        let known = self.asked.node.authenticate(&PresentedSecret::new(text.to_owned()));
        let caller = known.map_err(|error| match error.kind {
            ErrorKind::InvalidAuth => Error::new(
                ErrorKind::InvalidAuth,
                format!("{which} is not a valid key of a project here; it starts with `ptk_` and may have been revoked since."),
            ),
            _ => error,
        })?;
        let _once = self.caller.set(caller);
        let is_secret = matches!(caller, Caller::ProjectKey { permissions, .. } if !permissions.is_publishable());
        if is_secret && self.asked.parts.headers.contains_key(ORIGIN) {
            return Err(Error::new(
                ErrorKind::Forbidden,
                "This request comes from a web page (it has an Origin header), and its key is a secret one: everybody who opens the page can \
                 read the key. Revoke it, and use a publishable key there (one with the permission create_session alone); keep secret keys on your backend.",
            ));
        }
        Ok(caller)
    }

    fn header(&self, name: &HeaderName) -> Result<Option<&str>> {
        single(&self.asked.parts.headers, name)
    }
}

/// A header's value, if it is there; once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    match (values.next().map(|value| value.to_str()), values.next()) {
        (None, _) => Ok(None),
        (Some(Ok(text)), None) => Ok(Some(text.trim())),
        _ => Err(Error::new(ErrorKind::InvalidInput, format!("There must be exactly one {name} header, in ASCII."))),
    }
}
