//! The signature of a notification: HMAC over the bytes as they came (protocol.md 9.2).

use std::error;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::Sha256;

use crate::secret::Secret;

/// The hash under the HMAC.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Algorithm {
    /// The default.
    Sha1,
    /// For accounts that asked for it.
    Sha256,
}

impl Algorithm {
    /// Its name before the `=` of the header.
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

/// How the bytes of a signature are written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Encoding {
    /// Standard Base64.
    Base64,
    /// Hexadecimal; either case is read, lower case is written.
    Hex,
}

/// Which of the variants a signature turned out to be, and which of the secrets made it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Matched {
    /// The hash.
    pub algorithm: Algorithm,
    /// The writing.
    pub encoding: Encoding,
    /// The place of the secret among those given.
    pub secret: usize,
}

/// Why a signature is not good. Holds nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum InvalidSignature {
    /// It does not begin with `sha1=` or `sha256=`.
    UnknownAlgorithm,
    /// What follows is neither Base64 nor hexadecimal of that hash's length.
    Unreadable,
    /// None of the secrets makes this signature of these bytes.
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
                "the signature is not that of these bytes with this secret: is it the app install's, \
                 and is the body exactly as it came?"
            }
        })
    }
}

impl error::Error for InvalidSignature {}

/// Signs `body` as LivePerson does: what tests of an endpoint need.
#[must_use]
pub fn sign(secret: &Secret, algorithm: Algorithm, encoding: Encoding, body: &[u8]) -> String {
    let bytes = match algorithm {
        Algorithm::Sha1 => {
            keyed::<Hmac<Sha1>>(secret, body).map(|mac| mac.finalize().into_bytes().to_vec())
        }
        Algorithm::Sha256 => {
            keyed::<Hmac<Sha256>>(secret, body).map(|mac| mac.finalize().into_bytes().to_vec())
        }
    }
    .unwrap_or_default();
    let text = match encoding {
        Encoding::Base64 => STANDARD.encode(bytes),
        Encoding::Hex => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    format!("{}={text}", algorithm.name())
}

/// Checks the value of `x-liveperson-signature` against the raw bytes of the body and each of the
/// secrets, in constant time.
///
/// All four variants of protocol.md 9.2 are told apart by prefix and length. Base64 without its
/// padding and hexadecimal in either case are read too.
///
/// # Errors
/// [`InvalidSignature`].
pub fn check<'a>(
    signature: &str,
    body: &[u8],
    secrets: impl IntoIterator<Item = &'a Secret>,
) -> Result<Matched, InvalidSignature> {
    Claim::read(signature)?.check(body, secrets)
}

/// A signature that can be read, of whatever.
pub(super) struct Claim {
    algorithm: Algorithm,
    encoding: Encoding,
    bytes: Vec<u8>,
}

impl Claim {
    pub(super) fn read(signature: &str) -> Result<Self, InvalidSignature> {
        let (name, text) =
            signature.trim().split_once('=').ok_or(InvalidSignature::UnknownAlgorithm)?;
        let algorithm = [Algorithm::Sha1, Algorithm::Sha256]
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
            .ok_or(InvalidSignature::UnknownAlgorithm)?;
        // Hexadecimal is a subset of the letters of Base64, but never of the same length.
        let (encoding, bytes) = if text.len() == algorithm.length() * 2 {
            (Encoding::Hex, unhex(text))
        } else {
            (Encoding::Base64, STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok())
        };
        let bytes = bytes.filter(|bytes| bytes.len() == algorithm.length());
        Ok(Self { algorithm, encoding, bytes: bytes.ok_or(InvalidSignature::Unreadable)? })
    }

    pub(super) fn check<'a>(
        &self,
        body: &[u8],
        secrets: impl IntoIterator<Item = &'a Secret>,
    ) -> Result<Matched, InvalidSignature> {
        let Self { algorithm, encoding, bytes } = self;
        let mut matched = None;
        // With an empty secret anybody could sign.
        let secrets = secrets.into_iter().enumerate().filter(|(_, secret)| !secret.is_empty());
        for (secret, key) in secrets {
            let same = match algorithm {
                Algorithm::Sha1 => {
                    keyed::<Hmac<Sha1>>(key, body).map(|mac| mac.verify_slice(bytes))
                }
                Algorithm::Sha256 => {
                    keyed::<Hmac<Sha256>>(key, body).map(|mac| mac.verify_slice(bytes))
                }
            };
            // All are tried: how long it takes does not tell which one it was.
            if matches!(same, Some(Ok(()))) && matched.is_none() {
                matched = Some(Matched { algorithm: *algorithm, encoding: *encoding, secret });
            }
        }
        matched.ok_or(InvalidSignature::Wrong)
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
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

/// An HMAC over `body`. `None` never happens: a key of an HMAC may have any length.
fn keyed<M: Mac + KeyInit>(secret: &Secret, body: &[u8]) -> Option<M> {
    let mut mac = <M as KeyInit>::new_from_slice(secret.expose().as_bytes()).ok()?;
    mac.update(body);
    Some(mac)
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;
