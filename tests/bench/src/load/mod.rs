//! The load measurements: every adapter and its alternatives send messages over loopback at full speed.

mod adapters;
mod bare;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::peer::Peer;
use crate::report::{Load, Rounds};
use crate::targets::{self, LoadPair};
use crate::{BenchError, machine, quiet, ratio, spread};

/// The fewest and the most rounds of each client; the clients alternate. There are more until the ratios are steady.
const ROUNDS: RangeInclusive<usize> = 7..=15;

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
    /// hyper-util's pooled client without a time-out.
    HyperUtil,
    /// The same with a time-out for each request, as any program has to set one.
    HyperUtilTimed,
    /// reqwest.
    Reqwest,
    /// `lp-connector-async-std`.
    OnAsyncStd,
    /// `lp-connector-smol`.
    OnSmol,
}

impl ClientKind {
    pub(crate) const ALL: [Self; 9] = [
        Self::OnUreq,
        Self::Ureq,
        Self::UreqTimed,
        Self::OnTokio,
        Self::HyperUtil,
        Self::HyperUtilTimed,
        Self::Reqwest,
        Self::OnAsyncStd,
        Self::OnSmol,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OnUreq => "lp-connector-ureq",
            Self::Ureq => "ureq",
            Self::UreqTimed => "ureq with time-outs",
            Self::OnTokio => "lp-connector-tokio",
            Self::HyperUtil => "hyper-util",
            Self::HyperUtilTimed => "hyper-util with a time-out",
            Self::Reqwest => "reqwest",
            Self::OnAsyncStd => "lp-connector-async-std",
            Self::OnSmol => "lp-connector-smol",
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
    /// The same apart: in the program, and in the kernel for it. Known to a hundredth of a second.
    user_and_system: Option<(f64, f64)>,
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
    let (before, apart_before) = (sample(), quiet::user_and_system());
    thread::sleep(Duration::from_millis(millis));
    let (after, apart_after) = (sample(), quiet::user_and_system());
    progress.stopped.store(true, Ordering::Relaxed);
    let sent: Result<(), BenchError> = sending.join().map_err(|_| "a sender has panicked")?;
    sent?;
    Ok(Sent {
        messages: after.0 - before.0,
        seconds: (after.2 - before.2).as_secs_f64(),
        cpu: after.1 - before.1,
        user_and_system: apart_before
            .zip(apart_after)
            .map(|(before, after)| (after.0 - before.0, after.1 - before.1)),
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
        ClientKind::OnSmol => adapters::on_smol(callers, base, progress),
        ClientKind::HyperUtil => bare::over_hyper_util(callers, base, progress, false),
        ClientKind::HyperUtilTimed => bare::over_hyper_util(callers, base, progress, true),
        ClientKind::Reqwest => bare::over_reqwest(callers, base, progress),
    }
}

/// Measures all clients that are compared, with as many callers as they are compared with.
pub(crate) fn measure(quick: bool) -> Result<Vec<Load>, BenchError> {
    let server = Peer::start()?;
    let (most, millis) = if quick { (2, 100) } else { (*ROUNDS.end(), 600) };
    let mut loads = Vec::new();
    for callers in [1, 16, 64, 256] {
        let pairs: Vec<LoadPair> =
            targets::loads().into_iter().filter(|pair| pair.callers == callers).collect();
        let is_compared =
            |kind: &ClientKind| pairs.iter().any(|pair| [pair.of, pair.to].contains(&kind.name()));
        let kinds: Vec<ClientKind> = ClientKind::ALL.into_iter().filter(is_compared).collect();
        let mut sent: Vec<Vec<Sent>> = kinds.iter().map(|_| Vec::new()).collect();
        let mut measured: Vec<Load> = Vec::new();
        for done in 1..=most {
            for (kind, sent) in spread::in_turn(done, kinds.iter().zip(&mut sent)) {
                sent.push(send_in_process(*kind, callers, millis, server.base())?);
            }
            let each = kinds.iter().zip(&sent);
            measured = each.map(|(kind, sent)| load_of(*kind, callers, sent)).collect();
            if done >= *ROUNDS.start() && ratio::are_steady(&pairs, &measured) {
                break;
            }
        }
        loads.extend(measured);
    }
    Ok(loads)
}

fn load_of(kind: ClientKind, callers: usize, sent: &[Sent]) -> Load {
    let apart: Option<Vec<(f64, f64)>> = sent.iter().map(|one| one.user_and_system).collect();
    let system_share = apart.map(|apart| {
        let (user, system) =
            apart.iter().fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        system / (user + system)
    });
    Load {
        client: kind.name().to_owned(),
        callers,
        messages_per_second: Rounds::of(
            sent.iter().map(|one| one.messages as f64 / one.seconds).collect(),
        ),
        cpu_per_message: Rounds::of(
            sent.iter().map(|one| one.cpu / one.messages.max(1) as f64).collect(),
        ),
        system_share: system_share.filter(|share| share.is_finite()),
    }
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
        .env("SMOL_THREADS", "1")
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("{} could not send", kind.name()).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
