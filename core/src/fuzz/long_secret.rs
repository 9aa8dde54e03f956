//! A secret that no URL can carry.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Response;

use crate::api::{AuthorizeApp, CredentialsIn};
use crate::connector::{Call, Config, ConnectorState, Outcome, Step};
use crate::error::{ErrorKind, Stage};
use crate::id::{AccountId, ClientId};
use crate::policy::{CircuitPolicy, RetryPolicy};
use crate::secret::Secret;
use crate::seed::Seed;
use crate::time::{Mono, Now};

/// A token request that cannot be written ends its call alone: what it held is free for the next one, be it the one
/// probe of a service that has failed.
pub(super) fn long_secret(account: &AccountId, app: &ClientId) {
    let with =
        |text: String| Config::new(account.clone()).credentials(app.clone(), Secret::new(text));
    let pause = Duration::from_secs(1);
    let config = with("short".to_owned())
        .credentials_in(CredentialsIn::Query)
        .retry(RetryPolicy::none())
        .circuit(CircuitPolicy::documented().first_pause(pause));
    let mut state = ConnectorState::new(config, Seed::from_bytes([1; 16]));
    let mut now = Now::new(Mono::ZERO, SystemTime::UNIX_EPOCH);
    let long = with("x".repeat(70_000));
    let end = |state: &mut ConnectorState, now: Now| {
        let mut call =
            Call::new(AuthorizeApp::new(), state.config(), Seed::from_bytes([2; 16]), now);
        loop {
            match call.poll(state, now) {
                Step::Send(attempt) => {
                    let response = match attempt.stage() {
                        Stage::Domain => Response::new(Bytes::from_static(
                            br#"{"service":"sentinel","baseURI":"a.liveperson.net"}"#,
                        )),
                        _ => {
                            let mut response = Response::new(Bytes::new());
                            *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
                            response
                        }
                    };
                    let outcome = Outcome::Response(response);
                    let _ = call.handle(state, now, attempt.number(), outcome);
                }
                Step::Wait(until) => panic!("it waits until {until:?}"),
                Step::Done(result) => return result.expect_err("nothing succeeds").kind(),
            }
        }
    };
    let long_ends = |state: &mut ConnectorState, now: Now| {
        assert!(state.replace_login(&long));
        assert_eq!(end(state, now), ErrorKind::InvalidInput);
        assert_eq!(end(state, now), ErrorKind::InvalidInput, "the first one holds something");
        assert!(state.replace_login(&with("short".to_owned())));
    };
    long_ends(&mut state, now);
    assert_eq!(end(&mut state, now), ErrorKind::Unavailable);
    assert_eq!(end(&mut state, now), ErrorKind::CircuitOpen);
    now = now.later(pause);
    long_ends(&mut state, now);
    assert_eq!(end(&mut state, now), ErrorKind::Unavailable, "the probe");
    assert_eq!(end(&mut state, now), ErrorKind::CircuitOpen);
}
