//! A request whose head is accepted, and whose body is still to come.

use std::fmt;

use bytes::Bytes;

use super::apps::Apps;
use super::rejection::Rejection;
use super::signature::{ParsedSignature, SignatureMatch};
use super::verified::Verified;

/// A request whose head was accepted. [`finish`](Self::finish) verifies its body.
///
/// [`Receiver::begin`](super::Receiver::begin) returns it, so that a server reads a body only if
/// its head is acceptable.
#[must_use = "nothing is verified before `finish`"]
pub struct Pending<'a> {
    pub(super) apps: &'a Apps,
    pub(super) signature: ParsedSignature,
    pub(super) account: Option<String>,
    pub(super) client: Option<String>,
    pub(super) max_body: usize,
}

impl Pending<'_> {
    /// The largest body that [`finish`](Self::finish) accepts, in bytes. A server need not read
    /// more.
    #[must_use]
    pub fn max_body(&self) -> usize {
        self.max_body
    }

    /// Verifies the raw body. A body of type [`Bytes`] or `Vec<u8>` is not copied.
    ///
    /// On success, answer [`SUCCESS`](super::SUCCESS) at once: within 2.5 s, and whatever the body
    /// contains ([protocol.md 9.1](crate::protocol#9.1)).
    ///
    /// # Errors
    /// [`Rejection`], with the status to answer.
    pub fn finish(self, body: impl Into<Bytes>) -> Result<Verified, Rejection> {
        let body = body.into();
        if body.len() > self.max_body {
            return Err(Rejection::TooLarge);
        }
        let (signature_match, is_proven) = self.matching(&body)?;
        Ok(Verified::new(self.account, self.client, signature_match, is_proven, body))
    }

    /// How the signature was made, and whether with a secret that is that of the named account and app alone.
    fn matching(&self, body: &[u8]) -> Result<(SignatureMatch, bool), Rejection> {
        let secrets = || self.apps.secrets(self.account.as_deref(), self.client.as_deref());
        let all = secrets().map(|(secret, _)| secret);
        let found = self.signature.verify(body, all).map_err(Rejection::InvalidSignature)?;
        let mut own = secrets().filter(|(_, is_own)| *is_own).peekable();
        let is_proven = match own.peek() {
            None => false,
            Some(_) if secrets().all(|(_, is_own)| is_own) => true,
            Some(_) => self.signature.verify(body, own.map(|(secret, _)| secret)).is_ok(),
        };
        Ok((found, is_proven))
    }
}

impl fmt::Debug for Pending<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending")
            .field("account", &self.account)
            .field("client", &self.client)
            .field("max_body", &self.max_body)
            .finish_non_exhaustive()
    }
}
