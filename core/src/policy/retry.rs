//! Decides whether a failed attempt is retried, and after which pause.

use std::sync::Arc;
use std::time::Duration;

use super::FailureClass;
use crate::api::{Idempotency, RetryHints};

/// Which failures are retried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RetryMode {
    /// LivePerson's own recommendation ([protocol.md 11](crate::protocol#11)): 429 and 5xx are
    /// retried for every operation, though a 5xx that a gateway made can hide an effect. So are 408, 421
    /// and 425, which are no verdict on the request.
    Documented,
    /// An operation that is not idempotent is retried only when it certainly had no effect: it never
    /// left, or the response was 408, 421, 425, 429 or 503.
    Cautious,
    /// Nothing is retried.
    None,
}

/// The decision after a failed attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a driver must handle every decision")]
pub enum Decision {
    /// Retry after this pause.
    Retry(Duration),
    /// The retries are used up: the service is failing.
    Exhausted,
    /// A retry could repeat the effect, and at-least-once is off.
    NotIdempotent,
    /// A retry cannot help.
    NotRetryable,
}

/// One failed attempt, for [`RetryPolicy::decide`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct RetryState {
    /// How the attempt failed.
    pub class: FailureClass,
    /// The number of retries so far. Default: 0.
    pub retries: u32,
    /// Whether the operation is idempotent. Default: no.
    pub idempotency: Idempotency,
    /// Whether the request was for an AppJWT, which has its own rate limit. Default: no.
    pub for_token: bool,
    /// The response's `Retry-After`. Default: none.
    pub retry_after: Option<Duration>,
    /// How much of [`jitter_percent`](RetryPolicy::jitter_percent) is added to the pause: 0 is nothing,
    /// `u32::MAX` all of it. Default: 0.
    pub jitter: u32,
}

impl RetryState {
    /// Creates the state of a first failure, of an operation that is not idempotent, without jitter.
    #[must_use]
    pub const fn new(class: FailureClass) -> Self {
        Self {
            class,
            retries: 0,
            idempotency: Idempotency::NonIdempotent,
            for_token: false,
            retry_after: None,
            jitter: 0,
        }
    }

    /// Sets the number of retries so far.
    #[must_use]
    pub const fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Sets whether the operation is idempotent.
    #[must_use]
    pub const fn idempotency(mut self, idempotency: Idempotency) -> Self {
        self.idempotency = idempotency;
        self
    }

    /// Marks a request to the token endpoint.
    #[must_use]
    pub const fn for_token(mut self, yes: bool) -> Self {
        self.for_token = yes;
        self
    }

    /// Sets the `Retry-After`.
    #[must_use]
    pub const fn retry_after(mut self, pause: Option<Duration>) -> Self {
        self.retry_after = pause;
        self
    }

    /// Sets the share of the jitter.
    #[must_use]
    pub const fn jitter(mut self, jitter: u32) -> Self {
        self.jitter = jitter;
        self
    }
}

/// When a failed attempt is retried. The default is [`documented`](Self::documented).
///
/// # Invariants
///
/// Tests compare [`decide`](Self::decide) with a table in each of more than 46 000 states, and a whole call in each of more
/// than 44 000: every failure and status, after each past, with each `Retry-After`, to the nanosecond of the deadline.
///
/// 1. A failure that the same request cannot mend is never retried.
/// 2. What may have taken effect is sent again only if the operation is idempotent or at-least-once is on. In the mode
///    [`Documented`](RetryMode::Documented) a 5xx counts as without effect.
/// 3. A pause is exactly the longest of what the documents say and what the service asked for, where that counts, and
///    its share of the jitter. It is never shorter.
/// 4. There are no more retries than pauses. A refreshed token is none of them, and each token is refreshed once.
/// 5. No attempt begins at the call's deadline or later: the call ends at once, and says which pause did not fit.
/// 6. The error of a call says the worst effect that any of its attempts may have had.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RetryPolicy {
    mode: RetryMode,
    /// Shared: each call has its own policy.
    pauses: Arc<[Duration]>,
    rate_limit_floor: Duration,
    token_rate_limit_floor: Duration,
    jitter_percent: u8,
    at_least_once: bool,
}

