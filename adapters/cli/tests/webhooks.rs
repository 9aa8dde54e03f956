//! `lp-connector webhook sign`, `send` and `listen --forward-to`.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

mod program;

use std::fs;
use std::sync::mpsc::{self, Receiver};

use program::http;
use program::running::Running;
use program::{run, run_with};
use serde_json::json;

const SECRET: (&str, &str) = ("LP_CLIENT_SECRET", "s3cr3t");

#[test]
fn what_is_signed_verifies_in_each_scheme() {
    for scheme in ["sha1-base64", "sha1-hex", "sha256-base64", "sha256-hex"] {
        let body = "{\"a\":\"ü\"}\n".as_bytes();
        let signed = run_with(&[SECRET], &["webhook", "sign", "--signature", scheme], body);
        assert_eq!(signed.code, Some(0), "{}", signed.stderr);
        let verify = ["webhook", "verify", "--signature", signed.stdout.trim_end()];
        assert_eq!(run_with(&[SECRET], &verify, body).code, Some(0), "{scheme}");
        assert_eq!(run_with(&[SECRET], &verify, b"{}").code, Some(1), "{scheme}");
        let (name, encoding) = scheme.split_once('-').unwrap();
        let verified = run_with(&[SECRET], &verify, body).stdout;
        assert!(verified.contains(&format!("{name}, {encoding}")), "{verified}");
    }
    // From a file, by default as accounts have it.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body");
    fs::write(&file, "coo").unwrap();
    let signed = run(&[SECRET], &["--json", "webhook", "sign", file.to_str().unwrap()]);
    assert!(signed.last()["signature"].as_str().unwrap().starts_with("sha1="));
    assert_eq!(run(&[], &["webhook", "sign", file.to_str().unwrap()]).code, Some(2));
}

/// An endpoint that answers every post with these bytes, and keeps the requests.
fn endpoint(answer: &'static str) -> (String, Receiver<(String, Vec<u8>)>) {
    let (send, requests) = mpsc::channel();
    let url = http::serve(move |request| {
        let _ = send.send((request.head.clone(), request.body.clone()));
        request.answer_with(answer);
    });
    (url.trim_end_matches('/').to_owned(), requests)
}

#[test]
fn each_preset_arrives_signed_at_a_listener() {
    let at = [SECRET, ("LP_ACCOUNT_ID", "91827364"), ("LP_CLIENT_ID", "pigeon-post")];
    let listen = ["--json", "webhook", "listen", "--listen", "127.0.0.1:0", "--as-they-come"];
    let listener = Running::start(&at, &listen);
    let to = format!("http://{}/lp", listener.event()["listen"].as_str().unwrap());
    let help = run(&[], &["help", "webhook", "send"]).stdout;
    let presets: Vec<&str> = help
        .split("possible values: ")
        .nth(1)
        .unwrap()
        .split(']')
        .next()
        .unwrap()
        .split(',')
        .map(str::trim)
        .collect();
    assert!(presets.len() >= 20, "{presets:?}");
    for preset in presets {
        let send = ["--json", "webhook", "send", "--preset", preset, "--to", &to];
        let sent = run(&at, &send);
        assert_eq!(sent.code, Some(0), "{preset}: {}{}", sent.stdout, sent.stderr);
        assert_eq!(sent.last()["status"], 200, "{preset}");
        println!("{preset}");
        if preset != "empty" {
            let event = listener.event();
            assert!(event["event"] != "unreadable", "{preset}: {event}");
            if preset == "batch" {
                listener.event();
            }
        }
    }
    let other = [("LP_CLIENT_SECRET", "another"), at[1], at[2]];
    let sent = run(&other, &["webhook", "send", "--preset", "text", "--to", &to]);
    assert_eq!(sent.code, Some(1));
    assert!(sent.stdout.starts_with("401 in "), "{}", sent.stdout);
}

