//! Moves that are cut off anywhere, and taken up again. The tests of the stores move accounts under load.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use lp_connector_core::bridge::store::{
    Answer, Cell, CellId, Claimed, Commit, Entry, Holder, LaneId, LaneKind, Lease, Listed, Next,
    Record, Request, Store,
};

use super::*;
use crate::migration::tests::Schema;
use crate::{Postgres, PostgresOptions};

const HOUR: Duration = Duration::from_secs(3600);

fn account(name: &str) -> AccountId {
    AccountId::new(name).unwrap()
}

fn lane(of: &AccountId, key: &str) -> LaneId {
    LaneId::new(of.clone(), LaneKind::Consumer, key)
}

fn options() -> PostgresOptions {
    PostgresOptions::default().accept_loss_on_failover().accept_loss_in_crash()
}

fn append(store: &Postgres, lane: &LaneId, body: u8) -> Result<Answer, StoreError> {
    store.perform(Request::Append(vec![Entry { lane: lane.clone(), body: vec![body] }]))
}

fn claim(store: &Postgres) -> Vec<Claimed> {
    let claim = Request::Claim { holder: Holder(7), lanes: 99, entries: 9, term: HOUR, speaks: 1 };
    let Answer::Claimed(claimed) = store.perform(claim).unwrap() else { panic!() };
    claimed
}

fn commit(store: &Postgres, commit: Commit) -> bool {
    let Answer::Committed(done) = store.perform(Request::Commit(vec![commit])).unwrap() else {
        panic!()
    };
    done[0].is_some()
}

fn cell(of: &AccountId, key: &str) -> CellId {
    CellId { account: of.clone(), key: key.into() }
}

fn swap(store: &Postgres, of: &AccountId, seen: u64, value: u8) -> Result<Answer, StoreError> {
    let life = Some(HOUR).filter(|_| value > 1);
    let value = vec![value];
    store.perform(Request::Swap { cell: cell(of, "c"), seen, value, life })
}

fn read(store: &Postgres, of: &AccountId) -> Result<Cell, StoreError> {
    let Answer::Cells(cells) = store.perform(Request::Read(vec![cell(of, "c")]))? else { panic!() };
    Ok(cells[0].clone().unwrap())
}

fn list(store: &Postgres, of: Option<&AccountId>) -> Result<Vec<LaneId>, StoreError> {
    let what = Listed::Lanes { account: of.cloned(), kind: LaneKind::Consumer };
    let Answer::Listed(lanes) = store.perform(Request::List { what, after: None, limit: 99 })?
    else {
        panic!()
    };
    Ok(lanes.into_iter().map(|one| one.summary.lane).collect())
}

/// A lane that is held, one that is due in an hour, one that is idle, one with entries, and a cell.
fn fill(store: &Postgres, of: &AccountId) -> Claimed {
    for key in ["held", "later", "idle"] {
        append(store, &lane(of, key), 1).unwrap();
    }
    let record = || Record { version: 1, body: b"r".to_vec() };
    let mut held = None;
    for one in claim(store) {
        let done = |next| {
            Commit::new(one.lane.clone(), one.fence, Holder(7))
                .record(record())
                .through(1)
                .next(next)
        };
        match one.lane.key() {
            "later" => assert!(commit(store, done(Next::After(HOUR)))),
            "idle" => assert!(commit(store, done(Next::Idle))),
            _ => held = Some(one),
        }
    }
    for body in 1..=3 {
        append(store, &lane(of, "full"), body).unwrap();
    }
    swap(store, of, 0, 1).unwrap();
    held.unwrap()
}

