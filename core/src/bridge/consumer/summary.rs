//! What people are shown of a consumer's lane.

use super::record::{ConsumerRecord, MAX_RECENT, Recent, SendState, Talk};
use crate::api::ConversationRef;
use crate::bridge::inbound::whole_id;
use crate::bridge::record::decode;
use crate::bridge::status::Progress;
use crate::bridge::store::{LaneDetails, LaneKind};
use crate::id::ConversationId;
use crate::time::Timestamp;

/// What is known of a consumer, for people: the [lane](crate::bridge::LaneId::consumer) as a
/// [list](crate::bridge::store::Listed::Lane) shows it.
///
/// ```
/// use lp_connector_core::bridge::store::{Answer, Listed, MemoryStore, Request};
/// use lp_connector_core::bridge::{ConsumerSummary, Inbound, LaneId, accept};
/// use lp_connector_core::id::{AccountId, ExtConsumerId};
/// use lp_connector_core::time::Mono;
///
/// let (account, ada) = (AccountId::new("91827364")?, ExtConsumerId::new("ada")?);
/// let mut store = MemoryStore::default();
/// store.perform(Request::Append(accept(&account, &ada, Inbound::text("1", "Coo?")?)), Mono::ZERO);
///
/// let what = Listed::Lane(LaneId::consumer(&account, &ada));
/// let list = Request::List { what, after: None, limit: 1 };
/// let Answer::Listed(lanes) = store.perform(list, Mono::ZERO) else { panic!() };
/// let summary = ConsumerSummary::of(&lanes[0]).expect("a consumer's lane");
/// assert_eq!((summary.queued, summary.conversation), (1, None));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct ConsumerSummary {
    /// The conversation that the consumer's next message goes to, if one is open.
    pub conversation: Option<ConversationId>,
    /// Whether there is one.
    pub state: ConsumerState,
    /// True while a survey runs in it.
    pub survey: bool,
    /// The messages that are accepted and not sent yet. What no program has looked at yet counts with it, and can be
    /// something else than a message.
    pub queued: u64,
    /// The messages that were accepted last, oldest first: at most 64.
    pub recent: Vec<RecentMessage>,
    to: Option<ConversationRef>,
}

/// Whether a consumer has an open conversation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ConsumerState {
    /// There is none, as far as is known.
    None,
    /// One is open, and it is not known yet which.
    Awaiting,
    /// One is open.
    Open,
}

impl ConsumerState {
    /// A short fixed name: `none`, `awaiting` or `open`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Awaiting => "awaiting",
            Self::Open => "open",
        }
    }
}

/// A message of the channel, for people.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct RecentMessage {
    /// The channel's id.
    pub id: String,
    /// How far it is: `accepted`, `unconfirmed`, `held`, `sent`, `delivered`, `read` or `failed`.
    pub status: &'static str,
    /// Why it failed, by its [name](crate::bridge::FailureReason::name).
    pub reason: Option<String>,
    /// What refused it, for people: at most 300 characters, without the message's content.
    pub detail: Option<String>,
    /// When it came so far, by the clock of the program that recorded it.
    pub at: Option<Timestamp>,
}

impl ConsumerSummary {
    /// Reads the lane. `None` if it is not a consumer's, or its record cannot be read.
    #[must_use]
    pub fn of(lane: &LaneDetails) -> Option<Self> {
        if lane.summary.lane.kind() != LaneKind::Consumer {
            return None;
        }
        let record: ConsumerRecord = match &lane.record {
            Some(record) => decode(record)?,
            None => ConsumerRecord::default(),
        };
        let (state, to) = match &record.talk {
            Talk::None => (ConsumerState::None, None),
            Talk::Awaiting => (ConsumerState::Awaiting, None),
            Talk::Open(talk) => (ConsumerState::Open, Some(talk.to.clone())),
        };
        let head = record.queue.front();
        let waiting =
            |id: &str| match head.filter(|head| whole_id(&head.id) == id).map(|head| &head.state) {
                Some(SendState::Unconfirmed(_)) => "unconfirmed",
                Some(SendState::Held) => "held",
                Some(SendState::Waiting) | None => "accepted",
            };
        let is_whole = |recent: &&Recent| whole_id(&recent.id) == recent.id;
        let whole: Vec<&Recent> = record.recent.iter().filter(is_whole).collect();
        let older = whole.len().saturating_sub(MAX_RECENT);
        let recent = whole.into_iter().skip(older).map(|recent| RecentMessage {
            id: recent.id.clone(),
            status: match recent.rank {
                0 => waiting(&recent.id),
                rank if rank == Progress::Sent.rank() => "sent",
                rank if rank == Progress::Delivered.rank() => "delivered",
                rank if rank == Progress::Read.rank() => "read",
                _ => "failed",
            },
            reason: recent.reason.clone(),
            detail: recent.detail.clone(),
            at: recent.when,
        });
        Some(Self {
            conversation: to.as_ref().map(|to| to.id().clone()),
            state,
            survey: to.as_ref().is_some_and(|to| !to.is_main_dialog()),
            queued: record.queue.iter().filter(|queued| queued.is_last()).count() as u64
                + lane.summary.entries,
            recent: recent.collect(),
            to,
        })
    }

    /// The conversation, to send something to it that is not stored, such as a chat state.
    #[must_use]
    pub const fn reference(&self) -> Option<&ConversationRef> {
        self.to.as_ref()
    }
}
