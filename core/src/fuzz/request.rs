//! Requests: what an operation writes is one request, whatever stands in it.

use std::fmt::Debug;

use arbitrary::Unstructured;
use http::Request;
use serde_json::Value;

use super::document::document;
use super::operation::{PASSWORD, Use, operation};
use super::words::{DOMAINS, MESSAGING, OTHERS, TOKENS};
use super::{account, context, conversation, has_canary};
use crate::api::{
    Context, Endpoint, InvalidInput, MAX_REQUEST_CHARS, Operation, ResponseView, SendText, Service,
};
use crate::connector::Trust;
use crate::error::{Error, ErrorKind};
use crate::http1::{RequestTarget, encode};

/// An operation of any kind with any text in it: written twice it is the same, on the wire it is one request to the
/// host that was meant, and no `Debug` shows the password. What is left of the input may be a text of any length.
pub fn request(data: &[u8]) {
    if !has_canary(data) {
        let mut input = Unstructured::new(data);
        let _ = operation(&mut input, Write);
        long_text(input.take_rest());
    }
}

/// Any operation reads any response: the status and the document are the input's.
pub fn answer(data: &[u8]) {
    let (selection, description) = data.split_at(data.len().min(32));
    if !has_canary(data) {
        let _ = operation(&mut Unstructured::new(selection), Read(description));
    }
}

struct Write;

impl Use for Write {
    type Output = ();

    fn with<O: Operation<Output: Debug> + Debug + 'static>(self, operation: O) {
        let account = account();
        let context = context(&account);
        let (first, second) = (operation.request(&context), operation.request(&context));
        let (first, second) = match (first, second) {
            (Ok(first), Ok(second)) => (first, second),
            (Err(refused), Err(again)) => {
                assert_eq!(refused, again);
                return check_refusal(refused);
            }
            _ => panic!("refused one time of two"),
        };
        check_envelope(&operation, &context, first.body());
        let shown = format!("{first:?} {operation:?} {:?}", operation.endpoint());
        assert!(!shown.contains(PASSWORD), "{shown}");
        let base = match operation.endpoint() {
            Endpoint::Service(_) => "va.msg.liveperson.net",
            _ => "api.liveperson.net:8443",
        };
        let origin = Trust::default().resolve_trusted(base).expect("a trusted host");
        let (Ok(first), Ok(second)) = (first.for_origin(&origin), second.for_origin(&origin))
        else {
            return;
        };
        assert_eq!(wire(&first), wire(&second), "it is written otherwise the second time");
        check(&first, base);
    }
}

/// A refusal is one line, and none of the arguments is in it.
fn check_refusal(refused: InvalidInput) {
    let line = refused.to_string();
    assert!(!line.is_empty() && line.len() < 200 && !line.contains(char::is_control), "{line}");
    assert!(!line.contains(PASSWORD), "{line}");
    assert_eq!(Error::from(refused).kind(), ErrorKind::InvalidInput);
}

/// An operation of SEND names its conversation for logs, the one in its body, and no other operation names one. Each
/// request in a body has the id of its place.
fn check_envelope<O: Operation>(operation: &O, context: &Context<'_>, body: &[u8]) {
    let is_send = operation.endpoint() == Endpoint::Service(Service::MESSAGING)
        && O::NAME != "open_conversation";
    assert_eq!(operation.conversation().is_some(), is_send, "{}", O::NAME);
    if operation.endpoint() != Endpoint::Service(Service::MESSAGING) {
        return;
    }
    let body: Value = serde_json::from_slice(body).expect("JSON");
    if let Some(named) = body.pointer("/body/conversationId") {
        assert_eq!(named.as_str(), operation.conversation().map(|id| id.as_str()));
    }
    let all = body.as_array().map_or(std::slice::from_ref(&body), Vec::as_slice);
    for (request, at) in all.iter().zip(0..) {
        let id = request.get("id").and_then(Value::as_str);
        assert_eq!(id, Some(context.request_id(at).as_str()));
    }
}

