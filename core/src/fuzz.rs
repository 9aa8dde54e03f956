//! The bodies of the fuzz targets, kept in the crate so that they compile with it.
//!
//! Each function takes any bytes and panics if an invariant is violated. The targets in `fuzz/` are
//! one line each, and the ordinary tests replay their corpora through the same functions. Behind
//! the feature `_fuzz`, and not part of the public API.

#![expect(clippy::expect_used, reason = "a fuzz target reports by a panic")]

mod answers;
mod bridge;
mod call;
mod calls;
mod config;
mod delivered;
mod document;
mod event;
mod feed;
mod follow;
mod http1;
mod installs;
mod json;
mod long_secret;
mod lru_map;
mod manifest;
mod notification;
mod operation;
mod pace;
mod policy;
mod pool;
mod proxy;
mod receiver;
mod record;
mod request;
mod rich;
mod setting;
mod trust;
mod upload;
mod values;
mod visits;
mod webhook;
mod words;

use serde_json::Value;

use crate::api::{Context, ConversationRef, Operation};
use crate::id::{AccountId, ConversationId, ExtConsumerId};
use crate::seed::Seed;

pub use answers::{
    claims, consumer_answer, conversation_answer, domain_answer, other_answer, send_answer,
    token_answer,
};
pub use bridge::bridge;
pub use call::call;
pub use calls::calls;
pub use config::config;
pub use feed::feed;
pub use http1::{http1_response, http1_roundtrip};
pub use json::json;
pub use lru_map::lru_map;
pub use manifest::manifest;
pub use notification::notification;
pub use policy::{policy, retry_after_header};
pub use pool::pool;
pub use proxy::proxy;
pub use receiver::receiver;
pub use record::record;
pub use request::{answer, request};
pub use upload::upload;
pub use values::values;
pub use webhook::{inbox, verify};

fn consumer() -> ExtConsumerId {
    ExtConsumerId::new("ring").expect("a good id")
}

fn conversation() -> ConversationRef {
    ConversationRef::new(consumer(), ConversationId::new("5f0c").expect("a good id"))
}

fn account() -> AccountId {
    AccountId::new("91827364").expect("a good id")
}

fn context(account: &AccountId) -> Context<'_> {
    Context::new(account, Seed::from_bytes([3; 16]))
}

/// The JSON of an operation's request, if it can be sent.
fn body(operation: &impl Operation) -> Option<Value> {
    let account = account();
    let request = operation.request(&context(&account)).ok()?;
    Some(serde_json::from_slice(request.body()).expect("JSON"))
}

/// Whether an input brings a text that no output may contain.
fn has_canary(data: &[u8]) -> bool {
    memchr::memmem::find(data, b"canary").is_some()
}
