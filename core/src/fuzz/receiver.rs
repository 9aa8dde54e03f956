//! The webhook endpoint, from a request's head to its changes.

use arbitrary::{Arbitrary, Unstructured};
use http::{HeaderName, HeaderValue, Method, Request};

use super::document::document;
use super::words::NOTIFICATIONS;
use crate::id::{AccountId, ClientId};
use crate::secret::Secret;
use crate::webhook::{Algorithm, Encoding, Receiver, Rejection, Verified, sign};

/// The apps that a receiver knows, and a request.
#[derive(Arbitrary, Debug)]
struct Delivery<'a> {
    /// Of account and app, none for any, and the secret: an index each.
    apps: Vec<(Option<(u8, u8)>, u8)>,
    require_sha256: bool,
    max_body: Option<u16>,
    is_post: bool,
    account: Vec<u8>,
    client: Vec<u8>,
    /// The secret that signs, or none.
    signer: Option<u8>,
    sha256: bool,
    hex: bool,
    encodings: Vec<u8>,
    length: Option<&'a str>,
    other: Option<&'a [u8]>,
    is_changed: bool,
    body: &'a [u8],
}

/// Among them an empty one, with which anybody can sign.
const SECRETS: [&str; 4] = ["fuzz-canary-secret", "another", "", "third"];

const ENCODINGS: [&str; 4] = ["identity", " Identity ", "gzip", "identity, gzip"];

/// A request with any head: it is accepted only if a secret of the named app has signed its body, and the account is
/// proven only if that secret is that of no other.
pub fn receiver(data: &[u8]) {
    let Ok(delivery) = Delivery::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let body = document(delivery.body, NOTIFICATIONS);
    let request = delivery.request(&body);
    let receiver = delivery.receiver();
    assert!(!format!("{receiver:?}").contains("fuzz-canary-secret"));
    let verified = receiver.verify(&request);
    let pieces = receiver.begin(request.method(), request.headers()).and_then(|pending| {
        assert_eq!(pending.max_body(), delivery.max_body.map_or(1024 * 1024, usize::from));
        let (account, client) = delivery.ids();
        let expected = format!(
            "Pending {{ account: {account:?}, client: {client:?}, max_body: {}, .. }}",
            pending.max_body(),
        );
        assert_eq!(format!("{pending:?}"), expected);
        pending.finish(request.body().clone())
    });
    // A length that is a lie may refuse earlier. Without one the size is seen last, and the reason may differ.
    match (&verified, &pieces) {
        (Ok(verified), Ok(pieces)) => {
            assert!(verified == pieces, "in pieces, another account or body")
        }
        (Err(_), Err(_)) => {}
        (Ok(_), Err(_)) => assert!(delivery.length.is_some(), "refused in pieces alone"),
        (Err(rejection), Ok(_)) => panic!("accepted in pieces alone: {rejection}"),
    }
    match verified {
        Ok(verified) => delivery.accepted(&verified),
        Err(rejection) => {
            assert!(rejection.status().is_client_error() && !rejection.to_string().is_empty());
            delivery.rejected(rejection, &body);
        }
    }
}

