//! LivePerson's **Connector API**: this crate brings the consumers of any channel (an SMS gateway, a chat
//! app) to a brand's agents in the Conversational Cloud. It fetches and renews tokens, opens
//! conversations, sends messages and files, receives webhooks, and repeats a request only where that is
//! safe.
//!
//! | feature | brings | for |
//! |---|---|---|
//! | `ureq` (default) | `lp_connector::ureq::Client` | blocking programs |
//! | `tokio` | `lp_connector::tokio::Client` | programs on tokio |
//! | `smol` | `lp_connector::smol::Client` | programs on smol |
//! | `async-std` | `lp_connector::async_std::Client` | programs on async-std |
//! | `axum` | `lp_connector::axum` | receiving webhooks |
//! | `bridge` | `lp_connector::bridge` | a whole connector, but for the channel: it loses nothing |
//! | `sqlite` | `lp_connector::sqlite` | the bridge's store in one file |
//! | `postgres` | `lp_connector::postgres` | the bridge's store for any number of programs and machines |
//! | `sandbox` | `lp_connector::sandbox` | tests: a local cloud whose faults you script |
//!
//! Features only add: each client is in the module of its feature, and there is no `Client` at the root
//! that another feature could change. A program on tokio does without the blocking client:
//!
//! ```toml
//! [dependencies]
//! # Until it is published: { path = "../lp-connector/adapters/lp-connector", … }
//! lp-connector = { version = "0.1", default-features = false, features = ["tokio", "axum"] }
//! ```
//!
//! # Send a message
//!
//! An app install (the connector's registration with an account) has a client id and a secret. A consumer
//! has an id of your choice.
//!
#![cfg_attr(feature = "ureq", doc = "```no_run")]
#![cfg_attr(not(feature = "ureq"), doc = "```text")]
//! use lp_connector::{Config, Error, api::OpenConversation, env, ureq::Client};
//!
//! fn main() -> Result<(), Error> {
//!     let config = Config::new("91827364".parse()?).credentials("0a1b2c3d".parse()?, env::secret()?);
//!     let client = Client::new(config)?; // clone it into every thread
//!
//!     let conversation = client.start_conversation(OpenConversation::new("pigeon-ring-0042".parse()?))?;
//!     conversation.send_text("Coo?")?;
//!     Ok(())
//! }
//! ```
//!
//! A call can have a time limit and a retry policy of its own. In place of `send_text`:
//!
#![cfg_attr(feature = "ureq", doc = "```no_run")]
#![cfg_attr(not(feature = "ureq"), doc = "```text")]
//! # use std::time::Duration;
//! # use lp_connector::{Error, policy::RetryPolicy, ureq::{Client, Conversation}};
//! # fn send(client: &Client, conversation: &Conversation) -> Result<(), Error> {
//! let text = conversation.state().text("Coo?");
//! client.request(text).timeout(Duration::from_secs(5)).retry(RetryPolicy::none()).send()?;
//! # Ok(())
//! # }
//! ```
//!
//! [`env::config`] takes the ids and the secret from the variables that the command line reads.
//!
//! The same on tokio is another import, and `.await`:
//!
#![cfg_attr(feature = "tokio", doc = "```no_run")]
#![cfg_attr(not(feature = "tokio"), doc = "```text")]
//! use lp_connector::{Config, Error, api::OpenConversation, env, tokio::Client};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Error> {
//!     let config = Config::new("91827364".parse()?).credentials("0a1b2c3d".parse()?, env::secret()?);
//!     let client = Client::new(config)?; // clone it into every task
//!
//!     let open = OpenConversation::new("pigeon-ring-0042".parse()?);
//!     let conversation = client.start_conversation(open).await?;
//!     conversation.send_text("Coo?").await?;
//!     Ok(())
//! }
//! ```
//!
//! # Receive what agents say
//!
//! LivePerson posts notifications to an HTTPS endpoint of yours. The endpoint checks the signature, puts
//! the notification into a bounded queue and answers 200 at once. Notifications may come twice, late and
//! out of order: `Deliveries` gives each change once, and in order where a short wait makes that possible.
//! On SIGTERM, Ctrl-C or a hangup this program stops accepting, delivers everything that it has answered
//! 200, and ends.
//!
#![cfg_attr(feature = "axum", doc = "```no_run")]
#![cfg_attr(not(feature = "axum"), doc = "```text")]
//! use lp_connector::{axum, env, webhook::{Change, Event, Receiver}};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let receiver = Receiver::new().secret(env::secret()?);
//!     let (router, mut deliveries) = axum::Webhooks::new(receiver).deliveries();
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?; // behind a TLS proxy
//!     let server = tokio::spawn(axum::serve(listener, router, axum::shutdown_signal()?));
//!     while let Some(delivery) = deliveries.next().await {
//!         match delivery.map(|delivered| delivered.change) {
//!             Ok(Change::Message(message)) if message.is_for_consumer() => {
//!                 if let Event::Text(text) = message.event() {
//!                     println!("to {}: {}", message.conversation(), text.text);
//!                 }
//!             }
//!             Ok(_) => {} // echoes, notes among staff, receipts, states of the conversation
//!             Err(unreadable) => eprintln!("set aside: {unreadable}"), // not JSON
//!         }
//!     }
//!     Ok(server.await??)
//! }
//! ```
//!
//! Where another web server than axum receives the posts, use [`webhook::Receiver`] and [`webhook::Feed`]
//! directly: see the guide to [`webhooks`](guide::webhooks).
//!
//! # Bring both together
//!
//! A connector keeps one [`Conversation`](conversation::Conversation) for each consumer, and gives it each
//! change. It knows which dialog a message goes to (the survey's, while one runs) and what a receipt names.
//!
#![cfg_attr(feature = "tokio", doc = "```no_run")]
#![cfg_attr(not(feature = "tokio"), doc = "```text")]
//! use std::collections::HashMap;
//! use lp_connector::tokio::{Client, Conversation};
//! use lp_connector::webhook::{Change, Event, Transition};
//! use lp_connector::{Error, ErrorKind, ExtConsumerId, api::OpenConversation};
//!
//! struct Connector {
//!     client: Client,
//!     open: HashMap<ExtConsumerId, Conversation>,
//! }
//!
//! impl Connector {
//!     /// Brings a consumer's text to the agents.
//!     async fn to_agents(&mut self, consumer: ExtConsumerId, text: &str) -> Result<(), Error> {
//!         if let Some(conversation) = self.open.get(&consumer) {
//!             match conversation.send_text(text).await {
//!                 Err(error) if error.kind() == ErrorKind::ConversationClosed => {} // open another
//!                 sent => return sent.map(drop),
//!             }
//!         }
//!         let open = OpenConversation::new(consumer.clone());
//!         let conversation = self.client.start_conversation(open).await?;
//!         let sent = conversation.send_text(text).await;
//!         self.open.insert(consumer, conversation);
//!         sent.map(drop)
//!     }
//!
//!     /// Brings an agent's text to the channel, by `show`.
//!     async fn to_consumer(
//!         &mut self,
//!         change: &Change,
//!         show: impl AsyncFn(&ExtConsumerId, &str),
//!     ) -> Result<(), Error> {
//!         let id = match change {
//!             Change::Message(message) => message.conversation(),
//!             Change::Conversation(state) => state.conversation(),
//!             _ => return Ok(()),
//!         };
//!         let of_ours = self.open.values_mut().find(|open| open.state().id() == id);
//!         let Some(conversation) = of_ours else { return Ok(()) }; // another channel's
//!         let consumer = conversation.state().consumer().clone();
//!         if conversation.apply(change).contains(&Transition::Finished) {
//!             self.open.remove(&consumer);
//!         } else if let Change::Message(message) = change
//!             && message.is_for_consumer()
//!             && let Event::Text(text) = message.event()
//!         {
//!             show(&consumer, text.text).await;
//!             conversation.mark_read().await?;
//!         }
//!         Ok(())
//!     }
//! }
//! # async fn both(mut connector: Connector, change: &Change) -> Result<(), Error> {
//! #     connector.to_agents("ada".parse()?, "Coo?").await?;
//! #     connector.to_consumer(change, async |_, _| {}).await
//! # }
//! ```
//!
//! The example `hold_conversation` of this crate goes on from here: quick replies, files and the survey. The
//! [`bridge`](guide::bridge) does all of it over a store, so that a crash loses nothing.
//! The guide to [`errors`](guide::errors) says what to do where a consumer has an open conversation already.
//!
//! # When a call fails
//!
//! A call ends by its deadline (120 s unless [`Config::call_timeout`] says otherwise), with a result or
//! with an [`Error`]. Match on [`Error::kind`], and ask [`Error::delivery`] whether it is safe to repeat:
//!
//! ```
//! use lp_connector::{Delivery, Error, ErrorKind};
//!
//! fn next_step(error: &Error) -> &'static str {
//!     match (error.kind(), error.delivery()) {
//!         (ErrorKind::ConversationClosed, _) => "open a new conversation, and send it there",
//!         (_, Delivery::Unknown) => "it may have arrived: look before sending it again",
//!         _ if error.is_transient() => "send it again later",
//!         _ => "correct it first",
//!     }
//! }
//! # let _ = next_step;
//! ```
//!
//! The [`RetryPolicy`](policy::RetryPolicy) of the [`Config`] says what is retried, how often and after
//! what pause. A message whose response was lost is not sent again unless you choose at-least-once.
//!
//! # Test without an account
//!
//! The sandbox is a cloud on a loopback port. It checks what the real one is documented to check, fails
//! where you script a fault, and shows what it received.
//!
#![cfg_attr(all(feature = "sandbox", feature = "ureq"), doc = "```")]
#![cfg_attr(not(all(feature = "sandbox", feature = "ureq")), doc = "```text")]
//! use lp_connector::{Config, Secret, Trust, api::OpenConversation, ureq::Client};
//! use lp_connector::sandbox::{Server, ServerConfig};
//!
//! let server = Server::start(ServerConfig::new())?;
//! let config = Config::new(server.account_id().parse()?)
//!     .credentials(server.client_id().parse()?, Secret::new(server.client_secret()))
//!     .trust(Trust::new(&server.base_url(), ["liveperson.net"])?);
//! let client = Client::new(config)?;
//!
//! let conversation = client.start_conversation(OpenConversation::new("pigeon-ring-0042".parse()?))?;
//! conversation.send_text("Coo?")?;
//! assert_eq!(server.with(|cloud| cloud.messages().len()), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Guides
//!
//! | Guide | It answers |
//! |---|---|
//! | [`retries`](guide::retries) | What is retried, and when? Can a message arrive twice? |
//! | [`errors`](guide::errors) | What failed? Did it take effect? What does the program do now? |
//! | [`webhooks`](guide::webhooks) | How does a program receive what agents say, and lose nothing? |
//! | [`testing`](guide::testing) | How is a connector tested without an account? |
//! | [`bridge`](guide::bridge) | How does a connector lose nothing and double nothing, whatever dies? |
//! | [`capacity`](guide::capacity) | How much does a bridge carry, and what does it need for more? |
//! | [`deployment`](guide::deployment) | What does a connector need in production? |
//! | [`architecture`](guide::architecture) | How is this library built, and what does it promise? |
//!
//! # Where things are
//!
//! The examples of these modules name `lp_connector_core`, where they are written; here they are under
//! `lp_connector`.
//!
//! | Module | What is in it |
//! |---|---|
//! | [`api`] | every operation, from [`OpenConversation`](api::OpenConversation) to [`UpdateInstall`](api::UpdateInstall) |
//! | [`conversation`] | the state of one conversation, so that each message goes where it belongs |
//! | [`webhook`] | signatures, notifications, and the feed that orders them |
//! | [`file`](mod@file) | sending a file: three steps that resume where they stopped |
//! | [`policy`] | retries, circuits, rates |
//! | [`error`] | what failed, whether it was sent, what to do |
//! | [`manifest`] | the app install manifest: built and checked |
//! | [`connector`] | the configuration, events, proxies |
//! | [`env`](mod@env) | the configuration in the variables `LP_…` |
//! | [`id`], [`secret`], [`time`], [`seed`] | identifiers, secrets, clocks and randomness as types |
//! | [`protocol`] | the wire protocol, which the documentation cites by part |
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(all(
        feature = "axum",
        feature = "bridge",
        feature = "postgres",
        feature = "sandbox",
        feature = "sqlite",
        feature = "tokio",
        feature = "ureq"
    )),
    allow(rustdoc::broken_intra_doc_links, reason = "the guides link to what is behind features")
)]

