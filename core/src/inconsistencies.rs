//! One test for each row of [protocol.md 14](crate::protocol#14), the known inconsistencies of the
//! documents: every documented form is read, and one is sent.
//!
//! Two rows have no test here. Row 15 is the time to answer a webhook, which the axum adapter
//! tests. Row 16 is the TLS version: the core has no TLS, and the adapters offer 1.2 and 1.3.

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use serde_json::{Value, json};

use crate::api::{
    ChatState, ClientProperties, CloseConversation, Context, ConversationRef, CredentialsIn,
    FindEngagement, GenerateUploadUrl, HostedFile, ListDomains, OpenConversation, Operation,
    PersonalInfo, Profile, Published, ReportActivity, ResponseView, SendFile, SendText,
    SetChatState, Visitor,
};
use crate::connector::{Call, Callable, Config, ConnectorState, Outcome, Step};
use crate::error::{Error, ErrorKind, Stage};
use crate::id::{AccountId, ClientId, ConversationId, ExtConsumerId};
use crate::manifest::{self, Severity};
use crate::secret::Secret;
use crate::seed::Seed;
use crate::time::{Mono, Now};
use crate::webhook::{
    Algorithm, Change, Encoding, Event, Inbox, InboxPoll, Notification, ReceiptStatus,
    ReceivedChatState, Role, Verified, sign, verify_signature,
};

fn conversation() -> ConversationRef {
    let ada = ExtConsumerId::new("ada").unwrap();
    ConversationRef::new(ada, ConversationId::new("5f0c").unwrap())
}

fn text(text: &str) -> SendText {
    SendText::new(&conversation(), text)
}

fn read<O: Operation>(operation: &O, status: u16, body: &Value) -> Result<O::Output, ErrorKind> {
    let body = Bytes::from(body.to_string());
    let response = Response::builder().status(status).body(body).unwrap();
    operation.parse(&ResponseView::new(&response, false)).map_err(|_| ErrorKind::Rejected)
}

fn body_of<O: Operation>(operation: &O) -> Value {
    let account = AccountId::new("91827364").unwrap();
    let context = Context::new(&account, Seed::from_bytes([7; 16]));
    let Ok(request) = operation.request(&context) else { panic!("nothing to send") };
    serde_json::from_slice(request.body()).unwrap()
}

fn notification(body: &Value) -> Notification {
    Verified::dangerous_unverified(body.to_string().into_bytes()).parse().unwrap()
}

fn message(change: Value) -> Change {
    let body = json!({"type": "ms.MessagingEventNotification", "body": {"changes": [change]}});
    notification(&body).into_changes().remove(0)
}

fn state(details: Value) -> Change {
    let result = json!({"convId": "c", "conversationDetails": details});
    let body = json!({"type": "cqm.ExConversationChangeNotification",
        "body": {"changes": [{"result": result}]}});
    notification(&body).into_changes().remove(0)
}

/// All requests of a call whose responses come from `answer`, and its result.
fn sent<C: Callable>(
    operation: C,
    place: CredentialsIn,
    answer: impl Fn(&Request<Bytes>) -> Response<Bytes>,
) -> (Vec<Request<Bytes>>, Result<(), Error>) {
    let config = Config::new(AccountId::new("91827364").unwrap())
        .credentials(ClientId::new("0a1b").unwrap(), Secret::new("s".to_owned()))
        .credentials_in(place);
    let mut state = ConnectorState::new(config, Seed::from_bytes([1; 16]));
    let now = Now::new(Mono::ZERO, std::time::SystemTime::UNIX_EPOCH);
    let mut call = Call::new(operation, state.config(), Seed::from_bytes([2; 16]), now);
    let mut all = Vec::new();
    for _ in 0..50 {
        match call.poll(&mut state, now) {
            Step::Send(attempt) => {
                let number = attempt.number();
                let request = attempt.into_request();
                let outcome = Outcome::Response(answer(&request));
                all.push(request);
                let _ = call.handle(&mut state, now, number, outcome);
            }
            Step::Wait(_) => break,
            Step::Done(result) => return (all, result.map(|_| ())),
        }
    }
    let _ = call.abandon(&mut state, now);
    let Step::Done(result) = call.poll(&mut state, now) else { panic!("the call has not ended") };
    (all, result.map(|_| ()))
}

