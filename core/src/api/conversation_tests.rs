use super::*;
use crate::api::Reason;
use crate::api::profile::{CustomerInfo, Gender, PersonalInfo};
use crate::seed::Seed;
use http::Response;
use serde_json::json;

fn consumer() -> ExtConsumerId {
    ExtConsumerId::new("pigeon-ring-0042").unwrap()
}

fn body_of(operation: &OpenConversation) -> Value {
    let account = AccountId::new("91827364").unwrap();
    let context = Context::new(&account, Seed::from_bytes([7; 16]));
    let request = operation.request(&context).unwrap();
    serde_json::from_slice(request.body()).unwrap()
}

fn parse(status: u16, body: &str) -> Result<Opened, ApiRejection> {
    let response = Response::builder().status(status).body(body.to_owned().into()).unwrap();
    OpenConversation::new(consumer()).parse(&ResponseView::new(&response, false))
}

/// The example of [protocol.md 6.1](crate::protocol#6.1).
#[test]
fn the_documented_request_is_written() {
    let info = CustomerInfo {
        social_id: Some("ring-0042".into()),
        ctype: Some("vip".into()),
        ..CustomerInfo::default()
    };
    let personal = PersonalInfo {
        firstname: Some("Ada".into()),
        lastname: Some("Dove".into()),
        gender: Some(Gender::Other),
        ..PersonalInfo::default()
    };
    let mut context = ConversationContext::new();
    context.lang = Some("en-US".into());
    context.visitor_id = Some("Vxyz".into());
    context.session_id = Some("Sxyz".into());
    context.interaction_context_id = Some("2".into());
    let operation = OpenConversation::new(consumer())
        .profile(Profile::new().customer_info(info).personal_info(personal))
        .urgency(Urgency::Normal)
        .skill("-1")
        .campaign(Campaign::new(3001, 3002))
        .context(context);
    let seed = Seed::from_bytes([7; 16]);
    assert_eq!(
        body_of(&operation),
        json!([
            {"kind": "req", "id": seed.uuid(0), "type": "userprofile.SetUserProfile",
             "body": {"authenticatedData": {"lp_sdes": [
                {"type": "ctmrinfo", "info": {"socialId": "ring-0042", "ctype": "vip"}},
                {"type": "personal",
                 "personal": {"firstname": "Ada", "lastname": "Dove", "gender": "OTHER"}}]}}},
            {"kind": "req", "id": seed.uuid(1), "type": "cm.ConsumerRequestConversation",
             "body": {"brandId": "91827364", "channelType": "MESSAGING", "ttrDefName": "NORMAL",
                "skillId": "-1", "campaignInfo": {"campaignId": "3001", "engagementId": "3002"},
                "conversationContext": {"type": "SharkContext", "lang": "en-US",
                    "visitorId": "Vxyz", "sessionId": "Sxyz", "interactionContextId": "2"}}}
        ])
    );
}

#[test]
fn a_minimal_request_has_profile_account_and_channel() {
    let body = body_of(&OpenConversation::new(consumer()));
    assert_eq!(body[0]["body"], json!({}));
    assert_eq!(body[1]["body"], json!({"brandId": "91827364", "channelType": "MESSAGING"}));
    assert_ne!(body[0]["id"], body[1]["id"]);
}

/// The example of [protocol.md 6.4](crate::protocol#6.4).
#[test]
fn the_documented_success_returns_the_id() {
    let opened = parse(
        200,
        r#"[{"code":"OK","body":{"msg":"OK User Profile set successfully"},"reqId":"a"},
            {"code":"OK","body":{"conversationId":"5f0c2f4e"},"reqId":"b"}]"#,
    )
    .unwrap();
    assert_eq!(opened.conversation.id().as_str(), "5f0c2f4e");
    assert_eq!(opened.profile_rejected, None);
}

