//! What a connector remembers of one conversation, so that each message goes where it belongs.
//!
//! A [`Conversation`] learns from notifications and writes operations: a text goes to the main dialog,
//! and to the survey's once that runs; a receipt names what was not yet receipted; an answer to a
//! button carries what the button says. It decides, and sends nothing: hand what it writes to a client.
//!
//! ```
//! use lp_connector_core::api::Operation;
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
//! let mut conversation = Conversation::new(ada, ConversationId::new("5f0c")?);
//! for change in notification.changes() {
//!     conversation.learn(change);
//! }
//! let receipt = conversation.read().expect("something to say that it was read");
//! assert_eq!(receipt.name(), "send_receipt");
//! assert!(conversation.read().is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{
    ChatState, ClientProperties, CloseConversation, CloseDialog, GenerateDownloadUrl,
    GenerateUploadUrl, HostedFile, OpenConversation, RateConversation, Receipt, SendFile,
    SendReceipt, SendText, SetChatState,
};
use crate::id::{ConversationId, DialogId, ExtConsumerId};
use crate::webhook::{
    Action, Change, ConversationChange, Element, Event, MessagingEvent, Transition,
};

/// Sequences that wait for a receipt, in each dialog; the oldest go first.
const MAX_WAITING: usize = 1000;

/// Dialogs that are remembered. A conversation has two.
const MAX_DIALOGS: usize = 8;

/// One conversation, from the connector's side.
#[derive(Clone, Debug)]
pub struct Conversation {
    consumer: ExtConsumerId,
    id: ConversationId,
    properties: Option<ClientProperties>,
    /// Where the consumer's messages go.
    dialog: DialogId,
    state: Option<ConversationChange>,
    waiting: BTreeMap<DialogId, Waiting>,
}

/// A conversation that is being opened.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Opening {
    consumer: ExtConsumerId,
    properties: Option<ClientProperties>,
}

impl Opening {
    /// It is open, and has this id.
    #[doc(hidden)]
    #[must_use]
    pub fn opened(self, id: ConversationId) -> Conversation {
        let conversation = Conversation::new(self.consumer, id);
        Conversation { properties: self.properties, ..conversation }
    }
}

/// Messages of the other side that wait for a receipt.
#[derive(Clone, Debug, Default)]
struct Waiting {
    unaccepted: BTreeSet<u64>,
    unread: BTreeSet<u64>,
}

/// An answer to structured content: two messages, in this order (protocol.md 7.9).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Answered {
    /// That the control was used.
    pub receipt: SendReceipt,
    /// What it says in the consumer's name, unless it says nothing.
    pub text: Option<SendText>,
}

/// Repeats what the conversation was opened with: every operation has a setter of this name.
macro_rules! with_properties {
    ($conversation:expr, $operation:ident) => {
        match &$conversation.properties {
            Some(properties) => $operation.client_properties(properties.clone()),
            None => $operation,
        }
    };
}

impl Conversation {
    /// A conversation that was just opened.
    #[must_use]
    pub fn new(consumer: ExtConsumerId, id: ConversationId) -> Self {
        let dialog = DialogId::main_of(&id);
        Self { consumer, id, properties: None, dialog, state: None, waiting: BTreeMap::new() }
    }

    /// What is known of a conversation before it is open.
    #[doc(hidden)]
    #[must_use]
    pub fn of(operation: &OpenConversation) -> Opening {
        let (consumer, properties) = operation.opened_with();
        Opening { consumer: consumer.clone(), properties: properties.cloned() }
    }

    /// The `Client-Properties` that it was opened with: every message repeats them (protocol.md 6.5).
    #[must_use]
    pub fn client_properties(mut self, properties: ClientProperties) -> Self {
        self.properties = Some(properties);
        self
    }

