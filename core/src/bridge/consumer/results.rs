//! What the result of a request means for the lane.

use std::time::Duration;

use super::record::{Content, OpenTalk, Pause, PendingKind, PendingReceipt, Talk};
use super::{ConsumerLane, InFlight, consumer_cell};
use crate::api::ConversationRef;
use crate::bridge::entry::{ConversationEntry, Phase};
use crate::bridge::event::ConversationOutcome;
use crate::bridge::lane::outage_pause;
use crate::bridge::outgoing::{CallResult, Called};
use crate::bridge::status::{FailureReason, Progress};
use crate::error::{Delivery, Error, ErrorKind, Stage};
use crate::id::ConversationId;
use crate::time::Now;

/// How often a receipt is tried. It is a courtesy, and must not hold messages up.
const RECEIPT_TRIES: u32 = 4;

/// What a failure says.
enum Meaning {
    /// The request may have had its effect.
    Unknown,
    /// The conversation is closed.
    Closed,
    /// This message never will do.
    Refused,
    /// It is not the message's fault: later.
    Later,
}

fn meaning(error: &Error) -> Meaning {
    match (error.delivery(), error.kind()) {
        (Delivery::Unknown, _) => Meaning::Unknown,
        (_, ErrorKind::ConversationClosed) => Meaning::Closed,
        // The service's fault, or that of the settings: no other message would be sent either.
        (_, ErrorKind::Rejected) if matches!(error.stage(), Stage::Domain | Stage::AppJwt) => {
            Meaning::Later
        }
        (_, ErrorKind::InvalidInput | ErrorKind::Rejected | ErrorKind::StaleRevision) => {
            Meaning::Refused
        }
        _ => Meaning::Later,
    }
}

impl ConsumerLane {
    pub(super) fn on_result(&mut self, in_flight: InFlight, result: CallResult, now: Now) {
        match (in_flight, result) {
            (InFlight::Identify, Ok(Called::Identified(lp_consumer))) => {
                self.record.is_identified = true;
                if let Some(id) = &lp_consumer {
                    let external = self.consumer.as_str().as_bytes().to_vec();
                    self.cells.push((consumer_cell(&self.account, id), external));
                }
                self.record.lp_consumer = lp_consumer;
                self.record.pause = None;
            }
            (InFlight::Open, Ok(Called::Opened(to))) => {
                let how = match std::mem::take(&mut self.record.reopens) {
                    true => ConversationOutcome::Reopened,
                    false => ConversationOutcome::Opened,
                };
                self.opened(to, how);
            }
            (InFlight::Open, Err(error)) if error.kind() == ErrorKind::AlreadyOpen => {
                self.already_open(now);
            }
            (InFlight::Send { dialog, .. }, Ok(Called::Published(sequence))) => {
                self.record.pause = None;
                self.confirm(&dialog, sequence, now);
            }
            (InFlight::Send { dialog, conversation }, Err(error)) => match meaning(&error) {
                Meaning::Unknown => self.mark_unconfirmed(conversation, dialog, now),
                Meaning::Closed => {
                    self.record.reopens = true;
                    self.closed(&conversation);
                }
                Meaning::Refused => self.refuse(&error, now),
                Meaning::Later => self.pause(&error, now),
            },
            (InFlight::Receipt(receipt), result) => self.receipt_sent(&receipt, result, now),
            (InFlight::UploadUrl, Ok(Called::Url(url))) => {
                if let Some(upload) = self.file.as_mut().and_then(|file| file.upload.as_mut()) {
                    upload.got_url(url, now.mono());
                }
                // A URL lives for a minute and is not stored: nothing is to be committed.
                self.must_commit = false;
            }
            (InFlight::Put, Ok(Called::Done)) => self.put(Ok(()), now),
            (InFlight::Put, Err(error)) => self.put(Err(error), now),
            (InFlight::Close { is_message }, result) => {
                self.close_requested(is_message, result, now)
            }
            (InFlight::UploadUrl, Err(error)) => match meaning(&error) {
                Meaning::Closed => {
                    // The upload is for this conversation: the next one has its own.
                    if let Some(file) = &mut self.file {
                        file.upload = None;
                    }
                    if let Talk::Open(talk) = &self.record.talk {
                        let conversation = talk.to.id().clone();
                        self.record.reopens = true;
                        self.closed(&conversation);
                    }
                }
                Meaning::Refused => self.refuse_file(&error),
                Meaning::Unknown | Meaning::Later => self.pause(&error, now),
            },
            (InFlight::Open, Err(error)) => match meaning(&error) {
                Meaning::Refused if self.file.is_some() => self.refuse_file(&error),
                Meaning::Refused => self.refuse(&error, now),
                // The service opens one conversation at most: to ask again is harmless.
                _ => self.pause(&error, now),
            },
            (_, Err(error)) => self.pause(&error, now),
            // An answer of another kind than was asked for: a driver's fault. Ask again later.
            (_, Ok(_)) => self.pause_for(Duration::from_secs(1), now),
        }
    }

