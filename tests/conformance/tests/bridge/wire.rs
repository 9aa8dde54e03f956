//! A sandbox, a store and a bridge between it and the ledger.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant, SystemTime};

use lp_connector_bridge::store::{
    Answer, LaneKind, Listed, Reply, Request, Store, StoreError, StoreErrorKind,
};
use lp_connector_bridge::{BridgeConfig, Inbound, Memory};
use lp_connector_core::connector::{Config, EventKind, Trust};
use lp_connector_core::id::{AccountId, ClientId, ExtConsumerId};
use lp_connector_core::secret::Secret;
use lp_connector_core::webhook::Receiver;
use lp_connector_sandbox::{Agent, Sandbox, Server, ServerConfig, Webhooks};

use crate::hosts::{Host, Running, Setup, Told};
use crate::ledger::{Ledger, PATIENCE};

/// A store that takes appends, refuses them, or never answers them.
#[derive(Default)]
pub(crate) struct FaultyStore {
    memory: Memory,
    appends: AtomicUsize,
    kept: Mutex<Vec<Reply>>,
}

impl FaultyStore {
    pub(crate) const TAKES: usize = 0;
    pub(crate) const REFUSES: usize = 1;
    pub(crate) const NEVER_ANSWERS: usize = 2;
    pub(crate) const FORGETS_TO_ANSWER: usize = 3;

    pub(crate) fn set(&self, how: usize) {
        self.appends.store(how, Ordering::SeqCst);
    }
}

impl Store for FaultyStore {
    fn perform(&self, request: Request) -> Result<Answer, StoreError> {
        self.memory.perform(request)
    }

    fn submit(&self, request: Request, reply: Reply) {
        if !matches!(request, Request::Append(_)) {
            return reply(self.perform(request));
        }
        match self.appends.load(Ordering::SeqCst) {
            Self::REFUSES => reply(Err(StoreError::new(StoreErrorKind::Full, "the disk is full"))),
            Self::NEVER_ANSWERS => self.kept.lock().unwrap().push(reply),
            Self::FORGETS_TO_ANSWER => drop(reply),
            _ => reply(self.perform(request)),
        }
    }
}

/// The statuses of the posted notifications.
#[derive(Default)]
pub(crate) struct Posted {
    statuses: Mutex<Vec<u16>>,
    changed: Condvar,
}

impl Posted {
    #[track_caller]
    pub(crate) fn wait_for(&self, status: u16) {
        let deadline = Instant::now() + PATIENCE;
        let mut statuses = self.statuses.lock().unwrap();
        while !statuses.contains(&status) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {status} among {statuses:?}");
            statuses = self.changed.wait_timeout(statuses, left).unwrap().0;
        }
    }
}

pub(crate) struct Wire {
    // First: nothing is posted to an endpoint that is gone.
    pub(crate) cloud: Server,
    pub(crate) bridge: Arc<dyn Running>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) store: Arc<FaultyStore>,
    pub(crate) posted: Arc<Posted>,
    pub(crate) told: Arc<Told>,
    /// How often the client repeated a request by itself.
    pub(crate) repeated: Arc<AtomicUsize>,
}

/// A bridge's configuration whose times suit a test.
pub(crate) fn quick() -> BridgeConfig {
    BridgeConfig::new().poll(Duration::from_millis(1), Duration::from_millis(20))
}

pub(crate) fn consumer(id: &str) -> ExtConsumerId {
    ExtConsumerId::new(id).unwrap()
}

pub(crate) fn account(cloud: &Server) -> AccountId {
    AccountId::new(cloud.account_id()).unwrap()
}

/// A client's configuration for this sandbox.
pub(crate) fn config(cloud: &Server) -> Config {
    Config::new(account(cloud))
        .credentials(ClientId::new(cloud.client_id()).unwrap(), Secret::new(cloud.client_secret()))
        .trust(Trust::new(&cloud.base_url(), ["liveperson.net"]).unwrap())
}

/// Does this on a thread: a test fails if it does not end in time.
#[track_caller]
pub(crate) fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(work()));
    receiver.recv_timeout(PATIENCE).unwrap()
}

/// The sandbox of an account, which logs what it posts.
pub(crate) fn cloud(account: &'static str, posted: &Arc<Posted>) -> Server {
    let posted = posted.clone();
    let on_request = move |request: &lp_connector_sandbox::LoggedRequest| {
        if request.path.starts_with("->") {
            posted.statuses.lock().unwrap().push(request.status.unwrap_or_default());
            posted.changed.notify_all();
        }
    };
    let server = ServerConfig::new().sandbox(move |config| config.account(account));
    Server::start(server.on_request(on_request)).unwrap()
}

