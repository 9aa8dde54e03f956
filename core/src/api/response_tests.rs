//! Which responses are errors, and which words of a service reach them.

use super::*;
use serde_json::json;

fn answer(status: u16, body: &str) -> Response<Bytes> {
    Response::builder().status(status).body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

fn accepted(status: u16, body: &str) -> Result<Value, ApiRejection> {
    ResponseView::new(&answer(status, body), false).accepted()
}

#[test]
fn success_is_accepted_with_text_and_numeric_codes() {
    for code in [r#""OK""#, "200", "200.0", r#""200""#, "201", "null"] {
        let body = format!(r#"{{"code":{code},"body":{{"sequence":12}},"reqId":"c-17"}}"#);
        assert_eq!(accepted(200, &body).unwrap(), json!({"sequence": 12}), "{code}");
    }
    assert_eq!(accepted(200, r#"{"code":"OK","reqId":"1"}"#).unwrap(), Value::Null);
    assert_eq!(accepted(200, r#"{"code":"OK","body":"done"}"#).unwrap(), json!("done"));
}

#[test]
fn an_authorization_error_has_its_error_code() {
    let body = r#"{"kind":"resp","code":401,"body":{"title":"Invalid AppJWT","details":
        "AppJWT has expired or is invalid","errorCode":40102},"type":".ReqBody$ErrorResp"}"#;
    let rejection = accepted(401, body).unwrap_err();
    assert_eq!((rejection.status, rejection.error_code), (401, Some(40102)));
    assert_eq!(rejection.message.as_deref(), Some("AppJWT has expired or is invalid"));
    let as_text = accepted(401, r#"{"body":{"errorCode":"40103"}}"#).unwrap_err();
    assert_eq!(as_text.error_code, Some(40103));
}

#[test]
fn a_code_in_the_body_outranks_status_200_only() {
    let body = r#"{"code":"TOO_MANY_REQUESTS","body":{"msg":"slow down"}}"#;
    assert_eq!(accepted(200, body).unwrap_err().status, 429);
    assert_eq!(accepted(503, body).unwrap_err().status, 503);
    assert_eq!(accepted(400, r#"{"code":"OK"}"#).unwrap_err().status, 400);
}

#[test]
fn an_unknown_code_is_unreadable() {
    for code in [r#""KO""#, r#""SUCCESS""#, "200.5", "true", "[]", "-1", "99999999999", "7"] {
        let body = format!(r#"{{"code":{code}}}"#);
        let rejection = accepted(200, &body).unwrap_err();
        // It is not a rejection either: the effect is unknown.
        assert!(matches!(rejection.reason, Reason::Unreadable(_)), "{code}: {rejection:?}");
        assert_eq!(accepted(500, &body).unwrap_err(), ApiRejection::status(500), "{code}");
    }
}

#[test]
fn rejections_without_a_number_are_recognised_by_text() {
    let closed = r#"{"code":"BAD_REQUEST","body":{"msg":"Bad Request, Conversation is close"}}"#;
    assert_eq!(accepted(400, closed).unwrap_err().reason, Reason::ConversationClosed);
    assert_eq!(accepted(200, closed).unwrap_err().reason, Reason::ConversationClosed);
    assert_eq!(accepted(500, closed).unwrap_err().reason, Reason::Status);
}

#[test]
fn every_error_envelope_has_its_message() {
    for (body, message) in [
        (
            r#"{"time":1,"message":"Loading account","internalCode":20}"#,
            "Loading account (internal code 20)",
        ),
        (r#"{"internalCode":33}"#, "internal code 33"),
        (r#"{"error":{"code":7,"message":"no such app"}}"#, "no such app"),
        (r#"{"error":{"errors":[{"reason":"a"},{"message":"b"}]}}"#, "a; b"),
        (r#"{"errors":[{"message":"bad name","internalCode":"5"}]}"#, "bad name (internal code 5)"),
        (r#"{"errors":["bad name",7,{},"bad scope"]}"#, "bad name; bad scope"),
        (r#"[{"code":"OK","body":{"msg":"fine"}},{"code":400,"body":{"msg":"no"}}]"#, "no"),
        (r#"{"type":"about:blank","title":"Bad","status":400,"detail":"no scope"}"#, "no scope"),
        (r#"{"fault":{"faultstring":"quota"}}"#, "quota"),
        (r#"{"code":17,"message":"older form"}"#, "older form"),
        (r#"{"msg":"","message":"half \ud83d"}"#, "half \u{fffd}"),
        ("\u{feff}{\"message\":\"BOM\",\"x\":1e400}", "BOM"),
        (r#"{"error":"invalid_client","error_description":"no"}"#, "invalid_client: no"),
        (r#"{"error":"invalid_client"}"#, "invalid_client"),
        (r#"{"internalErrorCode":"9007"}"#, "internal error code 9007"),
        (r#"{"internalErrorCode":9007}"#, "internal error code 9007"),
        (r#"{"code":"BAD_REQUEST","body":"plain"}"#, "plain"),
        (r#"{"status":{"message":"no"},"id":7}"#, "no"),
        (r#"{"meta":7,"response":{"status":{"detail":"no"}}}"#, "no"),
        (r#"{"error":{"innererror":{"message":"no"}}}"#, "no"),
        (r#"{"error":{"code":7,"innerError":{"innerError":{"message":"no"}}}}"#, "no"),
        (r#"{"errors":{"name":["is taken"]}}"#, "name: is taken"),
        (
            r#"{"errors":{"name":["is taken","is long"],"url":"is bad"}}"#,
            "name: is taken; is long; url: is bad",
        ),
        (r#"{"message":"known","other":{"message":"not this"}}"#, "known"),
    ] {
        assert_eq!(accepted(400, body).unwrap_err().message.as_deref(), Some(message));
    }
    assert_eq!(accepted(502, "<html>").unwrap_err(), ApiRejection::status(502));
}

#[test]
fn a_short_plain_text_is_the_message() {
    let rejected = |kind: &str, body: &str| {
        let mut answer = answer(503, body);
        answer.headers_mut().insert("content-type", kind.parse().unwrap());
        ResponseView::new(&answer, false).rejection().message
    };
    for kind in ["text/plain", "Text/Plain; charset=utf-8"] {
        assert_eq!(rejected(kind, " upstream is down\n").as_deref(), Some("upstream is down"));
        assert_eq!(rejected(kind, &"x".repeat(1025)), None);
        assert_eq!(rejected(kind, " \n"), None);
    }
    assert_eq!(rejected("text/html", "<p>down</p>"), None);
    assert_eq!(rejected("application/json", "down"), None);
}

#[test]
fn an_unreadable_response_is_located_and_not_quoted() {
    let rejection = accepted(200, r#"{"token": "s3cr3t" "#).unwrap_err();
    let Reason::Unreadable(how) = rejection.reason else { panic!("{rejection:?}") };
    assert!(how.contains("line 1") && !how.contains("s3cr3t"), "{how}");
}

#[test]
fn a_code_can_be_the_name_of_any_status() {
    for (name, status) in [
        ("CREATED", 201),
        ("ACCEPTED", 202),
        ("NO_CONTENT", 204),
        ("BAD_REQUEST", 400),
        ("UNAUTHORIZED", 401),
        ("FORBIDDEN", 403),
        ("NOT_FOUND", 404),
        ("METHOD_NOT_ALLOWED", 405),
        ("REQUEST_TIMEOUT", 408),
        ("CONFLICT", 409),
        ("GONE", 410),
        ("PRECONDITION_FAILED", 412),
        ("PAYLOAD_TOO_LARGE", 413),
        ("REQUEST_ENTITY_TOO_LARGE", 413),
        ("UNSUPPORTED_MEDIA_TYPE", 415),
        ("TOO_MANY_REQUESTS", 429),
        ("UNAVAILABLE_FOR_LEGAL_REASONS", 451),
        ("INTERNAL_SERVER_ERROR", 500),
        ("NOT_IMPLEMENTED", 501),
        ("BAD_GATEWAY", 502),
        ("SERVICE_UNAVAILABLE", 503),
        ("GATEWAY_TIMEOUT", 504),
    ] {
        let answered = accepted(200, &format!(r#"{{"code":"{name}","body":7}}"#));
        match status {
            200..=299 => assert_eq!(answered.unwrap(), json!(7), "{name}"),
            _ => assert_eq!(answered.unwrap_err().status, status, "{name}"),
        }
    }
}

#[test]
fn an_integer_may_have_a_fraction_of_zero() {
    for (value, as_text, as_number) in [
        (json!(40102), Some("40102"), Some(40102)),
        (json!(40102.0), Some("40102"), Some(40102)),
        (json!("40102"), Some("40102"), Some(40102)),
        (json!(40102.5), None, None),
        (json!(-3), Some("-3"), None),
    ] {
        assert_eq!(scalar(&value).as_deref(), as_text, "{value}");
        assert_eq!(number::<u32>(&value), as_number, "{value}");
    }
}
