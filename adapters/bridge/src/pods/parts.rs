//! Requests that name accounts: each part goes to the pod of its account.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lp_connector_core::bridge::store::{
    Answer, Listed, Reply, Request, StoreError, StoreErrorKind as Kind,
};
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
        let count = accounts.len();
        let whole = Arc::new(Mutex::new(Whole {
            pods: vec![None; count],
            parts: vec![None; count],
            // The whole, before it has parts.
            left: 1,
            request,
            error: None,
            reply: Some(reply),
        }));
        self.locate(&whole, accounts.into_iter().enumerate().collect(), true);
    }

    /// Finds the pods of these places, and then sends the parts.
    fn locate(
        self: &Arc<Self>,
        whole: &Arc<Mutex<Whole>>,
        accounts: Vec<(usize, AccountId)>,
        is_first: bool,
    ) {
        let places: Vec<usize> = accounts.iter().map(|(place, _)| *place).collect();
        let left = Arc::new(AtomicUsize::new(places.len()));
        for (place, account) in accounts {
            let (inner, whole) = (self.clone(), whole.clone());
            let (left, places) = (left.clone(), places.clone());
            self.place(
                &account,
                Box::new(move |found| {
                    let mut locked = whole.lock().unwrap_or_else(PoisonError::into_inner);
                    match (found, locked.pods.get_mut(place)) {
                        (Ok(pod), Some(slot)) => *slot = Some(pod),
                        (Err(error), _) => locked.error = Some(error),
                        _ => {}
                    }
                    drop(locked);
                    if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                        inner.send(&whole, &places, is_first);
                    }
                }),
            );
        }
    }

    /// Sends each pod its part of these places, unless the request needs all of its accounts and one was not found.
    fn send(self: &Arc<Self>, whole: &Arc<Mutex<Whole>>, places: &[usize], is_first: bool) {
        let mut locked = whole.lock().unwrap_or_else(PoisonError::into_inner);
        let mut by_pod: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for place in places {
            if let Some(Some(pod)) = locked.pods.get(*place) {
                by_pod.entry(*pod).or_default().push(*place);
            }
        }
        let is_apart = is_each_by_itself(&locked.request);
        if by_pod.len() > 1 && is_apart {
            // Those in other pods do not wait for it.
            by_pod.retain(|pod, _| !self.is_silent(*pod));
        }
        if by_pod.is_empty() {
            locked.error.get_or_insert_with(|| unavailable("no pod answers"));
        }
        if locked.error.is_some() && !is_apart {
            by_pod.clear();
        }
        let parts: Vec<_> = by_pod
            .into_iter()
            .map(|(pod, places)| (pod, part(&locked.request, &places), places))
            .collect();
        locked.left += parts.len();
        end_part(locked);
        for (number, request, places) in parts {
            let Some(pod) = self.pods.get(number) else { continue };
            let (inner, whole) = (self.clone(), whole.clone());
            let reply = move |answer: Result<Answer, StoreError>| {
                let mut locked = whole.lock().unwrap_or_else(PoisonError::into_inner);
                match answer {
                    Ok(answer) => locked.put(answer, &places),
                    // Nothing of this part has happened. Each account is looked for anew, once.
                    Err(error) if error.kind() == Kind::Moved && is_first => {
                        let all = accounts(&locked.request);
                        for place in &places {
                            if let Some(slot) = locked.pods.get_mut(*place) {
                                *slot = None;
                            }
                        }
                        drop(locked);
                        let of = |place: &usize| Some((*place, all.get(*place)?.clone()));
                        let moved: Vec<_> = places.iter().filter_map(of).collect();
                        for (_, account) in &moved {
                            inner.forget(account, number);
                        }
                        return inner.locate(&whole, moved, false);
                    }
                    Err(error) => locked.error = Some(error),
                }
                end_part(locked);
            };
            pod.store.submit(request, Box::new(reply));
        }
    }
}

/// One part is over. After the last one, so is the request.
fn end_part(mut whole: MutexGuard<'_, Whole>) {
    whole.left -= 1;
    if whole.left == 0 {
        finish(whole);
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

fn finish(mut whole: MutexGuard<'_, Whole>) {
    let reply = whole.reply.take();
    let answer = whole.answer();
    drop(whole);
    if let Some(reply) = reply {
        reply(answer);
    }
}
