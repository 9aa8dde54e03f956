//! The machine of a consumer's lane: what goes from the channel to LivePerson.
//!
//! It accepts each message once, opens a conversation where there is none, sends one message at a time in the
//! order of acceptance, and settles what may have been sent or not.
//!
//! No commit precedes a request: the lease is the mark. A lane that was taken over from a holder which neither
//! finished nor released it has a first click or a first message that may have been sent: the click is forgotten, the
//! message is settled.

mod absorb;
#[cfg(test)]
mod life_tests;
mod record;
mod results;
#[cfg(test)]
mod results_tests;
mod settle;
mod summary;
#[cfg(test)]
mod takeover_tests;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use self::record::{ConsumerRecord, Content, PendingKind, PendingReceipt, Queued, SendState, Talk};
pub use self::summary::{ConsumerState, ConsumerSummary, RecentMessage};
use super::config::{BridgeConfig, SurveyPolicy};
use super::entry::{self, ConversationEntry, ReceiptKind, StatusEntry};
use super::event::{BridgeEvent, BridgeEventKind, ConversationOutcome, MessageOutcome};
use super::inbound::{Inbound, whole_id};
use super::lane::{Draft, DraftNext, Effect, LaneStep};
use super::outgoing::{CallResult, Outgoing};
use super::record::{decode, encode};
use super::share::consumer_token_cell;
use super::status::{FailureReason, Progress, Status};
use super::store::{Cell, CellId, Claimed, Entry, Kept, LaneDetails, LaneId};
use crate::api::{
    CloseConversation, ConversationRef, IdentifyConsumer, Receipt, SendFile, SendReceipt, SendText,
};
use crate::file::{Upload, UploadStep};
use crate::id::{AccountId, ConversationId, DialogId, ExtConsumerId, LpConsumerId};
use crate::time::{Mono, Now, Timestamp};

/// How soon a lane is looked at again that was given less than there is.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

/// The machine of one claim of a consumer's lane.
#[derive(Clone, Debug)]
pub(super) struct ConsumerLane {
    account: AccountId,
    consumer: ExtConsumerId,
    config: Arc<BridgeConfig>,
    record: ConsumerRecord,
    /// Entries that were given and not taken in.
    entries: VecDeque<(u64, Vec<u8>)>,
    /// The number of the lane's last entry. `None` if it has more than were given.
    last: Option<u64>,
    /// Fewer entries were given than may be: another time there may be room for more.
    is_cut: bool,
    through: u64,
    /// A file that is being uploaded. Its entry is consumed once it is stored: until then its bytes are there.
    file: Option<FileEntry>,
    append: Vec<Entry>,
    events: Vec<BridgeEvent>,
    cells: Vec<(CellId, Vec<u8>)>,
    in_flight: Option<InFlight>,
    /// The result of an effect must be durable before the next effect begins.
    must_commit: bool,
    is_changed: bool,
    paused_until: Option<Mono>,
    settle_until: Option<Mono>,
    /// The lane has been at rest for this long.
    is_over: bool,
    /// What the last holder began with the entries that are being taken in is unknown.
    taken_over: bool,
    /// It may have sent the first receipt.
    doubts_click: bool,
    /// The time of the last step: statuses have it.
    wall: Timestamp,
}

#[derive(Clone, Debug)]
struct FileEntry {
    number: u64,
    inbound: Inbound,
    upload: Option<Upload>,
}

/// The effect that is under way.
#[derive(Clone, Debug)]
enum InFlight {
    Identify,
    Index,
    Open,
    Receipt(PendingReceipt),
    UploadUrl,
    Put,
    Send {
        dialog: DialogId,
        conversation: ConversationId,
    },
    /// The first message asks for it, or else a survey gives way to a new conversation.
    Close {
        is_message: bool,
    },
}

