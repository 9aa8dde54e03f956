//! What the cases have in common: a sandbox, a configuration for it, a probe.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lp_connector_core::api::{
    ApiRejection, Context, ConversationRef, Endpoint, Idempotency, InvalidInput, OpenConversation,
    Operation, Principal, RelativeRequest, ResponseView,
};
use lp_connector_core::connector::{Config, EventKind, FailureKind, Proxy, Trust};
use lp_connector_core::error::{Delivery, Error, ErrorKind};
use lp_connector_core::id::{AccountId, ClientId, ExtConsumerId};
use lp_connector_core::policy::RetryPolicy;
use lp_connector_core::secret::Secret;
use lp_connector_sandbox::{Server, ServerConfig};

use crate::Adapter;

/// The documented policy, with pauses that a test can wait for.
pub(crate) fn quick() -> RetryPolicy {
    RetryPolicy::documented().pauses([Duration::from_millis(1); 3])
}

/// A host that does not resolve, for which a sandbox with TLS has a certificate.
pub(crate) const PROXIED: &str = "cloud.sandbox.test";

/// A sandbox with these faults.
pub(crate) fn cloud(faults: &[&str]) -> Server {
    // A client of ours needs no tolerance.
    let config = ServerConfig::new().sandbox(|config| config.strict(true));
    let server = Server::start(config).unwrap();
    for fault in faults {
        server.with(|cloud| cloud.fault(fault.parse().unwrap()));
    }
    server
}

pub(crate) fn config(server: &Server) -> Config {
    let app = server.with(|cloud| cloud.config().app().unwrap().clone());
    let secret = Secret::new(app.client_secret().to_owned());
    at(&server.base_url()).credentials(ClientId::new(app.client_id()).unwrap(), secret)
}

/// A configuration for the server at this URL.
pub(crate) fn at(url: &str) -> Config {
    Config::new(AccountId::new("91827364").unwrap())
        .trust(Trust::new(url, ["liveperson.net"]).unwrap())
        .proxy(Proxy::None)
        .retry(quick())
}

pub(crate) fn ada() -> ExtConsumerId {
    ExtConsumerId::new("pigeon-ring-0042").unwrap()
}

pub(crate) fn open<A: Adapter>(client: &A) -> ConversationRef {
    client.call(OpenConversation::new(ada())).unwrap().output.conversation
}

/// Asserts what an error says of its kind, and of whether the request took effect.
#[track_caller]
pub(crate) fn assert_fails(error: &Error, kind: ErrorKind, delivery: Delivery) {
    assert_eq!((error.kind(), error.delivery()), (kind, delivery), "{error}");
}

/// The attempts without a response: why, and whether the request may have left.
pub(crate) type Failures = Arc<Mutex<Vec<(FailureKind, bool)>>>;

/// An attempt of this configuration ends before it is connected: its time was up, nothing else ended it.
#[track_caller]
pub(crate) fn assert_connecting_times_out<A: Adapter>(config: Config) {
    let (config, failures) = observed(config.retry(RetryPolicy::none()));
    let error = A::new(config).unwrap().call(Probe).unwrap_err();
    assert_fails(&error, ErrorKind::Unavailable, Delivery::NotSent);
    assert_eq!(*failures.lock().unwrap(), [(FailureKind::Timeout, false)]);
}

/// Notes each attempt without a response.
pub(crate) fn observed(config: Config) -> (Config, Failures) {
    let failures = Failures::default();
    let seen = failures.clone();
    let config = config.observer(move |event| {
        if let EventKind::NoResponse { failure, may_have_left, .. } = event.kind {
            seen.lock().unwrap().push((failure, may_have_left));
        }
    });
    (config, failures)
}

/// One `POST` to the address of the Domain API, which is not retried if its response is lost.
#[derive(Clone, Debug)]
pub(crate) struct Probe;

impl Operation for Probe {
    type Output = String;

    const NAME: &'static str = "probe";

    fn endpoint(&self) -> Endpoint {
        Endpoint::DomainApi
    }

    fn principal(&self) -> Principal {
        Principal::Anonymous
    }

    fn idempotency(&self) -> Idempotency {
        Idempotency::NonIdempotent
    }

    fn request(&self, _: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
        RelativeRequest::post_json(["probe"], [("v", "1")], &"Coo?")
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<String, ApiRejection> {
        match response.status() {
            200 => Ok(String::from_utf8_lossy(response.body()).into_owned()),
            status => Err(ApiRejection::status(status)),
        }
    }
}

/// One `GET`.
#[derive(Clone, Debug)]
pub(crate) struct Get;

/// One `POST` of nothing.
#[derive(Clone, Debug)]
pub(crate) struct Empty;

/// One `POST` of 32 MB.
#[derive(Clone, Debug)]
pub(crate) struct Huge;

/// One `POST` of 3 MB.
#[derive(Clone, Debug)]
pub(crate) struct Large;

/// An anonymous request to the address of the Domain API.
macro_rules! anonymous {
    ($name:ident, $idempotency:ident, $request:expr) => {
        impl Operation for $name {
            type Output = ();

            const NAME: &'static str = "probe";

            fn endpoint(&self) -> Endpoint {
                Endpoint::DomainApi
            }

            fn principal(&self) -> Principal {
                Principal::Anonymous
            }

            fn idempotency(&self) -> Idempotency {
                Idempotency::$idempotency
            }

            fn request(&self, _: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
                $request
            }

            fn parse(&self, response: &ResponseView<'_>) -> Result<(), ApiRejection> {
                if response.status() == 200 { Ok(()) } else { Err(response.rejection()) }
            }
        }
    };
}

anonymous!(Get, Idempotent, Ok(RelativeRequest::get(["probe"], [("v", "1")])));
anonymous!(Empty, NonIdempotent, Ok(RelativeRequest::post_form(["probe"], [("v", "1")], [])));
anonymous!(
    Huge,
    NonIdempotent,
    RelativeRequest::post_json(["probe"], [("v", "1")], &"x".repeat(32_000_000))
);
anonymous!(
    Large,
    NonIdempotent,
    RelativeRequest::post_json(["probe"], [("v", "1")], &"x".repeat(3_000_000))
);
