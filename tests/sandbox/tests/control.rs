//! The control API of a running sandbox, through its client.

#![cfg(feature = "server")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test reports by panicking")]

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use http::Request;
use lp_connector_sandbox::control::v1::{Conversation, Message, Notification, Row};
use lp_connector_sandbox::control::{Control, ControlError, EventStream, StreamEvent};
use lp_connector_sandbox::{Limits, Server, ServerConfig, Signature, Webhooks};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const SEND: &str = "/api/account/91827364/messaging/consumer/conversation/send?v=3";
const OPEN: &str = "/api/account/91827364/messaging/consumer/conversation?v=3";

/// A sandbox, and requests to it as a client sends them.
struct World {
    server: Server,
    control: Control,
    tokens: (String, String),
    conversation: String,
}

impl World {
    fn new() -> Self {
        Self::with(ServerConfig::new())
    }

    fn with(config: ServerConfig) -> Self {
        let server = Server::start(config.control(([127, 0, 0, 1], 0).into())).unwrap();
        let control = Control::find(&server.base_url()).unwrap();
        let mut world =
            Self { server, control, tokens: Default::default(), conversation: String::new() };
        let (id, secret) = (world.server.client_id(), world.server.client_secret());
        let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
        let path = "/sentinel/api/account/91827364/app/token?v=1.0";
        let (_, answer) = world.request(path, "application/x-www-form-urlencoded", &form);
        world.tokens.0 = answer["access_token"].as_str().unwrap().to_owned();
        let consumer = json!({"ext_consumer_id": "ada"});
        let (_, answer) = world.post("/api/account/91827364/consumer?v=1.0", &consumer);
        world.tokens.1 = answer["token"].as_str().unwrap().to_owned();
        let open = json!([
            {"kind": "req", "id": "1", "type": "userprofile.SetUserProfile", "body": {}},
            {"kind": "req", "id": "2", "type": "cm.ConsumerRequestConversation",
             "body": {"brandId": "91827364", "skillId": "17"}},
        ]);
        let (_, answer) = world.post(OPEN, &open);
        world.conversation = answer[1]["body"]["conversationId"].as_str().unwrap().to_owned();
        world
    }

    fn request(&self, path: &str, kind: &str, body: &str) -> (u16, Value) {
        let request = Request::post(path)
            .header("content-type", kind)
            .header("authorization", format!("Bearer {}", self.tokens.0))
            .header("x-lp-on-behalf", &self.tokens.1)
            .header(
                "client-properties",
                r#"{"type":".ClientProperties","features":["MULTI_DIALOG","QUICK_REPLIES"]}"#,
            )
            .body(body.as_bytes().to_vec())
            .unwrap();
        let response = self.server.with(|sandbox| sandbox.reply(now(), &request)).response;
        (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap_or_default())
    }

    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.request(path, "application/json", &body.to_string())
    }

    fn send(&self, kind: &str, body: &Value) -> (u16, Value) {
        self.post(SEND, &json!({"kind": "req", "id": "c", "type": kind, "body": body}))
    }

    fn say(&self, text: &str) -> u16 {
        let event = json!({"type": "ContentEvent", "contentType": "text/plain", "message": text});
        let id = &self.conversation;
        let body = json!({"dialogId": id, "conversationId": id, "event": event});
        self.send("ms.PublishEvent", &body).0
    }

    fn read<T: DeserializeOwned>(&self, path: &str) -> T {
        serde_json::from_slice(&self.control.request("GET", path, None).unwrap()).unwrap()
    }
}

/// The cloud's clock: what is posted has its age.
fn now() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap()
}

/// An endpoint that answers each post with the next of these statuses, then with 200. Its posts: signature and
/// body.
fn endpoint(statuses: &[u16]) -> (String, std::sync::mpsc::Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (sender, receiver) = std::sync::mpsc::channel();
    let statuses = statuses.to_vec();
    let mut statuses = statuses.into_iter();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Some(post) = take(&mut stream.unwrap(), statuses.next().unwrap_or(200)) else {
                continue;
            };
            if sender.send(post).is_err() {
                return;
            }
        }
    });
    (url, receiver)
}

