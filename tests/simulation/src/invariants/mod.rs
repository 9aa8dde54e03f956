//! The checker: compares every log entry with the invariants.
//!
//! It computes pauses, circuits and token lifetimes from protocol.md, independently of the core.

mod attempts;
mod circuits;
mod tokens;
mod webhooks;

use std::time::Duration;

use lp_connector_core::error::Delivery as Effect;

use crate::event_log::LogEntry;
use crate::invariant::{Invariant, Violation};
use crate::scenario::{Action, Policy, Scenario};
use crate::world::{World, error_chain};
use attempts::Attempts;
use circuits::Circuits;
use tokens::Tokens;
use webhooks::Webhooks;

/// Tolerance for times that were converted between clocks.
const ROUNDING: Duration = Duration::from_millis(2);

/// What the checker knows of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallSpec {
    pub(crate) name: u32,
    pub(crate) policy: Policy,
    pub(crate) action: Action,
    pub(crate) timeout: Duration,
}

/// Checks the invariants of one world.
#[derive(Debug)]
pub(crate) struct Checker {
    callers: Vec<CallSpec>,
    /// How many consumers each process caches.
    caches: Vec<usize>,
    attempts: Attempts,
    tokens: Tokens,
    circuits: Circuits,
    webhooks: Webhooks,
    /// How many times the cloud has stored each caller's text.
    stored: Vec<u32>,
    /// The number of the last message of the cloud that was counted.
    last_counted: u64,
    /// Whether all `Debug` texts are searched for secrets.
    check_secrets: bool,
}

impl Checker {
    pub(crate) fn new(scenario: &Scenario, check_secrets: bool) -> Self {
        Self {
            callers: Vec::new(),
            caches: scenario.processes.iter().map(|program| program.consumer_cache).collect(),
            attempts: Attempts::default(),
            tokens: Tokens::new(scenario),
            circuits: Circuits::new(scenario),
            webhooks: Webhooks::default(),
            stored: Vec::new(),
            last_counted: 0,
            check_secrets,
        }
    }

    /// Registers a call; calls are registered in the order of their callers' numbers.
    pub(crate) fn register(&mut self, spec: CallSpec) {
        self.callers.push(spec);
    }

    /// The call of this caller.
    pub(crate) fn spec(&self, caller: usize) -> Option<CallSpec> {
        self.callers.get(caller).copied()
    }

    /// The text that this caller sends, if it sends one.
    pub(crate) fn text_of(&self, caller: usize) -> Option<String> {
        let spec = self.callers.get(caller)?;
        matches!(spec.action, Action::SendText(_)).then(|| format!("{TEXT}{}", spec.name))
    }

    /// The cloud's clock was set: older tokens have the times of the old clock.
    pub(crate) fn cloud_clock_set(&mut self, at: Duration) {
        self.tokens.cloud_clock_set(at);
    }

    /// An agent sent this text to a consumer.
    pub(crate) fn agent_sent(&mut self, text: String) {
        self.webhooks.agent_sent(text);
    }

