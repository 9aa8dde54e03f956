//! Notifications and their retries
//! ([protocol.md 9](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#9)), under
//! a virtual clock.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test reports by panicking")]

use std::time::Duration;

use http::Request;
use lp_connector_sandbox::{
    Agent, AppState, Config, Endpoint, NextPost, Post, Sandbox, Signature, Webhooks,
};
use serde_json::{Value, json};

const START: Duration = Duration::from_secs(1_711_000_000);

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A sandbox with its clock, and the notifications that it has posted.
struct Cloud {
    sandbox: Sandbox,
    now: Duration,
    tokens: (String, String),
    conversation: String,
    /// The posts: the time since the start, and the body.
    posted: Vec<(Duration, Value)>,
}

impl Cloud {
    fn new(webhooks: Webhooks) -> Self {
        let mut sandbox = Sandbox::new(Config::new("va.example.net", 1), 1);
        let app = sandbox.config().app().unwrap().clone();
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}",
            app.client_id(),
            app.client_secret()
        );
        let request = Request::post("/sentinel/api/account/91827364/app/token?v=1.0")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.into_bytes())
            .unwrap();
        let answer: Value = serde_json::from_slice(sandbox.handle(START, &request).body()).unwrap();
        let jwt = answer["access_token"].as_str().unwrap().to_owned();
        let mut cloud = Self {
            sandbox,
            now: START,
            tokens: (jwt, String::new()),
            conversation: String::new(),
            posted: Vec::new(),
        };
        let consumer = json!({"ext_consumer_id": "ada"});
        let answer = cloud.request("/api/account/91827364/consumer?v=1.0", &consumer);
        cloud.tokens.1 = answer["token"].as_str().unwrap().to_owned();
        cloud.sandbox.set_webhooks(webhooks);
        cloud.open();
        cloud
    }

    fn request(&mut self, path: &str, body: &Value) -> Value {
        let request = Request::post(path)
            .header("content-type", "application/json")
            .header("authorization", &self.tokens.0)
            .header("x-lp-on-behalf", &self.tokens.1)
            .header(
                "client-properties",
                r#"{"type":".ClientProperties","features":["MULTI_DIALOG","QUICK_REPLIES"]}"#,
            )
            .body(body.to_string().into_bytes())
            .unwrap();
        let answer = self.sandbox.handle(self.now, &request);
        serde_json::from_slice(answer.body()).unwrap()
    }

    fn open(&mut self) {
        let both = json!([
            {"kind": "req", "id": "1", "type": "userprofile.SetUserProfile", "body": {}},
            {"kind": "req", "id": "2", "type": "cm.ConsumerRequestConversation",
             "body": {"brandId": "91827364"}},
        ]);
        let path = "/api/account/91827364/messaging/consumer/conversation?v=3";
        let answer = self.request(path, &both);
        self.conversation = answer[1]["body"]["conversationId"].as_str().unwrap().to_owned();
    }

    /// Opens a conversation for another consumer.
    fn open_for(&mut self, consumer: &str) {
        let (jws, conversation) = (self.tokens.1.clone(), self.conversation.clone());
        let body = json!({"ext_consumer_id": consumer});
        let answer = self.request("/api/account/91827364/consumer?v=1.0", &body);
        self.tokens.1 = answer["token"].as_str().unwrap().to_owned();
        self.open();
        (self.tokens.1, self.conversation) = (jws, conversation);
    }

    fn send(&mut self, kind: &str, body: &Value) -> Value {
        let path = "/api/account/91827364/messaging/consumer/conversation/send?v=3";
        self.request(path, &json!({"kind": "req", "id": "c", "type": kind, "body": body}))
    }

    fn publish(&mut self, dialog: &str, event: &Value) -> Value {
        let body = json!({"dialogId": dialog, "conversationId": self.conversation, "event": event});
        self.send("ms.PublishEvent", &body)
    }

    fn say(&mut self, text: &str) {
        let event = json!({"type": "ContentEvent", "contentType": "text/plain", "message": text});
        let dialog = self.conversation.clone();
        assert_eq!(self.publish(&dialog, &event)["code"], "OK");
    }

    fn agent(&mut self, action: Agent) {
        let conversation = self.conversation.clone();
        self.sandbox.agent(self.now, &conversation, action).unwrap();
    }

    /// Runs until `end` (since the start); `endpoint` answers each post at once, from its body.
    fn run(&mut self, end: Duration, mut endpoint: impl FnMut(&Value) -> Option<u16>) {
        for _ in 0..10_000 {
            match self.sandbox.next_post(self.now) {
                NextPost::Post(Post { id, request, .. }) => {
                    let body = serde_json::from_slice(request.body()).unwrap();
                    let status = endpoint(&body);
                    self.posted.push((self.now - START, body));
                    self.sandbox.complete_post(self.now, id, status);
                }
                NextPost::Wait(until) if until <= START + end => self.now = until,
                _ => {
                    self.now = START + end;
                    return;
                }
            }
        }
        panic!("more than 10000 steps");
    }

    fn times(&self) -> Vec<u64> {
        self.posted.iter().map(|(at, _)| at.as_secs()).collect()
    }
}

