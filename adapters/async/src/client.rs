//! The client: one connector's calls, from any number of tasks.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use lp_connector_core::api::{
    ChatState, CloseConversation, ConversationRef, GenerateDownloadUrl, GetFile, OpenConversation,
    Opened, Published, SendText, SetChatState,
};
use lp_connector_core::bridge::share::{ShareSettings, TokenSharing};
use lp_connector_core::bridge::store::Store;
use lp_connector_core::connector::{Call, Callable, Completed, Config};
use lp_connector_core::conversation::Conversation as State;
use lp_connector_core::error::Error;
use lp_connector_core::file::{Upload, UploadProgress, UploadStep};
use lp_connector_core::seed::Seed;
use lp_connector_core::time::{Mono, Now};

use crate::driver::Driver;
use crate::sharing::Sharing;
use crate::{Conversation, Request, Runtime};

/// A connector's client, for any number of tasks, on a runtime `R`.
///
/// Clones are cheap and share everything: one token request serves all of them, and connections are
/// reused. A call takes no longer than the configured [`call_timeout`](Config::call_timeout).
pub struct Client<R: Runtime> {
    inner: Arc<Inner<R>>,
}

struct Inner<R: Runtime> {
    driver: Driver<R>,
    origin: Instant,
    seed: Seed,
    calls: AtomicU64,
}

impl<R: Runtime + Default> Client<R> {
    /// A client for one account and one app. Nothing is sent before the first call.
    ///
    /// # Errors
    /// [`Configuration`](crate::ErrorKind::Configuration) if the extra CA is no PEM, the proxy in it
    /// cannot be used, or the operating system has no randomness to give.
    pub fn new(config: Config) -> Result<Self, Error> {
        Self::with_runtime(config, R::default())
    }
}

