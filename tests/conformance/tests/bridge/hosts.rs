//! The same bridge on every runtime, and on threads.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use lp_connector_async::{Client, Spawn};
use lp_connector_async_std::AsyncStd;
use lp_connector_bridge::store::{LaneKind, Store, StoreError};
use lp_connector_bridge::{
    Bridge, BridgeConfig, BridgeEvent, CallEnded, ChannelReceipt, ConsumerSummary, DeadLetters,
    Inbound, Instance, ReportError, Resolution, StoreRequest, TypingError, WorkerCounters,
    blocking,
};
use lp_connector_core::connector::Config;
use lp_connector_core::id::{AccountId, ConversationId, ExtConsumerId};
use lp_connector_core::webhook::{Receiver, Verified};
use lp_connector_smol::Smol;
use lp_connector_tokio::Tokio;
use tokio::sync::oneshot;

use crate::ledger::{Ledger, LedgerChannel};

/// What a bridge is started with.
pub(crate) struct Setup {
    pub(crate) configs: Vec<Config>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) config: BridgeConfig,
    pub(crate) receiver: Receiver,
    pub(crate) told: Arc<Told>,
}

/// What a bridge told its observers.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) events: Mutex<Vec<BridgeEvent>>,
    pub(crate) requests: Mutex<Vec<StoreRequest>>,
    pub(crate) calls: Mutex<Vec<CallEnded>>,
}

impl Told {
    /// It panics on purpose once in a while, after it has noted what it was told.
    fn event(&self, event: &BridgeEvent) {
        let mut events = self.events.lock().unwrap();
        events.push(event.clone());
        let is_first = events.len() == 1;
        drop(events);
        assert!(!is_first, "an observer panics on purpose");
    }

    fn request(&self, request: &StoreRequest) {
        let mut requests = self.requests.lock().unwrap();
        requests.push(request.clone());
        let is_first = requests.len() == 1;
        drop(requests);
        assert!(!is_first, "an observer panics on purpose");
    }

    fn call(&self, ended: &CallEnded) {
        let mut calls = self.calls.lock().unwrap();
        calls.push(ended.clone());
        let is_first = calls.len() == 1;
        drop(calls);
        assert!(!is_first, "an observer panics on purpose");
    }
}

/// A running bridge, and its webhook endpoint. It ends when it is dropped.
pub(crate) trait Running: Send + Sync {
    /// True if it has a client of this account.
    fn has(&self, account: &AccountId) -> bool;
    fn accept(
        &self,
        account: &AccountId,
        to: &ExtConsumerId,
        message: Inbound,
    ) -> Result<(), StoreError>;
    fn report(
        &self,
        to: &ExtConsumerId,
        id: &str,
        receipt: ChannelReceipt,
    ) -> Result<(), ReportError>;
    fn forget(&self, to: &ExtConsumerId) -> Result<(), StoreError>;
    fn adopt(&self, to: &ExtConsumerId, conversation: ConversationId) -> Result<(), StoreError>;
    fn resolve(
        &self,
        to: &ExtConsumerId,
        message: &str,
        resolution: Resolution,
    ) -> Result<(), StoreError>;
    fn replay(&self, dead_letter: &str) -> Result<(), StoreError>;
    fn delete(&self, dead_letter: &str) -> Result<(), StoreError>;
    fn typing(&self, to: &ExtConsumerId, is_typing: bool) -> Result<(), TypingError>;
    fn consumer(&self, of: &ExtConsumerId) -> Result<Option<ConsumerSummary>, StoreError>;
    fn dead_letters(&self, after: Option<&str>, limit: usize) -> Result<DeadLetters, StoreError>;
    fn lanes(&self) -> usize;
    fn lanes_of(&self, kind: LaneKind) -> usize;
    fn receive(&self, notification: &Verified) -> Result<(), StoreError>;
    fn drain(&self, most: Duration) -> bool;
    fn instances(&self) -> Vec<Instance>;
    fn is_running(&self) -> bool;
    fn counters(&self) -> WorkerCounters;
    fn receive_for_all(&self, notification: &Verified) -> Result<(), StoreError>;
    /// The URL of the webhook endpoint of all accounts.
    fn url_for_all(&self) -> String;
    /// The URL of the webhook endpoint of an account.
    fn url(&self, account: &AccountId) -> String;
}

