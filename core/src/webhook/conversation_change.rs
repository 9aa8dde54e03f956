//! The state of a conversation (protocol.md 9.9): always complete, never a difference.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::document::Document;
use super::json::Json;
use super::messaging::UnusableChange;
use super::open::{DialogType, OpenState, Role};
use super::read::{each, integer, scalar, text, unsigned};
use crate::id::{ConversationId, DialogId};

/// The whole state of a conversation at one time.
///
/// It holds the JSON as it came, and reads from it on demand; it is stored as that JSON too. What
/// happened between two of them [`since`](Self::since) says.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Document", into = "Document")]
pub struct ConversationChange {
    conversation: ConversationId,
    raw: Document,
}

impl TryFrom<Document> for ConversationChange {
    type Error = UnusableChange;

    fn try_from(raw: Document) -> Result<Self, UnusableChange> {
        Self::of(raw).map_err(|(why, _)| why)
    }
}

impl From<ConversationChange> for Document {
    fn from(change: ConversationChange) -> Self {
        change.raw
    }
}

impl TryFrom<Value> for ConversationChange {
    type Error = UnusableChange;

    fn try_from(raw: Value) -> Result<Self, UnusableChange> {
        Document::from(&raw).try_into()
    }
}

impl From<ConversationChange> for Value {
    fn from(change: ConversationChange) -> Self {
        change.raw.root().to_value()
    }
}

impl ConversationChange {
    pub(super) fn of(raw: Document) -> Result<Self, (UnusableChange, Document)> {
        let Some(result) = raw.root().get("result").filter(|result| result.is_object()) else {
            return Err((UnusableChange("it holds no result"), raw));
        };
        // `convId` here, `conversationId` everywhere else.
        let id = scalar(result, "convId").or_else(|| scalar(result, "conversationId"));
        match id.and_then(|id| ConversationId::new(id).ok()) {
            Some(conversation) => Ok(Self { conversation, raw }),
            None => Err((UnusableChange("it names no conversation"), raw)),
        }
    }

    /// The conversation.
    #[must_use]
    pub fn conversation(&self) -> &ConversationId {
        &self.conversation
    }

    /// True if the conversation has left what is subscribed to. Webhooks are not known to say so.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        text(self.raw(), "type").is_some_and(|kind| kind.eq_ignore_ascii_case("DELETE"))
    }

    /// Whether the main dialog is open. The survey may be open when it is not.
    #[must_use]
    pub fn state(&self) -> Option<OpenState> {
        text(self.details(), "state").map(OpenState::of)
    }

    /// Whether the conversation as a whole is open; where it does not say, its
    /// [`state`](Self::state) (protocol.md 14, row 25).
    #[must_use]
    pub fn stage(&self) -> Option<OpenState> {
        text(self.details(), "stage").map(OpenState::of).or_else(|| self.state())
    }

    /// True if nothing more can be said in it.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.stage().is_some_and(|stage| stage.is_closed())
    }

    /// True if the conversation with the agents is over; a survey may be running.
    #[must_use]
    pub fn is_main_dialog_closed(&self) -> bool {
        self.is_finished() || self.state().is_some_and(|state| state.is_closed())
    }

    /// By whom it was closed: `CONSUMER`, `AGENT` or something else.
    #[must_use]
    pub fn close_reason(&self) -> Option<&str> {
        text(self.details(), "closeReason")
    }

    /// When it began, in milliseconds since 1970.
    #[must_use]
    pub fn started(&self) -> Option<u64> {
        unsigned(self.details(), "startTs")
    }

    /// When it ended, in milliseconds since 1970. May be missing from a finished one.
    #[must_use]
    pub fn ended(&self) -> Option<u64> {
        unsigned(self.details(), "endTs")
    }

    /// When it was as it says here, in milliseconds since 1970: what puts several in order.
    #[must_use]
    pub fn updated(&self) -> Option<u64> {
        unsigned(self.details(), "metaDataLastUpdateTs")
    }

    /// By when an answer is due, in milliseconds since 1970; `None` if none is pending.
    #[must_use]
    pub fn answer_due(&self) -> Option<u64> {
        unsigned(self.result(), "effectiveTTR")
    }

    /// The skill that it is routed to; `None` if it is unassigned.
    #[must_use]
    pub fn skill(&self) -> Option<Cow<'_, str>> {
        scalar(self.details(), "skillId").filter(|skill| skill != "-1" && !skill.is_empty())
    }

    /// How soon an answer is to come.
    #[must_use]
    pub fn ttr(&self) -> Option<Ttr<'_>> {
        let ttr = self.details().get("ttr").filter(|ttr| ttr.is_object())?;
        Some(Ttr { ttr_type: text(ttr, "ttrType"), seconds: unsigned(ttr, "value") })
    }

    /// Why an answer takes longer, and until when: the contact centre is closed (`NIGHT`, `WEEKEND`,
    /// `HOLIDAY`).
    #[must_use]
    pub fn delay(&self) -> Option<Delay<'_>> {
        Delay::of(self.details().get("delay"))
    }

    /// When an agent said that the answer comes.
    #[must_use]
    pub fn manual_ettr(&self) -> Option<Delay<'_>> {
        Delay::of(self.details().get("manualETTR"))
    }

    /// How satisfied the consumer said to be.
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

    /// Everybody who takes part; one id may be there in several roles.
    pub fn participants(&self) -> impl Iterator<Item = Participant<'_>> {
        let listed = each(self.details().get("participants")).filter_map(Participant::of);
        // The other way to write it: from role to ids (protocol.md 9.9).
        let by_role = self.details().get("participantsPId").unwrap_or(Json::NULL);
        let mapped = by_role.members().flat_map(|(role, ids)| {
            each(Some(ids)).filter_map(Json::as_str).map(|id| Participant {
                id: Cow::Borrowed(id),
                role: Role::of(role),
                state: None,
            })
        });
        listed.chain(mapped)
    }

    /// The dialogs, in no certain order; none in the oldest notifications.
    pub fn dialogs(&self) -> impl Iterator<Item = Dialog<'_>> {
        each(self.details().get("dialogs")).filter_map(|dialog| {
            let id = scalar(dialog, "dialogId").and_then(|id| DialogId::new(id).ok())?;
            Some(Dialog { id, raw: dialog })
        })
    }

    /// The main dialog, if dialogs are listed.
    #[must_use]
    pub fn main_dialog(&self) -> Option<Dialog<'_>> {
        self.dialogs().find(|dialog| dialog.dialog_type() == Some(DialogType::Main))
    }

    /// The survey's dialog, if one is open.
    #[must_use]
    pub fn open_survey(&self) -> Option<Dialog<'_>> {
        self.dialogs()
            .find(|dialog| dialog.dialog_type() == Some(DialogType::PostSurvey) && dialog.is_open())
    }

    /// Where the consumer's messages go now: to the main dialog, to the survey that runs after it, or
    /// nowhere, if all is closed.
    #[must_use]
    pub fn dialog_to_publish_to(&self) -> Option<DialogId> {
        if self.is_finished() {
            None
        } else if self.is_main_dialog_closed() {
            self.open_survey().map(|survey| survey.id)
        } else {
            let main = self.main_dialog().map(|dialog| dialog.id);
            Some(main.unwrap_or_else(|| DialogId::main_of(&self.conversation)))
        }
    }

    /// The agents who are really on board: assigned, and not only suggested (protocol.md 9.9).
    #[must_use]
    pub fn agents(&self) -> Vec<Cow<'_, str>> {
        let mut agents: Vec<Cow<'_, str>> = Vec::new();
        let main = self.main_dialog();
        let detailed: Vec<_> = main.iter().flat_map(Dialog::participants).collect();
        let state_of = |id: &str| {
            let found = detailed.iter().find(|one| one.id == id && one.role == Role::AssignedAgent);
            found.and_then(|one| one.state)
        };
        for one in detailed.iter().cloned().chain(self.participants()) {
            let on_board =
                state_of(&one.id).is_none_or(|state| state.eq_ignore_ascii_case("ACTIVE"));
            if one.role == Role::AssignedAgent && on_board && !agents.contains(&one.id) {
                agents.push(one.id);
            }
        }
        agents
    }

    /// The consumer, as LivePerson knows them.
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
        self.raw().get("result").unwrap_or(Json::NULL)
    }

    fn details(&self) -> Json<'_> {
        self.result().get("conversationDetails").unwrap_or(Json::NULL)
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
    /// Its id.
    pub(super) id: DialogId,
    raw: Json<'a>,
}

