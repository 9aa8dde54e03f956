//! A sandbox with its console, and traffic for it.

use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use lp_connector_sandbox::{Server, ServerConfig};
use serde_json::{Value, json};

use crate::checks::Result;

/// A running sandbox with its control listener.
pub(crate) struct Cloud {
    pub(crate) server: Server,
    pub(crate) control: String,
    agent: ureq::Agent,
}

/// A client of its own, without a proxy.
pub(crate) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(20)))
        .http_status_as_error(false)
        .proxy(None)
        .build()
        .into()
}

/// The simplest request to a cloud.
fn simple(base: &str, account: &str) -> String {
    format!("{base}/api/account/{account}/service/baseURI.json?version=1.0")
}

/// Gets this so many times, on one connection.
pub(crate) fn requests(url: &str, count: usize) -> Result<()> {
    let agent = agent();
    for _ in 0..count {
        let mut response = agent.get(url).call()?;
        response.body_mut().read_to_string()?;
    }
    Ok(())
}

impl Cloud {
    pub(crate) fn start() -> Result<Self> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = Server::start(ServerConfig::new().control(any))?;
        let control = server.control_url().ok_or("no control listener")?;
        Ok(Self { server, control, agent: agent() })
    }

    pub(crate) fn console(&self) -> String {
        format!("{}/console", self.control)
    }

    pub(crate) fn get(&self, path: &str) -> Result<Value> {
        let mut response = self.agent.get(format!("{}{path}", self.control)).call()?;
        Ok(serde_json::from_str(&response.body_mut().read_to_string()?)?)
    }

    pub(crate) fn get_text(&self, path: &str) -> Result<String> {
        let mut response = self.agent.get(format!("{}{path}", self.control)).call()?;
        Ok(response.body_mut().read_to_string()?)
    }

    /// The headers of an answer.
    pub(crate) fn headers(&self, url: &str) -> Result<ureq::http::HeaderMap> {
        Ok(self.agent.get(url).call()?.headers().clone())
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let request = self.agent.post(format!("{}{path}", self.control));
        let mut response = request.content_type("application/json").send(body.to_string())?;
        let text = response.body_mut().read_to_string()?;
        if !response.status().is_success() {
            return Err(format!("POST {path}: {text}").into());
        }
        Ok(if text.is_empty() { Value::Null } else { serde_json::from_str(&text)? })
    }

    /// So many requests to the cloud, one after the other on one connection.
    pub(crate) fn traffic(&self, count: usize) -> Result<()> {
        requests(&simple(&self.server.base_url(), &self.server.account_id()), count)
    }

    /// A token for the app and one for a consumer, asked for as a connector does.
    pub(crate) fn tokens(&self, consumer: &str) -> Result<[String; 2]> {
        let (base, account) = (self.server.base_url(), self.server.account_id());
        let form = [
            ("grant_type", "client_credentials".to_owned()),
            ("client_id", self.server.client_id()),
            ("client_secret", self.server.client_secret()),
        ];
        let url = format!("{base}/sentinel/api/account/{account}/app/token?v=1.0");
        let mut response = self.agent.post(url).send_form(form)?;
        let app: Value = serde_json::from_str(&response.body_mut().read_to_string()?)?;
        let app = app["access_token"].as_str().ok_or("no access_token")?.to_owned();
        let url = format!("{base}/api/account/{account}/consumer?v=1.0");
        let request = self.agent.post(url).content_type("application/json");
        let body = json!({"ext_consumer_id": consumer}).to_string();
        let mut response = request.header("authorization", format!("Bearer {app}")).send(body)?;
        let jws: Value = serde_json::from_str(&response.body_mut().read_to_string()?)?;
        Ok([app, jws["token"].as_str().ok_or("no token")?.to_owned()])
    }

    /// The address at which the cloud gives a file back to the consumer.
    pub(crate) fn download_url(&self, consumer: &str, path: &str) -> Result<String> {
        let [app, jws] = self.tokens(consumer)?;
        let (base, account) = (self.server.base_url(), self.server.account_id());
        let body = json!({"kind": "req", "id": "1", "type": "ms.GenerateURLForDownloadFile",
            "body": {"relativePath": path}});
        let url = format!("{base}/api/account/{account}/messaging/consumer/conversation/send?v=3");
        let request = self.agent.post(url).content_type("application/json");
        let request = request.header("authorization", format!("Bearer {app}"));
        let mut response = request.header("x-lp-on-behalf", jws).send(body.to_string())?;
        let answer: Value = serde_json::from_str(&response.body_mut().read_to_string()?)?;
        let fields = &answer["body"]["queryParams"];
        let field =
            |name: &str| fields[name].as_str().ok_or_else(|| format!("no {name}: {answer}"));
        let (signature, expires) = (field("temp_url_sig")?, field("temp_url_expires")?);
        Ok(format!("{base}{path}?temp_url_sig={signature}&temp_url_expires={expires}"))
    }

    /// Sends an agent's file; the answer's status and text.
    pub(crate) fn upload(
        &self,
        conversation: &str,
        name: &str,
        bytes: &[u8],
    ) -> Result<(u16, String)> {
        let url = format!(
            "{}/v1/conversations/{conversation}/files?as=a9-agent&name={name}",
            self.control
        );
        let mut response = self.agent.post(url).content_type("image/png").send(bytes)?;
        Ok((response.status().as_u16(), response.body_mut().read_to_string()?))
    }

    /// Opens a conversation whose consumer says something, without a program.
    pub(crate) fn conversation(&self, consumer: &str, text: &str) -> Result<String> {
        let done =
            self.post("/v1/triggers/consumer-text", &json!({"consumer": consumer, "text": text}))?;
        Ok(done["conversation"].as_str().ok_or("no conversation")?.to_owned())
    }
}

