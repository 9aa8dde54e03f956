//! What a consumer's lane remembers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::entry::{Choice, Phase, ReceiptKind};
use super::super::inbound::{Opening, whole_id};
use crate::api::{ConversationRef, HostedFile};
use crate::id::{ConversationId, DialogId, LpConsumerId};
use crate::time::Timestamp;

/// The most messages in a record. The rest stay entries.
pub(super) const MAX_QUEUE: usize = 256;

/// The most bytes of the messages in a record, all their members counted. The rest stay entries.
pub(super) const MAX_QUEUE_BYTES: usize = 256 * 1024;

/// How many of the channel's message ids are remembered.
pub(super) const MAX_RECENT: usize = 64;

/// The most messages of before whose options are remembered, and the most bytes of these.
const MAX_OFFERED: usize = 8;
const MAX_OFFERED_BYTES: usize = 16 * 1024;

/// The most receipts that wait, and the most sequences of one.
const MAX_RECEIPTS: usize = 32;
const MAX_SEQUENCES: usize = 1000;

/// Of how many messages of agents it is known how far the channel brought them.
const MAX_RANKS: usize = 256;

/// The most conversations of which something is known beside the own one.
const MAX_SEEN: usize = 4;

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ConsumerRecord {
    /// The consumer's LivePerson id was looked up. Only then is a conversation opened.
    pub(super) is_identified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lp_consumer: Option<LpConsumerId>,
    pub(super) talk: Talk,
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    pub(super) queue: VecDeque<Queued>,
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    pub(super) recent: VecDeque<Recent>,
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    pub(super) receipts: VecDeque<PendingReceipt>,
    /// How far the channel brought the newest messages of agents, by dialog and sequence.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) ranks: Vec<(DialogId, BTreeMap<u64, Rank>)>,
    /// The options of the agent's newest message, and that message's delivery id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) offered: Option<Offered>,
    /// The options of messages before that, newest last: an answer that names its message may choose one.
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    pub(super) offered_before: VecDeque<Offered>,
    /// Other conversations of this consumer that are open, as far as is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) seen: Vec<(ConversationId, Phase)>,
    /// The conversation that was closed last: what still leads to it is out of date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) closed: Option<ConversationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pause: Option<Pause>,
    /// A message found the last conversation closed: another one is opened for it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) reopens: bool,
    /// The message of which a part failed last: its further parts are not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cut: Option<String>,
    /// Up to this entry, what counts before its turn has counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ahead: Option<u64>,
    /// The last holder's work is unknown, and it may have been given more entries: what these let go may have been sent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) doubtful: bool,
    /// Everything is to be removed, once nothing is unconfirmed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) forget: bool,
}

/// The consumer's conversation.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Talk {
    /// There is none, as far as is known.
    #[default]
    None,
    /// LivePerson says that one is open, and does not say which ([protocol.md 6.6](crate::protocol#6.6)).
    Awaiting,
    Open(OpenTalk),
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct OpenTalk {
    pub(super) to: ConversationRef,
    /// For each dialog, one more than the highest sequence of a confirmed message.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) least: BTreeMap<DialogId, u64>,
}

impl OpenTalk {
    pub(super) const fn new(to: ConversationRef) -> Self {
        Self { to, least: BTreeMap::new() }
    }

    pub(super) fn confirm(&mut self, dialog: &DialogId, sequence: u64) {
        let least = self.least.entry(dialog.clone()).or_default();
        *least = (*least).max(sequence.saturating_add(1));
        while self.least.len() > 8 {
            // Not the one that messages go to.
            let Some(other) = self.least.keys().find(|other| *other != dialog).cloned() else {
                return;
            };
            self.least.remove(&other);
        }
    }

    pub(super) fn least(&self, dialog: &DialogId) -> u64 {
        self.least.get(dialog).copied().unwrap_or_default()
    }
}

/// An accepted message.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Queued {
    pub(super) id: String,
    pub(super) content: Content,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) opening: Option<Opening>,
    pub(super) state: SendState,
    /// How often it was sent.
    #[serde(default)]
    pub(super) attempt: u32,
    /// When it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) accepted: Option<Timestamp>,
    /// The number of this part of a long text, from 1, and how many there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) part: Option<(u32, u32)>,
}