pub(crate) trait Host {
    fn start(setup: Setup) -> Arc<dyn Running>;
}

/// Runs a future where the runtime's tasks run.
pub(crate) trait BlockOn: Spawn + Default {
    fn block_on<T>(future: impl Future<Output = T>) -> T;
}

fn tokio_runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Runtime::new().unwrap())
}

impl BlockOn for Tokio {
    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio_runtime().block_on(future)
    }
}

impl BlockOn for Smol {
    fn block_on<T>(future: impl Future<Output = T>) -> T {
        smol::block_on(future)
    }
}

impl BlockOn for AsyncStd {
    fn block_on<T>(future: impl Future<Output = T>) -> T {
        async_std::task::block_on(future)
    }
}

struct OnRuntime<R> {
    bridge: Bridge,
    endpoints: Vec<(Option<AccountId>, String, Option<oneshot::Sender<()>>)>,
    runtime: std::marker::PhantomData<R>,
}

impl<R: BlockOn> Host for R {
    fn start(setup: Setup) -> Arc<dyn Running> {
        let mut clients = setup.configs.into_iter().map(|one| Client::<R>::new(one).unwrap());
        let channel = LedgerChannel(setup.ledger);
        let mut builder =
            Bridge::builder(clients.next().unwrap(), setup.store, channel).config(setup.config);
        let (events, requests, calls) = (setup.told.clone(), setup.told.clone(), setup.told);
        builder = builder.on_event(move |event| events.event(event));
        builder = builder.on_store(move |request| requests.request(request));
        builder = builder.on_call(move |ended| calls.call(ended));
        let mut accounts = Vec::new();
        for client in clients {
            accounts.push(client.config().account().clone());
            builder = builder.client(client);
        }
        let bridge = R::block_on(async { builder.start().unwrap() });
        accounts.push(bridge.account().clone());
        let endpoint = |account: Option<AccountId>| {
            // axum is on tokio, whatever the bridge is on.
            let router = match &account {
                Some(account) => bridge.of(account).unwrap().webhooks(setup.receiver.clone()),
                None => bridge.webhooks_for_all(setup.receiver.clone()),
            };
            let bind = tokio::net::TcpListener::bind("127.0.0.1:0");
            let listener = tokio_runtime().block_on(bind).unwrap();
            let url = format!("http://{}/", listener.local_addr().unwrap());
            let (stop, stopped) = oneshot::channel::<()>();
            let stopped = async { drop(stopped.await) };
            tokio_runtime().spawn(lp_connector_axum::serve(listener, router, stopped));
            (account, url, Some(stop))
        };
        let endpoints = accounts.into_iter().map(Some).chain([None]).map(endpoint).collect();
        Arc::new(OnRuntime::<R> { bridge, endpoints, runtime: std::marker::PhantomData })
    }
}

impl<R: BlockOn> Running for OnRuntime<R> {
    fn has(&self, account: &AccountId) -> bool {
        self.bridge.of(account).is_some()
    }

    fn accept(
        &self,
        account: &AccountId,
        to: &ExtConsumerId,
        message: Inbound,
    ) -> Result<(), StoreError> {
        R::block_on(self.bridge.of(account).unwrap().accept(to, message)).map(drop)
    }

    fn report(
        &self,
        to: &ExtConsumerId,
        id: &str,
        receipt: ChannelReceipt,
    ) -> Result<(), ReportError> {
        R::block_on(self.bridge.report(to, &[id], receipt))
    }

    fn forget(&self, to: &ExtConsumerId) -> Result<(), StoreError> {
        R::block_on(self.bridge.forget(to))
    }

    fn adopt(&self, to: &ExtConsumerId, conversation: ConversationId) -> Result<(), StoreError> {
        R::block_on(self.bridge.adopt(to, conversation))
    }

