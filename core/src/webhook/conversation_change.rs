//! The state of a conversation ([protocol.md 9.9](crate::protocol#9.9)). A notification carries all
//! of it, never a diff.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::messaging::UnusableChange;
use super::open_enum::{DialogType, OpenState, ParticipantState, Role};
use super::snapshot;
use crate::id::{ConversationId, DialogId};
use crate::json::field::{
    Field, any, integer, object, one_or_many, scalar, scalar_field, text, text_field, timestamp,
    unsigned,
};
use crate::json::{Json, JsonTape};
use crate::time::Timestamp;

/// The complete state of a conversation.
///
/// It holds the JSON as it came and reads members on demand. It serialises as that JSON.
/// [`diff`](Self::diff) returns the transitions between two states.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "JsonTape", into = "JsonTape")]
pub struct ConversationChange {
    conversation: ConversationId,
    raw: JsonTape,
}

impl TryFrom<JsonTape> for ConversationChange {
    type Error = UnusableChange;

    fn try_from(raw: JsonTape) -> Result<Self, UnusableChange> {
        Ok(Self::new(Self::id(raw.root())?, raw))
    }
}

impl From<ConversationChange> for JsonTape {
    fn from(change: ConversationChange) -> Self {
        change.raw
    }
}

impl TryFrom<Value> for ConversationChange {
    type Error = UnusableChange;

    fn try_from(raw: Value) -> Result<Self, UnusableChange> {
        JsonTape::from(&raw).try_into()
    }
}

impl From<ConversationChange> for Value {
    fn from(change: ConversationChange) -> Self {
        change.raw.root().to_value()
    }
}

impl ConversationChange {
    /// Whose change this is, if it can be used.
    pub(super) fn id(change: Json<'_>) -> Result<ConversationId, UnusableChange> {
        let result = object(change, "result").known();
        let result = result.ok_or(UnusableChange("the change has no result"))?;
        // Without its details a conversation counts as open, which unreadable ones do not say.
        if object(result, "conversationDetails") == Field::Unreadable {
            return Err(UnusableChange("the conversation's details are unreadable"));
        }
        // `convId` here, `conversationId` everywhere else.
        let id = scalar_field(result, "convId").or(|| scalar_field(result, "conversationId"));
        let id = id.and_then(|id| ConversationId::new(id).ok()).known();
        id.ok_or(UnusableChange("the change names no conversation"))
    }

    /// `conversation` is that of `raw`.
    pub(super) fn new(conversation: ConversationId, raw: JsonTape) -> Self {
        Self { conversation, raw }
    }

    /// The conversation's id.
    #[must_use]
    pub fn conversation(&self) -> &ConversationId {
        &self.conversation
    }

