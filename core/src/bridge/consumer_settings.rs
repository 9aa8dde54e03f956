//! The settings that can differ between the consumers of one bridge.

use std::time::Duration;

use super::inbound::Opening;
use crate::id::ExtConsumerId;

/// When the agent gets the receipt that a message was delivered (`ACCEPT`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum AcceptOn {
    /// When the channel has taken it. What the channel reports later adds nothing.
    #[default]
    Taken,
    /// When the channel reports that the consumer's device has it:
    /// [`ChannelReceipt::Delivered`](super::ChannelReceipt::Delivered).
    Delivered,
}

/// The settings of the consumers whose id begins with a prefix, for channels that share one bridge.
///
/// What is left out is as [`BridgeConfig`](super::BridgeConfig) has it.
///
/// ```
/// use lp_connector_core::bridge::{AcceptOn, BridgeConfig, ConsumerSettings};
///
/// let sms = ConsumerSettings::new().accept_on(AcceptOn::Delivered).refused_tries(1);
/// let config = BridgeConfig::new().answers_by_number(false).for_consumers("sms:", sms.answers_by_number(true));
/// # let _ = config;
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ConsumerSettings {
    opening: Option<Opening>,
    answers_by_number: Option<bool>,
    give_up_after: Option<Duration>,
    refused_tries: Option<u32>,
    accept_on: Option<AcceptOn>,
    nack: Option<bool>,
}

impl ConsumerSettings {
    /// Nothing but what the bridge's configuration says.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how conversations are opened. What it leaves out is as the bridge's configuration has it.
    #[must_use]
    pub fn opening(mut self, opening: Opening) -> Self {
        self.opening = Some(opening);
        self
    }

    /// As [`BridgeConfig::answers_by_number`](super::BridgeConfig::answers_by_number).
    #[must_use]
    pub const fn answers_by_number(mut self, yes: bool) -> Self {
        self.answers_by_number = Some(yes);
        self
    }

    /// As [`BridgeConfig::give_up_after`](super::BridgeConfig::give_up_after).
    #[must_use]
    pub const fn give_up_after(mut self, time: Duration) -> Self {
        self.give_up_after = Some(time);
        self
    }

    /// As [`BridgeConfig::refused_tries`](super::BridgeConfig::refused_tries).
    #[must_use]
    pub const fn refused_tries(mut self, tries: u32) -> Self {
        self.refused_tries = Some(if tries == 0 { 1 } else { tries });
        self
    }

    /// As [`BridgeConfig::accept_on`](super::BridgeConfig::accept_on).
    #[must_use]
    pub const fn accept_on(mut self, when: AcceptOn) -> Self {
        self.accept_on = Some(when);
        self
    }

    /// As [`BridgeConfig::nack`](super::BridgeConfig::nack).
    #[must_use]
    pub const fn nack(mut self, yes: bool) -> Self {
        self.nack = Some(yes);
        self
    }
}

/// The settings of all consumers: those of the bridge, and those of prefixes.
#[derive(Clone, Debug, Default)]
pub(super) struct AllConsumers {
    pub(super) plain: ConsumerSettings,
    by_prefix: Vec<(String, ConsumerSettings)>,
}

impl AllConsumers {
    /// Sets those of a prefix. The last ones count.
    pub(super) fn set(&mut self, prefix: String, settings: ConsumerSettings) {
        self.by_prefix.retain(|(other, _)| *other != prefix);
        self.by_prefix.push((prefix, settings));
    }

    /// Those of a consumer. The longest prefix counts.
    pub(super) fn of(&self, consumer: &ExtConsumerId) -> Applied<'_> {
        let fitting =
            self.by_prefix.iter().filter(|(prefix, _)| consumer.as_str().starts_with(prefix));
        let own = fitting.max_by_key(|(prefix, _)| prefix.len()).map(|(_, settings)| settings);
        Applied { own, plain: &self.plain }
    }
}

/// The settings of one consumer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Applied<'a> {
    own: Option<&'a ConsumerSettings>,
    plain: &'a ConsumerSettings,
}

impl Applied<'_> {
    /// The setting of the prefix, or else that of the bridge, or else the default.
    fn get<T>(self, member: impl Fn(&ConsumerSettings) -> Option<T>, default: T) -> T {
        self.own.and_then(&member).or_else(|| member(self.plain)).unwrap_or(default)
    }

    /// How conversations are opened: the own members over those of the bridge.
    pub(super) fn opening(self) -> Opening {
        let plain = self.plain.opening.clone().unwrap_or_default();
        match self.own.and_then(|own| own.opening.as_ref()) {
            Some(own) => own.over(&plain),
            None => plain,
        }
    }

    pub(super) fn answers_by_number(self) -> bool {
        self.get(|settings| settings.answers_by_number, true)
    }

    pub(super) fn give_up_after(self) -> Duration {
        self.get(|settings| settings.give_up_after, Duration::from_secs(24 * 3600))
    }

    pub(super) fn refused_tries(self) -> u32 {
        self.get(|settings| settings.refused_tries, 3)
    }

    pub(super) fn accept_on(self) -> AcceptOn {
        self.get(|settings| settings.accept_on, AcceptOn::default())
    }

    pub(super) fn nack(self) -> bool {
        self.get(|settings| settings.nack, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sets_has_the_documented_default() {
        let all = AllConsumers::default();
        let of = all.of(&ExtConsumerId::new("ada").unwrap());
        assert!(of.answers_by_number() && of.nack() && of.opening() == Opening::default());
        assert_eq!((of.give_up_after(), of.refused_tries()), (Duration::from_secs(86_400), 3));
        assert_eq!(of.accept_on(), AcceptOn::Taken);
    }

    #[test]
    fn the_longest_prefix_counts() {
        let tries = |tries| ConsumerSettings::new().refused_tries(tries);
        let mut all = AllConsumers { plain: tries(9).nack(false), by_prefix: Vec::new() };
        all.set("sms:".into(), tries(7));
        all.set("sms:vip:".into(), ConsumerSettings::new());
        all.set("sms:".into(), tries(2));
        all.set("sms:+".into(), tries(4));
        for (consumer, expected) in
            [("sms:ada", 2), ("sms:+41", 4), ("sms:vip:ada", 9), ("chat:ada", 9), ("sms", 9)]
        {
            let of = all.of(&ExtConsumerId::new(consumer).unwrap());
            assert_eq!((of.refused_tries(), of.nack()), (expected, false), "{consumer}");
        }
    }

    #[test]
    fn an_opening_lies_over_that_of_the_bridge() {
        let opening = |skill: Option<&str>, language: &str| {
            let (skill, language) = (skill.map(str::to_owned), Some(language.to_owned()));
            Opening { skill, language, ..Opening::default() }
        };
        let plain = ConsumerSettings::new().opening(opening(Some("7"), "de"));
        let mut all = AllConsumers { plain, by_prefix: Vec::new() };
        all.set("sms:".into(), ConsumerSettings::new().opening(opening(None, "fr")));
        let of = |consumer| all.of(&ExtConsumerId::new(consumer).unwrap()).opening();
        assert_eq!(of("sms:ada"), opening(Some("7"), "fr"));
        assert_eq!(of("chat:ada"), opening(Some("7"), "de"));
    }
}
