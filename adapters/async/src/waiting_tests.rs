//! Calls that wait for what another one fetches.

use std::cell::Cell;

use lp_connector_core::api::AuthorizeApp;
use lp_connector_core::connector::Call;

use crate::world_tests::{Peer, SECOND, Task, World, call, config, driver};

const LOOKUP: &str = r#"{"service":"sentinel","account":"91827364","baseURI":"127.0.0.1:1"}"#;
const TOKEN: &str = r#"{"access_token":"x.y.z","token_type":"bearer","expires_in":3600}"#;

/// A connection for each request, as two that come together need.
fn closing(body: &str, after: std::time::Duration) -> Peer {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    Peer { answers: vec![(after, (head + body).into_bytes())], ..Peer::silent() }
}

#[test]
fn a_dropped_call_wakes_one_that_waits_already() {
    let at_once = std::time::Duration::ZERO;
    let world = World::new([Peer::silent(), closing(LOOKUP, at_once), closing(TOKEN, at_once)]);
    let driver = driver(&world, config("http://127.0.0.1:1"));
    let mut fetches = Task::new(call(&driver, AuthorizeApp::new()));
    let mut waits = Task::new(call(&driver, AuthorizeApp::new()));
    assert!(fetches.poll().is_none() && waits.poll().is_none());
    assert_eq!(world.connections(), 1, "the second waits for the first");
    drop(fetches);
    assert!(waits.poll().is_some_and(|result| result.is_ok()), "nobody has woken it");
    assert!(world.elapsed().is_zero());
}

#[test]
fn all_that_wait_are_woken_at_once() {
    let at_once = std::time::Duration::ZERO;
    let world = World::new([closing(LOOKUP, SECOND), closing(TOKEN, at_once)]);
    let driver = driver(&world, config("http://127.0.0.1:1"));
    let mut calls = [(); 5].map(|()| Task::new(call(&driver, AuthorizeApp::new())));
    assert!(calls.iter_mut().all(|call| call.poll().is_none()));
    world.advance(SECOND);
    for call in &mut calls {
        assert!(call.poll().is_some_and(|result| result.is_ok()), "it sleeps on");
    }
}

/// Between its last look and its sleep.
#[test]
fn what_comes_while_a_call_lies_down_is_not_missed() {
    let at_once = std::time::Duration::ZERO;
    // The reading of the clock in which the other call goes on; enough for all of the first poll.
    for reading in 0..8_i8 {
        let world = World::new([closing(LOOKUP, SECOND), closing(TOKEN, at_once)]);
        let driver = driver(&world, config("http://127.0.0.1:1"));
        let other = Cell::new(Some(Task::new(call(&driver, AuthorizeApp::new()))));
        let go_on = || {
            let mut task = other.take()?;
            let done = task.poll().is_some();
            other.set(Some(task));
            Some(done)
        };
        assert_eq!(go_on(), Some(false));
        let left = Cell::new(i32::from(reading));
        let seed = lp_connector_tls::seed().unwrap();
        let waiting = Call::new(AuthorizeApp::new(), driver.config(), seed, world.now());
        let clock = || {
            // Not within the lock of the state, which the other one needs.
            if driver.state.try_lock().is_ok() {
                if left.get() == 0 {
                    world.advance(SECOND);
                    go_on();
                }
                left.set(left.get() - 1);
            }
            world.now()
        };
        let mut waits = Task::new(driver.drive(waiting, clock));
        let mut done = waits.poll().is_some();
        if left.get() >= 0 {
            assert!(left.get() < i32::from(reading), "it has not read the clock");
            return;
        }
        done = done || waits.poll().is_some();
        assert!(done, "it sleeps on after reading {reading}");
    }
    panic!("a first poll that reads the clock eight times");
}
