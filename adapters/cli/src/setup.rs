//! Reads the configuration from the command line and the environment.

use std::fs;
use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

use lp_connector_core::connector::{Config, TRUSTED_SUFFIXES, Trust};
use lp_connector_core::id::{AccountId, ClientId};
use lp_connector_core::policy::RetryPolicy;
use lp_connector_core::secret::Secret;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use zeroize::Zeroizing;

use crate::args::Global;
use crate::failure::Failure;
use crate::output::Output;

/// Logs events of this project's crates to stderr.
pub(crate) fn logging(verbose: u8) {
    let level = match verbose {
        // Warnings say which webhooks were refused, and why.
        0 => Level::WARN,
        1 => Level::INFO,
        2 => Level::DEBUG,
        _ => Level::TRACE,
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .without_time();
    let ours = if verbose == 0 { "lp_connector_axum" } else { "lp_connector" };
    let ours = Targets::new().with_target(ours, level);
    tracing_subscriber::registry().with(lines).with(ours).init();
}

/// The configuration of an account, without credentials.
pub(crate) fn config(global: &Global, output: &Output) -> Result<Config, Failure> {
    let account = global.account.as_deref().ok_or_else(|| {
        Failure::usage(
            "the account is missing: set LP_ACCOUNT_ID or --account (or try `lp-connector demo`)",
        )
    })?;
    let account = AccountId::new(account)?;
    let suffixes =
        TRUSTED_SUFFIXES.iter().copied().chain(global.trust_suffix.iter().map(String::as_str));
    let mut config =
        Config::new(account).trust(Trust::new(&global.domain_api, suffixes)?).retry(retry(global));
    if let Some(timeout) = global.attempt_timeout {
        config = config.attempt_timeout(timeout).connect_timeout(timeout.min(CONNECT));
    }
    if let Some(deadline) = global.deadline {
        config = config.call_timeout(deadline);
    }
    if let Some(file) = &global.ca_file {
        config = config.extra_ca_pem(read(file, "--ca-file")?);
    }
    let output = output.clone();
    Ok(config.observer(move |event| output.event(event)))
}

/// The configuration of an account, with credentials.
pub(crate) fn config_with_credentials(global: &Global, output: &Output) -> Result<Config, Failure> {
    let config = config(global, output)?;
    let client = global.client_id.as_deref().ok_or_else(|| {
        Failure::usage("the app install is missing: set LP_CLIENT_ID or --client-id")
    })?;
    Ok(config.credentials(ClientId::new(client)?, secret(global)?))
}

const CONNECT: std::time::Duration = std::time::Duration::from_secs(5);

fn retry(global: &Global) -> RetryPolicy {
    let policy = RetryPolicy::documented().at_least_once(global.at_least_once);
    match &global.retry_pauses {
        Some(pauses) => policy.pauses(pauses.iter().copied()),
        None => policy,
    }
}

/// The app install's secret, from the file or the variable. Never from the command line, which every
/// user of the machine can read.
pub(crate) fn secret(global: &Global) -> Result<Secret, Failure> {
    let secret = match &global.client_secret_file {
        Some(file) => secret_in(file, "--client-secret-file")?,
        None => Secret::new(std::env::var("LP_CLIENT_SECRET").map_err(|_| {
            Failure::usage(
                "the app install's secret is missing: set LP_CLIENT_SECRET or \
                 --client-secret-file",
            )
        })?),
    };
    if secret.is_empty() {
        return Err(Failure::usage("the app install's secret is empty"));
    }
    Ok(secret)
}

/// The secret in a file, without the line break that editors add.
pub(crate) fn secret_in(file: &Path, flag: &str) -> Result<Secret, Failure> {
    // Zeroed when it is dropped.
    let bytes = Zeroizing::new(read(file, flag)?);
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Failure::usage(format!("{flag}: {} is not text", file.display())))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(Failure::usage(format!("{flag}: {} is empty", file.display())));
    }
    Ok(Secret::new(text.to_owned()))
}

/// The maximum size of a manifest on stdin.
const MAX_STDIN: u64 = 4 * 1024 * 1024;

/// Reads a file, or stdin for `-`.
pub(crate) fn read_or_stdin(file: &Path, flag: &str) -> Result<Vec<u8>, Failure> {
    if file != Path::new("-") {
        return read(file, flag);
    }
    let mut text = Vec::new();
    let read = std::io::stdin().take(MAX_STDIN).read_to_end(&mut text);
    read.map_err(|error| Failure::Local(format!("cannot read stdin: {error}")))?;
    Ok(text)
}

pub(crate) fn read(file: &Path, flag: &str) -> Result<Vec<u8>, Failure> {
    fs::read(file)
        .map_err(|error| Failure::usage(format!("{flag}: cannot read {}: {error}", file.display())))
}
