use serde_json::{Value, json};

use super::*;
use crate::api::{ClientProperties, Context, Operation};
use crate::id::AccountId;
use crate::seed::Seed;

fn conversation() -> Conversation {
    let ada = ExtConsumerId::new("ada").unwrap();
    let conversation = ConversationRef::new(ada, ConversationId::new("c").unwrap());
    let properties = ClientProperties::new().feature("MULTI_DIALOG");
    Conversation::new(conversation.with_client_properties(properties))
}

/// The body that an operation sends. Checks that the request repeats the `Client-Properties`.
fn sent<O: Operation>(operation: &O) -> Value {
    let account = AccountId::new("1").unwrap();
    let written = operation.request(&Context::new(&account, Seed::from_bytes([7; 16]))).unwrap();
    let origin = crate::connector::Trust::default().resolve_trusted("va.liveperson.net").unwrap();
    let body = serde_json::from_slice(written.body()).unwrap();
    let request = written.for_origin(&origin).unwrap();
    assert!(request.headers().contains_key("client-properties"), "{}", O::NAME);
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
fn messages_go_to_the_survey_once_it_runs() {
    let mut conversation = conversation();
    assert!(!conversation.is_in_survey());
    assert_eq!(sent(&conversation.text("hi"))["body"]["dialogId"], "c");
    assert!(conversation.chat_state(ChatState::Composing).is_some());
    conversation.apply(&state(json!({"state": "OPEN"})));
    let survey = json!({"state": "CLOSE", "stage": "OPEN", "dialogs": [
        {"dialogId": "s", "dialogType": "POST_SURVEY", "state": "OPEN"}]});
    let transitions = conversation.apply(&state(survey));
    assert!(matches!(&*transitions, [Transition::MainDialogClosed, Transition::SurveyStarted(_)]));
    assert!(conversation.is_in_survey() && !conversation.is_finished());
    let text = sent(&conversation.text("5"));
    assert_eq!(
        (&text["body"]["dialogId"], &text["body"]["conversationId"]),
        (&json!("s"), &json!("c"))
    );
    assert_eq!(sent(&conversation.file(HostedFile::new("/v1/a", "PNG")))["body"]["dialogId"], "s");
    assert!(conversation.chat_state(ChatState::Composing).is_none(), "a survey accepts none");
    assert_eq!(
        sent(&conversation.close_dialog())["body"]["conversationField"]["dialog"]["dialogId"],
        "s"
    );
    conversation.apply(&state(json!({"stage": "CLOSE"})));
    assert!(conversation.is_finished());
    sent(&conversation.rate(5, Resolution::Resolved));
    sent(&conversation.close_all());
}

#[test]
fn each_message_the_consumer_sees_gets_one_receipt() {
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
        conversation.apply(&change);
    }
    let accepted = conversation.mark_delivered().unwrap();
    assert_eq!(sent(&accepted)["body"]["event"]["sequenceList"], json!([1, 2]));
    let read = sent(&conversation.mark_read().unwrap());
    assert_eq!(
        read["body"]["event"],
        json!({"type": "AcceptStatusEvent", "status": "READ",
        "sequenceList": [1, 2]})
    );
    let survey = sent(&conversation.mark_read().unwrap());
    assert_eq!(
        (&survey["body"]["dialogId"], &survey["body"]["event"]["sequenceList"]),
        (&json!("s"), &json!([0]))
    );
    assert!(conversation.mark_read().is_none() && conversation.mark_delivered().is_none());
}

#[test]
fn a_restored_receipt_is_sent_again() {
    let mut conversation = conversation();
    conversation.apply(&from_agent(1, "c"));
    let receipt = conversation.mark_read().unwrap();
    conversation.restore_receipt(&receipt);
    conversation.apply(&from_agent(2, "c"));
    let again = conversation.mark_read().unwrap();
    assert_eq!(again.sequences(), [1, 2]);
    assert!(conversation.mark_read().is_none());
}

/// The example of [protocol.md 7.9](crate::protocol#7.9).
#[test]
fn a_click_sends_two_messages_with_the_metadata() {
    let metadata = json!([{"type": "ExternalId", "id": "btn-yes"}]);
    let button = json!({"type": "button", "title": "Yes", "click": {"metadata": metadata,
        "actions": [{"type": "publishText", "text": "Yes"}]}});
    let asked = json!({"sequence": 1, "conversationId": "c", "dialogId": "dlg-srv",
        "event": {"type": "RichContentEvent", "content": button}});
    let asked = MessagingEvent::try_from(asked).unwrap();
    let Event::RichContent(rich) = asked.event() else { panic!() };
    let click = conversation().click(&asked, rich.clickable()[0]).unwrap();
    let receipt = sent(&click.receipt);
    assert_eq!(receipt["metadata"], metadata);
    assert_eq!(
        receipt["body"],
        json!({"dialogId": "dlg-srv", "conversationId": "c",
        "event": {"type": "AcceptStatusEvent", "status": "ACTION", "sequenceList": [1]}})
    );
    let text = sent(&click.text.unwrap());
    assert_eq!(text["metadata"], metadata);
    assert_eq!(text["body"]["event"]["message"], "Yes");
    assert_eq!(text["body"]["dialogId"], "dlg-srv");
}

