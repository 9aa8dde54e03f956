//! Every example of protocol.md section 9, and the variants that real notifications show.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::json::JsonTape;
use crate::time::Timestamp;

/// The wire reference. Its examples are the expected input.
const PROTOCOL: &str = include_str!("../../protocol.md");

fn read(body: &Value) -> Notification {
    Verified::dangerous_unverified(body.to_string().into_bytes()).parse().unwrap()
}

fn messaging(change: Value) -> Value {
    json!({"kind": "notification", "type": "ms.MessagingEventNotification",
        "body": {"changes": [change]}})
}

fn message(change: Value) -> MessagingEvent {
    match read(&messaging(change)).into_changes().remove(0) {
        Change::Message(message) => message,
        other => panic!("{other:?}"),
    }
}

fn at(millis: u64) -> Option<Timestamp> {
    Some(Timestamp::from_millis(millis))
}

/// The JSON blocks of one section.
fn examples(section: &str) -> Vec<Value> {
    let (_, rest) = PROTOCOL.split_once(&format!("\n### {section} ")).unwrap();
    let section = rest.split("\n### ").next().unwrap_or_default();
    let blocks = section.split("```json\n").skip(1);
    blocks
        .map(|block| {
            let text = block.split("```").next().unwrap_or_default();
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
        })
        .collect()
}

#[test]
fn every_field_of_the_documented_text_is_read() {
    let [example] = &*examples("9.4") else { panic!() };
    let notification = read(example);
    let [Change::Message(message)] = notification.changes() else { panic!("{notification:?}") };
    assert_eq!(message.sequence(), Some(5));
    assert_eq!(message.server_timestamp(), at(1_700_000_000_123));
    assert_eq!(message.originator_id(), Some(Cow::Borrowed("0d3c…")));
    assert_eq!((message.role(), message.audience()), (Some(Role::AssignedAgent), Audience::All));
    assert_eq!((message.conversation().as_str(), message.is_in_main_dialog()), ("5f0c…", true));
    assert_eq!(message.metadata().count(), 0);
    assert!(message.is_for_consumer());
    let Event::Text(text) = message.event() else { panic!() };
    assert_eq!((text.text, text.quick_replies.is_none()), ("Good morning", true));
}

#[test]
fn documented_quick_replies_and_rich_content_are_read() {
    let [quick] = &*examples("9.5") else { panic!() };
    let asked = message(json!({"sequence": 0, "dialogId": "Qz_7k", "event": quick}));
    let Event::Text(text) = asked.event() else { panic!() };
    let replies: Vec<_> = text.quick_replies.unwrap().replies().collect();
    assert_eq!(replies.len(), 1);
    assert_eq!(replies[0].label(), Some("5"));
    assert!(matches!(replies[0].actions().next(), Some(Action::PublishText("5"))));
    let answer = json!([{"type": "Answer", "questionId": "q1", "id": "a5", "provider": "AC"}]);
    assert_eq!(replies[0].click_metadata().unwrap(), answer);

    let [rich] = &*examples("9.6") else { panic!() };
    let card = message(json!({"sequence": 0, "dialogId": "d", "event": rich}));
    let Event::RichContent(card) = card.event() else { panic!() };
    assert_eq!(card.to_text(), "Pick one\n[1] Blue");
    assert!(card.quick_replies().is_some());
}

#[test]
fn the_documented_receipt_and_chat_state_are_read() {
    let [receipt] = &*examples("9.7") else { panic!() };
    let receipt = message(receipt.clone());
    let Event::AcceptStatus(read) = receipt.event() else { panic!() };
    assert_eq!(
        (read.status.clone(), read.sequences().collect()),
        (ReceiptStatus::Read, vec![3, 4])
    );
    assert_eq!(receipt.sequence(), Some(6), "a receipt takes a number itself");

    let [state] = &*examples("9.8") else { panic!() };
    let state = message(state.clone());
    assert!(matches!(state.event(), Event::ChatState(ReceivedChatState::Active)));
    assert_eq!((state.sequence(), state.server_timestamp()), (None, None));
}

