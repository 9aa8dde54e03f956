//! The loop that drives a call on the calling thread.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use lp_connector_core::bridge::share::{ShareSettings, TokenSharing};
use lp_connector_core::bridge::store::Store;
use lp_connector_core::connector::{
    Attempt, Call, Callable, Completed, Config, ConnectorState, Outcome, Step, Wake,
};
use lp_connector_core::error::Error;
use lp_connector_core::seed::Seed;
use lp_connector_core::time::{Mono, Now};
use lp_connector_core::trace;

use crate::request::Request;
use crate::send::Sender;
use crate::sharing::Sharing;

/// A connector's client, for any number of threads.
///
/// Clones are cheap and share everything: one token request serves all of them, and connections are
/// reused. A call blocks its thread, for no longer than the configured
/// [`call_timeout`](Config::call_timeout).
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    config: Arc<Config>,
    sender: Sender,
    state: Mutex<ConnectorState>,
    sharing: Mutex<Option<Arc<Sharing>>>,
    /// Notified when something that calls wait for has come, or has failed.
    changed: Condvar,
    origin: Instant,
    seed: Seed,
    calls: AtomicU64,
}

impl Client {
    /// A client for one account and one app. Nothing is sent before the first call.
    ///
    /// # Errors
    /// [`Configuration`](crate::ErrorKind::Configuration) if the extra CA is not PEM, the proxy in it
    /// cannot be used, or the operating system has no randomness to give.
    pub fn new(config: Config) -> Result<Self, Error> {
        let seed = lp_connector_tls::seed()?;
        let sender = Sender::new(config.transport())?;
        let state = ConnectorState::new(config, seed);
        Ok(Self {
            inner: Arc::new(Inner {
                config: state.config().clone(),
                sender,
                state: Mutex::new(state),
                sharing: Mutex::default(),
                changed: Condvar::new(),
                origin: Instant::now(),
                // 0 has made the jitter that calls share.
                calls: AtomicU64::new(1),
                seed,
            }),
        })
    }

    /// Calls one operation, from host look-up to result. For options of this one call, such as a time-out,
    /// see [`request`](Self::request).
    ///
    /// # Errors
    /// Why it gave no result, and whether it may have taken effect: see [`Error`].
    pub fn call<C: Callable>(&self, operation: C) -> Result<Completed<C::Output>, Error> {
        self.request(operation).send()
    }

    /// Prepares a call with options of its own:
    /// `client.request(operation).timeout(time).retry(policy).send()`.
    pub const fn request<C: Callable>(&self, operation: C) -> Request<'_, C> {
        Request::new(self, operation)
    }

    /// A call that begins now.
    pub(crate) fn new_call<C: Callable>(&self, operation: C, now: Now) -> Call<C> {
        let seed = self.inner.seed.derive(self.inner.calls.fetch_add(1, Ordering::Relaxed));
        Call::new(operation, &self.inner.config, seed, now)
    }

    pub(crate) fn drive<C: Callable>(&self, call: Call<C>) -> Result<Completed<C::Output>, Error> {
        let inner = &*self.inner;
        let span = trace::call(C::NAME, call.operation().conversation());
        let _entered = span.enter();
        let mut driven = AbandonOnDrop { client: self, call };
        let mut step = driven.call.poll(&mut self.lock(), self.now());
        loop {
            while let Some(event) = driven.call.next_event() {
                inner.config.emit(&event);
            }
            match step {
                Step::Send(attempt) => {
                    trace::attempt(&attempt);
                    let number = attempt.number();
                    let outcome = self.send(attempt);
                    let mut state = self.lock();
                    let now = self.now();
                    let wake = driven.call.handle(&mut state, now, number, outcome);
                    step = driven.call.poll(&mut state, now);
                    drop(state);
                    self.wake(wake);
                }
                Step::Wait(_) => {
                    // Polled again under the lock that the wait gives up, so that no wake-up is missed.
                    let mut state = self.lock();
                    step = driven.call.poll(&mut state, self.now());
                    if let Step::Wait(until) = step {
                        let pause = until.since(self.now().mono());
                        // Woken early or for nothing, the call says again what to do.
                        drop(inner.changed.wait_timeout(state, pause));
                        step = driven.call.poll(&mut self.lock(), self.now());
                    }
                }
                Step::Done(result) => return result,
            }
        }
    }

    /// Sends an attempt, unless another program has the token that it requests.
    fn send(&self, attempt: Attempt) -> Outcome {
        let now = || self.now().mono();
        if attempt.token().is_some() {
            let sharing = self.inner.sharing.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let begun =
                sharing.and_then(|sharing| Some((sharing.begin(&attempt, now())?, sharing)));
            if let Some((fetch, sharing)) = begun {
                let send = |attempt| self.inner.sender.send(attempt, now());
                return sharing.fetch(fetch, attempt, send, now);
            }
        }
        self.inner.sender.send(attempt, now())
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
        let sharing = sharing.map(|tokens| Arc::new(Sharing::new(store, tokens)));
        let is_shared = sharing.is_some();
        *self.inner.sharing.lock().unwrap_or_else(PoisonError::into_inner) = sharing;
        is_shared
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Logs in with the secret of another configuration from the next request for a token on, for all clones. Nothing
    /// else of it counts. False, and nothing has changed, if it is of another account or another app.
    pub fn replace_login(&self, config: &Config) -> bool {
        self.lock().replace_login(config)
    }

    /// This client's clocks.
    #[must_use]
    pub fn now(&self) -> Now {
        Now::new(Mono::from_origin(self.inner.origin.elapsed()), SystemTime::now())
    }

    fn lock(&self) -> MutexGuard<'_, ConnectorState> {
        // A panic elsewhere cannot have left the core's state half changed: it does not panic.
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, wake: Wake) {
        if wake == Wake::Waiters {
            self.inner.changed.notify_all();
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

/// Abandons a call whose thread panics, so that nobody waits for what it was fetching.
struct AbandonOnDrop<'a, C: Callable> {
    client: &'a Client,
    call: Call<C>,
}

impl<C: Callable> Drop for AbandonOnDrop<'_, C> {
    fn drop(&mut self) {
        if !self.call.is_finished() {
            let now = self.client.now();
            let wake = self.call.abandon(&mut self.client.lock(), now);
            self.client.wake(wake);
        }
    }
}
