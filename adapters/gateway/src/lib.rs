//! The interface between the bridge and a channel's gateway in any language: as data, without sockets, and with the
//! feature `server` as a server.
//!
//! A gateway posts messages to the bridge, and the bridge posts deliveries to the gateway: JSON over HTTP both ways.
//! Deliveries are signed as Standard Webhooks 1.0 has it, errors are those of RFC 9457, and the channel's own message
//! id makes every repeat safe.
//!
//! | module | contents |
//! |---|---|
//! | [`request`] | what a gateway posts: messages, receipts, typing, close |
//! | [`delivery`] | what the bridge posts: messages, statuses, changes of the conversation |
//! | [`signature`] | how deliveries are signed, and how to check that |
//! | [`outcome`] | what a gateway's answer means for a delivery |
//! | [`problem`] | the errors that a gateway gets |
//! | `server` | with the feature `server`: the three listeners, and the deliveries |
//!
//! ```
//! use lp_connector_gateway::request::{Rules, parse_message};
//!
//! let rules = Rules::new("sms:");
//! let body = br#"{"id":"SM9f3","consumer":"+41790000001","text":"Where is my parcel?"}"#;
//! let message = parse_message(body, &rules)?;
//! assert_eq!(message.consumer.as_str(), "sms:+41790000001"); // what LivePerson knows the consumer by
//! assert_eq!(message.inbound.id(), "SM9f3");
//!
//! let problem = parse_message(b"{}", &rules).unwrap_err();
//! assert_eq!((problem.status(), problem.slug()), (422, "invalid"));
//! # Ok::<(), lp_connector_gateway::problem::Problem>(())
//! ```

pub mod delivery;
pub mod outcome;
pub mod problem;
pub mod request;
#[cfg(feature = "server")]
pub mod server;
mod shape;
pub mod signature;
mod strict;
