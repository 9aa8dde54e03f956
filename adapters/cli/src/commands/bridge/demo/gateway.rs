//! A toy gateway: it checks signatures, and writes down what it hands in and what it gets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use std::{io, thread};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use lp_connector_core::secret::Secret;
use lp_connector_gateway::signature::SigningKeys;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::books::{self, Books};
use super::{LOOK, PATIENCE};
use crate::commands::bridge::config::MadeUp;
use crate::failure::Failure;

/// A gateway that serves deliveries on a thread of its own.
pub(super) struct Gateway {
    address: SocketAddr,
    books: Arc<Books>,
    /// What it shares with the bridge.
    pub(super) token: Secret,
    pub(super) signing: Secret,
}

#[derive(Clone)]
struct Serving {
    keys: Arc<SigningKeys>,
    books: Arc<Books>,
}

impl Gateway {
    pub(super) fn start(books: Arc<Books>) -> Result<Self, Failure> {
        let local = |error: io::Error| Failure::Local(format!("cannot start the gateway: {error}"));
        let MadeUp { token: Some(token), signing: Some(signing), .. } = MadeUp::new()? else {
            return Err(Failure::Local("there is no secret".to_owned()));
        };
        let keys = SigningKeys::new([signing.expose()]);
        let keys = Arc::new(keys.map_err(|error| Failure::Local(error.to_string()))?);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(local)?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).map_err(local)?;
        let address = listener.local_addr().map_err(local)?;
        let serving = Serving { keys, books: books.clone() };
        let router = Router::new().route("/bridge", post(take)).with_state(serving);
        thread::spawn(move || {
            runtime.block_on(lp_connector_axum::serve(listener, router, std::future::pending()))
        });
        Ok(Self { address, books, token, signing })
    }

    /// Where it takes deliveries.
    pub(super) fn url(&self) -> String {
        format!("http://{}/bridge", self.address)
    }

    /// The way to a bridge at this URL.
    pub(super) fn client(&self, bridge: &str) -> Client {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(5)))
            .http_status_as_error(false)
            .proxy(None)
            .build();
        Client {
            agent: config.into(),
            url: format!("{bridge}/v1/messages"),
            token: self.token.clone(),
            books: self.books.clone(),
        }
    }
}

/// Takes a delivery, if its signature is right.
async fn take(State(gateway): State<Serving>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header =
        |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (id, at) = (header("webhook-id"), header("webhook-timestamp").parse().unwrap_or_default());
    let now =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    if !gateway.keys.verify(id, at, &body, header("webhook-signature"), now) {
        return StatusCode::UNAUTHORIZED;
    }
    let Ok(told) = serde_json::from_slice::<Value>(&body) else { return StatusCode::BAD_REQUEST };
    let text = |at: &str| told.pointer(at).and_then(Value::as_str).unwrap_or_default();
    match text("/type") {
        "message.created" => {
            gateway.books.deliver(text("/id"), text("/consumer"), text("/data/text"))
        }
        "message.status" if text("/data/status") == "sent" => {
            gateway.books.send(text("/consumer"), text("/data/message"));
        }
        _ => {}
    }
    StatusCode::NO_CONTENT
}

/// Hands messages in.
pub(super) struct Client {
    agent: ureq::Agent,
    url: String,
    token: Secret,
    books: Arc<Books>,
}

impl Client {
    /// Hands a message in: again and again, with the same id, until the bridge has it.
    pub(super) fn hand_in(&self, consumer: &str, text: &str) -> Result<(), Failure> {
        let body =
            json!({"id": books::id_of(text), "consumer": consumer, "text": text}).to_string();
        let begun = Instant::now();
        loop {
            let request = self
                .agent
                .post(&self.url)
                .header("authorization", format!("Bearer {}", self.token.expose()))
                .content_type("application/json");
            match request.send(body.as_bytes()) {
                Ok(answer) if answer.status() == StatusCode::ACCEPTED => {
                    self.books.accept(consumer, text);
                    return Ok(());
                }
                Ok(answer) if answer.status().is_client_error() => {
                    return Err(Failure::Local(format!(
                        "the bridge refused a message: {}",
                        answer.status()
                    )));
                }
                _ if begun.elapsed() > PATIENCE => {
                    return Err(Failure::Local("the bridge does not answer".to_owned()));
                }
                _ => thread::sleep(LOOK * 5),
            }
        }
    }
}
