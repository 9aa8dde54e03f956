//! Each kind of delivery as it is posted, byte for byte but for the order of members, which depends on the features
//! of serde_json.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::time::{Duration, SystemTime};

use lp_connector_core::bridge::{
    ClosedBy, Delivery, DeliveryContent, FailureReason, Progress, Status,
};
use lp_connector_core::id::{ConversationId, DialogId};
use lp_connector_core::time::Timestamp;
use lp_connector_core::webhook::{Change, Event, Order, Transition, Verified};
use lp_connector_gateway::delivery::{Envelope, Extras, Media};
use lp_connector_gateway::request::Rules;
use serde_json::Value;

/// A message of the agent with this event.
fn message(event: &str) -> DeliveryContent {
    let body = format!(
        r#"{{"type":"ms.MessagingEventNotification","body":{{"changes":[{{"sequence":7,"originatorId":"a9",
        "originatorMetadata":{{"id":"a9","role":"ASSIGNED_AGENT"}},"serverTimestamp":1790769603123,
        "dialogId":"5f0c","conversationId":"5f0c","event":{event}}}]}}}}"#
    );
    let notification = Verified::dangerous_unverified(body).parse().unwrap();
    match notification.into_changes().remove(0) {
        Change::Message(message) => DeliveryContent::Message(message),
        other => panic!("{other:?}"),
    }
}

fn status(progress: Progress, sequence: Option<u64>) -> DeliveryContent {
    DeliveryContent::Status(Status::new("SM9f3", progress, sequence))
}

fn cases() -> Vec<(&'static str, &'static str, DeliveryContent)> {
    let survey = DialogId::new("survey-1").unwrap();
    vec![
        (
            "text",
            "5f0c:5f0c:7",
            message(
                r#"{"type":"ContentEvent","contentType":"text/plain","message":"Good morning"}"#,
            ),
        ),
        (
            "quick_replies",
            "5f0c:5f0c:7",
            message(
                r#"{"type":"ContentEvent","contentType":"text/plain","message":"Which colour?","quickReplies":
                {"type":"quickReplies","replies":[{"type":"button","title":"Blue"},{"type":"button","title":"Grey"}]}}"#,
            ),
        ),
        (
            "card",
            "5f0c:5f0c:7",
            message(
                r#"{"type":"RichContentEvent","content":{"type":"vertical","elements":[{"type":"text","text":"Which?"},
                {"type":"button","title":"Blue","click":{"actions":[{"type":"publishText","text":"Blue"}]}}]}}"#,
            ),
        ),
        (
            "file",
            "5f0c:5f0c:7",
            message(
                r#"{"type":"ContentEvent","contentType":"hosted/file","message":{"caption":"Your label",
                "relativePath":"/v1/AUTH_async-images/91827364/1.PNG","fileType":"PNG"}}"#,
            ),
        ),
        (
            "form",
            "5f0c:5f0c:7",
            message(
                r#"{"type":"ContentEvent","contentType":"forms/secure-invitation","message":{"title":"Card number",
                "invitationId":"i1"}}"#,
            ),
        ),
        ("opened", "5f0c:c1:opened", DeliveryContent::Changed(Transition::Created)),
        (
            "agent_joined",
            "5f0c:c2:agent_joined",
            DeliveryContent::Changed(Transition::AgentJoined("a9".into())),
        ),
        (
            "survey_started",
            "5f0c:c3:survey_started",
            DeliveryContent::Changed(Transition::SurveyStarted(survey)),
        ),
        ("closed", "5f0c:c4:closed", DeliveryContent::Changed(Transition::Finished)),
        ("sent", "in:7d0e41c2a95b3f18:sent", status(Progress::Sent, Some(4))),
        ("read", "in:7d0e41c2a95b3f18:read", status(Progress::Read, Some(4))),
        (
            "failed",
            "in:7d0e41c2a95b3f18:failed",
            status(Progress::Failed(FailureReason::Refused("text is empty".into())), None),
        ),
        (
            "unconfirmed",
            "in:7d0e41c2a95b3f18:failed",
            status(Progress::Failed(FailureReason::Unconfirmed), None),
        ),
    ]
}