fn all() -> Webhooks {
    Webhooks::all_at("http://127.0.0.1:9/")
}

fn texts(posted: &[(Duration, Value)]) -> Vec<&str> {
    let event = |body: &Value| body["body"]["changes"][0]["event"]["message"].is_string();
    let said = posted.iter().filter(|(_, body)| event(body));
    said.map(|(_, body)| body["body"]["changes"][0]["event"]["message"].as_str().unwrap()).collect()
}

#[test]
fn a_consumers_own_events_are_echoed() {
    let mut cloud = Cloud::new(all());
    cloud.say("Coo?");
    let dialog = cloud.conversation.clone();
    cloud.publish(&dialog, &json!({"type": "ChatStateEvent", "chatState": "COMPOSING"}));
    cloud.run(secs(1), |_| Some(200));
    let [(_, opened), (_, said), (_, typing)] = &*cloud.posted else { panic!() };
    assert_eq!(opened["type"], "cqm.ExConversationChangeNotification");
    assert_eq!(opened["body"]["changes"][0]["result"]["conversationDetails"]["state"], "OPEN");
    let said = &said["body"]["changes"][0];
    assert_eq!(said["originatorMetadata"]["role"], "CONSUMER");
    assert_eq!((&said["sequence"], &said["messageAudience"]), (&json!(0), &json!("ALL")));
    // Chat states have neither number nor time (protocol.md 9.4).
    let typing = &typing["body"]["changes"][0];
    assert_eq!((typing.get("sequence"), typing.get("serverTimestamp")), (None, None));
    assert_eq!(cloud.sandbox.requests(Endpoint::Webhook), 3);
}

#[test]
fn signatures_match_the_test_vectors() {
    let secret = "n3v3r-u5e-7h15-1n-pr0d";
    let body = r#"{"kind":"notification","body":{"changes":[{"sequence":4,"originatorId":"a9","originatorMetadata":{"id":"a9","role":"ASSIGNED_AGENT"},"serverTimestamp":1700000000123,"event":{"type":"ContentEvent","message":"Grüße 🙂","contentType":"text/plain"},"conversationId":"c1","dialogId":"c1","messageAudience":"ALL"}]},"type":"ms.MessagingEventNotification"}"#;
    let of = |signature: Signature| signature.of(secret, body.as_bytes());
    assert_eq!(of(Signature::Sha1Base64), "sha1=2eIH5rg/qJWPhFfKDrn3F4wlbHQ=");
    assert_eq!(of(Signature::Sha256Base64), "sha256=JY+qkdsKIJZsf4Qx/Vq6A3yARlXm5PTpwigyVJBDIUg=");
    assert_eq!(of(Signature::Sha1Hex).len(), "sha1=".len() + 40);
    assert_eq!(of(Signature::Sha256Hex).len(), "sha256=".len() + 64);
}

