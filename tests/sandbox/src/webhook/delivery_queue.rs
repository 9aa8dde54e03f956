//! The delivery queue, with both retry modes of
//! [protocol.md 9.3](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#9.3), as
//! a state machine.
//!
//! Count-based: each notification is retried every 30 s up to its limit, and then dropped.
//! Time-based: the app as a whole has one of four states:
//!
//! ```text
//!   Up ── failure ──▶ Failed ── probe succeeds ──▶ InTransition ── stored ones delivered ──▶
//!   Recovered ── later ones delivered ──▶ Up                     (any failure leads to Failed)
//! ```

mod budget;
mod retry;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use http::Request;
use serde::{Deserialize, Serialize};

pub(crate) use self::retry::Target;
use crate::kept::{MAX_KEPT, MAX_KEPT_BYTES};
use crate::saved;

/// The pause between two attempts in the count-based mode.
const COUNT_BASED_PAUSE: Duration = Duration::from_secs(30);

/// The first pause of the time-based mode; it doubles up to `MAX_PAUSE`.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const MAX_PAUSE: Duration = Duration::from_secs(300);

/// How long a new notification waits for those before it while a backlog is delivered.
const BACKLOG_WAIT: Duration = Duration::from_secs(4);

/// The most notifications that wait for the next one of their conversation.
const MAX_REORDERED: usize = 1000;

/// The most posts in flight.
const MAX_IN_FLIGHT: usize = 64;

/// The state of an app's deliveries in the time-based mode
/// ([protocol.md 9.3](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#9.3)).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum AppState {
    /// All endpoints accept notifications.
    #[default]
    Up,
    /// An endpoint has failed: all notifications are stored.
    Failed,
    /// A probe has succeeded: the stored notifications are being delivered.
    InTransition,
    /// The stored notifications are delivered; later ones follow.
    Recovered,
}

/// The next step of delivery; see [`Sandbox::next_post`](crate::Sandbox::next_post).
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    clippy::large_enum_variant,
    reason = "a driver must handle every one, and it is short-lived"
)]
pub enum NextPost {
    /// Post this, and report the outcome.
    Post(Post),
    /// Nothing before this time, unless something is published or a post ends.
    Wait(Duration),
    /// Nothing, until something is published or a post ends.
    Idle,
}

/// A notification to post.
#[derive(Debug)]
#[non_exhaustive]
pub struct Post {
    /// The id for [`Sandbox::complete_post`](crate::Sandbox::complete_post).
    pub id: u64,
    /// The signed request, with an absolute URL.
    pub request: Request<Vec<u8>>,
    /// The number of the notification.
    pub notification: u64,
}

/// How much may wait. When there is more, the oldest goes first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { entries: MAX_KEPT, bytes: MAX_KEPT_BYTES }
    }
}

/// A queued notification.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct QueuedNotification {
    pub(crate) number: u64,
    pub(crate) conversation: String,
    #[serde(with = "saved::request")]
    pub(crate) request: Request<Vec<u8>>,
    pub(crate) max_retries: Option<u32>,
    /// The earliest time of the post.
    pub(crate) due: Duration,
    /// When it was published.
    pub(crate) created: Duration,
    pub(crate) attempts: u32,
    /// From this time it does not wait for those before it.
    pub(crate) may_skip_at: Option<Duration>,
    /// When its last post began.
    pub(crate) began: Duration,
    /// Where it goes after the post that is on its way, if that was changed meanwhile.
    #[serde(skip)]
    pub(crate) moved: Option<Option<Target>>,
}

/// A post that has ended.
#[derive(Debug)]
pub(crate) struct CompletedPost {
    pub(crate) number: u64,
    pub(crate) request: Request<Vec<u8>>,
    pub(crate) began: Duration,
    /// When it is tried again, at the soonest.
    pub(crate) next: Option<Duration>,
    pub(crate) delivered: bool,
    /// Where it goes then, if that is another place.
    pub(crate) moved_to: Option<String>,
}

/// The queue of one app's notifications.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct DeliveryQueue {
    retention: Option<Duration>,
    next_id: u64,
    /// By conversation: those that are not in flight, with their ids, oldest first.
    queues: BTreeMap<String, VecDeque<(u64, QueuedNotification)>>,
    in_flight: BTreeMap<u64, QueuedNotification>,
    /// Conversations with a post in flight.
    busy: BTreeSet<String>,
    state: AppState,
    pause: Duration,
    next_try: Duration,
    /// The post in flight that probes a failed app.
    probe: Option<u64>,
    /// Notifications that wait for the next one of their conversation.
    reordered: Vec<QueuedNotification>,
    /// Ids below this were stored when the transition started.
    stored_below: u64,
    /// How many of `queues` have a time from which they do not wait: where there are none, the first of each
    /// conversation is the only one that can be posted.
    skippers: usize,
    /// Nothing is older than the retention time before this.
    expires_at: Duration,
    lost: u64,
    /// The numbers of those that were lost since they were last taken.
    dropped: Vec<u64>,
    #[serde(skip)]
    budget: Budget,
    /// The bytes of what is in `queues`.
    #[serde(skip)]
    bytes: usize,
}

