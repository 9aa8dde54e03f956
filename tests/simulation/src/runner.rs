//! A story played out in a world, under watch.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::time::Duration;

use lp_connector_core::api::{
    AuthorizeApp, ChatState, CloseConversation, IdentifyConsumer, OpenConversation, Operation,
    ResolveDomain, SendText, Service, SetChatState,
};
use lp_connector_core::connector::Config;
use lp_connector_core::id::{ClientId, ConversationId, ExtConsumerId};
use lp_connector_core::policy::RetryPolicy;
use lp_connector_core::secret::Secret;
use lp_connector_sandbox::{Agent, App, Sandbox, Webhooks};

use crate::clock::Clock;
use crate::generator::CONSUMERS;
use crate::invariant::{Invariant, Violation};
use crate::invariants::{CallSpec, Checker, SECRET, TEXT};
use crate::process::Process;
use crate::scenario::{Action, Caller, Policy, Scenario, WorldEvent};
use crate::trace;
use crate::webhook_endpoint::WebhookEndpoint;
use crate::world::World;

/// The services that a connector uses, each at a host of its own.
const SERVICES: [&str; 3] = ["asyncMessagingEnt", "sentinel", "idp"];
/// More events than this are no story but a storm.
const MOST_EVENTS: u64 = 200_000;
/// A story that has come to rest is looked at again after this: longer than any pause.
const RECOVERY_TIME: Duration = Duration::from_secs(3600);
/// Long enough for one call.
const CALL_INTERVAL: Duration = Duration::from_secs(30);

/// What a story came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct RunStats {
    pub(crate) calls: u64,
    pub(crate) requests: u64,
    pub(crate) notifications: u64,
    pub(crate) events: u64,
    pub(crate) virtual_time: Duration,
}

/// How closely a story is followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct CheckLevel {
    /// Look at all that can be printed.
    pub(crate) thorough: bool,
    /// Write down what happens.
    pub(crate) traced: bool,
}

/// Plays a story. A panic is a promise that was not kept, too.
pub(crate) fn run_scenario(
    scenario: &Scenario,
    level: CheckLevel,
) -> (Result<RunStats, Violation>, String) {
    let mut trace = String::new();
    let stats = catch_unwind(AssertUnwindSafe(|| {
        let mut player = Runner::new(scenario, level);
        let stats = player.run();
        (stats, player.trace)
    }));
    let result = match stats {
        Ok((stats, report)) => {
            trace = report;
            stats
        }
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            let why = text.unwrap_or("a panic without words");
            Err(Violation::new(Invariant::NoPanic, Duration::ZERO, why))
        }
    };
    (result, trace)
}

/// One thing to be done at its time.
#[derive(Clone, Copy, Debug)]
enum ScheduledItem {
    Call(usize),
    Happens(usize),
    /// All processes start anew, with the secret that the app has now.
    Restart,
}

struct Runner<'a> {
    scenario: &'a Scenario,
    world: World,
    checker: Checker,
    conversations: Vec<ConversationId>,
    /// Those that the app comes to have, all known to the receiver from the start.
    secrets: Vec<String>,
    secret: usize,
    trace: String,
    traced: bool,
    event_log: Vec<(Duration, crate::event_log::LogEntry)>,
    stats: RunStats,
    agents_said: u32,
}