#[test]
fn count_based_retries_come_every_30_s() {
    for (retries, tries) in [(None, 1), (Some(0), 1), (Some(2), 3), (Some(5), 6), (Some(9), 6)] {
        let webhooks = match retries {
            Some(retries) => all().max_retries(retries),
            None => all(),
        };
        let mut cloud = Cloud::new(webhooks);
        cloud.run(secs(3600), |_| Some(503));
        let expected: Vec<u64> = (0..tries).map(|n| n * 30).collect();
        assert_eq!(cloud.times(), expected, "{retries:?}");
        assert_eq!(cloud.sandbox.notifications_lost(), 1);
    }
}

#[test]
fn only_200_and_201_accept_a_notification() {
    for (status, tries) in
        [(Some(200), 1), (Some(201), 1), (Some(202), 2), (Some(204), 2), (Some(404), 2), (None, 2)]
    {
        let mut cloud = Cloud::new(all().max_retries(1));
        cloud.run(secs(3600), |_| status);
        assert_eq!(cloud.posted.len(), tries, "{status:?}");
    }
}

#[test]
fn time_based_pauses_double_from_2_to_300_s() {
    let mut cloud = Cloud::new(all().retention(secs(1000)));
    cloud.run(secs(5000), |_| Some(500));
    assert_eq!(cloud.times(), [0, 2, 6, 14, 30, 62, 126, 254, 510, 810]);
    assert_eq!(cloud.sandbox.notifications_lost(), 1);
    assert_eq!(cloud.sandbox.app_state(), AppState::Up, "no notification is left");
}

#[test]
fn one_failing_endpoint_stores_the_events_of_all() {
    let webhooks = all().retention(secs(3600));
    let mut cloud = Cloud::new(webhooks);
    cloud.run(secs(1), |_| Some(200));
    cloud.posted.clear();
    cloud.say("one");
    cloud.run(secs(2), |_| Some(200));
    assert_eq!(cloud.sandbox.app_state(), AppState::Up);
    cloud.say("two");
    cloud.run(secs(3), |_| None);
    assert_eq!(cloud.sandbox.app_state(), AppState::Failed);
    cloud.say("three");
    cloud.agent(Agent::Text("four".to_owned(), Vec::new()));
    assert_eq!(cloud.sandbox.notifications_waiting(), 4, "two, three, the agent joined, four");
    cloud.run(secs(60), |_| Some(200));
    assert_eq!(texts(&cloud.posted), ["one", "two", "two", "three", "four"]);
    assert_eq!(cloud.sandbox.app_state(), AppState::Up);
    assert_eq!(cloud.sandbox.notifications_lost(), 0);
}

#[test]
fn an_endpoint_without_retries_does_not_fail_the_app() {
    let manifest = json!({"capabilities": {"webhooks": {
        "ms.MessagingEventNotification.ChatStateEvent":
            {"endpoint": "http://127.0.0.1:9/", "max_retries": 0},
        "ms.MessagingEventNotification.ContentEvent": {"endpoint": "http://127.0.0.1:9/"},
        "retry": {"retention_time": 60}}}});
    let mut cloud = Cloud::new(Webhooks::from_manifest(&manifest).unwrap());
    let dialog = cloud.conversation.clone();
    cloud.publish(&dialog, &json!({"type": "ChatStateEvent", "chatState": "COMPOSING"}));
    cloud.run(secs(1), |_| Some(500));
    assert_eq!(cloud.sandbox.app_state(), AppState::Up);
    assert_eq!(cloud.sandbox.notifications_lost(), 1);
    cloud.say("one");
    cloud.run(secs(2), |_| Some(500));
    assert_eq!(cloud.sandbox.app_state(), AppState::Failed);
    cloud.publish(&dialog, &json!({"type": "ChatStateEvent", "chatState": "PAUSE"}));
    cloud.run(secs(60), |_| Some(200));
    let last = &cloud.posted.last().unwrap().1["body"]["changes"][0]["event"];
    assert_eq!(last["chatState"], "PAUSE", "it is stored while the app has failed");
}

