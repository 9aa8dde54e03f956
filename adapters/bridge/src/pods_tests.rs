use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lp_connector_core::bridge::store::{
    CellId, Claimed, Commit, Entry, Fence, Holder, LaneId, LaneKind, Lease, StorePart,
};
use lp_connector_core::id::AccountId;

use super::*;
use crate::{Memory, Sealed, StoreKey};

#[path = "pods_parts_tests.rs"]
mod parts;

/// A store that can be pulled out, and one that says nothing for a while.
#[derive(Default)]
struct Plug {
    store: Memory,
    is_out: AtomicBool,
    is_mute: AtomicBool,
    /// An account that is not here any more.
    moved: Mutex<Option<AccountId>>,
    kept: Mutex<Vec<Reply>>,
}

impl Store for Plug {
    fn perform(&self, request: Request) -> Result<Answer, StoreError> {
        let moved = self.moved.lock().unwrap();
        if moved.as_ref().is_some_and(|account| names(&request, account)) {
            return Err(StoreError::new(Kind::Moved, "the account is elsewhere"));
        }
        match self.is_out.load(Ordering::SeqCst) {
            true => Err(unavailable("it is pulled out")),
            false => self.store.perform(request),
        }
    }

    fn submit(&self, request: Request, reply: Reply) {
        match self.is_mute.load(Ordering::SeqCst) {
            true => self.kept.lock().unwrap().push(reply),
            false => reply(self.perform(request)),
        }
    }
}

/// True for what a database refuses for an account that has moved away.
fn names(request: &Request, account: &AccountId) -> bool {
    match request {
        Request::Append(entries) => entries.iter().any(|entry| entry.lane.account() == account),
        Request::Read(cells) => cells.iter().any(|cell| cell.account == *account),
        Request::Swap { cell, .. } => cell.account == *account,
        _ => false,
    }
}

/// Moves an account, which has nothing but a lane, as a database does: it is there, and then not here.
fn move_account(from: &Plug, to: &Plug, account: u32) {
    append(to, [account]).unwrap();
    let cell = CellId { account: lane(account).account().clone(), key: "pod".into() };
    let here = Request::Swap { cell, seen: 0, value: b"here".to_vec(), life: None };
    assert_eq!(to.perform(here).unwrap(), Answer::Swapped(true));
    *from.moved.lock().unwrap() = Some(lane(account).account().clone());
}

fn entries(store: &dyn Store, account: u32) -> u64 {
    let what = Listed::Lane(lane(account));
    let list = Request::List { what, after: None, limit: 9 };
    let Answer::Listed(lanes) = store.perform(list).unwrap() else { panic!() };
    lanes.first().map_or(0, |one| one.summary.entries)
}

fn plugs() -> [Arc<Plug>; 3] {
    Default::default()
}

fn pods([one, two, three]: &[Arc<Plug>; 3]) -> Pods {
    Pods::new("one", one.clone()).pod("two", two.clone()).pod("three", three.clone())
}

fn lane(account: u32) -> LaneId {
    LaneId::new(AccountId::new(format!("le{account}")).unwrap(), LaneKind::Consumer, "ada")
}

fn append(
    store: &dyn Store,
    accounts: impl IntoIterator<Item = u32>,
) -> Result<Answer, StoreError> {
    let entry = |account| Entry { lane: lane(account), body: vec![1] };
    store.perform(Request::Append(accounts.into_iter().map(entry).collect()))
}

fn claim(store: &dyn Store, lanes: usize) -> Result<Vec<Claimed>, StoreError> {
    let term = Duration::from_secs(900);
    let claim = Request::Claim { holder: Holder(7), lanes, entries: 9, term, speaks: 1 };
    let Answer::Claimed(claimed) = store.perform(claim)? else { panic!() };
    Ok(claimed)
}

fn list(store: &dyn Store) -> Result<Vec<LaneId>, StoreError> {
    let what = Listed::Lanes { account: None, kind: LaneKind::Consumer };
    let Answer::Listed(lanes) = store.perform(Request::List { what, after: None, limit: 1000 })?
    else {
        panic!()
    };
    Ok(lanes.into_iter().map(|lane| lane.summary.lane).collect())
}

fn counts(plugs: &[Arc<Plug>; 3]) -> [usize; 3] {
    std::array::from_fn(|at| list(&*plugs[at]).unwrap().len())
}

