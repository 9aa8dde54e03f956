//! Opens conversations, sends texts, closes.

use lp_connector_core::api::{
    ChatState, CloseConversation, ConversationRef, OpenConversation, PersonalInfo, Profile,
    SendText, SetChatState,
};
use lp_connector_core::id::{ConversationId, ExtConsumerId};
use serde_json::json;

use crate::args::{State, Target, Who};
use crate::client::Client;
use crate::failure::Failure;
use crate::output::Output;

impl Target {
    pub(crate) fn conversation(&self) -> Result<ConversationRef, Failure> {
        let consumer = ExtConsumerId::new(&self.consumer)?;
        Ok(ConversationRef::new(consumer, ConversationId::new(&self.conversation)?))
    }
}

/// Opens a conversation, sends each text, and closes it.
pub(crate) fn converse(
    client: &Client,
    who: &Who,
    texts: &[String],
    output: &Output,
) -> Result<(), Failure> {
    if texts.iter().any(String::is_empty) {
        // Checked before the conversation is open, so that it does not stay open.
        return Err(Failure::usage("one of the texts is empty"));
    }
    let conversation = open(client, who, output)?;
    let result = send(client, &conversation, texts, output)
        .and_then(|()| close(client, &conversation, output));
    if result.is_err() {
        output.note(&format!(
            "the conversation may still be open: lp-connector close --consumer {} --conversation {}",
            conversation.consumer(),
            conversation.id()
        ));
    }
    result
}

/// The operation that opens a conversation for `who`.
pub(crate) fn opening(who: &Who) -> Result<OpenConversation, Failure> {
    let mut operation = OpenConversation::new(ExtConsumerId::new(&who.consumer)?);
    if who.first_name.is_some() || who.last_name.is_some() {
        let mut person = PersonalInfo::default();
        person.firstname = who.first_name.clone();
        person.lastname = who.last_name.clone();
        let mut profile = Profile::new().personal_info(person);
        profile.first_name = who.first_name.clone();
        profile.last_name = who.last_name.clone();
        operation = operation.profile(profile);
    }
    if let Some(skill) = &who.skill {
        operation = operation.skill(skill);
    }
    Ok(operation)
}

pub(crate) fn open(
    client: &Client,
    who: &Who,
    output: &Output,
) -> Result<ConversationRef, Failure> {
    let opened = client.call(opening(who)?)?.output;
    let conversation = opened.conversation;
    output.done(
        &json!({"event": "conversation", "conversation_id": conversation.id().as_str(),
            "ext_consumer_id": conversation.consumer().as_str()}),
        format!("conversation {}", conversation.id()),
    );
    if let Some(reason) = opened.profile_rejected {
        output.note(&format!("the profile was rejected: {reason}"));
    }
    Ok(conversation)
}

pub(crate) fn send(
    client: &Client,
    conversation: &ConversationRef,
    texts: &[String],
    output: &Output,
) -> Result<(), Failure> {
    for text in texts {
        let sent = client.call(SendText::new(conversation, text))?;
        let sequence = sent.output.sequence;
        let mut line = format!("sent: {text}");
        if let Some(sequence) = sequence {
            line.push_str(&format!("  (sequence {sequence})"));
        }
        if sent.maybe_duplicated {
            line.push_str("  (possibly duplicated: an earlier response was lost)");
        }
        output.done(
            &json!({"event": "sent", "sequence": sequence, "attempts": sent.attempts,
                "maybe_duplicated": sent.maybe_duplicated}),
            line,
        );
    }
    Ok(())
}

pub(crate) fn typing(
    client: &Client,
    conversation: &ConversationRef,
    state: State,
    output: &Output,
) -> Result<(), Failure> {
    let (state, name) = match state {
        State::Active => (ChatState::Active, "ACTIVE"),
        State::Inactive => (ChatState::Inactive, "INACTIVE"),
        State::Gone => (ChatState::Gone, "GONE"),
        State::Composing => (ChatState::Composing, "COMPOSING"),
        State::Pause => (ChatState::Pause, "PAUSE"),
    };
    client.call(SetChatState::new(conversation, state))?;
    output.done(
        &json!({"event": "chat_state", "conversation_id": conversation.id().as_str(), "state": name}),
        format!("chat state: {name}"),
    );
    Ok(())
}

pub(crate) fn close(
    client: &Client,
    conversation: &ConversationRef,
    output: &Output,
) -> Result<(), Failure> {
    client.call(CloseConversation::new(conversation))?;
    output.done(
        &json!({"event": "closed", "conversation_id": conversation.id().as_str()}),
        format!("closed {}", conversation.id()),
    );
    Ok(())
}
