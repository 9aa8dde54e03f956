//! Posts notifications to endpoints on loopback addresses.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderValue, Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{LoggedRequest, ServerState};
use crate::{NextPost, Post, webhook_target};

/// The time-out of the connection, and of the response
/// ([protocol.md 9.1](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#9.1)).
const POST_TIMEOUT: Duration = Duration::from_secs(5);

/// The most bytes that are read of a response.
const MAX_RESPONSE: usize = 64 * 1024;

pub(super) async fn deliver(shared: Arc<ServerState>) {
    let mut posts = JoinSet::new();
    loop {
        let next = shared.lock().next_post(now());
        match next {
            NextPost::Post(post) => {
                let shared = shared.clone();
                posts.spawn(async move {
                    let Post { id, request } = post;
                    // Without the query, which may contain a password.
                    let uri = request.uri();
                    let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
                    let target = format!("-> {authority}{}", uri.path());
                    let status = send(request).await;
                    if let Some(on_request) = &shared.on_request {
                        on_request(&LoggedRequest {
                            method: "POST".to_owned(),
                            path: target,
                            status,
                            warnings: Vec::new(),
                        });
                    }
                    shared.lock().complete_post(now(), id, status);
                    shared.wake.notify_one();
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

/// Posts a request. Returns the status, if a response comes in time.
async fn send(request: Request<Vec<u8>>) -> Option<u16> {
    let (host, port) = webhook_target(&request.uri().to_string())?;
    let stream =
        timeout(POST_TIMEOUT, TcpStream::connect((host.as_str(), port))).await.ok()?.ok()?;
    let _ = stream.set_nodelay(true);
    let host =
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    timeout(POST_TIMEOUT, exchange(stream, request, &host)).await.ok()?
}

async fn exchange(stream: TcpStream, request: Request<Vec<u8>>, host: &str) -> Option<u16> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    // It may end as soon as the response has arrived.
    let connection = tokio::spawn(connection);
    let (mut parts, body) = request.into_parts();
    parts.headers.insert(http::header::HOST, HeaderValue::try_from(host).ok()?);
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    parts.uri = Uri::try_from(path).ok()?;
    let request = Request::from_parts(parts, Full::new(Bytes::from(body)));
    let response = sender.send_request(request).await.ok()?;
    let status = response.status().as_u16();
    // The body has no meaning.
    let _ = Limited::new(response.into_body(), MAX_RESPONSE).collect().await;
    connection.abort();
    Some(status)
}

fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
