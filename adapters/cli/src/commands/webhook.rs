//! Verifies, decodes and receives notifications.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use lp_connector_core::id::{AccountId, ClientId, ConversationId};
use lp_connector_core::time::Mono;
use lp_connector_core::webhook::{
    self, Change, ConversationChange, Encoding, Feed, FeedPoll, Receiver, Unreadable, Verified,
};
use serde_json::json;

use crate::args::{Endpoint, Global, Webhook};
use crate::failure::Failure;
use crate::listener::Listener;
use crate::notices;
use crate::output::Output;
use crate::setup;

/// The maximum size of a notification on stdin.
const MAX_BODY: u64 = 64 * 1024 * 1024;

pub(crate) fn run(command: &Webhook, global: &Global, output: &Output) -> Result<(), Failure> {
    match command {
        Webhook::Verify { signature } => verify(signature, &setup::secret(global)?, output),
        Webhook::Decode => decode(output),
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
            Receiver::new().app(AccountId::new(account)?, ClientId::new(client)?, [secret])
        }
        _ => Receiver::new().secret(secret),
    };
    Ok(receiver.require_sha256(endpoint.require_sha256))
}

fn stdin() -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    std::io::stdin()
        .take(MAX_BODY)
        .read_to_end(&mut body)
        .map_err(|error| Failure::Local(format!("cannot read the body from stdin: {error}")))?;
    if body.is_empty() {
        return Err(Failure::Local("no body on stdin".to_owned()));
    }
    Ok(body)
}

fn verify(
    signature: &str,
    secret: &lp_connector_core::secret::Secret,
    output: &Output,
) -> Result<(), Failure> {
    let body = stdin()?;
    let matched = webhook::verify_signature(signature, &body, [secret])
        .map_err(|invalid| Failure::Local(invalid.to_string()))?;
    let (algorithm, encoding) = (
        matched.algorithm.name(),
        if matched.encoding == Encoding::Hex { "hex" } else { "base64" },
    );
    output.done(
        &json!({"event": "verified", "algorithm": algorithm, "encoding": encoding,
            "body_len": body.len()}),
        format!("valid: {algorithm}, {encoding}, over {} bytes", body.len()),
    );
    Ok(())
}

/// Prints the notification on stdin. Its signature is not verified.
fn decode(output: &Output) -> Result<(), Failure> {
    let notification = Verified::dangerous_unverified(stdin()?)
        .parse()
        .map_err(|unreadable| Failure::Local(unreadable.to_string()))?;
    if notification.is_lossy() {
        output.note("some text is not valid Unicode and is shown as \u{fffd}");
    }
    for change in notification.changes() {
        show(change, output);
    }
    if notification.changes().is_empty() {
        output.say("no changes");
    }
    Ok(())
}

/// Prints notifications until interrupted.
fn listen(
    endpoint: &Endpoint,
    receiver: Receiver,
    as_they_come: bool,
    output: &Output,
) -> Result<(), Failure> {
    let listener = Listener::start(endpoint.listen, receiver)?;
    output.done(
        &json!({"event": "listening", "listen": listener.address().to_string()}),
        format!("listening at http://{}/; stop it with Ctrl-C", listener.address()),
    );
    let origin = Instant::now();
    let now = || Mono::from_origin(origin.elapsed());
    let (mut feed, mut states) = (Feed::default(), States::new());
    loop {
        let wait = match feed.poll(now()) {
            FeedPoll::Deliver(delivered) => {
                show_changes(&delivered.change, &mut states, output);
                continue;
            }
            FeedPoll::Unreadable(unreadable) => {
                show_unreadable(&unreadable, output);
                continue;
            }
            FeedPoll::Wait(until) => until.since(now()),
            FeedPoll::Idle => Duration::from_secs(3600),
        };
        let verified = match listener.notifications().recv_timeout(wait) {
            Ok(verified) => verified,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        if as_they_come && let Ok(notification) = verified.parse() {
            notification.changes().iter().for_each(|change| show(change, output));
        } else {
            feed.push(verified, now());
        }
    }
}

/// Prints a notification that is not JSON. It was answered 200, so the platform does not send it again.
fn show_unreadable(unreadable: &Unreadable, output: &Output) {
    let body = String::from_utf8_lossy(unreadable.notification.body());
    output.done(
        &json!({"event": "unreadable", "reason": unreadable.to_string(), "body": body}),
        format!("unreadable ({unreadable}): {body:?}"),
    );
}

/// The last state of each conversation, to print only what has changed.
type States = BTreeMap<ConversationId, ConversationChange>;

/// The maximum number of states. Beyond it, all are dropped.
const MAX_STATES: usize = 10_000;

/// Prints a change. Of a conversation's state, prints only what has changed.
fn show_changes(change: &Change, states: &mut States, output: &Output) {
    let Change::Conversation(state) = change else { return show(change, output) };
    let before = states.get(state.conversation());
    let lines: Vec<String> = notices::transitions(state, &state.diff(before))
        .iter()
        .map(|line| format!("{}: {}", state.conversation(), line.trim_start_matches("-- ")))
        .collect();
    output.done(&notices::describe(change), lines.join("\n"));
    if states.len() >= MAX_STATES {
        states.clear();
    }
    states.insert(state.conversation().clone(), state.clone());
}

fn show(change: &Change, output: &Output) {
    output.done(&notices::describe(change), notices::lines(change).join("\n"));
}