/// The maximum number of pauses of a configuration.
const MAX_PAUSES: usize = 100;

impl RetryPolicy {
    /// The documented recommendation ([protocol.md 11](crate::protocol#11)): three retries after 5,
    /// 10 and 15 s on 5xx and on failed connections; on 429 after at least 1 s, or 5 s at the token
    /// endpoint, and never before `Retry-After`; 408, 421 and 425 as 5xx; other 4xx never. A lost answer is
    /// not retried unless the operation is idempotent. Up to 10 % jitter is added to each pause.
    #[must_use]
    pub fn documented() -> Self {
        Self {
            mode: RetryMode::Documented,
            pauses: [5, 10, 15].map(Duration::from_secs).into(),
            rate_limit_floor: Duration::from_secs(1),
            token_rate_limit_floor: Duration::from_secs(5),
            jitter_percent: 10,
            at_least_once: false,
        }
    }

    /// Like [`documented`](Self::documented), but an operation that is not idempotent is retried only
    /// when it certainly had no effect: it never left, or the response was 408, 421, 425, 429 or 503.
    #[must_use]
    pub fn cautious() -> Self {
        Self { mode: RetryMode::Cautious, ..Self::documented() }
    }

    /// Creates a policy of one attempt. Refreshing a rejected token is not a retry and still happens once.
    #[must_use]
    pub fn none() -> Self {
        Self { mode: RetryMode::None, pauses: Arc::default(), ..Self::documented() }
    }

    /// Sets the pauses between attempts, first to last; their number is the number of retries (the first
    /// 100 count). Default: 5, 10 and 15 s.
    #[must_use]
    pub fn pauses(mut self, pauses: impl IntoIterator<Item = Duration>) -> Self {
        self.pauses = pauses.into_iter().take(MAX_PAUSES).collect();
        self
    }

    /// Sets the minimum pause after status 429. Default: 1 s.
    #[must_use]
    pub fn rate_limit_floor(mut self, floor: Duration) -> Self {
        self.rate_limit_floor = floor;
        self
    }

    /// Sets the minimum pause after status 429 from the token endpoint. Default: 5 s.
    #[must_use]
    pub fn token_rate_limit_floor(mut self, floor: Duration) -> Self {
        self.token_rate_limit_floor = floor;
        self
    }

    /// Sets by how much a pause may grow, in percent of itself, so that callers that failed together
    /// do not retry together. Default: 10; 0 gives exact pauses; more than 100 counts as 100.
    #[must_use]
    pub fn jitter_percent(mut self, percent: u8) -> Self {
        self.jitter_percent = percent.min(100);
        self
    }

    /// Sets whether an operation whose response was lost is retried even if it may have taken effect, so
    /// that it happens at least once and perhaps twice. Default: off, which reports
    /// [`Unconfirmed`](crate::error::ErrorKind::Unconfirmed).
    #[must_use]
    pub fn at_least_once(mut self, yes: bool) -> Self {
        self.at_least_once = yes;
        self
    }

    /// The mode that this policy was created with.
    #[must_use]
    pub fn mode(&self) -> RetryMode {
        self.mode
    }

    /// The maximum number of retries.
    #[must_use]
    pub fn retries(&self) -> u32 {
        u32::try_from(self.pauses.len()).unwrap_or(u32::MAX)
    }

