//! Several stores as one: each account is on one of them.

mod claims;
mod parts;
mod places;

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, mpsc};

use lp_connector_core::bridge::store::{
    Answer, Listed, Reply, Request, Store, StoreError, StoreErrorKind as Kind, StoreFacts,
};

use self::places::Places;

/// Several stores as one, for more accounts than one database serves. Each account is on one of them, its pod; what
/// belongs to another account is never waited for.
///
/// ```
/// use std::sync::Arc;
/// use lp_connector_bridge::store::{Answer, Entry, LaneId, Request, Store};
/// use lp_connector_bridge::{Memory, Pods};
/// use lp_connector_core::id::AccountId;
///
/// // In a program: `Postgres::connect(..)?` each.
/// let (one, two) = (Arc::new(Memory::new()), Arc::new(Memory::new()));
/// let pods = Pods::new("one", one).pod("two", two);
/// let lane = LaneId::consumer(&AccountId::new("91827364")?, &"ada".parse()?);
/// let append = Request::Append(vec![Entry { lane, body: b"Coo?".to_vec() }]);
/// assert_eq!(pods.perform(append)?, Answer::Appended);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Where an account is
///
/// A new account is given to one of the pods that [accept](Self::full) new ones, by a hash of its id. That is written
/// down in the pod, so it stays there whatever pods are added. All programs list the same pods under the same names,
/// with the same one first: it decides where a new account goes, if programs that list others ask at once.
///
/// Add a pod to all programs before one that accepts no more accounts is said to be full.
///
/// An account moves to another pod while it is served, if the pods are databases: see
/// `PostgresOptions::move_account`. A store that answers [`Moved`](Kind::Moved) does not have the account any more, and
/// it is looked for anew.
///
/// # When a pod is down
///
/// Requests for its accounts fail, as [`Unavailable`](Kind::Unavailable). The other accounts go on: a claim that the
/// pod does not answer costs them the time limit of its store once, and then it is left out until it answers again. An
/// account that this program has not met since it started is found if its own pod answers. Of a request with parts for
/// several pods, the leases in a pod that gives no answer count as lost, as after the death of this program.
pub struct Pods {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pods: Vec<Pod>,
    places: Places,
    claims: claims::Turns,
}

pub(crate) struct Pod {
    name: String,
    store: Arc<dyn Store>,
    accepts: bool,
    /// It was silent, and is asked whether it is back.
    probed: AtomicBool,
}

impl Pod {
    fn new(name: String, store: impl Store + 'static) -> Self {
        Self { name, store: Arc::new(store), accepts: true, probed: AtomicBool::new(false) }
    }
}

impl Pods {
    /// One pod, under a name that stays: the first of all programs on these pods.
    #[must_use]
    pub fn new(name: impl Into<String>, store: impl Store + 'static) -> Self {
        let pods = vec![Pod::new(name.into(), store)];
        let inner = Inner { pods, places: Places::default(), claims: claims::Turns::default() };
        Self { inner: Arc::new(inner) }
    }

    /// Adds a pod.
    #[must_use]
    pub fn pod(self, name: impl Into<String>, store: impl Store + 'static) -> Self {
        let pod = Pod::new(name.into(), store);
        self.change(|pods| pods.push(pod))
    }

    /// Says that this pod accepts no more accounts. Those that are there stay.
    #[must_use]
    pub fn full(self, name: &str) -> Self {
        self.change(|pods| {
            for pod in pods.iter_mut().filter(|pod| pod.name == name) {
                pod.accepts = false;
            }
        })
    }

    fn change(mut self, change: impl FnOnce(&mut Vec<Pod>)) -> Self {
        // Nobody else has it yet.
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            change(&mut inner.pods);
        }
        self
    }
}

impl Store for Pods {
    fn perform(&self, request: Request) -> Result<Answer, StoreError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.submit(request, Box::new(move |result| drop(sender.try_send(result))));
        receiver.recv().unwrap_or_else(|_| Err(dropped()))
    }

    fn submit(&self, request: Request, reply: Reply) {
        if let Err(refused) = request.check_sizes() {
            return reply(Err(refused));
        }
        match request {
            Request::Claim { holder, lanes, entries, term, speaks } => {
                let share = move |lanes| Request::Claim { holder, lanes, entries, term, speaks };
                self.inner.claim(lanes, share, reply);
            }
            Request::List { what: Listed::Lanes { account: None, kind }, after, limit } => {
                let what = Listed::Lanes { account: None, kind };
                self.inner.list(Request::List { what, after, limit }, limit, reply);
            }
            other => self.inner.route(other, reply),
        }
    }

    fn facts(&self) -> Result<StoreFacts, StoreError> {
        let (mut all, mut error) = (StoreFacts::default(), None);
        let mut answered = false;
        for pod in &self.inner.pods {
            match pod.store.facts() {
                Ok(facts) => {
                    answered = true;
                    add(&mut all, facts);
                }
                Err(failed) => error = Some(failed),
            }
        }
        match error {
            Some(error) if !answered => Err(error),
            _ => Ok(all),
        }
    }

    fn is_sealed(&self) -> bool {
        self.inner.pods.iter().all(|pod| pod.store.is_sealed())
    }
}

/// The oldest and the sum of what two stores tell.
fn add(all: &mut StoreFacts, one: StoreFacts) {
    all.oldest_due = all.oldest_due.max(one.oldest_due);
    all.due_lanes = all.due_lanes.saturating_add(one.due_lanes);
    all.oldest_snapshot = all.oldest_snapshot.max(one.oldest_snapshot);
    all.repeated = all.repeated.saturating_add(one.repeated);
    all.standbys.extend(one.standbys);
    for part in one.parts {
        match all.parts.iter_mut().find(|found| found.name == part.name) {
            Some(found) => {
                found.bytes = found.bytes.saturating_add(part.bytes);
                found.dead = found.dead.saturating_add(part.dead);
            }
            None => all.parts.push(part),
        }
    }
}

pub(crate) fn unavailable(text: impl Into<String>) -> StoreError {
    StoreError::new(Kind::Unavailable, text)
}

fn dropped() -> StoreError {
    unavailable("a pod dropped the request")
}

impl fmt::Debug for Pods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.inner.pods.iter().map(|pod| (&pod.name, pod.accepts));
        f.debug_map().entries(names).finish()
    }
}

#[cfg(test)]
#[path = "../pods_tests.rs"]
mod tests;
