//! Requests: what an operation writes is one request, whatever stands in it.

use std::fmt::Debug;

use arbitrary::Unstructured;
use http::Request;

use super::document::document;
use super::has_canary;
use super::operation::{PASSWORD, Use, operation};
use super::words::{DOMAINS, MESSAGING, OTHERS, TOKENS};
use crate::api::{Context, Endpoint, Operation, ResponseView, Service};
use crate::connector::Trust;
use crate::http1::{RequestTarget, encode};
use crate::id::AccountId;
use crate::seed::Seed;

/// An operation of any kind with any text in it: written twice it is the same, on the wire it is one request to the
/// host that was meant, and no `Debug` shows the password.
pub fn request(data: &[u8]) {
    if !has_canary(data) {
        let _ = operation(&mut Unstructured::new(data), Write);
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
        let account = AccountId::new("91827364").expect("a good id");
        let context = Context::new(&account, Seed::from_bytes([3; 16]));
        let (first, second) = (operation.request(&context), operation.request(&context));
        let (Ok(first), Ok(second)) = (first, second) else { return };
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
        serde_json::from_slice::<serde_json::Value>(request.body()).expect("JSON");
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
