//! Serves a router on a socket, with limits and a graceful shutdown.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use http::header::{CONNECTION, HeaderValue};
use http::{Request, StatusCode, Uri};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{sleep, sleep_until, timeout};

use crate::connection::{Connection, ConnectionSlots, Eviction};
use crate::reading::Reading;
use crate::refusals;

/// The most connections at a time. A further one takes the place of the oldest that has not authenticated itself
/// ([`Connection`]). A process needs as many file descriptors, and some for its other work.
pub const MAX_CONNECTIONS: usize = 512;

/// How long a request's head may take to arrive, and how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest head, in bytes. A connection buffers no more of a body either.
const MAX_HEAD: usize = 32 * 1024;

/// The memory of the bodies that [`Signed`](crate::Signed) reads.
const READING: usize = 32 * 1024 * 1024;

/// How long requests under way may take after the stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection without a request may take after the stop, to send what it has answered.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The lifetime of a connection, which bounds a client that reads no answer.
const LIFE: Duration = Duration::from_secs(300);

/// How many connections may wait to be accepted, as far as the system allows it. A burst of more makes
/// senders try again after a second.
const BACKLOG: i32 = 4096;

/// How many connections give way between two turns of the others.
const EVICTIONS: usize = 16;

/// Serves `router` over HTTP/1.1 until `stop` completes. Then it accepts no more connections, answers
/// the requests under way (for at most 10 s), and returns. `stop` may be a
/// [`shutdown_signal`](crate::shutdown_signal).
///
/// When it returns, every notification that was answered 200 is in the queue of
/// [`Webhooks`](crate::Webhooks), which ends after the last one.
///
/// Unauthenticated connections cannot keep the platform out. Beyond [`MAX_CONNECTIONS`] connections the oldest
/// unauthenticated one is closed, though not in its first 100 ms ([`Connection`]). An unauthenticated
/// connection is also closed when its request was refused. Any connection is closed if a request's head takes
/// longer than 10 s or has more than 32 KiB. The router limits bodies. After 5 minutes a connection ends with
/// the request under way, and within 10 s. A path that the router does not know is logged.
///
/// # Errors
/// None at present. A connection that fails, or cannot be accepted, does not affect others.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    serve_at(&ConnectionSlots::new(MAX_CONNECTIONS), listener, router, stop).await;
    Ok(())
}

async fn serve_at(
    slots: &Arc<ConnectionSlots>,
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()>,
) {
    let reading = Reading::new(READING);
    // Where the system refuses, it stays as it was.
    let _ = SockRef::from(&listener).listen(BACKLOG);
    let (stopping, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    let mut evictions = 0;
    'accepting: loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                make_room(slots, &error).await;
                continue;
            }
        };
        let connection = loop {
            if let Some(connection) = slots.take(&reading) {
                break connection;
            }
            let until = match slots.evict() {
                Eviction::Done => {
                    evictions += 1;
                    if evictions % EVICTIONS == 0 {
                        // The evicted close their sockets in their own turn.
                        yield_now().await;
                    }
                    continue;
                }
                Eviction::NotBefore(until) => Some(until),
                Eviction::Nobody => None,
            };
            let later = async {
                match until {
                    Some(until) => sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = slots.freed() => {}
                () = later => {}
                () = &mut stop => break 'accepting,
            }
        };
        let _ = stream.set_nodelay(true);
        connections.spawn(run(stream, router.clone(), connection, stopped.clone()));
        while connections.try_join_next().is_some() {}
    }
    drop((listener, router, stopping));
    // Each connection ends within its own time-out.
    while connections.join_next().await.is_some() {}
}

/// After a connection could not be accepted: makes room, unless others can be accepted all the same.
async fn make_room(slots: &ConnectionSlots, error: &io::Error) {
    if is_about_one_connection(error) {
        return;
    }
    // Probably out of file descriptors: the accepted connections have them.
    for _ in 0..EVICTIONS {
        slots.evict();
    }
    sleep(Duration::from_millis(1)).await;
}

