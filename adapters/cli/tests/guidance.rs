//! What a person is told: which option or variable to change, what is missing, what comes next.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

mod program;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use program::{cloud, run, run_at, settings};
use serde_json::Value;

#[test]
fn an_invalid_value_names_its_option_or_variable() {
    let server = cloud(&[]);
    let mut at = settings(&server);
    at.push(("LP_WEBHOOK_LISTEN", "127.0.0.1:0".to_owned()));
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("ca.pem");
    fs::write(&bad, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
    let bad = bad.to_str().unwrap();
    for (variable, option, command, value, reason) in [
        ("LP_ACCOUNT_ID", "--account", &["token"][..], "", "empty"),
        ("LP_ACCOUNT_ID", "--account", &["webhook", "listen"], "..", "relative"),
        ("LP_CLIENT_ID", "--client-id", &["token"], "a\nb", "control"),
        ("LP_DOMAIN_API", "--domain-api", &["domains"], "http://192.0.2.1", "plain host name"),
        ("LP_DOMAIN_API", "--domain-api", &["sandbox", "agent"], "ftp://x", ""),
        ("LP_CA_FILE", "--ca-file", &["domains"], "/no/such/file", "/no/such/file"),
        ("LP_CA_FILE", "--ca-file", &["domains"], bad, "block 1 (PRIVATE KEY)"),
        ("LP_CA_FILE", "--ca-file", &["sandbox", "agent"], bad, bad),
        ("LP_WEBHOOK_LISTEN", "--listen", &["webhook", "listen"], "8080", "127.0.0.1:8080"),
        ("LP_WEBHOOK_LISTEN", "--listen", &["webhook", "listen"], "example.com:1", "localhost"),
    ] {
        let with = |more: Option<(&str, &str)>, arguments: &[&str]| {
            let mut at: Vec<_> = at.iter().map(|(name, value)| (*name, &**value)).collect();
            at.retain(|(name, _)| more.is_none_or(|(variable, _)| *name != variable));
            at.extend(more);
            run(&at, arguments)
        };
        let set = with(Some((variable, value)), command);
        let said = format!("{variable}={value:?}: {}", set.stderr);
        assert_eq!(set.code, Some(2), "{said}");
        let names = format!("the variable {variable}");
        assert!(set.stderr.contains(&names) && set.stderr.contains(reason), "{said}");
        let given = with(None, &[command, &[option, value]].concat());
        assert_eq!(given.code, Some(2), "{option} {}", given.stderr);
        let said = &given.stderr;
        assert!(said.contains(option) && !said.contains(variable), "{option}: {said}");
    }
}

#[test]
fn a_usage_error_in_json_says_what_is_missing() {
    for (arguments, parts) in [
        (&["send"][..], &["--consumer <EXT>", "--conversation <ID>", "<TEXT>"][..]),
        (&["consumer"], &["<EXT>"]),
        (&["token", "--no-such"], &["--no-such"]),
        (&["sandbx"], &["sandbx", "sandbox"]),
        (&["--runtime", "none", "token"], &["none", "ureq", "tokio"]),
    ] {
        let failed = run(&[], &[&["--json"], arguments].concat());
        assert_eq!((failed.code, failed.events().len()), (Some(2), 1), "{}", failed.stdout);
        let message = failed.last()["message"].as_str().unwrap().to_owned();
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
        assert!(!message.contains('\n') && !message.contains("Usage"), "{message}");
    }
}

#[test]
fn the_schema_is_in_the_program() {
    let printed = run(&[], &["schema"]);
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/events.schema.json");
    assert_eq!((printed.code, printed.stdout), (Some(0), fs::read_to_string(file).unwrap()));
    assert!(run(&[], &["token", "--help"]).stdout.contains("lp-connector schema"));
}

#[test]
fn each_invalid_setting_of_a_manifest_is_one_line() {
    let new = ["manifest", "new", "--name", "x"];
    let url = ["--endpoint", "https://hooks.example/lp"];
    for (arguments, option) in [
        (&["--endpoint", "http://hooks.example/"][..], "--endpoint"),
        (&[&url[..], &["--max-retries", "9"]].concat(), "--max-retries"),
        (&[&url[..], &["--retention", "1"]].concat(), "--retention"),
    ] {
        let refused = run(&[], &[&new[..], arguments].concat());
        assert_eq!(refused.code, Some(2));
        let said = &refused.stderr;
        assert!(said.contains(option) && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn no_pauses_are_no_retries() {
    let server = cloud(&["token=503"]);
    let failed = run_at(&server, &["--json", "--retry-pauses", "none", "token"]);
    assert_eq!((failed.code, failed.last()["attempts"].as_u64()), (Some(1), Some(1)));
    let wrong = run_at(&server, &["--retry-pauses", "1s,none", "token"]);
    assert_eq!(wrong.code, Some(2), "{}", wrong.stderr);
}

#[test]
fn an_open_conversation_says_how_to_close_it() {
    let server = cloud(&[]);
    assert_eq!(run_at(&server, &["open", "--consumer", "ada"]).code, Some(0));
    let second = run_at(&server, &["open", "--consumer", "ada"]);
    let said = &second.stderr;
    assert!(said.contains("lp-connector close --consumer EXT --conversation ID"), "{said}");
    assert!(said.contains("another consumer"), "{said}");
}

#[test]
fn a_consumer_is_an_argument_or_an_option() {
    let server = cloud(&[]);
    for arguments in [&["consumer", "ada"][..], &["consumer", "--consumer", "ada"]] {
        let found = run_at(&server, arguments);
        assert!(found.code == Some(0) && found.stdout.contains("consumer ada"), "{}", found.stderr);
    }
    assert_eq!(run_at(&server, &["consumer", "ada", "--consumer", "ada"]).code, Some(2));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    for arguments in [&["manifest", "check"][..], &["webhook", "decode"]] {
        let refused = run(&[], &[arguments, &["/no/such/file"]].concat());
        assert!(refused.stderr.contains("error: cannot read /no/such/file"), "{}", refused.stderr);
    }
    let stdin = run(&[], &["sandbox", "--secret-file", "-"]);
    assert_eq!(stdin.code, Some(2));
    assert!(stdin.stderr.contains("not stdin here"), "{}", stdin.stderr);
}

/// What `sandbox` prints first, with these arguments in this folder; then it is stopped.
fn first_output(folder: &std::path::Path, arguments: &[&str]) -> (String, String) {
    let mut sandbox = Command::new(env!("CARGO_BIN_EXE_lp-connector"))
        .env_clear()
        .current_dir(folder)
        .args([&["sandbox"], arguments].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(sandbox.stderr.take().unwrap());
    let mut notes = String::new();
    while !notes.contains("listening;") && stderr.read_line(&mut notes).unwrap() > 0 {}
    let _ = sandbox.kill();
    let mut stdout = BufReader::new(sandbox.stdout.take().unwrap());
    let mut exports = String::new();
    while stdout.read_line(&mut exports).unwrap() > 0 {}
    let _ = sandbox.wait();
    (exports, notes)
}

#[cfg(unix)]
#[test]
fn the_exported_secret_is_the_one_in_use() {
    for text in ["s3c r3t", "s3c r3t\n", "\u{feff}s3c r3t\r\n", " \ts3c r3t \n\n", "\n\r\ns3c r3t"]
    {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("it's.txt"), text).unwrap();
        let (exports, _) = first_output(folder.path(), &["--secret-file", "it's.txt"]);
        assert!(!exports.contains("s3c r3t"), "{exports}");
        // In another directory, by a shell.
        let script = format!("{exports}\nprintf %s \"$LP_CLIENT_SECRET\"");
        let shell = Command::new("sh").current_dir("/").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&shell.stdout), "s3c r3t", "{text:?}: {exports}");
    }
}

#[test]
fn a_manifest_for_the_real_cloud_can_be_tried() {
    let folder = tempfile::tempdir().unwrap();
    let url = "https://hooks.example/lp";
    let manifest = run(&[], &["manifest", "new", "--name", "x", "--endpoint", url]).stdout;
    fs::write(folder.path().join("m.json"), &manifest).unwrap();
    let (exports, notes) = first_output(folder.path(), &["--manifest", "m.json"]);
    assert!(notes.contains(url) && notes.contains("no notification at all"), "{notes}");
    assert!(notes.contains("--webhook") && !exports.contains("LISTEN"), "{notes}{exports}");
    let here = ["--manifest", "m.json", "--webhook", "http://localhost:8080/lp"];
    let (exports, notes) = first_output(folder.path(), &here);
    assert!(!notes.contains("nothing is posted"), "{notes}");
    assert!(exports.contains("export LP_WEBHOOK_LISTEN=localhost:8080\n"), "{exports}");
    // One event type of the five stays here.
    let mut mixed: Value = serde_json::from_str(&manifest).unwrap();
    let kind = "ms.MessagingEventNotification.ContentEvent";
    mixed["capabilities"]["webhooks"][kind]["endpoint"] = "http://127.0.0.1:1/".into();
    fs::write(folder.path().join("m.json"), mixed.to_string()).unwrap();
    let (exports, notes) = first_output(folder.path(), &["--manifest", "m.json"]);
    assert!(notes.contains("cqm.ExConversationChangeNotification"), "{notes}");
    assert!(!notes.contains(kind) && !exports.contains("LISTEN"), "{notes}{exports}");
}

#[cfg(unix)]
#[test]
fn a_sandbox_in_the_background_ends_well_at_a_signal() {
    for signal in ["INT", "TERM"] {
        // As a shell without job control starts a job with `&`.
        let mut sandbox = Command::new("sh")
            .args(["-c", "trap '' INT; exec \"$0\" sandbox", env!("CARGO_BIN_EXE_lp-connector")])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(sandbox.stdout.take().unwrap());
        assert!(stdout.read_line(&mut line).unwrap() > 0);
        let pid = sandbox.id().to_string();
        assert!(
            Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap().success()
        );
        assert_eq!(sandbox.wait().unwrap().code(), Some(0), "SIG{signal}");
    }
}

#[test]
fn a_command_after_its_argument_gets_the_right_order() {
    for (arguments, order) in [
        (&["sandbox", "faults", "all", "off"][..], Some("lp-connector sandbox faults off all")),
        (&["sandbox", "faults", "1", "remove"], Some("lp-connector sandbox faults remove 1")),
        (&["profile", "pigeon", "show"], Some("lp-connector profile show pigeon")),
        (&["--json", "listen", "webhook"], Some("lp-connector webhook listen")),
        (&["sandbox", "faults", "off", "off"], None),
        (&["sandbox", "faults", "some"], None),
        (&["sandbox", "faults", "some", "--json"], None),
    ] {
        let refused = run(&[], arguments);
        assert_eq!(refused.code, Some(2), "{arguments:?}: {}", refused.stderr);
        let tip = "the command comes first: '";
        let said = refused.stderr.split(tip).nth(1).and_then(|rest| rest.split('\'').next());
        assert_eq!(said, order, "{arguments:?}: {}", refused.stderr);
    }
}
