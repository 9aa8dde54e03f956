//! The settings of a bridge.

use std::time::Duration;

use super::consumer_settings::{AcceptOn, AllConsumers, Applied, ConsumerSettings};
use super::inbound::Opening;
use super::share::ShareSettings;
use crate::id::ExtConsumerId;

/// What happens to a message of which it stays unknown whether LivePerson took it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Unsettled {
    /// It is reported to the channel as failed, and not sent again.
    #[default]
    Report,
    /// It is sent again: at least once, perhaps twice.
    Resend,
    /// It waits for an operator, and the consumer's later messages wait behind it.
    Hold,
}

/// What happens to a consumer's text while a survey runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum SurveyPolicy {
    /// A text that chooses an option of the survey's question goes to the survey. Any other text ends the
    /// survey, and opens a new conversation.
    #[default]
    AnswersOnly,
    /// Every text goes to the survey.
    Everything,
}

/// The settings of a bridge. The defaults are those of the documentation of each setter.
#[derive(Clone, Debug)]
pub struct BridgeConfig {
    pub(super) unsettled: Unsettled,
    pub(super) settle_for: Duration,
    pub(super) survey: SurveyPolicy,
    pub(super) consumers: AllConsumers,
    pub(super) retention: Duration,
    pub(super) dead_letter_retention: Duration,
    pub(super) attempt_timeout: Duration,
    pub(super) term: Duration,
    pub(super) max_lanes: usize,
    pub(super) max_effects: usize,
    pub(super) max_effects_of_account: Option<usize>,
    pub(super) max_entries: usize,
    pub(super) poll_least: Duration,
    pub(super) poll_most: Duration,
    token_patience: Duration,
    pub(super) rate: Option<u32>,
    host: Option<String>,
}

impl Default for BridgeConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl BridgeConfig {
    /// The default settings.
    #[must_use]
    pub fn new() -> Self {
        Self {
            unsettled: Unsettled::default(),
            settle_for: Duration::from_secs(60),
            survey: SurveyPolicy::default(),
            consumers: AllConsumers::default(),
            retention: Duration::from_secs(7 * 24 * 3600),
            dead_letter_retention: Duration::from_secs(14 * 24 * 3600),
            attempt_timeout: Duration::from_secs(10),
            term: Duration::from_secs(15),
            max_lanes: 256,
            max_effects: 64,
            max_effects_of_account: None,
            max_entries: 64,
            poll_least: Duration::from_millis(25),
            poll_most: Duration::from_millis(250),
            token_patience: Duration::from_secs(3),
            rate: None,
            host: None,
        }
    }

    /// Sets what happens to a message of which it stays unknown whether it was taken. Default:
    /// [`Unsettled::Report`].
    #[must_use]
    pub fn unsettled(mut self, policy: Unsettled) -> Self {
        self.unsettled = policy;
        self
    }

    /// Sets how long to look for the echo of such a message. The consumer's later messages wait meanwhile.
    /// Default: 60 s.
    #[must_use]
    pub fn settle_for(mut self, time: Duration) -> Self {
        self.settle_for = time;
        self
    }

    /// Sets what happens to a text while a survey runs. Default: [`SurveyPolicy::AnswersOnly`].
    #[must_use]
    pub fn survey(mut self, policy: SurveyPolicy) -> Self {
        self.survey = policy;
        self
    }

    /// Sets how conversations are opened. Default: without any member.
    #[must_use]
    pub fn opening(self, opening: Opening) -> Self {
        self.set_plain(|plain| plain.opening(opening))
    }

    /// Sets whether a text that is the number of an option of the agent's newest message counts as that option.
    /// Default: true. The title of an option counts in any case; where a text is the number of one and the title of
    /// another, the number counts.
    #[must_use]
    pub fn answers_by_number(self, yes: bool) -> Self {
        self.set_plain(|plain| plain.answers_by_number(yes))
    }

    /// Sets how long the record of a finished conversation, and of a consumer without one, is kept: duplicates
    /// of what it holds are recognised for that long. With a consumer's record goes what leads from the LivePerson id to
    /// the consumer. LivePerson repeats a notification for up to 3 days
    /// ([protocol.md 9.3](crate::protocol#9.3)). Default: 7 days.
    #[must_use]
    pub fn retention(mut self, time: Duration) -> Self {
        self.retention = time;
        self
    }

