//! A request as a span of somebody's trace: what is said of it, and nothing that its caller wrote.

use std::sync::Arc;

use http::request::Parts;
use tollgate_core::ports::trace::{Attribute, Span, SpanKind, TraceContext, Tracer};
use tollgate_node::Trace;

use crate::answer::{REQUEST_ID, Reply};
use crate::routes::Route;

/// A request that is collected.
pub(crate) struct Collected {
    pub(crate) trace: Arc<Trace>,
    parent: Option<TraceContext>,
}

impl Collected {
    /// Begins, as a part of the caller's trace when it names one.
    pub(crate) fn begin(tracer: &Arc<dyn Tracer>, parts: &Parts) -> Option<Self> {
        let named = parts.headers.get("traceparent").and_then(|value| value.to_str().ok());
        let parent = named.and_then(TraceContext::parse);
        let context = tracer.begin(parent)?;
        Some(Self { trace: Arc::new(Trace { tracer: Arc::clone(tracer), context }), parent })
    }

    /// The request was answered. What no route fits has no name but its method: paths are the caller's.
    pub(crate) fn end(self, route: Option<&'static Route>, reply: &Reply, (begun_us, ended_us): (u64, u64)) {
        let status = reply.status().as_u16();
        let text = |text: &str| Attribute::Text(text.to_owned());
        let request_id = reply.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
        let mut attributes = vec![
            ("http.response.status_code", Attribute::Number(status.into())),
            ("tollgate.request_id", text(request_id.unwrap_or_default())),
        ];
        let name = match route {
            Some(route) => {
                attributes.push(("http.request.method", text(route.method.as_str())));
                attributes.push(("http.route", text(route.template)));
                format!("{} {}", route.method, route.template)
            }
            None => "HTTP".to_owned(),
        };
        let parent = self.parent.map(|parent| (parent.span, true));
        let (context, kind, failed) = (self.trace.context, SpanKind::Server, status >= 500);
        self.trace.tracer.end(Span {
            context,
            parent,
            name,
            kind,
            begun_us,
            ended_us,
            attributes,
            cause: None,
            failed,
        });
    }
}
