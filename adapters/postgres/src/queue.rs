//! What waits to be done, and the tasks that do it: one for each connection.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lp_connector_core::bridge::store::{
    Answer, Backlog, Reply, Request, StoreError, StoreErrorKind,
};
use tokio::sync::Notify;

use crate::connection::{Connection, Server};
use crate::group;

/// The most appends that share a transaction.
const MAX_GROUP: usize = 64;

/// Requests in the order in which they came.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Notify,
    backlog: Backlog,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<(Request, Reply)>,
    is_closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, request: Request, reply: Reply) {
        let admission = match self.backlog.admit(&request) {
            Ok(admission) => admission,
            Err(refused) => return reply(Err(refused)),
        };
        let reply: Reply = Box::new(move |result| {
            drop(admission);
            reply(result);
        });
        let mut waiting = self.lock();
        if waiting.is_closed {
            drop(waiting);
            return reply(Err(closed()));
        }
        waiting.jobs.push_back((request, reply));
        drop(waiting);
        self.changed.notify_one();
    }

    /// What waits is still done, as long as the server is there.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_waiters();
    }

    /// Answers what waits, if nobody asks any more: the server is not there, and each would take its whole time.
    fn give_up_if_closed(&self) {
        let mut waiting = self.lock();
        if !waiting.is_closed {
            return;
        }
        let jobs = std::mem::take(&mut waiting.jobs);
        drop(waiting);
        for (_, reply) in jobs {
            let _ = catch_unwind(AssertUnwindSafe(|| reply(Err(closed()))));
        }
    }

    /// The next request, and appends that wait with it if it is one. `None`: it is closed, and nothing is left.
    async fn next(&self) -> Option<Vec<(Request, Reply)>> {
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            // Before looking: a push in between is not missed.
            changed.as_mut().enable();
            {
                let mut waiting = self.lock();
                let group = take(&mut waiting.jobs);
                let more = !waiting.jobs.is_empty();
                let is_over = waiting.is_closed;
                drop(waiting);
                if more {
                    self.changed.notify_one();
                }
                match group.is_empty() {
                    false => return Some(group),
                    true if is_over => return None,
                    true => {}
                }
            }
            changed.await;
        }
    }
}

fn is_unavailable(outcome: &Result<Answer, StoreError>) -> bool {
    outcome.as_ref().is_err_and(|error| error.kind() == StoreErrorKind::Unavailable)
}

fn take(jobs: &mut VecDeque<(Request, Reply)>) -> Vec<(Request, Reply)> {
    let mut group: Vec<_> = jobs.pop_front().into_iter().collect();
    if matches!(group.first(), Some((Request::Append(_), _))) {
        while group.len() < MAX_GROUP
            && matches!(jobs.front(), Some((Request::Append(_), _)))
            && let Some(job) = jobs.pop_front()
        {
            group.push(job);
        }
    }
    group
}

/// Serves the queue over one connection until it is closed.
pub(crate) async fn serve(queue: Arc<Queue>, server: Arc<Server>) {
    let mut connection = Connection::new(server);
    while let Some(group) = queue.next().await {
        let (requests, replies): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        let outcomes = group::perform(&mut connection, &requests).await;
        if outcomes.iter().any(is_unavailable) {
            queue.give_up_if_closed();
        }
        for (reply, outcome) in replies.into_iter().zip(outcomes) {
            // A reply that panics is its author's fault, and stops nobody else.
            let _ = catch_unwind(AssertUnwindSafe(|| reply(outcome)));
        }
        connection.prune().await;
    }
}

pub(crate) fn closed() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "the store is closed")
}