impl ConsumerLane {
    /// Begins work on a claimed lane. `None` if its record cannot be read.
    pub(super) fn restore(
        claimed: Claimed,
        consumer: ExtConsumerId,
        config: Arc<BridgeConfig>,
        now: Now,
    ) -> Option<Self> {
        let mut record: ConsumerRecord = match &claimed.record {
            Some(record) => decode(record)?,
            None => ConsumerRecord::default(),
        };
        let taken_over = claimed.taken_over || record.doubtful;
        let is_cut = claimed.more && claimed.entries.len() < config.max_entries;
        record.doubtful = taken_over && is_cut;
        let is_over = record.is_at_rest()
            && claimed.entries.is_empty()
            && claimed.elapsed >= config.retention;
        let left = |left: Duration| now.mono() + left.saturating_sub(claimed.elapsed);
        let paused_until = record.pause.map(|pause| left(pause.left));
        let mut lane = Self {
            account: claimed.lane.account().clone(),
            consumer,
            config,
            last: claimed.entries.last().map(|(number, _)| *number).filter(|_| !claimed.more),
            is_cut,
            entries: claimed.entries.into(),
            through: 0,
            file: None,
            append: Vec::new(),
            events: Vec::new(),
            cells: Vec::new(),
            in_flight: None,
            must_commit: false,
            is_changed: false,
            paused_until,
            settle_until: match record.queue.front().map(|head| &head.state) {
                Some(SendState::Unconfirmed(unconfirmed)) => Some(left(unconfirmed.left)),
                _ => None,
            },
            is_over,
            taken_over,
            // The first one of the record is this side's own, unless the last holder began with it.
            doubts_click: claimed.taken_over || taken_over && record.receipts.is_empty(),
            wall: Timestamp::from_system_time(now.wall()),
            record,
        };
        if claimed.taken_over {
            lane.doubt(now);
        }
        lane.absorb(now);
        // What waits still was behind the same for the last holder: it would have committed before it came to that.
        (lane.taken_over, lane.doubts_click) = (false, false);
        Some(lane)
    }

    /// The next step.
    pub(super) fn poll(&mut self, now: Now) -> LaneStep {
        if self.must_commit {
            // If nothing follows, the lane is given back with the same commit.
            let next = match self.has_more() {
                true => DraftNext::Hold,
                false => self.rest(now.mono()),
            };
            return LaneStep::Commit(self.draft(next, now.mono()));
        }
        self.wall = Timestamp::from_system_time(now.wall());
        self.absorb(now);
        self.settle(now);
        if self.must_commit {
            // No entry tells the next holder that the first message was given up.
            return LaneStep::Commit(self.draft(DraftNext::Hold, now.mono()));
        }
        match self.next_effect(now) {
            Some(effect) => LaneStep::Effect(effect),
            // A close of nothing is done. What waits behind it has its turn.
            None if self.must_commit => self.poll(now),
            None => {
                let next = self.rest(now.mono());
                LaneStep::Commit(self.draft(next, now.mono()))
            }
        }
    }

    /// The commit was durable, and the lane is still held.
    pub(super) fn committed(&mut self) {
        self.must_commit = false;
        self.is_changed = false;
    }

    /// The cells that an effect asked for.
    pub(super) fn read(&mut self, cells: &[Option<Cell>], now: Now) {
        if let Some(InFlight::Index) = self.in_flight.take() {
            let found = cells.first().and_then(Option::as_ref);
            let id = found.and_then(|cell| std::str::from_utf8(&cell.value).ok());
            match id.and_then(|id| ConversationId::new(id).ok()) {
                Some(conversation) if self.record.closed.as_ref() != Some(&conversation) => {
                    self.adopt(conversation, now);
                }
                _ => self.await_open(now),
            }
        }
    }

    /// The result of the request that was under way.
    pub(super) fn called(&mut self, result: CallResult, now: Now) {
        let Some(in_flight) = self.in_flight.take() else { return };
        self.wall = Timestamp::from_system_time(now.wall());
        self.must_commit = true;
        self.is_changed = true;
        self.on_result(in_flight, result, now);
    }

    /// The request that is under way was never begun: for a lane that is given back.
    pub(super) fn cancelled(&mut self) {
        self.in_flight = None;
    }

    /// Ends work now. The lane is due at once, for whoever claims it.
    pub(super) fn release(&mut self, now: Now) -> Draft {
        self.cancelled();
        self.draft(DraftNext::After(Duration::ZERO), now.mono())
    }

    /// Gives the newest message up, or else what is only a convenience, for the store refuses the record. `None` if
    /// nothing is left to give up.
    pub(super) fn shed(&mut self, now: Now) -> Option<Draft> {
        let is_waiting = |head: &Queued| head.state == SendState::Waiting;
        if self.record.queue.back().is_some_and(is_waiting) {
            let newest = self.record.queue.pop_back()?;
            let reason = FailureReason::Refused("the store cannot keep it".to_owned());
            self.tell(&newest.id, Progress::Failed(reason), None);
            if newest.part.is_some() {
                self.cut(&newest.id);
            }
        } else if self.record.offered_before.pop_front().is_none()
            && self.record.offered.take().is_none()
            && self.record.receipts.pop_back().is_none()
        {
            return None;
        }
        Some(self.draft(DraftNext::Hold, now.mono()))
    }

