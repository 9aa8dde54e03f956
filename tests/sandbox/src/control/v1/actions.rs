//! The writes of the API.

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};

use super::describe;
use super::router::{Answer, Context, Handled, PendingPost, json};
use super::{Acted, Posted, Problem, Retried};
use crate::control::guard::IMAGE_TYPES;
use crate::control::triggers;
use crate::file::MAX_FILE_SIZE;
use crate::journal::{Delivery, NotificationRecord, Subject};
use crate::mask::Secrets;
use crate::webhook::event_key;
use crate::{AGENT, Agent, FAULT_PRESETS, Published, Sandbox, Webhooks, webhook_target};

/// The longest name of a file, in characters.
const MAX_NAME: usize = 200;

/// The most bytes of an endpoint's answer that are shown.
const MAX_ANSWER: usize = 4096;

/// A member, if it is there: a text.
fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Problem> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Problem::new(400, format!("{name} must be text"))),
    }
}

fn acted(conversation: String, published: Published) -> Handled {
    let Published { message, sequence, file } = published;
    json(200, Acted { conversation, message, sequence, file })
}

/// An agent's refusal: what is wrong with the action, or with the state of the conversation.
fn refused(why: String) -> Problem {
    let status = if why.contains("is closed") { 409 } else { 400 };
    Problem::new(status, why)
}

pub(super) fn act(context: &mut Context<'_>) -> Handled {
    let id = context.conversation()?;
    let members = context.object()?;
    let who = text(&members, "as")?.unwrap_or(AGENT).to_owned();
    let action = Agent::from_json(&Value::Object(members)).map_err(refused)?;
    let now = context.around.now;
    acted(id.clone(), context.sandbox.agent_as(now, &id, &who, action).map_err(refused)?)
}

pub(super) fn send_file(context: &mut Context<'_>) -> Handled {
    let id = context.conversation()?;
    let kind = context.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.unwrap_or_default().to_ascii_lowercase();
    if !IMAGE_TYPES.contains(&kind.as_str()) {
        return Err(Problem::new(415, format!("a file is one of {}", IMAGE_TYPES.join(", "))));
    }
    if context.body.is_empty() {
        return Err(Problem::new(400, "the file is empty"));
    }
    if context.body.len() as u64 > MAX_FILE_SIZE {
        return Err(Problem::new(413, "a file has at most 3 MiB")
            .detail(format!("this one has {} bytes", context.body.len())));
    }
    let extension = kind.rsplit('/').next().unwrap_or_default();
    let name = context.query.get("name").cloned().unwrap_or_else(|| format!("file.{extension}"));
    if !(1..=MAX_NAME).contains(&name.chars().count()) {
        return Err(Problem::new(400, format!("a name has 1 to {MAX_NAME} characters")));
    }
    let who = context.query.get("as").cloned().unwrap_or_else(|| AGENT.to_owned());
    let (now, bytes) = (context.around.now, context.body.to_vec());
    let published = context.sandbox.agent_as(now, &id, &who, Agent::Upload(name, bytes));
    acted(id, published.map_err(refused)?)
}

pub(super) fn add_fault(context: &mut Context<'_>) -> Handled {
    let members = context.object()?;
    let fault = text(&members, "fault")?
        .ok_or_else(|| Problem::new(400, "fault is missing: such as send:1-20=503"))?;
    let number = add(context, fault)?;
    json(201, context.sandbox.faults.get(number).map(describe::fault))
}

/// Adds a fault by its text. Returns its number.
fn add(context: &mut Context<'_>, fault: &str) -> Result<u64, Problem> {
    let fault = fault.parse().map_err(|why: String| Problem::new(400, why))?;
    let too_many = || Problem::new(409, "there are 1000 faults already: remove some");
    context.sandbox.add_fault(fault).ok_or_else(too_many)
}

pub(super) fn add_preset(context: &mut Context<'_>) -> Handled {
    context.nothing()?;
    let name = context.parameter();
    let preset = FAULT_PRESETS.iter().find(|preset| preset.name == name);
    let preset = preset.ok_or_else(|| {
        let names: Vec<_> = FAULT_PRESETS.iter().map(|preset| preset.name).collect();
        Problem::new(404, format!("no preset {name:?}"))
            .detail(format!("there are {}", names.join(", ")))
    })?;
    let numbers: Vec<u64> =
        preset.faults.iter().map(|fault| add(context, fault)).collect::<Result<_, _>>()?;
    let added = numbers.into_iter().filter_map(|number| context.sandbox.faults.get(number));
    json(201, json!({"faults": added.map(describe::fault).collect::<Vec<_>>()}))
}

pub(super) fn switch_fault(context: &mut Context<'_>) -> Handled {
    let number = context.number("fault")?;
    let members = context.object()?;
    let on = members.get("on").and_then(Value::as_bool);
    let on = on.ok_or_else(|| Problem::new(400, "on must be true or false"))?;
    match context.sandbox.switch_fault(number, on) {
        true => json(200, context.sandbox.faults.get(number).map(describe::fault)),
        false => Err(no_fault(number)),
    }
}

