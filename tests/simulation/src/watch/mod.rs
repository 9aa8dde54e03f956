//! Who watches a world: every promise, after every event.

mod circuits;
mod tokens;
mod tries;
mod webhooks;

use std::time::Duration;

use lp_connector_core::error::Sent as Effect;

use crate::journal::Happened;
use crate::promise::{Promise, Violation};
use crate::story::{Doing, Policy, Story};
use crate::world::{World, told};
use circuits::Circuits;
use tokens::Tokens;
use tries::Tries;
use webhooks::Webhooks;

/// Clocks differ, and times are rounded on their way through them.
const ROUNDING: Duration = Duration::from_millis(2);

/// What the watcher knows of a caller.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) name: u32,
    pub(crate) policy: Policy,
    pub(crate) doing: Doing,
    pub(crate) timeout: Duration,
}

/// Watches one world.
#[derive(Debug)]
pub(crate) struct Watch {
    callers: Vec<Known>,
    /// How many consumers each process keeps.
    caches: Vec<usize>,
    tries: Tries,
    tokens: Tokens,
    circuits: Circuits,
    webhooks: Webhooks,
    /// How often the cloud has kept each caller's text.
    kept: Vec<u32>,
    /// Of the cloud's messages, how many were counted.
    counted: u64,
    /// Whether all that can be printed is looked at.
    thorough: bool,
}

impl Watch {
    pub(crate) fn new(story: &Story, thorough: bool) -> Self {
        Self {
            callers: Vec::new(),
            caches: story.processes.iter().map(|program| program.consumer_cache).collect(),
            tries: Tries::default(),
            tokens: Tokens::new(story),
            circuits: Circuits::new(story),
            webhooks: Webhooks::default(),
            kept: Vec::new(),
            counted: 0,
            thorough,
        }
    }

    /// Another caller was started; they come in the order of their places in the world.
    pub(crate) fn expect(&mut self, known: Known) {
        self.callers.push(known);
    }

    /// What this caller says, if it says anything.
    pub(crate) fn text_of(&self, caller: usize) -> Option<String> {
        let known = self.callers.get(caller)?;
        matches!(known.doing, Doing::Say(_)).then(|| format!("{TEXT}{}", known.name))
    }

    /// The cloud's clock was set: how old its tokens are can no longer be told from them.
    pub(crate) fn clock_was_set(&mut self, at: Duration) {
        self.tokens.clock_was_set(at);
    }

    /// An agent said this to a consumer.
    pub(crate) fn agent_said(&mut self, text: String) {
        self.webhooks.said(text);
    }

    pub(crate) fn look(
        &mut self,
        world: &World,
        at: Duration,
        happened: Happened,
    ) -> Result<(), Violation> {
        let fail = |promise, why: String| Err(Violation::new(promise, at, why));
        match happened {
            Happened::Sent { nth } => {
                let Some(sent) = world.sent.get(nth) else { return Ok(()) };
                let bare = sent.host.strip_suffix(":443").unwrap_or(&sent.host);
                if !bare.ends_with(".liveperson.net") {
                    return fail(Promise::TrustedHostsAlone, format!("it went to {bare}"));
                }
                if !sent.https {
                    return fail(Promise::TrustedHostsAlone, format!("all can read it at {bare}"));
                }
                hides(at, &sent.shown)?;
                self.tries.sent(&self.callers, sent, at)?;
                self.tokens.sent(sent, at)?;
                self.circuits.sent(nth, sent, at)?;
            }
            Happened::Arrived { .. } => self.count(world, at)?,
            Happened::Known { nth } => {
                let Some(sent) = world.sent.get(nth) else { return Ok(()) };
                self.tries.known(sent, at);
                self.tokens.known(sent, at);
                self.circuits.known(nth, sent);
                let process = world.processes.get(sent.process);
                let kept = process.map(|process| process.shared.consumers()).unwrap_or_default();
                let most = self.caches.get(sent.process).copied().unwrap_or_default();
                if kept > most + world.callers.len() {
                    return fail(Promise::MemoryIsBounded, format!("{kept} consumers are kept"));
                }
            }
            Happened::Mangled { nth } => {
                let what = world.sent.get(nth).map(|sent| (sent.caller, sent.number));
                return fail(
                    Promise::AnswersAreTheirOwn,
                    format!("request {what:?} got another answer than the cloud gave"),
                );
            }
            Happened::Late { taken: true, caller, number } => {
                return fail(
                    Promise::LateChangesNothing,
                    format!("the late answer to #{number} of {caller} was taken"),
                );
            }
            Happened::Told { caller, event } => {
                let told = world.callers.get(caller).and_then(|caller| caller.events.get(event));
                if let Some(told) = told {
                    self.circuits.told(world, caller, told, at)?;
                    if self.thorough {
                        hides(at, &format!("{told:?}"))?;
                    }
                }
            }
            Happened::Waits { caller, until } => self.waits(world, caller, until, at)?,
            Happened::Ended { caller } => self.ended(world, caller, at)?,
            Happened::Left { caller, telling } => {
                self.tokens.left(world, caller, telling, at);
                self.circuits.left(world, caller, telling);
            }
            Happened::Restarted { process } => {
                self.tokens.restarted(process);
                self.circuits.restarted(process);
            }
            Happened::Posted { status, .. } => self.webhooks.posted(world, status, at)?,
            Happened::Heard { nth } => self.webhooks.heard(world, nth, at)?,
            Happened::Began { .. } | Happened::Late { .. } => {}
        }
        Ok(())
    }

