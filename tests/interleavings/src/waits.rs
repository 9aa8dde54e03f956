//! Attempts that wait for their deadlines, and requests that wait for a connection.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::Uri;
use lp_connector_core::connector::Config;
use lp_connector_core::id::AccountId;
use lp_connector_core::time::Mono;
use shuttle::future::block_on;
use shuttle::sync::Barrier;
use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::thread;

use crate::clock::Timers;
use crate::connections::Connections;
use crate::deadlines::Deadlines;

/// Polls once, and gives up if that is not enough.
async fn try_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Three attempts wait until deadlines of their own, and a fourth one gives up at once: the clock moves at any moment.
pub fn deadlines() {
    let timers = Timers::default();
    let clocked = timers.clone();
    let deadlines = Arc::new(Deadlines::new(timers.clone(), Box::new(move || clocked.now())));
    let moved = timers.clone();
    let clock = thread::spawn(move || moved.run());
    let wait = |seconds: u64, gives_up: bool| {
        let (deadlines, timers) = (deadlines.clone(), timers.clone());
        thread::spawn(move || {
            let at = timers.now() + Duration::from_secs(seconds);
            let wait = deadlines.wait_until(at, timers.now());
            if gives_up {
                block_on(try_once(wait));
            } else {
                block_on(wait);
                assert!(timers.now() >= at, "it ends too early");
            }
        })
    };
    let attempts = [wait(3, false), wait(1, true), wait(2, false), wait(1, false)];
    for attempt in attempts {
        attempt.join().unwrap();
    }
    timers.stop();
    clock.join().unwrap();
}

/// What a request does once it has a connection, or in place of waiting for one.
#[derive(Clone, Copy, PartialEq)]
enum Request {
    Releases,
    Drops,
    /// Gives up where it would wait.
    GivesUp,
    /// Holds its connection until another one like it has one too.
    Meets,
}

/// Five requests share two connections. Two of them meet: where there is room, nobody is left to wait.
pub fn connections() {
    let config = Config::new(AccountId::new("91827364").unwrap()).max_connections(2);
    let connections = Arc::new(Connections::<u8>::new(config.transport()));
    let (in_use, both) = (Arc::new(AtomicUsize::new(0)), Arc::new(Barrier::new(2)));
    let requests =
        [Request::Releases, Request::Drops, Request::GivesUp, Request::Meets, Request::Meets];
    let requests = requests.map(|request| {
        let (connections, in_use, both) = (connections.clone(), in_use.clone(), both.clone());
        thread::spawn(move || {
            let uri = Uri::from_static("http://127.0.0.1:1");
            let clock = || Mono::ZERO;
            let acquire = connections.acquire(&uri, &clock);
            let acquired = match request {
                Request::GivesUp => block_on(try_once(acquire)),
                _ => Some(block_on(acquire)),
            };
            let Some((permit, connection)) = acquired else { return };
            assert!(in_use.fetch_add(1, Ordering::SeqCst) < 2, "more than there may be");
            if request == Request::Meets {
                both.wait();
            }
            in_use.fetch_sub(1, Ordering::SeqCst);
            if request != Request::Drops {
                permit.release(connection.unwrap_or(7), Mono::ZERO);
            }
        })
    });
    for request in requests {
        request.join().unwrap();
    }
}
