//! The bodies of responses
//! ([protocol.md 10](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#10)).

use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};

pub(crate) type HttpResponse = Response<Vec<u8>>;

/// The text of a document, without the detour of `Display`.
pub(crate) fn text_of(document: &Value) -> Vec<u8> {
    let mut text = Vec::with_capacity(512);
    // Neither a value nor a vector fails.
    let _ = serde_json::to_writer(&mut text, document);
    text
}

pub(crate) fn json(status: u16, document: &Value) -> HttpResponse {
    let mut response = Response::new(text_of(document));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    // protocol.md 4.2.
    let kind = HeaderValue::from_static("application/json;charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// A success of the Send API: short, with a textual code
/// ([protocol.md 7.1](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#7.1)).
pub(crate) fn ok(body: &Value, id: &str) -> Value {
    json!({"code": "OK", "body": body, "reqId": id})
}

/// An error of the Send API
/// ([protocol.md 10.2](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#10.2)).
pub(crate) fn error(message: &str, id: &str) -> Value {
    json!({"code": "BAD_REQUEST", "body": {"msg": message}, "reqId": id})
}

pub(crate) fn bad_request(message: &str, id: &str) -> HttpResponse {
    json(400, &error(message, id))
}

/// An authorization error of the Send API
/// ([protocol.md 10.1](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#10.1)).
pub(crate) fn unauthorized(code: u32) -> HttpResponse {
    let (title, details) = match code {
        40001 => ("Missing parameter", "Brand Id is missing"),
        40102 => ("Invalid AppJWT", "AppJWT has expired or is invalid"),
        40103 => ("Invalid ConsumerJWS", "ConsumerJWS is invalid"),
        40104 => ("ConsumerJWS is missing", "X_ON_BEHALF_HEADER is not present"),
        _ => ("AppJWT is missing", "AUTHORIZATION header is not present"),
    };
    json(
        401,
        &json!({"kind": "resp", "code": 401, "type": ".ReqBody$ErrorResp",
            "body": {"title": title, "details": details, "errorCode": code}}),
    )
}

/// An OAuth 2.0 error
/// ([protocol.md 4.5](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#4.5)).
pub(crate) fn oauth(status: u16, error: &str, description: &str) -> HttpResponse {
    json(status, &json!({"error": error, "error_description": description}))
}
