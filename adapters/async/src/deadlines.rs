//! The deadlines of a client's attempts.
//!
//! Where each timer costs much, all attempts share one. It is set for the earliest deadline, and stays set when that
//! attempt ends: later ones have later deadlines, as a rule, so that it is set once in a while and not once an attempt.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use lp_connector_core::time::Mono;

use crate::Runtime;
use crate::sync::{Mutex, MutexGuard};

/// A client's clock.
pub(crate) type Clock = Box<dyn Fn() -> Mono + Send + Sync>;

/// The runtime's timer, as a future of its own.
type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Wakes attempts at their deadlines.
pub(crate) struct Deadlines<R: Runtime> {
    runtime: Arc<R>,
    /// `None` if each attempt has a timer of its own.
    shared: Option<Arc<Shared<R>>>,
}

struct Shared<R> {
    runtime: Arc<R>,
    clock: Clock,
    /// Never held while a waker or the runtime is called.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Who waits, by deadline; the number tells those of one instant apart.
    waiting: BTreeMap<(Mono, u64), Waker>,
    last_number: u64,
    /// The timer, and what it is set for.
    timer: Option<(Mono, Sleep)>,
    /// A thread has taken the timer, and looks at all of this once more if something has changed meanwhile.
    is_taken: bool,
    has_changed: bool,
}

/// Ends at a deadline.
struct Deadline<'a, R: Runtime> {
    shared: &'a Arc<Shared<R>>,
    at: Mono,
    /// Its number, once it waits.
    number: Option<u64>,
}

impl<R: Runtime> Deadlines<R> {
    pub(crate) fn new(runtime: R, clock: Clock) -> Self {
        let runtime = Arc::new(runtime);
        let shared = runtime
            .has_global_timers()
            .then(|| Arc::new(Shared { runtime: runtime.clone(), clock, state: Mutex::default() }));
        Self { runtime, shared }
    }

    pub(crate) fn runtime(&self) -> &R {
        &self.runtime
    }

    /// Waits until `at`, which comes after `now`.
    pub(crate) async fn wait_until(&self, at: Mono, now: Mono) {
        match &self.shared {
            Some(shared) => Deadline { shared, at, number: None }.await,
            None => self.runtime.sleep(at.since(now)).await,
        }
    }
}

impl<R: Runtime> Drop for Deadlines<R> {
    fn drop(&mut self) {
        // The timer holds what holds the timer.
        let timer = self.shared.as_ref().and_then(|shared| shared.lock().timer.take());
        drop(timer);
    }
}

impl<R: Runtime> Shared<R> {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes everybody whose deadline has passed, and sets the timer for the next deadline.
    fn advance(self: &Arc<Self>) {
        let mut timer = {
            let mut state = self.lock();
            if state.is_taken {
                state.has_changed = true;
                return;
            }
            state.is_taken = true;
            state.timer.take()
        };
        let mut turn = Turn { shared: self, due: VecDeque::new(), is_over: false };
        let waker = Waker::from(self.clone());
        let mut context = Context::from_waker(&waker);
        loop {
            if let Some((_, sleep)) = &mut timer
                && sleep.as_mut().poll(&mut context).is_ready()
            {
                timer = None;
            }
            let now = (self.clock)();
            let next = {
                let mut state = self.lock();
                state.take_due(now, &mut turn.due);
                let next = state.waiting.keys().next().map(|(at, _)| *at);
                let is_set = match (&timer, next) {
                    (_, None) => true,
                    (Some((set_for, _)), Some(next)) => *set_for <= next,
                    (None, Some(_)) => false,
                };
                if is_set && !mem::take(&mut state.has_changed) {
                    state.timer = timer.take();
                    state.is_taken = false;
                    turn.is_over = true;
                    break;
                }
                next.filter(|_| !is_set)
            };
            if let Some(at) = next {
                let (runtime, left) = (self.runtime.clone(), at.since(now));
                timer = Some((at, Box::pin(async move { runtime.sleep(left).await })));
            }
        }
        turn.wake();
    }
}

/// A thread's time with the timer. If the runtime or a waker panics, the timer is given back, and who is due is woken.
struct Turn<'a, R> {
    shared: &'a Shared<R>,
    due: VecDeque<Waker>,
    is_over: bool,
}

impl<R> Turn<'_, R> {
    fn wake(&mut self) {
        while let Some(waker) = self.due.pop_front() {
            waker.wake();
        }
    }
}

impl<R> Drop for Turn<'_, R> {
    fn drop(&mut self) {
        if !self.is_over {
            let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.is_taken = false;
            state.has_changed = false;
            // Each of them sets the timer that is gone, when it is polled.
            self.due.extend(state.waiting.values().cloned());
        }
        self.wake();
    }
}

impl State {
    fn take_due(&mut self, now: Mono, due: &mut VecDeque<Waker>) {
        while let Some(first) = self.waiting.first_entry().filter(|first| first.key().0 <= now) {
            due.push_back(first.remove());
        }
    }

    /// True if a thread looks at the timer now, or it wakes by then.
    fn is_set_for(&self, at: Mono) -> bool {
        self.is_taken || self.timer.as_ref().is_some_and(|(set_for, _)| *set_for <= at)
    }
}

impl<R: Runtime> Wake for Shared<R> {
    fn wake(self: Arc<Self>) {
        self.advance();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.advance();
    }
}

impl<R: Runtime> Future for Deadline<'_, R> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let at = self.at;
        let Some(number) = self.number else {
            let waker = context.waker().clone();
            let (number, is_set) = {
                let mut state = self.shared.lock();
                state.last_number += 1;
                let number = state.last_number;
                state.waiting.insert((at, number), waker);
                (number, state.timer.as_ref().is_some_and(|(set_for, _)| *set_for <= at))
            };
            self.number = Some(number);
            if !is_set {
                self.shared.advance();
            }
            return Poll::Pending;
        };
        let (is_known, is_set) = {
            let state = self.shared.lock();
            let Some(waker) = state.waiting.get(&(at, number)) else { return Poll::Ready(()) };
            (waker.will_wake(context.waker()), state.is_set_for(at))
        };
        if !is_known {
            // Made before the lock, and the old one dropped after it: a task may end with its waker, and its deadline
            // takes the lock.
            let waker = context.waker().clone();
            let replaced = match self.shared.lock().waiting.get_mut(&(at, number)) {
                None => return Poll::Ready(()),
                Some(known) => mem::replace(known, waker),
            };
            drop(replaced);
        }
        if !is_set {
            self.shared.advance();
        }
        Poll::Pending
    }
}

impl<R: Runtime> Drop for Deadline<'_, R> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let waker = self.shared.lock().waiting.remove(&(self.at, number));
            drop(waker);
        }
    }
}

#[cfg(test)]
#[path = "deadlines_tests.rs"]
mod tests;
