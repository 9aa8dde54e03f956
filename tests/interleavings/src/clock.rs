//! A runtime with timers on a clock that moves at any moment.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_io::{AsyncRead, AsyncWrite};
use lp_connector_async::{Runtime, SockRef};
use lp_connector_core::time::Mono;
use shuttle::sync::{Condvar, Mutex};

/// The runtime. It has no network.
#[derive(Clone, Default)]
pub(crate) struct Timers(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    now: Duration,
    /// Who sleeps and until when, each with a number.
    sleepers: Vec<(u64, Duration, Waker)>,
    last_number: u64,
    is_over: bool,
}

impl Timers {
    pub(crate) fn now(&self) -> Mono {
        Mono::from_origin(self.0.state.lock().unwrap().now)
    }

    /// Moves the clock to the next end of a sleep whenever there is one, until [`stop`](Self::stop).
    pub(crate) fn run(&self) {
        let mut state = self.0.state.lock().unwrap();
        while !state.is_over {
            let Some(next) = state.sleepers.iter().map(|(_, at, _)| *at).min() else {
                state = self.0.changed.wait(state).unwrap();
                continue;
            };
            state.now = state.now.max(next);
            let (due, asleep) = state.sleepers.drain(..).partition(|(_, at, _)| *at <= next);
            state.sleepers = asleep;
            drop(state);
            let due: Vec<(u64, Duration, Waker)> = due;
            due.into_iter().for_each(|(_, _, waker)| waker.wake());
            state = self.0.state.lock().unwrap();
        }
    }

    pub(crate) fn stop(&self) {
        self.0.state.lock().unwrap().is_over = true;
        self.0.changed.notify_all();
    }
}

impl Runtime for Timers {
    type Stream = Nothing;

    async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn connect(&self, _: SocketAddr) -> io::Result<Nothing> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn socket(stream: &Nothing) -> SockRef<'_> {
        match *stream {}
    }

    /// Wakes who polled it last.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send {
        let (timers, at) = (self.clone(), self.now().elapsed_from_origin().saturating_add(time));
        let mut number = None;
        poll_fn(move |context| {
            let mut state = timers.0.state.lock().unwrap();
            if state.now >= at {
                return Poll::Ready(());
            }
            let number = *number.get_or_insert_with(|| {
                state.last_number += 1;
                state.last_number
            });
            state.sleepers.retain(|(known, ..)| *known != number);
            state.sleepers.push((number, at, context.waker().clone()));
            timers.0.changed.notify_all();
            Poll::Pending
        })
    }

    fn has_global_timers(&self) -> bool {
        true
    }
}

/// The connection that there is not.
#[derive(Debug)]
pub(crate) enum Nothing {}

impl AsyncRead for Nothing {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match *self {}
    }
}

impl AsyncWrite for Nothing {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        match *self {}
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match *self {}
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match *self {}
    }
}
