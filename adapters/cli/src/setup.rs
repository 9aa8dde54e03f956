//! Reads the configuration from the command line and the environment.

use std::path::Path;
use std::time::Duration;

use lp_connector_core::api::CredentialsIn;
use lp_connector_core::connector::{Config, TRUSTED_SUFFIXES, Trust};
use lp_connector_core::error::Error;
use lp_connector_core::id::{AccountId, ClientId};
use lp_connector_core::policy::RetryPolicy;
use lp_connector_core::secret::Secret;
use tracing::Level;
use tracing_subscriber::filter::{Targets, dynamic_filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::args::{Credentials, Global, Pauses};
use crate::colour;
use crate::control;
use crate::failure::Failure;
use crate::input::{self, SecretKind};
use crate::output::{self, Output, Stderr};
use crate::usage::place;

/// What logs which notifications were refused.
const REFUSALS: &str = "lp_connector_axum::refusals";

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
        .with_writer(|| Stderr)
        .with_ansi(colour::stderr())
        .without_time();
    let ours = if verbose == 0 { "lp_connector_axum" } else { "lp_connector" };
    let ours = Targets::new().with_target(ours, level);
    // The end of the command tells what there is to tell.
    let news = dynamic_filter_fn(|metadata, _| {
        !(metadata.target() == REFUSALS && output::has_lost_its_reader())
    });
    tracing_subscriber::registry().with(lines).with(ours).with(news).init();
}

/// The configuration of an account, without credentials.
pub(crate) fn config(global: &Global, output: &Output) -> Result<Config, Failure> {
    let account = global.account.as_deref().ok_or_else(|| {
        missing(
            "the account is missing: set LP_ACCOUNT_ID or --account (or try `lp-connector demo`)",
        )
    })?;
    let account = account_id(account)?;
    let suffixes =
        TRUSTED_SUFFIXES.iter().copied().chain(global.trust_suffix.iter().map(String::as_str));
    let mut config = Config::new(account).trust(trust(global, suffixes)?).retry(retry(global));
    if let Some(timeout) = global.attempt_timeout {
        config = config.attempt_timeout(timeout).connect_timeout(timeout.min(CONNECT));
    }
    if let Some(deadline) = global.deadline {
        config = config.call_timeout(deadline);
    }
    if let Some(interval) = global.app_jwt_interval {
        config = config.app_jwt_interval(interval);
    }
    if let Some(file) = &global.ca_file {
        config = config.extra_ca_pem(certificates(file)?);
    }
    let output = output.clone();
    Ok(config.observer(move |event| output.event(event)))
}

/// The failure that something is missing. It names the sandbox that runs, if one does.
fn missing(what: &str) -> Failure {
    let instead =
        control::running().map_or("", |_| "; --profile sandbox takes that of the sandbox");
    Failure::usage(format!("{what}{instead}"))
}

/// The configuration of an account, with credentials.
pub(crate) fn config_with_credentials(global: &Global, output: &Output) -> Result<Config, Failure> {
    let config = config(global, output)?;
    let client = global
        .client_id
        .as_deref()
        .ok_or_else(|| missing("the app install is missing: set LP_CLIENT_ID or --client-id"))?;
    let config = config.credentials(client_id(client)?, secret(global)?);
    Ok(match global.credentials_in {
        Credentials::Body => config,
        Credentials::Query => {
            output.log(
                "warning: the token request carries the secret in its URL, which access logs keep \
                 (--credentials-in query)",
            );
            config.credentials_in(CredentialsIn::Query)
        }
    })
}

const CONNECT: Duration = Duration::from_secs(5);

fn retry(global: &Global) -> RetryPolicy {
    let policy = RetryPolicy::documented().at_least_once(global.at_least_once);
    match &global.retry_pauses {
        Some(Pauses(pauses)) if pauses.is_empty() => RetryPolicy::none(),
        Some(Pauses(pauses)) => policy.pauses(pauses.iter().copied()),
        None => policy,
    }
}

