//! Webhooks: notifications that LivePerson signs and posts to a connector (protocol.md 9).
//!
//! Two steps, so that a queue can stand between them. A [`Receiver`] checks a request and gives a
//! [`Verified`] one: the bytes as they came, known to be LivePerson's. Answer it 200 at once, whatever
//! is in it, and read it later: a refusal for anything but a missing or false signature would hold up
//! all of the app's notifications for as long as the platform retries.
//!
//! What a [`Verified`] notification says, [`parse`](Verified::parse) tells: [`Change`]s, each a
//! [`MessagingEvent`] in a dialog or a [`ConversationChange`]. Whatever this version does not know is
//! kept and handed over too. They come twice, late and out of order at times: an [`Inbox`] puts that
//! right.
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
//!         Change::Message(_) => {} // the consumer's own, or none of their business
//!         Change::Conversation(state) if state.is_finished() => println!("over"),
//!         other => println!("put aside: {other:?}"),
//!     }
//! }
//!
//! let forged = http::Request::post("/lp").body(body)?;
//! assert_eq!(receiver.verify(&forged).unwrap_err().status(), 401);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod conversation_change;
mod document;
mod event;
mod inbox;
mod json;
mod messaging;
mod notification;
mod open;
mod read;
mod receiver;
mod rich_content;
mod signature;
mod transition;
mod verified;

pub use conversation_change::{ConversationChange, Csat, Delay, Dialog, Participant, Ttr};
pub use event::{AcceptStatus, Event, HostedFile, Metadata, OtherContent, SecureForm, Text};
pub use inbox::{Delivered, Full, Inbox, InboxPoll, Order, SavedConversation, Window};
pub use json::Json;
pub use messaging::{MessagingEvent, UnusableChange};
pub use notification::{Change, Notification, OtherChange, UnreadableNotification};
pub use open::{Audience, ChatState, DialogType, OpenState, ReceiptStatus, Role};
pub use receiver::{Receiver, Rejection, SUCCESS};
pub use rich_content::{Action, Element, QuickReplies, RichContent};
pub use signature::{Algorithm, Encoding, InvalidSignature, Matched, check, sign};
pub use transition::Transition;
pub use verified::Verified;

#[cfg(test)]
mod notification_tests;
