//! The difference between two states of a conversation ([protocol.md 9.9](crate::protocol#9.9),
//! reading rules).

use serde::{Deserialize, Serialize};

use super::conversation_change::ConversationChange;
use crate::id::DialogId;

/// One difference between two states of a conversation. It can be stored (serde).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Transition {
    /// The conversation is new.
    Created,
    /// This agent became active.
    AgentJoined(String),
    /// This agent is no longer active.
    AgentLeft(String),
    /// The conversation moved to another skill. `None` means unassigned.
    Transferred {
        /// The skill before.
        from: Option<String>,
        /// The skill now.
        to: Option<String>,
    },
    /// The main dialog closed. A survey may follow.
    MainDialogClosed,
    /// A survey started in this dialog, which now receives the consumer's messages.
    SurveyStarted(DialogId),
    /// The survey in this dialog ended.
    SurveyEnded(DialogId),
    /// The whole conversation closed.
    Finished,
}

impl ConversationChange {
    /// The transitions that lead from `before` to this state, in order. Without `before`, those
    /// that lead from nothing to this state.
    ///
    /// ```
    /// use lp_connector_core::webhook::{Change, Transition, Verified};
    ///
    /// let body = br#"{"kind":"notification","type":"cqm.ExConversationChangeNotification","body":
    ///     {"changes":[{"type":"UPSERT","result":{"convId":"5f0c","conversationDetails":
    ///     {"state":"OPEN","participants":[{"id":"9c","role":"CONSUMER"}]}}}]}}"#;
    /// let notification = Verified::dangerous_unverified(body.to_vec()).parse()?;
    /// let [Change::Conversation(first)] = notification.changes() else { panic!() };
    /// assert_eq!(first.diff(None), [Transition::Created]);
    /// assert_eq!(first.diff(Some(first)), []);
    /// # Ok::<(), lp_connector_core::webhook::UnreadableNotification>(())
    /// ```
    #[must_use]
    pub fn diff(&self, before: Option<&Self>) -> Vec<Transition> {
        let mut happened = Vec::new();
        if before.is_none() && !self.is_main_dialog_closed() {
            happened.push(Transition::Created);
        }
        if let Some(before) = before
            && before.is_skill_readable()
            && self.is_skill_readable()
            && before.skill() != self.skill()
        {
            let owned = |skill: Option<std::borrow::Cow<'_, str>>| skill.map(|id| id.into_owned());
            let (from, to) = (owned(before.skill()), owned(self.skill()));
            // From no skill and no agent is the first routing, not a transfer.
            if from.is_some() || !before.agents().is_empty() {
                happened.push(Transition::Transferred { from, to });
            }
        }
        let (agents, were) = (self.agents(), before.map(Self::agents).unwrap_or_default());
        let left = were.iter().filter(|agent| !agents.contains(agent));
        happened.extend(left.map(|agent| Transition::AgentLeft(agent.to_string())));
        let joined = agents.iter().filter(|agent| !were.contains(agent));
        happened.extend(joined.map(|agent| Transition::AgentJoined(agent.to_string())));

        if self.is_main_dialog_closed() && !before.is_some_and(Self::is_main_dialog_closed) {
            happened.push(Transition::MainDialogClosed);
        }
        let survey = |of: &Self| of.open_survey().map(|survey| survey.id);
        let (now, then) = (survey(self), before.and_then(survey));
        if now != then {
            happened.extend(then.map(Transition::SurveyEnded));
            happened.extend(now.map(Transition::SurveyStarted));
        }
        if self.is_finished() && !before.is_some_and(Self::is_finished) {
            happened.push(Transition::Finished);
        }
        happened
    }
}
