//! Verifies the requests that a webhook endpoint receives.

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderName};
use http::{HeaderMap, Method, Request, StatusCode};

use super::apps::Apps;
use super::pending::Pending;
use super::rejection::Rejection;
use super::signature::{Algorithm, InvalidSignature, ParsedSignature};
use super::verified::Verified;
use crate::id::{AccountId, ClientId};
use crate::secret::Secret;

/// The status that acknowledges a notification. The platform accepts 200 and 201 only; after any
/// other status, 204 included, it sends the notification again
/// ([protocol.md 9.1](crate::protocol#9.1)).
pub const SUCCESS: StatusCode = StatusCode::OK;

/// The default limit of a body. A file's preview arrives inside a notification.
const MAX_BODY: usize = 1024 * 1024;

static SIGNATURE: HeaderName = HeaderName::from_static("x-liveperson-signature");
static ACCOUNT: HeaderName = HeaderName::from_static("x-liveperson-account-id");
static CLIENT: HeaderName = HeaderName::from_static("x-liveperson-client-id");

/// Verifies the requests of a webhook endpoint: method, encoding, size, signature
/// header and secrets, in this order; then the body. What the head shows is refused before the body is read.
///
/// It works with any web framework. [`begin`](Self::begin) checks a request's head, and
/// [`Pending::finish`] its raw body. [`verify`](Self::verify) does both for a request that is
/// complete.
///
/// A signature covers the body only and has no timestamp ([protocol.md 9.2](crate::protocol#9.2)),
/// so it does not stop a replay.
///
/// ```
/// use lp_connector_core::secret::Secret;
/// use lp_connector_core::webhook::{Algorithm, Encoding, Receiver, sign};
///
/// let secret = Secret::new("n3v3r-u5e-7h15-1n-pr0d".to_owned());
/// let receiver = Receiver::new().secret(secret.clone());
///
/// let (parts, ()) = http::Request::post("/lp")
///     .header("x-liveperson-signature", sign(&secret, Algorithm::Sha256, Encoding::Hex, b"{}"))
///     .body(())?
///     .into_parts();
/// let pending = receiver.begin(&parts.method, &parts.headers)?;
/// let body = b"{}".to_vec(); // read from the connection, up to pending.max_body()
/// let verified = pending.finish(body)?;
/// assert_eq!(verified.body(), b"{}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Receiver {
    apps: Apps,
    require_sha256: bool,
    max_body: usize,
}

/// An app installation, or any, and the secrets that sign its notifications.
impl Receiver {
    /// A receiver without a secret, which rejects every request.
    #[must_use]
    pub const fn new() -> Self {
        Self { apps: Apps::new(), require_sha256: false, max_body: MAX_BODY }
    }

    /// Accepts notifications signed with this secret, for any account and app. While you rotate a
    /// secret, add the old one and the new one.
    #[must_use]
    pub fn secret(mut self, secret: Secret) -> Self {
        self.apps.add(None, vec![secret]);
        self
    }

    /// Accepts notifications for the account and app in their headers, signed with any of these
    /// secrets.
    #[must_use]
    pub fn app(
        mut self,
        account: AccountId,
        client: ClientId,
        secrets: impl IntoIterator<Item = Secret>,
    ) -> Self {
        self.apps.add(Some((account, client)), secrets.into_iter().collect());
        self
    }

    /// Rejects signatures with SHA-1, for accounts whose notifications are signed with SHA-256.
    /// Default: false.
    #[must_use]
    pub const fn require_sha256(mut self, yes: bool) -> Self {
        self.require_sha256 = yes;
        self
    }