    /// Checks one log entry.
    pub(crate) fn check(
        &mut self,
        world: &World,
        at: Duration,
        entry: LogEntry,
    ) -> Result<(), Violation> {
        let fail = |invariant, why: String| Err(Violation::new(invariant, at, why));
        match entry {
            LogEntry::RequestSent { nth } => {
                let Some(sent) = world.sent.get(nth) else { return Ok(()) };
                let host = sent.host.strip_suffix(":443").unwrap_or(&sent.host);
                if !host.ends_with(".liveperson.net") {
                    return fail(Invariant::TrustedHostsOnly, format!("a request went to {host}"));
                }
                if !sent.https {
                    return fail(
                        Invariant::TrustedHostsOnly,
                        format!("a request to {host} without TLS"),
                    );
                }
                check_no_secret(at, &sent.debug_text)?;
                self.attempts.on_sent(&self.callers, sent, at)?;
                self.tokens.on_sent(sent, at)?;
                self.circuits.on_sent(nth, sent, at)?;
            }
            LogEntry::RequestArrived { .. } => self.count_messages(world, at)?,
            LogEntry::OutcomeHandled { nth } => {
                let Some(sent) = world.sent.get(nth) else { return Ok(()) };
                self.attempts.on_outcome(sent, at);
                self.tokens.on_outcome(sent, at);
                self.circuits.on_outcome(nth, sent);
                let process = world.processes.get(sent.process);
                let cached = process.map(|process| process.state.consumers()).unwrap_or_default();
                let limit = self.caches.get(sent.process).copied().unwrap_or_default();
                if cached > limit + world.callers.len() {
                    return fail(
                        Invariant::BoundedMemory,
                        format!("{cached} consumers are cached"),
                    );
                }
            }
            LogEntry::WrongResponse { nth } => {
                let what = world.sent.get(nth).map(|sent| (sent.caller, sent.number));
                return fail(
                    Invariant::ResponsesMatchRequests,
                    format!("request {what:?} got another response than the cloud gave"),
                );
            }
            LogEntry::LateResponse { accepted: true, caller, number } => {
                return fail(
                    Invariant::LateResponsesIgnored,
                    format!("the late response to #{number} of caller {caller} was accepted"),
                );
            }
            LogEntry::EventEmitted { caller, event } => {
                let emitted = world.callers.get(caller).and_then(|caller| caller.events.get(event));
                if let Some(emitted) = emitted {
                    self.circuits.on_event(world, caller, emitted, at)?;
                    if self.check_secrets {
                        check_no_secret(at, &format!("{emitted:?}"))?;
                    }
                }
            }
            LogEntry::CallWaiting { caller, until } => self.check_wait(world, caller, until, at)?,
            LogEntry::CallFinished { caller } => self.check_call_end(world, caller, at)?,
            LogEntry::CallCancelled { caller, notify } => {
                self.tokens.on_cancelled(world, caller, notify);
                self.circuits.on_cancelled(world, caller, notify);
            }
            LogEntry::ProcessRestarted { process } => {
                self.tokens.on_restart(process);
                self.circuits.on_restart(process);
            }
            LogEntry::PostHandled { status, .. } => self.webhooks.on_post(world, status, at)?,
            LogEntry::MessageProcessed { nth } => self.webhooks.on_processed(world, nth, at)?,
            LogEntry::CallStarted { .. } | LogEntry::LateResponse { .. } => {}
        }
        Ok(())
    }

    /// Checks the state at the end of a scenario.
    pub(crate) fn check_end(&self, world: &World) -> Result<(), Violation> {
        let at = world.now;
        for caller in &world.callers {
            if caller.next_due(Duration::ZERO).is_some() {
                return Err(Violation::new(Invariant::CallsEnd, at, "a call has not ended"));
            }
        }
        for (caller, spec) in self.callers.iter().enumerate() {
            // Requests in flight may have arrived since the call ended.
            self.check_result(world, caller, spec, at)?;
        }
        if self.check_secrets {
            check_no_secret(at, &world.debug_text())?;
        }
        self.webhooks.check_end(world)
    }

    /// Counts the messages that the cloud has stored since the last time.
    fn count_messages(&mut self, world: &World, at: Duration) -> Result<(), Violation> {
        let messages = world.cloud.messages();
        let new = messages.iter().rev().take_while(|message| message.number > self.last_counted);
        let mut names = Vec::new();
        for message in new {
            let text = message.event.get("message").and_then(|text| text.as_str());
            let name = text.and_then(|text| text.strip_prefix(TEXT)?.parse::<usize>().ok());
            names.extend(name);
        }
        self.last_counted = messages.back().map_or(self.last_counted, |message| message.number);
        for name in names {
            if self.stored.len() <= name {
                self.stored.resize(name + 1, 0);
            }
            let spec = self.callers.iter().find(|spec| spec.name as usize == name);
            let Some(stored) = self.stored.get_mut(name) else { continue };
            *stored += 1;
            if *stored > 1 && spec.is_some_and(|spec| spec.policy != Policy::AtLeastOnce) {
                let why = format!("the cloud has the text of caller {name} {stored} times");
                return Err(Violation::new(Invariant::NoDuplicateMessage, at, why));
            }
        }
        Ok(())
    }

