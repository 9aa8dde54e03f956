//! Claims: all pods at once, each for its share.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lp_connector_core::bridge::store::{Answer, Claimed, Listed, Reply, Request, StoreError};

use super::{Inner, unavailable};

/// Whose turn it is, and who is left out.
#[derive(Default)]
pub(super) struct Turns {
    next: AtomicUsize,
    /// A bit for each pod that gave no answer. Until it answers a probe, no claim waits for it.
    silent: AtomicU64,
}

impl Turns {
    fn is_silent(&self, pod: usize) -> bool {
        self.silent.load(Ordering::Acquire) & bit(pod) != 0
    }

    /// True if it was not so before.
    fn set_silent(&self, pod: usize, silent: bool) {
        match silent {
            true => self.silent.fetch_or(bit(pod), Ordering::AcqRel),
            false => self.silent.fetch_and(!bit(pod), Ordering::AcqRel),
        };
    }
}

/// Pods after the 64th are never left out.
fn bit(pod: usize) -> u64 {
    u32::try_from(pod).ok().and_then(|pod| 1_u64.checked_shl(pod)).unwrap_or(0)
}

/// The answers so far, and what is to become of them.
struct Gathered<T, W> {
    left: usize,
    answers: Vec<T>,
    error: Option<StoreError>,
    whole: Option<W>,
}

impl<T, W> Gathered<T, W> {
    fn new(left: usize, whole: W) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self { left, answers: Vec::new(), error: None, whole: Some(whole) }))
    }

    /// Adds one; the last gives all of them, and an error if there was one.
    fn add(
        gathered: &Mutex<Self>,
        answer: Result<T, StoreError>,
    ) -> Option<(Vec<T>, Option<StoreError>, W)> {
        let mut gathered = gathered.lock().unwrap_or_else(PoisonError::into_inner);
        gathered.left -= 1;
        match answer {
            Ok(answer) => gathered.answers.push(answer),
            Err(error) => gathered.error = Some(error),
        }
        let whole = if gathered.left == 0 { gathered.whole.take() } else { None };
        let whole = whole?;
        Some((std::mem::take(&mut gathered.answers), gathered.error.take(), whole))
    }
}

/// A claim under way.
struct Claim {
    share: Box<dyn Fn(usize) -> Request + Send>,
    /// Pods that may have more, and the one whose turn it is first.
    pods: Vec<usize>,
    /// The lanes that may still be given.
    lanes: usize,
    given: Vec<Claimed>,
    reply: Reply,
}

impl Inner {
    /// Claims a share from each pod that answers, and again from those that may have more, while others had less.
    pub(super) fn claim(
        self: &Arc<Self>,
        lanes: usize,
        share: impl Fn(usize) -> Request + Send + 'static,
        reply: Reply,
    ) {
        let all = 0..self.pods.len();
        let (silent, mut pods): (Vec<_>, Vec<_>) = all.partition(|pod| self.is_silent(*pod));
        for pod in silent {
            self.probe(pod);
        }
        if pods.is_empty() {
            return reply(Err(unavailable("no pod answers")));
        }
        let turn = self.claims.next.fetch_add(1, Ordering::Relaxed) % pods.len();
        pods.rotate_left(turn);
        self.ask(Claim { share: Box::new(share), pods, lanes, given: Vec::new(), reply });
    }

    pub(super) fn is_silent(&self, pod: usize) -> bool {
        self.claims.is_silent(pod)
    }

    fn ask(self: &Arc<Self>, mut claim: Claim) {
        let count = claim.pods.len().min(claim.lanes);
        if count == 0 {
            return (claim.reply)(Ok(Answer::Claimed(claim.given)));
        }
        let later = claim.pods.split_off(count);
        let asked = std::mem::replace(&mut claim.pods, later);
        let (each, rest) = (claim.lanes / count, claim.lanes % count);
        let shares: Vec<(usize, Request, usize)> = (0..)
            .zip(asked)
            .map(|(place, pod)| (pod, each + usize::from(place < rest)))
            .map(|(pod, lanes)| (pod, (claim.share)(lanes), lanes))
            .collect();
        let gathered = Gathered::new(count, claim);
        for (number, request, lanes) in shares {
            let Some(pod) = self.pods.get(number) else { continue };
            let (inner, gathered) = (self.clone(), gathered.clone());
            let reply = move |answer: Result<Answer, StoreError>| {
                inner.claims.set_silent(number, answer.is_err());
                let claimed = answer.map(|answer| match answer {
                    Answer::Claimed(claimed) => (number, claimed.len() == lanes, claimed),
                    _ => (number, false, Vec::new()),
                });
                if let Some((all, error, claim)) = Gathered::add(&gathered, claimed) {
                    inner.claimed(claim, all, error);
                }
            };
            pod.store.submit(request, Box::new(reply));
        }
    }

    fn claimed(
        self: &Arc<Self>,
        mut claim: Claim,
        answers: Vec<(usize, bool, Vec<Claimed>)>,
        error: Option<StoreError>,
    ) {
        let nobody = answers.is_empty() && claim.given.is_empty() && claim.pods.is_empty();
        if let Some(error) = error.filter(|_| nobody) {
            return (claim.reply)(Err(error));
        }
        for (pod, may_have_more, claimed) in answers {
            // What is found there is there.
            for one in &claimed {
                self.learn(one.lane.account(), pod);
            }
            claim.lanes = claim.lanes.saturating_sub(claimed.len());
            claim.given.extend(claimed);
            if may_have_more {
                claim.pods.push(pod);
            }
        }
        self.ask(claim);
    }

    /// Asks a pod that was silent for nothing. Its answer brings it back.
    pub(super) fn probe(self: &Arc<Self>, number: usize) {
        let Some(pod) = self.pods.get(number) else { return };
        if pod.probed.swap(true, Ordering::AcqRel) {
            return;
        }
        let inner = self.clone();
        let reply = move |answer: Result<Answer, StoreError>| {
            inner.claims.set_silent(number, answer.is_err());
            if let Some(pod) = inner.pods.get(number) {
                pod.probed.store(false, Ordering::Release);
            }
        };
        pod.store.submit(Request::Read(Vec::new()), Box::new(reply));
    }

    /// The lanes of all pods, in their order. All must answer: people must not take a part for the whole.
    pub(super) fn list(self: &Arc<Self>, list: Request, limit: usize, reply: Reply) {
        debug_assert!(matches!(list, Request::List { what: Listed::Lanes { .. }, .. }));
        let gathered = Gathered::new(self.pods.len(), reply);
        for pod in &self.pods {
            let gathered = gathered.clone();
            pod.store.submit(
                list.clone(),
                Box::new(move |answer| {
                    let listed = answer.map(|answer| match answer {
                        Answer::Listed(listed) => listed,
                        _ => Vec::new(),
                    });
                    let Some((all, error, reply)) = Gathered::add(&gathered, listed) else {
                        return;
                    };
                    if let Some(error) = error {
                        return reply(Err(error));
                    }
                    let mut lanes = all.concat();
                    lanes.sort_by(|one, other| one.summary.lane.cmp(&other.summary.lane));
                    lanes.truncate(limit);
                    reply(Ok(Answer::Listed(lanes)));
                }),
            );
        }
    }
}
