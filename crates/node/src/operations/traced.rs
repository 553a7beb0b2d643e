//! The parts of a request that wait for something else, as spans of its trace: the store, and whoever is asked over the network. Nothing is done for
//! a request that is not collected. And what is done later for it, or for nobody: tries to deliver to webhooks, and parts of jobs, each in a trace of
//! its own that names the request that caused it, as long as this process remembers that.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tollgate_core::credentials::RowKind;
use tollgate_core::ports::store::Write;
use tollgate_core::ports::trace::{Attribute, Span, SpanKind, TraceContext, Tracer};

use super::writing::{Origin, origin_trace};
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
            cause: None,
            failed,
        });
    }

    /// From now on work that is done later is collected, too. The first word counts.
    pub fn trace_by(&self, tracer: Arc<dyn Tracer>) {
        let _later_word = self.tracer.set(tracer);
    }

    /// Remembers a request that is collected as the cause of what it leaves to be done later.
    pub(super) fn note_causes(&self, part: Option<&Part>, writes: &[Write]) {
        let Some(part) = part else { return };
        for write in writes {
            if let Write::Insert(row) | Write::Update(row) = write
                && matches!(row.name.kind, RowKind::Delivery | RowKind::Job)
            {
                self.causes.note((row.name.kind, row.name.id), part.trace.context);
            }
        }
    }

    /// Begins work of the server's own on a row that somebody left it, if that is collected.
    pub(super) fn begin_later(&self, kind: RowKind, id: u64) -> Option<Later> {
        let tracer = self.tracer.get()?;
        let cause = self.causes.of((kind, id));
        let context = tracer.follow(cause)?;
        Some(Later {
            trace: Arc::new(Trace { tracer: Arc::clone(tracer), context }),
            cause,
            begun_us: self.clock.micros(),
        })
    }

    /// It has ended.
    pub(super) fn end_later(
        &self,
        later: Option<Later>,
        (name, kind): (&'static str, SpanKind),
        attributes: Vec<(&'static str, Attribute)>,
        failed: bool,
    ) {
        let Some(Later { trace, cause, begun_us }) = later else { return };
        trace.tracer.end(Span {
            context: trace.context,
            parent: None,
            name: name.to_owned(),
            kind,
            begun_us,
            ended_us: self.clock.micros(),
            attributes,
            cause,
            failed,
        });
    }
}

/// Work of the server's own that has begun.
pub(super) struct Later {
    trace: Arc<Trace>,
    cause: Option<TraceContext>,
    begun_us: u64,
}

impl Later {
    /// As [`Part::header`].
    pub(super) fn header(&self) -> (String, String) {
        ("traceparent".to_owned(), self.trace.context.to_string())
    }

    /// Under which its parts are spans of the same trace.
    pub(super) fn origin(&self) -> Origin {
        Origin { trace: Some(Arc::clone(&self.trace)), ..Origin::default() }
    }
}

/// Causes remembered at most; the oldest go first.
const CAUSES_MAX: usize = 4_096;

/// Requests that caused what is done later, by the rows that they left. Only of those that are collected, and not through a restart.
#[derive(Debug, Default)]
pub(crate) struct Causes(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    of: HashMap<(RowKind, u64), TraceContext>,
    /// In the order in which they were first noted.
    order: VecDeque<(RowKind, u64)>,
}

impl Causes {
    fn note(&self, row: (RowKind, u64), cause: TraceContext) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.of.insert(row, cause).is_none() {
            known.order.push_back(row);
        }
        if known.order.len() > CAUSES_MAX
            && let Some(oldest) = known.order.pop_front()
        {
            known.of.remove(&oldest);
        }
    }

    fn of(&self, row: (RowKind, u64)) -> Option<TraceContext> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).of.get(&row).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_remembered_up_to_a_limit_and_the_last_one_counts() {
        let (causes, cause) =
            (Causes::default(), |span| TraceContext { trace: [1; 16], span: [span; 8], sampled: true });
        let row = |id| (RowKind::Delivery, id);
        for id in 0..CAUSES_MAX as u64 {
            causes.note(row(id), cause(1));
        }
        causes.note(row(0), cause(2));
        assert_eq!((causes.of(row(0)), causes.of((RowKind::Job, 0))), (Some(cause(2)), None));
        causes.note((RowKind::Job, 7), cause(3));
        assert_eq!(
            (causes.of(row(0)), causes.of(row(1)), causes.of((RowKind::Job, 7))),
            (None, Some(cause(1)), Some(cause(3)))
        );
        let known = causes.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!((known.of.len(), known.order.len()), (CAUSES_MAX, CAUSES_MAX));
    }
}