    /// True if the conversation left the subscription. Webhooks are not known to send this.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        text(self.raw(), "type").is_some_and(|kind| kind.eq_ignore_ascii_case("DELETE"))
    }

    /// Whether the main dialog is open. A survey may run after it closes.
    #[must_use]
    pub fn state(&self) -> Option<OpenState> {
        OpenState::of(text_field(self.details(), "state"))
    }

    /// Whether the whole conversation is open. Without a value: the [`state`](Self::state)
    /// ([protocol.md 14](crate::protocol#14), row 25).
    #[must_use]
    pub fn stage(&self) -> Option<OpenState> {
        OpenState::of(text_field(self.details(), "stage")).or_else(|| self.state())
    }

    /// True if the whole conversation is closed. An unknown or unreadable stage does not say so.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.stage().is_some_and(|stage| stage.is_closed())
    }

    /// True if the main dialog is closed. A survey may still run.
    #[must_use]
    pub fn is_main_dialog_closed(&self) -> bool {
        self.is_finished() || self.state().is_some_and(|state| state.is_closed())
    }

    /// Who closed the conversation: `CONSUMER`, `AGENT`, or an unknown value.
    #[must_use]
    pub fn close_reason(&self) -> Option<&str> {
        text(self.details(), "closeReason")
    }

    /// When the conversation started.
    #[must_use]
    pub fn started(&self) -> Option<Timestamp> {
        timestamp(self.details(), "startTs")
    }

    /// When the conversation ended. A finished conversation may lack it.
    #[must_use]
    pub fn ended(&self) -> Option<Timestamp> {
        timestamp(self.details(), "endTs")
    }

    /// When this state was valid. It orders the states of a conversation.
    #[must_use]
    pub fn updated(&self) -> Option<Timestamp> {
        timestamp(self.details(), "metaDataLastUpdateTs")
    }

    /// When the agents' answer is due. `None` if none is pending.
    #[must_use]
    pub fn answer_due(&self) -> Option<Timestamp> {
        timestamp(self.result(), "effectiveTTR")
    }

    /// The skill that the conversation is routed to. `None` if unassigned.
    #[must_use]
    pub fn skill(&self) -> Option<Cow<'_, str>> {
        scalar(self.details(), "skillId").filter(|skill| skill != "-1" && !skill.is_empty())
    }

    /// False if the skill is in no form that this version reads: the conversation may have one.
    pub(super) fn is_skill_readable(&self) -> bool {
        scalar_field(self.details(), "skillId") != Field::Unreadable
    }

    /// The target response time (`ttr`).
    #[must_use]
    pub fn response_target(&self) -> Option<ResponseTarget<'_>> {
        let ttr = self.details().get("ttr").filter(|ttr| ttr.is_object())?;
        let within = unsigned(ttr, "value").map(Duration::from_secs);
        Some(ResponseTarget { kind: text(ttr, "ttrType"), within })
    }

    /// Why and until when the contact centre is closed (`NIGHT`, `WEEKEND`, `HOLIDAY`).
    #[must_use]
    pub fn delay(&self) -> Option<Delay<'_>> {
        Delay::of(self.details().get("delay"))
    }

    /// The answer time that an agent set by hand (`manualETTR`).
    #[must_use]
    pub fn manual_ettr(&self) -> Option<Delay<'_>> {
        Delay::of(self.details().get("manualETTR"))
    }

    /// The consumer's satisfaction rating.
    #[must_use]
    pub fn csat(&self) -> Option<Csat<'_>> {
        let csat = self.details().get("csat").filter(|csat| csat.is_object());
        let holder = csat.unwrap_or_else(|| self.details());
        let rate = integer(holder, "csatRate");
        let resolved = holder.get("csatResolutionConfirmation").and_then(Json::as_bool);
        let status = csat.and_then(|csat| text(csat, "status"));
        let any = rate.is_some() || resolved.is_some() || status.is_some();
        any.then_some(Csat { rate, resolved, status })
    }

    /// All participants. One id may appear in several roles.
    pub fn participants(&self) -> impl Iterator<Item = Participant<'_>> {
        let listed =
            one_or_many(any(self.details(), "participants").known()).filter_map(Participant::of);
        // An alternative shape maps a role to its ids (protocol.md 9.9).
        let by_role = self.details().get("participantsPId").unwrap_or(Json::NULL);
        let mapped = by_role.members().flat_map(|(role, ids)| {
            one_or_many(Some(ids)).filter_map(Json::as_str).map(|id| Participant {
                id: Cow::Borrowed(id),
                role: Role::parse(role),
                state: None,
            })
        });
        listed.chain(mapped)
    }

    /// The dialogs, in no fixed order. The oldest notifications list none.
    pub fn dialogs(&self) -> impl Iterator<Item = Dialog<'_>> {
        one_or_many(any(self.details(), "dialogs").known()).filter_map(|dialog| {
            let id = scalar(dialog, "dialogId").and_then(|id| DialogId::new(id).ok())?;
            Some(Dialog { id, raw: dialog })
        })
    }

    /// The main dialog, if listed.
    #[must_use]
    pub fn main_dialog(&self) -> Option<Dialog<'_>> {
        self.dialogs().find(|dialog| dialog.dialog_type() == Some(DialogType::Main))
    }

    /// The dialog of a running survey.
    #[must_use]
    pub fn open_survey(&self) -> Option<Dialog<'_>> {
        self.dialogs()
            .find(|dialog| dialog.dialog_type() == Some(DialogType::PostSurvey) && dialog.is_open())
    }

    /// The dialog that receives the consumer's messages now: the main dialog, or the survey that
    /// runs after it. `None` if both are closed, and if the state, the stage or the main dialog is
    /// unreadable.
    #[must_use]
    pub fn dialog_to_publish_to(&self) -> Option<DialogId> {
        let is_unreadable = |state: Option<OpenState>| state == Some(OpenState::Unreadable);
        if self.is_finished() || is_unreadable(self.stage()) || is_unreadable(self.state()) {
            None
        } else if self.is_main_dialog_closed() {
            self.open_survey().map(|survey| survey.id)
        } else {
            // Of several dialogs, the listed main one counts, whatever the others are.
            let main = self.main_dialog().map(|dialog| dialog.id);
            main.or_else(|| {
                let is_unlisted = snapshot::main_dialog(self.details()) == Some(None);
                is_unlisted.then(|| DialogId::main_of(&self.conversation))
            })
        }
    }

    /// The ids of the active agents: assigned, and not only suggested
    /// ([protocol.md 9.9](crate::protocol#9.9)).
    #[must_use]
    pub fn agents(&self) -> Vec<Cow<'_, str>> {
        let mut agents: Vec<Cow<'_, str>> = Vec::new();
        let main = self.main_dialog();
        let detailed: Vec<_> = main.iter().flat_map(Dialog::participants).collect();
        let state_of = |id: &str| {
            let found = detailed.iter().find(|one| one.id == id && one.role == Role::AssignedAgent);
            found.and_then(|one| one.state.clone())
        };
        for one in detailed.iter().cloned().chain(self.participants()) {
            let is_active = state_of(&one.id).is_none_or(|state| state == ParticipantState::Active);
            if one.role == Role::AssignedAgent && is_active && !agents.contains(&one.id) {
                agents.push(one.id);
            }
        }
        agents
    }

    /// The consumer's LivePerson id.
    #[must_use]
    pub fn consumer(&self) -> Option<Cow<'_, str>> {
        self.participants().find(|one| one.role == Role::Consumer).map(|one| one.id)
    }

    /// The JSON as it came.
    #[must_use]
    pub fn raw(&self) -> Json<'_> {
        self.raw.root()
    }

    fn result(&self) -> Json<'_> {
        object(self.raw(), "result").known().unwrap_or(Json::NULL)
    }

    pub(super) fn details(&self) -> Json<'_> {
        object(self.result(), "conversationDetails").known().unwrap_or(Json::NULL)
    }
}

