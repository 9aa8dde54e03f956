//! Enums whose sets of names may grow: an unknown name is kept as it came
//! ([protocol.md 1.4](crate::protocol#1.4)), and a value that is no name is told from a missing one.

use std::fmt;

use crate::json::field::Field;

/// Declares an enum over the known names, with `Other` for the rest. Names match in any case.
macro_rules! open_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, Debug)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
            /// A name unknown to this version.
            Other(Box<str>),
            /// A value that is no name, such as a number or an object. It stands for none of the
            /// others, and never for a missing value.
            Unreadable,
        }

        impl $name {
            /// `None` if the member is absent.
            pub(super) fn of(field: Field<&str>) -> Option<Self> {
                match field {
                    Field::Absent => None,
                    Field::Known(text) => Some(Self::parse(text)),
                    Field::Unreadable => Some(Self::Unreadable),
                }
            }

            pub(super) fn parse(text: &str) -> Self {
                $(if text.eq_ignore_ascii_case($text) {
                    return Self::$variant;
                })+
                Self::Other(text.into())
            }

            /// The name on the wire; `unreadable` for [`Unreadable`](Self::Unreadable).
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(text) => text,
                    Self::Unreadable => "unreadable",
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

open_enum! {
    /// A participant's role in a conversation ([protocol.md 9.4](crate::protocol#9.4)).
    Role {
        /// The consumer. Their own messages come back as echoes.
        Consumer = "CONSUMER",
        /// The agent or bot to whom the conversation is assigned.
        AssignedAgent = "ASSIGNED_AGENT",
        /// Another agent, or a bot such as the survey's.
        Agent = "AGENT",
        /// A manager.
        Manager = "MANAGER",
        /// A participant who only reads.
        Reader = "READER",
        /// A program that controls conversations.
        Controller = "CONTROLLER",
        /// An agent's manager (How-to Guide).
        AgentManager = "AGENT_MANAGER",
        /// A manager to whom the conversation is assigned (How-to Guide).
        AssignedManager = "ASSIGNED_MANAGER",
    }
}

open_enum! {
    /// Who may see a message ([protocol.md 9.4](crate::protocol#9.4)).
    Audience {
        /// All participants, the consumer included.
        All = "ALL",
        /// The brand's staff only. Never show it to a consumer.
        AgentsAndManagers = "AGENTS_AND_MANAGERS",
    }
}

open_enum! {
    /// A participant's presence and typing, as a notification reports it
    /// ([protocol.md 9.8](crate::protocol#9.8)). To send one, use
    /// [`api::ChatState`](crate::api::ChatState).
    ReceivedChatState {
        /// Present and not typing. Agents send this when they stop typing.
        Active = "ACTIVE",
        /// Away. The application is still open.
        Inactive = "INACTIVE",
        /// The application is closed.
        Gone = "GONE",
        /// Typing.
        Composing = "COMPOSING",
        /// Paused while typing.
        Pause = "PAUSE",
        /// The application is in the background.
        Background = "BACKGROUND",
    }
}

open_enum! {
    /// The status that a receipt reports ([protocol.md 7.6](crate::protocol#7.6),
    /// [9.7](crate::protocol#9.7)).
    ReceiptStatus {
        /// The message was delivered.
        Accept = "ACCEPT",
        /// The message was read, and therefore delivered.
        Read = "READ",
        /// The file was opened.
        Access = "ACCESS",
        /// The message was not received.
        Nack = "NACK",
        /// A control in structured content was used.
        Action = "ACTION",
        /// A secure form was viewed.
        Viewed = "VIEWED",
    }
}

open_enum! {
    /// Whether a dialog or a conversation is open ([protocol.md 9.9](crate::protocol#9.9)).
    OpenState {
        /// Open.
        Open = "OPEN",
        /// Closed.
        Close = "CLOSE",
    }
}

impl OpenState {
    /// True if closed. Accepts `CLOSED` too, which the documents write for `CLOSE`
    /// ([protocol.md 14](crate::protocol#14), row 26).
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Close) || self.as_str().eq_ignore_ascii_case("CLOSED")
    }
}

open_enum! {
    /// Whether a participant is on board ([protocol.md 9.9](crate::protocol#9.9)).
    ParticipantState {
        /// On board.
        Active = "ACTIVE",
        /// Invited, and not on board yet.
        Suggested = "SUGGESTED",
    }
}

open_enum! {
    /// The purpose of a dialog ([protocol.md 9.9](crate::protocol#9.9)).
    DialogType {
        /// The conversation with the agents.
        Main = "MAIN",
        /// The survey after the conversation.
        PostSurvey = "POST_SURVEY",
    }
}
