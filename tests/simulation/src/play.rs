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

use crate::chance::CONSUMERS;
use crate::clock::Clock;
use crate::endpoint::Endpoint;
use crate::process::Process;
use crate::promise::{Promise, Violation};
use crate::story::{Caller, Doing, Happening, Policy, Story};
use crate::trace;
use crate::watch::{Known, SECRET, TEXT, Watch};
use crate::world::World;

/// The services that a connector uses, each at a host of its own.
const SERVICES: [&str; 3] = ["asyncMessagingEnt", "sentinel", "idp"];
/// More events than this are no story but a storm.
const MOST_EVENTS: u64 = 200_000;
/// A story that has come to rest is looked at again after this: longer than any pause.
const AFTERWARDS: Duration = Duration::from_secs(3600);
/// Long enough for one call.
const WHILE: Duration = Duration::from_secs(30);

/// What a story came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Played {
    pub(crate) calls: u64,
    pub(crate) requests: u64,
    pub(crate) notifications: u64,
    pub(crate) events: u64,
    pub(crate) virtual_time: Duration,
}

/// How closely a story is followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Care {
    /// Look at all that can be printed.
    pub(crate) thorough: bool,
    /// Write down what happens.
    pub(crate) traced: bool,
}

/// Plays a story. A panic is a promise that was not kept, too.
pub(crate) fn play(story: &Story, care: Care) -> (Result<Played, Violation>, String) {
    let mut trace = String::new();
    let played = catch_unwind(AssertUnwindSafe(|| {
        let mut player = Player::new(story, care);
        let played = player.play();
        (played, player.trace)
    }));
    let result = match played {
        Ok((played, told)) => {
            trace = told;
            played
        }
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            let why = text.unwrap_or("a panic without words");
            Err(Violation::new(Promise::NoPanic, Duration::ZERO, why))
        }
    };
    (result, trace)
}

/// One thing to be done at its time.
#[derive(Clone, Copy, Debug)]
enum Item {
    Call(usize),
    Happens(usize),
    /// All processes start anew, with the secret that the app has now.
    Restart,
}

struct Player<'a> {
    story: &'a Story,
    world: World,
    watch: Watch,
    conversations: Vec<ConversationId>,
    /// Those that the app comes to have, all known to the receiver from the start.
    secrets: Vec<String>,
    secret: usize,
    trace: String,
    traced: bool,
    journal: Vec<(Duration, crate::journal::Happened)>,
    played: Played,
    agents_said: u32,
}

