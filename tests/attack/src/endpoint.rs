//! The endpoint under attack: a process of its own.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lp_connector_axum::secret::Secret;
use lp_connector_axum::webhook::Receiver;
use lp_connector_axum::{Webhooks, serve, shutdown_signal};

use crate::{AttackError, files};

/// The first argument that makes this program the endpoint.
pub(crate) const COMMAND: &str = "endpoint";

/// The secret that signs legitimate notifications.
pub(crate) const SECRET: &str = "n3v3r-u5e-7h15-1n-pr0d";

/// Receives notifications until SIGTERM, as the program of the README does.
pub(crate) fn run() -> Result<bool, AttackError> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let receiver = Receiver::new().secret(Secret::new(std::env::var("LP_CLIENT_SECRET")?));
        let (router, mut deliveries) = Webhooks::new(receiver).deliveries();
        let listener = tokio::net::TcpListener::bind(std::env::var("LP_WEBHOOK_LISTEN")?).await?;
        let server = tokio::spawn(serve(listener, router, shutdown_signal()?));
        while deliveries.next().await.is_some() {}
        server.await??;
        Ok(true)
    })
}

/// A running endpoint. It ends when it is dropped.
pub(crate) struct Endpoint {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Endpoint {
    /// Starts this program as endpoint, or another one.
    pub(crate) fn start(program: &[String]) -> Result<Self, AttackError> {
        let mut command = match program.split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments);
                command
            }
            None => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg(COMMAND);
                command
            }
        };
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        command
            .env("LP_CLIENT_SECRET", SECRET)
            .env("LP_WEBHOOK_LISTEN", address.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // It warns of refusals.
            .stderr(Stdio::null());
        let endpoint = Self { child: files::spawn(&mut command)?, address };
        let patience = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(address).is_err() {
            if Instant::now() > patience {
                return Err(format!("no endpoint listens on {address}").into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(endpoint)
    }

    /// The peak of its resident memory in MiB, where the system tells it.
    pub(crate) fn memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
        Some(kibibytes.div_ceil(1024))
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