#[test]
fn every_field_of_the_documented_state_is_read() {
    let [example] = &*examples("9.9") else { panic!() };
    let notification = read(example);
    let [Change::Conversation(change)] = notification.changes() else { panic!() };
    assert_eq!(change.conversation().as_str(), "5f0c…");
    assert_eq!((change.state(), change.stage()), (Some(OpenState::Close), Some(OpenState::Open)));
    assert_eq!(change.close_reason(), Some("CONSUMER"));
    assert_eq!((change.started(), change.ended()), (at(1_700_000_000_000), None));
    assert_eq!((change.updated(), change.answer_due()), (at(1_700_000_100_400), None));
    assert_eq!(change.skill().as_deref(), Some("4410"));
    let target = change.response_target().unwrap();
    let within = Some(Duration::from_secs(600));
    assert_eq!((target.kind, target.within), (Some("PRIORITIZED"), within));
    assert_eq!(change.consumer().as_deref(), Some("9c…"));
    assert_eq!(change.agents(), ["0d3c…"]);
    assert_eq!((change.delay(), change.manual_ettr(), change.csat()), (None, None, None));
    assert!(change.is_main_dialog_closed() && !change.is_finished() && !change.is_deleted());

    let main = change.main_dialog().unwrap();
    assert_eq!((main.is_open(), main.closed_by()), (false, Some("CONSUMER")));
    assert_eq!(main.closed_cause(), Some("Closed by consumer"));
    assert_eq!(main.channel_type(), Some("MESSAGING"));
    let survey = change.open_survey().unwrap();
    assert_eq!((survey.id().as_str(), survey.participants().count()), ("Qz_7k", 1));
    assert_eq!(change.dialog_to_publish_to().unwrap().as_str(), "Qz_7k");
    assert_eq!(
        change.diff(None),
        [
            Transition::AgentJoined("0d3c…".into()),
            Transition::MainDialogClosed,
            Transition::SurveyStarted(survey.id().clone())
        ]
    );
}

/// A state with these details.
fn change(details: Value) -> ConversationChange {
    let raw = json!({"type": "UPSERT", "result": {"convId": "c", "conversationDetails": details}});
    ConversationChange::try_from(raw).unwrap()
}

#[test]
fn diffs_follow_a_conversation_from_start_to_end() {
    let consumer = json!({"id": "9c", "role": "CONSUMER"});
    let agent = json!({"id": "a1", "role": "ASSIGNED_AGENT"});
    let main = |state: &str, agent: &str| {
        json!({"dialogId": "c", "dialogType": "MAIN", "state": state, "participantsDetails": [
            {"id": "a1", "role": "ASSIGNED_AGENT", "state": agent}]})
    };
    let survey = |state| json!({"dialogId": "s", "dialogType": "POST_SURVEY", "state": state});
    let new = change(json!({"state": "OPEN", "skillId": "-1", "participants": [consumer]}));
    assert_eq!(new.diff(None), [Transition::Created]);
    assert_eq!((new.skill(), new.agents().len()), (None, 0));
    assert_eq!(new.dialog_to_publish_to().unwrap().as_str(), "c", "with no dialogs listed");

    let both = json!([consumer, agent]);
    let suggested = change(json!({"state": "OPEN", "skillId": 7, "participants": both,
        "dialogs": [main("OPEN", "SUGGESTED")]}));
    assert_eq!(suggested.diff(Some(&new)), [], "suggested is not on board, routed is no transfer");
    let joined = change(json!({"state": "OPEN", "skillId": "7", "participants": both,
        "dialogs": [main("OPEN", "ACTIVE")]}));
    assert_eq!(joined.diff(Some(&suggested)), [Transition::AgentJoined("a1".into())]);

    let transferred = change(json!({"state": "OPEN", "skillId": "8", "participants": [consumer]}));
    assert_eq!(
        transferred.diff(Some(&joined)),
        [
            Transition::Transferred { from: Some("7".into()), to: Some("8".into()) },
            Transition::AgentLeft("a1".into())
        ]
    );

    let surveyed = change(json!({"state": "CLOSE", "stage": "OPEN", "skillId": "8",
        "participants": [consumer], "dialogs": [survey("OPEN"), main("CLOSE", "SUGGESTED")]}));
    let id = surveyed.open_survey().unwrap().id().clone();
    assert_eq!(
        surveyed.diff(Some(&transferred)),
        [Transition::MainDialogClosed, Transition::SurveyStarted(id.clone())]
    );
    let rated = change(json!({"state": "CLOSE", "stage": "CLOSE", "skillId": "8",
        "participants": [consumer], "dialogs": [survey("CLOSE"), main("CLOSE", "SUGGESTED")],
        "csat": {"csatRate": 5, "csatResolutionConfirmation": true, "status": "FILLED"}}));
    assert_eq!(rated.diff(Some(&surveyed)), [Transition::SurveyEnded(id), Transition::Finished]);
    assert_eq!(rated.dialog_to_publish_to(), None);
    let csat = rated.csat().unwrap();
    assert_eq!((csat.rate, csat.resolved, csat.status), (Some(5), Some(true), Some("FILLED")));
}

