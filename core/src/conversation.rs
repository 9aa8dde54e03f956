//! The state of one conversation, and the operations that follow from it.
//!
//! A [`Conversation`] applies notifications and builds operations. A text goes to the main dialog,
//! or to the survey's dialog while a survey runs. A receipt names the messages that have none yet.
//! The answer to a button repeats the button's metadata. A `Conversation` sends nothing itself: a
//! client sends the operations.
//!
//! ```
//! use lp_connector_core::api::{ConversationRef, Receipt};
//! use lp_connector_core::conversation::Conversation;
//! use lp_connector_core::id::{ConversationId, ExtConsumerId};
//! use lp_connector_core::webhook::Verified;
//!
//! let body = br#"{"type":"ms.MessagingEventNotification","body":{"changes":[{"sequence":5,
//!     "originatorMetadata":{"role":"ASSIGNED_AGENT"},"dialogId":"5f0c","conversationId":"5f0c",
//!     "event":{"type":"ContentEvent","contentType":"text/plain","message":"Good morning"}}]}}"#;
//! let notification = Verified::dangerous_unverified(body.to_vec()).parse()?;
//!
//! let ada = ExtConsumerId::new("pigeon-ring-0042")?;
//! let mut conversation = Conversation::new(ConversationRef::new(ada, ConversationId::new("5f0c")?));
//! for change in notification.changes() {
//!     conversation.apply(change);
//! }
//! let receipt = conversation.mark_read().expect("an unread message");
//! assert_eq!((receipt.status(), receipt.sequences()), (Receipt::Read, &[5][..]));
//! assert!(conversation.mark_read().is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::api::{
    ChatState, CloseConversation, CloseDialog, ConversationRef, GenerateDownloadUrl, HostedFile,
    RateConversation, Receipt, Resolution, SendFile, SendReceipt, SendText, SetChatState,
};
use crate::id::{ConversationId, DialogId, ExtConsumerId};
use crate::webhook::{
    Action, Change, ConversationChange, Element, Event, MessagingEvent, Snapshot, Transition,
};

/// The most sequences of a dialog that wait for a receipt. Beyond it the oldest are dropped.
const MAX_WAITING: usize = 1000;

/// The most dialogs to remember. A conversation has a main dialog and a survey.
const MAX_DIALOGS: usize = 8;

/// The state of one conversation, as the connector knows it.
///
/// It can be stored (serde) and used after a restart.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Conversation {
    /// The dialog that receives the consumer's messages.
    to: ConversationRef,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<ConversationChange>,
    /// The last readable value of everything that transitions are made of.
    #[serde(default = "Snapshot::new")]
    last: Snapshot,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    waiting: BTreeMap<DialogId, Waiting>,
}

/// The sequences of the other side's messages that wait for a receipt.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Waiting {
    undelivered: BTreeSet<u64>,
    unread: BTreeSet<u64>,
}

/// A click on structured content: two operations, to be sent in this order
/// ([protocol.md 7.9](crate::protocol#7.9)).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Click {
    /// Reports that the control was used.
    pub receipt: SendReceipt,
    /// The text that the control publishes as the consumer's message. `None` if it publishes none.
    pub text: Option<SendText>,
}

impl Conversation {
    /// A conversation without any known state.
    #[must_use]
    pub const fn new(conversation: ConversationRef) -> Self {
        Self { to: conversation, state: None, last: Snapshot::new(), waiting: BTreeMap::new() }
    }

    /// The dialog that receives the consumer's messages now: the main dialog, or the survey that
    /// runs after it.
    #[must_use]
    pub const fn reference(&self) -> &ConversationRef {
        &self.to
    }

    /// The consumer.
    #[must_use]
    pub const fn consumer(&self) -> &ExtConsumerId {
        self.to.consumer()
    }

    /// The conversation's id.
    #[must_use]
    pub const fn id(&self) -> &ConversationId {
        self.to.id()
    }

    /// The id of the dialog that receives the consumer's messages now.
    #[must_use]
    pub fn dialog(&self) -> DialogId {
        self.to.dialog()
    }

    /// True while a survey runs.
    #[must_use]
    pub const fn is_in_survey(&self) -> bool {
        !self.to.is_main_dialog()
    }

