//! Verifies the requests that a webhook endpoint receives.

use std::error;
use std::fmt;

use http::header::{CONTENT_LENGTH, HeaderName};
use http::{HeaderMap, Method, Request};

use super::Verified;
use super::signature::{Algorithm, InvalidSignature, ParsedSignature};
use crate::id::{AccountId, ClientId};
use crate::secret::Secret;

/// What to answer a verified notification with: 200 and 201 alone count as received, any other
/// status, 204 included, has it sent again (protocol.md 9.1).
pub const SUCCESS: u16 = 200;

/// The largest notification that is looked at. A file's preview travels in it as text.
const MAX_BODY: usize = 1024 * 1024;

static SIGNATURE: HeaderName = HeaderName::from_static("x-liveperson-signature");
static ACCOUNT: HeaderName = HeaderName::from_static("x-liveperson-account-id");
static CLIENT: HeaderName = HeaderName::from_static("x-liveperson-client-id");

/// Checks what comes to a webhook endpoint: method, size, headers and signature, in this order, and
/// before anything is parsed. Works with any web framework: it wants an [`http::Request`] with the raw
/// body.
///
/// A signature covers the body alone and holds no time (protocol.md 9.2): whoever saw a notification
/// can send it again.
#[derive(Clone, Debug)]
pub struct Receiver {
    apps: Vec<App>,
    require_sha256: bool,
    max_body: usize,
}

/// Whose notifications are taken, and which secrets sign them.
#[derive(Clone, Debug)]
struct App {
    ids: Option<(AccountId, ClientId)>,
    secrets: Vec<Secret>,
}

/// What of a request's head a check needs.
struct Head<'a> {
    signature: ParsedSignature,
    account: Option<&'a str>,
    client: Option<&'a str>,
}

impl Receiver {
    /// Knows no secret yet, and so refuses everything.
    #[must_use]
    pub const fn new() -> Self {
        Self { apps: Vec::new(), require_sha256: false, max_body: MAX_BODY }
    }

    /// Takes what this secret has signed, for whichever account and app. While a secret is being
    /// rotated, give the old one and the new one.
    #[must_use]
    pub fn secret(mut self, secret: Secret) -> Self {
        self.apps.push(App { ids: None, secrets: vec![secret] });
        self
    }

    /// Takes notifications for this account and app (as their headers say), signed with any of these
    /// secrets.
    #[must_use]
    pub fn app(
        mut self,
        account: AccountId,
        client: ClientId,
        secrets: impl IntoIterator<Item = Secret>,
    ) -> Self {
        let secrets = secrets.into_iter().collect();
        self.apps.push(App { ids: Some((account, client)), secrets });
        self
    }

    /// Refuses signatures with SHA-1: for accounts whose notifications are signed with SHA-256.
    /// Default: both are taken.
    #[must_use]
    pub const fn require_sha256(mut self, yes: bool) -> Self {
        self.require_sha256 = yes;
        self
    }

    /// The largest body that is taken, in bytes; a larger one is not even hashed. Default: 1 MiB.
    #[must_use]
    pub const fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// Checks what can be known before a request's body has come: so a server need not read, from
    /// whoever sends it, what it will refuse. [`verify`](Self::verify) checks all of it again.
    ///
    /// # Errors
    /// [`Rejection`], which names the status to answer with.
    pub fn precheck(&self, method: &Method, headers: &HeaderMap) -> Result<(), Rejection> {
        let length = text(headers, &CONTENT_LENGTH).and_then(|length| length.trim().parse().ok());
        self.head(method, headers, length.unwrap_or(0)).map(|_| ())
    }