/// The program `lp-connector sandbox`, whose state is in a directory.
pub(crate) struct Process {
    child: std::process::Child,
    pub(crate) console: String,
    control: String,
    agent: ureq::Agent,
}

impl Process {
    /// Starts one whose home is this directory; with `state` it keeps its state there.
    pub(crate) fn start(program: &Path, directory: &Path, state: bool) -> Result<Self> {
        let mut command = Command::new(program);
        command.env_clear().env("HOME", directory).arg("sandbox");
        if state {
            command.arg("--state").arg(directory.join("state"));
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (sender, lines) = mpsc::channel();
        for stream in [
            child.stdout.take().map(|one| Box::new(one) as Box<dyn Read + Send>),
            child.stderr.take().map(|one| Box::new(one) as Box<dyn Read + Send>),
        ]
        .into_iter()
        .flatten()
        {
            let sender = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(std::result::Result::ok) {
                    let _ = sender.send(line);
                }
            });
        }
        let mut seen = Vec::new();
        loop {
            let Ok(line) = lines.recv_timeout(Duration::from_secs(20)) else {
                let _ = child.kill();
                return Err(format!("the sandbox names no console: {seen:#?}").into());
            };
            let address = line
                .split_whitespace()
                .find(|word| word.starts_with("http://") && word.ends_with("/console"));
            if let Some(console) = address {
                let control = console.trim_end_matches("/console").to_owned();
                return Ok(Self { child, console: console.to_owned(), control, agent: agent() });
            }
            seen.push(line);
        }
    }

    pub(crate) fn get(&self, path: &str) -> Result<Value> {
        let mut response = self.agent.get(format!("{}{path}", self.control)).call()?;
        Ok(serde_json::from_str(&response.body_mut().read_to_string()?)?)
    }

    /// The simplest request to its cloud.
    pub(crate) fn simple(&self) -> Result<String> {
        let about = self.get("/v1")?;
        let text = |name: &str| about[name].as_str().ok_or("not said in /v1");
        Ok(simple(text("cloud")?, text("account")?))
    }

    /// The memory that it uses, in MiB, where the system tells.
    pub(crate) fn memory(&self) -> Option<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib / 1024.0)
    }

    /// The processor time that it has used, in ticks, where the system tells.
    pub(crate) fn processor_time(&self) -> Option<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        // Behind the name, which may have spaces, user and system time are the 12th and 13th.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |place: usize| fields.get(place)?.parse::<f64>().ok();
        Some(ticks(11)? + ticks(12)?)
    }

    pub(crate) fn trigger(&self, name: &str, body: &Value) -> Result<()> {
        let request = self.agent.post(format!("{}/v1/triggers/{name}", self.control));
        let response = request.content_type("application/json").send(body.to_string())?;
        if response.status().is_success() {
            Ok(())
        } else {
            Err(format!("{name}: {}", response.status()).into())
        }
    }

    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Stops it as Ctrl-C does.
    pub(crate) fn stop(mut self) -> Result<()> {
        #[cfg(unix)]
        if let Some(id) = rustix::process::Pid::from_raw(i32::try_from(self.child.id())?) {
            rustix::process::kill_process(id, rustix::process::Signal::INT)?;
        }
        #[cfg(not(unix))]
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
