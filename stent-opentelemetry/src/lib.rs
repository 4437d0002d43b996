//! OpenTelemetry for Stent: an execution is one trace, over all processes.
#![doc = include_str!("../README.md")]

use std::collections::HashMap;

use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use stent_executor::TraceContext;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The header of W3C Trace Context, by which the propagator knows a trace.
const TRACEPARENT: &str = "traceparent";

/// Traces of OpenTelemetry, for [`StentBuilder::trace_context`](stent_executor::StentBuilder::trace_context).
///
/// It asks the layer of `tracing-opentelemetry` in the program's subscriber. Without that layer there are no traces, and nothing fails.
#[derive(Debug, Default)]
pub struct OpenTelemetry {
    propagator: TraceContextPropagator,
}

impl OpenTelemetry {
    /// The traces of this program.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl TraceContext for OpenTelemetry {
    fn current(&self) -> Option<String> {
        let of_span = Span::current().context();
        // Code that uses OpenTelemetry without `tracing` has its span elsewhere.
        let context = if of_span.span().span_context().is_valid() { of_span } else { Context::current() };
        let mut headers = HashMap::new();
        self.propagator.inject_context(&context, &mut headers);
        headers.remove(TRACEPARENT)
    }

    fn resume(&self, span: &Span, traceparent: &str) {
        let headers = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
        // Of nothing: the present context is that of whoever claims, and not of the task.
        let parent = self.propagator.extract_with_context(&Context::new(), &headers);
        // A subscriber without the layer keeps no parents.
        let _ = span.set_parent(parent);
    }
}

/// The page of `features/` on what is told.
#[cfg(doctest)]
#[doc = include_str!("../../features/027-telemetry.md")]
struct Telemetry;
