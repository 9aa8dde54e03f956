//! A local stand-in for LivePerson's Conversational Cloud ("the sandbox").
//!
//! [`Sandbox`] is a state machine without clock and sockets. It answers requests to the Domain API,
//! Sentinel, the IDP, CONVERSATION, SEND and the other services as the public documents describe, makes
//! the checks that they describe, stores what was sent, and signs and posts notifications
//! ([`Webhooks`]). A test adds faults to it ([`Fault`]) and acts as the agent ([`Agent`]). It is written
//! from the documents and shares no code with the client, so that each tests the other.
//!
//! `Server` (feature `server`, on by default) runs it on a loopback socket, with or without TLS:
//!
//! ```
//! # #[cfg(feature = "server")] {
//! use lp_connector_sandbox::{Endpoint, Server, ServerConfig, Stopper};
//!
//! let server = Server::start(ServerConfig::new())?;
//! server.with(|sandbox| sandbox.fault("send:1=503".parse().unwrap()));
//! // … configure a connector with server.base_url(), and let it send …
//! assert_eq!(server.with(|sandbox| sandbox.requests(Endpoint::Send)), 0);
//! # }
//! # Ok::<(), std::io::Error>(())
//! ```

#![cfg_attr(
    not(feature = "server"),
    expect(
        dead_code,
        unused_imports,
        reason = "the control API, which the server has, reads all of it"
    )
)]

mod agent;
mod config;
#[cfg(feature = "console")]
pub mod console;
#[cfg(feature = "server")]
pub mod control;
mod conversation;
mod domain;
mod endpoint;
mod fault;
mod file;
mod installs;
mod journal;
mod kept;
#[cfg(feature = "server")]
mod mask;
mod monitoring;
mod notify;
mod random;
mod request;
mod response;
mod sandbox;
mod saved;
mod send;
#[cfg(feature = "server")]
mod server;
mod state;
mod tokens;
mod webhook;

pub use agent::{AGENT, Agent, Published};
pub use config::{App, Config};
pub use endpoint::Endpoint;
pub use fault::{ActiveFault, FAULT_PRESETS, Fault, FaultKind, FaultPreset};
pub use journal::{
    Attempted, EventLog, Exchange, FaultFilter, Half, KeptBody, Limits, RequestLog, StatusFilter,
    Way, WireFilter,
};
pub use kept::{MAX_KEPT, MAX_KEPT_BYTES};
pub use random::Random;
pub use sandbox::{Reply, Sandbox, Transmission};
#[cfg(feature = "server")]
pub use server::{LoggedRequest, Server, ServerConfig, Stopper};
pub use state::{Conversation, Message, Survey};
pub use webhook::{AppState, NextPost, Post, Signature, Webhooks, webhook_target};