    /// Decides what follows a failed attempt.
    ///
    /// The pause is never shorter than documented, nor than the service asked for with
    /// `Retry-After` (honoured for 408, 421, 425, 429 and 503,
    /// [protocol.md 11](crate::protocol#11)).
    ///
    /// ```
    /// use std::time::Duration;
    /// use lp_connector_core::policy::{Decision, FailureClass, RetryPolicy, RetryState};
    ///
    /// let policy = RetryPolicy::documented();
    /// let pause = |seconds| Decision::Retry(Duration::from_secs(seconds));
    /// let failed = RetryState::new(FailureClass::Unavailable);
    /// assert_eq!(policy.decide(&failed), pause(5));
    /// assert_eq!(policy.decide(&failed.retries(2)), pause(15));
    /// assert_eq!(policy.decide(&failed.retries(3)), Decision::Exhausted);
    /// let limited = RetryState::new(FailureClass::RateLimited);
    /// assert_eq!(policy.decide(&limited.retry_after(Some(Duration::from_secs(2)))), pause(2));
    /// let lost = RetryState::new(FailureClass::AnswerLost);
    /// assert_eq!(policy.decide(&lost), Decision::NotIdempotent);
    /// ```
    #[must_use]
    pub fn decide(&self, state: &RetryState) -> Decision {
        let may_repeat = state.idempotency == Idempotency::Idempotent || self.at_least_once;
        let may_have_had_effect = match state.class {
            FailureClass::NotSent
            | FailureClass::RateLimited
            | FailureClass::Unavailable
            | FailureClass::NotProcessed => false,
            FailureClass::ServerError => self.mode != RetryMode::Documented,
            FailureClass::AnswerLost => true,
            FailureClass::TlsFailed
            | FailureClass::CertificateMissing
            | FailureClass::ProxyUnusable
            | FailureClass::Redirected
            | FailureClass::Rejected
            | FailureClass::Unreadable => return Decision::NotRetryable,
        };
        if may_have_had_effect && !may_repeat {
            return Decision::NotIdempotent;
        }
        let Some(documented) = self.pause(state.retries) else {
            return Decision::Exhausted;
        };
        let floor = match (state.class, state.for_token) {
            (FailureClass::RateLimited, true) => self.token_rate_limit_floor,
            (FailureClass::RateLimited, false) => self.rate_limit_floor,
            _ => documented,
        };
        let honoured = state.retry_after.filter(|_| state.class.honours_retry_after());
        Decision::Retry(self.lengthened(floor.max(honoured.unwrap_or_default()), state.jitter))
    }

    /// The policy with an operation's own retry hints. A policy without retries stays so.
    #[must_use]
    pub(crate) fn with_hints(mut self, hints: RetryHints) -> Self {
        if let Some(floor) = hints.rate_limit_floor {
            // Whoever configured a longer one has a reason.
            self.rate_limit_floor = self.rate_limit_floor.max(floor);
        }
        match hints.pauses {
            Some(pauses) if self.mode != RetryMode::None => self.pauses(pauses.iter().copied()),
            _ => self,
        }
    }

    /// The pause before the retry that follows `retries` earlier ones.
    pub(crate) fn pause(&self, retries: u32) -> Option<Duration> {
        usize::try_from(retries).ok().and_then(|retries| self.pauses.get(retries)).copied()
    }

