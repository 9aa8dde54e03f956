//! SEND ([protocol.md 7](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#7)).

use std::time::Duration;

use http::Request;
use serde_json::{Value, json};

use crate::conversation::{parse_request, request_type};
use crate::file;
use crate::request::{id, text};
use crate::response::{self, HttpResponse};
use crate::sandbox::Sandbox;
use crate::state::Publication;
use crate::tokens;

/// The longest request with a text, in characters
/// ([protocol.md 7.2](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#7.2),
/// "Size").
const MAX_CHARS: usize = 5000;

const CHAT_STATES: [&str; 5] = ["ACTIVE", "INACTIVE", "GONE", "COMPOSING", "PAUSE"];
const RECEIPTS: [&str; 5] = ["ACCEPT", "READ", "ACCESS", "NACK", "ACTION"];

pub(crate) fn send(
    sandbox: &mut Sandbox,
    now: Duration,
    account: &str,
    request: &Request<Vec<u8>>,
) -> HttpResponse {
    let consumer = match tokens::authenticate_consumer(sandbox, now, account, request.headers()) {
        Ok(consumer) => consumer,
        Err(refused) => return *refused,
    };
    let document = match parse_request(sandbox, request) {
        Ok((_, document)) => document,
        Err(refused) => return *refused,
    };
    sandbox.trace_send(&document);
    let Some(id) = id(&document) else {
        return response::bad_request("the request has no id of 1 to 64 characters", "");
    };
    if text(&document, "kind") != Some("req") {
        return response::bad_request("kind must be req", &id);
    }
    let kind = request_type(sandbox, &document);
    if kind == Some("GetClock") {
        // Documented for the WebSocket API only (protocol.md 7.10); the sandbox answers it too.
        let clock = json!({"currentTime": crate::state::milliseconds(now)});
        return response::json(200, &response::ok(&clock, &id));
    }
    let Some(body) = document.get("body").filter(|body| body.is_object()) else {
        return response::bad_request("the request has no body", &id);
    };
    match kind {
        Some("ms.PublishEvent") => {
            let length = String::from_utf8_lossy(request.body()).chars().count();
            let metadata = document.get("metadata").cloned().unwrap_or_default();
            if !matches!(metadata, Value::Null | Value::Array(_)) {
                return response::bad_request("metadata must be an array", &id);
            }
            publish(sandbox, now, &consumer, body, metadata, &id, length)
        }
        Some("cm.UpdateConversationField") => update(sandbox, now, &consumer, body, &id),
        Some("ms.GenerateURLForUploadFile") => file::upload_url(sandbox, now, &consumer, body, &id),
        Some("ms.GenerateURLForDownloadFile") => file::download_url(sandbox, now, body, &id),
        Some("userprofile.SetUserProfile") => {
            let done = json!({"msg": "OK User Profile set successfully"});
            response::json(200, &response::ok(&done, &id))
        }
        _ => response::bad_request("no such type of request", &id),
    }
}

/// Publishes the first message of a new conversation. Returns its result.
pub(crate) fn publish_first(
    sandbox: &mut Sandbox,
    now: Duration,
    conversation: &str,
    request: &Value,
) -> Value {
    let id = id(request).unwrap_or_default();
    let event = request.get("body").and_then(|body| body.get("event"));
    match (request_type(sandbox, request), event) {
        (Some("ms.PublishEvent"), Some(event)) => {
            let publication = Publication {
                conversation,
                dialog: conversation,
                agent: None,
                audience: "ALL",
                metadata: request.get("metadata").cloned().unwrap_or_default(),
                event: event.clone(),
            };
            let sequence = sandbox.publish(now, publication);
            response::ok(&json!({"sequence": sequence}), &id)
        }
        _ => response::error("an ms.PublishEvent is wanted here", &id),
    }
}

/// Checks that a conversation is open and belongs to the consumer.
fn check_conversation(
    sandbox: &Sandbox,
    consumer: &str,
    conversation: &str,
    id: &str,
) -> Result<(), Box<HttpResponse>> {
    match sandbox.state.conversations.get(conversation) {
        None => Err(Box::new(response::bad_request("no such conversation", id))),
        // Another consumer's conversation: 401 without an error code (protocol.md 10.1).
        Some(found) if found.consumer != consumer => {
            Err(Box::new(response::json(401, &json!({"code": "UNAUTHORIZED", "reqId": id}))))
        }
        Some(found) if !found.open => {
            // The documented text says "close" (protocol.md 7.11).
            Err(Box::new(response::bad_request("Bad Request, Conversation is close", id)))
        }
        Some(_) => Ok(()),
    }
}

