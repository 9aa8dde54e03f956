//! Shares tokens with other programs, through a store.

use std::pin::pin;
use std::sync::{Arc, PoisonError};

use event_listener::Event;
use lp_connector_core::bridge::share::{FetchStep, TokenFetch, TokenSharing};
use lp_connector_core::bridge::store::{Answer, Request, Store};
use lp_connector_core::connector::{Attempt, Outcome};
use lp_connector_core::time::Mono;

use crate::Runtime;
use crate::race::either;
use crate::send::Sender;
use crate::sync::{Mutex, MutexGuard};

/// What a client shares, and where.
pub(crate) struct Sharing {
    store: Arc<dyn Store>,
    /// Never held across an await.
    tokens: Mutex<TokenSharing>,
}

impl Sharing {
    pub(crate) fn new(store: Arc<dyn Store>, tokens: TokenSharing) -> Self {
        Self { store, tokens: Mutex::new(tokens) }
    }

    fn tokens(&self) -> MutexGuard<'_, TokenSharing> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begin(&self, attempt: &Attempt, now: Mono) -> Option<TokenFetch> {
        self.tokens().begin(attempt, now)
    }

    /// Takes the token of another program, or sends the attempt and tells the others.
    pub(crate) async fn fetch<R: Runtime>(
        &self,
        mut fetch: TokenFetch,
        attempt: Attempt,
        sender: &Sender<R>,
        now: impl Fn() -> Mono,
    ) -> Outcome {
        loop {
            let step = fetch.poll(&mut self.tokens(), now());
            match step {
                FetchStep::Ask(request, until) => {
                    let answer = self.ask(request, until, sender.runtime(), &now).await;
                    fetch.answered(&mut self.tokens(), answer, now());
                }
                FetchStep::Wait(until) => sender.runtime().sleep(until.since(now())).await,
                FetchStep::Use(token) => return Outcome::Shared(token),
                FetchStep::Send => {
                    let outcome = sender.send(attempt, &now).await;
                    let request = fetch.sent(&mut self.tokens(), &outcome, now());
                    if let Some(request) = request {
                        self.store.submit(request, Box::new(drop));
                    }
                    return outcome;
                }
            }
        }
    }

    /// The store's answer, if it comes by then.
    async fn ask<R: Runtime>(
        &self,
        request: Request,
        until: Mono,
        runtime: &R,
        now: impl Fn() -> Mono,
    ) -> Option<Answer> {
        let slot = Arc::<Slot>::default();
        let filled = slot.clone();
        self.store.submit(request, Box::new(move |answer| filled.fill(answer.ok())));
        loop {
            let changed = slot.changed.listen();
            if let Some(answer) = slot.take() {
                return answer;
            }
            let left = until.since(now());
            if left.is_zero() {
                return None;
            }
            either(pin!(changed), pin!(runtime.sleep(left))).await;
        }
    }
}

/// An answer that comes from another thread.
#[derive(Default)]
struct Slot {
    answer: Mutex<Option<Option<Answer>>>,
    changed: Event,
}

impl Slot {
    fn fill(&self, answer: Option<Answer>) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        self.changed.notify(1);
    }

    fn take(&self) -> Option<Option<Answer>> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