#[test]
fn every_variant_of_a_state_is_read() {
    let old = change(json!({"state": "CLOSED"}));
    assert!(old.is_finished(), "no stage, and CLOSED for CLOSE");
    let by_role = change(json!({"participantsPId": {"CONSUMER": ["9c"], "ASSIGNED_AGENT": "a1"}}));
    assert_eq!((by_role.consumer().as_deref(), by_role.agents().len()), (Some("9c"), 1));
    let bare = change(json!({"csatRate": 4, "delay": {"type": "NIGHT", "tillWhen": 17},
        "manualETTR": {"tillWhen": "18"}}));
    assert_eq!(bare.csat().unwrap().rate, Some(4));
    assert_eq!(bare.delay().unwrap().kind, Some("NIGHT"));
    assert_eq!(bare.manual_ettr().unwrap().until, at(18));
    let raw = json!({"type": "DELETE", "result": {"conversationId": 7, "effectiveTTR": 9}});
    let deleted = ConversationChange::try_from(raw).unwrap();
    assert!(deleted.is_deleted());
    assert_eq!((deleted.conversation().as_str(), deleted.answer_due()), ("7", at(9)));
}

#[test]
fn every_member_of_a_received_file_is_read() {
    let content = json!({"relativePath": "/v1/a", "fileType": "PNG", "caption": "a ring",
        "preview": "data:image/png;base64,iVBORw0"});
    let event = json!({"type": "ContentEvent", "contentType": "hosted/file", "message": content});
    let read = message(json!({"dialogId": "d", "event": event}));
    let Event::File(file) = read.event() else { panic!() };
    assert_eq!(file.relative_path, "/v1/a");
    assert_eq!((file.file_type, file.caption), (Some("PNG"), Some("a ring")));
    assert_eq!(file.preview, Some("data:image/png;base64,iVBORw0"));
}

#[test]
fn one_line_break_at_the_end_of_a_text_is_dropped() {
    for (sent, text) in [
        ("hi", "hi"),
        ("hi\n", "hi"),
        ("hi\n\n", "hi\n"),
        ("hi \n", "hi "),
        ("\nhi", "\nhi"),
        ("hi\r\n", "hi\r"),
        ("\n", ""),
        ("", ""),
    ] {
        let event = json!({"type": "ContentEvent", "contentType": "text/plain", "message": sent});
        let read = message(json!({"dialogId": "d", "event": event}));
        let Event::Text(read) = read.event() else { panic!("{sent:?}") };
        assert_eq!(read.text, text, "{sent:?}");
    }
}

