//! The control API of a running sandbox.

use std::time::Duration;

use lp_connector_sandbox::control::{Control, ControlError};
use serde_json::Value;

use crate::args::Global;
use crate::commands::sandbox::home;
use crate::failure::Failure;
use crate::setup;
use crate::usage::is_given;

/// How long the sandbox may take to say where its control API is.
const LIMIT: Duration = Duration::from_secs(10);

/// The client of the sandbox that `--domain-api` or its variable names. With neither, that of the sandbox that
/// runs with the default folder.
pub(crate) fn find(global: &Global) -> Result<Control, Failure> {
    let chosen = is_given("--domain-api")
        || std::env::var_os("LP_DOMAIN_API").is_some()
        || global.profile.is_some();
    if !chosen && let Some(url) = running() {
        return Ok(Control::at(&url)?);
    }
    let trust = setup::trust(global, std::iter::empty())?;
    if !trust.is_local() {
        return Err(Failure::usage(
            "this needs a sandbox on this machine: start one with `lp-connector sandbox`; of one that was started \
             with --state DIR, set the variables, which `lp-connector sandbox env --state DIR` prints",
        ));
    }
    let base = trust.domain_api().to_string();
    let agent: ureq::Agent = setup::direct(setup::tls(global)?, LIMIT).into();
    let response = agent.get(format!("{base}/_sandbox")).call();
    let mut response = response.map_err(|error| {
        Failure::Local(format!(
            "no sandbox answers at {base} ({error}): start one with `lp-connector sandbox`, and set the \
             variables that it prints{}",
            if base.starts_with("https") { ", LP_CA_FILE among them" } else { "" }
        ))
    })?;
    let body = response.body_mut().read_to_vec().unwrap_or_default();
    let document: Value = serde_json::from_slice(&body).unwrap_or_default();
    match document.get("control").and_then(Value::as_str) {
        Some(url) if response.status().is_success() => Ok(Control::at(url)?),
        _ => Err(Failure::Local(format!("{base} is not a sandbox with a control API"))),
    }
}

/// The control API of the sandbox that runs with the default folder.
pub(crate) fn running() -> Option<String> {
    home::running(&home::default_folder()?)?.control
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        Self::Local(error.to_string())
    }
}
