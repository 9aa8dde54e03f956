//! A blocking client of the control API.

mod connection;
mod stream;

use std::fmt;
use std::io;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use self::connection::Connection;
pub use self::stream::{EventStream, StreamEvent};
use crate::control::v1::{
    About, Acted, Conversation, Conversations, ExchangeDetail, Faults, Message, Messages,
    NotificationDetail, Notifications, NumberedFault, Posted, Problem, Retried, Rows, Snapshot,
    Token, Trigger, Triggered, Webhooks,
};
use crate::webhook_target;

/// How long a response may take. A post waits for the endpoint.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Why a request to the control API failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum ControlError {
    /// Nothing answers there.
    Unreachable(io::Error),
    /// The sandbox refused it.
    Refused(Problem),
    /// The answer is not one of a sandbox.
    NoSandbox(String),
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => write!(f, "the sandbox does not answer: {error}"),
            Self::Refused(problem) => problem.fmt(f),
            Self::NoSandbox(why) => write!(f, "this is no control API of a sandbox: {why}"),
        }
    }
}

impl std::error::Error for ControlError {}

impl From<io::Error> for ControlError {
    fn from(error: io::Error) -> Self {
        Self::Unreachable(error)
    }
}

/// A blocking client of the control API of one sandbox. Each request has a connection of its own.
///
/// A conversation is named by its id, or as `latest`: the open one that was opened last.
///
/// ```
/// # #[cfg(feature = "server")] {
/// use lp_connector_sandbox::control::Control;
/// use lp_connector_sandbox::{Server, ServerConfig};
///
/// let server = Server::start(ServerConfig::new().control(([127, 0, 0, 1], 0).into()))?;
/// // The address of the cloud is enough.
/// let control = Control::find(&server.base_url()).unwrap();
/// let snapshot = control.snapshot().unwrap();
/// assert_eq!(snapshot.about.account, "91827364");
/// for event in control.events(Some(&snapshot.at)).unwrap().take(1) {
///     assert_eq!(event.unwrap().name, "hello");
/// }
/// # }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Control {
    host: String,
    port: u16,
}

impl Control {
    /// The client of the control API at this base URL, such as `http://127.0.0.1:40124`.
    ///
    /// # Errors
    /// If it is no `http` URL of this machine.
    pub fn at(url: &str) -> Result<Self, ControlError> {
        let target = webhook_target(url);
        let (host, port) = target.ok_or_else(|| {
            ControlError::NoSandbox(format!("{url} is no http:// URL of this machine"))
        })?;
        Ok(Self { host, port })
    }

    /// The client of the control API of the sandbox whose cloud is at this base URL, the Domain API's. With TLS,
    /// ask `GET /_sandbox` there with a client that trusts it, and use [`at`](Self::at).
    ///
    /// # Errors
    /// If no sandbox with a control API answers there.
    pub fn find(domain_api: &str) -> Result<Self, ControlError> {
        let cloud = Self::at(domain_api)?;
        let (status, body) = cloud.exchange("GET", "/_sandbox", None)?;
        let document: Value = serde_json::from_slice(&body).unwrap_or_default();
        match document.get("control").and_then(Value::as_str) {
            Some(control) if status == 200 => Self::at(control),
            _ => Err(ControlError::NoSandbox(format!("{domain_api} names none"))),
        }
    }

