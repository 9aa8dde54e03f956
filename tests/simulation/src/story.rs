//! What happens to whom in one world: data, made from a seed, that a person can read.

use std::fmt;
use std::time::Duration;

use lp_connector_core::policy::RetryPolicy;

use crate::endpoint::PostWeather;
use crate::network::Weather;

/// Everything that decides how a world goes.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Story {
    pub(crate) token_life: u64,
    pub(crate) latency: Duration,
    /// Whether each request has a travelling time of its own, and from which seed.
    pub(crate) mixed: Option<u64>,
    pub(crate) processes: Vec<Program>,
    pub(crate) callers: Vec<Caller>,
    pub(crate) troubles: Vec<Trouble>,
    pub(crate) posts: Vec<(u64, PostWeather)>,
    pub(crate) happenings: Vec<(Duration, Happening)>,
}

/// A connector.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Program {
    pub(crate) policy: Policy,
    pub(crate) call_timeout: Duration,
    pub(crate) drift: i32,
    pub(crate) wall_off: i64,
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
    pub(crate) doing: Doing,
    /// Its own deadline.
    pub(crate) hurry: Option<Duration>,
    /// After how long it goes away, and whether it says so.
    pub(crate) leaves: Option<(Duration, bool)>,
}

/// What a caller does, by consumer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Doing {
    Resolve,
    Authorize,
    Identify(u8),
    Open(u8),
    Say(u8),
    Compose(u8),
    Close(u8),
}

/// What one request meets.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Trouble {
    pub(crate) caller: u32,
    pub(crate) number: u32,
    pub(crate) weather: Weather,
}

/// What happens to the world as a whole.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Happening {
    /// The cloud goes wrong so: a fault in the sandbox's own words.
    Fault(String),
    Heals,
    RevokesAppTokens,
    RevokesConsumerTokens,
    /// The app's secret changes; the connectors are told after this time, by a restart.
    RotatesSecret(Duration),
    /// This service moves to another host, and nobody answers at the old one.
    Moves(&'static str, u8),
    /// The cloud's clock is set this far ahead.
    CloudClock(i64),
    /// A process's wall clock is set this far ahead.
    WallClock(usize, i64),
    /// A process stops, and is back after this time, having forgotten all.
    Crashes(usize, Duration),
    /// A process does nothing for this time.
    Sleeps(usize, Duration),
    /// An agent says so many things to this consumer.
    AgentSays(u8, u8),
    /// An agent types, notes something down, or hands over.
    AgentTypes(u8),
    AgentNotes(u8),
    AgentTransfers(u8),
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve => f.write_str("asks where messages go"),
            Self::Authorize => f.write_str("asks for the AppJWT"),
            Self::Identify(who) => write!(f, "asks for consumer {who}'s ConsumerJWS"),
            Self::Open(who) => write!(f, "opens a conversation for newcomer {who}"),
            Self::Say(who) => write!(f, "says something for consumer {who}"),
            Self::Compose(who) => write!(f, "shows consumer {who} typing"),
            Self::Close(who) => write!(f, "closes consumer {who}'s conversation"),
        }
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => write!(f, "the cloud goes wrong: {fault}"),
            Self::Heals => f.write_str("the cloud is well again"),
            Self::RevokesAppTokens => f.write_str("all AppJWTs are revoked"),
            Self::RevokesConsumerTokens => f.write_str("all ConsumerJWSs are revoked"),
            Self::RotatesSecret(after) => {
                write!(f, "the app's secret changes; the connectors know after {after:?}")
            }
            Self::Moves(service, to) => write!(f, "{service} moves to host {to}"),
            Self::CloudClock(by) => write!(f, "the cloud's clock is set {by} s off"),
            Self::WallClock(process, by) => {
                write!(f, "process {process}'s wall clock is set {by} s off")
            }
            Self::Crashes(process, down) => {
                write!(f, "process {process} crashes and is back after {down:?}")
            }
            Self::Sleeps(process, time) => write!(f, "process {process} is suspended for {time:?}"),
            Self::AgentSays(who, times) => {
                write!(f, "an agent answers consumer {who}, {times} times")
            }
            Self::AgentTypes(who) => write!(f, "an agent types to consumer {who}"),
            Self::AgentNotes(who) => write!(f, "an agent notes something of consumer {who}"),
            Self::AgentTransfers(who) => write!(f, "consumer {who} is handed to another skill"),
        }
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mixed = if self.mixed.is_some() { ", and up to three times that" } else { "" };
        writeln!(f, "tokens live {} s; one way takes {:?}{mixed}", self.token_life, self.latency)?;
        for (n, program) in self.processes.iter().enumerate() {
            let Program { policy, call_timeout, drift, wall_off, wire, consumer_cache } = program;
            let wire = if *wire { ", over the core's own HTTP" } else { "" };
            writeln!(
                f,
                "process {n}: policy {policy:?}, {call_timeout:?} a call, clock {drift} ppm fast \
                 and {wall_off} s off, {consumer_cache} consumers kept{wire}"
            )?;
        }
        for caller in &self.callers {
            let Caller { name, process, begins, doing, hurry, leaves } = caller;
            write!(f, "caller {name} of process {process}, at {begins:?}: {doing}")?;
            if let Some(hurry) = hurry {
                write!(f, ", within {hurry:?}")?;
            }
            if let Some((after, telling)) = leaves {
                let how = if *telling { "with" } else { "without" };
                write!(f, ", and leaves after {after:?} {how} a word")?;
            }
            writeln!(f)?;
            for trouble in self.troubles.iter().filter(|trouble| trouble.caller == *name) {
                writeln!(f, "    its request #{} {}", trouble.number, trouble.weather)?;
            }
        }
        for (at, happening) in &self.happenings {
            writeln!(f, "at {at:?}: {happening}")?;
        }
        for (nth, weather) in &self.posts {
            writeln!(f, "notification post #{nth} {weather}")?;
        }
        Ok(())
    }
}
