//! Traces by OpenTelemetry: spans are given ids, thinned out, gathered and sent to a collector by OTLP over HTTP (protobuf), through our own
//! client. What is traced is said where it happens; here is only what becomes of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::Full;
use opentelemetry::trace::{Link, SpanContext, SpanId, SpanKind as Kind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SpanData, SpanEvents, SpanLinks, SpanProcessor as _};
use tollgate_core::clock::{Clock, Entropy};
use tollgate_core::ports::outbound::OutboundRules;
use tollgate_core::ports::trace::{Attribute, Span, SpanKind, TraceContext, Tracer};

use crate::Failure;
use crate::config::TraceSettings;
use crate::outbound::{Direct, Trust};

/// Requests that are begun to be collected in one second; a caller's word that its trace is kept makes no more of them.
const BEGUN_MAX: u64 = 1_000;
/// How long an answer of the collector is waited for.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long the last spans may take at the end.
const FLUSH: Duration = Duration::from_secs(3);
/// The longest answer of a collector that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Collects for OpenTelemetry.
pub(crate) struct Traces {
    processor: BatchSpanProcessor,
    scope: InstrumentationScope,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    sample_percent: u64,
    /// The second, and how many were begun in it.
    begun: AtomicU64,
}

impl Traces {
    /// Starts the thread that sends; it needs the runtime that this is called on.
    ///
    /// # Errors
    /// The address cannot be one of a collector.
    pub(crate) fn start(
        settings: &TraceSettings,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, Failure> {
        // Who runs the server chose the collector: it is most often on this machine.
        let rules = OutboundRules { allow_private: true, allow_http: true, allowed: Vec::new() };
        rules.target(&settings.endpoint).map_err(|failure| format!("traces.endpoint: {failure}"))?;
        let calls =
            Calls { direct: Arc::new(Direct::new(rules, Trust::system())), runtime: tokio::runtime::Handle::current() };
        let mut headers = HashMap::new();
        if let Some(secret) = &settings.authorization {
            headers.insert("authorization".to_owned(), secret.expose().to_owned());
        }
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(calls)
            .with_endpoint(&settings.endpoint)
            .with_timeout(TIMEOUT)
            .with_headers(headers)
            .build()
            .map_err(|error| format!("traces.endpoint: {error}"))?;
        let mut processor = BatchSpanProcessor::builder(exporter).build();
        let resource = Resource::builder_empty()
            .with_service_name(settings.service_name.clone())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        processor.set_resource(&resource);
        let scope = InstrumentationScope::builder("tollgate").with_version(env!("CARGO_PKG_VERSION")).build();
        let sample_percent = settings.sample_percent;
        Ok(Self { processor, scope, clock, entropy, sample_percent, begun: AtomicU64::new(0) })
    }

    /// Sends what is gathered. Blocks, and needs the runtime of [`Traces::start`] meanwhile.
    pub(crate) fn flush(&self) {
        if let Err(error) = self.processor.shutdown_with_timeout(FLUSH) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }

    fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.entropy.fill(&mut bytes);
        // All zeroes would be no id.
        bytes[0] |= u8::from(bytes.iter().all(|byte| *byte == 0));
        bytes
    }

    /// Whether one more may begin in this second.
    fn has_room(&self) -> bool {
        let second = (self.clock.micros() / 1_000_000) << 32;
        let counted = self.begun.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |before| {
            let count = if before & !0xffff_ffff == second { before & 0xffff_ffff } else { 0 };
            (count < BEGUN_MAX).then_some(second | (count + 1))
        });
        counted.is_ok()
    }

    /// When a moment of the monotonic clock was.
    fn at(&self, micros: u64) -> SystemTime {
        let ago = Duration::from_micros(self.clock.micros().saturating_sub(micros));
        UNIX_EPOCH + Duration::from_millis(self.clock.unix().0).saturating_sub(ago)
    }
}

impl Tracer for Traces {
    fn begin(&self, parent: Option<TraceContext>) -> Option<TraceContext> {
        let sampled = match parent {
            Some(parent) => parent.sampled,
            None => u64::from(u16::from_be_bytes(self.random::<2>())) * 100 < self.sample_percent * 65_536,
        };
        if !sampled || !self.has_room() {
            return None;
        }
        let trace = parent.map_or_else(|| self.random(), |parent| parent.trace);
        Some(TraceContext { trace, span: self.random(), sampled: true })
    }

    fn follow(&self, cause: Option<TraceContext>) -> Option<TraceContext> {
        self.begin(cause.map(|cause| TraceContext { trace: self.random(), ..cause }))
    }

    fn part(&self, whole: TraceContext) -> TraceContext {
        TraceContext { span: self.random(), ..whole }
    }

    fn end(&self, span: Span) {
        let Span { context, parent, name, kind, begun_us, ended_us, attributes, cause, failed } = span;
        let (ids, flags) =
            ((TraceId::from_bytes(context.trace), SpanId::from_bytes(context.span)), TraceFlags::SAMPLED);
        let end_time = self.at(ended_us);
        let attributes = attributes.into_iter().map(|(name, value)| match value {
            Attribute::Text(text) => KeyValue::new(name, text),
            Attribute::Number(number) => KeyValue::new(name, i64::try_from(number).unwrap_or(i64::MAX)),
        });
        let mut links = SpanLinks::default();
        links.links.extend(cause.map(|cause| {
            let (trace, span) = (TraceId::from_bytes(cause.trace), SpanId::from_bytes(cause.span));
            Link::with_context(SpanContext::new(trace, span, flags, false, TraceState::NONE))
        }));
        self.processor.on_end(SpanData {
            span_context: SpanContext::new(ids.0, ids.1, flags, false, TraceState::NONE),
            parent_span_id: parent.map_or(SpanId::INVALID, |(span, _)| SpanId::from_bytes(span)),
            parent_span_is_remote: parent.is_some_and(|(_, remote)| remote),
            span_kind: match kind {
                SpanKind::Server => Kind::Server,
                SpanKind::Client => Kind::Client,
                SpanKind::Internal => Kind::Internal,
            },
            name: name.into(),
            start_time: end_time - Duration::from_micros(ended_us.saturating_sub(begun_us)),
            end_time,
            attributes: attributes.collect(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links,
            status: if failed { Status::error("") } else { Status::Unset },
            instrumentation_scope: self.scope.clone(),
        });
    }
}

/// The client of the house in the shape that the exporter takes. The exporter blocks a thread of its own; the call itself runs with us.
#[derive(Clone)]
struct Calls {
    direct: Arc<Direct>,
    runtime: tokio::runtime::Handle,
}

impl std::fmt::Debug for Calls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Calls")
    }
}

#[async_trait::async_trait]
impl HttpClient for Calls {
    async fn send_bytes(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let (url, direct) = (parts.uri.to_string(), Arc::clone(&self.direct));
        let request = http::Request::from_parts(parts, Full::new(body));
        let (tell, told) = tokio::sync::oneshot::channel();
        // Owned by the exporter's call, which waits for it with a timeout of its own; the call has one, too.
        #[allow(clippy::disallowed_methods, reason = "the exporter's thread has no runtime to own a task")]
        self.runtime.spawn(async move {
            let _ = tell.send(direct.send(&url, request, ANSWER_BYTES_MAX).await);
        });
        Ok(told.await??)
    }
}
