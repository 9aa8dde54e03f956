//! What the loop, its tasks and the handles of a bridge share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use event_listener::{Event, EventListener};
use lp_connector_core::bridge::store::{
    Answer, Entry, LaneKind, Request, Store, StoreError, StoreErrorKind,
};
use lp_connector_core::bridge::{
    BridgeConfig, CallResult, Instance, Membership, Verdict, Worker, WorkerCounters, ingest_at,
};
use lp_connector_core::error::Error;
use lp_connector_core::id::AccountId;
use lp_connector_core::time::{Mono, Now, Timestamp};
use lp_connector_core::webhook::{Event as Happened, MessagingEvent, ReceivedChatState, Verified};

use crate::engine::{Engine, Step};
use crate::key_check::check_key;
use crate::message::Typing;
use crate::observe::{CallEnded, Observers};
use crate::owners::Owners;
use crate::slot::{Filled, slot};

/// How long a notification may take to be stored. The answer is due within 2.5 s
/// ([protocol.md 9.1](lp_connector_core::protocol#9.1)).
pub(crate) const STORE_TIMEOUT: Duration = Duration::from_secs(2);

/// How often the program writes down that it lives.
const BEAT: Duration = Duration::from_secs(10);

/// How long the channel, or LivePerson, may take over news of typing.
pub(crate) const TYPING_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) struct Shared {
    store: Arc<dyn Store>,
    engine: Mutex<Engine>,
    owners: Mutex<Owners>,
    /// Notified when the loop must look at the engine again.
    changed: Event,
    /// Notified when the bridge is over.
    over: Event,
    is_over: AtomicBool,
    /// True while the loop turns.
    is_running: AtomicBool,
    observers: Observers,
    origin: Instant,
    typed: AtomicU64,
}

