//! The state that all calls of one connector share: hosts, tokens, circuits, rate limits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::config::{Config, DomainLookup};
use super::consumers::Consumers;
use super::issue_limit::IssueLimit;
use super::single_flight::SingleFlight;
use super::trust::UntrustedHost;
use crate::api::idp::ConsumerJws;
use crate::api::sentinel::AppJwt;
use crate::api::{Endpoint, Origin, Principal, Service};
use crate::error::spellings;
use crate::id::ExtConsumerId;
use crate::policy::{Circuit, RateLimiter};
use crate::secret::Secret;
use crate::seed::{Jitter, Seed};
use crate::time::Mono;

/// The state that the calls of one connector share: hosts, tokens, circuits, rate limits.
///
/// A plain value: the adapter keeps it behind a lock of its own kind, which it never holds while sending.
/// One `ConnectorState` is for one account and one app, those of its [`Config`].
///
/// Its size is bounded by the consumer cache, the services that were called, and the calls in progress.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub struct ConnectorState {
    pub(super) config: Arc<Config>,
    /// The app's secret, if it has replaced that of the configuration.
    pub(super) login: Option<Secret>,
    /// The secret that it has replaced last: a request with it may be under way.
    replaced_login: Option<Secret>,
    pub(super) jitter: Jitter,
    ids: u64,
    domains: BTreeMap<DomainKey, SingleFlight<Hosts>>,
    pub(super) app_jwt: SingleFlight<AppJwt>,
    pub(super) consumers: Consumers,
    circuits: BTreeMap<Endpoint, Circuit>,
    rates: BTreeMap<Service, RateLimiter>,
    pub(super) issue_limit: IssueLimit,
    /// No request to the IDP before then, for any consumer: it asked for a pause.
    pub(super) idp_not_before: Mono,
}

/// The look-up that a host comes from: that of its service, or the one of all services.
pub(super) type DomainKey = Option<Service>;

/// The hosts of one look-up, each with the reason if it is not trusted.
pub(super) type Hosts = BTreeMap<Service, Result<Origin, UntrustedHost>>;

/// The generations of the tokens that an attempt carries.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tokens {
    pub(super) app_jwt: u64,
    pub(super) consumer_jws: u64,
}

impl ConnectorState {
    /// Creates an empty state; nothing is fetched before a call needs it. `seed` determines the jitter of
    /// the pauses that calls share.
    #[must_use]
    pub fn new(config: Config, seed: Seed) -> Self {
        let consumers = Consumers::new(config.consumer_cache);
        let issue_limit = IssueLimit::new(config.app_jwt_interval);
        let rates = config.rates.iter();
        let rates =
            rates.map(|(service, policy)| (service.clone(), RateLimiter::new(*policy))).collect();
        Self {
            config: Arc::new(config),
            login: None,
            replaced_login: None,
            jitter: seed.jitter(),
            ids: 0,
            domains: BTreeMap::new(),
            app_jwt: SingleFlight::new(),
            consumers,
            circuits: BTreeMap::new(),
            rates,
            issue_limit,
            idp_not_before: Mono::ZERO,
        }
    }

    /// The configuration, which every [`Call`](super::Call) on this state is made with.
    #[must_use]
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Logs in with the secret of another configuration from the next request for a token on. Tokens that are here stay.
    /// False, and nothing has changed, if it is of another account or another app.
    pub fn replace_login(&mut self, config: &Config) -> bool {
        let (old, new) = (&self.config, config.credentials.as_ref());
        match (&old.credentials, new) {
            (Some((app, _)), Some((same, secret)))
                if app == same && old.account == config.account =>
            {
                self.replaced_login = self.login.replace(secret.clone());
                true
            }
            _ => false,
        }
    }

    /// How many consumers' tokens are cached or being fetched.
    #[must_use]
    pub fn consumers(&self) -> usize {
        self.consumers.len()
    }

    /// A number that no other lease and no other waiter has.
    pub(super) fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    pub(super) fn domain_key(&self, service: &Service) -> DomainKey {
        match self.config.domain_lookup {
            DomainLookup::PerService => Some(service.clone()),
            DomainLookup::AllServices => None,
        }
    }

    pub(super) fn domain(&mut self, key: &DomainKey) -> (&mut SingleFlight<Hosts>, &mut Circuit) {
        let flight = self.domains.entry(key.clone()).or_insert_with(SingleFlight::new);
        (flight, self.circuits.entry(Endpoint::DomainApi).or_default())
    }

    pub(super) fn domain_mut(&mut self, key: &DomainKey) -> Option<&mut SingleFlight<Hosts>> {
        self.domains.get_mut(key)
    }

    pub(super) fn app_jwt(&mut self) -> (&mut SingleFlight<AppJwt>, &mut Circuit) {
        let circuit = self.circuits.entry(Endpoint::Service(Service::SENTINEL)).or_default();
        (&mut self.app_jwt, circuit)
    }

    pub(super) fn consumer(
        &mut self,
        consumer: &ExtConsumerId,
        now: Mono,
    ) -> (&mut SingleFlight<ConsumerJws>, &mut Circuit) {
        let circuit = self.circuits.entry(Endpoint::Service(Service::IDP)).or_default();
        (self.consumers.touch(consumer, now), circuit)
    }