/// What is there of an account, without ids and with times by the minute.
fn content(schema: &Schema, of: &AccountId) -> String {
    let sql = format!(
        "SELECT coalesce(string_agg(concat_ws(' ', kind, key, held, encode(holder, 'hex'), fence, committed_from, head, tail, version,
                encode(record, 'hex'), (due - lp_now()) / 60000000000,
                (SELECT string_agg(number || encode(body, 'hex'), ',' ORDER BY number) FROM lp_entry WHERE lane = id)), '; ' ORDER BY key), '')
            || (SELECT coalesce(string_agg(concat_ws(' ', key, version, encode(value, 'hex')), '; ' ORDER BY key), '')
                FROM lp_cell WHERE account = '{of}')
        FROM lp_lane WHERE account = '{of}'"
    );
    schema.text(&sql)
}

fn schemas() -> Option<[Schema; 2]> {
    Some([Schema::create()?, Schema::create()?])
}

fn stores(schemas: &[Schema; 2]) -> [Postgres; 2] {
    [options().connect(&schemas[0].url).unwrap(), options().connect(&schemas[1].url).unwrap()]
}

fn start(schemas: &[Schema; 2], of: &AccountId) -> Result<Moved, StoreError> {
    options().move_account(of, &schemas[0].url, &schemas[1].url)
}

#[test]
fn an_account_moves_with_all_that_it_has() {
    let Some(schemas) = schemas() else { return };
    let [from, to] = stores(&schemas);
    let (own, other) = (account("moves"), account("stays"));
    fill(&from, &other);
    let held = fill(&from, &own);
    let before = content(&schemas[0], &own);
    let stays = content(&schemas[0], &other);
    assert_eq!(start(&schemas, &own).unwrap(), Moved { lanes: 4, entries: 4, cells: 1 });
    assert_eq!(content(&schemas[1], &own), before);
    assert_eq!((content(&schemas[0], &own), content(&schemas[0], &other)), (String::new(), stays));
    // In the old database there is nothing for anybody.
    for refused in [
        append(&from, &lane(&own, "new"), 1).unwrap_err(),
        swap(&from, &own, 0, 1).unwrap_err(),
        read(&from, &own).unwrap_err(),
    ] {
        assert_eq!(refused.kind(), Kind::Moved, "{refused}");
    }
    let late = || Commit::new(held.lane.clone(), held.fence, Holder(7)).through(1);
    assert!(!commit(&from, late()));
    append(&from, &lane(&other, "new"), 1).unwrap();
    assert_eq!(list(&from, Some(&own)).unwrap_err().kind(), Kind::Moved);
    assert!(list(&from, None).unwrap().iter().all(|lane| *lane.account() == other));
    assert_eq!(list(&to, Some(&own)).unwrap().len(), 4);
    // In the new one all goes on: what is due, numbers, versions, and a lease that still holds.
    let claimed = claim(&to);
    assert_eq!(claimed.len(), 1);
    let numbers: Vec<u64> = claimed[0].entries.iter().map(|(number, _)| *number).collect();
    assert_eq!((claimed[0].lane.key(), numbers), ("full", vec![1, 2, 3]));
    assert!(claimed[0].fence > held.fence);
    let seen = read(&to, &own).unwrap().version;
    assert_eq!(swap(&to, &own, seen, 2).unwrap(), Answer::Swapped(true));
    assert!(read(&to, &own).unwrap().version > seen);
    assert!(commit(&to, late()));
    assert!(start(&schemas, &own).unwrap().lanes > 0, "again changes nothing");
}

#[test]
fn a_moved_account_moves_back() {
    let Some(schemas) = schemas() else { return };
    let [from, to] = stores(&schemas);
    let own = account("moves");
    fill(&from, &own);
    start(&schemas, &own).unwrap();
    append(&to, &lane(&own, "there"), 1).unwrap();
    let there = content(&schemas[1], &own);
    let back = options().move_account(&own, &schemas[1].url, &schemas[0].url).unwrap();
    assert_eq!(back, Moved { lanes: 5, entries: 5, cells: 1 });
    assert_eq!(content(&schemas[0], &own), there);
    append(&from, &lane(&own, "here"), 1).unwrap();
    assert_eq!(append(&to, &lane(&own, "here"), 1).unwrap_err().kind(), Kind::Moved);
}