impl<R: Runtime> Client<R> {
    /// The same, on this runtime.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_runtime(config: Config, runtime: R) -> Result<Self, Error> {
        let seed = lp_connector_tls::seed()?;
        let origin = Instant::now();
        let clock = Box::new(move || Mono::from_origin(origin.elapsed()));
        Ok(Self {
            inner: Arc::new(Inner {
                driver: Driver::new(config, runtime, clock, seed)?,
                origin,
                // 0 has made the jitter that calls share.
                calls: AtomicU64::new(1),
                seed,
            }),
        })
    }

    /// Calls one operation, from host look-up to result. For options of this one call, such as a time-out,
    /// see [`request`](Self::request).
    ///
    /// Dropping the future gives the call up: another call fetches what it was fetching for all, and
    /// whether its own request has left is then unknown.
    ///
    /// # Errors
    /// Why it gave no result, and whether it may have taken effect: see [`Error`].
    pub async fn call<C: Callable>(&self, operation: C) -> Result<Completed<C::Output>, Error> {
        self.request(operation).send().await
    }

    /// Prepares a call with options of its own.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use lp_connector_async::api::{ConversationRef, SendText};
    /// # use lp_connector_async::policy::RetryPolicy;
    /// # use lp_connector_async::{Client, Error, Runtime};
    /// # async fn example<R: Runtime>(client: Client<R>, to: ConversationRef) -> Result<(), Error> {
    /// let text = client.request(SendText::new(&to, "Coo?"));
    /// text.timeout(Duration::from_secs(5)).retry(RetryPolicy::none()).send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub const fn request<C: Callable>(&self, operation: C) -> Request<'_, C, R> {
        Request::new(self, operation)
    }

    /// A call that begins now.
    pub(crate) fn new_call<C: Callable>(&self, operation: C, now: Now) -> Call<C> {
        let seed = self.inner.seed.derive(self.inner.calls.fetch_add(1, Ordering::Relaxed));
        Call::new(operation, self.inner.driver.config(), seed, now)
    }

    pub(crate) fn drive<C: Callable>(
        &self,
        call: Call<C>,
    ) -> impl Future<Output = Result<Completed<C::Output>, Error>> {
        self.inner.driver.drive(call, || self.now())
    }

    /// Opens a conversation ([protocol.md 6](lp_connector_core::protocol#6)).
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn open_conversation(
        &self,
        operation: OpenConversation,
    ) -> Result<Completed<Opened>, Error> {
        self.call(operation).await
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
    pub async fn start_conversation(
        &self,
        operation: OpenConversation,
    ) -> Result<Conversation<R>, Error> {
        let opened = self.call(operation).await?.output;
        Ok(self.resume(State::new(opened.conversation)))
    }

    /// A handle on a conversation that is known: after a restart, say.
    #[must_use]
    pub fn resume(&self, state: State) -> Conversation<R> {
        Conversation::new(self.clone(), state)
    }

    /// Sends a text ([protocol.md 7.3](lp_connector_core::protocol#7.3)).
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn send_text(
        &self,
        conversation: &ConversationRef,
        text: impl Into<String>,
    ) -> Result<Completed<Published>, Error> {
        self.call(SendText::new(conversation, text)).await
    }

    /// Shows the agent whether the consumer is typing or there at all
    /// ([protocol.md 7.5](lp_connector_core::protocol#7.5)).
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn set_chat_state(
        &self,
        conversation: &ConversationRef,
        state: ChatState,
    ) -> Result<Completed<Published>, Error> {
        self.call(SetChatState::new(conversation, state)).await
    }

    /// Closes a conversation ([protocol.md 7.8](lp_connector_core::protocol#7.8)). To let a survey follow, or none,
    /// [`call`](Self::call) [`CloseConversation::with_survey`] or [`without_survey`](CloseConversation::without_survey).
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn close_conversation(
        &self,
        conversation: &ConversationRef,
    ) -> Result<Completed<()>, Error> {
        self.call(CloseConversation::new(conversation)).await
    }

    /// Sends a file to the agent ([protocol.md 8](lp_connector_core::protocol#8)): gets a signed
    /// URL, stores the bytes there and publishes the file. Called again after an error, it goes on
    /// with the step that failed.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn upload(&self, upload: &mut Upload) -> Result<Completed<Published>, Error> {
        self.upload_with_progress(upload, |_| {}).await
    }

    /// The same; `progress` receives each step before it is taken.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn upload_with_progress(
        &self,
        upload: &mut Upload,
        mut progress: impl FnMut(UploadProgress),
    ) -> Result<Completed<Published>, Error> {
        loop {
            let now = self.now().mono();
            progress(upload.progress(now));
            match upload.poll(now) {
                UploadStep::GetUrl(get) => {
                    let url = self.call(get).await?.output;
                    upload.got_url(url, self.now().mono());
                }
                UploadStep::Put(put) => {
                    let stored = self.call(put).await;
                    upload.stored(stored.map(|done| done.output))?;
                }
                UploadStep::Publish(publish) => upload.published(self.call(publish).await?),
                UploadStep::Done(published) => return Ok(published),
            }
        }
    }

    /// Downloads a file that the agent sent, by the path in its message
    /// ([protocol.md 8.2](lp_connector_core::protocol#8.2), step 5).
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn download(
        &self,
        conversation: &ConversationRef,
        relative_path: &str,
    ) -> Result<Completed<Bytes>, Error> {
        let url = self.call(GenerateDownloadUrl::new(conversation, relative_path)).await?.output;
        self.call(GetFile::new(url)).await
    }

    /// Shares the tokens of this client, and of all its clones, with the other programs on a store: one requests, the
    /// others take what it got. It is a courtesy: a token that does not come this way in time is requested as ever. See
    /// [`share`](lp_connector_core::bridge::share). A bridge does this by itself.
    ///
    /// False, and nothing is shared, if the store is [not sealed](Store::is_sealed), the client has no credentials, or the
    /// patience is zero.
    pub fn share_tokens(&self, store: Arc<dyn Store>, settings: ShareSettings) -> bool {
        let seed = self.inner.seed.derive(u64::MAX);
        let tokens = TokenSharing::new(self.config(), seed, settings);
        let sharing = tokens.filter(|_| store.is_sealed());
        let sharing = sharing.map(|tokens| Sharing::new(store, tokens));
        let is_shared = sharing.is_some();
        self.inner.driver.share(sharing);
        is_shared
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        self.inner.driver.config()
    }

    /// Logs in with the secret of another configuration from the next request for a token on, for all clones. Nothing
    /// else of it counts. False, and nothing has changed, if it is of another account or another app.
    pub fn replace_login(&self, config: &Config) -> bool {
        self.inner.driver.replace_login(config)
    }

    /// The runtime.
    #[must_use]
    pub fn runtime(&self) -> &R {
        self.inner.driver.runtime()
    }

    /// This client's clocks.
    #[must_use]
    pub fn now(&self) -> Now {
        Now::new(Mono::from_origin(self.inner.origin.elapsed()), SystemTime::now())
    }
}

impl<R: Runtime> Clone for Client<R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<R: Runtime> fmt::Debug for Client<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("config", self.config()).finish_non_exhaustive()
    }
}