#[test]
fn a_failure_in_transition_returns_to_failed() {
    let mut cloud = Cloud::new(all().retention(secs(3600)));
    for text in ["one", "two", "three"] {
        cloud.say(text);
    }
    cloud.run(secs(1), |_| Some(500));
    let mut answers = [200, 500, 200, 200, 200].into_iter();
    cloud.run(secs(1000), |_| answers.next());
    // The conversation's state twice, and `one` again 2 s after its failure.
    assert_eq!(texts(&cloud.posted), ["one", "one", "two", "three"]);
    assert_eq!(cloud.times(), [0, 2, 2, 4, 4, 4]);
    assert_eq!(cloud.sandbox.app_state(), AppState::Up);
}

#[test]
fn faults_duplicate_delay_reorder_and_drop_notifications() {
    let mut cloud = Cloud::new(all());
    cloud.run(secs(1), |_| Some(200));
    cloud.posted.clear();
    for fault in
        ["webhook:1=duplicate", "webhook:2=reorder", "webhook:4=drop", "webhook:5=delay:9s"]
    {
        cloud.sandbox.fault(fault.parse().unwrap());
    }
    for text in ["one", "two", "three", "four", "five", "six"] {
        cloud.say(text);
    }
    cloud.run(secs(60), |_| Some(200));
    assert_eq!(texts(&cloud.posted), ["one", "one", "three", "two", "six", "five"]);
}

#[test]
fn every_action_of_an_agent_is_notified() {
    let mut cloud = Cloud::new(all());
    cloud.say("Hello");
    cloud.agent(Agent::Text("Which?".to_owned(), vec!["a".to_owned(), "b".to_owned()]));
    cloud.agent(Agent::Note("psst".to_owned()));
    cloud.agent(Agent::Card("Pick".to_owned(), vec!["x".to_owned()]));
    cloud.agent(Agent::File("ring.png".to_owned()));
    cloud.agent(Agent::State("COMPOSING".to_owned()));
    cloud.agent(Agent::Read);
    cloud.agent(Agent::Transfer("77".to_owned()));
    cloud.run(secs(1), |_| Some(200));
    let changes: Vec<&Value> =
        cloud.posted.iter().map(|(_, body)| &body["body"]["changes"][0]).collect();
    assert_eq!(
        changes[2]["result"]["conversationDetails"]["participants"][1]["role"],
        "ASSIGNED_AGENT"
    );
    assert_eq!(changes[3]["event"]["quickReplies"]["replies"].as_array().unwrap().len(), 2);
    assert_eq!(changes[4]["messageAudience"], "AGENTS_AND_MANAGERS");
    assert_eq!(changes[5]["event"]["content"]["elements"][1]["title"], "x");
    assert_eq!(changes[6]["event"]["contentType"], "hosted/file");
    assert_eq!(changes[7]["event"]["chatState"], "COMPOSING");
    assert_eq!(changes[8]["event"]["sequenceList"], json!([0]));
    assert_eq!(changes[9]["result"]["conversationDetails"]["skillId"], "77");
    assert!(cloud.sandbox.agent(cloud.now, "nobody", Agent::Join).is_err());
}

