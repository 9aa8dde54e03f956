//! Requests that name accounts: each part goes to the pod of its account.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use lp_connector_core::bridge::store::{Answer, Listed, Reply, Request, StoreError};
use lp_connector_core::id::AccountId;

use super::{Inner, unavailable};

/// The accounts of a request's parts, in their order.
fn accounts(request: &Request) -> Vec<AccountId> {
    match request {
        Request::Append(entries) => {
            entries.iter().map(|entry| entry.lane.account().clone()).collect()
        }
        Request::Commit(commits) => {
            commits.iter().map(|commit| commit.lease.lane.account().clone()).collect()
        }
        Request::Extend { leases, .. } => {
            leases.iter().map(|lease| lease.lane.account().clone()).collect()
        }
        Request::Read(cells) => cells.iter().map(|cell| cell.account.clone()).collect(),
        Request::Swap { cell, .. } => vec![cell.account.clone()],
        Request::List { what: Listed::Lane(lane), .. } => vec![lane.account().clone()],
        Request::List { what: Listed::Lanes { account, .. }, .. } => {
            account.iter().cloned().collect()
        }
        Request::Claim { .. } => Vec::new(),
    }
}

/// Those parts of a request that are at these places.
fn part(request: &Request, places: &[usize]) -> Request {
    fn of<T: Clone>(all: &[T], places: &[usize]) -> Vec<T> {
        places.iter().filter_map(|place| all.get(*place)).cloned().collect()
    }
    match request {
        Request::Append(entries) => Request::Append(of(entries, places)),
        Request::Commit(commits) => Request::Commit(of(commits, places)),
        Request::Extend { leases, term } => {
            Request::Extend { leases: of(leases, places), term: *term }
        }
        Request::Read(cells) => Request::Read(of(cells, places)),
        other => other.clone(),
    }
}

/// A request under way: where its parts are, and what came of them.
struct Whole {
    request: Request,
    /// Of each part, its pod.
    pods: Vec<Option<usize>>,
    /// Of each part, what came of it: an answer of one element.
    parts: Vec<Option<Answer>>,
    left: usize,
    error: Option<StoreError>,
    reply: Option<Reply>,
}

impl Inner {
    /// Performs a request: the accounts are found, and then each pod has its part.
    pub(super) fn route(self: &Arc<Self>, request: Request, reply: Reply) {
        let accounts = accounts(&request);
        if accounts.is_empty() {
            // Nothing is asked. The first pod knows what to answer.
            return match self.pods.first() {
                Some(pod) => pod.store.submit(request, reply),
                None => reply(Err(unavailable("there is no pod"))),
            };
        }
        let whole = Arc::new(Mutex::new(Whole {
            pods: vec![None; accounts.len()],
            parts: vec![None; accounts.len()],
            left: accounts.len(),
            request,
            error: None,
            reply: Some(reply),
        }));
        for (place, account) in accounts.iter().enumerate() {
            let (inner, whole) = (self.clone(), whole.clone());
            self.place(
                account,
                Box::new(move |found| {
                    let mut locked = whole.lock().unwrap_or_else(PoisonError::into_inner);
                    match (found, locked.pods.get_mut(place)) {
                        (Ok(pod), Some(slot)) => *slot = Some(pod),
                        (Err(error), _) => locked.error = Some(error),
                        _ => {}
                    }
                    locked.left -= 1;
                    if locked.left == 0 {
                        drop(locked);
                        inner.send(&whole);
                    }
                }),
            );
        }
    }

    /// Sends each pod its part, unless the request needs all of its accounts and one was not found.
    fn send(self: &Arc<Self>, whole: &Arc<Mutex<Whole>>) {
        let mut locked = whole.lock().unwrap_or_else(PoisonError::into_inner);
        let mut by_pod: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (place, pod) in locked.pods.iter().enumerate() {
            if let Some(pod) = pod {
                by_pod.entry(*pod).or_default().push(place);
            }
        }
        if by_pod.len() > 1 && is_each_by_itself(&locked.request) {
            // Those in other pods do not wait for it.
            by_pod.retain(|pod, _| !self.is_silent(*pod));
        }
        let parts: Vec<_> = by_pod
            .into_iter()
            .map(|(pod, places)| (pod, part(&locked.request, &places), places))
            .collect();
        if parts.is_empty() {
            locked.error.get_or_insert_with(|| unavailable("no pod answers"));
        }
        if parts.is_empty() || (locked.error.is_some() && !is_each_by_itself(&locked.request)) {
            return finish(locked);
        }
        locked.left = parts.len();
        drop(locked);
        for (number, request, places) in parts {
            let Some(pod) = self.pods.get(number) else { continue };
            let whole = whole.clone();
            let reply = move |answer| {
                let mut locked = whole.lock().unwrap_or_else(PoisonError::into_inner);
                match answer {
                    Ok(answer) => locked.put(answer, &places),
                    Err(error) => locked.error = Some(error),
                }
                locked.left -= 1;
                if locked.left == 0 {
                    finish(locked);
                }
            };
            pod.store.submit(request, Box::new(reply));
        }
    }
}

/// True if each part may fail alone: what came of it says so.
fn is_each_by_itself(request: &Request) -> bool {
    matches!(request, Request::Commit(_) | Request::Extend { .. })
}

impl Whole {
    /// Puts the elements of a pod's answer in their places.
    fn put(&mut self, answer: Answer, places: &[usize]) {
        let ones: Vec<Answer> = match answer {
            Answer::Committed(done) => {
                done.into_iter().map(|one| Answer::Committed(vec![one])).collect()
            }
            Answer::Extended(done) => {
                done.into_iter().map(|one| Answer::Extended(vec![one])).collect()
            }
            Answer::Cells(cells) => cells.into_iter().map(|one| Answer::Cells(vec![one])).collect(),
            other => vec![other; places.len()],
        };
        for (place, one) in places.iter().zip(ones) {
            if let Some(slot) = self.parts.get_mut(*place) {
                *slot = Some(one);
            }
        }
    }

    fn answer(&mut self) -> Result<Answer, StoreError> {
        let parts = std::mem::take(&mut self.parts);
        let nothing = parts.iter().all(Option::is_none);
        match self.error.take() {
            Some(error) if nothing || !is_each_by_itself(&self.request) => return Err(error),
            _ => {}
        }
        let missing = || unavailable("a pod gave another answer");
        match &self.request {
            Request::Commit(_) => {
                let one = |part| match part {
                    Some(Answer::Committed(done)) => done.into_iter().next().flatten(),
                    _ => None,
                };
                Ok(Answer::Committed(parts.into_iter().map(one).collect()))
            }
            Request::Extend { .. } => {
                let one = |part| match part {
                    Some(Answer::Extended(done)) => done.into_iter().next().unwrap_or(false),
                    _ => false,
                };
                Ok(Answer::Extended(parts.into_iter().map(one).collect()))
            }
            Request::Read(_) => {
                let one = |part| match part {
                    Some(Answer::Cells(cells)) => cells.into_iter().next().ok_or_else(missing),
                    _ => Err(missing()),
                };
                parts.into_iter().map(one).collect::<Result<_, _>>().map(Answer::Cells)
            }
            _ => parts.into_iter().next().flatten().ok_or_else(missing),
        }
    }
}

fn finish(mut whole: std::sync::MutexGuard<'_, Whole>) {
    let reply = whole.reply.take();
    let answer = whole.answer();
    drop(whole);
    if let Some(reply) = reply {
        reply(answer);
    }
}
