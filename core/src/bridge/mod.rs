//! The bridge: a connector that loses nothing, over crashes, restarts and several programs at once.
//!
//! It stands between a channel (an SMS gateway, a chat app) and LivePerson. It accepts the channel's messages
//! once, sends them in order, stores notifications before they are acknowledged, and delivers them in order, at
//! least once, with an id that is the same on every repeat.
//!
//! ```text
//! LivePerson ── POST ──▶ ingest ── Append ──▶ conversation lanes ──▶ 200
//!                                                │ Claim
//! channel ◀── Delivery, stable id ◀──────────── conversation lane ── Commit ──▶ record, receipts
//! channel ── accept ── Append ──▶ consumer lane ──▶ "accepted"
//!                                  │ Claim
//!                                 Call, once ──▶ LivePerson ── Commit ──▶ confirmed, refused, unconfirmed
//! ```
//!
//! Everything here decides and nothing here does IO, as in the rest of this crate. A [`store`] keeps what is told
//! to it. A [`Worker`] claims *lanes*, runs their machines, and commits. A driver carries its steps out. Any number
//! of programs may run a worker over one store: nobody but the holder of a lane works on it, and a lane whose
//! holder is silent passes to another one when its term ends.
//!
//! # What may be relied on
//!
//! 1. What [`accept`] and [`ingest`] return is safe once it is appended. The same message id of a consumer again
//!    changes nothing.
//! 2. Each consumer's messages go out in order, one at a time.
//! 3. A message that may have been sent is *settled*, never blindly repeated: by its echo, or because everything up
//!    to an event that is younger than it by 30 s arrived and the echo is not among it. What cannot be settled is
//!    reported, sent again or held: see [`Unsettled`].
//! 4. If LivePerson says that the consumer has an open conversation already, it is found by the consumer's
//!    LivePerson id, and used.
//! 5. To the channel: in order, at least once, with a stable [`id`](Delivery::id). Receipts follow by themselves.
//! 6. A channel that is out of order loses nothing: its deliveries wait, in order. What it refuses for good is a
//!    [`DeadLetter`].
//!
//! # What settlement rests on
//!
//! With these four, each accepted message is sent exactly once or reported refused. Where one does not hold,
//! messages are reported as unconfirmed.
//!
//! * All numbered event types are subscribed, with a `retention_time`
//!   ([protocol.md 3.2](crate::protocol#3.2)).
//! * Sequences have no gaps ([protocol.md 7.1](crate::protocol#7.1)).
//! * A request is processed within 30 s of the end of its attempt, or never. The 30 s include the difference between
//!   this machine's clock and LivePerson's.
//! * The echo carries the text unchanged ([protocol.md 9.4](crate::protocol#9.4)).

#[cfg(test)]
mod ahead_tests;
#[cfg(test)]
mod bridge_tests;
#[cfg(test)]
mod channel_tests;
mod config;
mod consumer;
mod consumer_settings;
mod conversation;
mod dead_letter;
#[cfg(test)]
mod dead_letter_retention_tests;
#[cfg(test)]
mod dead_letter_tests;
mod delivery;
#[cfg(test)]
mod delivery_tests;
mod entry;
mod event;
#[cfg(test)]
mod event_tests;
#[cfg(test)]
mod failure_tests;
mod forgetting;
#[cfg(test)]
mod forgetting_tests;
#[cfg(test)]
mod golden_tests;
mod inbound;
mod ingest;
mod instances;
mod lane;
mod offer;
mod outgoing;
mod record;
#[cfg(test)]
mod settlement_tests;
pub mod share;
#[cfg(test)]
mod small_worlds;
mod status;
mod status_lane;
#[cfg(test)]
mod status_lane_tests;
pub mod store;
#[cfg(feature = "_fuzz")]
pub(crate) mod stored;
#[cfg(test)]
mod summary_tests;
mod tries;
mod waiting;
mod worker;
#[cfg(any(test, feature = "_fuzz"))]
#[expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "it is the tests' and a fuzz target's: both report by a panic"
)]
#[cfg_attr(not(test), expect(dead_code, reason = "a fuzz target uses some of it"))]
pub(crate) mod world;

pub use self::config::{BridgeConfig, SurveyPolicy, Unsettled};
pub use self::consumer::{ConsumerState, ConsumerSummary, RecentMessage};
pub use self::consumer_settings::{AcceptOn, ConsumerSettings};
pub use self::dead_letter::{DeadLetter, DeadLetterSummary};
pub use self::delivery::{ChangeDetails, ClosedBy, Delivery, DeliveryContent, Verdict};
pub use self::entry::Resolution;
pub use self::event::{
    BridgeEvent, BridgeEventKind, ConversationOutcome, DeliveryKind, DeliveryOutcome,
    MessageOutcome, OrderAnomaly,
};
pub use self::forgetting::Forgetting;
pub use self::inbound::{
    Inbound, MAX_CAPTION_CHARS, MAX_MESSAGE_ID_CHARS, MAX_OPENING_CHARS, Opening,
};
pub use self::ingest::{
    ChannelReceipt, Ingested, accept, adopt, delete, forget, ingest, ingest_at, replay, report,
    resolve,
};
pub use self::instances::{Instance, Membership, MembershipStep, instances_request};
pub use self::outgoing::{CallResult, Called, Outgoing};
pub use self::record::RECORD_VERSION;
pub use self::status::{FailureReason, Progress, Status};
pub use self::store::LaneId;
pub use self::tries::DeadLetterReason;
pub use self::waiting::Waiting;
pub use self::worker::{Worker, WorkerCounters, WorkerStep};
