//! `cm.UpdateConversationField`: closing, rating, urgency (protocol.md 7.8).

use serde::Serialize;

use super::{Address, on_send, with_client_properties};
use crate::api::{Answer, Context, InvalidInput, Operation, Plan, Reason, Refusal, Repeat};
use crate::id::{ConversationId, DialogId, ExtConsumerId};

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
        ttr_type: Ttr,
        value: u32,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dialog<'a> {
    dialog_id: &'a DialogId,
    state: &'static str,
    closed_cause: &'static str,
}

impl Address {
    fn update(&self, context: &Context<'_>, field: Update<'_>) -> Result<Plan<()>, InvalidInput> {
        let body = Body { conversation_id: &self.conversation, conversation_field: field };
        self.draft(context, "cm.UpdateConversationField", &body).map(Plan::Send)
    }
}

/// Reads what closing is answered with: `{msg}`, a bare string or nothing (protocol.md 14, row 5).
fn closed(answer: &Answer<'_>) -> Result<(), Refusal> {
    if matches!(answer.status(), 200..=299) && answer.body().is_empty() {
        return Ok(());
    }
    match answer.accepted() {
        Ok(_) => Ok(()),
        // An earlier attempt of ours whose answer was lost has closed it.
        Err(refusal) if answer.repeated() && refusal.reason == Reason::ConversationClosed => Ok(()),
        Err(refusal) => Err(refusal),
    }
}

/// Closes a conversation (protocol.md 7.8).
#[derive(Clone, Debug)]
pub struct CloseConversation {
    address: Address,
    whole_stage: bool,
}

with_client_properties!(CloseConversation);

impl CloseConversation {
    /// Closes `conversation` in the name of `consumer`.
    #[must_use]
    pub fn new(consumer: ExtConsumerId, conversation: ConversationId) -> Self {
        Self { address: Address::new(consumer, conversation), whole_stage: false }
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

    fn name(&self) -> &'static str {
        "close_conversation"
    }

    on_send!();

    fn repeat(&self) -> Repeat {
        // What is closed stays closed.
        Repeat::Idempotent
    }

    fn plan(&self, context: &Context<'_>) -> Result<Plan<()>, InvalidInput> {
        let conversation_state = "CLOSE";
        let field = if self.whole_stage {
            Update::Stage { conversation_state }
        } else {
            Update::ConversationStateField { conversation_state }
        };
        self.address.update(context, field)
    }

    fn read(&self, answer: &Answer<'_>) -> Result<(), Refusal> {
        closed(answer)
    }
}

/// Closes one dialog. When it is the main one, a survey may follow (protocol.md 7.8, 9.10).
#[derive(Clone, Debug)]
pub struct CloseDialog {
    address: Address,
}

with_client_properties!(CloseDialog);

impl CloseDialog {
    /// Closes the main dialog.
    #[must_use]
    pub fn new(consumer: ExtConsumerId, conversation: ConversationId) -> Self {
        Self { address: Address::new(consumer, conversation) }
    }

    /// Closes another dialog, such as a survey's.
    #[must_use]
    pub fn dialog(mut self, dialog: DialogId) -> Self {
        self.address.dialog = dialog;
        self
    }
}

impl Operation for CloseDialog {
    type Output = ();

    fn name(&self) -> &'static str {
        "close_dialog"
    }

    on_send!();

    fn repeat(&self) -> Repeat {
        Repeat::Idempotent
    }

    fn plan(&self, context: &Context<'_>) -> Result<Plan<()>, InvalidInput> {
        let dialog = Dialog {
            dialog_id: &self.address.dialog,
            state: "CLOSE",
            closed_cause: "Closed by consumer",
        };
        self.address.update(context, Update::DialogChange { type_: "UPDATE", dialog })
    }

    fn read(&self, answer: &Answer<'_>) -> Result<(), Refusal> {
        closed(answer)
    }
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
    address: Address,
    rate: u8,
    resolved: bool,
    status: Rating,
}

with_client_properties!(RateConversation);

impl RateConversation {
    /// A rate from 1 to 5, and whether the matter is settled.
    #[must_use]
    pub fn new(
        consumer: ExtConsumerId,
        conversation: ConversationId,
        rate: u8,
        resolved: bool,
    ) -> Self {
        let address = Address::new(consumer, conversation);
        Self { address, rate, resolved, status: Rating::Filled }
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

    fn name(&self) -> &'static str {
        "rate_conversation"
    }

    on_send!();

    fn repeat(&self) -> Repeat {
        Repeat::Idempotent
    }

    fn plan(&self, context: &Context<'_>) -> Result<Plan<()>, InvalidInput> {
        if !(1..=5).contains(&self.rate) {
            let why = format!("the rate is {}, and must be from 1 to 5", self.rate);
            return Err(InvalidInput::new(why));
        }
        self.address.update(
            context,
            Update::CSATRate {
                csat_rate: self.rate,
                csat_resolution_confirmation: self.resolved,
                status: self.status,
            },
        )
    }

    fn read(&self, answer: &Answer<'_>) -> Result<(), Refusal> {
        closed(answer)
    }
}

/// How soon an answer is to come (protocol.md 7.8).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are the documents' own, and all that they say")]
pub enum Ttr {
    Custom,
    Normal,
    Prioritized,
    Urgent,
}

/// Changes how urgent a conversation is (protocol.md 7.8).
#[derive(Clone, Debug)]
pub struct SetUrgency {
    address: Address,
    ttr: Ttr,
    seconds: u32,
}

with_client_properties!(SetUrgency);

impl SetUrgency {
    /// An answer is to come within `seconds`.
    #[must_use]
    pub fn new(
        consumer: ExtConsumerId,
        conversation: ConversationId,
        ttr: Ttr,
        seconds: u32,
    ) -> Self {
        Self { address: Address::new(consumer, conversation), ttr, seconds }
    }
}

impl Operation for SetUrgency {
    type Output = ();

    fn name(&self) -> &'static str {
        "set_urgency"
    }

    on_send!();

    fn repeat(&self) -> Repeat {
        Repeat::Idempotent
    }

    fn plan(&self, context: &Context<'_>) -> Result<Plan<()>, InvalidInput> {
        self.address.update(context, Update::TTRField { ttr_type: self.ttr, value: self.seconds })
    }

    fn read(&self, answer: &Answer<'_>) -> Result<(), Refusal> {
        closed(answer)
    }
}