/// An account on this pod, and one on another.
fn apart(plugs: &[Arc<Plug>; 3], pod: usize) -> (u32, u32) {
    append(&pods(plugs), 0..60).unwrap();
    let own = list(&*plugs[pod]).unwrap();
    let is_own = |account: &u32| own.contains(&lane(*account));
    ((0..60).find(is_own).unwrap(), (0..60).find(|one| !is_own(one)).unwrap())
}

#[test]
fn accounts_are_spread_and_stay_where_they_are() {
    let plugs = plugs();
    let [one, two, three] = &plugs;
    let first = Pods::new("one", one.clone()).pod("two", two.clone());
    append(&first, 0..60).unwrap();
    let before = counts(&plugs);
    assert!(before[0] > 15 && before[1] > 15 && before[0] + before[1] == 60, "{before:?}");
    // A third pod, and later one that is full.
    append(&pods(&plugs), 0..90).unwrap();
    let after = counts(&plugs);
    assert_eq!(after.iter().sum::<usize>(), 90);
    assert!(
        after[2] > 3
            && list(&**three).unwrap().iter().all(|lane| !list(&**one).unwrap().contains(lane))
    );
    assert!((0..60).all(|account| !list(&**three).unwrap().contains(&lane(account))));
    append(&pods(&plugs).full("one").full("two"), 0..120).unwrap();
    assert_eq!(counts(&plugs), [after[0], after[1], after[2] + 30]);
}

#[test]
fn programs_that_list_other_pods_agree() {
    let plugs = plugs();
    append(&pods(&plugs).full("two").full("three"), [1]).unwrap();
    // What the first program wrote into its pod is not there yet: only that it was given.
    let cell = CellId { account: lane(1).account().clone(), key: "pod".into() };
    let Answer::Cells(found) = plugs[0].perform(Request::Read(vec![cell.clone()])).unwrap() else {
        panic!()
    };
    let seen = found[0].as_ref().unwrap().version;
    let erase = Request::Swap { cell, seen, value: Vec::new(), life: None };
    assert_eq!(plugs[0].perform(erase).unwrap(), Answer::Swapped(true));
    append(&pods(&plugs).full("one").full("three"), [1]).unwrap();
    assert_eq!(counts(&plugs), [1, 0, 0]);
}

#[test]
fn answers_come_in_the_order_of_the_request() {
    let plugs = plugs();
    let store = pods(&plugs);
    append(&store, 0..30).unwrap();
    let claimed = claim(&store, 100).unwrap();
    assert_eq!(claimed.len(), 30);
    assert!(counts(&plugs).iter().all(|count| *count > 0));
    let fence = |account: u32| claimed.iter().find(|one| one.lane == lane(account)).unwrap().fence;
    // Every third one has a fence of nobody.
    let fence = |account: u32| if account.is_multiple_of(3) { Fence(0) } else { fence(account) };
    let leases = (0..30).map(|account| Lease {
        lane: lane(account),
        fence: fence(account),
        holder: Holder(7),
    });
    let term = Duration::from_secs(9);
    let extended = store.perform(Request::Extend { leases: leases.collect(), term }).unwrap();
    assert_eq!(extended, Answer::Extended((0..30).map(|account| account % 3 != 0).collect()));
    let cell = |account: u32| CellId { account: lane(account).account().clone(), key: "c".into() };
    let commits = (0..30).map(|account| {
        let commit = Commit::new(lane(account), fence(account), Holder(7)).through(1).seen(1);
        commit.cell(cell(account), account.to_string().into_bytes())
    });
    let Answer::Committed(done) = store.perform(Request::Commit(commits.collect())).unwrap() else {
        panic!()
    };
    assert!((0..30).zip(&done).all(|(account, fence)| fence.is_some() == (account % 3 != 0)));
    let read = Request::Read((0..30).map(cell).collect());
    let Answer::Cells(cells) = store.perform(read).unwrap() else { panic!() };
    assert_eq!(cells.len(), 30);
    for (account, cell) in (0..30_u32).zip(cells) {
        let expected = (account % 3 != 0).then(|| account.to_string().into_bytes());
        assert_eq!(cell.map(|cell| cell.value), expected);
    }
    let all = list(&store).unwrap();
    assert!(all.len() == 30 && all.is_sorted());
    assert_eq!(store.facts().unwrap(), StoreFacts::default());
}