impl Shared {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        config: BridgeConfig,
        observers: Observers,
    ) -> Result<Arc<Self>, Error> {
        check_key(&store)?;
        let time_limit = config.attempt_timeout_setting();
        // Where a rate is divided, a newcomer waits for the others to leave it a part.
        let beat = config.rate_setting().map_or(BEAT, |_| BEAT / 5);
        let membership = Membership::new(lp_connector_tls::seed()?, beat);
        let membership = match config.host_setting() {
            Some(name) => membership.host(name),
            None => membership,
        };
        let worker = Worker::new(config, lp_connector_tls::seed()?);
        Ok(Arc::new(Self {
            store: observers.watch(store),
            engine: Mutex::new(Engine::new(worker, membership, time_limit)),
            owners: Mutex::new(Owners::default()),
            changed: Event::new(),
            over: Event::new(),
            is_over: AtomicBool::new(false),
            is_running: AtomicBool::new(true),
            observers,
            origin: Instant::now(),
            typed: AtomicU64::new(0),
        }))
    }

    pub(crate) fn now(&self) -> Now {
        Now::new(Mono::from_origin(self.origin.elapsed()), SystemTime::now())
    }

    #[cfg(feature = "blocking")]
    pub(crate) fn instant(&self, at: Mono) -> Option<Instant> {
        self.origin.checked_add(at.elapsed_from_origin())
    }

    fn engine(&self) -> MutexGuard<'_, Engine> {
        // Its methods do not panic, so a panic elsewhere cannot have left it half changed.
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn owners(&self) -> MutexGuard<'_, Owners> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next step. The store is asked and observers are told here: the lock is not held meanwhile.
    pub(crate) fn poll(self: &Arc<Self>) -> Step {
        loop {
            let mut engine = self.engine();
            let (step, events) = (engine.poll(self.now()), engine.take_events());
            drop(engine);
            events.iter().for_each(|event| self.observers.tell(event));
            match step {
                Step::Ask(number, request) => self.ask(number, request),
                Step::Deliver(job) => {
                    self.owners().record(&job.what);
                    return Step::Deliver(job);
                }
                step => return step,
            }
        }
    }

    fn ask(self: &Arc<Self>, number: u64, request: Request) {
        let asked = Asked { shared: self.clone(), number, is_answered: false };
        self.store.submit(request, Box::new(move |answer| asked.answer(answer)));
    }

    /// What the loop waits for beside time. Listen, then [`poll`](Self::poll) again, then wait.
    pub(crate) fn changed(&self) -> EventListener {
        self.changed.listen()
    }

    pub(crate) fn called(
        &self,
        number: u64,
        account: AccountId,
        operation: &'static str,
        result: CallResult,
    ) {
        self.observers.tell_call(|| CallEnded::new(account, operation, &result));
        self.engine().called(number, result, self.now());
        self.changed.notify(1);
    }

    pub(crate) fn delivered(&self, number: u64, verdict: Verdict) {
        self.engine().delivered(number, verdict, self.now());
        self.changed.notify(1);
    }

    pub(crate) fn typing_passed_on(&self) {
        self.engine().typing_passed_on();
        self.changed.notify(1);
    }

    /// Asks the store for what people want to see.
    pub(crate) fn list(&self, request: Request) -> Filled<Result<Answer, StoreError>> {
        let (fill, filled) = slot();
        self.store.submit(request, Box::new(move |answer| fill.fill(answer)));
        filled
    }

    /// Appends entries. The slot is filled when they are durable.
    pub(crate) fn append(
        self: &Arc<Self>,
        entries: Vec<Entry>,
    ) -> Filled<Result<Answer, StoreError>> {
        let (fill, filled) = slot();
        if entries.is_empty() {
            fill.fill(Ok(Answer::Appended));
            return filled;
        }
        let shared = self.clone();
        let reply = move |answer: Result<Answer, StoreError>| {
            if answer.is_ok() {
                shared.engine().appended();
                shared.changed.notify(1);
            }
            fill.fill(answer);
        };
        self.store.submit(Request::Append(entries), Box::new(reply));
        filled
    }

    /// Appends a notification, and passes on who is typing.
    pub(crate) fn receive(
        self: &Arc<Self>,
        account: &AccountId,
        notification: &Verified,
    ) -> Filled<Result<Answer, StoreError>> {
        let now = Timestamp::from_system_time(SystemTime::now());
        let ingested = ingest_at(account, notification, now);
        let mut typing =
            ingested.volatile.iter().filter_map(|message| self.typing(account, message)).peekable();
        if typing.peek().is_some() {
            let mut engine = self.engine();
            typing.for_each(|typing| engine.push_typing(typing));
            drop(engine);
            self.changed.notify(1);
        }
        self.append(ingested.entries)
    }

    /// Whether the agent is typing, if it is known for whom.
    fn typing(&self, account: &AccountId, message: &MessagingEvent) -> Option<Typing> {
        let Happened::ChatState(state) = message.event() else { return None };
        if !message.is_for_consumer() {
            return None;
        }
        let conversation = message.conversation().clone();
        Some(Typing {
            consumer: self.owners().of(account, &conversation)?,
            id: format!("t:{}", self.typed.fetch_add(1, Ordering::Relaxed)),
            account: account.clone(),
            conversation,
            is_typing: state == ReceivedChatState::Composing,
        })
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The programs on the store, by the answer to [`instances_request`].
    pub(crate) fn instances(
        &self,
        answer: Result<Answer, StoreError>,
    ) -> Result<Vec<Instance>, StoreError> {
        answer.map(|answer| self.engine().instances(&answer, self.now()))
    }

    pub(crate) fn counters(&self) -> WorkerCounters {
        self.engine().worker().counters()
    }

    pub(crate) fn lanes_of(&self, kind: LaneKind) -> usize {
        self.engine().worker().lanes_of(kind)
    }

    pub(crate) fn lanes(&self) -> usize {
        self.engine().worker().lanes()
    }

    /// Begins nothing more. The loop ends by itself.
    pub(crate) fn stop(&self) {
        self.engine().stop();
        self.changed.notify(1);
    }

    /// Ends the loop and what is under way, at once.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        self.over.notify(usize::MAX);
        self.changed.notify(1);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.is_running.load(Ordering::SeqCst)
    }

    /// What tells that the bridge is over. Listen, then look at [`is_over`](Self::is_over), then wait.
    pub(crate) fn over(&self) -> EventListener {
        self.over.listen()
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("is_running", &self.is_running()).finish_non_exhaustive()
    }
}

