//! The machine of a conversation's lane: what comes from LivePerson to the channel.
//!
//! It puts changes in order, finds out whose conversation it is, delivers one thing at a time, has receipts
//! follow, and answers whether a message of the consumer was taken.

mod absorb;
#[cfg(test)]
mod consumer_events_tests;
mod deliver;
pub(super) mod digest;
#[cfg(test)]
mod life_tests;
#[cfg(test)]
mod phase_tests;
mod record;
mod sightings;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use self::record::ConversationRecord;
pub(super) use self::record::{Owner, Pending, PendingContent};
use super::config::BridgeConfig;
use super::consumer::{consumer_cell, open_cell};
use super::entry::{self, ConsumerEntry};
use super::event::BridgeEvent;
use super::lane::{Draft, DraftNext, Effect, LaneStep};
use super::offer::Offer;
use super::record::{decode, encode};
use super::store::{Cell, CellId, Claimed, Entry, Kept, LaneDetails, LaneId};
use super::tries::Tries;
use crate::id::{AccountId, ConversationId, DialogId, ExtConsumerId, LpConsumerId};
use crate::time::{Mono, Now, Timestamp};
use crate::webhook::{Inbox, ReorderWindow};

/// How long messages of a conversation wait for a notification that names its consumer. Notifications are
/// repeated after 2 s to 5 min ([protocol.md 9.3](crate::protocol#9.3)); most come within seconds.
const WAIT_FOR_OWNER: Duration = Duration::from_secs(150);

/// How long it is remembered that a conversation is another channel's.
const FOREIGN_LIFE: Duration = Duration::from_secs(3600);

/// The most changes that wait in the inbox. Beyond it entries stay in the store.
const MAX_CHANGES: usize = 1000;

/// Whose conversation a listed lane is, if it is a consumer's of this bridge.
pub(super) fn owner_of(lane: &LaneDetails) -> Option<ExtConsumerId> {
    let record: ConversationRecord = decode(lane.record.as_ref()?)?;
    match record.owner {
        Owner::Ours { consumer, .. } => Some(consumer),
        _ => None,
    }
}

/// The machine of one claim of a conversation's lane.
#[derive(Clone, Debug)]
pub(super) struct ConversationLane {
    account: AccountId,
    conversation: ConversationId,
    config: Arc<BridgeConfig>,
    record: ConversationRecord,
    inbox: Inbox,
    entries: VecDeque<(u64, Vec<u8>)>,
    /// The bytes of the record as it was stored, and of the entries that were taken in since.
    bytes: usize,
    through: u64,
    append: Vec<Entry>,
    events: Vec<BridgeEvent>,
    cells: Vec<(CellId, Vec<u8>)>,
    /// The consumer that a notification names, and that the store is asked about.
    asked: Option<LpConsumerId>,
    is_asking: bool,
    offer: Option<Offer>,
    /// When the messages of this claim's entries were stored.
    stored: BTreeMap<(DialogId, u64), Timestamp>,
    must_commit: bool,
    owner_until: Option<Mono>,
    /// The tries of the first delivery.
    tries: Tries,
    is_over: bool,
    is_forgotten: bool,
    /// What the last holder began is unknown.
    taken_over: bool,
    /// The time of the last step: dead letters have it.
    wall: Timestamp,
}

impl ConversationLane {
    /// Begins work on a claimed lane. `None` if its record cannot be read.
    pub(super) fn restore(
        claimed: Claimed,
        conversation: ConversationId,
        config: Arc<BridgeConfig>,
        now: Now,
    ) -> Option<Self> {
        let mut record: ConversationRecord = match &claimed.record {
            Some(record) => decode(record)?,
            None => ConversationRecord::default(),
        };
        let mono = now.mono();
        let left = |left: Duration| mono + left.saturating_sub(claimed.elapsed);
        let mut inbox = Inbox::new(ReorderWindow::default()).max_changes(MAX_CHANGES);
        if let Some(saved) = record.inbox.take() {
            // What was held back has waited since the last commit.
            let then =
                Mono::from_origin(mono.elapsed_from_origin().saturating_sub(claimed.elapsed));
            inbox.restore(saved, then);
        }
        let owner_until = match record.owner {
            Owner::Unknown { left: Some(time), .. } => Some(left(time)),
            Owner::Unknown { left: None, .. } => Some(mono + WAIT_FOR_OWNER),
            _ => None,
        };
        let asked = match &record.owner {
            Owner::Unknown { named, .. } => named.clone(),
            _ => None,
        };
        let life = match &record.owner {
            Owner::Foreign => FOREIGN_LIFE,
            _ if record.is_finished => config.retention,
            // A conversation is closed after a week without a message (protocol.md 1.2).
            _ => config.retention.saturating_mul(4),
        };
        let is_over = claimed.record.is_some()
            && record.pending.is_empty()
            && claimed.entries.is_empty()
            && claimed.elapsed >= life;
        let tries = Tries::restore(record.tries.as_ref(), claimed.elapsed, mono);
        Some(Self {
            account: claimed.lane.account().clone(),
            conversation,
            config,
            record,
            inbox,
            entries: claimed.entries.into(),
            bytes: claimed.record.map_or(0, |record| record.body.len()),
            through: 0,
            append: Vec::new(),
            events: Vec::new(),
            stored: BTreeMap::new(),
            cells: Vec::new(),
            asked,
            is_asking: false,
            offer: None,
            must_commit: false,
            owner_until,
            tries,
            is_over,
            is_forgotten: false,
            taken_over: claimed.taken_over,
            wall: Timestamp::from_system_time(now.wall()),
        })
    }

