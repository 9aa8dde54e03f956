//! What a channel gets, and what it answers.
//!
//! The types are generic over `D`, which downloads files: a channel names them without it, by the aliases of the
//! async bridge, in the root of this crate, or by those of [`blocking`](crate::blocking).
//!
//! ```
//! use lp_connector_bridge::message::Content;
//!
//! /// What a channel of plain text shows.
//! fn shown<D>(content: &Content<D>) -> Option<String> {
//!     match content {
//!         Content::Text(text) => Some(text.numbered()),
//!         Content::File(file) => Some(format!("a file: {}", file.name())),
//!         Content::Form(title) => Some(format!("a form: {}", title.as_deref().unwrap_or("?"))),
//!         _ => None,
//!     }
//! }
//! # let _ = shown::<()>;
//! ```

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use lp_connector_core::api::ConversationRef;
use lp_connector_core::bridge::{ChangeDetails, Delivery, DeliveryContent, Status, Verdict};
use lp_connector_core::error::{Error, ErrorKind};
use lp_connector_core::id::{AccountId, ConversationId, ExtConsumerId};
use lp_connector_core::time::Timestamp;
use lp_connector_core::webhook::{Event, MessagingEvent, Order, QuickReplies, Transition};

pub use crate::file::File;
use crate::file::FileFacts;

/// Something for a consumer: a message of an agent or a bot, or news of the conversation. `D` downloads files.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FromAgent<D> {
    /// The same on every repeat: keep it, and a repeat is known. It has only the characters
    /// `A–Z a–z 0–9 _ : ~ -`.
    pub id: String,
    /// The account.
    pub account: AccountId,
    /// The conversation. `None` for a status of a message that has none yet.
    pub conversation: Option<ConversationId>,
    /// When it happened: see
    /// [`Delivery::at`](lp_connector_core::bridge::Delivery::at). `None` for typing.
    pub at: Option<Timestamp>,
    /// How it relates to those before it in its dialog.
    pub order: Order,
    /// True for a dead letter that was put back.
    pub replayed: bool,
    /// The number of this try, from 1. A try of a program that died counts as none.
    pub attempt: u32,
    /// True if the channel may have it from an earlier try: see
    /// [`Delivery::possibly_repeated`](lp_connector_core::bridge::Delivery::possibly_repeated).
    pub possibly_repeated: bool,
    /// What is known of a [change](Content::Changed) beside its kind.
    pub details: ChangeDetails,
    /// The content.
    pub content: Content<D>,
    /// What it was made of. Typing was made of nothing.
    delivery: Option<Arc<Delivery>>,
}

/// The content of a [`FromAgent`]. `Debug` shows no text.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Content<D> {
    /// A text, with quick replies at times, or a card.
    Text(Text),
    /// A file.
    File(File<D>),
    /// An invitation to a secure form, with its title if it has one.
    Form(Option<String>),
    /// Something of a kind that this version does not know, with the message if it is one.
    Other(Option<MessagingEvent>),
    /// Whether the agent is typing. It is never repeated, and comes only if this program has delivered something
    /// of the conversation before.
    Typing(bool),
    /// The conversation changed: an agent joined, it closed, and so on.
    Changed(Transition),
    /// The progress of a message that the channel handed in.
    Status(Status),
}

/// A text or a card. `Debug` shows no text.
#[derive(Clone)]
pub struct Text(MessagingEvent);

impl Text {
    /// All of it for a channel of plain text: one line for each element of a card, and the options with their
    /// numbers, the first being 1. A consumer who answers with a number chooses that option, unless
    /// [`answers_by_number`](lp_connector_core::bridge::BridgeConfig::answers_by_number) says otherwise.
    #[must_use]
    pub fn numbered(&self) -> String {
        match self.0.event() {
            Event::Text(text) => {
                let replies = text.quick_replies.as_ref().map(QuickReplies::to_text);
                match replies.filter(|replies| !replies.is_empty()) {
                    Some(replies) => format!("{}\n{replies}", text.text),
                    None => text.text.to_owned(),
                }
            }
            Event::RichContent(content) => content.to_text(),
            _ => String::new(),
        }
    }

    /// The text without the options. `None` for a card.
    #[must_use]
    pub fn plain(&self) -> Option<&str> {
        match self.0.event() {
            Event::Text(text) => Some(text.text),
            _ => None,
        }
    }

    /// The titles of the options, in the order of their numbers.
    #[must_use]
    pub fn options(&self) -> Vec<String> {
        let event = self.0.event();
        let elements = match &event {
            Event::Text(text) => {
                text.quick_replies.iter().flat_map(QuickReplies::replies).collect()
            }
            Event::RichContent(content) => content.clickable(),
            _ => Vec::new(),
        };
        elements.iter().map(|one| one.label().unwrap_or_default().to_owned()).collect()
    }

