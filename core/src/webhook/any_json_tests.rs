//! Notifications of any JSON are read without a panic, and nothing of them is lost.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn read(body: &Value) -> Notification {
    Verified::dangerous_unverified(body.to_string().into_bytes()).parse().unwrap()
}

/// Any JSON, built from the names of the protocol.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec![
            "ContentEvent",
            "RichContentEvent",
            "AcceptStatusEvent",
            "ChatStateEvent",
            "text/plain",
            "hosted/file",
            "CONSUMER",
            "CLOSE",
            "MAIN",
            "POST_SURVEY",
            "ms.MessagingEventNotification",
            "cqm.ExConversationChangeNotification",
            "",
            "x"
        ])
        .prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        let name = prop::sample::select(vec![
            "type",
            "body",
            "changes",
            "event",
            "result",
            "dialogId",
            "conversationId",
            "convId",
            "sequence",
            "message",
            "contentType",
            "content",
            "elements",
            "click",
            "actions",
            "metadata",
            "quickReplies",
            "replies",
            "conversationDetails",
            "dialogs",
            "participants",
            "participantsDetails",
            "participantsPId",
            "state",
            "stage",
            "sequenceList",
            "status",
            "chatState",
            "originatorMetadata",
            "role",
            "id",
            "csat",
            "ttr",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..8)
                .prop_map(|map| map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        ]
    })
}

/// Calls every accessor.
fn read_all(change: &Change) {
    match change {
        Change::Message(message) => {
            let _ =
                (message.sequence(), message.role(), message.audience(), message.originator_id());
            let _ = (message.metadata().count(), message.is_for_consumer(), message.event_type());
            if let Event::RichContent(rich) = message.event() {
                let _ = (rich.to_text(), rich.clickable().len());
            }
        }
        Change::Conversation(change) => {
            let _ = (change.diff(None), change.diff(Some(change)), change.dialog_to_publish_to());
            let _ = (change.csat(), change.response_target(), change.delay(), change.answer_due());
        }
        Change::Other(other) => {
            let _ = (other.reason(), other.notification_type());
        }
    }
    let _ = format!("{change:?}");
}

proptest! {
    #[test]
    fn any_json_keeps_each_change_and_never_panics(
        changes in prop::collection::vec(json_value(), 0..5),
        kind in prop::sample::select(vec!["ms.MessagingEventNotification",
            "cqm.ExConversationChangeNotification", "x.Other"]),
    ) {
        let notification = read(&json!({"type": kind, "body": {"changes": changes}}));
        prop_assert_eq!(notification.changes().len(), changes.len());
        for (change, raw) in notification.changes().iter().zip(&changes) {
            read_all(change);
            let kept = match change {
                Change::Message(message) => message.raw(),
                Change::Conversation(change) => change.raw(),
                Change::Other(other) => other.raw(),
            };
            prop_assert_eq!(kept, raw.clone());
            let stored = serde_json::to_string(change).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Change>(&stored).unwrap(), change);
        }
    }

    #[test]
    fn no_document_panics(document in json_value()) {
        read(&document).changes().iter().for_each(read_all);
    }
}
