//! Commands to a running bridge, by the interface for its operators.
//!
//! They ask the bridge, not its store: it knows the gateways' names for their consumers, and what is under way.

use serde_json::{Value, json};
use ureq::http::Method;

use super::args::{BridgeCommand, Consumer, LettersCommand, Operations, Options, Page, StorePlace};
use super::client::Client;
use super::rows::{Rows, line};
use super::{config, letters};
use crate::args::Global;
use crate::failure::Failure;
use crate::output::Output;

pub(super) fn run(command: BridgeCommand, global: &Global, output: &Output) -> Result<(), Failure> {
    match command {
        // It asks no running bridge.
        BridgeCommand::Config(super::args::ConfigCommand::Check { options }) => {
            config::check(&config::Loaded::read(&options, global)?, output)
        }
        BridgeCommand::Migrate { at } => migrate(at, global, output),
        BridgeCommand::Ready { at } => ready(&at, global, output),
        BridgeCommand::Status { at } => status(&Client::new(&at, global)?, output),
        BridgeCommand::Instances { at } => {
            let client = Client::new(&at, global)?;
            let mut rows = Rows::new(output, INSTANCE);
            client.list(&["instances"], &[], MAX_INSTANCES, |one| {
                rows.show(Some(&json!({"event": "instance", "instance": one})), one, "");
            })?;
            rows.end("no program has written itself down yet");
            Ok(())
        }
        BridgeCommand::Lanes { at, page } => {
            let client = Client::new(&at, global)?;
            client.check_gateway(page.gateway.as_ref())?;
            let mut rows = Rows::new(output, LANE);
            client.list(&["lanes"], &of_page(&page), page.limit, |lane| {
                rows.show(Some(&json!({"event": "lane", "lane": lane})), lane, "");
            })?;
            rows.end("there is no lane");
            Ok(())
        }
        BridgeCommand::DeadLetters {
            command: Some(LettersCommand::Delete { at, ids }), ..
        } => letters::delete(&Client::new(&at, global)?, &ids, global, output),
        BridgeCommand::DeadLetters { command: None, at, filter, limit, body } => {
            letters::list(&Client::new(&at, global)?, &filter, global, (limit, body), output)
        }
        BridgeCommand::Replay { at, ids, bulk } => {
            let client = Client::new(&at, global)?;
            match ids.is_empty() {
                false => letters::replay(&client, &ids, global, output),
                true => letters::replay_all(&client, &bulk, global, output),
            }
        }
        BridgeCommand::Settle { at, who, message, decision } => {
            let body = json!({"gateway": who.gateway, "consumer": who.consumer, "message": message, "as": decision});
            Client::new(&at, global)?.send(Method::POST, &["settle"], &[], Some(&body))?;
            let text = match decision.as_str() {
                "sent" => format!("{message} counts as sent"),
                "resend" => format!("{message} is sent again"),
                _ => format!("{message} is dropped"),
            };
            done(output, "settle", &who.consumer, &format!("{text}, if it is held or unconfirmed"));
            Ok(())
        }
        BridgeCommand::Outbox { at, who } => outbox(&Client::new(&at, global)?, &who, output),
        BridgeCommand::Adopt { at, who, conversation } => {
            let body = json!({"gateway": who.gateway, "consumer": who.consumer, "conversation": conversation});
            Client::new(&at, global)?.send(Method::POST, &["adopt"], &[], Some(&body))?;
            let text = format!("{conversation} becomes the conversation of {}", who.consumer);
            done(output, "adopt", &who.consumer, &text);
            Ok(())
        }
        BridgeCommand::Forget { at, who } => {
            Client::new(&at, global)?.send(
                Method::DELETE,
                &["consumer"],
                &of_consumer(&who),
                None,
            )?;
            let text =
                format!("{} is forgotten once nothing of theirs is unconfirmed", who.consumer);
            done(output, "forget", &who.consumer, &text);
            Ok(())
        }
        BridgeCommand::Pause { at, gateway } => {
            Client::new(&at, global)?.send(
                Method::POST,
                &["gateways", &gateway, "pause"],
                &[],
                None,
            )?;
            done(output, "pause", &gateway, &format!("deliveries to {gateway} wait"));
            Ok(())
        }
        BridgeCommand::Resume { at, gateway } => {
            Client::new(&at, global)?.send(
                Method::POST,
                &["gateways", &gateway, "resume"],
                &[],
                None,
            )?;
            done(output, "resume", &gateway, &format!("deliveries to {gateway} go on"));
            Ok(())
        }
    }
}

/// What people see of a program on the store, and how many there may be.
const INSTANCE: &[&str] = &["id", "host", "version", "up", "lanes", "silent", "asked"];
const MAX_INSTANCES: u32 = 1000;

/// What people see of a lane.
const LANE: &[&str] =
    &["kind", "key", "gateway", "waiting", "waiting_since", "entries", "held", "due_in", "overdue"];

fn ready(at: &Operations, global: &Global, output: &Output) -> Result<(), Failure> {
    let parts = Client::without_token(at, global)?.readiness()?;
    let text = line(&parts, &["started", "draining", "store"]);
    if parts.get("ready") != Some(&Value::Bool(true)) {
        return Err(Failure::Local(format!("the bridge is not ready: {text}")));
    }
    output.done(&json!({"event": "bridge_readiness", "parts": parts}), format!("ready; {text}"));
    Ok(())
}

/// What people see of a gateway, of what fails, and of a circuit that is open.
const GATEWAY: &[&str] = &["name", "account", "paused", "circuit_open"];
const FAILING: &[&str] =
    &["account", "operation", "request", "service", "status", "since", "failures"];