pub mod env;
pub mod guide;

/// The client for async-std.
#[cfg(feature = "async-std")]
pub mod async_std {
    #[doc(inline)]
    pub use lp_connector_async_std::{AsyncStd, Client, Conversation, Request};
}

/// A webhook endpoint for axum: a router with a bounded queue, and an extractor.
#[cfg(feature = "axum")]
pub mod axum {
    #[doc(inline)]
    pub use lp_connector_axum::{
        Connection, Deliveries, MAX_CONNECTIONS, Notifications, Signed, WebhookError, Webhooks,
        serve, shutdown_signal,
    };
}

/// The bridge: a connector that loses nothing, between a channel and a client, over a store.
///
/// It is here in full where the client of its runtime is: `tokio`, `smol` or `async-std` bring the async bridge,
/// `ureq` the blocking one, and `axum` its webhook endpoint.
#[cfg(feature = "bridge")]
pub mod bridge {
    #[doc(inline)]
    pub use lp_connector_bridge::*;
}

/// The bridge's store on PostgreSQL.
#[cfg(feature = "postgres")]
pub mod postgres {
    #[doc(inline)]
    pub use lp_connector_postgres::{Migrated, Moved, Postgres, PostgresOptions};
}

/// The client for smol.
#[cfg(feature = "smol")]
pub mod smol {
    #[doc(inline)]
    pub use lp_connector_smol::{Client, Conversation, Request, Smol};
}

