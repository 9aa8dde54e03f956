//! Verifies and decodes notifications.

use std::path::Path;
use std::time::Duration;

use lp_connector_core::secret::Secret;
use lp_connector_core::webhook::{self, Change, Encoding, Receiver, Verified};
use serde_json::json;
use ureq::http::header::{HeaderMap, HeaderValue};

use super::forward::Forwarder;
use super::listen::listen;
use super::{presets, replay};
use crate::args::{Endpoint, Forward, Global, Post, Scheme, Webhook};
use crate::control;
use crate::failure::Failure;
use crate::input;
use crate::notices;
use crate::output::{Output, count, sanitize};
use crate::post::{Poster, Target, success};
use crate::setup;

/// The maximum size of a notification.
const MAX_BODY: usize = 64 * 1024 * 1024;

pub(crate) fn run(command: &Webhook, global: &Global, output: &Output) -> Result<(), Failure> {
    match command {
        Webhook::Verify { signature } => verify(signature, &setup::secret(global)?, output),
        Webhook::Sign { file, signature } => {
            sign(file, *signature, &setup::secret(global)?, output)
        }
        Webhook::Decode { file } => decode(file, output),
        Webhook::Send(post) => send(post, global, output),
        Webhook::Replay { number, list, held } => {
            let control = control::find(global)?;
            match (list, held) {
                (true, _) => replay::list(&control, output),
                (_, true) => replay::held(&control, output),
                _ => replay::replay(&control, *number, output),
            }
        }
        Webhook::Listen { endpoint, as_they_come, forward } => {
            let receiver = receiver(global, endpoint)?;
            let forwarder = forwarder(forward, global)?;
            let global = global.clone();
            let retry = move |listener| control::try_now(&global, listener);
            listen(endpoint, receiver, *as_they_come, forwarder, retry, output)
        }
    }
}

/// A receiver for the app install's secret, and for its account and client id if they are set.
pub(crate) fn receiver(global: &Global, endpoint: &Endpoint) -> Result<Receiver, Failure> {
    let secret = setup::secret(global)?;
    let receiver = match (&global.account, &global.client_id) {
        (Some(account), Some(client)) => {
            Receiver::new().app(setup::account_id(account)?, setup::client_id(client)?, [secret])
        }
        _ => Receiver::new().secret(secret),
    };
    Ok(receiver.require_sha256(endpoint.require_sha256))
}

/// The body in a file, or on stdin for `-`.
fn body(file: &Path) -> Result<Vec<u8>, Failure> {
    let body = input::read_or_stdin(file, "", MAX_BODY)?;
    if body.is_empty() {
        let place = if file == Path::new("-") { "on stdin".into() } else { file.to_string_lossy() };
        return Err(Failure::Local(format!("no body {place}")));
    }
    Ok(body)
}

fn verify(signature: &str, secret: &Secret, output: &Output) -> Result<(), Failure> {
    let body = body(Path::new("-"))?;
    let matched = webhook::verify_signature(signature, &body, [secret])
        .map_err(|invalid| Failure::Local(invalid.to_string()))?;
    let (algorithm, encoding) = (
        matched.algorithm.name(),
        if matched.encoding == Encoding::Hex { "hex" } else { "base64" },
    );
    output.done(
        &json!({"event": "verified", "algorithm": algorithm, "encoding": encoding,
            "body_len": body.len()}),
        format!("valid: {algorithm}, {encoding}, over {}", count(body.len(), "byte")),
    );
    Ok(())
}

/// Prints the value of the header with the signature.
fn sign(file: &Path, scheme: Scheme, secret: &Secret, output: &Output) -> Result<(), Failure> {
    let body = body(file)?;
    let (algorithm, encoding) = scheme.parts();
    let signature = webhook::sign(secret, algorithm, encoding, &body);
    output.done(
        &json!({"event": "signed", "signature": signature, "algorithm": algorithm.name(),
            "body_len": body.len()}),
        &signature,
    );
    Ok(())
}

/// The time limit of a post: longer than the platform waits.
const POST_LIMIT: Duration = Duration::from_secs(30);

