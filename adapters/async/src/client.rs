//! The loop that drives a call within a task.

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use event_listener::Event as Changed;
use lp_connector_core::connector::{
    Call, Callable, Completed, Config, ConnectorState, Outcome, Step, Wake,
};
use lp_connector_core::error::Error;
use lp_connector_core::seed::Seed;
use lp_connector_core::time::{Mono, Now};
use lp_connector_core::trace;
use tracing::Instrument as _;

use crate::Runtime;
use crate::race::either;
use crate::request::Request;
use crate::send::Sender;

/// A connector's client, for any number of tasks, on a runtime `R`.
///
/// Clones are cheap and share everything: one token request serves all of them, and connections are
/// reused. A call takes no longer than the configured [`call_timeout`](Config::call_timeout).
pub struct Client<R: Runtime> {
    inner: Arc<Inner<R>>,
}

impl<R: Runtime> Clone for Client<R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

struct Inner<R: Runtime> {
    config: Arc<Config>,
    sender: Sender<R>,
    /// Never held across an await.
    state: Mutex<ConnectorState>,
    /// Notified when what some calls wait for has come, or failed to.
    changed: Changed,
    origin: Instant,
    seed: Seed,
    calls: AtomicU64,
}

impl<R: Runtime + Default> Client<R> {
    /// A client for one account and one app. Nothing is sent before the first call.
    ///
    /// # Errors
    /// [`Configuration`](crate::ErrorKind::Configuration) if the extra CA is no PEM, the proxy's URL
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
        let sender = Sender::new(runtime, config.transport())?;
        let state = ConnectorState::new(config, seed);
        Ok(Self {
            inner: Arc::new(Inner {
                config: state.config().clone(),
                sender,
                state: Mutex::new(state),
                changed: Changed::new(),
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
    /// Dropping the future gives the call up: another call fetches what it was fetching for all, and
    /// whether its own request has left is then unknown.
    ///
    /// # Errors
    /// Why it gave no result, and whether it may have taken effect: see [`Error`].
    pub async fn call<C: Callable>(&self, operation: C) -> Result<Completed<C::Output>, Error> {
        self.request(operation).send().await
    }

    /// Prepares a call with options of its own:
    /// `client.request(operation).timeout(time).retry(policy).send().await`.
    pub fn request<C: Callable>(&self, operation: C) -> Request<'_, C, R> {
        Request::new(self, operation)
    }

    /// A call that was not begun. Its clock is [`now`](Self::now).
    pub(crate) fn new_call<C: Callable>(&self, operation: C) -> Call<C> {
        let seed = self.inner.seed.derive(self.inner.calls.fetch_add(1, Ordering::Relaxed));
        Call::new(operation, &self.inner.config, seed, self.now())
    }

    pub(crate) async fn drive<C: Callable>(
        &self,
        call: Call<C>,
    ) -> Result<Completed<C::Output>, Error> {
        let span = trace::call(C::NAME, call.operation().conversation());
        self.run(call).instrument(span).await
    }

    async fn run<C: Callable>(&self, call: Call<C>) -> Result<Completed<C::Output>, Error> {
        let inner = &*self.inner;
        let mut guarded = AbandonOnDrop { client: self, call };
        let mut step = guarded.call.poll(&mut self.lock(), self.now());
        loop {
            while let Some(event) = guarded.call.next_event() {
                inner.config.emit(&event);
            }
            match step {
                Step::Send(attempt) => {
                    trace::attempt(&attempt);
                    let number = attempt.number();
                    let clock = || self.now().mono();
                    let outcome = inner.sender.send(attempt, clock).await;
                    step = self.handle(&mut guarded.call, number, outcome);
                }
                Step::Wait(_) => {
                    let changed = inner.changed.listen();
                    // Polled again, so that no wake-up is missed that came before the listening.
                    step = guarded.call.poll(&mut self.lock(), self.now());
                    if let Step::Wait(until) = step {
                        let pause = until.since(self.now().mono());
                        let time_is_up = pin!(inner.sender.runtime().sleep(pause));
                        // Woken or not, the call says again what to do.
                        either(pin!(changed), time_is_up).await;
                        step = guarded.call.poll(&mut self.lock(), self.now());
                    }
                }
                Step::Done(result) => return result,
            }
        }
    }

    /// Hands an outcome over, and polls under the same lock.
    fn handle<C: Callable>(
        &self,
        call: &mut Call<C>,
        number: u32,
        outcome: Outcome,
    ) -> Step<C::Output> {
        let mut state = self.lock();
        let now = self.now();
        let wake = call.handle(&mut state, now, number, outcome);
        let step = call.poll(&mut state, now);
        drop(state);
        self.wake(wake);
        step
    }

    fn wake(&self, wake: Wake) {
        if wake == Wake::Waiters {
            self.inner.changed.notify(usize::MAX);
        }
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.inner.config
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
}

impl<R: Runtime> fmt::Debug for Client<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

/// Abandons a call whose future is dropped or whose task panics, so that nobody waits for what it was
/// fetching.
struct AbandonOnDrop<'a, C: Callable, R: Runtime> {
    client: &'a Client<R>,
    call: Call<C>,
}

impl<C: Callable, R: Runtime> Drop for AbandonOnDrop<'_, C, R> {
    fn drop(&mut self) {
        if !self.call.is_finished() {
            let now = self.client.now();
            let wake = self.call.abandon(&mut self.client.lock(), now);
            self.client.wake(wake);
        }
    }
}