    fn next_effect(&mut self, now: Now) -> Option<Effect> {
        if self.paused_until.is_some_and(|until| now.mono() < until) {
            return None;
        }
        self.paused_until = None;
        if let Some(effect) = self.receipt_effect() {
            return Some(effect);
        }
        let Some(head) = self.record.queue.front() else {
            return self.file_effect(now);
        };
        if head.state != SendState::Waiting {
            return None;
        }
        match (&head.content, &self.record.talk) {
            (Content::Close { .. }, Talk::None | Talk::Awaiting) => {
                // Nothing is open, as far as is known.
                self.finish_head(Progress::Sent, None, now);
                self.must_commit = true;
                None
            }
            (Content::Close { survey: true }, Talk::Open(talk)) if !talk.to.is_main_dialog() => {
                // The survey runs: perhaps after an earlier try, whose answer was lost.
                self.finish_head(Progress::Sent, None, now);
                self.must_commit = true;
                None
            }
            (Content::Close { survey }, Talk::Open(talk)) => {
                let close = CloseConversation::new(&talk.to);
                let close = if *survey { close.with_survey() } else { close.without_survey() };
                self.begin(InFlight::Close { is_message: true }, Outgoing::Close(close))
            }
            (_, Talk::None) => self.opening_effect(),
            (_, Talk::Awaiting) => self.index_effect(),
            (content, Talk::Open(talk)) if self.must_leave_survey(content, &talk.to) => {
                let close = CloseConversation::new(&talk.to).without_survey();
                self.begin(InFlight::Close { is_message: false }, Outgoing::Close(close))
            }
            (Content::Text { text, metadata, .. }, Talk::Open(talk)) => {
                let send = SendText::new(&talk.to, text).metadata(metadata.clone());
                let to = talk.to.clone();
                self.begin_send(&to, Outgoing::Text(send))
            }
            (Content::Hosted(file), Talk::Open(talk)) => {
                let send = SendFile::new(&talk.to, file.clone());
                let to = talk.to.clone();
                self.begin_send(&to, Outgoing::File(send))
            }
        }
    }

    fn begin(&mut self, in_flight: InFlight, outgoing: Outgoing) -> Option<Effect> {
        self.in_flight = Some(in_flight);
        Some(Effect::Call(outgoing))
    }

    fn begin_send(&mut self, to: &ConversationRef, outgoing: Outgoing) -> Option<Effect> {
        // Nobody else can have sent what comes after what this holder sends.
        self.record.doubtful = false;
        let (dialog, conversation) = (to.dialog(), to.id().clone());
        self.begin(InFlight::Send { dialog, conversation }, outgoing)
    }

    fn receipt_effect(&mut self) -> Option<Effect> {
        let receipt = self.record.receipts.front()?.clone();
        let status = match receipt.kind {
            PendingKind::Receipt(ReceiptKind::Delivered) => Receipt::Accept,
            PendingKind::Receipt(ReceiptKind::Read) => Receipt::Read,
            PendingKind::Receipt(ReceiptKind::NotReceived) => Receipt::Nack,
            PendingKind::Action => Receipt::Action,
        };
        let to = ConversationRef::new(self.consumer.clone(), receipt.conversation.clone())
            .in_dialog(receipt.dialog.clone());
        let send = SendReceipt::new(&to, status, receipt.sequences.iter().copied())
            .metadata(receipt.metadata.clone());
        self.begin(InFlight::Receipt(receipt), Outgoing::Receipt(send))
    }

    /// The steps to an open conversation: the consumer's LivePerson id is known, and stored, before the first
    /// request, so that a notification of the conversation finds the consumer.
    fn opening_effect(&mut self) -> Option<Effect> {
        if !self.record.is_identified {
            let identify = IdentifyConsumer::new(self.consumer.clone());
            return self.begin(InFlight::Identify, Outgoing::Identify(identify));
        }
        let own = match self.record.queue.front() {
            Some(head) => head.opening.as_ref(),
            None => self.file.as_ref().and_then(|file| file.inbound.own_opening()),
        };
        let opening = entry::merged(own, self.config.of(&self.consumer).opening());
        self.begin(InFlight::Open, Outgoing::Open(opening.operation(&self.consumer)))
    }

    fn index_effect(&mut self) -> Option<Effect> {
        match &self.record.lp_consumer {
            Some(lp_consumer) => {
                let cell = open_cell(&self.account, lp_consumer);
                self.in_flight = Some(InFlight::Index);
                Some(Effect::Read(vec![cell]))
            }
            None => self.opening_effect(),
        }
    }

