//! What a running bridge says of what is wrong.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

mod program;

use std::net::TcpListener;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use program::bridge::{Bridge, OPS_TOKEN, TOKEN, wait_for};
use program::running::Running;
use program::{cloud, run};
use serde_json::{Value, json};

/// The lines of a log with this event.
fn lines(log: &str, event: &str) -> Vec<Value> {
    let all = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    all.filter(|line| line["event"] == event).collect()
}

#[test]
fn wrong_credentials_are_an_error_with_advice() {
    for (wrong, request, advice) in [
        (("LP_CLIENT_SECRET", "not-the-secret"), "app_jwt", "client id and the secret"),
        (("LP_ACCOUNT_ID", "11111111"), "domain", "account"),
    ] {
        let (cloud, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
        let bridge = Bridge::start(&cloud, folder.path(), "http://127.0.0.1:9/", &[wrong]);
        for number in 0..5 {
            let consumer = format!("ada{number}");
            let message = json!({"id": number.to_string(), "consumer": consumer, "text": "Coo?"});
            assert_eq!(bridge.post(&message), 202);
        }
        let status = wait_for("the failure", || {
            let status = bridge.ops(&["status"]).stdout;
            status.contains("waits because").then_some(status)
        });
        assert!(status.contains(&format!("request={request}")), "{status}");
        assert!(status.contains("since=") && status.contains(advice), "{status}");
        bridge.signal("-TERM");
        let (_, log) = bridge.wait();
        let said = lines(&log, "liveperson_refuses");
        let [line] = &*said else { panic!("one line: {log}") };
        assert_eq!((&line["level"], &line["operation"]), (&json!("error"), &json!(request)));
        assert!(line["account"].is_string() && line["service"].is_string(), "{line}");
        assert!(line["cause"].as_str().unwrap().contains(advice), "{line}");
        assert!(!log.contains("not-the-secret"), "{log}");
    }
}

#[test]
fn a_service_that_keeps_failing_is_named() {
    let (cloud, folder) = (cloud(&["conversation=503"]), tempfile::tempdir().unwrap());
    let bridge = Bridge::start(&cloud, folder.path(), "http://127.0.0.1:9/", &[]);
    assert_eq!(bridge.post(&json!({"id": "1", "consumer": "ada", "text": "Coo?"})), 202);
    let shown = |what: &str| bridge.ops(&["status"]).stdout.contains(what).then_some(());
    wait_for("the failures", || shown("failures=3"));
    bridge.signal("-TERM");
    let (_, log) = bridge.wait();
    let said = lines(&log, "liveperson_down");
    let [line] = &*said else { panic!("one line: {log}") };
    assert_eq!((&line["level"], &line["status"]), (&json!("warn"), &json!(503)));
    assert_eq!(line["operation"], "open_conversation");
    assert!(line["service"].is_string(), "{line}");
}

#[test]
fn a_refused_call_is_a_warning_with_its_request() {
    let (cloud, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
    let bridge = Bridge::start(&cloud, folder.path(), "http://127.0.0.1:9/", &[]);
    let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build();
    let agent = ureq::Agent::new_with_config(config);
    let (messages, status) =
        (bridge.url("/v1/messages"), format!("{}/ops/v1/status", bridge.operations()));
    let calls = [
        (&messages, "wrong", 401, "unauthorized", None),
        (&messages, OPS_TOKEN, 403, "forbidden", None),
        (&status, TOKEN, 403, "forbidden", None),
        (&messages, TOKEN, 405, "method", None),
        (&messages, TOKEN, 422, "invalid", Some("sms")),
    ];
    for (number, (url, token, status, _, _)) in calls.iter().enumerate() {
        let token = format!("Bearer {token}");
        let id = format!("call-{number}");
        let answer = match (*status, url.contains("/ops/")) {
            (405, _) | (_, true) => {
                let call = agent.get(*url).header("x-request-id", id);
                call.header("authorization", token).call()
            }
            _ => {
                let call = agent.post(*url).header("x-request-id", id);
                call.header("authorization", token).content_type("application/json").send("{}")
            }
        };
        assert_eq!(answer.unwrap().status().as_u16(), *status);
    }
    bridge.signal("-TERM");
    let (_, log) = bridge.wait();
    let said = lines(&log, "request");
    for (number, (_, _, status, cause, gateway)) in calls.iter().enumerate() {
        let id = format!("call-{number}");
        let Some(line) = said.iter().find(|line| line["request"] == *id) else { panic!("{log}") };
        assert_eq!((&line["level"], &line["status"]), (&json!("warn"), &json!(status)));
        assert_eq!((line["cause"].as_str(), line["gateway"].as_str()), (Some(*cause), *gateway));
    }
}

#[test]
fn a_wrong_store_key_is_logged_once_and_in_the_status() {
    let (cloud, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
    let key = |n: u8| STANDARD.encode([n; 32]);
    let (first, second) = (key(1), key(2));
    let bridge =
        Bridge::start(&cloud, folder.path(), "http://127.0.0.1:9/", &[("LP_STORE_KEY", &first)]);
    // The store keeps something that is sealed.
    assert_eq!(bridge.ops(&["pause", "sms"]).code, Some(0));
    bridge.signal("-TERM");
    bridge.wait();
    let more = [("LP_STORE_KEY", &*second)];
    let mut program = Bridge::program(&cloud, folder.path(), "http://127.0.0.1:9/", &more);
    let mut bridge = Running::spawn(program.stdin(Stdio::null()));
    let operations = bridge.event()["operations"].as_str().unwrap().to_owned();
    let environment = [("LP_BRIDGE_OPS", &*operations), ("LP_BRIDGE_OPS_TOKEN", OPS_TOKEN)];
    let status = || run(&environment, &["--json", "bridge", "status"]).last()["status"].clone();
    // It was asked several times.
    let store = wait_for("the cause", || {
        let store = status()["store"].clone();
        (store["failing_for"].as_f64()? > 2.0).then_some(store)
    });
    assert!(store["cause"].as_str().is_some_and(|cause| cause.contains("key")), "{store}");
    let shown = run(&environment, &["bridge", "status"]).stdout;
    assert!(shown.starts_with("starting; "), "{shown}");
    assert!(shown.contains("s cannot be used: ") && shown.contains("key"), "{shown}");
    bridge.signal("-TERM");
    bridge.end();
    let log = bridge.stderr.rest().join("\n");
    let said = lines(&log, "store");
    let [line] = &*said else { panic!("one line: {log}") };
    assert_eq!((&line["level"], &line["attempt"]), (&json!("error"), &json!(1)));
    assert!(!log.contains(&first) && !log.contains(&second), "{log}");
}

#[test]
fn an_address_is_logged_with_its_source() {
    let (cloud, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
    let file = "[listen]\nwebhooks = \"127.0.0.1:9\"\noperations = \"127.0.0.1:0\"\n";
    std::fs::write(folder.path().join("bridge.toml"), file).unwrap();
    // As a sandbox exports it.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (listen, fails) in [("127.0.0.1:0", false), (&*address, true)] {
        let more = [
            ("LP_BRIDGE__LISTEN__WEBHOOKS", ""),
            ("LP_BRIDGE__LISTEN__OPERATIONS", ""),
            ("LP_WEBHOOK_LISTEN", listen),
        ];
        let mut program = Bridge::program(&cloud, folder.path(), "http://127.0.0.1:9/", &more);
        let mut bridge = Running::spawn(program.stdin(Stdio::null()));
        let over = "the variable LP_WEBHOOK_LISTEN, which counts more than bridge.toml:2";
        if fails {
            let error = bridge.event()["message"].as_str().unwrap().to_owned();
            assert!(error.contains(over) && error.contains(&address), "{error}");
            assert_eq!(bridge.end().code(), Some(2));
            continue;
        }
        assert_eq!(bridge.event()["event"], "bridge_ready");
        let told: Vec<Value> = (0..3)
            .map(|_| serde_json::from_str(&bridge.stderr.find("\"listening\"")).unwrap())
            .collect();
        for (line, (listener, source)) in told.iter().zip([
            ("webhooks", over),
            ("gateways", "the variable LP_BRIDGE__LISTEN__GATEWAYS"),
            ("operations", "bridge.toml:3"),
        ]) {
            assert!(line[listener].as_str().is_some_and(|at| !at.ends_with(":0")), "{line}");
            assert_eq!(line["cause"], format!("the address comes from {source}"), "{line}");
        }
        bridge.signal("-TERM");
        assert_eq!(bridge.end().code(), Some(0));
    }
    let shown = Command::new(env!("CARGO_BIN_EXE_lp-connector"))
        .args(["bridge", "config", "check"])
        .env("LP_WEBHOOK_LISTEN", &address)
        .current_dir(folder.path())
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("# env LP_WEBHOOK_LISTEN, over bridge.toml:2\n"), "{shown}");
}
