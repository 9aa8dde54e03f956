//! What happened between two states of a conversation (protocol.md 9.9, reading rules).

use super::conversation_change::ConversationChange;
use crate::id::DialogId;

/// Something that happened to a conversation.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Transition {
    /// It is new.
    Created,
    /// This agent is on board now.
    AgentJoined(String),
    /// This agent is no longer on board.
    AgentLeft(String),
    /// It went to another skill; `None` is none.
    Transferred {
        /// Where it was.
        from: Option<String>,
        /// Where it is.
        to: Option<String>,
    },
    /// The conversation with the agents is over. A survey may follow.
    MainDialogClosed,
    /// A survey runs in this dialog: what the consumer says goes there.
    SurveyStarted(DialogId),
    /// The survey in this dialog is over.
    SurveyEnded(DialogId),
    /// All is over.
    Finished,
}

impl ConversationChange {
    /// What happened since `before`, in order; everything that is so, if there is no before.
    ///
    /// ```
    /// use lp_connector_core::webhook::{Change, Transition, Verified};
    ///
    /// let body = br#"{"kind":"notification","type":"cqm.ExConversationChangeNotification","body":
    ///     {"changes":[{"type":"UPSERT","result":{"convId":"5f0c","conversationDetails":
    ///     {"state":"OPEN","participants":[{"id":"9c","role":"CONSUMER"}]}}}]}}"#;
    /// let notification = Verified::dangerous_unverified(body.to_vec()).parse()?;
    /// let [Change::Conversation(first)] = notification.changes() else { panic!() };
    /// assert_eq!(first.since(None), [Transition::Created]);
    /// assert_eq!(first.since(Some(first)), []);
    /// # Ok::<(), lp_connector_core::webhook::UnreadableNotification>(())
    /// ```
    #[must_use]
    pub fn since(&self, before: Option<&Self>) -> Vec<Transition> {
        let mut happened = Vec::new();
        if before.is_none() && !self.is_main_dialog_closed() {
            happened.push(Transition::Created);
        }
        if let Some(before) = before
            && before.skill() != self.skill()
        {
            let owned = |skill: Option<std::borrow::Cow<'_, str>>| skill.map(|id| id.into_owned());
            let (from, to) = (owned(before.skill()), owned(self.skill()));
            // Out of nowhere, and from nobody, is no transfer: it was routed for the first time.
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
