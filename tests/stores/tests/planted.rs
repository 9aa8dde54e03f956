//! The functions on the PostgreSQL server, and each fault that they might have.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::collections::BTreeSet;
use std::sync::Mutex;

use lp_connector_postgres::{Postgres, PostgresOptions};
use lp_connector_stores::{
    CASES, Finder, PLANTED_SQL, PlantedSql, PostgresEngine, PostgresServer, Trap,
    one_wins_each_swap, storm,
};

/// Most of the time, each waits for the server.
const THREADS: usize = 3;

fn two(url: &str) -> [Postgres; 2] {
    let connect = || {
        PostgresOptions::default()
            .accept_loss_on_failover()
            .accept_loss_in_crash()
            .connect(url)
            .unwrap()
    };
    [connect(), connect()]
}

/// A store in a schema of its own, with nothing planted.
fn sound(server: &PostgresServer) -> String {
    let url = server.new_schema();
    drop(two(&url));
    url
}

#[test]
fn postgres_under_many_at_once_loses_nothing() {
    let Some(server) = PostgresServer::from_env() else { return };
    assert_eq!(storm(&two(&sound(&server))), BTreeSet::new());
}

#[test]
fn postgres_lets_one_of_those_who_swap_a_cell_succeed() {
    let Some(server) = PostgresServer::from_env() else { return };
    assert!(one_wins_each_swap(&two(&sound(&server))));
}

#[test]
fn postgres_is_in_no_trap() {
    let Some(server) = PostgresServer::from_env() else { return };
    let open: Vec<&Trap> = Trap::ALL.iter().filter(|trap| trap.is_open(&sound(&server))).collect();
    assert!(open.is_empty(), "{open:?}");
}

fn is_found(server: &PostgresServer, planted: &PlantedSql) -> bool {
    match planted.found_by {
        Finder::Case(name) => {
            let case = CASES.iter().find(|case| case.name == name).unwrap();
            case.finds_fault(|| Box::new(PostgresEngine::with(server, planted)))
        }
        Finder::Storm(disorders) => {
            // It depends on who meets whom. The same fault is found without chance, by a case or a trap.
            (0..20).any(|_| {
                let found = storm(&two(&server.planted_schema(planted)));
                disorders.iter().any(|disorder| found.contains(disorder))
            })
        }
        Finder::Trap(trap) => trap.is_open(&server.planted_schema(planted)),
        _ => false,
    }
}

#[test]
fn every_fault_planted_in_postgres_is_found() {
    let Some(server) = PostgresServer::from_env() else { return };
    let only = std::env::var("LP_TEST_PLANTED").unwrap_or_default();
    let planted = PLANTED_SQL.iter().filter(|planted| planted.name.contains(&only));
    let (left, survived) = (Mutex::new(planted), Mutex::new(Vec::new()));
    let next = || left.lock().unwrap().next();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(planted) = next() {
                    if !is_found(&server, planted) {
                        survived.lock().unwrap().push(planted.name);
                    }
                }
            });
        }
    });
    let survived = survived.into_inner().unwrap();
    assert!(survived.is_empty(), "nothing finds {survived:?}");
}

#[test]
fn every_fault_planted_in_postgres_has_a_name_of_its_own() {
    let names: BTreeSet<&str> = PLANTED_SQL.iter().map(|planted| planted.name).collect();
    assert_eq!(names.len(), PLANTED_SQL.len());
    // A text that is no longer there panics.
    assert!(PLANTED_SQL.iter().all(|planted| !planted.functions().is_empty()));
}

#[test]
fn a_fault_that_a_storm_finds_is_found_without_chance_too() {
    let (by_storm, by_others): (Vec<_>, Vec<_>) =
        PLANTED_SQL.iter().partition(|planted| matches!(planted.found_by, Finder::Storm(_)));
    for planted in by_storm {
        let is_same = |other: &&PlantedSql| other.functions() == planted.functions();
        assert!(by_others.iter().any(is_same), "{}", planted.name);
    }
}
