//! The signature of a notification: an HMAC over the raw body
//! ([protocol.md 9.2](crate::protocol#9.2)).

use std::error;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::Sha256;

use crate::secret::Secret;

/// The hash of the HMAC.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Algorithm {
    /// The default.
    Sha1,
    /// For accounts that requested it.
    Sha256,
}

impl Algorithm {
    /// The name before the `=` in the header.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }

    fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }
}

/// The text encoding of a signature.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Encoding {
    /// Standard Base64.
    Base64,
    /// Hexadecimal. Reads either case, writes lower case.
    Hex,
}

/// The variant of a valid signature, and the secret that made it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SignatureMatch {
    /// The hash of the HMAC.
    pub algorithm: Algorithm,
    /// The text encoding.
    pub encoding: Encoding,
    /// The index of the secret among those tried.
    pub secret: usize,
}

/// Why a signature is invalid. Holds no part of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum InvalidSignature {
    /// The signature begins with neither `sha1=` nor `sha256=`.
    UnknownAlgorithm,
    /// The rest is neither Base64 nor hexadecimal of the hash's length.
    Unreadable,
    /// No secret gives this signature for this body.
    Wrong,
}

impl fmt::Display for InvalidSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownAlgorithm => "the signature begins with neither sha1= nor sha256=",
            Self::Unreadable => {
                "the signature is neither Base64 nor hexadecimal of the length of its hash"
            }
            Self::Wrong => {
                "no secret gives this signature for this body: check that the secret is the app \
                 installation's and that the body is byte for byte as received"
            }
        })
    }
}

impl error::Error for InvalidSignature {}

/// Signs `body` as LivePerson does. For tests of an endpoint.
#[must_use]
pub fn sign(secret: &Secret, algorithm: Algorithm, encoding: Encoding, body: &[u8]) -> String {
    let bytes = match algorithm {
        Algorithm::Sha1 => {
            hmac::<Hmac<Sha1>>(secret, body).map(|mac| mac.finalize().into_bytes().to_vec())
        }
        Algorithm::Sha256 => {
            hmac::<Hmac<Sha256>>(secret, body).map(|mac| mac.finalize().into_bytes().to_vec())
        }
    }
    .unwrap_or_default();
    let text = match encoding {
        Encoding::Base64 => STANDARD.encode(bytes),
        Encoding::Hex => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    format!("{}={text}", algorithm.name())
}

/// Verifies the value of `x-liveperson-signature` against the raw body and each of the secrets, in
/// constant time.
///
/// Prefix and length identify the four variants of [protocol.md 9.2](crate::protocol#9.2). Base64
/// may lack its padding, and hexadecimal may be in either case.
///
/// # Errors
/// [`InvalidSignature`] with the fault.
pub fn verify_signature<'a>(
    signature: &str,
    body: &[u8],
    secrets: impl IntoIterator<Item = &'a Secret>,
) -> Result<SignatureMatch, InvalidSignature> {
    ParsedSignature::parse(signature)?.verify(body, secrets)
}

/// A well-formed signature, not yet verified.
pub(super) struct ParsedSignature {
    algorithm: Algorithm,
    encoding: Encoding,
    bytes: Vec<u8>,
}

impl ParsedSignature {
    pub(super) fn parse(signature: &str) -> Result<Self, InvalidSignature> {
        let (name, text) =
            signature.trim().split_once('=').ok_or(InvalidSignature::UnknownAlgorithm)?;
        let algorithm = [Algorithm::Sha1, Algorithm::Sha256]
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
            .ok_or(InvalidSignature::UnknownAlgorithm)?;
        // Every hexadecimal text is Base64 too, but the lengths differ.
        let (encoding, bytes) = if text.len() == algorithm.length() * 2 {
            (Encoding::Hex, decode_hex(text))
        } else {
            (Encoding::Base64, STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok())
        };
        let bytes = bytes.filter(|bytes| bytes.len() == algorithm.length());
        Ok(Self { algorithm, encoding, bytes: bytes.ok_or(InvalidSignature::Unreadable)? })
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn verify<'a>(
        &self,
        body: &[u8],
        secrets: impl IntoIterator<Item = &'a Secret>,
    ) -> Result<SignatureMatch, InvalidSignature> {
        let Self { algorithm, encoding, bytes } = self;
        let mut matched = None;
        // Anybody can sign with an empty secret.
        let secrets = secrets.into_iter().enumerate().filter(|(_, secret)| !secret.is_empty());
        for (secret, key) in secrets {
            let same = match algorithm {
                Algorithm::Sha1 => hmac::<Hmac<Sha1>>(key, body).map(|mac| mac.verify_slice(bytes)),
                Algorithm::Sha256 => {
                    hmac::<Hmac<Sha256>>(key, body).map(|mac| mac.verify_slice(bytes))
                }
            };
            // Every secret is tried, so that the time does not reveal which one matched.
            if matches!(same, Some(Ok(()))) && matched.is_none() {
                matched =
                    Some(SignatureMatch { algorithm: *algorithm, encoding: *encoding, secret });
            }
        }
        matched.ok_or(InvalidSignature::Wrong)
    }
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| digit.try_into().ok()))
        .collect();
    Some(
        digits?
            .chunks_exact(2)
            .map(|two| two.iter().fold(0, |byte, digit| byte << 4 | digit))
            .collect(),
    )
}

/// The HMAC over `body`. Never `None`: an HMAC key may have any length.
fn hmac<M: Mac + KeyInit>(secret: &Secret, body: &[u8]) -> Option<M> {
    let mut mac = <M as KeyInit>::new_from_slice(secret.expose().as_bytes()).ok()?;
    mac.update(body);
    Some(mac)
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;