impl fmt::Debug for ConversationChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConversationChange")
            .field("conversation", &self.conversation)
            .field("state", &self.state())
            .field("stage", &self.stage())
            .field("updated", &self.updated())
            .finish_non_exhaustive()
    }
}

/// One dialog of a conversation.
#[derive(Clone, PartialEq)]
pub struct Dialog<'a> {
    /// The dialog's id.
    pub(super) id: DialogId,
    raw: Json<'a>,
}

impl<'a> Dialog<'a> {
    /// The dialog's id.
    #[must_use]
    pub fn id(&self) -> &DialogId {
        &self.id
    }

    /// The dialog's purpose.
    #[must_use]
    pub fn dialog_type(&self) -> Option<DialogType> {
        DialogType::of(text_field(self.raw, "dialogType"))
    }

    /// `MESSAGING`, or another channel.
    #[must_use]
    pub fn channel_type(&self) -> Option<&'a str> {
        text(self.raw, "channelType")
    }

    /// Whether the dialog is open. Without a value, or with an unknown one: true. With an unreadable
    /// one: false, so that nothing is published to it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match OpenState::of(text_field(self.raw, "state")) {
            Some(OpenState::Unreadable) => false,
            Some(state) => !state.is_closed(),
            None => true,
        }
    }

    /// Who closed the dialog.
    #[must_use]
    pub fn closed_by(&self) -> Option<&'a str> {
        text(self.raw, "closedBy")
    }

    /// Why the dialog was closed, as free text.
    #[must_use]
    pub fn closed_cause(&self) -> Option<&'a str> {
        text(self.raw, "closedCause")
    }

    /// The dialog's participants and their states.
    pub fn participants(&self) -> impl Iterator<Item = Participant<'a>> + use<'a> {
        one_or_many(any(self.raw, "participantsDetails").known()).filter_map(Participant::of)
    }

    /// The JSON as it came.
    #[must_use]
    pub fn raw(&self) -> Json<'a> {
        self.raw
    }
}

impl fmt::Debug for Dialog<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialog")
            .field("id", &self.id)
            .field("dialog_type", &self.dialog_type())
            .field("is_open", &self.is_open())
            .finish_non_exhaustive()
    }
}

/// A participant of a conversation or dialog.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Participant<'a> {
    /// The participant's LivePerson id.
    pub id: Cow<'a, str>,
    /// The participant's role. Without a value: [`Unreadable`](Role::Unreadable).
    pub role: Role,
    /// Whether the participant is on board, if the notification says so.
    pub state: Option<ParticipantState>,
}

impl<'a> Participant<'a> {
    fn of(value: Json<'a>) -> Option<Self> {
        Some(Self {
            id: scalar(value, "id")?,
            role: Role::of(text_field(value, "role")).unwrap_or(Role::Unreadable),
            state: ParticipantState::of(text_field(value, "state")),
        })
    }
}

/// The target response time, "time to response" on LivePerson's pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ResponseTarget<'a> {
    /// `CUSTOM`, `NORMAL`, `PRIORITIZED` or `URGENT`.
    pub kind: Option<&'a str>,
    /// The time within which an agent should answer.
    pub within: Option<Duration>,
}

/// A delay before the agents answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Delay<'a> {
    /// The reason: `NIGHT`, `WEEKEND`, `HOLIDAY`, or an unknown value.
    pub kind: Option<&'a str>,
    /// When the delay ends.
    pub until: Option<Timestamp>,
}

impl<'a> Delay<'a> {
    fn of(value: Option<Json<'a>>) -> Option<Self> {
        let value = value.filter(|value| value.is_object())?;
        Some(Self { kind: text(value, "type"), until: timestamp(value, "tillWhen") })
    }
}

/// The consumer's satisfaction rating (CSAT).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Csat<'a> {
    /// From 1 to 5.
    pub rate: Option<i64>,
    /// Whether the consumer's issue is resolved.
    pub resolved: Option<bool>,
    /// `FILLED`, `PARTIALLY_FILLED` or `SKIPPED`.
    pub status: Option<&'a str>,
}
