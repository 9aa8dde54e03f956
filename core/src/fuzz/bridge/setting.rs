//! How the bridges are set.

use std::time::Duration;

use arbitrary::Arbitrary;

use crate::bridge::share::ShareSettings;
use crate::bridge::{AcceptOn, BridgeConfig, ConsumerSettings, Opening, SurveyPolicy, Unsettled};

#[derive(Arbitrary, Debug)]
pub(super) struct Setting {
    pub(super) instances: u8,
    unsettled: u8,
    settle_for: u8,
    max_lanes: u8,
    max_effects: u8,
    refused_tries: u8,
    everything_to_survey: bool,
    accept_on_delivered: bool,
    nack: bool,
    by_number: bool,
    /// The first instance has the consumers' lanes alone, the others have the rest.
    pub(super) divided: bool,
    /// The most requests a second.
    rate: Option<u8>,
    /// The most effects of the account, the least pause between looks, and the time after which a delivery is given up.
    more: Option<(u8, u8, u8)>,
    /// Who is said to close conversations.
    pub(super) closes: u8,
}

impl Setting {
    pub(super) fn unsettled(&self) -> Unsettled {
        match self.unsettled % 3 {
            0 => Unsettled::Report,
            1 => Unsettled::Resend,
            _ => Unsettled::Hold,
        }
    }

    /// The most requests and deliveries of an instance at a time.
    pub(super) fn effects(&self) -> usize {
        let all = usize::from(self.max_effects % 8) + 1;
        self.more.map_or(all, |(own, ..)| all.min(usize::from(own % 4).max(1)))
    }

    /// The skill that the conversations of this consumer are opened with.
    pub(super) fn skill(&self, who: &str) -> Option<&'static str> {
        self.more.map(|_| if who == "bob" { "8" } else { "7" })
    }

    pub(super) fn closes(&self) -> Option<&'static str> {
        [None, Some("CONSUMER"), Some("AGENT"), Some("TTR")]
            .get(usize::from(self.closes % 4))
            .copied()
            .flatten()
    }

    pub(super) fn config(&self) -> BridgeConfig {
        let survey = match self.everything_to_survey {
            true => SurveyPolicy::Everything,
            false => SurveyPolicy::AnswersOnly,
        };
        let accept_on = match self.accept_on_delivered {
            true => AcceptOn::Delivered,
            false => AcceptOn::Taken,
        };
        let mut config = BridgeConfig::default()
            .unsettled(self.unsettled())
            .settle_for(Duration::from_secs(40 + u64::from(self.settle_for % 60)))
            .survey(survey)
            .max_lanes(usize::from(self.max_lanes % 8) + 1)
            .max_effects(usize::from(self.max_effects % 8) + 1);
        if let Some(rate) = self.rate {
            config = config.rate(rate.into());
            assert_eq!(config.rate_setting(), Some(u32::from(rate).max(1)));
        }
        let tries = u32::from(self.refused_tries % 4);
        let Some((own_effects, look, give_up)) = self.more else {
            return config
                .accept_on(accept_on)
                .nack(self.nack)
                .answers_by_number(self.by_number)
                .refused_tries(tries);
        };
        let (look, give_up) =
            (Duration::from_millis(look.into()), Duration::from_secs(give_up.into()));
        // What is set of the prefix counts before what is set of all.
        let own = ConsumerSettings::new()
            .accept_on(accept_on)
            .nack(self.nack)
            .answers_by_number(self.by_number)
            .refused_tries(tries)
            .give_up_after(give_up)
            .opening(opening("8"));
        let other = ConsumerSettings::new().opening(opening("9"));
        let config = config
            .opening(opening("7"))
            .give_up_after(give_up)
            .retention(Duration::from_secs(9 * 24 * 3600))
            .dead_letter_retention(Duration::from_secs(9 * 24 * 3600))
            .attempt_timeout(Duration::from_secs(10))
            .term(Duration::from_secs(14))
            .token_patience(Duration::from_secs(2))
            .host("own")
            .max_effects_of_account(usize::from(own_effects % 4))
            .or_equal_shares(2)
            .poll(look, look + look)
            .for_consumers("b", other.clone())
            .for_consumers("bo", other)
            .for_consumers("bo", own);
        assert_eq!(config.host_setting(), Some("own"));
        assert_eq!(config.attempt_timeout_setting(), Duration::from_secs(10));
        let shares = ShareSettings::default().patience(Duration::from_secs(2));
        assert_eq!(
            config.share_settings(),
            shares.consumer_life(Duration::from_secs(9 * 24 * 3600))
        );
        config
    }
}

fn opening(skill: &str) -> Opening {
    let (skill, first_name) = (Some(skill.to_owned()), Some("Ada".to_owned()));
    Opening { skill, first_name, ..Opening::default() }
}
