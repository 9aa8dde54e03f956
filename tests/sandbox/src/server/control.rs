//! The listener of the control API: on a thread and a port of its own, on loopback alone.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, timeout, timeout_at};

use super::timed::TimedStream;
use super::{ServerState, post, stream};
use crate::Sandbox;
use crate::control::guard;
use crate::control::v1::router::{self, Answer, PendingPost, Surroundings};
use crate::control::v1::{Posted, Problem, actions, describe, frame};
use crate::journal::FinishedAttempt;

/// The largest body of a request, in bytes.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// The largest head of a request, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// The most connections; more are closed.
const MAX_CONNECTIONS: usize = 64;

/// The most open event streams.
pub(super) const MAX_STREAMS: usize = 8;

/// How long a request may take to arrive.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long open streams have to say goodbye.
const GOODBYE: Duration = Duration::from_millis(300);

/// How long a request waits for a notification to be posted: a connection and a response have 5 s each.
const POSTED_WITHIN: Duration = Duration::from_secs(12);

/// The page may load its own scripts, styles and pictures, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types lit-html";

/// A file is no page.
const FILE_POLICY: &str = "default-src 'none'; sandbox";

/// What the connections share.
pub(super) struct ControlState {
    pub(super) server: Arc<ServerState>,
    port: u16,
    cloud: String,
    streams: Arc<Semaphore>,
    /// Becomes true when the sandbox stops.
    pub(super) stopping: watch::Receiver<bool>,
}

/// The running listener. It stops when it is dropped.
pub(super) struct ControlServer {
    pub(super) url: String,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl ControlServer {
    pub(super) fn start(
        address: SocketAddr,
        cloud: String,
        server: Arc<ServerState>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopping) = watch::channel(false);
        let state = Arc::new(ControlState {
            server,
            port: address.port(),
            cloud,
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            stopping,
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new()
            .name("sandbox-control".to_owned())
            .spawn(move || runtime.block_on(serve(listener, state)))?;
        Ok(Self { url: format!("http://{address}"), stop, thread: Some(thread) })
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, state: Arc<ControlState>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut stopping = state.stopping.clone();
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.changed() => break,
        };
        let Ok((stream, peer)) = accepted else {
            // Probably out of file descriptors: give connections time to close.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        // Dropping a connection closes it.
        if !peer.ip().is_loopback() {
            continue;
        }
        if let Ok(permit) = permits.clone().try_acquire_owned() {
            connections.spawn(connection(stream, state.clone(), permit));
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(GOODBYE, all).await;
}

async fn connection(stream: TcpStream, state: Arc<ControlState>, _permit: OwnedSemaphorePermit) {
    let _ = stream.set_nodelay(true);
    let mut stopping = state.stopping.clone();
    let is_streaming = Arc::new(AtomicBool::new(false));
    let stream = TimedStream::new(stream, is_streaming.clone());
    let service = service_fn(move |request| {
        let (state, is_streaming) = (state.clone(), is_streaming.clone());
        async move {
            let response = respond(request, &state).await;
            if matches!(response.body(), ControlBody::Stream(_)) {
                is_streaming.store(true, Ordering::Relaxed);
            }
            Ok::<_, Infallible>(response)
        }
    });
    let mut serving = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(REQUEST_TIMEOUT)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), service)
    );
    tokio::select! {
        // A failed connection affects its client only.
        _ = serving.as_mut() => {}
        _ = stopping.changed() => {
            serving.as_mut().graceful_shutdown();
            let _ = serving.await;
        }
    }
}

async fn respond(request: Request<Incoming>, state: &Arc<ControlState>) -> Response<ControlBody> {
    let is_head = request.method() == Method::HEAD;
    let path = request.uri().path().to_owned();
    let mut response = match handle(request, state).await {
        Ok(response) => response,
        Err(problem) => problem_response(&problem),
    };
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        // A page is got.
        let methods = router::allowed(&path).unwrap_or_else(|| "GET, HEAD".to_owned());
        let methods = HeaderValue::try_from(methods);
        response.headers_mut().extend(methods.ok().map(|methods| (ALLOW, methods)));
    }
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: &'static str| {
        let name = HeaderName::from_static(name);
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set("cache-control", "no-store");
    set("content-security-policy", POLICY);
    set("x-content-type-options", "nosniff");
    set("referrer-policy", "same-origin");
    set("cross-origin-opener-policy", "same-origin");
    set("cross-origin-resource-policy", "same-origin");
    if is_head {
        *response.body_mut() = ControlBody::Whole(None);
    }
    response
}

fn problem_response(problem: &Problem) -> Response<ControlBody> {
    let body = serde_json::to_vec(problem).unwrap_or_default();
    whole(router::response(problem.status, "application/problem+json", body.into()))
}

fn whole(response: Response<Bytes>) -> Response<ControlBody> {
    response.map(|body| ControlBody::Whole(Some(body)))
}

