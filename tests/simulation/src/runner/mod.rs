//! Runs a scenario in a world and checks the invariants.

mod actions;
mod recovery;
mod setup;

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use lp_connector_core::connector::Config;
use lp_connector_core::id::{ClientId, ConversationId};
use lp_connector_core::secret::Secret;
use lp_connector_sandbox::Webhooks;

use crate::clock::Clock;
use crate::coverage::Reached;
use crate::coverage::calls::Observer;
use crate::event_log::LogEntry;
use crate::invariant::{Invariant, Violation};
use crate::invariants::{Checker, SECRET};
use crate::process::Process;
use crate::scenario::{Scenario, WorldEvent};
use crate::trace;
use crate::webhook_endpoint::WebhookEndpoint;
use crate::world::World;
use setup::prepared_world;

/// A scenario with more steps than this loops.
const MAX_STEPS: u64 = 200_000;
/// Counts of what happened in a scenario.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct RunStats {
    pub(crate) calls: u64,
    pub(crate) requests: u64,
    pub(crate) notifications: u64,
    pub(crate) events: u64,
    pub(crate) virtual_time: Duration,
}

/// How much is checked and recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct CheckLevel {
    /// Search all `Debug` texts for secrets, tokens and message texts.
    pub(crate) secrets: bool,
    /// Record a trace.
    pub(crate) trace: bool,
}

/// Runs a scenario. Returns its counts and what it reached, or the first broken invariant, and the trace. A panic
/// breaks an invariant too.
pub(crate) fn run_scenario(
    scenario: &Scenario,
    level: CheckLevel,
) -> (Result<(RunStats, Reached), Violation>, String) {
    let mut trace = String::new();
    let run = catch_unwind(AssertUnwindSafe(|| {
        let mut runner = Runner::new(scenario, level);
        let result = runner.run();
        (result.map(|stats| (stats, runner.observer.into_reached())), runner.trace)
    }));
    let result = match run {
        Ok((result, recorded)) => {
            trace = recorded;
            result
        }
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            let why = text.unwrap_or("a panic without a message");
            Err(Violation::new(Invariant::NoPanic, Duration::ZERO, why))
        }
    };
    (result, trace)
}

/// Something to do at a given time.
#[derive(Clone, Copy, Debug)]
enum ScheduledItem {
    /// Start the call of this caller.
    Call(usize),
    /// Apply this world event.
    WorldEvent(usize),
    /// Restart all processes with the present secret.
    Restart,
}

struct Runner<'a> {
    scenario: &'a Scenario,
    world: World,
    checker: Checker,
    observer: Observer,
    conversations: Vec<ConversationId>,
    /// The app's secrets in the order of their use; the receiver knows all from the start.
    secrets: Vec<String>,
    secret: usize,
    trace: String,
    tracing: bool,
    event_log: Vec<(Duration, LogEntry)>,
    stats: RunStats,
    /// How many texts agents have sent.
    agent_texts: u32,
}

impl<'a> Runner<'a> {
    fn new(scenario: &'a Scenario, level: CheckLevel) -> Self {
        let (mut world, conversations) = prepared_world();
        world = world.with_token_life(scenario.token_life);
        world.latency = scenario.latency;
        world.latency_seed = scenario.latency_seed;
        world.event_log_enabled = true;
        let rotates =
            |(_, event): &&(Duration, WorldEvent)| matches!(event, WorldEvent::SecretRotated(_));
        let rotations = scenario.world_events.iter().filter(rotates).count();
        let secrets: Vec<_> = (0..=rotations).map(|n| format!("{SECRET}{n}")).collect();
        world.cloud.set_webhooks(
            Webhooks::all_at("https://connector.example/webhooks")
                .retention(Duration::from_secs(259_200)),
        );
        let mut endpoint = WebhookEndpoint::new(0, secrets.iter().cloned());
        endpoint.post_faults = scenario.post_faults.iter().copied().collect();
        world.endpoint = Some(endpoint);
        let mut runner = Self {
            scenario,
            world,
            checker: Checker::new(scenario, level.secrets),
            observer: Observer::new(scenario),
            conversations,
            secrets,
            secret: 0,
            trace: String::new(),
            tracing: level.trace,
            event_log: Vec::new(),
            stats: RunStats::default(),
            agent_texts: 0,
        };
        for (n, program) in scenario.processes.iter().enumerate() {
            let clock = Clock {
                origin: Duration::ZERO,
                drift: program.drift,
                wall_clock_offset: program.wall_clock_offset,
            };
            let config = runner.config(n);
            runner.world.processes.push(Process::new(config, clock, program.wire));
        }
        runner
    }

