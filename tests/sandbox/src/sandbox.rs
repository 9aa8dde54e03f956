//! The sandbox as a state machine.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use serde_json::json;

use crate::config::Config;
use crate::endpoint::{Endpoint, Route};
use crate::fault::{ActiveFault, Fault, FaultKind, Faults, Matched};
use crate::journal::{Journal, Subject, Trace};
use crate::random::Random;
use crate::request::credential;
use crate::response::{self, HttpResponse};
use crate::state::{Conversation, Message, State};
use crate::webhook::{DeliveryQueue, Webhooks};
use crate::{conversation, domain, file, installs, monitoring, send, tokens};

/// The stand-in for the cloud: a state machine from requests to responses, without clock and sockets.
///
/// ```
/// use std::time::Duration;
/// use lp_connector_sandbox::{Config, Endpoint, Sandbox};
///
/// let mut sandbox = Sandbox::new(Config::new("127.0.0.1:4711", 1), 1);
/// let url = "/api/account/91827364/service/idp/baseURI.json?version=1.0";
/// let request = http::Request::get(url).body(Vec::new())?;
/// let response = sandbox.handle(Duration::from_secs(1_711_000_000), &request);
/// assert_eq!(response.status(), 200);
/// assert_eq!(sandbox.requests(Endpoint::Domain), 1);
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sandbox {
    pub(crate) config: Config,
    pub(crate) random: Random,
    pub(crate) state: State,
    pub(crate) webhooks: Option<Webhooks>,
    pub(crate) deliveries: DeliveryQueue,
    pub(crate) requests: BTreeMap<Endpoint, u64>,
    pub(crate) faults: Faults,
    /// How many notifications there were.
    pub(crate) notified: u64,
    pub(crate) journal: Option<Box<Journal>>,
    /// How many exchanges were recorded in earlier runs.
    pub(crate) recorded_before: u64,
    /// The request that is being answered.
    pub(crate) trace: Trace,
    /// The address of the control API, if there is one.
    pub(crate) control: Option<String>,
    /// The warnings of the request that is being answered.
    pub(crate) warnings: Vec<&'static str>,
}

/// A response, and how to transmit it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Reply {
    /// The response.
    pub response: Response<Vec<u8>>,
    /// How to transmit it.
    pub transmission: Transmission,
    /// What the request has that is not documented, and was taken all the same: see
    /// [`Config::strict`](Config::strict).
    pub warnings: Vec<&'static str>,
    /// A delay that comes before the transmission, if that is another one than [`Transmission::Delayed`].
    pub delay: Duration,
    /// The number of the request, if requests are recorded ([`Sandbox::record`]).
    pub number: Option<u64>,
}

/// How a response is transmitted; a driver applies it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a driver must handle each")]
pub enum Transmission {
    /// Without a fault.
    Whole,
    /// After this delay.
    Delayed(Duration),
    /// Not at all: the connection closes.
    Dropped,
    /// A part of the body; then the connection closes.
    Truncated,
    /// Byte by byte.
    Slow,
    /// With chunked encoding.
    Chunked,
    /// Bytes that are not HTTP in place of the response.
    Garbage,
}

impl Sandbox {
    /// A cloud without conversations and faults. The same seed gives the same ids and tokens.
    #[must_use]
    pub fn new(config: Config, seed: u64) -> Self {
        Self {
            config,
            random: Random::new(seed),
            state: State::default(),
            webhooks: None,
            deliveries: DeliveryQueue::default(),
            requests: BTreeMap::new(),
            faults: Faults::default(),
            notified: 0,
            journal: None,
            recorded_before: 0,
            trace: Trace::default(),
            control: None,
            warnings: Vec::new(),
        }
    }

    /// Answers a request. `now` is the time since the Unix epoch by the cloud's clock. Faults in the
    /// transmission of the response are left out: see [`reply`](Self::reply).
    pub fn handle(&mut self, now: Duration, request: &Request<Vec<u8>>) -> Response<Vec<u8>> {
        self.reply(now, request).response
    }

    /// Answers a request, and says how to transmit the response. `now` is the time since the Unix epoch
    /// by the cloud's clock.
    pub fn reply(&mut self, now: Duration, request: &Request<Vec<u8>>) -> Reply {
        if request.uri().path() == "/_sandbox" {
            let response = self.locate_control();
            return Reply::whole(response);
        }
        self.begin_trace();
        let (response, transmission, delay) = self.answer(now, request);
        let number = self.end_trace(now, request, &response, transmission);
        let warnings = std::mem::take(&mut self.warnings);
        Reply { response, transmission, warnings, delay, number }
    }

