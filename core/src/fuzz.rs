//! The bodies of the fuzz targets, kept in the crate so that they compile with it.
//!
//! Each function takes any bytes and panics if an invariant is violated. The targets in `fuzz/` are
//! one line each, and the ordinary tests replay their corpora through the same functions. Behind
//! the feature `_fuzz`, and not part of the public API.

#![expect(clippy::expect_used, reason = "a fuzz target reports by a panic")]

mod answers;
mod call;
mod calls;
mod document;
mod feed;
mod http1;
mod json;
mod lru_map;
mod manifest;
mod notification;
mod operation;
mod policy;
mod pool;
mod proxy;
mod receiver;
mod request;
mod values;
mod webhook;
mod words;

use crate::api::ConversationRef;
use crate::id::{ConversationId, ExtConsumerId};

pub use answers::{
    claims, consumer_answer, conversation_answer, domain_answer, other_answer, send_answer,
    token_answer,
};
pub use call::call;
pub use calls::calls;
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
pub use request::{answer, request};
pub use values::values;
pub use webhook::{inbox, verify};

fn consumer() -> ExtConsumerId {
    ExtConsumerId::new("ring").expect("a good id")
}

fn conversation() -> ConversationRef {
    ConversationRef::new(consumer(), ConversationId::new("5f0c").expect("a good id"))
}

/// Whether an input brings a text that no output may contain.
fn has_canary(data: &[u8]) -> bool {
    memchr::memmem::find(data, b"canary").is_some()
}
