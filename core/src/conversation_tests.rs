use serde_json::{Value, json};

use super::*;
use crate::api::{Context, Operation, Plan};
use crate::id::AccountId;
use crate::seed::Seed;

fn conversation() -> Conversation {
    let ada = ExtConsumerId::new("ada").unwrap();
    Conversation::new(ada, ConversationId::new("c").unwrap())
        .client_properties(ClientProperties::new().feature("MULTI_DIALOG"))
}

/// What an operation sends, and whether it repeats the conversation's properties.
fn sent<O: Operation>(operation: &O) -> Value {
    let account = AccountId::new("1").unwrap();
    let Plan::Send(draft) =
        operation.plan(&Context::new(&account, Seed::from_bytes([7; 16]))).unwrap()
    else {
        panic!("nothing to send")
    };
    let origin = crate::connector::Trust::default().vouch("va.liveperson.net").unwrap();
    let body = serde_json::from_slice(draft.body()).unwrap();
    let request = draft.for_origin(&origin).unwrap();
    assert!(request.headers().contains_key("client-properties"), "{}", operation.name());
    body
}

fn message(value: Value) -> Change {
    Change::Message(MessagingEvent::try_from(value).unwrap())
}

fn from_agent(sequence: u64, dialog: &str) -> Change {
    message(json!({"sequence": sequence, "conversationId": "c", "dialogId": dialog,
        "originatorMetadata": {"role": "ASSIGNED_AGENT"},
        "event": {"type": "ContentEvent", "message": "x"}}))
}

fn state(details: Value) -> Change {
    let raw = json!({"result": {"convId": "c", "conversationDetails": details}});
    Change::Conversation(ConversationChange::try_from(raw).unwrap())
}

#[test]
fn messages_go_to_the_main_dialog_and_then_to_the_survey() {
    let mut conversation = conversation();
    assert_eq!(sent(&conversation.text("hi"))["body"]["dialogId"], "c");
    assert!(conversation.typing(ChatState::Composing).is_some());
    conversation.learn(&state(json!({"state": "OPEN"})));
    let survey = json!({"state": "CLOSE", "stage": "OPEN", "dialogs": [
        {"dialogId": "s", "dialogType": "POST_SURVEY", "state": "OPEN"}]});
    let happened = conversation.learn(&state(survey));
    assert!(matches!(&*happened, [Transition::MainDialogClosed, Transition::SurveyStarted(_)]));
    assert!(conversation.is_in_survey() && !conversation.is_finished());
    let text = sent(&conversation.text("5"));
    assert_eq!(
        (&text["body"]["dialogId"], &text["body"]["conversationId"]),
        (&json!("s"), &json!("c"))
    );
    assert_eq!(sent(&conversation.file(HostedFile::new("/v1/a", "PNG")))["body"]["dialogId"], "s");
    assert!(conversation.typing(ChatState::Composing).is_none(), "a survey takes none");
    assert_eq!(sent(&conversation.close())["body"]["conversationField"]["dialog"]["dialogId"], "s");
    conversation.learn(&state(json!({"stage": "CLOSE"})));
    assert!(conversation.is_finished());
    sent(&conversation.rate(5, true));
    sent(&conversation.close_all());
}

#[test]
fn each_message_is_receipted_once_and_only_what_the_consumer_sees() {
    let mut conversation = conversation();
    for change in [
        from_agent(1, "c"),
        from_agent(2, "c"),
        from_agent(0, "s"),
        message(json!({"sequence": 3, "conversationId": "c", "dialogId": "c",
            "messageAudience": "AGENTS_AND_MANAGERS", "event": {"type": "ContentEvent"}})),
        message(json!({"sequence": 4, "conversationId": "c", "dialogId": "c",
            "originatorMetadata": {"role": "CONSUMER"}, "event": {"type": "ContentEvent"}})),
        message(json!({"sequence": 5, "conversationId": "c", "dialogId": "c",
            "event": {"type": "AcceptStatusEvent", "status": "READ", "sequenceList": [0]}})),
        message(json!({"sequence": 6, "conversationId": "other", "dialogId": "other",
            "event": {"type": "ContentEvent"}})),
    ] {
        conversation.learn(&change);
    }
    let accepted = conversation.accept().unwrap();
    assert_eq!(sent(&accepted)["body"]["event"]["sequenceList"], json!([1, 2]));
    let read = sent(&conversation.read().unwrap());
    assert_eq!(
        read["body"]["event"],
        json!({"type": "AcceptStatusEvent", "status": "READ",
        "sequenceList": [1, 2]})
    );
    let survey = sent(&conversation.read().unwrap());
    assert_eq!(
        (&survey["body"]["dialogId"], &survey["body"]["event"]["sequenceList"]),
        (&json!("s"), &json!([0]))
    );
    assert!(conversation.read().is_none() && conversation.accept().is_none());
}

#[test]
fn a_receipt_that_was_not_sent_is_named_again() {
    let mut conversation = conversation();
    conversation.learn(&from_agent(1, "c"));
    let receipt = conversation.read().unwrap();
    conversation.not_sent(&receipt);
    conversation.learn(&from_agent(2, "c"));
    let again = conversation.read().unwrap();
    assert_eq!(again.sequences(), [1, 2]);
    assert!(conversation.read().is_none());
}

/// The example of protocol.md 7.9.
#[test]
fn an_answer_to_a_button_is_two_messages_with_the_buttons_metadata() {
    let metadata = json!([{"type": "ExternalId", "id": "btn-yes"}]);
    let button = json!({"type": "button", "title": "Yes", "click": {"metadata": metadata,
        "actions": [{"type": "publishText", "text": "Yes"}]}});
    let asked = json!({"sequence": 1, "conversationId": "c", "dialogId": "dlg-srv",
        "event": {"type": "RichContentEvent", "content": button}});
    let asked = MessagingEvent::try_from(asked).unwrap();
    let Event::RichContent(rich) = asked.event() else { panic!() };
    let answered = conversation().answer(&asked, rich.clickable()[0]).unwrap();
    let receipt = sent(&answered.receipt);
    assert_eq!(receipt["metadata"], metadata);
    assert_eq!(
        receipt["body"],
        json!({"dialogId": "dlg-srv", "conversationId": "c",
        "event": {"type": "AcceptStatusEvent", "status": "ACTION", "sequenceList": [1]}})
    );
    let text = sent(&answered.text.unwrap());
    assert_eq!(text["metadata"], metadata);
    assert_eq!(text["body"]["event"]["message"], "Yes");
    assert_eq!(text["body"]["dialogId"], "dlg-srv");
}

#[test]
fn what_waits_for_a_receipt_is_bounded() {
    let mut conversation = conversation();
    for n in 0..3000 {
        conversation.learn(&from_agent(n, &format!("d{}", n % 20)));
        conversation.learn(&from_agent(n, "c"));
    }
    assert!(conversation.waiting.len() <= MAX_DIALOGS);
    assert!(conversation.waiting.values().all(|waiting| waiting.unread.len() <= MAX_WAITING));
}
