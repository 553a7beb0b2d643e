//! The parts of a request that wait for something else, as spans of its trace: the store, and whoever is asked over the network. Nothing is done for
//! a request that is not collected.

use std::fmt;
use std::sync::Arc;

use tollgate_core::ports::trace::{Span, SpanKind, TraceContext, Tracer};

use super::writing::origin_trace;
use crate::Node;

/// A request that is collected.
#[derive(Clone)]
pub struct Trace {
    /// By whom.
    pub tracer: Arc<dyn Tracer>,
    /// Its own place in its trace.
    pub context: TraceContext,
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trace({})", self.context)
    }
}

/// A part of it that has begun.
pub(super) struct Part {
    trace: Arc<Trace>,
    context: TraceContext,
    name: &'static str,
    begun_us: u64,
}

impl Part {
    /// What is told to whoever is called, so that its own spans are parts of this one.
    pub(super) fn header(&self) -> (String, String) {
        ("traceparent".to_owned(), self.context.to_string())
    }
}

impl Node {
    /// Begins a part of the request at work, if that is collected.
    pub(super) fn part(&self, name: &'static str) -> Option<Part> {
        let trace = origin_trace()?;
        let context = trace.tracer.part(trace.context);
        Some(Part { trace, context, name, begun_us: self.clock.micros() })
    }

    /// It has ended.
    pub(super) fn end_part(&self, part: Option<Part>, kind: SpanKind, failed: bool) {
        let Some(Part { trace, context, name, begun_us }) = part else { return };
        trace.tracer.end(Span {
            context,
            parent: Some((trace.context.span, false)),
            name: name.to_owned(),
            kind,
            begun_us,
            ended_us: self.clock.micros(),
            attributes: Vec::new(),
            failed,
        });
    }
}
