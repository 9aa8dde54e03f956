//! Hosts, from the Domain API ([protocol.md 2](crate::protocol#2)).

use super::Fetched;
use crate::api::{ApiRejection, Origin, Reason, RelativeRequest, Service, domain};
use crate::connector::state::{ConnectorState, DomainKey, Hosts};
use crate::error::{Delivery, Error, ErrorKind, Stage, scrub};
use crate::time::Mono;

pub(super) fn is_cached(state: &mut ConnectorState, key: &DomainKey, now: Mono) -> bool {
    state.domain_mut(key).is_some_and(|flight| !flight.wants_fetch(now, 0))
}

pub(super) fn request(state: &ConnectorState, key: &DomainKey) -> RelativeRequest {
    let account = &state.config.account;
    match key {
        Some(service) => domain::request_one(account, service),
        None => domain::request_all(account),
    }
}

pub(super) fn store(
    state: &mut ConnectorState,
    key: &DomainKey,
    now: Mono,
    fetched: Fetched<'_>,
) -> Result<(), ApiRejection> {
    let found = trusted(state, key.as_ref(), domain::parse(fetched.response)?)?;
    let refresh_at = now + state.config.domain_ttl;
    let flight = state.domain(key).0;
    let hosts = merged(flight.value(now), found);
    flight.store(now, fetched.lease, hosts, refresh_at, Mono::NEVER);
    Ok(())
}

/// The cached origin of `service`.
///
/// # Errors
/// If its host is not trusted, or the Domain API names none.
pub(in crate::connector) fn origin(
    state: &mut ConnectorState,
    service: &Service,
    now: Mono,
) -> Result<Origin, Error> {
    let key = state.domain_key(service);
    let host = state.domain_mut(&key).and_then(|flight| flight.value(now)?.get(service));
    match host {
        Some(Ok(origin)) => Ok(origin.clone()),
        Some(Err(why)) => Err(Error::new(
            ErrorKind::UntrustedHost,
            format!(
                "the Domain API names a host for {} that is not trusted: {why}",
                shown(service)
            ),
        )
        .at(Stage::Domain, None)),
        None => Err(Error::new(
            ErrorKind::Rejected,
            format!("the Domain API names no host for the service {}", shown(service)),
        )
        .at(Stage::Domain, None)
        .with_delivery(Delivery::Rejected)),
    }
}

/// The name of a service in one line: it may be any text of the caller's.
fn shown(service: &Service) -> String {
    scrub(service.name(), &[])
}

/// Checks the hosts of the Domain API's response. If the request was for one service and the response has
/// an untrusted host for it, the fetch fails, and so does every other call that waits for it.
fn trusted(
    state: &ConnectorState,
    asked: Option<&Service>,
    entries: Vec<(Service, String)>,
) -> Result<Hosts, ApiRejection> {
    let mut hosts = Hosts::new();
    for (service, base) in entries {
        if asked.is_some_and(|asked| *asked != service) {
            continue;
        }
        let origin = state.config.trust.resolve_trusted(&base);
        if let (Some(_), Err(why)) = (asked, &origin) {
            return Err(ApiRejection::status(200).because(Reason::Untrusted(why.to_string())));
        }
        hosts.insert(service, origin);
    }
    match asked {
        Some(service) if hosts.is_empty() => {
            let how = format!("it names no host for the service {}", shown(service));
            Err(ApiRejection::unreadable(how))
        }
        _ => Ok(hosts),
    }
}

/// Merges the hosts of a look-up into the cached ones: an old host stays in use until another is known.
fn merged(old: Option<&Hosts>, mut hosts: Hosts) -> Hosts {
    for (service, host) in old.into_iter().flatten() {
        if host.is_ok() && !matches!(hosts.get(service), Some(Ok(_))) {
            hosts.insert(service.clone(), host.clone());
        }
    }
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::Trust;

    #[test]
    fn a_list_that_lacks_a_host_keeps_the_old_one() {
        let host = |name: &str| Trust::default().resolve_trusted(name);
        let (new, old) = (host("new.liveperson.net"), host("old.liveperson.net"));
        let hosts = |messaging: &_, idp: Option<&_>| {
            let messaging = (Service::MESSAGING, Clone::clone(messaging));
            [Some(messaging), idp.map(|idp: &Result<_, _>| (Service::IDP, idp.clone()))]
                .into_iter()
                .flatten()
                .collect::<Hosts>()
        };
        let before = hosts(&old, Some(&old));
        let untrusted = host("evil.example");
        assert!(untrusted.is_err());
        assert_eq!(merged(Some(&before), hosts(&new, None)), hosts(&new, Some(&old)));
        assert_eq!(merged(Some(&before), hosts(&new, Some(&untrusted))), hosts(&new, Some(&old)));
        assert_eq!(merged(None, hosts(&new, Some(&untrusted))), hosts(&new, Some(&untrusted)));
    }
}