fn take(stream: &mut TcpStream, status: u16) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let (head, length) = loop {
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let length = header(head, "content-length").unwrap_or_default().parse().unwrap_or(0);
            if bytes.len() >= head.len() + 4 + length {
                break (head.to_owned(), length);
            }
        }
    };
    let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 5\r\n\r\nnoted");
    let _ = stream.write_all(answer.as_bytes());
    let body = bytes.split_off(bytes.len() - length);
    Some((header(&head, "x-liveperson-signature").unwrap_or_default(), body))
}

fn header(head: &str, name: &str) -> Option<String> {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(own, _)| *own == name).map(|(_, value)| value.to_owned()).next()
}

/// Reads until an event is as wanted.
fn wait_for(stream: &mut EventStream, wanted: impl Fn(&StreamEvent) -> bool) -> StreamEvent {
    stream.map(Result::unwrap).find(wanted).unwrap()
}

fn named(event: &StreamEvent, name: &str) -> bool {
    event.name == name
}

#[test]
fn the_cloud_says_where_the_control_api_is() {
    let world = World::new();
    let about = world.control.about().unwrap();
    assert_eq!(about.cloud, world.server.base_url());
    assert_eq!((about.api.as_str(), about.account.as_str()), ("1.0", "91827364"));
    let without = Server::start(ServerConfig::new()).unwrap();
    assert!(matches!(Control::find(&without.base_url()), Err(ControlError::NoSandbox(_))));
    assert_eq!(without.control_url(), None);
}

#[test]
fn a_message_leads_to_its_request_webhook_and_attempts() {
    let world = World::new();
    let (url, posts) = endpoint(&[500]);
    let webhooks = Webhooks::all_at(&url).retention(Duration::from_secs(60));
    world.server.with(|sandbox| sandbox.set_webhooks(webhooks));
    let mut stream = world.control.events(None).unwrap();
    assert_eq!(world.say("Hello there"), 200);
    let first = posts.recv_timeout(Duration::from_secs(60)).unwrap();
    let page = world.control.messages(&world.conversation, None).unwrap();
    let message: &Message = page.messages.last().unwrap();
    assert_eq!(
        (message.from.as_str(), message.event["message"].as_str()),
        ("ada", Some("Hello there"))
    );
    let request = world.control.exchange_detail(message.wire.unwrap()).unwrap();
    assert_eq!(
        (request.row.endpoint.as_str(), request.row.kind.as_deref()),
        ("send", Some("text"))
    );
    assert_eq!(request.links.messages, [message.n]);
    assert_eq!(request.links.notifications, [message.notification.unwrap()]);
    assert_eq!(request.row.conversation.as_deref(), Some(world.conversation.as_str()));
    // The endpoint took the second attempt.
    let second = posts.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(first, second);
    let number = message.notification.unwrap();
    wait_for(&mut stream, |event| {
        named(event, "notification")
            && event.data["n"] == number
            && event.data["state"] == "delivered"
    });
    let detail = world.control.notification(number).unwrap();
    assert_eq!(detail.notification.cause, message.wire);
    assert_eq!(detail.notification.message, Some(message.n));
    let statuses: Vec<_> = detail.attempts.iter().map(|row| (row.attempt, row.status)).collect();
    assert_eq!(statuses, [(Some(1), Some(500)), (Some(2), Some(200))]);
    // A replay is the third, with the same body, and its signature holds.
    let posted = world.control.replay(number).unwrap();
    assert_eq!(
        (posted.attempt, posted.status, posted.answer.as_deref()),
        (3, Some(200), Some("noted"))
    );
    let (signature, body) = posts.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(body, first.1);
    assert_eq!(signature, Signature::Sha1Base64.of(&world.server.client_secret(), &body));
    let replayed = world.control.exchange_detail(posted.wire).unwrap();
    assert!(replayed.row.replay);
    assert_eq!(replayed.attempts.len(), 3);
    assert_eq!(replayed.links.cause, message.wire);
    assert_eq!(replayed.response.unwrap().body.as_deref(), Some("noted"));
}