/// True if other connections can be accepted all the same.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Serves one connection to its end. An error ends this connection only.
async fn run(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    router: Router,
    connection: Connection,
    mut stopped: watch::Receiver<()>,
) {
    let service = service_fn(|request| answer(&router, &connection, request));
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = pin!(serving);
    tokio::select! {
        _ = serving.as_mut() => return,
        () = connection.evicted() => return,
        // An error, because the watch's sender was dropped, is the sign to stop.
        _ = stopped.changed() => {}
        () = sleep(LIFE) => {}
    }
    serving.as_mut().graceful_shutdown();
    let patience = if connection.is_busy() { DRAIN_TIMEOUT } else { CLOSE_TIMEOUT };
    tokio::select! {
        _ = timeout(patience, serving) => {}
        () = connection.evicted() => {}
    }
}

/// Answers one request. A refusal is the last answer on a connection that has not authenticated itself.
async fn answer(
    router: &Router,
    connection: &Connection,
    mut request: Request<Incoming>,
) -> Result<Response, Infallible> {
    let uri = request.uri().clone();
    request.extensions_mut().insert(connection.clone());
    let _busy = Busy::new(connection);
    let mut response = TowerToHyperService::new(router.clone()).call(request).await?;
    let status = response.status();
    if status == StatusCode::NOT_FOUND {
        refusals::log(format_args!("{}", not_found(&uri)));
    }
    if (status.is_client_error() || status.is_server_error()) && !connection.is_authenticated() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// The line of the log about an unknown path. A query may be a credential.
fn not_found(uri: &Uri) -> String {
    format!("404: nothing is served at {:?}", uri.path())
}

/// A request under way.
struct Busy<'a>(&'a Connection);

impl<'a> Busy<'a> {
    fn new(connection: &'a Connection) -> Self {
        connection.set_busy(true);
        Self(connection)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.set_busy(false);
    }
}

