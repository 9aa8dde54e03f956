//! The example `print_webhooks` as a process: a signal in the middle of a burst loses nothing that it
//! answered 200.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lp_connector_axum::secret::Secret;
use lp_connector_axum::webhook::{Algorithm, Encoding, sign};

const SECRET: &str = "n3v3r-u5e-7h15-1n-pr0d";

/// The posts of the burst, at least: it goes on until the server refuses connections.
const BURST: usize = 200;

/// The example's program. `cargo test` builds it, but `cargo test --test` does not.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let program = profile.join("examples/print_webhooks");
    if !program.exists() {
        let build = ["build", "-q", "-p", "lp-connector-axum", "--example", "print_webhooks"];
        let target = profile.parent().unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        let built = cargo.args(build).env("CARGO_TARGET_DIR", target).status().unwrap();
        assert!(built.success() && program.exists(), "cannot build {}", program.display());
    }
    program
}

/// The running program, its address, and its output.
fn start(program: &Path) -> (Child, String, BufReader<ChildStdout>) {
    let mut child = Command::new(program)
        .env("LP_CLIENT_SECRET", SECRET)
        .env("LP_WEBHOOK_LISTEN", "127.0.0.1:0")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on ").unwrap().to_owned();
    (child, address, output)
}

/// Posts a signed notification. `Some` is the status of the answer, if one came.
fn post(address: &str, n: usize) -> std::io::Result<Option<u16>> {
    // Every second sequence is missing, so the inbox holds all of them back.
    let (sequence, dialog) = (2 * n + 1, n % 7);
    let body = format!(
        r#"{{"type":"ms.MessagingEventNotification","body":{{"changes":[{{"sequence":{sequence},
        "originatorMetadata":{{"role":"ASSIGNED_AGENT"}},"dialogId":"d{dialog}",
        "event":{{"type":"ContentEvent","contentType":"text/plain","message":"text {n}"}}}}]}}}}"#
    );
    let secret = Secret::new(SECRET.to_owned());
    let signature = sign(&secret, Algorithm::Sha1, Encoding::Base64, body.as_bytes());
    let mut stream = TcpStream::connect(address)?;
    let request = format!(
        "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\
         x-liveperson-signature: {signature}\r\n\r\n{body}",
        body.len()
    );
    let mut answer = String::new();
    let exchange = stream.write_all(request.as_bytes()).and(stream.read_to_string(&mut answer));
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    Ok(exchange.ok().and(status))
}

fn a_signal_loses_nothing(program: &Path, signal: &str) {
    let (mut child, address, output) = start(program);
    let (next, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let patience = Instant::now() + Duration::from_secs(30);
    let send = || {
        let mut good = BTreeSet::new();
        loop {
            assert!(Instant::now() < patience, "the program does not end");
            let n = next.fetch_add(1, Ordering::Relaxed);
            match post(&address, n) {
                Ok(Some(200)) => {
                    good.insert(format!("to d{}: text {n}", n % 7));
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                Ok(_) => {} // 503, or cut off: the platform sends it again
                Err(_) => return good,
            }
        }
    };
    let good: BTreeSet<String> = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..8).map(|_| scope.spawn(send)).collect();
        while answered.load(Ordering::Relaxed) < BURST && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(1));
        }
        let id = child.id().to_string();
        let killed = Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(killed.success());
        senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect()
    });
    let printed: Vec<String> = output.lines().map(Result::unwrap).collect();
    assert!(child.wait().unwrap().success());
    let distinct: BTreeSet<_> = printed.iter().cloned().collect();
    let lost: Vec<_> = good.difference(&distinct).collect();
    assert!(lost.is_empty(), "{} of {} lost: {lost:?}", lost.len(), good.len());
    assert!(good.len() >= BURST, "{} were answered", good.len());
    assert_eq!(printed.len(), distinct.len(), "each is printed once");
}

/// The signals that end a program. A hangup that is ignored from the start, as under `nohup`, stays ignored: where these
/// tests run so, it is left out, and a line says so.
fn signals() -> Vec<&'static str> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    let mut signals = vec!["-TERM", "-INT", "-QUIT"];
    match ignored & 1 {
        0 => signals.push("-HUP"),
        _ => eprintln!("skipped: SIGHUP, which is ignored here"),
    }
    signals
}

#[test]
fn a_signal_in_a_burst_loses_nothing_answered_200() {
    let program = program();
    for signal in signals() {
        a_signal_loses_nothing(&program, signal);
    }
}

#[test]
fn idle_strangers_leave_descriptors_to_a_notification() {
    let mut child = Command::new("sh")
        .args(["-c", "ulimit -n 40; exec \"$0\""])
        .arg(program())
        .env("LP_CLIENT_SECRET", SECRET)
        .env("LP_WEBHOOK_LISTEN", "127.0.0.1:0")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on ").unwrap().to_owned();
    let idle: Vec<_> = (0..100).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let begun = Instant::now();
    assert_eq!(post(&address, 0).unwrap(), Some(200));
    // A connection that is idle keeps its place for 10 s.
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    drop(idle);
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
}