#[test]
fn an_attempt_without_response_has_a_next_one() {
    let world = World::new();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let webhooks = Webhooks::all_at(format!("http://{closed}/")).max_retries(3);
    world.server.with(|sandbox| sandbox.set_webhooks(webhooks));
    let mut stream = world.control.events(None).unwrap();
    world.say("Hello");
    let event =
        wait_for(&mut stream, |event| named(event, "notification") && event.data["attempts"] == 1);
    let notification: Notification = serde_json::from_value(event.data).unwrap();
    assert_eq!(notification.state, "waiting");
    assert!(notification.next.unwrap() > notification.at);
    let rows = world.control.wire("way=out&status=none").unwrap().rows;
    assert_eq!(rows.iter().map(|row| row.n).collect::<Vec<_>>(), notification.wire);
}

#[test]
fn a_repeated_body_and_its_fault_are_seen() {
    let world = World::new();
    let fault = world.control.add_fault("send:1=503").unwrap();
    assert_eq!((world.say("Hello"), world.say("Hello"), world.say("Other")), (503, 200, 200));
    let rows = world.control.wire("endpoint=send").unwrap().rows;
    let found: Vec<_> = rows.iter().rev().map(|row| (row.status, row.fault, row.repeat)).collect();
    assert_eq!(
        found,
        [(Some(503), Some(fault.n), None), (Some(200), None, Some(2)), (Some(200), None, None)]
    );
    // What a fault kept from its endpoint is described all the same.
    assert!(
        rows.iter().all(|row| row.conversation.as_deref() == Some(world.conversation.as_str()))
    );
    assert!(rows.iter().all(|row| row.kind.as_deref() == Some("text")));
    let faults = world.control.faults().unwrap().faults;
    assert_eq!((faults[0].counted, faults[0].applied, faults[0].of), (3, 1, Some(1)));
    assert_eq!(faults[0].last, Some(rows[2].at));
    assert_eq!(world.control.wire("fault=any").unwrap().rows.len(), 1);
    assert_eq!(world.control.wire("status=5xx").unwrap().rows.len(), 1);
}

#[test]
fn faults_are_switched_counted_and_removed() {
    let world = World::new();
    let control = &world.control;
    let fault = control.add_fault("send=503").unwrap();
    assert_eq!((fault.requests.as_str(), fault.what.as_str(), fault.of), ("*", "503", None));
    assert!(!control.switch_fault(fault.n, false).unwrap().on);
    assert_eq!(world.say("a"), 200);
    assert!(control.switch_fault(fault.n, true).unwrap().on);
    assert_eq!(world.say("b"), 503);
    let preset = control.add_preset("webhooks-doubled-and-reordered").unwrap();
    assert_eq!(preset.len(), 2);
    control.switch_faults_off().unwrap();
    assert!(control.faults().unwrap().faults.iter().all(|fault| !fault.on));
    control.remove_faults(Some(fault.n)).unwrap();
    assert_eq!(control.faults().unwrap().faults.len(), 2);
    control.remove_faults(None).unwrap();
    assert!(control.faults().unwrap().faults.is_empty());
    assert_eq!(control.add_fault("send=503").unwrap().n, 4);
}

#[test]
fn doubled_and_reordered_webhooks_come_twice_and_late() {
    let world = World::new();
    let (url, posts) = endpoint(&[]);
    world.server.with(|sandbox| sandbox.set_webhooks(Webhooks::all_at(&url)));
    for fault in ["webhook:1=duplicate", "webhook:1=reorder"] {
        world.control.add_fault(fault).unwrap();
    }
    world.say("first");
    world.say("second");
    let text = |_| {
        let (_, body) = posts.recv_timeout(Duration::from_secs(60)).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        body["body"]["changes"][0]["event"]["message"].as_str().unwrap().to_owned()
    };
    let mut came: Vec<String> = (0..3).map(text).collect();
    // Posts run side by side: which of those on their way comes first is open.
    came.sort();
    assert_eq!(came, ["first", "first", "second"]);
    let numbers: Vec<_> = world.control.wire("way=out").unwrap().rows;
    assert!(numbers.iter().all(|row| row.endpoint == "webhook"));
}

