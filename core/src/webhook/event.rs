//! The content of a messaging event ([protocol.md 9.5](crate::protocol#9.5) to
//! [9.8](crate::protocol#9.8)).

use std::borrow::Cow;
use std::fmt;

use super::open_enum::{ReceiptStatus, ReceivedChatState};
use super::rich_content::{QuickReplies, RichContent};
use crate::json::Json;
use crate::json::field::{Field, any, as_unsigned, integer, one_or_many, scalar, text, text_field};

/// The content of a messaging event. `Debug` redacts all texts.
#[derive(Clone)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A text, with quick replies at times.
    Text(Text<'a>),
    /// A file in LivePerson's storage.
    File(ReceivedFile<'a>),
    /// An invitation to a secure form.
    SecureInvitation(SecureForm<'a>),
    /// A secure form that the consumer submitted.
    SecureSubmission(SecureForm<'a>),
    /// Content of an unknown type.
    OtherContent(OtherContent<'a>),
    /// Structured content.
    RichContent(RichContent<'a>),
    /// A receipt.
    AcceptStatus(AcceptStatus<'a>),
    /// A participant's presence or typing. Without a value:
    /// [`Unreadable`](ReceivedChatState::Unreadable).
    ChatState(ReceivedChatState),
    /// An event of an unknown type, with that type if it has one.
    Other(Option<&'a str>),
}

/// A text message.
#[derive(Clone)]
#[non_exhaustive]
pub struct Text<'a> {
    /// The text, without the one line break that some senders append
    /// ([protocol.md 9.5](crate::protocol#9.5)).
    pub text: &'a str,
    /// Suggested answers.
    pub quick_replies: Option<QuickReplies<'a>>,
}

/// A file in LivePerson's storage. [`GetFile`](crate::api::GetFile) downloads it by its path
/// ([protocol.md 8.2](crate::protocol#8.2), step 5).
#[derive(Clone)]
#[non_exhaustive]
pub struct ReceivedFile<'a> {
    /// The path in the storage. Opaque.
    pub relative_path: &'a str,
    /// The file type, such as `PNG`.
    pub file_type: Option<&'a str>,
    /// The sender's caption.
    pub caption: Option<&'a str>,
    /// A preview image, as a data URL.
    pub preview: Option<&'a str>,
}

/// A secure form ([protocol.md 9.5](crate::protocol#9.5)).
#[derive(Clone)]
#[non_exhaustive]
pub struct SecureForm<'a> {
    /// The invitation's id.
    pub invitation_id: Option<Cow<'a, str>>,
    /// The form's title. Invitations have one.
    pub title: Option<&'a str>,
    /// The form's id. Some invitations have one.
    pub form_id: Option<Cow<'a, str>>,
    /// The submission's id. Some submissions have one.
    pub submission_id: Option<Cow<'a, str>>,
}

/// Content of a type unknown to this version.
#[derive(Clone)]
#[non_exhaustive]
pub struct OtherContent<'a> {
    /// The `contentType` member.
    pub content_type: Option<&'a str>,
    /// The `message` member.
    pub message: Option<Json<'a>>,
}

/// A receipt ([protocol.md 9.7](crate::protocol#9.7)).
#[derive(Clone)]
#[non_exhaustive]
pub struct AcceptStatus<'a> {
    /// The status of the messages. Without a value: [`Unreadable`](ReceiptStatus::Unreadable).
    pub status: ReceiptStatus,
    event: Json<'a>,
}

impl AcceptStatus<'_> {
    /// The sequences of the messages, within their dialog.
    pub fn sequences(&self) -> impl Iterator<Item = u64> {
        one_or_many(any(self.event, "sequenceList").known()).filter_map(as_unsigned)
    }
}

impl<'a> Event<'a> {
    pub(super) fn of(event: Json<'a>) -> Self {
        match text(event, "type") {
            Some("ContentEvent") => Self::content(event),
            Some("RichContentEvent") => Self::RichContent(RichContent::of(event)),
            // The second is a misprint in the documents (protocol.md 14, row 19).
            Some("AcceptStatusEvent" | "AccpetStatusEvent") => Self::AcceptStatus(AcceptStatus {
                status: ReceiptStatus::of(text_field(event, "status"))
                    .unwrap_or(ReceiptStatus::Unreadable),
                event,
            }),
            Some("ChatStateEvent") => {
                // The second spelling is a misprint in the documents (protocol.md 7.5).
                let state = text_field(event, "chatState").or(|| text_field(event, "ChatState"));
                let state = ReceivedChatState::of(state);
                Self::ChatState(state.unwrap_or(ReceivedChatState::Unreadable))
            }
            other => Self::Other(other),
        }
    }

    fn content(event: Json<'a>) -> Self {
        let found = text_field(event, "contentType");
        let content_type = found.known();
        let message = any(event, "message").known();
        // A string without a content type is a text too.
        if let (Field::Known("text/plain") | Field::Absent, Some(text)) =
            (found, text(event, "message"))
        {
            return Self::Text(Text {
                text: text.strip_suffix('\n').unwrap_or(text),
                quick_replies: QuickReplies::of(event),
            });
        }
        match (content_type, message) {
            // The second spelling is the older one (protocol.md 14, row 29).
            (Some("hosted/file" | "HostedFile"), Some(file)) => match text(file, "relativePath") {
                Some(relative_path) => Self::File(ReceivedFile {
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

    /// A name for logs: `text`, `file`, `secure_invitation`, `secure_submission`, `content`,
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

macro_rules! redacted_debug {
    ($($name:ident),+) => {$(
        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )+};
}

redacted_debug!(Text, ReceivedFile, SecureForm, OtherContent);

/// One metadata object ([protocol.md 7.9](crate::protocol#7.9)).
#[derive(Clone, Copy, PartialEq)]
pub struct Metadata<'a>(Json<'a>);

impl<'a> Metadata<'a> {
    pub(super) fn list(value: Option<Json<'a>>) -> impl Iterator<Item = Self> {
        one_or_many(value).map(Self)
    }

    /// The type, such as `Question` or `ExternalId`.
    #[must_use]
    pub fn kind(&self) -> Option<&'a str> {
        text(self.0, "type")
    }

    /// The JSON as it came. An answer sends it back.
    #[must_use]
    pub fn raw(&self) -> Json<'a> {
        self.0
    }

    /// A member that is text, or a number in its place.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<Cow<'a, str>> {
        scalar(self.0, name)
    }

    /// A member that is an integer.
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