    fn check_wait(
        &self,
        world: &World,
        caller: usize,
        until: Duration,
        at: Duration,
    ) -> Result<(), Violation> {
        let (Some(spec), Some(waiting)) = (self.callers.get(caller), world.callers.get(caller))
        else {
            return Ok(());
        };
        if until <= at || until > latest_end(waiting.started_at, spec.timeout) {
            let why = format!("caller {} waits until {until:?}", spec.name);
            return Err(Violation::new(Invariant::NoBusyLoop, at, why));
        }
        if waiting.polls > 2_000 {
            let why = format!("caller {} was polled 2000 times", spec.name);
            return Err(Violation::new(Invariant::NoBusyLoop, at, why));
        }
        Ok(())
    }

    fn check_call_end(
        &mut self,
        world: &World,
        caller: usize,
        at: Duration,
    ) -> Result<(), Violation> {
        let Some(spec) = self.callers.get(caller).copied() else { return Ok(()) };
        let Some(finished) = world.callers.get(caller).and_then(|caller| caller.finished.as_ref())
        else {
            return Ok(());
        };
        let process = world.callers.get(caller).and_then(|it| world.processes.get(it.process));
        let resumes_at = process.map(|process| process.resumes_at).unwrap_or_default();
        if at > latest_end(finished.started_at, spec.timeout).max(resumes_at) {
            let why = format!("caller {} started at {:?}", spec.name, finished.started_at);
            return Err(Violation::new(Invariant::CallsEnd, at, why));
        }
        self.circuits.on_finished(world, caller, &spec, finished, at)?;
        if let Err(error) = &finished.result {
            check_no_secret(at, &error_chain(error))?;
            check_no_secret(at, &format!("{error:?} {error:#?}"))?;
        }
        self.check_result(world, caller, &spec, at)
    }

    fn check_result(
        &self,
        world: &World,
        caller: usize,
        spec: &CallSpec,
        at: Duration,
    ) -> Result<(), Violation> {
        let finished = world.callers.get(caller).and_then(|caller| caller.finished.as_ref());
        let (Action::SendText(_), Some(finished)) = (spec.action, finished) else { return Ok(()) };
        let stored = self.stored.get(spec.name as usize).copied().unwrap_or_default();
        let why = match &finished.result {
            Ok(_) if stored == 0 => "success, but the cloud has no message",
            Ok(done) if stored > 1 && !done.maybe_duplicated => {
                "sent twice, but not marked as possibly repeated"
            }
            Err(error) if stored > 0 && error.delivery() != Effect::Unknown => {
                "reported as without effect, but the cloud has the message"
            }
            _ => return Ok(()),
        };
        let why = format!("caller {}: {why} ({:?})", spec.name, finished.result);
        Err(Violation::new(Invariant::ResultsMatchCloud, at, why))
    }
}

/// The prefix of every text that a caller sends.
pub(crate) const TEXT: &str = "canary-text-";
/// The prefix of every secret.
pub(crate) const SECRET: &str = "canary-secret-";

/// The latest end of a call, allowing for the drift of its process's clock.
fn latest_end(started_at: Duration, timeout: Duration) -> Duration {
    started_at.saturating_add(timeout).saturating_add(timeout / 1000).saturating_add(ROUNDING)
}

/// Checks that a printed text contains no secret, token or message text.
fn check_no_secret(at: Duration, text: &str) -> Result<(), Violation> {
    let tokens = "eyJ";
    match [TEXT, SECRET, tokens].into_iter().find(|canary| text.contains(canary)) {
        Some(canary) => {
            let why = format!("{canary} is in {text:?}");
            Err(Violation::new(Invariant::NoSecretsShown, at, why))
        }
        None => Ok(()),
    }
}
