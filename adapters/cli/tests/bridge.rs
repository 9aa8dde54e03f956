//! The bridge as a program, with the documented gateway in Python, and its log.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

mod program;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use lp_connector_gateway::signature::SigningKeys;
use program::bridge::{Bridge, OPS_TOKEN, SIGNING, TOKEN, arrived, gateway, say, wait_for};
use program::{cloud, signals};
use serde_json::{Value, json};

/// The gateway in `examples/gateway.py`, and what it prints.
struct Python {
    child: Child,
    url: String,
    printed: Arc<Mutex<Vec<String>>>,
}

impl Python {
    /// `None`, with a line that says so, where there is no Python.
    fn start(folder: &Path, bridge: &str, secrets: &str, port: &str) -> Option<Self> {
        if Command::new("python3").arg("--version").output().is_err() {
            eprintln!("skipped: there is no python3 here");
            return None;
        }
        let mut program = Command::new("python3");
        program.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/gateway.py"));
        program.env("BRIDGE_URL", bridge).env("BRIDGE_TOKEN", TOKEN).env("BRIDGE_SECRETS", secrets);
        program.env("GATEWAY_PORT", port).env("GATEWAY_DB", folder.join("gateway.db"));
        let mut child = program.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let url = first.strip_prefix("listening at ").unwrap().trim_end_matches('/').to_owned();
        let printed = Arc::<Mutex<Vec<String>>>::default();
        let kept = printed.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().unwrap().push(line);
            }
        });
        Some(Self { child, url, printed })
    }

    fn printed(&self) -> Vec<String> {
        self.printed.lock().unwrap().clone()
    }

    /// Posts to it, and returns the status.
    fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> u16 {
        let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build();
        let request = ureq::Agent::new_with_config(config).post(format!("{}{path}", self.url));
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.send(body.as_bytes()).unwrap().status().as_u16()
    }

    fn sms(&self, id: &str, text: &str) -> u16 {
        self.post("/sms", &[], &json!({"id": id, "from": "+41790000001", "text": text}).to_string())
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that is free now.
/// A port for another program, of which the system gives none away by itself meanwhile.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let place =
        || std::process::id().wrapping_mul(89).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
    let port = || 10_000 + u16::try_from(place() % 5_000).unwrap();
    std::iter::repeat_with(port).take(5_000).find(is_free).unwrap()
}