    fn opened(&mut self, to: ConversationRef, how: ConversationOutcome) {
        self.record.pause = None;
        self.record.note_seen(to.id(), &Phase::Open);
        self.introduce(&to, how == ConversationOutcome::Adopted);
        self.note_conversation(to.id(), how);
        self.record.talk = Talk::Open(OpenTalk::new(to));
    }

    /// Tells the conversation's lane whose it is.
    fn introduce(&mut self, to: &ConversationRef, adopted: bool) {
        let entry = ConversationEntry::Opened {
            consumer: self.consumer.clone(),
            lp_consumer: self.record.lp_consumer.clone(),
            properties: to.client_properties().cloned(),
            adopted,
        };
        self.tell_conversation(to.id(), &entry);
    }

    /// One is open, and the answer does not say which: perhaps a notification did.
    fn already_open(&mut self, now: Now) {
        match self.record.seen.last().map(|(conversation, _)| conversation.clone()) {
            Some(conversation) => self.adopt(conversation, now),
            None if self.record.lp_consumer.is_some() => self.record.talk = Talk::Awaiting,
            // Nothing leads to it but a notification.
            None => self.await_open(now),
        }
    }

    pub(super) fn adopt(&mut self, conversation: ConversationId, now: Now) {
        let mut to = ConversationRef::new(self.consumer.clone(), conversation);
        if let Some(properties) = self.config.of(&self.consumer).opening().client_properties {
            to = to.with_client_properties(properties);
        }
        self.opened(to, ConversationOutcome::Adopted);
        if self.record.doubtful {
            // The last holder may have known of it.
            self.doubt(now);
        }
        self.must_commit = true;
        self.is_changed = true;
    }

    /// No notification has told of the open conversation yet: wait for one, then ask again whether it is still
    /// open.
    pub(super) fn await_open(&mut self, now: Now) {
        self.record.talk = Talk::None;
        let tries = self.next_try();
        self.pause_for(outage_pause(&self.lane(), tries), now);
        self.must_commit = true;
    }

    fn closed(&mut self, conversation: &ConversationId) {
        self.record.note_seen(conversation, &Phase::Closed);
        self.leave(conversation);
        self.record.talk = Talk::None;
    }

    fn refuse(&mut self, error: &Error, now: Now) {
        // Whoever refuses is there: the next outage begins anew.
        self.record.pause = None;
        let reason = FailureReason::Refused(detail(error));
        self.finish_head(Progress::Failed(reason), None, now);
    }

    fn refuse_file(&mut self, error: &Error) {
        let Some(file) = self.file.take() else { return };
        self.record.pause = None;
        let fingerprint = file.inbound.fingerprint();
        self.through = file.number;
        self.record.remember(file.inbound.id().to_owned(), fingerprint, self.wall);
        let reason = FailureReason::Refused(detail(error));
        self.tell(file.inbound.id(), Progress::Failed(reason), None);
    }

