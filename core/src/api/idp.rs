//! Requests a ConsumerJWS from the IDP.
//!
//! `POST /api/account/{accountId}/consumer?v=1.0` ([protocol.md 5](crate::protocol#5))

use http::HeaderValue;
use serde::Serialize;
use serde_json::Value;

use super::response::take;
use super::{ApiRejection, ConsumerClaims, InvalidInput, RelativeRequest, ResponseView};
use crate::id::{AccountId, ExtConsumerId};
use crate::secret::header_of;

/// A consumer's token.
#[derive(Clone, Debug)]
pub(crate) struct ConsumerJws {
    pub(crate) header: HeaderValue,
}

impl ConsumerJws {
    /// Read from the token each time: they are seldom asked for, and of a million tokens they would be held.
    pub(crate) fn claims(&self) -> ConsumerClaims {
        self.header.to_str().map(ConsumerClaims::of).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Body<'a> {
    ext_consumer_id: &'a ExtConsumerId,
}

pub(crate) fn request(
    account: &AccountId,
    consumer: &ExtConsumerId,
) -> Result<RelativeRequest, InvalidInput> {
    let path = ["api", "account", account.as_str(), "consumer"];
    RelativeRequest::post_json(path, [("v", "1.0")], &Body { ext_consumer_id: consumer })
}

/// Parses the response. The documented status is 201; any 2xx is accepted.
pub(crate) fn parse(response: &ResponseView<'_>) -> Result<ConsumerJws, ApiRejection> {
    let Value::String(token) = take(response.json()?, "token") else {
        return Err(ApiRejection::unreadable("the answer has no token"));
    };
    if token.is_empty() {
        return Err(ApiRejection::unreadable("the answer has an empty token"));
    }
    let Some(header) = header_of(token) else {
        return Err(ApiRejection::unreadable("the token cannot be sent in a header"));
    };
    Ok(ConsumerJws { header })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;

    #[test]
    fn the_documented_request_is_written() {
        let account = AccountId::new("91827364").unwrap();
        let consumer = ExtConsumerId::new("pigeon-ring-0042").unwrap();
        let request = request(&account, &consumer).unwrap();
        assert_eq!(request.body(), br#"{"ext_consumer_id":"pigeon-ring-0042"}"#);
    }

    #[test]
    fn statuses_200_and_201_are_success() {
        for status in [200, 201] {
            let body = bytes::Bytes::from_static(br#"{"token":"a.b.c"}"#);
            let response = Response::builder().status(status).body(body).unwrap();
            let jws = parse(&ResponseView::new(&response, false)).unwrap();
            assert_eq!(jws.header.as_bytes(), b"a.b.c");
            assert!(!format!("{jws:?}").contains("a.b.c"));
        }
    }

    #[test]
    fn a_response_without_a_token_is_an_error() {
        for body in ["{}", r#"{"token":""}"#, r#"{"token":1}"#, "null"] {
            let response = Response::builder().status(201).body(body.to_owned().into()).unwrap();
            assert!(parse(&ResponseView::new(&response, false)).is_err(), "{body}");
        }
    }
}