#[test]
fn every_content_type_is_distinguished() {
    for (content_type, content, name) in [
        (json!("text/plain"), json!("hi\n"), "text"),
        (Value::Null, json!("hi"), "text"),
        (json!("hosted/file"), json!({"relativePath": "/v1/a", "fileType": "PNG"}), "file"),
        (json!("HostedFile"), json!({"relativePath": "/v1/a"}), "file"),
        (json!("hosted/file"), json!({"caption": "no path"}), "content"),
        (
            json!("forms/secure-invitation"),
            json!({"invitationId": 7, "title": "t"}),
            "secure_invitation",
        ),
        (json!("forms/secure-submission"), json!({"submissionId": "s"}), "secure_submission"),
        (json!("text/html"), json!("<b>"), "content"),
        (json!("text/plain"), json!({"odd": 1}), "content"),
        (json!(7), json!(7), "content"),
    ] {
        let event =
            json!({"type": "ContentEvent", "contentType": content_type, "message": content});
        let read = message(json!({"dialogId": "d", "event": event}));
        assert_eq!(read.event().name(), name, "{content_type} {content}");
        match read.event() {
            Event::Text(text) => assert_eq!(text.text, "hi"),
            Event::File(file) => assert_eq!(file.relative_path, "/v1/a"),
            Event::SecureInvitation(form) => assert_eq!(form.invitation_id.as_deref(), Some("7")),
            Event::SecureSubmission(form) => assert_eq!(form.submission_id.as_deref(), Some("s")),
            Event::OtherContent(content) => assert!(content.message.is_some()),
            other => panic!("{other:?}"),
        }
    }
    let odd = message(json!({"dialogId": "d", "event": {"type": "Hologram"}}));
    assert!(matches!(odd.event(), Event::Other(Some("Hologram"))));
    let misprint =
        json!({"type": "AccpetStatusEvent", "status": "ACCEPT", "sequenceList": ["1", 2]});
    let misprint = message(json!({"dialogId": "d", "event": misprint}));
    let Event::AcceptStatus(receipt) = misprint.event() else { panic!() };
    assert_eq!(receipt.sequences().collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn echoes_and_staff_messages_are_not_for_the_consumer() {
    let from = |role: Value, audience: Value| {
        let event = json!({"type": "ContentEvent", "message": "x"});
        message(json!({"dialogId": "d", "event": event, "messageAudience": audience,
            "originatorMetadata": {"role": role, "id": "a"}}))
        .is_for_consumer()
    };
    assert!(from(json!("ASSIGNED_AGENT"), json!("ALL")));
    assert!(from(json!("AGENT"), Value::Null));
    assert!(from(json!("SOMETHING_NEW"), json!("all")));
    assert!(from(Value::Null, Value::Null));
    assert!(!from(json!("CONSUMER"), json!("ALL")));
    assert!(!from(json!("consumer"), json!("ALL")));
    assert!(!from(json!("ASSIGNED_AGENT"), json!("AGENTS_AND_MANAGERS")));
    assert!(!from(json!("ASSIGNED_AGENT"), json!("SOMETHING_NEW")));
}

#[test]
fn a_bad_change_does_not_affect_its_neighbours() {
    let good =
        json!({"sequence": 0, "dialogId": 7, "event": {"type": "ContentEvent", "message": "x"}});
    for bad in [
        json!(7),
        json!(null),
        json!([]),
        json!({}),
        json!({"event": {"type": "ContentEvent"}}),
        json!({"dialogId": "d"}),
        json!({"dialogId": "", "event": {}}),
        json!({"dialogId": "d", "event": "text"}),
        json!({"dialogId": "x".repeat(1000), "event": {}}),
    ] {
        let body = json!({"type": "ms.MessagingEventNotification",
            "body": {"changes": [good, bad, good]}});
        let notification = read(&body);
        let [Change::Message(first), Change::Other(other), Change::Message(_)] =
            notification.changes()
        else {
            panic!("{notification:?}")
        };
        assert_eq!(first.dialog().as_str(), "7");
        assert_eq!(other.raw(), bad);
        assert_eq!(other.notification_type(), Some("ms.MessagingEventNotification"));
    }
}

#[test]
fn bare_elements_and_all_type_spellings_are_read() {
    let change =
        json!({"dialogId": "d", "event": {"type": "ChatStateEvent", "chatState": "PAUSE"}});
    for body in [
        json!({"type": "ms.MessagingEventNotification", "body": {"changes": change}}),
        json!([{"type": "ms.MessagingEventNotification", "body": {"changes": [change]}}]),
        json!({"type": "ms.MessagingEventNotification.ChatStateEvent", "body": {"changes": [change]}}),
        json!({"body": {"changes": [change]}}),
    ] {
        let notification = read(&body);
        assert!(matches!(notification.changes(), [Change::Message(_)]), "{body}");
    }
    for body in [
        json!({"type": "x.FutureNotification", "body": {"changes": [change]}}),
        json!({"type": "ms.MessagingEventNotification", "body": {}}),
        json!({"type": "ms.MessagingEventNotification"}),
        json!(7),
        json!("text"),
    ] {
        let notification = read(&body);
        assert!(matches!(notification.changes(), [Change::Other(_)]), "{body}");
    }
    assert_eq!(read(&json!({"body": {"changes": []}})).changes(), []);
}

#[test]
fn half_an_emoji_becomes_one_replacement_character() {
    let body = br#"{"type":"ms.MessagingEventNotification","body":{"changes":[{"dialogId":"d",
        "event":{"type":"ContentEvent","message":"caf\u00e9 \ud83d!"}}]}}"#;
    let notification = Verified::dangerous_unverified(body.to_vec()).parse().unwrap();
    assert!(notification.is_lossy());
    let [Change::Message(message)] = notification.changes() else { panic!() };
    let Event::Text(text) = message.event() else { panic!() };
    assert_eq!(text.text, "café \u{fffd}!");
}

