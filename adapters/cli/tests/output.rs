//! Output that cannot be written, for every command.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test reports by panicking")]

mod program;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use lp_connector_core::secret::Secret;
use lp_connector_core::webhook::{Algorithm, Encoding, sign};
use lp_connector_sandbox::{Endpoint, Server};
use program::bridge::{Bridge, OPS_TOKEN, with_dead_letter};
use program::running::Running;
use program::{Run, cloud, run, run_at, run_to, settings};

/// A command that prints: its arguments and its stdin.
struct Case {
    arguments: Vec<String>,
    stdin: &'static str,
    /// Whether it runs until it is stopped: then a reader that is gone is a failure.
    runs_on: bool,
}

fn case(arguments: &str) -> Case {
    let arguments = arguments.split_whitespace().map(str::to_owned).collect();
    Case { arguments, stdin: "", runs_on: false }
}

fn with_stdin(arguments: &str, stdin: &'static str) -> Case {
    Case { stdin, ..case(arguments) }
}

const BODY: &str = r#"{"type":"ms.MessagingEventNotification","body":{"changes":[
    {"sequence":4,"originatorMetadata":{"role":"ASSIGNED_AGENT"},"dialogId":"c1",
     "event":{"message":"Coo","type":"ContentEvent"}}]}}"#;

/// A sandbox that keeps its keys in this folder, for `sandbox env`.
fn beside(folder: &Path) -> Running {
    let folder = folder.join("keys");
    let running = Running::start(&[], &["sandbox", "--state", folder.to_str().unwrap()]);
    running.stderr.find("listening;");
    running
}

impl Case {
    fn is_help(&self) -> bool {
        self.arguments.iter().any(|one| matches!(one.as_str(), "help" | "--help" | "-h"))
    }
}

