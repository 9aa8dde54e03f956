//! Which pod an account is on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lp_connector_core::bridge::store::{Answer, Cell, CellId, Request, StoreError};
use lp_connector_core::id::AccountId;

use super::{Inner, unavailable};

/// Takes the pod of an account, by its place in the list.
type Found = Box<dyn FnOnce(Result<usize, StoreError>) + Send>;

/// In the account's pod: it is here.
const HERE: &str = "pod";
/// In the first pod: which one a new account was given to.
const GIVEN: &str = "pod_given";

/// What this program knows.
#[derive(Default)]
pub(super) struct Places(Mutex<HashMap<AccountId, Place>>);

enum Place {
    Known(usize),
    /// It is being looked for, and these wait.
    Sought(Vec<Found>),
}

impl Places {
    fn lock(&self) -> MutexGuard<'_, HashMap<AccountId, Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answers of the pods to where an account is.
struct Search {
    /// Pods that have not answered yet.
    left: usize,
    failed: Option<String>,
    is_over: bool,
}

impl Inner {
    /// Finds the pod of an account. The pods are asked at once, and the one that has it is enough.
    pub(super) fn place(self: &Arc<Self>, account: &AccountId, found: Found) {
        let mut places = self.places.lock();
        match places.get_mut(account) {
            Some(Place::Known(pod)) => {
                let pod = *pod;
                drop(places);
                return found(Ok(pod));
            }
            Some(Place::Sought(waiting)) => return waiting.push(found),
            None => drop(places.insert(account.clone(), Place::Sought(vec![found]))),
        }
        drop(places);
        let left = self.pods.len();
        let search = Arc::new(Mutex::new(Search { left, failed: None, is_over: false }));
        for (number, pod) in self.pods.iter().enumerate() {
            if self.is_silent(number) {
                self.probe(number);
                let silent = Err(unavailable(format!("the pod {} gives no answer", pod.name)));
                self.heard(account, number, silent, &search);
                continue;
            }
            let (inner, search, account) = (self.clone(), search.clone(), account.clone());
            let read = Request::Read(vec![cell(&account, HERE)]);
            let reply = move |answer| inner.heard(&account, number, cell_of(answer), &search);
            pod.store.submit(read, Box::new(reply));
        }
    }

    /// The account is on this pod, as what was claimed there shows. It may have moved since it was met last.
    pub(super) fn learn(&self, account: &AccountId, pod: usize) {
        let known = |place: &Place| matches!(place, Place::Known(known) if *known == pod);
        let is_known = self.places.lock().get(account).is_some_and(known);
        if !is_known {
            self.found(account, Ok(pod));
        }
    }

    /// The account is not on this pod any more.
    pub(super) fn forget(&self, account: &AccountId, pod: usize) {
        let mut places = self.places.lock();
        if matches!(places.get(account), Some(Place::Known(known)) if *known == pod) {
            places.remove(account);
        }
    }

    /// A pod has answered. The last of them decides about an account that is nowhere.
    fn heard(
        self: &Arc<Self>,
        account: &AccountId,
        number: usize,
        answer: Result<Option<Cell>, StoreError>,
        search: &Mutex<Search>,
    ) {
        let mut search = search.lock().unwrap_or_else(PoisonError::into_inner);
        search.left -= 1;
        if search.is_over {
            return;
        }
        match answer {
            Ok(Some(_)) => {
                search.is_over = true;
                drop(search);
                return self.found(account, Ok(number));
            }
            Ok(None) => {}
            Err(error) => search.failed = Some(error.to_string()),
        }
        if search.left > 0 {
            return;
        }
        let failed = search.failed.take();
        drop(search);
        match failed {
            // It may be there.
            Some(error) => self.found(account, Err(unavailable(error))),
            None => self.give(account),
        }
    }

    /// Gives a new account to a pod. The first pod decides between programs that do this at once.
    fn give(self: &Arc<Self>, account: &AccountId) {
        let Some(first) = self.pods.first() else { return };
        let (inner, of) = (self.clone(), account.clone());
        let value = self.choice(account).as_bytes().to_vec();
        let swap = Request::Swap { cell: cell(account, GIVEN), seen: 0, value, life: None };
        first.store.submit(
            swap,
            Box::new(move |answer| match answer {
                Ok(_) => inner.read_given(&of),
                Err(error) => inner.found(&of, Err(error)),
            }),
        );
    }

    fn read_given(self: &Arc<Self>, account: &AccountId) {
        let Some(first) = self.pods.first() else { return };
        let (inner, of) = (self.clone(), account.clone());
        let read = Request::Read(vec![cell(account, GIVEN)]);
        first.store.submit(
            read,
            Box::new(move |answer| match cell_of(answer) {
                Ok(Some(given)) => inner.settle(&of, &String::from_utf8_lossy(&given.value)),
                Ok(None) => inner.found(&of, Err(unavailable("no pod was given"))),
                Err(error) => inner.found(&of, Err(error)),
            }),
        );
    }

    /// Writes into the pod that the account is there.
    fn settle(self: &Arc<Self>, account: &AccountId, name: &str) {
        let Some(number) = self.pods.iter().position(|pod| pod.name == name) else {
            let text = format!("account {account} is on the pod {name}, which is not listed");
            return self.found(account, Err(unavailable(text)));
        };
        let Some(pod) = self.pods.get(number) else { return };
        let (inner, of, value) = (self.clone(), account.clone(), b"here".to_vec());
        let swap = Request::Swap { cell: cell(account, HERE), seen: 0, value, life: None };
        // False: another program has written the same.
        let reply = move |answer: Result<Answer, _>| inner.found(&of, answer.map(|_| number));
        pod.store.submit(swap, Box::new(reply));
    }

    /// Tells all who wait. What is known stays known.
    fn found(&self, account: &AccountId, outcome: Result<usize, StoreError>) {
        let mut places = self.places.lock();
        let before = match &outcome {
            Ok(pod) => places.insert(account.clone(), Place::Known(*pod)),
            Err(_) => places.remove(account),
        };
        drop(places);
        if let Some(Place::Sought(waiting)) = before {
            for found in waiting {
                found(match &outcome {
                    Ok(pod) => Ok(*pod),
                    Err(error) => Err(StoreError::new(error.kind(), error.to_string())),
                });
            }
        }
    }

    /// Of the pods that accept accounts, the one whose name and this account have the greatest hash: another pod more
    /// takes from all of them alike.
    fn choice(&self, account: &AccountId) -> &str {
        let accepting = self.pods.iter().filter(|pod| pod.accepts);
        let chosen = accepting.max_by_key(|pod| weight(&pod.name, account.as_str()));
        chosen.or_else(|| self.pods.first()).map_or("", |pod| &pod.name)
    }
}

/// FNV-1a, mixed at the end: it is the same in every program and release.
fn weight(pod: &str, account: &str) -> u64 {
    let bytes = pod.bytes().chain([0]).chain(account.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed ^ (mixed >> 32)
}

fn cell(account: &AccountId, key: &str) -> CellId {
    CellId { account: account.clone(), key: key.into() }
}

fn cell_of(answer: Result<Answer, StoreError>) -> Result<Option<Cell>, StoreError> {
    match answer? {
        Answer::Cells(cells) => Ok(cells.into_iter().next().flatten()),
        _ => Err(unavailable("a pod gave another answer")),
    }
}
