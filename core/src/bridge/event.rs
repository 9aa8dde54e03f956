//! What happens in a bridge, as data for logs and metrics.

use std::time::Duration;

use super::status::FailureReason;
use super::store::LaneKind;
use super::tries::DeadLetterReason;
use crate::id::{AccountId, ConversationId, ExtConsumerId};

/// Something that happened on the lanes of one program. [`Worker::take_event`](super::Worker::take_event) gives it
/// once it is durable, so that what a program began and could not commit counts once: with the program that did.
///
/// It holds ids and no text.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct BridgeEvent {
    /// The account.
    pub account: AccountId,
    /// The consumer, where it is known.
    pub consumer: Option<ExtConsumerId>,
    /// What happened.
    pub kind: BridgeEventKind,
}

/// What happened: see [`BridgeEvent`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum BridgeEventKind {
    /// A message of the channel came further.
    Message {
        /// The channel's id of it.
        message: String,
        /// How far it came.
        outcome: MessageOutcome,
        /// The time since it was accepted, where both are known: by the clocks of the two programs. For
        /// [`Sent`](MessageOutcome::Sent) alone.
        after: Option<Duration>,
    },
    /// A consumer's conversation began or ended.
    Conversation {
        /// The conversation.
        conversation: ConversationId,
        /// What happened to it.
        outcome: ConversationOutcome,
    },
    /// The channel was offered a delivery.
    Delivery {
        /// The delivery's [id](super::Delivery::id).
        delivery: String,
        /// What it is.
        content: DeliveryKind,
        /// The number of the try: see [`Delivery::attempt`](super::Delivery::attempt).
        attempt: u32,
        /// What came of the try.
        outcome: DeliveryOutcome,
        /// The time from when the notification was stored, where that is known, to when it was taken: by the clocks of
        /// the two programs. For [`Taken`](DeliveryOutcome::Taken) alone.
        after: Option<Duration>,
    },
    /// A delivery that was taken did not follow the one before it.
    OrderAnomaly {
        /// The delivery's [id](super::Delivery::id).
        delivery: String,
        /// How it relates to those before it.
        anomaly: OrderAnomaly,
    },
    /// Something was set aside for people.
    DeadLetter {
        /// The id, for [`replay`](super::replay) and [`delete`](super::delete).
        dead_letter: String,
        /// Why it was set aside.
        reason: DeadLetterReason,
    },
    /// A lane was claimed whose last holder neither finished nor released it.
    TakenOver(LaneKind),
    /// A commit or an extension came too late: another holder has the lane, or the term is over.
    CommitLost(LaneKind),
}

/// How far a message of the channel came.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum MessageOutcome {
    /// LivePerson has it.
    Sent,
    /// It will not be sent.
    Failed(FailureReason),
    /// It may have been sent or not: its echo is looked for.
    Unconfirmed,
    /// It was found out that it had been sent.
    SettledSent,
    /// It was found out that it had not been sent. It is sent again.
    SettledAbsent,
    /// It stayed unknown whether it was sent, and it was reported as failed
    /// ([`Unsettled::Report`](super::Unsettled::Report)).
    Reported,
    /// It stayed unknown whether it was sent, and it is sent again: by [`Unsettled::Resend`](super::Unsettled::Resend) or
    /// by an operator.
    Resent,
}

/// What happened to a consumer's conversation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ConversationOutcome {
    /// It was opened.
    Opened,
    /// It was found open, and is used.
    Adopted,
    /// It was opened because a message found the last one closed.
    Reopened,
    /// It closed.
    Closed,
}

/// What a delivery is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum DeliveryKind {
    /// A message of the other side.
    Message,
    /// A change of the conversation.
    Changed,
    /// The progress of a message of the channel.
    Status,
}

/// What came of one try of a delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DeliveryOutcome {
    /// The channel has it.
    Taken,
    /// The channel refused it.
    Refused,
    /// The channel is out of order.
    Outage,
    /// The channel's handler broke.
    Broken,
    /// The channel has been out of order for too long: it is given up.
    Expired,
    /// The channel is paused, or known to be out of order: it was no try.
    Paused,
}

/// How a delivery relates to those before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum OrderAnomaly {
    /// Something before it is missing for good.
    AfterGap,
    /// It belongs before what was delivered.
    Late,
    /// The channel may have it from an earlier try.
    PossiblyRepeated,
}

/// A short fixed name for each value, for logs and labels.
macro_rules! names {
    ($($type:ident { $($pattern:pat => $name:literal,)+ })+) => {$(
        impl $type {
            #[doc = concat!("A short fixed name: ", names!(@list $($name)+), ".")]
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self {
                    $($pattern => $name,)+
                }
            }
        }
    )+};
    (@list $first:literal $($rest:literal)*) => { concat!("`", $first, "`" $(, ", `", $rest, "`")*) };
}

names! {
    MessageOutcome {
        Self::Sent => "sent",
        Self::Failed(_) => "failed",
        Self::Unconfirmed => "unconfirmed",
        Self::SettledSent => "settled_sent",
        Self::SettledAbsent => "settled_absent",
        Self::Reported => "reported",
        Self::Resent => "resent",
    }
    ConversationOutcome {
        Self::Opened => "opened",
        Self::Adopted => "adopted",
        Self::Reopened => "reopened",
        Self::Closed => "closed",
    }
    DeliveryKind {
        Self::Message => "message",
        Self::Changed => "changed",
        Self::Status => "status",
    }
    DeliveryOutcome {
        Self::Taken => "taken",
        Self::Refused => "refused",
        Self::Outage => "outage",
        Self::Broken => "broken",
        Self::Expired => "expired",
        Self::Paused => "paused",
    }
    OrderAnomaly {
        Self::AfterGap => "after_gap",
        Self::Late => "late",
        Self::PossiblyRepeated => "possibly_repeated",
    }
}
