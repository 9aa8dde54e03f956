//! Whether a failed attempt is followed by another, and after which pause.

use std::sync::Arc;
use std::time::Duration;

/// Which failures are repeated at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Preset {
    /// LivePerson's own recommendation (protocol.md 11): 429 and 5xx are repeated for every
    /// operation, though a 5xx that a gateway made can hide an effect.
    Documented,
    /// An operation that is not idempotent is repeated only when it surely had no effect: it never
    /// left, or the answer was 429 or 503.
    Cautious,
    /// Nothing is repeated.
    None,
}

/// What went wrong with one attempt, as far as repeating is concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Trouble {
    /// The answer had this status.
    Status(u16),
    /// The request surely never left: no address, no connection, no TLS.
    NeverSent,
    /// The request may have left, and no whole answer came.
    AnswerLost,
}

/// What to do after a failed attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a driver must handle every decision")]
pub enum Decision {
    /// Try again after this pause.
    Retry(Duration),
    /// It would have been tried again, but the tries are used up: the service is failing.
    Exhausted,
    /// Trying again could do it twice, and that was not chosen.
    Unsafe,
    /// Trying again cannot help.
    Final,
}

/// When a failed attempt is repeated. The default is [`documented`](Self::documented).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RetryPolicy {
    preset: Preset,
    /// Shared, for each call has its own policy.
    pauses: Arc<[Duration]>,
    rate_limit_floor: Duration,
    token_rate_limit_floor: Duration,
    jitter_percent: u8,
    at_least_once: bool,
}

/// More retries than this are not kept: a bound for whatever a configuration says.
const MAX_PAUSES: usize = 100;

impl RetryPolicy {
    /// The documented recommendation (protocol.md 11): three retries after 5, 10 and 15 s on 5xx and
    /// on failed connections; on 429 after at least 1 s, or 5 s where tokens are given out, and never
    /// before `Retry-After`; other 4xx never. A lost answer is not repeated unless the operation is
    /// idempotent. Up to 10 % jitter is added to each pause.
    #[must_use]
    pub fn documented() -> Self {
        Self {
            preset: Preset::Documented,
            pauses: [5, 10, 15].map(Duration::from_secs).into(),
            rate_limit_floor: Duration::from_secs(1),
            token_rate_limit_floor: Duration::from_secs(5),
            jitter_percent: 10,
            at_least_once: false,
        }
    }

    /// Like [`documented`](Self::documented), but what is not idempotent is repeated only when it
    /// surely had no effect: it never left, or the answer was 429 or 503.
    #[must_use]
    pub fn cautious() -> Self {
        Self { preset: Preset::Cautious, ..Self::documented() }
    }

    /// One attempt, and no more. Renewing a refused token is not a retry and still happens once.
    #[must_use]
    pub fn none() -> Self {
        Self { preset: Preset::None, pauses: Arc::default(), ..Self::documented() }
    }

    /// The pauses between tries, first to last; their number is the number of retries (the first
    /// 100 count). Default: 5, 10 and 15 s.
    #[must_use]
    pub fn pauses(mut self, pauses: impl IntoIterator<Item = Duration>) -> Self {
        self.pauses = pauses.into_iter().take(MAX_PAUSES).collect();
        self
    }

    /// The least pause after status 429. Default: 1 s.
    #[must_use]
    pub fn rate_limit_floor(mut self, floor: Duration) -> Self {
        self.rate_limit_floor = floor;
        self
    }

    /// The least pause after status 429 from the token endpoint. Default: 5 s.
    #[must_use]
    pub fn token_rate_limit_floor(mut self, floor: Duration) -> Self {
        self.token_rate_limit_floor = floor;
        self
    }

    /// How much a pause may be lengthened, in percent of itself, so that callers who failed together
    /// do not return together. Default: 10; 0 gives exact pauses; more than 100 counts as 100.
    #[must_use]
    pub fn jitter_percent(mut self, percent: u8) -> Self {
        self.jitter_percent = percent.min(100);
        self
    }

