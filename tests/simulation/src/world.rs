//! The simulated world: connectors, their callers, the network and the cloud under one clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::time::Duration;

use lp_connector_core::connector::{Call, Callable, Config, ConnectorState, Trust};
use lp_connector_core::error::{Error, Stage};
use lp_connector_core::id::{AccountId, ClientId};
use lp_connector_core::secret::Secret;
use lp_connector_core::seed::Seed;
use lp_connector_core::time::Now;
use lp_connector_sandbox::Sandbox;

use crate::caller::{Caller, CallerState, FinishedCall};
use crate::clock::Clock;
use crate::event_log::{LogEntry, SentRequest};
use crate::in_flight::{LateResponse, RequestInFlight};
use crate::network::NetworkFault;
use crate::process::Process;
use crate::webhook_endpoint::WebhookEndpoint;

/// Connectors, their callers, the network and the cloud, under one virtual clock.
///
/// Times are durations since the start of the world.
#[derive(Debug)]
pub struct World {
    /// The cloud.
    pub cloud: Sandbox,
    /// The first connector's configuration; change it before the first call.
    pub config: Config,
    /// The faults of the next requests, in order; none after the last.
    pub network_faults: VecDeque<NetworkFault>,
    /// The network's latency, one way.
    pub latency: Duration,
    /// How many seconds the first connector's wall clock is ahead.
    pub wall_clock_offset: i64,
    /// All requests sent so far, oldest first.
    pub sent: Vec<SentRequest>,
    /// Faults by caller and request number; they take precedence over `network_faults`.
    pub(crate) request_faults: BTreeMap<(usize, u32), NetworkFault>,
    /// The seed of each request's own latency; without one all take `latency`.
    pub(crate) latency_seed: Option<u64>,
    /// Hosts that refuse connections.
    pub(crate) dead_hosts: BTreeSet<String>,
    /// How many seconds the cloud's clock is ahead of the world's.
    pub(crate) cloud_clock_offset: i64,
    /// The connector's webhook endpoint, if there is one.
    pub(crate) endpoint: Option<WebhookEndpoint>,
    pub(crate) processes: Vec<Process>,
    pub(crate) callers: Vec<Caller>,
    pub(crate) now: Duration,
    pub(crate) in_flight: Vec<RequestInFlight>,
    pub(crate) late_responses: Vec<LateResponse>,
    /// Log entries that have not been checked yet.
    pub(crate) event_log: Vec<(Duration, LogEntry)>,
    pub(crate) event_log_enabled: bool,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// A world without faults, before the first call.
    ///
    /// # Panics
    /// Never: the configuration is valid.
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
            late_responses: Vec::new(),
            event_log: Vec::new(),
            event_log_enabled: false,
        }
    }

    /// Changes the cloud's configuration.
    #[must_use]
    pub fn with_cloud(
        mut self,
        change: impl FnOnce(lp_connector_sandbox::Config) -> lp_connector_sandbox::Config,
    ) -> Self {
        self.cloud = Sandbox::new(change(self.cloud.config().clone()), 1);
        self
    }

    /// Sets the lifetime of the cloud's tokens, in seconds.
    #[must_use]
    pub fn with_token_life(mut self, seconds: u64) -> Self {
        self.cloud.set_token_life(Duration::from_secs(seconds));
        self
    }

    /// Changes the first connector's configuration.
    #[must_use]
    pub fn with_config(mut self, change: impl FnOnce(Config) -> Config) -> Self {
        self.config = change(self.config.clone());
        self
    }

    /// Adds faults for the next requests.
    #[must_use]
    pub fn with_network_faults(
        mut self,
        network_faults: impl IntoIterator<Item = NetworkFault>,
    ) -> Self {
        self.network_faults.extend(network_faults);
        self
    }

    /// Adds a fault to the cloud, in the syntax of [`lp_connector_sandbox::Fault`].
    ///
    /// # Panics
    /// If the fault cannot be parsed.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test reports by panicking")]
    pub fn with_fault(mut self, fault: &str) -> Self {
        self.cloud.fault(fault.parse().expect("a fault"));
        self
    }

    /// Starts a call now; returns the caller's number.
    pub fn start<O>(&mut self, operation: O) -> usize
    where
        O: Callable + std::fmt::Debug + 'static,
        O::Output: std::fmt::Debug,
    {
        self.start_at(self.now, operation)
    }

    /// Starts a call at this time; returns the caller's number.
    pub fn start_at<O>(&mut self, at: Duration, operation: O) -> usize
    where
        O: Callable + std::fmt::Debug + 'static,
        O::Output: std::fmt::Debug,
    {
        self.start_with(at, operation, |call, _| call)
    }

    /// Starts a call at this time after `customize` has set its deadline or policy; returns the
    /// caller's number.
    pub fn start_with<O>(
        &mut self,
        at: Duration,
        operation: O,
        customize: impl FnOnce(Call<O>, Now) -> Call<O>,
    ) -> usize
    where
        O: Callable + std::fmt::Debug + 'static,
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

    /// Starts a call in this process; returns the caller's number.
    pub(crate) fn start_in_process<O>(
        &mut self,
        process: usize,
        at: Duration,
        operation: O,
        customize: impl FnOnce(Call<O>, Now) -> Call<O>,
    ) -> usize
    where
        O: Callable + std::fmt::Debug + 'static,
        O::Output: std::fmt::Debug,
    {
        let number = self.callers.len();
        let Some(program) = self.processes.get(process) else {
            return number;
        };
        let seed = Seed::from_bytes((number as u128 + 1).to_le_bytes());
        let started_at = at.max(program.resumes_at);
        let now = program.clock.now(started_at);
        let call = customize(Call::new(operation, program.state.config(), seed, now), now);
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

    /// Cancels a caller's call at this time. With `notify` the core is notified, as by an adapter's guard.
    pub fn cancel_at(&mut self, caller: usize, at: Duration, notify: bool) {
        if let Some(caller) = self.callers.get_mut(caller) {
            caller.cancel_at = Some((at, notify));
        }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.now
    }

    /// The callers, in the order of their numbers.
    #[must_use]
    pub fn callers(&self) -> &[Caller] {
        &self.callers
    }

    /// The calls that have ended.
    pub fn finished_calls(&self) -> impl Iterator<Item = &FinishedCall> {
        self.callers.iter().filter_map(|caller| caller.finished.as_ref())
    }

    /// The ended call of a caller.
    ///
    /// # Panics
    /// If the call has not ended.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test reports by panicking")]
    pub fn finished_call(&self, caller: usize) -> &FinishedCall {
        self.callers.get(caller).and_then(|caller| caller.finished.as_ref()).expect("an ended call")
    }

    /// The requests sent for one stage.
    pub fn sent_for(&self, stage: Stage) -> impl Iterator<Item = &SentRequest> {
        self.sent.iter().filter(move |sent| sent.stage == stage)
    }

    /// How many consumers' tokens the first connector holds or fetches.
    #[must_use]
    pub fn consumers(&self) -> usize {
        self.processes.first().map(|process| process.state.consumers()).unwrap_or_default()
    }

    /// How many messages with this text the cloud has stored.
    #[must_use]
    pub fn stored_count(&self, text: &str) -> usize {
        let has_text = |message: &&lp_connector_sandbox::Message| {
            message.event.get("message").is_some_and(|stored| stored == text)
        };
        self.cloud.messages().iter().filter(has_text).count()
    }

    /// The `Debug` text of everything in the world, and the text of every error.
    #[must_use]
    pub fn debug_text(&self) -> String {
        let mut text = format!("{:?}\n", self.config);
        let states: Vec<&ConnectorState> =
            self.processes.iter().map(|process| &process.state).collect();
        // Writing to a String does not fail.
        let _ = writeln!(text, "{states:?}");
        for caller in &self.callers {
            let call = caller.call.as_ref().map(|call| call.debug_text());
            let _ = writeln!(text, "{call:?} {:?} {:?}", caller.events, caller.finished);
            if let Some(FinishedCall { result: Err(error), .. }) = &caller.finished {
                text.push_str(&error_chain(error));
            }
        }
        text
    }
}

/// An error as a log shows it: each cause on a line of its own.
pub(crate) fn error_chain(error: &Error) -> String {
    let mut text = String::new();
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        let _ = writeln!(text, "{error:#}");
        cause = error.source();
    }
    text
}
