//! What happened, in the order in which it did.

use std::time::Duration;

use lp_connector_core::error::Stage;

use crate::network::NetworkFault;

/// Something that happened in a world, for those who watch it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum LogEntry {
    /// A call was begun.
    CallStarted { caller: usize },
    /// A request was sent: its place in [`World::sent`](crate::World::sent).
    RequestSent { nth: usize },
    /// The cloud saw it.
    RequestArrived { nth: usize },
    /// What came of it reached the caller.
    OutcomeHandled { nth: usize },
    /// What came back is not what the cloud answered.
    WrongAnswer { nth: usize },
    /// An answer came that nobody waited for, and was taken all the same, or not.
    LateAnswer { caller: usize, number: u32, accepted: bool },
    /// A call told something: its place in the caller's events.
    EventEmitted { caller: usize, event: usize },
    /// A call is to be polled again then.
    CallWaiting { caller: usize, until: Duration },
    /// A call has its result.
    CallFinished { caller: usize },
    /// A caller went away, with a word or without.
    CallCancelled { caller: usize, notify: bool },
    /// A process started anew.
    ProcessRestarted { process: usize },
    /// A notification reached the endpoint, which answered so; `None` if nobody was there.
    PostHandled { nth: u64, status: Option<u16> },
    /// The connector acted on what came: its place in what was heard.
    MessageProcessed { nth: usize },
}

/// A request that was sent.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct SentRequest {
    /// By which caller.
    pub caller: usize,
    /// By which process.
    pub process: usize,
    /// When.
    pub at: Duration,
    /// For what.
    pub stage: Stage,
    /// Its number within the call.
    pub number: u32,
    /// What the network did.
    pub fault: NetworkFault,
    /// What the cloud answered, if it came to that.
    pub status: Option<u16>,
    /// Whether the caller got that answer.
    pub answered: bool,
    /// For how long the AppJWT that it carried was still good, by the cloud's clock; negative seconds
    /// where it was dead. `None` if it carried none that can be read.
    pub token_remaining: Option<f64>,
    /// When the cloud issued that AppJWT, in seconds since the world began.
    pub token_issued_at: Option<f64>,
    /// When its outcome was known to the caller.
    pub outcome_at: Duration,
    /// When an answer to it would no longer be waited for.
    pub deadline: Duration,
    /// The `Retry-After` seconds of the answer.
    pub retry_after: Option<u64>,
    /// Where it went.
    pub host: String,
    /// What was asked for there: the path, and for a consumer's token whose.
    pub resource: String,
    /// Whether nobody on the way could read it.
    pub https: bool,
    /// What its `Debug` shows; nothing where nobody watches.
    pub(crate) debug_text: String,
}
