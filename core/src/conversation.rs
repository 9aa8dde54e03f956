//! What a connector remembers of one conversation, so that each message goes where it belongs.
//!
//! A [`Conversation`] learns from notifications and writes operations: a text goes to the main dialog,
//! and to the survey's once that runs; a receipt names what was not yet receipted; an answer to a
//! button carries what the button says. It decides, and sends nothing: hand what it writes to a client.
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
    Action, Change, ConversationChange, Element, Event, MessagingEvent, Transition,
};

/// Sequences that wait for a receipt, in each dialog; the oldest go first.
const MAX_WAITING: usize = 1000;

/// Dialogs that are remembered. A conversation has two.
const MAX_DIALOGS: usize = 8;

/// What a connector knows of one conversation.
///
/// It can be stored (serde), so that a program that restarts goes on with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Conversation {
    /// Where the consumer's messages go.
    to: ConversationRef,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<ConversationChange>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    waiting: BTreeMap<DialogId, Waiting>,
}

/// Messages of the other side that wait for a receipt.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Waiting {
    unaccepted: BTreeSet<u64>,
    unread: BTreeSet<u64>,
}

/// A click on structured content: two messages, in this order (protocol.md 7.9).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Click {
    /// That the control was used.
    pub receipt: SendReceipt,
    /// What it publishes in the consumer's name, unless it publishes nothing.
    pub text: Option<SendText>,
}

impl Conversation {
    /// A conversation that was just opened, or that the program has stored.
    #[must_use]
    pub const fn new(conversation: ConversationRef) -> Self {
        Self { to: conversation, state: None, waiting: BTreeMap::new() }
    }

    /// Where the consumer's messages go now: the main dialog, or the survey that runs after it.
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

    /// The dialog that the consumer's messages go to now.
    #[must_use]
    pub fn dialog(&self) -> DialogId {
        self.to.dialog()
    }

    /// True while a survey runs.
    #[must_use]
    pub const fn is_in_survey(&self) -> bool {
        !self.to.is_main_dialog()
    }

