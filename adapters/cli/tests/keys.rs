//! The keys of `lp-connector sandbox`, and the commands that it runs.

#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test reports by panicking")]

mod program;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use lp_connector_sandbox::control::Control;
use program::run;
use program::running::Running;
use tempfile::TempDir;

/// Runs until the sandbox listens. Returns it with the lines on stdout.
fn start(home: &Path, arguments: &[&str]) -> (Running, Vec<String>) {
    let environment = [("HOME", home.to_str().unwrap())];
    let running = Running::start(&environment, &[&["sandbox"], arguments].concat());
    running.stderr.find("listening;");
    let mut lines = vec![running.stdout.next()];
    while !lines[lines.len() - 1].contains("LP_WEBHOOK_LISTEN") {
        lines.push(running.stdout.next());
    }
    (running, lines)
}

fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn two_starts_give_the_same_lines() {
    let home = home();
    let (mut first, lines) = start(home.path(), &[]);
    // Another one beside it has its own.
    let (second, others) = start(home.path(), &[]);
    assert_ne!(lines, others);
    drop(second);
    first.signal("-INT");
    assert_eq!(first.end().code(), Some(0));
    let (killed, again) = start(home.path(), &[]);
    assert_eq!(lines, again);
    // `kill -9` leaves nothing behind that would be in the way.
    drop(killed);
    assert_eq!(start(home.path(), &[]).1, lines);
    let folder = home.path().join(".local/state/lp-connector/sandbox");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join("keys.json"))), (0o700, 0o600));
}

#[test]
fn ids_of_conversations_do_not_come_twice() {
    let home = home();
    let once = || {
        let environment = [("HOME", home.path().to_str().unwrap())];
        let program = env!("CARGO_BIN_EXE_lp-connector");
        let opened = run(&environment, &["sandbox", "--", program, "open", "--consumer", "ada"]);
        assert_eq!(opened.code, Some(0), "{}", opened.stderr);
        opened.stdout
    };
    assert_ne!(once(), once());
}

#[test]
fn a_seed_or_a_folder_gives_the_same_lines() {
    let (home, folder) = (home(), home().keep());
    let state = folder.join("keys");
    let of_seed = ["--seed", "7"];
    let of_folder = ["--state", state.to_str().unwrap()];
    let lines = [&of_seed, &of_folder].map(|options| {
        let (running, lines) = start(home.path(), options);
        drop(running);
        assert_eq!(start(home.path(), options).1, lines);
        lines
    });
    assert_ne!(lines[0], lines[1]);
    let (_running, _) = start(home.path(), &of_folder);
    let second = run(&[], &["sandbox", "--state", of_folder[1], "--", "/bin/true"]);
    assert_eq!(second.code, Some(2));
    assert!(second.stderr.contains("another sandbox runs with this folder"), "{}", second.stderr);
    assert!(!home.path().join(".local/state/lp-connector/sandbox/keys.json").exists());
    fs::remove_dir_all(folder).unwrap();
}

/// What a sandbox of this folder has: consumers with their state, faults, and notifications that wait.
fn shown(state: &str) -> (Vec<String>, Vec<String>, u64) {
    let ready = run(&[], &["--json", "sandbox", "env", "--state", state]);
    let control = Control::at(ready.last()["control"].as_str().unwrap()).unwrap();
    let snapshot = control.snapshot().unwrap();
    let consumers = snapshot.conversations.iter();
    let consumers = consumers.map(|one| format!("{} {}", one.consumer, one.state)).collect();
    let faults = snapshot.faults.iter().map(|fault| fault.text.clone()).collect();
    (consumers, faults, snapshot.counts.messages)
}

#[test]
fn a_sandbox_goes_on_where_it_stopped() {
    let home = home();
    let state = home.path().join("state");
    let state = state.to_str().unwrap();
    let options = ["--state", state, "--fault", "file=503"];
    let (mut running, lines) = start(home.path(), &options);
    let ready = run(&[], &["--json", "sandbox", "env", "--state", state]).last();
    let at = [("LP_DOMAIN_API", ready["domain_api"].as_str().unwrap())];
    for arguments in [
        &["trigger", "conversation-opened", "--set", "consumer=ada"][..],
        &["sandbox", "agent", "--say", "Coo"],
        &["sandbox", "faults", "add", "send:1=503"],
    ] {
        assert_eq!(run(&at, arguments).code, Some(0), "{arguments:?}");
    }
    let before = shown(state);
    assert_eq!(
        (&before.0[..], &before.1[..]),
        (&["ada open".to_owned()][..], &["file=503".to_owned(), "send:1=503".to_owned()][..])
    );
    for signal in ["-INT", "-TERM"] {
        running.signal(signal);
        assert_eq!(running.end().code(), Some(0), "{signal}");
        let (again, same) = start(home.path(), &options);
        assert_eq!((same, shown(state)), (lines.clone(), before.clone()));
        running = again;
    }
    // A command sees the same, and what it does is kept.
    running.signal("-INT");
    running.end();
    let program = env!("CARGO_BIN_EXE_lp-connector");
    let command = ["sandbox", "--state", state, "--", program, "trigger", "text"];
    assert_eq!(run(&[], &command).code, Some(0));
    let (_running, _) = start(home.path(), &options);
    let after = shown(state);
    assert_eq!((after.0, after.2), (before.0, before.2 + 1));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let state = Path::new(state);
    assert_eq!((mode(state), mode(&state.join("state.json"))), (0o700, 0o600));
}

