//! Output: JSON lines for programs, short lines for people.

use std::error::Error as _;
use std::io::{self, IsTerminal as _, Write as _};

use lp_connector_core::connector::{CallEvent, EventKind};
use lp_connector_core::error::{Delivery, ErrorKind, Stage};
use serde_json::{Value, json};

use crate::failure::Failure;

/// Where a command prints, and how.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    json: bool,
    colour: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { json, colour }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a result: `event` for programs, `line` for people.
    pub(crate) fn done(&self, event: &Value, line: impl AsRef<str>) {
        let text = if self.json { event.to_string() } else { sanitize(line.as_ref()) };
        print(&text);
    }

    /// Prints a line only for people.
    pub(crate) fn say(&self, line: impl AsRef<str>) {
        if !self.json {
            print(line.as_ref());
        }
    }

    /// Writes bytes to stdout unchanged.
    pub(crate) fn raw(&self, bytes: &[u8]) {
        let mut stdout = io::stdout().lock();
        let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
    }

    /// Writes a line of the log to stderr, also in JSON mode.
    pub(crate) fn log(&self, line: &str) {
        let (dim, plain) = if self.colour { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
        let _ = writeln!(io::stderr(), "{dim}{line}{plain}");
    }

    /// Shows progress in thirds: a bar on a terminal, nothing elsewhere.
    pub(crate) fn progress(&self, thirds: usize, step: &str) {
        if self.json || !io::stderr().is_terminal() {
            return;
        }
        let mut stderr = io::stderr().lock();
        let _ = if thirds >= 3 {
            write!(stderr, "\r\x1b[K")
        } else {
            let (done, rest) = ("#".repeat(thirds * 10), ".".repeat(30 - thirds * 10));
            write!(stderr, "\r\x1b[K[{done}{rest}] {step}")
        };
        let _ = stderr.flush();
    }

    /// Writes a line that is not a result to stderr, for people.
    pub(crate) fn note(&self, line: &str) {
        if !self.json {
            self.log(line);
        }
    }

    /// Reports an event of a call, such as a retry.
    pub(crate) fn event(&self, event: &CallEvent) {
        let operation = event.operation;
        let about = match event.stage {
            Stage::Operation => operation.to_owned(),
            stage => format!("{operation}, {}", stage.name()),
        };
        match &event.kind {
            EventKind::Retry { attempt, pause, cause, .. } => {
                let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                if self.json {
                    let event = json!({"event": "retry", "operation": operation,
                        "stage": event.stage.name(), "attempt": attempt, "pause_ms": pause_ms,
                        "cause": cause.to_string()});
                    print(&event.to_string());
                } else {
                    let seconds = pause.as_secs_f64();
                    self.note(&format!("{about}: {cause}; attempt {attempt} in {seconds:.1} s"));
                }
            }
            EventKind::RefreshingToken { token, .. } => {
                self.note(&format!("{about}: the {} was rejected; refreshing it", token.name()));
            }
            EventKind::RefreshDeferred { pause, cause, .. } => {
                let seconds = pause.as_secs();
                self.note(&format!(
                    "refresh ahead of expiry failed ({cause}); next attempt in {seconds} s"
                ));
            }
            EventKind::CircuitOpened { endpoint, pause, .. } => {
                let seconds = pause.as_secs();
                self.note(&format!(
                    "{endpoint} keeps failing; its circuit is open for {seconds} s"
                ));
            }
            _ => {}
        }
    }

    /// Reports why the command failed, and what to do.
    pub(crate) fn failure(&self, failure: &Failure) {
        let line = match failure {
            Failure::Usage(line) | Failure::Local(line) => line.clone(),
            Failure::Call(error) => {
                // The error says what failed and what to do. Its causes follow.
                let mut line = format!("{error:#}");
                line.push_str(hint(error.kind()));
                let mut cause = error.source();
                while let Some(error) = cause {
                    line.push_str(&format!("\n  caused by: {error}"));
                    cause = error.source();
                }
                line
            }
        };
        if self.json {
            print(&describe(failure, &line).to_string());
        } else {
            let (red, plain) = if self.colour { ("\x1b[31m", "\x1b[0m") } else { ("", "") };
            let _ = writeln!(io::stderr(), "{red}error:{plain} {line}");
        }
    }
}

/// The option that follows the advice.
fn hint(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Tls => " (--ca-file FILE gives one)",
        ErrorKind::UntrustedHost => " (--trust-suffix SUFFIX)",
        ErrorKind::DeadlineExceeded => " (--deadline TIME)",
        ErrorKind::Unconfirmed => " (--at-least-once retries it anyway)",
        _ => "",
    }
}

fn describe(failure: &Failure, line: &str) -> Value {
    match failure {
        Failure::Usage(_) => {
            json!({"event": "error", "kind": "usage", "delivery": Delivery::NotSent.name(), "message": line})
        }
        Failure::Local(_) => {
            json!({"event": "error", "kind": "local", "delivery": Delivery::NotSent.name(), "message": line})
        }
        Failure::Call(error) => json!({
            "event": "error",
            "kind": error.kind().name(),
            "operation": error.operation(),
            "stage": error.stage().name(),
            "status": error.status(),
            "error_code": error.error_code(),
            "attempts": error.attempts(),
            "delivery": error.delivery().name(),
            "retry_after_ms": error.retry_after().map(|pause| pause.as_millis() as u64),
            "request_id": error.request_id(),
            "message": line,
        }),
    }
}

/// Replaces control characters: text from others must not control the terminal.
pub(crate) fn sanitize(text: &str) -> String {
    let shown = |c: char| if c.is_control() && c != '\n' { '\u{fffd}' } else { c };
    text.chars().map(shown).collect()
}

/// Prints a line on stdout. An error is ignored: then nobody reads the output.
fn print(line: &str) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}
