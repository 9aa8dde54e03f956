//! `lp-connector sandbox`, and its agent's side.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

mod program;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use lp_connector_sandbox::{Server, ServerConfig, Webhooks};
use program::running::Running;
use program::{run, run_at, run_with};
use serde_json::Value;

/// A running `lp-connector sandbox`, which ends with the test.
struct Sandbox {
    running: Running,
    ready: Value,
}

impl Sandbox {
    fn start(arguments: &[&str]) -> Self {
        let running = Running::start(&[], &[&["--json", "sandbox"], arguments].concat());
        let ready = running.event();
        Self { running, ready }
    }

    fn text(&self, name: &str) -> String {
        self.ready.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// The variables of its clients.
    fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("LP_DOMAIN_API", self.text("domain_api")),
            ("LP_ACCOUNT_ID", self.text("account")),
            ("LP_CLIENT_ID", self.text("client_id")),
            ("LP_CLIENT_SECRET", self.text("client_secret")),
            ("LP_CA_FILE", self.text("ca_file")),
        ]
    }

    /// The status and body of a response to bytes that no client of ours sends.
    fn ask(&self, request: &str) -> String {
        let address = self.text("domain_api").replace("http://", "");
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    }
}

#[test]
fn the_agent_follows_a_sandbox_with_tls() {
    let directory = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start(&["--tls", directory.path().to_str().unwrap()]);
    let environment = sandbox.environment();
    let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, &**value)).collect();
    let opened = run(&environment, &["--json", "open", "--consumer", "ada"]);
    assert_eq!(opened.code, Some(0), "{}{}", opened.stdout, opened.stderr);
    let agent = run_with(&environment, &["sandbox", "agent"], b"Good morning\n/quit\n");
    assert_eq!(agent.code, Some(0), "{}{}", agent.stdout, agent.stderr);
    assert!(agent.stdout.contains("you: Good morning"), "{}", agent.stdout);
    // Without its certificate.
    let Some((_, rest)) = environment.split_last() else { panic!("no variables") };
    let stranger = run_with(rest, &["sandbox", "agent"], b"/quit\n");
    assert_eq!(stranger.code, Some(1));
    assert!(stranger.stderr.contains("LP_CA_FILE"), "{}", stranger.stderr);
}

#[test]
fn the_agent_speaks_to_this_machine_alone() {
    for address in [
        "https://api.liveperson.net",
        "http://127.0.0.1:80@api.liveperson.net",
        "http://127.0.0.1:80\\@api.liveperson.net",
        "http://localhost.api.liveperson.net",
        "http://0x7f.1",
        "ftp://127.0.0.1",
        "127.0.0.1",
        "",
    ] {
        let refused = run(&[("LP_DOMAIN_API", address)], &["sandbox", "agent"]);
        assert_eq!(refused.code, Some(2), "{address}: {}", refused.stderr);
    }
}

#[test]
fn the_agent_says_that_the_endpoint_is_down() {
    let here = ([127, 0, 0, 1], 0).into();
    let server = Server::start(ServerConfig::new().control(here)).unwrap();
    // A port that refuses connections.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let hour = Duration::from_secs(3600);
    let webhooks = Webhooks::all_at(format!("http://{closed}/")).retention(hour);
    server.with(|sandbox| sandbox.set_webhooks(webhooks));
    assert_eq!(run_at(&server, &["open", "--consumer", "ada"]).code, Some(0));
    let mut program = Command::new(env!("CARGO_BIN_EXE_lp-connector"));
    program.env_clear().env("LP_DOMAIN_API", server.base_url()).args(["sandbox", "agent"]);
    let mut agent = Running::spawn(program.stdin(Stdio::piped()));
    let down = agent.stdout.find("takes no notifications");
    assert!(down.contains("tries again in ") && down.contains("1 waiting"), "{down}");
    server.with(|sandbox| sandbox.set_webhooks(Webhooks::default()));
    agent.stdout.find("-- the webhook endpoint takes notifications again");
    drop(agent.child.stdin.take());
    assert!(agent.end().success());
}

#[test]
fn an_old_path_is_taken_with_a_warning_unless_strict() {
    let old = "GET /api/account/91827364/service/idp/baseURI?version=1.0 HTTP/1.1\r\n\
               host: x\r\nconnection: close\r\n\r\n";
    let sandbox = Sandbox::start(&[]);
    assert!(sandbox.ask(old).starts_with("HTTP/1.1 200 "));
    sandbox.running.stderr.find("baseURI 200");
    let warning = sandbox.running.stderr.next();
    assert!(warning.contains("warning") && warning.contains("no .json"), "{warning}");
    let strict = Sandbox::start(&["--strict"]);
    assert!(strict.ask(old).starts_with("HTTP/1.1 404 "));
}

#[test]
fn a_webhook_must_be_on_this_machine() {
    for url in [
        "http://127.0.0.1:1@hooks.example/",
        "http://localhost:1.hooks.example/",
        "https://127.0.0.1:1/",
        "http://192.0.2.1/",
        "127.0.0.1:1",
    ] {
        let refused = run(&[], &["sandbox", "--webhook", url]);
        assert_eq!(refused.code, Some(2), "{url}");
        assert!(refused.stderr.contains("on this machine"), "{url}: {}", refused.stderr);
    }
}
