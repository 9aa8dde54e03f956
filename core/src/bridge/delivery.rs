//! What the channel gets, and what it answers.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::status::Status;
use crate::id::{AccountId, ConversationId, ExtConsumerId};
use crate::time::Timestamp;
use crate::webhook::{MessagingEvent, Order, Transition};

/// Something for the channel: hand it over, then tell the worker the [`Verdict`].
///
/// Deliveries of one lane come in order and one at a time. A delivery may come again, with the same
/// [`id`](Self::id), after a crash.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Delivery {
    /// The same on every repeat: `conversation:dialog:sequence` for a message. It has only the characters
    /// `A–Z a–z 0–9 _ : ~ -`; others are written as `~` and two hexadecimal digits a byte.
    pub id: String,
    /// The account.
    pub account: AccountId,
    /// The consumer.
    pub consumer: ExtConsumerId,
    /// The conversation. `None` for a status of a message that has none yet.
    pub conversation: Option<ConversationId>,
    /// When it happened, by the service's clock or by that of the program that wrote the status. The same on every
    /// repeat. `None` if the notification does not say.
    pub at: Option<Timestamp>,
    /// How it relates to those before it in its dialog.
    pub order: Order,
    /// True for a dead letter that was put back.
    pub replayed: bool,
    /// The number of this try, from 1: the tries before it that are known, and one. A try of a program that died
    /// counts as none.
    pub attempt: u32,
    /// True if the channel may have it from an earlier try: one that ended as an [outage](Verdict::Outage) or
    /// [broke](Verdict::Broken), or one of a program that died or was cut off.
    pub possibly_repeated: bool,
    /// What is known of a [change](DeliveryContent::Changed) beside its kind.
    pub details: ChangeDetails,
    /// The content.
    pub content: DeliveryContent,
}

/// What is known of a change of the conversation beside its kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ChangeDetails {
    /// With [`Created`](Transition::Created): the conversation was open before this consumer's lane found it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub adopted: bool,
    /// With [`Finished`](Transition::Finished): who closed it. `None` if the notification does not say so in words that
    /// are documented ([protocol.md 9.9](crate::protocol#9.9)).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<ClosedBy>,
}

/// Who closed a conversation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClosedBy {
    /// The consumer, or this bridge for them.
    Consumer,
    /// An agent, or a bot.
    Agent,
}

impl ClosedBy {
    /// A short fixed name: `consumer` or `agent`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::Agent => "agent",
        }
    }

    /// Reads a `closeReason`.
    pub(super) fn read(reason: Option<&str>) -> Option<Self> {
        match reason?.to_ascii_uppercase().as_str() {
            "CONSUMER" => Some(Self::Consumer),
            "AGENT" => Some(Self::Agent),
            _ => None,
        }
    }
}

impl Delivery {
    /// A delivery in order, for tests of a channel. The fields can be set.
    #[must_use]
    pub const fn new(
        id: String,
        account: AccountId,
        consumer: ExtConsumerId,
        content: DeliveryContent,
    ) -> Self {
        Self {
            id,
            account,
            consumer,
            conversation: None,
            at: None,
            order: Order::InOrder,
            replayed: false,
            attempt: 1,
            possibly_repeated: false,
            details: ChangeDetails { adopted: false, by: None },
            content,
        }
    }
}

/// The content of a [`Delivery`]. `Debug` shows no text.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum DeliveryContent {
    /// A message of the other side: [`MessagingEvent::event`] reads it.
    Message(MessagingEvent),
    /// The conversation changed.
    Changed(Transition),
    /// The progress of a message of the channel.
    Status(Status),
}

/// What the channel made of a [`Delivery`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "the worker must handle every one")]
pub enum Verdict {
    /// The channel has it, durably. The other side gets a receipt.
    Taken,
    /// The channel will never take this one. It is tried [three times](super::BridgeConfig::refused_tries), and then set
    /// aside as a dead letter; the next one follows.
    Refused(String),
    /// The channel is out of order. The delivery waits, in order, and is tried again, at the earliest after the
    /// given pause.
    Outage(Option<Duration>),
    /// The channel is paused, and this was no try. The delivery waits for this time, at most 300 s, in order. It
    /// is not given up meanwhile: the time does not count towards
    /// [`give_up_after`](super::BridgeConfig::give_up_after).
    Paused(Duration),
    /// The channel is out of order, and this was no try: the number of the [attempt](Delivery::attempt) does not grow.
    /// The delivery waits for this time, at most 300 s, in order. The time counts towards
    /// [`give_up_after`](super::BridgeConfig::give_up_after).
    NotTried(Duration),
    /// The handler broke. The delivery is tried five times, and then set aside as a dead letter.
    Broken,
}

/// Writes one part of a delivery id with the allowed characters only.
pub(super) fn escape(part: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if part.bytes().all(plain) {
        return Cow::Borrowed(part);
    }
    let mut escaped = String::with_capacity(part.len() + 16);
    for byte in part.bytes() {
        match plain(byte) {
            true => escaped.push(char::from(byte)),
            false => escaped.push_str(&format!("~{byte:02X}")),
        }
    }
    Cow::Owned(escaped)
}

/// The id of a message's delivery.
pub(super) fn message_id(conversation: &str, dialog: &str, sequence: u64) -> String {
    format!("{}:{}:{sequence}", escape(conversation), escape(dialog))
}

/// The parts of a message's delivery id: conversation, dialog and sequence.
pub(super) fn parse_message_id(id: &str) -> Option<(String, String, u64)> {
    let mut parts = id.split(':');
    let (conversation, dialog, sequence) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    Some((unescape(conversation)?, unescape(dialog)?, sequence.parse().ok()?))
}

fn unescape(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first == b'~' {
            let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = rest.get(2..)?;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn who_closed_a_conversation_has_a_name() {
        let names = [ClosedBy::Consumer, ClosedBy::Agent].map(ClosedBy::name);
        assert_eq!(names, ["consumer", "agent"]);
    }

    proptest! {
        #[test]
        fn a_message_id_leads_back_to_its_parts(
            conversation in "\\PC{1,20}", dialog in "\\PC{1,20}", sequence: u64,
        ) {
            let id = message_id(&conversation, &dialog, sequence);
            let allowed = |c: char| c.is_ascii_alphanumeric() || "_:~-".contains(c);
            prop_assert!(id.chars().all(allowed), "{id}");
            prop_assert_eq!(parse_message_id(&id), Some((conversation, dialog, sequence)));
        }

        #[test]
        fn any_text_is_an_id_or_none(text in "\\PC{0,40}") {
            let _ = parse_message_id(&text);
        }
    }
}
