//! One request at a time, as it is given, with the whole answer, its head too: for a library that speaks a protocol of its own over HTTP.
//! A connection for each; no line, no pool. The same rules about addresses as for every call.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use tollgate_core::ports::outbound::{OutboundFailure, OutboundRules};

use super::connect::{Connector, Trust, system_resolver};

/// From the name to the last byte.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Makes such requests.
pub(crate) struct Direct(Connector);

impl Direct {
    pub(crate) fn new(rules: OutboundRules, trust: Trust) -> Self {
        let (rules, counters) = (Arc::new(rules), Arc::default());
        Self(Connector { rules, resolve: system_resolver(), trust, counters })
    }

    /// Sends the request to `url`, whatever address is in it, and reads the whole answer.
    ///
    /// # Errors
    /// As a call's: the address, the connection, the time of 30 s, or an answer of more than `answer_bytes_max`.
    pub(crate) async fn send(
        &self,
        url: &str,
        request: Request<Full<Bytes>>,
        answer_bytes_max: usize,
    ) -> Result<Response<Bytes>, OutboundFailure> {
        let answered = tokio::time::timeout(TIMEOUT, self.send_patiently(url, request, answer_bytes_max)).await;
        answered.unwrap_or(Err(OutboundFailure::Timeout(TIMEOUT.as_millis() as u64)))
    }

    async fn send_patiently(
        &self,
        url: &str,
        mut request: Request<Full<Bytes>>,
        answer_bytes_max: usize,
    ) -> Result<Response<Bytes>, OutboundFailure> {
        let target = self.0.rules.target(url)?;
        let bad = || OutboundFailure::BadUrl("its path cannot be sent; percent-encode it");
        *request.uri_mut() = target.path.parse().map_err(|_| bad())?;
        request.headers_mut().insert(HOST, HeaderValue::try_from(target.authority()).map_err(|_| bad())?);
        let broken = |error: hyper::Error| OutboundFailure::Other(error.to_string());
        let stream = TokioIo::new(self.0.connect(&target).await?);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.map_err(broken)?;
        // Ended with this future, whichever way that ends.
        let mut driven = JoinSet::new();
        driven.spawn(connection);
        let answer = sender.send_request(request).await.map_err(broken)?;
        let (parts, body) = answer.into_parts();
        let body =
            Limited::new(body, answer_bytes_max).collect().await.map_err(|error| match error
                .downcast_ref::<http_body_util::LengthLimitError>(
            ) {
                Some(_) => OutboundFailure::TooLarge(answer_bytes_max),
                None => OutboundFailure::Other(error.to_string()),
            })?;
        Ok(Response::from_parts(parts, body.to_bytes()))
    }
}