#[test]
fn a_survey_follows_and_closes_the_conversation() {
    let mut cloud = Cloud::new(all());
    cloud.agent(Agent::Text("Bye".to_owned(), Vec::new()));
    let id = cloud.conversation.clone();
    let close = json!({"conversationId": id, "conversationField": {"field": "DialogChange",
        "type": "UPDATE", "dialog": {"dialogId": id, "state": "CLOSE"}}});
    assert_eq!(cloud.send("cm.UpdateConversationField", &close)["code"], "OK");
    let survey = {
        let conversation = cloud.sandbox.conversations().next().unwrap();
        assert!(conversation.open && !conversation.main_open);
        conversation.survey.as_ref().unwrap().dialog.clone()
    };
    let text = json!({"type": "ContentEvent", "contentType": "text/plain", "message": "5"});
    let state = json!({"type": "ChatStateEvent", "chatState": "COMPOSING"});
    assert_eq!(cloud.publish(&id, &text)["code"], "BAD_REQUEST", "the main dialog is closed");
    assert_eq!(
        cloud.publish(&survey, &state)["code"],
        "BAD_REQUEST",
        "a survey takes no chat states"
    );
    assert_eq!(cloud.publish(&survey, &text)["body"]["sequence"], 1, "its sequences start at 0");
    let conversation = cloud.sandbox.conversations().next().unwrap();
    assert!(!conversation.open);
    assert_eq!(conversation.survey.as_ref().unwrap().answers, ["5"]);
    cloud.run(secs(1), |_| Some(200));
    let last = &cloud.posted.last().unwrap().1["body"]["changes"][0]["result"];
    assert_eq!(last["conversationDetails"]["stage"], "CLOSE");
}

#[test]
fn no_survey_without_an_agent_or_after_a_closed_stage() {
    for field in ["DialogChange", "Stage"] {
        let mut cloud = Cloud::new(all());
        if field == "Stage" {
            cloud.agent(Agent::Join);
        }
        let id = cloud.conversation.clone();
        let close = json!({"conversationId": id, "conversationField": {"field": field,
            "conversationState": "CLOSE", "dialog": {"dialogId": id, "state": "CLOSE"}}});
        cloud.send("cm.UpdateConversationField", &close);
        let conversation = cloud.sandbox.conversations().next().unwrap();
        assert!(!conversation.open && conversation.survey.is_none(), "{field}");
    }
}

#[test]
fn a_reordered_notification_comes_after_the_next() {
    let mut cloud = Cloud::new(all().retention(secs(3600)));
    cloud.run(secs(1), |_| Some(200));
    cloud.sandbox.fault("webhook:1=reorder".parse().unwrap());
    for text in ["one", "two", "three"] {
        cloud.say(text);
    }
    cloud.run(secs(2), |_| Some(200));
    assert_eq!(texts(&cloud.posted), ["two", "one", "three"]);
}

#[test]
fn the_first_of_concurrent_failures_sets_the_pause() {
    let mut cloud = Cloud::new(all().retention(secs(3600)));
    cloud.run(secs(1), |_| Some(200));
    cloud.open_for("bob");
    cloud.say("one");
    let mut ids = Vec::new();
    while let NextPost::Post(post) = cloud.sandbox.next_post(cloud.now) {
        ids.push(post.id);
    }
    assert_eq!(ids.len(), 2, "one post for each conversation");
    for id in ids {
        cloud.sandbox.complete_post(cloud.now, id, Some(503));
    }
    let NextPost::Wait(until) = cloud.sandbox.next_post(cloud.now) else { panic!() };
    assert_eq!(until - cloud.now, secs(2));
}

#[test]
fn a_fault_counts_only_what_has_an_endpoint() {
    let mut cloud = Cloud::new(all().without("ms.MessagingEventNotification.ChatStateEvent"));
    cloud.agent(Agent::Join);
    cloud.run(secs(1), |_| Some(200));
    cloud.sandbox.fault("webhook:1=drop".parse().unwrap());
    cloud.agent(Agent::State("COMPOSING".to_owned()));
    assert_eq!(cloud.sandbox.faults()[0].applied, 0);
    cloud.say("one");
    cloud.say("two");
    cloud.run(secs(2), |_| Some(200));
    assert_eq!(texts(&cloud.posted), ["two"]);
}