#[test]
fn a_claim_gives_no_more_than_asked_and_starves_no_pod() {
    for lanes in [1, 2, 3, 5, 7, 100] {
        let plugs = plugs();
        let store = pods(&plugs);
        append(&store, 0..30).unwrap();
        let mut given = Vec::new();
        loop {
            let claimed = claim(&store, lanes).unwrap();
            assert_eq!(claimed.len(), lanes.min(30 - given.len()), "of {lanes}");
            if claimed.is_empty() {
                break;
            }
            given.extend(claimed.into_iter().map(|one| one.lane));
            // Each pod has had its turn.
            if given.len() >= 3 * lanes.max(3) {
                let of = |plug: &Plug| {
                    list(plug).unwrap().iter().filter(|lane| given.contains(lane)).count()
                };
                assert!(plugs.iter().all(|plug| of(plug) > 0), "{lanes}");
            }
        }
        assert_eq!(given.len(), 30);
    }
}

#[test]
fn a_pod_that_is_out_stops_its_own_accounts_alone() {
    let plugs = plugs();
    let (own, other) = apart(&plugs, 1);
    let out = |out: bool| plugs[1].is_out.store(out, Ordering::SeqCst);
    let store = pods(&plugs);
    append(&store, [own, other]).unwrap();
    out(true);
    // A program that knows the accounts, and one that has just started.
    for store in [store, pods(&plugs)] {
        out(true);
        assert_eq!(append(&store, [other]).unwrap(), Answer::Appended);
        for accounts in [vec![own], vec![other, own]] {
            assert_eq!(append(&store, accounts).unwrap_err().kind(), Kind::Unavailable);
        }
        assert_eq!(list(&store).unwrap_err().kind(), Kind::Unavailable);
        for _ in 0..5 {
            assert!(claim(&store, 3).is_ok());
        }
        out(false);
        // The first claim brings it back, and the next one has its lanes.
        claim(&store, 3).unwrap();
        append(&store, [own, other]).unwrap();
        assert!(claim(&store, 100).is_ok());
        assert!(!store.inner.is_silent(1));
    }
}

#[test]
fn of_a_request_for_several_pods_the_one_that_is_out_is_lost() {
    let plugs = plugs();
    let (own, other) = apart(&plugs, 1);
    let store = pods(&plugs);
    let claimed = claim(&store, 100).unwrap();
    let lease = |account: u32| {
        let one = claimed.iter().find(|one| one.lane == lane(account)).unwrap();
        Lease { lane: one.lane.clone(), fence: one.fence, holder: Holder(7) }
    };
    plugs[1].is_out.store(true, Ordering::SeqCst);
    let extend = |accounts: &[u32]| {
        let leases = accounts.iter().map(|account| lease(*account)).collect();
        store.perform(Request::Extend { leases, term: Duration::ZERO })
    };
    assert_eq!(extend(&[own, other]).unwrap(), Answer::Extended(vec![false, true]));
    assert_eq!(extend(&[own]).unwrap_err().kind(), Kind::Unavailable);
    let commit = |account: u32| Commit::new(lane(account), lease(account).fence, Holder(7));
    let both = Request::Commit(vec![commit(own), commit(other)]);
    let Answer::Committed(done) = store.perform(both).unwrap() else { panic!() };
    assert!(done[0].is_none() && done[1].is_some());
    let alone = Request::Commit(vec![commit(own)]);
    assert_eq!(store.perform(alone.clone()).unwrap_err().kind(), Kind::Unavailable);
    // Nothing happened: it may be repeated.
    plugs[1].is_out.store(false, Ordering::SeqCst);
    let Answer::Committed(done) = store.perform(alone).unwrap() else { panic!() };
    assert!(done[0].is_some());
}

#[test]
fn a_pod_that_says_nothing_holds_up_no_other_account() {
    let plugs = plugs();
    let (own, other) = apart(&plugs, 1);
    plugs[1].is_mute.store(true, Ordering::SeqCst);
    let store = pods(&plugs);
    // It is found by its own pod, whatever the silent one would say.
    append(&store, [other]).unwrap();
    let (sender, receiver) = mpsc::channel();
    let entry = Entry { lane: lane(own), body: vec![1] };
    let reply = move |answer| sender.send(answer).unwrap();
    store.submit(Request::Append(vec![entry]), Box::new(reply));
    assert!(receiver.try_recv().is_err());
    append(&store, [other]).unwrap();
    for reply in std::mem::take(&mut *plugs[1].kept.lock().unwrap()) {
        reply(Err(unavailable("too late")));
    }
    assert_eq!(receiver.recv().unwrap().unwrap_err().kind(), Kind::Unavailable);
}

