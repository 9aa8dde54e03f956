//! The envelope of a request ([protocol.md 1.3](crate::protocol#1.3)).

use serde::Serialize;
use serde_json::Value;

use crate::seed::RequestId;

/// One request to the messaging service.
#[derive(Serialize)]
pub(super) struct Request<'a, B> {
    kind: &'static str,
    id: RequestId,
    #[serde(rename = "type")]
    type_: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a B>,
}

impl<'a, B> Request<'a, B> {
    pub(super) fn new(id: RequestId, type_: &'static str, body: &'a B) -> Self {
        Self { kind: "req", id, type_, metadata: None, body: Some(body) }
    }

    /// A request without a body.
    pub(super) fn bare(id: RequestId, type_: &'static str) -> Self {
        Self { kind: "req", id, type_, metadata: None, body: None }
    }

    /// The metadata, a member beside the body ([protocol.md 7.9](crate::protocol#7.9)).
    pub(super) fn metadata(mut self, metadata: Option<&'a Value>) -> Self {
        self.metadata = metadata;
        self
    }
}
