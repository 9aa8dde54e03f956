//! Servers with a standby: the store is refused where a fail-over would lose what it answered, and found again after
//! one.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::time::{Duration, Instant};

use lp_connector_core::bridge::store::{
    Answer, Entry, Holder, LaneId, LaneKind, Request, Store, StoreError, StoreErrorKind,
};
use lp_connector_core::id::AccountId;
use lp_connector_postgres::{Postgres, PostgresOptions};
use lp_connector_stores::{Cluster, Replication, Stop};

fn append(number: u32) -> Request {
    let account = AccountId::new("91827364").unwrap();
    let lane = LaneId::new(account, LaneKind::Consumer, format!("c{}", number % 3));
    Request::Append(vec![Entry { lane, body: number.to_string().into_bytes() }])
}

/// Every entry that waits.
fn bodies(store: &Postgres) -> Vec<u32> {
    let (lanes, entries, term) = (usize::MAX, usize::MAX, Duration::from_secs(3600));
    let claim = Request::Claim { holder: Holder(1), lanes, entries, term, speaks: 1 };
    let Answer::Claimed(claimed) = repeat(|| store.perform(claim.clone())) else { panic!() };
    let bodies = claimed.into_iter().flat_map(|lane| lane.entries);
    bodies.map(|(_, body)| String::from_utf8(body).unwrap().parse().unwrap()).collect()
}

/// Asks again until the store is there.
fn repeat(mut ask: impl FnMut() -> Result<Answer, StoreError>) -> Answer {
    let until = Instant::now() + Duration::from_secs(120);
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(error) => {
                assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
                assert!(Instant::now() < until, "{error}");
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
}

#[test]
fn an_asynchronous_standby_is_refused_with_the_reason() {
    let Some(primary) = Cluster::create().unwrap() else { return };
    drop(Postgres::connect(&primary.url()).unwrap());
    let standby = primary.standby(Replication::Asynchronous).unwrap();
    let error = Postgres::connect(&primary.url()).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Incompatible);
    for words in ["none is synchronous", "last commits are gone", "synchronous_standby_names"] {
        assert!(error.to_string().contains(words), "{error}");
    }
    PostgresOptions::default().accept_loss_on_failover().connect(&primary.url()).unwrap();
    // Set as the words say, it is taken.
    primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'").unwrap();
    primary.sql("SELECT pg_reload_conf()").unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    while let Err(error) = Postgres::connect(&primary.url()) {
        assert!(Instant::now() < until, "{error}");
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(standby);
}

#[test]
fn what_was_answered_is_on_the_promoted_standby() {
    let Some(primary) = Cluster::create().unwrap() else { return };
    let standby = primary.standby(Replication::Synchronous).unwrap();
    let store = Postgres::connect(&primary.url_with(&standby)).unwrap();
    for number in 0..100 {
        store.perform(append(number)).unwrap();
    }
    primary.stop(Stop::Kill).unwrap();
    assert_eq!(store.perform(append(100)).unwrap_err().kind(), StoreErrorKind::Unavailable);
    standby.promote().unwrap();
    let _ = repeat(|| store.perform(append(101)));
    let mut found = bodies(&store);
    found.sort_unstable();
    // What failed may be there.
    found.retain(|number| *number != 100);
    found.dedup();
    assert_eq!(found, (0..100).chain([101]).collect::<Vec<_>>());
}

#[test]
fn nothing_is_answered_while_the_standby_is_deaf() {
    let Some(primary) = Cluster::create().unwrap() else { return };
    let standby = primary.standby(Replication::Synchronous).unwrap();
    let options = PostgresOptions::default().time_limit(Duration::from_secs(1));
    let store = options.connect(&primary.url_with(&standby)).unwrap();
    store.perform(append(0)).unwrap();
    standby
        .deafen(|| {
            for number in 1..10 {
                let error = store.perform(append(number)).unwrap_err();
                assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
            }
        })
        .unwrap();
    let _ = repeat(|| store.perform(append(10)));
}

#[test]
fn a_killed_server_recovers_what_it_answered() {
    let Some(cluster) = Cluster::create().unwrap() else { return };
    let store = Postgres::connect(&cluster.url()).unwrap();
    for (round, how) in [Stop::Immediate, Stop::Kill, Stop::Fast].into_iter().enumerate() {
        let first = u32::try_from(round).unwrap() * 10;
        for number in first..first + 10 {
            let _ = repeat(|| store.perform(append(number)));
        }
        cluster.stop(how).unwrap();
        assert_eq!(store.perform(append(99)).unwrap_err().kind(), StoreErrorKind::Unavailable);
        cluster.start().unwrap();
    }
    let mut found = bodies(&store);
    found.sort_unstable();
    found.retain(|number| *number != 99);
    assert_eq!(found, (0..30).collect::<Vec<_>>());
}
