//! A sandbox, a server, and a toy gateway, on loopback sockets.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::routing::any;
use lp_connector_bridge::Memory;
use lp_connector_bridge::store::{self, Request, Store, StoreError, StoreErrorKind};
use lp_connector_core::connector::Trust;
use lp_connector_core::secret::Secret;
use lp_connector_gateway::server::{
    AccountConfig, Addresses, Drain, GatewayConfig, Listen, Server, ServerConfig,
};
use lp_connector_sandbox::{self as sandbox, Agent, Webhooks};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

pub(crate) const TOKEN: &str = "lpb_k3rW0b2Jm5s7uV1xY4zA6cE8gI0kM2oQ4sU6wY8aC1e";
pub(crate) const OPERATIONS: &str = "lpb_b7Qe2Hn4p6r8tZ0xW3yC5dF7gJ9kL1mN3oP5qR7sT9u";
pub(crate) const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub(crate) const ADA: &str = "+41790000001";

/// The token of another gateway.
pub(crate) const OTHER_TOKEN: &str = "lpb_Q1w2E3r4T5y6U7i8O9p0A1s2D3f4G5h6J7k8L9z0X1c";

pub(crate) fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

/// The account and the app of a sandbox.
pub(crate) fn account(cloud: &sandbox::Server) -> AccountConfig {
    let mut account = AccountConfig::new(
        cloud.account_id().parse().unwrap(),
        cloud.client_id().parse().unwrap(),
        Secret::new(cloud.client_secret()),
    );
    let trust = Trust::new(&cloud.base_url(), ["liveperson.net"]).unwrap();
    account.client = account.client.trust(trust);
    account
}

/// The texts of consumers that a sandbox has.
pub(crate) fn sent_to(cloud: &sandbox::Server) -> Vec<String> {
    cloud.with(|cloud| {
        let texts = cloud.messages().iter().filter(|message| message.role == "CONSUMER");
        let text = |message: &sandbox::Message| {
            message.event.get("message").and_then(Value::as_str).map(str::to_owned)
        };
        texts.filter_map(text).collect()
    })
}

/// The agent of a sandbox does this in the conversation that is open.
pub(crate) fn agent_of(cloud: &sandbox::Server, action: Agent) {
    agent_at(cloud, Duration::ZERO, action);
}

/// The same, by the clock of LivePerson so long ago.
fn agent_at(cloud: &sandbox::Server, ago: Duration, action: Agent) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap() - ago;
    eventually("the agent can act", || {
        cloud.with(|cloud| {
            let open = cloud.conversations().last().map(|open| open.id.clone())?;
            cloud.agent(now, &open, action.clone()).ok()
        })
    });
}

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until this gives something.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "it does not happen: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A delivery, as the toy gateway got it.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) headers: HeaderMap,
    pub(crate) raw: Vec<u8>,
    pub(crate) body: Value,
    /// The status that it was answered with.
    pub(crate) status: u16,
    pub(crate) at: SystemTime,
}

impl Delivery {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap().to_str().unwrap()
    }

    pub(crate) fn kind(&self) -> &str {
        self.body["type"].as_str().unwrap()
    }

    pub(crate) fn id(&self) -> &str {
        self.body["id"].as_str().unwrap()
    }
}

type Answers = Arc<dyn Fn(&Value, usize) -> u16 + Send + Sync>;

/// The state of a toy gateway: what it got, and how it answers a delivery on its nth try.
#[derive(Clone)]
pub(crate) struct Toy {
    got: Arc<Mutex<Vec<Delivery>>>,
    /// The conversations and types of the deliveries under way.
    under_way: Arc<Mutex<Vec<(String, String)>>>,
    /// Conversations with two deliveries under way at once.
    pub(crate) overlaps: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<Answers>>,
    /// How long it takes.
    pub(crate) pause: Arc<Mutex<Duration>>,
    /// What is posted to the path `/slow` waits for a permit.
    pub(crate) gate: Arc<tokio::sync::Semaphore>,
}

