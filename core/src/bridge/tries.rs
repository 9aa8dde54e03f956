//! When a delivery is tried again, and when it is given up.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::consumer_settings::Applied;
use super::delivery::Verdict;
use super::lane::outage_pause;
use super::store::LaneId;
use crate::time::Mono;

/// How often a delivery is tried whose handler breaks.
const BROKEN_TRIES: u32 = 5;

/// The longest pause that a channel may ask for.
const MAX_PAUSE: Duration = Duration::from_secs(300);

/// The tries of the first delivery of a lane.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Tries {
    counts: Counts,
    /// The first try.
    since: Option<Mono>,
    /// How long it had waited before this claim.
    waited_before: Duration,
    paused_until: Option<Mono>,
    /// The channel is paused: the time until the next try does not count as waited.
    is_stopped: bool,
    /// A try whose end is unknown may have been made.
    is_doubted: bool,
}

#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Counts {
    refused: u32,
    broken: u32,
    outages: u32,
}

/// As stored.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct SavedTries {
    counts: Counts,
    waited: Duration,
    left: Duration,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    stopped: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    doubted: bool,
}

/// Why a delivery is given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeadLetterReason {
    /// The channel refused it.
    Refused,
    /// The channel's handler broke on it.
    Broken,
    /// The channel was out of order for too long.
    Expired,
    /// It cannot be read.
    Unreadable,
    /// Nothing tells whose conversation it belongs to.
    NoConsumer,
    /// The store cannot keep it with what waits before it.
    TooLarge,
}

impl DeadLetterReason {
    /// A short fixed name, such as `refused`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Broken => "broken",
            Self::Expired => "expired",
            Self::Unreadable => "unreadable",
            Self::NoConsumer => "no_consumer",
            Self::TooLarge => "too_large",
        }
    }
}

/// What follows a try.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Tried {
    Taken,
    Again,
    GivenUp(DeadLetterReason),
}

impl Tries {
    pub(super) fn restore(saved: Option<&SavedTries>, elapsed: Duration, now: Mono) -> Self {
        let Some(saved) = saved else { return Self::default() };
        Self {
            counts: saved.counts,
            since: (!saved.stopped).then_some(now),
            waited_before: match saved.stopped {
                true => saved.waited,
                false => saved.waited.saturating_add(elapsed),
            },
            paused_until: Some(now + saved.left.saturating_sub(elapsed)),
            is_stopped: saved.stopped,
            is_doubted: saved.doubted,
        }
    }

    pub(super) fn save(&self, now: Mono) -> Option<SavedTries> {
        (*self != Self::default()).then(|| SavedTries {
            counts: self.counts,
            waited: self.waited(now),
            left: self.paused_until.map(|until| until.since(now)).unwrap_or_default(),
            stopped: self.is_stopped,
            doubted: self.is_doubted,
        })
    }

    pub(super) const fn paused_until(&self) -> Option<Mono> {
        self.paused_until
    }

    pub(super) fn is_paused(&self, now: Mono) -> bool {
        self.paused_until.is_some_and(|until| now < until)
    }

    /// The last holder may have made a try.
    pub(super) const fn doubt(&mut self) {
        self.is_doubted = true;
    }

    /// The number of the next try, from 1, as far as the tries before it are known.
    pub(super) const fn attempt(&self) -> u32 {
        let Counts { refused, broken, outages } = self.counts;
        refused.saturating_add(broken).saturating_add(outages).saturating_add(1)
    }

    /// True if the channel may have the delivery from an earlier try.
    pub(super) const fn is_possibly_repeated(&self) -> bool {
        self.is_doubted || self.counts.broken > 0 || self.counts.outages > 0
    }

    /// Takes in what the channel made of the delivery.
    pub(super) fn on_verdict(
        &mut self,
        verdict: &Verdict,
        settings: Applied<'_>,
        lane: &LaneId,
        now: Mono,
    ) -> Tried {
        self.is_stopped = false;
        self.since.get_or_insert(now);
        let (count, reason) = match verdict {
            Verdict::Taken => {
                *self = Self::default();
                return Tried::Taken;
            }
            Verdict::Paused(pause) => {
                self.waited_before = self.waited(now);
                self.since = None;
                self.is_stopped = true;
                self.paused_until = Some(now + (*pause).min(MAX_PAUSE));
                return Tried::Again;
            }
            Verdict::NotTried(pause) => {
                if self.waited(now) >= settings.give_up_after() {
                    *self = Self::default();
                    return Tried::GivenUp(DeadLetterReason::Expired);
                }
                self.paused_until = Some(now + (*pause).min(MAX_PAUSE));
                return Tried::Again;
            }
            Verdict::Refused(_) => {
                self.counts.refused = self.counts.refused.saturating_add(1);
                (
                    self.counts.refused,
                    (self.counts.refused >= settings.refused_tries())
                        .then_some(DeadLetterReason::Refused),
                )
            }
            Verdict::Broken => {
                self.counts.broken = self.counts.broken.saturating_add(1);
                (
                    self.counts.broken,
                    (self.counts.broken >= BROKEN_TRIES).then_some(DeadLetterReason::Broken),
                )
            }
            Verdict::Outage(_) => {
                self.counts.outages = self.counts.outages.saturating_add(1);
                (
                    self.counts.outages,
                    (self.waited(now) >= settings.give_up_after())
                        .then_some(DeadLetterReason::Expired),
                )
            }
        };
        if let Some(reason) = reason {
            *self = Self::default();
            return Tried::GivenUp(reason);
        }
        let asked = match verdict {
            Verdict::Outage(Some(pause)) => (*pause).min(MAX_PAUSE),
            _ => Duration::ZERO,
        };
        self.paused_until = Some(now + outage_pause(lane, count).max(asked));
        Tried::Again
    }

