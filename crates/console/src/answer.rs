//! What a request is answered with, and the headers that every answer has.

use askama::Template;
use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, LOCATION,
    REFERRER_POLICY, SET_COOKIE, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderValue, Response, StatusCode};
use tollgate_core::peer::Known;
use tollgate_core::{Error, ErrorKind};

use crate::body::{AnswerBody, Part};

/// What pages may load and do: our own files, and nothing else. No inline script or style, no frame, no other origin.
pub(crate) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                                 form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";

/// The whole answer; the connection takes it as it is.
pub(crate) type Reply = Response<AnswerBody>;

/// An answer on its way.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: AnswerBody,
    may_be_kept: bool,
    /// To somebody who is signed in: its connection is one of a known client.
    is_of_known: bool,
    /// How long it took the server, in microseconds.
    took_us: Option<u64>,
}

impl Answer {
    fn new(status: StatusCode, body: Bytes) -> Self {
        let body = AnswerBody::whole(body);
        Self { status, headers: Vec::new(), body, may_be_kept: false, is_of_known: false, took_us: None }
    }

    /// A page.
    pub(crate) fn page(template: &impl Template) -> Result<Self, Error> {
        Self::page_as(StatusCode::OK, template)
    }

    /// A page with another status than 200: what was wanted was refused, and the page says so.
    pub(crate) fn page_as(status: StatusCode, template: &impl Template) -> Result<Self, Error> {
        let html = template.render().map_err(|error| {
            tracing::error!(%error, "a template failed");
            Error::new(ErrorKind::Internal, "This page could not be written; the log says why.")
        })?;
        Ok(Self::new(status, html.into()).with(CONTENT_TYPE, HeaderValue::from_static(HTML)))
    }

    /// Go there by GET. `to` is a path of ours, percent-encoded.
    pub(crate) fn see(to: &str) -> Self {
        let to = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/console/"));
        Self::new(StatusCode::SEE_OTHER, Bytes::new()).with(LOCATION, to)
    }

    /// Nothing new.
    pub(crate) fn nothing(status: StatusCode) -> Self {
        Self::new(status, Bytes::new())
    }

    /// A file of ours, which never changes under its name.
    pub(crate) fn file(content_type: &'static str, body: &'static [u8]) -> Self {
        let mut answer = Self::new(StatusCode::OK, Bytes::from_static(body));
        answer.may_be_kept = true;
        answer.with(CONTENT_TYPE, HeaderValue::from_static(content_type))
    }

    /// A file to keep, in parts. `name` is of letters, digits, `-`, `_` and `.`.
    pub(crate) fn download(content_type: &'static str, name: &str, first: Part) -> Self {
        let mut answer = Self::new(StatusCode::OK, Bytes::new());
        answer.body = AnswerBody::parts(first);
        let kept = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""));
        let kept = kept.unwrap_or(HeaderValue::from_static("attachment"));
        answer.with(CONTENT_TYPE, HeaderValue::from_static(content_type)).with(CONTENT_DISPOSITION, kept)
    }

    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn with_cookie(self, cookie: HeaderValue) -> Self {
        self.with(SET_COOKIE, cookie)
    }

    pub(crate) fn allowing(self, methods: &str) -> Self {
        let methods = HeaderValue::from_str(methods).unwrap_or(HeaderValue::from_static("GET, HEAD"));
        self.with(ALLOW, methods)
    }

    pub(crate) fn of_known(mut self, is_known: bool) -> Self {
        self.is_of_known = is_known;
        self
    }

    /// Notes how long this took. Only those who are signed in are told: a stranger learns nothing by it.
    pub(crate) fn after(mut self, took_us: u64) -> Self {
        self.took_us = Some(took_us);
        self
    }

    /// The answer with the headers that all have.
    pub(crate) fn reply(self, request_id: &str, tls: bool) -> Reply {
        const ALL: [(HeaderName, &str); 8] = [
            (CONTENT_SECURITY_POLICY, POLICY),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (REFERRER_POLICY, "no-referrer"),
            (X_FRAME_OPTIONS, "DENY"),
            (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
            (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
            (
                HeaderName::from_static("permissions-policy"),
                "clipboard-write=(self), clipboard-read=(), camera=(), microphone=(), geolocation=()",
            ),
            (HeaderName::from_static("x-robots-tag"), "noindex"),
        ];
        let mut reply = Response::new(self.body);
        *reply.status_mut() = self.status;
        if self.is_of_known {
            reply.extensions_mut().insert(Known);
        }
        let timing = self.took_us.filter(|_| self.is_of_known);
        let headers = reply.headers_mut();
        if let Some(us) = timing
            && let Ok(value) = HeaderValue::from_str(&format!("app;dur={}.{:03}", us / 1_000, us % 1_000))
        {
            headers.insert(HeaderName::from_static("server-timing"), value);
        }
        for (name, value) in ALL {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let kept = if self.may_be_kept { "public, max-age=31536000, immutable" } else { "no-store" };
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(kept));
        if tls {
            headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
        }
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert(HeaderName::from_static("x-request-id"), id);
        }
        for (name, value) in self.headers {
            headers.append(name, value);
        }
        reply
    }
}