/// The successful response to a request.
fn cloud(request: &Request<Bytes>) -> Response<Bytes> {
    let path = request.uri().path();
    let body = if let Some(service) = path.strip_suffix("/baseURI.json") {
        let service = service.rsplit('/').next().unwrap_or_default();
        json!({"service": service, "baseURI": format!("va.{}.liveperson.net", service.to_lowercase())})
    } else if path.ends_with("/app/token") {
        json!({"access_token": "an.app.jwt", "token_type": "Bearer"})
    } else if path.ends_with("/consumer") {
        json!({"token": "a.consumer.jws"})
    } else {
        json!({"code": "OK", "body": {"sequence": 0}})
    };
    Response::new(body.to_string().into())
}

fn errors(manifest: &Value) -> Vec<String> {
    let all = manifest::check(manifest);
    all.iter().filter(|one| one.severity() == Severity::Error).map(ToString::to_string).collect()
}

#[test]
fn row_01_code_is_text_or_a_number() {
    for code in [json!("OK"), json!(200), json!("200"), json!(201)] {
        assert!(read(&text("x"), 200, &json!({"code": code, "body": {}})).is_ok(), "{code}");
    }
    for code in [json!("BAD_REQUEST"), json!(400), json!("401")] {
        assert!(read(&text("x"), 200, &json!({"code": code, "body": {}})).is_err(), "{code}");
    }
}

#[test]
fn row_02_a_response_id_is_any_scalar() {
    for id in [json!("c-17"), json!(17), json!("1,"), json!(" 1 "), Value::Null] {
        let body = json!({"code": "OK", "body": {"sequence": 3}, "reqId": id});
        assert_eq!(read(&text("x"), 200, &body).unwrap().sequence, Some(3), "{id}");
    }
}

#[test]
fn row_03_batch_results_are_matched_by_position() {
    let open = OpenConversation::new(conversation().consumer().clone());
    let body = json!([{"code": "OK", "reqId": "2"},
        {"code": "OK", "reqId": "2", "body": {"conversationId": "5f0c"}}]);
    assert_eq!(read(&open, 200, &body).unwrap().conversation.id().as_str(), "5f0c");
}

#[test]
fn row_04_a_response_needs_neither_kind_nor_type() {
    let with = json!({"kind": "resp", "type": "ms.PublishEventResponse", "code": 200, "body": {}});
    for body in [with, json!({"code": "OK", "body": {}})] {
        assert!(read(&text("x"), 200, &body).is_ok());
    }
}

#[test]
fn row_05_a_close_response_is_object_string_or_empty() {
    let close = CloseConversation::new(&conversation());
    for body in [json!({"msg": "OK"}), json!("done"), Value::Null] {
        assert!(read(&close, 200, &json!({"code": "OK", "body": body})).is_ok());
    }
}

#[test]
fn row_06_a_conversation_field_is_sent_as_an_object() {
    let body = body_of(&CloseConversation::new(&conversation()));
    assert!(body["body"]["conversationField"].is_object());
}

#[test]
fn row_07_credentials_are_in_the_body_or_the_query() {
    let token = |place| {
        sent(text("x"), place, cloud)
            .0
            .into_iter()
            .find(|one| one.uri().path().ends_with("/app/token"))
    };
    let body = token(CredentialsIn::Body).unwrap();
    assert!(!body.uri().query().unwrap().contains("client_secret"));
    assert!(String::from_utf8_lossy(body.body()).contains("client_secret=s"));
    let query = token(CredentialsIn::Query).unwrap();
    assert!(query.uri().query().unwrap().contains("client_secret=s"));
}

#[test]
fn row_08_the_token_comes_from_sentinel() {
    let (all, _) = sent(text("x"), CredentialsIn::Body, cloud);
    let token = all.iter().find(|one| one.uri().path().ends_with("/app/token")).unwrap();
    assert_eq!(token.uri().host(), Some("va.sentinel.liveperson.net"));
}