#[test]
fn white_space_key_order_and_escapes_do_not_matter() {
    let body = "\r\n\t{ \"body\" :{\"changes\" : [ {\"event\":{ \"message\":\"Gr\\u00fc\\u00dfe \
                \\ud83d\\ude42 \u{1f642}\",\"type\":\"ContentEvent\"} , \"dialogId\":\"d\"}]}\n,\
                \"type\":\"ms.MessagingEventNotification\"}\n";
    let notification = Verified::dangerous_unverified(body.as_bytes().to_vec()).parse().unwrap();
    let [Change::Message(message)] = notification.changes() else { panic!() };
    let Event::Text(text) = message.event() else { panic!() };
    assert_eq!(text.text, "Grüße 🙂 🙂");
}

#[test]
fn debug_output_redacts_every_text() {
    let event = json!({"type": "ContentEvent", "message": "s3cr3t", "quickReplies": {"replies": [
        {"title": "s3cr3t", "click": {"actions": [{"type": "publishText", "text": "s3cr3t"}]}}]}});
    let notification = read(&messaging(json!({"dialogId": "d", "event": event,
        "metadata": [{"type": "ExternalId", "id": "s3cr3t"}]})));
    let [Change::Message(message)] = notification.changes() else { panic!() };
    let Event::Text(text) = message.event() else { panic!() };
    let reply = text.quick_replies.unwrap().replies().next().unwrap();
    let file = json!({"relativePath": "s3cr3t", "caption": "s3cr3t"});
    let file = json!({"type": "ContentEvent", "contentType": "hosted/file", "message": file});
    let file = format!("{:?}", Event::of(JsonTape::from(&file).root()));
    let other = read(&json!({"type": "x", "body": {"changes": ["s3cr3t"]}}));
    let shown = format!(
        "{notification:?} {:?} {text:?} {reply:?} {:?} {:?} {file} {other:?}",
        message.event(),
        reply.actions().collect::<Vec<_>>(),
        message.metadata().collect::<Vec<_>>()
    );
    assert!(!shown.contains("s3cr3t"), "{shown}");
    let error = Verified::dangerous_unverified(b"s3cr3t".to_vec()).parse().unwrap_err();
    assert!(!format!("{error} {error:?}").contains("s3cr3t"));
}

#[test]
fn metadata_is_read_member_by_member() {
    let raw = json!({"sequence": 1, "dialogId": "d", "event": {"type": "ContentEvent", "message": "x"},
        "metadata": [{"type": "Question", "id": "q1", "step": 7, "share": "12"}, {"id": 5}]});
    let event = message(raw.clone());
    assert_eq!(event.raw(), raw);
    let all: Vec<_> = event.metadata().collect();
    assert_eq!(all.len(), 2);
    assert_eq!((all[0].kind(), all[1].kind()), (Some("Question"), None));
    assert_eq!(all[0].raw(), raw["metadata"][0]);
    assert_eq!(all[0].member("id").as_deref(), Some("q1"));
    assert_eq!((all[1].member("id").as_deref(), all[1].member("no")), (Some("5"), None));
    assert_eq!((all[0].number("step"), all[0].number("share")), (Some(7), Some(12)));
    assert_eq!((all[0].number("id"), all[1].number("no")), (None, None));
    assert_eq!(message(json!({"dialogId": "d", "event": {}})).metadata().count(), 0);
}

#[test]
fn without_a_type_members_decide_the_kind() {
    let kind = |change: Value| {
        let notification = read(&json!({"body": {"changes": [change]}}));
        match notification.changes() {
            [Change::Message(_)] => "message",
            [Change::Conversation(_)] => "conversation",
            [Change::Other(_)] => "other",
            _ => "none",
        }
    };
    assert_eq!(kind(json!({"dialogId": "d", "event": {"type": "x"}})), "message");
    assert_eq!(kind(json!({"result": {"convId": "c"}})), "conversation");
    assert_eq!(kind(json!({"neither": 1})), "other");
    assert!(!read(&json!({"body": {}})).is_lossy());
    let lossy = Verified::dangerous_unverified(b"\"\xff\"".to_vec()).parse().unwrap();
    assert!(lossy.is_lossy());
}

#[test]
fn an_unreadable_change_gives_its_reason() {
    let body = json!({"type": "ms.MessagingEventNotification", "body": {"changes": [7]}});
    let notification = read(&body);
    let [Change::Other(other)] = notification.changes() else { panic!() };
    assert_eq!(
        (other.reason(), other.raw()),
        ("the change has no event", JsonTape::from(&json!(7)).root())
    );
    let untyped = read(&json!({"body": {"changes": [{"neither": 1}]}}));
    let [Change::Other(other)] = untyped.changes() else { panic!() };
    assert_eq!(other.reason(), "the notification's type is unknown");
}