impl<'a> Dialog<'a> {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &DialogId {
        &self.id
    }

    /// What it is for.
    #[must_use]
    pub fn dialog_type(&self) -> Option<DialogType> {
        text(self.raw, "dialogType").map(DialogType::of)
    }

    /// `MESSAGING`, or another channel.
    #[must_use]
    pub fn channel_type(&self) -> Option<&'a str> {
        text(self.raw, "channelType")
    }

    /// Whether it is open; where it does not say, it is.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !text(self.raw, "state").is_some_and(|state| OpenState::of(state).is_closed())
    }

    /// By whom it was closed.
    #[must_use]
    pub fn closed_by(&self) -> Option<&'a str> {
        text(self.raw, "closedBy")
    }

    /// Why it was closed, in free words.
    #[must_use]
    pub fn closed_cause(&self) -> Option<&'a str> {
        text(self.raw, "closedCause")
    }

    /// Who takes part in it, and whether they are on board.
    pub fn participants(&self) -> impl Iterator<Item = Participant<'a>> + use<'a> {
        each(self.raw.get("participantsDetails")).filter_map(Participant::of)
    }

    /// All of it, as it came.
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

/// Somebody who takes part.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Participant<'a> {
    /// LivePerson's id of them.
    pub id: Cow<'a, str>,
    /// As what.
    pub role: Role,
    /// `ACTIVE` or `SUGGESTED`, where it says.
    pub state: Option<&'a str>,
}

impl<'a> Participant<'a> {
    fn of(value: Json<'a>) -> Option<Self> {
        Some(Self {
            id: scalar(value, "id")?,
            role: Role::of(text(value, "role").unwrap_or_default()),
            state: text(value, "state"),
        })
    }
}

/// How soon an answer is to come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Ttr<'a> {
    /// `CUSTOM`, `NORMAL`, `PRIORITIZED` or `URGENT`.
    pub ttr_type: Option<&'a str>,
    /// Within how many seconds.
    pub seconds: Option<u64>,
}

/// A time before which no answer comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Delay<'a> {
    /// Why: `NIGHT`, `WEEKEND`, `HOLIDAY`, or something else.
    pub kind: Option<&'a str>,
    /// Until when, in milliseconds since 1970.
    pub until: Option<u64>,
}

impl<'a> Delay<'a> {
    fn of(value: Option<Json<'a>>) -> Option<Self> {
        let value = value.filter(|value| value.is_object())?;
        Some(Self { kind: text(value, "type"), until: unsigned(value, "tillWhen") })
    }
}

/// How satisfied the consumer said to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Csat<'a> {
    /// From 1 to 5.
    pub rate: Option<i64>,
    /// Whether the matter is settled.
    pub resolved: Option<bool>,
    /// `FILLED`, `PARTIALLY_FILLED` or `SKIPPED`.
    pub status: Option<&'a str>,
}
