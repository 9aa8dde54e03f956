//! The claims of AppJWT and ConsumerJWS, parsed and not verified
//! ([protocol.md 4.3](crate::protocol#4.3), [5](crate::protocol#5)).
//!
//! A client need not verify the signature: it receives the token over TLS from its issuer, and
//! sends it back to the issuer.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::response::{document, number};
use crate::id::LpConsumerId;

/// The longest token to parse, in bytes. Documented tokens are under 1 KiB.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// The claims of an AppJWT ([protocol.md 4.3](crate::protocol#4.3)). Every claim is optional: a
/// token that cannot be parsed is used nevertheless.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct AppClaims {
    /// `iat`, epoch seconds by the server's clock.
    pub issued_at: Option<u64>,
    /// `exp`, epoch seconds by the server's clock.
    pub expires_at: Option<u64>,
    /// `scope`; connectors have `msg.consumer`.
    pub scope: Option<String>,
    /// `azp`, the app installation.
    pub authorized_party: Option<String>,
    /// `aud`, the account.
    pub audience: Option<String>,
}

impl AppClaims {
    pub(crate) fn of(token: &str) -> Self {
        let Some(claims) = claims(token) else {
            return Self::default();
        };
        Self {
            issued_at: claims.get("iat").and_then(seconds),
            expires_at: claims.get("exp").and_then(seconds),
            scope: text(&claims, "scope"),
            authorized_party: text(&claims, "azp"),
            audience: text(&claims, "aud"),
        }
    }

    /// The token's lifetime from its issue, independent of any local clock: `exp - iat`. Zero if
    /// `exp` is before `iat`; `None` if a claim is missing.
    #[must_use]
    pub fn life(&self) -> Option<Duration> {
        let life = self.expires_at?.saturating_sub(self.issued_at?);
        Some(Duration::from_secs(life))
    }
}

/// The claims of a ConsumerJWS ([protocol.md 5](crate::protocol#5)). Every claim is optional.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct ConsumerClaims {
    /// `lp_consumer_id`: the consumer's id in webhooks.
    pub lp_consumer_id: Option<LpConsumerId>,
    /// `ext_consumer_id`: the consumer's id at the connector.
    pub ext_consumer_id: Option<String>,
    /// `account_id`: the account.
    pub account_id: Option<String>,
}

impl ConsumerClaims {
    pub(crate) fn of(token: &str) -> Self {
        let Some(claims) = claims(token) else {
            return Self::default();
        };
        Self {
            lp_consumer_id: text(&claims, "lp_consumer_id")
                .and_then(|id| LpConsumerId::new(id).ok()),
            ext_consumer_id: text(&claims, "ext_consumer_id"),
            account_id: text(&claims, "account_id"),
        }
    }
}

/// The payload of a JWS in compact form, or `None` for anything else.
fn claims(token: &str) -> Option<Value> {
    if token.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let payload = token.split('.').nth(1)?.trim_end_matches('=');
    let json = URL_SAFE_NO_PAD.decode(payload).ok()?;
    document(&json)
}

/// Epoch seconds: a number, perhaps with a fraction (RFC 7519, 2), or a string of digits.
fn seconds(value: &Value) -> Option<u64> {
    number(value).or_else(|| {
        let seconds = value.as_f64()?;
        // `as` saturates.
        (seconds >= 0.0).then_some(seconds as u64)
    })
}

/// A claim as text. Of an array, the first element: `aud` may be one (RFC 7519, 4.1.3).
fn text(claims: &Value, name: &str) -> Option<String> {
    let claim = claims.get(name)?;
    let first = claim.as_array().and_then(|all| all.first()).unwrap_or(claim);
    match first {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token(payload: &str) -> String {
        format!("eyJhIjoxfQ.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn the_documented_claims_are_parsed() {
        let claims = AppClaims::of(&token(
            r#"{"aud":"91827364","azp":"0a1b","scope":"msg.consumer","iss":"Sentinel",
               "exp":1711003600,"iat":1711000000}"#,
        ));
        assert_eq!(claims.life(), Some(Duration::from_secs(3600)));
        assert_eq!(claims.scope.as_deref(), Some("msg.consumer"));
        assert_eq!(claims.authorized_party.as_deref(), Some("0a1b"));
        assert_eq!(claims.audience.as_deref(), Some("91827364"));
    }

    #[test]
    fn every_form_of_a_time_claim_is_parsed() {
        for (payload, life) in [
            (r#"{"iat":0,"exp":3600.9}"#, Some(3600)),
            (r#"{"iat":"10","exp":"20"}"#, Some(10)),
            (r#"{"iat":20,"exp":10}"#, Some(0)),
            (r#"{"iat":0,"exp":1e300}"#, Some(u64::MAX)),
            (r#"{"exp":3600}"#, None),
            (r#"{"iat":-5,"exp":3600}"#, None),
            (r#"{"iat":null,"exp":[]}"#, None),
            (r#"[]"#, None),
        ] {
            let expected = life.map(Duration::from_secs);
            assert_eq!(AppClaims::of(&token(payload)).life(), expected, "{payload}");
        }
        assert_eq!(AppClaims::of(&token(r#"{"aud":["a","b"]}"#)).audience.as_deref(), Some("a"));
    }

    #[test]
    fn a_claim_that_cannot_be_read_costs_itself() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for bad in [r#""half \ud83d""#, "1e400", r#""NUL \u0000""#, "NaN", &deep] {
            let claims =
                AppClaims::of(&token(&format!(r#"{{"x":{bad},"iat":0,"exp":600,"y":{bad}}}"#)));
            assert_eq!(claims.life(), Some(Duration::from_secs(600)), "{bad}");
        }
        assert_eq!(AppClaims::of(&token("\u{feff}{\"scope\":\"s\"}")).scope.as_deref(), Some("s"));
    }

    #[test]
    fn the_claims_of_a_consumer_jws_are_parsed() {
        let id = "9c".repeat(32);
        let claims = ConsumerClaims::of(&token(&format!(
            r#"{{"account_id":"91827364","ext_consumer_id":"ring","lp_consumer_id":"{id}"}}"#
        )));
        assert_eq!(claims.lp_consumer_id.unwrap().as_str(), id);
        assert_eq!(claims.ext_consumer_id.as_deref(), Some("ring"));
        assert_eq!(claims.account_id.as_deref(), Some("91827364"));
    }

    proptest! {
        #[test]
        fn no_token_panics(token: String, payload: Vec<u8>) {
            let _ = (AppClaims::of(&token), ConsumerClaims::of(&token));
            let framed = format!("a.{}.b", URL_SAFE_NO_PAD.encode(&payload));
            let _ = (AppClaims::of(&framed).life(), ConsumerClaims::of(&framed));
        }
    }

    #[test]
    fn a_numeric_claim_is_text_and_a_long_token_is_not_parsed() {
        let claims = ConsumerClaims::of(&token(r#"{"account_id":91827364}"#));
        assert_eq!(claims.account_id.as_deref(), Some("91827364"));
        let whole = token(r#"{"account_id":"a"}"#);
        let padded = |length: usize| format!("{}{whole}", "x".repeat(length - whole.len()));
        let read = |token: &str| ConsumerClaims::of(token).account_id;
        assert_eq!(read(&padded(MAX_TOKEN_BYTES)).as_deref(), Some("a"));
        assert_eq!(read(&padded(MAX_TOKEN_BYTES + 1)), None);
        assert_eq!(MAX_TOKEN_BYTES, 16_384);
    }
}
