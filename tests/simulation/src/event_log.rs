//! The log of everything that happens in a world, in order of time.

use std::time::Duration;

use lp_connector_core::error::Stage;

use crate::network::NetworkFault;

/// One entry of the log, which the invariants are checked against.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum LogEntry {
    /// A call started.
    CallStarted { caller: usize },
    /// A request was sent; `nth` is its index in [`World::sent`](crate::World::sent).
    RequestSent { nth: usize },
    /// A request reached the cloud.
    RequestArrived { nth: usize },
    /// The caller handled a request's outcome.
    OutcomeHandled { nth: usize },
    /// The caller received another response than the one that the cloud gave.
    WrongResponse { nth: usize },
    /// A response arrived after its attempt had ended; `accepted` if the call took it all the same.
    LateResponse { caller: usize, number: u32, accepted: bool },
    /// A call emitted an event; `event` is its index in the caller's events.
    EventEmitted { caller: usize, event: usize },
    /// A call waits to be polled again.
    CallWaiting { caller: usize, until: Duration },
    /// A call has ended with a result.
    CallFinished { caller: usize },
    /// A call was cancelled; `notify` if the core was notified (`Call::abandon`).
    CallCancelled { caller: usize, notify: bool },
    /// A process restarted.
    ProcessRestarted { process: usize },
    /// The endpoint answered a notification with this status; `None` if it was not reached.
    PostHandled { nth: u64, status: Option<u16> },
    /// The connector processed a message; `nth` is its index among the processed ones.
    MessageProcessed { nth: usize },
}

/// A request that was sent.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct SentRequest {
    /// The number of the caller.
    pub caller: usize,
    /// The number of the process.
    pub process: usize,
    /// When it was sent.
    pub at: Duration,
    /// The stage of the call that it belongs to.
    pub stage: Stage,
    /// Its number within the call.
    pub number: u32,
    /// The network fault that it met.
    pub fault: NetworkFault,
    /// The status of the cloud's response; `None` while there is none.
    pub status: Option<u16>,
    /// Whether the caller received that response in time.
    pub received: bool,
    /// How many seconds the AppJWT that it carried was still valid by the cloud's clock; negative if it
    /// had expired. `None` if it carried no readable token.
    pub token_remaining: Option<f64>,
    /// When the cloud issued that AppJWT, in seconds since the start of the world.
    pub token_issued_at: Option<f64>,
    /// When the caller learns the outcome.
    pub outcome_at: Duration,
    /// When the attempt ends without a response.
    pub deadline: Duration,
    /// The `Retry-After` seconds of the response.
    pub retry_after: Option<u64>,
    /// The host that it was sent to.
    pub host: String,
    /// The requested resource: the path, and for a ConsumerJWS the consumer too.
    pub resource: String,
    /// Whether it was sent over TLS.
    pub https: bool,
    /// Whether the response was a success that is no JSON.
    pub(crate) is_unreadable: bool,
    /// Whether the cloud delayed the response.
    pub(crate) is_delayed: bool,
    /// The attempt's `Debug` text; empty if the log is off.
    pub(crate) debug_text: String,
}