#[test]
fn several_agents_act_in_one_conversation() {
    let world = World::new();
    let act = |who: &str, action: Value| {
        let mut action = action;
        action["as"] = json!(who);
        world.control.act("latest", &action).unwrap()
    };
    act("a9-agent", json!({"do": "text", "text": "Which colour?", "replies": ["Blue", "Grey"]}));
    let done = act("a2-agent", json!({"do": "note", "text": "He asked yesterday too"}));
    let note = world.control.message(done.message.unwrap()).unwrap();
    assert_eq!((note.from.as_str(), note.audience.as_str()), ("a2-agent", "AGENTS_AND_MANAGERS"));
    let found: Conversation = world.control.conversation(&world.conversation).unwrap();
    assert_eq!(
        (found.state.as_str(), found.agents.as_slice()),
        ("open", &["a9-agent".to_owned(), "a2-agent".to_owned()][..])
    );
    assert_eq!(found.skill.as_deref(), Some("17"));
    act("a2-agent", json!({"do": "transfer", "skill": "18"}));
    let found = world.control.conversation("latest").unwrap();
    assert_eq!(
        (found.state.as_str(), found.agents.len(), found.skill.as_deref()),
        ("no agent", 0, Some("18"))
    );
    act("a9-agent", json!({"do": "close"}));
    let closed = world.control.conversation(&world.conversation).unwrap();
    assert!(matches!(
        world.control.act("latest", &json!({"do": "join"})),
        Err(ControlError::Refused(_))
    ));
    // Whoever closes is in it: a survey follows.
    assert_eq!(closed.state, "survey");
    assert_eq!(closed.dialogs.len(), 2);
}

#[test]
fn unread_last_line_and_typing_follow_the_messages() {
    let world = World::new();
    let now = || world.control.conversation(&world.conversation).unwrap();
    world.say("Hello");
    world.say("there");
    assert_eq!((now().unread, now().last.unwrap().text.as_str()), (2, "there"));
    let act = |action: Value| world.control.act("latest", &action).unwrap();
    act(json!({"do": "note", "text": "hm"}));
    assert_eq!(now().unread, 2);
    act(json!({"do": "state", "state": "COMPOSING"}));
    assert_eq!(now().typing, ["a9-agent"]);
    act(json!({"do": "read"}));
    assert_eq!(now().unread, 0);
    act(json!({"do": "card", "text": "Your order", "buttons": ["Track"]}));
    assert_eq!((now().typing.len(), now().last.unwrap().text.as_str()), (0, "Your order (card)"));
}

#[test]
fn a_stream_goes_on_where_its_reader_left_it() {
    let world = World::new();
    let mut stream = world.control.events(None).unwrap();
    let hello = stream.next().unwrap().unwrap();
    assert_eq!((hello.name.as_str(), hello.data["resumed"].as_bool()), ("hello", Some(false)));
    world.say("one");
    let seen = wait_for(&mut stream, |event| named(event, "wire"));
    let position = seen.id.clone().or(hello.id).unwrap();
    drop(stream);
    world.say("two");
    let mut stream = world.control.events(Some(&position)).unwrap();
    let hello = stream.next().unwrap().unwrap();
    assert_eq!(
        (hello.data["resumed"].as_bool(), hello.id.as_deref()),
        (Some(true), Some(position.as_str()))
    );
    let message = wait_for(&mut stream, |event| named(event, "message"));
    assert_eq!(message.data["event"]["message"], "two");
    drop(stream);
    for (unknown, why) in [("e0-1", "restarted"), ("nonsense", "restarted"), ("-", "restarted")] {
        let mut stream = world.control.events(Some(unknown)).unwrap();
        let reset = stream.next().unwrap().unwrap();
        assert_eq!((reset.name.as_str(), reset.data["why"].as_str()), ("reset", Some(why)));
        assert_eq!(stream.next().unwrap().unwrap().name, "hello");
    }
    let (epoch, _) = position.rsplit_once('-').unwrap();
    let mut stream = world.control.events(Some(&format!("{epoch}-99999999"))).unwrap();
    assert_eq!(stream.next().unwrap().unwrap().data["why"], "too far behind");
}

