//! The prerequisites of a call's own request: hosts, the AppJWT, a ConsumerJWS.
//!
//! Each is a value in a [`SingleFlight`](super::single_flight::SingleFlight) of the connector's state. This
//! file has what they share; the files beside it have, for each, where it is kept, how it is
//! requested and how its response is stored.

mod app_token;
mod consumer_token;
pub(super) mod domain;

use std::time::Duration;

use super::outcome::{SharedToken, TokenRequest};
use super::single_flight::{Acquire, AcquireRequest, Lease, Refresh, SingleFlight};
use super::state::{ConnectorState, DomainKey};
use crate::api::{ApiRejection, Endpoint, Principal, RelativeRequest, ResponseView, Service};
use crate::error::{Error, Stage};
use crate::id::ExtConsumerId;
use crate::time::Mono;

/// One value that a call may have to fetch first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Prerequisite {
    /// Hosts, by the look-up that gives them.
    Domain(DomainKey),
    /// The app's token.
    AppJwt,
    /// A consumer's token.
    ConsumerJws(ExtConsumerId),
}

/// The response to a fetch, with the time of its request.
#[derive(Clone, Copy)]
pub(super) struct Fetched<'a> {
    pub(super) response: &'a ResponseView<'a>,
    pub(super) lease: Lease,
    /// When the request left.
    pub(super) sent_at: Mono,
}

/// A token that another program requested, in place of the response to a fetch.
#[derive(Clone, Copy)]
pub(super) struct Adopted<'a> {
    pub(super) token: &'a SharedToken,
    pub(super) lease: Lease,
    /// When it was asked for: its life counts from then.
    pub(super) asked_at: Mono,
}

impl Prerequisite {
    pub(super) const fn stage(&self) -> Stage {
        match self {
            Self::Domain(_) => Stage::Domain,
            Self::AppJwt => Stage::AppJwt,
            Self::ConsumerJws(_) => Stage::ConsumerJws,
        }
    }

    /// The endpoint that serves it.
    pub(super) const fn endpoint(&self) -> Endpoint {
        match self {
            Self::Domain(_) => Endpoint::DomainApi,
            Self::AppJwt => Endpoint::Service(Service::SENTINEL),
            Self::ConsumerJws(_) => Endpoint::Service(Service::IDP),
        }
    }

    /// The principal that it is fetched for.
    pub(super) const fn principal(&self) -> Principal {
        match self {
            Self::Domain(_) | Self::AppJwt => Principal::Anonymous,
            Self::ConsumerJws(_) => Principal::App,
        }
    }

    /// True if it is cached, of this generation at least, and no fetch of it is wanted now.
    pub(super) fn is_cached(
        &self,
        state: &mut ConnectorState,
        now: Mono,
        min_generation: u64,
    ) -> bool {
        match self {
            Self::Domain(key) => domain::is_cached(state, key, now),
            Self::AppJwt => !state.app_jwt.wants_fetch(now, min_generation),
            Self::ConsumerJws(consumer) => consumer_token::is_cached(state, consumer, now),
        }
    }

    /// The earliest time of a fetch, where its service limits all of them.
    pub(super) fn not_before(&self, state: &ConnectorState) -> Mono {
        match self {
            Self::Domain(_) => Mono::ZERO,
            Self::AppJwt => state.issue_limit.next(),
            Self::ConsumerJws(_) => state.idp_not_before,
        }
    }

    /// Acquires it. Also returns the error of the last attempt of the round.
    pub(super) fn acquire(
        &self,
        state: &mut ConnectorState,
        now: Mono,
        request: AcquireRequest,
    ) -> (Acquire, Option<Error>) {
        macro_rules! acquire {
            ($flight:expr) => {{
                let (flight, circuit) = $flight;
                let acquired =
                    flight.acquire(now, request, || circuit.acquire(now, request.deadline));
                (acquired, flight.refresh.last().cloned())
            }};
        }
        match self {
            Self::Domain(key) => acquire!(state.domain(key)),
            Self::AppJwt => acquire!(state.app_jwt()),
            Self::ConsumerJws(consumer) => acquire!(state.consumer(consumer, now)),
        }
    }

    /// Writes the request for it.
    pub(super) fn request(&self, state: &ConnectorState) -> Result<RelativeRequest, Error> {
        match self {
            Self::Domain(key) => Ok(domain::request(state, key)),
            Self::AppJwt => app_token::request(state),
            Self::ConsumerJws(consumer) => consumer_token::request(state, consumer),
        }
    }

    /// Stores the fetched value for all calls.
    pub(super) fn store(
        &self,
        state: &mut ConnectorState,
        now: Mono,
        fetched: Fetched<'_>,
    ) -> Result<(), ApiRejection> {
        match self {
            Self::Domain(key) => domain::store(state, key, now, fetched),
            Self::AppJwt => app_token::store(state, now, fetched),
            Self::ConsumerJws(consumer) => consumer_token::store(state, consumer, now, fetched),
        }
    }

    /// The token that a fetch of it requests, if it is a token.
    pub(super) fn token(&self, state: &ConnectorState) -> Option<TokenRequest> {
        let (consumer, replaces_rejected) = match self {
            Self::Domain(_) => return None,
            Self::AppJwt => (None, state.app_jwt.is_rejected() || state.issue_limit.has_rejected()),
            Self::ConsumerJws(consumer) => {
                let flight = state.consumers.get(consumer);
                (Some(consumer.clone()), flight.is_some_and(SingleFlight::is_rejected))
            }
        };
        Some(TokenRequest { consumer, replaces_rejected })
    }

    /// Stores a token of another program for all calls. False if it cannot be used.
    pub(super) fn adopt(
        &self,
        state: &mut ConnectorState,
        now: Mono,
        adopted: &Adopted<'_>,
    ) -> bool {
        match self {
            Self::Domain(_) => false,
            Self::AppJwt => app_token::adopt(state, now, adopted),
            Self::ConsumerJws(consumer) => {
                consumer_token::adopt(state, consumer, now, adopted);
                true
            }
        }
    }

    /// Records that the service asked for a pause.
    pub(super) fn postpone(&self, state: &mut ConnectorState, now: Mono, pause: Duration) {
        if matches!(self, Self::ConsumerJws(_)) {
            // The IDP asks, so the pause is for all consumers.
            state.idp_not_before = state.idp_not_before.max(now + pause);
        }
    }

    /// The state of its fetch; `None` if it has left the cache.
    pub(super) fn refresh<'a>(&self, state: &'a mut ConnectorState) -> Option<&'a mut Refresh> {
        match self {
            Self::Domain(key) => state.domain_mut(key).map(|flight| &mut flight.refresh),
            Self::AppJwt => Some(&mut state.app_jwt.refresh),
            Self::ConsumerJws(consumer) => {
                state.consumers.get_mut(consumer).map(|flight| &mut flight.refresh)
            }
        }
    }
}
