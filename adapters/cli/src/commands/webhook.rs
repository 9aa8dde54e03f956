//! Verifies and decodes notifications.

use std::path::Path;

use lp_connector_core::webhook::{self, Change, Encoding, Receiver, Verified};
use serde_json::json;

use super::listen::listen;
use crate::args::{Endpoint, Global, Webhook};
use crate::failure::Failure;
use crate::input;
use crate::notices;
use crate::output::{Output, count};
use crate::setup;

/// The maximum size of a notification.
const MAX_BODY: usize = 64 * 1024 * 1024;

pub(crate) fn run(command: &Webhook, global: &Global, output: &Output) -> Result<(), Failure> {
    match command {
        Webhook::Verify { signature } => verify(signature, &setup::secret(global)?, output),
        Webhook::Decode { file } => decode(file, output),
        Webhook::Listen { endpoint, as_they_come } => {
            listen(endpoint, receiver(global, endpoint)?, *as_they_come, output)
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

fn verify(
    signature: &str,
    secret: &lp_connector_core::secret::Secret,
    output: &Output,
) -> Result<(), Failure> {
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
