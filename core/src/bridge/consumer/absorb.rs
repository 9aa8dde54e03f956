//! Takes entries into the record.

use super::record::{
    Content, MAX_QUEUE, MAX_QUEUE_BYTES, Offered, OpenTalk, PendingKind, PendingReceipt, Queued,
    Rank, SendState, Talk,
};
use super::{ConsumerLane, FileEntry};
use crate::api::ConversationRef;
use crate::bridge::consumer_settings::AcceptOn;
use crate::bridge::delivery::parse_message_id;
use crate::bridge::entry::{Choice, ConsumerEntry, Phase, ReceiptKind, Resolution};
use crate::bridge::event::{ConversationOutcome, MessageOutcome};
use crate::bridge::inbound::{Inbound, InboundContent, whole_id};
use crate::bridge::status::{FailureReason, Progress};
use crate::id::{ConversationId, DialogId};
use crate::time::Now;

/// What can leave without a further commit: the number of receipts, and the message for the open conversation with the
/// number of its tries.
struct Leaving {
    receipts: usize,
    message: Option<(String, u32)>,
}

impl ConsumerLane {
    /// Takes in entries, in order, as far as there is room.
    pub(super) fn absorb(&mut self, now: Now) {
        while self.file.is_none()
            && let Some((number, body)) = self.entries.pop_front()
        {
            let before = self.leaving();
            match serde_json::from_slice(&body) {
                // It is of a new lane, which begins once this one is gone.
                Ok(ConsumerEntry::Accepted(_) | ConsumerEntry::Adopt { .. })
                    if self.record.forget =>
                {
                    self.entries.push_front((number, body));
                    self.look_ahead(now);
                    return;
                }
                // It would wait until it is forgotten, and keep what comes after that waiting.
                Ok(ConsumerEntry::Accepted(inbound))
                    if self.must_wait(&inbound) && self.is_forgotten_next() => {}
                Ok(ConsumerEntry::Accepted(inbound)) => {
                    if !self.has_room(&inbound) {
                        self.entries.push_front((number, body));
                        self.look_ahead(now);
                        return;
                    }
                    self.accept(number, *inbound);
                    if self.file.is_some() {
                        self.look_ahead(now);
                        return;
                    }
                }
                Ok(other) if Some(number) <= self.record.ahead && self.counts_ahead(&other) => {}
                Ok(other) => self.take_in(other, now),
                // Nobody but this bridge writes entries. One that cannot be read is of a newer version whose
                // record would not have been given either, or damaged: it is set aside.
                Err(_) => self.set_aside(number, &body),
            }
            self.through = number;
            self.is_changed = true;
            self.doubt_after(&before, now);
        }
    }

    /// The last holder may have taken in this much, and sent what is first now and was not before.
    fn doubt_after(&mut self, before: &Leaving, now: Now) {
        if !self.taken_over {
            return;
        }
        if self.record.receipts.len() != before.receipts {
            self.doubt_click();
        }
        if self.leaving().message != before.message {
            self.doubt_head(now);
        }
    }

    fn leaving(&self) -> Leaving {
        let head = self.record.queue.front().filter(|head| head.state == SendState::Waiting);
        let head = head.filter(|_| matches!(self.record.talk, Talk::Open(_)));
        let message = head.map(|head| (head.id.clone(), head.attempt));
        Leaving { receipts: self.record.receipts.len(), message }
    }

    /// True if the consumer is to be forgotten, and that is known already.
    fn is_forgotten_next(&self) -> bool {
        let is_word =
            |body: &Vec<u8>| matches!(serde_json::from_slice(body), Ok(ConsumerEntry::Forget));
        self.entries.iter().any(|(_, body)| is_word(body))
    }

    /// A file waits for its turn and for its upload, and any message for room.
    fn must_wait(&self, inbound: &Inbound) -> bool {
        matches!(inbound.content(), InboundContent::File(_)) || !self.has_room(inbound)
    }

    /// What says how the first message fares counts at once, even behind messages that there is no room for. So does what
    /// tells of a conversation: the messages may wait for it.
    ///
    /// Each counts once, and is passed over in its turn: after what was done for it, it is old. News of a survey would
    /// lead back to a conversation that was found closed, and an operator's word would send a message again and again.
    fn look_ahead(&mut self, now: Now) {
        let mark = self.record.ahead;
        let unseen = self.entries.iter().filter(|(number, _)| mark < Some(*number));
        let ahead: Vec<(u64, ConsumerEntry)> = unseen
            .filter_map(|(number, body)| Some((*number, serde_json::from_slice(body).ok()?)))
            .filter(|(_, entry)| self.counts_ahead(entry))
            .collect();
        for (number, entry) in ahead {
            let before = self.leaving();
            self.take_in(entry, now);
            self.record.ahead = Some(number);
            self.doubt_after(&before, now);
        }
    }