#[test]
fn a_state_that_cannot_be_read_is_left_alone() {
    let home = home();
    let state = home.path().join("state.json");
    fs::write(&state, "{}").unwrap();
    let folder = home.path().to_str().unwrap();
    let refused = run(&[], &["sandbox", "--state", folder, "--", "/bin/true"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("state.json"), "{}", refused.stderr);
    assert_eq!(fs::read_to_string(state).unwrap(), "{}");
    // A real secret is not written there.
    let both = ["sandbox", "--state", folder, "--secret-file", "x", "--", "/bin/true"];
    assert_eq!(run(&[], &both).code, Some(2));
}

#[test]
fn a_command_runs_with_the_variables_and_gives_its_status() {
    let home = home();
    let environment = [("HOME", home.path().to_str().unwrap()), ("LP_PROFILE", "no-such")];
    let program = env!("CARGO_BIN_EXE_lp-connector");
    let command = ["sandbox", "--", program, "converse", "--consumer", "a", "hello"];
    let ran = run(&environment, &command);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(lines[1], "sent: hello  (sequence 0)");
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143)] {
        let ran = run(&environment, &["sandbox", "--", "/bin/sh", "-c", script]);
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(code), "", ""));
    }
    for (command, code) in [("/no/such/program", 127), ("/", 126)] {
        let ran = run(&environment, &["sandbox", "--", command]);
        assert_eq!(ran.code, Some(code));
        assert!(ran.stderr.contains("cannot run"), "{}", ran.stderr);
    }
    let script = "test \"$LP_CLIENT_SECRET\" = 's3c r3t' && test -z \"$LP_PROFILE\"";
    let secret = home.path().join("secret");
    fs::write(&secret, "s3c r3t\n").unwrap();
    let secret = ["sandbox", "--secret-file", secret.to_str().unwrap()];
    let ran = run(&environment, &[&secret[..], &["--", "/bin/sh", "-c", script]].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    // It did not stay running.
    assert_eq!(run(&environment[..1], &["sandbox", "env"]).code, Some(1));
}

#[test]
fn a_signal_reaches_the_command() {
    for (signal, code) in [("-TERM", 3), ("-INT", 4)] {
        let home = home();
        let script =
            "trap 'exit 3' TERM; trap 'exit 4' INT; echo ready; while :; do sleep 0.05; done";
        let environment = [("HOME", home.path().to_str().unwrap()), ("PATH", "/usr/bin:/bin")];
        let command = ["sandbox", "--", "/bin/sh", "-c", script];
        let mut running = Running::start(&environment, &command);
        assert_eq!(running.stdout.next(), "ready");
        running.signal(signal);
        assert_eq!(running.end().code(), Some(code), "{signal}");
    }
}

#[test]
fn the_variables_of_the_running_sandbox_are_printed() {
    let home = home();
    let environment = [("HOME", home.path().to_str().unwrap())];
    let none = run(&environment, &["sandbox", "env"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(1), ""));
    assert!(none.stderr.contains("lp-connector sandbox`"), "{}", none.stderr);
    let file = home.path().join("variables");
    let (mut running, lines) = start(home.path(), &["--env-file", file.to_str().unwrap()]);
    let shown = run(&environment, &["sandbox", "env"]);
    assert_eq!(shown.stdout.lines().collect::<Vec<_>>(), lines);
    assert_eq!(run(&environment, &["--json", "sandbox", "env"]).last()["event"], "ready");
    let dotenv = run(&environment, &["sandbox", "env", "--format", "dotenv"]).stdout;
    let written = fs::read_to_string(&file).unwrap();
    assert_eq!(written.split_once('\n').unwrap().1, dotenv);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    running.signal("-TERM");
    assert_eq!(running.end().code(), Some(0));
    assert_eq!(run(&environment, &["sandbox", "env"]).code, Some(1));
    // Written again over its own file, and over no other.
    drop(start(home.path(), &["--env-file", file.to_str().unwrap()]));
    fs::write(&file, "LP_ACCOUNT_ID=1\n").unwrap();
    let again = ["sandbox", "--env-file", file.to_str().unwrap(), "--", "/bin/true"];
    let refused = run(&environment, &again);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("something in it already"), "{}", refused.stderr);
    assert_eq!(fs::read_to_string(&file).unwrap(), "LP_ACCOUNT_ID=1\n");
}

#[test]
fn a_secret_in_a_file_is_written_nowhere() {
    let home = home();
    let (secret, file) = (home.path().join("secret"), home.path().join("variables"));
    fs::write(&secret, "r3al-s3cr3t").unwrap();
    let (secret, file) = (secret.to_str().unwrap(), file.to_str().unwrap());
    let (_running, lines) = start(home.path(), &["--secret-file", secret, "--env-file", file]);
    let environment = [("HOME", home.path().to_str().unwrap())];
    let mut texts = vec![lines.join("\n")];
    for command in [
        &["sandbox", "env"][..],
        &["sandbox", "env", "--format", "dotenv"],
        &["--json", "sandbox", "env"],
    ] {
        texts.push(run(&environment, command).stdout);
    }
    let folder = home.path().join(".local/state/lp-connector/sandbox");
    for file in fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
        texts.push(fs::read_to_string(file).unwrap());
    }
    texts.push(fs::read_to_string(file).unwrap());
    assert!(texts.iter().all(|text| !text.contains("r3al-s3cr3t")), "{texts:?}");
}

#[test]
fn a_folder_of_another_version_is_left_alone() {
    let home = home();
    let folder = home.path().join("keys");
    fs::create_dir(&folder).unwrap();
    let text = r#"{"version":9,"seed":1}"#;
    fs::write(folder.join("keys.json"), text).unwrap();
    let refused = run(&[], &["sandbox", "--state", folder.to_str().unwrap(), "--", "/bin/true"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("another version"), "{}", refused.stderr);
    assert_eq!(fs::read_to_string(folder.join("keys.json")).unwrap(), text);
}