    /// True if the whole conversation is closed, by the last state that says whether it is.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.last.is_finished()
    }

    /// The last readable value of everything that transitions are made of.
    pub(crate) const fn last_readable(&self) -> &Snapshot {
        &self.last
    }

    /// The newest state that was applied.
    #[must_use]
    pub fn state(&self) -> Option<&ConversationChange> {
        self.state.as_ref()
    }

    /// Applies a change and returns the transitions of the conversation. Ignores changes of other
    /// conversations. Apply each change once and in order, as a [`Feed`](crate::webhook::Feed)
    /// delivers them. A member that is unreadable changes nothing: the next readable one is compared with
    /// the last readable one.
    pub fn apply(&mut self, change: &Change) -> Vec<Transition> {
        match change {
            Change::Message(message) if message.conversation() == self.id() => {
                self.record(message);
                Vec::new()
            }
            Change::Conversation(state) if state.conversation() == self.id() => {
                let transitions = self.last.apply(state);
                if let Some(dialog) = state.dialog_to_publish_to() {
                    self.to = self.to.clone().in_dialog(dialog);
                }
                self.state = Some(state.clone());
                transitions
            }
            _ => Vec::new(),
        }
    }

    /// Records a message that needs a receipt: one that the consumer is shown.
    fn record(&mut self, message: &MessagingEvent) {
        let shown = !matches!(
            message.event(),
            Event::AcceptStatus(_) | Event::ChatState(_) | Event::Other(_)
        );
        let Some(sequence) = message.sequence() else { return };
        if !shown || !message.is_for_consumer() {
            return;
        }
        if !self.waiting.contains_key(message.dialog()) && self.waiting.len() >= MAX_DIALOGS {
            // One in which nothing waits, or any but the one that messages go to.
            let open = self.to.dialog();
            let is_done =
                |waiting: &Waiting| waiting.undelivered.is_empty() && waiting.unread.is_empty();
            let done = self.waiting.iter().find(|(_, waiting)| is_done(waiting)).map(|(id, _)| id);
            let other = done.or_else(|| self.waiting.keys().find(|id| **id != open)).cloned();
            self.waiting.remove(&other.unwrap_or(open));
        }
        let waiting = self.waiting.entry(message.dialog().clone()).or_default();
        for sequences in [&mut waiting.undelivered, &mut waiting.unread] {
            sequences.insert(sequence);
            if sequences.len() > MAX_WAITING {
                sequences.pop_first();
            }
        }
    }

    /// Builds a text message of the consumer.
    #[must_use]
    pub fn text(&self, text: impl Into<String>) -> SendText {
        SendText::new(&self.to, text)
    }

    /// Builds the message with an uploaded file.
    #[must_use]
    pub fn file(&self, file: HostedFile) -> SendFile {
        SendFile::new(&self.to, file)
    }

    /// Builds the request for a URL to download the file at this path.
    #[must_use]
    pub fn download_url(&self, relative_path: &str) -> GenerateDownloadUrl {
        GenerateDownloadUrl::new(&self.to, relative_path)
    }

    /// Builds a chat state of the consumer. `None` while a survey runs, which accepts none
    /// ([protocol.md 7.5](crate::protocol#7.5)).
    #[must_use]
    pub fn chat_state(&self, state: ChatState) -> Option<SetChatState> {
        self.to.is_main_dialog().then(|| SetChatState::new(&self.to, state))
    }

    /// Builds a receipt: the messages since the last such receipt were delivered to the consumer.
    /// `None` if there are none. A receipt covers one dialog, so call this until it returns `None`.
    pub fn mark_delivered(&mut self) -> Option<SendReceipt> {
        let found = self.waiting.iter_mut().find(|(_, waiting)| !waiting.undelivered.is_empty());
        let (dialog, waiting) = found?;
        let (dialog, sequences) = (dialog.clone(), std::mem::take(&mut waiting.undelivered));
        Some(self.receipt(dialog, Receipt::Accept, sequences))
    }

    /// Builds a receipt: the consumer read the messages since the last such receipt. `None` if
    /// there are none. A receipt covers one dialog, so call this until it returns `None`. Messages
    /// that were read need no other receipt ([protocol.md 9.7](crate::protocol#9.7)).
    pub fn mark_read(&mut self) -> Option<SendReceipt> {
        let found = self.waiting.iter_mut().find(|(_, waiting)| !waiting.unread.is_empty());
        let (dialog, waiting) = found?;
        let (dialog, sequences) = (dialog.clone(), std::mem::take(&mut waiting.unread));
        waiting.undelivered.clear();
        Some(self.receipt(dialog, Receipt::Read, sequences))
    }

    /// Restores a receipt that could not be sent: the next receipt covers its messages again.
    /// Receipts are idempotent, so a duplicate is harmless.
    pub fn restore_receipt(&mut self, receipt: &SendReceipt) {
        let Some(waiting) = self.waiting.get_mut(&receipt.dialog()) else { return };
        let again = match receipt.status() {
            Receipt::Accept => &mut waiting.undelivered,
            Receipt::Read => &mut waiting.unread,
            _ => return,
        };
        again.extend(receipt.sequences());
        while again.len() > MAX_WAITING {
            again.pop_first();
        }
    }

    fn receipt(
        &self,
        dialog: DialogId,
        status: Receipt,
        sequences: impl IntoIterator<Item = u64>,
    ) -> SendReceipt {
        SendReceipt::new(&self.to.clone().in_dialog(dialog), status, sequences)
    }

    /// Builds the two operations for the consumer's click on an `element` of `message`, with the
    /// element's metadata ([protocol.md 7.9](crate::protocol#7.9)). `None` if the message has no
    /// sequence.
    #[must_use]
    pub fn click(&self, message: &MessagingEvent, element: Element<'_>) -> Option<Click> {
        let sequence = message.sequence()?;
        let metadata = element.click_metadata().map(|json| json.to_value()).unwrap_or_default();
        let published = element.actions().find_map(|action| match action {
            Action::PublishText(text) => Some(text),
            _ => None,
        });
        let to = self.to.clone().in_dialog(message.dialog().clone());
        let receipt = SendReceipt::new(&to, Receipt::Action, [sequence]).metadata(metadata.clone());
        let text = published.map(|text| SendText::new(&to, text).metadata(metadata));
        Some(Click { receipt, text })
    }

    /// Builds a satisfaction rating from 1 to 5. For a closed conversation without a survey.
    #[must_use]
    pub fn rate(&self, rate: u8, resolution: Resolution) -> RateConversation {
        RateConversation::new(&self.to, rate, resolution)
    }

    /// Builds the request to close the open dialog. After the main dialog a survey may follow.
    #[must_use]
    pub fn close_dialog(&self) -> CloseDialog {
        CloseDialog::new(&self.to)
    }

    /// Builds the request to close all dialogs, a survey included.
    #[must_use]
    pub fn close_all(&self) -> CloseConversation {
        CloseConversation::new(&self.to).without_survey()
    }
}

impl AsRef<ConversationRef> for Conversation {
    fn as_ref(&self) -> &ConversationRef {
        &self.to
    }
}

#[cfg(test)]
#[path = "conversation_tests.rs"]
mod tests;
