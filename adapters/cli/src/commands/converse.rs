//! Opens conversations, sends texts, closes.

use lp_connector_core::api::{
    ChatState, CloseConversation, ConversationRef, OpenConversation, Opened, Operation as _,
    PersonalInfo, Profile, SendText, SetChatState,
};
use lp_connector_core::connector::Config;
use lp_connector_core::id::{AccountId, ConversationId, ExtConsumerId};
use lp_connector_core::seed::Seed;
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
    // Before the conversation is open, so that it does not stay open. Ids of conversations are UUIDs.
    let id = ConversationId::new("00000000-0000-0000-0000-000000000000")?;
    check(&ConversationRef::new(ExtConsumerId::new(&who.consumer)?, id), texts)?;
    let conversation = open(client, who, output)?;
    let result = send(client, &conversation, texts, output)
        .and_then(|()| close(client, &conversation, output));
    if result.is_err() {
        tell_maybe_open(&conversation, output);
    }
    result
}

/// Tells that a conversation may still be open, and what closes it.
pub(crate) fn tell_maybe_open(conversation: &ConversationRef, output: &Output) {
    let (consumer, id) = (conversation.consumer().as_str(), conversation.id().as_str());
    output.tell(
        &json!({"event": "maybe_open", "conversation_id": id, "ext_consumer_id": consumer}),
        &maybe_open(conversation),
    );
}

/// That a conversation may still be open, and what closes it.
pub(crate) fn maybe_open(conversation: &ConversationRef) -> String {
    format!(
        "the conversation may still be open: lp-connector close --consumer {} --conversation {}",
        conversation.consumer(),
        conversation.id()
    )
}

/// Checks that each text can be sent.
fn check(conversation: &ConversationRef, texts: &[String]) -> Result<(), Failure> {
    let config = Config::new(AccountId::new("0")?);
    for (index, text) in texts.iter().enumerate() {
        let number = index + 1;
        if text.is_empty() {
            return Err(Failure::usage(format!("one of the texts is empty: number {number}")));
        }
        let request =
            SendText::new(conversation, text).request(&config.context(Seed::from_bytes([0; 16])));
        request.map_err(|invalid| Failure::usage(format!("text {number}: {invalid}")))?;
    }
    Ok(())
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

/// Opens a conversation, as a step of a command.
pub(crate) fn open(
    client: &Client,
    who: &Who,
    output: &Output,
) -> Result<ConversationRef, Failure> {
    opened(client, who, output, "conversation ")
}

/// Opens a conversation, and prints its id alone, for `$(lp-connector open …)`.
pub(crate) fn open_alone(client: &Client, who: &Who, output: &Output) -> Result<(), Failure> {
    let conversation = opened(client, who, output, "")?;
    output.note(&format!("a conversation of {} is open", conversation.consumer()));
    Ok(())
}

fn opened(
    client: &Client,
    who: &Who,
    output: &Output,
    before_id: &str,
) -> Result<ConversationRef, Failure> {
    let opened = client.call(opening(who)?)?.output;
    Ok(tell_opened(opened, before_id, output))
}

/// Prints the id of a conversation that was opened, and whether its profile was rejected.
pub(crate) fn tell_opened(opened: Opened, before_id: &str, output: &Output) -> ConversationRef {
    let conversation = opened.conversation;
    output.keep(
        &json!({"event": "conversation", "conversation_id": conversation.id().as_str(),
            "ext_consumer_id": conversation.consumer().as_str()}),
        format!("{before_id}{}", conversation.id()),
    );
    profile_rejected(conversation.id().as_str(), opened.profile_rejected.as_deref(), output);
    conversation
}

/// Tells that the conversation is open without the consumer's profile.
pub(crate) fn profile_rejected(conversation: &str, reason: Option<&str>, output: &Output) {
    if let Some(reason) = reason {
        output.tell(
            &json!({"event": "profile_rejected", "conversation_id": conversation, "reason": reason}),
            &format!("the profile was rejected: {reason}"),
        );
    }
}

/// Sends the texts, once it is clear that each can be sent.
pub(crate) fn send(
    client: &Client,
    conversation: &ConversationRef,
    texts: &[String],
    output: &Output,
) -> Result<(), Failure> {
    check(conversation, texts)?;
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
