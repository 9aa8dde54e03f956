//! The routes of the API, and what they have in common. It is a machine too: it knows no sockets.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Problem, actions, describe, reads, wire};
use crate::sandbox::Sandbox;

/// The largest body of a request that is no file, in bytes.
const MAX_JSON: usize = 1024 * 1024;

/// What the driver knows.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    pub(crate) now: Duration,
    /// The base URL of the cloud.
    pub(crate) cloud: String,
    /// How many streams are open.
    pub(crate) streams: usize,
    /// A name for the next record, should it begin.
    pub(crate) next_epoch: String,
}

/// A request to the API, taken apart.
pub(crate) struct Context<'a> {
    pub(crate) sandbox: &'a mut Sandbox,
    pub(crate) around: &'a Surroundings,
    /// The parts of the path that vary.
    pub(crate) parameters: Vec<String>,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a Bytes,
}

/// What follows from a request.
#[derive(Debug)]
pub(crate) enum Answer {
    Json(u16, Value),
    Text(String),
    File(Bytes, &'static str),
    Empty,
    /// The stream, from behind this position.
    Stream(Option<String>),
    /// To be posted; what came of it is the answer.
    Post(Box<PendingPost>),
    /// The queue posts this notification; what came of it is the answer.
    Posting(u64),
}

/// A post that somebody asked for.
#[derive(Debug)]
pub(crate) struct PendingPost {
    pub(crate) notification: u64,
    pub(crate) request: Request<Vec<u8>>,
    pub(crate) replay: bool,
}

pub(crate) type Handled = Result<Answer, Problem>;

type Handler = fn(&mut Context<'_>) -> Handled;

/// The routes: method and path. A part in braces varies.
pub const ROUTES: &[(&str, &str)] = &{
    let mut routes = [("", ""); TABLE.len()];
    let mut place = 0;
    while place < TABLE.len() {
        #[expect(clippy::indexing_slicing, reason = "at compile time")]
        {
            routes[place] = (TABLE[place].0, TABLE[place].1);
        }
        place += 1;
    }
    routes
};

const TABLE: &[(&str, &str, Handler)] = &[
    ("GET", "/v1", reads::about),
    ("GET", "/v1/snapshot", reads::snapshot),
    ("GET", "/v1/events", reads::events),
    ("GET", "/v1/conversations", reads::conversations),
    ("GET", "/v1/conversations/{id}", reads::conversation),
    ("GET", "/v1/conversations/{id}/messages", reads::messages_of),
    ("POST", "/v1/conversations/{id}/agent", actions::act),
    ("POST", "/v1/conversations/{id}/files", actions::send_file),
    ("GET", "/v1/messages", reads::messages),
    ("GET", "/v1/messages/{n}", reads::message),
    ("GET", "/v1/files/{n}", reads::file),
    ("GET", "/v1/wire", wire::rows),
    ("GET", "/v1/wire/{n}", wire::exchange),
    ("GET", "/v1/wire/{n}/curl", wire::curl),
    ("GET", "/v1/notifications", wire::notifications),
    ("POST", "/v1/notifications", actions::post_notification),
    ("GET", "/v1/notifications/{n}", wire::notification),
    ("POST", "/v1/notifications/{n}/replay", actions::replay),
    ("GET", "/v1/faults", reads::faults),
    ("POST", "/v1/faults", actions::add_fault),
    ("DELETE", "/v1/faults", actions::remove_faults),
    ("POST", "/v1/faults/off", actions::switch_faults_off),
    ("PATCH", "/v1/faults/{n}", actions::switch_fault),
    ("DELETE", "/v1/faults/{n}", actions::remove_fault),
    ("POST", "/v1/faults/presets/{name}", actions::add_preset),
    ("GET", "/v1/triggers", reads::triggers),
    ("POST", "/v1/triggers/{name}", actions::trigger),
    ("GET", "/v1/tokens", reads::tokens),
    ("POST", "/v1/tokens/{n}/revoke", actions::revoke),
    ("GET", "/v1/webhooks", reads::webhooks),
    ("PUT", "/v1/webhooks", actions::set_webhooks),
    ("POST", "/v1/webhooks/retry", actions::retry),
    ("GET", "/v1/installs", reads::installs),
    ("POST", "/v1/reset", actions::reset),
];

/// Answers a request that may pass. Its secrets have names.
pub(crate) fn answer(
    sandbox: &mut Sandbox,
    around: &Surroundings,
    request: &Request<Bytes>,
) -> Handled {
    let (handler, parameters) = find(request.method(), request.uri().path())?;
    let query = request.uri().query().unwrap_or_default();
    let query = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let (headers, body) = (request.headers(), request.body());
    let handled = handler(&mut Context { sandbox, around, parameters, query, headers, body });
    let secrets = describe::secrets(sandbox);
    match handled {
        Ok(Answer::Json(status, mut document)) => {
            secrets.scrub(&mut document);
            Ok(Answer::Json(status, document))
        }
        Ok(Answer::Text(text)) => Ok(Answer::Text(secrets.text(&text).into_owned())),
        Err(problem) => Err(Problem {
            title: secrets.text(&problem.title).into_owned(),
            detail: problem.detail.map(|detail| secrets.text(&detail).into_owned()),
            ..problem
        }),
        other => other,
    }
}

fn find(method: &Method, path: &str) -> Result<(Handler, Vec<String>), Problem> {
    let mut fitting = fitting(path);
    if let Some((_, handler, parameters)) = fitting.find(|(of, ..)| *of == method.as_str()) {
        return Ok((handler, parameters));
    }
    match allowed(path) {
        None => Err(Problem::new(404, "no such path").detail("GET /v1 is the beginning")),
        Some(methods) => {
            Err(Problem::new(405, "no such method here").detail(format!("there is {methods}")))
        }
    }
}

/// The methods that a path has, as the header `allow` lists them.
pub(crate) fn allowed(path: &str) -> Option<String> {
    let methods: Vec<&str> = fitting(path).map(|(method, ..)| method).collect();
    let head = methods.contains(&"GET").then_some("HEAD");
    let methods: Vec<&str> = methods.into_iter().chain(head).collect();
    (!methods.is_empty()).then(|| methods.join(", "))
}

/// The routes that a path fits: in the table, a fixed part comes before one that varies.
fn fitting(path: &str) -> impl Iterator<Item = (&'static str, Handler, Vec<String>)> {
    let path = path.strip_suffix('/').unwrap_or(path);
    TABLE.iter().filter_map(move |(of, pattern, handler)| {
        fit(pattern, path).map(|parameters| (*of, *handler, parameters))
    })
}

/// The parts that vary, if the path has this pattern.
fn fit(pattern: &str, path: &str) -> Option<Vec<String>> {
    let mut parameters = Vec::new();
    let (mut parts, mut wanted) = (path.split('/'), pattern.split('/'));
    loop {
        match (wanted.next(), parts.next()) {
            (None, None) => return Some(parameters),
            (Some(wanted), Some(part)) if wanted.starts_with('{') && !part.is_empty() => {
                parameters.push(crate::endpoint::decode(part).into_owned());
            }
            (Some(wanted), Some(part)) if wanted == part => {}
            _ => return None,
        }
    }
}

impl Context<'_> {
    /// The only part of the path that varies.
    pub(crate) fn parameter(&self) -> &str {
        self.parameters.first().map(String::as_str).unwrap_or_default()
    }

    /// It as a number of something.
    pub(crate) fn number(&self, what: &str) -> Result<u64, Problem> {
        let text = self.parameter();
        let number = number(text);
        number.ok_or_else(|| Problem::new(404, format!("no {what} {text:?}: it has a number")))
    }

    /// A number of the query.
    pub(crate) fn query_number(&self, name: &str) -> Result<Option<u64>, Problem> {
        match self.query.get(name) {
            None => Ok(None),
            Some(text) => match number(text) {
                Some(number) => Ok(Some(number)),
                None => Err(Problem::new(400, format!("{name}={text}: it must be a number"))),
            },
        }
    }

    /// The id of the conversation that the path names.
    pub(crate) fn conversation(&self) -> Result<String, Problem> {
        match self.parameter() {
            "latest" => match self.sandbox.latest_open() {
                Some(id) => Ok(id.to_owned()),
                None => Err(Problem::new(404, "no conversation is open")),
            },
            id if self.sandbox.state.conversations.get(id).is_some() => Ok(id.to_owned()),
            id => {
                Err(Problem::new(404, "no such conversation")
                    .detail(format!("{id} was never opened")))
            }
        }
    }

    /// Checks the body of a request that needs none: it may be an object all the same, whose members are ignored.
    pub(crate) fn nothing(&self) -> Result<(), Problem> {
        self.object().map(drop)
    }

    /// The body: an object, empty without a body.
    pub(crate) fn object(&self) -> Result<Map<String, Value>, Problem> {
        if self.body.len() > MAX_JSON {
            return Err(Problem::new(413, "the body has more than 1 MiB"));
        }
        if self.body.is_empty() {
            return Ok(Map::new());
        }
        match serde_json::from_slice(self.body) {
            Ok(Value::Object(members)) => Ok(members),
            Ok(_) => Err(Problem::new(400, "the body must be a JSON object")),
            Err(error) => Err(Problem::new(400, "the body is no JSON").detail(error.to_string())),
        }
    }
}

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// A document as an answer.
pub(crate) fn json(status: u16, document: impl Serialize) -> Handled {
    match serde_json::to_value(document) {
        Ok(document) => Ok(Answer::Json(status, document)),
        Err(error) => Err(Problem::new(500, "the answer is no JSON").detail(error.to_string())),
    }
}

/// A response of the API without the headers that all have.
pub(crate) fn response(status: u16, kind: &'static str, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() =
        http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    if !kind.is_empty() {
        let kind = http::HeaderValue::from_static(kind);
        response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    }
    response
}
