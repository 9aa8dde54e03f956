//! The machines: what calls share, and one call from start to result.
//!
//! An adapter is a loop around [`Call::poll`] and [`Call::handle`], and the sending of one request.
//! This one sends nothing over any wire, and is complete:
//!
//! ```
//! use std::time::{Duration, SystemTime};
//! use lp_connector_core::api::{ResolveDomain, Service};
//! use lp_connector_core::connector::{Call, Config, Outcome, Shared, Step};
//! use lp_connector_core::id::AccountId;
//! use lp_connector_core::seed::Seed;
//! use lp_connector_core::time::{Mono, Now};
//!
//! let config = Config::new(AccountId::new("91827364")?);
//! let mut shared = Shared::new(config.clone(), Seed::from_bytes([1; 16]));
//! let mut now = Now::new(Mono::ZERO, SystemTime::UNIX_EPOCH);
//! let operation = ResolveDomain::new(Service::MESSAGING);
//! let mut call = Call::new(operation, &config, Seed::from_bytes([2; 16]), now);
//! let done = loop {
//!     match call.poll(&mut shared, now) {
//!         Step::Send(attempt) => {
//!             assert_eq!(attempt.request().uri().host(), Some("api.liveperson.net"));
//!             now = now.later(Duration::from_millis(80));
//!             let body = br#"{"service":"asyncMessagingEnt","account":"91827364",
//!                 "baseURI":"va.msg.liveperson.net"}"#;
//!             let outcome = Outcome::Answer(http::Response::new(body.to_vec()));
//!             call.handle(&mut shared, now, attempt.number(), outcome);
//!         }
//!         Step::Wait(until) => now = now.later(until.since(now.mono())),
//!         Step::Tell(_event) => {}
//!         Step::Done => break call.into_result()?,
//!     }
//! };
//! assert_eq!(done.output.to_string(), "https://va.msg.liveperson.net");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod advance;
mod call;
mod config;
mod consumers;
#[cfg(test)]
mod driven;
mod event;
mod outcome;
mod proxy;
mod setback;
mod settle;
mod shared;
mod slot;
mod trust;

pub use call::Call;
pub use config::{Config, DOMAIN_API, DomainLookup, TRUSTED_SUFFIXES, Transport};
pub use event::{Event, EventKind, Why};
pub use outcome::{Attempt, Completed, Failure, FailureKind, Outcome, Step};
pub use proxy::{Proxy, ProxyRules, ProxyUrl};
pub use shared::Shared;
pub use trust::Trust;
