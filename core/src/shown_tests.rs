//! `Debug` and `Display` show no secret, no token and no text of a message.

use std::time::{Duration, SystemTime};

use crate::api::{
    AppInstall, CloseConversation, CloseDialog, ConversationRef, FindEngagement,
    GenerateDownloadUrl, GenerateUploadUrl, GetClock, GetFile, HostedFile, Identity, ListDomains,
    Login, Operation as _, Origin, PersonalInfo, Profile, PutFile, RateConversation,
    RelativeRequest, ReportActivity, ResponseView, SendFile, SendReceipt, SendText, Service,
    SetChatState, SetUrgency, UpdateProfile, Urgency,
};
use crate::connector::{
    Call, Config, ConnectorState, Failure, FailureKind, Outcome, ProxyUrl, Step,
};
use crate::http1::{DecodeError, Decoder, Limit, Limits, RequestTarget, encode};
use crate::id::{AccountId, ClientId, ConversationId, ExtConsumerId};
use crate::secret::Secret;
use crate::seed::Seed;
use crate::time::{Mono, Now};
use crate::webhook::{
    Change, Event, Inbox, InvalidSignature, MessagingEvent, Notification, Rejection, Verified,
};
use bytes::Bytes;
use http::{Request, Response};
use serde_json::json;

/// Part of every text, name, token and address in this file.
const SECRET: &str = "s3cr3t";

/// Asserts the `Debug` output, which must not contain the secret.
fn shows(value: impl std::fmt::Debug, expected: &str) {
    let shown = format!("{value:?}");
    assert_eq!(shown, expected);
    assert!(!shown.contains(SECRET));
}

/// Asserts the `Display` output.
fn displays(value: impl std::fmt::Display, expected: &str) {
    assert_eq!(value.to_string(), expected);
}

#[test]
fn an_attempt_shows_its_target_and_size() {
    let secret = Secret::new(SECRET.to_owned());
    let account = AccountId::new("91827364").unwrap();
    let config = Config::new(account).credentials(ClientId::new("app").unwrap(), secret);
    let now = Now::new(Mono::ZERO, SystemTime::UNIX_EPOCH);
    let mut state = ConnectorState::new(config, Seed::from_bytes([8; 16]));
    let operation = crate::api::AuthorizeApp::new();
    let mut call = Call::new(operation, state.config(), Seed::from_bytes([7; 16]), now);
    let Step::Send(attempt) = call.poll(&mut state, now) else { panic!() };
    shows(
        &attempt,
        "Attempt { number: 1, operation: \"authorize_app\", stage: Domain, deadline: +15s, \
         method: GET, host: Some(api.liveperson.net), path: \
         \"/api/account/91827364/service/sentinel/baseURI.json\", body_len: 0 }",
    );
    assert_eq!(attempt.operation(), "authorize_app");
    assert_eq!(
        attempt.time_left(Mono::from_origin(Duration::from_secs(4))),
        Duration::from_secs(11)
    );
    assert_eq!(attempt.request().uri().host(), Some("api.liveperson.net"));
    assert!(!format!("{call:?} {state:?}").contains(SECRET));
}

#[test]
fn an_outcome_shows_its_size_or_failure() {
    let answer =
        Response::builder().status(404).body(Bytes::from_static(SECRET.as_bytes())).unwrap();
    shows(Outcome::Response(answer), "Response { status: 404, body_len: 6 }");
    let never = Failure::never_sent(FailureKind::Connect);
    let lost = Failure::answer_lost(FailureKind::Timeout);
    assert_eq!((never.may_have_left(), lost.may_have_left()), (false, true));
    shows(Outcome::Failed(lost), "Failure { kind: Timeout, may_have_left: true, source: None }");
}

