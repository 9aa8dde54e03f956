//! What a bridge asks of a client, and what the client answers.

use crate::api::{
    CloseConversation, ConversationRef, GenerateUploadUrl, IdentifyConsumer, OpenConversation,
    PutFile, SendFile, SendReceipt, SendText, SignedUrl,
};
use crate::error::Error;
use crate::id::LpConsumerId;

/// An operation for the client, sent once and never repeated by the client
/// ([`RetryPolicy::none`](crate::policy::RetryPolicy::none)): the lane decides about repeating.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a driver must perform every one")]
#[expect(clippy::large_enum_variant, reason = "it lives for one turn of a loop")]
pub enum Outgoing {
    /// Looks the consumer's LivePerson id up.
    Identify(IdentifyConsumer),
    /// Opens a conversation.
    Open(OpenConversation),
    /// Sends a text.
    Text(SendText),
    /// Sends a receipt.
    Receipt(SendReceipt),
    /// Requests a URL to upload a file to.
    UploadUrl(GenerateUploadUrl),
    /// Uploads a file.
    Put(PutFile),
    /// Sends an uploaded file.
    File(SendFile),
    /// Closes a conversation.
    Close(CloseConversation),
}

/// The client's answer to an [`Outgoing`] operation.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "one for each operation")]
pub enum Called {
    /// The consumer's LivePerson id, if the token names it.
    Identified(Option<LpConsumerId>),
    /// The new conversation.
    Opened(ConversationRef),
    /// The event has this sequence.
    Published(Option<u64>),
    /// The URL.
    Url(SignedUrl),
    /// It is done.
    Done,
}

/// The result of an [`Outgoing`] operation.
pub type CallResult = Result<Called, Error>;
