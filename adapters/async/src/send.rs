//! Sends one request, and says how it went.

use bytes::Bytes;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{Request, Response};
use lp_connector_core::connector::{Attempt, Failure, FailureKind, Outcome, Transport};
use lp_connector_core::error::Error;
use lp_connector_core::http1::{Decoder, Limits, RequestTarget, encode};
use lp_connector_core::time::Mono;

use crate::Runtime;
use crate::connect::Connector;
use crate::connection::Connection;
use crate::connections::{Connections, Permit};
use crate::deadlines::{Clock, Deadlines};
use crate::race::either;

/// The core's codec on the runtime's streams.
pub(crate) struct Sender<R: Runtime> {
    deadlines: Deadlines<R>,
    connector: Connector,
    connections: Connections<Connection<R>>,
    limits: Limits,
}

impl<R: Runtime> Sender<R> {
    pub(crate) fn new(runtime: R, clock: Clock, transport: &Transport) -> Result<Self, Error> {
        Ok(Self {
            deadlines: Deadlines::new(runtime, clock),
            connector: Connector::new(transport)?,
            connections: Connections::new(transport),
            limits: Limits::new().body(transport.max_body()),
        })
    }

    pub(crate) fn runtime(&self) -> &R {
        self.deadlines.runtime()
    }

    /// Performs one attempt, within its time. A future that is dropped closes its connection.
    pub(crate) async fn send(&self, attempt: Attempt, clock: impl Fn() -> Mono) -> Outcome {
        let now = clock();
        let deadline = now + attempt.time_left(now);
        let request = attempt.into_request();
        let (connecting, request_left) = (AtomicBool::new(false), AtomicBool::new(false));
        let exchange = pin!(self.exchange(&request, &connecting, &request_left, &clock));
        let time_is_up = pin!(async {
            self.deadlines.wait_until(deadline, now).await;
            Err(if request_left.load(Ordering::Relaxed) {
                Failure::answer_lost(FailureKind::Timeout)
            } else if connecting.load(Ordering::Relaxed) {
                Failure::never_sent(FailureKind::Timeout)
            } else {
                Failure::never_sent(FailureKind::NoFreeConnection)
            })
        });
        match either(exchange, time_is_up).await {
            Ok(response) => Outcome::Response(response),
            Err(failure) => Outcome::Failed(failure),
        }
    }

    async fn exchange(
        &self,
        request: &Request<Bytes>,
        connecting: &AtomicBool,
        request_left: &AtomicBool,
        clock: &impl Fn() -> Mono,
    ) -> Result<Response<Bytes>, Failure> {
        let mut bytes = Vec::new();
        encode(request, RequestTarget::Origin, &mut bytes)
            .map_err(|error| Failure::never_sent(FailureKind::Protocol).with_source(error))?;
        let (permit, idle) = self.connections.acquire(request.uri(), clock).await;
        connecting.store(true, Ordering::Relaxed);
        // Declared after `permit`, so dropped before it: no other is made while this one is still open.
        let mut connection = match reusable(&permit, idle, clock).await {
            Some(connection) => connection,
            // On the heap: it is rare, and would make the future of each call larger.
            None => Box::pin(self.connector.connect(self.runtime(), request.uri())).await?,
        };
        let decoder = Decoder::new(request.method(), self.limits.clone());
        let decoded = connection.exchange(&bytes, decoder, request_left).await?;
        if decoded.reusable {
            permit.release(connection, clock());
        }
        Ok(decoded.response)
    }
}

/// The first idle connection that is not stale.
async fn reusable<R: Runtime>(
    permit: &Permit<'_, Connection<R>>,
    mut idle: Option<Connection<R>>,
    clock: &impl Fn() -> Mono,
) -> Option<Connection<R>> {
    while let Some(mut connection) = idle {
        if !connection.is_stale().await {
            return Some(connection);
        }
        drop(connection);
        idle = permit.next_idle(clock());
    }
    None
}
