//! Signatures, with another implementation than the client's, so that each tests the other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// How notifications are signed
/// ([protocol.md 9.2](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#9.2)).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Signature {
    /// `sha1=`, Base64.
    #[default]
    Sha1Base64,
    /// `sha1=`, hexadecimal.
    Sha1Hex,
    /// `sha256=`, Base64.
    Sha256Base64,
    /// `sha256=`, hexadecimal in upper case: the documents leave the case open.
    Sha256Hex,
}

impl Signature {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::Sha1Base64, Self::Sha1Hex, Self::Sha256Base64, Self::Sha256Hex];

    /// The value of `x-liveperson-signature` for this secret and body.
    #[must_use]
    pub fn of(self, secret: &str, body: &[u8]) -> String {
        let (name, algorithm) = match self {
            Self::Sha1Base64 | Self::Sha1Hex => ("sha1", hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
            Self::Sha256Base64 | Self::Sha256Hex => ("sha256", hmac::HMAC_SHA256),
        };
        let tag = hmac::sign(&hmac::Key::new(algorithm, secret.as_bytes()), body);
        let bytes = tag.as_ref();
        let text = match self {
            Self::Sha1Base64 | Self::Sha256Base64 => STANDARD.encode(bytes),
            Self::Sha1Hex => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            Self::Sha256Hex => bytes.iter().map(|byte| format!("{byte:02X}")).collect(),
        };
        format!("{name}={text}")
    }

    /// The name for the command line, such as `sha1-base64`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1Base64 => "sha1-base64",
            Self::Sha1Hex => "sha1-hex",
            Self::Sha256Base64 => "sha256-base64",
            Self::Sha256Hex => "sha256-hex",
        }
    }
}

impl std::fmt::Display for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Signature {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|signature| signature.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("no signature {text:?}: there are {names}")
        })
    }
}