#[test]
fn api_values_show_their_kind_only() {
    let origin = Origin::new(http::uri::Scheme::HTTPS, "h.example".parse().unwrap());
    shows(&origin, "Origin(https://h.example)");
    shows(Service::MESSAGING, "Service(asyncMessagingEnt)");
    let request =
        RelativeRequest::post_json(["a", "b"], [("q", SECRET)], &json!({"m": SECRET})).unwrap();
    shows(request, "RelativeRequest { method: POST, path: \"/a/b\", headers: 2, body_len: 14 }");
    let response = Response::new(Bytes::from_static(SECRET.as_bytes()));
    shows(
        ResponseView::new(&response, false),
        "ResponseView { status: 200, body_len: 6, repeated: false, .. }",
    );
    shows(Profile::new().personal_info(PersonalInfo::default()), "Profile { sdes: 1, .. }");
    let ada = ExtConsumerId::new("ada").unwrap();
    let conversation = ConversationRef::new(ada, ConversationId::new("c").unwrap());
    let text = SendText::new(&conversation, SECRET);
    shows(
        text.metadata(json!([{"type": "ExternalId", "id": SECRET}])),
        "SendText { message: Message { to: ConversationRef { consumer: ExtConsumerId(\"ada\"), conversation: ConversationId(\"c\"), dialog: None, client_properties: None }, metadata: Metadata(1) }, text_len: 6 }",
    );
    shows(Identity::authenticated(SECRET), "Identity(loa1)");
    let login = Login::new("admin", Secret::new(SECRET.to_owned()));
    shows(login, "Login(..)");
    let record = json!({"id": "i", "client_name": "n", "client_secret": SECRET});
    shows(
        AppInstall::new(record, None, false),
        "AppInstall { id: Some(\"i\"), revision: None, .. }",
    );
    let answer = json!({"code": "OK", "body": {"relativePath": "/a/b",
        "queryParams": {"temp_url_sig": SECRET, "temp_url_expires": "1"}}});
    let response = Response::new(Bytes::from(answer.to_string()));
    let url = GenerateUploadUrl::new(&conversation, 3, "PNG");
    let url = url.parse(&ResponseView::new(&response, false)).unwrap();
    shows(PutFile::new(url, vec![1, 2, 3]), "PutFile { url: SignedUrl(\"/a/b\"), len: 3 }");
    let proxy = ProxyUrl::new(format!("http://user:{SECRET}@proxy.example:3128"));
    shows(&proxy, "ProxyUrl(..proxy.example:3128)");
    assert!(proxy.expose().contains(SECRET));
    shows(Secret::new(SECRET.to_owned()), "Secret(6 bytes)");
}

#[test]
fn decode_errors_state_the_fault_and_no_bytes() {
    for (error, text) in [
        (DecodeError::Malformed("a rule"), "the response is not valid HTTP/1.1: a rule"),
        (DecodeError::Unsupported("another protocol"), "the response uses another protocol"),
        (DecodeError::TooLarge(Limit::Head), "the response has too many bytes in its head"),
        (DecodeError::TooLarge(Limit::Headers), "the response has too many headers"),
        (DecodeError::TooLarge(Limit::Body), "the response has too many bytes in its body"),
        (
            DecodeError::TooLarge(Limit::ChunkLine),
            "the response has too many bytes in a chunk-size line",
        ),
        (DecodeError::TooLarge(Limit::Interim), "the response has too many interim responses"),
        (DecodeError::Truncated, "the connection closed before the response was complete"),
        (DecodeError::ClosedBeforeResponse, "the connection closed before any response"),
        (DecodeError::Finished, "the response was complete already"),
    ] {
        displays(error, text);
    }
    let bare = Request::get("/a").body(Vec::new()).unwrap();
    let error = encode(&bare, RequestTarget::Origin, &mut Vec::new()).unwrap_err();
    displays(error, "the request cannot be written: its URL has no host");

    let mut decoder = Decoder::new(&http::Method::GET, Limits::default());
    let head = format!("HTTP/1.1 200 OK\r\nx: {SECRET}\r\ncontent-length: 6\r\n\r\n");
    decoder.feed(head.as_bytes()).unwrap();
    let shown = format!("{decoder:?}");
    assert!(shown.contains("state: Length") && !shown.contains(SECRET), "{shown}");
    let decoded = decoder.feed(SECRET.as_bytes()).unwrap();
    shows(&decoded, "Done(Decoded { status: 200, body_len: 6, reusable: true, leftover: 0 })");
}

fn read(body: &serde_json::Value) -> Notification {
    Verified::dangerous_unverified(body.to_string().into_bytes()).parse().unwrap()
}

fn message(event: &serde_json::Value) -> Notification {
    read(&json!({"type": "ms.MessagingEventNotification", "body": {"changes": [{
        "sequence": 3, "dialogId": "d", "conversationId": "c", "event": event,
        "originatorMetadata": {"role": "CONSUMER"}, "metadata": [{"type": "Question", "q": SECRET}],
    }]}}))
}