    fn resolve(
        &self,
        to: &ExtConsumerId,
        message: &str,
        resolution: Resolution,
    ) -> Result<(), StoreError> {
        R::block_on(self.bridge.resolve(to, message, resolution))
    }

    fn replay(&self, dead_letter: &str) -> Result<(), StoreError> {
        R::block_on(self.bridge.replay(dead_letter))
    }

    fn delete(&self, dead_letter: &str) -> Result<(), StoreError> {
        R::block_on(self.bridge.delete(dead_letter))
    }

    fn typing(&self, to: &ExtConsumerId, is_typing: bool) -> Result<(), TypingError> {
        R::block_on(self.bridge.typing(to, is_typing))
    }

    fn consumer(&self, of: &ExtConsumerId) -> Result<Option<ConsumerSummary>, StoreError> {
        R::block_on(self.bridge.consumer(of))
    }

    fn dead_letters(&self, after: Option<&str>, limit: usize) -> Result<DeadLetters, StoreError> {
        R::block_on(self.bridge.dead_letters(after, limit))
    }

    fn lanes(&self) -> usize {
        self.bridge.lanes()
    }

    fn lanes_of(&self, kind: LaneKind) -> usize {
        self.bridge.lanes_of(kind)
    }

    fn receive(&self, notification: &Verified) -> Result<(), StoreError> {
        R::block_on(self.bridge.receive(notification))
    }

    fn instances(&self) -> Vec<Instance> {
        R::block_on(self.bridge.instances()).unwrap()
    }

    fn drain(&self, most: Duration) -> bool {
        R::block_on(self.bridge.drain(most))
    }

    fn is_running(&self) -> bool {
        self.bridge.is_running()
    }

    fn counters(&self) -> WorkerCounters {
        self.bridge.counters()
    }

    fn url(&self, account: &AccountId) -> String {
        let found = self.endpoints.iter().find(|(of, ..)| of.as_ref() == Some(account));
        found.map(|(_, url, _)| url.clone()).unwrap()
    }

    fn url_for_all(&self) -> String {
        let found = self.endpoints.iter().find(|(of, ..)| of.is_none());
        found.map(|(_, url, _)| url.clone()).unwrap()
    }

    fn receive_for_all(&self, notification: &Verified) -> Result<(), StoreError> {
        R::block_on(self.bridge.receive_for_all(notification))
    }
}

/// On threads, with a blocking web server.
pub(crate) struct Threads;

struct OnThreads {
    bridge: blocking::Bridge,
    servers: Vec<(Option<AccountId>, Arc<tiny_http::Server>)>,
}

impl Host for Threads {
    fn start(setup: Setup) -> Arc<dyn Running> {
        let clients = setup.configs.into_iter().map(lp_connector_ureq::Client::new);
        let mut clients = clients.map(Result::unwrap);
        let channel = LedgerChannel(setup.ledger);
        let mut builder = blocking::Bridge::builder(clients.next().unwrap(), setup.store, channel)
            .config(setup.config);
        let (events, requests, calls) = (setup.told.clone(), setup.told.clone(), setup.told);
        builder = builder.on_event(move |event| events.event(event));
        builder = builder.on_store(move |request| requests.request(request));
        builder = builder.on_call(move |ended| calls.call(ended));
        let mut accounts = Vec::new();
        for client in clients {
            accounts.push(client.config().account().clone());
            builder = builder.client(client);
        }
        let bridge = builder.start().unwrap();
        accounts.push(bridge.account().clone());
        let serve = |account: Option<AccountId>| {
            let server = Arc::new(tiny_http::Server::http("127.0.0.1:0").unwrap());
            let (serving, receiver) = (server.clone(), setup.receiver.clone());
            let (of, bridge) = (account.clone(), bridge.clone());
            std::thread::spawn(move || {
                while let Ok(request) = serving.recv() {
                    answer(request, &receiver, |notification| match &of {
                        Some(account) => bridge.of(account).unwrap().receive(notification),
                        None => bridge.receive_for_all(notification),
                    });
                }
            });
            (account, server)
        };
        let servers = accounts.into_iter().map(Some).chain([None]).map(serve).collect();
        Arc::new(OnThreads { bridge, servers })
    }
}