/// The app install's secret, from the file, the profile or the variable. Never from the command line, which every
/// user of the machine can read.
pub(crate) fn secret(global: &Global) -> Result<Secret, Failure> {
    let what = "the app install's secret is missing: set LP_CLIENT_SECRET or --client-secret-file";
    match (&global.client_secret_file, &global.secret) {
        (Some(file), _) => input::secret_in(file, "--client-secret-file", SecretKind::App),
        (None, Some(source)) => source.read(),
        (None, None) => {
            input::secret_of("LP_CLIENT_SECRET", SecretKind::App)?.ok_or_else(|| missing(what))
        }
    }
}

/// The account of `--account`.
pub(crate) fn account_id(text: &str) -> Result<AccountId, Failure> {
    AccountId::new(text).map_err(|invalid| at("--account", "LP_ACCOUNT_ID", &invalid))
}

/// The app install of `--client-id`.
pub(crate) fn client_id(text: &str) -> Result<ClientId, Failure> {
    ClientId::new(text).map_err(|invalid| at("--client-id", "LP_CLIENT_ID", &invalid))
}

/// The Domain API of `--domain-api`, and the trusted suffixes.
pub(crate) fn trust<'a>(
    global: &Global,
    suffixes: impl IntoIterator<Item = &'a str>,
) -> Result<Trust, Failure> {
    // The suffixes come from another option.
    Trust::new(&global.domain_api, std::iter::empty::<&str>())
        .map_err(|error| configuration(&place("--domain-api", "LP_DOMAIN_API"), &error))?;
    Trust::new(&global.domain_api, suffixes)
        .map_err(|error| configuration("--trust-suffix", &error))
}

/// Trusts the certificates of `--ca-file`, which a sandbox with TLS writes.
pub(crate) fn tls(global: &Global) -> Result<TlsConfig, Failure> {
    let roots = match &global.ca_file {
        Some(file) => lp_connector_tls::certificates(&certificates(file)?)?,
        None => Vec::new(),
    };
    let roots = roots.iter().map(|root| Certificate::from_der(root).to_owned());
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::from(roots.collect::<Vec<_>>().into_iter()))
        .build())
}

/// The settings of a client for one server that is named: no other is asked, by a redirect or a proxy, and each status is
/// an answer.
pub(crate) fn direct(tls: TlsConfig, limit: Duration) -> ureq::config::Config {
    ureq::Agent::config_builder()
        .timeout_global(Some(limit))
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .tls_config(tls)
        .build()
}

/// The certificates of `--ca-file`.
pub(crate) fn certificates(file: &Path) -> Result<Vec<u8>, Failure> {
    certificates_in(file, &place("--ca-file", "LP_CA_FILE"))
}

/// The certificates of a file that was named at `place`.
pub(crate) fn certificates_in(file: &Path, place: &str) -> Result<Vec<u8>, Failure> {
    let pem = input::read(file, place, input::MAX_CERTIFICATES)?;
    // An empty text would count as no extra certificates.
    if pem.trim_ascii().is_empty() {
        return Err(Failure::usage(format!("{place}: {} is empty", file.display())));
    }
    lp_connector_tls::certificates(&pem)
        .map_err(|error| configuration(&format!("{place}: {}", file.display()), &error))?;
    Ok(pem)
}

/// An invalid value, and where it comes from.
fn at(flag: &str, variable: &str, reason: &dyn std::fmt::Display) -> Failure {
    Failure::usage(format!("{}: {reason}", place(flag, variable)))
}

/// An error of the configuration, and where its value comes from.
fn configuration(place: &str, error: &Error) -> Failure {
    let reason = error.to_string();
    let reason = reason.strip_prefix("configuration: ").unwrap_or(&reason);
    Error::configuration(format!("{place}: {reason}")).into()
}
