//! Every member that something depends on, in every shape of JSON: what cannot be read is never a
//! permission, and never counts as absent.

use serde_json::{Value, json};

use super::*;
use crate::api::ConversationRef;
use crate::conversation::Conversation;
use crate::id::{ConversationId, ExtConsumerId};

/// Values that are no text, as they are written.
const NO_TEXT: &[&str] = &[
    "true",
    "false",
    "0",
    "5",
    "-1",
    "1.5",
    "1e400",
    "-1e400",
    "NaN",
    "18446744073709551616",
    "[]",
    "[null]",
    r#"["ALL"]"#,
    r#"["CONSUMER"]"#,
    r#"["OPEN"]"#,
    r#"["MAIN"]"#,
    r#"["text/plain"]"#,
    r#"["c"]"#,
    "{}",
    r#"{"id":"c"}"#,
    r#"{"ALL":true}"#,
];

/// Texts that are no known name.
const NO_NAME: &[&str] =
    &[r#""""#, r#""\ud83d""#, r#""ALL\u0000""#, r#""SOMETHING_NEW""#, r#"" ALL""#];

/// Values that are no id.
const NO_ID: &[&str] = &[
    "true",
    "1.5",
    "1e400",
    "18446744073709551616",
    "[]",
    r#"["c"]"#,
    "{}",
    r#"{"id":"c"}"#,
    r#""""#,
];

fn parse(change: &str, kind: &str) -> Change {
    let body = format!(r#"{{"type":"{kind}","body":{{"changes":[{change}]}}}}"#);
    let parsed = Verified::dangerous_unverified(body).parse().unwrap();
    let change = parsed.into_changes().remove(0);
    // What is decided holds for a stored change too.
    let stored = serde_json::to_string(&change).unwrap();
    let again: Change = serde_json::from_str(&stored).unwrap();
    assert_eq!(again, change);
    again
}

/// A text of an agent, with these members replaced or added. `event` and `originator` go into those
/// objects.
fn message(top: &str, originator: &str, event: &str) -> Change {
    let event = if event.is_empty() { r#","contentType":"text/plain""# } else { event };
    let change = format!(
        r#"{{"sequence":1,"originatorMetadata":{{"id":"a"{originator}}},
        "event":{{"type":"ContentEvent","message":"x"{event}}}{top}}}"#
    );
    parse(&change, "ms.MessagingEventNotification")
}

fn is_for_consumer(change: &Change) -> bool {
    matches!(change, Change::Message(message) if message.is_for_consumer())
}

const DIALOG: &str = r#","dialogId":"c","conversationId":"c""#;
const AGENT: &str = r#","role":"ASSIGNED_AGENT""#;

#[test]
fn an_audience_that_is_not_all_excludes_the_consumer() {
    let with = |audience: &str| {
        is_for_consumer(&message(&format!(r#"{DIALOG},"messageAudience":{audience}"#), AGENT, ""))
    };
    for allowed in [r#""ALL""#, r#""all""#, "null"] {
        assert!(with(allowed), "{allowed}");
    }
    assert!(is_for_consumer(&message(DIALOG, AGENT, "")), "absent");
    for value in NO_TEXT.iter().chain(NO_NAME) {
        assert!(!with(value), "{value}");
    }
    for twice in [
        r#""ALL","messageAudience":"AGENTS_AND_MANAGERS""#,
        r#""AGENTS_AND_MANAGERS","messageAudience":"ALL""#,
        r#"{},"messageAudience":null"#,
    ] {
        assert!(!with(twice), "{twice}");
    }
}

#[test]
fn an_unreadable_role_excludes_the_consumer() {
    let with = |role: &str| is_for_consumer(&message(DIALOG, &format!(r#","role":{role}"#), ""));
    for allowed in [r#""AGENT""#, r#""SOMETHING_NEW""#, "null"] {
        assert!(with(allowed), "{allowed}");
    }
    for value in NO_TEXT.iter().chain(&[r#""CONSUMER""#, r#""AGENT","role":"CONSUMER""#]) {
        assert!(!with(value), "{value}");
    }
    for originator in ["5", "true", r#""a""#, "[]", r#"[{"role":"CONSUMER"}]"#, "1e400"] {
        let change = format!(
            r#"{{"originatorMetadata":{originator},"event":{{"type":"ContentEvent","message":"x"}}
            {DIALOG}}}"#
        );
        let change = parse(&change, "ms.MessagingEventNotification");
        assert!(!is_for_consumer(&change), "{originator}");
    }
}

#[test]
fn an_unreadable_content_type_is_no_text() {
    for value in NO_TEXT {
        let event = format!(r#","contentType":{value}"#);
        let Change::Message(message) = message(DIALOG, AGENT, &event) else { panic!() };
        assert_eq!(message.event().name(), "content", "{value}");
    }
}

#[test]
fn an_unreadable_event_type_is_no_event() {
    for value in NO_TEXT {
        let change =
            format!(r#"{{"event":{{"type":{value},"message":"x","status":"READ"}}{DIALOG}}}"#);
        let change = parse(&change, "ms.MessagingEventNotification");
        let Change::Message(message) = &change else { panic!() };
        assert!(matches!(message.event(), Event::Other(None)), "{value}");
        assert_eq!(message.event_type(), None, "{value}");
    }
}

#[test]
fn an_unreadable_id_is_not_replaced_by_another() {
    for value in NO_ID {
        for ids in [
            format!(r#","dialogId":"c","conversationId":{value}"#),
            format!(r#","dialogId":{value},"conversationId":"c""#),
            format!(r#","dialogId":{value}"#),
            format!(r#","conversationId":{value}"#),
        ] {
            assert!(matches!(message(&ids, AGENT, ""), Change::Other(_)), "{ids}");
        }
        for ids in [
            format!(r#""convId":{value}"#),
            format!(r#""convId":{value},"conversationId":"c""#),
            format!(r#""conversationId":{value}"#),
        ] {
            let change = format!(r#"{{"result":{{{ids},"conversationDetails":{{}}}}}}"#);
            let change = parse(&change, "cqm.ExConversationChangeNotification");
            assert!(matches!(change, Change::Other(_)), "{ids}");
        }
    }
    for both in
        [r#","dialogId":"c","conversationId":null"#, r#","dialogId":null,"conversationId":"c""#]
    {
        assert!(matches!(message(both, AGENT, ""), Change::Message(_)), "{both}");
    }
}

#[test]
fn an_unreadable_sequence_is_none_and_needs_no_receipt() {
    let ada = ExtConsumerId::new("ada").unwrap();
    let reference = ConversationRef::new(ada, ConversationId::new("c").unwrap());
    for value in [
        "true",
        "-1",
        "1.5",
        "1e400",
        "18446744073709551616",
        "[]",
        "[1]",
        "{}",
        r#""x""#,
        r#""""#,
        r#""1e3""#,
        r#""\ud83d""#,
        r#"1,"sequence":2"#,
    ] {
        let change = format!(
            r#"{{"event":{{"type":"ContentEvent","message":"x"}}{DIALOG},"sequence":{value}}}"#
        );
        let change = parse(&change, "ms.MessagingEventNotification");
        let Change::Message(message) = &change else { panic!("{value}") };
        assert_eq!(message.sequence(), None, "{value}");
        let mut conversation = Conversation::new(reference.clone());
        conversation.apply(&change);
        assert!(conversation.mark_read().is_none(), "{value}");
    }
}

#[test]
fn an_unreadable_status_is_no_receipt_or_chat_state() {
    for value in NO_TEXT {
        let event = |members: String| {
            let change = format!(r#"{{"event":{{{members}}}{DIALOG}}}"#);
            parse(&change, "ms.MessagingEventNotification")
        };
        let receipt = event(format!(r#""type":"AcceptStatusEvent","status":{value}"#));
        let Change::Message(receipt) = &receipt else { panic!() };
        let Event::AcceptStatus(receipt) = receipt.event() else { panic!() };
        assert_eq!(receipt.status, ReceiptStatus::Unreadable, "{value}");
        let state = event(format!(
            r#""type":"ChatStateEvent","chatState":{value},"ChatState":"COMPOSING""#
        ));
        let Change::Message(state) = &state else { panic!() };
        assert!(
            matches!(state.event(), Event::ChatState(ReceivedChatState::Unreadable)),
            "{value}"
        );
    }
    let list = r#"[1,"2",3.0,-1,1.5,1e400,"x",[4],{"a":5},null]"#;
    let change = format!(
        r#"{{"event":{{"type":"AcceptStatusEvent","status":"READ","sequenceList":{list}}}{DIALOG}}}"#
    );
    let Change::Message(receipt) = parse(&change, "ms.MessagingEventNotification") else {
        panic!()
    };
    let Event::AcceptStatus(receipt) = receipt.event() else { panic!() };
    assert_eq!(receipt.sequences().collect::<Vec<_>>(), [1, 2, 3]);
}

/// The state of the conversation `c` with these details.
fn state(details: &str) -> ConversationChange {
    let change = format!(
        r#"{{"type":"UPSERT","result":{{"convId":"c","conversationDetails":{{{details}}}}}}}"#
    );
    match parse(&change, "cqm.ExConversationChangeNotification") {
        Change::Conversation(state) => state,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_unreadable_state_neither_closes_nor_publishes() {
    for value in NO_TEXT {
        for details in [
            format!(r#""state":{value}"#),
            format!(r#""stage":{value},"state":"OPEN""#),
            format!(r#""stage":{value},"state":"CLOSE""#),
            format!(r#""stage":"OPEN","state":{value}"#),
        ] {
            let read = state(&details);
            assert!(!read.is_finished(), "{details}");
            assert_eq!(read.dialog_to_publish_to(), None, "{details}");
        }
    }
    assert!(state(r#""stage":null,"state":"CLOSE""#).is_finished());
    assert!(state(r#""state":null"#).dialog_to_publish_to().is_some());
}

#[test]
fn an_unreadable_dialog_receives_nothing() {
    for value in NO_TEXT {
        for dialog in [
            format!(r#""dialogId":"s","dialogType":"POST_SURVEY","state":{value}"#),
            format!(r#""dialogId":"s","dialogType":{value},"state":"OPEN""#),
        ] {
            let read =
                state(&format!(r#""state":"CLOSE","stage":"OPEN","dialogs":[{{{dialog}}}]"#));
            assert!(read.open_survey().is_none(), "{dialog}");
            assert_eq!(read.dialog_to_publish_to(), None, "{dialog}");
        }
    }
    for value in NO_ID {
        let dialog = format!(r#"{{"dialogId":{value},"dialogType":"POST_SURVEY","state":"OPEN"}}"#);
        let read = state(&format!(r#""state":"CLOSE","stage":"OPEN","dialogs":[{dialog}]"#));
        assert_eq!(read.dialog_to_publish_to(), None, "{value}");
    }
}

#[test]
fn an_unreadable_participant_is_no_agent_or_consumer() {
    for value in NO_TEXT {
        let with = |role: &str, at: &str| {
            let one = format!(r#"{{"id":"a","role":{role},"state":{at}}}"#);
            state(&format!(
                r#""participants":[{one}],"dialogs":[{{"dialogId":"c","dialogType":"MAIN",
                "participantsDetails":[{one}]}}]"#
            ))
        };
        assert!(with(value, "null").agents().is_empty(), "{value}");
        assert!(with(value, "null").consumer().is_none(), "{value}");
        assert!(with(r#""ASSIGNED_AGENT""#, value).agents().is_empty(), "{value}");
    }
    for id in ["true", "1.5", "1e400", "[]", "{}"] {
        let read = state(&format!(
            r#""participants":[{{"id":{id},"role":"ASSIGNED_AGENT"}},{{"id":{id},"role":"CONSUMER"}}]"#
        ));
        assert!(read.agents().is_empty() && read.consumer().is_none(), "{id}");
    }
}

#[test]
fn an_unreadable_skill_is_no_transfer() {
    let before = state(r#""skillId":"7""#);
    for value in ["true", "1.5", "1e400", "[]", r#"["8"]"#, "{}", r#""7","skillId":"8""#] {
        let after = state(&format!(r#""skillId":{value}"#));
        assert_eq!(after.skill(), None, "{value}");
        assert_eq!(after.diff(Some(&before)), [], "{value}");
        assert_eq!(before.diff(Some(&after)), [], "{value}");
    }
}

#[test]
fn unreadable_details_are_no_open_conversation() {
    for value in NO_TEXT.iter().filter(|value| !value.starts_with('{')) {
        let change = format!(r#"{{"result":{{"convId":"c","conversationDetails":{value}}}}}"#);
        let change = parse(&change, "cqm.ExConversationChangeNotification");
        assert!(matches!(change, Change::Other(_)), "{value}");
    }
    let deleted = |kind: &str| {
        let change = format!(r#"{{"type":{kind},"result":{{"convId":"c"}}}}"#);
        match parse(&change, "cqm.ExConversationChangeNotification") {
            Change::Conversation(change) => change.is_deleted(),
            other => panic!("{other:?}"),
        }
    };
    assert!(deleted(r#""DELETE""#));
    assert!(NO_TEXT.iter().all(|value| !deleted(value)));
}

#[test]
fn an_unreadable_type_is_not_guessed() {
    for value in NO_TEXT {
        let body = format!(
            r#"{{"type":{value},"body":{{"changes":[{{"event":{{"type":"ContentEvent","message":"x"}}
            {DIALOG}}}]}}}}"#
        );
        let parsed = Verified::dangerous_unverified(body).parse().unwrap();
        assert!(matches!(parsed.changes(), [Change::Other(_)]), "{value}");
    }
}

#[test]
fn what_holds_no_change_is_kept_and_said() {
    for body in
        ["null", "[]", "{}", "7", r#""text""#, r#"{"body":null}"#, r#"{"body":{"changes":null}}"#]
    {
        let parsed = Verified::dangerous_unverified(body).parse().unwrap();
        assert!(parsed.is_empty() && matches!(parsed.changes(), [Change::Other(_)]), "{body}");
    }
    let none = Verified::dangerous_unverified(r#"{"body":{"changes":[]}}"#).parse().unwrap();
    assert!(none.is_empty() && none.changes().is_empty());
    let one: Value = json!({"body": {"changes": [7]}});
    assert!(!Verified::dangerous_unverified(one.to_string()).parse().unwrap().is_empty());
    for twice in [
        r#"{"body":{"changes":[{"dialogId":"d","event":{}}],"changes":[]}}"#,
        r#"{"body":{"changes":[{"dialogId":"d","event":{}}]},"body":{}}"#,
    ] {
        let parsed = Verified::dangerous_unverified(twice).parse().unwrap();
        assert!(matches!(parsed.changes(), [Change::Other(_)]), "{twice}");
    }
}
