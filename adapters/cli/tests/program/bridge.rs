//! A bridge that runs as a program.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test reports by panicking")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use lp_connector_sandbox::{Agent, Server, Webhooks};
use serde_json::{Value, json};

use super::{Run, http, run, settings};

pub(crate) const TOKEN: &str = "lpb_k3rW0b2Jm5s7uV1xY4zA6cE8gI0kM2oQ4sU6wY8aC1e";
pub(crate) const OPS_TOKEN: &str = "lpb_b7Qe2Hn4p6r8tZ0xW3yC5dF7gJ9kL1mN3oP5qR7sT9u";
pub(crate) const SIGNING: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A running bridge. Its notifications come from `cloud`.
pub(crate) struct Bridge {
    child: Child,
    pub(crate) ready: Value,
    log: Option<JoinHandle<String>>,
}

impl Bridge {
    /// Starts a bridge whose gateway `sms` takes deliveries at `deliver`. Files are in `folder`; these settings come on
    /// top.
    pub(crate) fn start(
        cloud: &Server,
        folder: &Path,
        deliver: &str,
        more: &[(&str, &str)],
    ) -> Self {
        let mut program = Self::program(cloud, folder, deliver, more);
        let piped = program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let mut all = String::new();
            stderr.read_to_string(&mut all).unwrap();
            all
        });
        let Ok(ready) = serde_json::from_str::<Value>(&line) else {
            panic!("{line} {}", log.join().unwrap())
        };
        assert_eq!(ready["event"], "bridge_ready", "{ready}");
        let webhooks = ready["webhooks"].as_str().unwrap();
        let webhooks = Webhooks::all_at(webhooks).retention(Duration::from_secs(3600));
        cloud.with(|sandbox| sandbox.set_webhooks(webhooks));
        let bridge = Self { child, ready, log: Some(log) };
        wait_for("the start", || (bridge.get("/readyz").0 == 200).then_some(()));
        bridge
    }

    /// The program of a bridge, which is not started.
    pub(crate) fn program(
        cloud: &Server,
        folder: &Path,
        deliver: &str,
        more: &[(&str, &str)],
    ) -> Command {
        let own = [
            ("LP_BRIDGE__STORE", "bridge.db"),
            ("LP_BRIDGE__OPERATIONS_TOKENS", OPS_TOKEN),
            ("LP_BRIDGE__DRAIN__DELAY", "0s"),
            ("LP_BRIDGE__LISTEN__WEBHOOKS", "127.0.0.1:0"),
            ("LP_BRIDGE__LISTEN__GATEWAYS", "127.0.0.1:0"),
            ("LP_BRIDGE__LISTEN__OPERATIONS", "127.0.0.1:0"),
            ("LP_BRIDGE__GATEWAY__SMS__TOKENS", TOKEN),
            ("LP_BRIDGE__GATEWAY__SMS__DELIVER__URL", deliver),
            ("LP_BRIDGE__GATEWAY__SMS__DELIVER__SECRETS", SIGNING),
        ];
        let all: BTreeMap<&str, &str> = own.into_iter().chain(more.iter().copied()).collect();
        // An empty one stands for none.
        let all = all.into_iter().filter(|(_, value)| !value.is_empty());
        let mut program = Command::new(env!("CARGO_BIN_EXE_lp-connector"));
        program.env_clear().envs(settings(cloud)).envs(all).current_dir(folder);
        program.args(["--json", "bridge"]);
        program
    }

    /// The status and the body of a page of its operations.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build();
        let url = format!("{}{path}", self.ready["operations"].as_str().unwrap());
        let mut page = ureq::Agent::new_with_config(config).get(url).call().unwrap();
        (page.status().as_u16(), page.body_mut().read_to_string().unwrap())
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.ready["url"].as_str().unwrap())
    }

    /// The id of its only dead letter, once there is one.
    pub(crate) fn dead_letter(&self) -> String {
        let config = ureq::Agent::config_builder().proxy(None).build();
        let agent = ureq::Agent::new_with_config(config);
        let url = format!("{}/ops/v1/dead-letters", self.operations());
        wait_for("a dead letter", || {
            let request = agent.get(&url).header("authorization", format!("Bearer {OPS_TOKEN}"));
            let page = request.call().unwrap().body_mut().read_to_string().unwrap();
            let page: Value = serde_json::from_str(&page).unwrap();
            page["items"][0]["id"].as_str().map(str::to_owned)
        })
    }

    pub(crate) fn operations(&self) -> &str {
        self.ready["operations"].as_str().unwrap()
    }

    /// Runs a command of operators on it.
    pub(crate) fn ops(&self, arguments: &[&str]) -> Run {
        let environment =
            [("LP_BRIDGE_OPS", self.operations()), ("LP_BRIDGE_OPS_TOKEN", OPS_TOKEN)];
        run(&environment, &[&["bridge"], arguments].concat())
    }

    /// Sends a signal, such as `-TERM`.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Waits for the end. Returns how it ended, and all of its log.
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        (status, self.log.take().unwrap().join().unwrap())
    }

    /// Posts a message of a consumer to it. Returns the status.
    pub(crate) fn post(&self, message: &Value) -> u16 {
        let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build();
        let request = ureq::Agent::new_with_config(config).post(self.url("/v1/messages"));
        let request = request.header("authorization", format!("Bearer {TOKEN}"));
        let request = request.content_type("application/json");
        request.send(message.to_string().as_bytes()).unwrap().status().as_u16()
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something is there, for a minute.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The texts of consumers that reached the cloud, in order.
pub(crate) fn arrived(cloud: &Server) -> Vec<String> {
    cloud.with(|sandbox| {
        let of_consumers = sandbox.messages().iter().filter(|one| one.role == "CONSUMER");
        of_consumers.filter_map(|one| one.event["message"].as_str().map(str::to_owned)).collect()
    })
}

/// An agent says something in the first open conversation of the gateway's consumers.
pub(crate) fn say(cloud: &Server, text: &str) {
    let id = wait_for("the conversation", || {
        cloud.with(|sandbox| {
            let mut all = sandbox.conversations();
            all.find(|one| one.open && one.consumer.starts_with("sms:")).map(|one| one.id.clone())
        })
    });
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    cloud
        .with(|sandbox| sandbox.agent(now, &id, Agent::Text(text.to_owned(), Vec::new())))
        .unwrap();
}

/// A gateway that answers each delivery with a status and a body, by the number of the request, from 0, and its body.
pub(crate) fn gateway(
    answer: impl Fn(usize, &str) -> (&'static str, String) + Send + 'static,
) -> String {
    let state = Mutex::new((0, answer));
    let url = http::serve(move |request| {
        let mut state = state.lock().unwrap();
        let (status, body) = (state.1)(state.0, request.text());
        state.0 += 1;
        request.answer(status, &body);
    });
    format!("{url}bridge?key=qu3ry")
}

/// A bridge with a consumer, an open conversation, and a dead letter, whose id this returns too.
pub(crate) fn with_dead_letter(cloud: &Server, folder: &Path) -> (Bridge, String) {
    let url = gateway(|_, body| match body.contains("message.created") {
        true => ("422 No", String::new()),
        false => ("204 Good", String::new()),
    });
    let bridge = Bridge::start(
        cloud,
        folder,
        &url,
        &[("LP_BRIDGE__GATEWAY__SMS__DELIVER__REFUSED_TRIES", "1")],
    );
    assert_eq!(
        bridge.post(&json!({"id": "SM1", "consumer": "ada", "text": "Where is my parcel?"})),
        202
    );
    say(cloud, "On its way.");
    let letter = bridge.dead_letter();
    (bridge, letter)
}
