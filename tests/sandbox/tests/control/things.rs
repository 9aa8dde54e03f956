//! What the control API shows and does.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use lp_connector_sandbox::control::v1::{Conversation, Message, Notification};
use lp_connector_sandbox::control::{Control, ControlError};
use lp_connector_sandbox::{Limits, Server, ServerConfig, Signature, Webhooks};
use serde_json::{Value, json};

use crate::world::{OPEN, World, endpoint, named, wait_for};

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
fn a_preset_waits_for_its_answer_as_a_body_does() {
    let world = World::new();
    let (url, posts) = endpoint(&[500]);
    // Who is there already does not join once more.
    world.control.act("latest", &json!({"do": "join"})).unwrap();
    world.server.with(|sandbox| sandbox.set_webhooks(Webhooks::all_at(&url)));
    for status in [500, 200] {
        let posted = world.control.post_preset("text").unwrap();
        let (_, body) = posts.recv_timeout(Duration::from_secs(60)).unwrap();
        assert!(String::from_utf8(body).unwrap().contains("Which colour?"));
        assert_eq!((posted.attempt, posted.status, posted.url.as_str()), (1, Some(status), &*url));
        assert_eq!(posted.answer.as_deref(), Some("noted"));
        let exchange = world.control.exchange_detail(posted.wire).unwrap();
        assert_eq!(exchange.row.notification, Some(posted.notification));
        assert_eq!((exchange.row.status, exchange.row.us), (Some(status), posted.us));
    }
    let own = world.control.post_notification(&json!({"a": 1}), None).unwrap();
    assert_eq!((own.attempt, own.status, own.answer.as_deref()), (1, Some(200), Some("noted")));
    // Where nobody answers, there is no answer.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let webhooks = Webhooks::all_at(format!("http://{closed}/"));
    world.server.with(|sandbox| sandbox.set_webhooks(webhooks));
    let preset = world.control.post_preset("text").unwrap();
    let own = world.control.post_notification(&json!({"a": 1}), None).unwrap();
    for posted in [preset, own] {
        assert_eq!((posted.attempt, posted.status, posted.answer), (1, None, None));
    }
    // A fault that loses it is no reason to wait.
    world.control.add_fault("webhook=drop").unwrap();
    let lost = world.control.post_preset("text").unwrap();
    assert_eq!((lost.attempt, lost.wire, lost.status, lost.answer), (0, 0, None, None));
    assert_eq!(
        world.control.notification(lost.notification).unwrap().notification.state,
        "lost by fault"
    );
}

#[test]
fn a_preset_without_an_endpoint_says_so() {
    let world = World::new();
    let webhooks = Webhooks::all_at("http://127.0.0.1:1/")
        .without("ms.MessagingEventNotification.ChatStateEvent");
    world.server.with(|sandbox| sandbox.set_webhooks(webhooks));
    world.control.trigger("joined", &json!({})).unwrap();
    let Err(ControlError::Refused(problem)) = world.control.post_preset("typing") else {
        panic!("it was posted");
    };
    let title = "typing has happened, but no webhook is registered for it";
    assert_eq!((problem.status, problem.title.as_str()), (409, title));
}

#[test]
fn an_answer_is_cut_between_two_characters() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        // At 4096 bytes a character is half told.
        let text = format!("x{}", "é".repeat(3000));
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", text.len());
        stream.write_all(format!("{head}{text}").as_bytes()).unwrap();
    });
    let posted = world.control.post_notification(&json!({"a": 1}), Some(&url)).unwrap();
    assert_eq!(posted.answer, Some(format!("x{}", "é".repeat(2047))));
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
    let own = act("a2-agent", json!({"do": "text", "text": "Blue is sold out"}));
    let text = world.control.message(own.message.unwrap()).unwrap();
    assert_eq!((text.from.as_str(), text.audience.as_str()), ("a2-agent", "ALL"));
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
    world.post("/api/account/91827364/consumer?v=1.0", &json!({"ext_consumer_id": "bob"}));
    assert_eq!(world.control.tokens().unwrap()[0].n, 3);
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

#[test]
fn webhooks_that_cannot_be_posted_to_are_refused() {
    let world = World::new();
    let header = |name: &str, value: &str| {
        json!({"manifest": {"capabilities": {"webhooks": {"cqm.ExConversationChangeNotification":
            {"endpoint": "http://127.0.0.1/", "headers": [{"header_name": name, "header_value": value}]}}}}})
    };
    for (document, why) in [
        (header("x own", "a"), "no name of a header"),
        (header("x-own", "private\nvalue"), "header_value of x-own"),
        (json!({"endpoint": "http://127.0.0.1:1/a b"}), "only to http:// URLs"),
        (json!({"endpoint": "http://127.0.0.1:1\\@x/"}), "only to http:// URLs"),
    ] {
        let refused = world.control.request("PUT", "/v1/webhooks", Some(&document)).unwrap_err();
        let ControlError::Refused(problem) = &refused else { panic!("{refused}") };
        assert_eq!(problem.status, 400);
        assert!(problem.title.contains(why) && !problem.title.contains("private"), "{problem:?}");
    }
    assert_eq!(world.control.snapshot().unwrap().webhooks.endpoints, []);
}