    /// Lengthens `pause` by up to `jitter_percent`.
    pub(crate) fn lengthened(&self, pause: Duration, jitter: u32) -> Duration {
        // In whole nanoseconds and u128, so that no length overflows on the way.
        let share = pause.as_nanos() * u128::from(self.jitter_percent) / 100;
        let more = share.saturating_mul(u128::from(jitter)) / u128::from(u32::MAX);
        let more = Duration::from_nanos(u64::try_from(more).unwrap_or(u64::MAX));
        pause.saturating_add(more)
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::documented()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Delivery;
    use proptest::prelude::*;

    fn class() -> impl Strategy<Value = FailureClass> {
        prop_oneof![
            3 => Just(FailureClass::RateLimited),
            3 => Just(FailureClass::Unavailable),
            3 => Just(FailureClass::ServerError),
            1 => Just(FailureClass::Rejected),
            1 => Just(FailureClass::Unreadable),
            1 => Just(FailureClass::TlsFailed),
            1 => Just(FailureClass::CertificateMissing),
            1 => Just(FailureClass::Redirected),
            2 => Just(FailureClass::NotProcessed),
            2 => Just(FailureClass::NotSent),
            2 => Just(FailureClass::AnswerLost),
        ]
    }

    prop_compose! {
        fn state()(
            class in class(), retries in 0u32..5, idempotent: bool, for_token: bool,
            retry_after in asked(), jitter: u32,
        ) -> RetryState {
            let idempotency =
                if idempotent { Idempotency::Idempotent } else { Idempotency::NonIdempotent };
            RetryState { class, retries, idempotency, for_token, retry_after, jitter }
        }
    }

    fn asked() -> impl Strategy<Value = Option<Duration>> {
        let seconds = prop_oneof![4 => 0..120u64, 1 => any::<u64>()];
        prop::option::of(seconds.prop_map(Duration::from_secs))
    }

    proptest! {
        #[test]
        fn every_pause_is_as_documented_or_asked_and_its_jitter(state in state()) {
            let Decision::Retry(pause) = RetryPolicy::documented().decide(&state) else {
                return Ok(());
            };
            let documented = [5, 10, 15].map(Duration::from_secs)[state.retries as usize];
            let floor = match state.class {
                FailureClass::RateLimited if state.for_token => Duration::from_secs(5),
                FailureClass::RateLimited => Duration::from_secs(1),
                _ => documented,
            };
            let asked = match state.class {
                FailureClass::RateLimited
                | FailureClass::Unavailable
                | FailureClass::NotProcessed => state.retry_after,
                _ => None,
            };
            // Exactly so long: the share of the jitter that was drawn, of a tenth.
            let least = floor.max(asked.unwrap_or_default());
            let more = least.as_nanos() / 10 * u128::from(state.jitter) / u128::from(u32::MAX);
            let exact = least.saturating_add(Duration::from_nanos(more.try_into().unwrap_or(u64::MAX)));
            prop_assert!(pause.abs_diff(exact) <= Duration::from_nanos(1), "{pause:?} for {exact:?}");
        }

        #[test]
        fn only_a_status_that_may_change_is_retried(
            status in 100u16..1000, state in state(), often: bool,
        ) {
            let policy = RetryPolicy::documented().at_least_once(often);
            let class = FailureClass::of_status(status);
            let decision = policy.decide(&RetryState { class, ..state });
            // A status below 200 ends no exchange; one above 599 counts as 5xx.
            let retryable = matches!(status, 408 | 421 | 425 | 429 | 100..=199 | 500..=999);
            let expected = match (retryable, state.retries < 3) {
                (false, _) => Decision::NotRetryable,
                (true, false) => Decision::Exhausted,
                (true, true) => {
                    prop_assert!(matches!(decision, Decision::Retry(_)));
                    return Ok(());
                }
            };
            prop_assert_eq!(decision, expected);
        }

        #[test]
        fn a_possible_effect_is_repeated_only_by_choice(state in state()) {
            let state = state.idempotency(Idempotency::NonIdempotent);
            let surely_none = state.class.effect() != Delivery::Unknown;
            let cautious = RetryPolicy::cautious().decide(&state);
            prop_assert!(surely_none || !matches!(cautious, Decision::Retry(_)), "{state:?}");
            let lost = RetryState { class: FailureClass::AnswerLost, ..state };
            prop_assert_eq!(RetryPolicy::documented().decide(&lost), Decision::NotIdempotent);
        }

        #[test]
        fn the_mode_none_retries_nothing(state in state(), often: bool) {
            let policy = RetryPolicy::none().at_least_once(often);
            prop_assert!(!matches!(policy.decide(&state.retries(0)), Decision::Retry(_)));
        }

        #[test]
        fn jitter_only_ever_adds(nanos: u64, percent: u8, jitter: u32) {
            let pause = Duration::from_nanos(nanos);
            let policy = RetryPolicy::documented().jitter_percent(percent);
            let longer = policy.lengthened(pause, jitter);
            prop_assert!(longer >= pause);
            prop_assert_eq!(policy.lengthened(pause, 0), pause);
            let share = Duration::from_nanos((u128::from(nanos) * u128::from(percent.min(100)) / 100) as u64);
            prop_assert_eq!(policy.lengthened(pause, u32::MAX), pause.saturating_add(share));
            prop_assert!(longer <= pause.saturating_add(share));
        }
    }

    #[test]
    fn the_longest_pause_does_not_overflow() {
        let policy = RetryPolicy::documented().jitter_percent(100);
        assert_eq!(policy.lengthened(Duration::MAX, u32::MAX), Duration::MAX);
    }

    #[test]
    fn there_are_as_many_retries_as_pauses() {
        let pauses = [7, 0, 9].map(Duration::from_secs);
        let policy = RetryPolicy::documented().jitter_percent(0).pauses(pauses);
        assert_eq!((policy.retries(), RetryPolicy::none().retries()), (3, 0));
        let failed = RetryState::new(FailureClass::Unavailable);
        let decisions = [0, 1, 2, 3].map(|retries| policy.decide(&failed.retries(retries)));
        let expected = pauses.map(Decision::Retry);
        assert_eq!(decisions[..3], expected);
        assert_eq!(decisions[3], Decision::Exhausted);
        let many = RetryPolicy::none().pauses([Duration::ZERO; MAX_PAUSES + 1]);
        assert_eq!(many.retries(), 100);
    }

    #[test]
    fn hints_replace_pauses_and_floor_unless_nothing_is_retried() {
        const PAUSES: &[Duration] = &[Duration::from_secs(3)];
        let floor = Duration::from_secs(4);
        let both = RetryHints { pauses: Some(PAUSES), rate_limit_floor: Some(floor) };
        let documented = RetryPolicy::documented();
        assert_eq!(documented.clone().with_hints(RetryHints::NONE), documented);
        let hinted = documented.clone().pauses(PAUSES.iter().copied()).rate_limit_floor(floor);
        assert_eq!(documented.clone().with_hints(both), hinted);
        let one = RetryHints { rate_limit_floor: None, ..both };
        let hinted = documented.clone().pauses(PAUSES.iter().copied());
        assert_eq!(documented.with_hints(one), hinted);
        assert_eq!(RetryPolicy::none().with_hints(both).retries(), 0);
        // One that is configured is not shortened.
        let longer = RetryPolicy::documented().rate_limit_floor(Duration::from_secs(30));
        let floor_alone = RetryHints { pauses: None, ..both };
        assert_eq!(longer.clone().with_hints(floor_alone), longer);
    }

    #[test]
    fn each_setting_counts() {
        let pause = |policy: &RetryPolicy, token: bool, jitter: u32| {
            let state = RetryState::new(FailureClass::RateLimited).for_token(token).jitter(jitter);
            match policy.decide(&state) {
                Decision::Retry(pause) => pause.as_millis(),
                other => panic!("{other:?}"),
            }
        };
        let documented = RetryPolicy::documented();
        assert_eq!((pause(&documented, false, 0), pause(&documented, true, 0)), (1000, 5000));
        let messages = documented.clone().rate_limit_floor(Duration::from_secs(2));
        assert_eq!((pause(&messages, false, 0), pause(&messages, true, 0)), (2000, 5000));
        let tokens = documented.clone().token_rate_limit_floor(Duration::from_secs(7));
        assert_eq!((pause(&tokens, false, 0), pause(&tokens, true, 0)), (1000, 7000));
        let jittered = documented.clone().jitter_percent(50);
        assert_eq!(pause(&jittered, false, u32::MAX), 1500);
        assert_eq!(pause(&jittered, false, u32::MAX / 2 + 1), 1250);
        assert_eq!(pause(&documented, false, u32::MAX), 1100);
        assert_eq!(pause(&documented.jitter_percent(200), false, u32::MAX), 2000);
    }
}
