//! The one clock, and who calls whom when.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::time::Duration;

use lp_connector_core::api::Operation;
use lp_connector_core::connector::{Call, Config, Shared, Step, Trust};
use lp_connector_core::error::Stage;
use lp_connector_core::id::{AccountId, ClientId, ConversationId, ExtConsumerId};
use lp_connector_core::secret::Secret;
use lp_connector_core::seed::Seed;
use lp_connector_core::time::Now;
use lp_connector_sandbox::Sandbox;

use crate::caller::{AnyCall, Caller, CallerState, FinishedCall};
use crate::clock::Clock;
use crate::event_log::{LogEntry, SentRequest};
use crate::in_flight::{LateAnswer, RequestInFlight};
use crate::network::NetworkFault;
use crate::process::Process;
use crate::webhook_endpoint::WebhookEndpoint;

/// Connectors, their callers, the network and the cloud, in one process and at one time.
#[derive(Debug)]
pub struct World {
    /// The cloud.
    pub cloud: Sandbox,
    /// The first connector's configuration; change it before the first call.
    pub config: Config,
    /// What the network does with the requests to come; `Fine` when it runs out.
    pub network_faults: VecDeque<NetworkFault>,
    /// One way.
    pub latency: Duration,
    /// By how much the first connector's wall clock is wrong, in seconds.
    pub wall_clock_offset: i64,
    /// Everything that was sent.
    pub sent: Vec<SentRequest>,
    /// What the network does with one caller's request of this number.
    pub(crate) request_faults: BTreeMap<(usize, u32), NetworkFault>,
    /// Whether each request takes a time of its own, and from which seed.
    pub(crate) latency_seed: Option<u64>,
    /// Hosts where nobody is any more.
    pub(crate) dead_hosts: BTreeSet<String>,
    /// By how many seconds the cloud's clock is ahead of the world's.
    pub(crate) cloud_clock_offset: i64,
    /// Where notifications go, if anywhere.
    pub(crate) endpoint: Option<WebhookEndpoint>,
    pub(crate) processes: Vec<Process>,
    pub(crate) callers: Vec<Caller>,
    pub(crate) now: Duration,
    pub(crate) in_flight: Vec<RequestInFlight>,
    pub(crate) late_answers: Vec<LateAnswer>,
    /// What happened since somebody last looked.
    pub(crate) event_log: Vec<(Duration, LogEntry)>,
    pub(crate) event_log_enabled: bool,
}

/// What is due next.
enum Due {
    Arrival(usize),
    LateAnswer(usize),
    Caller(usize),
    WebhookEndpoint,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// All is well, and nothing has happened.
    ///
    /// # Panics
    /// Never: what it is made of is usable.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test reports by panicking")]
    pub fn new() -> Self {
        let cloud = lp_connector_sandbox::Config::new("cloud.liveperson.net", 1);
        let app = cloud.app().expect("an app");
        let config = Config::new(AccountId::new(cloud.account_id()).expect("an id")).credentials(
            ClientId::new(app.client_id()).expect("an id"),
            Secret::new(app.client_secret().to_owned()),
        );
        Self {
            cloud: Sandbox::new(cloud, 1),
            config: config.trust(Trust::default()),
            network_faults: VecDeque::new(),
            latency: Duration::from_millis(40),
            wall_clock_offset: 0,
            sent: Vec::new(),
            request_faults: BTreeMap::new(),
            latency_seed: None,
            dead_hosts: BTreeSet::new(),
            cloud_clock_offset: 0,
            endpoint: None,
            processes: Vec::new(),
            callers: Vec::new(),
            now: Duration::ZERO,
            in_flight: Vec::new(),
            late_answers: Vec::new(),
            event_log: Vec::new(),
            event_log_enabled: false,
        }
    }

    /// The cloud with another configuration.
    #[must_use]
    pub fn with_cloud(
        mut self,
        change: impl FnOnce(lp_connector_sandbox::Config) -> lp_connector_sandbox::Config,
    ) -> Self {
        self.cloud = Sandbox::new(change(self.cloud.config().clone()), 1);
        self
    }

