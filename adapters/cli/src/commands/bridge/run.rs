//! Runs the bridge until a signal.

use std::time::Duration;

use lp_connector_gateway::server::{Addresses, Server, StartError};
use serde_json::json;
use tokio::runtime::Builder;

use super::args::Options;
use super::config::Loaded;
use super::log::{self, Log};
use super::signals::{Signal, Signals};
use crate::args::Global;
use crate::failure::Failure;
use crate::output::Output;

/// How often it is looked whether the bridge still turns.
const LOOK: Duration = Duration::from_secs(1);

/// What a reload takes.
const RELOADED: &str = "tokens, secrets that sign, verify or log in, and the level; the rest holds from the next start";

pub(super) fn run(options: &Options, global: &Global, output: &Output) -> Result<(), Failure> {
    let local = |error: std::io::Error| Failure::Local(format!("cannot start: {error}"));
    let runtime = Builder::new_multi_thread().enable_all().build().map_err(local)?;
    // Before anything else: a signal that comes too early would end the process without a drain.
    let signals = {
        let _context = runtime.enter();
        Signals::register().map_err(local)?
    };
    let loaded = Loaded::read(options, global)?;
    loaded.judge(output)?;
    let log = loaded.log().start();
    let again = |loaded: &Loaded| loaded.again(options, global);
    let ended = runtime.block_on(serve(loaded, signals, &log, again, output));
    // What is left would only be waited for.
    runtime.shutdown_background();
    log.finish();
    ended
}

async fn serve(
    loaded: Loaded,
    mut signals: Signals,
    log: &Log,
    again: impl Fn(&Loaded) -> Result<Loaded, Failure>,
    output: &Output,
) -> Result<(), Failure> {
    let started = Server::start(loaded.server()?, loaded.store()?).await;
    let server = started.map_err(|error| not_started(error, &loaded))?;
    announce(&loaded, server.addresses(), output);
    // Without its addresses nobody can use it.
    output.check()?;
    let Addresses { webhooks, gateways, operations, .. } = server.addresses();
    let (version, store) = (env!("CARGO_PKG_VERSION"), loaded.store_place()?);
    tracing::info!(
        target: log::TARGET, event = "started", version, store, %webhooks, %gateways, %operations
    );
    listening(&loaded, server.addresses());
    let mut loaded = loaded;
    loop {
        tokio::select! {
            signal = signals.next() => match signal {
                Signal::Stop => break,
                Signal::Reload => loaded = reload(loaded, &again, &server, log),
            },
            () = tokio::time::sleep(LOOK) => if !server.bridge().is_running() {
                return Err(Failure::Local("the bridge has failed; start it again".to_owned()));
            },
        }
    }
    let second = async { while signals.next().await != Signal::Stop {} };
    if !server.drain(second).await {
        tracing::warn!(target: log::TARGET, event = "cut_short", cause = "the rest is in the store");
    }
    tracing::info!(target: log::TARGET, event = "stopped");
    Ok(())
}

/// Reads again what can change while it runs. What cannot be used changes nothing.
fn reload(
    loaded: Loaded,
    again: &impl Fn(&Loaded) -> Result<Loaded, Failure>,
    server: &Server,
    log: &Log,
) -> Loaded {
    let read = again(&loaded).and_then(|new| {
        let config = new.server()?;
        server.reload_secrets(&config).map_err(|error| Failure::usage(error.to_string()))?;
        Ok(new)
    });
    match read {
        Ok(new) => {
            log.set_level(new.log().level);
            tracing::info!(target: log::TARGET, event = "reloaded", cause = RELOADED);
            new
        }
        Err(failure) => {
            let cause = failure.to_string();
            tracing::error!(target: log::TARGET, event = "reload_failed", cause = cause.as_str());
            loaded
        }
    }
}

/// Logs each address with where it comes from: a variable counts more than the file, and nobody may remember it.
fn listening(loaded: &Loaded, addresses: Addresses) {
    let Addresses { webhooks, gateways, operations, .. } = addresses;
    let origin = |setting| format!("the address comes from {}", loaded.origin(setting));
    let (first, second, third) =
        (origin("listen.webhooks"), origin("listen.gateways"), origin("listen.operations"));
    tracing::info!(target: log::TARGET, event = "listening", %webhooks, cause = first);
    tracing::info!(target: log::TARGET, event = "listening", %gateways, cause = second);
    tracing::info!(target: log::TARGET, event = "listening", %operations, cause = third);
}

fn not_started(error: StartError, loaded: &Loaded) -> Failure {
    match error {
        StartError::Listen(setting, address, error) => Failure::usage(format!(
            "cannot listen on {address}: {error}; the address comes from {}; choose another one with --{} or {setting}",
            loaded.origin(setting),
            setting.replace('.', "-"),
        )),
        StartError::Client(error) => Failure::Call(error),
        other => Failure::usage(other.to_string()),
    }
}

/// Prints what a gateway and an operator need, as shell commands. What this run made up is told; other secrets are
/// where they were read.
fn announce(loaded: &Loaded, addresses: Addresses, output: &Output) {
    let made = loaded.made_up();
    let (url, operations) =
        (format!("http://{}", addresses.gateways), format!("http://{}", addresses.operations));
    let mut lines = vec![format!("export BRIDGE_URL={url}")];
    let secrets = [
        ("BRIDGE_TOKEN", &made.token),
        ("BRIDGE_SECRETS", &made.signing),
        ("LP_BRIDGE_OPS_TOKEN", &made.operations),
    ];
    let shown = secrets.iter().filter_map(|(name, secret)| Some((name, secret.as_ref()?)));
    lines.extend(shown.map(|(name, secret)| format!("export {name}={}", secret.expose())));
    lines.push(format!("export LP_BRIDGE_OPS={operations}"));
    let text = |secret: &Option<lp_connector_core::secret::Secret>| {
        secret.as_ref().map(|secret| secret.expose().to_owned())
    };
    output.done(
        &json!({"event": "bridge_ready", "webhooks": format!("http://{}/lp", addresses.webhooks),
            "url": url, "token": text(&made.token), "secrets": text(&made.signing),
            "operations": operations, "operations_token": text(&made.operations)}),
        lines.join("\n"),
    );
}