impl Queued {
    /// True for a message that is no part of one, and for the last part.
    pub(super) fn is_last(&self) -> bool {
        self.part.is_none_or(|(number, count)| number == count)
    }

    /// The bytes of what came from outside.
    fn bytes(&self) -> usize {
        let content = match &self.content {
            Content::Text { text, metadata: Value::Null, .. } => text.len(),
            Content::Close { .. } => 0,
            other => json_bytes(other),
        };
        content + self.id.len() + self.opening.as_ref().map_or(0, json_bytes)
    }
}

/// The bytes of a value as it is stored.
fn json_bytes(value: &impl Serialize) -> usize {
    serde_json::to_vec(value).map_or(0, |json| json.len())
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Content {
    Text {
        text: String,
        /// The chosen option's own metadata. Null: the text is no answer.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        metadata: Value,
        /// It answers a question of the survey.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_answer: bool,
    },
    Hosted(HostedFile),
    Close {
        survey: bool,
    },
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Text { .. } => "Text(..)",
            Self::Hosted(_) => "Hosted(..)",
            Self::Close { .. } => "Close",
        })
    }
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SendState {
    Waiting,
    /// It may have been taken.
    Unconfirmed(Unconfirmed),
    /// An operator decides.
    Held,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Unconfirmed {
    pub(super) conversation: ConversationId,
    pub(super) dialog: DialogId,
    pub(super) least: u64,
    pub(super) ended: Timestamp,
    /// How long to wait for an answer still.
    pub(super) left: Duration,
    /// The question was put to the conversation's lane.
    pub(super) is_asked: bool,
}

/// A message that was accepted before.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Recent {
    pub(super) id: String,
    pub(super) fingerprint: u64,
    /// The rank of the last status: see [`Progress::rank`](super::super::Progress::rank).
    pub(super) rank: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<(DialogId, u64)>,
    /// When it was taken in, or told of last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) when: Option<Timestamp>,
    /// The name of the reason, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    /// What refused it, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) detail: Option<String>,
}

/// A receipt that waits to be sent.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct PendingReceipt {
    pub(super) conversation: ConversationId,
    pub(super) dialog: DialogId,
    pub(super) kind: PendingKind,
    pub(super) sequences: Vec<u64>,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(super) metadata: Value,
    #[serde(default)]
    pub(super) tries: u32,
}

/// How far the channel brought a message of an agent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Rank {
    /// The channel took it.
    Taken,
    Delivered,
    Read,
    Failed,
}

impl Rank {
    /// What a receipt says. A message that was given up can be put back: that is no rank.
    pub(super) const fn of(status: ReceiptKind, is_reported: bool) -> Option<Self> {
        match (status, is_reported) {
            (ReceiptKind::Delivered, false) => Some(Self::Taken),
            (ReceiptKind::Delivered, true) => Some(Self::Delivered),
            (ReceiptKind::Read, _) => Some(Self::Read),
            (ReceiptKind::NotReceived, true) => Some(Self::Failed),
            (ReceiptKind::NotReceived, false) => None,
        }
    }

