//! The Connector API of LivePerson's Conversational Cloud, with no IO of its own.
//!
//! A connector is a server program that brings consumers of some channel (SMS, a chat app) to a
//! brand's agents. This crate implements its protocol: which requests to send, how to read the
//! responses, how long a token lives, what to retry and when. It opens no socket, reads no clock, draws no
//! random number and starts no thread: all of these are arguments, so that every run can be
//! replayed.
//!
//! # To send messages
//!
//! Depend on `lp-connector`, which is this crate with a client for blocking programs (ureq) or for async
//! ones (tokio, async-std, smol), and re-exports everything here:
//!
//! ```text
//! let client = Client::new(config)?;
//! let conversation = client.start_conversation(OpenConversation::new(ada))?;
//! conversation.send_text("Coo?")?;
//! ```
//!
//! # To see how it works, or to write an adapter
//!
//! | module | contents |
//! |---|---|
//! | [`connector`] | [`Config`](connector::Config); [`ConnectorState`](connector::ConnectorState), shared by all calls; [`Call`](connector::Call), one operation from start to result |
//! | [`api`] | the wire: one [`Operation`](api::Operation) for each request |
//! | [`conversation`] | the state of one conversation: which dialog a message goes to, what needs a receipt |
//! | [`policy`] | retries, circuit breakers, rate limits |
//! | [`bridge`] | messages both ways that survive crashes and restarts: lanes, settlement, a store's contract |
//! | [`webhook`] | notifications: signatures checked over the raw bytes, parsed tolerantly, put in order |
//! | [`file`](mod@file) | sending a file: three steps that resume where they failed |
//! | [`manifest`] | the app install manifest: built, and checked with every fault reported at once |
//! | [`error`] | one [`Error`](error::Error): what failed, whether it was sent, what to do |
//! | [`http1`] | a client-side HTTP/1.1 codec, for adapters that have a byte stream and no HTTP client |
//! | [`id`], [`secret`], [`time`], [`seed`] | identifiers, secrets, clocks and randomness as types |
//! | [`spelling`] | what a name that is not known was probably meant to be |
//! | [`protocol`] | the wire protocol, as this crate is written from it |
//!
//! An adapter is a loop of three arms around [`Call::poll`](connector::Call::poll). This is a complete one,
//! over a closure in place of a socket; it opens a conversation and sends a text.
//!
//! ```
//! use std::time::SystemTime;
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use lp_connector_core::api::{OpenConversation, SendText};
//! use lp_connector_core::connector::{
//!     Call, Callable, Completed, Config, ConnectorState, Outcome, Step, Wake,
//! };
//! use lp_connector_core::error::Error;
//! use lp_connector_core::id::{AccountId, ClientId, ExtConsumerId};
//! use lp_connector_core::secret::Secret;
//! use lp_connector_core::seed::Seed;
//! use lp_connector_core::time::{Mono, Now};
//!
//! struct Adapter {
//!     state: ConnectorState, // behind a lock, where there is more than one thread or task
//!     now: Now,              // a real adapter reads its clocks
//!     calls: u64,
//! }
//!
//! impl Adapter {
//!     fn call<C: Callable>(&mut self, operation: C) -> Result<Completed<C::Output>, Error> {
//!         self.calls += 1;
//!         let seed = Seed::from_bytes([7; 16]).derive(self.calls); // a real adapter draws the bytes
//!         let mut call = Call::new(operation, self.state.config(), seed, self.now);
//!         let mut step = call.poll(&mut self.state, self.now);
//!         loop {
//!             while let Some(event) = call.next_event() {
//!                 self.state.config().emit(&event);
//!             }
//!             step = match step {
//!                 Step::Send(attempt) => {
//!                     let number = attempt.number();
//!                     let outcome = Outcome::Response(cloud(attempt.into_request()));
//!                     // One lock acquisition serves both.
//!                     let wake = call.handle(&mut self.state, self.now, number, outcome);
//!                     let step = call.poll(&mut self.state, self.now);
//!                     if wake == Wake::Waiters { /* wake other calls, once there are any */ }
//!                     step
//!                 }
//!                 Step::Wait(until) => {
//!                     self.now = self.now.later(until.since(self.now.mono()));
//!                     call.poll(&mut self.state, self.now)
//!                 }
//!                 Step::Done(result) => return result,
//!             };
//!         }
//!     }
//! }
//!
//! /// Stands for a socket, and for the cloud behind it.
//! fn cloud(request: Request<Bytes>) -> Response<Bytes> {
//!     let path = request.uri().path();
//!     let body = if let Some(service) = path.strip_suffix("/baseURI.json") {
//!         let service = service.rsplit('/').next().unwrap_or_default();
//!         format!(r#"{{"service":"{service}","baseURI":"va.{service}.liveperson.net"}}"#)
//!     } else if path.ends_with("/app/token") {
//!         r#"{"access_token":"an.app.jwt","token_type":"Bearer"}"#.into()
//!     } else if path.ends_with("/consumer") {
//!         r#"{"token":"a.consumer.jws"}"#.into()
//!     } else if path.ends_with("/conversation") {
//!         assert_eq!(request.headers()["x-lp-on-behalf"], "a.consumer.jws");
//!         r#"[{"code":"OK"},{"code":"OK","body":{"conversationId":"5f0c"}}]"#.into()
//!     } else {
//!         assert_eq!(request.headers()["authorization"], "an.app.jwt"); // bare, no `Bearer`
//!         r#"{"code":"OK","body":{"sequence":0}}"#.into()
//!     };
//!     Response::new(body.into())
//! }
//!
//! let config = Config::new(AccountId::new("91827364")?)
//!     .credentials(ClientId::new("0a1b")?, Secret::new("n3v3r".to_owned()));
//! let mut adapter = Adapter {
//!     state: ConnectorState::new(config, Seed::from_bytes([1; 16])),
//!     now: Now::new(Mono::ZERO, SystemTime::UNIX_EPOCH),
//!     calls: 0,
//! };
//! let ada = ExtConsumerId::new("pigeon-ring-0042")?;
//! let opened = adapter.call(OpenConversation::new(ada))?.output;
//! let sent = adapter.call(SendText::new(&opened.conversation, "Coo?"))?;
//! assert_eq!((sent.output.sequence, sent.attempts, sent.maybe_duplicated), (Some(0), 1, false));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Guarantees
//!
//! * Every call ends, once, by its deadline, with a result or an error that says whether the request was
//!   never sent, rejected, or sent with an unknown effect.
//! * A message is never silently sent twice: a lost response is reported, unless at-least-once is on,
//!   and every result says how many attempts it took.
//! * Any number of calls that need a token cause one token request.
//! * A token is not used past its life, however wrong the clocks are, and a rejected one is refreshed
//!   once, never in a loop.
//! * Secrets and tokens are in no `Debug`, `Display`, error or log line, and go only over TLS to hosts
//!   under trusted suffixes.
//! * No input makes it panic.
//!
//! Links such as [protocol.md 7.3](protocol#7.3) lead to the parts of the wire protocol reference that
//! this crate is written from: see [`protocol`].

pub mod api;
pub mod bridge;
pub mod connector;
pub mod conversation;
#[cfg(test)]
mod defaults_tests;
pub mod error;
pub mod file;
#[cfg(feature = "_fuzz")]
#[doc(hidden)]
pub mod fuzz;
pub mod http1;
pub mod id;
#[cfg(test)]
mod inconsistencies;
mod json;
mod lru_map;
pub mod manifest;
pub mod policy;
pub mod protocol;
pub mod secret;
pub mod seed;
#[cfg(test)]
mod shown_tests;
pub mod spelling;
pub mod time;
#[cfg(feature = "tracing")]
pub mod trace;
pub mod webhook;
