//! A router that answers at once, and the queue behind it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::routing::any;
use lp_connector_core::webhook::{Receiver, Verified};
use tokio::sync::mpsc;

use crate::budget::{Budget, Share};
use crate::extract::{WebhookError, verify};

/// A webhook endpoint, to be set up.
#[derive(Clone, Debug)]
pub struct Webhooks {
    receiver: Receiver,
    queue: usize,
    memory: usize,
}

/// The notifications that were taken, in the order in which they came.
#[derive(Debug)]
pub struct Notifications {
    queue: mpsc::Receiver<Queued>,
}

#[derive(Debug)]
struct Queued {
    verified: Verified,
    /// Held for as long as the notification is in the queue.
    _share: Option<Share>,
}

/// What every request needs.
#[derive(Debug)]
struct Endpoint {
    receiver: Receiver,
    queue: mpsc::Sender<Queued>,
    budget: Budget,
}

impl Webhooks {
    /// An endpoint that takes what `receiver` takes.
    #[must_use]
    pub const fn new(receiver: Receiver) -> Self {
        Self { receiver, queue: 1024, memory: 64 * 1024 * 1024 }
    }

    /// How many notifications wait at the most; when there are more, they are answered 503 and come
    /// again. Default: 1024; at least 1.
    #[must_use]
    pub const fn queue(mut self, notifications: usize) -> Self {
        self.queue = if notifications == 0 { 1 } else { notifications };
        self
    }

    /// How many bytes of notifications are held at the most, those on their way in included. Default:
    /// 64 MiB. It must be more than the largest body that the receiver takes, or none that does not
    /// tell its length is taken.
    #[must_use]
    pub const fn memory(mut self, bytes: usize) -> Self {
        self.memory = bytes;
        self
    }

    /// The router, with one route at `/`, and the queue that it fills.
    pub fn split(self) -> (Router, Notifications) {
        // No more than a semaphore has, which the queue is made of.
        let room = self.queue.min(tokio::sync::Semaphore::MAX_PERMITS);
        let (sender, queue) = mpsc::channel(room);
        let endpoint =
            Endpoint { receiver: self.receiver, queue: sender, budget: Budget::new(self.memory) };
        // Any method: the receiver refuses all but POST, with a word about it.
        let router = Router::new().route("/", any(take)).with_state(Arc::new(endpoint));
        (router, Notifications { queue })
    }
}

/// Takes a notification in. Nothing is done with it here: 200 within 2.5 s, whatever is in it
/// (protocol.md 9.1).
async fn take(
    State(endpoint): State<Arc<Endpoint>>,
    request: Request,
) -> Result<&'static str, WebhookError> {
    // Paid for as it comes: who sends nothing holds nothing, and no number of senders more than there
    // is.
    let mut share: Option<Share> = None;
    let pay = |bytes: usize| {
        let held = share.get_or_insert_with(Share::none);
        if endpoint.budget.grow(held, bytes) { Ok(()) } else { Err(WebhookError::Overloaded) }
    };
    let verified = verify(&endpoint.receiver, request, pay).await?;
    // Only what is LivePerson's takes a place in the queue.
    let slot = endpoint.queue.try_reserve().map_err(|_| WebhookError::Overloaded)?;
    slot.send(Queued { verified, _share: share });
    Ok("OK")
}

impl Notifications {
    /// The next one, or `None` when the router and all its clones are gone and all was taken out.
    pub async fn recv(&mut self) -> Option<Verified> {
        self.queue.recv().await.map(|queued| queued.verified)
    }

    /// The next one, if there is one now.
    pub fn try_recv(&mut self) -> Option<Verified> {
        self.queue.try_recv().ok().map(|queued| queued.verified)
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// True if none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Takes no more in: from now on all are answered 503. What waits can still be taken out.
    pub fn close(&mut self) {
        self.queue.close();
    }
}
