//! Calls that are given up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use lp_connector_core::api::{AuthorizeApp, IdentifyConsumer, SendText};
use lp_connector_core::connector::EventKind;
use lp_connector_sandbox::Endpoint;

use crate::Adapter;
use crate::fixtures::{ada, cloud, config, open};

/// A panic while the call fetches the token that others need.
pub fn a_panic_strands_no_other_call<A: Adapter>() {
    let server = cloud(&["token:1=503"]);
    let first = Arc::new(AtomicBool::new(true));
    let config = config(&server).observer(move |event| {
        if matches!(event.kind, EventKind::Retry { .. }) {
            assert!(!first.swap(false, Ordering::Relaxed), "a panic on purpose");
        }
    });
    let client = A::new(config).unwrap();
    let panicking = client.clone();
    assert!(thread::spawn(move || panicking.call(AuthorizeApp::new()).is_ok()).join().is_err());
    client.call(AuthorizeApp::new()).unwrap();
}

/// A panic while another call waits already for what is fetched: it is woken.
pub fn a_panic_wakes_a_call_that_waits<A: Adapter>() {
    let server = cloud(&[]);
    let (reached, reaches) = mpsc::channel();
    let (go, goes) = mpsc::channel::<()>();
    let (first, goes) = (AtomicBool::new(true), Mutex::new(goes));
    let config = config(&server).observer(move |event| {
        // The host is known, and the call is to request the token.
        if matches!(event.kind, EventKind::Answered { .. }) && first.swap(false, Ordering::Relaxed)
        {
            reached.send(()).unwrap();
            let _ = goes.lock().unwrap().recv();
            panic!("a panic on purpose");
        }
    });
    // The lease would end by itself long after the second call has.
    let client = A::new(config.attempt_timeout(Duration::from_secs(60))).unwrap();
    let panicking = client.clone();
    let panics = thread::spawn(move || panicking.call(AuthorizeApp::new()).is_ok());
    reaches.recv().unwrap();
    let waits = thread::spawn(move || {
        client.call_with(AuthorizeApp::new(), Some(Duration::from_secs(20)), None)
    });
    // It waits by then. On a busy machine it may not, and finds that nobody fetches.
    thread::sleep(Duration::from_millis(100));
    drop(go);
    assert!(panics.join().is_err());
    waits.join().unwrap().unwrap();
}

/// A future is dropped while it fetches the token that another call waits for.
pub fn a_dropped_call_strands_no_other_call<A: Adapter>() {
    let server = cloud(&["token:1=delay:60s"]);
    // The lease would end by itself long after the second call is given up.
    let patient = config(&server).attempt_timeout(Duration::from_secs(60));
    let client = A::new(patient.call_timeout(Duration::from_secs(60))).unwrap();
    let mut pause = Duration::from_millis(100);
    let is_dropped = loop {
        let is_dropped = client.drop_after(AuthorizeApp::new(), pause);
        // Where the machine is busy, it has not left yet.
        if !is_dropped || server.requests(Endpoint::Token) > 0 {
            break is_dropped;
        }
        pause *= 2;
    };
    if is_dropped {
        let given_up = client.drop_after(AuthorizeApp::new(), Duration::from_secs(10));
        assert!(!given_up, "it waited for a lease that nobody holds");
        assert_eq!(server.requests(Endpoint::Token), 2);
    }
}

/// A future is dropped at each of its polls, from the first to the last.
pub fn a_call_dropped_at_any_poll_strands_no_other_call<A: Adapter>() {
    for polls in 0..200 {
        let server = cloud(&[]);
        let client = A::new(config(&server)).unwrap();
        let dropped = client.drop_at_poll(IdentifyConsumer::new(ada()), polls);
        client.call(IdentifyConsumer::new(ada())).unwrap();
        assert!(server.requests(Endpoint::Token) <= 2);
        if !dropped {
            return;
        }
    }
    panic!("a call that takes 200 polls");
}

/// A future is dropped while its response is on the way: no later call reads that response.
pub fn a_dropped_call_leaves_no_half_read_connection<A: Adapter>() {
    let server = cloud(&[]);
    let client = A::new(config(&server)).unwrap();
    let conversation = open(&client);
    for millis in [0, 1, 2, 5, 10, 20, 50] {
        server.with(|cloud| cloud.clear_faults());
        server.with(|cloud| cloud.fault("send:1=slow".parse().unwrap()));
        let text = SendText::new(&conversation, "dropped");
        client.drop_after(text, Duration::from_millis(millis));
        server.with(|cloud| cloud.clear_faults());
        let before = server.with(|cloud| {
            let last = cloud.messages().iter().rev().find_map(|message| message.sequence);
            last.map_or(0, |last| last + 1)
        });
        let sent = client.call(SendText::new(&conversation, "kept")).unwrap();
        assert!(sent.output.sequence >= Some(before), "the response to another request");
    }
}

/// Futures are dropped while each holds a connection, more of them than there may be connections.
pub fn dropped_calls_free_their_connections<A: Adapter>() {
    let server = cloud(&["send:1-5=delay:60s"]);
    let patient = config(&server).attempt_timeout(Duration::from_secs(60));
    let client = A::new(patient.max_connections(2)).unwrap();
    let conversation = open(&client);
    let text = SendText::new(&conversation, "one");
    let mut pause = Duration::from_millis(50);
    while server.requests(Endpoint::Send) < 5 {
        let before = server.requests(Endpoint::Send);
        if !client.drop_after(text.clone(), pause) {
            return;
        }
        if server.requests(Endpoint::Send) == before {
            // The machine is busy: it has not left yet.
            pause *= 2;
        }
    }
    client.call(text).unwrap();
}