fn publish(
    sandbox: &mut Sandbox,
    now: Duration,
    consumer: &str,
    body: &Value,
    metadata: Value,
    id: &str,
    length: usize,
) -> HttpResponse {
    let Some(dialog) = text(body, "dialogId") else {
        return response::bad_request("dialogId is missing", id);
    };
    // The conversation's id is optional: the main dialog has the same id (protocol.md 7.2).
    let conversation = text(body, "conversationId").unwrap_or(dialog);
    if let Err(refused) = check_conversation(sandbox, consumer, conversation, id) {
        return *refused;
    }
    let Some(event) = body.get("event") else {
        return response::bad_request("event is missing", id);
    };
    let in_survey = match dialog_of(sandbox, conversation, dialog) {
        Ok(in_survey) => in_survey,
        Err(why) => return response::bad_request(why, id),
    };
    let problem = match text(event, "type") {
        Some("ContentEvent") => match text(event, "contentType") {
            Some("text/plain") if text(event, "message").is_none() => Some("message must be text"),
            // The limit applies to texts only (protocol.md 14, row 41).
            Some("text/plain") if length > MAX_CHARS => Some("Bad Request"),
            Some("text/plain") => None,
            Some("hosted/file")
                if event.get("message").and_then(|file| text(file, "relativePath")).is_none() =>
            {
                Some("relativePath is missing")
            }
            Some("hosted/file") => None,
            // The prose of a page has it (protocol.md 14, row 29).
            Some("HostedFile") if sandbox.tolerates("the contentType is not hosted/file") => None,
            _ => Some("no such contentType"),
        },
        Some("ChatStateEvent") if in_survey => Some("a survey takes no chat states"),
        Some("ChatStateEvent") => {
            let known = text(event, "chatState").is_some_and(|state| CHAT_STATES.contains(&state));
            (!known).then_some("no such chatState")
        }
        Some("AcceptStatusEvent") => {
            let known = text(event, "status").is_some_and(|status| RECEIPTS.contains(&status));
            match event.get("sequenceList") {
                Some(Value::Array(list)) if known => missing(sandbox, conversation, dialog, list),
                _ => Some("status or sequenceList is wrong"),
            }
        }
        Some("RichContentEvent") => None,
        _ => Some("no such event"),
    };
    match problem {
        Some(why) => response::bad_request(why, id),
        None => {
            let message = text(event, "message").map(str::to_owned);
            let event = event.clone();
            let publication =
                Publication { conversation, dialog, agent: None, audience: "ALL", metadata, event };
            let sequence = sandbox.publish(now, publication);
            if let (true, Some(message)) = (in_survey, message) {
                sandbox.finish_survey(now, conversation, dialog, &message);
            }
            response::json(200, &response::ok(&json!({"sequence": sequence}), id))
        }
    }
}

/// True for the dialog of an open survey; an error if the dialog is closed.
fn dialog_of(sandbox: &Sandbox, conversation: &str, dialog: &str) -> Result<bool, &'static str> {
    let Some(found) = sandbox.state.conversations.get(conversation) else { return Ok(false) };
    let survey = found.survey.as_ref().filter(|survey| survey.dialog == dialog);
    match survey {
        Some(survey) if survey.open => Ok(true),
        None if dialog == conversation && found.main_open => Ok(false),
        None if dialog != conversation => Err("no such dialog"),
        _ => Err("Bad Request, Conversation is close"),
    }
}

fn is_survey(sandbox: &Sandbox, conversation: &str, dialog: &str) -> bool {
    let found = sandbox.state.conversations.get(conversation);
    found.and_then(|found| found.survey.as_ref()).is_some_and(|survey| survey.dialog == dialog)
}

/// Why a receipt cannot be for these messages: each must be one of the dialog.
fn missing(
    sandbox: &Sandbox,
    conversation: &str,
    dialog: &str,
    list: &[Value],
) -> Option<&'static str> {
    let sequences = sandbox.state.conversations.get(conversation).map(|found| &found.sequences);
    let next = sequences.and_then(|of| of.get(dialog)).copied().unwrap_or_default();
    let exists = |number: &Value| number.as_u64().is_some_and(|number| number < next);
    (!list.iter().all(exists)).then_some("sequenceList names no message of this dialog")
}

