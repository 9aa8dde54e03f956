//! Posts notifications to endpoints on loopback addresses.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderMap, HeaderValue, Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{LoggedRequest, ServerState};
use crate::{Attempted, NextPost, Post, webhook_target};

/// The time-out of the connection, and of the response
/// ([protocol.md 9.1](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#9.1)).
const POST_TIMEOUT: Duration = Duration::from_secs(5);

/// The most bytes that are read of a response.
const MAX_RESPONSE: usize = 64 * 1024;

pub(super) async fn deliver(shared: Arc<ServerState>) {
    let mut posts = JoinSet::new();
    loop {
        let next = shared.lock().next_post(now());
        // What has waited for too long may be gone.
        shared.count_change();
        match next {
            NextPost::Post(post) => {
                let shared = shared.clone();
                posts.spawn(async move {
                    let Post { id, request, .. } = post;
                    // Without the query, which may contain a password.
                    let uri = request.uri();
                    let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
                    let target = format!("-> {authority}{}", uri.path());
                    let outcome = send(request).await;
                    if let Some(on_request) = &shared.on_request {
                        on_request(&LoggedRequest {
                            method: "POST".to_owned(),
                            path: target,
                            status: outcome.status,
                            warnings: Vec::new(),
                        });
                    }
                    shared.lock().complete_attempt(now(), id, &outcome);
                    shared.notify();
                });
            }
            NextPost::Wait(until) => {
                // A change wakes it earlier.
                let _ = timeout(until.saturating_sub(now()), shared.wake.notified()).await;
            }
            NextPost::Idle => shared.wake.notified().await,
        }
        while posts.try_join_next().is_some() {}
    }
}

/// Posts a request to this machine, and follows no redirect.
pub(super) async fn send(request: Request<Vec<u8>>) -> Attempted {
    let began = Instant::now();
    let (status, headers, body) = match attempt(request).await {
        Some((parts, body)) => (Some(parts.status.as_u16()), parts.headers, body),
        None => (None, HeaderMap::new(), Vec::new()),
    };
    Attempted { status, headers, body, took: Some(began.elapsed()) }
}

async fn attempt(request: Request<Vec<u8>>) -> Option<(http::response::Parts, Vec<u8>)> {
    let (host, port) = webhook_target(&request.uri().to_string())?;
    let stream =
        timeout(POST_TIMEOUT, TcpStream::connect((host.as_str(), port))).await.ok()?.ok()?;
    // A name may lead anywhere.
    if !stream.peer_addr().ok()?.ip().is_loopback() {
        return None;
    }
    let _ = stream.set_nodelay(true);
    let host =
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    timeout(POST_TIMEOUT, exchange(stream, request, &host)).await.ok()?
}

async fn exchange(
    stream: TcpStream,
    request: Request<Vec<u8>>,
    host: &str,
) -> Option<(http::response::Parts, Vec<u8>)> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    // It may end as soon as the response has arrived.
    let connection = tokio::spawn(connection);
    let (mut parts, body) = request.into_parts();
    parts.headers.insert(http::header::HOST, HeaderValue::try_from(host).ok()?);
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    parts.uri = Uri::try_from(path).ok()?;
    let request = Request::from_parts(parts, Full::new(Bytes::from(body)));
    let response = sender.send_request(request).await.ok()?;
    let (parts, body) = response.into_parts();
    // The body has no meaning but to the eye.
    let body = match Limited::new(body, MAX_RESPONSE).collect().await {
        Ok(body) => body.to_bytes().to_vec(),
        Err(_) => Vec::new(),
    };
    connection.abort();
    Some((parts, body))
}

pub(super) fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