/// Signs a body, posts it, and prints the answer.
fn send(post: &Post, global: &Global, output: &Output) -> Result<(), Failure> {
    let of_profile = global.webhook_listen.clone();
    let listen = of_profile.or_else(|| std::env::var("LP_WEBHOOK_LISTEN").ok());
    let to = match (&post.to, listen) {
        (Some(url), _) => Target::new(url, "--to", post.elsewhere)?,
        (None, Some(address)) => {
            let url = format!("http://{address}/");
            Target::new(&url, "LP_WEBHOOK_LISTEN:", post.elsewhere)?
        }
        (None, None) => Target::new("http://127.0.0.1:8080/", "--to", false)?,
    };
    let secret = setup::secret(global)?;
    let account = global.account.as_deref().unwrap_or("91827364");
    let client = global.client_id.as_deref().unwrap_or("client");
    setup::account_id(account)?;
    setup::client_id(client)?;
    let body = match (&post.preset, &post.file) {
        (Some(preset), _) => presets::body(preset, &post.set, account)?,
        (None, Some(file)) => body(file)?,
        (None, None) => {
            let reason = "say what is sent: a FILE, - for stdin, or --preset NAME";
            return Err(Failure::usage(reason));
        }
    };
    let (algorithm, encoding) = post.signature.parts();
    let signature = webhook::sign(&secret, algorithm, encoding, &body);
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("x-liveperson-account-id", account),
        ("x-liveperson-client-id", client),
        ("x-liveperson-signature", &signature),
    ] {
        let value = HeaderValue::try_from(value)
            .map_err(|_| Failure::usage(format!("{name}: it cannot be sent in a header")))?;
        headers.insert(name, value);
    }
    let poster = Poster::new(setup::tls(global)?, post.elsewhere);
    let answer = poster.post(&to, headers, &body, POST_LIMIT).map_err(|reason| {
        Failure::Local(format!("no answer from {}: {reason}", sanitize(&to.shown())))
    })?;
    let took = answer.took.as_millis();
    let said = answer.line();
    let colon = if said.is_empty() { "" } else { ": " };
    output.done(
        &json!({"event": "answered", "to": to.shown(), "status": answer.status,
            "accepted": answer.is_accepted(), "took_ms": took as u64, "body_len": body.len(),
            "body": String::from_utf8_lossy(&answer.body)}),
        format!("{} in {took} ms from {}{colon}{said}", answer.status, to.shown()),
    );
    success(Some(answer.status))
}

/// What posts received notifications on.
fn forwarder(forward: &Forward, global: &Global) -> Result<Option<Forwarder>, Failure> {
    let Some(url) = &forward.forward_to else { return Ok(None) };
    let target = Target::new(url, "--forward-to", forward.elsewhere)?;
    let secret = match &forward.forward_secret_file {
        Some(file) => input::secret_in(file, "--forward-secret-file", input::SecretKind::App)?,
        None => setup::secret(global)?,
    };
    let poster = Poster::new(setup::tls(global)?, forward.elsewhere);
    Ok(Some(Forwarder { poster, target, secret }))
}

/// Prints the notification in a file or on stdin. Its signature is not verified.
fn decode(file: &Path, output: &Output) -> Result<(), Failure> {
    let notification = Verified::dangerous_unverified(body(file)?)
        .parse()
        .map_err(|unreadable| Failure::Local(unreadable.to_string()))?;
    if notification.is_lossy() {
        output.remark(
            "a part cannot be shown as it came: text that is not valid Unicode is \u{fffd}, a number that \
             is too large the largest one, what is no JSON value [null], deep nesting is cut",
        );
    }
    // A batch may hold several such.
    if let [Change::Other(other), ..] = notification.changes()
        && notification.is_empty()
    {
        return Err(Failure::Local(format!("there is nothing in it: {}", other.reason())));
    }
    for change in notification.changes() {
        show(change, output);
    }
    if notification.is_empty() {
        output.say("there is nothing in it: its list of changes is empty");
    }
    Ok(())
}

fn show(change: &Change, output: &Output) {
    output.done(&notices::describe(change), notices::lines(change).join("\n"));
}
