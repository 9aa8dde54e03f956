//! A cloud without sockets, and a connector with cached tokens.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, Response};
use lp_connector_core::api::{ConversationRef, SendText};
use lp_connector_core::connector::{
    Call, Callable, Completed, Config, ConnectorState, Outcome, Step,
};
use lp_connector_core::id::{AccountId, ClientId, ConversationId, ExtConsumerId};
use lp_connector_core::secret::Secret;
use lp_connector_core::seed::Seed;
use lp_connector_core::time::{Mono, Now};

/// The response to a message.
pub(crate) const PUBLISHED: &[u8] = br#"{"reqId":"0","code":"OK","body":{"sequence":7}}"#;

/// A text of usual length: the request has some 560 bytes.
pub(crate) const TEXT: &str = "My pigeon has not come home since the storm on Tuesday \u{1f426}. \
    She wears a blue ring, number 0042, and was last seen over the harbour, heading for the lighthouse \
    with two others. Could somebody of yours have a look whether she rests on one of your roofs? Thanks.";

/// A token as long as an AppJWT.
fn token(name: &str) -> String {
    format!("eyJhbGciOiJSUzI1NiJ9.{}.{name}", "e".repeat(400))
}

/// A connector.
pub(crate) struct Connector {
    pub(crate) state: ConnectorState,
    pub(crate) now: Now,
    calls: u64,
}

impl Connector {
    /// A connector without tokens, with a cache for this many consumers.
    pub(crate) fn new(consumers: usize) -> Self {
        let config = Config::new(AccountId::new("91827364").unwrap())
            .credentials(ClientId::new("0a1b2c3d").unwrap(), Secret::new("n3v3r".to_owned()))
            .consumer_cache(consumers);
        Self {
            state: ConnectorState::new(config, Seed::from_bytes([1; 16])),
            now: Now::new(Mono::from_origin(Duration::from_secs(1)), SystemTime::UNIX_EPOCH),
            calls: 0,
        }
    }

    /// A connector with all tokens of this many consumers.
    pub(crate) fn warm(consumers: usize) -> Self {
        let mut connector = Self::new(consumers);
        for n in 0..consumers {
            connector.send(text(n));
        }
        connector
    }

    /// A new call.
    pub(crate) fn call<C: Callable>(&mut self, operation: C) -> Call<C> {
        self.calls += 1;
        let seed = Seed::from_bytes(*b"0123456789abcdef").derive(self.calls);
        Call::new(operation, self.state.config(), seed, self.now)
    }

    /// Runs an operation from start to result.
    pub(crate) fn send<C: Callable>(&mut self, operation: C) -> Completed<C::Output> {
        let mut call = self.call(operation);
        loop {
            let step = call.poll(&mut self.state, self.now);
            while let Some(event) = call.next_event() {
                self.state.config().emit(&event);
            }
            match step {
                Step::Send(attempt) => {
                    let number = attempt.number();
                    let answer = answer(&attempt.into_request());
                    let outcome = Outcome::Response(answer);
                    let _ = call.handle(&mut self.state, self.now, number, outcome);
                }
                Step::Wait(_) => unreachable!("nobody else is there to wait for"),
                Step::Done(result) => return result.unwrap(),
            }
        }
    }
}

/// The cloud's response to a request.
pub(crate) fn answer(request: &Request<Bytes>) -> Response<Bytes> {
    let path = request.uri().path();
    let body = if path.ends_with("/send") {
        PUBLISHED.to_vec()
    } else if let Some(service) = path.strip_suffix("/baseURI.json") {
        let service = service.rsplit('/').next().unwrap_or_default();
        format!(r#"{{"service":"{service}","baseURI":"va.{service}.liveperson.net"}}"#).into_bytes()
    } else if path.ends_with("/app/token") {
        format!(r#"{{"access_token":"{}","token_type":"Bearer"}}"#, token("app")).into_bytes()
    } else {
        format!(r#"{{"token":"{}"}}"#, token("consumer")).into_bytes()
    };
    Response::new(body.into())
}

/// A text of the `n`-th consumer.
pub(crate) fn text(n: usize) -> SendText {
    let consumer = ExtConsumerId::new(format!("pigeon-ring-{n:08}")).unwrap();
    SendText::new(&ConversationRef::new(consumer, conversation()), TEXT)
}

pub(crate) fn conversation() -> ConversationId {
    ConversationId::new("5f0c2f4e-3c1d-4f55-9a64-0d8f1d9a7e21").unwrap()
}