    /// Repeats an operation whose answer was lost even if it may have taken effect, so that it
    /// happens at least once and perhaps twice. Default: off, which reports
    /// [`Unconfirmed`](crate::error::ErrorKind::Unconfirmed).
    #[must_use]
    pub fn at_least_once(mut self, yes: bool) -> Self {
        self.at_least_once = yes;
        self
    }

    /// The preset that this policy began as.
    #[must_use]
    pub fn preset(&self) -> Preset {
        self.preset
    }

    /// How many retries there are at the most.
    #[must_use]
    pub fn retries(&self) -> u32 {
        u32::try_from(self.pauses.len()).unwrap_or(u32::MAX)
    }

    /// Decides what follows `trouble`.
    ///
    /// * `retries` is how many retries there were already;
    /// * `idempotent`, whether the operation can be repeated without doing it twice;
    /// * `for_token`, whether the request was for a token;
    /// * `asked`, the answer's `Retry-After` (obeyed for 429 and 503, protocol.md 11);
    /// * `jitter` scales what is added to the pause: 0 is nothing, `u32::MAX` all of
    ///   [`jitter_percent`](Self::jitter_percent).
    ///
    /// The pause is never shorter than documented, nor than asked for.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lp_connector_core::policy::{Decision, RetryPolicy, Trouble};
    ///
    /// let policy = RetryPolicy::documented();
    /// let second = |n| Decision::Retry(Duration::from_secs(n));
    /// let failed = Trouble::Status(503);
    /// assert_eq!(policy.decide(failed, 0, false, false, None, 0), second(5));
    /// assert_eq!(policy.decide(failed, 2, false, false, None, 0), second(15));
    /// assert_eq!(policy.decide(failed, 3, false, false, None, 0), Decision::Exhausted);
    /// let asked = Some(Duration::from_secs(2));
    /// assert_eq!(policy.decide(Trouble::Status(429), 0, false, false, asked, 0), second(2));
    /// assert_eq!(policy.decide(Trouble::AnswerLost, 0, false, false, None, 0), Decision::Unsafe);
    /// ```
    #[must_use]
    pub fn decide(
        &self,
        trouble: Trouble,
        retries: u32,
        idempotent: bool,
        for_token: bool,
        asked: Option<Duration>,
        jitter: u32,
    ) -> Decision {
        let twice_is_fine = idempotent || self.at_least_once;
        let limited = match trouble {
            Trouble::Status(429) => true,
            Trouble::NeverSent | Trouble::Status(503) => false,
            Trouble::Status(500..=599) => {
                if self.preset != Preset::Documented && !twice_is_fine {
                    return Decision::Unsafe;
                }
                false
            }
            Trouble::Status(_) => return Decision::Final,
            Trouble::AnswerLost if twice_is_fine => false,
            Trouble::AnswerLost => return Decision::Unsafe,
        };
        let Some(documented) = self.pause(retries) else {
            return Decision::Exhausted;
        };
        let floor = match (limited, for_token) {
            (true, true) => self.token_rate_limit_floor,
            (true, false) => self.rate_limit_floor,
            (false, _) => documented,
        };
        let obeyed = matches!(trouble, Trouble::Status(429 | 503));
        let least = if obeyed { floor.max(asked.unwrap_or_default()) } else { floor };
        Decision::Retry(self.lengthened(least, jitter))
    }

    /// The pause before the retry that follows `retries` others.
    pub(crate) fn pause(&self, retries: u32) -> Option<Duration> {
        usize::try_from(retries).ok().and_then(|retries| self.pauses.get(retries)).copied()
    }

    /// `pause` and up to `jitter_percent` of it more.
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
    use proptest::prelude::*;

    fn trouble() -> impl Strategy<Value = Trouble> {
        prop_oneof![
            3 => Just(Trouble::Status(429)),
            3 => Just(Trouble::Status(503)),
            3 => (500u16..600).prop_map(Trouble::Status),
            2 => (100u16..1000).prop_map(Trouble::Status),
            2 => Just(Trouble::NeverSent),
            2 => Just(Trouble::AnswerLost),
        ]
    }

