//! Reports of events during a call, and of why a command failed.

use std::error::Error as _;
use std::process::ExitCode;
use std::time::Duration;

use lp_connector_core::connector::{CallEvent, EventKind, TokenKind};
use lp_connector_core::error::{Delivery, ErrorKind, Stage};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::Output;

impl Output {
    /// Reports an event of a call, such as a retry.
    pub(crate) fn event(&self, event: &CallEvent) {
        let operation = event.operation;
        let about = match event.stage {
            Stage::Operation => operation.to_owned(),
            stage => format!("{operation}, {}", stage_words(stage)),
        };
        let of = |name: &str, more: Value| {
            let mut event =
                json!({"event": name, "operation": operation, "stage": event.stage.name()});
            if let (Some(members), Value::Object(more)) = (event.as_object_mut(), more) {
                members.extend(more);
            }
            event
        };
        match &event.kind {
            EventKind::Retry { attempt, pause, cause, .. } => {
                let more = json!({"attempt": attempt, "pause_ms": millis(*pause), "cause": cause.to_string()});
                let seconds = pause.as_secs_f64();
                let line = format!("{about}: {cause}; attempt {attempt} in {seconds:.1} s");
                self.tell(&of("retry", more), &line);
            }
            EventKind::RefreshingToken { token, .. } => {
                let line =
                    format!("{about}: the {} was rejected; refreshing it", token_words(*token));
                self.tell(&of("refreshing_token", json!({"token": token.name()})), &line);
            }
            EventKind::RefreshDeferred { pause, cause, .. } => {
                let more = json!({"pause_ms": millis(*pause), "cause": cause.to_string()});
                let seconds = pause.as_secs();
                let line = format!(
                    "refresh ahead of expiry failed ({cause}); next attempt in {seconds} s"
                );
                self.tell(&of("refresh_deferred", more), &line);
            }
            EventKind::TokenThrottled { pause, rejected, .. } => {
                let cause = rejected.map(|cause| cause.to_string());
                let reason = match &cause {
                    Some(cause) => format!("the last one was rejected: {cause}"),
                    None => "the last one has expired".to_owned(),
                };
                let more = json!({"pause_ms": millis(*pause), "rejected": cause});
                let seconds = pause.as_secs_f64();
                let line = format!(
                    "{about}: the next token is requested in {seconds:.1} s; {reason} (--app-jwt-interval)"
                );
                self.tell(&of("token_throttled", more), &line);
            }
            EventKind::CircuitOpened { endpoint, pause, .. } => {
                let endpoint = endpoint.to_string();
                let more = json!({"service": endpoint, "pause_ms": millis(*pause)});
                let seconds = pause.as_secs();
                let line = format!("{endpoint} keeps failing; its circuit is open for {seconds} s");
                self.tell(&of("circuit_opened", more), &line);
            }
            // Requests and responses are for the log; that a circuit is closed again shows by itself.
            _ => {}
        }
    }

    /// The exit status of a command that ended so, once all is written; a failure is reported.
    pub(crate) fn exit(&self, done: Result<(), Failure>) -> ExitCode {
        match done.and_then(|()| self.finish()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                self.failure(&failure);
                failure.exit_code()
            }
        }
    }

    /// Reports why the command failed, and what to do.
    pub(crate) fn failure(&self, failure: &Failure) {
        let line = match failure {
            Failure::Usage(line) | Failure::Local(line) => line.clone(),
            // Nothing of ours belongs between what the command has printed.
            Failure::Command { reason: None, .. } => return,
            Failure::Command { reason: Some(line), .. } => line.clone(),
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
        if self.is_json() {
            self.done(&describe(failure, &line), "");
        }
        // If stdout cannot be written, programs get the line too.
        if !self.is_json() || self.is_lost() {
            self.error(&line);
        }
    }
}

fn millis(pause: Duration) -> u64 {
    u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)
}

/// A request of a call, for people.
fn stage_words(stage: Stage) -> &'static str {
    match stage {
        Stage::Domain => "look-up of the host",
        Stage::AppJwt => "AppJWT",
        Stage::ConsumerJws => "ConsumerJWS",
        other => other.name(),
    }
}

/// A token, for people.
fn token_words(token: TokenKind) -> &'static str {
    match token {
        TokenKind::AppJwt => "AppJWT",
        TokenKind::ConsumerJws => "ConsumerJWS",
    }
}

/// The option that follows the advice.
fn hint(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Tls => " (--ca-file FILE gives one)",
        ErrorKind::UntrustedHost => " (--trust-suffix SUFFIX)",
        ErrorKind::DeadlineExceeded => " (--deadline TIME)",
        ErrorKind::AlreadyOpen => {
            " (lp-connector close --consumer EXT --conversation ID), or name another consumer"
        }
        ErrorKind::Unconfirmed => " (--at-least-once retries it anyway)",
        _ => "",
    }
}

fn describe(failure: &Failure, line: &str) -> Value {
    match failure {
        Failure::Usage(_) => {
            json!({"event": "error", "kind": "usage", "delivery": Delivery::NotSent.name(), "message": line})
        }
        Failure::Local(_) | Failure::Command { .. } => {
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
