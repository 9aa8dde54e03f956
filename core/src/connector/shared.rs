//! What all calls of one connector share: hosts, tokens, and which services are down.

use std::collections::BTreeMap;
use std::time::Duration;

use zeroize::Zeroizing;

use super::config::{Config, DomainLookup};
use super::consumers::Consumers;
use super::slot::{Fetching, Slot};
use crate::api::sentinel::AppJwt;
use crate::api::{Authority, Origin, Service, Target};
use crate::error::spellings;
use crate::id::ExtConsumerId;
use crate::policy::{Circuit, Rate};
use crate::seed::{Jitter, Seed};
use crate::time::Mono;

/// The state that the calls of one connector share: domains, tokens, circuits.
///
/// A plain value: the adapter keeps it behind a lock of its own kind, which it never holds while
/// sending. One `Shared` is for one account and one app, those of its [`Config`].
///
/// Its size is bounded by the consumer cache, the services asked for, and the calls in progress.
#[derive(Debug)]
pub struct Shared {
    pub(super) config: Config,
    pub(super) jitter: Jitter,
    leases: u64,
    domains: BTreeMap<DomainKey, Slot<Hosts>>,
    pub(super) app_jwt: Slot<AppJwt>,
    pub(super) consumers: Consumers,
    circuits: BTreeMap<Target, Circuit>,
    rates: BTreeMap<Service, Rate>,
    pub(super) issued: Issued,
    /// The IDP asked, for whichever consumer, not to be asked before then.
    pub(super) idp_not_before: Mono,
}

/// Which look-up a host comes from: that of its service, or the one of all services.
pub(super) type DomainKey = Option<Service>;

/// The hosts that one look-up gave, each with the reason if it is not trusted.
pub(super) type Hosts = BTreeMap<Service, Result<Origin, String>>;

/// One shared thing that a call may have to fetch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Need {
    Domain(DomainKey),
    AppJwt,
    ConsumerJws(ExtConsumerId),
}