impl DeliveryQueue {
    /// A queue that replaces another one. Undelivered notifications of the other count as lost, and the
    /// outcomes of its posts are ignored.
    pub(crate) fn replacing(previous: &Self, retention: Option<Duration>) -> Self {
        let lost = previous.lost + previous.waiting() as u64;
        let (next_id, budget) = (previous.next_id, previous.budget);
        Self { retention, next_id, lost, budget, ..Self::default() }
    }

    /// A queue that replaces another one, of which nothing counts any more.
    pub(crate) fn emptied(previous: &Self, retention: Option<Duration>) -> Self {
        let (next_id, budget) = (previous.next_id, previous.budget);
        Self { retention, next_id, budget, ..Self::default() }
    }

    pub(crate) fn state(&self) -> AppState {
        self.state
    }

    /// How many notifications were dropped.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    /// How many notifications are not delivered yet.
    pub(crate) fn waiting(&self) -> usize {
        let queued = self.queues.values().map(VecDeque::len).sum::<usize>();
        self.in_flight.len() + self.reordered.len() + queued
    }

    pub(crate) fn enqueue(&mut self, now: Duration, mut item: QueuedNotification) {
        self.next_id += 1;
        let queue = self.queues.entry(item.conversation.clone()).or_default();
        if self.state == AppState::Recovered && !queue.is_empty() {
            item.may_skip_at = Some(now + BACKLOG_WAIT);
            self.skippers += 1;
        }
        if let Some(retention) = self.retention {
            self.expires_at = self.expires_at.min(item.created.saturating_add(retention));
        }
        let conversation = item.conversation.clone();
        self.bytes += item.size();
        queue.push_back((self.next_id, item));
        self.trim();
        let waiting_for_it = |item: &mut QueuedNotification| item.conversation == conversation;
        let late: Vec<QueuedNotification> = self.reordered.extract_if(.., waiting_for_it).collect();
        for mut item in late {
            item.due = now;
            self.enqueue(now, item);
        }
    }

    /// Queues a notification after the next one of its conversation, or when it is due. Where too many wait so, the
    /// oldest is queued as any other.
    pub(crate) fn enqueue_reordered(&mut self, now: Duration, item: QueuedNotification) {
        self.reordered.push(item);
        let bytes = |waiting: &[QueuedNotification]| {
            waiting.iter().map(QueuedNotification::size).sum::<usize>()
        };
        while self.reordered.len() > MAX_REORDERED || bytes(&self.reordered) > self.budget.bytes {
            let oldest = self.reordered.remove(0);
            self.enqueue(now, oldest);
        }
    }

    pub(crate) fn poll(&mut self, now: Duration) -> NextPost {
        let late: Vec<QueuedNotification> =
            self.reordered.extract_if(.., |item| item.due <= now).collect();
        for item in late {
            self.enqueue(now, item);
        }
        self.expire(now);
        self.update_state();
        if self.in_flight.len() >= MAX_IN_FLIGHT {
            return NextPost::Idle;
        }
        if self.state == AppState::Failed {
            if self.queues.is_empty() || self.probe.is_some() {
                return self.next_reordered();
            }
            if now < self.next_try {
                return NextPost::Wait(self.next_try);
            }
        }
        let mut ready: Option<(u64, String, usize)> = None;
        let mut wait: Option<Duration> = None;
        let places = match (self.retention, self.skippers) {
            (Some(_), 0) => 1,
            _ => usize::MAX,
        };
        for (conversation, queue) in &self.queues {
            for (place, (id, item)) in queue.iter().enumerate().take(places) {
                let is_next = self.retention.is_none()
                    || (place == 0 && !self.busy.contains(conversation))
                    || item.may_skip_at.is_some_and(|at| at <= now);
                let later = if is_next { Some(item.due) } else { item.may_skip_at };
                match later {
                    Some(at) if at > now => wait = Some(wait.map_or(at, |wait| wait.min(at))),
                    _ if is_next && ready.as_ref().is_none_or(|(oldest, ..)| id < oldest) => {
                        ready = Some((*id, conversation.clone(), place));
                    }
                    _ => {}
                }
            }
        }
        let Some((id, conversation, place)) = ready else {
            let held = self.reordered.iter().map(|item| item.due).min();
            return wait.into_iter().chain(held).min().map_or(NextPost::Idle, NextPost::Wait);
        };
        let taken = self.queues.get_mut(&conversation).and_then(|queue| queue.remove(place));
        let Some((_, mut item)) = taken else { return NextPost::Idle };
        item.began = now;
        self.bytes -= item.size();
        self.skippers -= usize::from(item.may_skip_at.is_some());
        self.remove_if_empty(&conversation);
        let request = item.request.clone();
        if self.state == AppState::Failed {
            self.probe = Some(id);
        }
        self.busy.insert(conversation);
        let notification = item.number;
        self.in_flight.insert(id, item);
        NextPost::Post(Post { id, request, notification })
    }

