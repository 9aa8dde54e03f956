//! Calls as `tracing` spans and events (feature `tracing`).
//!
//! One span, `call`, and a small fixed set of messages; the variable parts are fields: operation, stage,
//! attempt, status, pause, conversation. Never a body, a header, a query, a token or a secret.
//!
//! ```
//! let span = lp_connector_core::trace::call("send_text", None);
//! let _entered = span.enter();
//! ```

use tracing::{Span, debug, debug_span, info, warn};

use crate::connector::{Attempt, CallEvent, EventKind};
use crate::id::ConversationId;

/// The span of one call.
#[must_use]
pub fn call(operation: &'static str, conversation: Option<&ConversationId>) -> Span {
    let conversation = conversation.map(ConversationId::as_str);
    debug_span!("call", operation, conversation)
}

/// A request is about to be sent.
pub fn attempt(attempt: &Attempt) {
    let uri = attempt.request().uri();
    debug!(
        stage = attempt.stage().name(),
        event = "api_attempt",
        number = attempt.number(),
        method = %attempt.request().method(),
        host = uri.authority().map(|authority| authority.as_str()),
        path = uri.path(),
        "sending"
    );
}

/// An event during a call.
pub fn event(event: &CallEvent) {
    let stage = event.stage.name();
    let operation = event.operation;
    match &event.kind {
        EventKind::Answered { status, elapsed } => {
            debug!(
                event = "api_answer",
                operation,
                stage,
                status,
                elapsed_ms = millis(*elapsed),
                "answered"
            );
        }
        EventKind::NoResponse { failure, may_have_left } => {
            let failure = failure.words();
            debug!(event = "api_no_answer", operation, stage, failure, may_have_left, "no answer");
        }
        EventKind::Retry { attempt, pause, cause } => {
            let pause_ms = millis(*pause);
            info!(event = "api_retry", operation, stage, attempt, pause_ms, %cause, "will retry");
        }
        EventKind::RefreshingToken { token } => {
            let token = token.name();
            info!(event = "api_token", operation, stage, token, "refreshing a rejected token");
        }
        EventKind::RefreshDeferred { pause, cause } => {
            let pause_ms = millis(*pause);
            let sentence = "refresh ahead of expiry failed";
            warn!(event = "api_token", operation, stage, pause_ms, %cause, "{sentence}");
        }
        EventKind::TokenThrottled { pause, rejected } => {
            let rejected = rejected.map(|cause| cause.to_string());
            warn!(
                event = "api_token",
                operation,
                stage,
                pause_ms = millis(*pause),
                rejected,
                "token requests are limited"
            );
        }
        EventKind::TokenShared { token } => {
            let token = token.name();
            debug!(event = "api_token", operation, stage, token, "another program has the token");
        }
        EventKind::CircuitOpened { endpoint, pause } => {
            let pause_ms = millis(*pause);
            warn!(event = "api_circuit", operation, stage, %endpoint, pause_ms, "circuit opened");
        }
        EventKind::CircuitClosed { endpoint } => {
            info!(event = "api_circuit", operation, stage, %endpoint, "circuit closed");
        }
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "trace_tests.rs"]
mod tests;
