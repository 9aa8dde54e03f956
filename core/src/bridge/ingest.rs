//! From a verified notification, and from the channel, to entries.

use std::collections::BTreeMap;

use super::dead_letter;
use super::delivery::parse_message_id;
use super::entry::{
    self, ConsumerEntry, ConversationEntry, DeadLetterEntry, ReceiptKind, Resolution,
};
use super::inbound::Inbound;
use super::store::{Entry, LaneId, LaneKind};
use crate::api::InvalidInput;
use crate::id::{AccountId, ConversationId, DialogId, ExtConsumerId};
use crate::time::Timestamp;
use crate::webhook::{Change, Event, MessagingEvent, Verified};

/// A notification, divided.
#[derive(Clone, PartialEq, Debug, Default)]
#[non_exhaustive]
pub struct Ingested {
    /// What to append before the notification is answered.
    pub entries: Vec<Entry>,
    /// Chat states: never stored, and worth something only now.
    pub volatile: Vec<MessagingEvent>,
}

/// Divides a notification by conversation. Append the entries, then answer 200; if they cannot be appended within
/// 2 s, answer 503, and LivePerson sends the notification again ([protocol.md 9.3](crate::protocol#9.3)).
///
/// What cannot be read becomes a dead letter, and is answered 200 all the same: any other answer would hold back
/// everything behind it.
///
/// ```
/// use lp_connector_core::bridge::ingest;
/// use lp_connector_core::id::AccountId;
/// use lp_connector_core::webhook::Verified;
///
/// let account = AccountId::new("91827364")?;
/// let ingested = ingest(&account, &Verified::dangerous_unverified("not JSON"));
/// assert_eq!(ingested.entries[0].lane.kind().name(), "dead_letter");
/// # Ok::<(), lp_connector_core::id::InvalidId>(())
/// ```
#[must_use]
pub fn ingest(account: &AccountId, notification: &Verified) -> Ingested {
    divide(account, notification, None)
}

/// The same, with the time: events then tell how long the channel waited for a message.
#[must_use]
pub fn ingest_at(account: &AccountId, notification: &Verified, now: Timestamp) -> Ingested {
    divide(account, notification, Some(now))
}

fn divide(account: &AccountId, notification: &Verified, at: Option<Timestamp>) -> Ingested {
    let mut ingested = Ingested::default();
    let Ok(parsed) = notification.parse() else {
        ingested.entries.push(dead_letter::unreadable_notification(
            account,
            notification.body(),
            at,
        ));
        return ingested;
    };
    let mut by_conversation: BTreeMap<ConversationId, Vec<Change>> = BTreeMap::new();
    for change in parsed.into_changes() {
        let conversation = match &change {
            Change::Message(message) => match message.event() {
                Event::ChatState(_) => {
                    ingested.volatile.push(message.clone());
                    continue;
                }
                _ => message.conversation().clone(),
            },
            Change::Conversation(state) => state.conversation().clone(),
            Change::Other(other) => {
                let raw = other.raw().to_value().to_string();
                let letter = dead_letter::unreadable_notification(account, raw.as_bytes(), at);
                ingested.entries.push(letter);
                continue;
            }
        };
        by_conversation.entry(conversation).or_default().push(change);
    }
    for (conversation, changes) in by_conversation {
        let lane = LaneId::conversation(account, &conversation);
        ingested.entries.push(entry::entry(lane, &ConversationEntry::Changes { changes, at }));
    }
    ingested
}

/// Accepts a message of the channel: append the entries, then tell the channel that it is accepted.
///
/// The same id of the same consumer again is a repetition, and changes nothing: the last 64 are known, for as
/// long as [`retention`](super::BridgeConfig::retention).
#[must_use]
pub fn accept(account: &AccountId, consumer: &ExtConsumerId, message: Inbound) -> Vec<Entry> {
    let lane = LaneId::consumer(account, consumer);
    let accepted = message
        .split()
        .into_iter()
        .map(|part| entry::entry(lane.clone(), &ConsumerEntry::Accepted(Box::new(part))));
    accepted.collect()
}

/// What the channel reports about a message that it took.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ChannelReceipt {
    /// It was delivered to the consumer's device. The agent is told if
    /// [`accept_on`](super::BridgeConfig::accept_on) is [`Delivered`](super::AcceptOn::Delivered), and was told
    /// before if not.
    Delivered,
    /// The consumer read it.
    Read,
    /// It could not be delivered. The agent is told, unless [`nack`](super::BridgeConfig::nack) is off.
    Failed,
}

