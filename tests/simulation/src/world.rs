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

use crate::caller::{AnyCall, At, Caller, Ended};
use crate::clock::Clock;
use crate::endpoint::Endpoint;
use crate::journal::{Happened, Sent};
use crate::network::Weather;
use crate::process::Process;
use crate::transit::{Late, Travelling};

/// Connectors, their callers, the network and the cloud, in one process and at one time.
#[derive(Debug)]
pub struct World {
    /// The cloud.
    pub cloud: Sandbox,
    /// The first connector's configuration; change it before the first call.
    pub config: Config,
    /// What the network does with the requests to come; `Fine` when it runs out.
    pub weather: VecDeque<Weather>,
    /// One way.
    pub latency: Duration,
    /// By how much the first connector's wall clock is wrong, in seconds.
    pub wall_off: i64,
    /// Everything that was sent.
    pub sent: Vec<Sent>,
    /// What the network does with one caller's request of this number.
    pub(crate) troubles: BTreeMap<(usize, u32), Weather>,
    /// Whether each request takes a time of its own, and from which seed.
    pub(crate) mixed: Option<u64>,
    /// Hosts where nobody is any more.
    pub(crate) gone: BTreeSet<String>,
    /// By how many seconds the cloud's clock is ahead of the world's.
    pub(crate) cloud_off: i64,
    /// Where notifications go, if anywhere.
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) processes: Vec<Process>,
    pub(crate) callers: Vec<Caller>,
    pub(crate) now: Duration,
    pub(crate) travelling: Vec<Travelling>,
    pub(crate) late: Vec<Late>,
    /// What happened since somebody last looked.
    pub(crate) journal: Vec<(Duration, Happened)>,
    pub(crate) watched: bool,
}

/// What is due next.
enum Due {
    Arrival(usize),
    Late(usize),
    Caller(usize),
    Endpoint,
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
            weather: VecDeque::new(),
            latency: Duration::from_millis(40),
            wall_off: 0,
            sent: Vec::new(),
            troubles: BTreeMap::new(),
            mixed: None,
            gone: BTreeSet::new(),
            cloud_off: 0,
            endpoint: None,
            processes: Vec::new(),
            callers: Vec::new(),
            now: Duration::ZERO,
            travelling: Vec::new(),
            late: Vec::new(),
            journal: Vec::new(),
            watched: false,
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
    pub fn with_weather(mut self, weather: impl IntoIterator<Item = Weather>) -> Self {
        self.weather.extend(weather);
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
        self.start_as(at, operation, |call, _| call)
    }

    /// A caller who begins then, with a call of its own kind: another deadline, another policy.
    pub fn start_as<O>(
        &mut self,
        at: Duration,
        operation: O,
        own: impl FnOnce(Call<O>, Now) -> Call<O>,
    ) -> usize
    where
        O: Operation + std::fmt::Debug + 'static,
        O::Output: std::fmt::Debug,
    {
        if self.processes.is_empty() {
            let clock = Clock { wall_off: self.wall_off, ..Clock::default() };
            self.processes.push(Process::new(self.config.clone(), clock, false));
        }
        if let Some(first) = self.processes.first_mut() {
            first.config.clone_from(&self.config);
        }
        self.start_in(0, at, operation, own)
    }

    /// A caller in that process.
    pub(crate) fn start_in<O>(
        &mut self,
        process: usize,
        at: Duration,
        operation: O,
        own: impl FnOnce(Call<O>, Now) -> Call<O>,
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
        let began = at.max(program.back_at);
        let now = program.clock.now(began);
        let call = own(Call::new(operation, &program.config, seed, now), now);
        self.callers.push(Caller {
            call: Some(Box::new(call)),
            process,
            at: At::Before(began),
            began,
            leaves: None,
            events: Vec::new(),
            ended: None,
            polls: 0,
        });
        number
    }

    /// That caller goes away then, telling the core (as an adapter's guard does) or not.
    pub fn leave_at(&mut self, caller: usize, at: Duration, telling: bool) {
        if let Some(caller) = self.callers.get_mut(caller) {
            caller.leaves = Some((at, telling));
        }
    }

