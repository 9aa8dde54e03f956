//! Takes the events of `tracing`.

use std::fmt;

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::Log;
use super::line::Fields;

/// The events of this project's crates.
pub(super) struct LogLayer(pub(super) Log);

fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("lp_connector")
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LogLayer {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        // The level may change.
        if is_ours(metadata) { Interest::sometimes() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        is_ours(metadata) && (metadata.is_span() || self.0.takes(*metadata.level()))
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut found = Found::default();
        attributes.record(&mut found);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(found.fields());
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let mut found = Found::default();
        values.record(&mut found);
        if let Some(span) = context.span(id) {
            let mut extensions = span.extensions_mut();
            let mut fields = found.fields();
            if let Some(before) = extensions.get_mut::<Fields>() {
                fields.add_missing(before);
                *before = fields;
            }
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut found = Found::default();
        event.record(&mut found);
        let mut fields = found.fields();
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields.add_missing(outer);
            }
        }
        self.0.write(*event.metadata().level(), fields);
    }
}

/// The fields of an event.
#[derive(Default)]
struct Found {
    fields: Fields,
    /// Its own sentence, which `tracing` calls `message` too.
    sentence: Option<String>,
}

impl Found {
    /// Where no field names the event, its sentence does. Otherwise it is the cause, if there is no other.
    fn fields(self) -> Fields {
        let Self { mut fields, sentence } = self;
        let name = if fields.has("event") { "cause" } else { "event" };
        if let Some(sentence) = sentence.filter(|_| !fields.has(name)) {
            fields.put_text(name, &sentence);
        }
        fields
    }
}

impl Visit for Found {
    fn record_str(&mut self, field: &Field, text: &str) {
        self.fields.put_text(field.name(), text);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        match field.name() {
            // A message's id is a `str`.
            "message" => self.sentence = Some(text),
            name => self.fields.put_text(name, &text),
        }
    }

    fn record_u64(&mut self, field: &Field, number: u64) {
        self.fields.put_number(field.name(), number.into());
    }

    fn record_i64(&mut self, field: &Field, number: i64) {
        self.fields.put_number(field.name(), number.into());
    }

    fn record_f64(&mut self, field: &Field, number: f64) {
        // Milliseconds are enough.
        let rounded = (number * 1000.0).round() / 1000.0;
        self.fields.put_number(field.name(), Value::from(rounded));
    }
}