/// An endpoint that is down for a while, until the pause is at its longest.
fn held_back(webhooks: Webhooks) -> Cloud {
    let mut cloud = Cloud::new(webhooks);
    cloud.run(secs(1), |_| Some(200));
    for text in ["one", "two", "three"] {
        cloud.say(text);
    }
    cloud.open_for("bob");
    cloud.run(secs(600), |_| None);
    cloud.posted.clear();
    cloud
}

#[test]
fn a_retry_sends_all_that_is_held_back_in_order() {
    let mut cloud = held_back(all().retention(secs(3600)));
    assert_eq!(cloud.sandbox.notifications_held(), 4);
    assert_eq!(cloud.sandbox.next_try(), Some(START + secs(811)), "1 + 2 + 4 … + 300 s");
    assert_eq!(cloud.sandbox.retry_notifications(cloud.now), 4);
    assert_eq!(cloud.sandbox.retry_notifications(cloud.now), 4, "nothing was posted meanwhile");
    cloud.run(secs(600), |_| Some(200));
    assert_eq!(texts(&cloud.posted), ["one", "two", "three"]);
    assert_eq!(cloud.posted.len(), 4, "and each once");
    assert_eq!((cloud.sandbox.notifications_held(), cloud.sandbox.next_try()), (0, None));
    assert_eq!(cloud.sandbox.app_state(), AppState::Up);
    assert_eq!(cloud.sandbox.retry_notifications(cloud.now), 0);
}

#[test]
fn a_retry_that_fails_begins_the_pauses_anew() {
    let mut cloud = held_back(all().retention(secs(3600)));
    cloud.sandbox.retry_notifications(cloud.now);
    cloud.run(secs(620), |_| Some(503));
    assert_eq!(cloud.times(), [600, 602, 606, 614]);
    assert_eq!(cloud.sandbox.notifications_held(), 4);
    cloud.posted.clear();
    // Without one the schedule is the platform's.
    cloud.run(secs(1000), |_| Some(503));
    assert_eq!(cloud.times(), [630, 662, 726, 854]);
}

#[test]
fn a_retry_takes_the_count_based_mode_out_of_its_pause() {
    let mut cloud = Cloud::new(all().max_retries(3));
    cloud.run(secs(1), |_| Some(200));
    cloud.sandbox.fault("webhook:3=delay:60s".parse().unwrap());
    cloud.say("one");
    cloud.say("two");
    cloud.say("late");
    cloud.posted.clear();
    cloud.run(secs(5), |_| None);
    assert_eq!(cloud.sandbox.notifications_held(), 2, "what a fault delays is not held back");
    assert_eq!(cloud.sandbox.next_try(), Some(START + secs(31)));
    assert_eq!(cloud.sandbox.retry_notifications(cloud.now), 2);
    cloud.run(secs(5), |_| Some(200));
    assert_eq!(texts(&cloud.posted), ["one", "two", "one", "two"]);
    assert_eq!(cloud.sandbox.notifications_waiting(), 1);
    cloud.run(secs(90), |_| Some(200));
    assert_eq!(cloud.times().last(), Some(&61));
}

