//! A world for tests: its clock moves when everything waits, and its servers do as they are told.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, SystemTime};

use futures_io::{AsyncRead, AsyncWrite};
use futures_rustls::rustls::{self, AlertDescription};
use lp_connector_core::api::{
    ApiRejection, Context as Account, Endpoint, Idempotency, InvalidInput, Operation, Principal,
    RelativeRequest, ResponseView,
};
use lp_connector_core::connector::{Call, Callable, Completed, Config, Proxy, Trust};
use lp_connector_core::error::Error;
use lp_connector_core::id::{AccountId, ClientId};
use lp_connector_core::policy::RetryPolicy;
use lp_connector_core::secret::Secret;
use lp_connector_core::time::{Mono, Now};

use crate::driver::Driver;
use crate::{Runtime, SockRef};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// What a server does with the next connection that is made.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// How long it takes to connect.
    pub(crate) accepts_after: Duration,
    /// How many bytes of requests it takes.
    pub(crate) takes: usize,
    /// What a write beyond them ends with; never, if there is nothing.
    pub(crate) then: Option<io::ErrorKind>,
    /// To each request: what comes, and how long after what came before.
    pub(crate) answers: Vec<(Duration, Vec<u8>)>,
    /// After so many requests it demands a certificate of the client, as TLS does.
    pub(crate) demands_after: Option<usize>,
    /// Something comes on the connection once the first answer is read.
    pub(crate) speaks_unasked: bool,
    /// Its answers come before any request.
    pub(crate) greets: bool,
}

impl Peer {
    /// Takes everything and says nothing.
    pub(crate) fn silent() -> Self {
        Self {
            accepts_after: Duration::ZERO,
            takes: usize::MAX,
            then: None,
            answers: Vec::new(),
            demands_after: None,
            speaks_unasked: false,
            greets: false,
        }
    }

    pub(crate) fn answering(body: &str) -> Self {
        Self::answering_after(Duration::ZERO, body)
    }

    pub(crate) fn answering_after(time: Duration, body: &str) -> Self {
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        Self { answers: vec![(time, answer.into_bytes())], ..Self::silent() }
    }
}

/// The runtime of such a world.
#[derive(Clone, Debug, Default)]
pub(crate) struct World(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    now: Duration,
    sleepers: Vec<(Duration, Waker)>,
    peers: VecDeque<Peer>,
    resolves_after: Duration,
    resolved: Vec<(String, u16)>,
    connections: usize,
    has_global_timers: bool,
}

#[derive(Debug)]
pub(crate) struct Stream {
    world: World,
    peer: Peer,
    /// Something to look at without the runtime.
    socket: UdpSocket,
    due: VecDeque<(Duration, Vec<u8>)>,
    requests: usize,
}

impl World {
    pub(crate) fn new(peers: impl IntoIterator<Item = Peer>) -> Self {
        let world = Self::default();
        world.lock().peers = peers.into_iter().collect();
        world
    }

    /// Names take so long to resolve.
    pub(crate) fn resolves_after(self, time: Duration) -> Self {
        self.lock().resolves_after = time;
        self
    }

    /// All attempts share a timer, as on smol and async-std, or not, as on tokio.
    pub(crate) fn global_timers(self, yes: bool) -> Self {
        self.lock().has_global_timers = yes;
        self
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.lock().now
    }

    pub(crate) fn now(&self) -> Now {
        Now::new(Mono::from_origin(self.elapsed()), SystemTime::UNIX_EPOCH)
    }

    /// The hosts and ports that were resolved.
    pub(crate) fn resolved(&self) -> Vec<(String, u16)> {
        self.lock().resolved.clone()
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        self.lock().connections
    }

    pub(crate) fn advance(&self, by: Duration) {
        let target = self.elapsed() + by;
        while self.advance_to_next(target) {}
        self.lock().now = target;
    }

    /// Moves the clock to where somebody wakes up, if that is no later than `limit`.
    fn advance_to_next(&self, limit: Duration) -> bool {
        let woken = {
            let mut state = self.lock();
            let Some(next) = state.sleepers.iter().map(|(at, _)| *at).min() else { return false };
            if next > limit {
                return false;
            }
            state.now = state.now.max(next);
            let (woken, asleep) = state.sleepers.drain(..).partition(|(at, _)| *at <= next);
            state.sleepers = asleep;
            woken
        };
        let woken: Vec<(Duration, Waker)> = woken;
        woken.into_iter().for_each(|(_, waker)| waker.wake());
        true
    }