#[test]
fn a_move_is_refused_that_would_mix_or_lose() {
    let Some(schemas) = schemas() else { return };
    let third = Schema::create().unwrap();
    let [from, to] = stores(&schemas);
    let own = account("moves");
    let refused = |one: &Schema, other: &Schema, words: &str| {
        let error = options().move_account(&own, &one.url, &other.url).unwrap_err();
        assert_eq!(error.kind(), Kind::Refused);
        assert!(error.to_string().contains(words), "{error}");
    };
    let [one, other] = &schemas;
    refused(one, other, "has nothing of the account");
    swap(&from, &own, 0, 1).unwrap();
    refused(one, one, "the same database");
    assert_eq!(one.ask("SELECT count(*) FROM lp_closed"), 0);
    swap(&from, &own, read(&from, &own).unwrap().version, 1).unwrap();
    fill(&to, &own);
    append(&from, &lane(&own, "x"), 1).unwrap();
    refused(one, other, "both databases have lanes");
    // Both are as they were.
    append(&from, &lane(&own, "x"), 1).unwrap();
    append(&to, &lane(&own, "x"), 1).unwrap();
    // A move that is not over goes on to where it began to go.
    let leaves = "SELECT count(*) FROM lp_closed WHERE state = 1";
    let mut steps = (1..).map(|steps| one.runtime.block_on(cut(&own, other, &third, steps)));
    while other.ask(leaves) == 0 {
        steps.next().unwrap().unwrap_err();
    }
    refused(other, one, "another move");
    options().move_account(&own, &other.url, &third.url).unwrap();
}

#[test]
fn only_states_of_one_move_fit_together() {
    let Some(schemas) = schemas() else { return };
    let [from, to] = stores(&schemas);
    // -1 for none, and those of the second migration.
    for (here, there) in (-1..5).flat_map(|here| (-1..5).map(move |there| (here, there))) {
        for is_one in [true, false] {
            let own = account(&format!("from{here}to{there}by{is_one}"));
            append(&from, &lane(&own, "x"), 1).unwrap();
            let names = ["one", if is_one { "one" } else { "other" }];
            for (schema, (state, name)) in schemas.iter().zip([here, there].into_iter().zip(names))
            {
                let sql = format!(
                    "INSERT INTO lp_closed SELECT '{own}', {state}, '{name}' WHERE {state} >= 0"
                );
                schema.run(&mut schema.client(), &sql);
            }
            let fits = match (here, there) {
                (-1 | 0, -1 | 0 | 2 | 3) | (2, -1 | 0) => true,
                (1, 3 | 4) | (2, 4) | (3 | 2, 1) => is_one,
                _ => false,
            };
            let done = start(&schemas, &own);
            assert_eq!(done.is_ok(), fits, "{here} {there} {is_one}: {done:?}");
            let kinds = [Kind::Unavailable, Kind::Moved];
            let is_closed = |store: &Postgres| {
                append(store, &lane(&own, "x"), 1).is_err_and(|error| kinds.contains(&error.kind()))
            };
            match fits {
                true => assert!(is_closed(&from) && !is_closed(&to)),
                false => assert_eq!(
                    (is_closed(&from), is_closed(&to)),
                    ([1, 2, 3].contains(&here), [1, 2, 3].contains(&there))
                ),
            }
        }
    }
}

#[test]
fn a_move_waits_for_what_is_under_way() {
    let Some(schemas) = schemas() else { return };
    let [from, _to] = stores(&schemas);
    let own = account("moves");
    fill(&from, &own);
    let mut other = schemas[0].client();
    let append = "BEGIN; SELECT lp_append(ARRAY['moves'], ARRAY[1::smallint], ARRAY['new'], ARRAY['x'::bytea])";
    schemas[0].run(&mut other, append);
    let urls = [schemas[0].url.clone(), schemas[1].url.clone()];
    let moved = std::thread::scope(|scope| {
        let moves = scope.spawn(|| options().move_account(&own, &urls[0], &urls[1]));
        let waits =
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'lp_closed'::regclass";
        while !moves.is_finished() && schemas[0].ask(waits) == 0 {}
        schemas[0].run(&mut other, "COMMIT");
        moves.join().unwrap().unwrap()
    });
    assert_eq!(moved.lanes, 5);
}

