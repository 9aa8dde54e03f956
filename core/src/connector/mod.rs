//! The state machines: the state that calls share, and one call from start to result.
//!
//! An adapter loops around [`Call::poll`] and [`Call::handle`], and sends one request at a time.
//! This complete one makes up the response in place of a network:
//!
//! ```
//! use std::time::{Duration, SystemTime};
//! use bytes::Bytes;
//! use lp_connector_core::api::{ResolveDomain, Service};
//! use lp_connector_core::connector::{Call, Config, ConnectorState, Outcome, Step, Wake};
//! use lp_connector_core::id::AccountId;
//! use lp_connector_core::seed::Seed;
//! use lp_connector_core::time::{Mono, Now};
//!
//! let config = Config::new(AccountId::new("91827364")?);
//! let mut state = ConnectorState::new(config, Seed::from_bytes([1; 16]));
//! let mut now = Now::new(Mono::ZERO, SystemTime::UNIX_EPOCH);
//! let lookup = ResolveDomain::new(Service::MESSAGING);
//! let mut call = Call::new(lookup, state.config(), Seed::from_bytes([2; 16]), now);
//! let done = loop {
//!     let step = call.poll(&mut state, now);
//!     while let Some(event) = call.next_event() {
//!         state.config().emit(&event);
//!     }
//!     match step {
//!         Step::Send(attempt) => {
//!             assert_eq!(attempt.request().uri().host(), Some("api.liveperson.net"));
//!             now = now.later(Duration::from_millis(80));
//!             let body = br#"{"service":"asyncMessagingEnt","account":"91827364",
//!                 "baseURI":"va.msg.liveperson.net"}"#;
//!             let outcome = Outcome::Response(http::Response::new(Bytes::from_static(body)));
//!             match call.handle(&mut state, now, attempt.number(), outcome) {
//!                 Wake::Waiters => {} // wake other calls: they may need this host too
//!                 Wake::Nobody => {}
//!             }
//!         }
//!         Step::Wait(until) => now = now.later(until.since(now.mono())),
//!         Step::Done(result) => break result?,
//!     }
//! };
//! assert_eq!(done.output.to_string(), "https://va.msg.liveperson.net");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod attempt_failure;
mod call;
#[cfg(test)]
mod call_harness;
mod callable;
mod config;
mod consumers;
mod event;
#[cfg(test)]
mod every_failure;
#[cfg(test)]
mod interleavings;
mod issue_limit;
mod next_step;
mod on_outcome;
mod outcome;
mod prerequisite;
mod proxy;
mod single_flight;
mod state;
#[cfg(test)]
mod status_tests;
mod trust;
#[cfg(test)]
mod wiring_tests;

pub use call::Call;
pub use callable::Callable;
pub use config::{Config, DOMAIN_API, DomainLookup, TRUSTED_SUFFIXES, Transport};
pub use event::{CallEvent, Cause, EventKind, TokenKind};
pub use outcome::{
    Attempt, Completed, Failure, FailureKind, Outcome, SharedToken, Step, TokenRequest, Wake,
};
pub use proxy::{Proxy, ProxyRules, ProxyUrl, Tunnel};
pub use state::ConnectorState;
pub use trust::{Trust, UntrustedHost};
