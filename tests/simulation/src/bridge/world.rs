//! The world of a bridge: instances, a store, the cloud and a channel under one clock.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use http::Request as HttpRequest;
use lp_connector_core::api::ClientProperties;
use lp_connector_core::bridge::store::{Answer, Request};
use lp_connector_core::bridge::{BridgeConfig, Delivery, Opening, Verdict};
use lp_connector_core::connector::{Config, ConnectorState, Outcome, Trust};
use lp_connector_core::id::{AccountId, ClientId};
use lp_connector_core::secret::Secret;
use lp_connector_core::seed::Seed;
use lp_connector_sandbox::{Sandbox, Webhooks};

use super::channel::Channel;
use super::instance::Instance;
use super::invariant::{Broken, Invariant};
use super::observer::Observer;
use super::scenario::{Assumption, Fault, Scenario};
use super::store::WatchedStore;

/// The cloud's wall clock at the start.
pub(crate) const EPOCH: Duration = Duration::from_secs(1_711_000_000);

/// How soon a worker looks again after it found something; each look for nothing doubles it.
pub(crate) const POLL_LEAST: Duration = Duration::from_millis(25);

/// How long a worker without work waits at most before it looks for lanes.
pub(crate) const POLL_MOST: Duration = Duration::from_secs(5);

/// The most things that happen in a world.
const MAX_EVENTS: u64 = 400_000;

/// What an instance handles in one turn.
#[derive(Debug)]
pub(crate) enum Turn {
    Poll,
    Asked(u64, Option<Answer>),
    CallPoll(u64),
    CallOutcome(u64, u32, Outcome),
    Delivered(u64, Verdict),
    /// The channel hands a message in.
    Accept(usize),
    /// A notification is posted.
    Post(u64, Vec<u8>),
    Appended(Appending, bool),
}

/// Why entries are appended.
#[derive(Clone, Debug)]
pub(crate) enum Appending {
    Message(usize),
    Post(u64, Vec<u8>),
}

/// Who asked the store.
#[derive(Debug)]
pub(crate) enum Asker {
    Worker(u64),
    Appending(Appending),
    Operator,
    /// This consumer is forgotten.
    Forget(usize),
}

/// Something that happens.
#[derive(Debug)]
pub(crate) enum What {
    /// A turn of an instance. With a generation, only if it has not died meanwhile.
    Turn {
        instance: usize,
        generation: Option<u64>,
        turn: Turn,
    },
    Starts(usize),
    /// A request reaches the store.
    Store {
        instance: usize,
        generation: u64,
        asker: Asker,
        request: Request,
        fault: Option<Fault>,
    },
    /// A request reaches the cloud.
    Http {
        instance: usize,
        generation: u64,
        number: u64,
        attempt: u32,
        request: HttpRequest<Vec<u8>>,
        fault: Option<Fault>,
    },
    /// A delivery reaches the channel.
    Delivery {
        instance: usize,
        generation: u64,
        number: u64,
        delivery: Box<Delivery>,
        fault: Option<Fault>,
    },
    PollCloud,
    /// The answer to a post reaches the cloud, or does not come in time.
    PostEnds(u64, Option<u16>),
    /// The channel hands a message in, to this instance.
    HandsIn {
        message: usize,
        instance: usize,
    },
    /// An event of the scenario.
    Event(usize),
}

/// Requests are numbered, so that the scenario can name them.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) store: u32,
    pub(crate) calls: u32,
    pub(crate) posts: u32,
    pub(crate) deliveries: u32,
    pub(crate) events: u64,
    /// All requests to the store.
    pub(crate) asks: u64,
}

