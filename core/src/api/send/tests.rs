use std::time::Duration;

use super::*;
use crate::api::{Idempotency, Operation, Urgency};
use crate::id::{AccountId, DialogId, ExtConsumerId};
use crate::seed::Seed;
use bytes::Bytes;
use http::Response;
use proptest::prelude::*;
use serde_json::json;

fn conversation() -> ConversationRef {
    let consumer = ExtConsumerId::new("ring").unwrap();
    ConversationRef::new(consumer, ConversationId::new("5f0c").unwrap())
}

fn survey() -> ConversationRef {
    conversation().in_dialog(DialogId::new("dlg-srv").unwrap())
}

fn request_of<O: Operation>(operation: &O) -> Result<RelativeRequest, InvalidInput> {
    let account = AccountId::new("91827364").unwrap();
    operation.request(&Context::new(&account, Seed::from_bytes([7; 16])))
}

fn body_of<O: Operation>(operation: &O) -> Value {
    serde_json::from_slice(request_of(operation).unwrap().body()).unwrap()
}

fn text(text: &str) -> SendText {
    SendText::new(&conversation(), text)
}

fn answer(status: u16, body: &str) -> Response<Bytes> {
    Response::builder().status(status).body(body.to_owned().into()).unwrap()
}

/// The example of [protocol.md 7.3](crate::protocol#7.3).
#[test]
fn the_documented_text_is_written() {
    let expected = json!({"kind": "req", "id": Seed::from_bytes([7; 16]).uuid(0),
        "type": "ms.PublishEvent", "body": {"dialogId": "5f0c", "conversationId": "5f0c",
        "event": {"type": "ContentEvent", "contentType": "text/plain", "message": "Coo?"}}});
    assert_eq!(body_of(&text("Coo?")), expected);
}

/// `serde` is the oracle, with the structs of the other operations.
#[test]
fn a_text_is_written_as_serde_writes_events() {
    #[derive(Serialize)]
    #[serde(tag = "type", rename = "ContentEvent", rename_all = "camelCase")]
    struct Event<'a> {
        content_type: &'static str,
        message: &'a str,
    }
    let long = "a".repeat(70);
    let account = AccountId::new("91827364").unwrap();
    let context = Context::new(&account, Seed::from_bytes([7; 16]));
    let quoted = ConversationId::new(r#"a "quoted\" id"#).unwrap();
    let quoted = ConversationRef::new(ExtConsumerId::new("ring").unwrap(), quoted);
    for to in [conversation(), survey(), quoted] {
        for message in ["Coo?", "\"Coo\" \\ \n\u{1f} \u{1f426}", &long] {
            for metadata in [Value::Null, json!([{"type": "ExternalId", "n": 1.5}])] {
                let text = SendText::new(&to, message).metadata(metadata.clone());
                let written = Operation::request(&text, &context).unwrap();
                let event = Event { content_type: "text/plain", message };
                let oracle = Message { metadata: Metadata::of(metadata), ..Message::new(&to) };
                let expected = oracle.publish(&context, event).unwrap();
                assert_eq!(written.body(), expected.body());
            }
        }
    }
}

#[test]
fn a_text_can_be_sent_to_another_dialog() {
    let body = body_of(&SendText::new(&survey(), "5"));
    assert_eq!(body["body"]["dialogId"], "dlg-srv");
    assert_eq!(body["body"]["conversationId"], "5f0c");
}

/// The example of [protocol.md 7.5](crate::protocol#7.5).
#[test]
fn the_documented_chat_states_are_written() {
    for (state, name) in [
        (ChatState::Active, "ACTIVE"),
        (ChatState::Inactive, "INACTIVE"),
        (ChatState::Gone, "GONE"),
        (ChatState::Composing, "COMPOSING"),
        (ChatState::Pause, "PAUSE"),
    ] {
        let body = body_of(&SetChatState::new(&conversation(), state));
        assert_eq!(body["body"]["event"], json!({"type": "ChatStateEvent", "chatState": name}));
    }
}