#[test]
fn waiting_receipts_are_bounded() {
    let mut conversation = conversation();
    for n in 0..3000 {
        conversation.apply(&from_agent(n, &format!("d{}", n % 20)));
        conversation.apply(&from_agent(n, "c"));
    }
    assert!(conversation.waiting.len() <= MAX_DIALOGS);
    assert!(conversation.waiting.values().all(|waiting| waiting.unread.len() <= MAX_WAITING));
}

#[test]
fn a_stored_conversation_keeps_dialog_and_receipts() {
    let mut conversation = conversation();
    conversation.apply(&from_agent(1, "c"));
    let survey = json!({"state": "CLOSE", "stage": "OPEN", "dialogs": [
        {"dialogId": "s", "dialogType": "POST_SURVEY", "state": "OPEN"}]});
    conversation.apply(&state(survey));
    let stored = serde_json::to_string(&conversation).unwrap();
    let mut again: Conversation = serde_json::from_str(&stored).unwrap();
    assert_eq!(again.reference(), conversation.reference());
    assert!(again.is_in_survey());
    assert_eq!(again.mark_read().unwrap().sequences(), [1]);
    sent(&again.text("hi"));
}

/// The oldest go, also where a receipt that could not be sent comes back.
#[test]
fn of_too_many_messages_the_oldest_have_no_receipt() {
    let newest = |count: u64| (count.saturating_sub(1000)..count).collect::<Vec<_>>();
    for count in [1, 999, 1000, 1001, 1500] {
        let mut conversation = conversation();
        (0..count).for_each(|n| drop(conversation.apply(&from_agent(n, "c"))));
        assert!(conversation.mark_delivered().unwrap().sequences() == newest(count), "{count}");
        let read = conversation.mark_read().unwrap();
        assert!(read.sequences() == newest(count), "{count}");

        (count..count + 10).for_each(|n| drop(conversation.apply(&from_agent(n, "c"))));
        conversation.restore_receipt(&read);
        let again = conversation.mark_read().unwrap();
        assert!(again.sequences() == newest(count + 10), "{count}");
    }
}

#[test]
fn of_too_many_dialogs_the_one_of_the_messages_stays() {
    let mut conversation = conversation();
    conversation.apply(&from_agent(1, "c"));
    for n in 0..20 {
        conversation.apply(&from_agent(2, &format!("a{n}")));
        conversation.apply(&from_agent(2, &format!("d{n}")));
    }
    assert_eq!(conversation.waiting.len(), MAX_DIALOGS);
    assert_eq!(conversation.mark_read().unwrap().sequences(), [1]);
}

#[test]
fn a_state_of_another_conversation_changes_nothing() {
    let mut conversation = conversation();
    conversation.apply(&state(json!({"state": "OPEN"})));
    let before = serde_json::to_value(&conversation).unwrap();
    let survey = json!({"dialogId": "s", "dialogType": "POST_SURVEY", "state": "OPEN"});
    for details in
        [json!({"state": "CLOSE", "stage": "OPEN", "dialogs": [survey]}), json!({"stage": "CLOSE"})]
    {
        let raw = json!({"result": {"convId": "other", "conversationDetails": details}});
        let other = Change::Conversation(ConversationChange::try_from(raw).unwrap());
        assert_eq!(conversation.apply(&other), []);
        assert_eq!(serde_json::to_value(&conversation).unwrap(), before);
    }
}

#[test]
fn the_newest_state_is_kept() {
    let mut conversation = conversation();
    assert!(conversation.state().is_none());
    conversation.apply(&state(json!({"state": "OPEN"})));
    assert!(!conversation.state().unwrap().is_main_dialog_closed());
    conversation.apply(&state(json!({"state": "CLOSE", "closeReason": "AGENT"})));
    let newest = conversation.state().unwrap();
    assert_eq!((newest.is_main_dialog_closed(), newest.close_reason()), (true, Some("AGENT")));
}

#[test]
fn a_dialog_with_unread_messages_is_not_done() {
    let mut conversation = conversation();
    conversation.apply(&from_agent(3, "z"));
    conversation.mark_read().unwrap();
    conversation.apply(&from_agent(7, "c"));
    conversation.mark_delivered().unwrap();
    // As many dialogs as are remembered, and one more: it takes the place of `z`.
    for dialog in ["d1", "d2", "d3", "d4", "d5", "d6", "d7"] {
        conversation.apply(&from_agent(9, dialog));
    }
    let receipt = conversation.mark_read().unwrap();
    assert_eq!((receipt.dialog().as_str(), receipt.sequences()), ("c", &[7][..]));
}

#[test]
fn a_restored_receipt_of_delivery_is_sent_again() {
    let mut conversation = conversation();
    conversation.apply(&from_agent(5, "c"));
    let receipt = conversation.mark_delivered().unwrap();
    conversation.restore_receipt(&receipt);
    conversation.apply(&from_agent(6, "c"));
    let again = conversation.mark_delivered().unwrap();
    assert_eq!((again.status(), again.sequences()), (Receipt::Accept, &[5, 6][..]));
    assert!(conversation.mark_delivered().is_none());
}
