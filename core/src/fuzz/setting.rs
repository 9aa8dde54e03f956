//! Any configuration of the calls of the target `calls`.

use std::time::Duration;

use arbitrary::Arbitrary;

use super::event::observed;
use crate::api::{CredentialsIn, Service};
use crate::connector::{Config, DomainLookup, Trust};
use crate::id::{AccountId, ClientId};
use crate::policy::{CircuitPolicy, RatePolicy, RetryPolicy};
use crate::secret::Secret;

#[derive(Arbitrary, Debug)]
pub(super) struct Setting {
    all_services: bool,
    in_query: bool,
    retry: u8,
    pub(super) at_least_once: bool,
    circuit: u8,
    rate: Option<(u8, u16)>,
    domain_ttl: Option<u16>,
    margin: Option<u16>,
    interval: Option<u16>,
    consumers: Option<u8>,
    attempt: Option<u8>,
    call: Option<u8>,
}

impl Setting {
    pub(super) fn is_cautious(&self) -> bool {
        self.retry % 4 == 1
    }

    /// How many consumers' tokens are kept.
    pub(super) fn cache(&self) -> usize {
        self.consumers.map_or(10_000, |consumers| usize::from(consumers).max(1))
    }

    pub(super) fn config(&self) -> Config {
        let seconds = |seconds: u16| Duration::from_secs(seconds.into());
        let short = |seconds: u8| Duration::from_secs(u64::from(seconds % 190) + 1);
        let mut config = config("fuzz-canary-secret")
            .observer(observed)
            .connect_timeout(short(self.retry))
            .idle_timeout(short(self.circuit))
            .max_connections(self.retry.into())
            .max_body(usize::from(self.circuit) << 8);
        if self.retry >= 128 {
            let hosts = ["LIVEPERSON.net", ".lprnd.net"];
            let trust = Trust::new("https://api.liveperson.net/", hosts).expect("a good address");
            config = config.trust(trust).user_agent("fuzz/1").expect("a good name");
        }
        let retry = match self.retry % 4 {
            0 => RetryPolicy::documented(),
            1 => RetryPolicy::cautious(),
            2 => RetryPolicy::none(),
            _ => RetryPolicy::documented().pauses([Duration::ZERO; 8]),
        };
        config = config.retry(retry.at_least_once(self.at_least_once));
        config = match self.circuit % 3 {
            0 => config.circuit(CircuitPolicy::documented()),
            1 => config.circuit(CircuitPolicy::never()),
            _ => config.circuit(
                CircuitPolicy::documented().threshold_for_messages(1).first_pause(short(1)),
            ),
        };
        if self.all_services {
            config = config.domain_lookup(DomainLookup::AllServices);
        }
        if self.in_query {
            config = config.credentials_in(CredentialsIn::Query);
        }
        if let Some((burst, every)) = self.rate {
            let policy = RatePolicy::new(burst.into(), Duration::from_millis(every.into()));
            config = config.rate(Service::MESSAGING, policy);
        }
        if let Some(ttl) = self.domain_ttl {
            config = config.domain_ttl(seconds(ttl));
        }
        if let Some(margin) = self.margin {
            config = config.refresh_margin(seconds(margin));
        }
        if let Some(interval) = self.interval {
            config = config.app_jwt_interval(seconds(interval));
        }
        if let Some(consumers) = self.consumers {
            config = config.consumer_cache(consumers.into());
        }
        if let Some(timeout) = self.attempt {
            config = config.attempt_timeout(short(timeout));
        }
        if let Some(timeout) = self.call {
            config = config.call_timeout(short(timeout));
        }
        config
    }
}

pub(super) fn config(secret: &str) -> Config {
    Config::new(AccountId::new("91827364").expect("a good id"))
        .credentials(ClientId::new("0a1b").expect("a good id"), Secret::new(secret.to_owned()))
}