/// Work that is dropped after so many steps.
struct CutOff<F> {
    work: Pin<Box<F>>,
    left: u32,
}

impl<F: Future> Future for CutOff<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        self.work.as_mut().poll(context).map(Some)
    }
}

/// A move that ends after so many steps, if it is not over before.
async fn cut(of: &AccountId, from: &Schema, to: &Schema, steps: u32) -> Result<Moved, StoreError> {
    let options = options();
    let server = |url: &str| Server::new(url, &options).unwrap();
    let (from, to) = (server(&from.url), server(&to.url));
    let work = Box::pin(move_account(&options, of, &from, &to));
    CutOff { work, left: steps }.await.unwrap_or_else(|| Err(refused("it is cut off")))
}

#[test]
fn a_mover_that_was_away_harms_nothing() {
    let Some(schemas) = schemas() else { return };
    let [from, to] = stores(&schemas);
    let way = |of: &AccountId, from: usize, to: usize| {
        options().move_account(of, &schemas[from].url, &schemas[to].url)
    };
    for steps in 1.. {
        let own = account(&format!("moves{steps}"));
        fill(&from, &own);
        let options = options();
        let server = |at: usize| Server::new(&schemas[at].url, &options).unwrap();
        let (source, target) = (server(0), server(1));
        let work = Box::pin(move_account(&options, &own, &source, &target));
        let mut late = CutOff { work, left: steps };
        let begun = schemas[0].runtime.block_on(&mut late);
        // Another one ends the move; then the account moves back, and is at work.
        way(&own, 0, 1).unwrap();
        way(&own, 1, 0).unwrap();
        append(&from, &lane(&own, "back"), 1).unwrap();
        let before = content(&schemas[0], &own);
        late.left = u32::MAX;
        if begun.is_none() {
            let _ = schemas[0].runtime.block_on(&mut late);
        }
        if content(&schemas[0], &own).is_empty() {
            // It began anew, and so it moved what there was.
            assert_eq!(content(&schemas[1], &own), before, "after {steps} steps");
            way(&own, 1, 0).unwrap();
        }
        assert_eq!(content(&schemas[0], &own), before, "after {steps} steps");
        assert_eq!(content(&schemas[1], &own), "", "after {steps} steps");
        append(&from, &lane(&own, "back"), 1).unwrap();
        assert_eq!(append(&to, &lane(&own, "back"), 1).unwrap_err().kind(), Kind::Moved);
        if begun.is_some() {
            break;
        }
    }
}

#[test]
fn a_move_that_is_not_over_can_be_given_up() {
    let Some(schemas) = schemas() else { return };
    let [from, _to] = stores(&schemas);
    let mut given_up = 0;
    for steps in (1..).step_by(3) {
        let own = account(&format!("moves{steps}"));
        fill(&from, &own);
        let before = content(&schemas[0], &own);
        let cut = schemas[0].runtime.block_on(cut(&own, &schemas[0], &schemas[1], steps));
        let is_closed = append(&from, &lane(&own, "idle"), 1).is_err();
        let back = options().move_account(&own, &schemas[1].url, &schemas[0].url);
        match back {
            Ok(_) if is_closed => {
                given_up += 1;
                assert_eq!(content(&schemas[0], &own), before, "after {steps} steps");
                append(&from, &lane(&own, "idle"), 1).unwrap();
            }
            Ok(_) => panic!("nothing was to be given up"),
            // It had not begun, or had come.
            Err(error) => assert_eq!(error.kind(), Kind::Refused, "{error}"),
        }
        if cut.is_ok() {
            break;
        }
    }
    assert!(given_up > 2, "{given_up}");
}