impl Shared {
    /// Nothing is known yet, and nothing is fetched before a call needs it. `seed` makes the jitter
    /// of the pauses that calls share.
    #[must_use]
    pub fn new(config: Config, seed: Seed) -> Self {
        let consumers = Consumers::new(config.consumer_cache);
        let rates = config.rates.iter();
        let rates = rates.map(|(service, policy)| (service.clone(), Rate::new(*policy))).collect();
        Self {
            config,
            jitter: seed.jitter(),
            leases: 0,
            domains: BTreeMap::new(),
            app_jwt: Slot::new(),
            consumers,
            circuits: BTreeMap::new(),
            rates,
            issued: Issued::default(),
            idp_not_before: Mono::ZERO,
        }
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// How many consumers' tokens are kept or being fetched.
    #[must_use]
    pub fn consumers(&self) -> usize {
        self.consumers.len()
    }

    pub(super) fn next_lease(&mut self) -> u64 {
        self.leases += 1;
        self.leases
    }

    pub(super) fn domain_key(&self, service: &Service) -> DomainKey {
        match self.config.domain_lookup {
            DomainLookup::PerService => Some(service.clone()),
            DomainLookup::AllServices => None,
        }
    }

    pub(super) fn domain(&mut self, key: &DomainKey) -> (&mut Slot<Hosts>, &mut Circuit) {
        // Looked up before it is made, so that the ordinary case copies no name.
        if !self.domains.contains_key(key) {
            self.domains.insert(key.clone(), Slot::new());
        }
        let slot = self.domains.entry(key.clone()).or_insert_with(Slot::new);
        (slot, self.circuits.entry(Target::DomainApi).or_default())
    }

    pub(super) fn domain_held(&self, key: &DomainKey) -> Option<&Slot<Hosts>> {
        self.domains.get(key)
    }

    /// The host of `service`, where it is known, trusted, and not to be looked up anew.
    pub(super) fn origin_held(
        &mut self,
        key: &DomainKey,
        service: &Service,
        now: Mono,
    ) -> Option<Origin> {
        let slot = self.domains.get_mut(key)?;
        slot.ready(now, 0)?;
        slot.value(now)?.get(service)?.as_ref().ok().cloned()
    }

    pub(super) fn app_jwt(&mut self) -> (&mut Slot<AppJwt>, &mut Circuit) {
        let circuit = self.circuits.entry(Target::Service(Service::SENTINEL)).or_default();
        (&mut self.app_jwt, circuit)
    }

    pub(super) fn consumer(
        &mut self,
        consumer: &ExtConsumerId,
        now: Mono,
    ) -> (&mut Slot<crate::api::idp::ConsumerJws>, &mut Circuit) {
        let circuit = self.circuits.entry(Target::Service(Service::IDP)).or_default();
        (self.consumers.touch(consumer, now), circuit)
    }

    pub(super) fn circuit(&mut self, target: &Target) -> &mut Circuit {
        self.circuits.entry(target.clone()).or_default()
    }

    /// The limit of requests to a service, if it has one.
    pub(super) fn rate(&mut self, target: &Target) -> Option<&mut Rate> {
        match target {
            Target::Service(service) => self.rates.get_mut(service),
            Target::DomainApi => None,
        }
    }

    /// The fetching of one shared thing, whatever its type.
    pub(super) fn fetching(&mut self, need: &Need) -> Option<&mut Fetching> {
        match need {
            Need::Domain(key) => self.domains.get_mut(key).map(|slot| &mut slot.fetching),
            Need::AppJwt => Some(&mut self.app_jwt.fetching),
            Need::ConsumerJws(consumer) => {
                self.consumers.get_mut(consumer).map(|slot| &mut slot.fetching)
            }
        }
    }

    /// What must not be printed if a service says it back: the secret, and the tokens that a call of
    /// this authority sends.
    pub(super) fn secrets(&self, authority: &Authority) -> Vec<Zeroizing<String>> {
        let mut secrets = Vec::new();
        if let Some((_, secret)) = &self.config.credentials {
            secrets.extend(spellings(secret.expose()));
        }
        let jws = match authority {
            Authority::Consumer(consumer) => self.consumers.get(consumer),
            _ => None,
        };
        let headers = [
            self.app_jwt.value(Mono::ZERO).map(|jwt| &jwt.header),
            jws.and_then(|slot| slot.value(Mono::ZERO)).map(|jws| &jws.header),
        ];
        let tokens = headers.into_iter().flatten().filter_map(|header| header.to_str().ok());
        secrets.extend(tokens.map(|token| Zeroizing::new(token.to_owned())));
        secrets
    }

    /// A connection to `service` could not be made: it may have moved.
    pub(super) fn suspect(&mut self, service: &Service, now: Mono) {
        let key = self.domain_key(service);
        if let Some(slot) = self.domains.get_mut(&key) {
            slot.suspect(now, SUSPECT_AFTER);
        }
    }
}

/// A host looked up less long ago than this is not looked up again for a failed connection: a bound
/// on look-ups while a service is down.
const SUSPECT_AFTER: Duration = Duration::from_secs(1);

/// How often an AppJWT may be issued: twice at once, then every 15 s, which is 6 a minute. It takes
/// effect only with tokens that live shorter than that, or are refused as soon as they are issued, and
/// keeps either from becoming a storm.
#[derive(Debug, Default)]
pub(super) struct Issued {
    /// Up to when the tokens issued so far are paid for, at one in every 15 s.
    paid_until: Mono,
}

impl Issued {
    const EVERY: Duration = Duration::from_secs(15);

    /// When the next may be asked for: one may be owed.
    pub(super) fn next(&self) -> Mono {
        Mono::from_origin(self.paid_until.since(Mono::from_origin(Self::EVERY)))
    }

    pub(super) fn note(&mut self, now: Mono) {
        self.paid_until = self.paid_until.max(now) + Self::EVERY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_six_tokens_are_issued_in_a_minute() {
        let mut issued = Issued::default();
        let mut times = Vec::new();
        let mut now = Mono::from_origin(Duration::from_secs(1000));
        while times.len() < 50 {
            now = now.max(issued.next());
            issued.note(now);
            times.push(now);
        }
        assert_eq!(times[0], times[1]);
        for six in times.windows(7) {
            assert!(six[6].since(six[0]) >= Duration::from_secs(60), "{six:?}");
        }
    }

    #[test]
    fn no_two_leases_have_one_number() {
        let account = crate::id::AccountId::new("91827364").unwrap();
        let mut shared = Shared::new(Config::new(account), Seed::from_bytes([1; 16]));
        let leases: std::collections::BTreeSet<_> = (0..5).map(|_| shared.next_lease()).collect();
        assert_eq!(leases.len(), 5);
    }

    #[test]
    fn consumers_are_counted_once_each() {
        let account = crate::id::AccountId::new("91827364").unwrap();
        let mut shared = Shared::new(Config::new(account), Seed::from_bytes([1; 16]));
        assert_eq!(shared.consumers(), 0);
        for (name, count) in [("ada", 1), ("bob", 2), ("ada", 2), ("cyd", 3)] {
            shared.consumer(&ExtConsumerId::new(name).unwrap(), Mono::ZERO);
            assert_eq!(shared.consumers(), count);
        }
    }
}
