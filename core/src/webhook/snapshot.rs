//! The part of a conversation's state that transitions are made of, as far as it is readable.

use serde::{Deserialize, Deserializer, Serialize};

use super::conversation_change::ConversationChange;
use super::open_enum::{DialogType, OpenState, ParticipantState, Role};
use super::transition::Transition;
use crate::id::DialogId;
use crate::json::Json;
use crate::json::field::{Field, any, object, one_or_many, scalar_field, text_field};

/// The last readable state of a conversation, as far as transitions are made of it. It can be stored
/// (serde), and holds no more than the ids of agents, skill and survey.
///
/// A member that is unreadable in a notification is neither a value nor the absence of one: nothing
/// follows from it, and the next readable one is compared with the last readable one.
///
/// ```
/// use lp_connector_core::webhook::{Change, Snapshot, Transition, Verified};
///
/// let mut snapshot = Snapshot::new();
/// for (state, expected) in [(r#""OPEN""#, 1), ("7", 0), (r#""OPEN""#, 0), (r#""CLOSE""#, 2)] {
///     let body = format!(r#"{{"type":"cqm.ExConversationChangeNotification","body":{{"changes":
///         [{{"result":{{"convId":"5f0c","conversationDetails":{{"state":{state}}}}}}}]}}}}"#);
///     let notification = Verified::dangerous_unverified(body).parse()?;
///     let [Change::Conversation(change)] = notification.changes() else { panic!() };
///     assert_eq!(snapshot.apply(change).len(), expected, "{state}");
/// }
/// assert!(snapshot.is_finished());
/// # Ok::<(), lp_connector_core::webhook::UnreadableNotification>(())
/// ```
// `None` is what cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Snapshot {
    /// The skill; `Some(None)` if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    skill: Option<Option<String>>,
    /// The active agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agents: Option<Vec<String>>,
    /// The participants of whom it cannot be read whether they are active agents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unclear: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    main: Option<MainDialog>,
    /// The dialog of the running survey; `Some(None)` if none runs.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    survey: Option<Option<DialogId>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    finished: Option<bool>,
}

/// The main dialog.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum MainDialog {
    /// Not seen so far.
    New,
    Open,
    Closed,
}

/// A member that is present. `null` is a value of it.
fn present<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

impl Snapshot {
    /// The state before anything is known of the conversation.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            // The first skill is no transfer.
            skill: None,
            agents: Some(Vec::new()),
            unclear: Vec::new(),
            main: Some(MainDialog::New),
            survey: Some(None),
            finished: Some(false),
        }
    }

    /// Takes over the next state of the conversation, and returns the transitions to it, in order.
    pub fn apply(&mut self, state: &ConversationChange) -> Vec<Transition> {
        let newer = Self::of(state);
        let transitions = newer.diff(self);
        self.update(newer);
        transitions
    }

    /// What can be read of this state.
    pub(super) fn of(state: &ConversationChange) -> Self {
        let (finished, closed) = (finished(state), main_closed(state));
        let (agents, unclear) = agents(state).map_or((None, Vec::new()), |(a, u)| (Some(a), u));
        Self {
            skill: state.is_skill_readable().then(|| state.skill().map(|id| id.into_owned())),
            agents,
            unclear,
            main: closed.map(|closed| if closed { MainDialog::Closed } else { MainDialog::Open }),
            survey: survey(state),
            finished,
        }
    }

    /// Takes over what is readable in a newer snapshot, and keeps the rest.
    fn update(&mut self, newer: Self) {
        if let Some(mut agents) = newer.agents {
            let were = self.agents.take().unwrap_or_default();
            agents.extend(were.into_iter().filter(|agent| newer.unclear.contains(agent)));
            self.agents = Some(agents);
            self.unclear.clear();
        }
        self.skill = newer.skill.or(self.skill.take());
        self.main = newer.main.or(self.main);
        self.survey = newer.survey.or(self.survey.take());
        self.finished = newer.finished.or(self.finished);
    }

    /// The transitions from `before` to this snapshot, in order. A part counts if it is readable in both.
    pub(super) fn diff(&self, before: &Self) -> Vec<Transition> {
        let mut happened = Vec::new();
        if (before.main, self.main) == (Some(MainDialog::New), Some(MainDialog::Open)) {
            happened.push(Transition::Created);
        }
        if let (Some(from), Some(to)) = (&before.skill, &self.skill)
            && from != to
        {
            // From no skill and no agent is the first routing, not a transfer.
            let had_agent = before.agents.as_ref().is_some_and(|agents| !agents.is_empty());
            if from.is_some() || had_agent {
                happened.push(Transition::Transferred { from: from.clone(), to: to.clone() });
            }
        }
        if let (Some(were), Some(agents)) = (&before.agents, &self.agents) {
            let is_in = |agent: &String, snapshot: &Self, agents: &[String]| {
                agents.contains(agent) || snapshot.unclear.contains(agent)
            };
            let left = were.iter().filter(|agent| !is_in(agent, self, agents));
            happened.extend(left.cloned().map(Transition::AgentLeft));
            let joined = agents.iter().filter(|agent| !is_in(agent, before, were));
            happened.extend(joined.cloned().map(Transition::AgentJoined));
        }
        let closed = Some(MainDialog::Closed);
        if self.main == closed && before.main.is_some() && before.main != closed {
            happened.push(Transition::MainDialogClosed);
        }
        if let (Some(then), Some(now)) = (&before.survey, &self.survey)
            && then != now
        {
            happened.extend(then.clone().map(Transition::SurveyEnded));
            happened.extend(now.clone().map(Transition::SurveyStarted));
        }
        if (before.finished, self.finished) == (Some(false), Some(true)) {
            happened.push(Transition::Finished);
        }
        happened
    }

    /// True if the whole conversation is closed.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.finished == Some(true)
    }

    /// True if the main dialog is closed. A survey may still run.
    #[must_use]
    pub fn is_main_dialog_closed(&self) -> bool {
        self.main == Some(MainDialog::Closed)
    }

    /// The dialog of the running survey.
    #[must_use]
    pub fn survey(&self) -> Option<&DialogId> {
        self.survey.as_ref().and_then(Option::as_ref)
    }
}