fn no_fault(number: u64) -> Problem {
    Problem::new(404, format!("no fault {number}"))
}

pub(super) fn switch_faults_off(context: &mut Context<'_>) -> Handled {
    context.nothing()?;
    context.sandbox.switch_faults_off();
    let faults: Vec<_> = context.sandbox.faults().iter().map(describe::fault).collect();
    json(200, json!({"faults": faults}))
}

pub(super) fn remove_fault(context: &mut Context<'_>) -> Handled {
    context.nothing()?;
    let number = context.number("fault")?;
    match context.sandbox.remove_fault(number) {
        true => Ok(Answer::Empty),
        false => Err(no_fault(number)),
    }
}

pub(super) fn remove_faults(context: &mut Context<'_>) -> Handled {
    context.nothing()?;
    context.sandbox.clear_faults();
    Ok(Answer::Empty)
}

pub(super) fn trigger(context: &mut Context<'_>) -> Handled {
    let parameters = context.object()?;
    let name = context.parameter().to_owned();
    json(200, triggers::run(context.sandbox, context.around.now, &name, parameters)?)
}

pub(super) fn revoke(context: &mut Context<'_>) -> Handled {
    context.nothing()?;
    let number = context.number("token")?;
    match context.sandbox.revoke_token(number) {
        true => Ok(Answer::Empty),
        false => Err(Problem::new(404, format!("no token {number}"))),
    }
}

pub(super) fn set_webhooks(context: &mut Context<'_>) -> Handled {
    let members = context.object()?;
    let previous = context.sandbox.webhooks().cloned().unwrap_or_default();
    let webhooks = match (text(&members, "endpoint")?, members.get("manifest")) {
        (Some(url), None) => {
            check_target(url)?;
            // Retries and signature stay.
            let retries = previous.endpoints.values().find_map(|endpoint| endpoint.max_retries);
            let new = Webhooks { retention: previous.retention, ..Webhooks::all_at(url) };
            match retries {
                Some(times) => new.max_retries(times),
                None => new,
            }
        }
        (None, Some(manifest)) => {
            Webhooks::from_manifest(manifest).map_err(|why| Problem::new(400, why))?
        }
        _ => return Err(Problem::new(400, "either endpoint or manifest is needed")),
    };
    // Who moves an endpoint wants to see there what waits.
    let now = context.around.now;
    context.sandbox.redirect_webhooks(now, webhooks.signature(previous.signature));
    json(200, describe::webhooks(context.sandbox))
}

pub(super) fn retry(context: &mut Context<'_>) -> Handled {
    context.nothing()?;
    json(200, Retried { retried: context.sandbox.retry_notifications(context.around.now) })
}

fn check_target(url: &str) -> Result<(), Problem> {
    match webhook_target(url) {
        Some(_) => Ok(()),
        None => Err(Problem::new(400, "the sandbox posts only to http:// URLs on this machine")
            .detail("such as http://127.0.0.1:8080/")),
    }
}

pub(super) fn reset(context: &mut Context<'_>) -> Handled {
    context.nothing()?;
    let epoch = context.around.next_epoch.clone();
    context.sandbox.reset(epoch.clone());
    json(200, json!({"epoch": epoch}))
}

pub(super) fn replay(context: &mut Context<'_>) -> Handled {
    context.nothing()?;
    let number = context.number("notification")?;
    let journal = context.sandbox.journal.as_ref();
    let record = journal.and_then(|journal| journal.notifications.get(number));
    let record =
        record.ok_or_else(|| Problem::new(404, format!("notification {number} is not kept")))?;
    check_target(&record.url)?;
    let (url, key, body) = (record.url.clone(), record.key.clone(), record.body.to_vec());
    // The endpoint that is configured now may have moved.
    let endpoint = context.sandbox.webhooks().and_then(|webhooks| webhooks.endpoints.get(&key));
    let headers = endpoint.map(|endpoint| endpoint.headers.clone()).unwrap_or_default();
    let request = context.sandbox.signed(&url, &headers, body).ok_or_else(unsigned)?;
    Ok(Answer::Post(Box::new(PendingPost { notification: number, request, replay: true })))
}

fn unsigned() -> Problem {
    Problem::new(409, "there is no app whose secret could sign it")
}