    /// Handles the outcome of a post: the status of the response, if one came in time.
    pub(crate) fn complete(
        &mut self,
        now: Duration,
        id: u64,
        status: Option<u16>,
    ) -> Option<CompletedPost> {
        let mut item = self.in_flight.remove(&id)?;
        if !self.in_flight.values().any(|other| other.conversation == item.conversation) {
            self.busy.remove(&item.conversation);
        }
        item.attempts += 1;
        let probe = self.probe.take_if(|probe| *probe == id).is_some();
        // Only 200 and 201 (protocol.md 9.1).
        let accepted = matches!(status, Some(200 | 201));
        let (number, began) = (item.number, item.began);
        let request = item.request.clone();
        let mut next = None;
        let moved = item.moved.take().filter(|_| !accepted);
        if let Some(target) = moved {
            let moved_to = target.as_ref().map(|target| target.request.uri().to_string());
            next = self.requeue_redirected(now, id, item, target);
            self.update_state();
            let delivered = false;
            return Some(CompletedPost { number, request, began, next, delivered, moved_to });
        }
        match (accepted, self.retention) {
            (true, None) => {}
            (true, Some(_)) if self.state == AppState::Failed && probe => {
                self.state = AppState::InTransition;
                self.stored_below = self.next_id + 1;
                self.pause = Duration::ZERO;
            }
            (true, Some(_)) => {}
            (false, None) => {
                if item.attempts > item.max_retries.unwrap_or(0) {
                    self.lost += 1;
                } else {
                    item.due = now + COUNT_BASED_PAUSE;
                    next = Some(item.due);
                    self.requeue(id, item);
                }
            }
            // An endpoint with an explicit 0 does not fail the app.
            (false, Some(_)) if item.max_retries == Some(0) && self.state != AppState::Failed => {
                self.lost += 1;
            }
            (false, Some(_)) => {
                self.requeue(id, item);
                let first = self.state != AppState::Failed;
                // Of several posts in flight, the first failure sets the pause.
                if first || probe {
                    self.pause = match first || self.pause.is_zero() {
                        true => FIRST_PAUSE,
                        false => (self.pause * 2).min(MAX_PAUSE),
                    };
                    self.next_try = now + self.pause;
                    self.state = AppState::Failed;
                }
                next = Some(self.next_try);
            }
        }
        self.update_state();
        let (delivered, moved_to) = (accepted, None);
        Some(CompletedPost { number, request, began, next, delivered, moved_to })
    }

    /// The queue as it is after the program has ended: what was on its way waits again.
    pub(crate) fn interrupted(mut self) -> Self {
        for (id, mut item) in std::mem::take(&mut self.in_flight) {
            match item.moved.take() {
                Some(target) => drop(self.requeue_redirected(item.due, id, item, target)),
                None => self.requeue(id, item),
            }
        }
        self.busy.clear();
        self.probe = None;
        self
    }

    /// Takes the numbers of the notifications that were lost without a post.
    pub(crate) fn take_dropped(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.dropped)
    }

    fn next_reordered(&self) -> NextPost {
        self.reordered.iter().map(|item| item.due).min().map_or(NextPost::Idle, NextPost::Wait)
    }

    /// Leaves a state whose notifications are delivered.
    fn update_state(&mut self) {
        let ids = || {
            let queued = self.queues.values().flatten().map(|(id, _)| *id);
            queued.chain(self.in_flight.keys().copied())
        };
        if self.state == AppState::InTransition && !ids().any(|id| id < self.stored_below) {
            self.state = AppState::Recovered;
        }
        let done = self.waiting() == 0;
        if done && matches!(self.state, AppState::Recovered | AppState::Failed) {
            self.state = AppState::Up;
        }
    }

    /// Drops notifications that are older than the retention time.
    fn expire(&mut self, now: Duration) {
        let Some(retention) = self.retention.filter(|_| self.expires_at <= now) else { return };
        let (mut lost, mut freed, mut expires_at) = (0, 0, Duration::MAX);
        for queue in self.queues.values_mut() {
            queue.retain(|(_, item)| {
                let untried = item.attempts == 0 && self.state == AppState::Up;
                let end = item.created.saturating_add(retention);
                let keeps = untried || now < end;
                if keeps {
                    expires_at = expires_at.min(end);
                } else {
                    lost += 1;
                    freed += item.size();
                    self.dropped.push(item.number);
                    self.skippers -= usize::from(item.may_skip_at.is_some());
                }
                keeps
            });
        }
        self.expires_at = expires_at;
        self.bytes -= freed;
        self.queues.retain(|_, queue| !queue.is_empty());
        self.lost += lost;
    }

    fn requeue(&mut self, id: u64, item: QueuedNotification) {
        self.skippers += usize::from(item.may_skip_at.is_some());
        if let Some(retention) = self.retention {
            self.expires_at = self.expires_at.min(item.created.saturating_add(retention));
        }
        self.bytes += item.size();
        let queue = self.queues.entry(item.conversation.clone()).or_default();
        let place = queue.partition_point(|(other, _)| *other < id);
        queue.insert(place, (id, item));
        self.trim();
    }

    fn remove_if_empty(&mut self, conversation: &str) {
        if self.queues.get(conversation).is_some_and(VecDeque::is_empty) {
            self.queues.remove(conversation);
        }
    }
}
