//! Notifications that a sandbox holds back, because its endpoint took none.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

mod program;

use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lp_connector_sandbox::{Server, Webhooks};
use program::bridge::wait_for;
use program::running::Running;
use program::{cloud, http, run, run_at, settings};

/// A sandbox whose notifications lead to where nothing listens.
fn without_listener() -> (Server, SocketAddr) {
    let server = cloud(&[]);
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let webhooks = Webhooks::all_at(format!("http://{free}/")).retention(Duration::from_secs(3600));
    server.with(|cloud| cloud.set_webhooks(webhooks));
    (server, free)
}

/// A command that listens there.
fn start(server: &Server, at: SocketAddr, arguments: &[&str]) -> Running {
    let mut program = Command::new(env!("CARGO_BIN_EXE_lp-connector"));
    program.env_clear().envs(settings(server)).env("LP_WEBHOOK_LISTEN", at.to_string());
    Running::spawn(program.args(arguments).stdin(Stdio::piped()))
}

#[test]
fn who_makes_something_happen_hears_what_is_held_back() {
    let (server, at) = without_listener();
    for arguments in [
        &["trigger", "text"][..],
        &["sandbox", "agent", "--say", "Coo"],
        &["webhook", "replay", "--held"],
    ] {
        let said = run_at(&server, arguments);
        assert_eq!(said.code, Some(0), "{arguments:?}: {}", said.stderr);
        for part in [
            "notifications are held back",
            &format!("as http://{at}/ has taken none"),
            "the sandbox tries again ",
            "`lp-connector webhook replay --held`",
        ] {
            assert!(said.stderr.contains(part), "{arguments:?}, {part}: {}", said.stderr);
        }
        let told = run_at(&server, &[&["--json"], arguments].concat());
        assert_eq!(told.last()["event"], "held_back", "{arguments:?}: {}", told.stdout);
        assert!(told.last()["notifications"].as_u64().is_some_and(|held| held > 1));
    }
}

/// An endpoint that takes notifications only while the flag is set, each after a moment. Returns its URL, and how
/// many it has taken.
fn endpoint(takes: &Arc<AtomicBool>) -> (String, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let (takes, counted) = (Arc::clone(takes), Arc::clone(&taken));
    let url = http::serve(move |request| match takes.load(Ordering::SeqCst) {
        true => {
            // As one that has to do something for it.
            thread::sleep(Duration::from_millis(100));
            counted.fetch_add(1, Ordering::SeqCst);
            request.answer("200 OK", "");
        }
        false => request.answer("503 Service Unavailable", ""),
    });
    (url, taken)
}

#[test]
fn what_an_endpoint_is_taking_is_not_said_to_be_held_back() {
    for arguments in [
        &["webhook", "replay", "--held"][..],
        &["trigger", "text"],
        &["sandbox", "agent", "--say", "Coo"],
    ] {
        let (server, takes) = (cloud(&[]), Arc::new(AtomicBool::new(false)));
        let (url, taken) = endpoint(&takes);
        let webhooks = Webhooks::all_at(url).retention(Duration::from_secs(3600));
        server.with(|cloud| cloud.set_webhooks(webhooks));
        for _ in 0..2 {
            assert_eq!(run_at(&server, &["trigger", "text"]).code, Some(0));
        }
        let waiting = || server.with(|cloud| cloud.notifications_waiting());
        let held = waiting();
        assert!(held >= 3, "{held}");
        takes.store(true, Ordering::SeqCst);
        if !arguments.contains(&"--held") {
            server.with(|cloud| cloud.retry_notifications(now()));
        }
        let done = run_at(&server, arguments);
        assert_eq!(done.code, Some(0), "{arguments:?}: {}", done.stderr);
        assert!(!done.stderr.contains("has taken none"), "{arguments:?}: {}", done.stderr);
        wait_for("the notifications", || (waiting() == 0).then_some(()));
        assert!(taken.load(Ordering::SeqCst) >= held, "{arguments:?}");
    }
}

#[test]
fn a_restart_with_the_same_options_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let takes = Arc::new(AtomicBool::new(false));
    let (url, taken) = endpoint(&takes);
    let options = ["sandbox", "--state", state.to_str().unwrap(), "--webhook", &url];
    let program = env!("CARGO_BIN_EXE_lp-connector");
    let command = ["--", program, "trigger", "conversation-opened", "--set", "consumer=ada"];
    let first = run(&[], &[&options[..], &command].concat());
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    assert_eq!(taken.load(Ordering::SeqCst), 0);
    takes.store(true, Ordering::SeqCst);
    let _second = Running::start(&[], &options);
    wait_for("what was held back", || (taken.load(Ordering::SeqCst) > 0).then_some(()));
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

#[test]
fn who_listens_gets_what_was_held_back_at_once() {
    for listen in [&["webhook", "listen"][..], &["chat", "--consumer", "bob"]] {
        let (server, at) = without_listener();
        assert_eq!(run_at(&server, &["trigger", "text", "--set", "text=Coo"]).code, Some(0));
        let listening = start(&server, at, listen);
        let said = listening.stdout.find("held back");
        assert!(said.contains("the sandbox has held back "), "{said}");
        assert!(said.contains(", as its endpoint took none, and sends them now"), "{said}");
        let waiting = || server.with(|cloud| cloud.notifications_waiting());
        wait_for("the notifications", || (waiting() == 0).then_some(()));
        let said = run_at(&server, &["trigger", "text"]);
        assert!(!said.stderr.contains("held back"), "{}", said.stderr);
    }
}
