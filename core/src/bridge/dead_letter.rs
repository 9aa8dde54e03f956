//! What could not be delivered or read, set aside for people.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::config::BridgeConfig;
use super::conversation::{Pending, PendingContent};
use super::entry::{self, ConversationEntry, DeadLetterEntry};
use super::lane::{Draft, DraftNext, LaneStep};
use super::record::{decode, encode};
use super::store::{Claimed, Entry, Kept, LaneId, LaneKind};
use super::tries::DeadLetterReason;
use crate::id::AccountId;
use crate::webhook::{Change, MessagingEvent, Order};

/// Something that was acknowledged and will not be delivered by itself. `Debug` shows no content.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The kind and the key of the lane that it comes from.
    lane: (u8, String),
    reason: DeadLetterReason,
    content: DeadContent,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum DeadContent {
    Delivery(Box<Pending>),
    Raw(String),
}

impl DeadLetter {
    /// Why it was set aside.
    #[must_use]
    pub const fn reason(&self) -> DeadLetterReason {
        self.reason
    }

    /// The key of the lane that it comes from: a conversation's id, or an external consumer id.
    #[must_use]
    pub fn lane_key(&self) -> &str {
        &self.lane.1
    }

    /// The content, as JSON or as it came. It can hold personal data.
    #[must_use]
    pub fn content(&self) -> String {
        match &self.content {
            DeadContent::Delivery(pending) => match &pending.content {
                PendingContent::Message(message) => message.raw().to_value().to_string(),
                PendingContent::Changed(transition) => format!("{transition:?}"),
            },
            DeadContent::Raw(raw) => raw.clone(),
        }
    }

    /// True if [`replay`](super::replay) can put it back.
    #[must_use]
    pub const fn can_be_replayed(&self) -> bool {
        matches!(self.content, DeadContent::Delivery(_))
    }
}

impl std::fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeadLetter")
            .field("lane", &self.lane.1)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

fn letter(lane: &LaneId, key: &str, reason: DeadLetterReason, content: DeadContent) -> Entry {
    let letter =
        DeadLetter { lane: (lane.kind().number(), lane.key().to_owned()), reason, content };
    let own = LaneId::new(lane.account().clone(), LaneKind::DeadLetter, key);
    entry::entry(own, &DeadLetterEntry::Letter(Box::new(letter)))
}

/// A delivery that was given up.
pub(super) fn delivery(lane: &LaneId, pending: Pending, reason: DeadLetterReason) -> Entry {
    let key = pending.id.clone();
    letter(lane, &key, reason, DeadContent::Delivery(Box::new(pending)))
}

/// An entry that cannot be read. It is named by its place, so that setting it aside twice makes one letter.
pub(super) fn unreadable_entry(lane: &LaneId, number: u64, body: &[u8]) -> Entry {
    let key = format!("{}:{}:{number}", lane.kind(), super::delivery::escape(lane.key()));
    let raw = String::from_utf8_lossy(body).into_owned();
    letter(lane, &key, DeadLetterReason::Unreadable, DeadContent::Raw(raw))
}

/// A notification, or one change of it, that cannot be read. It is named by its content, so that a repetition
/// makes no second letter.
pub(super) fn unreadable_notification(account: &AccountId, body: &[u8]) -> Entry {
    let hash = super::inbound::first_eight(&Sha256::digest(body));
    let lane = LaneId::new(account.clone(), LaneKind::DeadLetter, "notification");
    let raw = String::from_utf8_lossy(body).into_owned();
    let key = format!("notification:{hash:016x}");
    letter(&lane, &key, DeadLetterReason::Unreadable, DeadContent::Raw(raw))
}

/// A change of an unknown kind.
pub(super) fn unreadable_change(lane: &LaneId, number: u64, change: &Change) -> Entry {
    let raw = serde_json::to_string(change).unwrap_or_default();
    unreadable_entry(lane, number, raw.as_bytes())
}

/// A record that cannot be read.
pub(super) fn unreadable_record(lane: &LaneId, fence: u64, body: &[u8]) -> Entry {
    let key = format!("{}:{}:r{fence}", lane.kind(), super::delivery::escape(lane.key()));
    let raw = String::from_utf8_lossy(body).into_owned();
    letter(lane, &key, DeadLetterReason::Unreadable, DeadContent::Raw(raw))
}

/// A message of a conversation that no notification names the consumer of.
pub(super) fn unowned(lane: &LaneId, message: &MessagingEvent) -> Entry {
    let sequence = message.sequence().unwrap_or_default();
    let id = super::delivery::message_id(lane.key(), message.dialog().as_str(), sequence);
    let content = PendingContent::Message(message.clone());
    let at = message.server_timestamp();
    let pending = Pending { id, at, order: Order::InOrder, content, replayed: false };
    delivery(lane, pending, DeadLetterReason::NoConsumer)
}

/// The machine of a dead letter's lane: it keeps the letter until an operator or time ends that.
#[derive(Clone, Debug)]
pub(super) struct DeadLetterLane {
    account: AccountId,
    config: Arc<BridgeConfig>,
    letter: Option<DeadLetter>,
    through: u64,
    append: Vec<Entry>,
    is_over: bool,
}

impl DeadLetterLane {
    pub(super) fn restore(claimed: Claimed, config: Arc<BridgeConfig>) -> Option<Self> {
        let letter: Option<DeadLetter> = match &claimed.record {
            Some(record) => Some(decode(record)?),
            None => None,
        };
        let is_over = claimed.elapsed >= config.dead_letter_retention && claimed.record.is_some();
        let mut lane = Self {
            account: claimed.lane.account().clone(),
            config,
            letter,
            through: 0,
            append: Vec::new(),
            is_over,
        };
        for (number, body) in claimed.entries {
            lane.through = number;
            match serde_json::from_slice(&body) {
                Ok(DeadLetterEntry::Letter(letter)) => lane.letter = Some(*letter),
                Ok(DeadLetterEntry::Replay) => lane.replay(),
                Ok(DeadLetterEntry::Delete) | Err(_) => lane.letter = None,
            }
        }
        Some(lane)
    }

    fn replay(&mut self) {
        let Some(letter) = &self.letter else { return };
        if let DeadContent::Delivery(pending) = &letter.content
            && let Some(kind) = LaneKind::from_number(letter.lane.0)
        {
            let lane = LaneId::new(self.account.clone(), kind, &letter.lane.1);
            let mut pending = pending.clone();
            pending.replayed = true;
            self.append.push(entry::entry(lane, &ConversationEntry::Replayed { pending }));
            self.letter = None;
        }
    }

    pub(super) fn poll(&mut self) -> LaneStep {
        LaneStep::Commit(self.draft())
    }

    pub(super) fn draft(&mut self) -> Draft {
        let (record, next) = match &self.letter {
            Some(letter) if !self.is_over => {
                (Kept::New(encode(letter)), DraftNext::After(self.config.dead_letter_retention))
            }
            _ => (Kept::Same, DraftNext::Gone),
        };
        Draft {
            through: self.through,
            seen: self.through,
            record,
            append: std::mem::take(&mut self.append),
            cells: Vec::new(),
            next,
        }
    }
}