#[test]
fn a_message_shows_its_ids_and_kind() {
    let notification = message(&json!({"type": "ContentEvent", "message": SECRET}));
    let shown = "MessagingEvent { conversation: ConversationId(\"c\"), dialog: DialogId(\"d\"), \
                 sequence: Some(3), role: Some(Consumer), audience: All, event: text, .. }";
    shows(&notification, &format!("Notification {{ changes: [Message({shown})], lossy: false }}"));
    let [Change::Message(event)] = notification.changes() else { panic!() };
    shows(event.metadata().collect::<Vec<_>>(), "[Metadata(Some(\"Question\"))]");
    shows(event.raw(), "Json(..)");
    let Event::Text(text) = event.event() else { panic!() };
    shows(text, "Text(..)");
    for (event, shown) in [
        (json!({"type": "ChatStateEvent", "chatState": "COMPOSING"}), "chat_state(COMPOSING)"),
        (
            json!({"type": "AcceptStatusEvent", "status": "READ", "sequenceList": [1, 2]}),
            "receipt(READ, [1, 2])",
        ),
        (json!({"type": "Hologram", "text": SECRET}), "other(Some(\"Hologram\"))"),
        (json!({"type": "RichContentEvent", "content": {"text": SECRET}}), "rich_content"),
    ] {
        let notification = message(&event);
        let [Change::Message(event)] = notification.changes() else { panic!() };
        shows(event.event(), shown);
    }
}

#[test]
fn structured_content_shows_kinds_and_counts() {
    let action =
        |kind: &str| json!({"type": kind, "text": SECRET, "uri": SECRET, "la": 1, "lo": 2});
    let actions = ["publishText", "link", "navigate", "hum"].map(action);
    let click = json!({"actions": actions});
    let button = json!({"type": "button", "title": SECRET, "click": click});
    let notification = message(&json!({"type": "RichContentEvent", "content": button,
        "quickReplies": {"replies": [{"title": SECRET}, {"title": SECRET}]}}));
    let [Change::Message(event)] = notification.changes() else { panic!() };
    let Event::RichContent(rich) = event.event() else { panic!() };
    shows(&rich, "RichContent(..)");
    shows(rich.quick_replies(), "Some(QuickReplies(2))");
    shows(rich.root(), "Element(button)");
    shows(
        rich.root().actions().collect::<Vec<_>>(),
        "[PublishText(..), Link(..), Navigate(..), Other(..)]",
    );
}

#[test]
fn a_state_and_an_unknown_change_are_redacted() {
    let details = json!({"state": "OPEN", "metaDataLastUpdateTs": 7, "note": SECRET,
        "dialogs": [{"dialogId": "d", "dialogType": "MAIN", "state": "OPEN", "x": SECRET}]});
    let notification = read(&json!({"type": "cqm.ExConversationChangeNotification", "body":
        {"changes": [{"result": {"convId": "c", "conversationDetails": details}}]}}));
    let [Change::Conversation(state)] = notification.changes() else { panic!() };
    shows(
        state,
        "ConversationChange { conversation: ConversationId(\"c\"), state: Some(Open), \
         stage: Some(Open), updated: Some(Timestamp(7)), .. }",
    );
    shows(
        state.main_dialog(),
        "Some(Dialog { id: DialogId(\"d\"), dialog_type: Some(Main), is_open: true, .. })",
    );
    let other = read(&json!({"type": "x.Y", "body": {"changes": [SECRET]}}));
    let [Change::Other(other)] = other.changes() else { panic!() };
    shows(
        other,
        "OtherChange { notification_type: Some(\"x.Y\"), \
         reason: \"the notification's type is unknown\", .. }",
    );
    assert_eq!(other.reason(), "the notification's type is unknown");
}

