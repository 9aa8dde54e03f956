//! The JSON of notifications
//! ([protocol.md 9.4](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#9.4) to
//! [9.9](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#9.9)).

use serde_json::{Value, json};

use crate::config::Config;
use crate::state::{Conversation, Message};

/// The event key and the body of a message's notification.
pub(crate) fn of_message(message: &Message) -> (String, Value) {
    let kind = message.event.get("type").and_then(Value::as_str).unwrap_or_default();
    let mut change = json!({
        "originatorId": message.originator,
        "originatorMetadata": {"id": message.originator, "role": message.role},
        "conversationId": message.conversation,
        "dialogId": message.dialog,
    });
    if let Some(members) = change.as_object_mut() {
        members.insert("event".to_owned(), message.event.clone());
        if let Some(sequence) = message.sequence {
            members.insert("sequence".to_owned(), json!(sequence));
            members.insert("serverTimestamp".to_owned(), json!(message.at_ms));
            members.insert("messageAudience".to_owned(), json!(message.audience));
            members.insert("metadata".to_owned(), message.metadata.clone());
        }
    }
    let kind = format!("ms.MessagingEventNotification.{kind}");
    let body = object([("changes", Value::Array(vec![change]))]);
    (kind, envelope("ms.MessagingEventNotification", body))
}

/// The event key and the body of a conversation's notification, which has its whole state.
pub(crate) fn of_conversation(conversation: &Conversation, config: &Config) -> (String, Value) {
    let account = config.account_id();
    let state = |open: bool| if open { "OPEN" } else { "CLOSE" };
    let skill = conversation.skill.as_deref().unwrap_or("-1");
    let mut participants = vec![json!({"id": conversation.consumer_lp, "role": "CONSUMER"})];
    let agents: Vec<Value> = conversation
        .agents
        .iter()
        .map(|agent| json!({"id": agent, "role": "ASSIGNED_AGENT"}))
        .collect();
    participants.extend(agents.iter().cloned());
    let active = |participants: &[Value]| -> Vec<Value> {
        let with_state = participants.iter().cloned().map(|mut one| {
            if let Some(members) = one.as_object_mut() {
                members.insert("state".to_owned(), json!("ACTIVE"));
            }
            one
        });
        with_state.collect()
    };
    let mut main = json!({
        "dialogId": conversation.id, "dialogType": "MAIN", "channelType": "MESSAGING",
        "state": state(conversation.main_open), "creationTs": conversation.started_ms,
        "metaDataLastUpdateTs": conversation.updated_ms,
        "participantsDetails": active(&participants),
    });
    if let (false, Some(members)) = (conversation.main_open, main.as_object_mut()) {
        members.insert("endTs".to_owned(), json!(conversation.updated_ms));
        members.insert("closedBy".to_owned(), json!(conversation.close_reason));
        members.insert("closedCause".to_owned(), json!("Closed"));
    }
    let mut dialogs = vec![main];
    if let Some(survey) = &conversation.survey {
        let mut dialog = json!({
            "dialogId": survey.dialog, "dialogType": "POST_SURVEY", "channelType": "MESSAGING",
            "state": state(survey.open), "creationTs": survey.started_ms,
            "metaDataLastUpdateTs": conversation.updated_ms, "metaData": {"appInstallId": "survey-bot"},
            "participantsDetails": [{"id": SURVEY_BOT, "role": "AGENT", "state": "ACTIVE"}],
        });
        if let (false, Some(members)) = (survey.open, dialog.as_object_mut()) {
            members.insert("closedBy".to_owned(), json!("AGENT"));
            members.insert("closedCause".to_owned(), json!("Completed"));
        }
        // The order is not documented (protocol.md 9.9): by default the survey comes first, the
        // unexpected one.
        dialogs.insert(usize::from(config.main_dialog_first), dialog);
    }
    let mut details = json!({
        "skillId": skill, "brandId": account, "state": state(conversation.main_open),
        "stage": state(conversation.open), "startTs": conversation.started_ms,
        "metaDataLastUpdateTs": conversation.updated_ms,
        "ttr": {"ttrType": conversation.ttr, "value": 600},
        "participants": participants, "dialogs": dialogs,
        "conversationHandlerDetails": {"accountId": account, "skillId": skill},
    });
    if let Some(members) = details.as_object_mut() {
        if let Some(reason) = &conversation.close_reason {
            members.insert("closeReason".to_owned(), json!(reason));
        }
        if let Some(csat) = &conversation.csat {
            members.insert("csat".to_owned(), csat.clone());
        }
    }
    let change = json!({"type": "UPSERT", "result": {
        "convId": conversation.id, "effectiveTTR": -1, "conversationDetails": details}});
    let kind = "cqm.ExConversationChangeNotification";
    let body = json!({"sentTs": conversation.updated_ms, "changes": [change]});
    (kind.to_owned(), envelope(kind, body))
}

/// The id of the bot that asks the survey's question.
pub(crate) const SURVEY_BOT: &str = "b07-survey-bot";

fn envelope(kind: &str, body: Value) -> Value {
    object([("kind", json!("notification")), ("type", json!(kind)), ("body", body)])
}

/// An object of these members. `json!` would copy each of them, whole.
fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