    /// True if nothing more can be said in it.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.state.as_ref().is_some_and(ConversationChange::is_finished)
    }

    /// Its newest state, if one was told.
    #[must_use]
    pub fn state(&self) -> Option<&ConversationChange> {
        self.state.as_ref()
    }

    /// Applies a change: best what an [`Inbox`](crate::webhook::Inbox) gives, each once and in order. Says
    /// what happened to the conversation, if anything did. Changes of other conversations are passed over.
    pub fn apply(&mut self, change: &Change) -> Vec<Transition> {
        match change {
            Change::Message(message) if message.conversation() == self.id() => {
                self.note(message);
                Vec::new()
            }
            Change::Conversation(state) if state.conversation() == self.id() => {
                let happened = state.diff(self.state.as_ref());
                if let Some(dialog) = state.dialog_to_publish_to() {
                    self.to = self.to.clone().in_dialog(dialog);
                }
                self.state = Some(state.clone());
                happened
            }
            _ => Vec::new(),
        }
    }

    /// Notes what wants a receipt: whatever the consumer is shown.
    fn note(&mut self, message: &MessagingEvent) {
        let shown = !matches!(
            message.event(),
            Event::AcceptStatus(_) | Event::ChatState(_) | Event::Other(_)
        );
        let Some(sequence) = message.sequence() else { return };
        if !shown || !message.is_for_consumer() {
            return;
        }
        if !self.waiting.contains_key(message.dialog()) && self.waiting.len() >= MAX_DIALOGS {
            self.waiting.pop_first();
        }
        let waiting = self.waiting.entry(message.dialog().clone()).or_default();
        for sequences in [&mut waiting.unaccepted, &mut waiting.unread] {
            sequences.insert(sequence);
            if sequences.len() > MAX_WAITING {
                sequences.pop_first();
            }
        }
    }

    /// Writes a text of the consumer.
    #[must_use]
    pub fn text(&self, text: impl Into<String>) -> SendText {
        SendText::new(&self.to, text)
    }

    /// Writes a file that was uploaded.
    #[must_use]
    pub fn file(&self, file: HostedFile) -> SendFile {
        SendFile::new(&self.to, file)
    }

    /// Writes the question where the file at this path can be downloaded.
    #[must_use]
    pub fn download_url(&self, relative_path: &str) -> GenerateDownloadUrl {
        GenerateDownloadUrl::new(&self.to, relative_path)
    }

    /// Writes that the consumer types, or is there at all. `None` while a survey runs, which takes no chat
    /// states (protocol.md 7.5).
    #[must_use]
    pub fn chat_state(&self, state: ChatState) -> Option<SetChatState> {
        self.to.is_main_dialog().then(|| SetChatState::new(&self.to, state))
    }

    /// Writes that what came since the last time was delivered to the consumer; `None` if nothing did. One
    /// dialog at a time: ask until there is none.
    pub fn mark_delivered(&mut self) -> Option<SendReceipt> {
        let found = self.waiting.iter_mut().find(|(_, waiting)| !waiting.unaccepted.is_empty());
        let (dialog, waiting) = found?;
        let (dialog, sequences) = (dialog.clone(), std::mem::take(&mut waiting.unaccepted));
        Some(self.receipt(dialog, Receipt::Accept, sequences))
    }

    /// Writes that the consumer has read what came since the last time; `None` if nothing did. One dialog
    /// at a time: ask until there is none. What is read was delivered: no receipt for that is needed
    /// after it (protocol.md 9.7).
    pub fn mark_read(&mut self) -> Option<SendReceipt> {
        let found = self.waiting.iter_mut().find(|(_, waiting)| !waiting.unread.is_empty());
        let (dialog, waiting) = found?;
        let (dialog, sequences) = (dialog.clone(), std::mem::take(&mut waiting.unread));
        waiting.unaccepted.clear();
        Some(self.receipt(dialog, Receipt::Read, sequences))
    }

    /// Takes a receipt back that could not be sent: its messages wait for one again. Sending it twice does
    /// no harm.
    pub fn restore_receipt(&mut self, receipt: &SendReceipt) {
        let Some(waiting) = self.waiting.get_mut(&receipt.dialog()) else { return };
        let again = match receipt.status() {
            Receipt::Accept => &mut waiting.unaccepted,
            Receipt::Read => &mut waiting.unread,
            _ => return,
        };
        again.extend(receipt.sequences().iter().take(MAX_WAITING));
    }

    fn receipt(
        &self,
        dialog: DialogId,
        status: Receipt,
        sequences: impl IntoIterator<Item = u64>,
    ) -> SendReceipt {
        SendReceipt::new(&self.to.clone().in_dialog(dialog), status, sequences)
    }

    /// Writes that the consumer has clicked on `element`, which came with `message`: both of the messages
    /// that this takes, with the element's own metadata (protocol.md 7.9). `None` if the message has no
    /// sequence to refer to.
    #[must_use]
    pub fn click(&self, message: &MessagingEvent, element: Element<'_>) -> Option<Click> {
        let sequence = message.sequence()?;
        let metadata = element.click_metadata().map(|json| json.to_value()).unwrap_or_default();
        let says = element.actions().find_map(|action| match action {
            Action::PublishText(text) => Some(text),
            _ => None,
        });
        let to = self.to.clone().in_dialog(message.dialog().clone());
        let receipt = SendReceipt::new(&to, Receipt::Action, [sequence]).metadata(metadata.clone());
        let text = says.map(|text| SendText::new(&to, text).metadata(metadata));
        Some(Click { receipt, text })
    }

    /// Writes how satisfied the consumer is, from 1 to 5, and whether the matter is resolved: once the
    /// conversation is closed, where there is no survey.
    #[must_use]
    pub fn rate(&self, rate: u8, resolution: Resolution) -> RateConversation {
        RateConversation::new(&self.to, rate, resolution)
    }

    /// Closes the dialog that is open. After the main one a survey may follow.
    #[must_use]
    pub fn close_dialog(&self) -> CloseDialog {
        CloseDialog::new(&self.to)
    }

    /// Closes all of it at once, a survey included.
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
