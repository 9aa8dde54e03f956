//! Every state of a first failure or a later one, and the decision: see the invariants of [`RetryPolicy`].

use std::time::Duration;

use super::{Decision, FailureClass, RetryMode, RetryPolicy, RetryState};
use crate::api::Idempotency;

/// When a failure is retried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Retried {
    Always,
    /// Where the operation may happen twice, in these modes: in the others always.
    IfHarmless(&'static [RetryMode]),
    Never,
}

const BOTH: &[RetryMode] = &[RetryMode::Documented, RetryMode::Cautious, RetryMode::None];
const CAREFUL: &[RetryMode] = &[RetryMode::Cautious, RetryMode::None];

/// Each class: when it is retried, and whether `Retry-After` counts ([protocol.md 11](crate::protocol#11)).
const TABLE: [(FailureClass, Retried, bool); 12] = [
    (FailureClass::NotSent, Retried::Always, false),
    (FailureClass::TlsFailed, Retried::Never, false),
    (FailureClass::ProxyUnusable, Retried::Never, false),
    (FailureClass::AnswerLost, Retried::IfHarmless(BOTH), false),
    (FailureClass::CertificateMissing, Retried::Never, false),
    (FailureClass::RateLimited, Retried::Always, true),
    (FailureClass::Unavailable, Retried::Always, true),
    (FailureClass::NotProcessed, Retried::Always, true),
    (FailureClass::ServerError, Retried::IfHarmless(CAREFUL), false),
    (FailureClass::Redirected, Retried::Never, false),
    (FailureClass::Rejected, Retried::Never, false),
    (FailureClass::Unreadable, Retried::Never, false),
];

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The pause, with this share of a tenth of it: nothing, exactly half, or all.
fn jittered(pause: Duration, jitter: u32) -> Duration {
    let tenth = pause.as_nanos() / 10;
    let more = match jitter {
        0 => 0,
        u32::MAX => tenth,
        _ => tenth * u128::from(jitter) / u128::from(u32::MAX),
    };
    pause.saturating_add(Duration::from_nanos(more.try_into().unwrap_or(u64::MAX)))
}

/// What a caller chose.
#[derive(Clone, Copy, Debug)]
struct Choice {
    mode: RetryMode,
    at_least_once: bool,
}

impl Choice {
    fn policy(self) -> RetryPolicy {
        let policy = match self.mode {
            RetryMode::Documented => RetryPolicy::documented(),
            RetryMode::Cautious => RetryPolicy::cautious(),
            RetryMode::None => RetryPolicy::none(),
        };
        policy.at_least_once(self.at_least_once)
    }

    /// What the table and the numbers of the documents say.
    fn decision(self, retried: Retried, obeys: bool, state: &RetryState) -> Decision {
        let is_harmless = self.at_least_once || state.idempotency == Idempotency::Idempotent;
        match retried {
            Retried::Never => return Decision::NotRetryable,
            Retried::IfHarmless(modes) if modes.contains(&self.mode) && !is_harmless => {
                return Decision::NotIdempotent;
            }
            Retried::Always | Retried::IfHarmless(_) => {}
        }
        let turn = match (self.mode, state.retries) {
            (RetryMode::None, _) | (_, 3..) => return Decision::Exhausted,
            (_, retries) => secs(5 * (u64::from(retries) + 1)),
        };
        let floor = match (state.class, state.for_token) {
            (FailureClass::RateLimited, false) => secs(1),
            (FailureClass::RateLimited, true) => secs(5),
            _ => turn,
        };
        let asked = state.retry_after.filter(|_| obeys).unwrap_or_default();
        Decision::Retry(jittered(floor.max(asked), state.jitter))
    }
}

/// Each of these states with each of these values.
fn each<T: Copy, const N: usize>(
    states: &[RetryState],
    values: [T; N],
    set: fn(RetryState, T) -> RetryState,
) -> Vec<RetryState> {
    states.iter().flat_map(|state| values.map(|value| set(*state, value))).collect()
}

/// Every state of a failure of this class, as far as a decision can depend on it.
fn states(class: FailureClass) -> Vec<RetryState> {
    let first = RetryState::new(class);
    let mut states = vec![first, first.idempotency(Idempotency::Idempotent)];
    let asks = [0, 1, 4, 5, 6, 15, 16, u64::MAX].map(secs);
    states = each(&states, [0, 1, 2, 3, 4, u32::MAX], RetryState::retries);
    states = each(&states, [false, true], RetryState::for_token);
    states = each(&states, [0, 1 << 31, u32::MAX], RetryState::jitter);
    let asking = each(&states, asks.map(Some), RetryState::retry_after);
    states.extend(asking);
    states
}

#[test]
fn each_state_has_the_decision_of_the_table() {
    let modes = [RetryMode::Documented, RetryMode::Cautious, RetryMode::None];
    let choices =
        modes.map(|mode| [false, true].map(|at_least_once| Choice { mode, at_least_once }));
    let mut cases = 0;
    for (class, retried, obeys) in TABLE {
        for choice in choices.into_iter().flatten() {
            let policy = choice.policy();
            for state in states(class) {
                let expected = choice.decision(retried, obeys, &state);
                assert_eq!(policy.decide(&state), expected, "{choice:?} {state:?}");
                cases += 1;
            }
        }
    }
    assert!(cases >= 46_000, "{cases}");
}
