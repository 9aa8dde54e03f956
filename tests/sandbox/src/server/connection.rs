//! Connections, and the transmission of responses with their faults.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;

use super::{LoggedRequest, ServerState};
use crate::{Reply, Transmission};

/// The largest request body, in bytes.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// The most concurrent connections; further ones wait.
const MAX_CONNECTIONS: usize = 4096;

/// The time between two bytes of a slow response.
const SLOW_INTERVAL: Duration = Duration::from_millis(5);

pub(super) async fn serve(
    listener: std::net::TcpListener,
    acceptor: Option<TlsAcceptor>,
    shared: Arc<ServerState>,
    mut stopped: watch::Receiver<bool>,
) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // Dropping the set ends all connections.
    let mut connections = JoinSet::new();
    loop {
        let Ok(permit) = permits.clone().acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.wait_for(|stops| *stops) => return,
        };
        let Ok((stream, _)) = accepted else {
            // Probably out of file descriptors: give connections time to close.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let number = shared.connections.fetch_add(1, Ordering::Relaxed) + 1;
        let _ = stream.set_nodelay(true);
        let (acceptor, shared) = (acceptor.clone(), shared.clone());
        connections.spawn(async move {
            let _permit = permit;
            match acceptor {
                // A failed handshake affects its client only.
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        connection(stream, shared, number).await;
                    }
                }
                None => connection(stream, shared, number).await,
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    shared: Arc<ServerState>,
    number: u64,
) {
    let send_garbage = Arc::new(Notify::new());
    let signal = send_garbage.clone();
    let service =
        service_fn(move |request| answer(request, shared.clone(), signal.clone(), number));
    let mut serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(30))
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // A failed connection affects its client only.
        _ = Pin::new(&mut serving) => {}
        () = send_garbage.notified() => {
            let mut stream = serving.into_parts().io.into_inner();
            let _ = stream.write_all(b"\x00\x01 this is not HTTP\n\xff\xfe\n").await;
            let _ = stream.shutdown().await;
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<ServerState>,
    send_garbage: Arc<Notify>,
    connection: u64,
) -> Result<Response<ResponseBody>, io::Error> {
    let (parts, body) = request.into_parts();
    let (method, path) = (parts.method.to_string(), parts.uri.path().to_owned());
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        let mut refused = Response::new(ResponseBody::whole(Vec::new()));
        *refused.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        return Ok(refused);
    };
    let request = Request::from_parts(parts, body.to_bytes().to_vec());
    let arrived = Instant::now();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let Reply { response, transmission, warnings, delay, .. } = {
        let mut sandbox = shared.lock();
        let reply = sandbox.reply(now, &request);
        if let Some(number) = reply.number {
            let pause = match reply.transmission {
                Transmission::Delayed(pause) => pause,
                _ => reply.delay,
            };
            sandbox.record_transport(number, arrived.elapsed().saturating_add(pause), connection);
        }
        reply
    };
    shared.notify();
    if let Some(on_request) = &shared.on_request {
        let silent = matches!(transmission, Transmission::Dropped | Transmission::Garbage);
        let status = (!silent).then(|| response.status().as_u16());
        on_request(&LoggedRequest { method, path, status, warnings });
    }
    let (parts, body) = response.into_parts();
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let body = match transmission {
        Transmission::Dropped => return Err(io::Error::other("dropped by a fault")),
        Transmission::Garbage => {
            send_garbage.notify_one();
            return std::future::pending().await;
        }
        Transmission::Delayed(pause) => {
            tokio::time::sleep(pause).await;
            ResponseBody::whole(body)
        }
        Transmission::Whole => ResponseBody::whole(body),
        Transmission::Truncated => ResponseBody { truncated: true, ..ResponseBody::whole(body) },
        Transmission::Slow => ResponseBody { piece: 1, slow: true, ..ResponseBody::whole(body) },
        Transmission::Chunked => {
            ResponseBody { piece: 7, sized: false, ..ResponseBody::whole(body) }
        }
    };
    Ok(Response::from_parts(parts, body))
}

/// The body of a response in transmission.
struct ResponseBody {
    rest: Bytes,
    /// How many bytes to send at a time.
    piece: usize,
    /// Whether `Content-Length` is sent.
    sized: bool,
    slow: bool,
    truncated: bool,
    total: u64,
    pause: Option<Pin<Box<Sleep>>>,
}

impl ResponseBody {
    fn whole(body: Vec<u8>) -> Self {
        Self {
            total: body.len() as u64,
            rest: body.into(),
            piece: usize::MAX,
            sized: true,
            slow: false,
            truncated: false,
            pause: None,
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(pause) = &mut self.pause {
            std::task::ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        if self.truncated {
            let half = self.rest.len() / 2;
            if half == 0 || self.rest.len() as u64 != self.total {
                return Poll::Ready(Some(Err(io::Error::other("truncated by a fault"))));
            }
            return Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(half)))));
        }
        let length = self.piece.min(self.rest.len());
        let piece = self.rest.split_to(length);
        if self.slow {
            self.pause = Some(Box::pin(tokio::time::sleep(SLOW_INTERVAL)));
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        if self.sized { SizeHint::with_exact(self.rest.len() as u64) } else { SizeHint::default() }
    }
}