async fn handle(
    request: Request<Incoming>,
    state: &Arc<ControlState>,
) -> Result<Response<ControlBody>, Problem> {
    let (mut parts, body) = request.into_parts();
    guard(&parts, state.port)?;
    if parts.method == Method::HEAD {
        parts.method = Method::GET;
    }
    if let Some(page) = super::pages::page(&parts) {
        return page.map(whole);
    }
    let body = timeout(REQUEST_TIMEOUT, Limited::new(body, MAX_BODY).collect()).await;
    let body = match body {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => return Err(Problem::new(413, "the body has more than 4 MiB")),
        Err(_) => return Err(Problem::new(408, "the body did not arrive within 10 s")),
    };
    let request = Request::from_parts(parts, body);
    let around = Surroundings {
        now: post::now(),
        cloud: state.cloud.clone(),
        streams: MAX_STREAMS - state.streams.available_permits(),
        next_epoch: super::new_epoch(),
    };
    let answered = router::answer(&mut state.server.lock(), &around, &request);
    if request.method() != Method::GET {
        state.server.notify();
    }
    match answered? {
        Answer::Json(status, document) => {
            let body = document.to_string().into_bytes();
            Ok(whole(router::response(status, "application/json", body.into())))
        }
        Answer::Text(text) => {
            Ok(whole(router::response(200, "text/plain; charset=utf-8", text.into_bytes().into())))
        }
        Answer::Empty => Ok(whole(router::response(204, "", Bytes::new()))),
        Answer::File(bytes, kind) => Ok(file_response(bytes, kind)),
        Answer::Post(post) => post_and_tell(*post, state).await,
        Answer::Posting(number) => Ok(wait_and_tell(number, state).await),
        Answer::Stream(after) => {
            let permit = state.streams.clone().try_acquire_owned().map_err(|_| {
                Problem::new(503, format!("{MAX_STREAMS} event streams are open already"))
            })?;
            // The position is fixed before the response begins: nothing is missed after it.
            let opened = frame::open(&mut state.server.lock(), after.as_deref());
            let opened = opened.ok_or_else(|| Problem::new(409, "nothing is recorded"))?;
            let (sender, receiver) = mpsc::channel(1);
            tokio::spawn(stream::write(state.clone(), opened, sender, permit));
            let response = router::response(200, "text/event-stream", Bytes::new());
            Ok(response.map(|_| ControlBody::Stream(receiver)))
        }
    }
}

fn file_response(bytes: Bytes, kind: &'static str) -> Response<ControlBody> {
    let mut response = whole(router::response(200, kind, bytes));
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(FILE_POLICY));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if kind == "application/octet-stream" {
        headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    }
    response
}

/// Posts what somebody asked for, and tells what came of it.
async fn post_and_tell(
    pending: PendingPost,
    state: &Arc<ControlState>,
) -> Result<Response<ControlBody>, Problem> {
    let began = post::now();
    let PendingPost { notification, request, replay } = pending;
    let outcome = post::send(request.clone()).await;
    let now = post::now();
    let attempt = FinishedAttempt { notification, request: &request, began, now, replay };
    let response = {
        let mut sandbox = state.server.lock();
        let numbers = sandbox.record_requested(&attempt, &outcome);
        let (attempt, wire) = numbers.unwrap_or_default();
        let posted = Posted {
            notification,
            attempt,
            wire,
            status: outcome.status,
            us: outcome.took.map_or(0, |took| u64::try_from(took.as_micros()).unwrap_or(u64::MAX)),
            url: request.uri().to_string(),
            answer: outcome.status.and_then(|_| {
                let secrets = describe::secrets(&sandbox);
                actions::answer(&secrets, &outcome.headers, &outcome.body, false)
            }),
        };
        tell(&sandbox, posted)
    };
    state.server.notify();
    Ok(response)
}

/// Waits until the queue has posted a notification, and tells what came of it.
async fn wait_and_tell(number: u64, state: &Arc<ControlState>) -> Response<ControlBody> {
    let end = Instant::now() + POSTED_WITHIN;
    loop {
        // Listening begins before looking, so that nothing is missed between.
        let mut changed = std::pin::pin!(state.server.changed.notified());
        changed.as_mut().enable();
        let waits = actions::is_unposted(&state.server.lock(), number);
        if !waits || timeout_at(end, changed).await.is_err() {
            let sandbox = state.server.lock();
            return tell(&sandbox, actions::posted(&sandbox, number));
        }
    }
}

fn tell(sandbox: &Sandbox, posted: Posted) -> Response<ControlBody> {
    let mut document = serde_json::to_value(posted).unwrap_or_default();
    describe::secrets(sandbox).scrub(&mut document);
    let body = document.to_string().into_bytes();
    whole(router::response(200, "application/json", body.into()))
}

/// The body of a response: whole, or as it comes.
pub(super) enum ControlBody {
    Whole(Option<Bytes>),
    Stream(mpsc::Receiver<Bytes>),
}

impl Body for ControlBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(body) => {
                let body = body.take().filter(|body| !body.is_empty());
                Poll::Ready(body.map(|body| Ok(Frame::data(body))))
            }
            Self::Stream(receiver) => {
                receiver.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => {
                SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64))
            }
            Self::Stream(_) => SizeHint::default(),
        }
    }
}