    /// The upload of a file, which needs a conversation and is repeated harmlessly.
    fn file_effect(&mut self, now: Now) -> Option<Effect> {
        let Some(file) = &mut self.file else { return None };
        let to = match &self.record.talk {
            Talk::Open(talk) => talk.to.clone(),
            Talk::None => return self.opening_effect(),
            Talk::Awaiting => return self.index_effect(),
        };
        let super::inbound::InboundContent::File(content) = file.inbound.content() else {
            return None;
        };
        let upload = file.upload.get_or_insert_with(|| Upload::new(&to, content.clone()));
        match upload.poll(now.mono()) {
            UploadStep::GetUrl(operation) => {
                self.begin(InFlight::UploadUrl, Outgoing::UploadUrl(operation))
            }
            UploadStep::Put(operation) => self.begin(InFlight::Put, Outgoing::Put(operation)),
            // Stored: `file_stored` has made it a message.
            UploadStep::Publish(_) | UploadStep::Done(_) => None,
        }
    }

    fn must_leave_survey(&self, content: &Content, to: &ConversationRef) -> bool {
        let is_answer = matches!(content, Content::Text { is_answer: true, .. });
        !to.is_main_dialog() && !is_answer && self.config.survey == SurveyPolicy::AnswersOnly
    }

    /// True if there may be something to do now.
    fn has_more(&self) -> bool {
        !(self.entries.is_empty()
            && self.record.queue.is_empty()
            && self.record.receipts.is_empty()
            && self.file.is_none())
    }

    /// When to look at the lane again, with nothing to do now.
    fn rest(&self, now: Mono) -> DraftNext {
        if self.record.forget && !self.has_unconfirmed() {
            return DraftNext::Gone;
        }
        if self.is_over && self.record.is_at_rest() && self.file.is_none() {
            return DraftNext::Gone;
        }
        let held =
            matches!(self.record.queue.front().map(|head| &head.state), Some(SendState::Held));
        // What counts at once may be among what was not given.
        let again = (self.is_cut && self.is_blocked()).then(|| now + LOOK_AGAIN);
        match self.settle_until.into_iter().chain(self.paused_until).chain(again).min() {
            Some(until) => DraftNext::After(until.since(now)),
            None if held => DraftNext::Idle,
            None if self.record.is_at_rest() => DraftNext::After(self.config.retention),
            // A file or a message whose next step needs a poll: at once.
            None => DraftNext::After(Duration::ZERO),
        }
    }

    fn draft(&mut self, next: DraftNext, now: Mono) -> Draft {
        if let Some(pause) = &mut self.record.pause {
            pause.left = self.paused_until.map(|until| until.since(now)).unwrap_or_default();
        }
        if let (Some(until), Some(head)) = (self.settle_until, self.record.queue.front_mut())
            && let SendState::Unconfirmed(unconfirmed) = &mut head.state
        {
            unconfirmed.left = until.since(now);
        }
        if next == DraftNext::Gone {
            if self.record.forget {
                self.forget_conversations();
            }
            self.remove_cells();
        }
        Draft {
            through: self.through,
            seen: self.seen(),
            record: Kept::New(encode(&self.record)),
            append: std::mem::take(&mut self.append),
            cells: std::mem::take(&mut self.cells),
            next,
            events: std::mem::take(&mut self.events),
        }
    }

    /// Messages that wait for room, or a file for its turn, wait for time and for results. What comes behind them may count
    /// at once, unless there was more already than is given: the same would be given again, for ever.
    fn seen(&self) -> u64 {
        if self.is_blocked() { self.last.unwrap_or(u64::MAX) } else { self.through }
    }

    fn is_blocked(&self) -> bool {
        self.file.is_some() || !self.entries.is_empty()
    }

    /// A part of this message failed: the further ones are not sent.
    fn cut(&mut self, id: &str) {
        let whole = whole_id(id);
        self.record
            .queue
            .retain(|queued| queued.state != SendState::Waiting || whole_id(&queued.id) != whole);
        self.record.cut = Some(whole.to_owned());
    }

    /// Tells the channel, if the rank grew. Of a part, it hears by the id of the whole.
    fn tell(&mut self, message: &str, progress: Progress, sequence: Option<u64>) {
        let (wall, message) = (self.wall, whole_id(message));
        if let Some(recent) = self.record.recent(message) {
            if recent.rank >= progress.rank() {
                return;
            }
            recent.rank = progress.rank();
            recent.when = Some(wall);
            recent.reason = match &progress {
                Progress::Failed(reason) => Some(reason.name().to_owned()),
                _ => None,
            };
            recent.detail = match &progress {
                Progress::Failed(FailureReason::Refused(detail)) => Some(detail.clone()),
                _ => None,
            };
        }
        match &progress {
            Progress::Failed(FailureReason::Unconfirmed) => {
                self.note_message(message, MessageOutcome::Reported);
            }
            Progress::Failed(reason) => {
                self.note_message(message, MessageOutcome::Failed(reason.clone()));
            }
            // `finish_head` knows since when it waited. Others are the other side's doing.
            Progress::Sent | Progress::Delivered | Progress::Read => {}
        }
        let status = Status { message: message.to_owned(), progress, sequence };
        let lane = LaneId::status(&self.account, &self.consumer);
        self.append.push(entry::entry(lane, &StatusEntry { status, at: self.wall }));
    }