    /// The next step.
    pub(super) fn poll(&mut self, now: Now) -> LaneStep {
        self.wall = Timestamp::from_system_time(now.wall());
        self.absorb(now.mono());
        if self.is_forgotten {
            // Nothing of it is delivered, told or set aside any more.
            self.append.clear();
            return LaneStep::Commit(self.draft(DraftNext::Gone, now.mono()));
        }
        if let Some(lp_consumer) = self.asked.clone()
            && matches!(self.record.owner, Owner::Unknown { .. })
        {
            if self.must_commit {
                return LaneStep::Commit(self.draft(DraftNext::Hold, now.mono()));
            }
            self.is_asking = true;
            return LaneStep::Effect(Effect::Read(vec![consumer_cell(
                &self.account,
                &lp_consumer,
            )]));
        }
        self.give_owner_up(now.mono());
        self.set_foreign_aside();
        self.poll_inbox(now.mono());
        self.answer_questions();
        if std::mem::take(&mut self.taken_over) && !self.record.pending.is_empty() {
            self.tries.doubt();
        }
        match self.next_delivery(now.mono()) {
            // What was delivered is durable before the next one. If nothing follows, that commit gives the lane back.
            Some(_) if self.must_commit => {
                LaneStep::Commit(self.draft(DraftNext::Hold, now.mono()))
            }
            Some(delivery) => {
                let stored = self.record.pending.front().and_then(|pending| pending.stored);
                self.offer = Some(Offer::of(&delivery, stored));
                LaneStep::Effect(Effect::Deliver(delivery))
            }
            None => {
                let next = self.rest(now.mono());
                LaneStep::Commit(self.draft(next, now.mono()))
            }
        }
    }

    /// The commit was durable, and the lane is still held.
    pub(super) fn committed(&mut self) {
        self.must_commit = false;
    }

    /// The cells that an effect asked for.
    pub(super) fn read(&mut self, cells: &[Option<Cell>]) {
        if !std::mem::take(&mut self.is_asking) {
            return;
        }
        let lp_consumer = self.asked.take();
        let found = cells.first().and_then(Option::as_ref);
        let id = found.and_then(|cell| std::str::from_utf8(&cell.value).ok());
        match id.and_then(|id| ExtConsumerId::new(id).ok()) {
            Some(consumer) => self.own(consumer, lp_consumer),
            None => {
                self.record.owner = Owner::Foreign;
                self.owner_until = None;
                self.inbox = Inbox::new(ReorderWindow::default()).max_changes(MAX_CHANGES);
                self.index_foreign(lp_consumer);
            }
        }
    }

    /// The effect that is under way was never begun.
    pub(super) fn cancelled(&mut self) {
        self.is_asking = false;
        self.offer = None;
    }

    /// Ends work now. The lane is due at once, for whoever claims it.
    pub(super) fn release(&mut self, now: Now) -> Draft {
        self.cancelled();
        self.draft(DraftNext::After(Duration::ZERO), now.mono())
    }

    /// Sets the newest delivery aside, for the store refuses the record. `None` if there is none.
    pub(super) fn shed(&mut self, now: Now) -> Option<Draft> {
        if self.record.pending.is_empty() {
            self.inbox.flush();
            match self.record.owner {
                Owner::Ours { .. } => self.poll_inbox(now.mono()),
                _ => self.set_unowned_aside(now.mono()),
            }
        }
        match self.record.pending.pop_back() {
            Some(newest) => self.set_newest_aside(newest),
            None if self.append.is_empty() => return None,
            None => {}
        }
        Some(self.draft(DraftNext::Hold, now.mono()))
    }

