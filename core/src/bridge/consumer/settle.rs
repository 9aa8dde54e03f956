//! Finds out whether a message was taken.

use super::ConsumerLane;
use super::record::{Content, PendingKind, SendState, Talk, Unconfirmed};
use crate::bridge::config::Unsettled;
use crate::bridge::conversation::digest;
use crate::bridge::entry::{ConversationEntry, Question, Verdict};
use crate::bridge::event::MessageOutcome;
use crate::bridge::inbound::whole_id;
use crate::bridge::status::{FailureReason, Progress};
use crate::id::{ConversationId, DialogId};
use crate::time::{Now, Timestamp};

impl ConsumerLane {
    /// What the last holder of a lane that was taken over may have sent is not sent again.
    pub(super) fn doubt(&mut self, now: Now) {
        self.doubt_click();
        self.doubt_head(now);
    }

    /// Forgets a click: a bot may act on it, not twice. The text after it says what was chosen. Only the first receipt
    /// can have left: its result is committed before another goes out.
    pub(super) fn doubt_click(&mut self) {
        let Some(first) = self.record.receipts.front().filter(|_| self.doubts_click) else {
            return;
        };
        self.doubts_click = false;
        if first.kind == PendingKind::Action {
            self.record.receipts.pop_front();
            self.is_changed = true;
            self.must_commit = true;
        }
    }

    /// Marks the first message as possibly sent. It can only have left if a conversation was open: opening is
    /// committed before anything is sent.
    pub(super) fn doubt_head(&mut self, now: Now) {
        let Talk::Open(talk) = &self.record.talk else { return };
        let (dialog, conversation) = (talk.to.dialog(), talk.to.id().clone());
        let Some(head) = self.record.queue.front() else { return };
        let sends = matches!(head.content, Content::Text { .. } | Content::Hosted(_));
        if sends && head.state == SendState::Waiting {
            self.mark_unconfirmed(conversation, dialog, now);
            // Nobody else has asked about it, or can have sent what comes after it.
            self.record.doubtful = false;
        }
    }

    /// The first message may have been taken in this dialog, until now.
    pub(super) fn mark_unconfirmed(
        &mut self,
        conversation: ConversationId,
        dialog: DialogId,
        now: Now,
    ) {
        let least = match &self.record.talk {
            Talk::Open(talk) => talk.least(&dialog),
            Talk::None | Talk::Awaiting => 0,
        };
        let Some(head) = self.record.queue.front_mut() else { return };
        head.attempt = head.attempt.saturating_add(1);
        head.state = SendState::Unconfirmed(Unconfirmed {
            conversation,
            dialog,
            least,
            ended: Timestamp::from_system_time(now.wall()),
            left: self.config.settle_for,
            is_asked: false,
        });
        let id = head.id.clone();
        self.settle_until = Some(now.mono() + self.config.settle_for);
        self.is_changed = true;
        self.note_message(&id, MessageOutcome::Unconfirmed);
        // With the same commit: a lane that is taken over long after that may give the message up at once.
        self.ask();
    }

    /// Applies the policy when the time is up.
    pub(super) fn settle(&mut self, now: Now) {
        // Records of earlier versions may say that nobody was asked.
        self.ask();
        let Some(head) = self.record.queue.front_mut() else { return };
        if !matches!(head.state, SendState::Unconfirmed(_)) {
            return;
        }
        if self.settle_until.is_some_and(|until| until <= now.mono()) {
            match self.config.unsettled {
                Unsettled::Report => {
                    self.finish_head(Progress::Failed(FailureReason::Unconfirmed), None, now);
                }
                Unsettled::Resend => {
                    head.state = SendState::Waiting;
                    let id = head.id.clone();
                    self.note_message(&id, MessageOutcome::Resent);
                }
                Unsettled::Hold => head.state = SendState::Held,
            }
            self.settle_until = None;
            self.must_commit = true;
        }
    }

    /// Asks the conversation's lane, once. It keeps the question when the message is given up: else a late echo would count for
    /// a later message with the same text.
    fn ask(&mut self) {
        let Some(head) = self.record.queue.front_mut() else { return };
        let SendState::Unconfirmed(unconfirmed) = &mut head.state else { return };
        if unconfirmed.is_asked {
            return;
        }
        unconfirmed.is_asked = true;
        let question = Question {
            message: head.id.clone(),
            attempt: head.attempt,
            dialog: unconfirmed.dialog.clone(),
            least: unconfirmed.least,
            digest: match &head.content {
                Content::Text { text, .. } => digest::text(text),
                Content::Hosted(file) => digest::file(file.relative_path()),
                Content::Close { .. } => 0,
            },
            ended: unconfirmed.ended,
            is_ambiguous: false,
        };
        let conversation = unconfirmed.conversation.clone();
        self.tell_conversation(&conversation, &ConversationEntry::Question(question));
        self.is_changed = true;
    }

    /// The conversation's lane answers. An answer about an earlier attempt says nothing about this one.
    pub(super) fn on_settled(&mut self, message: &str, attempt: u32, verdict: Verdict, now: Now) {
        let Some(head) = self.record.queue.front_mut() else { return };
        if head.id != message || head.attempt != attempt {
            return;
        }
        let dialog = match &head.state {
            SendState::Unconfirmed(unconfirmed) => unconfirmed.dialog.clone(),
            SendState::Held => return,
            SendState::Waiting => return,
        };
        match verdict {
            Verdict::Echo(sequence) => {
                self.note_message(message, MessageOutcome::SettledSent);
                self.confirm(&dialog, Some(sequence), now);
            }
            Verdict::Absent => {
                head.state = SendState::Waiting;
                self.settle_until = None;
                self.note_message(message, MessageOutcome::SettledAbsent);
            }
        }
    }

    /// The first message was taken, with this sequence.
    pub(super) fn confirm(&mut self, dialog: &DialogId, sequence: Option<u64>, now: Now) {
        if let Some(sequence) = sequence {
            if let Talk::Open(talk) = &mut self.record.talk {
                talk.confirm(dialog, sequence);
            }
            // The whole is received once its last part is.
            let head = self.record.queue.front().filter(|head| head.is_last());
            let id = head.map(|head| whole_id(&head.id).to_owned());
            if let Some(recent) = id.and_then(|id| self.record.recent(&id)) {
                recent.at = Some((dialog.clone(), sequence));
            }
        }
        self.finish_head(Progress::Sent, sequence, now);
    }
}