    fn put(&mut self, result: Result<(), Error>, now: Now) {
        let Some(mut file) = self.file.take() else { return };
        let stored = match file.upload.as_mut() {
            Some(upload) => upload.stored(result),
            None => Ok(()),
        };
        match stored {
            Ok(()) => self.file_stored(file),
            Err(error) => {
                file.upload = None;
                self.file = Some(file);
                match meaning(&error) {
                    Meaning::Refused if error.status() != Some(401) => self.refuse_file(&error),
                    _ => self.pause(&error, now),
                }
            }
        }
    }

    /// The file is stored: from here it is a message like any other.
    fn file_stored(&mut self, file: super::FileEntry) {
        let path = file.upload.as_ref().and_then(|upload| upload.stored_path());
        let hosted = match (path, file.inbound.content()) {
            (Some(path), crate::bridge::inbound::InboundContent::File(content)) => {
                content.hosted(path)
            }
            // Another URL is needed.
            _ => {
                self.file = Some(file);
                return;
            }
        };
        self.record.pause = None;
        // Nobody else had stored it, or sent what comes behind it.
        self.record.doubtful = false;
        self.through = file.number;
        let id = file.inbound.id().to_owned();
        self.record.remember(id.clone(), file.inbound.fingerprint(), self.wall);
        self.push(id, Content::Hosted(hosted), &file.inbound);
    }

    fn receipt_sent(&mut self, receipt: &PendingReceipt, result: CallResult, now: Now) {
        let Some(mut sent) = self.record.receipts.pop_front() else { return };
        let Err(error) = result else {
            self.record.pause = None;
            return;
        };
        sent.tries = sent.tries.saturating_add(1);
        let again = match meaning(&error) {
            // A bot may act on it: not twice.
            Meaning::Unknown => receipt.kind != PendingKind::Action,
            Meaning::Closed | Meaning::Refused => false,
            Meaning::Later => true,
        };
        if again && sent.tries < RECEIPT_TRIES {
            self.record.receipts.push_front(sent);
            self.pause(&error, now);
        }
    }

    fn close_requested(&mut self, is_message: bool, result: CallResult, now: Now) {
        let closed = match &result {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::ConversationClosed => true,
            Err(error) => match meaning(error) {
                Meaning::Refused if is_message => {
                    self.refuse(error, now);
                    return;
                }
                // Closing is idempotent.
                _ => {
                    self.pause(error, now);
                    return;
                }
            },
        };
        if !closed {
            return;
        }
        self.record.pause = None;
        let wants_survey = matches!(
            self.record.queue.front().map(|head| &head.content),
            Some(Content::Close { survey: true })
        );
        // With a survey, a notification says what follows.
        if !(is_message && wants_survey)
            && let Talk::Open(talk) = &self.record.talk
        {
            let conversation = talk.to.id().clone();
            self.closed(&conversation);
        }
        if is_message {
            self.finish_head(Progress::Sent, None, now);
        }
    }

    fn next_try(&self) -> u32 {
        self.record.pause.map_or(0, |pause| pause.tries).saturating_add(1)
    }

    fn pause(&mut self, error: &Error, now: Now) {
        let least = error.retry_after().unwrap_or_default().min(Duration::from_secs(300));
        let pause = outage_pause(&self.lane(), self.next_try()).max(least);
        self.pause_for(pause, now);
    }

    fn pause_for(&mut self, pause: Duration, now: Now) {
        self.record.pause = Some(Pause { tries: self.next_try(), left: pause });
        self.paused_until = Some(now.mono() + pause);
        self.is_changed = true;
    }
}

/// What refused it, for people: no content of the message, and no token, is in an error's display.
fn detail(error: &Error) -> String {
    error.to_string().chars().take(300).collect()
}