    /// The message as it came, for a channel that shows cards and buttons.
    #[must_use]
    pub const fn event(&self) -> &MessagingEvent {
        &self.0
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text(..)")
    }
}

impl<D> FromAgent<D> {
    /// The message of a delivery. `downloads` reaches its file.
    pub(crate) fn new(delivery: Delivery, downloads: D) -> Self {
        let whole = Arc::new(delivery.clone());
        let Delivery { id, account, consumer, conversation, at, order, replayed, .. } = delivery;
        let Delivery { attempt, possibly_repeated, details, content, .. } = delivery;
        let content = match content {
            DeliveryContent::Message(message) => {
                let to = conversation.clone().map(|id| ConversationRef::new(consumer, id));
                Content::of(message, to, downloads)
            }
            DeliveryContent::Changed(transition) => Content::Changed(transition),
            DeliveryContent::Status(status) => Content::Status(status),
            _ => Content::Other(None),
        };
        Self {
            id,
            account,
            conversation,
            at,
            order,
            replayed,
            attempt,
            possibly_repeated,
            details,
            content,
            delivery: Some(whole),
        }
    }

    /// The delivery as the worker gave it, for a channel that passes all of it on. `None` for typing.
    #[must_use]
    pub fn delivery(&self) -> Option<&Delivery> {
        self.delivery.as_deref()
    }

    /// News of typing, which no delivery has.
    pub(crate) fn typing(typing: Typing) -> Self {
        Self {
            id: typing.id,
            account: typing.account,
            conversation: Some(typing.conversation),
            at: None,
            order: Order::InOrder,
            replayed: false,
            attempt: 1,
            possibly_repeated: false,
            details: ChangeDetails::default(),
            content: Content::Typing(typing.is_typing),
            delivery: None,
        }
    }
}

impl<D> Content<D> {
    fn of(message: MessagingEvent, to: Option<ConversationRef>, downloads: D) -> Self {
        let facts = match (message.event(), to) {
            (Event::Text(_) | Event::RichContent(_), _) => return Self::Text(Text(message)),
            (Event::SecureInvitation(form), _) => {
                return Self::Form(form.title.map(str::to_owned));
            }
            (Event::File(file), Some(to)) => FileFacts::new(to, &file),
            _ => return Self::Other(Some(message)),
        };
        Self::File(File::new(facts, downloads))
    }
}

/// Whether the agent is typing, for a consumer who is known.
#[derive(Clone, Debug)]
pub(crate) struct Typing {
    pub(crate) id: String,
    pub(crate) account: AccountId,
    pub(crate) consumer: ExtConsumerId,
    pub(crate) conversation: ConversationId,
    pub(crate) is_typing: bool,
}

/// Why a channel did not take a message.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a channel has no other answer")]
pub enum Undelivered {
    /// It will never take this one, for this cause. It is tried
    /// [three times](lp_connector_core::bridge::BridgeConfig::refused_tries), then set aside as a dead letter, and
    /// the next one follows.
    Refused(String),
    /// The channel is out of order. The message waits, in order, and is tried again, at the earliest after the
    /// given pause.
    Outage(Option<Duration>),
    /// The channel is paused: this was no try. The message waits for this time, at most 300 s, in order, and is not
    /// given up meanwhile.
    Paused(Duration),
    /// The channel is known to be out of order, and this was no try. The message waits for this time, at most 300 s, in
    /// order; the time counts towards
    /// [`give_up_after`](lp_connector_core::bridge::BridgeConfig::give_up_after).
    NotTried(Duration),
}

impl Undelivered {
    pub(crate) fn into_verdict(self) -> Verdict {
        match self {
            Self::Refused(cause) => Verdict::Refused(cause),
            Self::Outage(pause) => Verdict::Outage(pause),
            Self::Paused(pause) => Verdict::Paused(pause),
            Self::NotTried(pause) => Verdict::NotTried(pause),
        }
    }
}

impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(cause) => write!(f, "the channel refused the message: {cause}"),
            Self::Outage(_) => f.write_str("the channel is out of order"),
            Self::Paused(_) => f.write_str("the channel is paused"),
            Self::NotTried(_) => f.write_str("the channel is known to be out of order"),
        }
    }
}

impl StdError for Undelivered {}

/// A connection that fails is an outage.
impl From<io::Error> for Undelivered {
    fn from(_: io::Error) -> Self {
        Self::Outage(None)
    }
}

