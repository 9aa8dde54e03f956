//! One call with options of its own, and the short forms of the most frequent ones.

use std::fmt;
use std::time::Duration;

use lp_connector_core::api::{
    ChatState, CloseConversation, ConversationRef, GenerateDownloadUrl, GetFile, OpenConversation,
    Opened, Published, SendText, SetChatState,
};
use lp_connector_core::connector::{Callable, Completed};
use lp_connector_core::conversation::Conversation as State;
use lp_connector_core::error::Error;
use lp_connector_core::file::{Upload, UploadProgress, UploadStep};
use lp_connector_core::policy::RetryPolicy;

use crate::{Bytes, Client, Conversation};

/// A call that is not begun yet, and its options: made by [`Client::request`].
#[must_use = "nothing is sent before `send`"]
pub struct Request<'a, C: Callable> {
    client: &'a Client,
    operation: C,
    timeout: Option<Duration>,
    retry: Option<RetryPolicy>,
}

impl<'a, C: Callable> Request<'a, C> {
    pub(crate) const fn new(client: &'a Client, operation: C) -> Self {
        Self { client, operation, timeout: None, retry: None }
    }

    /// Gives this call alone so much time, from [`send`](Self::send) to its result, in place of
    /// [`Config::call_timeout`](crate::Config::call_timeout).
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Gives this call alone another retry policy, for its own request. What it fetches for others too
    /// (hosts and tokens) follows the configured one.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }

    /// Sends it, and waits for the result.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn send(self) -> Result<Completed<C::Output>, Error> {
        let now = self.client.now();
        let mut call = self.client.new_call(self.operation, now);
        if let Some(timeout) = self.timeout {
            call = call.timeout(timeout, now);
        }
        if let Some(policy) = self.retry {
            call = call.retry(policy);
        }
        self.client.drive(call)
    }
}

impl<C: Callable> fmt::Debug for Request<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("operation", &C::NAME)
            .field("timeout", &self.timeout)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

/// The short forms: each is one [`call`](Client::call), and has its errors.
impl Client {
    /// Opens a conversation ([protocol.md 6](lp_connector_core::protocol#6)).
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn open_conversation(&self, open: OpenConversation) -> Result<Completed<Opened>, Error> {
        self.call(open)
    }

    /// Sends a text ([protocol.md 7.3](lp_connector_core::protocol#7.3)).
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn send_text(
        &self,
        conversation: &ConversationRef,
        text: impl Into<String>,
    ) -> Result<Completed<Published>, Error> {
        self.call(SendText::new(conversation, text))
    }

    /// Shows the agent whether the consumer is typing or there at all
    /// ([protocol.md 7.5](lp_connector_core::protocol#7.5)).
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn set_chat_state(
        &self,
        conversation: &ConversationRef,
        state: ChatState,
    ) -> Result<Completed<Published>, Error> {
        self.call(SetChatState::new(conversation, state))
    }

    /// Closes a conversation ([protocol.md 7.8](lp_connector_core::protocol#7.8)). To let a survey follow, or none,
    /// [`call`](Self::call) [`CloseConversation::with_survey`] or [`without_survey`](CloseConversation::without_survey).
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn close_conversation(
        &self,
        conversation: &ConversationRef,
    ) -> Result<Completed<()>, Error> {
        self.call(CloseConversation::new(conversation))
    }

    /// Opens a conversation, and returns a handle that addresses each message. Every message
    /// repeats the `Client-Properties` of `open`
    /// ([protocol.md 6.5](lp_connector_core::protocol#6.5)).
    ///
    /// [`call`](Self::call) with `open`, then [`resume`](Self::resume), also gives the number of
    /// attempts, and whether the service rejected the profile.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn start_conversation(&self, open: OpenConversation) -> Result<Conversation, Error> {
        let opened = self.call(open)?.output;
        Ok(self.resume(State::new(opened.conversation)))
    }

    /// A handle on a conversation that is known: after a restart, say.
    #[must_use]
    pub fn resume(&self, state: State) -> Conversation {
        Conversation::new(self.clone(), state)
    }

    /// Sends a file to the agent ([protocol.md 8](lp_connector_core::protocol#8)): gets a signed
    /// URL, stores the bytes there and publishes the file. Called again after an error, it goes on
    /// with the step that failed.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn upload(&self, upload: &mut Upload) -> Result<Completed<Published>, Error> {
        self.upload_with_progress(upload, |_| {})
    }

    /// The same; `progress` receives each step before it is taken.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn upload_with_progress(
        &self,
        upload: &mut Upload,
        mut progress: impl FnMut(UploadProgress),
    ) -> Result<Completed<Published>, Error> {
        loop {
            let now = self.now().mono();
            progress(upload.progress(now));
            match upload.poll(now) {
                UploadStep::GetUrl(get) => {
                    let url = self.call(get)?.output;
                    upload.got_url(url, self.now().mono());
                }
                UploadStep::Put(put) => upload.stored(self.call(put).map(|done| done.output))?,
                UploadStep::Publish(publish) => upload.published(self.call(publish)?),
                UploadStep::Done(published) => return Ok(published),
            }
        }
    }

    /// Downloads a file that the agent sent, by the path in its message
    /// ([protocol.md 8.2](lp_connector_core::protocol#8.2), step 5).
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn download(
        &self,
        conversation: &ConversationRef,
        relative_path: &str,
    ) -> Result<Completed<Bytes>, Error> {
        let url = self.call(GenerateDownloadUrl::new(conversation, relative_path))?.output;
        self.call(GetFile::new(url))
    }
}
