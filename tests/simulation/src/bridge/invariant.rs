//! What must hold in every scenario of the bridge.

/// A promise of the bridge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Invariant {
    AcknowledgedDelivered,
    DeliveredInOrder,
    AcceptedSettled,
    SentOnceInOrder,
    NoTwoHolders,
    FencedChangesNothing,
    OneConversation,
    ReceiptsFollow,
    PoisonGivenUp,
    RecordsBounded,
    ComesToRest,
    NothingSpins,
    Deterministic,
    NoPanic,
}

impl Invariant {
    pub(crate) const ALL: [Self; 14] = [
        Self::AcknowledgedDelivered,
        Self::DeliveredInOrder,
        Self::AcceptedSettled,
        Self::SentOnceInOrder,
        Self::NoTwoHolders,
        Self::FencedChangesNothing,
        Self::OneConversation,
        Self::ReceiptsFollow,
        Self::PoisonGivenUp,
        Self::RecordsBounded,
        Self::ComesToRest,
        Self::NothingSpins,
        Self::Deterministic,
        Self::NoPanic,
    ];

    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::AcknowledgedDelivered => {
                "what was answered 200 is delivered to its consumer, or a dead letter"
            }
            Self::DeliveredInOrder => "deliveries come in order, or say that they do not",
            Self::AcceptedSettled => {
                "what was accepted is confirmed, refused or reported; what is confirmed is there"
            }
            Self::SentOnceInOrder => "no message is there twice or out of order",
            Self::NoTwoHolders => "nobody works on a lane in another holder's term",
            Self::FencedChangesNothing => "a commit or extension of a lost lease changes nothing",
            Self::OneConversation => {
                "a consumer has one open conversation at most, and only their messages are in it"
            }
            Self::ReceiptsFollow => "the agent's receipts follow the delivery",
            Self::PoisonGivenUp => {
                "what the channel never takes is given up after the documented tries"
            }
            Self::RecordsBounded => "records are bounded, and removed after their retention",
            Self::ComesToRest => "everything comes to rest when the faults end",
            Self::NothingSpins => "requests to the store are bounded in number",
            Self::Deterministic => "the same seed gives the same trace",
            Self::NoPanic => "nothing panics",
        }
    }
}

/// A broken promise.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Broken {
    pub(crate) invariant: Invariant,
    pub(crate) detail: String,
}

impl Broken {
    pub(crate) fn new(invariant: Invariant, detail: impl Into<String>) -> Self {
        Self { invariant, detail: detail.into() }
    }
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { invariant, detail } = self;
        write!(f, "{invariant:?}: {}\n  {detail}", invariant.description())
    }
}