    /// The base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.authority())
    }

    fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    fn open(
        &self,
        method: &str,
        path: &str,
        body: Option<(&str, &[u8])>,
        headers: &[(&str, &str)],
        silence: Duration,
    ) -> Result<Connection, ControlError> {
        let target = (self.host.as_str(), self.port);
        Ok(Connection::open(target, &self.authority(), method, path, body, headers, silence)?)
    }

    fn exchange(
        &self,
        method: &str,
        path: &str,
        body: Option<(&str, &[u8])>,
    ) -> Result<(u16, Vec<u8>), ControlError> {
        let connection = self.open(method, path, body, &[], TIMEOUT)?;
        Ok((connection.status, connection.body()?))
    }

    /// A request with any path, such as `/v1/wire?status=5xx`. Returns the body of a success.
    ///
    /// # Errors
    /// If the sandbox refuses it, or does not answer.
    pub fn request(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Vec<u8>, ControlError> {
        let body = body.map(Value::to_string);
        let body = body.as_deref().unwrap_or_default().as_bytes();
        let is_read = method == "GET";
        let typed = (!is_read).then_some(("application/json", body));
        checked(self.exchange(method, path, typed)?)
    }

    fn typed<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, ControlError> {
        let bytes = self.request(method, path, body)?;
        serde_json::from_slice(&bytes).map_err(|error| ControlError::NoSandbox(error.to_string()))
    }

    /// The member of the answer with this name.
    fn member<T: DeserializeOwned>(&self, path: &str, name: &str) -> Result<T, ControlError> {
        let mut document: Value = self.typed("GET", path, None)?;
        let member = document.get_mut(name).map(Value::take).unwrap_or_default();
        serde_json::from_value(member).map_err(|error| ControlError::NoSandbox(error.to_string()))
    }

    /// Which sandbox this is.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn about(&self) -> Result<About, ControlError> {
        self.typed("GET", "/v1", None)
    }

    /// What there is now, and where the stream goes on.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn snapshot(&self) -> Result<Snapshot, ControlError> {
        self.typed("GET", "/v1/snapshot", None)
    }

    /// The event stream from behind a position, such as [`Snapshot::at`]; without one, from now.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn events(&self, after: Option<&str>) -> Result<EventStream, ControlError> {
        let last: Vec<(&str, &str)> =
            after.map(|after| ("last-event-id", after)).into_iter().collect();
        let connection = self.open("GET", "/v1/events", None, &last, stream::SILENCE)?;
        match connection.status {
            200 => Ok(EventStream::new(connection)),
            status => {
                checked((status, connection.body()?))?;
                Err(ControlError::NoSandbox(format!("status {status}")))
            }
        }
    }

    /// A page of conversations: `state` is `open`, `closed` or `all`.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn conversations(
        &self,
        state: &str,
        after: Option<u64>,
    ) -> Result<Conversations, ControlError> {
        let after = after.map(|after| format!("&after={after}")).unwrap_or_default();
        self.typed("GET", &format!("/v1/conversations?state={}{after}", encoded(state)), None)
    }

    /// One conversation.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn conversation(&self, id: &str) -> Result<Conversation, ControlError> {
        self.typed("GET", &format!("/v1/conversations/{}", encoded(id)), None)
    }

    /// The first 200 messages of a conversation after message `after`, oldest first; without one, the newest 200.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn messages(&self, id: &str, after: Option<u64>) -> Result<Messages, ControlError> {
        let after = after.map(|after| format!("?after={after}")).unwrap_or_default();
        self.typed("GET", &format!("/v1/conversations/{}/messages{after}", encoded(id)), None)
    }

    /// One message.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn message(&self, number: u64) -> Result<Message, ControlError> {
        self.typed("GET", &format!("/v1/messages/{number}"), None)
    }

    /// Performs an agent's action, such as `{"as": "a9-agent", "do": "text", "text": "Which colour?"}`.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn act(&self, id: &str, action: &Value) -> Result<Acted, ControlError> {
        self.typed("POST", &format!("/v1/conversations/{}/agent", encoded(id)), Some(action))
    }

    /// Sends an agent's file: `kind` is `image/png`, `image/jpeg` or `image/gif`.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn send_file(
        &self,
        id: &str,
        who: Option<&str>,
        name: &str,
        kind: &str,
        bytes: &[u8],
    ) -> Result<Acted, ControlError> {
        let who = who.map(|who| format!("&as={}", encoded(who))).unwrap_or_default();
        let path = format!("/v1/conversations/{}/files?name={}{who}", encoded(id), encoded(name));
        let bytes = checked(self.exchange("POST", &path, Some((kind, bytes)))?)?;
        serde_json::from_slice(&bytes).map_err(|error| ControlError::NoSandbox(error.to_string()))
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn file(&self, number: u64) -> Result<Vec<u8>, ControlError> {
        self.request("GET", &format!("/v1/files/{number}"), None)
    }

    /// A page of exchanges; `query` as in `endpoint=send&status=5xx`.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn wire(&self, query: &str) -> Result<Rows, ControlError> {
        self.typed("GET", &format!("/v1/wire?{query}"), None)
    }

    /// One exchange in full.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn exchange_detail(&self, number: u64) -> Result<ExchangeDetail, ControlError> {
        self.typed("GET", &format!("/v1/wire/{number}"), None)
    }

    /// An exchange as a command to copy, without secrets.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn curl(&self, number: u64) -> Result<String, ControlError> {
        let bytes = self.request("GET", &format!("/v1/wire/{number}/curl"), None)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The newest 200 notifications.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn notifications(&self) -> Result<Notifications, ControlError> {
        self.typed("GET", "/v1/notifications", None)
    }

    /// One notification in full.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn notification(&self, number: u64) -> Result<NotificationDetail, ControlError> {
        self.typed("GET", &format!("/v1/notifications/{number}"), None)
    }

    /// Posts a notification again, signed now. Waits for the endpoint's answer.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn replay(&self, number: u64) -> Result<Posted, ControlError> {
        self.typed("POST", &format!("/v1/notifications/{number}/replay"), None)
    }

    /// Posts a body of your own, signed, to a URL of this machine; without one, to the endpoint of its event.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn post_notification(
        &self,
        body: &Value,
        url: Option<&str>,
    ) -> Result<Posted, ControlError> {
        let mut document = json!({"body": body});
        if let (Some(url), Some(members)) = (url, document.as_object_mut()) {
            members.insert("url".to_owned(), json!(url));
        }
        self.typed("POST", "/v1/notifications", Some(&document))
    }

    /// Runs a trigger, and waits for the answer of the endpoint to its last notification.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn post_preset(&self, trigger: &str) -> Result<Posted, ControlError> {
        self.typed("POST", "/v1/notifications", Some(&json!({"preset": trigger})))
    }

    /// The faults, and the presets.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn faults(&self) -> Result<Faults, ControlError> {
        self.typed("GET", "/v1/faults", None)
    }

    /// Adds a fault by its text.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn add_fault(&self, fault: &str) -> Result<NumberedFault, ControlError> {
        self.typed("POST", "/v1/faults", Some(&json!({"fault": fault})))
    }

    /// Adds the faults of a preset.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn add_preset(&self, name: &str) -> Result<Vec<NumberedFault>, ControlError> {
        let added: Faults =
            self.typed("POST", &format!("/v1/faults/presets/{}", encoded(name)), None)?;
        Ok(added.faults)
    }

    /// Switches a fault on or off.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn switch_fault(&self, number: u64, on: bool) -> Result<NumberedFault, ControlError> {
        self.typed("PATCH", &format!("/v1/faults/{number}"), Some(&json!({"on": on})))
    }

    /// Switches all faults off.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn switch_faults_off(&self) -> Result<(), ControlError> {
        self.request("POST", "/v1/faults/off", None).map(drop)
    }

    /// Removes a fault; without a number, all of them.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn remove_faults(&self, number: Option<u64>) -> Result<(), ControlError> {
        let path = number.map_or("/v1/faults".to_owned(), |number| format!("/v1/faults/{number}"));
        self.request("DELETE", &path, None).map(drop)
    }

    /// What can be made to happen.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn triggers(&self) -> Result<Vec<Trigger>, ControlError> {
        self.member("/v1/triggers", "triggers")
    }

    /// Makes it happen, with an object of parameters.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn trigger(&self, name: &str, parameters: &Value) -> Result<Triggered, ControlError> {
        self.typed("POST", &format!("/v1/triggers/{}", encoded(name)), Some(parameters))
    }

    /// The tokens: the newest 100 of each kind.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn tokens(&self) -> Result<Vec<Token>, ControlError> {
        self.member("/v1/tokens", "tokens")
    }

    /// Revokes a token.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn revoke_token(&self, number: u64) -> Result<(), ControlError> {
        self.request("POST", &format!("/v1/tokens/{number}/revoke"), None).map(drop)
    }

    /// The webhooks.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn webhooks(&self) -> Result<Webhooks, ControlError> {
        self.typed("GET", "/v1/webhooks", None)
    }

    /// Sends all notifications to this URL: what waits goes there too, at once.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn set_webhooks(&self, endpoint: &str) -> Result<Webhooks, ControlError> {
        self.typed("PUT", "/v1/webhooks", Some(&json!({"endpoint": endpoint})))
    }

    /// Tries all notifications at once that are held back because an endpoint took none: with retention the oldest
    /// is tried first, and the others follow it if it is taken. If it is not, the pauses begin anew. Returns how
    /// many there were.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn retry_webhooks(&self) -> Result<usize, ControlError> {
        let retried: Retried = self.typed("POST", "/v1/webhooks/retry", None)?;
        Ok(retried.retried)
    }

    /// Forgets conversations, messages, files and faults. Keys and tokens stay.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn reset(&self) -> Result<(), ControlError> {
        self.request("POST", "/v1/reset", None).map(drop)
    }
}

fn checked((status, body): (u16, Vec<u8>)) -> Result<Vec<u8>, ControlError> {
    if (200..300).contains(&status) {
        return Ok(body);
    }
    match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) if problem.status == status => Err(ControlError::Refused(problem)),
        _ => Err(ControlError::NoSandbox(format!("status {status}"))),
    }
}

/// A part of a path or a query.
fn encoded(text: &str) -> String {
    // In a path a plus is a plus.
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}
