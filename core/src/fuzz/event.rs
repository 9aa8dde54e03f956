//! What an observer of calls sees.

use super::operation::PASSWORD;
use crate::connector::{CallEvent, Cause, EventKind, TokenKind};
use crate::error::Stage;

/// Texts that no output may contain.
const CANARIES: [&str; 5] =
    ["fuzz-canary-secret", "fuzz-canary-token", "fuzz-canary-jws", "fuzz-canary-bearer", PASSWORD];

pub(super) fn hides(shown: &str) {
    for canary in CANARIES {
        assert!(!shown.contains(canary), "{canary} is shown: {shown}");
    }
}

/// An event shows no secret, and its parts agree.
pub(super) fn observed(event: &CallEvent) {
    hides(&format!("{event:?}"));
    match &event.kind {
        EventKind::Retry { attempt, cause, .. } => {
            assert!(*attempt > 1, "the first attempt repeats nothing");
            is_short(*cause);
        }
        EventKind::RefreshDeferred { cause, .. } => is_short(*cause),
        EventKind::TokenThrottled { rejected, pause } => {
            assert!(event.stage == Stage::AppJwt && !pause.is_zero(), "{event:?}");
            rejected.iter().copied().for_each(is_short);
        }
        EventKind::TokenShared { token } => assert_eq!(token.name(), event.stage.name()),
        EventKind::RefreshingToken { token } => {
            // The request that carried it was rejected.
            let carries = match token {
                TokenKind::AppJwt => [Stage::ConsumerJws, Stage::Operation].contains(&event.stage),
                TokenKind::ConsumerJws => event.stage == Stage::Operation,
            };
            assert!(carries, "{event:?}");
        }
        _ => {}
    }
}

/// A cause is one short line, which says what happened.
fn is_short(cause: Cause) {
    let line = cause.to_string();
    match cause {
        Cause::Status(status) => assert_eq!(line, format!("status {status}")),
        Cause::NoResponse(kind) => assert_eq!(line, kind.words()),
    }
    assert!(line.len() < 80 && !line.contains(char::is_control), "{line:?}");
}