    fn counts_ahead(&self, entry: &ConsumerEntry) -> bool {
        match entry {
            ConsumerEntry::Settled { .. } | ConsumerEntry::Resolved { .. } => true,
            // What is to be forgotten takes no further conversation with it.
            ConsumerEntry::Seen { .. } => !self.record.forget,
            _ => false,
        }
    }

    /// A file waits for its turn outside the record, which would be too large with it.
    fn has_room(&self, inbound: &Inbound) -> bool {
        match inbound.content() {
            InboundContent::File(_) => self.record.queue.is_empty(),
            _ => {
                self.record.queue.len() < MAX_QUEUE && self.record.queued_bytes() < MAX_QUEUE_BYTES
            }
        }
    }

    fn accept(&mut self, number: u64, inbound: Inbound) {
        let fingerprint = inbound.fingerprint();
        let whole = whole_id(inbound.id()).to_owned();
        let is_cut = self.record.cut.as_ref() == Some(&whole);
        if is_cut && whole != inbound.id() {
            // An earlier part failed. Repeated, this one is known.
            if self.record.recent(inbound.id()).is_none() {
                self.record.remember(inbound.id().to_owned(), fingerprint, self.wall);
            }
            return;
        }
        if let Some(known) = self.record.recent(inbound.id()) {
            // The first one counts. The same one again is what an append that was repeated looks like.
            if known.fingerprint != fingerprint {
                self.tell_of_another(&whole, FailureReason::IdReused);
                if inbound.part().is_some() {
                    self.record.cut = Some(whole);
                }
            }
            return;
        }
        if is_cut {
            self.record.cut = None;
        }
        let id = inbound.id().to_owned();
        let content = match inbound.content() {
            InboundContent::File(_) => {
                self.file = Some(FileEntry { number, inbound, upload: None });
                return;
            }
            InboundContent::Text(text) => Ok(self.text(text)),
            InboundContent::Answer { message, option } => {
                self.chosen(message, *option).ok_or(FailureReason::UnknownOption)
            }
            InboundContent::Close { survey } => Ok(Content::Close { survey: *survey }),
        };
        self.record.remember(id.clone(), fingerprint, self.wall);
        match content {
            Ok(content) => self.push(id, content, &inbound),
            Err(reason) => self.tell(&id, Progress::Failed(reason), None),
        }
    }

    pub(super) fn push(&mut self, id: String, content: Content, inbound: &Inbound) {
        let (state, attempt) = (SendState::Waiting, 0);
        let (opening, accepted) = (inbound.own_opening().cloned(), inbound.accepted());
        let part = inbound.part();
        self.record.queue.push_back(Queued {
            id,
            content,
            opening,
            state,
            attempt,
            accepted,
            part,
        });
    }

    /// A status of a message that shares its id with another one: what is known of the other stays.
    fn tell_of_another(&mut self, id: &str, reason: FailureReason) {
        let other = self.record.recent(id).map(|recent| {
            let other = recent.clone();
            recent.rank = 0;
            other
        });
        self.tell(id, Progress::Failed(reason), None);
        if let (Some(other), Some(recent)) = (other, self.record.recent(id)) {
            *recent = other;
        }
    }

    /// A text, which may choose one of the offered options by its number.
    fn text(&mut self, text: &str) -> Content {
        let plain = Content::Text {
            text: text.to_owned(),
            metadata: serde_json::Value::Null,
            is_answer: false,
        };
        let Some(offered) = &self.record.offered else { return plain };
        let number = text
            .trim()
            .parse::<u32>()
            .ok()
            .filter(|_| self.config.of(&self.consumer).answers_by_number());
        let title = |choice: &Choice| choice.title.trim().eq_ignore_ascii_case(text.trim());
        let titled = offered.options.iter().position(title);
        let titled = titled.and_then(|at| u32::try_from(at + 1).ok());
        let message = offered.message.clone();
        // A number that no option has may be the title of one.
        let mut options = number.into_iter().chain(titled);
        options.find_map(|option| self.chosen(&message, option)).unwrap_or(plain)
    }

    /// What the option publishes. Its receipt goes before it.
    fn chosen(&mut self, message: &str, option: u32) -> Option<Content> {
        let offered = self.record.offered_by(message)?;
        let index = usize::try_from(option).ok()?.checked_sub(1)?;
        let choice = offered.options.get(index)?.clone();
        let (conversation, dialog, sequence) = parse_message_id(message)?;
        self.record.add_receipt(PendingReceipt {
            conversation: ConversationId::new(conversation).ok()?,
            dialog: DialogId::new(dialog).ok()?,
            kind: PendingKind::Action,
            sequences: vec![sequence],
            metadata: choice.metadata.clone(),
            tries: 0,
        });
        let text = choice.text.unwrap_or(choice.title);
        Some(Content::Text { text, metadata: choice.metadata, is_answer: true })
    }

