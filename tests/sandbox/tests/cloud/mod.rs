//! A sandbox, and requests to it as a client that follows the documents sends them.

#![allow(dead_code, reason = "not every test file uses all of it")]

use std::time::Duration;

use http::{Request, Response};
use lp_connector_sandbox::{Config, Sandbox};
use serde_json::{Value, json};

pub(crate) const NOW: Duration = Duration::from_secs(1_711_000_000);
pub(crate) const CONVERSATION: &str = "/api/account/91827364/messaging/consumer/conversation?v=3";
pub(crate) const SEND: &str = "/api/account/91827364/messaging/consumer/conversation/send?v=3";

pub(crate) struct Cloud {
    pub(crate) sandbox: Sandbox,
    pub(crate) now: Duration,
}

impl Cloud {
    pub(crate) fn new() -> Self {
        Self::with(|config| config)
    }

    pub(crate) fn with(configure: impl Fn(Config) -> Config) -> Self {
        let config = configure(Config::new("va.example.net", 1));
        Self { sandbox: Sandbox::new(config, 1), now: NOW }
    }

    pub(crate) fn get(&mut self, path: &str) -> (u16, Value) {
        let request = Request::get(path).body(Vec::new()).unwrap();
        read(self.sandbox.handle(self.now, &request))
    }

    pub(crate) fn form(&mut self, path: &str, body: &str) -> (u16, Value) {
        let kind = "application/x-www-form-urlencoded";
        let request = Request::post(path).header("content-type", kind).body(body.into()).unwrap();
        read(self.sandbox.handle(self.now, &request))
    }

    pub(crate) fn post(
        &mut self,
        path: &str,
        tokens: &[(&str, &str)],
        body: &Value,
    ) -> (u16, Value) {
        let mut request = Request::post(path).header("content-type", "application/json");
        for (name, value) in tokens {
            request = request.header(*name, *value);
        }
        let request = request.body(body.to_string().into_bytes()).unwrap();
        read(self.sandbox.handle(self.now, &request))
    }

    pub(crate) fn credentials(&self) -> (String, String) {
        let app = self.sandbox.config().app().unwrap();
        (app.client_id().to_owned(), app.client_secret().to_owned())
    }

    pub(crate) fn app_jwt(&mut self) -> String {
        let (id, secret) = self.credentials();
        let body = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
        let (_, answer) = self.form("/sentinel/api/account/91827364/app/token?v=1.0", &body);
        answer["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) fn consumer(&mut self, jwt: &str, consumer: &str) -> (u16, Value) {
        let body = json!({"ext_consumer_id": consumer});
        self.post("/api/account/91827364/consumer?v=1.0", &[("authorization", jwt)], &body)
    }

    /// Both tokens of a consumer.
    pub(crate) fn tokens(&mut self, consumer: &str) -> (String, String) {
        let jwt = self.app_jwt();
        let (_, answer) = self.consumer(&jwt, consumer);
        (jwt, answer["token"].as_str().unwrap().to_owned())
    }

    pub(crate) fn open(&mut self, (jwt, jws): &(String, String)) -> (u16, Value) {
        let body = json!([
            {"kind": "req", "id": "1,", "type": "userprofile.SetUserProfile", "body": {}},
            {"kind": "req", "id": 2, "type": "cm.ConsumerRequestConversation",
             "body": {"brandId": "91827364", "channelType": "MESSAGING"}},
        ]);
        self.post(CONVERSATION, &[("authorization", jwt), ("x-lp-on-behalf", jws)], &body)
    }

    pub(crate) fn send(
        &mut self,
        (jwt, jws): &(String, String),
        kind: &str,
        body: Value,
    ) -> (u16, Value) {
        let body = json!({"kind": "req", "id": "c-17", "type": kind, "body": body});
        self.post(SEND, &[("authorization", jwt), ("x-lp-on-behalf", jws)], &body)
    }
}

pub(crate) fn read(answer: Response<Vec<u8>>) -> (u16, Value) {
    (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap())
}

pub(crate) fn text(id: &str, message: &str) -> Value {
    let event = json!({"type": "ContentEvent", "contentType": "text/plain", "message": message});
    json!({"dialogId": id, "conversationId": id, "event": event})
}
