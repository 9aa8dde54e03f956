//! The bridge's settings, from the server's.

use std::time::Duration;

use lp_connector_bridge::{BridgeConfig, ConsumerSettings};

use super::config::{DeliverConfig, ServerConfig};
use super::gateway::MAX_WAITING;
use super::inline::INLINE_TIMEOUT;

/// How many requests to LivePerson may be under way at a time, beside the deliveries.
const CALLS: usize = 64;

/// All of them.
pub(super) fn bridge_config(config: &ServerConfig) -> BridgeConfig {
    let delivers = config.gateways.iter().map(|gateway| &gateway.deliver);
    let places = |deliver: &DeliverConfig| deliver.concurrency + MAX_WAITING;
    let concurrency: usize = delivers.map(places).sum();
    let mut settings = BridgeConfig::new()
        .unsettled(config.unsettled)
        .settle_for(config.settle_for)
        .survey(config.survey)
        .retention(config.retention.conversations)
        .dead_letter_retention(config.retention.dead_letters)
        // A try ends by its own limit: it is never given up while its post is under way.
        .attempt_timeout(try_limit(config).saturating_add(Duration::from_secs(1)))
        .term(config.term)
        .max_effects(CALLS + concurrency)
        .max_lanes((CALLS + concurrency) * 4);
    if let Some(rate) = config.rate {
        settings = settings.rate(rate);
    }
    if let Some(host) = &config.host {
        settings = settings.host(host);
    }
    for gateway in &config.gateways {
        let own = ConsumerSettings::new()
            .opening(gateway.open.clone())
            .answers_by_number(gateway.answers_by_number)
            .accept_on(gateway.accept_on)
            .nack(gateway.nack)
            .give_up_after(gateway.deliver.give_up_after)
            .refused_tries(gateway.deliver.refused_tries);
        settings = settings.for_consumers(&gateway.consumer_prefix, own);
    }
    settings
}

/// How long a try of a delivery may take: as long as that of the slowest gateway, and a file that comes along.
pub(super) fn try_limit(config: &ServerConfig) -> Duration {
    let time = |deliver: &DeliverConfig| match deliver.inline_media {
        0 => deliver.timeout,
        _ => deliver.timeout + INLINE_TIMEOUT,
    };
    let slowest = config.gateways.iter().map(|gateway| time(&gateway.deliver)).max();
    slowest.unwrap_or_default().max(config.attempt_timeout)
}

#[cfg(test)]
mod tests {
    use lp_connector_bridge::{AcceptOn, SurveyPolicy, Unsettled};
    use lp_connector_core::secret::Secret;

    use super::*;
    use crate::server::{AccountConfig, GatewayConfig};

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn server() -> ServerConfig {
        let account = AccountConfig::new(
            "91827364".parse().unwrap(),
            "0a1b".parse().unwrap(),
            Secret::new("s".to_owned()),
        );
        ServerConfig::new(account)
    }

    #[test]
    fn a_try_takes_longer_if_a_file_comes_along() {
        let limit = |inline_media| {
            let mut config = server();
            let mut sms = GatewayConfig::new("sms", "http://127.0.0.1:9/");
            sms.deliver.timeout = secs(17);
            sms.deliver.inline_media = inline_media;
            config.gateways.push(sms);
            try_limit(&config)
        };
        assert_eq!((limit(0), limit(1)), (secs(17), secs(20)));
    }

    #[test]
    fn each_setting_reaches_the_bridge() {
        let mut config = server();
        config.unsettled = Unsettled::Hold;
        config.settle_for = secs(11);
        config.survey = SurveyPolicy::Everything;
        config.retention.conversations = secs(12);
        config.retention.dead_letters = secs(13);
        config.attempt_timeout = secs(1);
        config.term = secs(40);
        config.rate = Some(14);
        config.host = Some("one".to_owned());
        let mut sms = GatewayConfig::new("sms", "http://127.0.0.1:9/");
        sms.answers_by_number = false;
        sms.accept_on = AcceptOn::Delivered;
        sms.nack = false;
        sms.open.skill = Some("7".to_owned());
        sms.deliver.give_up_after = secs(15);
        sms.deliver.refused_tries = 16;
        sms.deliver.timeout = secs(17);
        sms.deliver.inline_media = 1;
        sms.deliver.concurrency = 20;
        config.gateways.push(sms.clone());
        let own = ConsumerSettings::new()
            .opening(sms.open)
            .answers_by_number(false)
            .accept_on(AcceptOn::Delivered)
            .nack(false)
            .give_up_after(secs(15))
            .refused_tries(16);
        let expected = BridgeConfig::new()
            .unsettled(Unsettled::Hold)
            .settle_for(secs(11))
            .survey(SurveyPolicy::Everything)
            .retention(secs(12))
            .dead_letter_retention(secs(13))
            // The time limit of the post, 3 s for the file, and one more.
            .attempt_timeout(secs(21))
            .term(secs(40))
            .rate(14)
            .host("one")
            // 64 calls, 20 deliveries, and 16 that wait.
            .max_effects(100)
            .max_lanes(400)
            .for_consumers("sms:", own);
        assert_eq!(format!("{:?}", bridge_config(&config)), format!("{expected:?}"));
    }
}