    /// Limits a body, in bytes. A larger one is rejected before it is hashed. Default: 1 MiB.
    #[must_use]
    pub const fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// Checks a request's head, before its body is read.
    ///
    /// # Errors
    /// [`Rejection`], with the status to answer.
    pub fn begin(&self, method: &Method, headers: &HeaderMap) -> Result<Pending<'_>, Rejection> {
        let length = text(headers, &CONTENT_LENGTH).and_then(|length| length.trim().parse().ok());
        self.check_head(method, headers, length.unwrap_or(0))
    }

    /// Verifies a complete request: [`begin`](Self::begin) and [`Pending::finish`] in one call. It
    /// copies the body.
    ///
    /// # Errors
    /// [`Rejection`], with the status to answer.
    pub fn verify(&self, request: &Request<impl AsRef<[u8]>>) -> Result<Verified, Rejection> {
        let body = request.body().as_ref();
        let pending = self.check_head(request.method(), request.headers(), body.len())?;
        pending.finish(body.to_vec())
    }

    fn check_head(
        &self,
        method: &Method,
        headers: &HeaderMap,
        length: usize,
    ) -> Result<Pending<'_>, Rejection> {
        if method != Method::POST {
            return Err(Rejection::NotPost);
        }
        let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
        if encodings
            .any(|encoding| !encoding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"))
        {
            return Err(Rejection::Compressed);
        }
        if length > self.max_body {
            return Err(Rejection::TooLarge);
        }
        let signature = headers.get(&SIGNATURE).ok_or(Rejection::Unsigned)?;
        let signature = signature
            .to_str()
            .map_err(|_| Rejection::InvalidSignature(InvalidSignature::Unreadable))?;
        let signature = ParsedSignature::parse(signature).map_err(Rejection::InvalidSignature)?;
        if self.require_sha256 && signature.algorithm() != Algorithm::Sha256 {
            return Err(Rejection::Sha256Required);
        }
        let (account, client) = (text(headers, &ACCOUNT), text(headers, &CLIENT));
        if self.apps.secrets(account, client).next().is_none() {
            return Err(Rejection::UnknownApp);
        }
        Ok(Pending {
            apps: &self.apps,
            signature,
            account: account.map(str::to_owned),
            client: client.map(str::to_owned),
            max_body: self.max_body,
        })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::{Encoding, InvalidSignature, sign};

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

    const WRONG: Rejection = Rejection::InvalidSignature(InvalidSignature::Wrong);

    /// What a header does not say counts for no app: a secret of one app is not that of another of its account.
    #[test]
    fn a_notification_without_both_ids_is_of_no_app() {
        let ids = (AccountId::new("a").unwrap(), ClientId::new("x").unwrap());
        let receiver = Receiver::new().app(ids.0, ids.1, [secret("own")]);
        let with_any = receiver.clone().secret(secret("any"));
        for (account, client, is_app) in [
            (&["a"][..], &["x"][..], true),
            (&["a"], &[], false),
            (&[], &["x"], false),
            (&[], &[], false),
            (&["a"], &[""], false),
            (&[""], &["x"], false),
            (&["A"], &["x"], false),
            (&["a"], &["X"], false),
            (&["a"], &["x "], false),
            // Of several fields the first counts, whatever the others are.
            (&["a", "b"], &["x"], true),
            (&["b", "a"], &["x"], false),
            (&["a"], &["x", "y"], true),
            (&["a"], &["y", "x"], false),
            (&["\u{e9}", "a"], &["x"], false),
        ] {
            let build = |by: &str| {
                let mut request = request(by, Algorithm::Sha1, b"{}");
                for account in account {
                    request = request.header("x-liveperson-account-id", *account);
                }
                for client in client {
                    request = request.header("x-liveperson-client-id", *client);
                }
                request.body(b"{}").unwrap()
            };
            let shown = format!("{account:?} {client:?}");
            let own = receiver.verify(&build("own"));
            assert_eq!(own.as_ref().err(), (!is_app).then_some(&Rejection::UnknownApp), "{shown}");
            assert_eq!(own.is_ok_and(|own| own.proven_account().is_some()), is_app, "{shown}");
            assert_eq!(with_any.verify(&build("own")).err(), (!is_app).then_some(WRONG), "{shown}");
            let any = with_any.verify(&build("any")).unwrap();
            assert_eq!(any.proven_account(), None, "{shown}");
        }
    }

    #[test]
    fn of_several_signatures_the_first_counts() {
        let receiver = Receiver::new().secret(secret("s"));
        for (first, second, is_good) in [("s", "x", true), ("x", "s", false)] {
            let signature = sign(&secret(second), Algorithm::Sha1, Encoding::Base64, b"{}");
            let request = request(first, Algorithm::Sha1, b"{}");
            let request = request.header("X-LivePerson-Signature", signature).body(b"{}").unwrap();
            let refused = receiver.verify(&request).err();
            assert_eq!(refused, (!is_good).then_some(WRONG), "{first} {second}");
        }
    }

    /// As where a variable of the environment is not set.
    #[test]
    fn an_empty_secret_in_a_list_counts_as_none() {
        let id = || (AccountId::new("a").unwrap(), ClientId::new("x").unwrap());
        let lists = [&["", "s"][..], &["s", ""], &["", "s", ""], &["", "", "s"]];
        for list in lists {
            let secrets: Vec<_> = list.iter().map(|text| secret(text)).collect();
            let all = secrets.iter().cloned().fold(Receiver::new(), Receiver::secret);
            let own = Receiver::new().app(id().0, id().1, secrets.clone());
            for (by, is_good) in [("s", true), ("", false)] {
                let request = request(by, Algorithm::Sha256, b"{}")
                    .header("x-liveperson-account-id", "a")
                    .header("x-liveperson-client-id", "x")
                    .body(b"{}")
                    .unwrap();
                for receiver in [&all, &own] {
                    let refused = receiver.verify(&request).err();
                    assert_eq!(refused, (!is_good).then_some(WRONG), "{list:?} {by:?}");
                }
                let signature = sign(&secret(by), Algorithm::Sha1, Encoding::Hex, b"{}");
                let matched = crate::webhook::verify_signature(&signature, b"{}", &secrets);
                let at = list.iter().position(|text| *text == "s").filter(|_| is_good);
                assert_eq!(matched.ok().map(|one| one.secret), at, "{list:?} {by:?}");
            }
        }
    }

    #[test]
    fn an_account_is_proven_by_its_own_secret_alone() {
        let id = |n: &str| (AccountId::new(n).unwrap(), ClientId::new(n).unwrap());
        let (a, b) = (id("a"), id("b"));
        let own = Receiver::new().app(a.0, a.1, [secret("of a")]).app(b.0, b.1, [secret("of b")]);
        let with_any = own.clone().secret(secret("any"));
        // A secret that is also an app's own proves the app.
        let with_same = Receiver::new().secret(secret("of a"));
        let (account, client) = id("a");
        let with_same = with_same.app(account, client, [secret("of a")]);
        for (receiver, app, by, proven) in [
            (&own, "a", "of a", Some(Some("a"))),
            (&own, "b", "of b", Some(Some("b"))),
            (&own, "a", "of b", None),
            (&with_any, "a", "of a", Some(Some("a"))),
            (&with_any, "a", "any", Some(None)),
            (&with_any, "c", "any", Some(None)),
            (&with_any, "a", "of b", None),
            (&with_same, "a", "of a", Some(Some("a"))),
            (&with_same, "b", "of a", Some(None)),
        ] {
            let request = request(by, Algorithm::Sha1, b"x")
                .header("x-liveperson-account-id", app)
                .header("x-liveperson-client-id", app)
                .body(b"x")
                .unwrap();
            let verified = receiver.verify(&request).ok();
            let found = verified.as_ref().map(Verified::proven_account);
            let expected = proven.map(|account| account.map(|n| AccountId::new(n).unwrap()));
            assert_eq!(found, expected, "{app} {by}");
            // It stays so in a store.
            let stored = verified.map(|one| serde_json::to_string(&one).unwrap());
            let restored = stored.map(|text| serde_json::from_str::<Verified>(&text).unwrap());
            assert_eq!(restored.as_ref().map(Verified::proven_account), expected);
        }
        assert_eq!(Verified::dangerous_unverified("x").proven_account(), None);
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
        let without_secret = Receiver::new();
        let signed = request("s", Algorithm::Sha1, b"123").body(b"123").unwrap();
        assert_eq!(without_secret.verify(&signed).unwrap_err(), Rejection::UnknownApp);
        assert!(receiver.verify(&signed).is_ok());
    }

    #[test]
    fn the_head_is_checked_before_the_body_arrives() {
        let receiver = Receiver::new().secret(secret("s")).max_body(3);
        let check = |request: http::request::Builder| {
            let (parts, ()) = request.body(()).unwrap().into_parts();
            receiver.begin(&parts.method, &parts.headers).map(|_| ())
        };
        let good = || request("s", Algorithm::Sha1, b"123");
        assert_eq!(check(good()), Ok(()));
        assert_eq!(check(good().header("content-length", "3")), Ok(()));
        assert_eq!(check(good().header("content-length", "4")), Err(Rejection::TooLarge));
        assert_eq!(check(good().method("PUT")), Err(Rejection::NotPost));
        assert_eq!(check(Request::post("/lp")), Err(Rejection::Unsigned));
        let strict = receiver.clone().require_sha256(true);
        let (parts, ()) = good().body(()).unwrap().into_parts();
        let refused = strict.begin(&parts.method, &parts.headers).map(|_| ());
        assert_eq!(refused, Err(Rejection::Sha256Required));
        for form in ["", "x", "sha1=", "sha1=zz", "md5=qnaEr/M2QPwyNYg/gqULRhu7RWE="] {
            let malformed = Request::post("/lp").header("x-liveperson-signature", form);
            assert!(matches!(check(malformed), Err(Rejection::InvalidSignature(_))), "{form:?}");
        }
    }

    #[test]
    fn a_compressed_body_is_refused_unread() {
        let receiver = Receiver::new().secret(secret("s"));
        for (encodings, refused) in [
            (&["gzip"][..], true),
            (&["br"], true),
            (&["identity"], false),
            (&[" Identity "], false),
            (&["identity", "deflate"], true),
            (&["identity, gzip"], true),
            (&["\u{e9}"], true),
        ] {
            let mut request = request("s", Algorithm::Sha1, b"x");
            for encoding in encodings {
                request = request.header("content-encoding", *encoding);
            }
            let (parts, ()) = request.body(()).unwrap().into_parts();
            let verdict = receiver.begin(&parts.method, &parts.headers).map(|_| ());
            let expected = if refused { Err(Rejection::Compressed) } else { Ok(()) };
            assert_eq!(verdict, expected, "{encodings:?}");
        }
        assert_eq!(Rejection::Compressed.status(), 415);
    }

    #[test]
    fn a_body_beyond_the_limit_is_rejected_without_a_length() {
        let default = Receiver::new().secret(secret("s"));
        let (parts, ()) = request("s", Algorithm::Sha1, b"").body(()).unwrap().into_parts();
        let pending = default.begin(&parts.method, &parts.headers).unwrap();
        assert_eq!(pending.max_body(), 1024 * 1024);
        let receiver = Receiver::new().secret(secret("s")).max_body(3);
        let (parts, ()) = request("s", Algorithm::Sha1, b"1234").body(()).unwrap().into_parts();
        let begin = || receiver.begin(&parts.method, &parts.headers).unwrap();
        assert_eq!(begin().max_body(), 3);
        assert_eq!(begin().finish(&b"1234"[..]).unwrap_err(), Rejection::TooLarge);
        let wrong = Rejection::InvalidSignature(InvalidSignature::Wrong);
        assert_eq!(begin().finish(&b"123"[..]).unwrap_err(), wrong);
    }

    #[test]
    fn finish_does_not_copy_the_body() {
        let receiver = Receiver::new().secret(secret("s"));
        let body = bytes::Bytes::from(vec![b' '; 4096]);
        let (parts, ()) = request("s", Algorithm::Sha1, &body).body(()).unwrap().into_parts();
        let pending = receiver.begin(&parts.method, &parts.headers).unwrap();
        let verified = pending.finish(body.clone()).unwrap();
        assert_eq!(verified.body().as_ptr(), body.as_ptr());
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
        let pending = receiver.begin(signed.method(), signed.headers()).unwrap();
        let shown = format!("{receiver:?} {verified:?} {pending:?}");
        assert!(!shown.contains("s3cr3t") && !shown.contains("private"));
    }
}