#[test]
fn row_09_the_token_request_is_a_form() {
    let (all, _) = sent(text("x"), CredentialsIn::Body, cloud);
    let token = all.iter().find(|one| one.uri().path().ends_with("/app/token")).unwrap();
    assert_eq!(token.headers()["content-type"], "application/x-www-form-urlencoded");
}

#[test]
fn row_10_authorization_has_no_bearer_prefix() {
    let (all, result) = sent(text("x"), CredentialsIn::Body, cloud);
    assert!(result.is_ok());
    assert_eq!(all.last().unwrap().headers()["authorization"], "an.app.jwt");
}

#[test]
fn row_11_the_issuers_case_does_not_matter() {
    use base64::Engine as _;
    for iss in ["Sentinel", "sentinel", "SENTINEL"] {
        let claims = json!({"iss": iss, "iat": 0, "exp": 60}).to_string();
        let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(claims);
        let claims = crate::api::AppClaims::of(&format!("h.{claims}.s"));
        assert_eq!(claims.life(), Some(std::time::Duration::from_secs(60)), "{iss}");
    }
}

#[test]
fn row_12_a_missing_credential_is_not_retried() {
    for number in [40104, 40105] {
        let reject = |request: &Request<Bytes>| {
            if !request.uri().path().ends_with("/send") {
                return cloud(request);
            }
            let body = json!({"code": 401, "body": {"errorCode": number}}).to_string();
            Response::builder().status(401).body(body.into()).unwrap()
        };
        let (all, result) = sent(text("x"), CredentialsIn::Body, reject);
        assert_eq!(all.iter().filter(|one| one.uri().path().ends_with("/send")).count(), 1);
        assert!(
            format!("{:#}", result.unwrap_err()).contains("a credential header did not arrive")
        );
    }
}

#[test]
fn row_13_error_40001_has_either_status() {
    for status in [400, 401] {
        let body = json!({"body": {"errorCode": 40001}}).to_string();
        let response = Response::builder().status(status).body(Bytes::from(body)).unwrap();
        let rejection = ResponseView::new(&response, false).rejection();
        assert_eq!((rejection.status, rejection.error_code), (status, Some(40001)));
    }
}

#[test]
fn row_14_the_consumer_jws_is_in_x_lp_on_behalf() {
    let (all, _) = sent(text("x"), CredentialsIn::Body, cloud);
    let headers: &HeaderMap = all.last().unwrap().headers();
    assert_eq!(headers["x-lp-on-behalf"], "a.consumer.jws");
    assert!(
        !headers.contains_key("x-on-behalf-header") && !headers.contains_key("x_on_behalf_header")
    );
}

#[test]
fn row_17_all_four_signature_variants_are_valid() {
    let secret = Secret::new("n3v3r".to_owned());
    for algorithm in [Algorithm::Sha1, Algorithm::Sha256] {
        for encoding in [Encoding::Base64, Encoding::Hex] {
            let signature = sign(&secret, algorithm, encoding, b"{}");
            let matched = verify_signature(&signature, b"{}", [&secret]).unwrap();
            assert_eq!((matched.algorithm, matched.encoding), (algorithm, encoding));
        }
    }
}

#[test]
fn row_18_state_changes_are_registered_under_cqm() {
    let webhooks = |key: &str| json!({"client_name": "x", "capabilities": {"webhooks": {key: {"endpoint": "https://x.example"}}}});
    assert!(errors(&webhooks("cqm.ExConversationChangeNotification")).is_empty());
    let wrong = errors(&webhooks("ms.MessagingEventNotification.ExConversationChangeNotification"));
    assert!(wrong[0].contains("it must be cqm.ExConversationChangeNotification"), "{wrong:?}");
    // Both names are read.
    let body = json!({"type": "ms.MessagingEventNotification.ExConversationChangeNotification",
        "body": {"changes": [{"result": {"convId": "c"}}]}});
    assert!(matches!(notification(&body).changes(), [Change::Conversation(_)]));
}