    fn answer(
        &mut self,
        now: Duration,
        request: &Request<Vec<u8>>,
    ) -> (HttpResponse, Transmission, Duration) {
        let route = Route::parse(request.uri().path());
        let Some(route) =
            route.filter(|route| route.deviation.is_none_or(|deviation| self.tolerates(deviation)))
        else {
            // The cloud posts webhooks and does not listen there.
            let paths = Endpoint::ALL.into_iter().filter(|one| *one != Endpoint::Webhook);
            let there_is: Vec<_> = paths.map(Endpoint::name).collect();
            let there_is = format!("{}, at their own paths", there_is.join(", "));
            let message = json!({"message": "no such path", "there_is": there_is});
            return (response::json(404, &message), Transmission::Whole, Duration::ZERO);
        };
        *self.requests.entry(route.endpoint).or_default() += 1;
        self.trace.endpoint = Some(route.endpoint);
        let faults = self.faults_for(now, route.endpoint);
        self.revoke(&faults, request.headers());
        let response = match self.fault_response(&faults) {
            Some(response) => response,
            None if route.endpoint.methods().contains(request.method()) => {
                self.route(now, &route, request)
            }
            None => response::json(405, &json!({"message": "no such method here"})),
        };
        let (transmission, delay) = transmission(&faults);
        self.trace.faults = faults.numbers;
        (response, transmission, delay)
    }

    /// Where the control API is.
    fn locate_control(&self) -> HttpResponse {
        match &self.control {
            Some(control) => response::json(200, &json!({"control": control})),
            None => response::json(404, &json!({"message": "this sandbox has no control API"})),
        }
    }

    /// Sets the address of the control API, which `GET /_sandbox` names.
    pub fn set_control(&mut self, url: impl Into<String>) {
        self.control = Some(url.into());
    }

    /// Whether to take what is not documented: with a warning, unless the sandbox is strict.
    pub(crate) fn tolerates(&mut self, deviation: &'static str) -> bool {
        if !self.config.strict {
            self.warnings.push(deviation);
        }
        !self.config.strict
    }

    fn route(&mut self, now: Duration, route: &Route, request: &Request<Vec<u8>>) -> HttpResponse {
        let account = route.account.as_str();
        match route.endpoint {
            Endpoint::Domain => domain::lookup(self, route, request),
            Endpoint::Token => tokens::app_token(self, now, account, request),
            Endpoint::Consumer => tokens::consumer_token(self, now, account, request),
            Endpoint::Conversation => conversation::open(self, now, account, request),
            Endpoint::Send => send::send(self, now, account, request),
            Endpoint::File => file::storage(self, now, request),
            Endpoint::Monitoring => {
                let named = route.service.as_deref().unwrap_or_default();
                let (method, app) = named.split_once('/').unwrap_or_default();
                monitoring::monitor(self, account, app, method, request)
            }
            Endpoint::Login => installs::login(self, account, request),
            Endpoint::Installs => {
                installs::installs(self, now, account, route.service.as_deref(), request)
            }
            // The cloud posts to it and does not listen there.
            Endpoint::Webhook => response::json(404, &json!({"message": "no such path"})),
        }
    }

    /// The faults that apply to this request; all faults of the endpoint count it.
    pub(crate) fn faults_for(&mut self, now: Duration, endpoint: Endpoint) -> Matched {
        if self.faults.is_on(endpoint) {
            self.changed(Subject::Faults);
        }
        self.faults.matched(now, endpoint)
    }

    /// Revokes the request's tokens where a fault says so.
    fn revoke(&mut self, faults: &Matched, headers: &HeaderMap) {
        if let (true, Some(token)) =
            (faults.has(&FaultKind::RevokeApp), credential(headers, "authorization"))
        {
            self.state.app_tokens.remove(token);
            self.changed(Subject::Tokens);
        }
        if let (true, Some(token)) =
            (faults.has(&FaultKind::RevokeConsumer), credential(headers, tokens::ON_BEHALF))
        {
            self.state.consumer_tokens.remove(token);
            self.changed(Subject::Tokens);
        }
    }

    /// The response of the first fault that replaces the endpoint's own.
    fn fault_response(&mut self, faults: &Matched) -> Option<HttpResponse> {
        for kind in &faults.kinds {
            match kind {
                FaultKind::Status(status, more) => {
                    let mut response =
                        response::json(*status, &json!({"message": "an injected fault"}));
                    for (name, value) in more {
                        if let (Ok(name), Ok(value)) =
                            (HeaderName::try_from(name), HeaderValue::try_from(value))
                        {
                            response.headers_mut().insert(name, value);
                        }
                    }
                    return Some(response);
                }
                FaultKind::Html => {
                    let mut response =
                        Response::new(b"<html><body>Please sign in</body></html>".to_vec());
                    let kind = HeaderValue::from_static("text/html");
                    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
                    return Some(response);
                }
                FaultKind::Loading => return Some(monitoring::loading(self)),
                _ => {}
            }
        }
        let without_effect = faults.has(&FaultKind::Drop) || faults.has(&FaultKind::Garbage);
        without_effect.then(|| Response::new(Vec::new()))
    }

    /// Adds a fault, which counts requests from now on. The sandbox holds at most 1000 faults and ignores
    /// further ones.
    pub fn fault(&mut self, fault: Fault) {
        let _ = self.add_fault(fault);
    }

    /// Adds a fault like [`fault`](Self::fault). Returns its number; `None` if there are 1000 already.
    pub fn add_fault(&mut self, fault: Fault) -> Option<u64> {
        self.changed(Subject::Faults);
        self.faults.add(fault)
    }