    /// When all is over.
    pub(crate) fn close(&self, world: &World) -> Result<(), Violation> {
        let at = world.now;
        for caller in &world.callers {
            if caller.next(Duration::ZERO).is_some() {
                return Err(Violation::new(Promise::CallsEnd, at, "a call never ended"));
            }
        }
        for (caller, known) in self.callers.iter().enumerate() {
            // What was under way may have arrived since.
            self.is_true(world, caller, known, at)?;
        }
        if self.thorough {
            hides(at, &world.shown())?;
        }
        self.webhooks.close(world)
    }

    /// Counts what the cloud has kept since last time.
    fn count(&mut self, world: &World, at: Duration) -> Result<(), Violation> {
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
            if self.kept.len() <= name {
                self.kept.resize(name + 1, 0);
            }
            let known = self.callers.iter().find(|known| known.name as usize == name);
            let Some(kept) = self.kept.get_mut(name) else { continue };
            *kept += 1;
            if *kept > 1 && known.is_some_and(|known| known.policy != Policy::AtLeastOnce) {
                let why = format!("the cloud has caller {name}'s text {kept} times");
                return Err(Violation::new(Promise::NothingIsDoubled, at, why));
            }
        }
        Ok(())
    }

    fn waits(
        &self,
        world: &World,
        caller: usize,
        until: Duration,
        at: Duration,
    ) -> Result<(), Violation> {
        let (Some(known), Some(waiting)) = (self.callers.get(caller), world.callers.get(caller))
        else {
            return Ok(());
        };
        if until <= at || until > latest(waiting.began, known.timeout) {
            let why = format!("caller {} is to wait until {until:?}", known.name);
            return Err(Violation::new(Promise::NoBusyLoop, at, why));
        }
        if waiting.polls > 2_000 {
            let why = format!("caller {} was polled 2000 times", known.name);
            return Err(Violation::new(Promise::NoBusyLoop, at, why));
        }
        Ok(())
    }

    fn ended(&mut self, world: &World, caller: usize, at: Duration) -> Result<(), Violation> {
        let Some(known) = self.callers.get(caller).copied() else { return Ok(()) };
        let Some(ended) = world.callers.get(caller).and_then(|caller| caller.ended.as_ref()) else {
            return Ok(());
        };
        let process = world.callers.get(caller).and_then(|it| world.processes.get(it.process));
        let back = process.map(|process| process.back_at).unwrap_or_default();
        if at > latest(ended.began, known.timeout).max(back) {
            let why = format!("caller {} began at {:?}", known.name, ended.began);
            return Err(Violation::new(Promise::CallsEnd, at, why));
        }
        self.circuits.ended(world, caller, &known, ended, at)?;
        if let Err(error) = &ended.result {
            hides(at, &told(error))?;
            hides(at, &format!("{error:?}"))?;
        }
        self.is_true(world, caller, &known, at)
    }

    fn is_true(
        &self,
        world: &World,
        caller: usize,
        known: &Known,
        at: Duration,
    ) -> Result<(), Violation> {
        let ended = world.callers.get(caller).and_then(|caller| caller.ended.as_ref());
        let (Doing::Say(_), Some(ended)) = (known.doing, ended) else { return Ok(()) };
        let kept = self.kept.get(known.name as usize).copied().unwrap_or_default();
        let why = match &ended.result {
            Ok(_) if kept == 0 => "it succeeded, and the cloud knows nothing of it",
            Ok(done) if kept > 1 && !done.possibly_repeated => "it was repeated without being told",
            Err(error) if kept > 0 && error.sent() != Effect::Maybe => {
                "it is said to have had no effect, and had one"
            }
            _ => return Ok(()),
        };
        let why = format!("caller {}: {why} ({:?})", known.name, ended.result);
        Err(Violation::new(Promise::ResultsAreTrue, at, why))
    }
}

/// What every text of a caller begins with.
pub(crate) const TEXT: &str = "canary-text-";
/// What every secret begins with.
pub(crate) const SECRET: &str = "canary-secret-";

/// The last moment of a call, whatever its process's clock.
fn latest(began: Duration, timeout: Duration) -> Duration {
    began.saturating_add(timeout).saturating_add(timeout / 1000).saturating_add(ROUNDING)
}

fn hides(at: Duration, shown: &str) -> Result<(), Violation> {
    let tokens = "eyJ";
    match [TEXT, SECRET, tokens].into_iter().find(|canary| shown.contains(canary)) {
        Some(canary) => {
            let why = format!("{canary} is in {shown:?}");
            Err(Violation::new(Promise::SecretsStaySecret, at, why))
        }
        None => Ok(()),
    }
}