#[test]
fn row_19_the_misprinted_receipt_is_a_receipt() {
    let event = json!({"type": "AccpetStatusEvent", "status": "READ", "sequenceList": [1]});
    let Change::Message(message) = message(json!({"dialogId": "d", "event": event})) else {
        panic!()
    };
    let Event::AcceptStatus(receipt) = message.event() else { panic!() };
    assert_eq!(receipt.status, ReceiptStatus::Read);
}

fn engagement(change: impl FnOnce(&mut Value)) -> Value {
    let mut engagement = json!({"design_engagement": false, "design_window": false,
        "language_selection": false, "entry_point": ["section"], "visitor_behavior": ["flow"],
        "target_audience": ["ip"], "goal": ["url"], "consumer_identity": ["auth"]});
    change(&mut engagement);
    json!({"client_name": "x", "capabilities": {"engagement": engagement}})
}

#[test]
fn row_20_audience_and_goal_are_arrays() {
    assert!(errors(&engagement(|_| {})).is_empty());
    for name in ["target_audience", "goal"] {
        let wrong = errors(&engagement(|engagement| engagement[name] = json!("url")));
        assert!(wrong[0].contains("it must be an array"), "{wrong:?}");
    }
}

#[test]
fn row_21_cart_items_is_allowed() {
    let with = engagement(|one| one["visitor_behavior"] = json!(["cart_items"]));
    assert!(errors(&with).is_empty());
}

#[test]
fn row_22_the_dialog_id_replaces_a_missing_conversation_id() {
    let Change::Message(message) = message(json!({"dialogId": "5f0c", "event": {}})) else {
        panic!()
    };
    assert_eq!(message.conversation().as_str(), "5f0c");
}

#[test]
fn row_23_a_chat_state_has_neither_sequence_nor_time() {
    let event = json!({"type": "ChatStateEvent", "chatState": "ACTIVE"});
    let Change::Message(message) = message(json!({"dialogId": "d", "event": event})) else {
        panic!()
    };
    assert_eq!((message.sequence(), message.server_timestamp()), (None, None));
    assert!(matches!(message.event(), Event::ChatState(ReceivedChatState::Active)));
}

#[test]
fn row_24_a_sequence_counts_the_events_of_one_dialog() {
    let published: Published =
        read(&text("x"), 200, &json!({"code": "OK", "body": {"sequence": 7}})).unwrap();
    assert_eq!(published.sequence, Some(7));
    // The survey's first event is not a duplicate of the main dialog's.
    let mut inbox = Inbox::default();
    for dialog in ["c", "survey"] {
        let change = json!({"sequence": 0, "conversationId": "c", "dialogId": dialog, "event": {}});
        inbox.handle(message(change), Mono::ZERO).unwrap();
    }
    for _ in 0..2 {
        assert!(matches!(inbox.poll(Mono::ZERO), InboxPoll::Deliver(_)));
    }
}

#[test]
fn row_25_a_missing_stage_means_the_state() {
    for (details, finished) in [
        (json!({"state": "CLOSE", "stage": "OPEN"}), false),
        (json!({"state": "CLOSE", "stage": "CLOSE"}), true),
        (json!({"state": "CLOSE"}), true),
        (json!({"state": "OPEN"}), false),
    ] {
        let Change::Conversation(change) = state(details.clone()) else { panic!() };
        assert_eq!(change.is_finished(), finished, "{details}");
    }
}

#[test]
fn row_26_close_is_sent_and_closed_is_accepted() {
    let body = body_of(&CloseConversation::new(&conversation()));
    assert_eq!(body["body"]["conversationField"]["conversationState"], "CLOSE");
    for word in ["CLOSE", "CLOSED", "close"] {
        let Change::Conversation(change) = state(json!({"stage": word})) else { panic!() };
        assert!(change.is_finished(), "{word}");
    }
}

#[test]
fn row_27_a_subscription_id_changes_nothing() {
    let change = json!({"dialogId": "d", "event": {"type": "ContentEvent", "message": "x"}});
    let of = |more: Value| {
        let mut body =
            json!({"type": "ms.MessagingEventNotification", "body": {"changes": [change]}});
        if let (Value::Object(more), Some(members)) = (more, body["body"].as_object_mut()) {
            members.extend(more);
        }
        notification(&body)
    };
    assert_eq!(of(json!({"subscriptionId": "7", "sentTs": 1})), of(json!({})));
}