#[test]
fn a_move_waits_for_calls_of_before_the_migration() {
    let Some(schemas) = schemas() else { return };
    let own = account("moves");
    schemas[0].bring_up(&MIGRATIONS[..1]).unwrap();
    // A program of the release before is at it.
    let mut old = schemas[0].client();
    let append =
        "SELECT lp_append(ARRAY['moves'], ARRAY[1::smallint], ARRAY['x'], ARRAY['x'::bytea])";
    schemas[0].run(&mut old, append);
    schemas[0].run(&mut old, &format!("BEGIN; {}", append.replace("'x']", "'y']")));
    let error = start(&schemas, &own).unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    assert!(error.to_string().contains("began before the tables"), "{error}");
    schemas[0].run(&mut old, "COMMIT");
    assert_eq!(start(&schemas, &own).unwrap().lanes, 2);
}

#[test]
fn a_move_that_is_cut_off_anywhere_goes_on() {
    let Some(schemas) = schemas() else { return };
    let [from, to] = stores(&schemas);
    let mut cuts = 0;
    for steps in 1.. {
        let own = account(&format!("moves{steps}"));
        let held = fill(&from, &own);
        let before = content(&schemas[0], &own);
        let is_over =
            schemas[0].runtime.block_on(cut(&own, &schemas[0], &schemas[1], steps)).is_ok();
        cuts += u32::from(!is_over);
        // One of the two takes more, or none as long as the move is not over.
        let opens = |store: &Postgres| append(store, &lane(&own, "full"), 9).is_ok();
        let (is_here, is_there) = match opens(&from) {
            true => (true, false),
            false => (false, opens(&to)),
        };
        assert!(is_there || !is_over, "after {steps} steps");
        // A lease counts where the account is open, and nowhere else.
        let late =
            || Commit::new(held.lane.clone(), held.fence, Holder(7)).seen(9).next(Next::Hold(HOUR));
        let lease = Lease { lane: held.lane.clone(), fence: held.fence, holder: Holder(7) };
        let extend = Request::Extend { leases: vec![lease], term: 2 * HOUR };
        if is_there {
            // It has its own time, which the end of the move does not shorten.
            assert_eq!(to.perform(extend.clone()).unwrap(), Answer::Extended(vec![true]));
        }
        if !is_here {
            let extended = from.perform(extend).unwrap();
            assert_eq!(extended, Answer::Extended(vec![false]), "after {steps} steps");
            assert!(!commit(&from, late()), "after {steps} steps");
        }
        // What is claimed before the move has ended is not due again when it has.
        let claimed = if is_there { claim(&to) } else { Vec::new() };
        assert_eq!(claimed.len(), usize::from(is_there));
        let expected = if is_here || is_there { 5 } else { 4 };
        assert_eq!(start(&schemas, &own).unwrap().entries, expected, "after {steps} steps");
        if expected == 4 {
            assert_eq!(content(&schemas[1], &own), before, "after {steps} steps");
        }
        assert_eq!(claim(&to).len(), usize::from(!is_there), "after {steps} steps");
        let left = format!(
            "SELECT (due - lp_now()) / 3600000000000 FROM lp_lane WHERE account = '{own}' AND key = 'held'"
        );
        assert_eq!(schemas[1].ask(&left), i64::from(is_there), "after {steps} steps");
        assert!(commit(&to, late()), "after {steps} steps");
        assert_eq!(content(&schemas[0], &own), "", "after {steps} steps");
        for rest in [
            "SELECT count(*) FROM lp_parked",
            "SELECT count(*) FROM lp_closed WHERE state NOT IN (0, 2)",
        ] {
            assert_eq!((schemas[0].ask(rest), schemas[1].ask(rest)), (0, 0), "after {steps} steps");
        }
        if is_over {
            break;
        }
    }
    assert!(cuts > 20, "{cuts}");
}