fn answer(
    mut request: tiny_http::Request,
    receiver: &Receiver,
    receive: impl Fn(&Verified) -> Result<(), StoreError>,
) {
    let mut head = http::Request::builder().method(request.method().as_str());
    for header in request.headers() {
        head = head.header(header.field.as_str().as_str(), header.value.as_str());
    }
    let head = head.body(()).unwrap();
    let pending = receiver.begin(head.method(), head.headers()).unwrap();
    let mut body = Vec::new();
    request.as_reader().read_to_end(&mut body).unwrap();
    let verified = pending.finish(body).unwrap();
    let status = if receive(&verified).is_ok() { 200 } else { 503 };
    let _ = request.respond(tiny_http::Response::empty(status));
}

impl Running for OnThreads {
    fn has(&self, account: &AccountId) -> bool {
        self.bridge.of(account).is_some()
    }

    fn accept(
        &self,
        account: &AccountId,
        to: &ExtConsumerId,
        message: Inbound,
    ) -> Result<(), StoreError> {
        self.bridge.of(account).unwrap().accept(to, message).map(drop)
    }

    fn report(
        &self,
        to: &ExtConsumerId,
        id: &str,
        receipt: ChannelReceipt,
    ) -> Result<(), ReportError> {
        self.bridge.report(to, &[id], receipt)
    }

    fn forget(&self, to: &ExtConsumerId) -> Result<(), StoreError> {
        self.bridge.forget(to)
    }

    fn adopt(&self, to: &ExtConsumerId, conversation: ConversationId) -> Result<(), StoreError> {
        self.bridge.adopt(to, conversation)
    }

    fn resolve(
        &self,
        to: &ExtConsumerId,
        message: &str,
        resolution: Resolution,
    ) -> Result<(), StoreError> {
        self.bridge.resolve(to, message, resolution)
    }

    fn replay(&self, dead_letter: &str) -> Result<(), StoreError> {
        self.bridge.replay(dead_letter)
    }

    fn delete(&self, dead_letter: &str) -> Result<(), StoreError> {
        self.bridge.delete(dead_letter)
    }

    fn typing(&self, to: &ExtConsumerId, is_typing: bool) -> Result<(), TypingError> {
        self.bridge.typing(to, is_typing)
    }

    fn consumer(&self, of: &ExtConsumerId) -> Result<Option<ConsumerSummary>, StoreError> {
        self.bridge.consumer(of)
    }

    fn dead_letters(&self, after: Option<&str>, limit: usize) -> Result<DeadLetters, StoreError> {
        self.bridge.dead_letters(after, limit)
    }

    fn lanes(&self) -> usize {
        self.bridge.lanes()
    }

    fn lanes_of(&self, kind: LaneKind) -> usize {
        self.bridge.lanes_of(kind)
    }

    fn receive(&self, notification: &Verified) -> Result<(), StoreError> {
        self.bridge.receive(notification)
    }

    fn instances(&self) -> Vec<Instance> {
        self.bridge.instances().unwrap()
    }

    fn drain(&self, most: Duration) -> bool {
        self.bridge.drain(most)
    }

    fn is_running(&self) -> bool {
        self.bridge.is_running()
    }

    fn counters(&self) -> WorkerCounters {
        self.bridge.counters()
    }

    fn url(&self, account: &AccountId) -> String {
        let found = self.servers.iter().find(|(of, _)| of.as_ref() == Some(account));
        found.map(|(_, server)| format!("http://{}/", server.server_addr())).unwrap()
    }

    fn url_for_all(&self) -> String {
        let found = self.servers.iter().find(|(of, _)| of.is_none());
        found.map(|(_, server)| format!("http://{}/", server.server_addr())).unwrap()
    }

    fn receive_for_all(&self, notification: &Verified) -> Result<(), StoreError> {
        self.bridge.receive_for_all(notification)
    }
}

impl Drop for OnThreads {
    fn drop(&mut self) {
        self.servers.iter().for_each(|(_, server)| server.unblock());
    }
}