#[test]
fn nobody_waits_for_a_pod_that_gave_no_answer() {
    let plugs = plugs();
    let (own, other) = apart(&plugs, 1);
    let store = pods(&plugs);
    let claimed = claim(&store, 100).unwrap();
    let lease = |account: u32| {
        let one = claimed.iter().find(|one| one.lane == lane(account)).unwrap();
        Lease { lane: one.lane.clone(), fence: one.fence, holder: Holder(7) }
    };
    // It fails once, and says nothing afterwards: each of these would wait for ever.
    plugs[1].is_out.store(true, Ordering::SeqCst);
    claim(&store, 100).unwrap();
    plugs[1].is_mute.store(true, Ordering::SeqCst);
    for _ in 0..5 {
        claim(&store, 100).unwrap();
    }
    assert_eq!(plugs[1].kept.lock().unwrap().len(), 1, "one question whether it is back");
    let leases = vec![lease(own), lease(other)];
    let extended = store.perform(Request::Extend { leases, term: Duration::ZERO }).unwrap();
    assert_eq!(extended, Answer::Extended(vec![false, true]));
    // It is back.
    plugs[1].is_mute.store(false, Ordering::SeqCst);
    plugs[1].is_out.store(false, Ordering::SeqCst);
    let probe = plugs[1].kept.lock().unwrap().pop().unwrap();
    probe(Ok(Answer::Cells(Vec::new())));
    append(&store, [own]).unwrap();
    let leases = vec![lease(own), lease(other)];
    let extended = store.perform(Request::Extend { leases, term: Duration::ZERO }).unwrap();
    assert_eq!(extended, Answer::Extended(vec![true, true]));
}

#[test]
fn an_account_that_has_moved_is_looked_for_anew() {
    let plugs = plugs();
    let (own, other) = apart(&plugs, 1);
    let near = list(&*plugs[1]).unwrap();
    let near = (0..60).find(|one| *one != own && near.contains(&lane(*one))).unwrap();
    let store = pods(&plugs);
    append(&store, [own, near, other]).unwrap();
    move_account(&plugs[1], &plugs[2], own);
    let before = [own, near, other].map(|account| entries(&*plugs[1], account));
    // Each of them once: what is refused together is sent again together.
    append(&store, [near, own, other]).unwrap();
    let after = [own, near, other].map(|account| entries(&*plugs[1], account));
    assert_eq!(after, [before[0], before[1] + 1, before[2]]);
    assert_eq!(entries(&*plugs[2], own), 2);
    // A program that has just started finds it as well, and nobody gives it away anew.
    append(&pods(&plugs), [own]).unwrap();
    assert_eq!(entries(&*plugs[2], own), 3);
    // It is refused where nobody has it, and so is whoever asks for more than one.
    *plugs[2].moved.lock().unwrap() = Some(lane(own).account().clone());
    for store in [store, pods(&plugs)] {
        append(&store, [own]).unwrap_err();
        append(&store, [own, other]).unwrap_err();
        append(&store, [other]).unwrap();
    }
}

#[test]
fn a_claim_shows_where_an_account_has_moved_to() {
    let plugs = plugs();
    let (own, _) = apart(&plugs, 1);
    let store = pods(&plugs);
    append(&store, [own]).unwrap();
    move_account(&plugs[1], &plugs[2], own);
    let claimed = claim(&*plugs[2], 100).unwrap();
    let fence = claimed.iter().find(|one| one.lane == lane(own)).unwrap().fence;
    let lease = || Lease { lane: lane(own), fence, holder: Holder(7) };
    let extend = || {
        let extend = Request::Extend { leases: vec![lease()], term: Duration::ZERO };
        store.perform(extend).unwrap()
    };
    assert_eq!(extend(), Answer::Extended(vec![false]), "it looks where the account was");
    // Somebody else's lease ends, and this program's claim meets the lane in the other pod.
    plugs[2].perform(Request::Extend { leases: vec![lease()], term: Duration::ZERO }).unwrap();
    let claimed = claim(&store, 100).unwrap();
    let one = claimed.iter().find(|one| one.lane == lane(own) && one.fence > fence).unwrap();
    let lease = Lease { lane: lane(own), fence: one.fence, holder: Holder(7) };
    let extend = Request::Extend { leases: vec![lease], term: Duration::ZERO };
    assert_eq!(store.perform(extend).unwrap(), Answer::Extended(vec![true]));
}

