//! Sends one request, and says how it went.

use std::error::Error as _;
use std::fmt;

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use lp_connector_core::connector::{Attempt, Failure, FailureKind, Outcome, ProxyRules, Transport};
use lp_connector_core::error::Error;
use lp_connector_core::time::Mono;
use tokio::sync::Semaphore;

use crate::connect::{Straight, Timed};

/// One pooled client. hyper follows no redirect and makes no status an error; what it sends again of
/// itself is a request that it took back unsent from a connection that had closed.
pub(crate) struct Sender {
    client: Client<Timed<HttpsConnector<Straight>>, Full<Bytes>>,
    /// One permit for each connection that there may be.
    room: Semaphore,
    max_body: usize,
}

impl Sender {
    pub(crate) fn new(transport: &Transport) -> Result<Self, Error> {
        let rules = ProxyRules::new(transport.proxy(), |name| std::env::var(name).ok())?;
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(lp_connector_tls::client_config(transport)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(Straight::new(rules));
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(transport.idle_timeout())
            .pool_max_idle_per_host(transport.max_connections())
            .pool_timer(TokioTimer::new())
            .build(Timed::new(https, transport.connect_timeout()));
        let room = Semaphore::new(transport.max_connections().min(Semaphore::MAX_PERMITS));
        Ok(Self { client, room, max_body: transport.max_body() })
    }

    /// Performs one attempt.
    pub(crate) async fn send(&self, attempt: Attempt, now: Mono) -> Outcome {
        let left = attempt.time_left(now);
        let mut request = attempt.into_request().map(|body| Full::new(Bytes::from(body)));
        // Tells whether the request was given a connection: before that nothing of it has left.
        let connection = capture_connection(&mut request);
        let exchange = async {
            // It is closed by nobody; a request that finds it so goes ahead.
            let _permit = self.room.acquire().await.ok();
            let response = self.client.request(request).await.map_err(failure)?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, self.max_body).collect().await.map_err(|error| {
                let too_large = error.is::<LengthLimitError>();
                let kind = if too_large { FailureKind::TooLarge } else { FailureKind::Broken };
                Failure::answer_lost(kind).because(Because(error.to_string()))
            })?;
            Ok(http::Response::from_parts(parts, body.to_bytes().into()))
        };
        match tokio::time::timeout(left, exchange).await {
            Ok(Ok(response)) => Outcome::Answer(response),
            Ok(Err(failure)) => Outcome::Failed(failure),
            Err(_) if connection.connection_metadata().is_some() => {
                Outcome::Failed(Failure::answer_lost(FailureKind::Timeout))
            }
            Err(_) => Outcome::Failed(Failure::never_sent(FailureKind::Timeout)),
        }
    }
}

fn failure(error: ClientError) -> Failure {
    if error.is_connect() {
        let kind =
            if lp_connector_tls::is_tls(&error) { FailureKind::Tls } else { FailureKind::Connect };
        return Failure::never_sent(kind).because(error);
    }
    let http = error.source().and_then(|source| source.downcast_ref::<hyper::Error>());
    let kind = match http {
        Some(http) if http.is_parse() => FailureKind::Protocol,
        _ => FailureKind::Broken,
    };
    Failure::answer_lost(kind).because(error)
}

/// What the reading of a body said, less its type.
#[derive(Debug)]
struct Because(String);

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Because {}
