//! Takes entries in, and reads what they say beside what is delivered.

use super::ConversationLane;
use super::record::{MAX_BYTES, MAX_PENDING, Owner, Pending, PendingContent};
use crate::api::ConversationRef;
use crate::bridge::dead_letter;
use crate::bridge::delivery::{ChangeDetails, ClosedBy, escape, message_id};
use crate::bridge::entry::{ConsumerEntry, ConversationEntry, Phase};
use crate::bridge::tries::{DeadLetterReason, Tries};
use crate::conversation::Conversation;
use crate::id::LpConsumerId;
use crate::time::{Mono, Timestamp};
use crate::webhook::{
    Change, ConversationChange, Event, InboxPoll, MessagingEvent, Order, ReceiptStatus, Role,
    Transition,
};

impl ConversationLane {
    /// Takes in entries, in order, as far as there is room.
    pub(super) fn absorb(&mut self, now: Mono) {
        while self.has_room()
            && let Some((number, body)) = self.entries.pop_front()
        {
            self.bytes += body.len();
            match serde_json::from_slice(&body) {
                Ok(ConversationEntry::Changes { changes, at }) => {
                    for change in changes {
                        self.note_stored(&change, at);
                        self.take_in(change, now);
                    }
                }
                // It is another consumer's already: an operator's slip.
                Ok(ConversationEntry::Opened { consumer, .. })
                    if self.consumer().is_some_and(|owner| *owner != consumer) => {}
                Ok(ConversationEntry::Opened { consumer, lp_consumer, properties, adopted }) => {
                    self.record.adopted |= adopted;
                    let to = ConversationRef::new(consumer.clone(), self.conversation.clone());
                    let to = match properties {
                        Some(properties) => to.with_client_properties(properties),
                        None => to,
                    };
                    self.own(consumer, lp_consumer);
                    if self.record.memory.is_none() {
                        self.record.memory = Some(Conversation::new(to));
                    }
                }
                Ok(ConversationEntry::Question(question)) => self.record.sightings.ask(question),
                Ok(ConversationEntry::Forget) => self.is_forgotten = true,
                Ok(ConversationEntry::Replayed { pending }) => {
                    self.record.pending.push_back(*pending)
                }
                Err(_) => {
                    let lane = self.lane();
                    self.append
                        .push(dead_letter::unreadable_entry(&lane, number, &body, self.wall));
                }
            }
            self.through = number;
        }
    }

    /// Whether the next entry is taken in.
    fn has_room(&self) -> bool {
        let next = self.entries.front().map_or(0, |(_, body)| body.len());
        let is_empty = self.record.pending.is_empty() && self.inbox.is_empty();
        !self.inbox.is_full()
            && self.record.pending.len() < MAX_PENDING
            && (is_empty || self.bytes + next <= MAX_BYTES)
    }

    fn note_stored(&mut self, change: &Change, at: Option<Timestamp>) {
        if let (Change::Message(message), Some(at)) = (change, at)
            && let Some(sequence) = message.sequence()
        {
            self.stored.entry((message.dialog().clone(), sequence)).or_insert(at);
        }
    }

    fn take_in(&mut self, change: Change, now: Mono) {
        match &change {
            Change::Message(message) => {
                let is_own = self.is_own(message);
                self.record.sightings.record(message, is_own);
            }
            Change::Conversation(state) => self.read_state(state),
            Change::Other(_) => {}
        }
        if self.record.owner == Owner::Foreign {
            return;
        }
        if let Err(full) = self.inbox.handle(change, now) {
            // `absorb` stops before the inbox is full; a notification with more changes than that flows over
            // into what is deliverable now.
            self.poll_inbox(now);
            if self.inbox.handle(full.into_change(), now).is_err() {
                self.inbox.flush();
                self.poll_inbox(now);
            }
        }
    }

    /// True if the event is this consumer's own.
    fn is_own(&self, message: &MessagingEvent) -> bool {
        match (&self.record.owner, message.originator_id()) {
            (Owner::Ours { lp_consumer: Some(own), .. }, Some(id)) => own.as_str() == id,
            _ => true,
        }
    }

    fn read_state(&mut self, state: &ConversationChange) {
        if state.is_finished() {
            self.record.is_finished = true;
        }
        let named = state.consumer().and_then(|id| LpConsumerId::new(id).ok());
        match &mut self.record.owner {
            Owner::Ours { lp_consumer, .. } => {
                if lp_consumer.is_none() {
                    *lp_consumer = named;
                }
            }
            Owner::Unknown { .. } => self.asked = named.or(self.asked.take()),
            Owner::Foreign => self.index_foreign(named),
        }
    }

    /// Moves what is in order from the inbox to the deliveries.
    pub(super) fn poll_inbox(&mut self, now: Mono) {
        if !matches!(self.record.owner, Owner::Ours { .. }) {
            return;
        }
        while self.record.pending.len() < MAX_PENDING {
            match self.inbox.poll(now) {
                InboxPoll::Deliver(delivered) => self.on_change(delivered.change, delivered.order),
                InboxPoll::Wait(_) | InboxPoll::Idle => return,
            }
        }
    }