/// The example of [protocol.md 7.8](crate::protocol#7.8).
#[test]
fn the_documented_close_is_written() {
    let body = body_of(&CloseConversation::new(&conversation()));
    assert_eq!(body["type"], "cm.UpdateConversationField");
    assert_eq!(
        body["body"],
        json!({"conversationId": "5f0c", "conversationField":
            {"field": "ConversationStateField", "conversationState": "CLOSE"}})
    );
}

#[test]
fn a_rating_says_what_the_consumer_said() {
    for (resolution, is_resolved) in [(Resolution::Resolved, true), (Resolution::Unresolved, false)]
    {
        for (status, word) in [
            (Rating::Filled, "FILLED"),
            (Rating::PartiallyFilled, "PARTIALLY_FILLED"),
            (Rating::Skipped, "SKIPPED"),
        ] {
            let rate = RateConversation::new(&conversation(), 2, resolution).status(status);
            let expected = json!({"field": "CSATRate", "csatRate": 2,
                "csatResolutionConfirmation": is_resolved, "status": word});
            assert_eq!(body_of(&rate)["body"]["conversationField"], expected);
        }
    }
}

/// The other forms of [protocol.md 7.8](crate::protocol#7.8).
#[test]
fn every_documented_update_is_written() {
    let field = |body: Value| body["body"]["conversationField"].clone();
    let dialog = CloseDialog::new(&conversation());
    assert_eq!(
        field(body_of(&dialog)),
        json!({"field": "DialogChange", "type": "UPDATE", "dialog":
            {"dialogId": "5f0c", "state": "CLOSE", "closedCause": "Closed by consumer"}})
    );
    // Whatever dialog is open, it is the main one that a survey follows.
    let survey = conversation().in_dialog(DialogId::new("survey-1").unwrap());
    assert_eq!(
        field(body_of(&CloseConversation::new(&survey).with_survey())),
        field(body_of(&dialog))
    );
    let stage = CloseConversation::new(&conversation()).without_survey();
    assert_eq!(field(body_of(&stage)), json!({"field": "Stage", "conversationState": "CLOSE"}));
    assert_eq!(
        field(body_of(&RateConversation::new(&conversation(), 5, Resolution::Resolved))),
        json!({"field": "CSATRate", "csatRate": 5, "csatResolutionConfirmation": true,
            "status": "FILLED"})
    );
    assert_eq!(
        field(body_of(&SetUrgency::new(
            &conversation(),
            Urgency::Urgent,
            Duration::from_secs(300)
        ))),
        json!({"field": "TTRField", "ttrType": "URGENT", "value": 300})
    );
    for rate in [0, 6, 255] {
        assert!(
            request_of(&RateConversation::new(&conversation(), rate, Resolution::Resolved))
                .is_err()
        );
    }
}

/// The examples of [protocol.md 7.6](crate::protocol#7.6) and [7.9](crate::protocol#7.9).
#[test]
fn the_documented_receipts_are_written_with_their_metadata() {
    let read = SendReceipt::new(&conversation(), Receipt::Read, [5, 6]);
    let body = body_of(&read);
    assert_eq!(
        body["body"]["event"],
        json!({"type": "AcceptStatusEvent", "status": "READ", "sequenceList": [5, 6]})
    );
    assert_eq!(body.get("metadata"), None);
    let clicked = json!([{"type": "ExternalId", "id": "btn-yes"}]);
    let action = SendReceipt::new(&survey(), Receipt::Action, [1]).metadata(clicked.clone());
    let body = body_of(&action);
    assert_eq!((&body["metadata"], &body["body"]["dialogId"]), (&clicked, &json!("dlg-srv")));
    assert_eq!(
        (action.idempotency(), read.idempotency()),
        (Idempotency::NonIdempotent, Idempotency::Idempotent)
    );
    // A single element becomes an array.
    let one = text("Yes").metadata(clicked[0].clone());
    assert_eq!(body_of(&one)["metadata"], clicked);
    assert_eq!(body_of(&text("Yes").metadata(json!([]))).get("metadata"), None);
    assert!(!format!("{one:?}").contains("btn-yes"));
    assert!(request_of(&SendReceipt::new(&conversation(), Receipt::Read, [])).is_err());
}

