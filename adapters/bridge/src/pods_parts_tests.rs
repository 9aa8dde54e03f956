//! Which pod is asked for what.

use super::*;

fn lease(claimed: &[Claimed], account: u32) -> Lease {
    let one = claimed.iter().find(|one| one.lane == lane(account)).unwrap();
    Lease { lane: one.lane.clone(), fence: one.fence, holder: Holder(7) }
}

fn extend(store: &Pods, leases: Vec<Lease>) -> Result<Answer, StoreError> {
    store.perform(Request::Extend { leases, term: Duration::from_secs(9) })
}

#[test]
fn every_release_gives_an_account_to_the_same_pod() {
    let plugs = plugs();
    append(&pods(&plugs), 0..20).unwrap();
    let of = |pod: usize| -> Vec<u32> {
        let lanes = list(&*plugs[pod]).unwrap();
        (0..20).filter(|account| lanes.contains(&lane(*account))).collect()
    };
    assert_eq!(of(0), [1, 7, 9, 10, 11, 16]);
    assert_eq!(of(1), [2, 3, 5, 12, 14, 15, 18]);
    assert_eq!(of(2), [0, 4, 6, 8, 13, 17, 19]);
}

/// A store that notes how many lanes it is asked for.
#[derive(Default)]
struct Shares {
    store: Memory,
    asked: Mutex<Vec<usize>>,
}

impl Store for Shares {
    fn perform(&self, request: Request) -> Result<Answer, StoreError> {
        if let Request::Claim { lanes, .. } = &request {
            self.asked.lock().unwrap().push(*lanes);
        }
        self.store.perform(request)
    }
}

#[test]
fn a_claim_asks_each_pod_once_for_its_share() {
    let stores: [Arc<Shares>; 3] = Default::default();
    let [one, two, three] = &stores;
    let store = Pods::new("one", one.clone()).pod("two", two.clone()).pod("three", three.clone());
    append(&store, 0..20).unwrap();
    // What does not divide goes to those whose turn is first: the first pod, and then the second one.
    assert_eq!(claim(&store, 7).unwrap().len(), 7);
    assert_eq!(claim(&store, 5).unwrap().len(), 5);
    let asked = stores.each_ref().map(|store| store.asked.lock().unwrap().clone());
    assert_eq!(asked, [[3, 1], [2, 2], [2, 2]]);
}

#[test]
fn a_pod_left_out_of_claims_has_what_is_for_it_alone() {
    let plugs = plugs();
    let (own, other) = apart(&plugs, 1);
    let store = pods(&plugs);
    let claimed = claim(&store, 100).unwrap();
    plugs[1].is_out.store(true, Ordering::SeqCst);
    claim(&store, 100).unwrap();
    // It is back, and no claim has noticed yet.
    plugs[1].is_out.store(false, Ordering::SeqCst);
    assert!(store.inner.is_silent(1));
    let extended = extend(&store, vec![lease(&claimed, own)]).unwrap();
    assert_eq!(extended, Answer::Extended(vec![true]));
    // All or none: no part is left out.
    assert_eq!(append(&store, [other, own]).unwrap(), Answer::Appended);
    assert_eq!(entries(&*plugs[1], own), 2);
}

#[test]
fn an_account_not_found_stops_an_append_but_no_lease() {
    let plugs = plugs();
    let (own, other) = apart(&plugs, 1);
    let claimed = claim(&pods(&plugs), 100).unwrap();
    plugs[1].is_out.store(true, Ordering::SeqCst);
    // Programs that have just started look for both.
    let failed = append(&pods(&plugs), [other, own]).unwrap_err();
    assert_eq!(failed.kind(), Kind::Unavailable);
    assert_eq!(entries(&*plugs[0], other) + entries(&*plugs[2], other), 1);
    let leases = vec![lease(&claimed, own), lease(&claimed, other)];
    let extended = extend(&pods(&plugs), leases).unwrap();
    assert_eq!(extended, Answer::Extended(vec![false, true]));
}

/// A store whose next answer is lost.
#[derive(Default)]
struct Lossy {
    store: Memory,
    is_lost: AtomicBool,
}

impl Store for Lossy {
    fn perform(&self, request: Request) -> Result<Answer, StoreError> {
        let answer = self.store.perform(request);
        match self.is_lost.swap(false, Ordering::SeqCst) {
            true => Err(unavailable("the answer is lost")),
            false => answer,
        }
    }
}

#[test]
fn what_may_have_been_appended_is_not_appended_again() {
    let lossy = Arc::new(Lossy::default());
    let store = Pods::new("one", lossy.clone());
    append(&store, [5]).unwrap();
    lossy.is_lost.store(true, Ordering::SeqCst);
    assert_eq!(append(&store, [5]).unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(entries(&*lossy, 5), 2);
}
