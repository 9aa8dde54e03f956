//! Commands to a running bridge, by the interface for its operators.
//!
//! They ask the bridge, not its store: it knows the gateways' names for their consumers, and what is under way.

use std::time::Duration;

use lp_connector_core::secret::Secret;
use serde_json::{Value, json};
use ureq::http::{Method, Request};
use url::Url;

use super::args::{BridgeCommand, Consumer, Operations, Options, Page, StorePlace};
use super::config;
use crate::args::Global;
use crate::commands::agent;
use crate::failure::Failure;
use crate::input::{self, SecretKind};
use crate::output::Output;
use crate::usage;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How many things are asked for at a time.
const PAGE: usize = 100;

const TOKEN: &str = "LP_BRIDGE_OPS_TOKEN";

pub(super) fn run(command: BridgeCommand, global: &Global, output: &Output) -> Result<(), Failure> {
    match command {
        // It asks no running bridge.
        BridgeCommand::Config(super::args::ConfigCommand::Check { options }) => {
            config::check(&config::Loaded::read(&options, global)?, output)
        }
        BridgeCommand::Migrate { at } => migrate(at, global, output),
        BridgeCommand::Status { at } => status(&Client::new(&at, global)?, output),
        BridgeCommand::Lanes { at, page } => {
            let client = Client::new(&at, global)?;
            client.check_gateway(&page)?;
            client.list(&["lanes"], &of_page(&page), page.limit, |lane| {
                output.done(&json!({"event": "lane", "lane": lane}), line(lane, LANE));
            })
        }
        BridgeCommand::DeadLetters { at, page, reason, body } => {
            let client = Client::new(&at, global)?;
            client.check_gateway(&page)?;
            let mut query = of_page(&page);
            query.extend(reason.map(|reason| ("reason", reason)));
            query.extend(body.then(|| ("body", "true".to_owned())));
            client.list(&["dead-letters"], &query, page.limit, |letter| {
                let mut text = line(letter, LETTER);
                if let Some(body) = letter.get("body").and_then(Value::as_str) {
                    text.push_str(&format!("\n  {body}"));
                }
                output.done(&json!({"event": "dead_letter", "letter": letter}), text);
            })
        }
        BridgeCommand::Replay { at, id } => {
            Client::new(&at, global)?.send(
                Method::POST,
                &["dead-letters", &id, "replay"],
                &[],
                None,
            )?;
            done(output, "replay", &id, &format!("{id} goes to the end of its lane"));
            Ok(())
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

/// What people see of a lane, and of a dead letter.
const LANE: &[&str] =
    &["kind", "key", "gateway", "waiting", "waiting_since", "entries", "held", "due_in", "overdue"];
const LETTER: &[&str] = &["id", "reason", "gateway", "consumer", "conversation", "at"];

fn status(client: &Client, output: &Output) -> Result<(), Failure> {
    let status = client.send(Method::GET, &["status"], &[], None)?;
    let is = |name: &str| status.get(name) == Some(&Value::Bool(true));
    let state = match (is("started"), is("draining")) {
        (_, true) => "draining",
        (true, _) => "running",
        _ => "starting",
    };
    let mut text = format!("{state}; {}", line(&status, &["version", "lanes_held"]));
    let gateways = status.get("gateways").and_then(Value::as_array);
    for gateway in gateways.into_iter().flatten() {
        text.push_str(&format!(
            "\n  {}",
            line(gateway, &["name", "account", "paused", "circuit_open"])
        ));
    }
    let all = |name: &str| status.get(name).and_then(Value::as_array).into_iter().flatten();
    for failing in all("failing") {
        let cause = failing.get("cause").and_then(Value::as_str).unwrap_or_default();
        let facts = line(
            failing,
            &["account", "operation", "request", "service", "status", "since", "failures"],
        );
        text.push_str(&format!("\n  {facts} waits because {cause}"));
    }
    for circuit in all("circuits_open") {
        text.push_str(&format!("\n  {} circuit_open=true", line(circuit, &["account", "service"])));
    }
    output.done(&json!({"event": "bridge_status", "status": status}), text);
    Ok(())
}

/// Brings the tables of the store up to date.
fn migrate(at: StorePlace, global: &Global, output: &Output) -> Result<(), Failure> {
    let options = Options { config: at.config, store: at.store, ..Options::default() };
    let loaded = config::Loaded::read(&options, global)?;
    let store = loaded.store_place()?;
    drop(loaded.store()?);
    output.done(
        &json!({"event": "bridge_migrated", "store": store}),
        format!("the tables of {store} are up to date"),
    );
    Ok(())
}

fn outbox(client: &Client, who: &Consumer, output: &Output) -> Result<(), Failure> {
    let state = client.send(Method::GET, &["consumer"], &of_consumer(who), None)?;
    let conversation = state.get("conversation").filter(|one| !one.is_null());
    let mut text = match conversation {
        Some(one) => format!("conversation {}", line(one, &["id", "state", "survey"])),
        None => "no conversation".to_owned(),
    };
    text.push_str(&format!("; {}", line(&state, &["queued"])));
    for message in state.get("recent").and_then(Value::as_array).into_iter().flatten() {
        text.push_str(&format!("\n  {}", line(message, &["id", "status", "reason", "at"])));
    }
    output.done(&json!({"event": "outbox", "consumer": who.consumer, "state": state}), text);
    Ok(())
}

fn done(output: &Output, action: &str, of: &str, text: &str) {
    output.done(&json!({"event": "bridge_done", "action": action, "of": of}), text);
}

/// These members of an object, those that are null left out.
fn line(object: &Value, names: &[&str]) -> String {
    let shown = names.iter().filter_map(|name| match object.get(name)? {
        Value::Null => None,
        Value::String(text) => Some(format!("{name}={text}")),
        Value::Number(number) => Some(match number.as_f64().filter(|_| number.is_f64()) {
            Some(number) => format!("{name}={number:.1}s"),
            None => format!("{name}={number}"),
        }),
        other => Some(format!("{name}={other}")),
    });
    shown.collect::<Vec<_>>().join(" ")
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

/// A client of a bridge's operations.
struct Client {
    base: Url,
    agent: ureq::Agent,
    token: Secret,
}

impl Client {
    fn new(at: &Operations, global: &Global) -> Result<Self, Failure> {
        let place = usage::place("--ops", "LP_BRIDGE_OPS");
        let place =
            if std::env::var_os("LP_BRIDGE_OPS").is_some() { place } else { "--ops".to_owned() };
        let wrong = |why: &str| Failure::usage(format!("{place}: {:?} {why}", at.ops));
        let base = Url::parse(&at.ops).map_err(|_| wrong("is no URL"))?;
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
            return Err(wrong("is no URL that begins with http:// or https://"));
        }
        if config::is_plain_elsewhere(&at.ops) {
            return Err(wrong(
                "would send the token in the clear: https:// is needed for another machine",
            ));
        }
        let token = match &at.ops_token_file {
            Some(file) => {
                let place = usage::place("--ops-token-file", "LP_BRIDGE_OPS_TOKEN_FILE");
                input::secret_in(file, &place, SecretKind::App)?
            }
            None => input::secret_of(TOKEN, SecretKind::App)?.ok_or_else(|| {
                Failure::usage(format!("the token is missing: set {TOKEN} or --ops-token-file"))
            })?,
        };
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .tls_config(agent::tls(global)?)
            .build();
        Ok(Self { base, agent: agent.into(), token })
    }

    /// Asks, and returns the answer's JSON.
    fn send(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&'static str, String)],
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["ops", "v1"]).extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = Request::builder()
            .method(method)
            .uri(url.as_str())
            .header("authorization", format!("Bearer {}", self.token.expose()))
            .header("content-type", "application/json")
            .body(body.map(Value::to_string).unwrap_or_default());
        let request =
            request.map_err(|_| Failure::usage("the token, or a name, cannot be sent"))?;
        let unreachable = |error: ureq::Error| {
            Failure::Local(format!(
                "no bridge answers at {}: {error} (--ops, LP_BRIDGE_OPS)",
                self.base.origin().ascii_serialization()
            ))
        };
        let mut answer = self.agent.run(request).map_err(unreachable)?;
        let status = answer.status().as_u16();
        let text = answer.body_mut().read_to_string().map_err(unreachable)?;
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        let member = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
        let mut why = match member("detail") {
            "" => "it is no bridge's answer".to_owned(),
            detail => detail.to_owned(),
        };
        let places = answer.get("errors").and_then(Value::as_array);
        for place in places.into_iter().flatten() {
            why.push_str(&format!("; {}", line(place, &["pointer", "detail"])));
        }
        let hint = if matches!(status, 401 | 403) {
            " (--ops-token-file, LP_BRIDGE_OPS_TOKEN)"
        } else {
            ""
        };
        Err(Failure::Local(format!("the bridge refuses it with status {status}: {why}{hint}")))
    }

    /// Fails if there is no gateway of the name that a list is wanted for: it would be empty, and say nothing.
    fn check_gateway(&self, page: &Page) -> Result<(), Failure> {
        let Some(name) = &page.gateway else { return Ok(()) };
        let status = self.send(Method::GET, &["status"], &[], None)?;
        let gateways = status.get("gateways").and_then(Value::as_array).into_iter().flatten();
        let names: Vec<&str> =
            gateways.filter_map(|gateway| gateway.get("name").and_then(Value::as_str)).collect();
        if names.contains(&name.as_str()) {
            return Ok(());
        }
        let known = names.join(", ");
        Err(Failure::usage(format!("--gateway: there is no gateway {name:?}; there are {known}")))
    }

    /// Shows up to `limit` things of a list, page after page.
    fn list(
        &self,
        path: &[&str],
        query: &[(&'static str, String)],
        limit: u32,
        show: impl Fn(&Value),
    ) -> Result<(), Failure> {
        let mut left = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut after: Option<String> = None;
        while left > 0 {
            let mut query = query.to_vec();
            query.push(("limit", left.min(PAGE).to_string()));
            query.extend(after.take().map(|cursor| ("after", cursor)));
            let page = self.send(Method::GET, path, &query, None)?;
            let items = page.get("items").and_then(Value::as_array).map(Vec::as_slice);
            for item in items.unwrap_or_default().iter().take(left) {
                show(item);
                left -= 1;
            }
            match page.get("next").and_then(Value::as_str) {
                Some(next) => after = Some(next.to_owned()),
                None => return Ok(()),
            }
        }
        Ok(())
    }
}
