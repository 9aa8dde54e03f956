//! The control interface under `/_sandbox/`: it shows the state and performs the agent's actions.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{Method, Request};
use serde_json::{Value, json};

use crate::agent::Agent;
use crate::request::{fields, text};
use crate::response::{self, HttpResponse};
use crate::sandbox::Sandbox;
use crate::state::{Message, milliseconds};
use crate::{Endpoint, Webhooks};

/// The most messages in one response.
const MAX_PAGE: usize = 1000;

impl Sandbox {
    pub(crate) fn control(&mut self, now: Duration, request: &Request<Vec<u8>>) -> HttpResponse {
        let body = || serde_json::from_slice::<Value>(request.body()).unwrap_or_default();
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/_sandbox/state") => self.describe(),
            (&Method::GET, "/_sandbox/messages") => {
                let after = fields(request, false).get("after").and_then(|n| n.parse().ok());
                self.messages_after(now, after.unwrap_or(0))
            }
            (&Method::POST, "/_sandbox/agent") => self.control_agent(now, &body()),
            (&Method::POST, "/_sandbox/webhooks") => match text(&body(), "endpoint") {
                Some(endpoint) => {
                    // Retention and signature stay.
                    let previous = self.webhooks.clone().unwrap_or_default();
                    let webhooks =
                        Webhooks { retention: previous.retention, ..Webhooks::all_at(endpoint) };
                    self.set_webhooks(webhooks.signature(previous.signature));
                    response::json(200, &json!({"endpoint": endpoint}))
                }
                None => response::json(400, &json!({"message": "endpoint is missing"})),
            },
            _ => {
                let there_is = "GET state, GET messages, POST agent, POST webhooks";
                response::json(404, &json!({"message": "no such control", "there_is": there_is}))
            }
        }
    }

    /// `{"conversation": ID, "do": …}`; without an id, the latest open conversation.
    fn control_agent(&mut self, now: Duration, body: &Value) -> HttpResponse {
        let latest = || {
            let open = self.state.conversations.values().filter(|one| one.main_open);
            open.max_by_key(|one| one.opened).map(|one| one.id.clone())
        };
        let conversation = text(body, "conversation").map(str::to_owned).or_else(latest);
        let done = match conversation {
            None => Err("no conversation is open".to_owned()),
            Some(id) => Agent::from_json(body)
                .and_then(|action| self.agent(now, &id, action))
                .map(|()| json!({"conversation": id})),
        };
        match done {
            Ok(done) => response::json(200, &done),
            Err(why) => response::json(400, &json!({"message": why})),
        }
    }

    fn messages_after(&self, now: Duration, after: u64) -> HttpResponse {
        let messages = self.messages().iter().filter(|message| message.number > after);
        let messages: Vec<Value> = messages.take(MAX_PAGE).map(describe_message).collect();
        let endpoint = json!({"app_state": format!("{:?}", self.app_state()),
            "waiting": self.notifications_waiting(),
            "next_try_ms": self.next_try().map(milliseconds),
            "next_try_in_s": self.next_try().map(|at| at.saturating_sub(now).as_secs_f64().ceil())});
        response::json(
            200,
            &json!({"messages": messages, "conversations": self.describe_all(),
                "endpoint": endpoint}),
        )
    }

    fn describe_all(&self) -> Vec<Value> {
        let describe = |one: &crate::Conversation| {
            json!({"id": one.id, "consumer": one.consumer, "open": one.open,
                "main_open": one.main_open, "agents": one.agents, "skill": one.skill})
        };
        let mut all: Vec<&crate::Conversation> = self.conversations().collect();
        all.sort_by_key(|one| one.opened);
        all.into_iter().map(describe).collect()
    }

    /// The state, without secrets and tokens.
    fn describe(&self) -> HttpResponse {
        let requests: BTreeMap<&str, u64> = Endpoint::ALL
            .iter()
            .map(|endpoint| (endpoint.name(), self.requests(*endpoint)))
            .collect();
        let messages: Vec<_> = self.messages().iter().map(describe_message).collect();
        response::json(
            200,
            &json!({"requests": requests, "conversations": self.describe_all(),
                "messages": messages, "app_state": format!("{:?}", self.app_state()),
                "notifications": {"waiting": self.notifications_waiting(),
                    "lost": self.notifications_lost()}}),
        )
    }
}

fn describe_message(one: &Message) -> Value {
    json!({"number": one.number, "conversation": one.conversation, "dialog": one.dialog,
        "sequence": one.sequence, "consumer": one.consumer, "role": one.role,
        "audience": one.audience, "event": one.event})
}