    /// Sets how long a delivery waits for a channel that is out of order, from its first try. Then it is a dead
    /// letter. Default: 24 h.
    #[must_use]
    pub fn give_up_after(self, time: Duration) -> Self {
        self.set_plain(|plain| plain.give_up_after(time))
    }

    /// Sets how often a delivery is tried that the channel refuses. Then it is a dead letter. Default: 3; at
    /// least 1.
    #[must_use]
    pub fn refused_tries(self, tries: u32) -> Self {
        self.set_plain(|plain| plain.refused_tries(tries))
    }

    /// Sets when the agent gets the receipt that a message was delivered. Default: [`AcceptOn::Taken`].
    #[must_use]
    pub fn accept_on(self, when: AcceptOn) -> Self {
        self.set_plain(|plain| plain.accept_on(when))
    }

    /// Sets whether the agent gets a receipt (`NACK`) for a message that was given up, and for one that the channel
    /// [reports](super::ChannelReceipt::Failed) as not delivered. Default: true.
    #[must_use]
    pub fn nack(self, yes: bool) -> Self {
        self.set_plain(|plain| plain.nack(yes))
    }

    /// Sets what is different for the consumers whose external id begins with `prefix`. Where several prefixes fit,
    /// the longest counts, and it alone: what it leaves out is as for all consumers.
    #[must_use]
    pub fn for_consumers(mut self, prefix: impl Into<String>, settings: ConsumerSettings) -> Self {
        self.consumers.set(prefix.into(), settings);
        self
    }

    fn set_plain(mut self, change: impl FnOnce(ConsumerSettings) -> ConsumerSettings) -> Self {
        self.consumers.plain = change(std::mem::take(&mut self.consumers.plain));
        self
    }