    fn asked() -> impl Strategy<Value = Option<Duration>> {
        let seconds = prop_oneof![4 => 0..120u64, 1 => any::<u64>()];
        prop::option::of(seconds.prop_map(Duration::from_secs))
    }

    proptest! {
        #[test]
        fn no_pause_is_shorter_than_documented_or_asked(
            trouble in trouble(), retries in 0u32..5, idempotent: bool, token: bool,
            asked in asked(), jitter: u32,
        ) {
            let policy = RetryPolicy::documented();
            let decision = policy.decide(trouble, retries, idempotent, token, asked, jitter);
            let Decision::Retry(pause) = decision else { return Ok(()) };
            let documented = [5, 10, 15].map(Duration::from_secs)[retries as usize];
            let floor = match trouble {
                Trouble::Status(429) if token => Duration::from_secs(5),
                Trouble::Status(429) => Duration::from_secs(1),
                _ => documented,
            };
            let asked = match trouble {
                Trouble::Status(429 | 503) => asked.unwrap_or_default(),
                _ => Duration::ZERO,
            };
            let least = floor.max(asked);
            prop_assert!(pause >= least, "{pause:?} < {least:?}");
            prop_assert!(pause <= least.saturating_add(least / 10).saturating_add(Duration::from_nanos(1)));
        }

        #[test]
        fn only_429_and_5xx_are_ever_repeated_among_answers(
            status in 100u16..1000, retries in 0u32..5, idempotent: bool, often: bool, jitter: u32,
        ) {
            let policy = RetryPolicy::documented().at_least_once(often);
            let decision = policy.decide(Trouble::Status(status), retries, idempotent, false, None, jitter);
            let repeatable = status == 429 || (500..600).contains(&status);
            let expected = match (repeatable, retries < 3) {
                (false, _) => Decision::Final,
                (true, false) => Decision::Exhausted,
                (true, true) => {
                    prop_assert!(matches!(decision, Decision::Retry(_)));
                    return Ok(());
                }
            };
            prop_assert_eq!(decision, expected);
        }

        #[test]
        fn what_may_have_had_an_effect_is_not_repeated_unless_chosen(
            trouble in trouble(), retries in 0u32..5, jitter: u32,
        ) {
            let cautious = RetryPolicy::cautious().decide(trouble, retries, false, false, None, jitter);
            let surely_not = matches!(trouble, Trouble::NeverSent | Trouble::Status(429 | 503));
            prop_assert!(surely_not || !matches!(cautious, Decision::Retry(_)), "{trouble:?}");
            let documented =
                RetryPolicy::documented().decide(Trouble::AnswerLost, retries, false, false, None, jitter);
            prop_assert_eq!(documented, Decision::Unsafe);
        }

        #[test]
        fn the_preset_none_repeats_nothing(
            trouble in trouble(), idempotent: bool, often: bool, asked in asked(), jitter: u32,
        ) {
            let policy = RetryPolicy::none().at_least_once(often);
            let decision = policy.decide(trouble, 0, idempotent, false, asked, jitter);
            prop_assert!(!matches!(decision, Decision::Retry(_)));
        }

        #[test]
        fn jitter_only_ever_adds(nanos: u64, percent: u8, jitter: u32) {
            let pause = Duration::from_nanos(nanos);
            let policy = RetryPolicy::documented().jitter_percent(percent);
            let longer = policy.lengthened(pause, jitter);
            prop_assert!(longer >= pause && longer <= pause.saturating_mul(2));
            prop_assert_eq!(policy.lengthened(pause, 0), pause);
        }
    }

    #[test]
    fn the_longest_pause_does_not_overflow() {
        let policy = RetryPolicy::documented().jitter_percent(100);
        assert_eq!(policy.lengthened(Duration::MAX, u32::MAX), Duration::MAX);
    }

    #[test]
    fn each_setting_is_heeded() {
        let pause = |policy: &RetryPolicy, token: bool, jitter: u32| {
            let trouble = Trouble::Status(429);
            match policy.decide(trouble, 0, true, token, None, jitter) {
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
