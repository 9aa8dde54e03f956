//! A notification that is known to be signed, not yet read.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::notification::{Notification, UnreadableNotification};
use super::signature::Matched;

/// The bytes of a notification, known to be signed. `Debug` shows their number alone.
///
/// It can be stored (serde) between the check and the reading: in a queue, say. Whoever can write to
/// that store can forge notifications, for nothing is checked when it is taken out again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    account: Option<String>,
    client: Option<String>,
    matched: Option<Matched>,
    #[serde(serialize_with = "base64", deserialize_with = "unbase64")]
    body: Vec<u8>,
}

impl Verified {
    pub(super) fn of(
        account: Option<&str>,
        client: Option<&str>,
        matched: Matched,
        body: &[u8],
    ) -> Self {
        Self {
            account: account.map(str::to_owned),
            client: client.map(str::to_owned),
            matched: Some(matched),
            body: body.to_vec(),
        }
    }

    /// Passes bytes off as signed that nobody has checked: for tests, and for reading what was stored
    /// elsewhere. In a server, anybody at all could then speak as an agent.
    #[must_use]
    pub fn dangerous_unverified(body: Vec<u8>) -> Self {
        Self { account: None, client: None, matched: None, body }
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`UnreadableNotification`] if it is no JSON. Anything else is read, as far as it can be.
    pub fn parse(&self) -> Result<Notification, UnreadableNotification> {
        Notification::read(&self.body)
    }

    /// The account, as the header says. The signature does not cover it.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// The app install, as the header says. The signature does not cover it.
    #[must_use]
    pub fn client(&self) -> Option<&str> {
        self.client.as_deref()
    }

    /// Which variant of signature it was; `None` if it was
    /// [not checked](Self::dangerous_unverified).
    #[must_use]
    pub fn matched(&self) -> Option<Matched> {
        self.matched
    }

    /// The bytes as they came.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Takes the bytes out.
    #[must_use]
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account, client, matched, body } = self;
        f.debug_struct("Verified")
            .field("account", account)
            .field("client", client)
            .field("matched", matched)
            .field("body_len", &body.len())
            .finish()
    }
}

fn base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn unbase64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    // The decoder's own error quotes what it was given.
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map_err(|_| de::Error::custom("the body is not Base64"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use crate::webhook::{Algorithm, Encoding, Receiver, sign};

    #[test]
    fn it_survives_a_queue_byte_for_byte() {
        let secret = Secret::new("s".to_owned());
        let body = b"{\"a\":\"\xff\"}";
        let request = http::Request::post("/")
            .header("x-liveperson-signature", sign(&secret, Algorithm::Sha256, Encoding::Hex, body))
            .header("x-liveperson-account-id", "91827364")
            .body(body)
            .unwrap();
        let verified = Receiver::new().secret(secret).verify(&request).unwrap();
        let queued = serde_json::to_string(&verified).unwrap();
        let again: Verified = serde_json::from_str(&queued).unwrap();
        assert_eq!(again, verified);
        assert_eq!((again.account(), again.body()), (Some("91827364"), &body[..]));
        assert!(again.matched().is_some());
    }

    #[test]
    fn what_nobody_checked_says_so() {
        let verified = Verified::dangerous_unverified(b"{}".to_vec());
        assert_eq!((verified.matched(), verified.parse().is_ok()), (None, true));
        assert!(Verified::dangerous_unverified(b"{".to_vec()).parse().is_err());
    }

    #[test]
    fn account_and_app_are_as_the_headers_say() {
        let secret = Secret::new("s".to_owned());
        let request = http::Request::post("/")
            .header("x-liveperson-signature", sign(&secret, Algorithm::Sha1, Encoding::Hex, b"{}"))
            .header("x-liveperson-account-id", "91827364")
            .header("x-liveperson-client-id", "0a1b2c3d")
            .body(b"{}")
            .unwrap();
        let verified = Receiver::new().secret(secret).verify(&request).unwrap();
        assert_eq!((verified.account(), verified.client()), (Some("91827364"), Some("0a1b2c3d")));
    }
}