#[test]
fn members_of_a_state_are_read_in_every_place() {
    let ended = change(json!({"endTs": 17, "dialogs": [{"dialogId": "c", "x": 1}]}));
    assert_eq!(ended.ended(), at(17));
    assert_eq!(ended.dialogs().next().unwrap().raw(), json!({"dialogId": "c", "x": 1}));
    // Any one of the three members makes a rating.
    for csat in [
        json!({"csatRate": 4}),
        json!({"csatResolutionConfirmation": true}),
        json!({"status": "SKIPPED"}),
    ] {
        let rated = change(json!({"csat": csat}));
        let found = rated.csat().unwrap();
        assert_eq!(found.rate.is_some(), csat.get("csatRate").is_some());
        assert_eq!(found.resolved.is_some(), csat.get("csatResolutionConfirmation").is_some());
        assert_eq!(found.status.is_some(), csat.get("status").is_some());
    }
    assert!(change(json!({"csat": {}})).csat().is_none());
}

#[test]
fn agents_are_assigned_and_active() {
    let one = |id: &str, role: &str, state: Value| json!({"id": id, "role": role, "state": state});
    let main = json!([{"dialogId": "c", "dialogType": "MAIN", "participantsDetails": [
        one("on", "ASSIGNED_AGENT", json!("active")),
        one("maybe", "ASSIGNED_AGENT", json!("SUGGESTED")),
        one("reader", "READER", json!("ACTIVE")),
    ]}]);
    let all = json!([
        one("on", "ASSIGNED_AGENT", Value::Null),
        one("maybe", "ASSIGNED_AGENT", Value::Null),
        one("boss", "MANAGER", Value::Null)
    ]);
    let state = change(json!({"dialogs": main, "participants": all}));
    assert_eq!(state.agents(), ["on"]);
}

/// A state of the one role says nothing about the other.
#[test]
fn one_id_in_two_roles_is_both() {
    let one = |id: &str, role: &str, state: &str| json!({"id": id, "role": role, "state": state});
    let main = json!([{"dialogId": "c", "dialogType": "MAIN", "participantsDetails": [
        one("a", "READER", "CLOSE"),
        one("a", "ASSIGNED_AGENT", "ACTIVE"),
        one("b", "ASSIGNED_AGENT", "CLOSE"),
        one("b", "MANAGER", "ACTIVE"),
        one("d", "CONSUMER", "ACTIVE"),
    ]}]);
    let all = json!([
        one("d", "CONSUMER", "ACTIVE"),
        one("d", "ASSIGNED_AGENT", "ACTIVE"),
        one("a", "ASSIGNED_AGENT", "ACTIVE"),
        one("b", "ASSIGNED_AGENT", "ACTIVE"),
    ]);
    let state = change(json!({"dialogs": main, "participants": all}));
    assert_eq!(state.agents(), ["a", "d"]);
    assert_eq!(state.consumer().as_deref(), Some("d"));
}

#[test]
fn a_first_skill_without_an_agent_is_no_transfer() {
    let state = |skill: Value, agents: Value| {
        change(json!({"state": "OPEN", "skillId": skill,
        "participants": agents}))
    };
    let (unassigned, assigned) = (json!([]), json!([{"id": "a", "role": "ASSIGNED_AGENT"}]));
    let transferred = |before: &ConversationChange, after: &ConversationChange| {
        let happened = after.diff(Some(before));
        happened.iter().any(|one| matches!(one, Transition::Transferred { .. }))
    };
    let new = state(json!("-1"), unassigned.clone());
    let routed = state(json!("7"), unassigned.clone());
    assert!(!transferred(&new, &routed), "it was routed for the first time");
    assert!(transferred(&routed, &state(json!("8"), unassigned)));
    assert!(transferred(&state(json!("-1"), assigned.clone()), &state(json!("7"), assigned)));
}

#[test]
fn a_change_converts_back_to_its_json() {
    let raw = json!({"dialogId": "d", "conversationId": "c", "event": {"type": "x"}});
    assert_eq!(Value::from(message(raw.clone())), raw);
    let state = change(json!({"state": "OPEN"}));
    let raw = state.raw().to_value();
    assert_eq!(Value::from(state), raw);
}
