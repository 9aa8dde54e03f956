//! A scenario: plain data that determines everything that happens in a world.

use std::fmt;
use std::time::Duration;

use lp_connector_core::policy::RetryPolicy;

use crate::network::NetworkFault;
use crate::webhook_endpoint::PostFault;

/// The services that a connector uses, by their names in the Domain API.
pub(crate) const SERVICES: [&str; 3] = ["asyncMessagingEnt", "sentinel", "idp"];

/// How many consumers have a conversation at the start.
pub(crate) const CONSUMERS: u8 = 3;

/// Everything that determines the course of a world.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Scenario {
    /// The lifetime of the cloud's tokens, in seconds.
    pub(crate) token_life: u64,
    /// The network's latency, one way.
    pub(crate) latency: Duration,
    /// The seed of each request's own latency, if latencies differ.
    pub(crate) latency_seed: Option<u64>,
    pub(crate) processes: Vec<Program>,
    pub(crate) callers: Vec<Caller>,
    pub(crate) request_faults: Vec<RequestFault>,
    /// Faults of webhook posts, by the number of the post.
    pub(crate) post_faults: Vec<(u64, PostFault)>,
    /// Events in order of time.
    pub(crate) world_events: Vec<(Duration, WorldEvent)>,
}

/// A connector process.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Program {
    pub(crate) policy: Policy,
    pub(crate) call_timeout: Duration,
    /// How fast its clock runs, in parts per million.
    pub(crate) drift: i32,
    /// How many seconds its wall clock is ahead.
    pub(crate) wall_clock_offset: i64,
    /// Whether it uses the core's own HTTP/1.1 codec.
    pub(crate) wire: bool,
    /// How many consumers it caches.
    pub(crate) consumer_cache: usize,
}

/// A connector's retry policy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Policy {
    Documented,
    Cautious,
    None,
    AtLeastOnce,
}

impl Policy {
    pub(crate) fn retry_policy(self) -> RetryPolicy {
        match self {
            Self::Documented => RetryPolicy::documented(),
            Self::Cautious => RetryPolicy::cautious(),
            Self::None => RetryPolicy::none(),
            Self::AtLeastOnce => RetryPolicy::documented().at_least_once(true),
        }
    }
}

/// A task that makes one call.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Caller {
    /// Unchanged when other callers are removed.
    pub(crate) name: u32,
    pub(crate) process: usize,
    pub(crate) starts_at: Duration,
    pub(crate) action: Action,
    /// The call's own deadline, if it has one, after its start.
    pub(crate) deadline: Option<Duration>,
    /// When the call is cancelled after its start, and whether the core is notified.
    pub(crate) cancel_after: Option<(Duration, bool)>,
}

/// What a caller does, for which consumer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    ResolveDomain,
    AuthorizeApp,
    IdentifyConsumer(u8),
    OpenConversation(u8),
    SendText(u8),
    SetComposing(u8),
    CloseConversation(u8),
}

/// A network fault of one request.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct RequestFault {
    pub(crate) caller: u32,
    /// The number of the request within the call.
    pub(crate) number: u32,
    pub(crate) fault: NetworkFault,
}

/// An event that concerns the whole world.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum WorldEvent {
    /// The cloud gets a fault, in the sandbox's syntax.
    Fault(String),
    FaultsCleared,
    AppTokensRevoked,
    ConsumerTokensRevoked,
    /// The app's secret changes; the connectors restart with the new one after this time.
    SecretRotated(Duration),
    /// A service moves to another host; the old one refuses connections.
    ServiceMoved(&'static str, u8),
    /// The cloud's clock is set this many seconds ahead.
    CloudClockSet(i64),
    /// A process's wall clock is set this many seconds ahead.
    WallClockSet(usize, i64),
    /// A process crashes, and restarts after this time with empty memory.
    ProcessCrashed(usize, Duration),
    /// A process is suspended for this time.
    ProcessSuspended(usize, Duration),
    /// An agent sends this consumer a number of texts.
    AgentTexts(u8, u8),
    /// An agent types.
    AgentComposing(u8),
    /// An agent writes a private note.
    AgentNote(u8),
    /// An agent transfers the conversation to another skill.
    AgentTransfer(u8),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ResolveDomain => f.write_str("resolve the messaging host"),
            Self::AuthorizeApp => f.write_str("authorize the app"),
            Self::IdentifyConsumer(consumer) => {
                write!(f, "identify consumer {consumer}")
            }
            Self::OpenConversation(consumer) => {
                write!(f, "open a conversation for newcomer {consumer}")
            }
            Self::SendText(consumer) => write!(f, "send a text for consumer {consumer}"),
            Self::SetComposing(consumer) => write!(f, "show consumer {consumer} typing"),
            Self::CloseConversation(consumer) => {
                write!(f, "close consumer {consumer}'s conversation")
            }
        }
    }
}