/// Every command that prints, as it would succeed if its output could be written.
fn every_command(server: &Server, folder: &str, running: &(Bridge, String)) -> Vec<Case> {
    let (picture, manifest) = (format!("{folder}/ring.png"), format!("{folder}/app.json"));
    fs::write(&picture, [0x89, b'P', b'N', b'G']).unwrap();
    let new = "manifest new --name pigeon-post --endpoint https://hooks.pigeon.example/lp";
    let made = run(&[], &new.split(' ').collect::<Vec<_>>());
    fs::write(&manifest, &made.stdout).unwrap();
    // A name is unique.
    let second = format!("{folder}/second.json");
    fs::write(&second, made.stdout.replace("pigeon-post", "pigeon-mail")).unwrap();
    let uploaded = run_at(server, &["--json", "upload", &picture, "--consumer", "a"]).last();
    let id = uploaded["conversation_id"].as_str().unwrap();
    let path = uploaded["relative_path"].as_str().unwrap();
    let at = format!("--consumer a --conversation {id}");
    let apps = server.with(|cloud| {
        let (user, password) = cloud.config().admin();
        fs::write(format!("{folder}/password"), password).unwrap();
        format!("apps --user {user} --password-file {folder}/password")
    });
    let bridge = format!(
        "--store {folder}/other.db --deliver http://127.0.0.1:9/ --listen-webhooks 127.0.0.1:0 \
         --listen-gateways 127.0.0.1:0 --listen-operations 127.0.0.1:0"
    );
    let (running, letter) = running;
    fs::write(format!("{folder}/ops-token"), OPS_TOKEN).unwrap();
    let ops = format!("--ops {} --ops-token-file {folder}/ops-token", running.operations());
    let (app, secret) = (server.client_id(), Secret::new(server.client_secret()));
    let signature = sign(&secret, Algorithm::Sha1, Encoding::Base64, BODY.as_bytes());
    let endpoint = program::endpoint();
    server.with(|cloud| {
        cloud.set_webhooks(lp_connector_sandbox::Webhooks::all_at(&endpoint));
        cloud.fault("webhook=delay:1ms".parse().unwrap());
    });
    vec![
        case("--help"),
        case("--version"),
        case("help"),
        case("help manifest new"),
        case("send --help"),
        case("-h"),
        case("demo"),
        case("demo --tour"),
        case("demo --interactive"),
        case("demo --bridge"),
        Case { runs_on: true, ..case("sandbox") },
        case(&format!("sandbox env --state {folder}/keys")),
        Case { runs_on: true, ..with_stdin("sandbox agent", "coo\n") },
        Case { runs_on: true, ..case(&format!("bridge {bridge}")) },
        case(&format!("bridge config check {bridge}")),
        case(&format!("bridge migrate --store {folder}/made.db")),
        case(&format!("bridge ready --ops {}", running.operations())),
        case(&format!("bridge status {ops}")),
        case(&format!("bridge instances {ops}")),
        case(&format!("bridge lanes {ops}")),
        case(&format!("bridge dead-letters --body {ops}")),
        case(&format!("bridge outbox grace {ops}")),
        case(&format!("bridge replay {letter} {ops}")),
        case(&format!("bridge settle grace SM1 drop {ops}")),
        case(&format!("bridge adopt grace 5f0c {ops}")),
        case(&format!("bridge forget grace {ops}")),
        case(&format!("bridge pause sms {ops}")),
        case(&format!("bridge resume sms {ops}")),
        case("domains"),
        case("domains idp"),
        case("token"),
        case("consumer a"),
        case("converse --consumer b one two"),
        case("open --consumer c"),
        case(&format!("send {at} one")),
        case(&format!("typing {at}")),
        case(&format!("upload {picture} {at}")),
        case(&format!("upload {picture} --consumer d")),
        case(&format!("download {at} {path} -o -")),
        case(&format!("download {at} {path} -o {folder}/copy.png")),
        case("engagement --consumer e --open"),
        Case { runs_on: true, ..case("chat --consumer f --listen 127.0.0.1:0") },
        with_stdin(&format!("webhook verify --signature {signature}"), BODY),
        with_stdin("webhook sign", BODY),
        case("trigger --list"),
        case("trigger typing"),
        case("webhook replay --list"),
        case("webhook replay 1"),
        case("sandbox conversations"),
        case("sandbox faults list"),
        case("sandbox faults add webhook=delay:1ms"),
        case("sandbox faults on 1"),
        case("sandbox faults off 1"),
        case("sandbox faults presets"),
        case("sandbox faults remove --all"),
        case("sandbox agent --say coo"),
        with_stdin("webhook decode", BODY),
        case(&format!("webhook send --preset text --to {endpoint}")),
        Case { runs_on: true, ..case("webhook listen --listen 127.0.0.1:0") },
        case(&format!("{apps} list")),
        case(&format!("{apps} show {app}")),
        case(&format!("{apps} create {manifest} --secret-to -")),
        case(&format!("{apps} create {second} --secret-to {folder}/secret")),
        case(&format!("{apps} disable {app}")),
        case(&format!("{apps} enable {app}")),
        case(new),
        case(&format!("manifest check {manifest}")),
        case("manifest explain"),
        case("profile list"),
        case("profile show pigeon"),
        case("schema"),
        case("man"),
        case("man token"),
        case(&format!("man --to {folder}/man1")),
        case("completions bash"),
        case(&format!("close {at}")),
        case(&format!("{apps} delete {app}")),
    ]
}

/// The variables of every command.
fn variables(server: &Server) -> Vec<(&'static str, String)> {
    let mut all = settings(server);
    all.push(("LP_CONFIG_FILE", program::CONFIG.to_owned()));
    all
}

/// Runs a case with a stdout, for people and for programs.
fn for_both(server: &Server, case: &Case, stdout: impl Fn() -> Stdio, check: impl Fn(&Run)) {
    for json in [false, true] {
        let mut arguments = case.arguments.clone();
        if json {
            arguments.insert(0, "--json".to_owned());
        }
        let run = run_to(stdout(), &variables(server), &arguments, case.stdin.as_bytes());
        println!("{arguments:?}: {:?} {}", run.code, run.stderr);
        assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
        check(&run);
    }
}

