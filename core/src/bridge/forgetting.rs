//! Removes everything about a consumer.

use std::collections::BTreeSet;

use super::consumer;
use super::conversation;
use super::dead_letter::DeadLetter;
use super::entry::{self, ConversationEntry, StatusForget};
use super::store::{Answer, Entry, LaneDetails, LaneId, LaneKind, Listed, Request};
use super::{delete, forget};
use crate::id::{AccountId, ConversationId, ExtConsumerId};

/// How many lanes are looked at in one request.
const PAGE: usize = 500;

/// Finds everything of a consumer in a store, to remove it: what [`forget`] alone does not lead to. It looks at every
/// conversation and every dead letter of the account.
///
/// Ask the store for each [`request`](Self::request) and [`handle`](Self::handle) the answer, until there is none. Then
/// append the [`entries`](Self::into_entries): the lanes remove themselves, the consumer's own once nothing of theirs is
/// unconfirmed. What LivePerson or the channel tell later of this consumer is stored anew.
///
/// ```
/// use lp_connector_core::bridge::{Forgetting, Inbound, accept};
/// use lp_connector_core::bridge::store::{MemoryStore, Request};
/// use lp_connector_core::id::{AccountId, ExtConsumerId};
/// use lp_connector_core::time::Mono;
///
/// let (account, ada) = (AccountId::new("91827364")?, ExtConsumerId::new("ada")?);
/// let mut store = MemoryStore::default();
/// let mut forgetting = Forgetting::new(account, ada);
/// while let Some(request) = forgetting.request() {
///     forgetting.handle(store.perform(request, Mono::ZERO));
/// }
/// store.perform(Request::Append(forgetting.into_entries()), Mono::ZERO);
/// # Ok::<(), lp_connector_core::id::InvalidId>(())
/// ```
#[derive(Clone, Debug)]
pub struct Forgetting {
    account: AccountId,
    consumer: ExtConsumerId,
    stage: Stage,
    /// What the consumer's lane removes itself, once it may.
    left_to_lane: BTreeSet<ConversationId>,
    conversations: BTreeSet<ConversationId>,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
enum Stage {
    Own,
    Lanes(LaneKind, Option<LaneId>),
    Done,
}

impl Forgetting {
    /// Begins to look for what there is of this consumer.
    #[must_use]
    pub fn new(account: AccountId, consumer: ExtConsumerId) -> Self {
        Self {
            account,
            consumer,
            stage: Stage::Own,
            left_to_lane: BTreeSet::new(),
            conversations: BTreeSet::new(),
            entries: Vec::new(),
        }
    }

    /// What to ask the store next. `None`: everything was looked at.
    #[must_use]
    pub fn request(&self) -> Option<Request> {
        let (what, after) = match &self.stage {
            Stage::Own => (Listed::Lane(LaneId::consumer(&self.account, &self.consumer)), None),
            Stage::Lanes(kind, after) => {
                let account = Some(self.account.clone());
                (Listed::Lanes { account, kind: *kind }, after.clone())
            }
            Stage::Done => return None,
        };
        Some(Request::List { what, after, limit: PAGE })
    }

    /// Takes the store's answer.
    pub fn handle(&mut self, answer: Answer) {
        let Answer::Listed(lanes) = answer else { return };
        match &self.stage {
            Stage::Own => {
                self.left_to_lane =
                    lanes.first().map(consumer::conversations_of).unwrap_or_default();
                self.stage = Stage::Lanes(LaneKind::Conversation, None);
            }
            Stage::Lanes(kind, _) => {
                let kind = *kind;
                lanes.iter().for_each(|lane| self.look_at(kind, lane));
                self.stage = match (lanes.last(), kind) {
                    (Some(last), _) if lanes.len() >= PAGE => {
                        Stage::Lanes(kind, Some(last.summary.lane.clone()))
                    }
                    (_, LaneKind::Conversation) => Stage::Lanes(LaneKind::DeadLetter, None),
                    _ => Stage::Done,
                };
            }
            Stage::Done => {}
        }
    }

    fn look_at(&mut self, kind: LaneKind, lane: &LaneDetails) {
        let id = &lane.summary.lane;
        if kind == LaneKind::Conversation {
            if conversation::owner_of(lane).as_ref() == Some(&self.consumer)
                && let Ok(conversation) = ConversationId::new(id.key())
            {
                if !self.left_to_lane.contains(&conversation) {
                    self.entries.push(entry::entry(id.clone(), &ConversationEntry::Forget));
                }
                self.conversations.insert(conversation);
            }
            return;
        }
        let Some(letter) = DeadLetter::of(lane) else { return };
        // A conversation that ended has no lane, and the consumer's lane may know of it still.
        let was_theirs = |id: &ConversationId| {
            [&self.conversations, &self.left_to_lane].iter().any(|all| all.contains(id))
        };
        let is_theirs = letter.consumer() == Some(&self.consumer)
            || letter.conversation().is_some_and(|id| was_theirs(&id));
        if is_theirs {
            self.entries.push(delete(&self.account, id.key()));
        }
    }

    /// What to append.
    #[must_use]
    pub fn into_entries(self) -> Vec<Entry> {
        let Self { account, consumer, mut entries, .. } = self;
        let status = LaneId::status(&account, &consumer);
        entries.push(entry::entry(status, &StatusForget { forget: true }));
        entries.push(forget(&account, &consumer));
        entries
    }
}
