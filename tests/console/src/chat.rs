//! A real `lp-connector chat`, whose consumer a check plays.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use lp_connector_sandbox::{Server, Webhooks};

use crate::checks::Result;

/// How long the chat has to print what is waited for.
const WAIT_LIMIT: Duration = Duration::from_secs(30);

/// A running chat. It is killed with this value.
pub(crate) struct Chat {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<(Instant, String)>,
    pub(crate) seen: Vec<String>,
}

impl Chat {
    /// Starts a chat of this consumer; all notifications go to it.
    pub(crate) fn start(program: &Path, server: &Server, consumer: &str) -> Result<Self> {
        let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let webhooks =
            Webhooks::all_at(format!("http://{free}/")).retention(Duration::from_secs(600));
        server.with(|cloud| cloud.set_webhooks(webhooks));
        let mut child = Command::new(program)
            .env_clear()
            .envs(settings(server))
            .env("LP_WEBHOOK_LISTEN", free.to_string())
            .args(["chat", "--consumer", consumer])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let stdout = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        let stdin = child.stdin.take().ok_or("no stdin")?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(std::result::Result::ok) {
                let _ = sender.send((Instant::now(), line));
            }
        });
        let mut chat = Self { child, stdin, lines, seen: Vec::new() };
        chat.wait_for("conversation ")?;
        Ok(chat)
    }

    pub(crate) fn say(&mut self, line: &str) -> Result<()> {
        Ok(writeln!(self.stdin, "{line}")?)
    }

    /// Waits for a line with this part; returns when it came.
    pub(crate) fn wait_for(&mut self, part: &str) -> Result<Instant> {
        let until = Instant::now() + WAIT_LIMIT;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Ok((at, line)) = self.lines.recv_timeout(left) else {
                return Err(format!("the chat printed no {part:?}: {:#?}", self.seen).into());
            };
            self.seen.push(line.clone());
            if line.contains(part) {
                return Ok(at);
            }
        }
    }
}

impl Chat {
    /// The next lines that belong to the message shown last.
    pub(crate) fn more(&mut self, count: usize) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        while lines.len() < count {
            self.wait_for("   ")?;
            let line = self.seen.last().cloned().unwrap_or_default();
            // Receipts are indented too.
            if line.starts_with("   ") && !line.contains("✓") {
                lines.push(line.trim().to_owned());
            }
        }
        Ok(lines)
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The variables with which the program reaches a sandbox.
pub(crate) fn settings(server: &Server) -> [(&'static str, String); 4] {
    [
        ("LP_DOMAIN_API", server.base_url()),
        ("LP_ACCOUNT_ID", server.account_id()),
        ("LP_CLIENT_ID", server.client_id()),
        ("LP_CLIENT_SECRET", server.client_secret()),
    ]
}
