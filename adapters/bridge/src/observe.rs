//! What a bridge reports to its program while it runs: for logs and metrics.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lp_connector_core::bridge::store::{
    Answer, Reply, Request, Store, StoreError, StoreErrorKind, StoreFacts,
};
use lp_connector_core::bridge::{BridgeEvent, CallResult, Outgoing};
use lp_connector_core::error::Error;
use lp_connector_core::id::AccountId;

/// A call to LivePerson for a lane that has ended. `Debug` shows no content.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallEnded {
    /// The account.
    pub account: AccountId,
    /// What was called, by the name that [`Error::operation`] has: one of a small fixed set.
    pub operation: &'static str,
    /// How it ended.
    pub result: Result<(), Error>,
}

impl CallEnded {
    pub(crate) fn new(account: AccountId, operation: &'static str, result: &CallResult) -> Self {
        Self { account, operation, result: result.as_ref().map(drop).map_err(Error::clone) }
    }
}

/// The name of an operation.
pub(crate) const fn operation(outgoing: &Outgoing) -> &'static str {
    match outgoing {
        Outgoing::Identify(_) => "identify_consumer",
        Outgoing::Open(_) => "open_conversation",
        Outgoing::Text(_) => "send_text",
        Outgoing::Receipt(_) => "send_receipt",
        Outgoing::File(_) => "send_file",
        Outgoing::UploadUrl(_) => "generate_upload_url",
        Outgoing::Put(_) => "put_file",
        Outgoing::Close(_) => "close_conversation",
    }
}

/// A request to the store that has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct StoreRequest {
    /// What was asked: see [`Request::verb`].
    pub verb: &'static str,
    /// How it ended.
    pub result: Result<(), StoreErrorKind>,
    /// The time until the answer.
    pub took: Duration,
}

type Observer<T> = Arc<dyn Fn(&T) + Send + Sync>;

/// Who is told what.
#[derive(Clone, Default)]
pub(crate) struct Observers {
    events: Option<Observer<BridgeEvent>>,
    store: Option<Observer<StoreRequest>>,
    calls: Option<Observer<CallEnded>>,
}

impl Observers {
    pub(crate) fn on_event(&mut self, observer: impl Fn(&BridgeEvent) + Send + Sync + 'static) {
        self.events = Some(Arc::new(observer));
    }

    pub(crate) fn on_store(&mut self, observer: impl Fn(&StoreRequest) + Send + Sync + 'static) {
        self.store = Some(Arc::new(observer));
    }

    pub(crate) fn on_call(&mut self, observer: impl Fn(&CallEnded) + Send + Sync + 'static) {
        self.calls = Some(Arc::new(observer));
    }

    pub(crate) fn tell_call(&self, ended: impl FnOnce() -> CallEnded) {
        if let Some(observer) = &self.calls {
            call(observer, &ended());
        }
    }

    pub(crate) fn tell(&self, event: &BridgeEvent) {
        if let Some(observer) = &self.events {
            call(observer, event);
        }
    }

    /// The store, observed if that is wanted.
    pub(crate) fn watch(&self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        match &self.store {
            Some(observer) => Arc::new(ObservedStore { store, observer: observer.clone() }),
            None => store,
        }
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observers")
    }
}

/// An observer that panics costs what it was told, and nothing else.
fn call<T>(observer: &Observer<T>, what: &T) {
    if catch_unwind(AssertUnwindSafe(|| observer(what))).is_err() {
        tracing::error!(event = "observer_panicked", "an observer of the bridge panicked");
    }
}

struct ObservedStore {
    store: Arc<dyn Store>,
    observer: Observer<StoreRequest>,
}

impl Store for ObservedStore {
    fn perform(&self, request: Request) -> Result<Answer, StoreError> {
        let mut begun = self.begin(&request);
        let answer = self.store.perform(request);
        begun.end(&answer);
        answer
    }

    fn submit(&self, request: Request, reply: Reply) {
        let mut begun = self.begin(&request);
        let reply = move |answer| {
            begun.end(&answer);
            reply(answer);
        };
        self.store.submit(request, Box::new(reply));
    }

    fn facts(&self) -> Result<StoreFacts, StoreError> {
        self.store.facts()
    }

    fn is_sealed(&self) -> bool {
        self.store.is_sealed()
    }
}

impl ObservedStore {
    fn begin(&self, request: &Request) -> Begun {
        let result = Some(Err(StoreErrorKind::Unavailable));
        let (observer, verb) = (self.observer.clone(), request.verb());
        Begun { observer, verb, begun: Instant::now(), result }
    }
}

/// A request that is under way. One that the store drops unanswered counts as unavailable.
struct Begun {
    observer: Observer<StoreRequest>,
    verb: &'static str,
    begun: Instant,
    result: Option<Result<(), StoreErrorKind>>,
}

impl Begun {
    fn end(&mut self, answer: &Result<Answer, StoreError>) {
        self.result = Some(answer.as_ref().map(drop).map_err(StoreError::kind));
        self.tell();
    }

    fn tell(&mut self) {
        if let Some(result) = self.result.take() {
            let took = self.begun.elapsed();
            call(&self.observer, &StoreRequest { verb: self.verb, result, took });
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.tell();
    }
}

#[cfg(test)]
mod tests {
    use lp_connector_core::bridge::store::{Entry, LaneId};
    use lp_connector_core::id::ExtConsumerId;

    use super::*;
    use crate::Memory;

    #[test]
    fn an_observed_store_has_the_facts_of_the_one_within() {
        let mut observers = Observers::default();
        observers.on_store(|_| {});
        let store = observers.watch(Arc::new(Memory::new()));
        let account = AccountId::new("91827364").unwrap();
        let lane = LaneId::consumer(&account, &ExtConsumerId::new("ada").unwrap());
        store.perform(Request::Append(vec![Entry { lane, body: b"Coo?".to_vec() }])).unwrap();
        assert_eq!(store.facts().unwrap().due_lanes, 1);
    }
}
