//! The sandbox as a state machine.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use serde_json::json;

use crate::config::Config;
use crate::endpoint::{Endpoint, Route};
use crate::fault::{Fault, FaultKind};
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
    faults: Vec<ActiveFault>,
    /// The warnings of the request that is being answered.
    warnings: Vec<&'static str>,
}

/// A fault, and the number of requests to its endpoint since it was added.
#[derive(Clone, Debug)]
struct ActiveFault {
    fault: Fault,
    requests_seen: u64,
    random: Random,
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
            faults: Vec::new(),
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
        let (response, transmission) = self.answer(now, request);
        Reply { response, transmission, warnings: std::mem::take(&mut self.warnings) }
    }

    fn answer(
        &mut self,
        now: Duration,
        request: &Request<Vec<u8>>,
    ) -> (HttpResponse, Transmission) {
        let without_fault = |response| (response, Transmission::Whole);
        if request.uri().path().starts_with("/_sandbox/") {
            return without_fault(self.control(now, request));
        }
        let route = Route::parse(request.uri().path());
        let Some(route) =
            route.filter(|route| route.deviation.is_none_or(|deviation| self.tolerates(deviation)))
        else {
            // The cloud posts webhooks and does not listen there.
            let paths = Endpoint::ALL.into_iter().filter(|one| *one != Endpoint::Webhook);
            let there_is: Vec<_> = paths.map(Endpoint::name).collect();
            let there_is = format!("{}, at their own paths", there_is.join(", "));
            return without_fault(response::json(
                404,
                &json!({"message": "no such path", "there_is": there_is}),
            ));
        };
        *self.requests.entry(route.endpoint).or_default() += 1;
        let kind = self.fault_for(route.endpoint);
        if let Some(reply) = self.fault_reply(kind.as_ref(), request.headers()) {
            return reply;
        }
        let response = if route.endpoint.methods().contains(request.method()) {
            self.route(now, &route, request)
        } else {
            response::json(405, &json!({"message": "no such method here"}))
        };
        let transmission = match kind {
            Some(FaultKind::Delay(pause)) => Transmission::Delayed(pause),
            Some(FaultKind::DropAfter) => Transmission::Dropped,
            Some(FaultKind::Truncated) => Transmission::Truncated,
            Some(FaultKind::Slow) => Transmission::Slow,
            Some(FaultKind::Chunked) => Transmission::Chunked,
            _ => Transmission::Whole,
        };
        (response, transmission)
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

    /// The first fault that applies to this request; all faults of the endpoint count it.
    pub(crate) fn fault_for(&mut self, endpoint: Endpoint) -> Option<FaultKind> {
        let mut found = None;
        for active in self.faults.iter_mut().filter(|active| active.fault.endpoint == endpoint) {
            active.requests_seen += 1;
            let applies = active.fault.applies_to(active.requests_seen, &mut active.random);
            if found.is_none() && applies {
                found = Some(active.fault.kind.clone());
            }
        }
        found
    }

    /// The reply of a fault that replaces the endpoint's own.
    fn fault_reply(
        &mut self,
        kind: Option<&FaultKind>,
        headers: &HeaderMap,
    ) -> Option<(HttpResponse, Transmission)> {
        let empty = || Response::new(Vec::new());
        let reply = match kind? {
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
                (response, Transmission::Whole)
            }
            FaultKind::Html => {
                let mut response =
                    Response::new(b"<html><body>Please sign in</body></html>".to_vec());
                let kind = HeaderValue::from_static("text/html");
                response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
                (response, Transmission::Whole)
            }
            FaultKind::Loading => (monitoring::loading(self), Transmission::Whole),
            FaultKind::Drop => (empty(), Transmission::Dropped),
            FaultKind::Garbage => (empty(), Transmission::Garbage),
            FaultKind::RevokeApp => {
                if let Some(token) = credential(headers, "authorization") {
                    self.state.app_tokens.remove(token);
                }
                return None;
            }
            FaultKind::RevokeConsumer => {
                if let Some(token) = credential(headers, tokens::ON_BEHALF) {
                    self.state.consumer_tokens.remove(token);
                }
                return None;
            }
            _ => return None,
        };
        Some(reply)
    }

    /// Adds a fault, which counts requests from now on. The sandbox holds at most 1000 faults and ignores
    /// further ones.
    pub fn fault(&mut self, fault: Fault) {
        if self.faults.len() < 1000 {
            let random = Random::new(self.faults.len() as u64);
            self.faults.push(ActiveFault { fault, requests_seen: 0, random });
        }
    }

    /// Removes all faults.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// How many requests an endpoint has received.
    #[must_use]
    pub fn requests(&self, endpoint: Endpoint) -> u64 {
        self.requests.get(&endpoint).copied().unwrap_or(0)
    }

    /// The published messages, oldest first; at most [`MAX_KEPT`](crate::MAX_KEPT).
    #[must_use]
    pub fn messages(&self) -> &VecDeque<Message> {
        &self.state.messages
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
        self.state.app_tokens.clear();
    }

    /// Revokes all ConsumerJWSs issued so far.
    pub fn revoke_consumer_tokens(&mut self) {
        self.state.consumer_tokens.clear();
    }

    /// Replaces the secret of an app.
    pub fn rotate_secret(&mut self, client_id: &str, secret: impl Into<String>) {
        let secret = secret.into();
        for app in self.config.apps.iter_mut().filter(|app| app.client_id == client_id) {
            app.client_secret.clone_from(&secret);
        }
    }
}