impl fmt::Display for WorldEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => write!(f, "cloud fault {fault}"),
            Self::FaultsCleared => f.write_str("the cloud's faults are cleared"),
            Self::AppTokensRevoked => f.write_str("all AppJWTs are revoked"),
            Self::ConsumerTokensRevoked => f.write_str("all ConsumerJWSs are revoked"),
            Self::SecretRotated(after) => {
                write!(
                    f,
                    "the app's secret changes; the connectors restart with it after {after:?}"
                )
            }
            Self::ServiceMoved(service, to) => write!(f, "{service} moves to host {to}"),
            Self::CloudClockSet(by) => write!(f, "the cloud's clock is set {by} s ahead"),
            Self::WallClockSet(process, by) => {
                write!(f, "the wall clock of process {process} is set {by} s ahead")
            }
            Self::ProcessCrashed(process, down) => {
                write!(f, "process {process} crashes and restarts after {down:?}")
            }
            Self::ProcessSuspended(process, time) => {
                write!(f, "process {process} is suspended for {time:?}")
            }
            Self::AgentTexts(consumer, times) => {
                write!(f, "an agent sends consumer {consumer} {times} texts")
            }
            Self::AgentComposing(consumer) => write!(f, "an agent types for consumer {consumer}"),
            Self::AgentNote(consumer) => {
                write!(f, "an agent writes a note about consumer {consumer}")
            }
            Self::AgentTransfer(consumer) => {
                write!(f, "an agent transfers consumer {consumer} to another skill")
            }
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let up_to = if self.latency_seed.is_some() { " to three times that" } else { "" };
        writeln!(f, "token lifetime {} s, latency {:?}{up_to}", self.token_life, self.latency)?;
        for (n, program) in self.processes.iter().enumerate() {
            let Program { policy, call_timeout, drift, wall_clock_offset, wire, consumer_cache } =
                program;
            let wire = if *wire { ", the core's own HTTP codec" } else { "" };
            writeln!(
                f,
                "process {n}: retry policy {policy:?}, call timeout {call_timeout:?}, clock drift \
                 {drift} ppm, wall clock {wall_clock_offset} s ahead, cache of {consumer_cache} \
                 consumers{wire}"
            )?;
        }
        for caller in &self.callers {
            let Caller { name, process, starts_at, action, deadline, cancel_after } = caller;
            write!(f, "caller {name} in process {process}, at {starts_at:?}: {action}")?;
            if let Some(deadline) = deadline {
                write!(f, ", deadline {deadline:?}")?;
            }
            if let Some((after, notify)) = cancel_after {
                let how = if *notify { "" } else { " unnoticed" };
                write!(f, ", cancelled{how} after {after:?}")?;
            }
            writeln!(f)?;
            for fault in self.request_faults.iter().filter(|fault| fault.caller == *name) {
                writeln!(f, "    request #{}: {}", fault.number, fault.fault)?;
            }
        }
        for (at, world_event) in &self.world_events {
            writeln!(f, "at {at:?}: {world_event}")?;
        }
        for (nth, fault) in &self.post_faults {
            writeln!(f, "webhook post #{nth}: {fault}")?;
        }
        Ok(())
    }
}
