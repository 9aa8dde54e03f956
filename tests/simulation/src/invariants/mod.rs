//! Who watches a world: every promise, after every event.

mod attempts;
mod circuits;
mod tokens;
mod webhooks;

use std::time::Duration;

use lp_connector_core::error::Sent as Effect;

use crate::event_log::LogEntry;
use crate::invariant::{Invariant, Violation};
use crate::scenario::{Action, Policy, Scenario};
use crate::world::{World, error_chain};
use attempts::Attempts;
use circuits::Circuits;
use tokens::Tokens;
use webhooks::Webhooks;

/// Clocks differ, and times are rounded on their way through them.
const ROUNDING: Duration = Duration::from_millis(2);

/// What the watcher knows of a caller.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallSpec {
    pub(crate) name: u32,
    pub(crate) policy: Policy,
    pub(crate) action: Action,
    pub(crate) timeout: Duration,
}

/// Watches one world.
#[derive(Debug)]
pub(crate) struct Checker {
    callers: Vec<CallSpec>,
    /// How many consumers each process keeps.
    caches: Vec<usize>,
    attempts: Attempts,
    tokens: Tokens,
    circuits: Circuits,
    webhooks: Webhooks,
    /// How often the cloud has kept each caller's text.
    stored: Vec<u32>,
    /// Of the cloud's messages, how many were counted.
    counted: u64,
    /// Whether all that can be printed is looked at.
    thorough: bool,
}

impl Checker {
    pub(crate) fn new(scenario: &Scenario, thorough: bool) -> Self {
        Self {
            callers: Vec::new(),
            caches: scenario.processes.iter().map(|program| program.consumer_cache).collect(),
            attempts: Attempts::default(),
            tokens: Tokens::new(scenario),
            circuits: Circuits::new(scenario),
            webhooks: Webhooks::default(),
            stored: Vec::new(),
            counted: 0,
            thorough,
        }
    }

    /// Another caller was started; they come in the order of their places in the world.
    pub(crate) fn expect(&mut self, spec: CallSpec) {
        self.callers.push(spec);
    }

    /// What this caller says, if it says anything.
    pub(crate) fn text_of(&self, caller: usize) -> Option<String> {
        let spec = self.callers.get(caller)?;
        matches!(spec.action, Action::SendText(_)).then(|| format!("{TEXT}{}", spec.name))
    }

    /// The cloud's clock was set: how old its tokens are can no longer be told from them.
    pub(crate) fn clock_was_set(&mut self, at: Duration) {
        self.tokens.clock_was_set(at);
    }