/// The example of [protocol.md 8.3](crate::protocol#8.3).
#[test]
fn the_documented_file_is_written() {
    let file = HostedFile::new("/v1/AUTH_async-images/a", "png")
        .caption("ring photo")
        .preview("data:image/png;base64,iVBORw0");
    assert_eq!(file.relative_path(), "/v1/AUTH_async-images/a");
    let send = |file| SendFile::new(&conversation(), file);
    assert_eq!(
        body_of(&send(file))["body"]["event"],
        json!({"type": "ContentEvent", "contentType": "hosted/file", "message": {
            "caption": "ring photo", "relativePath": "/v1/AUTH_async-images/a", "fileType": "PNG",
            "preview": "data:image/png;base64,iVBORw0"}})
    );
    let bare = body_of(&send(HostedFile::new("/v1/a", "GIF")));
    assert_eq!(
        bare["body"]["event"]["message"],
        json!({"caption": "", "relativePath": "/v1/a", "fileType": "GIF"})
    );
    assert!(request_of(&send(HostedFile::new("", "GIF"))).is_err());
    let large = HostedFile::new("/v1/a", "GIF").preview("x".repeat(30 * 1024));
    assert!(request_of(&send(large)).unwrap_err().to_string().contains("less than 30720"));
}

/// The example of [protocol.md 7.10](crate::protocol#7.10).
#[test]
fn the_documented_get_clock_has_no_body() {
    let clock = GetClock::new(&conversation());
    let id = Seed::from_bytes([7; 16]).uuid(0);
    assert_eq!(body_of(&clock), json!({"kind": "req", "id": id, "type": "GetClock"}));
    let response = answer(200, r#"{"code":"OK","body":{"currentTime":1711000000123}}"#);
    assert_eq!(clock.parse(&ResponseView::new(&response, false)).unwrap(), 1_711_000_000_123);
    assert!(clock.parse(&ResponseView::new(&answer(200, "{}"), false)).is_err());
}

#[test]
fn a_profile_update_is_written() {
    let mut profile = crate::api::Profile::new();
    profile.first_name = Some("Ada".into());
    let body = body_of(&UpdateProfile::new(&conversation(), profile));
    assert_eq!(body["type"], "userprofile.SetUserProfile");
    assert_eq!(body["body"]["firstName"], "Ada");
}

#[test]
fn the_sequence_is_parsed_in_any_form_or_absent() {
    for (body, sequence) in [
        (r#"{"code":"OK","body":{"sequence":12},"reqId":"c-17"}"#, Some(12)),
        (r#"{"code":200,"body":{"sequence":"3"},"reqId":17}"#, Some(3)),
        (r#"{"code":"OK","body":{},"reqId":"c"}"#, None),
        (r#"{"code":"OK","body":"OK"}"#, None),
        (r#"{"code":"OK"}"#, None),
        (r#"{"code":"OK","body":{"sequence":-1}}"#, None),
    ] {
        let response = answer(200, body);
        let published = text("x").parse(&ResponseView::new(&response, false)).unwrap();
        assert_eq!(published.sequence, sequence, "{body}");
    }
}

/// Serde would read an array as a struct, by position.
#[test]
fn an_array_is_neither_an_envelope_nor_its_body() {
    let parse =
        |status: u16, body: &str| text("x").parse(&ResponseView::new(&answer(status, body), false));
    let rejection = parse(200, r#"["OK",[7]]"#).unwrap_err();
    assert!(matches!(rejection.reason, crate::api::Reason::Unreadable(_)), "{rejection:?}");
    assert_eq!(parse(200, r#"{"code":"OK","body":[7]}"#).unwrap().sequence, None);
    let beside = r#"{"code":"OK","body":{"sequence":7},"notes":["late"]}"#;
    assert_eq!(parse(200, beside).unwrap().sequence, Some(7));
    assert!(parse(400, r#"{"code":"OK","body":{"sequence":7}}"#).is_err());
}

#[test]
fn a_retry_of_a_lost_close_succeeds() {
    let close = CloseConversation::new(&conversation());
    let closed = answer(
        400,
        r#"{"code":"BAD_REQUEST","body":{"msg":"Bad Request, Conversation is close"}}"#,
    );
    assert!(close.parse(&ResponseView::new(&closed, true)).is_ok());
    assert!(close.parse(&ResponseView::new(&closed, false)).is_err());
    for body in [
        r#"{"code":"OK","body":{"msg":"OK Conversation resolved successfully"},"reqId":"c-90"}"#,
        r#"{"kind":"resp","code":200,"type":"StringResponse","body":"done","reqId":"1"}"#,
        r#"{"code":"OK"}"#,
        "",
    ] {
        assert!(close.parse(&ResponseView::new(&answer(200, body), false)).is_ok(), "{body}");
    }
}

#[test]
fn the_capacity_for_a_plain_text_is_exact() {
    let request = request_of(&text("a plain text")).unwrap();
    assert_eq!(request.body().len(), text("a plain text").room());
}

#[test]
fn an_empty_or_too_long_text_is_an_error() {
    assert_eq!(request_of(&text("")).unwrap_err().to_string(), "the text is empty");
    let why = request_of(&text(&"x".repeat(5000))).unwrap_err().to_string();
    assert!(why.contains("5000 is the most") && why.contains("shorten the text by"), "{why}");
}

#[test]
fn a_text_may_fill_its_request_to_the_last_character() {
    // All but the text has 206 characters; each letter has two bytes.
    assert!(request_of(&text(&"ü".repeat(4794))).is_ok());
    let why = request_of(&text(&"ü".repeat(4795))).unwrap_err().to_string();
    assert!(why.contains("5001 characters") && why.contains("shorten the text by 1,"), "{why}");
}

#[test]
fn debug_and_errors_redact_the_text() {
    let operation = text(&"s3cr3t".repeat(2000));
    let rejection = request_of(&operation).unwrap_err();
    assert!(!format!("{operation:?} {rejection} {rejection:?}").contains("s3cr3t"));
}

proptest! {
    #[test]
    fn texts_up_to_the_limit_are_written(
        letter in prop::sample::select(vec!["x", "ü", "€", "🙂", "\n", "\""]), count in 2300usize..5000,
    ) {
        let request = request_of(&text(&letter.repeat(count)));
        // Counted independently: build what would be sent and ask std for its UTF-16 length.
        let frame = request_of(&text("x")).unwrap();
        let frame = String::from_utf8(frame.body().to_vec()).unwrap().encode_utf16().count() - 1;
        let escaped = serde_json::to_string(letter).unwrap().encode_utf16().count() - 2;
        let fits = frame + escaped * count <= MAX_REQUEST_CHARS;
        prop_assert_eq!(request.is_ok(), fits);
    }

    #[test]
    fn any_text_is_sent_unchanged(message in ".{1,200}") {
        prop_assert_eq!(&body_of(&text(&message))["body"]["event"]["message"], &message);
    }
}

#[test]
fn only_what_closes_succeeds_when_it_is_closed_already() {
    let body =
        Bytes::from_static(br#"{"code":"BAD_REQUEST","body":{"msg":"Conversation is close"}}"#);
    let response = Response::builder().status(400).body(body).unwrap();
    let close = CloseConversation::new(&conversation());
    let dialog = CloseDialog::new(&conversation());
    let rate = RateConversation::new(&conversation(), 5, Resolution::Resolved);
    let urgency = SetUrgency::new(&conversation(), Urgency::Urgent, Duration::from_secs(60));
    for (repeated, closes) in [(false, false), (true, true)] {
        let view = ResponseView::new(&response, repeated);
        assert_eq!(close.parse(&view).is_ok(), closes, "{repeated}");
        assert_eq!(dialog.parse(&view).is_ok(), closes, "{repeated}");
        // An agent may have closed it before an earlier attempt arrived.
        assert!(rate.parse(&view).is_err() && urgency.parse(&view).is_err(), "{repeated}");
    }
}

#[test]
fn each_rate_from_1_to_5_is_sent() {
    for rate in 1..=5u8 {
        let said = RateConversation::new(&conversation(), rate, Resolution::Unresolved);
        assert_eq!(body_of(&said)["body"]["conversationField"]["csatRate"], rate);
    }
}