/// After 0xff, a length and a text that is repeated up to it. The text is refused if, and only if, its request has too
/// many characters, and taken as soon as it is as much shorter as the refusal says.
fn long_text(rest: &[u8]) {
    let Some(([0xff, length @ ..], unit)) = rest.split_first_chunk::<3>() else { return };
    let unit = String::from_utf8_lossy(unit);
    let length = usize::from(u16::from_be_bytes(*length) % 8192);
    let text: String = unit.chars().cycle().take(length).collect();
    let account = account();
    let context = context(&account);
    let written = |text: &str| SendText::new(&conversation(), text).request(&context);
    match written(&text) {
        Ok(request) => {
            let body = std::str::from_utf8(request.body()).expect("text");
            assert!(body.encode_utf16().count() <= MAX_REQUEST_CHARS);
            let body: Value = serde_json::from_str(body).expect("JSON");
            assert_eq!(body.pointer("/body/event/message"), Some(&Value::from(text)));
        }
        Err(refused) => {
            let line = refused.to_string();
            check_refusal(refused);
            let by = line.split_once("shorten the text by ").map(|(_, by)| by);
            let by = by.and_then(|by| by.split(',').next()?.parse::<usize>().ok());
            let Some(by) = by else { return assert!(text.is_empty(), "{line}") };
            let shorter = |by| text.chars().take(text.chars().count().saturating_sub(by));
            let kept: String = shorter(by).collect();
            assert!(kept.is_empty() || written(&kept).is_ok(), "it is still too long");
            // Where each character counts once, one more is too many.
            let kept: String = shorter(by.saturating_sub(1)).collect();
            let is_plain = unit.bytes().all(|byte| byte.is_ascii_alphanumeric());
            assert!(!is_plain || written(&kept).is_err(), "{line}");
        }
    }
}

fn wire(request: &Request<bytes::Bytes>) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(request, RequestTarget::Origin, &mut bytes).expect("a request");
    bytes
}

/// As a server reads it: one request, to this host.
fn check(request: &Request<bytes::Bytes>, host: &str) {
    let bytes = wire(request);
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut parsed = httparse::Request::new(&mut headers);
    let read = parsed.parse(&bytes).expect("a head");
    let httparse::Status::Complete(head) = read else { panic!("half a head") };
    assert_eq!(bytes.get(head..), Some(&request.body()[..]), "the body is another");
    let value = |name: &str| {
        let mut found = parsed.headers.iter().filter(|header| header.name == name);
        let first = found.next().map(|header| header.value.to_vec());
        assert!(found.next().is_none(), "two headers {name}");
        first.map(|value| String::from_utf8(value).expect("text"))
    };
    assert_eq!(value("host").as_deref(), Some(host));
    let length = value("content-length").map_or(0, |length| length.parse().expect("a length"));
    assert_eq!(length, request.body().len());
    let path = parsed.path.expect("a path").split('?').next().unwrap_or_default();
    let segments = || path.split('/').skip(1);
    assert!(
        path.starts_with('/') && segments().all(|segment| !matches!(segment, "." | "..")),
        "{path}"
    );
    if value("content-type").is_some_and(|kind| kind == "application/json") {
        serde_json::from_slice::<Value>(request.body()).expect("JSON");
    }
}

struct Read<'a>(&'a [u8]);

impl Use for Read<'_> {
    type Output = ();

    fn with<O: Operation<Output: Debug> + Debug + 'static>(self, operation: O) {
        let (first, description) = self.0.split_at(self.0.len().min(2));
        let status = first.first().copied().unwrap_or_default();
        let repeated = first.get(1).is_some_and(|byte| byte % 2 == 1);
        let mut response = super::answers::response(&[status]);
        let valid = match operation.endpoint() {
            Endpoint::Service(service) if service == Service::MESSAGING => {
                [MESSAGING, OTHERS].concat()
            }
            Endpoint::Service(_) => [OTHERS, TOKENS].concat(),
            _ => [DOMAINS, OTHERS].concat(),
        };
        *response.body_mut() = document(description, &valid).into();
        let parsed = operation.parse(&ResponseView::new(&response, repeated));
        assert!(!format!("{parsed:?}").contains(PASSWORD));
        if let Err(rejection) = parsed {
            let line = crate::error::scrub(
                rejection.message.as_deref().unwrap_or_default(),
                &crate::error::spellings("k&"),
            );
            assert!(line.chars().count() <= 201 && !line.contains(char::is_control), "{line}");
        }
    }
}
