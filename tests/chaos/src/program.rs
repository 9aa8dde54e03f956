//! The bridge as a program, `lp-connector bridge`, with the documented gateway in Python as its channel.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::ChaosError;
use crate::books::{Books, Told};

/// What the program puts before the channel's ids of consumers.
pub(crate) const PREFIX: &str = "sms:";

const TOKEN: &str = "a-token-of-the-gateway-in-the-chaos";
const SIGNING: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Where everything is.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) binary: PathBuf,
    pub(crate) config: PathBuf,
    /// The address for notifications.
    pub(crate) webhooks: String,
    calls: String,
    script: PathBuf,
    directory: PathBuf,
    port: u16,
    gateway: Mutex<Option<Child>>,
}

impl Program {
    /// Writes the configuration.
    pub(crate) fn new(binary: &Path, script: &Path, store: &Path) -> Result<Self, ChaosError> {
        let directory = store.parent().ok_or("the store has no directory")?.to_owned();
        let [webhooks, calls, operations, port] = free_ports()?;
        for (name, secret) in [
            ("token", TOKEN),
            ("signing", SIGNING),
            ("operations", "a-token-of-operators-in-the-chaos"),
        ] {
            std::fs::write(directory.join(name), secret)?;
        }
        let config = directory.join("bridge.toml");
        let text = format!(
            r#"
store = "sqlite:{store}"
operations_token_files = ["operations"]
[bridge]
term = "3s"
attempt_timeout = "1500ms"
[log]
level = "error"
[listen]
webhooks = "127.0.0.1:{webhooks}"
gateways = "127.0.0.1:{calls}"
operations = "127.0.0.1:{operations}"
[gateway.sms]
token_files = ["token"]
[gateway.sms.deliver]
url = "http://127.0.0.1:{port}/bridge"
secret_files = ["signing"]
timeout = "1s"
"#,
            store = store.display(),
        );
        std::fs::write(&config, text)?;
        Ok(Self {
            binary: binary.to_owned(),
            config,
            webhooks: format!("127.0.0.1:{webhooks}"),
            calls: format!("http://127.0.0.1:{calls}"),
            script: script.to_owned(),
            directory,
            port,
            gateway: Mutex::default(),
        })
    }

    /// Where the provider posts what consumers write.
    pub(crate) fn entrance(&self) -> String {
        format!("http://127.0.0.1:{}/sms", self.port)
    }

    /// Starts the gateway, or another one in its place. What it hands over is written into the books.
    pub(crate) fn start_gateway(&self, books: &Arc<Books>) -> Result<(), ChaosError> {
        let mut gateway = self.gateway.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut old) = gateway.take() {
            old.kill()?;
            old.wait()?;
        }
        let mut child = Command::new("python3")
            .arg(&self.script)
            .env("BRIDGE_URL", &self.calls)
            .env("BRIDGE_TOKEN", TOKEN)
            .env("BRIDGE_SECRETS", SIGNING)
            .env("GATEWAY_DB", self.directory.join("gateway.db"))
            .env("GATEWAY_PORT", self.port.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("the gateway has no stdout")?);
        let mut ready = String::new();
        lines.read_line(&mut ready)?;
        *gateway = Some(child);
        if ready.is_empty() {
            return Err("the gateway did not start".into());
        }
        let books = books.clone();
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let handed = line.strip_prefix("to ").and_then(|line| line.split_once(": "));
                if let Some((consumer, text)) = handed {
                    books.lock().deliver(consumer, text, text, true);
                }
            }
        });
        Ok(())
    }

    /// Asks what became of messages of which nothing is known yet.
    pub(crate) fn ask(&self, books: &Books) {
        let agent = ureq::Agent::new_with_config(
            ureq::Agent::config_builder()
                .timeout_global(Some(Duration::from_secs(2)))
                .proxy(None)
                .build(),
        );
        let consumers = books.lock().open_consumers();
        for consumer in consumers {
            let url = format!("{}/v1/consumer?consumer={consumer}", self.calls);
            let answer = agent.get(url).header("authorization", format!("Bearer {TOKEN}")).call();
            // It may have been killed meanwhile.
            let Some(body) =
                answer.ok().and_then(|mut answer| answer.body_mut().read_to_vec().ok())
            else {
                continue;
            };
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            let recent = body.get("recent").and_then(Value::as_array);
            let mut book = books.lock();
            for one in recent.into_iter().flatten() {
                let word = |name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default();
                let told = match (word("status"), word("reason")) {
                    ("sent" | "delivered" | "read", _) => Told::Sent,
                    ("failed", "unconfirmed") => Told::Unconfirmed,
                    ("failed", _) => Told::Refused,
                    _ => continue,
                };
                book.tell(word("id"), told);
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(mut gateway) =
            self.gateway.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            let _ = gateway.kill();
            let _ = gateway.wait();
        }
    }
}

/// Ports that were free a moment ago: a program that is killed comes back on its own.
fn free_ports() -> Result<[u16; 4], ChaosError> {
    let mut listeners = Vec::new();
    let mut ports = [0; 4];
    for port in &mut ports {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        *port = listener.local_addr()?.port();
        listeners.push(listener);
    }
    Ok(ports)
}
