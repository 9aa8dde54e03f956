//! The loop that drives a call within a task.

use std::pin::pin;
use std::sync::{Arc, PoisonError};

use event_listener::Event;
use lp_connector_core::connector::{
    Attempt, Call, Callable, Completed, Config, ConnectorState, Outcome, Step, Wake,
};
use lp_connector_core::error::Error;
use lp_connector_core::seed::Seed;
use lp_connector_core::time::{Mono, Now};
use lp_connector_core::trace;
use tracing::Instrument as _;

use crate::Runtime;
use crate::deadlines::Clock;
use crate::race::either;
use crate::send::Sender;
use crate::sharing::Sharing;
use crate::sync::{Mutex, MutexGuard};

/// What all calls of a client share.
pub(crate) struct Driver<R: Runtime> {
    config: Arc<Config>,
    sender: Sender<R>,
    /// Never held across an await.
    state: Mutex<ConnectorState>,
    sharing: Mutex<Option<Arc<Sharing>>>,
    /// Notified when what some calls wait for has come, or failed to.
    changed: Event,
}

impl<R: Runtime> Driver<R> {
    /// `seed` makes the jitter of the pauses that calls share.
    pub(crate) fn new(config: Config, runtime: R, clock: Clock, seed: Seed) -> Result<Self, Error> {
        let sender = Sender::new(runtime, clock, config.transport())?;
        let state = ConnectorState::new(config, seed);
        Ok(Self {
            config: state.config().clone(),
            sender,
            state: Mutex::new(state),
            sharing: Mutex::default(),
            changed: Event::new(),
        })
    }

    pub(crate) fn config(&self) -> &Arc<Config> {
        &self.config
    }

    pub(crate) fn runtime(&self) -> &R {
        self.sender.runtime()
    }

    pub(crate) fn share(&self, sharing: Option<Sharing>) {
        let sharing = sharing.map(Arc::new);
        *self.sharing.lock().unwrap_or_else(PoisonError::into_inner) = sharing;
    }

    /// Sends an attempt, unless another program has the token that it requests.
    async fn send(&self, attempt: Attempt, now: impl Fn() -> Mono) -> Outcome {
        if attempt.token().is_some() {
            let sharing = self.sharing.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let begun =
                sharing.and_then(|sharing| Some((sharing.begin(&attempt, now())?, sharing)));
            if let Some((fetch, sharing)) = begun {
                // Rare, and large.
                return Box::pin(sharing.fetch(fetch, attempt, &self.sender, now)).await;
            }
        }
        self.sender.send(attempt, now).await
    }

    /// Not an `async fn`, whose future would hold the call twice.
    pub(crate) fn drive<C: Callable>(
        &self,
        call: Call<C>,
        now: impl Fn() -> Now,
    ) -> impl Future<Output = Result<Completed<C::Output>, Error>> {
        let span = trace::call(C::NAME, call.operation().conversation());
        let mut call = AbandonOnDrop { driver: self, call, now };
        async move { call.run().instrument(span).await }
    }

    pub(crate) fn replace_login(&self, config: &Config) -> bool {
        self.lock().replace_login(config)
    }

    fn lock(&self) -> MutexGuard<'_, ConnectorState> {
        // A panic elsewhere cannot have left the core's state half changed: it does not panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, wake: Wake) {
        match wake {
            Wake::Nobody => {}
            Wake::Waiters => {
                self.changed.notify(usize::MAX);
            }
        }
    }
}

/// A call that is given up if its future is dropped or its task panics, so that nobody waits for what it
/// was fetching.
struct AbandonOnDrop<'a, C: Callable, R: Runtime, N: Fn() -> Now> {
    driver: &'a Driver<R>,
    call: Call<C>,
    now: N,
}

impl<C: Callable, R: Runtime, N: Fn() -> Now> AbandonOnDrop<'_, C, R, N> {
    async fn run(&mut self) -> Result<Completed<C::Output>, Error> {
        let driver = self.driver;
        let mut step = self.poll();
        loop {
            step = match step {
                Step::Done(result) => return result,
                Step::Send(attempt) => {
                    trace::attempt(&attempt);
                    let number = attempt.number();
                    let clock = || (self.now)().mono();
                    let outcome = driver.send(attempt, clock).await;
                    self.handle(number, outcome)
                }
                Step::Wait(_) => {
                    let changed = driver.changed.listen();
                    // Looked at again, so that nothing is missed that came before the listening.
                    match self.poll() {
                        Step::Wait(until) => {
                            let pause = until.since((self.now)().mono());
                            let time_is_up = pin!(driver.sender.runtime().sleep(pause));
                            // Woken or not, the call says again what to do.
                            either(pin!(changed), time_is_up).await;
                            self.poll()
                        }
                        step => step,
                    }
                }
            };
        }
    }

    fn poll(&mut self) -> Step<C::Output> {
        let step = self.call.poll(&mut self.driver.lock(), (self.now)());
        self.emit();
        step
    }

    /// Takes an outcome and says what to do next, under one lock.
    fn handle(&mut self, number: u32, outcome: Outcome) -> Step<C::Output> {
        let (wake, step) = {
            let mut state = self.driver.lock();
            let now = (self.now)();
            let wake = self.call.handle(&mut state, now, number, outcome);
            (wake, self.call.poll(&mut state, now))
        };
        self.driver.wake(wake);
        self.emit();
        step
    }

    fn emit(&mut self) {
        while let Some(event) = self.call.next_event() {
            self.driver.config.emit(&event);
        }
    }
}

impl<C: Callable, R: Runtime, N: Fn() -> Now> Drop for AbandonOnDrop<'_, C, R, N> {
    fn drop(&mut self) {
        if !self.call.is_finished() {
            let wake = self.call.abandon(&mut self.driver.lock(), (self.now)());
            self.driver.wake(wake);
        }
    }
}

#[cfg(test)]
#[path = "waiting_tests.rs"]
mod tests;
