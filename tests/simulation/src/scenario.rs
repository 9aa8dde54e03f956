//! What happens to whom in one world: data, made from a seed, that a person can read.

use std::fmt;
use std::time::Duration;

use lp_connector_core::policy::RetryPolicy;

use crate::network::NetworkFault;
use crate::webhook_endpoint::PostFault;

/// Everything that decides how a world goes.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Scenario {
    pub(crate) token_life: u64,
    pub(crate) latency: Duration,
    /// Whether each request has a travelling time of its own, and from which seed.
    pub(crate) latency_seed: Option<u64>,
    pub(crate) processes: Vec<Program>,
    pub(crate) callers: Vec<Caller>,
    pub(crate) request_faults: Vec<RequestFault>,
    pub(crate) posts: Vec<(u64, PostFault)>,
    pub(crate) world_events: Vec<(Duration, WorldEvent)>,
}

/// A connector.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Program {
    pub(crate) policy: Policy,
    pub(crate) call_timeout: Duration,
    pub(crate) drift: i32,
    pub(crate) wall_clock_offset: i64,
    /// Whether it talks HTTP by the core's own codec.
    pub(crate) wire: bool,
    pub(crate) consumer_cache: usize,
}

/// How a connector repeats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Policy {
    Documented,
    Cautious,
    None,
    AtLeastOnce,
}

impl Policy {
    pub(crate) fn policy(self) -> RetryPolicy {
        match self {
            Self::Documented => RetryPolicy::documented(),
            Self::Cautious => RetryPolicy::cautious(),
            Self::None => RetryPolicy::none(),
            Self::AtLeastOnce => RetryPolicy::documented().at_least_once(true),
        }
    }
}

/// Someone who makes a call.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Caller {
    /// Stays the same when others are left out of the story.
    pub(crate) name: u32,
    pub(crate) process: usize,
    pub(crate) begins: Duration,
    pub(crate) action: Action,
    /// Its own deadline.
    pub(crate) deadline: Option<Duration>,
    /// After how long it goes away, and whether it says so.
    pub(crate) cancel_after: Option<(Duration, bool)>,
}

/// What a caller does, by consumer.
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

/// What one request meets.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct RequestFault {
    pub(crate) caller: u32,
    pub(crate) number: u32,
    pub(crate) fault: NetworkFault,
}

/// What happens to the world as a whole.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum WorldEvent {
    /// The cloud goes wrong so: a fault in the sandbox's own words.
    Fault(String),
    FaultsCleared,
    AppTokensRevoked,
    ConsumerTokensRevoked,
    /// The app's secret changes; the connectors are told after this time, by a restart.
    SecretRotated(Duration),
    /// This service moves to another host, and nobody answers at the old one.
    ServiceMoved(&'static str, u8),
    /// The cloud's clock is set this far ahead.
    CloudClockSet(i64),
    /// A process's wall clock is set this far ahead.
    WallClockSet(usize, i64),
    /// A process stops, and is back after this time, having forgotten all.
    ProcessCrashed(usize, Duration),
    /// A process does nothing for this time.
    ProcessSuspended(usize, Duration),
    /// An agent says so many things to this consumer.
    AgentTexts(u8, u8),
    /// An agent types, notes something down, or hands over.
    AgentComposing(u8),
    AgentNote(u8),
    AgentTransfer(u8),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ResolveDomain => f.write_str("asks where messages go"),
            Self::AuthorizeApp => f.write_str("asks for the AppJWT"),
            Self::IdentifyConsumer(who) => write!(f, "asks for consumer {who}'s ConsumerJWS"),
            Self::OpenConversation(who) => write!(f, "opens a conversation for newcomer {who}"),
            Self::SendText(who) => write!(f, "says something for consumer {who}"),
            Self::SetComposing(who) => write!(f, "shows consumer {who} typing"),
            Self::CloseConversation(who) => write!(f, "closes consumer {who}'s conversation"),
        }
    }
}

impl fmt::Display for WorldEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => write!(f, "the cloud goes wrong: {fault}"),
            Self::FaultsCleared => f.write_str("the cloud is well again"),
            Self::AppTokensRevoked => f.write_str("all AppJWTs are revoked"),
            Self::ConsumerTokensRevoked => f.write_str("all ConsumerJWSs are revoked"),
            Self::SecretRotated(after) => {
                write!(f, "the app's secret changes; the connectors know after {after:?}")
            }
            Self::ServiceMoved(service, to) => write!(f, "{service} moves to host {to}"),
            Self::CloudClockSet(by) => write!(f, "the cloud's clock is set {by} s off"),
            Self::WallClockSet(process, by) => {
                write!(f, "process {process}'s wall clock is set {by} s off")
            }
            Self::ProcessCrashed(process, down) => {
                write!(f, "process {process} crashes and is back after {down:?}")
            }
            Self::ProcessSuspended(process, time) => {
                write!(f, "process {process} is suspended for {time:?}")
            }
            Self::AgentTexts(who, times) => {
                write!(f, "an agent answers consumer {who}, {times} times")
            }
            Self::AgentComposing(who) => write!(f, "an agent types to consumer {who}"),
            Self::AgentNote(who) => write!(f, "an agent notes something of consumer {who}"),
            Self::AgentTransfer(who) => write!(f, "consumer {who} is handed to another skill"),
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let latency_seed =
            if self.latency_seed.is_some() { ", and up to three times that" } else { "" };
        writeln!(
            f,
            "tokens live {} s; one way takes {:?}{latency_seed}",
            self.token_life, self.latency
        )?;
        for (n, program) in self.processes.iter().enumerate() {
            let Program { policy, call_timeout, drift, wall_clock_offset, wire, consumer_cache } =
                program;
            let wire = if *wire { ", over the core's own HTTP" } else { "" };
            writeln!(
                f,
                "process {n}: policy {policy:?}, {call_timeout:?} a call, clock {drift} ppm fast \
                 and {wall_clock_offset} s off, {consumer_cache} consumers kept{wire}"
            )?;
        }
        for caller in &self.callers {
            let Caller { name, process, begins, action, deadline, cancel_after } = caller;
            write!(f, "caller {name} of process {process}, at {begins:?}: {action}")?;
            if let Some(deadline) = deadline {
                write!(f, ", within {deadline:?}")?;
            }
            if let Some((after, notify)) = cancel_after {
                let how = if *notify { "with" } else { "without" };
                write!(f, ", and leaves after {after:?} {how} a word")?;
            }
            writeln!(f)?;
            for request_fault in
                self.request_faults.iter().filter(|request_fault| request_fault.caller == *name)
            {
                writeln!(f, "    its request #{} {}", request_fault.number, request_fault.fault)?;
            }
        }
        for (at, world_event) in &self.world_events {
            writeln!(f, "at {at:?}: {world_event}")?;
        }
        for (nth, fault) in &self.posts {
            writeln!(f, "notification post #{nth} {fault}")?;
        }
        Ok(())
    }
}
