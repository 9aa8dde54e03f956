//! Each change once and in order, as an async source.

use lp_connector_core::time::Mono;
use lp_connector_core::webhook::{Delivered, Feed, FeedPoll, Inbox, Unreadable};
use tokio::time::{Instant, timeout};

use crate::queue::Notifications;

/// The changes of the queued notifications: each once, and in order where a short wait makes that
/// possible. A [`Feed`] on tokio's clock; [`Webhooks::deliveries`](crate::Webhooks::deliveries) makes
/// one.
///
/// It takes a notification out of the queue when everything before it was delivered or waits for its
/// order, so a slow program fills the queue, and the router answers 503.
#[derive(Debug)]
pub struct Deliveries {
    notifications: Notifications,
    feed: Feed,
    /// The origin of the feed's clock.
    origin: Instant,
    /// True when no more notifications will arrive.
    ended: bool,
}

impl Deliveries {
    /// Deliveries through an inbox of your own: with other limits, or restored. Restore conversations at
    /// [`Mono::ZERO`], which is the moment of this call.
    #[must_use]
    pub fn new(notifications: Notifications, inbox: Inbox) -> Self {
        let feed = Feed::new(inbox);
        Self { notifications, feed, origin: Instant::now(), ended: false }
    }

    /// The next change, or a notification that is not JSON: it was answered 200 too, so set it aside.
    ///
    /// Returns `None` when the router and all its clones are gone, or after [`close`](Self::close), and
    /// everything was delivered. At that point no event waits for those before it any longer.
    ///
    /// Cancel-safe: a dropped future loses nothing.
    pub async fn next(&mut self) -> Option<Result<Delivered, Unreadable>> {
        loop {
            let now = self.now();
            let received = match self.feed.poll(now) {
                FeedPoll::Deliver(delivered) => return Some(Ok(delivered)),
                FeedPoll::Unreadable(unreadable) => return Some(Err(unreadable)),
                FeedPoll::Idle if self.ended => return None,
                FeedPoll::Idle => self.notifications.recv().await,
                FeedPoll::Wait(until) => {
                    match timeout(until.since(now), self.notifications.recv()).await {
                        Ok(received) => received,
                        Err(_) => continue,
                    }
                }
            };
            match received {
                Some(notification) => self.feed.push(notification, self.now()),
                None => {
                    self.ended = true;
                    self.feed.finish();
                }
            }
        }
    }

    /// Accepts no more notifications: the router answers 503 from now on. [`next`](Self::next) still
    /// delivers what is queued.
    pub fn close(&mut self) {
        self.notifications.close();
    }

    /// The inbox.
    #[must_use]
    pub fn inbox(&self) -> &Inbox {
        self.feed.inbox()
    }

    /// The inbox, for [`mark_seen`](Inbox::mark_seen), [`forget`](Inbox::forget) and the like.
    pub fn inbox_mut(&mut self) -> &mut Inbox {
        self.feed.inbox_mut()
    }

    /// The present instant on the inbox's clock, for [`Inbox::save`] and [`Inbox::restore`].
    #[must_use]
    pub fn now(&self) -> Mono {
        Mono::from_origin(self.origin.elapsed())
    }
}