    /// The cloud's tokens live so many seconds from now on.
    #[must_use]
    pub fn with_cloud_life(mut self, seconds: u64) -> Self {
        self.cloud.set_token_life(Duration::from_secs(seconds));
        self
    }

    /// The connector with another configuration.
    #[must_use]
    pub fn with_config(mut self, change: impl FnOnce(Config) -> Config) -> Self {
        self.config = change(self.config.clone());
        self
    }

    /// The next requests meet this weather.
    #[must_use]
    pub fn with_network_faults(
        mut self,
        network_faults: impl IntoIterator<Item = NetworkFault>,
    ) -> Self {
        self.network_faults.extend(network_faults);
        self
    }

    /// The cloud goes wrong so.
    ///
    /// # Panics
    /// If the fault is none.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test reports by panicking")]
    pub fn with_fault(mut self, fault: &str) -> Self {
        self.cloud.fault(fault.parse().expect("a fault"));
        self
    }

    /// A caller who begins now.
    pub fn start<O>(&mut self, operation: O) -> usize
    where
        O: Operation + std::fmt::Debug + 'static,
        O::Output: std::fmt::Debug,
    {
        self.start_at(self.now, operation)
    }

    /// A caller who begins then.
    pub fn start_at<O>(&mut self, at: Duration, operation: O) -> usize
    where
        O: Operation + std::fmt::Debug + 'static,
        O::Output: std::fmt::Debug,
    {
        self.start_with(at, operation, |call, _| call)
    }

    /// A caller who begins then, with a call of its own kind: another deadline, another policy.
    pub fn start_with<O>(
        &mut self,
        at: Duration,
        operation: O,
        customize: impl FnOnce(Call<O>, Now) -> Call<O>,
    ) -> usize
    where
        O: Operation + std::fmt::Debug + 'static,
        O::Output: std::fmt::Debug,
    {
        if self.processes.is_empty() {
            let clock = Clock { wall_clock_offset: self.wall_clock_offset, ..Clock::default() };
            self.processes.push(Process::new(self.config.clone(), clock, false));
        }
        if let Some(first) = self.processes.first_mut() {
            first.config.clone_from(&self.config);
        }
        self.start_in_process(0, at, operation, customize)
    }

    /// A caller in that process.
    pub(crate) fn start_in_process<O>(
        &mut self,
        process: usize,
        at: Duration,
        operation: O,
        customize: impl FnOnce(Call<O>, Now) -> Call<O>,
    ) -> usize
    where
        O: Operation + std::fmt::Debug + 'static,
        O::Output: std::fmt::Debug,
    {
        let number = self.callers.len();
        let Some(program) = self.processes.get(process) else {
            return number;
        };
        let seed = Seed::from_bytes((number as u128 + 1).to_le_bytes());
        let started_at = at.max(program.resumes_at);
        let now = program.clock.now(started_at);
        let call = customize(Call::new(operation, &program.config, seed, now), now);
        self.callers.push(Caller {
            call: Some(Box::new(call)),
            process,
            state: CallerState::NotStarted(started_at),
            started_at,
            cancel_at: None,
            events: Vec::new(),
            finished: None,
            polls: 0,
        });
        number
    }

    /// That caller goes away then, telling the core (as an adapter's guard does) or not.
    pub fn cancel_at(&mut self, caller: usize, at: Duration, notify: bool) {
        if let Some(caller) = self.callers.get_mut(caller) {
            caller.cancel_at = Some((at, notify));
        }
    }

    /// Lets everything happen, until all calls have ended.
    ///
    /// # Panics
    /// If they do not.
    pub fn run(&mut self) {
        self.run_until(Duration::MAX);
        assert!(
            self.callers.iter().all(|caller| matches!(caller.state, CallerState::Finished)),
            "a call never ended"
        );
    }

