//! What is held back: how much it is, and how it goes out before its time.

use std::time::Duration;

use http::Request;

use super::{AppState, DeliveryQueue, QueuedNotification};

/// Where a notification goes from now on.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) request: Request<Vec<u8>>,
    pub(crate) max_retries: Option<u32>,
}

impl QueuedNotification {
    fn send_to(&mut self, target: Target) {
        self.request = target.request;
        self.max_retries = target.max_retries;
        // The new endpoint has refused nothing yet.
        self.attempts = 0;
    }
}

impl DeliveryQueue {
    /// Whether an item in a queue waits because an endpoint took no notification.
    fn is_held(&self, item: &QueuedNotification) -> bool {
        match self.retention {
            Some(_) => self.state == AppState::Failed,
            None => item.attempts > 0,
        }
    }

    fn held_items(&self) -> impl Iterator<Item = &(u64, QueuedNotification)> {
        self.queues.values().flatten().filter(|(_, item)| self.is_held(item))
    }

    /// How many notifications wait for their next attempt.
    pub(crate) fn held(&self) -> usize {
        self.held_items().count()
    }

    /// When the next of those is tried.
    pub(crate) fn next_try(&self) -> Option<Duration> {
        match self.retention {
            None => self.held_items().map(|(_, item)| item.due).min(),
            Some(_) => {
                let failed = self.state == AppState::Failed && !self.queues.is_empty();
                (failed && self.probe.is_none()).then_some(self.next_try)
            }
        }
    }

    /// Lets those that are held back go at once, oldest first; if that fails, the pauses begin anew. Returns their
    /// numbers.
    pub(crate) fn retry(&mut self, now: Duration) -> Vec<u64> {
        let mut held: Vec<(u64, u64)> =
            self.held_items().map(|(id, item)| (*id, item.number)).collect();
        held.sort_unstable();
        match self.retention {
            Some(_) => {
                self.next_try = self.next_try.min(now);
                self.pause = Duration::ZERO;
            }
            None => {
                let queued = self.queues.values_mut().flatten();
                for (_, item) in queued.filter(|(_, item)| item.attempts > 0) {
                    item.due = item.due.min(now);
                }
            }
        }
        held.into_iter().map(|(_, number)| number).collect()
    }

    /// Sends what waits somewhere else, at once. That to which `target` gives no place is lost. A post that is on
    /// its way ends where it began: if it fails, it is tried again at the new place.
    pub(crate) fn redirect(
        &mut self,
        now: Duration,
        retention: Option<Duration>,
        target: impl Fn(&QueuedNotification) -> Option<Target>,
    ) {
        self.retry(now);
        if self.retention != retention {
            self.retention = retention;
            self.expires_at = Duration::ZERO;
        }
        // What the old endpoint says of its probe does not matter any more.
        self.probe = None;
        if retention.is_none() {
            self.state = AppState::Up;
        }
        let mut lost = Vec::new();
        let mut keep = |item: &mut QueuedNotification| {
            let Some(new) = target(item) else {
                lost.push(item.number);
                return false;
            };
            item.send_to(new);
            true
        };
        for queue in self.queues.values_mut() {
            queue.retain_mut(|(_, item)| keep(item));
        }
        self.queues.retain(|_, queue| !queue.is_empty());
        self.reordered.retain_mut(keep);
        let queued = self.queues.values().flatten();
        self.skippers = queued.filter(|(_, item)| item.may_skip_at.is_some()).count();
        for item in self.in_flight.values_mut() {
            item.moved = Some(target(item));
        }
        self.count_again();
        self.lost += lost.len() as u64;
        self.dropped.extend(lost);
        self.update_state();
    }

    /// Queues what was redirected while its post, which has failed, was on its way. Returns when it is posted;
    /// `None` if it is lost.
    pub(super) fn requeue_redirected(
        &mut self,
        now: Duration,
        id: u64,
        mut item: QueuedNotification,
        target: Option<Target>,
    ) -> Option<Duration> {
        let Some(target) = target else {
            self.lost += 1;
            return None;
        };
        item.send_to(target);
        item.due = now;
        self.requeue(id, item);
        Some(now)
    }
}