    /// Whether it is news after this one. A failure ends, unless the message is known to be delivered.
    fn follows(self, known: Self) -> bool {
        match self {
            Self::Failed => known == Self::Taken,
            _ => self > known,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PendingKind {
    Receipt(ReceiptKind),
    /// A control was used: it goes before the text that the control publishes.
    Action,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Offered {
    pub(super) message: String,
    pub(super) dialog: DialogId,
    pub(super) options: Vec<Choice>,
}

impl Offered {
    fn bytes(&self) -> usize {
        serde_json::to_vec(self).map_or(usize::MAX, |written| written.len())
    }
}

/// A pause after a failure that is not the message's own.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Pause {
    pub(super) tries: u32,
    pub(super) left: Duration,
}

impl ConsumerRecord {
    /// Takes the options of the agent's newest message, or that it has none.
    pub(super) fn offer(&mut self, newest: Option<Offered>) {
        self.offered_before.extend(std::mem::replace(&mut self.offered, newest));
        let is_too_much = |before: &VecDeque<Offered>| {
            before.len() > MAX_OFFERED
                || before.iter().map(Offered::bytes).sum::<usize>() > MAX_OFFERED_BYTES
        };
        while is_too_much(&self.offered_before) {
            self.offered_before.pop_front();
        }
    }

    /// The options of the message with this delivery id.
    pub(super) fn offered_by(&self, message: &str) -> Option<&Offered> {
        let newest_first = self.offered.iter().chain(self.offered_before.iter().rev());
        newest_first.into_iter().find(|offered| offered.message == message)
    }

    pub(super) fn recent(&mut self, id: &str) -> Option<&mut Recent> {
        self.recent.iter_mut().find(|recent| recent.id == id)
    }

    pub(super) fn remember(&mut self, id: String, fingerprint: u64, when: Timestamp) {
        let (when, at, reason, detail) = (Some(when), None, None, None);
        self.recent.push_back(Recent { id, fingerprint, rank: 0, at, when, reason, detail });
        // A message in the queue is always remembered: it must not be accepted twice.
        let queued = self.queue.len() + 1;
        let most = MAX_RECENT.max(queued);
        // Parts of long texts do not count, up to a bound.
        let is_whole = |recent: &&Recent| whole_id(&recent.id) == recent.id;
        while self.recent.iter().filter(is_whole).count() > most || self.recent.len() > 4 * most {
            self.recent.pop_front();
        }
    }

    /// Takes in how far the channel brought a message of an agent. False: that is known, or more.
    pub(super) fn is_news(&mut self, dialog: &DialogId, sequence: u64, rank: Rank) -> bool {
        let at = match self.ranks.iter().position(|(other, _)| other == dialog) {
            Some(at) => at,
            None => {
                self.ranks.push((dialog.clone(), BTreeMap::new()));
                self.ranks.len() - 1
            }
        };
        let Some((_, known)) = self.ranks.get_mut(at) else { return true };
        if known.get(&sequence).is_some_and(|known| !rank.follows(*known)) {
            return false;
        }
        known.insert(sequence, rank);
        while self.ranks.iter().map(|(_, known)| known.len()).sum::<usize>() > MAX_RANKS
            && let Some((_, oldest)) = self.ranks.first_mut()
        {
            oldest.pop_first();
            if oldest.is_empty() {
                self.ranks.remove(0);
            }
        }
        true
    }

    /// Adds a receipt, joined with one that waits for the same dialog and status: each request takes a
    /// sequence.
    pub(super) fn add_receipt(&mut self, receipt: PendingReceipt) {
        let same = |other: &&mut PendingReceipt| {
            other.conversation == receipt.conversation
                && other.dialog == receipt.dialog
                && other.kind == receipt.kind
                && other.kind != PendingKind::Action
        };
        if let Some(waiting) = self.receipts.iter_mut().find(same) {
            for sequence in receipt.sequences {
                if !waiting.sequences.contains(&sequence) && waiting.sequences.len() < MAX_SEQUENCES
                {
                    waiting.sequences.push(sequence);
                }
            }
            return;
        }
        self.receipts.push_back(receipt);
        while self.receipts.len() > MAX_RECEIPTS {
            self.receipts.pop_front();
        }
    }

    pub(super) fn note_seen(&mut self, conversation: &ConversationId, phase: &Phase) {
        self.seen.retain(|(other, _)| other != conversation);
        if *phase == Phase::Closed {
            self.closed = Some(conversation.clone());
        } else {
            self.seen.push((conversation.clone(), phase.clone()));
            if self.seen.len() > MAX_SEEN {
                self.seen.remove(0);
            }
        }
    }

    /// The conversations that it knows of.
    pub(super) fn conversations(&self) -> BTreeSet<ConversationId> {
        let open = match &self.talk {
            Talk::Open(talk) => Some(talk.to.id().clone()),
            Talk::None | Talk::Awaiting => None,
        };
        let seen = self.seen.iter().map(|(id, _)| id.clone());
        seen.chain(open).chain(self.closed.clone()).collect()
    }

    /// True if nothing is left to do.
    pub(super) fn is_at_rest(&self) -> bool {
        self.queue.is_empty() && self.receipts.is_empty()
    }

    pub(super) fn queued_bytes(&self) -> usize {
        self.queue.iter().map(Queued::bytes).sum()
    }
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