    /// Lets everything happen that happens by then.
    ///
    /// # Panics
    /// If the world does not come to rest.
    pub fn run_until(&mut self, end: Duration) {
        for _ in 0..2_000_000 {
            if !self.step(end) {
                return;
            }
        }
        panic!("the world does not come to rest");
    }

    /// Lets one thing happen, if one happens by then.
    pub(crate) fn step(&mut self, end: Duration) -> bool {
        match self.due() {
            Some((at, due)) if at <= end => {
                self.now = self.now.max(at);
                match due {
                    Due::Arrival(n) => self.arrive(n),
                    Due::LateAnswer(n) => self.deliver_late_answer(n),
                    Due::Caller(n) => self.step_caller(n),
                    Due::WebhookEndpoint => self.step_webhooks(),
                }
                true
            }
            _ => {
                if end < Duration::MAX {
                    self.now = self.now.max(end);
                }
                false
            }
        }
    }

    fn due(&self) -> Option<(Duration, Due)> {
        let mut first: Option<(Duration, Due)> = None;
        let mut offer = |at: Duration, due: Due| {
            if first.as_ref().is_none_or(|(before, _)| at < *before) {
                first = Some((at, due));
            }
        };
        for (n, request) in self.in_flight.iter().enumerate() {
            offer(request.arrives_at, Due::Arrival(n));
        }
        for (n, late) in self.late_answers.iter().enumerate() {
            offer(late.at, Due::LateAnswer(n));
        }
        for (n, caller) in self.callers.iter().enumerate() {
            let back = self.processes.get(caller.process).map(|process| process.resumes_at);
            if let Some(at) = caller.next(back.unwrap_or_default()) {
                offer(at, Due::Caller(n));
            }
        }
        if let Some(at) = self.endpoint.as_ref().and_then(WebhookEndpoint::due) {
            offer(at, Due::WebhookEndpoint);
        }
        first
    }

    /// One thing that one caller does.
    fn step_caller(&mut self, n: usize) {
        let Some(caller) = self.callers.get_mut(n) else { return };
        let Some(process) = self.processes.get_mut(caller.process) else { return };
        let (clock, shared) = (process.clock, &mut process.shared);
        let now = clock.now(self.now);
        if let Some((_, notify)) = caller.cancel_at.filter(|(at, _)| *at <= self.now) {
            let wakes = match &mut caller.call {
                Some(call) if notify => call.abandon(shared, now),
                _ => false,
            };
            self.log(LogEntry::CallCancelled { caller: n, notify });
            self.finish(n);
            if wakes {
                self.wake(n);
            }
            return;
        }
        let Some(call) = &mut caller.call else { return };
        if let CallerState::InFlight { nth, number, outcome, .. } = &mut caller.state {
            let (nth, number, outcome) = (*nth, *number, outcome.take());
            caller.state = CallerState::Ready;
            let wakes = outcome.is_some_and(|outcome| call.handle(shared, now, number, outcome));
            self.log(LogEntry::OutcomeHandled { nth });
            if wakes {
                self.wake(n);
            }
            return;
        }
        if matches!(caller.state, CallerState::NotStarted(_)) {
            caller.state = CallerState::Ready;
            self.log(LogEntry::CallStarted { caller: n });
            return;
        }
        caller.polls += 1;
        match call.poll(shared, now) {
            Step::Send(attempt) => self.send(n, attempt),
            Step::Wait(until) => {
                let until = clock.when(until);
                caller.state = CallerState::Waiting(until);
                self.log(LogEntry::CallWaiting { caller: n, until });
            }
            Step::Tell(event) => {
                caller.events.push(event);
                let event = caller.events.len() - 1;
                self.log(LogEntry::EventEmitted { caller: n, event });
            }
            Step::Done => {
                self.finish(n);
                self.log(LogEntry::CallFinished { caller: n });
            }
        }
    }

    pub(crate) fn finish(&mut self, n: usize) {
        if let Some(caller) = self.callers.get_mut(n) {
            caller.state = CallerState::Finished;
            let (started_at, finished_at) = (caller.started_at, self.now);
            caller.finished = caller.call.take().map(|call| FinishedCall {
                caller: n,
                started_at,
                finished_at,
                result: AnyCall::finish(call),
            });
        }
    }