    fn waited(&self, now: Mono) -> Duration {
        let since = self.since.map(|since| now.since(since)).unwrap_or_default();
        self.waited_before.saturating_add(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::config::BridgeConfig;
    use crate::bridge::store::LaneKind;
    use crate::id::{AccountId, ExtConsumerId};

    const SECOND: Duration = Duration::from_secs(1);

    fn lane() -> LaneId {
        LaneId::new(AccountId::new("91827364").unwrap(), LaneKind::Conversation, "c1")
    }

    fn at(seconds: u32) -> Mono {
        Mono::ZERO + SECOND * seconds
    }

    fn tried(tries: &mut Tries, verdict: &Verdict, give_up_after: Duration, now: Mono) -> Tried {
        let config = BridgeConfig::new().give_up_after(give_up_after);
        tries.on_verdict(verdict, config.of(&ExtConsumerId::new("ada").unwrap()), &lane(), now)
    }

    #[test]
    fn a_channel_may_ask_for_five_minutes_at_most() {
        for (asked, expected) in [(0, 0), (299, 299), (300, 300), (301, 300), (86_400, 300)] {
            let asked = SECOND * asked;
            for verdict in [Verdict::Paused(asked), Verdict::NotTried(asked)] {
                let mut tries = Tries::default();
                assert_eq!(tried(&mut tries, &verdict, SECOND * 90_000, at(7)), Tried::Again);
                assert_eq!(tries.paused_until(), Some(at(7 + expected)), "{verdict:?}");
            }
            // After an outage there is a pause in any case.
            let (mut tries, verdict) = (Tries::default(), Verdict::Outage(Some(asked)));
            assert_eq!(tried(&mut tries, &verdict, SECOND * 90_000, at(7)), Tried::Again);
            let expected = (SECOND * expected).max(outage_pause(&lane(), 1));
            assert_eq!(tries.paused_until(), Some(at(7) + expected), "{verdict:?}");
        }
    }

    #[test]
    fn what_breaks_the_handler_is_tried_five_times() {
        let (mut tries, verdict) = (Tries::default(), Verdict::Broken);
        for (attempt, is_repeated) in [(1, false), (2, true), (3, true), (4, true)] {
            assert_eq!((tries.attempt(), tries.is_possibly_repeated()), (attempt, is_repeated));
            assert_eq!(tried(&mut tries, &verdict, SECOND * 90_000, at(7)), Tried::Again);
        }
        assert_eq!((tries.attempt(), tries.is_possibly_repeated()), (5, true));
        let broken = Tried::GivenUp(DeadLetterReason::Broken);
        assert_eq!(tried(&mut tries, &verdict, SECOND * 90_000, at(7)), broken);
        assert_eq!((tries.attempt(), tries.is_possibly_repeated()), (1, false), "the next one");
    }

    #[test]
    fn the_time_between_two_claims_counts_as_waited() {
        for (waited, expected) in
            [(19, Tried::Again), (20, Tried::GivenUp(DeadLetterReason::Expired))]
        {
            for verdict in [Verdict::Outage(None), Verdict::NotTried(SECOND)] {
                let mut tries = Tries::default();
                assert_eq!(tried(&mut tries, &verdict, SECOND * 20, at(0)), Tried::Again);
                // 10 s in the first claim, 5 s between the two, and the rest in the second.
                let saved = tries.save(at(10));
                let mut tries = Tries::restore(saved.as_ref(), SECOND * 5, at(100));
                let now = at(100 + waited - 15);
                assert_eq!(tried(&mut tries, &verdict, SECOND * 20, now), expected, "{verdict:?}");
            }
        }
    }

    #[test]
    fn while_a_channel_is_paused_nothing_counts_as_waited() {
        let (mut tries, verdict) = (Tries::default(), Verdict::Paused(SECOND * 200));
        assert_eq!(tried(&mut tries, &verdict, SECOND * 20, at(0)), Tried::Again);
        let saved = tries.save(at(10));
        let mut tries = Tries::restore(saved.as_ref(), SECOND * 150, at(100));
        assert_eq!(tries.paused_until(), Some(at(140)), "40 s of the pause are left");
        let outage = Verdict::Outage(None);
        assert_eq!(tried(&mut tries, &outage, SECOND * 20, at(140)), Tried::Again);
        assert_eq!(tried(&mut tries, &outage, SECOND * 20, at(159)), Tried::Again);
        let expired = Tried::GivenUp(DeadLetterReason::Expired);
        assert_eq!(tried(&mut tries, &outage, SECOND * 20, at(160)), expired);
    }

    #[test]
    fn after_a_pause_the_time_between_claims_counts_again() {
        let mut tries = Tries::default();
        let paused = Verdict::Paused(SECOND);
        assert_eq!(tried(&mut tries, &paused, SECOND * 20, at(0)), Tried::Again);
        let outage = Verdict::Outage(None);
        assert_eq!(tried(&mut tries, &outage, SECOND * 20, at(1)), Tried::Again);
        let saved = tries.save(at(1));
        let mut tries = Tries::restore(saved.as_ref(), SECOND * 20, at(100));
        let expired = Tried::GivenUp(DeadLetterReason::Expired);
        assert_eq!(tried(&mut tries, &outage, SECOND * 20, at(100)), expired);
    }
}
