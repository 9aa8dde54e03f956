//! Random ids and tokens from a seed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Pseudo-random numbers from a seed (splitmix64), not for cryptography.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Random(u64);

impl Random {
    /// A generator; the same seed gives the same numbers.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    #[expect(clippy::should_implement_trait, reason = "it never ends, unlike an iterator")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// `words` times 16 hexadecimal digits.
    pub(crate) fn hex(&mut self, words: usize) -> String {
        (0..words).map(|_| format!("{:016x}", self.next())).collect()
    }

    pub(crate) fn uuid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        let (version, variant) = (0x4000 | a & 0x0fff, 0x8000 | b >> 48 & 0x3fff);
        format!(
            "{:08x}-{:04x}-{version:04x}-{variant:04x}-{:012x}",
            a >> 32,
            a >> 16 & 0xffff,
            b & 0xffff_ffff_ffff
        )
    }

    /// A token in the compact form of a JWS
    /// ([protocol.md 4.3](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#4.3)),
    /// with a random signature.
    pub(crate) fn jws(&mut self, claims: &serde_json::Value) -> String {
        let header = r#"{"kid":"appjwt-2024-01-01","typ":"JWT","alg":"RS256"}"#;
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let signature: Vec<u8> = (0..32).flat_map(|_| self.next().to_be_bytes()).collect();
        let claims = encode(claims.to_string().as_bytes());
        format!("{}.{claims}.{}", encode(header.as_bytes()), encode(&signature))
    }
}

/// 64 hexadecimal digits derived from `text`: a consumer keeps its id
/// ([protocol.md 5](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#5)).
pub(crate) fn stable_hex(text: &str) -> String {
    // FNV-1a as the seed.
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Random::new(hash).hex(4)
}