/// A file that LivePerson does not give out is refused; any other failure is an outage.
impl From<Error> for Undelivered {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Rejected | ErrorKind::InvalidInput | ErrorKind::ConversationClosed => {
                Self::Refused(error.to_string())
            }
            _ => Self::Outage(error.retry_after()),
        }
    }
}

#[cfg(test)]
mod tests {
    use lp_connector_core::webhook::{Change, Verified};

    use super::*;

    /// The delivery of a message of an agent, with this event.
    fn delivery(event: &str) -> Delivery {
        let change = format!(r#"{{"sequence":3,"dialogId":"5f0c","event":{event}}}"#);
        let body = format!(
            r#"{{"type":"ms.MessagingEventNotification","body":{{"changes":[{change}]}}}}"#
        );
        let notification = Verified::dangerous_unverified(body).parse().unwrap();
        let [Change::Message(message)] = notification.changes() else { panic!("{event}") };
        Delivery::new(
            "5f0c:5f0c:3".to_owned(),
            AccountId::new("91827364").unwrap(),
            ExtConsumerId::new("ada").unwrap(),
            DeliveryContent::Message(message.clone()),
        )
    }

    #[test]
    fn a_text_and_a_card_have_their_words_and_options() {
        let text = r#"{"type":"ContentEvent","contentType":"text/plain","message":"How was it?",
            "quickReplies":{"replies":[{"type":"button","title":"Good"},
                {"type":"button","title":"Bad"}]}}"#;
        let card = r#"{"type":"RichContentEvent","content":{"type":"vertical","elements":[
            {"type":"text","text":"Pick one"},
            {"type":"button","title":"Blue","click":{"actions":[]}}]},
            "quickReplies":{"replies":[{"type":"button","title":"None of them"}]}}"#;
        for (event, plain, options) in
            [(text, Some("How was it?"), ["Good", "Bad"]), (card, None, ["Blue", "None of them"])]
        {
            let Content::Text(text) = FromAgent::new(delivery(event), ()).content else {
                panic!("{event}")
            };
            assert_eq!(text.plain(), plain);
            assert_eq!(text.options(), options);
        }
    }

    #[test]
    fn a_form_has_its_title() {
        for (form, expected) in [
            (r#"{"invitationId":"7","title":"Your address"}"#, Some("Your address")),
            (r#"{"invitationId":"7"}"#, None),
        ] {
            let event = format!(
                r#"{{"type":"ContentEvent","contentType":"forms/secure-invitation","message":{form}}}"#
            );
            let Content::Form(title) = FromAgent::new(delivery(&event), ()).content else {
                panic!("{event}")
            };
            assert_eq!(title.as_deref(), expected);
        }
    }

    #[test]
    fn a_channel_gets_the_whole_delivery_but_none_for_typing() {
        let whole = delivery(r#"{"type":"ContentEvent","message":"Found it."}"#);
        let message = FromAgent::new(whole.clone(), ());
        assert_eq!(message.delivery(), Some(&whole));
        let typing = FromAgent::<()>::typing(Typing {
            id: "t:1".to_owned(),
            account: AccountId::new("91827364").unwrap(),
            consumer: ExtConsumerId::new("ada").unwrap(),
            conversation: ConversationId::new("5f0c").unwrap(),
            is_typing: true,
        });
        assert_eq!(typing.delivery(), None);
    }

    #[test]
    fn what_a_channel_did_not_take_has_a_text_for_people() {
        let pause = Duration::from_secs(7);
        for (undelivered, text) in [
            (
                Undelivered::Refused("no such number".to_owned()),
                "the channel refused the message: no such number",
            ),
            (Undelivered::Outage(Some(pause)), "the channel is out of order"),
            (Undelivered::Paused(pause), "the channel is paused"),
            (Undelivered::NotTried(pause), "the channel is known to be out of order"),
        ] {
            assert_eq!(undelivered.to_string(), text);
        }
    }

    #[test]
    fn a_file_that_is_not_given_out_is_refused_others_wait() {
        let pause = Duration::from_secs(7);
        let of = |kind| Undelivered::from(Error::new(kind, "no").with_retry_after(pause));
        for kind in [ErrorKind::Rejected, ErrorKind::InvalidInput, ErrorKind::ConversationClosed] {
            assert!(matches!(of(kind), Undelivered::Refused(_)), "{kind:?}");
        }
        for kind in [ErrorKind::Unavailable, ErrorKind::RateLimited] {
            assert_eq!(of(kind), Undelivered::Outage(Some(pause)), "{kind:?}");
        }
    }
}