/// Held by the loop: whatever ends it, everybody else hears of it.
pub(crate) struct Running(pub(crate) Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.is_running.store(false, Ordering::SeqCst);
        self.0.end();
    }
}

/// Held by the handles: the last one ends the bridge.
#[derive(Debug)]
pub(crate) struct EndOnDrop(pub(crate) Arc<Shared>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A request to the store. If the store drops it unanswered, the worker asks again.
struct Asked {
    shared: Arc<Shared>,
    number: u64,
    is_answered: bool,
}

impl Asked {
    fn answer(mut self, answer: Result<Answer, StoreError>) {
        if let Err(error) = &answer {
            tracing::warn!(event = "store", cause = %error);
        }
        self.is_answered = true;
        match answer {
            Err(error) if !error.kind().may_repeat() => {
                self.shared.engine().refused(self.number, self.shared.now());
                self.shared.changed.notify(1);
            }
            answer => self.pass_on(answer.ok()),
        }
    }

    fn pass_on(&self, answer: Option<Answer>) {
        self.shared.engine().answered(self.number, answer, self.shared.now());
        self.shared.changed.notify(1);
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if !self.is_answered {
            self.pass_on(None);
        }
    }
}

/// A delivery or a typing that is under way. If it ends without a verdict, its handler broke.
pub(crate) struct UnderWay {
    shared: Arc<Shared>,
    number: Option<u64>,
    verdict: Verdict,
}

impl UnderWay {
    pub(crate) const fn delivery(shared: Arc<Shared>, number: u64) -> Self {
        Self { shared, number: Some(number), verdict: Verdict::Broken }
    }

    pub(crate) const fn typing(shared: Arc<Shared>) -> Self {
        Self { shared, number: None, verdict: Verdict::Broken }
    }

    pub(crate) fn end(mut self, verdict: Verdict) {
        self.verdict = verdict;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        match self.number {
            None => self.shared.typing_passed_on(),
            Some(number) => {
                let verdict = std::mem::replace(&mut self.verdict, Verdict::Taken);
                self.shared.delivered(number, verdict);
            }
        }
    }
}

/// The answer to a request whose slot was filled, or not in time.
pub(crate) fn answered(filled: Option<Result<Answer, StoreError>>) -> Result<Answer, StoreError> {
    let late = || StoreError::new(StoreErrorKind::Unavailable, "the store gave no answer in time");
    filled.unwrap_or_else(|| Err(late()))
}

/// The result of an append.
pub(crate) fn appended(filled: Option<Result<Answer, StoreError>>) -> Result<(), StoreError> {
    answered(filled).map(drop)
}

/// Writes what the channel made of a delivery to the log, without its content.
pub(crate) fn log_verdict(id: &str, verdict: &Verdict) {
    match verdict {
        Verdict::Taken => tracing::debug!(event = "delivery_taken", delivery = id, "taken"),
        Verdict::Refused(cause) => tracing::warn!(
            event = "delivery_refused",
            delivery = id,
            cause = cause.as_str(),
            "refused"
        ),
        Verdict::Outage(_) => {
            tracing::warn!(event = "delivery_waits", delivery = id, "the channel is out of order")
        }
        Verdict::Paused(_) => {
            tracing::debug!(event = "delivery_waits", delivery = id, "the channel is paused")
        }
        Verdict::NotTried(_) => {
            tracing::debug!(
                event = "delivery_waits",
                delivery = id,
                "the channel is known to be out of order"
            );
        }
        Verdict::Broken => tracing::error!(
            event = "handler_panicked",
            delivery = id,
            "the channel's handler panicked"
        ),
    }
}

#[cfg(test)]
#[path = "shared_tests.rs"]
mod tests;
#[cfg(test)]
#[path = "verdict_log_tests.rs"]
mod verdict_log_tests;