pub(super) fn post_notification(context: &mut Context<'_>) -> Handled {
    let members = context.object()?;
    if let Some(preset) = text(&members, "preset")? {
        if members.contains_key("body") || members.contains_key("url") {
            let why = "a preset has a body, and goes to the endpoint of its event";
            return Err(Problem::new(400, why).detail("leave out body and url"));
        }
        return post_preset(context, preset);
    }
    let body = members.get("body").filter(|body| body.is_object());
    let body =
        body.ok_or_else(|| Problem::new(400, "preset or body is needed: body is an object"))?;
    if context.sandbox.config.foreign_secret {
        let why =
            "this sandbox has a secret from a file, which may be real: it signs no body of yours";
        return Err(Problem::new(403, why).detail("start it without --secret-file for that"));
    }
    let key = event_key(body);
    let webhooks = context.sandbox.webhooks();
    let configured = webhooks.and_then(|webhooks| {
        let own = key.as_ref().and_then(|key| webhooks.endpoints.get(key));
        own.or_else(|| webhooks.endpoints.values().next()).cloned()
    });
    let url = match (text(&members, "url")?, &configured) {
        (Some(url), _) => url.to_owned(),
        (None, Some(endpoint)) => endpoint.url.clone(),
        (None, None) => return Err(Problem::new(400, "url is missing: no webhook is configured")),
    };
    check_target(&url)?;
    let headers = configured.map(|endpoint| endpoint.headers).unwrap_or_default();
    let bytes = body.to_string().into_bytes();
    let request = context.sandbox.signed(&url, &headers, bytes.clone()).ok_or_else(unsigned)?;
    let number = context.sandbox.record_own(NotificationRecord {
        number: 0,
        key: key.unwrap_or_else(|| "own".to_owned()),
        conversation: None,
        message: None,
        cause: None,
        url,
        body: bytes.into(),
        state: Delivery::Posting,
        attempts: 0,
        next: None,
        exchanges: Vec::new(),
        faults: Vec::new(),
        at: context.around.now,
    });
    Ok(Answer::Post(Box::new(PendingPost { notification: number, request, replay: false })))
}

/// Runs a trigger. What comes of its last notification is the answer.
fn post_preset(context: &mut Context<'_>, preset: &str) -> Handled {
    if context.sandbox.webhooks().is_none() {
        return Err(Problem::new(400, "no webhook is configured")
            .detail("PUT /v1/webhooks says where notifications go"));
    }
    let done = triggers::run(context.sandbox, context.around.now, preset, Map::new())?;
    let last = done.notifications.last().copied();
    let last = last.ok_or_else(|| {
        Problem::new(409, format!("{preset} has happened, but no webhook is registered for it"))
    })?;
    Ok(Answer::Posting(last))
}

/// Whether the queue still has a notification that it has not posted.
pub(crate) fn is_unposted(sandbox: &Sandbox, number: u64) -> bool {
    let journal = sandbox.journal.as_ref();
    let record = journal.and_then(|journal| journal.notifications.get(number));
    record.is_some_and(|record| {
        let waits = matches!(record.state, Delivery::Waiting | Delivery::Posting);
        waits && record.exchanges.is_empty()
    })
}

/// What has come of the first attempt of a notification.
pub(crate) fn posted(sandbox: &Sandbox, number: u64) -> Posted {
    let mut told = Posted { notification: number, ..Posted::default() };
    let Some(journal) = &sandbox.journal else { return told };
    let Some(record) = journal.notifications.get(number) else { return told };
    told.url.clone_from(&record.url);
    let Some(wire) = record.exchanges.first().copied() else { return told };
    (told.attempt, told.wire) = (1, wire);
    if let Some(exchange) = journal.requests.get(wire) {
        told.status = exchange.status;
        told.us = exchange.micros;
        let (secrets, response) = (describe::secrets(sandbox), &exchange.response);
        let is_cut = response.body.bytes.len() < response.body.total;
        let read = |_| answer(&secrets, &response.headers, &response.body.bytes, is_cut);
        told.answer = exchange.status.and_then(read);
    }
    told
}

/// The answer of an endpoint, if it is text: its beginning. Secrets have their names before it is cut: a part of
/// one would not be known.
pub(crate) fn answer(
    secrets: &Secrets<'_>,
    headers: &HeaderMap,
    body: &[u8],
    is_cut: bool,
) -> Option<String> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let shown = secrets.body(kind.unwrap_or_default(), body, is_cut)?;
    let most = shown.len().min(MAX_ANSWER);
    let end = (0..=most).rev().find(|end| shown.is_char_boundary(*end))?;
    shown.get(..end).map(str::to_owned)
}

impl Sandbox {
    /// Records a notification that somebody asked for. Returns its number.
    fn record_own(&mut self, record: NotificationRecord) -> u64 {
        self.notified += 1;
        let number = self.notified;
        self.record_notification(NotificationRecord { number, ..record });
        number
    }

    /// Revokes the token with this number. Returns whether there was one.
    pub(crate) fn revoke_token(&mut self, number: u64) -> bool {
        let state = &mut self.state;
        let app = state.app_tokens.newest().find(|(_, one)| one.number == number);
        let app = app.map(|(token, _)| token.to_owned());
        let consumer = state.consumer_tokens.newest().find(|(_, one)| one.number == number);
        let consumer = consumer.map(|(token, _)| token.to_owned());
        if let Some(token) = &app {
            state.app_tokens.remove(token);
        }
        if let Some(token) = &consumer {
            state.consumer_tokens.remove(token);
        }
        self.changed(Subject::Tokens);
        app.is_some() || consumer.is_some()
    }
}