impl Delivery<'_> {
    fn receiver(&self) -> Receiver {
        let id = |which: u8| format!("{}", which % 3);
        let mut receiver = Receiver::default().require_sha256(self.require_sha256);
        if let Some(bytes) = self.max_body {
            receiver = receiver.max_body(bytes.into());
        }
        for (ids, which) in &self.apps {
            let secret = Secret::new(secret(*which).to_owned());
            receiver = match ids {
                None => receiver.secret(secret),
                Some((account, client)) => receiver.app(
                    AccountId::new(id(*account)).expect("a good id"),
                    ClientId::new(id(*client)).expect("a good id"),
                    [secret],
                ),
            };
        }
        receiver
    }

    fn request(&self, body: &[u8]) -> Request<Vec<u8>> {
        let mut request = Request::new(body.to_vec());
        *request.method_mut() = if self.is_post { Method::POST } else { Method::PUT };
        let headers = request.headers_mut();
        let mut add = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.append(HeaderName::from_static(name), value);
            }
        };
        for account in self.account.iter().take(3) {
            add("x-liveperson-account-id", &format!("{}", account % 3));
        }
        for client in self.client.iter().take(3) {
            add("x-liveperson-client-id", &format!("{}", client % 3));
        }
        if let Some(signer) = self.signer {
            let key = Secret::new(secret(signer).to_owned());
            let algorithm = if self.sha256 { Algorithm::Sha256 } else { Algorithm::Sha1 };
            let encoding = if self.hex { Encoding::Hex } else { Encoding::Base64 };
            add("x-liveperson-signature", &sign(&key, algorithm, encoding, body));
        }
        for which in self.encodings.iter().take(3) {
            add("content-encoding", encoding(*which));
        }
        if let Some(length) = self.length {
            add("content-length", length);
        }
        if let Some(value) = self.other.and_then(|other| HeaderValue::from_bytes(other).ok()) {
            headers.append("x-liveperson-signature", value);
        }
        if self.is_changed {
            match request.body_mut().last_mut() {
                Some(byte) => *byte ^= 1,
                None => request.body_mut().push(0),
            }
        }
        request
    }

    /// The account and the app that the headers name: the first of each.
    fn ids(&self) -> (Option<String>, Option<String>) {
        let first = |list: &[u8]| list.first().map(|which| format!("{}", which % 3));
        (first(&self.account), first(&self.client))
    }

    /// The apps that the headers name, and those of any: whether each is one's own, and its secret.
    fn named(&self) -> impl Iterator<Item = (bool, &'static str)> {
        let first = |list: &[u8]| list.first().map(|which| which % 3);
        let (account, client) = (first(&self.account), first(&self.client));
        let apps = self.apps.iter().filter(move |(ids, _)| {
            ids.is_none_or(|(of, at)| (account, client) == (Some(of % 3), Some(at % 3)))
        });
        apps.map(|(ids, which)| (ids.is_some(), secret(*which)))
            .filter(|(_, secret)| !secret.is_empty())
    }

    fn accepted(&self, verified: &Verified) {
        assert!(self.is_post && !self.is_changed, "another body was accepted");
        let signer = self.signer.map(secret).expect("a signature");
        assert!(self.named().any(|(_, secret)| secret == signer), "signed by nobody who is named");
        assert!(self.sha256 || !self.require_sha256);
        assert!(self.encodings.iter().take(3).all(|which| !encoding(*which).contains("gzip")));
        let is_proven = self.named().any(|(is_own, secret)| is_own && secret == signer);
        assert_eq!(verified.proven_account().is_some(), is_proven);
        let (account, client) = self.ids();
        assert_eq!(
            (verified.account(), verified.client()),
            (account.as_deref(), client.as_deref())
        );
        let matched = verified.signature_match().expect("a signature");
        assert_eq!(
            matched.algorithm,
            if self.sha256 { Algorithm::Sha256 } else { Algorithm::Sha1 }
        );
        assert_eq!(matched.encoding, if self.hex { Encoding::Hex } else { Encoding::Base64 });
        let named = self.named().nth(matched.secret);
        assert!(named.is_some_and(|(_, secret)| secret == signer), "{matched:?}");
        assert_eq!(verified.clone().into_body(), verified.body());
        let length = verified.body().len();
        let shown = format!("{verified:?}");
        assert!(shown.ends_with(&format!("body_len: {length} }}")) && !shown.contains(signer));
        let stored = serde_json::to_string(verified).expect("JSON");
        let again: Verified = serde_json::from_str(&stored).expect("what was stored");
        assert_eq!(again.body(), verified.body());
        assert_eq!(again.proven_account(), verified.proven_account());
        super::notification::read(verified);
    }

    fn rejected(&self, rejection: Rejection, body: &[u8]) {
        let is_small = self.max_body.is_none_or(|limit| body.len() < usize::from(limit));
        let is_plain = self.encodings.is_empty() && self.other.is_none() && !self.is_changed;
        let is_signed = self
            .signer
            .is_some_and(|signer| self.named().any(|(_, named)| named == secret(signer)));
        let is_strong = self.sha256 || !self.require_sha256;
        assert!(
            !(is_small && is_plain && is_signed && is_strong && self.is_post),
            "a good one was rejected: {rejection}"
        );
    }
}

fn secret(which: u8) -> &'static str {
    SECRETS.get(usize::from(which) % SECRETS.len()).copied().unwrap_or_default()
}

fn encoding(which: u8) -> &'static str {
    ENCODINGS.get(usize::from(which) % ENCODINGS.len()).copied().unwrap_or_default()
}
