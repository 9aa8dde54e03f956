//! What is logged of a delivery, with its level and its texts.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::with_default;
use tracing::{Dispatch, Event, Metadata, Subscriber};

use super::*;

/// Keeps a line for each event: the level, and what is text of its fields.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_str(&mut self, _: &Field, value: &str) {
        self.0.push(' ');
        self.0.push_str(value);
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

impl Subscriber for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// What is logged meanwhile.
fn logged(work: impl FnOnce()) -> Vec<String> {
    let lines = Lines::default();
    // With one subscriber alone, `tracing` asks the thread that comes to a place first whether anybody wants what is
    // written there. That can be another test's, which has no subscriber. With two, it asks them.
    let _second = Dispatch::new(lines.clone());
    with_default(lines.clone(), work);
    let all = lines.0.lock().unwrap();
    all.clone()
}

#[test]
fn each_verdict_is_logged_with_its_delivery() {
    let pause = Duration::from_secs(7);
    for (verdict, line) in [
        (Verdict::Taken, "DEBUG delivery_taken c1:c1:4"),
        (Verdict::Refused("too long".to_owned()), "WARN delivery_refused c1:c1:4 too long"),
        (Verdict::Outage(None), "WARN delivery_waits c1:c1:4"),
        (Verdict::Paused(pause), "DEBUG delivery_waits c1:c1:4"),
        (Verdict::NotTried(pause), "DEBUG delivery_waits c1:c1:4"),
        (Verdict::Broken, "ERROR handler_panicked c1:c1:4"),
    ] {
        assert_eq!(logged(|| log_verdict("c1:c1:4", &verdict)), [line], "{verdict:?}");
    }
}
