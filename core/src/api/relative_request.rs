//! The request of an operation, without host and credentials.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName};
use http::uri::{self, PathAndQuery, Uri};
use http::{HeaderMap, HeaderValue, Method, Request};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::Origin;
use crate::error::{Error, ErrorKind};
use crate::id::AccountId;
use crate::seed::{RequestId, Seed};

/// The capacity for an ordinary JSON document, in bytes: two ids of 36 and an envelope.
pub(super) const ROOM: usize = 512;

/// The input of [`Operation::request`](super::Operation::request) besides the operation itself.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    account: &'a AccountId,
    seed: Seed,
    previous: Option<&'a [u8]>,
    send_path: Option<&'a PathAndQuery>,
}

impl<'a> Context<'a> {
    /// The context of one call.
    #[must_use]
    pub const fn new(account: &'a AccountId, seed: Seed) -> Self {
        Self { account, seed, previous: None, send_path: None }
    }

    /// Sets the account's [`send_path`](super::send_path), if it is cached.
    #[must_use]
    pub(crate) const fn sending_to(mut self, path: Option<&'a PathAndQuery>) -> Self {
        self.send_path = path;
        self
    }

    /// Sets the body of the response that rejected the previous attempt.
    #[must_use]
    pub(crate) const fn after(mut self, body: Option<&'a [u8]>) -> Self {
        self.previous = body;
        self
    }

    /// The body of the response that rejected the previous attempt, up to
    /// [`MAX_KEPT_BODY`](crate::error::MAX_KEPT_BODY) bytes. A retry can repeat a value from it.
    #[must_use]
    pub const fn previous(&self) -> Option<&'a [u8]> {
        self.previous
    }

    /// The account in which the app is installed.
    #[must_use]
    pub const fn account(&self) -> &'a AccountId {
        self.account
    }

    /// The id of the request with this index in the body: a UUID, the same for every retry
    /// ([protocol.md 1.3](crate::protocol#1.3)).
    #[must_use]
    pub fn request_id(&self, index: u64) -> String {
        self.seed.uuid(index)
    }

    pub(crate) fn id(&self, index: u64) -> RequestId {
        self.seed.id(index)
    }

    fn send_target(&self) -> PathQuery {
        match self.send_path {
            Some(path) => PathQuery::Known(path.clone()),
            None => send_target(self.account),
        }
    }
}

/// Invalid arguments of an operation. The message states the fault and its limits, and does not
/// quote the arguments.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvalidInput(pub(crate) Cow<'static, str>);

impl InvalidInput {
    /// An error with this message.
    #[must_use]
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for InvalidInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidInput {}

impl From<InvalidInput> for Error {
    fn from(invalid: InvalidInput) -> Self {
        Self::new(ErrorKind::InvalidInput, invalid.0)
    }
}

/// A request without host and credentials, which the call adds.
///
/// `Debug` shows the method, the path and sizes. It redacts query, body and header values.
#[derive(Clone)]
pub struct RelativeRequest {
    method: Method,
    target: PathQuery,
    headers: HeaderMap,
    body: Bytes,
}

/// A path and a query.
#[derive(Clone)]
enum PathQuery {
    /// Encoded. It may be too long for a URL.
    Written(String),
    /// Valid, and shared by many requests.
    Known(PathAndQuery),
}

impl PathQuery {
    fn new<'a>(
        path: impl IntoIterator<Item = &'a str>,
        query: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let mut target = String::with_capacity(128);
        for segment in path {
            target.push('/');
            target.extend(utf8_percent_encode(segment, SEGMENT));
        }
        let path_length = target.len();
        let mut query = query.into_iter().peekable();
        if query.peek().is_some() {
            target.push('?');
            target = form_urlencoded::Serializer::for_suffix(target, path_length + 1)
                .extend_pairs(query)
                .finish();
        }
        Self::Written(target)
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Written(text) => text,
            Self::Known(path) => path.as_str(),
        }
    }

    fn into_valid(self) -> Result<PathAndQuery, InvalidInput> {
        match self {
            Self::Written(text) => PathAndQuery::try_from(text)
                .map_err(|_| InvalidInput::new("an identifier is too long for a URL")),
            Self::Known(path) => Ok(path),
        }
    }
}

/// The path and query of SEND for `account`, to be shared by all messages.
///
/// `/api/account/{accountId}/messaging/consumer/conversation/send?v=3`
/// ([protocol.md 7.1](crate::protocol#7.1))
pub(crate) fn send_path(account: &AccountId) -> Option<PathAndQuery> {
    let path = send_target(account).into_valid().ok()?;
    // The first clone allocates the reference count. Do that here, not with the first message.
    Some(path.clone())
}

fn send_target(account: &AccountId) -> PathQuery {
    let account = account.as_str();
    let path = ["api", "account", account, "messaging", "consumer", "conversation", "send"];
    PathQuery::new(path, [("v", "3")])
}