    /// An agent said this to a consumer.
    pub(crate) fn agent_said(&mut self, text: String) {
        self.webhooks.agent_said(text);
    }

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
                let bare = sent.host.strip_suffix(":443").unwrap_or(&sent.host);
                if !bare.ends_with(".liveperson.net") {
                    return fail(Invariant::TrustedHostsOnly, format!("it went to {bare}"));
                }
                if !sent.https {
                    return fail(Invariant::TrustedHostsOnly, format!("all can read it at {bare}"));
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
                let stored = process.map(|process| process.shared.consumers()).unwrap_or_default();
                let most = self.caches.get(sent.process).copied().unwrap_or_default();
                if stored > most + world.callers.len() {
                    return fail(Invariant::BoundedMemory, format!("{stored} consumers are kept"));
                }
            }
            LogEntry::WrongAnswer { nth } => {
                let what = world.sent.get(nth).map(|sent| (sent.caller, sent.number));
                return fail(
                    Invariant::AnswersMatchRequests,
                    format!("request {what:?} got another answer than the cloud gave"),
                );
            }
            LogEntry::LateAnswer { accepted: true, caller, number } => {
                return fail(
                    Invariant::LateAnswersIgnored,
                    format!("the late answer to #{number} of {caller} was taken"),
                );
            }
            LogEntry::EventEmitted { caller, event } => {
                let emitted = world.callers.get(caller).and_then(|caller| caller.events.get(event));
                if let Some(emitted) = emitted {
                    self.circuits.on_event(world, caller, emitted, at)?;
                    if self.thorough {
                        check_no_secret(at, &format!("{emitted:?}"))?;
                    }
                }
            }
            LogEntry::CallWaiting { caller, until } => self.check_wait(world, caller, until, at)?,
            LogEntry::CallFinished { caller } => self.check_call_end(world, caller, at)?,
            LogEntry::CallCancelled { caller, notify } => {
                self.tokens.on_cancelled(world, caller, notify, at);
                self.circuits.on_cancelled(world, caller, notify);
            }
            LogEntry::ProcessRestarted { process } => {
                self.tokens.on_restart(process);
                self.circuits.on_restart(process);
            }
            LogEntry::PostHandled { status, .. } => self.webhooks.on_post(world, status, at)?,
            LogEntry::MessageProcessed { nth } => self.webhooks.on_processed(world, nth, at)?,
            LogEntry::CallStarted { .. } | LogEntry::LateAnswer { .. } => {}
        }
        Ok(())
    }

    /// When all is over.
    pub(crate) fn check_end(&self, world: &World) -> Result<(), Violation> {
        let at = world.now;
        for caller in &world.callers {
            if caller.next(Duration::ZERO).is_some() {
                return Err(Violation::new(Invariant::CallsEnd, at, "a call never ended"));
            }
        }
        for (caller, spec) in self.callers.iter().enumerate() {
            // What was under way may have arrived since.
            self.check_result(world, caller, spec, at)?;
        }
        if self.thorough {
            check_no_secret(at, &world.debug_text())?;
        }
        self.webhooks.check_end(world)
    }

    /// Counts what the cloud has kept since last time.
    fn count_messages(&mut self, world: &World, at: Duration) -> Result<(), Violation> {
        let messages = world.cloud.messages();
        let new = messages.iter().rev().take_while(|message| message.number > self.counted);
        let mut names = Vec::new();
        for message in new {
            let text = message.event.get("message").and_then(|text| text.as_str());
            let name = text.and_then(|text| text.strip_prefix(TEXT)?.parse::<usize>().ok());
            names.extend(name);
        }
        self.counted = messages.back().map_or(self.counted, |message| message.number);
        for name in names {
            if self.stored.len() <= name {
                self.stored.resize(name + 1, 0);
            }
            let spec = self.callers.iter().find(|spec| spec.name as usize == name);
            let Some(stored) = self.stored.get_mut(name) else { continue };
            *stored += 1;
            if *stored > 1 && spec.is_some_and(|spec| spec.policy != Policy::AtLeastOnce) {
                let why = format!("the cloud has caller {name}'s text {stored} times");
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
        if until <= at || until > latest(waiting.started_at, spec.timeout) {
            let why = format!("caller {} is to wait until {until:?}", spec.name);
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
        let back = process.map(|process| process.resumes_at).unwrap_or_default();
        if at > latest(finished.started_at, spec.timeout).max(back) {
            let why = format!("caller {} began at {:?}", spec.name, finished.started_at);
            return Err(Violation::new(Invariant::CallsEnd, at, why));
        }
        self.circuits.on_finished(world, caller, &spec, finished, at)?;
        if let Err(error) = &finished.result {
            check_no_secret(at, &error_chain(error))?;
            check_no_secret(at, &format!("{error:?}"))?;
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
            Ok(_) if stored == 0 => "it succeeded, and the cloud knows nothing of it",
            Ok(done) if stored > 1 && !done.possibly_repeated => {
                "it was repeated without being told"
            }
            Err(error) if stored > 0 && error.sent() != Effect::Maybe => {
                "it is said to have had no effect, and had one"
            }
            _ => return Ok(()),
        };
        let why = format!("caller {}: {why} ({:?})", spec.name, finished.result);
        Err(Violation::new(Invariant::ResultsMatchCloud, at, why))
    }
}

/// What every text of a caller begins with.
pub(crate) const TEXT: &str = "canary-text-";
/// What every secret begins with.
pub(crate) const SECRET: &str = "canary-secret-";

/// The last moment of a call, whatever its process's clock.
fn latest(started_at: Duration, timeout: Duration) -> Duration {
    started_at.saturating_add(timeout).saturating_add(timeout / 1000).saturating_add(ROUNDING)
}

fn check_no_secret(at: Duration, debug_text: &str) -> Result<(), Violation> {
    let tokens = "eyJ";
    match [TEXT, SECRET, tokens].into_iter().find(|canary| debug_text.contains(canary)) {
        Some(canary) => {
            let why = format!("{canary} is in {debug_text:?}");
            Err(Violation::new(Invariant::NoSecretsShown, at, why))
        }
        None => Ok(()),
    }
}