fn delivery(id: &str, content: DeliveryContent) -> Delivery {
    let (account, consumer) = ("91827364".parse().unwrap(), "sms:+41790000001".parse().unwrap());
    let mut delivery = Delivery::new(id.to_owned(), account, consumer, content);
    delivery.at = Some(Timestamp::from_millis(1_790_769_603_123));
    if !id.starts_with("in:") {
        delivery.conversation = Some(ConversationId::new("5f0c").unwrap());
    }
    delivery
}

fn envelope(id: &str, content: DeliveryContent) -> Envelope {
    let delivery = delivery(id, content);
    let extras = match &delivery.content {
        DeliveryContent::Message(message) if matches!(message.event(), Event::File(_)) => media(),
        _ => Extras::default(),
    };
    Envelope::of(&delivery, "sms", &Rules::new("sms:"), &extras).unwrap()
}

/// How the gateway gets a file.
fn media() -> Extras {
    let url = "https://bridge.example/v1/files/f_5f0c8?expires=1790856004&signature=Zk3";
    let expires = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_856_004);
    let mut media = Media::new("f_5f0c8", "label.png", url, expires);
    media.data = Some(b"bytes".to_vec());
    Extras::media(media)
}

/// The golden file of this name.
fn golden(name: &str) -> String {
    let path = format!("{}/tests/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap_or_default().trim_end().to_owned()
}

/// Checks what is written beside the golden file of this name.
fn check(written: &str, name: &str) {
    let golden = golden(name);
    let [value, expected]: [Value; 2] =
        [written, &golden].map(|text| serde_json::from_str(text).unwrap());
    assert_eq!(value, expected, "{name}");
    // No blank more, and no member twice.
    assert_eq!(written.len(), golden.len(), "{name}: {written}");
}

#[test]
fn each_delivery_is_written_as_documented() {
    for (name, id, content) in cases() {
        let written = envelope(id, content);
        check(&written.body, name);
        assert_eq!(written.id, id);
    }
}

#[test]
fn what_is_there_only_when_it_is_so_is_written_as_documented() {
    let written = |id: &str, content: DeliveryContent, change: fn(&mut Delivery)| {
        let mut delivery = delivery(id, content);
        change(&mut delivery);
        Envelope::of(&delivery, "sms", &Rules::new("sms:"), &Extras::default()).unwrap().body
    };
    let opened = DeliveryContent::Changed(Transition::Created);
    let adopted = written("5f0c:c1:opened", opened, |delivery| delivery.details.adopted = true);
    check(&adopted, "adopted");
    let closed = DeliveryContent::Changed(Transition::Finished);
    let by = |delivery: &mut Delivery| delivery.details.by = Some(ClosedBy::Agent);
    check(&written("5f0c:c4:closed", closed, by), "closed_by_agent");
    let text = message(r#"{"type":"ContentEvent","message":"Good morning"}"#);
    let again = |delivery: &mut Delivery| {
        delivery.order = Order::Late;
        (delivery.possibly_repeated, delivery.replayed) = (true, true);
    };
    check(&written("5f0c:5f0c:7", text, again), "possibly_repeated");
}

#[test]
fn what_is_never_stored_is_written_as_documented() {
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_790_769_603_123);
    let typing = Envelope::typing("t:1", at, "sms", "+41790000001", Some("5f0c"), true);
    check(&typing.body, "typing");
    check(&Envelope::ping("p:1", at, "sms").body, "ping");
}

#[test]
fn order_and_replay_are_told() {
    let mut delivery = Delivery::new(
        "5f0c:5f0c:7".to_owned(),
        "91827364".parse().unwrap(),
        "sms:ada".parse().unwrap(),
        message(r#"{"type":"ContentEvent","message":"hi"}"#),
    );
    (delivery.order, delivery.replayed) = (Order::AfterGap, true);
    let body =
        Envelope::of(&delivery, "sms", &Rules::new("sms:"), &Extras::default()).unwrap().body;
    assert!(body.contains(r#""order":"after_gap","replayed":true"#), "{body}");
}

#[test]
fn another_channels_consumer_is_not_told_of() {
    let content = status(Progress::Sent, None);
    let (account, consumer) = ("91827364".parse().unwrap(), "chat:ada".parse().unwrap());
    let delivery = Delivery::new("in:1:sent".to_owned(), account, consumer, content);
    assert_eq!(Envelope::of(&delivery, "sms", &Rules::new("sms:"), &Extras::default()), None);
}