    /// Lets everything happen, until all calls have ended.
    ///
    /// # Panics
    /// If they do not.
    pub fn run(&mut self) {
        self.run_until(Duration::MAX);
        assert!(
            self.callers.iter().all(|caller| matches!(caller.at, At::Over)),
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
                    Due::Late(n) => self.deliver_late(n),
                    Due::Caller(n) => self.turn(n),
                    Due::Endpoint => self.serve(),
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
        for (n, travelling) in self.travelling.iter().enumerate() {
            offer(travelling.arrives, Due::Arrival(n));
        }
        for (n, late) in self.late.iter().enumerate() {
            offer(late.at, Due::Late(n));
        }
        for (n, caller) in self.callers.iter().enumerate() {
            let back = self.processes.get(caller.process).map(|process| process.back_at);
            if let Some(at) = caller.next(back.unwrap_or_default()) {
                offer(at, Due::Caller(n));
            }
        }
        if let Some(at) = self.endpoint.as_ref().and_then(Endpoint::due) {
            offer(at, Due::Endpoint);
        }
        first
    }

    /// One thing that one caller does.
    fn turn(&mut self, n: usize) {
        let Some(caller) = self.callers.get_mut(n) else { return };
        let Some(process) = self.processes.get_mut(caller.process) else { return };
        let (clock, shared) = (process.clock, &mut process.shared);
        let now = clock.now(self.now);
        if let Some((_, telling)) = caller.leaves.filter(|(at, _)| *at <= self.now) {
            let wakes = match &mut caller.call {
                Some(call) if telling => call.abandon(shared, now),
                _ => false,
            };
            self.note(Happened::Left { caller: n, telling });
            self.over(n);
            if wakes {
                self.wake(n);
            }
            return;
        }
        let Some(call) = &mut caller.call else { return };
        if let At::InFlight { nth, number, outcome, .. } = &mut caller.at {
            let (nth, number, outcome) = (*nth, *number, outcome.take());
            caller.at = At::Awake;
            let wakes = outcome.is_some_and(|outcome| call.handle(shared, now, number, outcome));
            self.note(Happened::Known { nth });
            if wakes {
                self.wake(n);
            }
            return;
        }
        if matches!(caller.at, At::Before(_)) {
            caller.at = At::Awake;
            self.note(Happened::Began { caller: n });
            return;
        }
        caller.polls += 1;
        match call.poll(shared, now) {
            Step::Send(attempt) => self.send(n, attempt),
            Step::Wait(until) => {
                let until = clock.when(until);
                caller.at = At::Waiting(until);
                self.note(Happened::Waits { caller: n, until });
            }
            Step::Tell(event) => {
                caller.events.push(event);
                let event = caller.events.len() - 1;
                self.note(Happened::Told { caller: n, event });
            }
            Step::Done => {
                self.over(n);
                self.note(Happened::Ended { caller: n });
            }
        }
    }

    pub(crate) fn over(&mut self, n: usize) {
        if let Some(caller) = self.callers.get_mut(n) {
            caller.at = At::Over;
            let (began, at) = (caller.began, self.now);
            caller.ended = caller.call.take().map(|call| Ended {
                caller: n,
                began,
                at,
                result: AnyCall::end(call),
            });
        }
    }

    /// Whoever waits in the process of this caller looks again.
    pub(crate) fn wake(&mut self, by: usize) {
        let process = self.callers.get(by).map(|caller| caller.process);
        for caller in self.callers.iter_mut().filter(|caller| Some(caller.process) == process) {
            if matches!(caller.at, At::Waiting(_)) {
                caller.at = At::Awake;
            }
        }
    }

    pub(crate) fn note(&mut self, happened: Happened) {
        if self.watched {
            self.journal.push((self.now, happened));
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
    pub fn ended(&self) -> impl Iterator<Item = &Ended> {
        self.callers.iter().filter_map(|caller| caller.ended.as_ref())
    }

    /// How that caller's call ended.
    ///
    /// # Panics
    /// If it has not.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test reports by panicking")]
    pub fn end_of(&self, caller: usize) -> &Ended {
        self.callers.get(caller).and_then(|caller| caller.ended.as_ref()).expect("it has ended")
    }

    /// What was sent for one stage.
    pub fn sent_for(&self, stage: Stage) -> impl Iterator<Item = &Sent> {
        self.sent.iter().filter(move |sent| sent.stage == stage)
    }

    /// How many consumers' tokens the first connector keeps or is fetching.
    #[must_use]
    pub fn consumers(&self) -> usize {
        self.processes.first().map(|process| process.shared.consumers()).unwrap_or_default()
    }

    /// How many events with this text the cloud has kept.
    #[must_use]
    pub fn kept(&self, text: &str) -> usize {
        let is = |event: &serde_json::Value| event.get("message").is_some_and(|kept| kept == text);
        self.cloud.messages().iter().filter(|message| is(&message.event)).count()
    }

    /// Everything that can be printed of all that is there.
    #[must_use]
    pub fn shown(&self) -> String {
        let mut shown = format!("{:?}\n", self.config);
        let shared: Vec<&Shared> = self.processes.iter().map(|process| &process.shared).collect();
        // Writing to a String does not fail.
        let _ = writeln!(shown, "{shared:?}");
        for caller in &self.callers {
            let call = caller.call.as_ref().map(|call| call.shown());
            let _ = writeln!(shown, "{call:?} {:?} {:?}", caller.events, caller.ended);
            if let Some(Ended { result: Err(error), .. }) = &caller.ended {
                shown.push_str(&told(error));
            }
        }
        shown
    }
}

/// An error as a log would have it: each cause on a line of its own.
pub(crate) fn told(error: &lp_connector_core::error::Error) -> String {
    let mut told = String::new();
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        let _ = writeln!(told, "{error}");
        cause = error.source();
    }
    told
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
pub fn conversation_of(world: &mut World) -> ConversationId {
    world.start(lp_connector_core::api::OpenConversation::new(ada()));
    world.run();
    let open = world.cloud.conversations().find(|conversation| conversation.open);
    ConversationId::new(&open.expect("an open conversation").id).expect("a good id")
}