/// The characters to encode in a path segment: all but the unreserved ones (RFC 3986, 2.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl RelativeRequest {
    fn new<'a>(
        method: Method,
        path: impl IntoIterator<Item = &'a str>,
        query: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        Self::to(method, PathQuery::new(path, query))
    }

    fn to(method: Method, target: PathQuery) -> Self {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        Self { method, target, headers, body: Bytes::new() }
    }

    /// A `GET` request. It encodes the path segments and query values.
    #[must_use]
    pub fn get<'a>(
        path: impl IntoIterator<Item = &'a str>,
        query: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        Self::new(Method::GET, path, query)
    }

    /// A `POST` request with a JSON document.
    ///
    /// # Errors
    /// [`InvalidInput`] if the value cannot be serialised, such as a map whose keys are not text.
    pub fn post_json<'a>(
        path: impl IntoIterator<Item = &'a str>,
        query: impl IntoIterator<Item = (&'a str, &'a str)>,
        document: &impl Serialize,
    ) -> Result<Self, InvalidInput> {
        Self::post_json_to(PathQuery::new(path, query), document)
    }

    /// A SEND request with a JSON document ([protocol.md 7.1](crate::protocol#7.1)).
    pub(crate) fn post_message(
        context: &Context<'_>,
        document: &impl Serialize,
    ) -> Result<Self, InvalidInput> {
        Self::post_json_to(context.send_target(), document)
    }

    /// A SEND request with a JSON document that is written already.
    pub(crate) fn post_written(context: &Context<'_>, document: Vec<u8>) -> Self {
        Self::post_bytes_to(context.send_target(), document)
    }

    fn post_json_to(target: PathQuery, document: &impl Serialize) -> Result<Self, InvalidInput> {
        let mut body = Vec::with_capacity(ROOM);
        write_json(document, &mut body)?;
        Ok(Self::post_bytes_to(target, body))
    }

    fn post_bytes_to(target: PathQuery, document: Vec<u8>) -> Self {
        let mut request = Self::to(Method::POST, target);
        request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // A full `Vec` converts to `Bytes` without another allocation.
        request.body = document.into();
        request
    }

    /// A `PUT` request with a JSON document.
    ///
    /// # Errors
    /// Like [`post_json`](Self::post_json).
    pub fn put_json<'a>(
        path: impl IntoIterator<Item = &'a str>,
        query: impl IntoIterator<Item = (&'a str, &'a str)>,
        document: &impl Serialize,
    ) -> Result<Self, InvalidInput> {
        Ok(Self { method: Method::PUT, ..Self::post_json(path, query, document)? })
    }

    /// A `PUT` request with these bytes as its body.
    #[must_use]
    pub fn put<'a>(
        path: impl IntoIterator<Item = &'a str>,
        query: impl IntoIterator<Item = (&'a str, &'a str)>,
        bytes: Bytes,
    ) -> Self {
        let mut request = Self::new(Method::PUT, path, query);
        request.body = bytes;
        request
    }

    /// A `DELETE` request.
    #[must_use]
    pub fn delete<'a>(
        path: impl IntoIterator<Item = &'a str>,
        query: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        Self::new(Method::DELETE, path, query)
    }

    /// A `POST` request with URL-encoded form fields.
    #[must_use]
    pub fn post_form<'a>(
        path: impl IntoIterator<Item = &'a str>,
        query: impl IntoIterator<Item = (&'a str, &'a str)>,
        fields: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let mut request = Self::new(Method::POST, path, query);
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers.insert(CONTENT_TYPE, form);
        request.body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish()
            .into_bytes()
            .into();
        request
    }

    /// Sets a header, and replaces any of the same name.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The complete request for `origin`.
    ///
    /// # Errors
    /// [`InvalidInput`] if path and query are too long for a URL.
    pub fn for_origin(self, origin: &Origin) -> Result<Request<Bytes>, InvalidInput> {
        let (scheme, authority) = origin.parts();
        let mut parts = uri::Parts::default();
        parts.scheme = Some(scheme);
        parts.authority = Some(authority);
        parts.path_and_query = Some(self.target.into_valid()?);
        let mut request = Request::new(self.body);
        *request.method_mut() = self.method;
        *request.uri_mut() = Uri::from_parts(parts)
            .map_err(|_| InvalidInput::new("an identifier is too long for a URL"))?;
        *request.headers_mut() = self.headers;
        Ok(request)
    }
}

/// Appends the JSON of `value`.
pub(super) fn write_json(value: &impl Serialize, json: &mut Vec<u8>) -> Result<(), InvalidInput> {
    serde_json::to_writer(json, value)
        .map_err(|_| InvalidInput::new("the request cannot be written as JSON"))
}

impl fmt::Debug for RelativeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, target, headers, body } = self;
        let path = target.as_str().split('?').next().unwrap_or_default();
        f.debug_struct("RelativeRequest")
            .field("method", method)
            .field("path", &path)
            .field("headers", &headers.len())
            .field("body_len", &body.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_and_query_are_encoded() {
        let origin = Origin::new(uri::Scheme::HTTPS, "h.example".parse().unwrap());
        let request = RelativeRequest::get(["api", "a/b?c#d e"], [("q", "1&2 %")]);
        let request = request.for_origin(&origin).unwrap();
        assert_eq!(request.uri(), "https://h.example/api/a%2Fb%3Fc%23d%20e?q=1%262+%25");
    }

    #[test]
    fn form_fields_are_encoded() {
        let request = RelativeRequest::post_form(["t"], [], [("client_secret", "a&b+c%d e")]);
        assert_eq!(request.body(), b"client_secret=a%26b%2Bc%25d+e");
    }

    #[test]
    fn debug_shows_neither_query_nor_body() {
        let request = RelativeRequest::post_form(["t"], [("k", "s3cr3t")], [("k", "s3cr3t")]);
        assert!(!format!("{request:?}").contains("s3cr3t"));
    }

    #[test]
    fn a_target_too_long_for_a_url_is_an_error() {
        let origin = Origin::new(uri::Scheme::HTTPS, "h.example".parse().unwrap());
        let long = "x".repeat(70_000);
        assert!(RelativeRequest::get([long.as_str()], []).for_origin(&origin).is_err());
    }

    #[test]
    fn request_ids_come_from_the_seed() {
        let account = AccountId::new("1").unwrap();
        let seed = Seed::from_bytes([7; 16]);
        let context = Context::new(&account, seed);
        assert_eq!(context.request_id(3), seed.uuid(3));
    }
}
