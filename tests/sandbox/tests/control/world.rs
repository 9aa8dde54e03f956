//! A sandbox with its control API, and an endpoint for its notifications.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use http::Request;
use lp_connector_sandbox::control::{Control, EventStream, StreamEvent};
use lp_connector_sandbox::{Server, ServerConfig};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub(crate) const SEND: &str = "/api/account/91827364/messaging/consumer/conversation/send?v=3";
pub(crate) const OPEN: &str = "/api/account/91827364/messaging/consumer/conversation?v=3";

/// A sandbox, and requests to it as a client sends them.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) control: Control,
    pub(crate) tokens: (String, String),
    pub(crate) conversation: String,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(ServerConfig::new())
    }

    pub(crate) fn with(config: ServerConfig) -> Self {
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

    pub(crate) fn request(&self, path: &str, kind: &str, body: &str) -> (u16, Value) {
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

    pub(crate) fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.request(path, "application/json", &body.to_string())
    }

    pub(crate) fn send(&self, kind: &str, body: &Value) -> (u16, Value) {
        self.post(SEND, &json!({"kind": "req", "id": "c", "type": kind, "body": body}))
    }

    pub(crate) fn say(&self, text: &str) -> u16 {
        let event = json!({"type": "ContentEvent", "contentType": "text/plain", "message": text});
        let id = &self.conversation;
        let body = json!({"dialogId": id, "conversationId": id, "event": event});
        self.send("ms.PublishEvent", &body).0
    }

    pub(crate) fn read<T: DeserializeOwned>(&self, path: &str) -> T {
        serde_json::from_slice(&self.control.request("GET", path, None).unwrap()).unwrap()
    }
}

/// The cloud's clock: what is posted has its age.
pub(crate) fn now() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap()
}

/// An endpoint that answers each post with the next of these statuses, then with 200. Its posts: signature and
/// body.
pub(crate) fn endpoint(statuses: &[u16]) -> (String, Receiver<(String, Vec<u8>)>) {
    endpoint_at("127.0.0.1:0", statuses)
}

/// The same at an address.
pub(crate) fn endpoint_at(
    address: &str,
    statuses: &[u16],
) -> (String, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind(address.trim_end_matches('/')).unwrap();
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
pub(crate) fn wait_for(
    stream: &mut EventStream,
    wanted: impl Fn(&StreamEvent) -> bool,
) -> StreamEvent {
    stream.map(Result::unwrap).find(wanted).unwrap()
}

pub(crate) fn named(event: &StreamEvent, name: &str) -> bool {
    event.name == name
}