#[test]
fn other_webhooks_get_what_waits_at_once() {
    let modes = [all().retention(secs(3600)), all().max_retries(1)];
    for (old, new) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let mut cloud = Cloud::new(modes[old].clone());
        cloud.run(secs(1), |_| Some(200));
        cloud.say("one");
        cloud.say("two");
        cloud.run(secs(20), |_| None);
        cloud.posted.clear();
        let webhooks = modes[new].clone().redirect("http://127.0.0.1:10/new");
        cloud.sandbox.redirect_webhooks(cloud.now, webhooks.signature(Signature::Sha256Hex));
        let NextPost::Post(post) = cloud.sandbox.next_post(cloud.now) else { panic!() };
        assert_eq!(post.request.uri(), "http://127.0.0.1:10/new", "{old} {new}");
        let signature = post.request.headers()["x-liveperson-signature"].to_str().unwrap();
        assert!(signature.starts_with("sha256="), "{signature}");
        // The first try at a new place uses up none of its retries.
        cloud.sandbox.complete_post(cloud.now, post.id, Some(503));
        cloud.run(secs(80), |_| Some(200));
        let mut arrived = texts(&cloud.posted);
        arrived.sort_unstable();
        assert_eq!(arrived, ["one", "two"], "{old} {new}");
        assert_eq!(cloud.sandbox.notifications_lost(), 0);
        assert_eq!(cloud.sandbox.app_state(), AppState::Up);
    }
}

#[test]
fn a_post_on_its_way_fails_over_to_other_webhooks() {
    for webhooks in [all().retention(secs(3600)), all()] {
        let mut cloud = Cloud::new(webhooks.clone());
        cloud.run(secs(1), |_| Some(200));
        cloud.say("one");
        let NextPost::Post(old) = cloud.sandbox.next_post(cloud.now) else { panic!() };
        let moved = webhooks.redirect("http://127.0.0.1:10/new");
        cloud.sandbox.redirect_webhooks(cloud.now, moved);
        assert!(!matches!(cloud.sandbox.next_post(cloud.now), NextPost::Post(_)), "not twice");
        cloud.sandbox.complete_post(cloud.now, old.id, None);
        let NextPost::Post(new) = cloud.sandbox.next_post(cloud.now) else { panic!() };
        assert_eq!(new.request.uri(), "http://127.0.0.1:10/new");
        assert_eq!(new.notification, old.notification);
        cloud.sandbox.complete_post(cloud.now, new.id, Some(200));
        assert_eq!(cloud.sandbox.notifications_waiting(), 0);
        assert_eq!(cloud.sandbox.app_state(), AppState::Up);
    }
}

#[test]
fn what_has_no_endpoint_any_more_is_lost() {
    let mut cloud = held_back(all().retention(secs(3600)));
    let content = "ms.MessagingEventNotification.ContentEvent";
    cloud.sandbox.redirect_webhooks(cloud.now, all().retention(secs(3600)).without(content));
    assert_eq!(cloud.sandbox.notifications_lost(), 3);
    cloud.run(secs(601), |_| Some(200));
    assert_eq!((texts(&cloud.posted).len(), cloud.posted.len()), (0, 1));
    cloud.sandbox.redirect_webhooks(cloud.now, Webhooks::default());
    assert_eq!(cloud.sandbox.retry_notifications(cloud.now), 0);
}

#[test]
fn who_closed_a_conversation_stays_known_after_its_survey() {
    let mut cloud = Cloud::new(all());
    cloud.agent(Agent::Text("Bye".to_owned(), Vec::new()));
    let id = cloud.conversation.clone();
    let close = json!({"conversationId": id, "conversationField": {"field": "DialogChange",
        "type": "UPDATE", "dialog": {"dialogId": id, "state": "CLOSE"}}});
    assert_eq!(cloud.send("cm.UpdateConversationField", &close)["code"], "OK");
    let survey = {
        let conversation = cloud.sandbox.conversations().next().unwrap();
        conversation.survey.as_ref().unwrap().dialog.clone()
    };
    let text = json!({"type": "ContentEvent", "contentType": "text/plain", "message": "5"});
    assert_eq!(cloud.publish(&survey, &text)["code"], "OK");
    cloud.run(secs(1), |_| Some(200));
    let last = &cloud.posted.last().unwrap().1["body"]["changes"][0]["result"];
    assert_eq!(last["conversationDetails"]["stage"], "CLOSE");
    assert_eq!(last["conversationDetails"]["closeReason"], "CONSUMER");
}
