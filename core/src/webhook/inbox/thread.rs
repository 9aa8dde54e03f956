//! One conversation: its dialogs, and its own state.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::dialog::Dialog;
use super::seen::Seen;
use super::{Delivered, Order, Window};
use crate::id::{ConversationId, DialogId};
use crate::time::Mono;
use crate::webhook::{Change, ConversationChange, MessagingEvent};

/// A conversation has a main dialog and a survey; more than this it has not.
const MAX_DIALOGS: usize = 8;

/// What is known of one conversation.
#[derive(Debug, Default)]
pub(super) struct Thread {
    /// The one used last at the end.
    dialogs: Vec<(DialogId, Dialog)>,
    latest: Latest,
    pub(super) ready: VecDeque<Delivered>,
}

/// The newest states: when they were so, and digests of the last of them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct Latest {
    updated: Option<u64>,
    digests: VecDeque<u64>,
}

/// States of the same time that are told apart.
const MAX_DIGESTS: usize = 8;

impl Thread {
    pub(super) fn handle(&mut self, change: Change, window: Window, now: Mono) {
        match change {
            Change::Message(event) => match numbered(&event) {
                Some(sequence) => {
                    let id = event.dialog().clone();
                    let mut ready = std::mem::take(&mut self.ready);
                    self.dialog(&id, &mut ready).handle(sequence, event, window, now, &mut ready);
                    self.ready = ready;
                }
                // Chat states: volatile, and neither numbered nor dated (protocol.md 9.3).
                None => self.ready.push_back(in_order(Change::Message(event))),
            },
            Change::Conversation(change) => {
                if self.is_news(&change) {
                    self.ready.push_back(in_order(Change::Conversation(change)));
                }
            }
            other @ Change::Other(_) => self.ready.push_back(in_order(other)),
        }
    }

    pub(super) fn account_for(&mut self, dialog: &DialogId, sequence: u64) {
        let mut ready = std::mem::take(&mut self.ready);
        self.dialog(dialog, &mut ready).account_for(sequence, &mut ready);
        self.ready = ready;
    }

    pub(super) fn release(&mut self, now: Mono) {
        for (_, dialog) in &mut self.dialogs {
            dialog.release(now, &mut self.ready);
        }
    }

    pub(super) fn due(&self) -> Option<Mono> {
        self.dialogs.iter().filter_map(|(_, dialog)| dialog.due()).min()
    }

    /// Makes all that is held ready.
    pub(super) fn flush(&mut self) {
        for (_, dialog) in &mut self.dialogs {
            dialog.flush(&mut self.ready);
        }
    }

    /// How many changes it holds.
    pub(super) fn len(&self) -> usize {
        let held: usize = self.dialogs.iter().map(|(_, dialog)| dialog.held.len()).sum();
        held + self.ready.len()
    }

    fn dialog(&mut self, id: &DialogId, ready: &mut VecDeque<Delivered>) -> &mut Dialog {
        let known = self.dialogs.iter().position(|(known, _)| known == id);
        let dialog = match known {
            Some(at) => self.dialogs.remove(at),
            None => {
                if self.dialogs.len() >= MAX_DIALOGS {
                    let (_, mut oldest) = self.dialogs.remove(0);
                    oldest.flush(ready);
                }
                (id.clone(), Dialog::default())
            }
        };
        self.dialogs.push(dialog);
        let last = self.dialogs.len() - 1;
        #[expect(clippy::indexing_slicing, reason = "it was put there a line ago")]
        &mut self.dialogs[last].1
    }

    /// Whether a state is newer than the newest so far. Each is complete, so an older one is of no use
    /// to anybody (protocol.md 9.9).
    fn is_news(&mut self, change: &ConversationChange) -> bool {
        let digest = digest(change);
        let updated = change.updated();
        let latest = &mut self.latest;
        if matches!((updated, latest.updated), (Some(new), Some(old)) if new < old) {
            return false;
        }
        if updated.is_none() || updated == latest.updated {
            if latest.digests.contains(&digest) {
                return false;
            }
        } else {
            latest.digests.clear();
            latest.updated = updated;
        }
        latest.digests.push_back(digest);
        if latest.digests.len() > MAX_DIGESTS {
            latest.digests.pop_front();
        }
        true
    }
}

/// Its place in the row. Chat states have none, whatever they say: a schema asks for one of them
/// (protocol.md 14, row 23), and they are volatile.
fn numbered(event: &MessagingEvent) -> Option<u64> {
    event.sequence().filter(|_| event.event_type() != Some("ChatStateEvent"))
}

fn in_order(change: Change) -> Delivered {
    Delivered { change, order: Order::InOrder }
}

/// Tells states apart that have the same time.
fn digest(change: &ConversationChange) -> u64 {
    // As a tree, whose members have one order.
    let json = change.raw().to_value().to_string();
    Sha256::digest(json.as_bytes()).iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// All that is known of one conversation, to be stored (serde) and
/// [restored](super::Inbox::restore).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SavedConversation {
    pub(super) conversation: ConversationId,
    dialogs: Vec<SavedDialog>,
    latest: Latest,
    ready: Vec<Delivered>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct SavedDialog {
    dialog: DialogId,
    seen: Seen,
    highest: Option<u64>,
    held: Vec<SavedHeld>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct SavedHeld {
    sequence: u64,
    event: MessagingEvent,
    /// How much longer it waits: the clock does not survive a restart.
    wait: Duration,
}

impl SavedConversation {
    /// Whose it is.
    #[must_use]
    pub fn conversation(&self) -> &ConversationId {
        &self.conversation
    }

    pub(super) fn of(conversation: ConversationId, thread: &Thread, now: Mono) -> Self {
        let dialogs = thread.dialogs.iter().map(|(id, dialog)| {
            let held = dialog.held.iter().map(|(sequence, held)| SavedHeld {
                sequence: *sequence,
                event: held.event.clone(),
                wait: held.due.since(now),
            });
            SavedDialog {
                dialog: id.clone(),
                seen: dialog.seen.clone(),
                highest: dialog.highest,
                held: held.collect(),
            }
        });
        Self {
            conversation,
            dialogs: dialogs.collect(),
            latest: thread.latest.clone(),
            ready: thread.ready.iter().cloned().collect(),
        }
    }

    pub(super) fn into_thread(self, window: Window, now: Mono) -> Thread {
        let mut thread = Thread {
            dialogs: Vec::new(),
            latest: self.latest,
            ready: self.ready.into_iter().collect(),
        };
        for saved in self.dialogs {
            let mut ready = std::mem::take(&mut thread.ready);
            let dialog = thread.dialog(&saved.dialog, &mut ready);
            dialog.seen = saved.seen;
            dialog.highest = saved.highest;
            // Put in one by one, so that whatever was stored obeys the rules again.
            for held in saved.held {
                let window = Window { time: held.wait.min(window.time), ..window };
                dialog.handle(held.sequence, held.event, window, now, &mut ready);
            }
            thread.ready = ready;
        }
        thread
    }
}