#[test]
fn row_28_rich_content_is_read_under_every_name() {
    let content = json!({"type": "text", "text": "hi"});
    for (name, content) in [
        ("content", content.clone()),
        ("content", json!(content.to_string())),
        ("message", content.clone()),
        ("Content", content.clone()),
    ] {
        let event = json!({"type": "RichContentEvent", name: content});
        let Change::Message(message) = message(json!({"dialogId": "d", "event": event})) else {
            panic!()
        };
        let Event::RichContent(rich) = message.event() else { panic!() };
        assert_eq!(rich.to_text(), "hi", "{name}");
    }
}

#[test]
fn row_29_both_hosted_file_types_are_read() {
    let send = SendFile::new(&conversation(), HostedFile::new("/v1/a", "PNG"));
    assert_eq!(body_of(&send)["body"]["event"]["contentType"], "hosted/file");
    for content_type in ["hosted/file", "HostedFile"] {
        let event = json!({"type": "ContentEvent", "contentType": content_type,
            "message": {"relativePath": "/v1/a"}});
        let Change::Message(message) = message(json!({"dialogId": "d", "event": event})) else {
            panic!()
        };
        assert!(matches!(message.event(), Event::File(_)), "{content_type}");
    }
}

#[test]
fn row_30_a_caption_is_always_sent() {
    let send = SendFile::new(&conversation(), HostedFile::new("/v1/a", "PNG"));
    assert_eq!(body_of(&send)["body"]["event"]["message"]["caption"], "");
}

#[test]
fn row_31_a_file_size_is_sent_as_text() {
    let ask = GenerateUploadUrl::new(&conversation(), 18422, "png");
    assert_eq!(body_of(&ask)["body"], json!({"fileSize": "18422", "fileType": "PNG"}));
}

#[test]
fn row_32_a_file_path_is_joined_with_one_slash() {
    let ask = GenerateUploadUrl::new(&conversation(), 1, "png");
    for path in ["/v1/a/b.PNG", "//v1/a/b.PNG", "v1/a/b.PNG"] {
        let body = json!({"code": "OK", "body": {"relativePath": path, "queryParams": {}}});
        let url = read(&ask, 200, &body).unwrap();
        assert_eq!(url.segments().collect::<Vec<_>>(), ["v1", "a", "b.PNG"], "{path}");
    }
}

#[test]
fn row_33_gender_is_sent_as_text() {
    let gender = Some(crate::api::Gender::Female);
    let personal = PersonalInfo { gender, ..PersonalInfo::default() };
    let profile = serde_json::to_value(Profile::new().personal_info(personal)).unwrap();
    assert_eq!(profile["authenticatedData"]["lp_sdes"][0]["personal"]["gender"], "FEMALE");
}

#[test]
fn row_34_ids_are_sent_as_text_and_read_as_both() {
    let find = FindEngagement::new(ClientId::new("0a1b").unwrap());
    for id in [json!(7), json!("7")] {
        let body = json!({"visitorId": "V", "sessionId": "S", "engagementDetails": [
            {"campaignId": id, "engagementId": id, "contextId": id}]});
        let found = read(&find, 200, &body).unwrap();
        let sent = body_of(&found.open(conversation().consumer().clone()).unwrap().skill("7"));
        let conversation = &sent[1]["body"];
        assert_eq!(conversation["campaignInfo"], json!({"campaignId": "7", "engagementId": "7"}));
        assert_eq!(conversation["conversationContext"]["interactionContextId"], "7");
        assert_eq!(conversation["skillId"], "7");
        let Change::Conversation(change) = state(json!({"skillId": id})) else { panic!() };
        assert_eq!(change.skill().as_deref(), Some("7"));
    }
}

#[test]
fn row_35_the_channel_type_is_always_sent() {
    let body = body_of(&OpenConversation::new(conversation().consumer().clone()));
    assert_eq!(body[1]["body"]["channelType"], "MESSAGING");
}

