//! A conversation's state in the inbox, as it is stored.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::conversation_queue::{ConversationQueue, Latest};
use super::delivered::Delivered;
use super::seen::Seen;
use super::window::ReorderWindow;
use crate::id::{ConversationId, DialogId};
use crate::time::Mono;
use crate::webhook::MessagingEvent;

/// The inbox's state of one conversation, to be stored (serde) and
/// [restored](super::Inbox::restore).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SavedConversation {
    conversation: ConversationId,
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
    /// The remaining wait. An instant would be useless after a restart, when the clock starts anew.
    wait: Duration,
}

impl SavedConversation {
    /// The conversation's id.
    #[must_use]
    pub fn conversation(&self) -> &ConversationId {
        &self.conversation
    }

    pub(super) fn of(conversation: ConversationId, queue: &ConversationQueue, now: Mono) -> Self {
        let dialogs = queue.dialogs.iter().map(|(id, dialog)| {
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
            latest: queue.latest.clone(),
            ready: queue.ready.iter().cloned().collect(),
        }
    }

    pub(super) fn into_queue(self, window: ReorderWindow, now: Mono) -> ConversationQueue {
        let mut queue = ConversationQueue {
            dialogs: Vec::new(),
            latest: self.latest,
            ready: self.ready.into_iter().collect(),
        };
        for saved in self.dialogs {
            let mut ready = std::mem::take(&mut queue.ready);
            let dialog = queue.dialog(&saved.dialog, &mut ready);
            dialog.seen = saved.seen;
            dialog.highest = saved.highest;
            // Handled one by one, so that any stored state obeys the rules again.
            for held in saved.held {
                let window = ReorderWindow { time: held.wait.min(window.time), ..window };
                dialog.handle(held.sequence, held.event, window, now, &mut ready);
            }
            queue.ready = ready;
        }
        queue
    }
}
