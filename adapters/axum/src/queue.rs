//! A router that answers at once, and the queue behind it.

use std::fmt;
use std::future::Future;

use axum::Router;
use lp_connector_core::webhook::{Inbox, Receiver, Verified};
use tokio::sync::mpsc;

use crate::budget::Share;
use crate::deliveries::Deliveries;
use crate::endpoint::{self, Keep, Store};
use crate::extract::WebhookError;

/// The settings of a webhook endpoint.
#[derive(Clone, Debug)]
pub struct Webhooks {
    receiver: Receiver,
    paths: Vec<String>,
    queue: usize,
    memory: usize,
}

/// The accepted notifications, in the order of arrival. Each is verified and not yet parsed.
#[derive(Debug)]
pub struct Notifications {
    queue: mpsc::Receiver<Queued>,
}

#[derive(Debug)]
struct Queued {
    verified: Verified,
    /// The memory that the notification takes while it is in the queue.
    _share: Share,
}

impl Webhooks {
    /// An endpoint that accepts the notifications that `receiver` verifies.
    #[must_use]
    pub const fn new(receiver: Receiver) -> Self {
        Self { receiver, paths: Vec::new(), queue: 1024, memory: 64 * 1024 * 1024 }
    }

    /// Serves this path, such as `/lp`; call it again for more. Any other path is then 404. Default: every
    /// path, so that no path of the manifest is a wrong one. Name the paths before you merge the router
    /// with one of your own.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        let path = path.into();
        let path = if path.starts_with('/') { path } else { format!("/{path}") };
        if !self.paths.contains(&path) {
            self.paths.push(path);
        }
        self
    }

    /// Limits the queue. Beyond it a notification is answered 503, and the platform sends it again.
    /// Default: 1024; at least 1.
    #[must_use]
    pub fn queue(mut self, notifications: usize) -> Self {
        self.queue = if notifications == 0 { 1 } else { notifications };
        self
    }

    /// Limits the memory of accepted notifications, in bytes: those in the queue and those that are being
    /// stored. Beyond it a notification is answered 503. Default: 64 MiB. It must exceed the receiver's limit
    /// of a body, or the largest notifications never fit. Bodies that are being read take half as much
    /// besides, or two of the largest if that is more.
    #[must_use]
    pub fn memory(mut self, bytes: usize) -> Self {
        self.memory = bytes;
        self
    }

    /// The router, and the ordered changes of what it accepts, through an [`Inbox`] with its default
    /// limits. For another inbox, use [`split`](Self::split) and [`Deliveries::new`].
    pub fn deliveries(self) -> (Router, Deliveries) {
        let (router, notifications) = self.split();
        (router, Deliveries::new(notifications, Inbox::default()))
    }

    /// The router, and the queue that it fills.
    pub fn split(self) -> (Router, Notifications) {
        // A tokio channel is a semaphore inside, and panics above the limit of one.
        let room = self.queue.min(tokio::sync::Semaphore::MAX_PERMITS);
        let (sender, queue) = mpsc::channel(room);
        (self.router(Enqueue(sender)), Notifications { queue })
    }

    /// A router that answers 200 only after `store` has succeeded, for notifications that must outlive the
    /// process. It has no queue: `store` may run many times at once.
    ///
    /// If `store` fails, or takes longer than 2.0 s, the answer is 503, and the platform sends the
    /// notification again. `store` is dropped when its time is up, and when the sender hangs up; it may
    /// have stored the notification all the same. So the same one can come twice.
    ///
    /// ```
    /// use lp_connector_axum::Webhooks;
    /// use lp_connector_axum::secret::Secret;
    /// use lp_connector_axum::webhook::{Receiver, Verified};
    ///
    /// async fn append(notification: Verified) -> std::io::Result<()> {
    ///     // Write `notification`, which is serialisable, and wait until it is on the disk.
    ///     # let _ = notification;
    ///     Ok(())
    /// }
    ///
    /// let receiver = Receiver::new().secret(Secret::new("n3v3r".to_owned()));
    /// let router: axum::Router = Webhooks::new(receiver).durable(append);
    /// # let _ = router;
    /// ```
    pub fn durable<S, F, E>(self, store: S) -> Router
    where
        S: Fn(Verified) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        self.router(Store(store))
    }

    fn router(self, keep: impl Keep) -> Router {
        endpoint::router(self.receiver, &self.paths, self.memory, keep)
    }
}

/// Keeps notifications in the queue.
struct Enqueue(mpsc::Sender<Queued>);

impl Keep for Enqueue {
    async fn keep(&self, verified: Verified, share: Share) -> Result<(), WebhookError> {
        // Only a verified notification takes a place in the queue.
        let slot = self.0.try_reserve().map_err(|_| WebhookError::Overloaded)?;
        slot.send(Queued { verified, _share: share });
        Ok(())
    }
}

impl Notifications {
    /// The next notification. `None` when the router and all its clones are gone, or after
    /// [`close`](Self::close), and the queue is empty. Cancel-safe.
    pub async fn recv(&mut self) -> Option<Verified> {
        self.queue.recv().await.map(|queued| queued.verified)
    }

    /// The next notification, if one is queued now.
    pub fn try_recv(&mut self) -> Option<Verified> {
        self.queue.try_recv().ok().map(|queued| queued.verified)
    }

    /// The number of queued notifications.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// True if the queue is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Accepts no more notifications: the router answers 503 from now on. The queue keeps what it has.
    pub fn close(&mut self) {
        self.queue.close();
    }
}