    fn on_change(&mut self, change: Change, order: Order) {
        match &change {
            Change::Message(message) => {
                self.acknowledge(message);
                if !is_shown(message) {
                    // The next message that is shown says that there is a gap.
                    if order == Order::AfterGap {
                        self.record.hidden_gap = Some(message.dialog().clone());
                    }
                    return;
                }
                let order = match order {
                    Order::InOrder | Order::AfterGap
                        if self.record.hidden_gap.as_ref() == Some(message.dialog()) =>
                    {
                        self.record.hidden_gap = None;
                        Order::AfterGap
                    }
                    order => order,
                };
                let (conversation, dialog) =
                    (self.conversation.as_str(), message.dialog().as_str());
                let id = match message.sequence() {
                    Some(sequence) => message_id(conversation, dialog, sequence),
                    // Documented to have one. Without it, the place in the lane names it.
                    None => {
                        self.record.changes = self.record.changes.saturating_add(1);
                        format!(
                            "{}:{}:n{}",
                            escape(conversation),
                            escape(dialog),
                            self.record.changes
                        )
                    }
                };
                let stored = message.sequence().and_then(|sequence| {
                    self.stored.get(&(message.dialog().clone(), sequence)).copied()
                });
                self.record.pending.push_back(Pending {
                    id,
                    at: message.server_timestamp(),
                    order,
                    content: PendingContent::Message(message.clone()),
                    replayed: false,
                    details: ChangeDetails::default(),
                    stored,
                });
            }
            Change::Conversation(state) => {
                for transition in self.apply(&change) {
                    self.record.changes = self.record.changes.saturating_add(1);
                    let conversation = escape(self.conversation.as_str()).into_owned();
                    let name = transition.name();
                    let mut details = ChangeDetails::default();
                    match transition {
                        Transition::Created => details.adopted = self.record.adopted,
                        Transition::Finished => details.by = ClosedBy::read(state.close_reason()),
                        _ => {}
                    }
                    self.record.pending.push_back(Pending {
                        id: format!("{conversation}:c{}:{name}", self.record.changes),
                        at: state.updated(),
                        order,
                        content: PendingContent::Changed(transition),
                        replayed: false,
                        details,
                        stored: None,
                    });
                }
                self.tell_phase();
            }
            Change::Other(_) => {
                let lane = self.lane();
                self.append.push(dead_letter::unreadable_change(
                    &lane,
                    self.through,
                    &change,
                    self.wall,
                ));
            }
        }
    }

    fn apply(&mut self, change: &Change) -> Vec<Transition> {
        if self.record.memory.is_none()
            && let Some(consumer) = self.consumer()
        {
            let to = ConversationRef::new(consumer.clone(), self.conversation.clone());
            self.record.memory = Some(Conversation::new(to));
        }
        self.record.memory.as_mut().map(|memory| memory.apply(change)).unwrap_or_default()
    }

    /// The consumer's lane sends to the dialog that is open.
    fn tell_phase(&mut self) {
        let Some(memory) = &self.record.memory else { return };
        let last = memory.last_readable();
        let phase = match (last.is_finished(), last.is_main_dialog_closed(), last.survey()) {
            (true, _, _) | (_, true, None) => Phase::Closed,
            (_, true, Some(survey)) => Phase::Survey(survey.clone()),
            (false, false, _) => Phase::Open,
        };
        if self.record.told.as_ref() != Some(&phase) {
            self.record.told = Some(phase.clone());
            if phase == Phase::Open {
                self.index_own(true);
            }
            let conversation = self.conversation.clone();
            self.tell_consumer(&ConsumerEntry::Seen { conversation, phase });
        }
    }

    /// The other side received messages of the consumer.
    fn acknowledge(&mut self, message: &MessagingEvent) {
        let Event::AcceptStatus(receipt) = message.event() else { return };
        let read = match receipt.status {
            ReceiptStatus::Accept => false,
            ReceiptStatus::Read => true,
            _ => return,
        };
        if message.role().is_none_or(|role| role == Role::Consumer) {
            return;
        }
        let sequences: Vec<u64> = receipt.sequences().take(1000).collect();
        let dialog = message.dialog().clone();
        self.tell_consumer(&ConsumerEntry::Acknowledged { dialog, read, sequences });
    }

    pub(super) fn answer_questions(&mut self) {
        for (question, verdict) in self.record.sightings.settle() {
            let (message, attempt) = (question.message, question.attempt);
            self.tell_consumer(&ConsumerEntry::Settled { message, attempt, verdict });
        }
    }

    /// Dead letters that were put back, and whose conversation is of no consumer of this bridge: they are dead letters
    /// again.
    pub(super) fn set_foreign_aside(&mut self) {
        if self.record.owner != Owner::Foreign {
            return;
        }
        for pending in std::mem::take(&mut self.record.pending) {
            let (lane, reason) = (self.lane(), DeadLetterReason::NoConsumer);
            self.append.push(dead_letter::delivery(&lane, pending, reason, None, self.wall));
            self.tries = Tries::default();
        }
    }

    /// Messages that nobody's consumer was found for: they were acknowledged, so they are kept for people.
    pub(super) fn set_unowned_aside(&mut self, now: Mono) {
        self.inbox.flush();
        while let InboxPoll::Deliver(delivered) = self.inbox.poll(now) {
            if let Change::Message(message) = &delivered.change
                && is_shown(message)
            {
                let lane = self.lane();
                let letter = dead_letter::unowned(&lane, message, self.wall);
                self.append.push(letter);
            }
        }
    }
}

/// True if the channel gets it.
fn is_shown(message: &MessagingEvent) -> bool {
    let is_content =
        !matches!(message.event(), Event::AcceptStatus(_) | Event::ChatState(_) | Event::Other(_));
    is_content && message.is_for_consumer()
}
