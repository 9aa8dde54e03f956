//! A conversation, and the client to hold it with.

use std::fmt;

use lp_connector_core::api::{ChatState, ConversationRef, Published, Resolution, SendReceipt};
use lp_connector_core::connector::Completed;
use lp_connector_core::conversation::Conversation as State;
use lp_connector_core::error::Error;
use lp_connector_core::file::{File, Upload};
use lp_connector_core::webhook::{Change, Element, MessagingEvent, Transition};
use serde_json::Value;

use crate::{Bytes, Client};

/// A conversation, and the client to hold it with. What it decides (which dialog a text goes to, which
/// messages need a receipt) is decided by [`conversation`](crate::conversation).
#[derive(Clone)]
pub struct Conversation {
    client: Client,
    state: State,
}

impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state.fmt(f)
    }
}

impl Conversation {
    pub(crate) const fn new(client: Client, state: State) -> Self {
        Self { client, state }
    }

    /// Where messages go now: for operations that have no method here.
    #[must_use]
    pub const fn reference(&self) -> &ConversationRef {
        self.state.reference()
    }

    /// What is known of it: store it, to [`resume`](Client::resume) after a restart.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// What is known of it, to be changed.
    #[must_use]
    pub const fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }

    /// Applies a notification's change, best as an inbox gives it. Says what happened to the conversation.
    pub fn apply(&mut self, change: &Change) -> Vec<Transition> {
        self.state.apply(change)
    }

    /// Sends a text in the consumer's name, to the dialog that is open.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn send_text(&self, text: impl Into<String>) -> Result<Completed<Published>, Error> {
        self.client.call(self.state.text(text))
    }

    /// The same, with metadata ([protocol.md 7.9](lp_connector_core::protocol#7.9)).
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn send_text_with_metadata(
        &self,
        text: impl Into<String>,
        metadata: Value,
    ) -> Result<Completed<Published>, Error> {
        self.client.call(self.state.text(text).metadata(metadata))
    }

    /// Sends a file ([protocol.md 8](lp_connector_core::protocol#8)). To be able to go on after an
    /// error, make an [`Upload`] and use [`Client::upload`].
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn send_file(&self, file: File) -> Result<Completed<Published>, Error> {
        self.client.upload(&mut Upload::new(self.reference(), file))
    }

    /// The same, with metadata ([protocol.md 7.9](lp_connector_core::protocol#7.9)).
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn send_file_with_metadata(
        &self,
        file: File,
        metadata: Value,
    ) -> Result<Completed<Published>, Error> {
        self.client.upload(&mut Upload::new(self.reference(), file).metadata(metadata))
    }

    /// Shows the agent whether the consumer is typing. `None` while a survey runs, which takes no chat
    /// states: nothing is sent then.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn set_chat_state(&self, state: ChatState) -> Result<Option<Completed<Published>>, Error> {
        match self.state.chat_state(state) {
            Some(state) => self.client.call(state).map(Some),
            None => Ok(None),
        }
    }

    /// Sends receipts: all that came was delivered to the consumer. Gives how many were sent.
    ///
    /// # Errors
    /// As [`Client::call`]. What was not sent is sent the next time.
    pub fn mark_delivered(&mut self) -> Result<usize, Error> {
        self.send_receipts(State::mark_delivered)
    }

    /// Sends receipts: the consumer has read all that came. Gives how many were sent.
    ///
    /// # Errors
    /// As [`Client::call`]. What was not sent is sent the next time.
    pub fn mark_read(&mut self) -> Result<usize, Error> {
        self.send_receipts(State::mark_read)
    }

    fn send_receipts(
        &mut self,
        next: impl Fn(&mut State) -> Option<SendReceipt>,
    ) -> Result<usize, Error> {
        let mut sent = 0;
        while let Some(receipt) = next(&mut self.state) {
            if let Err(error) = self.client.call(receipt.clone()) {
                self.state.restore_receipt(&receipt);
                return Err(error);
            }
            sent += 1;
        }
        Ok(sent)
    }

    /// Downloads a file that the agent sent, by the path in its message
    /// ([protocol.md 8.2](lp_connector_core::protocol#8.2), step 5).
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn download(&self, relative_path: &str) -> Result<Completed<Bytes>, Error> {
        self.client.download(self.reference(), relative_path)
    }

    /// Clicks on `element`, which came with `message`: both of the messages that this takes
    /// ([protocol.md 7.9](lp_connector_core::protocol#7.9)). Gives the last; `None` if the message
    /// cannot be referred to.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn click(
        &self,
        message: &MessagingEvent,
        element: Element<'_>,
    ) -> Result<Option<Completed<Published>>, Error> {
        let Some(click) = self.state.click(message, element) else { return Ok(None) };
        let receipt = self.client.call(click.receipt)?;
        match click.text {
            Some(text) => self.client.call(text).map(Some),
            None => Ok(Some(receipt)),
        }
    }

    /// Rates the conversation once it is closed: how satisfied the consumer is, from 1 to 5.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn rate(&self, rate: u8, resolution: Resolution) -> Result<Completed<()>, Error> {
        self.client.call(self.state.rate(rate, resolution))
    }

    /// Closes the dialog that is open. After the main one a survey may follow.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn close_dialog(&self) -> Result<Completed<()>, Error> {
        self.client.call(self.state.close_dialog())
    }

    /// Closes all of the conversation at once, a survey included.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn close_all(&self) -> Result<Completed<()>, Error> {
        self.client.call(self.state.close_all())
    }
}
