//! The bridge, as a process of its own.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lp_connector_sandbox::Server;
use serde_json::Value;

use super::gateway::Gateway;
use crate::failure::Failure;

/// A running bridge. Dropped, it is killed.
pub(super) struct Child {
    process: std::process::Child,
    ready: Value,
    log: PathBuf,
}

impl Child {
    /// Starts this program as a bridge; at the addresses of the one before it, if there was one. Its terms are short:
    /// a lane waits so long after a kill.
    pub(super) fn start(
        folder: &Path,
        cloud: &Server,
        gateway: &Gateway,
        before: Option<&Self>,
    ) -> Result<Self, Failure> {
        let local = |error: io::Error| Failure::Local(format!("cannot start the bridge: {error}"));
        let log = folder.join("bridge.log");
        let mut program = Command::new(std::env::current_exe().map_err(local)?);
        // Nothing of this user's own configuration is of it.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("LP_") {
                program.env_remove(name);
            }
        }
        program
            .args(["--json", "bridge", "--store", "bridge.db", "--deliver", &gateway.url()])
            .args(["--listen-webhooks", &address(before, "/webhooks")])
            .args(["--listen-gateways", &address(before, "/url")])
            .args(["--listen-operations", "127.0.0.1:0"])
            .current_dir(folder)
            .env("LP_DOMAIN_API", cloud.base_url())
            .env("LP_ACCOUNT_ID", cloud.account_id())
            .env("LP_CLIENT_ID", cloud.client_id())
            .env("LP_CLIENT_SECRET", cloud.client_secret())
            .envs([
                ("LP_BRIDGE__BRIDGE__TERM", "1s"),
                ("LP_BRIDGE__BRIDGE__ATTEMPT_TIMEOUT", "1s"),
                ("LP_BRIDGE__DRAIN__DELAY", "0s"),
                ("LP_BRIDGE__GATEWAY__DEFAULT__DELIVER__TIMEOUT", "1s"),
                ("LP_BRIDGE__GATEWAY__DEFAULT__TOKENS", gateway.token.expose()),
                ("LP_BRIDGE__GATEWAY__DEFAULT__DELIVER__SECRETS", gateway.signing.expose()),
            ]);
        let stderr = File::options().create(true).append(true).open(&log).map_err(local)?;
        let piped = program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        let mut process = piped.spawn().map_err(local)?;
        let mut line = String::new();
        if let Some(stdout) = process.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(local)?;
        }
        let ready = serde_json::from_str(&line).unwrap_or_default();
        let child = Self { process, ready, log };
        match child.text("/event") {
            "bridge_ready" => Ok(child),
            _ => Err(child.failed(&format!("the bridge did not start: {}", line.trim()))),
        }
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Where LivePerson posts notifications.
    pub(super) fn webhooks(&self) -> &str {
        self.text("/webhooks")
    }

    /// Where the gateway posts messages.
    pub(super) fn url(&self) -> &str {
        self.text("/url")
    }

    fn text(&self, at: &str) -> &str {
        self.ready.pointer(at).and_then(Value::as_str).unwrap_or_default()
    }

    /// SIGKILL: it learns nothing of it.
    pub(super) fn kill(&mut self) -> Result<(), Failure> {
        let killed = self.process.kill().and_then(|()| self.process.wait());
        killed.map(drop).map_err(|error| Failure::Local(format!("cannot kill the bridge: {error}")))
    }

    /// SIGTERM: it ends what it has begun, and exits with 0.
    #[cfg(unix)]
    pub(super) fn end(mut self) -> Result<(), Failure> {
        let id = i32::try_from(self.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(id) = id {
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
        match self.process.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(self.failed(&format!("the bridge ended with {status}"))),
            Err(error) => Err(self.failed(&error.to_string())),
        }
    }

    #[cfg(not(unix))]
    pub(super) fn end(mut self) -> Result<(), Failure> {
        self.kill()
    }

    /// A failure with the last lines of the bridge's log.
    fn failed(&self, what: &str) -> Failure {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let last = lines.get(lines.len().saturating_sub(5)..).unwrap_or_default();
        Failure::Local(format!("{what}\n{}", last.join("\n")))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The address of a listener of the one before, or a free one.
fn address(before: Option<&Child>, name: &str) -> String {
    let url = before.map(|before| before.text(name)).unwrap_or_default();
    let address = url.strip_prefix("http://").and_then(|rest| rest.split('/').next());
    address.unwrap_or("127.0.0.1:0").to_owned()
}