/// The bridge's store in one file.
#[cfg(feature = "sqlite")]
pub mod sqlite {
    #[doc(inline)]
    pub use lp_connector_sqlite::{ClockReading, Sqlite, SqliteOptions};
}

/// The client for tokio.
#[cfg(feature = "tokio")]
pub mod tokio {
    #[doc(inline)]
    pub use lp_connector_tokio::{Client, Conversation, Request, Tokio};
}

/// The blocking client.
#[cfg(feature = "ureq")]
pub mod ureq {
    #[doc(inline)]
    pub use lp_connector_ureq::{Client, Conversation, Request};
}

// Types of these crates are in the signatures: a program needs no dependency of its own to name them.
#[doc(no_inline)]
pub use bytes::Bytes;
#[doc(no_inline)]
pub use {http, serde_json};

#[doc(inline)]
pub use lp_connector_core::connector::{CallEvent, Completed, Config, EventKind, Trust};
#[doc(inline)]
pub use lp_connector_core::error::{Delivery, Error, ErrorKind};
#[doc(inline)]
pub use lp_connector_core::id::{
    AccountId, ClientId, ConversationId, DialogId, ExtConsumerId, LpConsumerId,
};
#[doc(inline)]
pub use lp_connector_core::secret::Secret;
#[doc(inline)]
pub use lp_connector_core::{
    api, connector, conversation, error, file, id, manifest, policy, protocol, secret, seed, time,
    webhook,
};
#[cfg(feature = "sandbox")]
#[doc(inline)]
pub use lp_connector_sandbox as sandbox;
