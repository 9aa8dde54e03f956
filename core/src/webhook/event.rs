//! What happened in a dialog: the five kinds of messaging event (protocol.md 9.5 to 9.8).

use std::borrow::Cow;
use std::fmt;

use super::json::Json;
use super::open::{ChatState, ReceiptStatus};
use super::read::{each, integer, scalar, text};
use super::rich_content::{QuickReplies, RichContent};

/// What happened in a dialog. `Debug` shows no text of anybody's.
#[derive(Clone)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A text, perhaps with quick replies under it.
    Text(Text<'a>),
    /// A file that LivePerson holds.
    File(HostedFile<'a>),
    /// An invitation to a secure form.
    SecureInvitation(SecureForm<'a>),
    /// A secure form that was filled in.
    SecureSubmission(SecureForm<'a>),
    /// Content of another type.
    OtherContent(OtherContent<'a>),
    /// Structured content.
    RichContent(RichContent<'a>),
    /// A receipt.
    AcceptStatus(AcceptStatus<'a>),
    /// Somebody types, or stops to.
    ChatState(ChatState),
    /// Something that this version does not know; its type, if it has one.
    Other(Option<&'a str>),
}

/// A text.
#[derive(Clone)]
#[non_exhaustive]
pub struct Text<'a> {
    /// The text, less the line break that some senders leave at its end (protocol.md 9.5).
    pub text: &'a str,
    /// Answers to choose from.
    pub quick_replies: Option<QuickReplies<'a>>,
}

/// A file that LivePerson holds; it is fetched by its path (protocol.md 8.2, step 5).
#[derive(Clone)]
#[non_exhaustive]
pub struct HostedFile<'a> {
    /// Where it lies. Opaque.
    pub relative_path: &'a str,
    /// Its type, such as `PNG`.
    pub file_type: Option<&'a str>,
    /// What its sender wrote under it.
    pub caption: Option<&'a str>,
    /// A small picture of it, as a data URL.
    pub preview: Option<&'a str>,
}

/// A secure form (protocol.md 9.5).
#[derive(Clone)]
#[non_exhaustive]
pub struct SecureForm<'a> {
    /// Names the invitation.
    pub invitation_id: Option<Cow<'a, str>>,
    /// The form's title, in an invitation.
    pub title: Option<&'a str>,
    /// Names the form, in some invitations.
    pub form_id: Option<Cow<'a, str>>,
    /// Names the submission, in some of them.
    pub submission_id: Option<Cow<'a, str>>,
}

/// Content of a type that this version does not know.
#[derive(Clone)]
#[non_exhaustive]
pub struct OtherContent<'a> {
    /// Its `contentType`.
    pub content_type: Option<&'a str>,
    /// Its `message`.
    pub message: Option<Json<'a>>,
}

/// A receipt (protocol.md 9.7).
#[derive(Clone)]
#[non_exhaustive]
pub struct AcceptStatus<'a> {
    /// What became of the messages.
    pub status: ReceiptStatus,
    event: Json<'a>,
}

impl AcceptStatus<'_> {
    /// The sequences of the messages, in their dialog.
    pub fn sequences(&self) -> impl Iterator<Item = u64> {
        each(self.event.get("sequenceList")).filter_map(|sequence| match sequence.as_str() {
            Some(digits) => digits.trim().parse().ok(),
            None => sequence.as_u64(),
        })
    }
}

impl<'a> Event<'a> {
    pub(super) fn of(event: Json<'a>) -> Self {
        match text(event, "type") {
            Some("ContentEvent") => Self::content(event),
            Some("RichContentEvent") => Self::RichContent(RichContent::of(event)),
            // The second is a misprint of the documents (protocol.md 14, row 19).
            Some("AcceptStatusEvent" | "AccpetStatusEvent") => Self::AcceptStatus(AcceptStatus {
                status: ReceiptStatus::of(text(event, "status").unwrap_or_default()),
                event,
            }),
            Some("ChatStateEvent") => {
                // The second spelling is a misprint of the documents (protocol.md 7.5).
                let state = text(event, "chatState").or_else(|| text(event, "ChatState"));
                Self::ChatState(ChatState::of(state.unwrap_or_default()))
            }
            other => Self::Other(other),
        }
    }

    fn content(event: Json<'a>) -> Self {
        let content_type = text(event, "contentType");
        let message = event.get("message");
        // Without a type, a text is a text.
        if let (Some("text/plain") | None, Some(text)) = (content_type, text(event, "message")) {
            return Self::Text(Text {
                text: text.strip_suffix('\n').unwrap_or(text),
                quick_replies: QuickReplies::of(event),
            });
        }
        match (content_type, message) {
            // The second spelling is an old one (protocol.md 14, row 29).
            (Some("hosted/file" | "HostedFile"), Some(file)) => match text(file, "relativePath") {
                Some(relative_path) => Self::File(HostedFile {
                    relative_path,
                    file_type: text(file, "fileType"),
                    caption: text(file, "caption"),
                    preview: text(file, "preview"),
                }),
                None => Self::OtherContent(OtherContent { content_type, message }),
            },
            (Some("forms/secure-invitation"), Some(form)) => {
                Self::SecureInvitation(SecureForm::of(form))
            }
            (Some("forms/secure-submission"), Some(form)) => {
                Self::SecureSubmission(SecureForm::of(form))
            }
            _ => Self::OtherContent(OtherContent { content_type, message }),
        }
    }

    /// Its name for logs: `text`, `file`, `secure_invitation`, `secure_submission`, `content`,
    /// `rich_content`, `receipt`, `chat_state` or `other`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::File(_) => "file",
            Self::SecureInvitation(_) => "secure_invitation",
            Self::SecureSubmission(_) => "secure_submission",
            Self::OtherContent(_) => "content",
            Self::RichContent(_) => "rich_content",
            Self::AcceptStatus(_) => "receipt",
            Self::ChatState(_) => "chat_state",
            Self::Other(_) => "other",
        }
    }
}

