//! Conventions of command lines: colours, output for `$(…)`, plural forms.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

mod program;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use lp_connector_core::secret::Secret;
use lp_connector_core::webhook::{Algorithm, Encoding, sign};
use program::{cloud, run, run_at, run_with, settings};

#[test]
fn the_variables_for_colours_count_everywhere() {
    let server = cloud(&["token=503"]);
    for (variables, coloured) in [
        (&[][..], false),
        (&[("CLICOLOR_FORCE", "1")], true),
        (&[("CLICOLOR_FORCE", "0")], false),
        (&[("CLICOLOR", "1")], false),
        (&[("CLICOLOR", "0"), ("CLICOLOR_FORCE", "1")], true),
        (&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], false),
        (&[("NO_COLOR", ""), ("CLICOLOR_FORCE", "1")], true),
        (&[("TERM", "dumb"), ("CLICOLOR_FORCE", "1")], true),
    ] {
        let at = settings(&server);
        let mut environment: Vec<_> = at.iter().map(|(name, value)| (*name, &**value)).collect();
        environment.extend(variables);
        // The help, an error of the arguments, one of the configuration, notes and an error, the log.
        for arguments in [
            &["--help"][..],
            &["help", "send"],
            &["send", "--help"],
            &["no-such-command"],
            &["--runtime", "none", "token"],
            &["manifest", "explain", "nothing"],
            &["--retry-pauses", "1ms", "token"],
            &["-vvv", "domains"],
        ] {
            let run = run(&environment, arguments);
            let escapes = run.stdout.contains('\x1b') || run.stderr.contains('\x1b');
            assert_eq!(escapes, coloured, "{variables:?} {arguments:?}");
        }
        // What programs read is never coloured.
        for arguments in [&["--json", "domains"][..], &["completions", "bash"]] {
            assert!(!run(&environment, arguments).stdout.contains('\x1b'), "{arguments:?}");
        }
    }
}

#[test]
fn open_prints_the_id_alone() {
    let server = cloud(&[]);
    let opened = run_at(&server, &["open", "--consumer", "ada"]);
    let id = server.with(|cloud| cloud.conversations().next().unwrap().id.clone());
    assert_eq!(opened.stdout, format!("{id}\n"));
    assert_eq!(opened.stderr, "a conversation of ada is open\n");
    let close = ["close", "--consumer", "ada", "--conversation", opened.stdout.trim_end()];
    assert_eq!(run_at(&server, &close).code, Some(0));
}

#[test]
fn one_thing_is_not_plural() {
    let endpoint = "https://hooks.pigeon.example/lp";
    let new = ["manifest", "new", "--name", "pigeon-post", "--endpoint", endpoint];
    let made = run(&[], &new).stdout.replace("\"scope\"", "\"enabled\": \"yes\", \"scope\"");
    let checked = run_with(&[], &["manifest", "check", "-"], made.as_bytes());
    assert!(checked.stdout.lines().last().unwrap().starts_with("1 error, "), "{}", checked.stdout);
    assert_eq!(checked.stderr, "error: the manifest has 1 error\n");
    let secret = Secret::new("s3cr3t".to_owned());
    let signature = sign(&secret, Algorithm::Sha1, Encoding::Base64, b"x");
    let verify = ["webhook", "verify", "--signature", &signature];
    let verified = run_with(&[("LP_CLIENT_SECRET", "s3cr3t")], &verify, b"x");
    assert!(verified.stdout.ends_with("over 1 byte\n"), "{}", verified.stdout);
    let offered = run_at(&cloud(&[]), &["engagement", "--consumer", "ada"]);
    assert!(offered.stdout.contains(": 1 engagement offered\n"), "{}", offered.stdout);
}

#[test]
fn a_notification_in_a_file_is_decoded() {
    let body = r#"{"type":"ms.MessagingEventNotification","body":{"changes":[{"sequence":4,
        "dialogId":"c1","originatorMetadata":{"role":"CONSUMER"},"event":{"type":"ContentEvent","message":"Coo"}}]}}"#;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body.json");
    fs::write(&file, body).unwrap();
    let from_stdin = run_with(&[], &["webhook", "decode"], body.as_bytes());
    let from_file = run(&[], &["webhook", "decode", file.to_str().unwrap()]);
    assert_eq!((from_file.code, &from_file.stdout), (Some(0), &from_stdin.stdout));
    assert!(from_file.stdout.contains("consumer: Coo"), "{}", from_file.stdout);
}

/// A cloud that answers look-ups and token requests, and keeps their request lines.
fn stub() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let (base, lines) = (host.clone(), Arc::<Mutex<Vec<String>>>::default());
    let log = Arc::clone(&lines);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut first, mut length) = (String::new(), 0);
            stream.read_line(&mut first).unwrap();
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).unwrap();
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            stream.read_exact(&mut vec![0; length]).unwrap();
            let token = r#"{"access_token":"a.b.c"}"#.to_owned();
            let host = format!(r#"{{"service":"sentinel","baseURI":"{base}"}}"#);
            let body = if first.starts_with("GET") { host } else { token };
            log.lock().unwrap().push(first);
            let length = body.len();
            let head =
                format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
            stream.get_mut().write_all((head + &body).as_bytes()).unwrap();
        }
    });
    (format!("http://{host}"), lines)
}

#[test]
fn the_secret_is_in_the_url_only_on_request() {
    let (address, requests) = stub();
    let environment = [
        ("LP_DOMAIN_API", &*address),
        ("LP_ACCOUNT_ID", "91827364"),
        ("LP_CLIENT_ID", "pigeon-post"),
        ("LP_CLIENT_SECRET", "s3cr3t"),
    ];
    for (arguments, in_url) in [
        (&["token"][..], false),
        (&["--credentials-in", "body", "token"], false),
        (&["--credentials-in", "query", "token"], true),
        (&["--json", "--credentials-in", "query", "token"], true),
    ] {
        requests.lock().unwrap().clear();
        let token = run(&environment, arguments);
        assert_eq!(token.code, Some(0), "{}", token.stderr);
        assert_eq!(token.stderr.contains("warning: the token request carries the secret"), in_url);
        let sent = requests.lock().unwrap().join("");
        assert_eq!(sent.contains("client_secret=s3cr3t"), in_url, "{sent}");
        assert!(sent.contains("/app/token?v=1.0&grant_type=client_credentials"), "{sent}");
    }
    assert_eq!(run(&environment, &["--credentials-in", "header", "token"]).code, Some(2));
}
