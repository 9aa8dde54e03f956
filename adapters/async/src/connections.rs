//! The connections of a client: how many there may be, and who gets the next.

use std::sync::{Mutex, MutexGuard, PoisonError};

use event_listener::{Event, EventListener, IntoNotification as _};
use http::Uri;
use lp_connector_core::connector::Transport;
use lp_connector_core::http1::{Acquired, Pool};
use lp_connector_core::time::Mono;

/// The core's pool, and a queue before it: first come, first served.
#[derive(Debug)]
pub(crate) struct Connections<C> {
    /// Never held across an await.
    state: Mutex<State<C>>,
    /// Notified once for each connection that is no longer in use.
    freed: Event,
}

#[derive(Debug)]
struct State<C> {
    pool: Pool<C>,
    /// How many wait. Whoever comes while somebody waits waits behind them.
    waiting: usize,
}

/// The right to one connection. Dropped without [`release`](Self::release), as the future that holds
/// it may be, it gives that right to the next request and no connection with it.
#[derive(Debug)]
pub(crate) struct Place<'a, C> {
    connections: &'a Connections<C>,
    uri: &'a Uri,
}

/// A request that waits for its turn.
struct Waiting<'a, C> {
    connections: &'a Connections<C>,
    turn: EventListener,
}

impl<C> Connections<C> {
    pub(crate) fn new(transport: &Transport) -> Self {
        let pool = Pool::new(transport.max_connections(), transport.idle_timeout());
        Self { state: Mutex::new(State { pool, waiting: 0 }), freed: Event::new() }
    }

    /// Waits for the right to one connection. Gives an idle one with it, if there is one to where `uri`
    /// leads.
    pub(crate) async fn acquire<'a>(
        &'a self,
        uri: &'a Uri,
        clock: &impl Fn() -> Mono,
    ) -> (Place<'a, C>, Option<C>) {
        let mut waiting = {
            let mut state = self.lock();
            if state.waiting == 0
                && let Some(acquired) = self.place(&mut state, uri, clock())
            {
                return acquired;
            }
            state.waiting += 1;
            Waiting { connections: self, turn: self.freed.listen() }
        };
        loop {
            (&mut waiting.turn).await;
            let mut state = self.lock();
            if let Some(acquired) = self.place(&mut state, uri, clock()) {
                return acquired;
            }
            waiting.turn = self.freed.listen();
        }
    }

    fn place<'a>(
        &'a self,
        state: &mut State<C>,
        uri: &'a Uri,
        now: Mono,
    ) -> Option<(Place<'a, C>, Option<C>)> {
        let idle = match state.pool.acquire(uri, now) {
            Acquired::Idle(connection) => Some(connection),
            Acquired::Connect => None,
            Acquired::Full => return None,
        };
        Some((Place { connections: self, uri }, idle))
    }

    fn lock(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C> Place<'_, C> {
    /// Another idle connection, in place of one that could not be used.
    pub(crate) fn next_idle(&self, now: Mono) -> Option<C> {
        self.connections.lock().pool.next_idle(self.uri, now)
    }

    /// Keeps the connection for the next request: its exchange has finished cleanly.
    pub(crate) fn release(self, connection: C, now: Mono) {
        self.connections.lock().pool.release(self.uri, connection, now);
        self.connections.freed.notify(1.additional());
        std::mem::forget(self);
    }
}

impl<C> Drop for Place<'_, C> {
    fn drop(&mut self) {
        self.connections.lock().pool.discard();
        self.connections.freed.notify(1.additional());
    }
}

impl<C> Drop for Waiting<'_, C> {
    fn drop(&mut self) {
        let mut state = self.connections.lock();
        state.waiting -= 1;
        // Who came meanwhile may have queued for nothing, and then nobody else would wake them.
        if state.waiting > 0 && state.pool.has_room() {
            self.connections.freed.notify(1.additional());
        }
        // A turn that came and was not used goes to the next in the queue, when `turn` is dropped.
    }
}

#[cfg(test)]
#[path = "connections_tests.rs"]
mod tests;