const CIRCUIT: &[&str] = &["account", "service"];

fn status(client: &Client, output: &Output) -> Result<(), Failure> {
    let status = client.send(Method::GET, &["status"], &[], None)?;
    let is = |name: &str| status.get(name) == Some(&Value::Bool(true));
    let state = match (is("started"), is("draining")) {
        (_, true) => "draining",
        (true, _) => "running",
        _ => "starting",
    };
    let mut text = format!("{state}; {}", line(&status, &["version", "lanes_held", "instances"]));
    text.push_str(&store_lines(&status));
    output.done(&json!({"event": "bridge_status", "status": status}), text);
    if output.is_json() {
        return Ok(());
    }
    let all = |name: &str| status.get(name).and_then(Value::as_array).into_iter().flatten();
    let mut rows = Rows::below(output, GATEWAY);
    all("gateways").for_each(|gateway| rows.show(None, gateway, ""));
    rows.end("");
    let mut rows = Rows::below(output, FAILING).reason("cause", "waits because");
    all("failing").for_each(|failing| rows.show(None, failing, ""));
    rows.end("");
    let mut rows = Rows::below(output, CIRCUIT);
    all("circuits_open").for_each(|circuit| rows.show(None, circuit, " circuit_open=true"));
    rows.end("");
    Ok(())
}

/// Brings the tables of the store up to date.
fn migrate(at: StorePlace, global: &Global, output: &Output) -> Result<(), Failure> {
    let options = Options { config: at.config, store: at.store, ..Options::default() };
    let loaded = config::Loaded::read(&options, global)?;
    let store = loaded.store_place()?;
    let (event, text) = match loaded.migrate()? {
        Some((from, to)) if from != to => {
            (json!([from, to]), format!("the tables of {store} went from version {from} to {to}"))
        }
        Some((from, to)) => {
            (json!([from, to]), format!("the tables of {store} have version {to} already"))
        }
        None => (json!([null, null]), format!("the tables of {store} are up to date")),
    };
    let (from, to) = (event.get(0), event.get(1));
    output.done(&json!({"event": "bridge_migrated", "store": store, "from": from, "to": to}), text);
    Ok(())
}

/// What the status says of the store, and of dead letters.
fn store_lines(status: &Value) -> String {
    let Some(store) = status.get("store") else { return String::new() };
    let mut text = format!("\n  store {}", line(store, &["kind", "up"]));
    if let Some(cause) = store.get("cause").and_then(Value::as_str) {
        let lasts = line(store, &["failing_for"]);
        text.push_str(&format!(" {lasts} cannot be used: {cause}"));
    }
    if let Some(facts) = store.get("facts").filter(|facts| facts.is_object()) {
        let names = ["due_lanes", "oldest_due", "oldest_snapshot", "bytes", "repeated", "age"];
        text.push_str(&format!(" {}", line(facts, &names)));
        for standby in facts.get("standbys").and_then(Value::as_array).into_iter().flatten() {
            let names = ["name", "sync", "state", "behind"];
            text.push_str(&format!("\n  standby {}", line(standby, &names)));
        }
    }
    let letters = status.get("dead_letters").and_then(Value::as_object);
    let counts: Vec<_> =
        letters.into_iter().flatten().map(|(reason, count)| format!("{reason}={count}")).collect();
    if !counts.is_empty() {
        text.push_str(&format!("\n  dead letters {}", counts.join(" ")));
    }
    text
}

/// What people see of a message.
const MESSAGE: &[&str] = &["id", "status", "reason", "detail", "at"];

fn outbox(client: &Client, who: &Consumer, output: &Output) -> Result<(), Failure> {
    let state = client.send(Method::GET, &["consumer"], &of_consumer(who), None)?;
    let conversation = state.get("conversation").filter(|one| !one.is_null());
    let recent = state.get("recent").and_then(Value::as_array).map(Vec::as_slice);
    let recent = recent.unwrap_or_default();
    let is_idle = state.get("queued").and_then(Value::as_u64).unwrap_or(0) == 0;
    let is_known = conversation.is_some() || !recent.is_empty() || !is_idle;
    let mut text = match conversation {
        Some(one) => format!("conversation {}", line(one, &["id", "state", "survey"])),
        None => "no conversation".to_owned(),
    };
    text.push_str(&format!("; {}", line(&state, &["queued"])));
    if !is_known {
        text.push_str(&format!("; nothing is known of a consumer {}", who.consumer));
    }
    let event =
        json!({"event": "outbox", "consumer": who.consumer, "known": is_known, "state": state});
    output.done(&event, text);
    if !output.is_json() {
        let mut rows = Rows::below(output, MESSAGE);
        recent.iter().for_each(|message| rows.show(None, message, ""));
        rows.end("");
    }
    Ok(())
}

pub(super) fn done(output: &Output, action: &str, of: &str, text: &str) {
    output.done(&json!({"event": "bridge_done", "action": action, "of": of}), text);
}

fn of_page(page: &Page) -> Vec<(&'static str, String)> {
    let gateway = page.gateway.clone().map(|name| ("gateway", name));
    let consumer = page.consumer.clone().map(|consumer| ("consumer", consumer));
    gateway.into_iter().chain(consumer).collect()
}

fn of_consumer(who: &Consumer) -> Vec<(&'static str, String)> {
    let gateway = who.gateway.clone().map(|name| ("gateway", name));
    gateway.into_iter().chain([("consumer", who.consumer.clone())]).collect()
}
