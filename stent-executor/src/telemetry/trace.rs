//! Traces over processes: the W3C `traceparent` (<https://www.w3.org/TR/trace-context/#traceparent-header>) is stored with each task, and whoever claims it goes on
//! with its trace.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tracing::Span;

/// How spans of this process and traces of others belong together: what a tracing library knows, and `tracing` itself does not. The crate
/// `stent-opentelemetry` has one for OpenTelemetry.
///
/// An implementation that panics, or says what is no `traceparent`, is taken to know of no trace: nothing fails by it.
pub trait TraceContext: Send + Sync + 'static {
    /// The W3C `traceparent` of the current span of this thread; `None` if it belongs to no trace.
    fn current(&self) -> Option<String>;

    /// Makes a span, which nobody has entered yet, a child of what this `traceparent` names.
    fn resume(&self, span: &Span, traceparent: &str);
}

/// The trace context of a program, if it was built with one.
#[derive(Clone, Default)]
pub(crate) struct Traces(Option<Arc<dyn TraceContext>>);

impl Traces {
    pub(crate) fn new(context: impl TraceContext) -> Self {
        Self(Some(Arc::new(context)))
    }

    /// The `traceparent` of what is made now.
    pub(crate) fn current(&self) -> Option<Arc<str>> {
        let context = self.0.as_ref()?;
        let current = catch_unwind(AssertUnwindSafe(|| context.current())).ok().flatten();
        current.filter(|text| is_traceparent(text)).map(Arc::from)
    }

    /// Lets a new span go on with the trace of a task.
    pub(super) fn resume(&self, span: &Span, traceparent: Option<&str>) {
        if let (Some(context), Some(traceparent)) = (&self.0, traceparent.filter(|text| is_traceparent(text))) {
            // A span without its trace is a span all the same.
            let _ = catch_unwind(AssertUnwindSafe(|| context.resume(span, traceparent)));
        }
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Traces").field(&self.0.is_some()).finish()
    }
}

/// Version 00 of the format: ids in lowercase hexadecimal, none of them only zeros.
fn is_traceparent(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let &[version, trace, span, flags] = parts.as_slice() else { return false };
    let is_hex = |part: &str, length| {
        part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
    };
    let is_id = |part: &str, length| is_hex(part, length) && part.bytes().any(|byte| byte != b'0');
    version == "00" && is_id(trace, 32) && is_id(span, 16) && is_hex(flags, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    struct Says(Option<&'static str>);

    impl TraceContext for Says {
        fn current(&self) -> Option<String> {
            Some(self.0.expect("it knows nothing").to_owned())
        }

        fn resume(&self, _: &Span, traceparent: &str) {
            assert_eq!(Some(traceparent), self.0);
        }
    }

    #[test]
    fn what_is_no_traceparent_is_none() {
        assert_eq!(Traces::new(Says(Some(GOOD))).current().as_deref(), Some(GOOD));
        for text in [
            "",
            "00",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-00",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01é",
        ] {
            assert_eq!(Traces::new(Says(Some(text))).current(), None, "{text}");
        }
    }

    #[test]
    fn a_context_that_panics_knows_of_no_trace() {
        let traces = Traces::new(Says(None));
        assert_eq!(traces.current(), None);
        traces.resume(&Span::none(), Some(GOOD));
        assert_eq!(Traces::default().current(), None);
    }
}
