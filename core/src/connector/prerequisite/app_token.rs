//! The AppJWT, from Sentinel ([protocol.md 4](crate::protocol#4)).

use std::time::Duration;

use super::{Adopted, Fetched};
use crate::api::{ApiRejection, RelativeRequest, sentinel};
use crate::connector::outcome::SharedToken;
use crate::connector::state::ConnectorState;
use crate::error::{Error, ErrorKind};
use crate::time::Mono;

pub(super) fn request(state: &ConnectorState) -> Result<RelativeRequest, Error> {
    let config = &state.config;
    let Some((client, secret)) = &config.credentials else {
        // `Call::new` rejects a call without credentials already; this keeps the match total.
        return Err(Error::new(ErrorKind::Configuration, "the configuration holds no credentials"));
    };
    let secret = state.login.as_ref().unwrap_or(secret);
    Ok(sentinel::request(&config.account, client, secret, config.credentials_in))
}

pub(super) fn store(
    state: &mut ConnectorState,
    now: Mono,
    fetched: Fetched<'_>,
) -> Result<(), ApiRejection> {
    let jwt = sentinel::parse(fetched.response)?;
    state.issue_limit.record(now);
    let life = usable(jwt.life);
    // The server issued it after the request left: it cannot expire before this.
    let expires_at = fetched.sent_at + life;
    if expires_at <= now {
        let seconds = jwt.life.as_secs();
        let how = format!("its AppJWT lives {seconds} s, and had expired when it came");
        return Err(ApiRejection::unreadable(how));
    }
    let margin = state.config.refresh_margin.min(life / 10);
    let refresh_at = fetched.sent_at + life.saturating_sub(margin);
    state.app_jwt.store(now, fetched.lease, jwt, refresh_at, expires_at);
    Ok(())
}

/// Stores a token that another program requested. False if its time is over.
pub(super) fn adopt(state: &mut ConnectorState, now: Mono, adopted: &Adopted<'_>) -> bool {
    let SharedToken { header, token, life } = adopted.token;
    let jwt = sentinel::shared(header.clone(), token, *life);
    let expires_at = adopted.asked_at + jwt.life;
    if expires_at <= now {
        return false;
    }
    state.issue_limit.record_shared();
    let margin = state.config.refresh_margin.min(jwt.life / 10);
    let refresh_at = adopted.asked_at + jwt.life.saturating_sub(margin);
    state.app_jwt.store(now, adopted.lease, jwt, refresh_at, expires_at);
    true
}

/// The usable part of a lifetime in whole seconds: `iat` is rounded down, so the token may be
/// up to a second older than it says.
fn usable(life: Duration) -> Duration {
    life.saturating_sub(Duration::from_secs(1).min(life / 10))
}