impl<'a> Runner<'a> {
    fn new(scenario: &'a Scenario, level: CheckLevel) -> Self {
        let (mut world, conversations) = prepared_cloud();
        world = world.with_cloud_life(scenario.token_life);
        world.latency = scenario.latency;
        world.latency_seed = scenario.latency_seed;
        world.event_log_enabled = true;
        let rotates = |it: &&(Duration, WorldEvent)| matches!(it.1, WorldEvent::SecretRotated(_));
        let rotations = scenario.world_events.iter().filter(rotates).count();
        let secrets: Vec<_> = (0..=rotations).map(|n| format!("{SECRET}{n}")).collect();
        world.cloud.set_webhooks(
            Webhooks::all_at("https://connector.example/webhooks")
                .retention(Duration::from_secs(259_200)),
        );
        let mut endpoint = WebhookEndpoint::new(0, secrets.iter().cloned());
        endpoint.post_faults = scenario.posts.iter().copied().collect();
        world.endpoint = Some(endpoint);
        let mut player = Self {
            scenario,
            world,
            checker: Checker::new(scenario, level.thorough),
            conversations,
            secrets,
            secret: 0,
            trace: String::new(),
            traced: level.traced,
            event_log: Vec::new(),
            stats: RunStats::default(),
            agents_said: 0,
        };
        for (n, program) in scenario.processes.iter().enumerate() {
            let clock = Clock {
                origin: Duration::ZERO,
                drift: program.drift,
                wall_clock_offset: program.wall_clock_offset,
            };
            let config = player.config(n);
            player.world.processes.push(Process::new(config, clock, program.wire));
        }
        player
    }

    /// The configuration of one process, with the secret that the app has now.
    #[expect(clippy::expect_used, reason = "a simulation reports by panicking")]
    fn config(&self, process: usize) -> Config {
        let config = self.world.config.clone();
        let app = self.world.cloud.config().app().expect("an app").client_id().to_owned();
        let secret = self.secrets.get(self.secret).cloned().unwrap_or_default();
        let config =
            config.credentials(ClientId::new(app).expect("a good id"), Secret::new(secret));
        match self.scenario.processes.get(process) {
            Some(program) => config
                .retry(program.policy.policy())
                .call_timeout(program.call_timeout)
                .consumer_cache(program.consumer_cache),
            None => config,
        }
    }