    /// The cached ConsumerJWS of a principal, if it is a consumer's.
    pub(super) fn consumer_jws(&self, principal: &Principal) -> Option<&SingleFlight<ConsumerJws>> {
        match principal {
            Principal::Consumer(consumer) => self.consumers.get(consumer),
            _ => None,
        }
    }

    pub(super) fn circuit(&mut self, endpoint: &Endpoint) -> &mut Circuit {
        self.circuits.entry(endpoint.clone()).or_default()
    }

    /// The rate limiter of an endpoint, if one is configured.
    pub(super) fn rate(&mut self, endpoint: &Endpoint) -> Option<&mut RateLimiter> {
        match endpoint {
            Endpoint::Service(service) => self.rates.get_mut(service),
            Endpoint::DomainApi => None,
        }
    }

    /// The values to remove from a service's text if it echoes them: the secret, and the tokens that a
    /// call of this principal sends.
    pub(super) fn secrets(&self, principal: &Principal) -> Vec<Zeroizing<String>> {
        let mut secrets = Vec::new();
        if let Some((_, secret)) = &self.config.credentials {
            secrets.extend(spellings(secret.expose()));
        }
        for secret in [&self.login, &self.replaced_login].into_iter().flatten() {
            secrets.extend(spellings(secret.expose()));
        }
        let jws = self.consumer_jws(principal);
        let headers = [
            self.app_jwt.value(Mono::ZERO).map(|jwt| &jwt.header),
            jws.and_then(|flight| flight.value(Mono::ZERO)).map(|jws| &jws.header),
        ];
        let tokens = headers.into_iter().flatten().filter_map(|header| header.to_str().ok());
        secrets.extend(tokens.map(|token| Zeroizing::new(token.to_owned())));
        secrets
    }

    /// True if [`secrets`](Self::secrets) has the tokens that an attempt of this principal carried. Another call may have
    /// replaced or rejected them meanwhile.
    pub(super) fn keeps(&self, principal: &Principal, tokens: Tokens) -> bool {
        let app = self.app_jwt.value(Mono::ZERO).map(|_| self.app_jwt.generation());
        let consumer = self
            .consumer_jws(principal)
            .and_then(|flight| flight.value(Mono::ZERO).map(|_| flight.generation()));
        (tokens.app_jwt == 0 || app == Some(tokens.app_jwt))
            && (tokens.consumer_jws == 0 || consumer == Some(tokens.consumer_jws))
    }

    /// Marks the host of `service` as possibly out of date, after a failed connect.
    pub(super) fn mark_host_stale(&mut self, service: &Service, now: Mono) {
        let key = self.domain_key(service);
        if let Some(flight) = self.domains.get_mut(&key) {
            flight.mark_stale(now, YOUNGEST_STALE_HOST);
        }
    }
}

/// A younger host is not looked up again after a failed connect: a bound on
/// look-ups while a service is down.
const YOUNGEST_STALE_HOST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::prerequisite::Prerequisite;

    #[test]
    fn every_id_is_given_once() {
        let account = crate::id::AccountId::new("91827364").unwrap();
        let mut state = ConnectorState::new(Config::new(account), Seed::from_bytes([1; 16]));
        let ids: std::collections::BTreeSet<_> = (0..5).map(|_| state.next_id()).collect();
        assert_eq!(ids.len(), 5);
    }

    #[test]
    fn a_login_is_replaced_for_its_own_app_alone() {
        let config = |account: &str, app: &str, secret: &str| {
            let account = crate::id::AccountId::new(account).unwrap();
            let app = crate::id::ClientId::new(app).unwrap();
            Config::new(account).credentials(app, Secret::new(secret.to_owned()))
        };
        let old = config("91827364", "app", "old");
        let mut state = ConnectorState::new(old, Seed::from_bytes([1; 16]));
        let none = Config::new(crate::id::AccountId::new("91827364").unwrap());
        for other in [config("1", "app", "x"), config("91827364", "other", "x"), none] {
            assert!(!state.replace_login(&other) && state.login.is_none());
        }
        assert!(state.replace_login(&config("91827364", "app", "new")));
        let request = Prerequisite::AppJwt.request(&state).unwrap();
        let body = String::from_utf8_lossy(request.body()).into_owned();
        assert!(body.contains("new") && !body.contains("old"), "{body}");
        let hidden = state.secrets(&Principal::App);
        assert!(state.replace_login(&config("91827364", "app", "newest")));
        let newest = state.secrets(&Principal::App);
        assert!(
            ["old", "new", "newest"]
                .iter()
                .all(|one| newest.iter().any(|hidden| **hidden == **one))
        );
        assert!(["old", "new"].iter().all(|one| hidden.iter().any(|hidden| **hidden == **one)));
    }

    #[test]
    fn each_consumer_counts_once() {
        let account = crate::id::AccountId::new("91827364").unwrap();
        let mut state = ConnectorState::new(Config::new(account), Seed::from_bytes([1; 16]));
        assert_eq!(state.consumers(), 0);
        for (name, count) in [("ada", 1), ("bob", 2), ("ada", 2), ("cyd", 3)] {
            state.consumer(&ExtConsumerId::new(name).unwrap(), Mono::ZERO);
            assert_eq!(state.consumers(), count);
        }
    }
}
