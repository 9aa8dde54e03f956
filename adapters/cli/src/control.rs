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

/// Lets the sandbox of this account whose notifications lead to this listener, if there is one, try at once what it
/// holds back, as it pauses for up to 300 s after its endpoint took none. Returns a line if it held back anything.
pub(crate) fn try_now(global: &Global, listener: SocketAddr) -> Option<String> {
    let control = find(global).ok()?;
    let webhooks = control.webhooks().ok()?;
    if webhooks.held == 0 || !webhooks.endpoints.iter().any(|one| leads_to(&one.url, listener)) {
        return None;
    }
    if !is_of(global.account.as_deref(), &control.about().ok()?.account) {
        return None;
    }
    let held = control.retry_webhooks().ok().filter(|held| *held > 0)?;
    Some(format!(
        "the sandbox has held back {}, as its endpoint took none, and sends them now",
        count(held, "notification")
    ))
}

/// Whether a sandbox with this account is meant: each is, where no account was named.
fn is_of(named: Option<&str>, account: &str) -> bool {
    named.is_none_or(|named| named == account)
}

/// Whether the URL of an endpoint leads to a listener of this machine.
fn leads_to(url: &str, listener: SocketAddr) -> bool {
    Url::parse(url)
        .is_ok_and(|url| is_here(&url) && url.port_or_known_default() == Some(listener.port()))
}

/// How long to wait for an attempt that decides whether something is held back.
const FIRST_ATTEMPT: Duration = Duration::from_secs(1);

/// Prints a line if the sandbox holds back notifications after something was made to happen. Whether it has to is
/// known once it has tried.
pub(crate) fn print_held_back(control: &Control, output: &Output) {
    let begun = Instant::now();
    let (webhooks, now) = loop {
        let Ok(webhooks) = control.webhooks() else { return };
        let now = milliseconds_now();
        if is_decided(&webhooks, now) || begun.elapsed() >= FIRST_ATTEMPT {
            break (webhooks, now);
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    if let Some(line) = held_back(&webhooks, now) {
        let event = json!({"event": "held_back", "notifications": webhooks.held,
            "next": webhooks.next, "text": line});
        output.tell(&event, &line);
    }
}

/// Whether no attempt that is due or under way can change what is held back: until it ends, all that wait behind it
/// count as held back.
fn is_decided(webhooks: &v1::Webhooks, now: u64) -> bool {
    webhooks.waiting == 0 || webhooks.held > 0 && webhooks.next.is_some_and(|next| next > now)
}

/// The time since the Unix epoch.
fn milliseconds_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// How many notifications are held back, until when, and what to do, if there are any.
fn held_back(webhooks: &v1::Webhooks, now: u64) -> Option<String> {
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
    let held = count(webhooks.held, "notification");
    let Some(at) = webhooks.next.filter(|next| *next > now) else {
        return Some(format!(
            "{held} {are} held back until {place} takes one: the sandbox tries it now"
        ));
    };
    let seconds = (at - now).div_ceil(1000);
    Some(format!(
        "{held} {are} held back, as {place} has taken none: the sandbox tries again in {seconds} s; it does so at once \
         for `lp-connector webhook replay --held`, and when `chat` or `webhook listen` starts there"
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
    fn only_the_sandbox_of_the_named_account_is_meant() {
        assert!(is_of(None, "1") && is_of(Some("1"), "1"));
        assert!(!is_of(Some("12"), "1") && !is_of(Some(""), "1"));
    }

    #[test]
    fn what_is_held_back_is_said_with_what_to_do() {
        let with = |held: usize, urls: &[&str]| {
            let endpoints: Vec<Value> = urls.iter().map(|url| json!({"url": url})).collect();
            let webhooks = json!({"held": held, "next": 9_001, "endpoints": endpoints});
            held_back(&serde_json::from_value(webhooks).unwrap(), 1_000)
        };
        assert_eq!(with(0, &["http://a/"]), None);
        let one = with(1, &["http://a/?key=s3cr3t", "http://a/"]).unwrap();
        let begin = "1 notification is held back, as http://a/ has taken none: the sandbox tries again in 9 s; ";
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
    #[test]
    fn what_is_held_back_is_known_once_no_attempt_is_due() {
        for (waiting, held, next, expected) in [
            (0, 0, None, true),
            (3, 3, Some(1_001), true),
            // It is tried now, or is about to be.
            (3, 3, None, false),
            (3, 3, Some(1_000), false),
            // The first attempt is under way.
            (1, 0, None, false),
            (1, 0, Some(1_001), false),
        ] {
            let webhooks = json!({"waiting": waiting, "held": held, "next": next});
            let webhooks = serde_json::from_value(webhooks).unwrap();
            assert_eq!(is_decided(&webhooks, 1_000), expected, "{webhooks:?}");
            let line = held_back(&webhooks, 1_000).unwrap_or_default();
            assert_eq!(line.contains("has taken none"), expected && held > 0, "{line}");
        }
    }
}