pub(crate) struct World {
    pub(crate) scenario: Scenario,
    pub(crate) now: Duration,
    /// Boxed: a tree moves its entries about, and these are large.
    queue: BTreeMap<(Duration, u64), Box<What>>,
    queued: u64,
    pub(crate) account: AccountId,
    pub(crate) bridge: BridgeConfig,
    pub(crate) client: Config,
    pub(crate) store: WatchedStore,
    pub(crate) store_down_until: Duration,
    pub(crate) cloud: Sandbox,
    pub(crate) channel: Channel,
    pub(crate) instances: Vec<Instance>,
    pub(crate) counts: Counts,
    /// The messages of agents that were answered 200: conversation, dialog, sequence.
    pub(crate) acknowledged: BTreeSet<(String, String, u64)>,
    /// The conversations that the bridge opened.
    pub(crate) opened: BTreeSet<String>,
    /// How often a held message was released to be sent again, by consumer.
    pub(crate) resends: BTreeMap<usize, u32>,
    /// The consumers who were forgotten, with how many messages were accepted before.
    pub(crate) forgotten: BTreeMap<usize, usize>,
    /// The faults of posts, by their ids.
    pub(crate) post_faults: BTreeMap<u64, Fault>,
    /// The number of the newest message of the cloud that was looked at.
    pub(crate) seen_messages: u64,
    /// The effects under way, by lane: who, and until when at most.
    pub(crate) effects: BTreeMap<String, (usize, Duration)>,
    /// The faults are over.
    pub(crate) is_quiet: bool,
    /// When the cloud is asked for posts next.
    pub(crate) poll_cloud_at: Option<Duration>,
    pub(crate) trace: Option<String>,
    pub(crate) observer: Observer,
}

/// The name of a consumer.
pub(crate) fn consumer_name(consumer: usize) -> String {
    format!("consumer-{consumer}")
}