/// Tells the sandbox where the bridge listens.
pub(crate) fn connect(cloud: &Server, bridge: &dyn Running) {
    let webhooks = Webhooks::all_at(bridge.url(&account(cloud)));
    cloud.with(|cloud| cloud.set_webhooks(webhooks.retention(Duration::from_secs(600))));
}

impl Wire {
    pub(crate) fn new<H: Host>(bridge_config: BridgeConfig) -> Self {
        let store = Arc::<FaultyStore>::default();
        let (posted, told) = (Arc::default(), Arc::<Told>::default());
        let cloud = cloud("91827364", &posted);
        let ledger = Ledger::new();
        let repeated = Arc::new(AtomicUsize::new(0));
        let count = repeated.clone();
        let client_config = config(&cloud).observer(move |event| {
            let is_retry = matches!(event.kind, EventKind::Retry { .. });
            count.fetch_add(usize::from(is_retry), Ordering::SeqCst);
        });
        let bridge = H::start(Setup {
            configs: vec![client_config],
            store: store.clone(),
            ledger: ledger.clone(),
            config: bridge_config,
            receiver: Receiver::new().secret(Secret::new(cloud.client_secret())),
            told: told.clone(),
        });
        connect(&cloud, &*bridge);
        Self { cloud, bridge, ledger, store, posted, told, repeated }
    }

    /// Another program on the same store, in place of this one.
    pub(crate) fn restart<H: Host>(&mut self, config: BridgeConfig) {
        self.bridge = H::start(Setup {
            configs: vec![self::config(&self.cloud)],
            store: self.store.clone(),
            ledger: self.ledger.clone(),
            config,
            receiver: Receiver::new().secret(Secret::new(self.cloud.client_secret())),
            told: self.told.clone(),
        });
        connect(&self.cloud, &*self.bridge);
    }

    pub(crate) fn fault(&self, fault: &str) {
        self.cloud.with(|cloud| cloud.fault(fault.parse().unwrap()));
    }

    #[track_caller]
    pub(crate) fn accept(&self, from: &str, id: &str, text: &str) {
        let message = Inbound::text(id, text).unwrap();
        self.bridge.accept(&account(&self.cloud), &consumer(from), message).unwrap();
    }

    /// Opens a conversation by a first message, and waits until it is sent.
    #[track_caller]
    pub(crate) fn open(&self, from: &str) {
        self.accept(from, "hello", "Hello");
        self.ledger.expect(from, "status", &["hello sent"]);
    }

    /// An agent acts in the consumer's open conversation.
    #[track_caller]
    pub(crate) fn agent(&self, consumer: &str, action: Agent) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        self.cloud.with(|cloud| {
            let open = cloud.messages().iter().rev().find(|message| message.consumer == consumer);
            let id = open.unwrap().conversation.clone();
            cloud.agent(now, &id, action).unwrap();
        });
    }

    #[track_caller]
    pub(crate) fn agent_says(&self, consumer: &str, text: &str) {
        self.agent(consumer, Agent::Text(text.to_owned(), Vec::new()));
    }

    /// The consumer's texts, as the cloud has them.
    pub(crate) fn texts_of(&self, consumer: &str) -> Vec<String> {
        self.cloud.with(|cloud| texts_of(cloud, consumer))
    }

    /// The receipts for the agent's messages, in order: status and sequences.
    pub(crate) fn receipts(&self) -> Vec<String> {
        let receipt = |event: &serde_json::Value| {
            (event["type"] == "AcceptStatusEvent")
                .then(|| format!("{} {}", event["status"].as_str().unwrap(), event["sequenceList"]))
        };
        self.cloud.with(|cloud| {
            let own = cloud.messages().iter().filter(|message| message.role == "CONSUMER");
            own.filter_map(|message| receipt(&message.event)).collect()
        })
    }

    /// Waits until the cloud has it.
    #[track_caller]
    pub(crate) fn wait_for_cloud(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(Instant::now() < deadline, "never: {what}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// How many lanes of a kind the store has, and how many of them somebody holds.
    pub(crate) fn lanes(&self, kind: LaneKind) -> (usize, usize) {
        let what = Listed::Lanes { account: None, kind };
        let list = Request::List { what, after: None, limit: 100 };
        let Ok(Answer::Listed(lanes)) = self.store.perform(list) else { panic!("no list") };
        (lanes.len(), lanes.iter().filter(|lane| lane.summary.held).count())
    }
}

pub(crate) fn texts_of(cloud: &Sandbox, consumer: &str) -> Vec<String> {
    let own = cloud.messages().iter();
    let own = own.filter(|message| message.role == "CONSUMER" && message.consumer == consumer);
    let text = |event: &serde_json::Value| event["message"].as_str().map(str::to_owned);
    own.filter_map(|message| text(&message.event)).collect()
}
