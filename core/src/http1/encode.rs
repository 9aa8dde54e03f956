//! Writes requests (RFC 9112, 3).

use std::error;
use std::fmt;
use std::io::Write as _;

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{Method, Request};
use memchr::{memchr3, memrchr};

/// What a request takes beside its parts: method, scheme, version, and the headers that this module writes.
const OVERHEAD: usize = 96;

/// The form of a request's target (RFC 9112, 3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RequestTarget {
    /// Path and query: for the server itself.
    Origin,
    /// The whole URL: for a proxy that forwards plain HTTP.
    Absolute,
    /// Host and port: for `CONNECT` to a proxy.
    Authority,
}

/// Why a request cannot be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EncodeError(&'static str);

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the request cannot be written: {}", self.0)
    }
}

impl error::Error for EncodeError {}

/// Appends `request` to `into`: request line, `Host`, the request's headers in their order,
/// `Content-Length` if there is a body or the method usually has one, and the body.
///
/// # Errors
/// [`EncodeError`] if the URL has no host, if the request has a header that this function writes
/// (`Host`, `Content-Length`, `Transfer-Encoding`), or if a header's value has a line break. Nothing
/// is appended then.
pub fn encode(
    request: &Request<impl AsRef<[u8]>>,
    target: RequestTarget,
    into: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let authority = request.uri().authority().ok_or(EncodeError("its URL has no host"))?;
    // User information must not be sent (RFC 9110, 4.2.4).
    let authority = authority.as_str();
    let host = match memrchr(b'@', authority.as_bytes()) {
        Some(at) => authority.get(at + 1..).unwrap_or_default(),
        None => authority,
    };
    if host.is_empty() {
        return Err(EncodeError("its URL has no host"));
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let path = if path.is_empty() { "/" } else { path };
    let mut length = OVERHEAD + 2 * host.len() + path.len() + request.body().as_ref().len();
    for (name, value) in request.headers() {
        length += name.as_str().len() + value.len() + b": \r\n".len();
        if [HOST, CONTENT_LENGTH, TRANSFER_ENCODING].contains(name) {
            return Err(EncodeError("it sets Host, Content-Length or Transfer-Encoding"));
        }
        // `http` rejects these too, but a request that can be split must not depend on that.
        if memchr3(b'\r', b'\n', 0, value.as_bytes()).is_some() {
            return Err(EncodeError("a header's value has a line break or a null byte"));
        }
    }
    let body = request.body().as_ref();
    into.reserve(length);
    into.extend_from_slice(request.method().as_str().as_bytes());
    into.push(b' ');
    match target {
        RequestTarget::Origin => {}
        RequestTarget::Absolute => {
            into.extend_from_slice(request.uri().scheme_str().unwrap_or("http").as_bytes());
            into.extend_from_slice(b"://");
            into.extend_from_slice(host.as_bytes());
        }
        RequestTarget::Authority => into.extend_from_slice(host.as_bytes()),
    }
    if target != RequestTarget::Authority {
        if !path.starts_with('/') {
            // A query alone: `*` makes no sense here.
            into.push(b'/');
        }
        into.extend_from_slice(path.as_bytes());
    }
    into.extend_from_slice(b" HTTP/1.1\r\nhost: ");
    into.extend_from_slice(host.as_bytes());
    into.extend_from_slice(b"\r\n");
    for (name, value) in request.headers() {
        into.extend_from_slice(name.as_str().as_bytes());
        into.extend_from_slice(b": ");
        into.extend_from_slice(value.as_bytes());
        into.extend_from_slice(b"\r\n");
    }
    // A method that usually has a body states that there is none (RFC 9110, 8.6).
    let anticipates = [Method::POST, Method::PUT, Method::PATCH].contains(request.method());
    if !body.is_empty() || anticipates {
        into.extend_from_slice(b"content-length: ");
        // Memory takes all that is written.
        let _ = write!(into, "{}\r\n", body.len());
    }
    into.extend_from_slice(b"\r\n");
    into.extend_from_slice(body);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(request: http::request::Builder, target: RequestTarget) -> String {
        let mut bytes = Vec::new();
        encode(&request.body("").unwrap(), target, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn each_form_of_the_request_target_is_written() {
        let url = "http://user:secret@h.example:81/a?b";
        for (target, line) in [
            (RequestTarget::Origin, "GET /a?b HTTP/1.1"),
            (RequestTarget::Absolute, "GET http://h.example:81/a?b HTTP/1.1"),
            (RequestTarget::Authority, "GET h.example:81 HTTP/1.1"),
        ] {
            let text = written(Request::get(url), target);
            assert_eq!(text.lines().next(), Some(line));
            assert!(text.contains("\r\nhost: h.example:81\r\n") && !text.contains("secret"));
        }
        assert!(written(Request::get("http://h"), RequestTarget::Origin).starts_with("GET / HTTP"));
    }

    #[test]
    fn a_post_without_a_body_has_a_length_and_a_get_has_none() {
        assert!(
            written(Request::post("http://h/"), RequestTarget::Origin)
                .contains("content-length: 0")
        );
        assert!(
            !written(Request::get("http://h/"), RequestTarget::Origin).contains("content-length")
        );
    }

    /// The memory is reserved at once: too little of it would be doubled.
    #[test]
    fn a_request_takes_little_more_memory_than_it_is_long() {
        let (host, path) = ("h".repeat(200), "p".repeat(299));
        let mut request = Request::post(format!("http://{host}/{path}"));
        for _ in 0..20 {
            request = request.header("x-note", "n".repeat(20));
        }
        let mut bytes = Vec::new();
        encode(&request.body([b'b'; 900]).unwrap(), RequestTarget::Absolute, &mut bytes).unwrap();
        assert_eq!(bytes.len(), 2254);
        assert!(bytes.capacity() <= 2354, "{}", bytes.capacity());
    }

    #[test]
    fn an_ambiguous_request_is_refused_and_nothing_is_written() {
        for (name, value) in
            [("host", "x"), ("content-length", "0"), ("transfer-encoding", "chunked")]
        {
            let request = Request::get("http://h/").header(name, value).body(Vec::new()).unwrap();
            let mut bytes = b"before".to_vec();
            assert!(encode(&request, RequestTarget::Origin, &mut bytes).is_err(), "{name}");
            assert_eq!(bytes, b"before");
        }
        let relative = Request::get("/a").body(Vec::new()).unwrap();
        assert!(encode(&relative, RequestTarget::Origin, &mut Vec::new()).is_err());
    }
}
