//! `lp-connector webhook listen --forward-to`: headers, order, and endpoints that are slow.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test reports by panicking")]

mod program;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use lp_connector_core::secret::Secret;
use lp_connector_core::webhook::{Algorithm, Encoding, sign, verify_signature};
use lp_connector_sandbox::Webhooks;
use program::http::{self, Request};
use program::running::Running;
use program::{cloud, run, run_at, settings};
use serde_json::{Value, json};

const SECRET: (&str, &str) = ("LP_CLIENT_SECRET", "n3v3r");

/// How long a step may take; it is a matter of milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// A target whose requests the test answers.
fn target() -> (String, Receiver<Request>) {
    let (send, requests) = mpsc::channel();
    let url = http::serve(move |request| {
        let _ = send.send(request);
    });
    (format!("{url}hook"), requests)
}

/// A listener that forwards to this URL, and its address.
fn listener(url: &str) -> (Running, String) {
    let listen = ["--json", "webhook", "listen", "--listen", "127.0.0.1:0", "--as-they-come"];
    let running = Running::start(&[SECRET], &[&listen[..], &["--forward-to", url]].concat());
    let at = running.event()["listen"].as_str().unwrap().to_owned();
    (running, at)
}

/// Posts a signed text of this conversation, with more header lines. Returns the status of the answer.
fn post(at: &str, conversation: &str, text: &str, more: &str) -> JoinHandle<String> {
    let body = json!({"type": "ms.MessagingEventNotification", "body": {"changes": [{"sequence": 0,
        "originatorMetadata": {"role": "ASSIGNED_AGENT"}, "conversationId": conversation, "dialogId": conversation,
        "event": {"type": "ContentEvent", "contentType": "text/plain", "message": text}}]}})
    .to_string();
    let secret = Secret::new(SECRET.1.to_owned());
    let signature = sign(&secret, Algorithm::Sha256, Encoding::Hex, body.as_bytes());
    let request = format!(
        "POST /lp HTTP/1.1\r\nhost: cloud\r\ncontent-length: {}\r\n{more}\
         x-liveperson-signature: {signature}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(at).unwrap();
    thread::spawn(move || {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        String::from_utf8(status.to_vec()).unwrap()[9..].to_owned()
    })
}

#[test]
fn headers_go_on_but_those_of_the_connection() {
    let (url, requests) = target();
    let (_running, at) = listener(&url);
    let came = "Connection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\n\
                Proxy-Authorization: Basic x\r\nTrailer: x-t\r\nX-Pigeon: grey\r\nX-Pigeon: white\r\n\
                Authorization: Basic cGlnZW9u\r\nUser-Agent: cloud/7\r\nX-Bytes: gr\u{fc}n\r\n\
                Content-Type: application/json; charset=utf-8\r\nAccept: text/x-coo\r\n\
                X-LivePerson-Account-Id: 91827364\r\nX-LivePerson-Client-Id: pigeon-post\r\n";
    let sent = post(&at, "c1", "Coo", came);
    let request = requests.recv_timeout(PATIENCE).unwrap();
    for (name, values) in [
        ("x-pigeon", &["grey", "white"][..]),
        ("authorization", &["Basic cGlnZW9u"]),
        ("user-agent", &["cloud/7"]),
        ("accept", &["text/x-coo"]),
        ("x-bytes", &["gr\u{fc}n"]),
        ("content-type", &["application/json; charset=utf-8"]),
        ("x-liveperson-account-id", &["91827364"]),
        ("x-liveperson-client-id", &["pigeon-post"]),
        ("x-hop", &[]),
        ("keep-alive", &[]),
        ("te", &[]),
        ("trailer", &[]),
        ("proxy-authorization", &[]),
    ] {
        assert_eq!(request.header(name), values, "{name}: {}", request.head);
    }
    for once in ["host", "content-length", "x-liveperson-signature"] {
        assert_eq!(request.header(once).len(), 1, "{once}: {}", request.head);
    }
    assert!(url.contains(request.header("host")[0]), "{}", request.head);
    let secret = Secret::new(SECRET.1.to_owned());
    let signature = request.header("x-liveperson-signature")[0];
    assert!(signature.starts_with("sha256="), "{signature}");
    assert!(verify_signature(signature, &request.body, [&secret]).is_ok());
    request.answer("200 OK", "");
    assert_eq!(sent.join().unwrap(), "200");
}

#[test]
fn the_headers_of_the_manifest_go_on() {
    let server = cloud(&[]);
    let (url, requests) = target();
    let own = settings(&server);
    let own: Vec<_> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let listen = ["--json", "webhook", "listen", "--listen", "127.0.0.1:0", "--forward-to", &url];
    let running = Running::start(&own, &listen);
    let endpoint = format!("http://{}/lp", running.event()["listen"].as_str().unwrap());
    let key = "cqm.ExConversationChangeNotification";
    let manifest = json!({"capabilities": {"webhooks": {key: {"endpoint": endpoint,
        "headers": [{"header_name": "x-pigeon", "header_value": "grey"}]}}}});
    let webhooks = Webhooks::from_manifest(&manifest).unwrap();
    server.with(|cloud| cloud.set_webhooks(webhooks));
    assert_eq!(run_at(&server, &["open", "--consumer", "ada"]).code, Some(0));
    let request = requests.recv_timeout(PATIENCE).unwrap();
    assert_eq!(request.header("x-pigeon"), ["grey"], "{}", request.head);
    assert_eq!(request.header("x-liveperson-account-id"), [server.account_id()]);
    request.answer("200 OK", "");
}

/// The next `forwarded` event.
fn forwarded(running: &Running) -> Value {
    loop {
        let event = running.event();
        if event["event"] == "forwarded" {
            return event;
        }
    }
}

/// What was seen of two notifications of one conversation, and of one of another between them. `None` if the machine
/// was so slow that the listener gave up one of them, as it should.
fn side_by_side() -> Option<[String; 6]> {
    let (url, requests) = target();
    let (running, at) = listener(&url);
    let begun = Instant::now();
    let next = || requests.recv_timeout(LIMIT).ok();
    let first = post(&at, "c1", "one", "");
    let held = next()?;
    let second = post(&at, "c1", "two", "");
    // Both are printed, so both are on their way.
    let printed = [running.event(), running.event()].map(|event| event["text"].to_string());
    let beside = post(&at, "c2", "beside", "");
    let request = next()?;
    let came_beside = request.text().to_owned();
    request.answer("201 Created", "coo");
    let status = beside.join().unwrap();
    let told = forwarded(&running).to_string();
    held.answer("200 OK", "");
    let statuses = first.join().unwrap();
    let request = next()?;
    let came_last = request.text().to_owned();
    request.answer("500 Oops", "");
    let statuses = format!("{statuses} {}", second.join().unwrap());
    let last = [forwarded(&running), forwarded(&running)].map(|event| event["status"].to_string());
    let seen =
        [came_beside, status + " " + &told, came_last, statuses, last.concat(), printed.concat()];
    (begun.elapsed() < LIMIT).then_some(seen)
}

/// Less than the time that a listener waits for its target.
const LIMIT: Duration = Duration::from_millis(1_500);

#[test]
fn conversations_go_on_side_by_side_each_in_order() {
    let seen = (0..20).find_map(|_| side_by_side()).unwrap();
    let [came_beside, told, came_last, statuses, last, printed] = seen;
    assert!(came_beside.contains("beside"), "{came_beside}");
    for part in ["200 {", r#""conversation_id":"c2""#, r#""status":201"#, r#""body":"coo""#] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(came_last.contains("two"), "{came_last}");
    assert_eq!(
        (statuses.as_str(), last.as_str(), printed.as_str()),
        ("200 503", "200500", r#""one""two""#)
    );
}

#[test]
fn a_slow_target_costs_its_sender_a_503_in_time() {
    let (url, requests) = target();
    let (mut running, at) = listener(&url);
    // More than are posted at a time, and one that waits behind the first of its conversation.
    let conversations: Vec<String> = (0..20).map(|n| format!("c{n}")).collect();
    let mut sent: Vec<_> = conversations.iter().map(|id| post(&at, id, "coo", "")).collect();
    sent.push(post(&at, "c0", "coo", ""));
    // The target has answered none of them.
    for one in sent {
        assert_eq!(one.join().unwrap(), "503");
    }
    for _ in 0..21 {
        let event = forwarded(&running);
        assert_eq!((&event["status"], &event["accepted"]), (&json!(null), &json!(false)));
        assert!(event["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{event}");
    }
    drop(requests);
    running.signal("-TERM");
    assert!(running.end().success());
}

#[test]
fn what_is_being_forwarded_at_a_signal_is_printed() {
    let (url, requests) = target();
    let (mut running, at) = listener(&url);
    let sent = post(&at, "c1", "coo", "");
    let request = requests.recv_timeout(PATIENCE).unwrap();
    running.signal("-TERM");
    while TcpStream::connect(&at).is_ok() {
        thread::sleep(Duration::from_millis(1));
    }
    request.answer("200 OK", "coo");
    let status = sent.join().unwrap();
    // On a slow machine the listener had given it up.
    assert_eq!(forwarded(&running)["accepted"], status == "200", "{status}");
    assert!(running.end().success());
}

#[test]
fn a_target_that_takes_nothing_is_named_with_the_reason() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let hangs_up = TcpListener::bind("127.0.0.1:0").unwrap();
    let hangs_up_at = hangs_up.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in hangs_up.incoming().map_while(Result::ok) {
            let _ = stream.read(&mut [0; 64]);
        }
    });
    let (broken, requests) = target();
    thread::spawn(move || requests.iter().for_each(|request| request.answer("500 Oops", "")));
    let name = closed.port();
    for (url, reason) in [
        (format!("http://{closed}/a?key=s3cr3t"), "connection refused: nothing listens there"),
        (format!("http://localhost:{name}/a"), "connection refused: nothing listens there"),
        (format!("http://{hangs_up_at}/a"), "the connection was closed before an answer"),
        (broken, "answered 500"),
    ] {
        let (running, at) = listener(&url);
        assert_eq!(post(&at, "c1", "coo", "").join().unwrap(), "503");
        let event = forwarded(&running);
        let shown = url.split('?').next().unwrap();
        assert_eq!(event["to"], *shown);
        assert!(reason == "answered 500" || event["reason"] == *reason, "{event}");
        let logged = running.stderr.find("notification_refused");
        assert!(logged.contains(shown) && logged.contains(reason), "{logged}");
        assert!(!logged.contains("printed") && !logged.contains("s3cr3t"), "{logged}");
    }
    let none = format!("http://{closed}/");
    let sent = run(&[SECRET], &["webhook", "send", "--preset", "text", "--to", &none]);
    let line = format!("error: no answer from {none}: connection refused: nothing listens there\n");
    assert_eq!((sent.code, sent.stderr), (Some(1), line));
}