impl Toy {
    fn new() -> Self {
        let answers: Answers = Arc::new(|_, _| 204);
        Self {
            got: Arc::default(),
            under_way: Arc::default(),
            overlaps: Arc::default(),
            answers: Arc::new(Mutex::new(answers)),
            pause: Arc::default(),
            gate: Arc::new(tokio::sync::Semaphore::new(0)),
        }
    }

    /// Sets how it answers: the delivery, and which try of it this is, from 1.
    pub(crate) fn answer(&self, answers: impl Fn(&Value, usize) -> u16 + Send + Sync + 'static) {
        *self.answers.lock().unwrap() = Arc::new(answers);
    }

    /// What it got of this type.
    pub(crate) fn got(&self, kind: &str) -> Vec<Delivery> {
        let got = self.got.lock().unwrap();
        got.iter().filter(|delivery| delivery.kind() == kind).cloned().collect()
    }

    /// True while a delivery of this type is under way.
    pub(crate) fn is_busy_with(&self, kind: &str) -> bool {
        self.under_way.lock().unwrap().iter().any(|(_, one)| one == kind)
    }

    /// The texts of the messages that it took.
    pub(crate) fn texts(&self) -> Vec<String> {
        let taken = self.got("message.created").into_iter().filter(|one| one.status < 300);
        taken.map(|one| one.body["data"]["text"].as_str().unwrap().to_owned()).collect()
    }

    /// The statuses of a message, as they came.
    pub(crate) fn statuses(&self, message: &str) -> Vec<String> {
        let of = |one: &Delivery| one.body["data"]["message"] == message;
        let all = self.got("message.status").into_iter().filter(of);
        all.map(|one| one.body["data"]["status"].as_str().unwrap().to_owned()).collect()
    }
}

async fn take(State(toy): State<Toy>, uri: Uri, headers: HeaderMap, raw: Bytes) -> StatusCode {
    if uri.path() == "/slow" {
        toy.gate.acquire().await.unwrap().forget();
    }
    let body: Value = serde_json::from_slice(&raw).unwrap_or_default();
    let conversation = body["conversation"].as_str().map(str::to_owned);
    if let Some(conversation) = &conversation {
        let mut under_way = toy.under_way.lock().unwrap();
        if under_way.iter().any(|(one, _)| one == conversation) {
            toy.overlaps.lock().unwrap().push(conversation.clone());
        }
        let kind = body["type"].as_str().unwrap_or_default().to_owned();
        under_way.push((conversation.clone(), kind));
    }
    let pause = *toy.pause.lock().unwrap();
    tokio::time::sleep(pause).await;
    let tries = toy.got.lock().unwrap().iter().filter(|one| one.body["id"] == body["id"]).count();
    let answers = toy.answers.lock().unwrap().clone();
    let status = answers(&body, tries + 1);
    if let Some(conversation) = conversation {
        let mut under_way = toy.under_way.lock().unwrap();
        let at = under_way.iter().position(|(one, _)| *one == conversation).unwrap();
        under_way.remove(at);
    }
    let delivery = Delivery { headers, raw: raw.to_vec(), body, status, at: SystemTime::now() };
    toy.got.lock().unwrap_or_else(PoisonError::into_inner).push(delivery);
    StatusCode::from_u16(status).unwrap()
}

/// An answer of the server.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    /// The status, and the type of the problem.
    pub(crate) fn problem(&self) -> (u16, String) {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        let body = self.json();
        assert_eq!(body["status"], self.status);
        assert_eq!(body["request"], self.headers["x-request-id"].to_str().unwrap());
        let slug = body["type"].as_str().unwrap().rsplit('#').next().unwrap().to_owned();
        (self.status, slug)
    }
}

/// A request to the server.
#[derive(Clone, Default)]
pub(crate) struct Ask {
    pub(crate) token: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
}

impl Ask {
    pub(crate) fn with_token(token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..Self::default() }
    }

    pub(crate) fn json(mut self, body: &Value) -> Self {
        self.body = Some(body.to_string().into_bytes());
        self.header("content-type", "application/json")
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn send(self, method: &str, url: &str) -> Answer {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .timeout_global(Some(PATIENCE))
            .proxy(None)
            .build();
        let agent = ureq::Agent::new_with_config(config);
        let mut request = ureq::http::Request::builder().method(method).uri(url);
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let mut answer = match self.body {
            Some(body) => agent.run(request.body(body).unwrap()).unwrap(),
            None => agent.run(request.body(()).unwrap()).unwrap(),
        };
        let bytes = answer.body_mut().read_to_vec().unwrap();
        Answer { status: answer.status().as_u16(), headers: answer.headers().clone(), bytes }
    }
}