impl World {
    #[expect(clippy::expect_used, reason = "a simulation reports by panicking")]
    pub(crate) fn new(scenario: &Scenario, traces: bool) -> Self {
        let gaps = scenario.broken.contains(&Assumption::NoGaps);
        let changed = scenario.broken.contains(&Assumption::SameText);
        let cloud = lp_connector_sandbox::Config::new("cloud.liveperson.net", 1)
            .survey(scenario.surveys)
            .sequence_gaps(gaps)
            .changed_echo(changed);
        let app = cloud.app().expect("an app");
        let account = AccountId::new(cloud.account_id()).expect("an id");
        let client = Config::new(account.clone())
            .credentials(
                ClientId::new(app.client_id()).expect("an id"),
                Secret::new(app.client_secret().to_owned()),
            )
            .trust(Trust::default());
        let mut cloud = Sandbox::new(cloud, 1);
        let mut webhooks = Webhooks::all_at("https://bridge.example/lp");
        if scenario.broken.contains(&Assumption::AllTypesSent) {
            webhooks = webhooks.without("ms.MessagingEventNotification.AcceptStatusEvent");
        }
        cloud.set_webhooks(match scenario.retention {
            true => webhooks.retention(Duration::from_secs(259_200)),
            false => webhooks.max_retries(5),
        });
        let mut bridge = BridgeConfig::new()
            .unsettled(scenario.unsettled)
            .give_up_after(scenario.give_up_after)
            .poll(POLL_LEAST, POLL_MOST);
        if scenario.surveys {
            let mut opening = Opening::default();
            let properties = ClientProperties::new().feature("MULTI_DIALOG");
            opening.client_properties = Some(properties);
            bridge = bridge.opening(opening);
        }
        let mut world = Self {
            scenario: scenario.clone(),
            now: Duration::ZERO,
            queue: BTreeMap::new(),
            queued: 0,
            account,
            bridge,
            client,
            store: WatchedStore::default(),
            store_down_until: Duration::ZERO,
            cloud,
            channel: Channel::default(),
            instances: Vec::new(),
            counts: Counts::default(),
            acknowledged: BTreeSet::new(),
            opened: BTreeSet::new(),
            resends: BTreeMap::new(),
            forgotten: BTreeMap::new(),
            post_faults: BTreeMap::new(),
            seen_messages: 0,
            effects: BTreeMap::new(),
            is_quiet: false,
            poll_cloud_at: None,
            trace: traces.then(String::new),
            observer: Observer::new(scenario),
        };
        for instance in 0..scenario.instances {
            world.instances.push(Instance::new(instance, &world.bridge, &world.client));
            world.wake(instance, Duration::ZERO);
        }
        for (message, it) in scenario.messages.iter().enumerate() {
            let instance = it.instance;
            world.at(it.at, What::HandsIn { message, instance });
        }
        for (event, (at, _)) in scenario.events.iter().enumerate() {
            world.at(*at, What::Event(event));
        }
        world
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            // Writing to a String does not fail.
            let _ = writeln!(trace, "{:>12.3} s  {}", self.now.as_secs_f64(), line());
        }
    }

    pub(crate) fn at(&mut self, at: Duration, what: What) {
        self.queued += 1;
        self.queue.insert((at, self.queued), Box::new(what));
    }

    pub(crate) fn turn(&mut self, instance: usize, at: Duration, turn: Turn) {
        let generation = self.instances.get(instance).map(|it| it.generation);
        self.at(at, What::Turn { instance, generation, turn });
    }

    /// Has an instance polled at this time, or before.
    pub(crate) fn wake(&mut self, instance: usize, at: Duration) {
        let Some(it) = self.instances.get_mut(instance) else { return };
        if it.poll_at.is_none_or(|earlier| at < earlier) {
            it.poll_at = Some(at);
            self.turn(instance, at, Turn::Poll);
        }
    }

    /// The cloud may have something to post.
    pub(crate) fn poll_cloud(&mut self, at: Duration) {
        if self.poll_cloud_at.is_none_or(|earlier| at < earlier) {
            self.poll_cloud_at = Some(at);
            self.at(at, What::PollCloud);
        }
    }

    pub(crate) fn cloud_clock(&self) -> Duration {
        EPOCH + self.now
    }

    /// Nothing goes wrong any more.
    pub(crate) fn become_quiet(&mut self) {
        self.is_quiet = true;
        self.cloud.clear_faults();
        self.scenario.turn_faults.clear();
        self.scenario.store_faults.clear();
        self.scenario.call_faults.clear();
        self.scenario.post_faults.clear();
        self.scenario.delivery_faults.clear();
        self.note(|| "the faults are over".to_owned());
    }

    /// Runs until this time.
    pub(crate) fn run_until(&mut self, end: Duration) -> Result<(), Broken> {
        while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= end) {
            let ((at, _), what) = entry.remove_entry();
            self.now = self.now.max(at);
            self.counts.events += 1;
            if self.counts.events > MAX_EVENTS {
                return Err(Broken::new(
                    Invariant::NothingSpins,
                    format!("more than {MAX_EVENTS} steps"),
                ));
            }
            self.happen(*what)?;
        }
        self.now = self.now.max(end);
        Ok(())
    }

    fn happen(&mut self, what: What) -> Result<(), Broken> {
        match what {
            What::Turn { instance, generation, turn } => self.take_turn(instance, generation, turn),
            What::Starts(instance) => {
                self.note(|| format!("instance {instance} starts"));
                self.wake(instance, self.now);
                Ok(())
            }
            What::Store { instance, generation, asker, request, fault } => {
                self.reach_store(instance, generation, asker, request, fault)
            }
            What::Http { instance, generation, number, attempt, request, fault } => {
                self.reach_cloud((instance, generation), number, attempt, &request, fault)
            }
            What::Delivery { instance, generation, number, delivery, fault } => {
                self.reach_channel((instance, generation), number, &delivery, fault)
            }
            What::PollCloud => {
                self.next_post();
                Ok(())
            }
            What::PostEnds(id, status) => {
                let now = self.cloud_clock();
                self.cloud.complete_post(now, id, status);
                self.poll_cloud(self.now);
                Ok(())
            }
            What::HandsIn { message, instance } => {
                self.hand_in(message, instance);
                Ok(())
            }
            What::Event(event) => {
                self.scenario_event(event);
                Ok(())
            }
        }
    }

    /// A connector's memory, empty.
    pub(crate) fn connector(client: &Config, seed: u64) -> ConnectorState {
        ConnectorState::new(client.clone(), Seed::from_bytes([5; 16]).derive(seed))
    }
}
