//! Runs the program, with a sandbox to talk to.
#![allow(dead_code, reason = "not every test file uses everything")]

pub(crate) mod bridge;
pub(crate) mod http;
pub(crate) mod running;

use std::ffi::OsStr;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use lp_connector_sandbox::{Endpoint, Server, ServerConfig};
use serde_json::Value;

/// A configuration file with the profile `pigeon`.
pub(crate) const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/program/config.toml");

/// A sandbox with these faults.
#[allow(dead_code, reason = "not every test file uses it")]
pub(crate) fn cloud(faults: &[&str]) -> Server {
    // A client of ours needs no tolerance.
    let config = ServerConfig::new().sandbox(|config| config.strict(true));
    let config = config.control(([127, 0, 0, 1], 0).into());
    let server = Server::start(config).unwrap();
    for fault in faults {
        server.with(|cloud| cloud.fault(fault.parse().unwrap()));
    }
    server
}

/// The signals that end a program. A hangup that is ignored from the start, as under `nohup`, stays ignored: where these
/// tests run so, it is left out, and a line says so.
pub(crate) fn signals() -> Vec<&'static str> {
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

/// The result of a run.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// The JSON objects on stdout, which must contain nothing else.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The names of the events.
    pub(crate) fn names(&self) -> Vec<String> {
        self.events().iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect()
    }

    #[allow(dead_code, reason = "not every test file uses it")]
    pub(crate) fn last(&self) -> Value {
        self.events().pop().unwrap()
    }
}

/// Runs the program with only these environment variables.
pub(crate) fn run(environment: &[(&str, &str)], arguments: &[&str]) -> Run {
    run_with(environment, arguments, b"")
}

/// As [`run`], with bytes on stdin.
pub(crate) fn run_with(environment: &[(&str, &str)], arguments: &[&str], stdin: &[u8]) -> Run {
    run_to(Stdio::piped(), environment, arguments, stdin)
}

/// As [`run_with`], with this stdout.
pub(crate) fn run_to(
    stdout: Stdio,
    environment: &[(impl AsRef<OsStr>, impl AsRef<OsStr>)],
    arguments: &[impl AsRef<OsStr>],
    stdin: &[u8],
) -> Run {
    let mut program = Command::new(env!("CARGO_BIN_EXE_lp-connector"));
    program.env_clear().args(arguments);
    for (name, value) in environment {
        program.env(name, value);
    }
    let program = program.stdin(Stdio::piped()).stdout(stdout).stderr(Stdio::piped());
    let mut running = program.spawn().unwrap();
    // The program may not read its stdin.
    let _ = running.stdin.take().unwrap().write_all(stdin);
    let Output { status, stdout, stderr } = running.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

/// Runs the program with the settings for `server`.
pub(crate) fn run_at(server: &Server, arguments: &[&str]) -> Run {
    run_at_with(server, &[], arguments)
}

/// As [`run_at`], with these environment variables too.
pub(crate) fn run_at_with(server: &Server, more: &[(&str, &str)], arguments: &[&str]) -> Run {
    let environment = settings(server);
    let environment = environment.iter().map(|(name, value)| (*name, &**value));
    run(&environment.chain(more.iter().copied()).collect::<Vec<_>>(), arguments)
}

/// The environment variables for `server`.
pub(crate) fn settings(server: &Server) -> Vec<(&'static str, String)> {
    let (account, app) = server.with(|cloud| {
        (cloud.config().account_id().to_owned(), cloud.config().app().unwrap().clone())
    });
    vec![
        ("LP_DOMAIN_API", server.base_url()),
        ("LP_ACCOUNT_ID", account),
        ("LP_CLIENT_ID", app.client_id().to_owned()),
        ("LP_CLIENT_SECRET", app.client_secret().to_owned()),
    ]
}

/// An endpoint that answers 200 to whatever is posted to it, until the tests end.
pub(crate) fn endpoint() -> String {
    http::serve(|request| request.answer("200 OK", ""))
}

/// Checks that a command was refused in one line, which says why.
#[track_caller]
pub(crate) fn assert_refused(run: &Run, why: &str) {
    assert_eq!(run.code, Some(2), "{why}: {}", run.stderr);
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    assert!(run.stderr.contains(why), "{why:?} is not in {}", run.stderr);
    assert_eq!(run.stdout, "");
}

/// Checks that nothing was asked of the cloud.
#[track_caller]
pub(crate) fn assert_no_request(server: &Server) {
    assert!(Endpoint::ALL.iter().all(|endpoint| server.requests(*endpoint) == 0));
}
