//! The loop that drives a call on the calling thread.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use lp_connector_core::api::Operation;
use lp_connector_core::connector::{Call, Completed, Config, Shared, Step};
use lp_connector_core::error::Error;
use lp_connector_core::seed::Seed;
use lp_connector_core::time::{Mono, Now};
use lp_connector_core::trace;

use crate::send::Sender;

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
    config: Config,
    sender: Sender,
    shared: Mutex<Shared>,
    /// Notified when what some calls wait for has come, or failed to.
    changed: Condvar,
    origin: Instant,
    seed: Seed,
    calls: AtomicU64,
}

impl Client {
    /// A client for one account and one app. Nothing is sent before the first call.
    ///
    /// # Errors
    /// [`Configuration`](crate::ErrorKind::Configuration) if the extra CA is no PEM, the proxy's URL
    /// cannot be used, or the operating system has no randomness to give.
    pub fn new(config: Config) -> Result<Self, Error> {
        let seed = lp_connector_tls::seed()?;
        Ok(Self {
            inner: Arc::new(Inner {
                sender: Sender::new(config.transport())?,
                shared: Mutex::new(Shared::new(config.clone(), seed)),
                changed: Condvar::new(),
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
    /// # Errors
    /// Why it gave no result, and whether it may have taken effect: see [`Error`].
    pub fn call<O: Operation>(&self, operation: O) -> Result<Completed<O::Output>, Error> {
        let seed = self.inner.seed.derive(self.inner.calls.fetch_add(1, Ordering::Relaxed));
        self.drive(Call::new(operation, &self.inner.config, seed, self.now()))
    }

    /// Drives a call that was made by hand, such as one with a time-out of its own. Its clock is
    /// [`now`](Self::now).
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn drive<O: Operation>(&self, call: Call<O>) -> Result<Completed<O::Output>, Error> {
        let inner = &*self.inner;
        let span = trace::call(call.operation().name(), call.operation().conversation());
        let _entered = span.enter();
        let mut driven = Driven { client: self, call: Some(call) };
        loop {
            let Some(call) = &mut driven.call else {
                return Err(given_up());
            };
            let mut shared = self.lock();
            match call.poll(&mut shared, self.now()) {
                Step::Send(attempt) => {
                    drop(shared);
                    trace::attempt(&attempt);
                    let number = attempt.number();
                    let outcome = inner.sender.send(attempt, self.now().mono());
                    if call.handle(&mut self.lock(), self.now(), number, outcome) {
                        inner.changed.notify_all();
                    }
                }
                Step::Wait(until) => {
                    let pause = until.since(self.now().mono());
                    // Woken early or for nothing, the call says again what to do.
                    drop(inner.changed.wait_timeout(shared, pause));
                }
                Step::Tell(event) => {
                    drop(shared);
                    inner.config.tell(&event);
                }
                Step::Done => {
                    drop(shared);
                    return driven.call.take().map_or_else(|| Err(given_up()), Call::into_result);
                }
            }
        }
    }

    lp_connector_core::plain_methods!([] [] Conversation);

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

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

lp_connector_core::plain_conversation!([] [] [] []);

/// Gives a call up if its thread panics, so that nobody waits for what it was fetching.
struct Driven<'a, O: Operation> {
    client: &'a Client,
    call: Option<Call<O>>,
}

impl<O: Operation> Drop for Driven<'_, O> {
    fn drop(&mut self) {
        if let Some(mut call) = self.call.take()
            && call.abandon(&mut self.client.lock(), self.client.now())
        {
            self.client.inner.changed.notify_all();
        }
    }
}

fn given_up() -> Error {
    Error::configuration("the call was taken away from its driver")
}
