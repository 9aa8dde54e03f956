//! A conversation that follows its notifications, and the operations that it builds.

use serde_json::Value;

use super::consumer;
use crate::api::{
    ChatState, ConversationRef, HostedFile, Operation, Principal, Receipt, Resolution, SendReceipt,
};
use crate::conversation::Conversation;
use crate::id::ConversationId;
use crate::webhook::{Action, Change, Event, MessagingEvent, Snapshot, Transition};

/// The conversation of the first change follows all of them. A snapshot gives the same transitions, each state can be
/// stored, and each message is received once.
pub(super) fn follow(changes: &[Change]) {
    let Some(first) = changes.first() else { return };
    let id = match first {
        Change::Message(message) => message.conversation().clone(),
        Change::Conversation(change) => change.conversation().clone(),
        Change::Other(_) => ConversationId::new("5f0c").expect("a good id"),
    };
    let mut conversation = Conversation::new(ConversationRef::new(consumer(), id));
    let mut snapshot = Snapshot::default();
    for change in changes {
        let transitions = conversation.apply(change);
        match change {
            Change::Conversation(state) if state.conversation() == conversation.id() => {
                assert_eq!(snapshot.apply(state), transitions);
                happened(&snapshot, &transitions);
                assert_eq!(conversation.state(), Some(state));
            }
            Change::Message(message) => {
                clicked(message, &conversation);
                assert!(transitions.is_empty());
            }
            _ => assert!(transitions.is_empty()),
        }
    }
    assert_eq!(conversation.last_readable(), &snapshot);
    let stored = serde_json::to_string(&conversation).expect("JSON");
    let again: Conversation = serde_json::from_str(&stored).expect("what was stored");
    assert_eq!(serde_json::to_string(&again).expect("JSON"), stored);
    assert_eq!(again.is_finished(), conversation.is_finished());
    assert_eq!(again.last_readable(), &snapshot);
    built(&conversation);
    received(again);
}

/// After each transition the snapshot says what happened.
fn happened(snapshot: &Snapshot, transitions: &[Transition]) {
    for transition in transitions {
        let stored = serde_json::to_string(transition).expect("JSON");
        let again: Transition = serde_json::from_str(&stored).expect("what was stored");
        assert_eq!(&again, transition, "{stored}");
        let name = match transition {
            Transition::Created => {
                assert!(!snapshot.is_main_dialog_closed());
                "opened"
            }
            Transition::AgentJoined(agent) => {
                assert!(!transitions.contains(&Transition::AgentLeft(agent.clone())));
                "agent_joined"
            }
            Transition::AgentLeft(_) => "agent_left",
            Transition::Transferred { from, to } => {
                assert_ne!(from, to);
                "transferred"
            }
            Transition::MainDialogClosed => {
                assert!(snapshot.is_main_dialog_closed());
                "main_closed"
            }
            Transition::SurveyStarted(dialog) => {
                assert_eq!(snapshot.survey(), Some(dialog));
                "survey_started"
            }
            Transition::SurveyEnded(dialog) => {
                assert_ne!(snapshot.survey(), Some(dialog));
                "survey_ended"
            }
            Transition::Finished => {
                assert!(snapshot.is_finished());
                "closed"
            }
        };
        assert_eq!(transition.name(), name);
    }
}

/// A click can be answered if the message has a sequence: with that sequence, and the text that is published.
fn clicked(message: &MessagingEvent, conversation: &Conversation) {
    let Event::RichContent(rich) = message.event() else { return };
    for element in rich.clickable() {
        let click = conversation.click(message, element);
        assert_eq!(click.is_some(), message.sequence().is_some());
        let (Some(click), Some(sequence)) = (click, message.sequence()) else { continue };
        let receipt = &click.receipt;
        assert_eq!((receipt.status(), receipt.sequences()), (Receipt::Action, &[sequence][..]));
        assert_eq!(&receipt.dialog(), message.dialog());
        let is_published = element.actions().any(|one| matches!(one, Action::PublishText(_)));
        assert_eq!(click.text.is_some(), is_published);
    }
}

/// Each operation is of this conversation and its consumer, and goes to the dialog that is open.
fn built(conversation: &Conversation) {
    let to: &ConversationRef = conversation.as_ref();
    assert_eq!(conversation.reference(), to);
    let dialog = conversation.dialog();
    assert_eq!(to.is_main_dialog(), !conversation.is_in_survey());
    for body in [
        body(conversation, &conversation.text("x")),
        body(conversation, &conversation.file(HostedFile::new("/a", "png"))),
    ] {
        let body = body.expect("a message");
        let named = body.pointer("/body/dialogId").and_then(Value::as_str);
        assert_eq!(named, Some(dialog.as_str()));
    }
    // A survey takes no chat state.
    let typing = conversation.chat_state(ChatState::Composing);
    assert_eq!(typing.is_none(), conversation.is_in_survey());
    if let Some(typing) = typing {
        assert!(body(conversation, &typing).is_some());
    }
    for rate in [0, 1, 5, 6] {
        let rating = conversation.rate(rate, Resolution::Resolved);
        assert_eq!(body(conversation, &rating).is_some(), (1..=5).contains(&rate));
    }
    for path in ["", "/a/b.png"] {
        let named = body(conversation, &conversation.download_url(path));
        let named = named.and_then(|body| Some(body.pointer("/body/relativePath")?.to_owned()));
        assert_eq!(named, (!path.is_empty()).then(|| path.into()));
    }
    let closed = body(conversation, &conversation.close_dialog()).expect("a message");
    let named = closed.pointer("/body/conversationField/dialog/dialogId").and_then(Value::as_str);
    assert_eq!(named, Some(dialog.as_str()));
    let closed = body(conversation, &conversation.close_all()).expect("a message");
    let field = closed.pointer("/body/conversationField/field").and_then(Value::as_str);
    assert_eq!(field, Some("Stage"), "a survey stays open");
}

/// The body of an operation, if it can be sent.
fn body(conversation: &Conversation, operation: &impl Operation) -> Option<Value> {
    assert_eq!(operation.conversation(), Some(conversation.id()));
    assert_eq!(operation.principal(), Principal::Consumer(conversation.consumer().clone()));
    super::body(operation)
}

/// Each message is received once, and again if its receipt could not be sent. A receipt of another kind changes nothing.
fn received(mut conversation: Conversation) {
    while let Some(receipt) = conversation.mark_delivered() {
        let before = serde_json::to_string(&conversation).expect("JSON");
        let to = conversation.reference().clone().in_dialog(receipt.dialog());
        for other in [Receipt::Access, Receipt::Nack, Receipt::Action] {
            let other = SendReceipt::new(&to, other, receipt.sequences().iter().copied());
            conversation.restore_receipt(&other);
        }
        assert_eq!(serde_json::to_string(&conversation).expect("JSON"), before);
        again(&mut conversation, &receipt, Conversation::mark_delivered);
    }
    while let Some(receipt) = conversation.mark_read() {
        again(&mut conversation, &receipt, Conversation::mark_read);
    }
    assert!(conversation.mark_delivered().is_none() && conversation.mark_read().is_none());
}

/// A receipt is restored and built again.
fn again(
    conversation: &mut Conversation,
    receipt: &SendReceipt,
    mark: impl Fn(&mut Conversation) -> Option<SendReceipt>,
) {
    conversation.restore_receipt(receipt);
    let found = mark(conversation).expect("a receipt is not restored");
    assert_eq!(found.dialog(), receipt.dialog());
    assert_eq!((found.status(), found.sequences()), (receipt.status(), receipt.sequences()));
}
