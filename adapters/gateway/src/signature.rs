//! How deliveries are signed: Standard Webhooks 1.0, symmetric (`v1`).
//!
//! The signature is the HMAC-SHA256 of `id.timestamp.body`, in Base64, once for each secret. A gateway checks it over
//! the raw bytes, and refuses a timestamp that is more than five minutes off.
//!
//! ```
//! use lp_connector_gateway::signature::SigningKeys;
//!
//! let keys = SigningKeys::new(["whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="])?;
//! let body = br#"{"id":"5f0c:5f0c:7","type":"message.created"}"#;
//! let signature = keys.sign("5f0c:5f0c:7", 1790769603, body);
//! assert_eq!(signature, "v1,/NIcd/tsDaV7qwitKJtOvRoiw5LrhMPh/cHuYfaBk18=");
//! assert!(keys.verify("5f0c:5f0c:7", 1790769603, body, &signature, 1790769610));
//! # Ok::<(), lp_connector_gateway::signature::InvalidSecret>(())
//! ```

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// How far a timestamp may be off, in seconds.
pub const TOLERANCE: u64 = 300;

/// The least and the most bytes of a secret.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The secrets of a gateway. All of them sign, so that one can be replaced without losing a delivery: add the new one,
/// give it to the gateway, remove the old one. `Debug` shows their number.
#[derive(Clone)]
pub struct SigningKeys(Vec<Zeroizing<Vec<u8>>>);

/// Why a secret cannot be used. It does not show the secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidSecret(&'static str);

impl fmt::Display for InvalidSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for InvalidSecret {}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKeys({})", self.0.len())
    }
}

impl SigningKeys {
    /// Reads secrets of the form `whsec_` and standard Base64 of 24 to 64 random bytes.
    ///
    /// # Errors
    /// [`InvalidSecret`] if there is none, or one has another form. `v1,whsec_…` is the form of a header, not of a
    /// secret.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidSecret> {
        let keys: Vec<_> = secrets.into_iter().map(key).collect::<Result<_, _>>()?;
        if keys.is_empty() {
            return Err(InvalidSecret("there is no secret to sign with"));
        }
        Ok(Self(keys))
    }

    /// The value of `webhook-signature`. `timestamp` is that of this attempt, in seconds since 1970: a repeat is
    /// signed anew.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let signed = self.0.iter().filter_map(|key| mac(key, id, timestamp, body));
        let signatures =
            signed.map(|mac| format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())));
        signatures.collect::<Vec<_>>().join(" ")
    }

    /// Keys for another purpose, one from each secret.
    #[cfg(feature = "server")]
    pub(crate) fn derive(&self, purpose: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
        let derived = self.0.iter().filter_map(|key| {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
            mac.update(purpose);
            Some(Zeroizing::new(mac.finalize().into_bytes().to_vec()))
        });
        derived.collect()
    }

    /// Checks the value of `webhook-signature`, as a gateway does. `now` is in seconds since 1970. The comparison takes
    /// constant time.
    #[must_use]
    pub fn verify(&self, id: &str, timestamp: u64, body: &[u8], offered: &str, now: u64) -> bool {
        if now.abs_diff(timestamp) > TOLERANCE {
            return false;
        }
        let offered: Vec<Vec<u8>> = offered
            .split(' ')
            .filter_map(|one| one.strip_prefix("v1,"))
            .filter_map(|one| STANDARD.decode(one).ok())
            .collect();
        self.0.iter().any(|key| {
            offered.iter().any(|one| {
                mac(key, id, timestamp, body).is_some_and(|mac| mac.verify_slice(one).is_ok())
            })
        })
    }
}

fn key(secret: &str) -> Result<Zeroizing<Vec<u8>>, InvalidSecret> {
    if secret.starts_with("v1,") {
        return Err(InvalidSecret("a secret begins with whsec_, without the v1, of a signature"));
    }
    let encoded =
        secret.strip_prefix("whsec_").ok_or(InvalidSecret("a secret begins with whsec_"))?;
    let key = STANDARD
        .decode(encoded)
        .map(Zeroizing::new)
        .map_err(|_| InvalidSecret("the secret after whsec_ is not standard Base64"))?;
    match SECRET_BYTES.contains(&key.len()) {
        true => Ok(key),
        false => Err(InvalidSecret("the secret after whsec_ must be 24 to 64 bytes")),
    }
}

fn mac(key: &[u8], id: &str, timestamp: u64, body: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(id.as_bytes());
    mac.update(format!(".{timestamp}.").as_bytes());
    mac.update(body);
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const NEW: &str = "whsec_Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=";

    #[test]
    fn only_a_whole_signature_over_the_same_bytes_verifies() {
        let keys = SigningKeys::new([OLD]).unwrap();
        let signature = keys.sign("a", 1000, b"{}");
        assert!(keys.verify("a", 1000, b"{}", &signature, 1300));
        let half = signature.get(..20).unwrap();
        for (id, time, body, offered, now) in [
            ("b", 1000, &b"{}"[..], signature.as_str(), 1000),
            ("a", 1001, b"{}", &signature, 1000),
            ("a", 1000, b"{ }", &signature, 1000),
            ("a", 1000, b"{}", "", 1000),
            ("a", 1000, b"{}", "v1,", 1000),
            ("a", 1000, b"{}", half, 1000),
            ("a", 1000, b"{}", &signature, 1301),
            ("a", 1000, b"{}", &signature, 699),
        ] {
            assert!(!keys.verify(id, time, body, offered, now), "{id} {time} {offered:?} {now}");
        }
    }

    #[test]
    fn every_secret_signs_while_one_is_replaced() {
        let both = SigningKeys::new([NEW, OLD]).unwrap();
        let signature = both.sign("a", 1000, b"{}");
        assert_eq!(signature.split(' ').count(), 2);
        for secret in [OLD, NEW] {
            let gateway = SigningKeys::new([secret]).unwrap();
            assert!(gateway.verify("a", 1000, b"{}", &signature, 1000));
        }
    }

    #[test]
    fn a_secret_of_another_form_is_refused_and_not_shown() {
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        for secret in
            ["", "AAECAw==", "whsec_", "whsec_AAECAw==", "whsec_!", &format!("v1,{OLD}"), &long]
        {
            let error = SigningKeys::new([secret]).unwrap_err().to_string();
            assert!(!error.contains("AAEC"), "{error}");
        }
        assert!(SigningKeys::new([]).is_err());
        assert_eq!(format!("{:?}", SigningKeys::new([OLD]).unwrap()), "SigningKeys(1)");
    }

    #[test]
    fn a_refused_secret_has_its_reason() {
        for (secret, why) in [
            ("AAECAw==", "a secret begins with whsec_"),
            (&format!("v1,{OLD}"), "a secret begins with whsec_, without the v1, of a signature"),
            ("whsec_!", "the secret after whsec_ is not standard Base64"),
            ("whsec_AAECAw==", "the secret after whsec_ must be 24 to 64 bytes"),
        ] {
            assert_eq!(SigningKeys::new([secret]).unwrap_err().to_string(), why);
        }
        let none = SigningKeys::new([]).unwrap_err();
        assert_eq!(none.to_string(), "there is no secret to sign with");
    }
}