#[test]
fn results_are_matched_by_position_not_by_id() {
    for ids in [["1,", "1,"], ["2,", "1,"]] {
        let body = json!([
            {"code": "OK", "body": {"msg": "OK"}, "reqId": ids[0]},
            {"code": 200, "body": {"conversationId": "c"}, "reqId": ids[1]},
        ]);
        assert_eq!(parse(200, &body.to_string()).unwrap().conversation.id().as_str(), "c");
    }
}

/// The example of [protocol.md 6.6](crate::protocol#6.6), with both possible statuses.
#[test]
fn already_open_is_recognised_with_either_status() {
    let body = r#"[{"code":"OK","body":{"msg":"OK User Profile set successfully"},"reqId":"a"},
        {"code":"BAD_REQUEST","body":{"msg":"Consumer request conversation failed: User 9c already
         has open conversation. Can't open another one."},"reqId":"b"}]"#
        .replace("\n        ", " ")
        .replace("\n         ", " ")
        .replace("  ", " ");
    for status in [200, 400] {
        let rejection = parse(status, &body).unwrap_err();
        assert_eq!(rejection.reason, Reason::AlreadyOpen, "{rejection:?}");
        assert_eq!(rejection.status, 400);
    }
}

#[test]
fn a_rejected_profile_does_not_fail_the_conversation() {
    let opened = parse(
        400,
        r#"[{"code":"BAD_REQUEST","body":{"msg":"no such field"},"reqId":"a"},
            {"code":"OK","body":{"conversationId":"c"},"reqId":"b"}]"#,
    )
    .unwrap();
    assert_eq!(opened.conversation.id().as_str(), "c");
    assert_eq!(opened.profile_rejected.as_deref(), Some("no such field"));
}

#[test]
fn other_responses_are_errors_with_their_reason() {
    let expired = r#"{"kind":"resp","code":401,"body":{"errorCode":40102}}"#;
    assert_eq!(parse(401, expired).unwrap_err().error_code, Some(40102));
    assert_eq!(parse(503, "busy").unwrap_err(), ApiRejection::status(503));
    assert_eq!(parse(400, "nonsense").unwrap_err(), ApiRejection::status(400));
    for body in ["[]", "{}", "null", r#"[{"code":"OK"},{"code":"OK","body":{}}]"#, "<html>"] {
        let rejection = parse(200, body).unwrap_err();
        assert!(matches!(rejection.reason, Reason::Unreadable(_)), "{body}: {rejection:?}");
    }
}

#[test]
fn a_missing_code_means_the_status_an_unknown_one_fails() {
    let with =
        |code: &str| format!(r#"[{{"code":"OK"}},{{{code}"body":{{"conversationId":"c"}}}}]"#);
    for (status, good) in [(200, true), (299, true), (300, false), (400, false), (500, false)] {
        assert_eq!(parse(status, &with("")).is_ok(), good, "{status}");
    }
    let unknown = with(r#""code":"HUM","#);
    let (ok, redirected) = (parse(200, &unknown).unwrap_err(), parse(300, &unknown).unwrap_err());
    assert_eq!(ok.reason, ApiRejection::unknown_code().reason);
    assert_ne!(redirected.reason, ok.reason);
    assert_eq!(redirected.status, 300);
    let bad = parse(400, &unknown).unwrap_err();
    assert_eq!((bad.reason, bad.status), (Reason::Status, 400));
}

#[test]
fn why_a_profile_is_rejected_shows_no_token_and_one_line() {
    let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln";
    let message = format!("not for {token}\nsecond line {}", "x".repeat(500));
    let body = json!([{"code": "BAD_REQUEST", "body": {"msg": message}},
        {"code": "OK", "body": {"conversationId": "c"}}]);
    let why = parse(400, &body.to_string()).unwrap().profile_rejected.unwrap();
    assert!(why.starts_with("not for ") && !why.contains("eyJ") && !why.contains('\n'), "{why}");
    assert!(why.chars().count() <= 201, "{why}");
}
