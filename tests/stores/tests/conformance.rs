//! Every store keeps every law, and every fault is found.

use std::collections::BTreeSet;

use lp_connector_stores::{
    CASES, MemoryEngine, ModelEngine, Plant, PostgresEngine, PostgresServer, SqliteEngine, broken,
};

#[test]
fn the_memory_store_keeps_all_laws() {
    assert_eq!(broken(&|| Box::new(MemoryEngine::default())), Vec::<&str>::new());
}

#[test]
fn the_model_keeps_all_laws() {
    assert_eq!(broken(&|| Box::new(ModelEngine::default())), Vec::<&str>::new());
}

#[test]
fn sqlite_keeps_all_laws() {
    let directory = tempfile::tempdir().unwrap();
    let number = std::cell::Cell::new(0);
    let found = broken(&|| {
        number.set(number.get() + 1);
        let path = directory.path().join(format!("{}.db", number.get()));
        Box::new(SqliteEngine::new(path))
    });
    assert_eq!(found, Vec::<&str>::new());
}

#[test]
fn postgres_keeps_all_laws() {
    let Some(server) = PostgresServer::from_env() else { return };
    assert_eq!(broken(&|| Box::new(PostgresEngine::new(&server))), Vec::<&str>::new());
}

#[test]
fn every_planted_fault_breaks_a_case() {
    let is_found = |plant: &&Plant| {
        CASES.iter().any(|case| case.finds_fault(|| Box::new(ModelEngine::with(**plant))))
    };
    let survived: Vec<_> = Plant::ALL.iter().filter(|plant| !is_found(plant)).collect();
    assert!(survived.is_empty(), "no case finds {survived:?}");
}

#[test]
fn every_law_has_cases_with_names_of_their_own() {
    let laws: BTreeSet<u8> = CASES.iter().map(|case| case.law).collect();
    assert_eq!(laws, (1..=8).collect());
    let names: BTreeSet<&str> = CASES.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), CASES.len());
    assert!(names.iter().all(|name| name.len() < 60));
}
