//! The connections of a client: how many there may be, and which request gets the next.

use std::sync::PoisonError;

use event_listener::{Event, EventListener, IntoNotification as _};
use http::Uri;
use lp_connector_core::connector::Transport;
use lp_connector_core::http1::{Acquired, Pool};
use lp_connector_core::time::Mono;

use crate::sync::{Mutex, MutexGuard};

/// The core's pool, and a queue for it: first come, first served.
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

/// Permission to hold one connection. Dropped without [`release`](Self::release), as the future that
/// holds it may be, it passes to the next request, without a connection.
#[derive(Debug)]
pub(crate) struct Permit<'a, C> {
    connections: &'a Connections<C>,
    uri: &'a Uri,
}

/// A request that waits for its turn.
struct Waiter<'a, C> {
    connections: &'a Connections<C>,
    turn: EventListener,
}

impl<C> Connections<C> {
    pub(crate) fn new(transport: &Transport) -> Self {
        let pool = Pool::new(transport.max_connections(), transport.idle_timeout());
        Self { state: Mutex::new(State { pool, waiting: 0 }), freed: Event::new() }
    }

    /// Waits for the permission to hold one connection. Gives an idle one with it, if there is one to the
    /// host of `uri`.
    pub(crate) async fn acquire<'a>(
        &'a self,
        uri: &'a Uri,
        clock: &impl Fn() -> Mono,
    ) -> (Permit<'a, C>, Option<C>) {
        let mut waiter = {
            let mut state = self.lock();
            if state.waiting == 0
                && let Some(acquired) = self.try_acquire(&mut state, uri, clock())
            {
                return acquired;
            }
            state.waiting += 1;
            Waiter { connections: self, turn: self.freed.listen() }
        };
        loop {
            (&mut waiter.turn).await;
            let mut state = self.lock();
            if let Some(acquired) = self.try_acquire(&mut state, uri, clock()) {
                return acquired;
            }
            waiter.turn = self.freed.listen();
        }
    }

    fn try_acquire<'a>(
        &'a self,
        state: &mut State<C>,
        uri: &'a Uri,
        now: Mono,
    ) -> Option<(Permit<'a, C>, Option<C>)> {
        let idle = match state.pool.acquire(uri, now) {
            Acquired::Idle(connection) => Some(connection),
            Acquired::Connect => None,
            Acquired::Full => return None,
        };
        Some((Permit { connections: self, uri }, idle))
    }

    fn lock(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C> Permit<'_, C> {
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

impl<C> Drop for Permit<'_, C> {
    fn drop(&mut self) {
        self.connections.lock().pool.discard();
        self.connections.freed.notify(1.additional());
    }
}

impl<C> Drop for Waiter<'_, C> {
    fn drop(&mut self) {
        let mut state = self.connections.lock();
        state.waiting -= 1;
        // A request that came meanwhile has queued although there is room: nobody else would wake it.
        if state.waiting > 0 && state.pool.has_room() {
            self.connections.freed.notify(1.additional());
        }
        // If this waiter was notified and did not use it, dropping `turn` notifies the next.
    }
}

#[cfg(test)]
#[path = "connections_tests.rs"]
mod tests;
