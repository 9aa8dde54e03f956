//! The program where proxies are configured.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

mod program;

use std::io::ErrorKind;
use std::net::TcpListener;

use program::{cloud, run, run_at_with};

const RUNTIMES: [&str; 4] = ["ureq", "tokio", "smol", "async-std"];

/// A listener that must see no connection, and its address.
fn untouched() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://user:s3cr3t@{}", listener.local_addr().unwrap());
    (listener, url)
}

fn assert_untouched(listener: &TcpListener) {
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

/// Every variable that names a proxy for some program.
const VARIABLES: [&str; 6] =
    ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];

#[test]
fn the_demo_works_whatever_proxy_is_set() {
    let (listener, url) = untouched();
    for value in [&*url, "::::", "socks5://127.0.0.1:9"] {
        let environment = VARIABLES.map(|name| (name, value));
        for runtime in RUNTIMES {
            let demo = run(&environment, &["--json", "--runtime", runtime, "demo"]);
            assert_eq!(demo.code, Some(0), "{runtime}, {value}: {}", demo.stderr);
            assert_eq!(demo.last()["event"], "closed");
            assert_untouched(&listener);
        }
    }
}

#[test]
fn a_sandbox_on_this_machine_is_reached_directly() {
    let server = cloud(&[]);
    let (listener, url) = untouched();
    let environment = VARIABLES.map(|name| (name, &*url));
    let sent = run_at_with(&server, &environment, &["--json", "converse", "--consumer", "a", "x"]);
    assert_eq!(sent.code, Some(0), "{}", sent.stderr);
    assert_untouched(&listener);
}

#[test]
fn an_unusable_variable_is_named_when_it_is_needed() {
    let environment = [
        ("LP_ACCOUNT_ID", "91827364"),
        ("LP_CLIENT_ID", "0a1b2c3d"),
        ("LP_CLIENT_SECRET", "pigeon"),
        ("https_proxy", "http://user:s3cr3t@127.0.0.1"),
    ];
    for runtime in RUNTIMES {
        let refused = run(&environment, &["--json", "--runtime", runtime, "token"]);
        assert_eq!(refused.code, Some(2), "{}", refused.stdout);
        let error = refused.last();
        assert_eq!(
            (&error["kind"], &error["delivery"]),
            (&"configuration".into(), &"not_sent".into())
        );
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("the proxy of https_proxy cannot be used"), "{message}");
        assert!(message.contains("no port") && !message.contains("s3cr3t"), "{message}");
    }
}
