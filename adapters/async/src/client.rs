//! The loop that drives a call within a task.

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use event_listener::Event as Changed;
use lp_connector_core::api::Operation;
use lp_connector_core::connector::{Call, Completed, Config, Shared, Step};
use lp_connector_core::error::Error;
use lp_connector_core::seed::Seed;
use lp_connector_core::time::{Mono, Now};
use lp_connector_core::trace;
use tracing::Instrument as _;

use crate::Runtime;
use crate::race::either;
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
    config: Config,
    sender: Sender<R>,
    /// Never held across an await.
    shared: Mutex<Shared>,
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
        Ok(Self {
            inner: Arc::new(Inner {
                sender: Sender::new(runtime, config.transport())?,
                shared: Mutex::new(Shared::new(config.clone(), seed)),
                changed: Changed::new(),
                origin: Instant::now(),
                // 0 has made the jitter that calls share.
                calls: AtomicU64::new(1),
                seed,
                config,
            }),
        })
    }

    /// Does one operation, from host look-up to result.
    ///
    /// Dropping the future gives the call up: what it was fetching for others is fetched by one of
    /// them, and whether its own request has left is then unknown.
    ///
    /// # Errors
    /// Why it gave no result, and whether it may have taken effect: see [`Error`].
    pub async fn call<O: Operation>(&self, operation: O) -> Result<Completed<O::Output>, Error> {
        let seed = self.inner.seed.derive(self.inner.calls.fetch_add(1, Ordering::Relaxed));
        self.drive(Call::new(operation, &self.inner.config, seed, self.now())).await
    }

    /// Drives a call that was made by hand, such as one with a time-out of its own. Its clock is
    /// [`now`](Self::now).
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn drive<O: Operation>(&self, call: Call<O>) -> Result<Completed<O::Output>, Error> {
        let span = trace::call(call.operation().name(), call.operation().conversation());
        self.run(call).instrument(span).await
    }

    async fn run<O: Operation>(&self, call: Call<O>) -> Result<Completed<O::Output>, Error> {
        let inner = &*self.inner;
        let mut guarded = AbandonOnDrop { client: self, call: Some(call) };
        let mut ahead = None;
        loop {
            let Some(call) = &mut guarded.call else { return Err(given_up()) };
            let step = match ahead.take() {
                Some(step) => step,
                None => call.poll(&mut self.lock(), self.now()),
            };
            match step {
                Step::Send(attempt) => {
                    trace::attempt(&attempt);
                    let number = attempt.number();
                    let clock = || self.now().mono();
                    let outcome = inner.sender.send(attempt, clock).await;
                    if call.handle(&mut self.lock(), self.now(), number, outcome) {
                        inner.changed.notify(usize::MAX);
                    }
                }
                Step::Wait(_) => {
                    let changed = inner.changed.listen();
                    // Looked at again, so that nothing is missed that came before the listening.
                    let again = call.poll(&mut self.lock(), self.now());
                    match again {
                        Step::Wait(until) => {
                            let pause = until.since(self.now().mono());
                            let time_is_up = pin!(inner.sender.runtime().sleep(pause));
                            // Woken or not, the call says again what to do.
                            either(pin!(changed), time_is_up).await;
                        }
                        step => ahead = Some(step),
                    }
                }
                Step::Tell(event) => inner.config.tell(&event),
                Step::Done => {
                    return guarded.call.take().map_or_else(|| Err(given_up()), Call::into_result);
                }
            }
        }
    }

    lp_connector_core::plain_methods!([async] [.await] Conversation<R>);

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

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // A panic elsewhere cannot have left the core's state half changed: it does not panic.
        self.inner.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Runtime> fmt::Debug for Client<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

lp_connector_core::plain_conversation!([async] [.await] [<R: Runtime>] [<R>]);

/// Gives a call up if its future is dropped or its task panics, so that nobody waits for what it was
/// fetching.
struct AbandonOnDrop<'a, O: Operation, R: Runtime> {
    client: &'a Client<R>,
    call: Option<Call<O>>,
}

impl<O: Operation, R: Runtime> Drop for AbandonOnDrop<'_, O, R> {
    fn drop(&mut self) {
        if let Some(mut call) = self.call.take()
            && call.abandon(&mut self.client.lock(), self.client.now())
        {
            self.client.inner.changed.notify(usize::MAX);
        }
    }
}

fn given_up() -> Error {
    Error::configuration("the call was taken away from its driver")
}
