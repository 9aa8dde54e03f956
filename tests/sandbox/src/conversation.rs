//! CONVERSATION
//! ([protocol.md 6](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#6)).

use std::time::Duration;

use http::{HeaderMap, Request};
use serde_json::Value;

use crate::request::{Version, fields, has_content_type, id, text};
use crate::response::{self, HttpResponse};
use crate::sandbox::Sandbox;
use crate::state::{Conversation, milliseconds};
use crate::{send, tokens};

const TYPE_WITHOUT_DOT: &str = "the type of Client-Properties is not .ClientProperties";

pub(crate) fn open(
    sandbox: &mut Sandbox,
    now: Duration,
    account: &str,
    request: &Request<Vec<u8>>,
) -> HttpResponse {
    let consumer = match tokens::authenticate_consumer(sandbox, now, account, request.headers()) {
        Ok(consumer) => consumer,
        Err(refused) => return *refused,
    };
    let (features, body) = match parse_request(sandbox, request) {
        Ok(parsed) => parsed,
        Err(refused) => return *refused,
    };
    let (profile, conversation, first) = match body.as_array().map(Vec::as_slice) {
        Some([profile, conversation]) => (profile, conversation, None),
        // An older page has it (protocol.md 15, on 6.1).
        Some([profile, conversation, first]) if sandbox.tolerates("a first message is in it") => {
            (profile, conversation, Some(first))
        }
        _ => return response::bad_request("the body must be an array of two requests", ""),
    };
    let (Some(profile_id), Some(conversation_id)) = (id(profile), id(conversation)) else {
        return response::bad_request("a request has no id of 1 to 64 characters", "");
    };
    for (request, kind) in
        [(profile, "userprofile.SetUserProfile"), (conversation, "cm.ConsumerRequestConversation")]
    {
        if text(request, "kind") != Some("req") || request_type(sandbox, request) != Some(kind) {
            return response::bad_request(&format!("a req of type {kind} is wanted here"), "");
        }
        if !request.get("body").is_some_and(Value::is_object) {
            return response::bad_request(&format!("{kind} has no body"), "");
        }
    }
    let request_body = conversation.get("body").cloned().unwrap_or_default();
    if text(&request_body, "brandId") != Some(account) {
        return response::unauthorized(40001);
    }
    let channel = text(&request_body, "channelType");
    if request_body.get("channelType").is_some() && channel != Some("MESSAGING") {
        return response::bad_request("channelType must be MESSAGING", &conversation_id);
    }
    let urgency = request_body.get("ttrDefName");
    let urgencies = ["NORMAL", "URGENT", "PRIORITIZED"];
    let mut is_valid = |value: &Value| match value.as_str() {
        // An older page has it (protocol.md 15, on 6.3).
        Some("CUSTOM") => sandbox.tolerates("ttrDefName is CUSTOM"),
        Some(name) => urgencies.contains(&name),
        None => value.is_null(),
    };
    if !urgency.is_none_or(&mut is_valid) {
        return response::bad_request("ttrDefName is none of the known", &conversation_id);
    }
    let profile_set =
        response::ok(&serde_json::json!({"msg": "OK User Profile set successfully"}), &profile_id);
    if sandbox.state.open_of(&consumer).is_some() {
        // protocol.md 6.6: status 400, and the codes are mixed.
        let lp = sandbox.lp_consumer_id(&consumer);
        let message = format!(
            "Consumer request conversation failed: User {lp} already has open conversation. \
             Can't open another one."
        );
        let refused = response::error(&message, &conversation_id);
        return response::json(400, &Value::Array(vec![profile_set, refused]));
    }
    let profile_body = profile.get("body").cloned().unwrap_or_default();
    let new = sandbox.open_conversation(now, consumer, profile_body, request_body, features);
    let opened = response::ok(&serde_json::json!({"conversationId": new}), &conversation_id);
    let mut results = vec![profile_set, opened];
    results.extend(first.map(|first| send::publish_first(sandbox, now, &new, first)));
    response::json(200, &Value::Array(results))
}

