//! What a program tells to `tracing`, line by line, in a file of its place.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::Place;

/// Events as `17 INFO message=… task=…`, the process first. Spans are left out.
pub(super) struct Log(Place);

impl Log {
    /// Listens from now on. Who listens already is not disturbed.
    pub(super) fn write_to(place: &Place) {
        let _ = tracing::subscriber::set_global_default(Self(place.clone()));
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0 += &format!(" {}={value:?}", field.name());
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("stent") && *metadata.level() <= Level::INFO
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(format!("{} {}", std::process::id(), event.metadata().level()));
        event.record(&mut line);
        self.0.append("log", &line.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