    fn run(&mut self) -> Result<RunStats, Violation> {
        for (at, item) in schedule(self.scenario) {
            self.run_until(at)?;
            match item {
                ScheduledItem::Call(n) => {
                    if let Some(caller) = self.scenario.callers.get(n) {
                        self.start_action(caller);
                    }
                }
                ScheduledItem::Happens(n) => {
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

    /// Lets happen what happens by then, and watches it.
    fn run_until(&mut self, until: Duration) -> Result<(), Violation> {
        while self.world.step(until) {
            self.stats.events += 1;
            if self.stats.events > MOST_EVENTS {
                let why = "the world does not come to rest";
                return Err(Violation::new(Invariant::NoBusyLoop, self.world.now, why));
            }
            self.check_log()?;
        }
        self.check_log()
    }

    fn check_log(&mut self) -> Result<(), Violation> {
        std::mem::swap(&mut self.event_log, &mut self.world.event_log);
        for (at, entry) in self.event_log.drain(..) {
            if self.traced {
                trace::line(&self.world, at, entry, &mut self.trace);
            }
            self.checker.check(&self.world, at, entry)?;
            if let crate::event_log::LogEntry::CallFinished { caller } = entry {
                let caller = self.world.callers.get(caller);
                // Only the endpoint's own process knows of its calls.
                let own = caller.filter(|caller| caller.process == 0);
                let done = own.and_then(|caller| caller.finished.as_ref());
                if let Some(name) = done.filter(|done| done.result.is_ok()).map(|done| done.caller)
                    && let Some(text) = self.checker.text_of(name)
                {
                    self.world.mark_seen(&text);
                }
            }
        }
        Ok(())
    }

    fn start_action(&mut self, caller: &Caller) {
        let who = |prefix: &str, who: u8| {
            #[expect(clippy::expect_used, reason = "a simulation reports by panicking")]
            ExtConsumerId::new(format!("{prefix}-{who}")).expect("a good id")
        };
        let text = format!("{TEXT}{}", caller.name);
        let n = match caller.action {
            Action::ResolveDomain => self.start(caller, ResolveDomain::new(Service::MESSAGING)),
            Action::AuthorizeApp => self.start(caller, AuthorizeApp::new()),
            Action::IdentifyConsumer(to) => {
                self.start(caller, IdentifyConsumer::new(who("consumer", to)))
            }
            Action::OpenConversation(to) => {
                self.start(caller, OpenConversation::new(who("newcomer", to)))
            }
            Action::SendText(to) => match self.conversation(to) {
                Some(id) => self.start(caller, SendText::new(who("consumer", to), id, text)),
                None => return,
            },
            Action::SetComposing(to) => match self.conversation(to) {
                Some(id) => {
                    let state = SetChatState::new(who("consumer", to), id, ChatState::Composing);
                    self.start(caller, state)
                }
                None => return,
            },
            Action::CloseConversation(to) => match self.conversation(to) {
                Some(id) => self.start(caller, CloseConversation::new(who("consumer", to), id)),
                None => return,
            },
        };
        if let Some((after, notify)) = caller.cancel_after {
            self.world.cancel_at(n, self.world.now + after, notify);
        }
    }

    fn start<O>(&mut self, caller: &Caller, operation: O) -> usize
    where
        O: Operation + std::fmt::Debug + 'static,
        O::Output: std::fmt::Debug,
    {
        let program = self.scenario.processes.get(caller.process);
        let (policy, whole) = program
            .map_or((Policy::Documented, Duration::from_secs(120)), |program| {
                (program.policy, program.call_timeout)
            });
        let timeout = caller.deadline.unwrap_or(whole);
        let n = self.world.callers.len();
        for fault in self.scenario.request_faults.iter().filter(|fault| fault.caller == caller.name)
        {
            self.world.request_faults.insert((n, fault.number), fault.fault);
        }
        let spec = CallSpec { name: caller.name, policy, action: caller.action, timeout };
        self.checker.expect(spec);
        let at = self.world.now;
        self.world
            .start_in_process(caller.process, at, operation, |call, now| call.timeout(timeout, now))
    }

    fn conversation(&self, of: u8) -> Option<ConversationId> {
        self.conversations.get(usize::from(of)).cloned()
    }

    fn agent_says(&mut self, to: u8) {
        self.agents_said += 1;
        let text = format!("agent says {}", self.agents_said);
        self.agent(to, Agent::Text(text, Vec::new()));
    }

    fn agent(&mut self, with: u8, action: Agent) {
        let Some(conversation) = self.conversation(with) else { return };
        let said = match &action {
            Agent::Text(text, _) => Some(text.clone()),
            _ => None,
        };
        let now = self.world.cloud_clock();
        // Nobody closes the conversations that agents speak in.
        if self.world.cloud.agent(now, conversation.as_str(), action).is_ok()
            && let Some(said) = said
        {
            self.checker.agent_said(said);
        }
        self.world.wake_delivery();
    }

    fn apply_event(&mut self, world_event: &WorldEvent) {
        let now = self.world.now;
        if self.traced {
            trace::note(&mut self.trace, now, &format!("*** {world_event}"));
        }
        match world_event {
            WorldEvent::Fault(fault) => {
                if let Ok(fault) = fault.parse() {
                    self.world.cloud.fault(fault);
                }
            }
            WorldEvent::FaultsCleared => self.world.cloud.clear_faults(),
            WorldEvent::AppTokensRevoked => self.world.cloud.revoke_app_tokens(),
            WorldEvent::ConsumerTokensRevoked => self.world.cloud.revoke_consumer_tokens(),
            WorldEvent::SecretRotated(_) => {
                self.secret += 1;
                let app = self.world.cloud.config().app().map(|app| app.client_id().to_owned());
                let secret = self.secrets.get(self.secret).cloned().unwrap_or_default();
                self.world.cloud.rotate_secret(&app.unwrap_or_default(), secret);
            }
            WorldEvent::ServiceMoved(service, to) => self.move_service(service, *to),
            WorldEvent::CloudClockSet(to) => {
                self.world.cloud_clock_offset = *to;
                self.checker.clock_was_set(now);
                self.world.wake_delivery();
            }
            WorldEvent::WallClockSet(process, to) => {
                if let Some(process) = self.world.processes.get_mut(*process) {
                    process.clock.wall_clock_offset = *to;
                }
            }
            WorldEvent::ProcessCrashed(process, down) => self.restart(*process, *down),
            WorldEvent::ProcessSuspended(process, time) => {
                if let Some(process) = self.world.processes.get_mut(*process) {
                    process.resumes_at = process.resumes_at.max(now + *time);
                }
            }
            WorldEvent::AgentTexts(to, times) => {
                for _ in 0..*times {
                    self.agent_says(*to);
                }
            }
            WorldEvent::AgentComposing(to) => self.agent(*to, Agent::State("COMPOSING".to_owned())),
            WorldEvent::AgentNote(to) => self.agent(*to, Agent::Note("psst".to_owned())),
            WorldEvent::AgentTransfer(to) => {
                self.agent(*to, Agent::Transfer(format!("skill {}", self.stats.events)));
            }
        }
    }

    fn move_service(&mut self, service: &str, to: u8) {
        for other in 0..3 {
            self.world.dead_hosts.insert(host(service, other));
        }
        self.world.dead_hosts.remove(&host(service, to));
        self.world.cloud.move_service(service, host(service, to));
    }

    fn restart(&mut self, process: usize, down: Duration) {
        let config = self.config(process);
        self.world.restart(process, config, down);
    }

    /// All faults end; when more time than any pause has gone by, everything works again.
    fn recover(&mut self) -> Result<(), Violation> {
        if self.traced {
            trace::note(&mut self.trace, self.world.now, "*** all is well from here on");
        }
        self.world.cloud.clear_faults();
        self.world.request_faults.clear();
        self.world.latency = Duration::from_millis(40);
        self.world.latency_seed = None;
        self.world.cloud.set_token_life(RECOVERY_TIME);
        for service in SERVICES {
            self.move_service(service, 0);
        }
        if let Some(endpoint) = &mut self.world.endpoint {
            endpoint.post_faults.clear();
        }
        self.agent_says(0);
        self.run_until(self.world.now + RECOVERY_TIME)?;
        let first = self.scenario.callers.iter().map(|caller| caller.name + 1).max().unwrap_or(0);
        let mut name = first;
        // The first calls may meet a service that has moved. An hour after them no call may meet
        // anything: the next ones come one by one, as a service that was left alone is tried, and
        // the last at the same time.
        for (at_once, until_next, required) in [
            (3, RECOVERY_TIME, false),
            (1, CALL_INTERVAL, true),
            (1, CALL_INTERVAL, true),
            (3, RECOVERY_TIME, true),
        ] {
            let from = self.world.callers.len();
            for process in 0..self.scenario.processes.len() {
                for _ in 0..at_once {
                    self.recovered(process, name, name - first);
                    name += 1;
                }
            }
            self.run_until(self.world.now + until_next)?;
            for (n, caller) in self.world.callers.iter().enumerate().skip(from) {
                let finished = caller.finished.as_ref().filter(|_| required);
                if let Some(Err(error)) = finished.map(|finished| &finished.result) {
                    let why = format!("call {n}, long after the last fault: {error}");
                    return Err(Violation::new(
                        Invariant::RecoversAfterFaults,
                        self.world.now,
                        why,
                    ));
                }
            }
        }
        self.run_until(Duration::MAX)
    }

    fn recovered(&mut self, process: usize, name: u32, turn: u32) {
        // Each process speaks for both consumers in turn.
        let to = (turn / self.scenario.processes.len().max(1) as u32 % 2) as u8;
        let Some(conversation) = self.conversation(to) else { return };
        #[expect(clippy::expect_used, reason = "a simulation reports by panicking")]
        let consumer = ExtConsumerId::new(format!("consumer-{to}")).expect("a good id");
        let text = SendText::new(consumer, conversation, format!("{TEXT}{name}"));
        let timeout = Duration::from_secs(120);
        let policy = Policy::Documented;
        self.checker.expect(CallSpec { name, policy, action: Action::SendText(to), timeout });
        let at = self.world.now;
        self.world.start_in_process(process, at, text, |call, now| {
            call.timeout(timeout, now).retry(RetryPolicy::documented())
        });
    }
}

/// Where a service is; the last place is one that nobody may trust.
fn host(service: &str, place: u8) -> String {
    let service = service.to_ascii_lowercase();
    match place {
        0 | 1 => format!("{service}-{place}.liveperson.net"),
        _ => format!("{service}.liveperson.net.evil.example"),
    }
}

/// A cloud in which each consumer has a conversation with an agent.
fn prepared_cloud() -> (World, Vec<ConversationId>) {
    static OPENED: OnceLock<(Sandbox, Vec<ConversationId>)> = OnceLock::new();
    let (cloud, conversations) = OPENED.get_or_init(open);
    let mut world = World::new();
    world.cloud = cloud.clone();
    (world, conversations.clone())
}

/// A connector of another time has opened them.
#[expect(clippy::expect_used, reason = "a simulation reports by panicking")]
fn open() -> (Sandbox, Vec<ConversationId>) {
    let at_home = |cloud: lp_connector_sandbox::Config| {
        let app = cloud.app().expect("an app").client_id().to_owned();
        let cloud = cloud.apps([App::new(app, format!("{SECRET}0"))]);
        SERVICES.iter().fold(cloud, |cloud, service| cloud.service_at(*service, host(service, 0)))
    };
    let secret = |config: Config| {
        let client = config.client_id().expect("an app").clone();
        config.credentials(client, Secret::new(format!("{SECRET}0")))
    };
    let mut before = World::new().with_cloud(at_home).with_config(secret);
    for consumer in 0..CONSUMERS {
        let consumer = ExtConsumerId::new(format!("consumer-{consumer}")).expect("a good id");
        before.start(OpenConversation::new(consumer));
        // One by one: what callers do to each other is for the stories to show.
        before.run();
    }
    let conversations = (0..CONSUMERS).map(|consumer| {
        let name = format!("consumer-{consumer}");
        let mut all = before.cloud.conversations();
        let prepared_cloud = all.find(|one| one.consumer == name).expect("an open conversation");
        ConversationId::new(&prepared_cloud.id).expect("a good id")
    });
    let conversations: Vec<_> = conversations.collect();
    for conversation in &conversations {
        let joined = before.cloud.agent(before.cloud_clock(), conversation.as_str(), Agent::Join);
        joined.expect("an open conversation");
    }
    (before.cloud, conversations)
}

/// All that is to be done, in its order.
fn schedule(scenario: &Scenario) -> Vec<(Duration, ScheduledItem)> {
    let calls = scenario.callers.iter().enumerate();
    let mut schedule: Vec<_> =
        calls.map(|(n, caller)| (caller.begins, ScheduledItem::Call(n))).collect();
    for (n, (at, world_event)) in scenario.world_events.iter().enumerate() {
        schedule.push((*at, ScheduledItem::Happens(n)));
        if let WorldEvent::SecretRotated(after) = world_event {
            schedule.push((*at + *after, ScheduledItem::Restart));
        }
    }
    schedule.sort_by_key(|(at, _)| *at);
    schedule
}

/// A story and what came of it, for a person to read.
pub(crate) fn report(scenario: &Scenario, trace: &str) -> String {
    let mut report = String::new();
    // Writing to a String does not fail.
    let _ = write!(report, "{scenario}\n{trace}");
    report
}