#[test]
fn unwritable_output_is_a_failure_before_any_request() {
    let (server, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
    let running = with_dead_letter(&server, folder.path());
    let _beside = beside(folder.path());
    let cases = every_command(&server, folder.path().to_str().unwrap(), &running);
    let requests = || Endpoint::ALL.map(|endpoint| server.requests(endpoint));
    let before = requests();
    let full = || File::options().write(true).open("/dev/full").unwrap().into();
    // A descriptor that is open, and not for writing.
    let unwritable = || File::open("/dev/null").unwrap().into();
    for case in &cases {
        for_both(&server, case, full, |run| {
            assert_eq!(run.code, Some(1));
            assert_eq!(run.stderr.lines().count(), 1);
            assert!(run.stderr.starts_with("error: cannot write to stdout: No space left"));
        });
        for_both(&server, case, unwritable, |run| {
            assert_eq!(run.code, Some(1));
            assert!(run.stderr.starts_with("error: cannot write to stdout: Bad file descriptor"));
        });
    }
    assert_eq!(requests(), before);
}

#[test]
fn a_closed_pipe_fails_only_a_command_that_runs_on() {
    let (server, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
    let running = with_dead_letter(&server, folder.path());
    let _beside = beside(folder.path());
    let cases = every_command(&server, folder.path().to_str().unwrap(), &running);
    let closed = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        writer.into()
    };
    for case in &cases {
        if case.arguments == ["webhook", "listen", "--listen", "127.0.0.1:0"] {
            // Its own tests hold it.
            continue;
        }
        let once = [
            "create",
            "close",
            "delete",
            "converse",
            "open",
            "chat",
            "engagement",
            "upload",
            "replay",
            "remove",
        ];
        if once.iter().any(|word| case.arguments.iter().any(|argument| argument == word)) {
            // A second time it would fail for another reason.
            let run = run_to(closed(), &variables(&server), &case.arguments, case.stdin.as_bytes());
            println!("{:?}: {:?} {}", case.arguments, run.code, run.stderr);
            assert_eq!(run.code, Some(i32::from(case.runs_on)), "{}", run.stderr);
            continue;
        }
        for_both(&server, case, closed, |run| {
            assert_eq!(run.code, Some(i32::from(case.runs_on)), "{}", run.stderr);
        });
    }
    let opened = server.with(|cloud| cloud.conversations().count());
    assert!(opened >= 5, "the commands did what they were asked to do");
}

/// Runs a case with a stdout that is closed.
fn run_closed(server: &Server, arguments: &[String], stdin: &str) -> (Option<i32>, String) {
    let mut closed = Command::new("sh");
    closed.args(["-c", r#"exec timeout 30 "$0" "$@" >&-"#, env!("CARGO_BIN_EXE_lp-connector")]);
    closed.args(arguments).env_clear().envs(variables(server)).stdin(Stdio::piped());
    let mut closed = closed.stderr(Stdio::piped()).spawn().unwrap();
    let _ = closed.stdin.take().unwrap().write_all(stdin.as_bytes());
    let ended = closed.wait_with_output().unwrap();
    (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
}

/// The commands that do something, or whose exit status is the answer. Their output may be thrown away.
const SPEAKS_BY_STATUS: &[&[&str]] = &[
    &["demo"],
    &["send", "--conversation"],
    &["typing"],
    &["upload", "--conversation"],
    &["copy.png"],
    &["verify"],
    &["webhook", "send"],
    &["webhook", "replay", "1"],
    &["trigger", "typing"],
    &["faults", "add"],
    &["faults", "on"],
    &["faults", "off"],
    &["faults", "remove"],
    &["agent", "--say"],
    &["disable"],
    &["enable"],
    &["second.json"],
    &["check"],
    &["migrate"],
    &["man1"],
    &["ready"],
    &["bridge", "replay"],
    &["settle"],
    &["adopt"],
    &["forget"],
    &["pause"],
    &["resume"],
    &["close"],
    &["delete"],
];

#[test]
fn a_closed_stdout_fails_a_command_that_is_only_output() {
    let (server, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
    let running = with_dead_letter(&server, folder.path());
    let _beside = beside(folder.path());
    let cases = every_command(&server, folder.path().to_str().unwrap(), &running);
    let requests = || Endpoint::ALL.map(|endpoint| server.requests(endpoint));
    let has = |case: &Case, word: &&str| case.arguments.iter().any(|one| one.ends_with(*word));
    for json in [false, true] {
        for case in &cases {
            let mut arguments = case.arguments.clone();
            if json {
                arguments.insert(0, "--json".to_owned());
            }
            let before = requests();
            let speaks = SPEAKS_BY_STATUS
                .iter()
                .any(|words| !case.is_help() && words.iter().all(|word| has(case, word)));
            if speaks && json {
                // A second time it would fail for another reason.
                continue;
            }
            let (code, stderr) = run_closed(&server, &arguments, case.stdin);
            if speaks {
                assert_eq!(code, Some(0), "{arguments:?}: {stderr}");
            } else {
                assert_eq!(code, Some(1), "{arguments:?}: {stderr}");
                let line = "error: cannot write to stdout: it is closed\n";
                assert_eq!(stderr, line, "{arguments:?}");
                assert_eq!(requests(), before, "{arguments:?}");
            }
        }
    }
}

#[test]
fn the_id_of_a_new_app_is_on_stderr_if_stdout_is_closed() {
    let (server, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
    let running = with_dead_letter(&server, folder.path());
    let _beside = beside(folder.path());
    let cases = every_command(&server, folder.path().to_str().unwrap(), &running);
    let create = cases.iter().find(|case| case.arguments.iter().any(|one| one == "create"));
    let mut arguments = create.unwrap().arguments.clone();
    *arguments.last_mut().unwrap() = format!("{}/secret", folder.path().display());
    for json in [false, true] {
        let mut arguments = arguments.clone();
        if json {
            arguments.insert(0, "--json".to_owned());
            // It has the name already: the failure is on stderr too.
            fs::remove_file(folder.path().join("secret")).unwrap();
        }
        let (code, stderr) = run_closed(&server, &arguments, "");
        assert_eq!(code, Some(i32::from(json)), "{stderr}");
        assert!(stderr.starts_with(if json { "error: " } else { "created " }), "{stderr}");
    }
}

#[test]
fn every_command_of_the_help_is_tried() {
    let (server, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
    let running = with_dead_letter(&server, folder.path());
    let _beside = beside(folder.path());
    let cases = every_command(&server, folder.path().to_str().unwrap(), &running);
    let tried = |path: &[String]| {
        cases.iter().any(|case| {
            let mut words = case.arguments.iter();
            path.iter().all(|part| words.any(|word| word == part))
        })
    };
    let mut waiting = vec![Vec::new()];
    let mut found = 0;
    while let Some(path) = waiting.pop() {
        let mut arguments = vec!["help".to_owned()];
        arguments.extend(path.iter().cloned());
        let help = run_to(Stdio::piped(), &[("", ""); 0], &arguments, b"").stdout;
        let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        for line in commands.take_while(|line| !line.is_empty()) {
            let Some(name) = line.strip_prefix("  ").and_then(|line| line.split(' ').next()) else {
                continue;
            };
            if name.is_empty() || name == "help" {
                continue;
            }
            let path = [&path[..], &[name.to_owned()]].concat();
            found += 1;
            if path == ["bridge", "dead-letters", "delete"] {
                // There is one letter, which `replay` needs: the tests of operations delete one.
                continue;
            }
            assert!(tried(&path), "no case for {path:?}");
            waiting.push(path);
        }
    }
    assert!(found > 25, "{found}");
}