    fn tell_conversation(&mut self, conversation: &ConversationId, body: &ConversationEntry) {
        let lane = LaneId::conversation(&self.account, conversation);
        self.append.push(entry::entry(lane, body));
    }

    /// Removes the first message, and tells the channel.
    fn finish_head(&mut self, progress: Progress, sequence: Option<u64>, now: Now) {
        self.settle_until = None;
        if let Some(head) = self.record.queue.pop_front() {
            self.is_changed = true;
            let (is_last, is_part) = (head.is_last(), head.part.is_some());
            let Queued { id, accepted, .. } = head;
            if progress == Progress::Sent && !is_last {
                return;
            }
            if is_part && progress != Progress::Sent {
                self.cut(&id);
            }
            if progress == Progress::Sent {
                let after = accepted.and_then(|at| at.until(now));
                let (message, outcome) = (whole_id(&id).to_owned(), MessageOutcome::Sent);
                self.note(BridgeEventKind::Message { message, outcome, after });
            }
            self.tell(&id, progress, sequence);
        }
    }

    fn lane(&self) -> LaneId {
        LaneId::consumer(&self.account, &self.consumer)
    }

    fn note(&mut self, kind: BridgeEventKind) {
        let (account, consumer) = (self.account.clone(), Some(self.consumer.clone()));
        self.events.push(BridgeEvent { account, consumer, kind });
    }

    fn note_message(&mut self, message: &str, outcome: MessageOutcome) {
        let message = whole_id(message).to_owned();
        self.note(BridgeEventKind::Message { message, outcome, after: None });
    }

    fn note_conversation(&mut self, conversation: &ConversationId, outcome: ConversationOutcome) {
        let conversation = conversation.clone();
        self.note(BridgeEventKind::Conversation { conversation, outcome });
    }

    /// This conversation is the consumer's no more, if it was.
    fn leave(&mut self, conversation: &ConversationId) {
        if matches!(&self.record.talk, Talk::Open(talk) if talk.to.id() == conversation) {
            self.note_conversation(conversation, ConversationOutcome::Closed);
        }
    }

    fn has_unconfirmed(&self) -> bool {
        let head = self.record.queue.front();
        head.is_some_and(|head| matches!(head.state, SendState::Unconfirmed(_)))
    }

    fn forget_conversations(&mut self) {
        for conversation in self.record.conversations() {
            self.tell_conversation(&conversation, &ConversationEntry::Forget);
        }
    }

    /// Nothing leads to the consumer any more.
    fn remove_cells(&mut self) {
        if self.record.is_identified {
            self.cells.push((consumer_token_cell(&self.account, &self.consumer), Vec::new()));
        }
        if let Some(lp_consumer) = self.record.lp_consumer.take() {
            self.cells.push((consumer_cell(&self.account, &lp_consumer), Vec::new()));
            self.cells.push((open_cell(&self.account, &lp_consumer), Vec::new()));
        }
    }
}

/// The conversations that a listed consumer's lane knows of, and removes when it is forgotten.
pub(super) fn conversations_of(lane: &LaneDetails) -> BTreeSet<ConversationId> {
    let record = lane.record.as_ref().and_then(decode::<ConsumerRecord>);
    record.map(|record| record.conversations()).unwrap_or_default()
}

/// The cell that leads from a consumer's LivePerson id to the external one. Empty: forgotten.
pub(super) fn consumer_cell(account: &AccountId, consumer: &LpConsumerId) -> CellId {
    CellId { account: account.clone(), key: format!("consumer:{consumer}") }
}

/// The cell that leads from a consumer's LivePerson id to the open conversation. Empty: none.
pub(super) fn open_cell(account: &AccountId, consumer: &LpConsumerId) -> CellId {
    CellId { account: account.clone(), key: format!("open:{consumer}") }
}

/// The record as this program reads and writes it.
#[cfg(any(test, feature = "_fuzz"))]
pub(super) fn rewritten(
    record: &crate::bridge::store::Record,
) -> Option<crate::bridge::store::Record> {
    decode::<ConsumerRecord>(record).map(|known| encode(&known))
}