    fn head<'a>(
        &self,
        method: &Method,
        headers: &'a HeaderMap,
        length: usize,
    ) -> Result<Head<'a>, Rejection> {
        if method != Method::POST {
            return Err(Rejection::NotPost);
        }
        if length > self.max_body {
            return Err(Rejection::TooLarge);
        }
        let signature = headers.get(&SIGNATURE).ok_or(Rejection::Unsigned)?;
        let signature = signature
            .to_str()
            .map_err(|_| Rejection::InvalidSignature(InvalidSignature::Unreadable))?;
        let (account, client) = (text(headers, &ACCOUNT), text(headers, &CLIENT));
        if self.secrets(account, client).next().is_none() {
            return Err(Rejection::UnknownApp);
        }
        let signature = ParsedSignature::parse(signature).map_err(Rejection::InvalidSignature)?;
        Ok(Head { signature, account, client })
    }

    /// The secrets that may have signed for this account and app.
    fn secrets<'a>(
        &'a self,
        account: Option<&str>,
        client: Option<&str>,
    ) -> impl Iterator<Item = &'a Secret> {
        let concerned = move |app: &&App| match &app.ids {
            None => true,
            Some((of, at)) => account == Some(of.as_str()) && client == Some(at.as_str()),
        };
        // With an empty secret anybody could sign.
        let secrets = self.apps.iter().filter(concerned).flat_map(|app| &app.secrets);
        secrets.filter(|secret| !secret.is_empty())
    }

    /// The largest body that is taken, in bytes.
    #[must_use]
    pub const fn largest_body(&self) -> usize {
        self.max_body
    }

    /// Checks a request. On success, answer [`SUCCESS`] at once: within 2.5 s, and whatever the body
    /// holds (protocol.md 9.1).
    ///
    /// # Errors
    /// [`Rejection`], which names the status to answer with.
    pub fn verify(&self, request: &Request<impl AsRef<[u8]>>) -> Result<Verified, Rejection> {
        let body = request.body().as_ref();
        let headers = request.headers();
        let head = self.head(request.method(), headers, body.len())?;
        let (account, client) = (head.account, head.client);
        let matched = head
            .signature
            .verify(body, self.secrets(account, client))
            .map_err(Rejection::InvalidSignature)?;
        if self.require_sha256 && matched.algorithm != Algorithm::Sha256 {
            return Err(Rejection::Sha256Required);
        }
        Ok(Verified::of(account, client, matched, body))
    }
}

impl Default for Receiver {
    fn default() -> Self {
        Self::new()
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Why a request is not taken. Holds nothing of what came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Rejection {
    /// It is no `POST`.
    NotPost,
    /// Its body is larger than taken.
    TooLarge,
    /// It has no signature.
    Unsigned,
    /// No secret is known for the account and app that its headers name.
    UnknownApp,
    /// Its signature is not good.
    InvalidSignature(InvalidSignature),
    /// Its signature is good, but made with SHA-1 where SHA-256 is required.
    Sha256Required,
}

impl Rejection {
    /// The status to answer with.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::NotPost => 405,
            Self::TooLarge => 413,
            Self::Unsigned
            | Self::UnknownApp
            | Self::InvalidSignature(_)
            | Self::Sha256Required => 401,
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPost => f.write_str("the request is not a POST"),
            Self::TooLarge => f.write_str("the notification is larger than the limit"),
            Self::Unsigned => f.write_str("the notification has no x-liveperson-signature"),
            Self::UnknownApp => {
                f.write_str("no secret is known for the account and client in the headers")
            }
            Self::InvalidSignature(why) => why.fmt(f),
            Self::Sha256Required => {
                f.write_str("the notification is signed with SHA-1, and SHA-256 is required")
            }
        }
    }
}

impl error::Error for Rejection {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::{Encoding, sign};

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    fn request(by: &str, algorithm: Algorithm, body: &[u8]) -> http::request::Builder {
        let signature = sign(&secret(by), algorithm, Encoding::Base64, body);
        Request::post("/lp").header("X-LivePerson-Signature", signature)
    }

    #[test]
    fn headers_select_the_app_and_any_secret_fits() {
        let id = |n: &str| (AccountId::new(n).unwrap(), ClientId::new(n).unwrap());
        let (a, b) = (id("a"), id("b"));
        let receiver = Receiver::new().app(a.0, a.1, [secret("old"), secret("new")]).app(
            b.0,
            b.1,
            [secret("other")],
        );
        let body = "🙂".as_bytes();
        for (app, by, verdict) in [
            ("a", "old", Ok(())),
            ("a", "new", Ok(())),
            ("b", "other", Ok(())),
            ("b", "new", Err(Rejection::InvalidSignature(InvalidSignature::Wrong))),
            ("c", "new", Err(Rejection::UnknownApp)),
        ] {
            let request = request(by, Algorithm::Sha1, body)
                .header("x-liveperson-account-id", app)
                .header("x-liveperson-client-id", app)
                .body(body)
                .unwrap();
            assert_eq!(receiver.verify(&request).map(|_| ()), verdict, "{app} {by}");
        }
        // Both must be right: another app of the same account has its own secret.
        for (account, client) in [("a", "b"), ("b", "a")] {
            let mixed = request("old", Algorithm::Sha1, body)
                .header("x-liveperson-account-id", account)
                .header("x-liveperson-client-id", client)
                .body(body)
                .unwrap();
            assert_eq!(receiver.verify(&mixed).unwrap_err(), Rejection::UnknownApp);
        }
        let nameless = request("old", Algorithm::Sha1, body).body(body).unwrap();
        assert_eq!(receiver.verify(&nameless).unwrap_err(), Rejection::UnknownApp);
    }