    /// The settings of a consumer.
    pub(super) fn of(&self, consumer: &ExtConsumerId) -> Applied<'_> {
        self.consumers.of(consumer)
    }

    /// Sets how long dead letters are kept, from when each is set aside first. Default: 14 days.
    #[must_use]
    pub fn dead_letter_retention(mut self, time: Duration) -> Self {
        self.dead_letter_retention = time;
        self
    }

    /// Sets the time limit of one request to LivePerson, and of one delivery to the channel. The
    /// [term](Self::term) must be longer: it is lengthened to this and 5 s if it is not. Default: 10 s.
    #[must_use]
    pub fn attempt_timeout(mut self, time: Duration) -> Self {
        self.attempt_timeout = time;
        self
    }

    /// Sets how long lanes are leased. After a crash, a lane waits for the rest of its term. Default: 15 s.
    #[must_use]
    pub fn term(mut self, term: Duration) -> Self {
        self.term = term;
        self
    }

    /// Sets how many lanes one program holds at most. Default: 256; at least 1.
    #[must_use]
    pub fn max_lanes(mut self, lanes: usize) -> Self {
        self.max_lanes = lanes.max(1);
        self
    }

    /// Sets how many requests and deliveries are under way at most, of one program. A driver begins each at once:
    /// one that waits in a queue could be begun after its lane's term. Default: 64; at least 1.
    #[must_use]
    pub fn max_effects(mut self, effects: usize) -> Self {
        self.max_effects = effects.max(1);
        self
    }

    /// Sets how many of them may belong to one account, so that an account whose requests hang leaves places to the
    /// others. It holds no greater share of the [lanes](Self::max_lanes) either, while it is at this limit. Default: all;
    /// a bridge with several clients divides [`max_effects`](Self::max_effects) by their number. At least 1.
    #[must_use]
    pub fn max_effects_of_account(mut self, effects: usize) -> Self {
        self.max_effects_of_account = Some(effects.max(1));
        self
    }

    /// The same, unless it was set before.
    #[must_use]
    pub fn or_equal_shares(self, accounts: usize) -> Self {
        match (self.max_effects_of_account, self.max_effects.checked_div(accounts)) {
            (None, Some(share)) => self.max_effects_of_account(share),
            _ => self,
        }
    }

    /// Sets how often to look for due lanes: the pause grows from `least` to `most` while there is nothing to
    /// do. Default: 25 ms to 250 ms.
    #[must_use]
    pub fn poll(mut self, least: Duration, most: Duration) -> Self {
        self.poll_least = least.max(Duration::from_millis(1));
        self.poll_most = most.max(self.poll_least);
        self
    }

    /// Sets how long a request waits at most for a token that another program on the same store requests, or for a
    /// store that does not say whether one does. Then this program requests it. Zero: tokens are not shared. They
    /// never are through a store that is [not sealed](super::store::Store::is_sealed). Default: 3 s.
    #[must_use]
    pub fn token_patience(mut self, time: Duration) -> Self {
        self.token_patience = time;
        self
    }

    /// Sets how many requests a second the lanes of each account may begin, of all programs on the store together: messages,
    /// receipts, openings. Each of the programs that live has an equal part, which changes as they come and go. At once
    /// there may be those of a second, and one more for each program. News of typing, downloads and tokens do not count.
    /// Default: no limit. At least 1.
    #[must_use]
    pub fn rate(mut self, per_second: u32) -> Self {
        self.rate = Some(per_second.max(1));
        self
    }

    /// The requests a second, if there is a limit.
    #[must_use]
    pub const fn rate_setting(&self) -> Option<u32> {
        self.rate
    }

    /// Sets the name of this program's machine, for whoever lists the programs on the store. Default: none is told.
    #[must_use]
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.host = Some(name.into());
        self
    }

    /// The name of this program's machine, if it is told.
    #[must_use]
    pub fn host_setting(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// How tokens are shared.
    #[must_use]
    pub fn share_settings(&self) -> ShareSettings {
        ShareSettings::new().patience(self.token_patience).consumer_life(self.retention)
    }

    /// The time limit of one request to LivePerson, and of one delivery.
    #[must_use]
    pub const fn attempt_timeout_setting(&self) -> Duration {
        self.attempt_timeout
    }

    /// The places of one account.
    pub(super) fn account_effects(&self) -> usize {
        self.max_effects_of_account.unwrap_or(self.max_effects).min(self.max_effects)
    }

    /// The lanes that one account may hold while all its places are taken: its share of all lanes.
    pub(super) fn account_lanes(&self) -> usize {
        let share = self.max_lanes.saturating_mul(self.account_effects()) / self.max_effects.max(1);
        share.max(self.account_effects()).max(1)
    }

    /// The term that is used: longer than an attempt.
    pub(super) fn lease_term(&self) -> Duration {
        self.term.max(self.attempt_timeout.saturating_add(Duration::from_secs(5)))
    }

    /// What must be left of a term before an effect begins.
    pub(super) fn effect_reserve(&self) -> Duration {
        self.attempt_timeout.saturating_add(Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    #[test]
    fn a_setting_stays_when_others_are_set() {
        let opening = Opening { skill: Some("7".into()), ..Opening::default() };
        let (least, most) = (Duration::from_millis(40), Duration::from_millis(900));
        let config = BridgeConfig::new()
            .opening(opening.clone())
            .answers_by_number(false)
            .retention(DAY * 3)
            .dead_letter_retention(DAY * 5)
            .poll(least, most)
            .token_patience(Duration::from_secs(8))
            .rate(50)
            .host("machine-2");
        let ada = ExtConsumerId::new("ada").unwrap();
        assert!(config.of(&ada).opening() == opening && !config.of(&ada).answers_by_number());
        assert_eq!((config.retention, config.dead_letter_retention), (DAY * 3, DAY * 5));
        assert_eq!((config.poll_least, config.poll_most), (least, most));
        let shared = ShareSettings::new().patience(Duration::from_secs(8)).consumer_life(DAY * 3);
        assert_eq!(config.share_settings(), shared);
        assert_eq!((config.rate_setting(), config.host_setting()), (Some(50), Some("machine-2")));
    }

    #[test]
    fn without_a_setting_there_is_no_rate_and_no_host() {
        let config = BridgeConfig::new();
        assert_eq!((config.rate_setting(), config.host_setting()), (None, None));
        assert_eq!(config.rate(0).rate_setting(), Some(1));
    }

    #[test]
    fn the_pause_between_looks_is_a_millisecond_at_least() {
        let millis = Duration::from_millis;
        for (asked, expected) in [((0, 0), (1, 1)), ((1, 2), (1, 2)), ((30, 20), (30, 30))] {
            let config = BridgeConfig::new().poll(millis(asked.0), millis(asked.1));
            let pauses = (config.poll_least, config.poll_most);
            assert_eq!(pauses, (millis(expected.0), millis(expected.1)), "{asked:?}");
        }
    }
}
