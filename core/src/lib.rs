//! The Connector API of LivePerson's Conversational Cloud, with no IO of its own.
//!
//! A connector is a server program that brings consumers of some channel (SMS, a chat app) to a
//! brand's agents. This crate knows how it does that: which requests to send, how to read what comes
//! back, how long a token lives, what to repeat and when. It opens no socket, reads no clock, draws no
//! random number and starts no thread: all of that comes in as arguments, so that every run can be
//! replayed.
//!
//! # If you want to send messages
//!
//! Take an adapter, which is this crate and a way to send requests: `lp-connector-ureq` for blocking
//! programs. It re-exports everything here, and its `Client` is all you need:
//!
//! ```text
//! let client = Client::new(config)?;
//! let opened = client.open_conversation(OpenConversation::new(ada.clone()))?.output;
//! client.send_text(&ada, &opened.conversation, "Coo?")?;
//! ```
//!
//! # If you want to know how it works, or to write an adapter
//!
//! | Room | What is in it |
//! |---|---|
//! | [`connector`] | [`Config`](connector::Config); [`Shared`](connector::Shared), what all calls share; [`Call`](connector::Call), one operation from start to result |
//! | [`api`] | the wire: one [`Operation`](api::Operation) for each thing that can be done |
//! | [`conversation`] | what a connector remembers of one conversation, so that each message goes where it belongs |
//! | [`policy`] | when to try again, and when to leave a service alone |
//! | [`webhook`] | notifications: signatures checked over the raw bytes, read tolerantly, put in order |
//! | [`file`](mod@file) | sending a file: three steps that go on where they were broken off |
//! | [`manifest`] | the app install manifest: built, and checked with every fault told at once |
//! | [`error`] | one [`Error`](error::Error): what failed, whether it was sent, what to do |
//! | [`http1`] | a client-side HTTP/1.1 codec, for adapters that have a byte stream and no HTTP client |
//! | [`id`], [`secret`], [`time`], [`seed`] | identifiers, secrets, clocks and randomness as types |
//!
//! An adapter is a loop of four arms around [`Call::poll`](connector::Call::poll). Here is a whole
//! one, over a closure in place of a socket; it opens a conversation and says hello.
//!
//! ```
//! use std::time::{Duration, SystemTime};
//! use http::{Request, Response};
//! use lp_connector_core::api::{OpenConversation, Operation, SendText};
//! use lp_connector_core::connector::{Call, Completed, Config, Outcome, Shared, Step};
//! use lp_connector_core::error::Error;
//! use lp_connector_core::id::{AccountId, ClientId, ExtConsumerId};
//! use lp_connector_core::secret::Secret;
//! use lp_connector_core::seed::Seed;
//! use lp_connector_core::time::{Mono, Now};
//!
//! struct Adapter {
//!     config: Config,
//!     shared: Shared, // behind a lock, where there is more than one thread or task
//!     now: Now,       // a real adapter reads its clocks
//!     calls: u64,
//! }
//!
//! impl Adapter {
//!     fn call<O: Operation>(&mut self, operation: O) -> Result<Completed<O::Output>, Error> {
//!         self.calls += 1;
//!         let seed = Seed::from_bytes([7; 16]).derive(self.calls); // draw the bytes, in earnest
//!         let mut call = Call::new(operation, &self.config, seed, self.now);
//!         loop {
//!             match call.poll(&mut self.shared, self.now) {
//!                 Step::Send(attempt) => {
//!                     let number = attempt.number();
//!                     let answer = cloud(attempt.into_request());
//!                     call.handle(&mut self.shared, self.now, number, Outcome::Answer(answer));
//!                 }
//!                 Step::Wait(until) => self.now = self.now.later(until.since(self.now.mono())),
//!                 Step::Tell(event) => self.config.tell(&event),
//!                 Step::Done => return call.into_result(),
//!             }
//!         }
//!     }
//! }
//!
//! /// Stands for a socket, and for the cloud behind it.
//! fn cloud(request: Request<Vec<u8>>) -> Response<Vec<u8>> {
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
//!     Response::new(body.into_bytes())
//! }
//!
//! let config = Config::new(AccountId::new("91827364")?)
//!     .credentials(ClientId::new("0a1b")?, Secret::new("n3v3r".to_owned()));
//! let mut adapter = Adapter {
//!     shared: Shared::new(config.clone(), Seed::from_bytes([1; 16])),
//!     config,
//!     now: Now::new(Mono::ZERO, SystemTime::UNIX_EPOCH),
//!     calls: 0,
//! };
//! let ada = ExtConsumerId::new("pigeon-ring-0042")?;
//! let opened = adapter.call(OpenConversation::new(ada.clone()))?.output;
//! let sent = adapter.call(SendText::new(ada, opened.conversation, "Coo?"))?;
//! assert_eq!((sent.output.sequence, sent.attempts, sent.possibly_repeated), (Some(0), 1, false));
//! # let _ = Duration::ZERO;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it promises
//!
//! * Every call ends, once, by its deadline, with a result or an error that says whether the request
//!   was never sent, refused, or sent and unconfirmed.
//! * A message is never silently sent twice: a lost answer is reported, unless at-least-once was
//!   chosen, and every result says how many attempts it took.
//! * Any number of calls that need a token cause one token request.
//! * A token is not used past its life, however wrong the clocks are, and a refused one is renewed
//!   once, never in a loop.
//! * Secrets and tokens are in no `Debug`, `Display`, error or log line, and go only over TLS to
//!   hosts under trusted suffixes.
//! * No input makes it panic.
//!
//! References of the form "protocol.md 7.3" are to the parts of the wire protocol reference that this crate
//! is written from: see [`protocol`].

pub mod api;
pub mod connector;
pub mod conversation;
pub mod error;
pub mod file;
#[cfg(feature = "_fuzz")]
#[doc(hidden)]
pub mod fuzz;
pub mod http1;
pub mod id;
#[cfg(test)]
mod inconsistencies;
mod lru_map;
pub mod manifest;
mod plain;
pub mod policy;
pub mod protocol;
pub mod secret;
pub mod seed;
#[cfg(test)]
mod shown_tests;
pub mod time;
#[cfg(feature = "tracing")]
pub mod trace;
pub mod webhook;