/// A store that can be unplugged.
pub(crate) struct Plug {
    store: Memory,
    is_unplugged: AtomicBool,
    is_mute: AtomicBool,
    /// Another instance is always first to write a cell.
    is_contended: AtomicBool,
    /// What a mute store does not answer.
    unanswered: Mutex<Vec<store::Reply>>,
    /// How often it was asked for facts.
    asked: AtomicUsize,
    /// The keys of the cells that it was given, and how long they may live.
    lives: Mutex<Vec<(String, Option<Duration>)>>,
}

impl Plug {
    pub(crate) fn unplug(&self, yes: bool) {
        self.is_unplugged.store(yes, Ordering::SeqCst);
    }

    /// From now on no cell can be written.
    pub(crate) fn contend(&self) {
        self.is_contended.store(true, Ordering::SeqCst);
    }

    /// How often it was asked for facts.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// How long the cells that it was given may live, of those whose keys begin with this.
    pub(crate) fn lives_of(&self, prefix: &str) -> Vec<Option<Duration>> {
        let lives = self.lives.lock().unwrap();
        lives.iter().filter(|(key, _)| key.starts_with(prefix)).map(|(_, life)| *life).collect()
    }

    /// From now on it answers nothing.
    pub(crate) fn fall_silent(&self) {
        self.is_mute.store(true, Ordering::SeqCst);
    }
}

impl Store for Plug {
    fn perform(&self, request: Request) -> Result<store::Answer, StoreError> {
        if self.is_contended.load(Ordering::SeqCst) && matches!(request, Request::Swap { .. }) {
            return Ok(store::Answer::Swapped(false));
        }
        if let Request::Swap { cell, life, .. } = &request {
            self.lives.lock().unwrap().push((cell.key.clone(), *life));
        }
        match self.is_unplugged.load(Ordering::SeqCst) {
            true => Err(StoreError::new(StoreErrorKind::Unavailable, "it is unplugged")),
            false => self.store.perform(request),
        }
    }

    fn facts(&self) -> Result<store::StoreFacts, StoreError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        // As long as a store may hang: nobody waits for it.
        while self.is_mute.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
        match self.is_unplugged.load(Ordering::SeqCst) {
            true => Err(StoreError::new(StoreErrorKind::Unavailable, "it is unplugged")),
            false => self.store.facts(),
        }
    }

    fn submit(&self, request: Request, reply: store::Reply) {
        match self.is_mute.load(Ordering::SeqCst) {
            true => self.unanswered.lock().unwrap().push(reply),
            false => reply(self.perform(request)),
        }
    }
}

