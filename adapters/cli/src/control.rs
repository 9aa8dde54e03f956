//! The control API of a running sandbox.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lp_connector_sandbox::control::{Control, ControlError, v1};
use serde_json::{Value, json};
use url::Url;

use crate::args::Global;
use crate::commands::sandbox::home;
use crate::failure::Failure;
use crate::output::{Output, count};
use crate::post::is_here;
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

/// Lets the sandbox whose notifications lead to this listener, if there is one, try at once what it holds back, as it
/// pauses for up to 300 s after a time without a listener. Returns a line if it held back anything.
pub(crate) fn try_now(global: &Global, listener: SocketAddr) -> Option<String> {
    let control = find(global).ok()?;
    let webhooks = control.webhooks().ok()?;
    if webhooks.held == 0 || !webhooks.endpoints.iter().any(|one| leads_to(&one.url, listener)) {
        return None;
    }
    let held = control.retry_webhooks().ok().filter(|held| *held > 0)?;
    Some(format!(
        "the sandbox has held back {} while nothing listened here, and sends them now",
        count(held, "notification")
    ))
}

/// Whether the URL of an endpoint leads to a listener of this machine.
fn leads_to(url: &str, listener: SocketAddr) -> bool {
    Url::parse(url)
        .is_ok_and(|url| is_here(&url) && url.port_or_known_default() == Some(listener.port()))
}

/// How long the first attempt of a notification usually takes at most.
const FIRST_ATTEMPT: Duration = Duration::from_secs(1);

/// Says if the sandbox holds back notifications after something was made to happen. Whether it has to is known once
/// it has tried.
pub(crate) fn tell_held_back(control: &Control, output: &Output) {
    let begun = Instant::now();
    let webhooks = loop {
        let Ok(webhooks) = control.webhooks() else { return };
        if webhooks.held > 0 || webhooks.waiting == 0 || begun.elapsed() >= FIRST_ATTEMPT {
            break webhooks;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    if let Some(line) = held_back(&webhooks) {
        let event = json!({"event": "held_back", "notifications": webhooks.held,
            "next": webhooks.next, "text": line});
        output.tell(&event, &line);
    }
}

/// How many notifications are held back, until when, and what to do, if there are any.
pub(crate) fn held_back(webhooks: &v1::Webhooks) -> Option<String> {
    let are = match webhooks.held {
        0 => return None,
        1 => "is",
        _ => "are",
    };
    // A query may contain a password.
    let shown = |one: &v1::WebhookEndpoint| one.url.split('?').next().map(str::to_owned);
    let urls: BTreeSet<String> = webhooks.endpoints.iter().filter_map(shown).collect();
    let place = match urls.first() {
        Some(url) if urls.len() == 1 => url.as_str(),
        _ => "the endpoint",
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let next = match webhooks.next {
        Some(at) => {
            let seconds = u128::from(at).saturating_sub(now).div_ceil(1000);
            format!("the sandbox tries again in {seconds} s")
        }
        None => "the sandbox tries again now".to_owned(),
    };
    Some(format!(
        "{} {are} held back, as {place} has taken none: {next}; it does so at once for `lp-connector webhook \
         replay --held`, and when `chat` or `webhook listen` starts there",
        count(webhooks.held, "notification")
    ))
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        Self::Local(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_endpoint_at_the_listener_leads_to_it() {
        let listener = ([127, 0, 0, 1], 8080).into();
        for (url, expected) in [
            ("http://127.0.0.1:8080/lp", true),
            ("http://localhost:8080/", true),
            ("http://[::1]:8080/?key=x", true),
            ("http://127.0.0.1:8081/", false),
            ("http://127.0.0.1/", false),
            ("https://hooks.example:8080/", false),
            ("", false),
        ] {
            assert_eq!(leads_to(url, listener), expected, "{url}");
        }
    }

    #[test]
    fn what_is_held_back_is_said_with_what_to_do() {
        let with = |held: usize, urls: &[&str]| {
            let endpoints: Vec<Value> = urls.iter().map(|url| json!({"url": url})).collect();
            let webhooks = json!({"held": held, "next": 0, "endpoints": endpoints});
            held_back(&serde_json::from_value(webhooks).unwrap())
        };
        assert_eq!(with(0, &["http://a/"]), None);
        let one = with(1, &["http://a/?key=s3cr3t", "http://a/"]).unwrap();
        let begin = "1 notification is held back, as http://a/ has taken none: the sandbox tries again in 0 s; ";
        assert!(
            one.starts_with(begin) && one.contains("`lp-connector webhook replay --held`"),
            "{one}"
        );
        let two = with(2, &["http://a/", "http://b/"]).unwrap();
        assert!(
            two.starts_with("2 notifications are held back, as the endpoint has taken none: "),
            "{two}"
        );
    }
}