/// The channel reports what became of messages, by their delivery ids.
///
/// # Errors
/// [`InvalidInput`] if an id is not that of a message.
pub fn report(
    account: &AccountId,
    consumer: &ExtConsumerId,
    messages: &[&str],
    receipt: ChannelReceipt,
) -> Result<Vec<Entry>, InvalidInput> {
    let status = match receipt {
        ChannelReceipt::Delivered => ReceiptKind::Delivered,
        ChannelReceipt::Read => ReceiptKind::Read,
        ChannelReceipt::Failed => ReceiptKind::NotReceived,
    };
    let mut by_dialog: BTreeMap<(ConversationId, DialogId), Vec<u64>> = BTreeMap::new();
    for id in messages {
        let parsed = parse_message_id(id).and_then(|(conversation, dialog, sequence)| {
            let conversation = ConversationId::new(conversation).ok()?;
            Some(((conversation, DialogId::new(dialog).ok()?), sequence))
        });
        let Some((dialog, sequence)) = parsed else {
            return Err(InvalidInput::new("this is not the id of a message's delivery"));
        };
        by_dialog.entry(dialog).or_default().push(sequence);
    }
    let lane = LaneId::consumer(account, consumer);
    let entries = by_dialog.into_iter().map(|((conversation, dialog), sequences)| {
        let receipt =
            ConsumerEntry::Receipt { conversation, dialog, status, sequences, reported: true };
        entry::entry(lane.clone(), &receipt)
    });
    Ok(entries.collect())
}

/// An operator decides about a message that is held, or unconfirmed. It counts before what else waits in the lane, unless
/// more than 63 files and messages, or 16 MiB of them, wait beside the 256 messages of the record.
#[must_use]
pub fn resolve(
    account: &AccountId,
    consumer: &ExtConsumerId,
    message: impl Into<String>,
    resolution: Resolution,
) -> Entry {
    let resolved = ConsumerEntry::Resolved { message: message.into(), resolution };
    entry::entry(LaneId::consumer(account, consumer), &resolved)
}

/// An operator says that this open conversation is the consumer's: the consumer's next messages go there, and what
/// comes from there is delivered to the consumer. A conversation that is known to be another consumer's is not given
/// away: its messages stay theirs.
#[must_use]
pub fn adopt(account: &AccountId, consumer: &ExtConsumerId, conversation: ConversationId) -> Entry {
    let adopt = ConsumerEntry::Adopt { conversation };
    entry::entry(LaneId::consumer(account, consumer), &adopt)
}

/// Removes everything about a consumer, once nothing of theirs is unconfirmed.
#[must_use]
pub fn forget(account: &AccountId, consumer: &ExtConsumerId) -> Entry {
    entry::entry(LaneId::consumer(account, consumer), &ConsumerEntry::Forget)
}

/// Puts a dead letter back at the end of its lane.
#[must_use]
pub fn replay(account: &AccountId, dead_letter: &str) -> Entry {
    let lane = LaneId::new(account.clone(), LaneKind::DeadLetter, dead_letter);
    entry::entry(lane, &DeadLetterEntry::Replay)
}

/// Removes a dead letter.
#[must_use]
pub fn delete(account: &AccountId, dead_letter: &str) -> Entry {
    let lane = LaneId::new(account.clone(), LaneKind::DeadLetter, dead_letter);
    entry::entry(lane, &DeadLetterEntry::Delete)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::webhook::ReceivedChatState;

    #[test]
    fn chat_states_are_passed_on_and_not_stored() {
        let state = json!({"originatorId": "a9", "conversationId": "c1", "dialogId": "c1",
            "event": {"type": "ChatStateEvent", "chatState": "COMPOSING"}});
        let text = json!({"sequence": 4, "originatorId": "a9", "conversationId": "c1", "dialogId": "c1",
            "event": {"type": "ContentEvent", "contentType": "text/plain", "message": "Good morning"}});
        let body =
            json!({"type": "ms.MessagingEventNotification", "body": {"changes": [state, text]}});
        let account = AccountId::new("91827364").unwrap();
        let ingested = ingest(&account, &Verified::dangerous_unverified(body.to_string()));
        let [typing] = &ingested.volatile[..] else { panic!("{ingested:?}") };
        assert_eq!(typing.conversation().as_str(), "c1");
        assert!(matches!(typing.event(), Event::ChatState(ReceivedChatState::Composing)));
        let [stored] = &ingested.entries[..] else { panic!("{ingested:?}") };
        let stored = String::from_utf8_lossy(&stored.body);
        assert!(stored.contains("Good morning") && !stored.contains("COMPOSING"), "{stored}");
    }
}