    /// Runs a future to its end. The clock moves when it waits.
    #[track_caller]
    pub(crate) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let mut task = Task::new(future);
        loop {
            if let Some(output) = task.poll() {
                return output;
            }
            assert!(self.advance_to_next(Duration::MAX), "it waits for ever");
        }
    }

    /// Completes at this time.
    fn until(&self, at: Duration) -> impl Future<Output = ()> + use<> {
        let world = self.clone();
        poll_fn(move |context| world.poll_until(at, context))
    }

    fn poll_until(&self, at: Duration, context: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.now >= at {
            return Poll::Ready(());
        }
        if at < Duration::MAX {
            state.sleepers.push((at, context.waker().clone()));
        }
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

/// A future that is polled only if it was woken.
pub(crate) struct Task<F> {
    future: Pin<Box<F>>,
    woken: Arc<Woken>,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl<F: Future> Task<F> {
    pub(crate) fn new(future: F) -> Self {
        Self { future: Box::pin(future), woken: Arc::new(Woken(AtomicBool::new(true))) }
    }

    /// Polls as long as somebody wakes it.
    pub(crate) fn poll(&mut self) -> Option<F::Output> {
        let waker = Waker::from(self.woken.clone());
        while self.woken.0.swap(false, Ordering::Relaxed) {
            let polled = self.future.as_mut().poll(&mut Context::from_waker(&waker));
            if let Poll::Ready(output) = polled {
                return Some(output);
            }
        }
        None
    }
}

impl Runtime for World {
    type Stream = Stream;

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let at = self.elapsed().saturating_add(self.lock().resolves_after);
        self.lock().resolved.push((host.to_owned(), port));
        self.until(at).await;
        Ok(vec![SocketAddr::from(([192, 0, 2, 1], port))])
    }

    async fn connect(&self, _: SocketAddr) -> io::Result<Stream> {
        let next = self.lock().peers.pop_front();
        let Some(peer) = next else { return Err(io::ErrorKind::ConnectionRefused.into()) };
        self.until(self.elapsed().saturating_add(peer.accepts_after)).await;
        self.lock().connections += 1;
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_nonblocking(true)?;
        let at = self.elapsed();
        let greeting = if peer.greets { peer.answers.clone() } else { Vec::new() };
        let due = greeting.into_iter().map(|(_, answer)| (at, answer)).collect();
        Ok(Stream { world: self.clone(), peer, socket, due, requests: 0 })
    }

    fn socket(stream: &Stream) -> SockRef<'_> {
        (&stream.socket).into()
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send {
        self.until(self.elapsed().saturating_add(time))
    }

    fn has_global_timers(&self) -> bool {
        self.lock().has_global_timers
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let Some((at, mut bytes)) = self.due.pop_front() else { return Poll::Pending };
        if self.world.poll_until(at, context).is_pending() {
            self.due.push_front((at, bytes));
            return Poll::Pending;
        }
        if bytes.is_empty() {
            let alert = AlertDescription::CertificateRequired;
            let demand = rustls::Error::AlertReceived(alert);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, demand)));
        }
        let read = bytes.len().min(buffer.len());
        buffer[..read].copy_from_slice(&bytes[..read]);
        bytes.drain(..read);
        if !bytes.is_empty() {
            self.due.push_front((at, bytes));
        } else if self.peer.speaks_unasked {
            let itself = self.socket.local_addr()?;
            self.socket.send_to(b"x", itself)?;
        }
        Poll::Ready(Ok(read))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = bytes.len().min(self.peer.takes);
        if written == 0 {
            return match self.peer.then {
                Some(error) => Poll::Ready(Err(error.into())),
                None => Poll::Pending,
            };
        }
        self.peer.takes -= written;
        let mut at = self.world.elapsed();
        self.requests += 1;
        if self.peer.demands_after.is_some_and(|requests| self.requests > requests) {
            self.due.push_back((at, Vec::new()));
            return Poll::Ready(Ok(written));
        }
        for (pause, answer) in self.peer.answers.clone() {
            at += pause;
            self.due.push_back((at, answer));
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A configuration for the server at this URL, with the default limits and no retries.
pub(crate) fn config(url: &str) -> Config {
    Config::new(AccountId::new("91827364").unwrap())
        .credentials(ClientId::new("0a1b2c3d").unwrap(), Secret::new("n3v3r".to_owned()))
        .trust(Trust::new(url, ["sandbox.test"]).unwrap())
        .proxy(Proxy::None)
        .retry(RetryPolicy::none())
}

pub(crate) fn driver(world: &World, config: Config) -> Driver<World> {
    let clocked = world.clone();
    let clock = Box::new(move || clocked.now().mono());
    Driver::new(config, world.clone(), clock, lp_connector_tls::seed().unwrap()).unwrap()
}

/// A call that begins now.
pub(crate) fn call<C: Callable>(
    driver: &Driver<World>,
    operation: C,
) -> impl Future<Output = Result<Completed<C::Output>, Error>> {
    let world = driver.runtime();
    let seed = lp_connector_tls::seed().unwrap();
    let call = Call::new(operation, driver.config(), seed, world.now());
    driver.drive(call, || world.now())
}

/// One `POST`, which is not retried if its response is lost.
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

    fn request(&self, _: &Account<'_>) -> Result<RelativeRequest, InvalidInput> {
        RelativeRequest::post_json(["probe"], [("v", "1")], &"Coo?")
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<String, ApiRejection> {
        Ok(String::from_utf8_lossy(response.body()).into_owned())
    }
}