impl<'a> SecureForm<'a> {
    fn of(form: Json<'a>) -> Self {
        Self {
            invitation_id: scalar(form, "invitationId"),
            title: text(form, "title"),
            form_id: scalar(form, "formId"),
            submission_id: scalar(form, "submissionId"),
        }
    }
}

impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ChatState(state) => write!(f, "chat_state({state})"),
            Self::AcceptStatus(receipt) => receipt.fmt(f),
            Self::Other(name) => write!(f, "other({name:?})"),
            event => f.write_str(event.name()),
        }
    }
}

impl fmt::Debug for AcceptStatus<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "receipt({}, ", self.status)?;
        f.debug_list().entries(self.sequences()).finish()?;
        f.write_str(")")
    }
}

macro_rules! hidden {
    ($($name:ident),+) => {$(
        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )+};
}

hidden!(Text, HostedFile, SecureForm, OtherContent);

/// A piece of metadata (protocol.md 7.9), told apart by its type.
#[derive(Clone, Copy, PartialEq)]
pub struct Metadata<'a>(Json<'a>);

impl<'a> Metadata<'a> {
    pub(super) fn each(value: Option<Json<'a>>) -> impl Iterator<Item = Self> {
        each(value).map(Self)
    }

    /// Its type, such as `Question` or `ExternalId`.
    #[must_use]
    pub fn kind(&self) -> Option<&'a str> {
        text(self.0, "type")
    }

    /// All of it, as it came: to be sent back with an answer.
    #[must_use]
    pub fn raw(&self) -> Json<'a> {
        self.0
    }

    /// A member that is text, or a number that stands for it.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<Cow<'a, str>> {
        scalar(self.0, name)
    }

    /// A member that is a whole number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i64> {
        integer(self.0, name)
    }
}

impl fmt::Debug for Metadata<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Metadata({:?})", self.kind())
    }
}