    /// Whoever waits in the process of this caller looks again.
    pub(crate) fn wake(&mut self, by: usize) {
        let process = self.callers.get(by).map(|caller| caller.process);
        for caller in self.callers.iter_mut().filter(|caller| Some(caller.process) == process) {
            if matches!(caller.state, CallerState::Waiting(_)) {
                caller.state = CallerState::Ready;
            }
        }
    }

    pub(crate) fn log(&mut self, entry: LogEntry) {
        if self.event_log_enabled {
            self.event_log.push((self.now, entry));
        }
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.now
    }

    /// The callers, in the order in which they were started.
    #[must_use]
    pub fn callers(&self) -> &[Caller] {
        &self.callers
    }

    /// The calls that have ended.
    pub fn finished_calls(&self) -> impl Iterator<Item = &FinishedCall> {
        self.callers.iter().filter_map(|caller| caller.finished.as_ref())
    }

    /// How that caller's call ended.
    ///
    /// # Panics
    /// If it has not.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test reports by panicking")]
    pub fn finished_call(&self, caller: usize) -> &FinishedCall {
        self.callers.get(caller).and_then(|caller| caller.finished.as_ref()).expect("it has ended")
    }

    /// What was sent for one stage.
    pub fn sent_for(&self, stage: Stage) -> impl Iterator<Item = &SentRequest> {
        self.sent.iter().filter(move |sent| sent.stage == stage)
    }

    /// How many consumers' tokens the first connector keeps or is fetching.
    #[must_use]
    pub fn consumers(&self) -> usize {
        self.processes.first().map(|process| process.shared.consumers()).unwrap_or_default()
    }

    /// How many events with this text the cloud has kept.
    #[must_use]
    pub fn stored_count(&self, text: &str) -> usize {
        let is =
            |event: &serde_json::Value| event.get("message").is_some_and(|stored| stored == text);
        self.cloud.messages().iter().filter(|message| is(&message.event)).count()
    }

    /// Everything that can be printed of all that is there.
    #[must_use]
    pub fn debug_text(&self) -> String {
        let mut debug_text = format!("{:?}\n", self.config);
        let shared: Vec<&Shared> = self.processes.iter().map(|process| &process.shared).collect();
        // Writing to a String does not fail.
        let _ = writeln!(debug_text, "{shared:?}");
        for caller in &self.callers {
            let call = caller.call.as_ref().map(|call| call.debug_text());
            let _ = writeln!(debug_text, "{call:?} {:?} {:?}", caller.events, caller.finished);
            if let Some(FinishedCall { result: Err(error), .. }) = &caller.finished {
                debug_text.push_str(&error_chain(error));
            }
        }
        debug_text
    }
}

/// An error as a log would have it: each cause on a line of its own.
pub(crate) fn error_chain(error: &lp_connector_core::error::Error) -> String {
    let mut error_chain = String::new();
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        let _ = writeln!(error_chain, "{error}");
        cause = error.source();
    }
    error_chain
}

/// A consumer.
///
/// # Panics
/// Never: it is a good id.
#[must_use]
#[expect(clippy::expect_used, reason = "a test reports by panicking")]
pub fn ada() -> ExtConsumerId {
    ExtConsumerId::new("pigeon-ring-0042").expect("a good id")
}

/// Opens a conversation for [`ada`] in `world`, and gives its id.
///
/// # Panics
/// If it cannot be opened.
#[must_use]
#[expect(clippy::expect_used, reason = "a test reports by panicking")]
pub fn open_conversation(world: &mut World) -> ConversationId {
    world.start(lp_connector_core::api::OpenConversation::new(ada()));
    world.run();
    let open = world.cloud.conversations().find(|conversation| conversation.open);
    ConversationId::new(&open.expect("an open conversation").id).expect("a good id")
}