/// All of it.
pub(crate) struct World {
    pub(crate) cloud: sandbox::Server,
    pub(crate) toy: Toy,
    pub(crate) toy_url: String,
    pub(crate) store: Arc<Plug>,
    server: Option<Server>,
    runtime: Runtime,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// With settings of its own.
    pub(crate) fn with(change: impl Fn(&mut ServerConfig)) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.unwrap();
        let cloud = sandbox::Server::start(sandbox::ServerConfig::new()).unwrap();
        let toy = Toy::new();
        let app = Router::new().fallback(any(take)).with_state(toy.clone());
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let toy_url = format!("http://{}/bridge", listener.local_addr().unwrap());
        runtime.spawn(async move { axum::serve(listener, app).await.unwrap() });
        let store = Arc::new(Plug {
            store: Memory::new(),
            is_unplugged: AtomicBool::new(false),
            is_mute: AtomicBool::new(false),
            is_contended: AtomicBool::new(false),
            unanswered: Mutex::default(),
            asked: AtomicUsize::new(0),
            lives: Mutex::default(),
        });
        let mut world = Self { cloud, toy, toy_url, store, server: None, runtime };
        world.start(change);
        world
    }

    /// Starts a server over the same store, in place of the one that runs, which is drained.
    pub(crate) fn start(&mut self, change: impl Fn(&mut ServerConfig)) {
        let before = self.server.take().map(|server| {
            self.runtime.block_on(server.drain(std::future::pending()));
            server.addresses()
        });
        let mut config = self.config();
        change(&mut config);
        if let Some(before) = before {
            // LivePerson knows the address, and repeats what was not answered.
            config.listen.webhooks = before.webhooks;
        }
        // The sockets of the one before close in their own turn.
        let started = eventually("the server starts", || {
            self.runtime.block_on(Server::start(config.clone(), self.store.clone())).ok()
        });
        self.server = Some(started);
        if before.is_none() {
            self.subscribe();
        }
        eventually("it is ready", || {
            (self.operations("GET", "/readyz").status == 200).then_some(())
        });
    }

    fn subscribe(&self) {
        let webhooks = Webhooks::all_at(format!("http://{}/lp", self.addresses().webhooks));
        let retained = webhooks.retention(Duration::from_secs(60));
        self.cloud.with(|cloud| cloud.set_webhooks(retained));
    }

    pub(crate) fn config(&self) -> ServerConfig {
        let account = account(&self.cloud);
        let mut sms = GatewayConfig::new("sms", &self.toy_url);
        sms.tokens.push(secret(TOKEN));
        sms.deliver.secrets.push(secret(SECRET));
        let mut config = ServerConfig::new(account);
        config.gateways.push(sms);
        config.operations_tokens.push(secret(OPERATIONS));
        let anywhere = "127.0.0.1:0".parse().unwrap();
        let mut listen = Listen::default();
        (listen.webhooks, listen.gateways, listen.operations) = (anywhere, anywhere, anywhere);
        config.listen = listen;
        let mut drain = Drain::default();
        (drain.delay, drain.timeout) = (Duration::ZERO, PATIENCE);
        config.drain = drain;
        config
    }

    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    pub(crate) fn addresses(&self) -> Addresses {
        self.server().addresses()
    }

    /// Drains the server. True if it ended in time.
    pub(crate) fn drain(&self) -> bool {
        self.runtime.block_on(self.server().drain(std::future::pending()))
    }

    /// The same, and a second signal comes at once.
    pub(crate) fn drain_cut_short(&self) -> bool {
        self.runtime.block_on(self.server().drain(std::future::ready(())))
    }

    /// The URL of a path for gateways.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addresses().gateways)
    }

    /// Posts as the gateway.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        Ask::with_token(TOKEN).json(body).send("POST", &self.url(path))
    }

    /// Asks on the listener for operations.
    pub(crate) fn operations(&self, method: &str, path: &str) -> Answer {
        let url = format!("http://{}{path}", self.addresses().operations);
        Ask::with_token(OPERATIONS).send(method, &url)
    }

    /// A text of the consumer, which is accepted.
    pub(crate) fn says(&self, id: &str, text: &str) {
        let answer = self.post("/v1/messages", &json!({"id": id, "consumer": ADA, "text": text}));
        assert_eq!(answer.status, 202, "{answer:?}");
    }

    /// The texts that LivePerson has.
    pub(crate) fn sent(&self) -> Vec<String> {
        sent_to(&self.cloud)
    }

    /// The agent does this in the conversation that is open.
    pub(crate) fn agent(&self, action: Agent) {
        agent_of(&self.cloud, action);
    }

    /// The same, by the clock of LivePerson so long ago.
    pub(crate) fn agent_at(&self, ago: Duration, action: Agent) {
        agent_at(&self.cloud, ago, action);
    }

    /// A value of a metric: the line that begins with this.
    pub(crate) fn metric(&self, series: &str) -> f64 {
        let text = String::from_utf8(self.operations("GET", "/metrics").bytes).unwrap();
        let start = format!("lp_bridge_{series} ");
        let line = text.lines().find(|line| line.starts_with(&start));
        line.unwrap_or_else(|| panic!("{series} is not there"))[start.len()..].parse().unwrap()
    }

    /// The consumer has a conversation, and the agent has read of it.
    pub(crate) fn begin(&self) {
        self.says("first", "Hello");
        eventually("the first message arrives", || (self.sent() == ["Hello"]).then_some(()));
    }
}