impl Sandbox {
    /// Opens a conversation for a consumer who has none. Returns its id.
    pub(crate) fn open_conversation(
        &mut self,
        now: Duration,
        consumer: String,
        profile: Value,
        request: Value,
        features: Vec<String>,
    ) -> String {
        let new = self.random.uuid();
        self.state.open.insert(consumer.clone(), new.clone());
        let started_ms = milliseconds(now);
        self.state.opened += 1;
        let urgency = text(&request, "ttrDefName").unwrap_or("NORMAL").to_owned();
        let conversation = Conversation {
            id: new.clone(),
            consumer_lp: self.lp_consumer_id(&consumer),
            consumer,
            open: true,
            main_open: true,
            profile,
            // The sample sends a number (protocol.md 6.3).
            skill: request.get("skillId").and_then(|skill| match skill {
                Value::Number(skill) => Some(skill.to_string()),
                skill => skill.as_str().map(str::to_owned),
            }),
            ttr: urgency,
            request,
            features,
            agents: Vec::new(),
            close_reason: None,
            csat: None,
            survey: None,
            opened: self.state.opened,
            started_ms,
            updated_ms: started_ms,
            sequences: [(new.clone(), 0)].into(),
            unread: 0,
            last: None,
            typing: Vec::new(),
            opened_by: self.trace.number,
        };
        self.state.conversations.insert(new.clone(), conversation);
        self.trace.conversation = Some(new.clone());
        self.notify_conversation(now, &new);
        new
    }

    /// The conversation that was opened last, of those whose main dialog is open.
    pub(crate) fn latest_open(&self) -> Option<&str> {
        let mut newest_first = self.state.conversations.newest();
        newest_first.find(|(_, one)| one.main_open).map(|(id, _)| id)
    }
}

/// Checks what CONVERSATION and SEND have in common: version, content type, and the header of
/// [protocol.md 6.5](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#6.5).
/// Returns the client's features and the JSON body.
pub(crate) fn parse_request(
    sandbox: &mut Sandbox,
    request: &Request<Vec<u8>>,
) -> Result<(Vec<String>, Value), Box<HttpResponse>> {
    let refuse = |why: &str| Box::new(response::bad_request(why, ""));
    Version::V3.check(sandbox, &fields(request, false)).map_err(refuse)?;
    if !has_content_type(request.headers(), "application/json") {
        return Err(refuse("the content type must be application/json"));
    }
    let features = features(sandbox, request.headers()).map_err(|why| refuse(&why))?;
    let body = serde_json::from_slice(request.body());
    Ok((features, body.map_err(|_| refuse("the body is not JSON"))?))
}

/// The type of a request. Old clients write it with `.ams.` before it
/// ([protocol.md 14](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#14), row 37).
pub(crate) fn request_type<'a>(sandbox: &mut Sandbox, request: &'a Value) -> Option<&'a str> {
    let kind = text(request, "type")?;
    match kind.strip_prefix(".ams.") {
        Some(kind) => sandbox.tolerates("the type begins with .ams.").then_some(kind),
        None => Some(kind),
    }
}

fn features(sandbox: &mut Sandbox, headers: &HeaderMap) -> Result<Vec<String>, String> {
    let Some(header) = headers.get("client-properties") else {
        return Ok(Vec::new());
    };
    let properties: Value = serde_json::from_slice(header.as_bytes())
        .map_err(|_| "Client-Properties is not JSON".to_owned())?;
    match text(&properties, "type") {
        Some(".ClientProperties" | ".ams.headers.ClientProperties") => {}
        Some("ClientProperties") if sandbox.tolerates(TYPE_WITHOUT_DOT) => {}
        _ => return Err("Client-Properties has no type".to_owned()),
    }
    let features = properties.get("features").and_then(Value::as_array);
    let names = features.into_iter().flatten().filter_map(Value::as_str);
    Ok(names.map(str::to_owned).collect())
}