    #[test]
    fn checks_run_in_order_with_their_status() {
        let receiver = Receiver::new().secret(secret("s")).max_body(3);
        let get = Request::get("/lp").body(b"x").unwrap();
        assert_eq!(receiver.verify(&get).unwrap_err().status(), 405);
        let large = Request::post("/lp").body(b"1234").unwrap();
        assert_eq!(receiver.verify(&large).unwrap_err(), Rejection::TooLarge);
        let unsigned = Request::post("/lp").body(b"123").unwrap();
        assert_eq!(receiver.verify(&unsigned).unwrap_err(), Rejection::Unsigned);
        let nobody = Receiver::new();
        let signed = request("s", Algorithm::Sha1, b"123").body(b"123").unwrap();
        assert_eq!(nobody.verify(&signed).unwrap_err(), Rejection::UnknownApp);
        assert!(receiver.verify(&signed).is_ok());
    }

    #[test]
    fn the_head_is_checked_before_the_body_arrives() {
        let receiver = Receiver::new().secret(secret("s")).max_body(3);
        let check = |request: http::request::Builder| {
            let (parts, ()) = request.body(()).unwrap().into_parts();
            receiver.precheck(&parts.method, &parts.headers)
        };
        let good = || request("s", Algorithm::Sha1, b"123");
        assert_eq!(check(good()), Ok(()));
        assert_eq!(check(good().header("content-length", "3")), Ok(()));
        assert_eq!(check(good().header("content-length", "4")), Err(Rejection::TooLarge));
        assert_eq!(check(good().method("PUT")), Err(Rejection::NotPost));
        assert_eq!(check(Request::post("/lp")), Err(Rejection::Unsigned));
    }

    #[test]
    fn an_empty_secret_verifies_nothing() {
        let body = b"{}";
        let signed = request("", Algorithm::Sha256, body).body(body).unwrap();
        let receiver = Receiver::new().secret(secret(""));
        assert_eq!(receiver.verify(&signed).unwrap_err(), Rejection::UnknownApp);
        let signature = sign(&secret(""), Algorithm::Sha1, Encoding::Hex, body);
        assert!(crate::webhook::verify_signature(&signature, body, [&secret("")]).is_err());
    }

    #[test]
    fn sha_1_is_rejected_where_sha_256_is_required() {
        let receiver = Receiver::new().secret(secret("s")).require_sha256(true);
        let old = request("s", Algorithm::Sha1, b"x").body(b"x").unwrap();
        assert_eq!(receiver.verify(&old).unwrap_err(), Rejection::Sha256Required);
        let new = request("s", Algorithm::Sha256, b"x").body(b"x").unwrap();
        let matched = receiver.verify(&new).unwrap().signature_match().unwrap();
        assert_eq!(matched.algorithm, Algorithm::Sha256);
    }

    #[test]
    fn any_signed_body_is_accepted() {
        let receiver = Receiver::new().secret(secret("s"));
        for body in [&b""[..], b"not json", b"\xff\x00", br#"{"type":"unknown"}"#] {
            let request = request("s", Algorithm::Sha256, body).body(body).unwrap();
            assert_eq!(receiver.verify(&request).unwrap().body(), body);
        }
    }

    #[test]
    fn debug_output_redacts_body_and_secret() {
        let receiver = Receiver::new().secret(secret("s3cr3t"));
        let signed = request("s3cr3t", Algorithm::Sha1, b"private").body(b"private").unwrap();
        let verified = receiver.verify(&signed).unwrap();
        let shown = format!("{receiver:?} {verified:?}");
        assert!(!shown.contains("s3cr3t") && !shown.contains("private"));
    }
}
