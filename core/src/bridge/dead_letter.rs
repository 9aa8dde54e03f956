//! What could not be delivered or read, set aside for people.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::config::BridgeConfig;
use super::conversation::{Pending, PendingContent};
use super::delivery::ChangeDetails;
use super::entry::{self, ConversationEntry, DeadLetterEntry, StatusEntry};
use super::event::{BridgeEvent, BridgeEventKind};
use super::inbound::first_eight;
use super::lane::{Draft, DraftNext, LaneStep};
use super::record::{decode, encode};
use super::store::{Claimed, Entry, Kept, LaneDetails, LaneId, LaneKind, MAX_VALUE_BYTES};
use super::tries::DeadLetterReason;
use crate::id::{AccountId, ConversationId, ExtConsumerId};
use crate::time::Timestamp;
use crate::webhook::{Change, MessagingEvent, Order};

/// The most bytes of a letter: less than a store takes, whether it seals them or not.
const MAX_LETTER_BYTES: usize = MAX_VALUE_BYTES - 64 * 1024;

/// What is kept of the content of a larger one. As JSON it has six times as many bytes at most.
const MAX_RAW_BYTES: usize = 1024 * 1024;

/// Something that was acknowledged and will not be delivered by itself. `Debug` shows no content.
///
/// Of a content that is too large for a store, only the beginning is kept, and it cannot be put back.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The kind and the key of the lane that it comes from.
    lane: (u8, String),
    reason: DeadLetterReason,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    consumer: Option<ExtConsumerId>,
    /// When it was set aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
    content: DeadContent,
    /// How long it had been kept at the last commit, by the store's clock.
    #[serde(default, skip_serializing_if = "Duration::is_zero")]
    age: Duration,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum DeadContent {
    Delivery(Box<Pending>),
    Status(StatusEntry),
    Raw(String),
}

impl DeadLetter {
    /// The letter of a listed lane of the kind [`DeadLetter`](LaneKind::DeadLetter). `None` for any other lane, and for
    /// a letter that no program has looked at yet: that takes moments.
    #[must_use]
    pub fn of(lane: &LaneDetails) -> Option<Self> {
        let record = lane.record.as_ref()?;
        (lane.summary.lane.kind() == LaneKind::DeadLetter).then(|| decode(record)).flatten()
    }

    /// Whose it is, where that is known.
    #[must_use]
    pub const fn consumer(&self) -> Option<&ExtConsumerId> {
        self.consumer.as_ref()
    }

    /// The conversation that it comes from.
    #[must_use]
    pub fn conversation(&self) -> Option<ConversationId> {
        let is_one = self.lane.0 == LaneKind::Conversation.number();
        is_one.then(|| ConversationId::new(&self.lane.1).ok()).flatten()
    }

    /// When it was set aside first, by the clock of the program that did.
    #[must_use]
    pub const fn at(&self) -> Option<Timestamp> {
        self.at
    }

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
            DeadContent::Status(entry) => serde_json::to_string(&entry.status).unwrap_or_default(),
            DeadContent::Raw(raw) => raw.clone(),
        }
    }

    /// True if [`replay`](super::replay) can put it back.
    #[must_use]
    pub const fn can_be_replayed(&self) -> bool {
        matches!(self.content, DeadContent::Delivery(_) | DeadContent::Status(_))
    }
}

/// A dead letter in a list, without its content.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct DeadLetterSummary {
    /// Its id, for [`replay`](super::replay) and [`delete`](super::delete).
    pub id: String,
    /// Why it was set aside.
    pub reason: DeadLetterReason,
    /// Whose it is, where that is known.
    pub consumer: Option<ExtConsumerId>,
    /// The conversation that it comes from.
    pub conversation: Option<ConversationId>,
    /// When it was set aside.
    pub at: Option<Timestamp>,
    /// True if it can be put back.
    pub replayable: bool,
}

