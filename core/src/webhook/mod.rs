//! Webhooks: notifications that LivePerson signs and posts to a connector
//! ([protocol.md 9](crate::protocol#9)).
//!
//! A [`Receiver`] verifies a request's signature and returns a [`Verified`] notification, which
//! holds the raw bytes. Answer 200 at once, whatever they contain, and parse them later, behind a
//! queue. Any other answer makes the platform hold back all of the app's notifications while it
//! retries.
//!
//! [`Verified::parse`] gives [`Change`]s: a [`MessagingEvent`] in a dialog, or a
//! [`ConversationChange`]. A change that this version does not know is kept as JSON. Notifications
//! arrive twice, late and out of order at times: a [`Feed`] delivers each change once and in order.
//!
//! What cannot be read is never a permission. A message with an unreadable audience or role is not for
//! the consumer, an unreadable state neither closes a conversation nor receives messages, and a change
//! with an unreadable id is kept as JSON. `null` counts as absent.
//!
//! ```
//! use lp_connector_core::secret::Secret;
//! use lp_connector_core::webhook::{Algorithm, Change, Encoding, Event, Receiver, sign};
//!
//! let secret = Secret::new("n3v3r-u5e-7h15-1n-pr0d".to_owned());
//! let receiver = Receiver::new().secret(secret.clone());
//!
//! let body = r#"{"kind":"notification","type":"ms.MessagingEventNotification","body":{"changes":[
//!     {"sequence":5,"originatorId":"0d3c","originatorMetadata":{"id":"0d3c","role":"ASSIGNED_AGENT"},
//!     "event":{"type":"ContentEvent","contentType":"text/plain","message":"Grüße 🙂"},
//!     "conversationId":"5f0c","dialogId":"5f0c","messageAudience":"ALL"}]}}"#.as_bytes();
//! let request = http::Request::post("/lp")
//!     .header("x-liveperson-signature", sign(&secret, Algorithm::Sha1, Encoding::Base64, body))
//!     .body(body)?;
//! let verified = receiver.verify(&request).expect("signed with the right secret");
//! assert_eq!(verified.body(), body);
//!
//! for change in verified.parse()?.changes() {
//!     match change {
//!         Change::Message(message) if message.is_for_consumer() => match message.event() {
//!             Event::Text(text) => assert_eq!(text.text, "Grüße 🙂"),
//!             other => println!("not shown on this channel: {other:?}"),
//!         },
//!         Change::Message(_) => {} // an echo of the consumer's own, or for the staff only
//!         Change::Conversation(state) if state.is_finished() => println!("closed"),
//!         other => println!("ignored: {other:?}"),
//!     }
//! }
//!
//! let forged = http::Request::post("/lp").body(body)?;
//! assert_eq!(receiver.verify(&forged).unwrap_err().status(), http::StatusCode::UNAUTHORIZED);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod apps;
mod conversation_change;
mod event;
mod feed;
mod inbox;
mod messaging;
mod notification;
mod open_enum;
mod pending;
mod receiver;
mod rejection;
mod rich_content;
mod signature;
mod snapshot;
mod transition;
mod verified;

pub use crate::json::Json;
pub use conversation_change::{
    ConversationChange, Csat, Delay, Dialog, Participant, ResponseTarget,
};
pub use event::{AcceptStatus, Event, Metadata, OtherContent, ReceivedFile, SecureForm, Text};
pub use feed::{Feed, FeedPoll, Unreadable};
pub use inbox::{Delivered, Inbox, InboxFull, InboxPoll, Order, ReorderWindow, SavedConversation};
pub use messaging::{MessagingEvent, UnusableChange};
pub use notification::{Change, Notification, OtherChange, UnreadableNotification};
pub use open_enum::{
    Audience, DialogType, OpenState, ParticipantState, ReceiptStatus, ReceivedChatState, Role,
};
pub use pending::Pending;
pub use receiver::{Receiver, SUCCESS};
pub use rejection::Rejection;
pub use rich_content::{Action, Element, QuickReplies, RichContent};
pub use signature::{
    Algorithm, Encoding, InvalidSignature, SignatureMatch, sign, verify_signature,
};
pub use snapshot::Snapshot;
pub use transition::Transition;
pub use verified::Verified;

#[cfg(test)]
mod any_json_tests;
#[cfg(test)]
mod deciding_tests;
#[cfg(test)]
mod notification_tests;