    /// The faults, in the order in which they were added.
    #[must_use]
    pub fn faults(&self) -> &[ActiveFault] {
        self.faults.all()
    }

    /// Switches a fault on or off. Returns whether there is a fault with this number.
    pub fn switch_fault(&mut self, number: u64, on: bool) -> bool {
        self.changed(Subject::Faults);
        self.faults.switch(number, on)
    }

    /// Removes a fault. Returns whether there was a fault with this number.
    pub fn remove_fault(&mut self, number: u64) -> bool {
        self.changed(Subject::Faults);
        self.faults.remove(number)
    }

    /// Switches all faults off.
    pub fn switch_faults_off(&mut self) {
        self.changed(Subject::Faults);
        self.faults.switch_all_off();
    }

    /// Removes all faults.
    pub fn clear_faults(&mut self) {
        self.changed(Subject::Faults);
        self.faults.clear();
    }

    /// Forgets conversations, messages, files, visits, faults and the counts of requests, and what waits to be
    /// posted. Keys, tokens, app installs and webhooks stay. What is recorded begins anew, with the name
    /// `epoch`; no number returns.
    pub fn reset(&mut self, epoch: impl Into<String>) {
        let state = std::mem::take(&mut self.state);
        self.state = State {
            app_tokens: state.app_tokens,
            consumer_tokens: state.consumer_tokens,
            bearers: state.bearers,
            installs: state.installs,
            published: state.published,
            opened: state.opened,
            tokens_issued: state.tokens_issued,
            stored: state.stored,
            retired: state.retired,
            ..State::default()
        };
        self.deliveries = DeliveryQueue::emptied(&self.deliveries, self.deliveries_kept());
        self.faults.clear();
        self.requests.clear();
        if let Some(journal) = &mut self.journal {
            journal.renew(epoch.into());
        }
    }

    fn deliveries_kept(&self) -> Option<Duration> {
        self.webhooks.as_ref().and_then(|webhooks| webhooks.retention)
    }

    /// How many requests an endpoint has received.
    #[must_use]
    pub fn requests(&self, endpoint: Endpoint) -> u64 {
        self.requests.get(&endpoint).copied().unwrap_or(0)
    }

    /// The published messages, oldest first; at most [`MAX_KEPT`](crate::MAX_KEPT), of at most
    /// [`MAX_KEPT_BYTES`](crate::MAX_KEPT_BYTES).
    #[must_use]
    pub fn messages(&self) -> &VecDeque<Message> {
        self.state.messages.entries()
    }

    /// All conversations, open and closed.
    pub fn conversations(&self) -> impl Iterator<Item = &Conversation> {
        self.state.conversations.values()
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Changes the host of a service.
    pub fn move_service(&mut self, service: impl Into<String>, host: impl Into<String>) {
        self.config.hosts.insert(service.into(), host.into());
    }

    /// Sets the lifetime of new AppJWTs.
    pub fn set_token_life(&mut self, lifetime: Duration) {
        self.config.token_life = lifetime;
    }

    /// Revokes all AppJWTs issued so far.
    pub fn revoke_app_tokens(&mut self) {
        self.changed(Subject::Tokens);
        self.state.app_tokens.clear();
    }

    /// Revokes all ConsumerJWSs issued so far.
    pub fn revoke_consumer_tokens(&mut self) {
        self.changed(Subject::Tokens);
        self.state.consumer_tokens.clear();
    }

    /// Removes an app. Its secret may still be in the log.
    pub(crate) fn remove_app(&mut self, client_id: &str) {
        let removed = self.config.apps.extract_if(.., |app| app.client_id == client_id);
        for app in removed.collect::<Vec<_>>() {
            self.state.retire(app.client_secret);
        }
    }

    /// Replaces the secret of an app.
    pub fn rotate_secret(&mut self, client_id: &str, secret: impl Into<String>) {
        let secret = secret.into();
        for app in self.config.apps.iter_mut().filter(|app| app.client_id == client_id) {
            let previous = std::mem::replace(&mut app.client_secret, secret.clone());
            self.state.retire(previous);
        }
    }
}

impl Reply {
    fn whole(response: HttpResponse) -> Self {
        Self {
            response,
            transmission: Transmission::Whole,
            warnings: Vec::new(),
            delay: Duration::ZERO,
            number: None,
        }
    }
}

/// The worst transmission of these faults, and the delay that comes before it.
fn transmission(faults: &Matched) -> (Transmission, Duration) {
    let transmissions = [
        (FaultKind::Drop, Transmission::Dropped),
        (FaultKind::DropAfter, Transmission::Dropped),
        (FaultKind::Garbage, Transmission::Garbage),
        (FaultKind::Truncated, Transmission::Truncated),
        (FaultKind::Slow, Transmission::Slow),
        (FaultKind::Chunked, Transmission::Chunked),
    ];
    let worst = transmissions.into_iter().find(|(kind, _)| faults.has(kind));
    match (worst, faults.delay()) {
        (Some((_, worst)), delay) => (worst, delay),
        (None, Duration::ZERO) => (Transmission::Whole, Duration::ZERO),
        (None, delay) => (Transmission::Delayed(delay), Duration::ZERO),
    }
}
