//! Closes or rates a conversation, or sets its target response time.
//!
//! `POST /api/account/{accountId}/messaging/consumer/conversation/send?v=3`, type
//! `cm.UpdateConversationField` ([protocol.md 7.8](crate::protocol#7.8))

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
    // An array in the schema, an object in every consumer example (protocol.md 14, row 6).
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

impl<'a> Update<'a> {
    const fn close_dialog(dialog_id: &'a str) -> Self {
        let dialog = Dialog { dialog_id, state: "CLOSE", closed_cause: "Closed by consumer" };
        Self::DialogChange { type_: "UPDATE", dialog }
    }
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

/// Parses the response to an update: `{msg}`, a bare string or nothing
/// ([protocol.md 14](crate::protocol#14), row 5).
fn parse_update(response: &ResponseView<'_>) -> Result<(), ApiRejection> {
    if matches!(response.status(), 200..=299) && response.body().is_empty() {
        return Ok(());
    }
    response.accepted().map(|_| ())
}

/// Parses the response to an update that closes something.
fn parse_close(response: &ResponseView<'_>) -> Result<(), ApiRejection> {
    match parse_update(response) {
        // An earlier attempt, whose response was lost, closed it.
        Err(rejection) if response.repeated() && rejection.reason == Reason::ConversationClosed => {
            Ok(())
        }
        parsed => parsed,
    }
}

/// Closes a conversation. Whether a survey follows the documents do not say, unless the request does:
/// [`with_survey`](Self::with_survey), [`without_survey`](Self::without_survey).
///
/// `POST /api/account/{accountId}/messaging/consumer/conversation/send?v=3`, type
/// `cm.UpdateConversationField` ([protocol.md 7.8](crate::protocol#7.8)), with AppJWT and
/// ConsumerJWS. Idempotent.
///
/// Fails with [`ConversationClosed`](crate::error::ErrorKind::ConversationClosed) if the
/// conversation is closed already ([protocol.md 7.11](crate::protocol#7.11)). A retry succeeds if
/// an earlier attempt may have closed it.
#[derive(Clone, Debug)]
pub struct CloseConversation {
    message: Message,
    scope: Scope,
}

/// What is closed.
#[derive(Clone, Copy, Debug)]
enum Scope {
    Conversation,
    MainDialog,
    Stage,
}

impl CloseConversation {
    /// Closes `conversation` as its consumer.
    #[must_use]
    pub fn new(conversation: &ConversationRef) -> Self {
        Self { message: Message::new(conversation), scope: Scope::Conversation }
    }

    /// Closes the main dialog, after which a survey may follow
    /// ([protocol.md 9.10](crate::protocol#9.10)). What closes the conversation where none follows, the documents do not
    /// say; the sandbox closes it at once.
    #[must_use]
    pub fn with_survey(mut self) -> Self {
        self.scope = Scope::MainDialog;
        self
    }

    /// Closes all dialogs, a running survey included. No survey follows.
    #[must_use]
    pub fn without_survey(mut self) -> Self {
        self.scope = Scope::Stage;
        self
    }
}

impl Operation for CloseConversation {
    type Output = ();

    const NAME: &'static str = "close_conversation";

    on_send!();

    fn idempotency(&self) -> Idempotency {
        // A closed conversation stays closed.
        Idempotency::Idempotent
    }

    fn request(&self, context: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
        let conversation_state = "CLOSE";
        let field = match self.scope {
            Scope::Conversation => Update::ConversationStateField { conversation_state },
            // Its dialog's id is the conversation's.
            Scope::MainDialog => Update::close_dialog(self.message.to.id().as_str()),
            Scope::Stage => Update::Stage { conversation_state },
        };
        self.message.update(context, field)
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<(), ApiRejection> {
        parse_close(response)
    }
}

/// Closes one dialog. After the main dialog a survey may follow
/// ([protocol.md 9.10](crate::protocol#9.10)).
///
/// `POST /api/account/{accountId}/messaging/consumer/conversation/send?v=3`, type
/// `cm.UpdateConversationField` ([protocol.md 7.8](crate::protocol#7.8)), with AppJWT and
/// ConsumerJWS. Idempotent.
///
/// Fails with [`ConversationClosed`](crate::error::ErrorKind::ConversationClosed) if the
/// conversation is closed already ([protocol.md 7.11](crate::protocol#7.11)). A retry succeeds if
/// an earlier attempt may have closed it.
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
        self.message.update(context, Update::close_dialog(self.message.to.dialog_text()))
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<(), ApiRejection> {
        parse_close(response)
    }
}

/// Whether the consumer's issue is resolved, according to the consumer
/// ([protocol.md 7.8](crate::protocol#7.8)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "the member is a boolean")]
pub enum Resolution {
    /// The issue is resolved.
    Resolved,
    /// The issue is not resolved.
    Unresolved,
}

/// How much of the rating the consumer filled in ([protocol.md 7.8](crate::protocol#7.8)).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum Rating {
    /// All members.
    Filled,
    /// Some members.
    PartiallyFilled,
    /// No members.
    Skipped,
}

/// Sends the consumer's satisfaction rating (CSAT) for a closed conversation.
///
/// `POST /api/account/{accountId}/messaging/consumer/conversation/send?v=3`, type
/// `cm.UpdateConversationField` ([protocol.md 7.8](crate::protocol#7.8)), with AppJWT and
/// ConsumerJWS. Idempotent.
///
/// A conversation with a survey takes no rating. Fails with
/// [`InvalidInput`](crate::error::ErrorKind::InvalidInput) if the rate is not from 1 to 5, and with
/// [`ConversationClosed`](crate::error::ErrorKind::ConversationClosed) if the service takes no change of this
/// conversation, also after a lost answer.
#[derive(Clone, Debug)]
pub struct RateConversation {
    message: Message,
    rate: u8,
    resolution: Resolution,
    status: Rating,
}

impl RateConversation {
    /// A rating with this rate, from 1 to 5, and resolution.
    #[must_use]
    pub fn new(conversation: &ConversationRef, rate: u8, resolution: Resolution) -> Self {
        Self { message: Message::new(conversation), rate, resolution, status: Rating::Filled }
    }

    /// How much of the rating the consumer filled in. Default: [`Rating::Filled`].
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
            let reason = format!("the rate is {}, and must be from 1 to 5", self.rate);
            return Err(InvalidInput::new(reason));
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
        parse_update(response)
    }
}

/// Sets the target response time of a conversation.
///
/// `POST /api/account/{accountId}/messaging/consumer/conversation/send?v=3`, type
/// `cm.UpdateConversationField` ([protocol.md 7.8](crate::protocol#7.8)), with AppJWT and
/// ConsumerJWS. Idempotent.
///
/// Fails with [`ConversationClosed`](crate::error::ErrorKind::ConversationClosed) if the conversation is closed, also
/// after a lost answer.
#[derive(Clone, Debug)]
pub struct SetUrgency {
    message: Message,
    urgency: Urgency,
    within: Duration,
}

impl SetUrgency {
    /// Sets the urgency, and the time within which an agent should answer, sent in whole seconds.
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
        parse_update(response)
    }
}
