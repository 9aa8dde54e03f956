//! Checks that all clients do the same work.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::{ClientKind, Progress, start};
use crate::bench_server;

/// A received message: the request line, the headers, and the body without the request's id.
type Message = (String, BTreeMap<String, String>, String);

/// The message that a client sends.
fn one_message(kind: ClientKind) -> Message {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let progress = Arc::new(Progress::default());
    // The client stops after the first message.
    progress.stopped.store(true, std::sync::atomic::Ordering::Relaxed);
    let sending = {
        let (base, progress) = (base.clone(), progress.clone());
        std::thread::spawn(move || start(kind, 1, &base, &progress).unwrap())
    };
    let watch = {
        let seen = seen.clone();
        Arc::new(move |bytes: &[u8]| seen.lock().unwrap().push(bytes.to_vec()))
    };
    runtime.block_on(async {
        let serving = tokio::spawn(bench_server::serve(listener, Some(watch)));
        while !sending.is_finished() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        serving.abort();
    });
    sending.join().unwrap();
    let seen = seen.lock().unwrap();
    let last = seen.last().unwrap();
    parse_message(&String::from_utf8(last.clone()).unwrap(), &base)
}

fn parse_message(message: &str, base: &str) -> Message {
    let (head, body) = message.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let first = lines.next().unwrap().to_owned();
    let host = base.strip_prefix("http://").unwrap();
    let headers = lines
        .map(|line| line.split_once(": ").unwrap())
        // These differ between clients; ureq adds the second.
        .filter(|(name, _)| {
            !["user-agent", "accept-encoding"].contains(&name.to_lowercase().as_str())
        })
        .map(|(name, value)| (name.to_lowercase(), value.replace(host, "HOST")))
        .collect();
    let mut body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["id"].take().as_str().map(str::len), Some(36));
    (first, headers, body.to_string())
}

#[test]
fn every_client_sends_the_same_message() {
    let first = one_message(ClientKind::OnUreq);
    assert!(first.0.starts_with("POST /api/account/91827364/messaging/"), "{}", first.0);
    for kind in ClientKind::ALL {
        assert_eq!(one_message(kind), first, "{}", kind.name());
    }
}