impl Default for Snapshot {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether this value says closed. `None` if it is unreadable.
fn closed(state: Option<OpenState>) -> Option<bool> {
    match state {
        Some(OpenState::Unreadable) => None,
        state => Some(state.is_some_and(|state| state.is_closed())),
    }
}

fn finished(state: &ConversationChange) -> Option<bool> {
    closed(state.stage())
}

/// Closed if the conversation is finished or the main dialog says so; open if neither.
fn main_closed(state: &ConversationChange) -> Option<bool> {
    match (finished(state), closed(state.state())) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (None, _) | (_, None) => None,
        (Some(false), Some(false)) => Some(false),
    }
}

/// The elements of a list, or of a bare element in its place. `None` if it is no list of objects.
fn objects<'a>(of: Json<'a>, name: &str) -> Option<Vec<Json<'a>>> {
    let list = match any(of, name) {
        Field::Unreadable => return None,
        Field::Absent => None,
        Field::Known(list) => Some(list),
    };
    one_or_many(list).map(|one| one.is_object().then_some(one)).collect()
}

/// A dialog's type. `None` if it is unreadable, or if this has neither a type nor an id.
fn dialog_type(dialog: Json<'_>) -> Option<Option<DialogType>> {
    match DialogType::of(text_field(dialog, "dialogType")) {
        Some(DialogType::Unreadable) => None,
        None => dialog_id(dialog).map(|_| None),
        found => Some(found),
    }
}

/// A dialog's id. `None` if it has none, or an unreadable one.
fn dialog_id(dialog: Json<'_>) -> Option<DialogId> {
    scalar_field(dialog, "dialogId").and_then(|id| DialogId::new(id).ok()).known()
}

/// The dialog of the running survey. `None` if one of the dialogs may be it or not.
fn survey(state: &ConversationChange) -> Option<Option<DialogId>> {
    let mut found = None;
    for dialog in objects(state.details(), "dialogs")? {
        if dialog_type(dialog)? == Some(DialogType::PostSurvey) {
            let id = dialog_id(dialog)?;
            let closed = closed(OpenState::of(text_field(dialog, "state")))?;
            if !closed && found.is_none() {
                found = Some(id);
            }
        }
    }
    Some(found)
}

/// The main dialog, if listed. `None` if one of the dialogs may be it or not, or if its id is unreadable.
pub(super) fn main_dialog(details: Json<'_>) -> Option<Option<Json<'_>>> {
    let mut found = None;
    for dialog in objects(details, "dialogs")? {
        if dialog_type(dialog)? == Some(DialogType::Main) && found.is_none() {
            dialog_id(dialog)?;
            found = Some(dialog);
        }
    }
    Some(found)
}

/// The active agents, and the participants who may be among them. `None` if a list of participants is
/// unreadable, or may lack one.
fn agents(state: &ConversationChange) -> Option<(Vec<String>, Vec<String>)> {
    let details = state.details();
    let mut unclear = Vec::new();
    let mut read = |holder, name, has_states| {
        for one in objects(holder, name)? {
            let id = scalar_field(one, "id").known()?;
            let role = Role::of(text_field(one, "role"));
            let at = ParticipantState::of(text_field(one, "state"));
            let is_state_unclear = has_states && at == Some(ParticipantState::Unreadable);
            if role == Some(Role::Unreadable)
                || role == Some(Role::AssignedAgent) && is_state_unclear
            {
                unclear.push(id.into_owned());
            }
        }
        Some(())
    };
    if let Some(main) = main_dialog(details)? {
        read(main, "participantsDetails", true)?;
    }
    read(details, "participants", false)?;
    match object(details, "participantsPId") {
        Field::Unreadable => return None,
        Field::Absent => {}
        Field::Known(by_role) => {
            let mut ids = by_role.members().flat_map(|(_, ids)| one_or_many(Some(ids)));
            if ids.any(|id| id.as_str().is_none()) {
                return None;
            }
        }
    }
    let agents = state.agents().into_iter().map(|agent| agent.into_owned());
    Some((agents.filter(|agent| !unclear.contains(agent)).collect(), unclear))
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;
