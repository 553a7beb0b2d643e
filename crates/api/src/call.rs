//! One authenticated request, as handlers see it: who calls, what the path, the query and the headers say, and the body.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, AsHeaderName, IF_MATCH, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use tollgate_core::authorize::Caller;
use tollgate_core::command::PresentedSecret;
use tollgate_core::ids::{ChannelId, ProjectId};
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::{Node, Place, origin};

use crate::percent;
use crate::query::Query;
use crate::routes::Params;

/// A request whose handler finds out itself who asks: a facade that takes its credentials from headers of its own.
pub(crate) struct Asked {
    pub(crate) node: Arc<Node>,
    pub(crate) parts: Box<Parts>,
    pub(crate) params: Params,
    pub(crate) body: Bytes,
    pub(crate) request_id: HeaderValue,
}

/// The context of a handler.
pub(crate) struct Call {
    pub(crate) node: Arc<Node>,
    pub(crate) caller: Caller,
    pub(crate) body: Bytes,
    parts: Box<Parts>,
    params: Params,
}

impl Call {
    /// Checks that the request means the caller's own project (Hop behaviour 10).
    ///
    /// # Errors
    /// `forbidden` for another project.
    pub(crate) fn new(node: Arc<Node>, caller: Caller, parts: Box<Parts>, params: Params, body: Bytes) -> Result<Self> {
        let call = Self { node, caller, body, parts, params };
        if call.parts.uri.query().is_none() {
            return Ok(call);
        }
        for named in call.query().all("project") {
            let named = named?.parse::<ProjectId>().ok();
            if !matches!(call.caller, Caller::ProjectKey { project, .. } if Some(project) == named) {
                return Err(Error::new(
                    ErrorKind::Forbidden,
                    "The query parameter `project` names another project than this key's; leave it out or use that project's key.",
                ));
            }
        }
        Ok(call)
    }

    pub(crate) fn query(&self) -> Query<'_> {
        Query::new(self.parts.uri.query())
    }

    /// The channel of the path.
    pub(crate) fn channel(&self) -> Result<ChannelId> {
        ChannelId::new(&self.channel_text()?)
    }

    /// The same, to be checked by whoever takes it.
    pub(crate) fn channel_text(&self) -> Result<String> {
        percent::decode("channel id", self.param("channel"), false)
    }

    /// The credential that the request came with.
    pub(crate) fn presented(&self) -> Result<PresentedSecret> {
        credential(&self.parts.headers)
    }

    /// The token of the path, by its secret or its public id.
    pub(crate) fn token(&self) -> Result<PresentedSecret> {
        match self.param("token") {
            "" => Err(Error::new(ErrorKind::InvalidInput, "The token in the URL is empty.")),
            text => percent::decode("token", text, false).map(PresentedSecret::new),
        }
    }

    /// The version that the caller expects, from `If-Match: "<version>"`; `*` expects nothing.
    pub(crate) fn if_version(&self) -> Result<Option<u64>> {
        let Some(value) = self.parts.headers.get(IF_MATCH) else { return Ok(None) };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(None);
        }
        let version = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).and_then(|text| text.parse().ok());
        version.map(Some).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidInput,
                "If-Match must be one ETag of this state as it was answered, like \"3\" with its quotes.",
            )
        })
    }

    /// A parameter of the path, decoded.
    pub(crate) fn text(&self, name: &'static str) -> Result<String> {
        percent::decode(name, self.param(name), false)
    }

    /// An id of ours in the path.
    pub(crate) fn id<T: std::str::FromStr<Err = Error>>(&self, name: &'static str) -> Result<T> {
        self.text(name)?.parse()
    }

    /// The first value of a header, as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Every value of a header, text or not.
    pub(crate) fn headers(&self, name: impl AsHeaderName) -> impl Iterator<Item = &HeaderValue> {
        self.parts.headers.get_all(name).iter()
    }

    fn param(&self, name: &str) -> &str {
        let found = self.params.iter().find(|(known, _)| *known == name);
        &found.expect("invariant: a handler asks for parameters that its route's template has").1
    }
}

/// From where a request comes.
pub(crate) fn place(parts: &Parts) -> Place<'_> {
    Place { address: origin().address, origin: parts.headers.get(ORIGIN).and_then(|origin| origin.to_str().ok()) }
}

/// The project that a request names in `X-Tollgate-Project`.
///
/// # Errors
/// `invalid_input` for what is no project's id.
pub(crate) fn named_project(headers: &HeaderMap) -> Result<Option<ProjectId>> {
    let wrong =
        || Error::new(ErrorKind::InvalidInput, "The header X-Tollgate-Project must be a project's id, project_….");
    let named = headers.get("x-tollgate-project").map(|value| value.to_str().map_err(|_| wrong()));
    named.transpose()?.map(|text| text.trim().parse().map_err(|_| wrong())).transpose()
}

/// The secret of `Authorization`: bare, as Hop's SDKs send it, or after `Bearer`.
///
/// # Errors
/// `invalid_auth` when there is none, more than one, or one of a kind that does not exist here.
pub(crate) fn credential(headers: &HeaderMap) -> Result<PresentedSecret> {
    let refuse = |why: &str| Error::new(ErrorKind::InvalidAuth, why);
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let text = match (values.next().map(HeaderValue::to_str), values.next()) {
        (Some(Ok(text)), None) => text.trim(),
        (None, _) => return Err(refuse("The Authorization header is missing; send a project key, ptk_….")),
        _ => {
            return Err(refuse("There must be exactly one Authorization header, in ASCII, with a project key, ptk_…."));
        }
    };
    let secret = match text.split_at_checked("Bearer ".len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("Bearer ") => rest.trim(),
        _ => text,
    };
    if ["pat_", "bearer_"].iter().any(|prefix| secret.starts_with(prefix)) {
        return Err(refuse("This server has no personal access tokens; send a project key, ptk_…."));
    }
    Ok(PresentedSecret::new(secret.to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn b02_the_secret_is_bare_or_after_bearer() {
        let table: &[(&[&[u8]], Option<&str>)] = &[
            (&[b"ptk_a"], Some("ptk_a")),
            (&[b"Bearer ptk_a"], Some("ptk_a")),
            (&[b"bearer   ptk_a "], Some("ptk_a")),
            (&[b"Basic cHRr"], Some("Basic cHRr")),
            (&[b""], Some("")),
            (&[], None),
            (&[b"ptk_a", b"ptk_a"], None),
            (&[b"ptk_\xe9"], None),
            (&[b"pat_x"], None),
            (&[b"Bearer bearer_x"], None),
        ];
        for (values, expected) in table {
            let mut headers = HeaderMap::new();
            for value in *values {
                headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
            }
            match (credential(&headers), expected) {
                (Ok(secret), Some(expected)) => assert_eq!(secret.expose(), *expected),
                (Err(error), None) => assert_eq!(error.kind, ErrorKind::InvalidAuth),
                (got, _) => panic!("{values:?}: {got:?}"),
            }
        }
    }
}