    /// The configuration of a process, with the present secret.
    #[expect(clippy::expect_used, reason = "a simulation reports by panicking")]
    fn config(&self, process: usize) -> Config {
        let config = self.world.config.clone();
        let app = self.world.cloud.config().app().expect("an app").client_id().to_owned();
        let secret = self.secrets.get(self.secret).cloned().unwrap_or_default();
        let config =
            config.credentials(ClientId::new(app).expect("a valid id"), Secret::new(secret));
        match self.scenario.processes.get(process) {
            Some(program) => config
                .retry(program.policy.retry_policy())
                .call_timeout(program.call_timeout)
                .consumer_cache(program.consumer_cache),
            None => config,
        }
    }

    /// Runs the scenario to its end, recovery included.
    fn run(&mut self) -> Result<RunStats, Violation> {
        for (at, item) in schedule(self.scenario) {
            self.run_until(at)?;
            match item {
                ScheduledItem::Call(n) => {
                    if let Some(caller) = self.scenario.callers.get(n) {
                        self.start_action(caller);
                    }
                }
                ScheduledItem::WorldEvent(n) => {
                    if let Some((_, world_event)) = self.scenario.world_events.get(n) {
                        self.apply_event(world_event);
                    }
                }
                ScheduledItem::Restart => {
                    for process in 0..self.world.processes.len() {
                        self.restart(process, Duration::ZERO);
                    }
                }
            }
        }
        self.run_until(Duration::MAX)?;
        self.recover()?;
        self.checker.check_end(&self.world)?;
        self.stats.calls = self.world.callers.len() as u64;
        self.stats.requests = self.world.sent.len() as u64;
        let processed = self.world.endpoint.as_ref().map(|endpoint| endpoint.processed.len());
        self.stats.notifications = processed.unwrap_or_default() as u64;
        self.stats.virtual_time = self.world.now;
        Ok(self.stats)
    }

    /// Runs until this time, and checks the invariants after every step.
    fn run_until(&mut self, until: Duration) -> Result<(), Violation> {
        while self.world.step(until) {
            self.stats.events += 1;
            if self.stats.events > MAX_STEPS {
                let why = format!("more than {MAX_STEPS} steps");
                return Err(Violation::new(Invariant::NoBusyLoop, self.world.now, why));
            }
            self.check_log()?;
        }
        self.check_log()
    }

    /// Checks and traces the log entries of the last step.
    fn check_log(&mut self) -> Result<(), Violation> {
        std::mem::swap(&mut self.event_log, &mut self.world.event_log);
        for (at, entry) in self.event_log.drain(..) {
            if self.tracing {
                trace::line(&self.world, at, entry, &mut self.trace);
            }
            self.observer.observe(&self.world, |caller| self.checker.spec(caller), at, entry);
            self.checker.check(&self.world, at, entry)?;
            if let LogEntry::CallFinished { caller } = entry {
                let caller = self.world.callers.get(caller);
                // The inbox marks the messages of its own process as seen.
                let own = caller.filter(|caller| caller.process == 0);
                let finished = own.and_then(|caller| caller.finished.as_ref());
                let succeeded = finished.filter(|finished| finished.result.is_ok());
                if let Some(finished) = succeeded
                    && let Some(text) = self.checker.text_of(finished.caller)
                {
                    self.world.mark_seen(&text);
                }
            }
        }
        Ok(())
    }
}

/// Everything to do in a scenario, in order of time.
fn schedule(scenario: &Scenario) -> Vec<(Duration, ScheduledItem)> {
    let calls = scenario.callers.iter().enumerate();
    let mut items: Vec<_> =
        calls.map(|(n, caller)| (caller.starts_at, ScheduledItem::Call(n))).collect();
    for (n, (at, world_event)) in scenario.world_events.iter().enumerate() {
        items.push((*at, ScheduledItem::WorldEvent(n)));
        if let WorldEvent::SecretRotated(after) = world_event {
            items.push((*at + *after, ScheduledItem::Restart));
        }
    }
    items.sort_by_key(|(at, _)| *at);
    items
}

/// The text of a scenario and its trace.
pub(crate) fn report(scenario: &Scenario, trace: &str) -> String {
    let mut report = String::new();
    // Writing to a String does not fail.
    let _ = write!(report, "{scenario}\n{trace}");
    report
}