    /// The consumer.
    #[must_use]
    pub fn consumer(&self) -> &ExtConsumerId {
        &self.consumer
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &ConversationId {
        &self.id
    }

    /// Where the consumer's messages go now: the main dialog, or the survey that runs after it.
    #[must_use]
    pub fn dialog(&self) -> &DialogId {
        &self.dialog
    }

    /// True while a survey runs.
    #[must_use]
    pub fn is_in_survey(&self) -> bool {
        self.dialog.as_str() != self.id.as_str()
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

    /// Learns from a change: best what an [`Inbox`](crate::webhook::Inbox) gives, each once and in
    /// order. Says what happened to the conversation, if anything did. Changes of other conversations
    /// are passed over.
    pub fn learn(&mut self, change: &Change) -> Vec<Transition> {
        match change {
            Change::Message(message) if message.conversation() == &self.id => {
                self.note(message);
                Vec::new()
            }
            Change::Conversation(state) if state.conversation() == &self.id => {
                let happened = state.diff(self.state.as_ref());
                if let Some(dialog) = state.dialog_to_publish_to() {
                    self.dialog = dialog;
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

    /// A text of the consumer's.
    #[must_use]
    pub fn text(&self, text: impl Into<String>) -> SendText {
        let message = SendText::new(self.consumer.clone(), self.id.clone(), text);
        let message = message.in_dialog(self.dialog.clone());
        with_properties!(self, message)
    }

    /// A file that was uploaded.
    #[must_use]
    pub fn file(&self, file: HostedFile) -> SendFile {
        let message = SendFile::new(self.consumer.clone(), self.id.clone(), file);
        let message = message.in_dialog(self.dialog.clone());
        with_properties!(self, message)
    }

    /// Where a file of so many bytes and this type is to be put.
    #[must_use]
    pub fn upload_url(&self, size: u64, file_type: &str) -> GenerateUploadUrl {
        let ask = GenerateUploadUrl::new(self.consumer.clone(), self.id.clone(), size, file_type);
        with_properties!(self, ask)
    }

    /// Where the file at this path can be got from.
    #[must_use]
    pub fn download_url(&self, relative_path: &str) -> GenerateDownloadUrl {
        let ask = GenerateDownloadUrl::new(self.consumer.clone(), self.id.clone(), relative_path);
        with_properties!(self, ask)
    }

    /// That the consumer types, or is there at all. `None` while a survey runs, which takes no chat
    /// states (protocol.md 7.5).
    #[must_use]
    pub fn typing(&self, state: ChatState) -> Option<SetChatState> {
        if self.is_in_survey() {
            return None;
        }
        let message = SetChatState::new(self.consumer.clone(), self.id.clone(), state);
        Some(with_properties!(self, message))
    }

    /// That what came since the last time was delivered to the consumer; `None` if nothing did. One
    /// dialog at a time: ask until there is none.
    pub fn accept(&mut self) -> Option<SendReceipt> {
        let found = self.waiting.iter_mut().find(|(_, waiting)| !waiting.unaccepted.is_empty());
        let (dialog, waiting) = found?;
        let (dialog, sequences) = (dialog.clone(), std::mem::take(&mut waiting.unaccepted));
        Some(self.receipt(dialog, Receipt::Accept, sequences))
    }

    /// That the consumer has read what came since the last time; `None` if nothing did. One dialog at
    /// a time: ask until there is none. What is read was delivered: no receipt for that is needed
    /// after it (protocol.md 9.7).
    pub fn read(&mut self) -> Option<SendReceipt> {
        let found = self.waiting.iter_mut().find(|(_, waiting)| !waiting.unread.is_empty());
        let (dialog, waiting) = found?;
        let (dialog, sequences) = (dialog.clone(), std::mem::take(&mut waiting.unread));
        waiting.unaccepted.clear();
        Some(self.receipt(dialog, Receipt::Read, sequences))
    }

    /// A receipt could not be sent: what it is for wants one again. Sending it twice does no harm.
    pub fn not_sent(&mut self, receipt: &SendReceipt) {
        let Some(waiting) = self.waiting.get_mut(receipt.dialog()) else { return };
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
        let receipt = SendReceipt::new(self.consumer.clone(), self.id.clone(), status, sequences);
        let receipt = receipt.in_dialog(dialog);
        with_properties!(self, receipt)
    }

    /// That the consumer has clicked on `element`, which came with `message`: both of the messages that
    /// this takes, with the element's own metadata (protocol.md 7.9). `None` if the message has no
    /// sequence to refer to.
    #[must_use]
    pub fn answer(&self, message: &MessagingEvent, element: Element<'_>) -> Option<Answered> {
        let sequence = message.sequence()?;
        let metadata = element.click_metadata().map(|json| json.to_value()).unwrap_or_default();
        let says = element.actions().find_map(|action| match action {
            Action::PublishText(text) => Some(text),
            _ => None,
        });
        let dialog = message.dialog();
        let receipt = self.receipt(dialog.clone(), Receipt::Action, [sequence]);
        let text = says.map(|text| self.text(text).in_dialog(dialog.clone()));
        Some(Answered {
            receipt: receipt.metadata(metadata.clone()),
            text: text.map(|text| text.metadata(metadata)),
        })
    }

    /// How satisfied the consumer is, from 1 to 5, and whether the matter is settled: once the
    /// conversation is closed, where there is no survey.
    #[must_use]
    pub fn rate(&self, rate: u8, resolved: bool) -> RateConversation {
        let rating = RateConversation::new(self.consumer.clone(), self.id.clone(), rate, resolved);
        with_properties!(self, rating)
    }

    /// That the consumer has no more to say. A survey may follow.
    #[must_use]
    pub fn close(&self) -> CloseDialog {
        let close = CloseDialog::new(self.consumer.clone(), self.id.clone());
        let close = close.dialog(self.dialog.clone());
        with_properties!(self, close)
    }

    /// That all is over at once, a survey included.
    #[must_use]
    pub fn close_all(&self) -> CloseConversation {
        let close = CloseConversation::new(self.consumer.clone(), self.id.clone());
        let close = close.without_survey();
        with_properties!(self, close)
    }
}

#[cfg(test)]
#[path = "conversation_tests.rs"]
mod tests;
