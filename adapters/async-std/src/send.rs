//! Sends one request, and says how it went.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::Poll;

use async_lock::Semaphore;
use futures_lite::{AsyncRead as _, AsyncReadExt as _, AsyncWriteExt as _};
use http::{Request, Response};
use lp_connector_core::connector::{Attempt, Failure, FailureKind, Outcome, Transport};
use lp_connector_core::error::Error;
use lp_connector_core::http1::{
    DecodeError, Decoded, Decoder, Limits, Pool, Progress, Target, encode,
};
use lp_connector_core::time::Mono;

use crate::Runtime;
use crate::connect::{Connection, Connector};

/// The core's codec on the runtime's streams, and a pool of them.
pub(crate) struct Sender<R> {
    runtime: R,
    connector: Connector,
    pool: Mutex<Pool<Connection>>,
    /// One permit for each connection that there may be.
    room: Semaphore,
    limits: Limits,
}

impl<R: Runtime> Sender<R> {
    pub(crate) fn new(runtime: R, transport: &Transport) -> Result<Self, Error> {
        Ok(Self {
            runtime,
            connector: Connector::new(transport)?,
            pool: Mutex::new(Pool::new(transport.max_connections(), transport.idle_timeout())),
            room: Semaphore::new(transport.max_connections()),
            limits: Limits::new().body(transport.max_body()),
        })
    }

    pub(crate) fn runtime(&self) -> &R {
        &self.runtime
    }

    /// Performs one attempt. A future that is dropped closes its connection.
    pub(crate) async fn send(&self, attempt: Attempt, clock: impl Fn() -> Mono) -> Outcome {
        let left = attempt.time_left(clock());
        let request = attempt.into_request();
        let request_left = AtomicBool::new(false);
        let exchange = self.exchange(&request, &request_left, &clock);
        let time_is_up = async {
            self.runtime.sleep(left).await;
            Err(if request_left.load(Ordering::Relaxed) {
                Failure::answer_lost(FailureKind::Timeout)
            } else {
                Failure::never_sent(FailureKind::Timeout)
            })
        };
        match futures_lite::future::or(exchange, time_is_up).await {
            Ok(response) => Outcome::Answer(response),
            Err(failure) => Outcome::Failed(failure),
        }
    }

    async fn exchange(
        &self,
        request: &Request<Vec<u8>>,
        request_left: &AtomicBool,
        clock: &impl Fn() -> Mono,
    ) -> Result<Response<Vec<u8>>, Failure> {
        let mut bytes = Vec::new();
        encode(request, Target::Origin, &mut bytes)
            .map_err(|error| Failure::never_sent(FailureKind::Protocol).because(error))?;
        let _permit = self.room.acquire().await;
        let uri = request.uri();
        let scheme = uri.scheme_str().unwrap_or_default();
        let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        let origin = format!("{scheme}://{authority}");
        let mut connection = match self.idle(&origin, clock).await {
            Some(connection) => connection,
            None => self.connector.connect(&self.runtime, uri).await?,
        };
        write(&mut connection, &bytes, request_left).await.map_err(|error| {
            let failed = match request_left.load(Ordering::Relaxed) {
                true => Failure::answer_lost(FailureKind::Broken),
                false => Failure::never_sent(FailureKind::Broken),
            };
            failed.because(error)
        })?;
        let decoder = Decoder::new(request.method(), self.limits.clone());
        let decoded = read(&mut connection, decoder).await?;
        if decoded.reusable {
            self.lock().put(&origin, connection, clock());
        }
        Ok(decoded.response)
    }

    /// An idle connection on which the peer has neither spoken nor closed.
    async fn idle(&self, origin: &str, clock: &impl Fn() -> Mono) -> Option<Connection> {
        loop {
            let mut connection = self.lock().take(origin, clock())?;
            let mut byte = [0; 1];
            let silent = poll_fn(|context| {
                let read = Pin::new(&mut connection).poll_read(context, &mut byte);
                // Anything to read, the end included, was asked for by nobody.
                Poll::Ready(read.is_pending())
            });
            if silent.await {
                return Some(connection);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Pool<Connection>> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes it all, and notes when the first of it has gone.
async fn write(
    connection: &mut Connection,
    bytes: &[u8],
    request_left: &AtomicBool,
) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let written = connection.write(rest).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        request_left.store(true, Ordering::Relaxed);
        rest = rest.get(written..).unwrap_or_default();
    }
    connection.flush().await
}

/// Reads until the response is whole.
async fn read(connection: &mut Connection, mut decoder: Decoder) -> Result<Decoded, Failure> {
    let mut buffer = vec![0; 8 * 1024];
    loop {
        let read = connection.read(&mut buffer).await;
        let read =
            read.map_err(|error| Failure::answer_lost(FailureKind::Broken).because(error))?;
        let bytes = buffer.get(..read).unwrap_or_default();
        let progress = if bytes.is_empty() {
            decoder.finish().map(Progress::Done)
        } else {
            decoder.feed(bytes)
        };
        match progress {
            Ok(Progress::More) => {}
            Ok(Progress::Done(decoded)) => return Ok(decoded),
            Err(error) => {
                let kind = match error {
                    DecodeError::TooLarge(_) => FailureKind::TooLarge,
                    DecodeError::Truncated | DecodeError::ClosedBeforeAnswer => FailureKind::Broken,
                    _ => FailureKind::Protocol,
                };
                return Err(Failure::answer_lost(kind).because(error));
            }
        }
    }
}