#[test]
fn a_list_of_all_pods_has_its_first_lanes_alone() {
    let store = pods(&plugs());
    append(&store, 0..60).unwrap();
    let all = list(&store).unwrap();
    for limit in [1, 7, 59, 60, 61] {
        let what = Listed::Lanes { account: None, kind: LaneKind::Consumer };
        let listed = store.perform(Request::List { what, after: None, limit }).unwrap();
        let Answer::Listed(lanes) = listed else { panic!() };
        let lanes: Vec<_> = lanes.into_iter().map(|lane| lane.summary.lane).collect();
        assert_eq!(lanes, all[..limit.min(60)]);
    }
}

/// A store that has facts and no lanes.
struct FixedFacts(StoreFacts);

impl Store for FixedFacts {
    fn perform(&self, _: Request) -> Result<Answer, StoreError> {
        Err(unavailable("it has facts and no lanes"))
    }

    fn facts(&self) -> Result<StoreFacts, StoreError> {
        Ok(self.0.clone())
    }
}

#[test]
fn pods_tell_of_the_oldest_and_of_the_sum() {
    let facts = |due: u64, snapshot: Option<u64>, lanes: u64| StoreFacts {
        oldest_due: Duration::from_secs(due),
        due_lanes: lanes,
        oldest_snapshot: snapshot.map(Duration::from_secs),
        repeated: lanes,
        ..StoreFacts::default()
    };
    for (one, two, both) in [
        (facts(3, None, 1), facts(5, Some(2), 10), facts(5, Some(2), 11)),
        (facts(5, Some(7), 10), facts(3, Some(2), 1), facts(5, Some(7), 11)),
    ] {
        let store = Pods::new("one", FixedFacts(one)).pod("two", FixedFacts(two));
        assert_eq!(store.facts().unwrap(), both);
    }
}

#[test]
fn parts_of_the_same_name_are_added_up() {
    let facts = |parts: &[(&'static str, u64, u64)]| {
        let part = |&(name, bytes, dead)| StorePart { name, bytes, dead };
        StoreFacts { parts: parts.iter().map(part).collect(), ..StoreFacts::default() }
    };
    let one = FixedFacts(facts(&[("lp_entry", 100, 3), ("lp_lane", 7, 1)]));
    let two = FixedFacts(facts(&[("lp_lane", 20, 4), ("journal", 9, 2)]));
    assert_eq!(
        Pods::new("one", one).pod("two", two).facts().unwrap(),
        facts(&[("lp_entry", 100, 3), ("lp_lane", 27, 5), ("journal", 9, 2)])
    );
}

/// A store that is out, and has no facts.
struct NoFacts;

impl Store for NoFacts {
    fn perform(&self, _: Request) -> Result<Answer, StoreError> {
        Err(unavailable("it is out"))
    }

    fn facts(&self) -> Result<StoreFacts, StoreError> {
        Err(unavailable("it is out"))
    }
}

#[test]
fn facts_fail_if_no_pod_has_any() {
    let facts = || StoreFacts { due_lanes: 5, ..StoreFacts::default() };
    let last = Pods::new("one", FixedFacts(facts())).pod("two", NoFacts);
    let first = Pods::new("one", NoFacts).pod("two", FixedFacts(facts()));
    for store in [last, first] {
        assert_eq!(store.facts().unwrap(), facts());
    }
    let none = Pods::new("one", NoFacts).pod("two", NoFacts);
    assert_eq!(none.facts().unwrap_err().to_string(), "it is out");
}

#[test]
fn pods_are_sealed_if_all_of_them_are() {
    let sealed = || Sealed::new(Memory::new(), StoreKey::from_bytes(&[7; 32]));
    assert!(Pods::new("one", sealed()).pod("two", sealed()).is_sealed());
    assert!(!Pods::new("one", sealed()).pod("two", Memory::new()).is_sealed());
    assert!(!Pods::new("one", Memory::new()).pod("two", sealed()).is_sealed());
}
