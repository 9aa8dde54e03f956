//! The difference between two states of a conversation ([protocol.md 9.9](crate::protocol#9.9),
//! reading rules).

use serde::{Deserialize, Serialize};

use super::conversation_change::ConversationChange;
use super::snapshot::Snapshot;
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

impl Transition {
    /// A short fixed name: `opened`, `agent_joined`, `agent_left`, `transferred`, `main_closed`, `survey_started`,
    /// `survey_ended` or `closed`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Created => "opened",
            Self::AgentJoined(_) => "agent_joined",
            Self::AgentLeft(_) => "agent_left",
            Self::Transferred { .. } => "transferred",
            Self::MainDialogClosed => "main_closed",
            Self::SurveyStarted(_) => "survey_started",
            Self::SurveyEnded(_) => "survey_ended",
            Self::Finished => "closed",
        }
    }
}

impl ConversationChange {
    /// The transitions that lead from `before` to this state, in order. Without `before`, those
    /// that lead from nothing to this state. A member that is unreadable in one of the two tells nothing:
    /// a [`Snapshot`] compares with the last readable one.
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
        let before = before.map_or_else(Snapshot::new, Snapshot::of);
        Snapshot::of(self).diff(&before)
    }
}
