//! A router that answers at once, and the queue behind it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::routing::any;
use lp_connector_core::webhook::{Inbox, Receiver, Verified};
use tokio::sync::mpsc;

use crate::budget::{Budget, Share};
use crate::deliveries::Deliveries;
use crate::extract::{WebhookError, verify};

/// The settings of a webhook endpoint.
#[derive(Clone, Debug)]
pub struct Webhooks {
    receiver: Receiver,
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
    _share: Option<Share>,
}

/// The state of the router.
#[derive(Debug)]
struct Endpoint {
    receiver: Receiver,
    queue: mpsc::Sender<Queued>,
    budget: Budget,
}

impl Webhooks {
    /// An endpoint that accepts the notifications that `receiver` verifies.
    #[must_use]
    pub const fn new(receiver: Receiver) -> Self {
        Self { receiver, queue: 1024, memory: 64 * 1024 * 1024 }
    }

    /// Limits the queue. Beyond it a notification is answered 503, and the platform sends it again.
    /// Default: 1024; at least 1.
    #[must_use]
    pub const fn queue(mut self, notifications: usize) -> Self {
        self.queue = if notifications == 0 { 1 } else { notifications };
        self
    }

    /// Limits the memory of notifications, in bytes: those in the queue and those that are being read.
    /// Beyond it a notification is answered 503. Default: 64 MiB. It must exceed the receiver's limit of
    /// a body, or the largest notifications never fit.
    #[must_use]
    pub const fn memory(mut self, bytes: usize) -> Self {
        self.memory = bytes;
        self
    }

    /// The router, with one route at `/`, and the ordered changes of what it accepts, through an
    /// [`Inbox`] with its default limits. For another inbox, use [`split`](Self::split) and
    /// [`Deliveries::new`].
    pub fn deliveries(self) -> (Router, Deliveries) {
        let (router, notifications) = self.split();
        (router, Deliveries::new(notifications, Inbox::default()))
    }

    /// The router, with one route at `/`, and the queue that it fills.
    pub fn split(self) -> (Router, Notifications) {
        // A tokio channel is a semaphore inside, and panics above the limit of one.
        let room = self.queue.min(tokio::sync::Semaphore::MAX_PERMITS);
        let (sender, queue) = mpsc::channel(room);
        let endpoint =
            Endpoint { receiver: self.receiver, queue: sender, budget: Budget::new(self.memory) };
        // Any method: the receiver rejects all but POST, with a reason.
        let router = Router::new().route("/", any(accept)).with_state(Arc::new(endpoint));
        (router, Notifications { queue })
    }
}

/// Verifies and queues a notification, and does no other work: the answer is due within 2.5 s,
/// whatever the notification contains ([protocol.md 9.1](lp_connector_core::protocol#9.1)).
async fn accept(
    State(endpoint): State<Arc<Endpoint>>,
    request: Request,
) -> Result<&'static str, WebhookError> {
    // Memory is reserved as the body arrives: a sender that sends nothing reserves nothing, and all
    // senders together reserve no more than the budget.
    let mut share: Option<Share> = None;
    let reserve = |bytes: usize| {
        let held = share.get_or_insert_with(Share::none);
        if endpoint.budget.grow(held, bytes) { Ok(()) } else { Err(WebhookError::Overloaded) }
    };
    let verified = verify(&endpoint.receiver, request, reserve).await?;
    // Only a verified notification takes a place in the queue.
    let slot = endpoint.queue.try_reserve().map_err(|_| WebhookError::Overloaded)?;
    slot.send(Queued { verified, _share: share });
    Ok("OK")
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