#[test]
fn the_documented_gateway_is_a_channel() {
    let (cloud, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
    let port = free_port().to_string();
    let bridge =
        Bridge::start(&cloud, folder.path(), &format!("http://127.0.0.1:{port}/bridge"), &[]);
    let Some(python) = Python::start(folder.path(), &bridge.url(""), SIGNING, &port) else {
        return;
    };
    // A message, and its repeat; then another one; then one that will never do.
    for (id, text) in [
        ("SM1", "Where is my parcel?"),
        ("SM1", "Where is my parcel?"),
        ("SM2", "Hello?"),
        ("SM2", "another"),
        ("SM3", ""),
    ] {
        assert_eq!(python.sms(id, text), 204);
    }
    wait_for("both messages", || (arrived(&cloud).len() == 2).then_some(()));
    say(&cloud, "On its way.");
    say(&cloud, "Be there at four.");
    wait_for("both answers", || {
        (python.printed().iter().filter(|line| line.starts_with("to ")).count() == 2).then_some(())
    });
    assert_eq!(arrived(&cloud), ["Where is my parcel?", "Hello?"]);
    let expected = ["to +41790000001: On its way.", "to +41790000001: Be there at four."];
    let told: Vec<_> =
        python.printed().into_iter().filter(|line| line.starts_with("to ")).collect();
    assert_eq!(told, expected);
    bridge.signal("-TERM");
    let (status, log) = bridge.wait();
    assert_eq!(status.code(), Some(0), "{log}");
    // Nobody is there now: the provider asks again.
    assert_eq!(python.sms("SM4", "Anybody?"), 503);
}

#[test]
fn the_documented_gateway_takes_signed_deliveries_once() {
    let folder = tempfile::tempdir().unwrap();
    let two = format!("{SIGNING} whsec_Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=");
    let Some(python) = Python::start(folder.path(), "http://127.0.0.1:9", &two, "0") else {
        return;
    };
    let keys = |secret: &str| SigningKeys::new(secret.split(' ')).unwrap();
    let other = keys("whsec_////////////////////////////////");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let body = |id: &str, kind: &str| {
        json!({"id": id, "type": kind, "consumer": "ada", "data": {"text": id}}).to_string()
    };
    let message = |id: &str| body(id, "message.created");
    let (first, second) = (keys(SIGNING), keys(&two));
    let whole = first.sign("a", now, message("a").as_bytes());
    for (id, body, at, signature, status) in [
        ("a", message("a"), now, whole.clone(), 204),
        ("a", message("a"), now, whole.clone(), 204),
        ("a", message("a"), now, other.sign("a", now, message("a").as_bytes()) + " " + &whole, 204),
        ("b", message("b"), now, second.sign("b", now, message("b").as_bytes()), 204),
        (
            "c",
            body("c", "weather.changed"),
            now,
            first.sign("c", now, body("c", "weather.changed").as_bytes()),
            204,
        ),
        ("d", message("d"), now, other.sign("d", now, message("d").as_bytes()), 401),
        ("d", message("d"), now - 301, first.sign("d", now - 301, message("d").as_bytes()), 401),
        ("d", message("d"), now + 400, first.sign("d", now + 400, message("d").as_bytes()), 401),
        ("d", message("d"), now, String::new(), 401),
        ("d", message("d"), now, "v1,".to_owned(), 401),
        (
            "d",
            message("d"),
            now,
            first.sign("d", now, message("d").as_bytes())[..20].to_owned(),
            401,
        ),
        ("e", message("d"), now, first.sign("d", now, message("d").as_bytes()), 401),
        ("d", message("D"), now, first.sign("d", now, message("d").as_bytes()), 401),
    ] {
        let at = at.to_string();
        let headers =
            [("webhook-id", id), ("webhook-timestamp", &at), ("webhook-signature", &signature)];
        assert_eq!(python.post("/bridge", &headers, &body), status, "{id} {at} {signature}");
    }
    assert_eq!(python.post("/bridge", &[], &message("d")), 401);
    assert_eq!(python.printed(), ["to ada: a", "to ada: b"]);
}

#[test]
fn a_hangup_reads_the_secrets_again() {
    let (cloud, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
    let port = free_port().to_string();
    let (signing, token) = (folder.path().join("whsec"), folder.path().join("token"));
    fs::write(&signing, "whsec_////////////////////////////////\n").unwrap();
    fs::write(&token, format!("{TOKEN}\n")).unwrap();
    for file in [&signing, &token] {
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let deliver = format!("http://127.0.0.1:{port}/bridge");
    let files = [
        ("LP_BRIDGE__GATEWAY__SMS__DELIVER__SECRETS", ""),
        ("LP_BRIDGE__GATEWAY__SMS__DELIVER__SECRET_FILES", "whsec"),
        ("LP_BRIDGE__GATEWAY__SMS__TOKENS", ""),
        ("LP_BRIDGE__GATEWAY__SMS__TOKEN_FILES", "token"),
    ];
    let bridge = Bridge::start(&cloud, folder.path(), &deliver, &files);
    let Some(python) = Python::start(folder.path(), &bridge.url(""), SIGNING, &port) else {
        return;
    };
    assert_eq!(python.sms("SM1", "Hello?"), 204);
    say(&cloud, "Hello.");
    let is_refused = || {
        let text = bridge.get("/metrics").1;
        let line = text.lines().find(|line| {
            line.starts_with("lp_bridge_deliveries_total") && line.contains("misconfigured")
        });
        line.filter(|line| !line.ends_with(" 0")).map(drop)
    };
    wait_for("a delivery with the wrong signature", is_refused);
    assert_eq!(python.printed(), [""; 0]);
    // What cannot be used changes nothing.
    fs::write(&token, "short").unwrap();
    bridge.signal("-HUP");
    assert_eq!(python.sms("SM2", "Still there?"), 204);
    fs::write(&token, format!("{TOKEN}\n")).unwrap();
    fs::write(&signing, SIGNING).unwrap();
    bridge.signal("-HUP");
    wait_for("the message", || {
        python.printed().contains(&"to +41790000001: Hello.".to_owned()).then_some(())
    });
    bridge.signal("-TERM");
    let (status, log) = bridge.wait();
    assert_eq!(status.code(), Some(0));
    assert!(
        log.contains(r#""event":"reload_failed""#) && log.contains(r#""event":"reloaded""#),
        "{log}"
    );
    assert!(log.contains("a token has at least 32 characters"), "{log}");
    assert!(log.contains("secrets that sign, verify or log in, and the level"), "{log}");
}

#[test]
fn every_signal_ends_it_well_and_a_second_one_at_once() {
    for signal in signals().into_iter().filter(|signal| *signal != "-HUP") {
        let (cloud, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
        let bridge = Bridge::start(&cloud, folder.path(), "http://127.0.0.1:9/", &[]);
        bridge.signal(signal);
        let (status, log) = bridge.wait();
        assert_eq!(status.code(), Some(0), "{signal}: {log}");
        assert!(log.contains(r#""event":"stopped""#), "{log}");
    }
    let (cloud, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
    let slow = [("LP_BRIDGE__DRAIN__DELAY", "1h")];
    let bridge = Bridge::start(&cloud, folder.path(), "http://127.0.0.1:9/", &slow);
    bridge.signal("-TERM");
    // While it drains, it still takes messages, and is not ready.
    wait_for("the drain", || (bridge.get("/readyz").0 == 503).then_some(()));
    assert_eq!(bridge.post(&json!({"id": "1", "consumer": "ada", "text": "one"})), 202);
    bridge.signal("-HUP");
    bridge.signal("-INT");
    let (status, log) = bridge.wait();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains(r#""event":"cut_short""#), "{log}");
}

/// A gateway that answers the first deliveries with a failure which quotes them, and takes the rest.
fn quoting_gateway() -> String {
    gateway(|turn, body| match turn {
        0 => ("500 Sorry", body.to_owned()),
        1 => ("401 Sorry", body.to_owned()),
        _ => ("204 Good", String::new()),
    })
}

/// The members that a line of the log may have.
const MEMBERS: &[&str] = &[
    "time",
    "level",
    "event",
    "request",
    "gateway",
    "consumer",
    "conversation",
    "message",
    "delivery",
    "attempt",
    "status",
    "seconds",
    "account",
    "operation",
    "service",
    "version",
    "store",
    "webhooks",
    "gateways",
    "operations",
    "cause",
];

#[test]
fn the_log_shows_no_secret_no_text_and_no_name() {
    for (level, format) in [
        ("error", "json"),
        ("warn", "json"),
        ("info", "json"),
        ("debug", "json"),
        ("trace", "json"),
        ("trace", "text"),
    ] {
        let (cloud, folder) = (cloud(&["conversation:1=503"]), tempfile::tempdir().unwrap());
        let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let more = [
            ("LP_BRIDGE__LOG__LEVEL", level),
            ("LP_BRIDGE__LOG__FORMAT", format),
            ("LP_STORE_KEY", key),
        ];
        let bridge = Bridge::start(&cloud, folder.path(), &quoting_gateway(), &more);
        let (bridge_url, ops_url) = (bridge.url(""), bridge.operations().to_owned());
        let profile = json!({"profile": {"first_name": "Adelheid", "last_name": "Dovecote"}});
        for (id, text) in [("SM1", "Where is my pigeon?"), ("SM2", ""), ("SM1", "Another pigeon?")]
        {
            bridge.post(
                &json!({"id": id, "consumer": "+41790000001", "text": text, "open": profile}),
            );
        }
        wait_for("the message", || (!arrived(&cloud).is_empty()).then_some(()));
        say(&cloud, "It is in the loft.");
        let settled = || {
            let count = cloud.with(|sandbox| {
                let receipts =
                    sandbox.messages().iter().filter(|one| one.event["status"] == "ACCEPT");
                receipts.filter(|one| one.role == "CONSUMER").count()
            });
            (count > 0).then_some(())
        };
        wait_for("the receipt", settled);
        bridge.signal("-HUP");
        bridge.signal("-TERM");
        let (status, log) = bridge.wait();
        assert_eq!(status.code(), Some(0), "{log}");
        let secret = cloud.client_secret();
        let tokens =
            [TOKEN, OPS_TOKEN, SIGNING, &SIGNING[6..], &secret, "Bearer", "qu3ry", "eyJ", "v1,"];
        let said = ["pigeon", "loft", "Adelheid", "Dovecote", "+41790000001", "41790000001"];
        for word in tokens.iter().chain(&said) {
            assert!(!log.contains(*word), "{level} {format}: {word} is in {log}");
        }
        // The store is sealed.
        for file in fs::read_dir(folder.path()).unwrap() {
            let bytes = fs::read(file.unwrap().path()).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains("pigeon") && !text.contains("Adelheid") && !text.contains(key));
        }
        let wanted = match level {
            "error" => "misconfigured",
            "warn" => "outage",
            _ => "accepted",
        };
        assert!(log.contains(wanted), "{level}: {log}");
        for line in log.lines().filter(|_| format == "json") {
            assert!(line.len() < 4096, "{line}");
            let line: Value = serde_json::from_str(line).unwrap();
            let names = line.as_object().unwrap().keys();
            assert!(names.clone().all(|name| MEMBERS.contains(&name.as_str())), "{line}");
            let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            assert!(line["event"].as_str().is_some_and(is_name), "{line}");
            if line["event"] == "started" {
                assert_eq!(line["store"], "sqlite:bridge.db");
                let url = |name: &str| format!("http://{}", line[name].as_str().unwrap());
                assert_eq!(
                    (url("gateways"), url("operations")),
                    (bridge_url.clone(), ops_url.clone())
                );
            }
        }
    }
}

#[test]
fn a_stderr_that_takes_nothing_does_not_stop_it() {
    let (cloud, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
    let mut program = Command::new(env!("CARGO_BIN_EXE_lp-connector"));
    program.env_clear().envs(program::settings(&cloud)).current_dir(folder.path());
    program.args([
        "--json",
        "bridge",
        "--store",
        "b.db",
        "--deliver",
        "http://127.0.0.1:9/",
        "-vv",
    ]);
    let listeners = ["--listen-webhooks", "--listen-gateways", "--listen-operations"];
    program.args(listeners.iter().flat_map(|option| [*option, "127.0.0.1:0"]));
    program.env("LP_BRIDGE__DRAIN__DELAY", "0s");
    // Nobody reads its stderr.
    let mut child = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build();
    let agent = ureq::Agent::new_with_config(config);
    let url = format!("{}/v1/messages", ready["url"].as_str().unwrap());
    // Far more than a pipe and the waiting lines hold.
    for number in 0..3000 {
        let request = agent.post(&url).header("authorization", "Bearer nobody");
        let request = request.content_type("application/json");
        assert_eq!(request.send(b"{}").unwrap().status(), 401, "{number}");
    }
    let begun = Instant::now();
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(60));
}