impl DeadLetterSummary {
    /// Reads a listed lane: `None` as [`DeadLetter::of`].
    #[must_use]
    pub fn of(lane: &LaneDetails) -> Option<Self> {
        let letter = DeadLetter::of(lane)?;
        Some(Self {
            id: lane.summary.lane.key().to_owned(),
            reason: letter.reason,
            consumer: letter.consumer.clone(),
            conversation: letter.conversation(),
            at: letter.at,
            replayable: letter.can_be_replayed(),
        })
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

/// How a letter comes about.
struct Cause {
    reason: DeadLetterReason,
    consumer: Option<ExtConsumerId>,
    at: Option<Timestamp>,
}

impl Cause {
    fn unreadable(at: Option<Timestamp>) -> Self {
        Self { reason: DeadLetterReason::Unreadable, consumer: None, at }
    }
}

fn letter(lane: &LaneId, key: &str, cause: Cause, content: DeadContent) -> Entry {
    let Cause { reason, consumer, at } = cause;
    let of_lane = match lane.kind() {
        LaneKind::Consumer | LaneKind::Status => ExtConsumerId::new(lane.key()).ok(),
        LaneKind::Conversation | LaneKind::DeadLetter => None,
    };
    let (consumer, lane_name) =
        (consumer.or(of_lane), (lane.kind().number(), lane.key().to_owned()));
    let age = Duration::ZERO;
    let letter = DeadLetter { lane: lane_name, reason, consumer, at, content, age };
    let own = LaneId::new(lane.account().clone(), LaneKind::DeadLetter, key);
    let whole = entry::entry(own.clone(), &DeadLetterEntry::Letter(Box::new(letter.clone())));
    if whole.body.len() <= MAX_LETTER_BYTES {
        return whole;
    }
    let content = DeadContent::Raw(shortened(&letter.content()).to_owned());
    entry::entry(own, &DeadLetterEntry::Letter(Box::new(DeadLetter { content, ..letter })))
}

/// The beginning of a text that is too large to be kept whole.
fn shortened(text: &str) -> &str {
    let most = MAX_RAW_BYTES.min(text.len());
    let ends = (most.saturating_sub(3)..=most).rev();
    ends.into_iter().find_map(|end| text.get(..end)).unwrap_or_default()
}

/// A delivery that was given up.
pub(super) fn delivery(
    lane: &LaneId,
    pending: Pending,
    reason: DeadLetterReason,
    consumer: Option<ExtConsumerId>,
    at: Timestamp,
) -> Entry {
    let key = pending.id.clone();
    let cause = Cause { reason, consumer, at: Some(at) };
    letter(lane, &key, cause, DeadContent::Delivery(Box::new(pending)))
}

/// A status that was given up, of the delivery with this id.
pub(super) fn status(
    lane: &LaneId,
    delivery: &str,
    entry: StatusEntry,
    reason: DeadLetterReason,
    at: Timestamp,
) -> Entry {
    let cause = Cause { reason, consumer: None, at: Some(at) };
    letter(lane, delivery, cause, DeadContent::Status(entry))
}

/// An id that is the same for the same parts, and that nothing can be read from: lanes are named by phone numbers.
fn hashed(name: &str, lane: &LaneId, number: u64, content: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update([lane.kind().number()]);
    hash.update(number.to_be_bytes());
    for part in [lane.account().as_str().as_bytes(), lane.key().as_bytes(), content] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let hash = hash.finalize();
    let (first, rest) = hash.split_at(8);
    format!("{name}:{:016x}{:016x}", first_eight(first), first_eight(rest))
}

/// An entry that cannot be read. It is named by its place and its content, so that setting it aside twice makes one
/// letter.
pub(super) fn unreadable_entry(lane: &LaneId, number: u64, body: &[u8], at: Timestamp) -> Entry {
    let key = hashed("entry", lane, number, body);
    let raw = String::from_utf8_lossy(body).into_owned();
    letter(lane, &key, Cause::unreadable(Some(at)), DeadContent::Raw(raw))
}

/// A notification, or one change of it, that cannot be read. It is named by its content, so that a repetition
/// makes no second letter.
pub(super) fn unreadable_notification(
    account: &AccountId,
    body: &[u8],
    at: Option<Timestamp>,
) -> Entry {
    let lane = LaneId::new(account.clone(), LaneKind::DeadLetter, "notification");
    let raw = String::from_utf8_lossy(body).into_owned();
    let key = hashed("notification", &lane, 0, body);
    letter(&lane, &key, Cause::unreadable(at), DeadContent::Raw(raw))
}

/// A change of an unknown kind.
pub(super) fn unreadable_change(
    lane: &LaneId,
    number: u64,
    change: &Change,
    at: Timestamp,
) -> Entry {
    let raw = serde_json::to_string(change).unwrap_or_default();
    unreadable_entry(lane, number, raw.as_bytes(), at)
}

/// A record that cannot be read.
pub(super) fn unreadable_record(lane: &LaneId, fence: u64, body: &[u8], at: Timestamp) -> Entry {
    let key = hashed("record", lane, fence, body);
    let raw = String::from_utf8_lossy(body).into_owned();
    letter(lane, &key, Cause::unreadable(Some(at)), DeadContent::Raw(raw))
}

/// A message of a conversation that no notification names the consumer of.
pub(super) fn unowned(lane: &LaneId, message: &MessagingEvent, set_aside: Timestamp) -> Entry {
    let sequence = message.sequence().unwrap_or_default();
    let id = super::delivery::message_id(lane.key(), message.dialog().as_str(), sequence);
    let content = PendingContent::Message(message.clone());
    let at = message.server_timestamp();
    let (order, details) = (Order::InOrder, ChangeDetails::default());
    let pending = Pending { id, at, order, content, replayed: false, details, stored: None };
    delivery(lane, pending, DeadLetterReason::NoConsumer, None, set_aside)
}

/// The machine of a dead letter's lane: it keeps the letter until an operator or time ends that.
#[derive(Clone, Debug)]
pub(super) struct DeadLetterLane {
    id: LaneId,
    config: Arc<BridgeConfig>,
    letter: Option<DeadLetter>,
    through: u64,
    append: Vec<Entry>,
    events: Vec<BridgeEvent>,
}

impl DeadLetterLane {
    pub(super) fn restore(claimed: Claimed, config: Arc<BridgeConfig>) -> Option<Self> {
        let letter = match &claimed.record {
            Some(record) => {
                let mut letter: DeadLetter = decode(record)?;
                letter.age = letter.age.saturating_add(claimed.elapsed);
                Some(letter)
            }
            None => None,
        };
        let mut lane = Self {
            id: claimed.lane.clone(),
            config,
            letter,
            through: 0,
            append: Vec::new(),
            events: Vec::new(),
        };
        for (number, body) in claimed.entries {
            lane.through = number;
            match serde_json::from_slice(&body) {
                Ok(DeadLetterEntry::Letter(letter)) => lane.set(*letter),
                Ok(DeadLetterEntry::Replay) => lane.replay(),
                Ok(DeadLetterEntry::Delete) => lane.letter = None,
                // Of another version, or damaged: it ends no letter, and is kept itself if there is none.
                Err(_) if lane.letter.is_none() => {
                    let raw = String::from_utf8_lossy(&body);
                    lane.set(DeadLetter {
                        lane: (lane.id.kind().number(), lane.id.key().to_owned()),
                        reason: DeadLetterReason::Unreadable,
                        consumer: None,
                        at: None,
                        content: DeadContent::Raw(shortened(&raw).to_owned()),
                        age: Duration::ZERO,
                    });
                }
                Err(_) => {}
            }
        }
        Some(lane)
    }

    fn set(&mut self, mut letter: DeadLetter) {
        match self.letter.take().filter(|known| !self.is_over(known)) {
            // A commit or a notification that was repeated brings the same letter again. It stays no longer for that.
            Some(known) => {
                letter.at = known.at.or(letter.at);
                letter.age = known.age;
            }
            None => self.events.push(BridgeEvent {
                account: self.id.account().clone(),
                consumer: letter.consumer.clone(),
                kind: BridgeEventKind::DeadLetter {
                    dead_letter: self.id.key().to_owned(),
                    reason: letter.reason,
                },
            }),
        }
        self.letter = Some(letter);
    }

    fn is_over(&self, letter: &DeadLetter) -> bool {
        letter.age >= self.config.dead_letter_retention
    }

    fn replay(&mut self) {
        let Some(letter) = &self.letter else { return };
        let Some(kind) = LaneKind::from_number(letter.lane.0) else { return };
        let lane = LaneId::new(self.id.account().clone(), kind, &letter.lane.1);
        let again = match &letter.content {
            DeadContent::Delivery(pending) => {
                let mut pending = pending.clone();
                pending.replayed = true;
                pending.stored = None;
                entry::entry(lane, &ConversationEntry::Replayed { pending })
            }
            DeadContent::Status(status) => entry::entry(lane, status),
            DeadContent::Raw(_) => return,
        };
        self.append.push(again);
        self.letter = None;
    }

    pub(super) fn poll(&mut self) -> LaneStep {
        LaneStep::Commit(self.draft())
    }

    pub(super) fn draft(&mut self) -> Draft {
        let (record, next) = match &self.letter {
            Some(letter) if !self.is_over(letter) => {
                let left = self.config.dead_letter_retention.saturating_sub(letter.age);
                (Kept::New(encode(letter)), DraftNext::After(left))
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
            events: std::mem::take(&mut self.events),
        }
    }
}

/// The record as this program reads and writes it.
#[cfg(any(test, feature = "_fuzz"))]
pub(super) fn rewritten(
    record: &crate::bridge::store::Record,
) -> Option<crate::bridge::store::Record> {
    decode::<DeadLetter>(record).map(|known| encode(&known))
}
