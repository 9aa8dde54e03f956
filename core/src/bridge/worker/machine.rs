//! The machine of a claimed lane, whatever its kind.

use std::sync::Arc;

use crate::bridge::config::BridgeConfig;
use crate::bridge::consumer::ConsumerLane;
use crate::bridge::conversation::ConversationLane;
use crate::bridge::dead_letter::{self, DeadLetterLane};
use crate::bridge::delivery::Verdict;
use crate::bridge::lane::{Draft, DraftNext, LaneStep};
use crate::bridge::outgoing::CallResult;
use crate::bridge::status_lane::StatusLane;
use crate::bridge::store::{Cell, Claimed, Entry, Kept, LaneKind};
use crate::id::{ConversationId, ExtConsumerId};
use crate::time::{Now, Timestamp};

#[derive(Clone, Debug)]
pub(super) enum Machine {
    Consumer(Box<ConsumerLane>),
    Conversation(Box<ConversationLane>),
    Status(StatusLane),
    DeadLetter(DeadLetterLane),
    /// The key or the record cannot be read: it is set aside whole, and the lane begins anew.
    Unreadable(Option<Entry>),
}

impl Machine {
    pub(super) fn restore(claimed: Claimed, config: Arc<BridgeConfig>, now: Now) -> Self {
        let (lane, fence, record) = (claimed.lane.clone(), claimed.fence, claimed.record.clone());
        Self::read_record(claimed, config, now).unwrap_or_else(|| {
            let at = Timestamp::from_system_time(now.wall());
            let body = record.map(|record| record.body).unwrap_or_default();
            Self::Unreadable(Some(dead_letter::unreadable_record(&lane, fence.0, &body, at)))
        })
    }

    fn read_record(claimed: Claimed, config: Arc<BridgeConfig>, now: Now) -> Option<Self> {
        let key = claimed.lane.key();
        Some(match claimed.lane.kind() {
            LaneKind::Consumer => {
                let consumer = ExtConsumerId::new(key).ok()?;
                Self::Consumer(Box::new(ConsumerLane::restore(claimed, consumer, config, now)?))
            }
            LaneKind::Conversation => {
                let conversation = ConversationId::new(key).ok()?;
                Self::Conversation(Box::new(ConversationLane::restore(
                    claimed,
                    conversation,
                    config,
                    now,
                )?))
            }
            LaneKind::Status => {
                let consumer = ExtConsumerId::new(key).ok()?;
                Self::Status(StatusLane::restore(claimed, consumer, config, now)?)
            }
            LaneKind::DeadLetter => Self::DeadLetter(DeadLetterLane::restore(claimed, config)?),
        })
    }

    pub(super) fn poll(&mut self, now: Now) -> LaneStep {
        match self {
            Self::Consumer(lane) => lane.poll(now),
            Self::Conversation(lane) => lane.poll(now),
            Self::Status(lane) => lane.poll(now),
            Self::DeadLetter(lane) => lane.poll(),
            Self::Unreadable(letter) => LaneStep::Commit(anew(letter.take())),
        }
    }

    /// Ends work now: the lane is due again at once, for whoever comes.
    pub(super) fn release(&mut self, now: Now) -> Draft {
        match self {
            Self::Consumer(lane) => lane.release(now),
            Self::Conversation(lane) => lane.release(now),
            Self::Status(lane) => lane.release(now),
            Self::DeadLetter(lane) => lane.draft(),
            Self::Unreadable(letter) => anew(letter.take()),
        }
    }

    /// Gives the newest message up, for the store refuses the record. `None` if there is none.
    pub(super) fn shed(&mut self, now: Now) -> Option<Draft> {
        match self {
            Self::Consumer(lane) => lane.shed(now),
            Self::Conversation(lane) => lane.shed(now),
            Self::Status(_) | Self::DeadLetter(_) | Self::Unreadable(_) => None,
        }
    }

    pub(super) fn committed(&mut self) {
        match self {
            Self::Consumer(lane) => lane.committed(),
            Self::Conversation(lane) => lane.committed(),
            Self::Status(lane) => lane.committed(),
            Self::DeadLetter(_) | Self::Unreadable(_) => {}
        }
    }

    pub(super) fn read(&mut self, cells: &[Option<Cell>], now: Now) {
        match self {
            Self::Consumer(lane) => lane.read(cells, now),
            Self::Conversation(lane) => lane.read(cells),
            Self::Status(_) | Self::DeadLetter(_) | Self::Unreadable(_) => {}
        }
    }

    pub(super) fn called(&mut self, result: CallResult, now: Now) {
        if let Self::Consumer(lane) = self {
            lane.called(result, now);
        }
    }

    pub(super) fn delivered(&mut self, verdict: &Verdict, now: Now) {
        match self {
            Self::Conversation(lane) => lane.delivered(verdict, now),
            Self::Status(lane) => lane.delivered(verdict, now),
            Self::Consumer(_) | Self::DeadLetter(_) | Self::Unreadable(_) => {}
        }
    }

    /// The effect of the last step was not begun.
    pub(super) fn cancelled(&mut self) {
        match self {
            Self::Consumer(lane) => lane.cancelled(),
            Self::Conversation(lane) => lane.cancelled(),
            Self::Status(lane) => lane.cancelled(),
            Self::DeadLetter(_) | Self::Unreadable(_) => {}
        }
    }
}

/// Removes the record. The lane's entries stay.
fn anew(letter: Option<Entry>) -> Draft {
    Draft {
        through: 0,
        seen: 0,
        record: Kept::Same,
        append: letter.into_iter().collect(),
        cells: Vec::new(),
        next: DraftNext::Gone,
        events: Vec::new(),
    }
}
