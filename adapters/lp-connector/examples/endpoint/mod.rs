//! A webhook endpoint on a blocking server. Any server fits that gives the raw body; with axum, use
//! `lp_connector::axum`.
//!
//! It answers one request at a time, so a sender who is slow holds up the others: in front of the real cloud
//! it needs a proxy that reads whole requests. `stop` drains it; a program that runs until a signal calls
//! that from its handler.

mod verify;

use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use lp_connector::time::Mono;
use lp_connector::webhook::{Delivered, Feed, FeedPoll, Receiver, Unreadable, Verified};

/// Verifies, queues and answers on a thread of its own; gives each change once and in order.
pub(crate) struct Endpoint {
    server: Arc<tiny_http::Server>,
    notifications: mpsc::Receiver<Verified>,
    feed: Feed,
    /// The origin of the feed's clock.
    origin: Instant,
}

impl Endpoint {
    pub(crate) fn start(receiver: Receiver) -> Result<Self, Box<dyn Error>> {
        let server = tiny_http::Server::http("127.0.0.1:0").map_err(|error| error.to_string())?;
        let server = Arc::new(server);
        // Bounded: a program that is slow makes the endpoint answer 503.
        let (queue, notifications) = mpsc::sync_channel(1024);
        let serving = server.clone();
        thread::spawn(move || {
            while let Ok(request) = serving.recv() {
                answer(request, &receiver, &queue);
            }
        });
        Ok(Self { server, notifications, feed: Feed::default(), origin: Instant::now() })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.server.server_addr())
    }

    /// Accepts no more; [`next`](Self::next) still gives what was answered 200.
    pub(crate) fn stop(&self) {
        self.server.unblock();
    }

    /// The next change, or a notification that is not JSON. `None` after [`stop`](Self::stop), once
    /// everything was given.
    pub(crate) fn next(&mut self) -> Option<Result<Delivered, Unreadable>> {
        loop {
            let wait = match self.feed.poll(self.now()) {
                FeedPoll::Deliver(delivered) => return Some(Ok(delivered)),
                FeedPoll::Unreadable(unreadable) => return Some(Err(unreadable)),
                FeedPoll::Wait(until) => until.since(self.now()),
                FeedPoll::Idle => Duration::MAX,
            };
            match self.notifications.recv_timeout(wait) {
                Ok(notification) => self.feed.push(notification, self.now()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) if self.feed.is_empty() => return None,
                Err(RecvTimeoutError::Disconnected) => self.feed.finish(),
            }
        }
    }

    fn now(&self) -> Mono {
        Mono::from_origin(self.origin.elapsed())
    }
}

/// Answers one request, and does no other work.
fn answer(mut request: tiny_http::Request, receiver: &Receiver, queue: &SyncSender<Verified>) {
    let keep = |verified| queue.try_send(verified).is_ok();
    let status = verify::status(&mut request, receiver, keep);
    let response = tiny_http::Response::from_string("").with_status_code(status);
    let _ = request.respond(response);
}
