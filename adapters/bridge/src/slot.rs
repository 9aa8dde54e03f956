//! Hands one value from any thread to a task or a thread that waits for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
#[cfg(feature = "blocking")]
use std::time::Instant;

use event_listener::Event;
#[cfg(feature = "blocking")]
use event_listener::Listener as _;

/// The end that fills the slot. If it is dropped first, the other end gets `None`.
#[derive(Debug)]
pub(crate) struct Fill<T>(Arc<Slot<T>>);

/// The end that waits.
#[derive(Debug)]
pub(crate) struct Filled<T>(Arc<Slot<T>>);

#[derive(Debug)]
struct Slot<T> {
    state: Mutex<State<T>>,
    changed: Event,
}

#[derive(Debug)]
enum State<T> {
    Empty,
    Full(T),
    Over,
}

pub(crate) fn slot<T>() -> (Fill<T>, Filled<T>) {
    let slot = Arc::new(Slot { state: Mutex::new(State::Empty), changed: Event::new() });
    (Fill(slot.clone()), Filled(slot))
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value, or that there will be none.
    fn take(&self) -> Option<Option<T>> {
        let mut state = self.lock();
        match std::mem::replace(&mut *state, State::Over) {
            State::Full(value) => Some(Some(value)),
            State::Over => Some(None),
            State::Empty => {
                *state = State::Empty;
                None
            }
        }
    }
}

impl<T> Fill<T> {
    pub(crate) fn fill(self, value: T) {
        *self.0.lock() = State::Full(value);
    }
}

impl<T> Drop for Fill<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if matches!(*state, State::Empty) {
            *state = State::Over;
        }
        drop(state);
        self.0.changed.notify(usize::MAX);
    }
}

impl<T> Filled<T> {
    #[cfg(feature = "async")]
    pub(crate) async fn wait(self) -> Option<T> {
        loop {
            let changed = self.0.changed.listen();
            if let Some(value) = self.0.take() {
                return value;
            }
            changed.await;
        }
    }

    /// Waits until `deadline`: `None` if there is no value by then.
    #[cfg(feature = "blocking")]
    pub(crate) fn wait_until(self, deadline: Option<Instant>) -> Option<T> {
        loop {
            let changed = self.0.changed.listen();
            if let Some(value) = self.0.take() {
                return value;
            }
            match deadline {
                None => changed.wait(),
                Some(deadline) => {
                    if changed.wait_deadline(deadline).is_none() {
                        return self.0.take().flatten();
                    }
                }
            }
        }
    }
}
