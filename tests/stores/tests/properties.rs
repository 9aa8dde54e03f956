//! Random runs: the stores answer alike, and keep the laws.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test reports by panicking")]

mod laws;
mod random;

use lp_connector_core::bridge::store::{Answer, LaneKind, Listed, Request, Store};
use lp_connector_stores::{
    Engine, MemoryEngine, ModelEngine, Plant, PostgresEngine, PostgresServer, SqliteEngine,
};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use self::laws::Laws;
use self::random::{Op, Run, cells, lanes, ops};

/// Everything that a store tells without being changed.
fn everything() -> Vec<Request> {
    let kinds = LaneKind::ALL.iter().map(|kind| Listed::Lanes { account: None, kind: *kind });
    let whats = kinds.chain(lanes().into_iter().map(Listed::Lane));
    whats
        .map(|what| Request::List { what, after: None, limit: 100 })
        .chain([Request::Read(cells())])
        .collect()
}

/// Asks both the same. `look_each` looks at everything after each request, and not only at the end.
fn run_both(
    one: &dyn Engine,
    other: &dyn Engine,
    ops: &[Op],
    look_each: bool,
) -> Result<(), TestCaseError> {
    let (mut run, mut laws) = (Run::default(), Laws::default());
    let (a, b) = (one.connect(), other.connect());
    let same = |a: &dyn Store, b: &dyn Store, request: Request| -> Result<Answer, TestCaseError> {
        let (left, right) =
            (a.perform(request.clone()).unwrap(), b.perform(request.clone()).unwrap());
        prop_assert_eq!(&left, &right, "the answers to {:?}", request);
        Ok(left)
    };
    for (at, op) in ops.iter().enumerate() {
        match run.request(op) {
            Ok(request) => {
                let answer = same(&*a, &*b, request.clone())?;
                run.learn(&request, &answer);
                laws.check(&request, &answer, one.clock().now())?;
            }
            Err(wait) => {
                one.clock().advance(wait);
                other.clock().advance(wait);
            }
        }
        if look_each || at + 1 == ops.len() {
            for request in everything() {
                same(&*a, &*b, request)?;
            }
        }
    }
    Ok(())
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

#[test]
fn the_memory_store_answers_as_the_model() {
    let check =
        |ops: Vec<Op>| run_both(&MemoryEngine::default(), &ModelEngine::default(), &ops, true);
    TestRunner::new(config(500)).run(&ops(), check).unwrap();
}

#[test]
fn sqlite_answers_as_the_memory_store() {
    let directory = tempfile::tempdir().unwrap();
    let number = std::cell::Cell::new(0);
    let check = |ops: Vec<Op>| {
        number.set(number.get() + 1);
        let path = directory.path().join(format!("{}.db", number.get()));
        run_both(&SqliteEngine::new(path), &MemoryEngine::default(), &ops, false)
    };
    TestRunner::new(config(60)).run(&ops(), check).unwrap();
}

#[test]
fn postgres_answers_as_the_memory_store() {
    let Some(server) = PostgresServer::from_env() else { return };
    let check = |ops: Vec<Op>| {
        run_both(&PostgresEngine::new(&server), &MemoryEngine::default(), &ops, false)
    };
    TestRunner::new(config(40)).run(&ops(), check).unwrap();
}

#[test]
fn random_runs_find_every_planted_fault() {
    let survives = |plant: &&Plant| {
        let check = |ops: Vec<Op>| {
            run_both(&MemoryEngine::default(), &ModelEngine::with(**plant), &ops, true)
        };
        let quiet = ProptestConfig { max_shrink_iters: 0, ..config(2000) };
        TestRunner::new_with_rng(quiet, rng()).run(&ops(), check).is_ok()
    };
    // Random times seldom end a nanosecond apart, and random bodies are small: the cases find these two.
    let rare = [Plant::TermEndsEarly, Plant::ClaimUnbounded];
    let all = Plant::ALL.iter().filter(|plant| !rare.contains(plant));
    let survived: Vec<_> = all.filter(survives).collect();
    assert!(survived.is_empty(), "no run finds {survived:?}");
}

fn rng() -> proptest::test_runner::TestRng {
    use proptest::test_runner::{RngAlgorithm, TestRng};
    TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32])
}