    fn own(&mut self, consumer: ExtConsumerId, lp_consumer: Option<LpConsumerId>) {
        self.record.owner = Owner::Ours { consumer, lp_consumer };
        self.owner_until = None;
        self.asked = None;
    }

    /// The conversation's consumer may come to this channel later, and then finds it open
    /// ([protocol.md 6.6](crate::protocol#6.6)).
    fn index_foreign(&mut self, lp_consumer: Option<LpConsumerId>) {
        if let Some(lp_consumer) = lp_consumer {
            self.index(&lp_consumer, !self.record.is_finished);
        }
    }

    /// The news for the consumer's lane may stand behind more messages than that lane is given at a time, and the first
    /// of these wait for a conversation. When this one closes, the cell may be another one's: it stays as long as the record,
    /// and the consumer's lane knows what is closed.
    fn index_own(&mut self, is_open: bool) {
        if let Owner::Ours { lp_consumer: Some(lp_consumer), .. } = &self.record.owner {
            self.index(&lp_consumer.clone(), is_open);
        }
    }

    fn index(&mut self, lp_consumer: &LpConsumerId, is_open: bool) {
        let open = match is_open {
            true => self.conversation.as_str().as_bytes().to_vec(),
            false => Vec::new(),
        };
        self.cells.push((open_cell(&self.account, lp_consumer), open));
    }

    /// Nothing named the consumer in time.
    fn give_owner_up(&mut self, now: Mono) {
        if self.owner_until.is_some_and(|until| until <= now) {
            self.owner_until = None;
            self.set_unowned_aside(now);
            self.record.owner = Owner::Foreign;
        }
    }

    fn rest(&self, now: Mono) -> DraftNext {
        if self.is_forgotten
            || (self.is_over && self.record.pending.is_empty() && self.inbox.is_empty())
        {
            return DraftNext::Gone;
        }
        let inbox = match &self.record.owner {
            Owner::Ours { .. } => self.inbox.next_due(),
            _ => None,
        };
        let life = match &self.record.owner {
            Owner::Foreign => FOREIGN_LIFE,
            _ if self.record.is_finished => self.config.retention,
            _ => self.config.retention.saturating_mul(4),
        };
        let paused = self.tries.paused_until().filter(|_| !self.record.pending.is_empty());
        match [self.owner_until, paused, inbox].into_iter().flatten().min() {
            Some(until) => DraftNext::After(until.since(now)),
            None => DraftNext::After(life),
        }
    }

    fn draft(&mut self, next: DraftNext, now: Mono) -> Draft {
        if next == DraftNext::Gone {
            // Nothing leads to it any more.
            self.index_own(false);
        }
        self.record.inbox = self.inbox.save(&self.conversation, now);
        if let Owner::Unknown { left, named } = &mut self.record.owner {
            *left = self.owner_until.map(|until| until.since(now));
            // The notification that names it is consumed: the next holder asks.
            named.clone_from(&self.asked);
        }
        self.record.tries = self.tries.save(now);
        let record = encode(&self.record);
        self.bytes = record.body.len();
        Draft {
            through: self.through,
            // Entries that there is no room for wait for time, or for a delivery.
            seen: if self.entries.is_empty() { self.through } else { u64::MAX },
            record: Kept::New(record),
            append: std::mem::take(&mut self.append),
            cells: std::mem::take(&mut self.cells),
            next,
            events: std::mem::take(&mut self.events),
        }
    }

    fn consumer(&self) -> Option<&ExtConsumerId> {
        match &self.record.owner {
            Owner::Ours { consumer, .. } => Some(consumer),
            _ => None,
        }
    }

    fn tell_consumer(&mut self, body: &ConsumerEntry) {
        if let Some(consumer) = self.consumer() {
            let lane = LaneId::consumer(&self.account, consumer);
            self.append.push(entry::entry(lane, body));
        }
    }

    fn lane(&self) -> LaneId {
        LaneId::conversation(&self.account, &self.conversation)
    }
}

/// The record as this program reads and writes it.
#[cfg(any(test, feature = "_fuzz"))]
pub(super) fn rewritten(
    record: &crate::bridge::store::Record,
) -> Option<crate::bridge::store::Record> {
    decode::<ConversationRecord>(record).map(|known| encode(&known))
}