#[test]
fn row_36_client_properties_have_the_short_type() {
    let value = ClientProperties::new().value().unwrap();
    let value: Value = serde_json::from_slice(value.as_bytes()).unwrap();
    assert_eq!(value["type"], ".ClientProperties");
}

#[test]
fn row_37_request_types_have_the_new_prefixes() {
    assert_eq!(body_of(&text("x"))["type"], "ms.PublishEvent");
    let close = CloseConversation::new(&conversation());
    assert_eq!(body_of(&close)["type"], "cm.UpdateConversationField");
    let state = SetChatState::new(&conversation(), ChatState::Active);
    assert_eq!(body_of(&state)["type"], "ms.PublishEvent");
}

#[test]
fn row_38_engagement_details_are_an_array_or_object() {
    let find = FindEngagement::new(ClientId::new("0a1b").unwrap());
    let one = json!({"campaignId": 1, "engagementId": 2});
    for details in [json!([one]), one.clone()] {
        let body = json!({"engagementDetails": details});
        assert_eq!(read(&find, 200, &body).unwrap().engagements.len(), 1);
    }
}

#[test]
fn row_39_a_report_response_has_either_names() {
    let report = ReportActivity::new(ClientId::new("0a1b").unwrap());
    for body in [json!({"sessionId": "S", "visitorId": "V"}), json!({"sid": "S", "vid": "V"})] {
        assert_eq!(read(&report, 200, &body).unwrap(), Visitor::new("V", "S"));
    }
}

#[test]
fn row_40_both_shapes_of_hosts_are_parsed() {
    let one = json!({"service": "idp", "baseURI": "va.idp.liveperson.net"});
    for body in [one.clone(), json!({"baseURIs": [one]}), json!([one])] {
        assert_eq!(read(&ListDomains::new(), 200, &body).unwrap().len(), 1, "{body}");
    }
}

#[test]
fn row_41_the_limit_of_5000_applies_to_texts_only() {
    let file = HostedFile::new("/v1/a", "PNG").preview("x".repeat(20_000));
    body_of(&SendFile::new(&conversation(), file));
    let account = AccountId::new("1").unwrap();
    let context = Context::new(&account, Seed::from_bytes([7; 16]));
    assert!(Operation::request(&text(&"x".repeat(5000)), &context).is_err());
}

#[test]
fn row_42_already_open_is_recognised_with_both_statuses() {
    for status in [200, 400] {
        let body = json!([{"code": "OK"}, {"code": "BAD_REQUEST", "body":
            {"msg": "User already has open conversation. Can't open another one."}}]);
        let answer = move |request: &Request<Bytes>| {
            if request.uri().path().ends_with("/conversation") {
                let bytes = body.to_string();
                return Response::builder().status(status).body(Bytes::from(bytes)).unwrap();
            }
            cloud(request)
        };
        let open = OpenConversation::new(conversation().consumer().clone());
        let (_, result) = sent(open, CredentialsIn::Body, answer);
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.stage()), (ErrorKind::AlreadyOpen, Stage::Operation));
    }
}

#[test]
fn row_43_the_event_type_decides_not_the_endpoint() {
    let event = json!({"type": "RichContentEvent", "content": {"type": "text", "text": "x"}});
    let body = json!({"type": "ms.MessagingEventNotification.ContentEvent",
        "body": {"changes": [{"dialogId": "d", "event": event}]}});
    let notification = notification(&body);
    let [Change::Message(message)] = notification.changes() else { panic!() };
    assert!(matches!(message.event(), Event::RichContent(_)));
}

#[test]
fn row_44_roles_are_an_open_set() {
    for (role, read) in [
        ("CONSUMER", Role::Consumer),
        ("AGENT_MANAGER", Role::AgentManager),
        ("SUPERVISOR", Role::Other("SUPERVISOR".into())),
    ] {
        let change = json!({"dialogId": "d", "event": {}, "originatorMetadata": {"role": role}});
        let Change::Message(message) = message(change) else { panic!() };
        assert_eq!(message.role(), Some(read));
    }
}
