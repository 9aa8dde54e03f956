//! `cm.UpdateConversationField`: closing, rating, urgency (protocol.md 7.8).

use std::time::Duration;

use serde::Serialize;

use super::{ConversationRef, Message, on_send};
use crate::api::{
    ApiRejection, Context, Idempotency, InvalidInput, Operation, Reason, RelativeRequest,
    ResponseView, Urgency,
};
use crate::id::ConversationId;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    conversation_id: &'a ConversationId,
    // The schema says array, every consumer example an object (protocol.md 14, row 6).
    conversation_field: Update<'a>,
}

#[derive(Serialize)]
#[serde(tag = "field", rename_all_fields = "camelCase")]
enum Update<'a> {
    ConversationStateField {
        conversation_state: &'static str,
    },
    Stage {
        conversation_state: &'static str,
    },
    DialogChange {
        #[serde(rename = "type")]
        type_: &'static str,
        dialog: Dialog<'a>,
    },
    CSATRate {
        csat_rate: u8,
        csat_resolution_confirmation: bool,
        status: Rating,
    },
    TTRField {
        ttr_type: Urgency,
        value: u64,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dialog<'a> {
    dialog_id: &'a str,
    state: &'static str,
    closed_cause: &'static str,
}

impl Message {
    fn update(
        &self,
        context: &Context<'_>,
        field: Update<'_>,
    ) -> Result<RelativeRequest, InvalidInput> {
        let body = Body { conversation_id: self.to.id(), conversation_field: field };
        self.request(context, "cm.UpdateConversationField", &body)
    }
}

/// Reads what closing is answered with: `{msg}`, a bare string or nothing (protocol.md 14, row 5).
fn closed(response: &ResponseView<'_>) -> Result<(), ApiRejection> {
    if matches!(response.status(), 200..=299) && response.body().is_empty() {
        return Ok(());
    }
    match response.accepted() {
        Ok(_) => Ok(()),
        // An earlier attempt of ours whose answer was lost has closed it.
        Err(rejection) if response.repeated() && rejection.reason == Reason::ConversationClosed => {
            Ok(())
        }
        Err(rejection) => Err(rejection),
    }
}

/// Closes a conversation (protocol.md 7.8).
#[derive(Clone, Debug)]
pub struct CloseConversation {
    message: Message,
    whole_stage: bool,
}

impl CloseConversation {
    /// Closes `conversation` in the name of its consumer.
    #[must_use]
    pub fn new(conversation: &ConversationRef) -> Self {
        Self { message: Message::new(conversation), whole_stage: false }
    }

    /// Closes all of it at once, a survey that runs or would follow included.
    #[must_use]
    pub fn without_survey(mut self) -> Self {
        self.whole_stage = true;
        self
    }
}

impl Operation for CloseConversation {
    type Output = ();

    const NAME: &'static str = "close_conversation";

    on_send!();

    fn idempotency(&self) -> Idempotency {
        // What is closed stays closed.
        Idempotency::Idempotent
    }

    fn request(&self, context: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
        let conversation_state = "CLOSE";
        let field = if self.whole_stage {
            Update::Stage { conversation_state }
        } else {
            Update::ConversationStateField { conversation_state }
        };
        self.message.update(context, field)
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<(), ApiRejection> {
        closed(response)
    }
}

/// Closes one dialog. When it is the main one, a survey may follow (protocol.md 7.8, 9.10).
#[derive(Clone, Debug)]
pub struct CloseDialog {
    message: Message,
}

impl CloseDialog {
    /// Closes the dialog that `conversation` names.
    #[must_use]
    pub fn new(conversation: &ConversationRef) -> Self {
        Self { message: Message::new(conversation) }
    }
}

impl Operation for CloseDialog {
    type Output = ();

    const NAME: &'static str = "close_dialog";

    on_send!();

    fn idempotency(&self) -> Idempotency {
        Idempotency::Idempotent
    }

    fn request(&self, context: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
        let dialog = Dialog {
            dialog_id: self.message.to.dialog_text(),
            state: "CLOSE",
            closed_cause: "Closed by consumer",
        };
        self.message.update(context, Update::DialogChange { type_: "UPDATE", dialog })
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<(), ApiRejection> {
        closed(response)
    }
}

/// Whether the matter is resolved, by the consumer's own word (protocol.md 7.8).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "the API has the two, and requires one")]
pub enum Resolution {
    /// It is.
    Resolved,
    /// It is not.
    Unresolved,
}

/// How much of a rating was filled in (protocol.md 7.8).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum Rating {
    /// All of it.
    Filled,
    /// Some of it.
    PartiallyFilled,
    /// None of it.
    Skipped,
}

/// Says how satisfied the consumer is, in a conversation that is closed (protocol.md 7.8). Where there
/// is a survey, that asks instead.
///
/// Refused before anything leaves: a rate that is not from 1 to 5.
#[derive(Clone, Debug)]
pub struct RateConversation {
    message: Message,
    rate: u8,
    resolution: Resolution,
    status: Rating,
}

impl RateConversation {
    /// A satisfaction from 1 to 5, and whether the matter is resolved.
    #[must_use]
    pub fn new(conversation: &ConversationRef, rate: u8, resolution: Resolution) -> Self {
        Self { message: Message::new(conversation), rate, resolution, status: Rating::Filled }
    }

    /// How much of it the consumer filled in. Default: all.
    #[must_use]
    pub fn status(mut self, status: Rating) -> Self {
        self.status = status;
        self
    }
}

impl Operation for RateConversation {
    type Output = ();

    const NAME: &'static str = "rate_conversation";

    on_send!();

    fn idempotency(&self) -> Idempotency {
        Idempotency::Idempotent
    }

    fn request(&self, context: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
        if !(1..=5).contains(&self.rate) {
            let why = format!("the rate is {}, and must be from 1 to 5", self.rate);
            return Err(InvalidInput::new(why));
        }
        self.message.update(
            context,
            Update::CSATRate {
                csat_rate: self.rate,
                csat_resolution_confirmation: self.resolution == Resolution::Resolved,
                status: self.status,
            },
        )
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<(), ApiRejection> {
        closed(response)
    }
}

/// Changes how urgent a conversation is (protocol.md 7.8).
#[derive(Clone, Debug)]
pub struct SetUrgency {
    message: Message,
    urgency: Urgency,
    within: Duration,
}

impl SetUrgency {
    /// An answer is due within `within`, in whole seconds.
    #[must_use]
    pub fn new(conversation: &ConversationRef, urgency: Urgency, within: Duration) -> Self {
        Self { message: Message::new(conversation), urgency, within }
    }
}

impl Operation for SetUrgency {
    type Output = ();

    const NAME: &'static str = "set_urgency";

    on_send!();

    fn idempotency(&self) -> Idempotency {
        Idempotency::Idempotent
    }

    fn request(&self, context: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
        self.message.update(
            context,
            Update::TTRField { ttr_type: self.urgency, value: self.within.as_secs() },
        )
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<(), ApiRejection> {
        closed(response)
    }
}
