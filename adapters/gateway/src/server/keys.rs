//! Tokens, and the signatures of files' URLs.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use lp_connector_core::secret::Secret;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::signature::SigningKeys;

/// Tokens, as hashes.
#[derive(Clone)]
pub(super) struct Tokens(Vec<[u8; 32]>);

impl Tokens {
    pub(super) fn new(tokens: &[Secret]) -> Self {
        Self(tokens.iter().map(|token| Sha256::digest(token.expose()).into()).collect())
    }

    /// Whether this is one of them. The comparison takes constant time.
    pub(super) fn contain(&self, token: &str) -> bool {
        let offered: [u8; 32] = Sha256::digest(token).into();
        let differs = |known: &[u8; 32]| {
            known.iter().zip(offered).fold(0, |sum, (one, other)| sum | (one ^ other))
        };
        self.0.iter().fold(false, |found, known| found | (differs(known) == 0))
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokens({})", self.0.len())
    }
}

/// The keys that sign URLs of files, derived from the secrets of a gateway.
#[derive(Clone)]
pub(super) struct FileKeys(Vec<Zeroizing<Vec<u8>>>);

impl FileKeys {
    pub(super) fn new(secrets: &SigningKeys) -> Self {
        Self(secrets.derive(b"file"))
    }

    /// Signs a file's id and the end of its URL's life, in seconds since 1970.
    pub(super) fn sign(&self, file: &str, expires: u64) -> String {
        let first = self.0.first().and_then(|key| mac(key, file, expires));
        first.map(|mac| URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())).unwrap_or_default()
    }

    /// Checks a signature under all keys.
    pub(super) fn verify(&self, file: &str, expires: u64, signature: &str) -> bool {
        let Ok(offered) = URL_SAFE_NO_PAD.decode(signature) else { return false };
        let is_by = |key: &Zeroizing<Vec<u8>>| {
            mac(key, file, expires).is_some_and(|mac| mac.verify_slice(&offered).is_ok())
        };
        self.0.iter().any(is_by)
    }
}

impl std::fmt::Debug for FileKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FileKeys({})", self.0.len())
    }
}

fn mac(key: &[u8], file: &str, expires: u64) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(file.as_bytes());
    mac.update(format!(".{expires}").as_bytes());
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_token_is_one() {
        let tokens = Tokens::new(&[Secret::new("one".to_owned()), Secret::new("two".to_owned())]);
        for (token, known) in [("one", true), ("two", true), ("on", false), ("", false)] {
            assert_eq!(tokens.contain(token), known, "{token:?}");
        }
        assert!(!Tokens::new(&[]).contain(""));
        // The bytes of its hash and those of the hash of "two" have the same exclusive or.
        assert!(!tokens.contain("t40"));
    }

    #[test]
    fn a_token_that_is_configured_twice_is_one() {
        let twice = ["one", "two", "one"].map(|token| Secret::new(token.to_owned()));
        assert!(Tokens::new(&twice).contain("one"));
    }

    #[test]
    fn a_url_is_good_for_one_file_and_one_end() {
        let old = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let new = "whsec_Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=";
        let keys =
            |secrets: &[&str]| FileKeys::new(&SigningKeys::new(secrets.iter().copied()).unwrap());
        let signature = keys(&[old]).sign("f_1", 1000);
        assert!(keys(&[new, old]).verify("f_1", 1000, &signature), "while a secret is replaced");
        for (file, expires, signature) in [
            ("f_2", 1000, signature.as_str()),
            ("f_1", 1001, &signature),
            ("f_1", 1000, ""),
            ("f_1", 1000, "AAAA"),
        ] {
            assert!(!keys(&[old]).verify(file, expires, signature), "{file} {expires} {signature}");
        }
        assert!(!keys(&[new]).verify("f_1", 1000, &signature));
    }
}