fn update(
    sandbox: &mut Sandbox,
    now: Duration,
    consumer: &str,
    body: &Value,
    id: &str,
) -> HttpResponse {
    let Some(conversation) = text(body, "conversationId") else {
        return response::bad_request("conversationId is missing", id);
    };
    // An object or an array of objects (protocol.md 14, row 6).
    let fields = match body.get("conversationField") {
        Some(Value::Array(fields)) => fields.clone(),
        Some(field) => vec![field.clone()],
        None => return response::bad_request("conversationField is missing", id),
    };
    // Only a closed conversation can be rated (protocol.md 7.8), and that is all that can be done with it.
    let rates = |field: &Value| text(field, "field") == Some("CSATRate");
    let closed = sandbox
        .state
        .conversations
        .get(conversation)
        .is_some_and(|found| found.consumer == consumer && !found.open);
    match check_conversation(sandbox, consumer, conversation, id) {
        Err(refused) if !(closed && fields.iter().all(rates)) => return *refused,
        Ok(()) if fields.iter().any(rates) => {
            return response::bad_request("the conversation is open: nothing to rate yet", id);
        }
        _ => {}
    }
    // All fields are looked at before one has an effect: what is refused changes nothing.
    let changes: Result<Vec<_>, _> =
        fields.iter().filter_map(|field| change_of(sandbox, conversation, field)).collect();
    match changes {
        Err(why) => response::bad_request(why, id),
        Ok(changes) if changes.is_empty() => response::bad_request("no such conversationField", id),
        Ok(changes) => {
            for change in changes {
                apply(sandbox, now, conversation, change);
            }
            let done = json!({"msg": "OK Conversation resolved successfully"});
            response::json(200, &response::ok(&done, id))
        }
    }
}

/// What a field of an update does.
#[derive(Debug)]
enum Change {
    /// It closes the conversation with all its dialogs.
    Close,
    /// It closes the main dialog, which a survey may follow.
    CloseMainDialog,
    Rate(Value),
    SetUrgency(String),
}

/// What a field does, or why it is refused; `None` if there is no such field.
fn change_of(
    sandbox: &Sandbox,
    conversation: &str,
    field: &Value,
) -> Option<Result<Change, &'static str>> {
    let closes = text(field, "conversationState") == Some("CLOSE");
    let dialog = field.get("dialog").unwrap_or(&Value::Null);
    Some(match text(field, "field")? {
        "ConversationStateField" | "Stage" if closes => Ok(Change::Close),
        "DialogChange" if text(dialog, "state") == Some("CLOSE") => {
            match text(dialog, "dialogId") {
                Some(dialog) if dialog == conversation => Ok(Change::CloseMainDialog),
                Some(dialog) if is_survey(sandbox, conversation, dialog) => Ok(Change::Close),
                Some(_) => Err("no such dialog"),
                None => Err("dialogId is missing"),
            }
        }
        "CSATRate" => rating(field).map(Change::Rate).ok_or("no such rating"),
        "TTRField" => {
            let types = ["CUSTOM", "NORMAL", "PRIORITIZED", "URGENT"];
            let ttr = text(field, "ttrType").filter(|ttr| types.contains(ttr));
            match (ttr, field.get("value").and_then(Value::as_u64)) {
                (Some(ttr), Some(_)) => Ok(Change::SetUrgency(ttr.to_owned())),
                _ => Err("ttrType or value is wrong"),
            }
        }
        _ => return None,
    })
}

fn apply(sandbox: &mut Sandbox, now: Duration, conversation: &str, change: Change) {
    match change {
        Change::CloseMainDialog => {
            // It notifies itself.
            sandbox.close_main_dialog(now, conversation, "CONSUMER");
            return;
        }
        Change::Close => sandbox.state.close(conversation, "CONSUMER"),
        Change::Rate(csat) => {
            if let Some(rated) = sandbox.state.conversations.get_mut(conversation) {
                rated.csat = Some(csat);
            }
        }
        Change::SetUrgency(ttr) => {
            if let Some(changed) = sandbox.state.conversations.get_mut(conversation) {
                changed.ttr = ttr;
            }
        }
    }
    sandbox.notify_conversation(now, conversation);
}

/// The rating of a field, if all its members are valid
/// ([protocol.md 7.8](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#7.8)).
fn rating(field: &Value) -> Option<Value> {
    let rate = field.get("csatRate")?.as_u64().filter(|rate| (1..=5).contains(rate))?;
    let resolved = field.get("csatResolutionConfirmation")?.as_bool()?;
    let states = ["FILLED", "PARTIALLY_FILLED", "SKIPPED"];
    let status = text(field, "status").filter(|status| states.contains(status))?;
    Some(json!({"csatRate": rate, "csatResolutionConfirmation": resolved, "status": status}))
}