#[test]
fn rejections_state_the_reason_in_one_line() {
    let error = |body: &[u8]| Verified::dangerous_unverified(body.to_vec()).parse().unwrap_err();
    displays(error(b"{\n  s3cr3t"), "the notification is not JSON (line 2, column 3)");
    displays(
        MessagingEvent::try_from(json!({"a": SECRET})).unwrap_err(),
        "the change has no event",
    );
    for (rejection, text) in [
        (Rejection::NotPost, "the request is not a POST"),
        (Rejection::Compressed, "the body has a Content-Encoding"),
        (Rejection::TooLarge, "the notification is larger than the limit"),
        (Rejection::Unsigned, "the notification has no x-liveperson-signature"),
        (Rejection::UnknownApp, "no secret is known for the account and client in the headers"),
        (
            Rejection::Sha256Required,
            "the notification is signed with SHA-1, and SHA-256 is required",
        ),
    ] {
        displays(rejection, text);
    }
    for signature in
        [InvalidSignature::UnknownAlgorithm, InvalidSignature::Unreadable, InvalidSignature::Wrong]
    {
        displays(Rejection::InvalidSignature(signature), &signature.to_string());
        assert!(signature.to_string().contains("signature"), "{signature}");
    }

    let change = message(&json!({"type": "ContentEvent", "message": SECRET})).into_changes();
    let mut inbox = Inbox::default().max_changes(1);
    let [first] = <[Change; 1]>::try_from(change).unwrap();
    inbox.handle(first.clone(), Mono::ZERO).unwrap();
    let full = inbox.handle(first, Mono::ZERO).unwrap_err();
    displays(&full, "the inbox is full: poll it first");
    assert!(!format!("{full:?}").contains(SECRET));
}

#[test]
fn each_operation_has_its_name() {
    let names = [
        (SendText::NAME, "send_text"),
        (SetChatState::NAME, "set_chat_state"),
        (GetClock::NAME, "get_clock"),
        (SendFile::NAME, "send_file"),
        (GenerateUploadUrl::NAME, "generate_upload_url"),
        (GenerateDownloadUrl::NAME, "generate_download_url"),
        (UpdateProfile::NAME, "update_profile"),
        (SendReceipt::NAME, "send_receipt"),
        (CloseConversation::NAME, "close_conversation"),
        (CloseDialog::NAME, "close_dialog"),
        (RateConversation::NAME, "rate_conversation"),
        (SetUrgency::NAME, "set_urgency"),
        (Login::NAME, "login"),
        (ListDomains::NAME, "list_domains"),
        (FindEngagement::NAME, "find_engagement"),
        (ReportActivity::NAME, "report_activity"),
        (PutFile::NAME, "put_file"),
        (GetFile::NAME, "get_file"),
    ];
    for (name, expected) in names {
        assert_eq!(name, expected);
    }
    shows(HostedFile::new("/a", "PNG"), "HostedFile(PNG)");
    let download = GenerateDownloadUrl::new(&conversation(), "/s3cr3t");
    assert!(!format!("{download:?}").contains(SECRET));
    assert!(format!("{download:?}").starts_with("GenerateDownloadUrl"));
}

fn conversation() -> ConversationRef {
    let ada = ExtConsumerId::new("ada").unwrap();
    ConversationRef::new(ada, ConversationId::new("c").unwrap())
}

#[test]
fn verified_shows_its_size_and_returns_its_bytes() {
    let verified = Verified::dangerous_unverified(SECRET.as_bytes().to_vec());
    shows(
        &verified,
        "Verified { account: None, client: None, signature_match: None, body_len: 6 }",
    );
    assert_eq!(verified.into_body(), SECRET.as_bytes());
}

#[test]
fn a_rejected_change_is_an_error() {
    for (status, body, good) in [
        (200, r#"{"code":"OK","body":{}}"#, true),
        (200, "", true),
        (400, "", false),
        (302, "", false),
        (403, r#"{"code":"FORBIDDEN"}"#, false),
        (200, r#"{"code":"FORBIDDEN"}"#, false),
    ] {
        let response =
            Response::builder().status(status).body(Bytes::from_static(body.as_bytes())).unwrap();
        let answer = ResponseView::new(&response, false);
        let close = CloseConversation::new(&conversation()).parse(&answer);
        assert_eq!(close.is_ok(), good, "{status} {body}");
        assert_eq!(
            CloseDialog::new(&conversation()).parse(&answer).is_ok(),
            good,
            "{status} {body}"
        );
        let urgent = SetUrgency::new(&conversation(), Urgency::Urgent, Duration::from_secs(60));
        let urgent = urgent.parse(&answer);
        assert_eq!(urgent.is_ok(), good, "{status} {body}");
        let profile = UpdateProfile::new(&conversation(), Profile::new()).parse(&answer);
        // The response to a profile update has a body.
        assert_eq!(profile.is_ok(), good && !body.is_empty(), "{status} {body}");
    }
}
