//! Sets of names that may grow: what is not known is kept as it came (protocol.md 1.4).

use std::fmt;

/// An enum over the names that are known, with `Other` for those that are not. Letters compare in
/// either case.
macro_rules! open_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, Debug)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
            /// A name that this version does not know.
            Other(Box<str>),
        }

        impl $name {
            pub(super) fn of(text: &str) -> Self {
                $(if text.eq_ignore_ascii_case($text) {
                    return Self::$variant;
                })+
                Self::Other(text.into())
            }

            /// The name on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(text) => text,
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
    /// Who somebody is in a conversation (protocol.md 9.4).
    Role {
        /// The consumer: what they do comes back as an echo.
        Consumer = "CONSUMER",
        /// The agent, or the bot, who has the conversation.
        AssignedAgent = "ASSIGNED_AGENT",
        /// Another agent; also bots such as that of the survey.
        Agent = "AGENT",
        /// A manager.
        Manager = "MANAGER",
        /// One who only reads.
        Reader = "READER",
        /// A program that steers conversations.
        Controller = "CONTROLLER",
        /// An agent's manager, as the How-to Guide has it.
        AgentManager = "AGENT_MANAGER",
        /// A manager who has the conversation, as the How-to Guide has it.
        AssignedManager = "ASSIGNED_MANAGER",
    }
}

open_enum! {
    /// Who may see a message (protocol.md 9.4).
    Audience {
        /// Everybody, the consumer among them.
        All = "ALL",
        /// The brand's own people: never to be shown to a consumer.
        AgentsAndManagers = "AGENTS_AND_MANAGERS",
    }
}

open_enum! {
    /// Whether somebody is there and typing (protocol.md 7.5, 9.8).
    ChatState {
        /// There, and not typing: what an agent's typing normally ends with.
        Active = "ACTIVE",
        /// Away, with the application still open.
        Inactive = "INACTIVE",
        /// The application is closed.
        Gone = "GONE",
        /// Typing.
        Composing = "COMPOSING",
        /// Stopped typing.
        Pause = "PAUSE",
        /// The application is in the background.
        Background = "BACKGROUND",
    }
}

open_enum! {
    /// What became of a message (protocol.md 7.6, 9.7).
    ReceiptStatus {
        /// It was delivered.
        Accept = "ACCEPT",
        /// It was read, and so delivered.
        Read = "READ",
        /// A file was opened.
        Access = "ACCESS",
        /// It was not received.
        Nack = "NACK",
        /// A control in structured content was used.
        Action = "ACTION",
        /// A secure form was looked at.
        Viewed = "VIEWED",
    }
}

open_enum! {
    /// Whether a dialog or a conversation is open (protocol.md 9.9).
    OpenState {
        /// It is open.
        Open = "OPEN",
        /// It is closed.
        Close = "CLOSE",
    }
}

impl OpenState {
    /// True if it is closed; prose says `CLOSED` where the wire says `CLOSE` (protocol.md 14, row 26).
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Close) || self.as_str().eq_ignore_ascii_case("CLOSED")
    }
}

open_enum! {
    /// What a dialog is for (protocol.md 9.9).
    DialogType {
        /// The conversation with the agents.
        Main = "MAIN",
        /// The survey after it.
        PostSurvey = "POST_SURVEY",
    }
}
