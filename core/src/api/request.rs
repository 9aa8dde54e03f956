//! The envelope of a request (protocol.md 1.3).

use serde::Serialize;

/// One request to the messaging service.
#[derive(Serialize)]
pub(super) struct Request<'a, B> {
    kind: &'static str,
    id: String,
    #[serde(rename = "type")]
    type_: &'static str,
    body: &'a B,
}

impl<'a, B> Request<'a, B> {
    pub(super) fn new(id: String, type_: &'static str, body: &'a B) -> Self {
        Self { kind: "req", id, type_, body }
    }
}
