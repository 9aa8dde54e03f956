//! Shares tokens with other programs, through a store.

use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use lp_connector_core::bridge::share::{FetchStep, TokenFetch, TokenSharing};
use lp_connector_core::bridge::store::{Answer, Request, Store};
use lp_connector_core::connector::{Attempt, Outcome};
use lp_connector_core::time::Mono;

/// What a client shares, and where.
pub(crate) struct Sharing {
    store: Arc<dyn Store>,
    /// Never held while anything is awaited.
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
    pub(crate) fn fetch(
        &self,
        mut fetch: TokenFetch,
        attempt: Attempt,
        send: impl FnOnce(Attempt) -> Outcome,
        now: impl Fn() -> Mono,
    ) -> Outcome {
        loop {
            let step = fetch.poll(&mut self.tokens(), now());
            match step {
                FetchStep::Ask(request, until) => {
                    let answer = self.ask(request, until, now());
                    fetch.answered(&mut self.tokens(), answer, now());
                }
                FetchStep::Wait(until) => thread::sleep(until.since(now())),
                FetchStep::Use(token) => return Outcome::Shared(token),
                FetchStep::Send => {
                    let outcome = send(attempt);
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
    fn ask(&self, request: Request, until: Mono, now: Mono) -> Option<Answer> {
        let (sender, receiver) = sync_channel(1);
        let reply = move |answer: Result<Answer, _>| drop(sender.try_send(answer.ok()));
        self.store.submit(request, Box::new(reply));
        receiver.recv_timeout(until.since(now)).ok().flatten()
    }
}