#[cfg(test)]
#[path = "lives_tests.rs"]
mod lives;

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::task::{Context, Waker};

    use axum::routing::{any, get};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;
    use tokio::sync::{Semaphore, oneshot};
    use tokio::time::advance;

    use super::*;

    /// A server with four slots. `/proof` proves the connection, `/wait` waits for a permit.
    async fn start() -> (std::net::SocketAddr, Arc<Semaphore>, oneshot::Sender<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let permits = Arc::new(Semaphore::new(0));
        let waiting = permits.clone();
        let authenticate = |request: Request<axum::body::Body>| async move {
            request.extensions().get::<Connection>().unwrap().authenticate();
        };
        let router = Router::new()
            .route("/proof", any(authenticate))
            .route("/", get(|| async {}))
            .route("/wait", get(|| async move { waiting.acquire().await.unwrap().forget() }));
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            serve_at(&ConnectionSlots::new(4), listener, router, stopped).await;
        });
        (address, permits, stop)
    }

    async fn send(stream: &mut TcpStream, path: &str) {
        let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
    }

    /// The head of the answer; empty if the connection was closed.
    async fn answer(stream: &mut TcpStream) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => break,
            }
        }
        String::from_utf8(head).unwrap()
    }

    async fn connect(address: std::net::SocketAddr, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        send(&mut stream, path).await;
        assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200"), "{path}");
        stream
    }

    #[tokio::test]
    async fn a_new_connection_evicts_the_oldest_unauthenticated_one() {
        let (address, _, _stop) = start().await;
        let mut known = connect(address, "/proof").await;
        let mut connections = Vec::new();
        for _ in 0..3 {
            connections.push(connect(address, "/").await);
        }
        for n in 0..3 {
            let next = connect(address, "/").await;
            assert_eq!(answer(&mut connections[n]).await, "", "closed");
            connections.push(next);
        }
        send(&mut known, "/").await;
        assert!(answer(&mut known).await.starts_with("HTTP/1.1 200"));
    }

    /// A request that waits on each of four authenticated connections: there is no place for a fifth.
    async fn take_all_places(address: std::net::SocketAddr) -> Vec<TcpStream> {
        let mut connections = Vec::new();
        for _ in 0..4 {
            let mut stream = connect(address, "/proof").await;
            send(&mut stream, "/wait").await;
            connections.push(stream);
        }
        connections
    }

    #[tokio::test]
    async fn a_busy_authenticated_connection_is_never_evicted() {
        let (address, permits, _stop) = start().await;
        let mut known = take_all_places(address).await;
        let mut next = TcpStream::connect(address).await.unwrap();
        send(&mut next, "/").await;
        permits.add_permits(4);
        for stream in &mut known {
            assert!(answer(stream).await.starts_with("HTTP/1.1 200"));
        }
        assert!(answer(&mut next).await.starts_with("HTTP/1.1 200"));
    }

    /// So many strangers, who have all the slots and have had them for long enough to give way.
    async fn strangers(count: usize) -> (Arc<ConnectionSlots>, Vec<Connection>) {
        let (slots, reading) = (ConnectionSlots::new(count), Reading::new(0));
        let connections = (0..count).map(|_| slots.take(&reading).unwrap()).collect();
        advance(Duration::from_millis(100)).await;
        (slots, connections)
    }

    /// How many of them were evicted since the last call.
    fn evicted(connections: &[Connection]) -> usize {
        let is_evicted = |connection: &&Connection| {
            let evicted = pin!(connection.evicted());
            evicted.poll(&mut Context::from_waker(Waker::noop())).is_ready()
        };
        connections.iter().filter(is_evicted).count()
    }

    #[tokio::test(start_paused = true)]
    async fn sixteen_give_way_when_nothing_can_be_accepted() {
        let about_one = [
            ErrorKind::ConnectionAborted,
            ErrorKind::ConnectionRefused,
            ErrorKind::ConnectionReset,
            ErrorKind::Interrupted,
        ];
        for kind in about_one {
            let (slots, connections) = strangers(20).await;
            make_room(&slots, &kind.into()).await;
            assert_eq!(evicted(&connections), 0, "{kind:?}");
        }
        let (slots, connections) = strangers(20).await;
        make_room(&slots, &io::Error::other("too many open files")).await;
        assert_eq!(evicted(&connections), 16);
    }

    /// Until they have a turn, their sockets are open, beyond the limit.
    #[tokio::test(start_paused = true)]
    async fn the_evicted_have_a_turn_after_sixteen_of_them() {
        let (slots, connections) = strangers(40).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // All of them can be accepted at once.
        let _burst = [(); 40].map(|()| std::net::TcpStream::connect(address).unwrap());
        let turns = async {
            let mut left = 40;
            while left > 0 {
                let closing = evicted(&connections);
                assert!(closing <= 16, "{closing} in one turn");
                left -= closing;
                yield_now().await;
            }
        };
        // Both are one task: each turn of the server is followed by a look at the evicted.
        tokio::select! {
            biased;
            () = serve_at(&slots, listener, Router::new(), std::future::pending()) => {}
            () = turns => {}
        }
    }

    #[test]
    fn the_log_of_an_unknown_path_has_no_query() {
        let line = not_found(&"/sms/in?key=s3cr3t&text=private".parse().unwrap());
        assert_eq!(line, r#"404: nothing is served at "/sms/in""#);
    }

    #[tokio::test]
    async fn a_refusal_closes_an_unauthenticated_connection_only() {
        let (address, _, _stop) = start().await;
        for (first, closes) in [("/", true), ("/proof", false)] {
            let mut stream = connect(address, first).await;
            send(&mut stream, "/nowhere").await;
            let refused = answer(&mut stream).await;
            assert!(refused.starts_with("HTTP/1.1 404"), "{refused}");
            assert_eq!(refused.contains("connection: close"), closes, "{refused}");
        }
    }

    #[tokio::test]
    async fn the_stop_closes_idle_connections_and_answers_the_others() {
        let (address, permits, stop) = start().await;
        let mut idle = connect(address, "/").await;
        let mut working = connect(address, "/").await;
        send(&mut working, "/wait").await;
        // After an answer on another connection, the server has seen the head on this one.
        connect(address, "/").await;
        stop.send(()).unwrap();
        assert_eq!(answer(&mut idle).await, "");
        permits.add_permits(1);
        assert!(answer(&mut working).await.starts_with("HTTP/1.1 200"));
        assert_eq!(answer(&mut working).await, "");
    }

    #[tokio::test]
    async fn the_stop_waits_for_no_place() {
        let (address, permits, stop) = start().await;
        let mut known = take_all_places(address).await;
        let mut next = TcpStream::connect(address).await.unwrap();
        send(&mut next, "/").await;
        // It is accepted by then, and waits for a place; where the machine is busy, it may be in the backlog still.
        sleep(Duration::from_millis(200)).await;
        stop.send(()).unwrap();
        // All places are taken still. Ten seconds are for ever.
        let closed = timeout(Duration::from_secs(10), answer(&mut next)).await;
        assert_eq!(closed.as_deref(), Ok(""), "it waits for a place");
        permits.add_permits(4);
        for stream in &mut known {
            assert!(answer(stream).await.starts_with("HTTP/1.1 200"));
        }
    }
}
