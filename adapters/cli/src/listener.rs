//! A webhook endpoint on a thread of its own.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::time::Instant;

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::middleware::{Next, from_fn};
use lp_connector_axum::{Webhooks, serve, shutdown_signal};
use lp_connector_core::webhook::{Receiver, Verified};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::failure::Failure;

/// How many notifications may wait for their answer. Beyond it they are answered 503.
const MAX_WAITING: usize = 1024;

/// Receives notifications until it is dropped.
pub(crate) struct Listener {
    address: SocketAddr,
    arrivals: mpsc::Receiver<Arrival>,
    stop: Stop,
}

/// Ends the endpoint when it is dropped.
pub(crate) struct Stop(#[expect(dead_code, reason = "it is dropped")] oneshot::Sender<()>);

/// A notification whose sender waits for the answer: 200 once it is kept, 503 if it is refused or dropped, or
/// after 2 s.
pub(crate) struct Arrival {
    pub(crate) verified: Verified,
    /// The headers that it came with. The signature does not cover them.
    pub(crate) headers: HeaderMap,
    /// When it came.
    pub(crate) came: Instant,
    pub(crate) answer: Answer,
}

tokio::task_local! {
    /// The headers of the request that is being answered.
    static HEADERS: HeaderMap;
}

/// The answer that a sender waits for.
pub(crate) struct Answer(oneshot::Sender<Result<(), String>>);

impl Arrival {
    /// Answers 200, for a notification that is handled at once.
    pub(crate) fn keep(self) -> Verified {
        self.answer.accept();
        self.verified
    }
}

impl Answer {
    /// Answers 200: the platform does not send the notification again.
    pub(crate) fn accept(self) {
        // The sender may have given up.
        let _ = self.0.send(Ok(()));
    }

    /// Answers 503, and logs why: the platform sends the notification again.
    pub(crate) fn refuse(self, reason: String) {
        let _ = self.0.send(Err(reason));
    }
}

impl Listener {
    /// Receives until it is dropped.
    pub(crate) fn start(address: SocketAddr, receiver: Receiver) -> Result<Self, Failure> {
        Self::run(address, receiver, false)
    }

    /// Receives until SIGTERM, SIGINT, SIGHUP or SIGQUIT too: then it answers the requests under way, and the
    /// [`arrivals`](Self::arrivals) end. A second signal ends the process, with exit status 1.
    pub(crate) fn start_until_signal(
        address: SocketAddr,
        receiver: Receiver,
    ) -> Result<Self, Failure> {
        Self::run(address, receiver, true)
    }

    fn run(address: SocketAddr, receiver: Receiver, heeds: bool) -> Result<Self, Failure> {
        let local = |error: io::Error| {
            let taken = match error.kind() {
                io::ErrorKind::AddrInUse => {
                    "an earlier chat or listener may still be ending there; "
                }
                _ => "",
            };
            Failure::Usage(format!(
                "cannot listen on {address}: {error}; {taken}choose another address with --listen or \
                 LP_WEBHOOK_LISTEN"
            ))
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(local)?;
        let listener = runtime.block_on(TcpListener::bind(address)).map_err(local)?;
        let address = listener.local_addr().map_err(local)?;
        let signal = {
            let _context = runtime.enter();
            heeds.then(shutdown_signal).transpose().map_err(local)?
        };
        let (sender, arrivals) = mpsc::sync_channel(MAX_WAITING);
        let router = Webhooks::new(receiver).durable(move |verified| answer(&sender, verified));
        let router = router.layer(from_fn(|request: Request, next: Next| {
            HEADERS.scope(request.headers().clone(), next.run(request))
        }));
        let (stop, stopped) = oneshot::channel();
        std::thread::spawn(move || runtime.block_on(receive(listener, router, stopped, signal)));
        Ok(Self { address, arrivals, stop: Stop(stop) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn arrivals(&self) -> &mpsc::Receiver<Arrival> {
        &self.arrivals
    }

    /// What arrives, and what ends it: then it answers the requests under way, and the arrivals end.
    pub(crate) fn into_parts(self) -> (mpsc::Receiver<Arrival>, Stop) {
        (self.arrivals, self.stop)
    }
}

/// Hands a notification to the other thread, and waits until it is kept there.
fn answer(
    sender: &SyncSender<Arrival>,
    verified: Verified,
) -> impl Future<Output = Result<(), String>> + use<> {
    let (answer, answered) = oneshot::channel();
    let headers = HEADERS.try_with(HeaderMap::clone).unwrap_or_default();
    let arrival = Arrival { verified, headers, came: Instant::now(), answer: Answer(answer) };
    let handed = sender.try_send(arrival);
    async {
        handed.map_err(|error| match error {
            TrySendError::Full(_) => "too many notifications wait".to_owned(),
            TrySendError::Disconnected(_) => "the program is ending".to_owned(),
        })?;
        let dropped = || Err("it was not taken, so it is sent again".to_owned());
        answered.await.unwrap_or_else(|_| dropped())
    }
}

/// Serves until the stop or a signal, and ends the process at a second signal.
async fn receive(
    listener: TcpListener,
    router: Router,
    stopped: oneshot::Receiver<()>,
    signal: Option<impl Future<Output = ()>>,
) {
    let (interrupted, second) = oneshot::channel();
    let until = async {
        let signal = async {
            match signal {
                Some(signal) => signal.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = stopped => drop(interrupted),
            () = signal => drop(interrupted.send(shutdown_signal())),
        }
    };
    let interrupt = async {
        if let Ok(Ok(second)) = second.await {
            second.await;
            let line = "error: interrupted before everything was printed";
            let _ = writeln!(io::stderr(), "{line}");
            std::process::exit(1);
        }
    };
    let _ = tokio::join!(serve(listener, router, until), interrupt);
}
