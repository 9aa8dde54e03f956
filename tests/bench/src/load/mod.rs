//! The load measurements: every adapter and its alternatives send messages over loopback at full speed.

mod adapters;
mod bare;
#[cfg(test)]
mod tests;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::report::{Load, Rounds};
use crate::{BenchError, machine};

/// Rounds of each client; the clients alternate.
const ROUNDS: usize = 7;

/// A client that sends messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum ClientKind {
    /// `lp-connector-ureq`.
    OnUreq,
    /// A bare ureq agent without time-outs.
    Ureq,
    /// A bare ureq agent with time-outs.
    UreqTimed,
    /// `lp-connector-tokio`.
    OnTokio,
    /// hyper-util's pooled client.
    HyperUtil,
    /// reqwest.
    Reqwest,
    /// `lp-connector-async-std`.
    OnAsyncStd,
}

impl ClientKind {
    pub(crate) const ALL: [Self; 7] = [
        Self::OnUreq,
        Self::Ureq,
        Self::UreqTimed,
        Self::OnTokio,
        Self::HyperUtil,
        Self::Reqwest,
        Self::OnAsyncStd,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OnUreq => "lp-connector-ureq",
            Self::Ureq => "ureq",
            Self::UreqTimed => "ureq with time-outs",
            Self::OnTokio => "lp-connector-tokio",
            Self::HyperUtil => "hyper-util",
            Self::Reqwest => "reqwest",
            Self::OnAsyncStd => "lp-connector-async-std",
        }
    }

    fn argument(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// What one process has sent, and at what cost.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Sent {
    messages: u64,
    seconds: f64,
    /// Processor time, in microseconds.
    cpu: f64,
}

/// The shared state of the senders of a process.
#[derive(Default)]
pub(crate) struct Progress {
    stopped: AtomicBool,
    messages: AtomicU64,
}

impl Progress {
    /// Counts a message. Returns false when the sender has to stop.
    pub(crate) fn count_message(&self) -> bool {
        self.messages.fetch_add(1, Ordering::Relaxed);
        !self.stopped.load(Ordering::Relaxed)
    }
}

/// Sends with this many callers for `millis` milliseconds, in this process, which does nothing else.
pub(crate) fn send(
    kind: ClientKind,
    callers: usize,
    millis: u64,
    base: &str,
) -> Result<Sent, BenchError> {
    machine::pin_to_core(0);
    let progress = Arc::new(Progress::default());
    let sending = {
        let (progress, base) = (progress.clone(), base.to_owned());
        thread::spawn(move || start(kind, callers, &base, &progress))
    };
    // Connections and tokens are made before the measurement starts.
    while progress.messages.load(Ordering::Relaxed) < 4 * callers as u64 && !sending.is_finished() {
        thread::sleep(Duration::from_millis(1));
    }
    thread::sleep(Duration::from_millis(millis / 5));
    let sample =
        || (progress.messages.load(Ordering::Relaxed), machine::cpu_time(), Instant::now());
    let before = sample();
    thread::sleep(Duration::from_millis(millis));
    let after = sample();
    progress.stopped.store(true, Ordering::Relaxed);
    let sent: Result<(), BenchError> = sending.join().map_err(|_| "a sender has panicked")?;
    sent?;
    Ok(Sent {
        messages: after.0 - before.0,
        seconds: (after.2 - before.2).as_secs_f64(),
        cpu: after.1 - before.1,
    })
}

fn start(
    kind: ClientKind,
    callers: usize,
    base: &str,
    progress: &Arc<Progress>,
) -> Result<(), BenchError> {
    match kind {
        ClientKind::OnUreq => adapters::on_ureq(callers, base, progress),
        ClientKind::OnTokio => adapters::on_tokio(callers, base, progress),
        ClientKind::OnAsyncStd => adapters::on_async_std(callers, base, progress),
        ClientKind::Ureq => bare::over_ureq(callers, base, progress, false),
        ClientKind::UreqTimed => bare::over_ureq(callers, base, progress, true),
        ClientKind::HyperUtil => bare::over_hyper_util(callers, base, progress),
        ClientKind::Reqwest => bare::over_reqwest(callers, base, progress),
    }
}

/// A server in a process of its own. It ends when this is dropped.
struct Server {
    child: Child,
    base: String,
}

impl Server {
    fn start() -> Result<Self, BenchError> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut base = String::new();
        let stdout = child.stdout.take().ok_or("the server has no output")?;
        BufReader::new(stdout).read_line(&mut base)?;
        Ok(Self { child, base: base.trim().to_owned() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Measures all clients with 1, 16 and 256 callers, and with 64 those that have a target there.
pub(crate) fn measure(quick: bool) -> Result<Vec<Load>, BenchError> {
    let server = Server::start()?;
    let (rounds, millis) = if quick { (2, 100) } else { (ROUNDS, 800) };
    let mut loads = Vec::new();
    for callers in [1, 16, 64, 256] {
        let kinds: Vec<ClientKind> = ClientKind::ALL
            .into_iter()
            .filter(|kind| {
                callers != 64 || matches!(kind, ClientKind::OnAsyncStd | ClientKind::Reqwest)
            })
            .collect();
        let mut sent: Vec<Vec<Sent>> = kinds.iter().map(|_| Vec::new()).collect();
        for _ in 0..rounds {
            for (kind, sent) in kinds.iter().zip(&mut sent) {
                sent.push(send_in_process(*kind, callers, millis, &server.base)?);
            }
        }
        for (kind, sent) in kinds.iter().zip(sent) {
            let rate = sent.iter().map(|one| one.messages as f64 / one.seconds).collect();
            let cpu = sent.iter().map(|one| one.cpu / one.messages.max(1) as f64).collect();
            loads.push(Load {
                client: kind.name().to_owned(),
                callers,
                messages_per_second: Rounds::of(rate),
                cpu_per_message: Rounds::of(cpu),
            });
        }
    }
    Ok(loads)
}

/// Sends from a process of its own, whose processor time is that of the client alone.
fn send_in_process(
    kind: ClientKind,
    callers: usize,
    millis: u64,
    base: &str,
) -> Result<Sent, BenchError> {
    let output = Command::new(std::env::current_exe()?)
        .args(["send", &kind.argument(), "--base", base])
        .args(["--callers", &callers.to_string(), "--millis", &millis.to_string()])
        // One thread, as in the other runtimes.
        .env("ASYNC_STD_THREAD_COUNT", "1")
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("{} could not send", kind.name()).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