impl<'a> Player<'a> {
    fn new(story: &'a Story, care: Care) -> Self {
        let (mut world, conversations) = opened();
        world = world.with_cloud_life(story.token_life);
        world.latency = story.latency;
        world.mixed = story.mixed;
        world.watched = true;
        let rotates = |it: &&(Duration, Happening)| matches!(it.1, Happening::RotatesSecret(_));
        let rotations = story.happenings.iter().filter(rotates).count();
        let secrets: Vec<_> = (0..=rotations).map(|n| format!("{SECRET}{n}")).collect();
        world.cloud.set_webhooks(
            Webhooks::all_at("https://connector.example/webhooks")
                .retention(Duration::from_secs(259_200)),
        );
        let mut endpoint = Endpoint::new(0, secrets.iter().cloned());
        endpoint.troubles = story.posts.iter().copied().collect();
        world.endpoint = Some(endpoint);
        let mut player = Self {
            story,
            world,
            watch: Watch::new(story, care.thorough),
            conversations,
            secrets,
            secret: 0,
            trace: String::new(),
            traced: care.traced,
            journal: Vec::new(),
            played: Played::default(),
            agents_said: 0,
        };
        for (n, program) in story.processes.iter().enumerate() {
            let clock =
                Clock { origin: Duration::ZERO, drift: program.drift, wall_off: program.wall_off };
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
        match self.story.processes.get(process) {
            Some(program) => config
                .retry(program.policy.policy())
                .call_timeout(program.call_timeout)
                .consumer_cache(program.consumer_cache),
            None => config,
        }
    }

    fn play(&mut self) -> Result<Played, Violation> {
        for (at, item) in agenda(self.story) {
            self.run(at)?;
            match item {
                Item::Call(n) => {
                    if let Some(caller) = self.story.callers.get(n) {
                        self.begin(caller);
                    }
                }
                Item::Happens(n) => {
                    if let Some((_, happening)) = self.story.happenings.get(n) {
                        self.happen(happening);
                    }
                }
                Item::Restart => {
                    for process in 0..self.world.processes.len() {
                        self.restart(process, Duration::ZERO);
                    }
                }
            }
        }
        self.run(Duration::MAX)?;
        self.recover()?;
        self.watch.close(&self.world)?;
        self.played.calls = self.world.callers.len() as u64;
        self.played.requests = self.world.sent.len() as u64;
        let heard = self.world.endpoint.as_ref().map(|endpoint| endpoint.heard.len());
        self.played.notifications = heard.unwrap_or_default() as u64;
        self.played.virtual_time = self.world.now;
        Ok(self.played)
    }

    /// Lets happen what happens by then, and watches it.
    fn run(&mut self, until: Duration) -> Result<(), Violation> {
        while self.world.step(until) {
            self.played.events += 1;
            if self.played.events > MOST_EVENTS {
                let why = "the world does not come to rest";
                return Err(Violation::new(Promise::NoBusyLoop, self.world.now, why));
            }
            self.look()?;
        }
        self.look()
    }

    fn look(&mut self) -> Result<(), Violation> {
        std::mem::swap(&mut self.journal, &mut self.world.journal);
        for (at, happened) in self.journal.drain(..) {
            if self.traced {
                trace::line(&self.world, at, happened, &mut self.trace);
            }
            self.watch.look(&self.world, at, happened)?;
            if let crate::journal::Happened::Ended { caller } = happened {
                let caller = self.world.callers.get(caller);
                // Only the endpoint's own process knows of its calls.
                let own = caller.filter(|caller| caller.process == 0);
                let done = own.and_then(|caller| caller.ended.as_ref());
                if let Some(name) = done.filter(|done| done.result.is_ok()).map(|done| done.caller)
                    && let Some(text) = self.watch.text_of(name)
                {
                    self.world.account_for(&text);
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, caller: &Caller) {
        let who = |prefix: &str, who: u8| {
            #[expect(clippy::expect_used, reason = "a simulation reports by panicking")]
            ExtConsumerId::new(format!("{prefix}-{who}")).expect("a good id")
        };
        let text = format!("{TEXT}{}", caller.name);
        let n = match caller.doing {
            Doing::Resolve => self.start(caller, ResolveDomain::new(Service::MESSAGING)),
            Doing::Authorize => self.start(caller, AuthorizeApp::new()),
            Doing::Identify(to) => self.start(caller, IdentifyConsumer::new(who("consumer", to))),
            Doing::Open(to) => self.start(caller, OpenConversation::new(who("newcomer", to))),
            Doing::Say(to) => match self.conversation(to) {
                Some(id) => self.start(caller, SendText::new(who("consumer", to), id, text)),
                None => return,
            },
            Doing::Compose(to) => match self.conversation(to) {
                Some(id) => {
                    let state = SetChatState::new(who("consumer", to), id, ChatState::Composing);
                    self.start(caller, state)
                }
                None => return,
            },
            Doing::Close(to) => match self.conversation(to) {
                Some(id) => self.start(caller, CloseConversation::new(who("consumer", to), id)),
                None => return,
            },
        };
        if let Some((after, telling)) = caller.leaves {
            self.world.leave_at(n, self.world.now + after, telling);
        }
    }

    fn start<O>(&mut self, caller: &Caller, operation: O) -> usize
    where
        O: Operation + std::fmt::Debug + 'static,
        O::Output: std::fmt::Debug,
    {
        let program = self.story.processes.get(caller.process);
        let (policy, whole) = program
            .map_or((Policy::Documented, Duration::from_secs(120)), |program| {
                (program.policy, program.call_timeout)
            });
        let timeout = caller.hurry.unwrap_or(whole);
        let n = self.world.callers.len();
        for trouble in self.story.troubles.iter().filter(|trouble| trouble.caller == caller.name) {
            self.world.troubles.insert((n, trouble.number), trouble.weather);
        }
        let known = Known { name: caller.name, policy, doing: caller.doing, timeout };
        self.watch.expect(known);
        let at = self.world.now;
        self.world.start_in(caller.process, at, operation, |call, now| call.timeout(timeout, now))
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
            self.watch.agent_said(said);
        }
        self.world.published();
    }

    fn happen(&mut self, happening: &Happening) {
        let now = self.world.now;
        if self.traced {
            trace::note(&mut self.trace, now, &format!("*** {happening}"));
        }
        match happening {
            Happening::Fault(fault) => {
                if let Ok(fault) = fault.parse() {
                    self.world.cloud.fault(fault);
                }
            }
            Happening::Heals => self.world.cloud.heal(),
            Happening::RevokesAppTokens => self.world.cloud.revoke_app_tokens(),
            Happening::RevokesConsumerTokens => self.world.cloud.revoke_consumer_tokens(),
            Happening::RotatesSecret(_) => {
                self.secret += 1;
                let app = self.world.cloud.config().app().map(|app| app.client_id().to_owned());
                let secret = self.secrets.get(self.secret).cloned().unwrap_or_default();
                self.world.cloud.rotate_secret(&app.unwrap_or_default(), secret);
            }
            Happening::Moves(service, to) => self.moves(service, *to),
            Happening::CloudClock(to) => {
                self.world.cloud_off = *to;
                self.watch.clock_was_set(now);
                self.world.published();
            }
            Happening::WallClock(process, to) => {
                if let Some(process) = self.world.processes.get_mut(*process) {
                    process.clock.wall_off = *to;
                }
            }
            Happening::Crashes(process, down) => self.restart(*process, *down),
            Happening::Sleeps(process, time) => {
                if let Some(process) = self.world.processes.get_mut(*process) {
                    process.back_at = process.back_at.max(now + *time);
                }
            }
            Happening::AgentSays(to, times) => {
                for _ in 0..*times {
                    self.agent_says(*to);
                }
            }
            Happening::AgentTypes(to) => self.agent(*to, Agent::State("COMPOSING".to_owned())),
            Happening::AgentNotes(to) => self.agent(*to, Agent::Note("psst".to_owned())),
            Happening::AgentTransfers(to) => {
                self.agent(*to, Agent::Transfer(format!("skill {}", self.played.events)));
            }
        }
    }

    fn moves(&mut self, service: &str, to: u8) {
        for other in 0..3 {
            self.world.gone.insert(host(service, other));
        }
        self.world.gone.remove(&host(service, to));
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
        self.world.cloud.heal();
        self.world.troubles.clear();
        self.world.latency = Duration::from_millis(40);
        self.world.mixed = None;
        self.world.cloud.set_token_life(AFTERWARDS);
        for service in SERVICES {
            self.moves(service, 0);
        }
        if let Some(endpoint) = &mut self.world.endpoint {
            endpoint.troubles.clear();
        }
        self.agent_says(0);
        self.run(self.world.now + AFTERWARDS)?;
        let first = self.story.callers.iter().map(|caller| caller.name + 1).max().unwrap_or(0);
        let mut name = first;
        // The first calls may meet a service that has moved. An hour after them no call may meet
        // anything: the next ones come one by one, as a service that was left alone is tried, and
        // the last at the same time.
        for (at_once, until_next, required) in
            [(3, AFTERWARDS, false), (1, WHILE, true), (1, WHILE, true), (3, AFTERWARDS, true)]
        {
            let from = self.world.callers.len();
            for process in 0..self.story.processes.len() {
                for _ in 0..at_once {
                    self.recovered(process, name, name - first);
                    name += 1;
                }
            }
            self.run(self.world.now + until_next)?;
            for (n, caller) in self.world.callers.iter().enumerate().skip(from) {
                let ended = caller.ended.as_ref().filter(|_| required);
                if let Some(Err(error)) = ended.map(|ended| &ended.result) {
                    let why = format!("call {n}, long after the last fault: {error}");
                    return Err(Violation::new(Promise::AllRecovers, self.world.now, why));
                }
            }
        }
        self.run(Duration::MAX)
    }

    fn recovered(&mut self, process: usize, name: u32, turn: u32) {
        // Each process speaks for both consumers in turn.
        let to = (turn / self.story.processes.len().max(1) as u32 % 2) as u8;
        let Some(conversation) = self.conversation(to) else { return };
        #[expect(clippy::expect_used, reason = "a simulation reports by panicking")]
        let consumer = ExtConsumerId::new(format!("consumer-{to}")).expect("a good id");
        let text = SendText::new(consumer, conversation, format!("{TEXT}{name}"));
        let timeout = Duration::from_secs(120);
        let policy = Policy::Documented;
        self.watch.expect(Known { name, policy, doing: Doing::Say(to), timeout });
        let at = self.world.now;
        self.world.start_in(process, at, text, |call, now| {
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
fn opened() -> (World, Vec<ConversationId>) {
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
        let opened = all.find(|one| one.consumer == name).expect("an open conversation");
        ConversationId::new(&opened.id).expect("a good id")
    });
    let conversations: Vec<_> = conversations.collect();
    for conversation in &conversations {
        let joined = before.cloud.agent(before.cloud_clock(), conversation.as_str(), Agent::Join);
        joined.expect("an open conversation");
    }
    (before.cloud, conversations)
}

/// All that is to be done, in its order.
fn agenda(story: &Story) -> Vec<(Duration, Item)> {
    let calls = story.callers.iter().enumerate();
    let mut agenda: Vec<_> = calls.map(|(n, caller)| (caller.begins, Item::Call(n))).collect();
    for (n, (at, happening)) in story.happenings.iter().enumerate() {
        agenda.push((*at, Item::Happens(n)));
        if let Happening::RotatesSecret(after) = happening {
            agenda.push((*at + *after, Item::Restart));
        }
    }
    agenda.sort_by_key(|(at, _)| *at);
    agenda
}

/// A story and what came of it, for a person to read.
pub(crate) fn told(story: &Story, trace: &str) -> String {
    let mut told = String::new();
    // Writing to a String does not fail.
    let _ = write!(told, "{story}\n{trace}");
    told
}
