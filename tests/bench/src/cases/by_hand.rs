//! A message sent without this crate.

use std::fmt::Write as _;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use serde::{Deserialize, Serialize};

const ON_BEHALF: HeaderName = HeaderName::from_static("x-lp-on-behalf");

/// The path of messages.
const PATH: &str = "/api/account/91827364/messaging/consumer/conversation/send?v=3";

/// The URL of the service.
pub(crate) const CLOUD: &str = "https://va.asyncMessagingEnt.liveperson.net";

#[derive(Serialize)]
struct Envelope<'a> {
    kind: &'a str,
    id: &'a str,
    #[serde(rename = "type")]
    type_: &'a str,
    body: Publish<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Publish<'a> {
    dialog_id: &'a str,
    conversation_id: &'a str,
    event: Content<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Content<'a> {
    #[serde(rename = "type")]
    type_: &'a str,
    content_type: &'a str,
    message: &'a str,
}

/// The response to a message.
#[derive(Deserialize)]
pub(crate) struct Answer {
    pub(crate) code: String,
    pub(crate) body: Sequence,
}

#[derive(Deserialize)]
pub(crate) struct Sequence {
    pub(crate) sequence: u64,
}

fn envelope<'a>(id: &'a str, conversation: &'a str, message: &'a str) -> Envelope<'a> {
    let event = Content { type_: "ContentEvent", content_type: "text/plain", message };
    let body = Publish { dialog_id: conversation, conversation_id: conversation, event };
    Envelope { kind: "req", id, type_: "ms.PublishEvent", body }
}

/// The parts of a request that can be cached.
pub(crate) struct Cached {
    uri: Uri,
    headers: [(HeaderName, HeaderValue); 5],
    id: String,
    messages: u64,
}

impl Cached {
    pub(crate) fn new(base: &str) -> Self {
        let token = "e".repeat(430);
        let value = |text: &str| HeaderValue::from_str(text).unwrap();
        Self {
            uri: format!("{base}{PATH}").parse().unwrap(),
            headers: [
                (ACCEPT, HeaderValue::from_static("application/json")),
                (CONTENT_TYPE, HeaderValue::from_static("application/json")),
                (USER_AGENT, HeaderValue::from_static("by-hand/1.0")),
                (AUTHORIZATION, value(&token)),
                (ON_BEHALF, value(&token)),
            ],
            id: String::with_capacity(36),
            messages: 0,
        }
    }

    /// The URL of messages.
    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Builds a request with all parts cached and no growing buffer.
    pub(crate) fn request(&mut self, conversation: &str, text: &str) -> Request<Vec<u8>> {
        self.messages += 1;
        self.id.clear();
        // The cheapest id that differs each time.
        write!(self.id, "00000000-0000-4000-8000-{:012x}", self.messages).unwrap();
        let mut body = Vec::with_capacity(320 + text.len());
        serde_json::to_writer(&mut body, &envelope(&self.id, conversation, text)).unwrap();
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        let mut headers = HeaderMap::with_capacity(8);
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
        *request.headers_mut() = headers;
        request
    }
}

/// The straightforward way.
pub(crate) fn naive(n: u64, conversation: &str, text: &str, token: &str) -> Request<Vec<u8>> {
    let id = format!("00000000-0000-4000-8000-{n:012x}");
    let account = "91827364";
    let url = format!(
        "https://va.asyncMessagingEnt.liveperson.net/api/account/{account}/messaging/consumer/\
         conversation/send?v=3"
    );
    Request::post(url)
        .header("accept", "application/json")
        .header("content-type", "application/json")
        .header("user-agent", "by-hand/1.0")
        .header("authorization", token)
        .header("x-lp-on-behalf", token)
        .body(serde_json::to_vec(&envelope(&id, conversation, text)).unwrap())
        .unwrap()
}