#[test]
fn a_reader_that_is_too_late_starts_anew() {
    let limits = Limits { events: 4, ..Limits::default() };
    let world = World::with(ServerConfig::new().limits(limits));
    let position = world.control.snapshot().unwrap().at;
    for number in 0..9 {
        world.say(&number.to_string());
    }
    let mut stream = world.control.events(Some(&position)).unwrap();
    let reset = stream.next().unwrap().unwrap();
    assert_eq!(
        (reset.name.as_str(), reset.data["why"].as_str()),
        ("reset", Some("too far behind"))
    );
}

#[test]
fn a_snapshot_and_the_stream_after_it_miss_nothing() {
    let world = World::new();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            (0..300).for_each(|number| {
                world.say(&number.to_string());
            })
        });
        let snapshot = world.control.snapshot().unwrap();
        let mut rows: BTreeSet<u64> = snapshot.wire.iter().map(|row| row.n).collect();
        let mut stream = world.control.events(Some(&snapshot.at)).unwrap();
        writing.join().unwrap();
        let last = world.control.wire("").unwrap().rows[0].n;
        let mut left_out = 0;
        while !rows.contains(&last) {
            let event = wait_for(&mut stream, |event| named(event, "wire"));
            left_out += event.data["left_out"].as_u64().unwrap();
            let new: Vec<Row> = serde_json::from_value(event.data["rows"].clone()).unwrap();
            assert!(new.len() <= 200 && new.is_sorted_by_key(|row| row.n));
            rows.extend(new.iter().map(|row| row.n));
        }
        // Nothing is lost unsaid: what is missing is counted.
        let first = *rows.first().unwrap();
        assert!(last - first < rows.len() as u64 + left_out, "{first} to {last}: {}", rows.len());
    });
}

#[test]
fn a_stopped_sandbox_says_goodbye() {
    let world = World::new();
    let mut stream = world.control.events(None).unwrap();
    assert_eq!(stream.next().unwrap().unwrap().name, "hello");
    drop(world.server);
    wait_for(&mut stream, |event| named(event, "bye"));
    assert!(stream.next().is_none());
    assert!(matches!(world.control.about(), Err(ControlError::Unreachable(_))));
}

#[test]
fn a_reset_keeps_keys_and_numbers() {
    let world = World::new();
    world.say("Hello");
    world.control.add_fault("send=503").unwrap();
    let before = world.control.snapshot().unwrap();
    let mut stream = world.control.events(Some(&before.at)).unwrap();
    world.control.reset().unwrap();
    let reset = wait_for(&mut stream, |event| named(event, "reset"));
    assert_eq!(reset.data["why"], "reset");
    let after = world.control.snapshot().unwrap();
    assert_ne!(after.about.epoch, before.about.epoch);
    assert!(after.conversations.is_empty() && after.faults.is_empty() && after.wire.is_empty());
    assert_eq!((after.tokens.len(), &after.about.client_id), (2, &before.about.client_id));
    // The token still holds, and the next number is a new one.
    let (status, _) = world.post(OPEN, &json!([]));
    assert_eq!(status, 400);
    assert_eq!(world.control.wire("").unwrap().rows[0].n, before.counts.wire + 1);
}