#[test]
fn the_answer_is_printed_and_no_redirect_followed() {
    let refused =
        "HTTP/1.1 500 Oops\r\ncontent-length: 12\r\nconnection: close\r\n\r\nno \x1b[31mcoo!";
    let (to, requests) = endpoint(refused);
    let to = format!("{to}/hook?key=k3y");
    let body = b"not \xff json";
    let send = ["webhook", "send", "-", "--to", &to, "--signature", "sha256-hex"];
    let sent = run_with(&[SECRET], &send, body);
    assert_eq!(sent.code, Some(1));
    assert!(sent.stdout.starts_with("500 in ") && sent.stdout.contains("coo!"), "{}", sent.stdout);
    assert!(!sent.stdout.contains('\x1b') && !sent.stdout.contains("k3y"), "{}", sent.stdout);
    assert!(sent.stderr.contains("only 200 and 201"), "{}", sent.stderr);
    let (head, posted) = requests.recv().unwrap();
    assert!(head.starts_with("POST /hook?key=k3y HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("x-liveperson-signature: sha256="), "{head}");
    assert_eq!(posted, body);
    let (other, elsewhere) = endpoint("");
    let moved = format!("HTTP/1.1 302 Found\r\nlocation: {other}\r\ncontent-length: 0\r\n\r\n");
    let (to, _) = endpoint(moved.leak());
    let sent = run(&[SECRET], &["webhook", "send", "--preset", "text", "--to", &to]);
    assert!(sent.stdout.starts_with("302 in "), "{}", sent.stdout);
    assert!(elsewhere.try_recv().is_err());
}

#[test]
fn a_post_needs_a_flag_to_leave_this_machine() {
    for url in ["https://hooks.example/", "http://127.0.0.1@hooks.example/", "http://192.0.2.1/"] {
        for command in [
            &["webhook", "send", "--preset", "text", "--to", url][..],
            &["webhook", "listen", "--listen", "127.0.0.1:0", "--forward-to", url],
        ] {
            let refused = run(&[SECRET], command);
            assert_eq!(refused.code, Some(2), "{url}: {}", refused.stderr);
            assert!(refused.stderr.contains(url), "{}", refused.stderr);
        }
    }
    let plain = ["webhook", "send", "--preset", "text", "--elsewhere", "--to", "http://192.0.2.1/"];
    assert!(run(&[SECRET], &plain).stderr.contains("https://"));
    let nothing = run(&[SECRET], &["webhook", "send"]);
    assert_eq!(nothing.code, Some(2));
    assert!(nothing.stderr.contains("--preset"), "{}", nothing.stderr);
}

#[test]
fn what_is_received_goes_on_signed_for_another_secret() {
    let folder = tempfile::tempdir().unwrap();
    let local = folder.path().join("local");
    fs::write(&local, "l0cal").unwrap();
    let ids = [("LP_ACCOUNT_ID", "91827364"), ("LP_CLIENT_ID", "pigeon-post")];
    let here = [("LP_CLIENT_SECRET", "l0cal"), ids[0], ids[1]];
    let listen = ["--json", "webhook", "listen", "--listen", "127.0.0.1:0", "--as-they-come"];
    let last = Running::start(&here, &listen);
    let to = format!("http://{}/hook?key=k3y", last.event()["listen"].as_str().unwrap());
    let there = [SECRET, ids[0], ids[1]];
    let forward = ["--forward-to", &to, "--forward-secret-file", local.to_str().unwrap()];
    let middle = Running::start(&there, &[&listen[..], &forward].concat());
    let first = middle.event();
    assert!(!first.to_string().contains("k3y"), "{first}");
    let url = format!("http://{}/", first["listen"].as_str().unwrap());
    for scheme in ["sha1-base64", "sha256-hex"] {
        let send = ["webhook", "send", "--preset", "text", "--set", "text=Coo", "--to", &url];
        let sent = run(&there, &[&send[..], &["--signature", scheme]].concat());
        assert_eq!(sent.code, Some(0), "{}{}", sent.stdout, sent.stderr);
        assert_eq!(middle.event()["text"], "Coo");
        let forwarded = middle.event();
        assert_eq!((&forwarded["status"], &forwarded["accepted"]), (&json!(200), &json!(true)));
        assert!(!forwarded.to_string().contains("k3y"), "{forwarded}");
        assert_eq!(last.event()["text"], "Coo");
    }
    // An endpoint that does not take it: the sender sends it again.
    drop(last);
    let send = ["webhook", "send", "--preset", "text", "--to", &url];
    assert!(run(&there, &send).stdout.starts_with("503 in "));
    middle.event();
    let forwarded = middle.event();
    assert_eq!((&forwarded["status"], &forwarded["accepted"]), (&json!(null), &json!(false)));
}

#[test]
fn a_listener_that_wants_sha256_refuses_sha1() {
    let ids = [SECRET, ("LP_ACCOUNT_ID", "91827364"), ("LP_CLIENT_ID", "pigeon-post")];
    let listen = ["--json", "webhook", "listen", "--listen", "127.0.0.1:0", "--require-sha256"];
    for environment in [&ids[..1], &ids[..]] {
        let running = Running::start(environment, &listen);
        let to = format!("http://{}/", running.event()["listen"].as_str().unwrap());
        for (scheme, begin) in [("sha1-base64", "401 in "), ("sha256-hex", "200 in ")] {
            let send = ["webhook", "send", "--preset", "text", "--to", &to, "--signature", scheme];
            let sent = run(&ids, &send);
            assert!(sent.stdout.starts_with(begin), "{scheme}: {}{}", sent.stdout, sent.stderr);
        }
    }
}
