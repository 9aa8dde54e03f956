//! A notification with a valid signature, not yet parsed.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::notification::{Notification, UnreadableNotification};
use super::signature::SignatureMatch;
use crate::id::AccountId;

/// The raw bytes of a notification whose signature was verified. `Debug` shows only their number.
///
/// It can be stored (serde) before it is parsed, for example in a queue. Deserialising checks
/// nothing: anyone who can write to that store can forge notifications.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    account: Option<String>,
    client: Option<String>,
    #[serde(rename = "matched")]
    signature_match: Option<SignatureMatch>,
    /// The secret is that of the account and app in the headers alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_proven: bool,
    #[serde(serialize_with = "encode_base64", deserialize_with = "decode_base64")]
    body: Bytes,
}

impl Verified {
    pub(super) fn new(
        account: Option<String>,
        client: Option<String>,
        signature_match: SignatureMatch,
        is_proven: bool,
        body: Bytes,
    ) -> Self {
        Self { account, client, signature_match: Some(signature_match), is_proven, body }
    }

    /// Treats unverified bytes as verified. For tests, and for bodies that were verified before
    /// they were stored. In a server it would let anyone send messages as an agent.
    #[must_use]
    pub fn dangerous_unverified(body: impl Into<Bytes>) -> Self {
        let (account, client, signature_match) = (None, None, None);
        Self { account, client, signature_match, is_proven: false, body: body.into() }
    }

    /// Parses the notification.
    ///
    /// # Errors
    /// [`UnreadableNotification`] if the body is not JSON. Any JSON parses, as far as this version
    /// knows it: an element that cannot be read, such as `1e400`, `undefined` or half an emoji, costs no other.
    pub fn parse(&self) -> Result<Notification, UnreadableNotification> {
        Notification::parse(&self.body)
    }

    /// The account id in the request's header, which the signature does not cover.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// The account in the request's header, if the secret that signed the body is that of this account and app and of no
    /// other ([`Receiver::app`](super::Receiver::app)). Nobody but the account can have sent it then, so an endpoint
    /// for several accounts tells them apart by this. `None` if the receiver took a
    /// [secret](super::Receiver::secret) for any account.
    #[must_use]
    pub fn proven_account(&self) -> Option<AccountId> {
        let account = self.account.as_deref().filter(|_| self.is_proven)?;
        AccountId::new(account).ok()
    }

    /// The app installation's client id in the request's header, which the signature does not
    /// cover.
    #[must_use]
    pub fn client(&self) -> Option<&str> {
        self.client.as_deref()
    }

    /// The variant of the signature. `None` if it was
    /// [not verified](Self::dangerous_unverified).
    #[must_use]
    pub fn signature_match(&self) -> Option<SignatureMatch> {
        self.signature_match
    }

    /// The raw bytes.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The raw bytes, by value.
    #[must_use]
    pub fn into_body(self) -> Bytes {
        self.body
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account, client, signature_match, is_proven: _, body } = self;
        f.debug_struct("Verified")
            .field("account", account)
            .field("client", client)
            .field("signature_match", signature_match)
            .field("body_len", &body.len())
            .finish()
    }
}

fn encode_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn decode_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    // The decoder's error would quote its input.
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map(Bytes::from).map_err(|_| de::Error::custom("the body is not Base64"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use crate::webhook::{Algorithm, Encoding, Receiver, sign};

    #[test]
    fn a_stored_notification_keeps_every_byte() {
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
        assert!(again.signature_match().is_some());
    }

    #[test]
    fn the_stored_form_is_stable() {
        let stored = r#"{"account":"91827364","client":null,"matched":{"algorithm":"sha256",
            "encoding":"hex","secret":1},"body":"e30="}"#;
        let verified: Verified = serde_json::from_str(stored).unwrap();
        assert_eq!((verified.account(), verified.body()), (Some("91827364"), &b"{}"[..]));
        assert_eq!(verified.signature_match().unwrap().secret, 1);
    }

    #[test]
    fn an_unverified_notification_has_no_signature_match() {
        let verified = Verified::dangerous_unverified(b"{}".to_vec());
        assert_eq!((verified.signature_match(), verified.parse().is_ok()), (None, true));
        assert!(Verified::dangerous_unverified(b"{".to_vec()).parse().is_err());
    }

    #[test]
    fn account_and_client_come_from_the_headers() {
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