#[test]
fn a_revoked_token_gets_401() {
    let world = World::new();
    let tokens = world.control.tokens().unwrap();
    let found: Vec<_> = tokens.iter().map(|one| (one.name.as_str(), one.uses)).collect();
    assert_eq!(found, [("‹ConsumerJWS 2, ada›", 1), ("‹AppJWT 1›", 2)]);
    assert_eq!(world.say("Hello"), 200);
    world.control.revoke_token(tokens[0].n).unwrap();
    assert_eq!(world.say("Hello"), 401);
    assert_eq!(world.control.tokens().unwrap().len(), 1);
    // The log still knows whose it was.
    let last = world.control.wire("status=401").unwrap().rows[0].n;
    let headers = world.control.exchange_detail(last).unwrap().request.headers;
    assert!(headers.contains(&("x-lp-on-behalf".to_owned(), "‹ConsumerJWS 2, ada›".to_owned())));
    assert!(headers.contains(&("authorization".to_owned(), "Bearer ‹AppJWT 1›".to_owned())));
}

#[test]
fn a_connection_keeps_its_number() {
    let world = World::new();
    let host = world.server.authority();
    let ask = |stream: &mut TcpStream| {
        let request = format!("GET /nowhere HTTP/1.1\r\nhost: {host}\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut buffer = [0; 4096];
        assert!(stream.read(&mut buffer).unwrap() > 0);
    };
    let mut first = TcpStream::connect(&host).unwrap();
    let mut second = TcpStream::connect(&host).unwrap();
    ask(&mut first);
    ask(&mut second);
    ask(&mut first);
    let rows = world.control.wire("way=in&limit=3").unwrap().rows;
    let connections: Vec<_> = rows.iter().map(|row| row.connection.unwrap()).collect();
    assert_eq!(connections[0], connections[2]);
    assert_ne!(connections[0], connections[1]);
    assert!(rows.iter().all(|row| row.endpoint == "other" && row.status == Some(404)));
}

#[test]
fn bodies_are_kept_within_bounds() {
    let limits = Limits { exchanges: 20, body_bytes: 8192, body: 1000, ..Limits::default() };
    let world = World::with(ServerConfig::new().limits(limits));
    for number in 0..40 {
        world.say(&format!("{number} {}", "x".repeat(1200)));
    }
    let page = world.control.wire("").unwrap();
    assert_eq!((page.kept, page.limit, page.rows.len()), (20, 20, 20));
    let newest = world.control.exchange_detail(page.rows[0].n).unwrap();
    assert!(newest.request.bytes > 1000 && newest.request.kept == 1000);
    let oldest = world.control.exchange_detail(page.rows[19].n).unwrap();
    assert_eq!((oldest.request.kept, oldest.request.body), (0, None));
    assert!(!oldest.request.binary && oldest.request.bytes > 1000);
}

#[test]
fn pages_of_messages_join_without_a_gap() {
    let world = World::new();
    for number in 0..450 {
        world.say(&number.to_string());
    }
    let mut after = Some(0);
    let mut all = Vec::new();
    while let Some(from) = after {
        let page = world.control.messages(&world.conversation, Some(from)).unwrap();
        all.extend(page.messages.iter().map(|one| one.n));
        after = page.more.then(|| *all.last().unwrap());
    }
    assert_eq!(all, (1..=450).collect::<Vec<u64>>());
    let path = format!("/v1/conversations/{}/messages?before=451", world.conversation);
    let page: Value = world.read(&path);
    assert_eq!(
        (page["messages"][0]["n"].as_u64(), page["earlier"].as_bool()),
        (Some(251), Some(true))
    );
    let page: Value = world.read(&path.replace("451", "51"));
    assert_eq!(
        (page["messages"].as_array().unwrap().len(), page["earlier"].as_bool()),
        (50, Some(false))
    );
}

#[test]
fn the_largest_number_is_a_number_like_any_other() {
    let world = World::new();
    world.say("Hello");
    let most = u64::MAX;
    for path in [
        "/v1/messages",
        "/v1/conversations/latest/messages",
        "/v1/wire",
        "/v1/notifications",
        "/v1/conversations",
    ] {
        for query in ["after", "before", "limit"] {
            for number in [0, 1, most - 1, most] {
                let path = format!("{path}?{query}={number}");
                assert!(world.control.request("GET", &path, None).is_ok(), "{path}");
            }
        }
    }
    for path in ["messages", "wire", "notifications", "files"] {
        for number in [0, most] {
            let refused = world.control.request("GET", &format!("/v1/{path}/{number}"), None);
            assert!(matches!(refused, Err(ControlError::Refused(_))), "{path}/{number}");
        }
    }
    let epoch = world.control.about().unwrap().epoch;
    for number in [0, most] {
        let mut stream = world.control.events(Some(&format!("{epoch}-{number}"))).unwrap();
        assert!(stream.next().unwrap().is_ok());
    }
    for fault in [
        format!("send:1-{most}=503"),
        format!("send=delay:{most}s"),
        format!("webhook=delay:{most}s"),
    ] {
        world.control.add_fault(&fault).unwrap();
    }
    assert_eq!(world.say("Hello"), 503);
    assert_eq!(world.control.faults().unwrap().faults[0].of, Some(most));
    assert!(world.control.wire(&format!("fault={most}")).unwrap().rows.is_empty());
}

/// Every secret that a tour brings out, with the length of the parts that must not be seen.
fn tour(world: &World) -> Vec<(String, usize)> {
    // Six hexadecimal digits are found by chance in ids and times; twelve are not.
    let mut secrets = vec![
        (world.tokens.0.clone(), 6),
        (world.tokens.1.clone(), 6),
        (world.server.client_secret(), 12),
    ];
    let (user, password) = world.server.with(|sandbox| {
        let (user, password) = sandbox.config().admin();
        (user.to_owned(), password.to_owned())
    });
    secrets.push((password.clone(), 12));
    let upload = json!({"fileSize": "3", "fileType": "PNG"});
    let (_, answer) = world.send("ms.GenerateURLForUploadFile", &upload);
    let signature = answer["body"]["queryParams"]["temp_url_sig"].as_str().unwrap().to_owned();
    let path = answer["body"]["relativePath"].as_str().unwrap();
    let expires = answer["body"]["queryParams"]["temp_url_expires"].as_str().unwrap();
    let put = Request::put(format!("{path}?temp_url_sig={signature}&temp_url_expires={expires}"));
    let put = put.body(b"\x89PNG\r\n\x1a\n".to_vec()).unwrap();
    let stored = world.server.with(|sandbox| sandbox.reply(now(), &put)).response.status();
    assert_eq!(stored, 201);
    secrets.push((signature, 12));
    let login = json!({"username": user, "password": password});
    let (_, answer) = world.post("/api/account/91827364/login?v=1.3", &login);
    secrets.push((answer["bearer"].as_str().unwrap().to_owned(), 12));
    secrets.push((answer["csrf"].as_str().unwrap().to_owned(), 12));
    let manifest = json!({"client_name": "mine", "capabilities": {"webhooks": {
        "ms.MessagingEventNotification.ContentEvent": {"endpoint": "http://127.0.0.1:1/",
            "headers": [{"header_name": "x-own", "header_value": "very-private-value"}]}}}});
    let request =
        Request::post("/api/account/91827364/configuration/app-install/installations?v=1.0")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", answer["bearer"].as_str().unwrap()))
            .body(manifest.to_string().into_bytes())
            .unwrap();
    let response = world.server.with(|sandbox| sandbox.reply(now(), &request)).response;
    let install: Value = serde_json::from_slice(response.body()).unwrap();
    secrets.push((install["client_secret"].as_str().unwrap().to_owned(), 12));
    secrets.push(("very-private-value".to_owned(), 6));
    let webhooks = Webhooks::from_manifest(&manifest).unwrap();
    world.server.with(|sandbox| sandbox.set_webhooks(webhooks));
    // Secrets where they should not be: in texts, ids and paths.
    world.say(&format!("my token is {}", world.tokens.0));
    world.say(&format!("the secret: {}.", world.server.client_secret()));
    world.post(
        &format!("/nowhere/{}?x={}", world.tokens.0, world.server.client_secret()),
        &json!({}),
    );
    let odd = json!({"ext_consumer_id": format!("of {}", world.tokens.1)});
    world.post("/api/account/91827364/consumer?v=1.0", &odd);
    // A secret that was replaced is still one.
    let (id, old) = (world.server.client_id(), world.server.client_secret());
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={old}");
    world.server.with(|sandbox| sandbox.rotate_secret(&id, "9fQz7Lwk3Xr0-Pt6"));
    let path = "/sentinel/api/account/91827364/app/token?v=1.0";
    world.request(path, "application/x-www-form-urlencoded", &form);
    secrets.push(("9fQz7Lwk3Xr0-Pt6".to_owned(), 6));
    world.server.with(|sandbox| sandbox.revoke_app_tokens());
    world.say("after it was revoked");
    secrets
}

#[test]
fn no_answer_has_a_part_of_a_secret() {
    let world = World::new();
    let mut stream = world.control.events(None).unwrap();
    let secrets = tour(&world);
    let last = world.control.wire("").unwrap().rows[0].n;
    let mut texts: Vec<String> = Vec::new();
    loop {
        let event = stream.next().unwrap().unwrap();
        texts.push(event.data.to_string());
        let rows = event.data["rows"].as_array().cloned().unwrap_or_default();
        if rows.iter().any(|row| row["n"] == last) {
            break;
        }
    }
    let mut paths: Vec<String> = [
        "/v1",
        "/v1/snapshot",
        "/v1/conversations",
        "/v1/conversations/latest",
        "/v1/conversations/latest/messages",
        "/v1/messages",
        "/v1/wire",
        "/v1/notifications",
        "/v1/faults",
        "/v1/tokens",
        "/v1/webhooks",
        "/v1/installs",
    ]
    .map(str::to_owned)
    .to_vec();
    for number in 1..=last {
        paths.push(format!("/v1/wire/{number}"));
        paths.push(format!("/v1/wire/{number}/curl"));
    }
    for one in &world.control.notifications().unwrap().notifications {
        paths.push(format!("/v1/notifications/{}", one.n));
    }
    for message in 1..=2 {
        paths.push(format!("/v1/messages/{message}"));
    }
    for path in &paths {
        let bytes = world.control.request("GET", path, None).unwrap();
        texts.push(format!("{path} {}", String::from_utf8(bytes).unwrap()));
    }
    // What is refused does not say back what it was asked: the tokens and the secret, which are known by value.
    for (secret, _) in secrets.iter().take(4) {
        let path = format!("/v1/conversations/{secret}");
        if let Err(error) = world.control.request("GET", &path, None) {
            texts.push(error.to_string());
        }
    }
    for text in &texts {
        for (secret, length) in &secrets {
            let parts = secret.as_bytes().windows(*length);
            for part in parts.map(|part| std::str::from_utf8(part).unwrap()) {
                assert!(!text.contains(part), "{part} of {secret} is in {text}");
            }
        }
    }
    // It is still to be seen which one it was.
    let all = texts.concat();
    for name in ["‹AppJWT 1›", "‹ConsumerJWS 2, ada›", "‹old client secret›", "‹password›"]
    {
        assert!(all.contains(name), "{name}");
    }
}

#[test]
fn a_copied_command_names_variables_for_its_secrets() {
    let world = World::new();
    world.say("it's \"here\"");
    let row = world.control.wire("endpoint=send").unwrap().rows[0].n;
    let command = world.control.curl(row).unwrap();
    assert!(command.contains("-H \"authorization: Bearer $LP_APP_JWT\""), "{command}");
    assert!(command.contains("-H \"x-lp-on-behalf: $LP_CONSUMER_JWS\""), "{command}");
    assert!(command.contains("# Set LP_APP_JWT"), "{command}");
    assert!(command.contains(&format!("'{}{SEND}'", world.server.base_url())), "{command}");
    let token = world.control.wire("endpoint=token").unwrap().rows[0].n;
    let command = world.control.curl(token).unwrap();
    assert!(command.contains("client_secret='\"$LP_CLIENT_SECRET\"''"), "{command}");
}
