//! Requests an AppJWT from Sentinel.
//!
//! `POST /sentinel/api/account/{accountId}/app/token?v=1.0&grant_type=client_credentials`
//! ([protocol.md 4.1](crate::protocol#4.1))

use std::time::Duration;

use http::HeaderValue;
use serde_json::Value;

use super::response::{number, take};
use super::{ApiRejection, AppClaims, RelativeRequest, ResponseView};
use crate::id::{AccountId, ClientId};
use crate::secret::Secret;

/// The lifetime of a token that does not state it ([protocol.md 4.2](crate::protocol#4.2)).
const DEFAULT_LIFE: Duration = Duration::from_secs(3600);

/// The longest lifetime to assume. A daily refresh costs nothing, and sums of times do not
/// overflow.
const MAX_LIFE: Duration = Duration::from_secs(24 * 3600);

/// Where a token request carries the client id and the secret
/// ([protocol.md 4.1](crate::protocol#4.1)).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum CredentialsIn {
    /// In the form body, as in the current documents.
    #[default]
    Body,
    /// In the query, as in the older guide. The secret is then part of the URL, which appears in
    /// access logs and in the logs of HTTP clients (of ureq at level debug).
    Query,
}

/// The app's token.
#[derive(Clone, Debug)]
pub(crate) struct AppJwt {
    pub(crate) header: HeaderValue,
    pub(crate) claims: AppClaims,
    /// The lifetime from when the request was sent, which is no later than when the token was
    /// issued.
    pub(crate) life: Duration,
}

/// The token request: form B of [protocol.md 4.1](crate::protocol#4.1) for [`CredentialsIn::Body`],
/// form A for [`CredentialsIn::Query`].
pub(crate) fn request(
    account: &AccountId,
    client: &ClientId,
    secret: &Secret,
    place: CredentialsIn,
) -> RelativeRequest {
    let path = ["sentinel", "api", "account", account.as_str(), "app", "token"];
    let version = [("v", "1.0"), ("grant_type", "client_credentials")];
    let credentials = [("client_id", client.as_str()), ("client_secret", secret.expose())];
    match place {
        CredentialsIn::Body => RelativeRequest::post_form(path, version, credentials),
        CredentialsIn::Query => {
            RelativeRequest::post_form(path, version.into_iter().chain(credentials), [])
        }
    }
}

/// Parses the token response ([protocol.md 4.2](crate::protocol#4.2)). The lifetime is `exp - iat`,
/// or else `expires_in`, or else an hour.
pub(crate) fn parse(response: &ResponseView<'_>) -> Result<AppJwt, ApiRejection> {
    let mut document = response.json()?;
    let expires_in = document.get("expires_in").and_then(whole_seconds);
    let Value::String(token) = take(document.take(), "access_token") else {
        return Err(ApiRejection::unreadable("the answer has no access_token"));
    };
    let secret = Secret::new(token);
    if secret.is_empty() {
        return Err(ApiRejection::unreadable("the answer has an empty access_token"));
    }
    let Some(header) = secret.header() else {
        return Err(ApiRejection::unreadable("the access_token cannot be sent in a header"));
    };
    let claims = AppClaims::of(secret.expose());
    let life = claims.life().or(expires_in).unwrap_or(DEFAULT_LIFE).min(MAX_LIFE);
    Ok(AppJwt { header, claims, life })
}

/// A token that another program requested, and how long it may be used.
pub(crate) fn shared(header: HeaderValue, token: &Secret, life: Duration) -> AppJwt {
    AppJwt { header, claims: AppClaims::of(token.expose()), life: life.min(MAX_LIFE) }
}

/// `expires_in` as a number, a string of digits, or a number with a fraction, which is dropped.
fn whole_seconds(value: &Value) -> Option<Duration> {
    if let Some(seconds) = number(value) {
        return Some(Duration::from_secs(seconds));
    }
    let seconds = value.as_f64().filter(|seconds| *seconds >= 0.0)?;
    Some(Duration::from_secs(seconds as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::response::Reason;
    use http::Response;

    fn read_text(status: u16, body: &str) -> Result<AppJwt, ApiRejection> {
        let response = Response::builder().status(status).body(body.to_owned().into()).unwrap();
        parse(&ResponseView::new(&response, false))
    }

    #[test]
    fn the_claims_of_a_token_outrank_expires_in() {
        // Its claims are {"iat":0,"exp":3600}.
        let token = "e30.eyJpYXQiOjAsImV4cCI6MzYwMH0.c2ln";
        for other in ["3", "86400"] {
            let body = format!(r#"{{"access_token":"{token}","expires_in":{other}}}"#);
            let life = read_text(200, &body).unwrap().life;
            assert_eq!(life, Duration::from_secs(3600), "{other}");
        }
    }

    #[test]
    fn every_form_of_expires_in_gives_a_lifetime() {
        for (value, seconds) in [
            ("60", 60),
            (r#""60""#, 60),
            ("59.9", 59),
            ("0", 0),
            (r#""60abc""#, 3600),
            ("-1", 3600),
            ("null", 3600),
            ("[]", 3600),
            ("{}", 3600),
            ("true", 3600),
            ("1e300", 24 * 3600),
            ("18446744073709551615", 24 * 3600),
        ] {
            let body = format!(r#"{{"access_token":"opaque","expires_in":{value}}}"#);
            let life = read_text(200, &body).unwrap().life;
            assert_eq!(life, Duration::from_secs(seconds), "{value}");
        }
        let life = read_text(200, r#"{"access_token":"opaque","token_type":"Bearer"}"#);
        assert_eq!(life.unwrap().life, DEFAULT_LIFE);
    }

    #[test]
    fn a_response_without_a_token_is_unreadable() {
        for body in [
            "{}",
            r#"{"access_token":""}"#,
            r#"{"access_token":7}"#,
            r#"{"access_token":"a\nb"}"#,
            r#"{"access_token":"s3cr3t""#,
            "[]",
            "<html>",
        ] {
            let rejection = read_text(200, body).unwrap_err();
            assert!(matches!(rejection.reason, Reason::Unreadable(_)), "{body}: {rejection:?}");
            assert!(!format!("{rejection:?}").contains("s3cr3t"));
        }
    }

    #[test]
    fn debug_output_redacts_the_token() {
        let jwt = read_text(200, r#"{"access_token":"s3cr3t"}"#).unwrap();
        assert_eq!(jwt.header.as_bytes(), b"s3cr3t");
        assert!(!format!("{jwt:?}").contains("s3cr3t"));
    }

    #[test]
    fn an_oauth_error_keeps_its_description() {
        let body = r#"{"error":"invalid_client","error_description":"bad secret"}"#;
        let rejection = read_text(401, body).unwrap_err();
        assert_eq!(rejection.status, 401);
        assert_eq!(rejection.message.as_deref(), Some("invalid_client: bad secret"));
    }
}
