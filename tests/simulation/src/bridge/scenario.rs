//! A scenario of the bridge: plain data that determines everything that happens in its world.

use std::collections::BTreeSet;
use std::time::Duration;

use lp_connector_core::bridge::Unsettled;

/// How many consumers write.
pub(crate) const CONSUMERS: usize = 3;

/// Everything that determines the course of a world.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Scenario {
    /// How many instances run a worker.
    pub(crate) instances: usize,
    /// The network's latency, one way.
    pub(crate) latency: Duration,
    /// The store's latency, one way.
    pub(crate) store_latency: Duration,
    pub(crate) unsettled: Unsettled,
    /// How long a delivery waits for a channel that is out of order.
    pub(crate) give_up_after: Duration,
    /// What of settlement's assumptions does not hold.
    pub(crate) broken: BTreeSet<Assumption>,
    /// Notifications are kept until they are taken, in order. Otherwise each is retried five times, alone.
    pub(crate) retention: bool,
    /// Agents close with a survey.
    pub(crate) surveys: bool,
    pub(crate) messages: Vec<Message>,
    pub(crate) events: Vec<(Duration, Event)>,
    pub(crate) turn_faults: Vec<TurnFault>,
    /// Faults by the number of the request to the store.
    pub(crate) store_faults: Vec<(u32, Fault)>,
    /// Faults by the number of the request to LivePerson. Only those for messages, conversations and receipts
    /// count.
    pub(crate) call_faults: Vec<(u32, Fault)>,
    /// Faults by the number of the notification's post.
    pub(crate) post_faults: Vec<(u32, Fault)>,
    /// Faults by the number of the delivery to the channel.
    pub(crate) delivery_faults: Vec<(u32, Fault)>,
}

/// What settlement rests on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Assumption {
    /// A type of numbered event is not sent.
    AllTypesSent,
    /// A notification is lost for good.
    NothingLost,
    /// Sequences have gaps.
    NoGaps,
    /// A request is processed long after its attempt.
    NeverLate,
    /// The echo has another text.
    SameText,
}

/// A message of the channel.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Message {
    /// Unchanged when other messages are removed. The channel's id follows from it.
    pub(crate) name: u32,
    pub(crate) at: Duration,
    pub(crate) consumer: usize,
    pub(crate) text: String,
    /// The instance that is asked first.
    pub(crate) instance: usize,
    /// The channel repeats it this long after it was accepted.
    pub(crate) again: Option<Duration>,
}

impl Message {
    pub(crate) fn id(&self) -> String {
        format!("m{}", self.name)
    }
}

/// Something that happens at a time.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Event {
    /// The agent writes to the consumer.
    AgentTexts {
        consumer: usize,
        text: String,
    },
    AgentReads(usize),
    AgentCloses(usize),
    /// Another program opens a conversation for the consumer.
    OpenedElsewhere(usize),
    /// The store does not answer for this time.
    StoreDown(Duration),
    /// The channel is out of order for this time.
    ChannelDown(Duration),
    /// The cloud gets a fault, in the sandbox's syntax.
    CloudFault(String),
    /// The consumer is forgotten.
    Forget(usize),
    /// An operator decides about the consumer's held messages: send again, or give up.
    Resolve {
        consumer: usize,
        resend: bool,
    },
}

/// An instance stops before its turn of this number: a turn is one poll, one answer or one request that it
/// handles.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct TurnFault {
    pub(crate) instance: usize,
    pub(crate) turn: u32,
    /// It forgets everything. Otherwise it is frozen, and goes on afterwards.
    pub(crate) is_crash: bool,
    pub(crate) lasts: Duration,
}

/// What happens to a request.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Fault {
    RequestLost,
    AnswerLost,
    SlowRequest(Duration),
    SlowAnswer(Duration),
}

/// A text with this beginning is refused by the channel each time.
pub(crate) const REFUSED: &str = "refused ";
/// The channel's handler breaks on a text with this beginning.
pub(crate) const BROKEN: &str = "broken ";
