//! A consumer's ConsumerJWS, from the IDP ([protocol.md 5](crate::protocol#5)).

use super::{Adopted, Fetched};
use crate::api::{ApiRejection, RelativeRequest, idp};
use crate::connector::state::ConnectorState;
use crate::error::Error;
use crate::id::ExtConsumerId;
use crate::time::Mono;

/// Stores a token that another program requested.
pub(super) fn adopt(
    state: &mut ConnectorState,
    consumer: &ExtConsumerId,
    now: Mono,
    adopted: &Adopted<'_>,
) {
    if let Some(flight) = state.consumers.get_mut(consumer) {
        let jws = idp::ConsumerJws { header: adopted.token.header.clone() };
        flight.store(now, adopted.lease, jws, Mono::NEVER, Mono::NEVER);
    }
}

/// Using a cached token makes its consumer the last to be evicted.
pub(super) fn is_cached(state: &mut ConnectorState, consumer: &ExtConsumerId, now: Mono) -> bool {
    // Only a call that can fill an entry creates one.
    state.consumers.touch_if(consumer, |flight| !flight.wants_fetch(now, 0))
}

pub(super) fn request(
    state: &ConnectorState,
    consumer: &ExtConsumerId,
) -> Result<RelativeRequest, Error> {
    idp::request(&state.config.account, consumer).map_err(Error::from)
}

pub(super) fn store(
    state: &mut ConnectorState,
    consumer: &ExtConsumerId,
    now: Mono,
    fetched: Fetched<'_>,
) -> Result<(), ApiRejection> {
    let jws = idp::parse(fetched.response)?;
    if let Some(flight) = state.consumers.get_mut(consumer) {
        // It never expires (protocol.md 5).
        flight.store(now, fetched.lease, jws, Mono::NEVER, Mono::NEVER);
    }
    Ok(())
}