    fn take_in(&mut self, entry: ConsumerEntry, now: Now) {
        match entry {
            ConsumerEntry::Accepted(_) => {}
            ConsumerEntry::Seen { conversation, phase } => self.on_seen(&conversation, phase),
            ConsumerEntry::Settled { message, attempt, verdict } => {
                self.on_settled(&message, attempt, verdict, now);
            }
            ConsumerEntry::Receipt { conversation, dialog, status, mut sequences, reported } => {
                if let Some(rank) = Rank::of(status, reported) {
                    sequences.retain(|sequence| self.record.is_news(&dialog, *sequence, rank));
                }
                if sequences.is_empty() || !self.is_told(status, reported) {
                    return;
                }
                let kind = PendingKind::Receipt(status);
                let metadata = serde_json::Value::Null;
                self.record.add_receipt(PendingReceipt {
                    conversation,
                    dialog,
                    kind,
                    sequences,
                    metadata,
                    tries: 0,
                });
            }
            ConsumerEntry::Acknowledged { dialog, read, sequences } => {
                let progress = if read { Progress::Read } else { Progress::Delivered };
                for sequence in sequences {
                    let at = Some((dialog.clone(), sequence));
                    let found = self.record.recent.iter().find(|recent| recent.at == at);
                    if let Some(id) = found.map(|recent| recent.id.clone()) {
                        self.tell(&id, progress.clone(), Some(sequence));
                    }
                }
            }
            ConsumerEntry::Offered { message, dialog, options } => {
                let any = !options.is_empty();
                self.record.offer(any.then_some(Offered { message, dialog, options }));
            }
            ConsumerEntry::Resolved { message, resolution } => {
                self.resolve(&message, resolution, now);
            }
            ConsumerEntry::Adopt { conversation } => {
                let is_own =
                    matches!(&self.record.talk, Talk::Open(talk) if *talk.to.id() == conversation);
                if !is_own {
                    self.paused_until = None;
                    self.adopt(conversation, now);
                }
            }
            ConsumerEntry::Forget => {
                self.record.forget = true;
                let unconfirmed = usize::from(self.has_unconfirmed());
                self.record.queue.truncate(unconfirmed);
                self.record.receipts.clear();
            }
        }
    }

    /// Whether the agent is told of it. The receipt `ACCEPT` goes out once: either when the channel took the message,
    /// or when it reports that the device has it.
    fn is_told(&self, status: ReceiptKind, is_reported: bool) -> bool {
        let settings = self.config.of(&self.consumer);
        match status {
            ReceiptKind::Delivered => is_reported == (settings.accept_on() == AcceptOn::Delivered),
            ReceiptKind::Read => true,
            ReceiptKind::NotReceived => settings.nack(),
        }
    }

    fn on_seen(&mut self, conversation: &ConversationId, phase: Phase) {
        if phase == Phase::Open && self.record.closed.as_ref() == Some(conversation) {
            // News from before it was closed. A survey can still run in it.
            return;
        }
        self.record.note_seen(conversation, &phase);
        match (&mut self.record.talk, phase) {
            (Talk::Open(talk), phase) if talk.to.id() == conversation => match phase {
                Phase::Closed => {
                    self.leave(conversation);
                    self.record.talk = Talk::None;
                }
                Phase::Open => talk.to = talk.to.clone().in_dialog(DialogId::main_of(conversation)),
                Phase::Survey(dialog) => talk.to = talk.to.clone().in_dialog(dialog),
            },
            (Talk::Open(_), _) | (_, Phase::Closed) => {}
            (Talk::None | Talk::Awaiting, phase) => {
                let mut to = ConversationRef::new(self.consumer.clone(), conversation.clone());
                if let Phase::Survey(dialog) = phase {
                    to = to.in_dialog(dialog);
                }
                if let Some(properties) = self.config.of(&self.consumer).opening().client_properties
                {
                    to = to.with_client_properties(properties);
                }
                self.record.talk = Talk::Open(OpenTalk::new(to));
                self.note_conversation(conversation, ConversationOutcome::Adopted);
                self.paused_until = None;
                self.record.pause = None;
            }
        }
    }

    fn resolve(&mut self, message: &str, resolution: Resolution, now: Now) {
        let Some(head) = self.record.queue.front_mut() else { return };
        if whole_id(&head.id) != message || head.state == SendState::Waiting {
            return;
        }
        match resolution {
            Resolution::Sent => self.finish_head(Progress::Sent, None, now),
            Resolution::Drop => {
                self.finish_head(Progress::Failed(FailureReason::Operator), None, now);
            }
            Resolution::Resend => {
                head.state = SendState::Waiting;
                self.settle_until = None;
                self.note_message(message, MessageOutcome::Resent);
            }
        }
    }

    /// An entry that cannot be read becomes a dead letter.
    fn set_aside(&mut self, number: u64, body: &[u8]) {
        let lane = self.lane();
        self.append
            .push(crate::bridge::dead_letter::unreadable_entry(&lane, number, body, self.wall));
    }
}
