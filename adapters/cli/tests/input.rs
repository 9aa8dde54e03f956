//! Input that is not what it must be: arguments, variables, files, lines.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

mod program;

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use lp_connector_sandbox::{Endpoint, Server};
use program::{
    Run, assert_no_request, assert_refused, cloud, run, run_at, run_to, run_with, settings,
};

fn bytes(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}

/// Runs the program with the settings for `server`, and these after them.
fn run_os(
    server: &Server,
    environment: &[(&str, &OsStr)],
    arguments: &[&OsStr],
    stdin: &[u8],
) -> Run {
    let mut all: Vec<(OsString, OsString)> =
        settings(server).into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    all.extend(environment.iter().map(|(name, value)| (name.into(), value.into())));
    run_to(Stdio::piped(), &all, arguments, stdin)
}

fn words(arguments: &str) -> Vec<OsString> {
    arguments.split(' ').map(OsString::from).collect()
}

#[test]
fn an_argument_or_a_variable_that_is_not_utf8_is_refused() {
    let server = cloud(&[]);
    let bad = bytes(b"a\xff");
    for arguments in [
        "",
        "token",
        "token --account",
        "consumer",
        "converse --consumer a",
        "send --conversation 5f0c --consumer",
        "open --consumer",
        "typing --consumer a --conversation 5f0c --state",
        "--runtime",
        "--deadline",
        "--retry-pauses",
        "--credentials-in",
        "webhook verify --signature",
        "webhook listen --listen",
        "sandbox --fault",
        "bridge --store",
        "bridge config check --deliver",
        "manifest explain",
        "manifest new --name",
        "completions",
        "help",
    ] {
        let mut arguments = if arguments.is_empty() { Vec::new() } else { words(arguments) };
        arguments.push(bad.clone());
        let arguments: Vec<&OsStr> = arguments.iter().map(OsString::as_os_str).collect();
        let refused = run_os(&server, &[], &arguments, b"");
        assert_refused(&refused, r#"the argument "a\xFF" is not UTF-8"#);
        let json = [&[OsStr::new("--json")], &arguments[..]].concat();
        let json = run_os(&server, &[], &json, b"");
        assert_eq!((json.code, &json.last()["kind"]), (Some(2), &"usage".into()));
    }
    for (variable, arguments) in [
        ("LP_ACCOUNT_ID", "token"),
        ("LP_CLIENT_ID", "token"),
        ("LP_CLIENT_SECRET", "token"),
        ("LP_DOMAIN_API", "token"),
        ("LP_USER", "apps list"),
        ("LP_PASSWORD", "apps --user ada list"),
        ("LP_WEBHOOK_LISTEN", "webhook listen"),
        ("LP_CLIENT_SECRET", "webhook listen"),
        ("LP_CLIENT_SECRET", "bridge --store no/b.db --deliver http://127.0.0.1:9/"),
        ("LP_BRIDGE_OPS", "bridge status"),
        ("LP_BRIDGE_OPS_TOKEN", "bridge status"),
        ("LP_BRIDGE__PUBLIC_URL", "bridge --store no/b.db --deliver http://127.0.0.1:9/"),
    ] {
        let arguments = words(arguments);
        let arguments: Vec<&OsStr> = arguments.iter().map(OsString::as_os_str).collect();
        let refused = run_os(&server, &[(variable, &bad)], &arguments, b"");
        assert_refused(&refused, &format!("the variable {variable} is not UTF-8"));
    }
    assert_no_request(&server);
}

#[test]
fn a_file_may_have_a_name_that_is_not_utf8() {
    let (server, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
    let picture = folder.path().join(bytes(b"ring\xff.png"));
    fs::write(&picture, [0x89, b'P', b'N', b'G']).unwrap();
    let arguments = ["upload".as_ref(), picture.as_os_str(), "--consumer".as_ref(), "a".as_ref()];
    let sent = run_os(&server, &[], &arguments, b"");
    assert_eq!(sent.code, Some(0), "{}", sent.stderr);
}

#[test]
fn every_file_is_bounded_and_regular() {
    let (server, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
    let folder = folder.path();
    let pipe = folder.join("pipe.png");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // It has no blocks on the disk.
    let large = folder.join("large.png");
    File::create(&large).unwrap().set_len(1 << 40).unwrap();
    let manifest = folder.join("app.json");
    fs::write(&manifest, "{}").unwrap();
    for arguments in [
        "token --client-secret-file @",
        "webhook verify --signature sha1=00 --client-secret-file @",
        "webhook listen --listen 127.0.0.1:0 --client-secret-file @",
        "chat --consumer a --listen 127.0.0.1:0 --client-secret-file @",
        "token --ca-file @",
        "domains --ca-file @",
        "apps --user ada --password-file @ list",
        "upload @ --consumer a",
        "apps --user ada create @ --secret-to -",
        "manifest check @",
        "sandbox --secret-file @",
        "sandbox --manifest @",
        "bridge --config @",
        "bridge config check --config @",
        "bridge status --ops-token-file @",
        "bridge --store no/b.db --deliver http://127.0.0.1:9/ --client-secret-file @",
        "bridge --store no/b.db --deliver http://127.0.0.1:9/ --ca-file @",
        "webhook decode @",
    ] {
        for (file, why) in [
            (Path::new("/dev/zero"), "it is not a regular file"),
            (Path::new("/dev/null"), "it is not a regular file"),
            (&pipe, "it is not a regular file"),
            (folder, "it is a directory"),
            (&large, "bytes"),
            (&folder.join("none"), "No such file"),
            (Path::new("/proc/self/mem"), "cannot read"),
        ] {
            let arguments = arguments.replace('@', file.to_str().unwrap());
            let arguments: Vec<&str> = arguments.split(' ').collect();
            assert_refused(&run_at(&server, &arguments), why);
        }
    }
    assert_no_request(&server);
}

#[test]
fn an_endless_stdin_is_refused() {
    let server = cloud(&[]);
    for arguments in [
        &["manifest", "check", "-"][..],
        &["apps", "--user", "ada", "create", "-", "--secret-to", "-"],
        &["webhook", "decode"],
        &["webhook", "decode", "-"],
        &["webhook", "verify", "--signature", "sha1=00"],
    ] {
        let mut program = Command::new(env!("CARGO_BIN_EXE_lp-connector"));
        let program = program.env_clear().envs(settings(&server)).args(arguments);
        let done = program.stdin(File::open("/dev/zero").unwrap()).output().unwrap();
        let line = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(2), "{line}");
        assert!(line.starts_with("error: stdin has more than"), "{line}");
    }
    assert_no_request(&server);
}

#[test]
fn a_pipe_that_the_shell_opened_is_read() {
    let server = cloud(&[]);
    let secret = server.client_secret().to_owned();
    let from_stdin = ["token", "--client-secret-file", "/dev/stdin"].map(OsStr::new);
    let token = run_os(&server, &[], &from_stdin, secret.as_bytes());
    assert_eq!(token.code, Some(0), "{}", token.stderr);
}

#[test]
fn a_secret_with_foreign_bytes_is_cleaned_or_never_sent() {
    let (server, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
    let file = folder.path().join("secret");
    let secret = server.client_secret().to_owned();
    let token = |text: &str| {
        fs::write(&file, text).unwrap();
        let from_file = ["token", "--client-secret-file", file.to_str().unwrap()].map(OsStr::new);
        let variable = [("LP_CLIENT_SECRET", OsStr::new(text))];
        let by_file = run_os(&server, &[("LP_CLIENT_SECRET", "wrong".as_ref())], &from_file, b"");
        // A variable cannot hold a NUL.
        let by_variable =
            (!text.contains('\0')).then(|| run_os(&server, &variable, &["token".as_ref()], b""));
        [Some(by_file), by_variable]
    };
    for text in [
        format!("{secret}\n"),
        format!("{secret}\r\n"),
        format!("\u{feff}{secret}\r\n\r\n"),
        format!("  {secret}\t \n"),
    ] {
        for run in token(&text).into_iter().flatten() {
            assert_eq!(run.code, Some(0), "{text:?}: {}", run.stderr);
        }
    }
    let before = server.requests(Endpoint::Token);
    for (text, why) in [
        (format!("{secret}\n{secret}"), "has more than one line"),
        (format!("client_secret:\r{secret}"), "has more than one line"),
        (format!("id\t{secret}"), "has a tab in it"),
        (format!("{secret}\u{1b}[0m"), "has a control character in it"),
        (format!("{secret}\0"), "has a control character in it"),
        (format!("{secret}é"), "has a character in it that is not ASCII"),
        (format!("{secret}\u{200b}"), "has a character in it that is not ASCII"),
        (format!("\u{feff}\u{feff}{secret}"), "has a character in it that is not ASCII"),
        ("\u{feff} \r\n".to_owned(), "is empty"),
        (String::new(), "is empty"),
    ] {
        for run in token(&text).into_iter().flatten() {
            assert_refused(&run, why);
            assert!(!run.stderr.contains(&secret), "{}", run.stderr);
        }
    }
    fs::write(&file, b"\xff\xfes\0e\0").unwrap();
    let wide = ["token", "--client-secret-file", file.to_str().unwrap()];
    assert_refused(&run_at(&server, &wide), "is not UTF-8 text");
    assert_eq!(server.requests(Endpoint::Token), before);
}

#[test]
fn a_password_with_foreign_bytes_is_cleaned_or_never_sent() {
    let (server, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
    let (user, password) = server.with(|cloud| {
        let (user, password) = cloud.config().admin();
        (user.to_owned(), password.to_owned())
    });
    let file = folder.path().join("password");
    let list = |text: &str| {
        fs::write(&file, text).unwrap();
        let file = file.to_str().unwrap();
        let by_file = ["apps", "--user", &user, "--password-file", file, "list"].map(OsStr::new);
        let by_variable = ["apps", "--user", &user, "list"].map(OsStr::new);
        let variable = [("LP_PASSWORD", OsStr::new(text))];
        [run_os(&server, &[], &by_file, b""), run_os(&server, &variable, &by_variable, b"")]
    };
    for run in list(&format!("\u{feff}{password}\r\n")) {
        assert_eq!(run.code, Some(0), "{}", run.stderr);
    }
    let before = server.requests(Endpoint::Login);
    for (text, why) in [
        (format!("{password}\n{password}"), "has more than one line"),
        (format!("{password}\t"), "has a tab in it"),
        ("\r\n".to_owned(), "is empty"),
    ] {
        for run in list(&text) {
            assert_refused(&run, why);
        }
    }
    assert_eq!(server.requests(Endpoint::Login), before);
}

#[test]
fn a_ca_file_without_a_certificate_is_refused() {
    let (server, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
    let file = folder.path().join("ca.pem");
    for text in ["", "\n", " \r\n ", "no certificate"] {
        fs::write(&file, text).unwrap();
        for runtime in ["ureq", "async-std", "smol", "tokio"] {
            let arguments = ["--runtime", runtime, "token", "--ca-file", file.to_str().unwrap()];
            let refused = run_at(&server, &arguments);
            assert_eq!(refused.code, Some(2), "{runtime} {text:?}: {}", refused.stderr);
        }
    }
    assert_no_request(&server);
}

#[test]
fn a_fault_that_can_never_happen_is_refused() {
    for (fault, why) in [
        ("send:2-1=503", "say 1-2"),
        ("send:0=503", "counted from 1"),
        ("webhook=503", "webhook cannot have it"),
        ("send=duplicate", "say a status"),
        ("nowhere=503", "there are domain, token"),
        ("send=sometimes", "send can have a status"),
    ] {
        let refused = run(&[], &["sandbox", "--fault", "send=503", "--fault", fault]);
        assert_refused(&refused, why);
    }
}

#[test]
fn an_unreadable_stdin_is_a_failure() {
    let server = cloud(&[]);
    for arguments in [
        &["chat", "--consumer", "a", "--listen", "127.0.0.1:0"][..],
        &["sandbox", "agent"],
        &["manifest", "check", "-"],
        &["webhook", "decode"],
    ] {
        let mut program = Command::new(env!("CARGO_BIN_EXE_lp-connector"));
        let program = program.env_clear().envs(settings(&server)).args(arguments);
        // A directory opens, and cannot be read.
        let done = program.stdin(File::open("/").unwrap()).output().unwrap();
        let line = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(1), "{arguments:?}: {line}");
        assert!(line.contains("cannot read"), "{arguments:?}: {line}");
    }
    assert!(server.with(|cloud| cloud.conversations().all(|one| !one.open)));
}

#[test]
fn a_refused_line_of_the_agent_does_not_end_the_input() {
    let server = cloud(&[]);
    run_at(&server, &["open", "--consumer", "a"]);
    let url = server.base_url();
    let mut typed = b"  one  \r\nb\xffd\n".to_vec();
    typed.extend(vec![b'x'; 300_000]);
    typed.extend(b"\n/typing  \n/close \n/quit \n");
    let agent = run_with(&[("LP_DOMAIN_API", &url)], &["sandbox", "agent"], &typed);
    assert_eq!(agent.code, Some(0), "{}", agent.stderr);
    assert!(agent.stdout.contains("not UTF-8"), "{}", agent.stdout);
    assert!(agent.stdout.contains("more than 65536 bytes"), "{}", agent.stdout);
    let texts = server.with(|cloud| {
        let text =
            |one: &lp_connector_sandbox::Message| one.event["message"].as_str().map(str::to_owned);
        cloud
            .messages()
            .iter()
            .filter(|one| one.role == "ASSIGNED_AGENT")
            .filter_map(text)
            .collect::<Vec<_>>()
    });
    assert_eq!(texts, ["  one  "]);
    assert!(server.with(|cloud| cloud.conversations().all(|one| !one.open)));
}

#[test]
fn a_secret_has_one_bound_wherever_it_comes_from() {
    let (server, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
    let (file, long) = (folder.path().join("secret"), "k".repeat(100_000));
    fs::write(&file, &long).unwrap();
    let name = file.to_str().unwrap();
    let apps = ["apps", "--user", "ada", "list"];
    for (variable, arguments) in [
        ("LP_CLIENT_SECRET", &["token"][..]),
        ("LP_CLIENT_SECRET", &["webhook", "verify", "--signature", "sha1=AA=="]),
        ("LP_CLIENT_SECRET", &["bridge", "--store", "no/b", "--deliver", "http://127.0.0.1:9/"]),
        ("LP_PASSWORD", &apps),
        ("", &["token", "--client-secret-file", name]),
        ("", &["apps", "--user", "ada", "--password-file", name, "list"]),
        ("", &["sandbox", "--secret-file", name]),
    ] {
        let more = [(variable, long.as_str())];
        let more = if variable.is_empty() { &[][..] } else { &more };
        let refused = program::run_at_with(&server, more, arguments);
        assert_refused(&refused, "has more than 65536 bytes");
    }
    assert_no_request(&server);
}

#[test]
fn a_time_that_leaves_no_time_is_refused() {
    let server = cloud(&[]);
    for (option, zero_is_refused) in [
        ("--attempt-timeout", true),
        ("--deadline", true),
        ("--retry-pauses", false),
        ("--app-jwt-interval", false),
    ] {
        for time in ["0", "0s", "0ms", "0h 0m"] {
            let run = run_at(&server, &[option, time, "domains"]);
            if zero_is_refused {
                assert_eq!(run.code, Some(2), "{option} {time}");
                assert!(run.stderr.contains("expected more than zero"), "{}", run.stderr);
            } else {
                assert_eq!(run.code, Some(0), "{option} {time}: {}", run.stderr);
            }
        }
        for time in ["", "5", "-1s", "s", "99999999999999999999s", "1s,"] {
            let refused = run_at(&server, &[&format!("{option}={time}"), "domains"]);
            assert_eq!(refused.code, Some(2), "{option} {time}: {}", refused.stderr);
        }
        // As long as the clock allows.
        let longest = run_at(&server, &[option, "584942417y", "domains"]);
        assert_eq!(longest.code, Some(0), "{option}: {}", longest.stderr);
    }
    assert_eq!(run_at(&server, &["--retry-pauses", "0s,1ms,0s", "domains"]).code, Some(0));
    let born_expired = run_at(&server, &["sandbox", "--token-life", "0"]);
    assert_eq!(born_expired.code, Some(2), "{}", born_expired.stderr);
}
