//! The one clock, the network, and who calls whom when.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use http::header::AUTHORIZATION;
use lp_connector_core::api::Operation;
use lp_connector_core::connector::{
    Attempt, Call, Config, Failure, FailureKind, Outcome, Shared, Step, Trust,
};
use lp_connector_core::error::Stage;
use lp_connector_core::id::{AccountId, ClientId, ConversationId, ExtConsumerId};
use lp_connector_core::secret::Secret;
use lp_connector_core::seed::Seed;
use lp_connector_core::time::{Mono, Now};
use lp_connector_sandbox::{Delivery, Sandbox};

use crate::caller::{AnyCall, At, Caller, Ended};

/// The cloud's wall clock when the world begins.
const EPOCH: Duration = Duration::from_secs(1_711_000_000);

/// What the network does with one request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "tests choose among all of them")]
pub enum Weather {
    /// It arrives, and so does the answer.
    Fine,
    /// No connection is made.
    Refused,
    /// It is lost on its way there.
    LostBefore,
    /// It arrives, and the answer is lost.
    LostAfter,
    /// It arrives, and the answer takes so long.
    Slow(Duration),
}

/// A request that was sent.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Sent {
    /// By which caller.
    pub caller: usize,
    /// When.
    pub at: Duration,
    /// For what.
    pub stage: Stage,
    /// Its number within the call.
    pub number: u32,
    /// What the network did.
    pub weather: Weather,
    /// What the cloud answered, if it came to that.
    pub status: Option<u16>,
    /// Whether the caller got that answer.
    pub answered: bool,
    /// For how long the AppJWT that it carried was still good, by the cloud's clock; negative seconds
    /// where it was dead. `None` if it carried none that can be read.
    pub token_left: Option<f64>,
    /// When its outcome was known to the caller.
    pub ends: Duration,
    /// The `Retry-After` seconds of the answer.
    pub retry_after: Option<u64>,
}

/// A connector, its callers, the network and the cloud, in one process and at one time.
#[derive(Debug)]
pub struct World {
    /// The cloud.
    pub cloud: Sandbox,
    /// The connector's configuration; change it before the first call.
    pub config: Config,
    /// What the network does with the requests to come; `Fine` when it runs out.
    pub weather: VecDeque<Weather>,
    /// One way.
    pub latency: Duration,
    /// By how much the connector's wall clock is wrong, in seconds.
    pub wall_off: i64,
    /// Everything that was sent.
    pub sent: Vec<Sent>,
    shared: Option<Shared>,
    callers: Vec<Caller>,
    now: Duration,
    /// Answers that come after nobody waits for them any more.
    late: Vec<(Duration, usize, u32, Outcome)>,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// All is well, and nothing has happened.
    ///
    /// # Panics
    /// Never: what it is made of is usable.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test reports by panicking")]
    pub fn new() -> Self {
        let cloud = lp_connector_sandbox::Config::new("cloud.liveperson.net", 1);
        let app = cloud.app().expect("an app");
        let config = Config::new(AccountId::new(cloud.account_id()).expect("an id")).credentials(
            ClientId::new(app.client_id()).expect("an id"),
            Secret::new(app.client_secret().to_owned()),
        );
        Self {
            cloud: Sandbox::new(cloud, 1),
            config: config.trust(Trust::default()),
            weather: VecDeque::new(),
            latency: Duration::from_millis(40),
            wall_off: 0,
            sent: Vec::new(),
            shared: None,
            callers: Vec::new(),
            now: Duration::ZERO,
            late: Vec::new(),
        }
    }

    /// The cloud with another configuration.
    #[must_use]
    pub fn with_cloud(
        mut self,
        change: impl FnOnce(lp_connector_sandbox::Config) -> lp_connector_sandbox::Config,
    ) -> Self {
        self.cloud = Sandbox::new(change(self.cloud.config().clone()), 1);
        self
    }

    /// The cloud's tokens live so many seconds from now on.
    #[must_use]
    pub fn with_cloud_life(mut self, seconds: u64) -> Self {
        self.cloud.set_token_life(Duration::from_secs(seconds));
        self
    }

    /// The connector with another configuration.
    #[must_use]
    pub fn with_config(mut self, change: impl FnOnce(Config) -> Config) -> Self {
        self.config = change(self.config.clone());
        self
    }

    /// The next requests meet this weather.
    #[must_use]
    pub fn with_weather(mut self, weather: impl IntoIterator<Item = Weather>) -> Self {
        self.weather.extend(weather);
        self
    }

    /// The cloud goes wrong so.
    ///
    /// # Panics
    /// If the fault is none.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test reports by panicking")]
    pub fn with_fault(mut self, fault: &str) -> Self {
        self.cloud.fault(fault.parse().expect("a fault"));
        self
    }

    /// A caller who begins now.
    pub fn start<O>(&mut self, operation: O) -> usize
    where
        O: Operation + std::fmt::Debug + 'static,
        O::Output: std::fmt::Debug,
    {
        self.start_at(self.now, operation)
    }

    /// A caller who begins then.
    pub fn start_at<O>(&mut self, at: Duration, operation: O) -> usize
    where
        O: Operation + std::fmt::Debug + 'static,
        O::Output: std::fmt::Debug,
    {
        self.start_as(at, operation, |call, _| call)
    }

    /// A caller who begins then, with a call of its own kind: another deadline, another policy.
    pub fn start_as<O>(
        &mut self,
        at: Duration,
        operation: O,
        own: impl FnOnce(Call<O>, Now) -> Call<O>,
    ) -> usize
    where
        O: Operation + std::fmt::Debug + 'static,
        O::Output: std::fmt::Debug,
    {
        let number = self.callers.len();
        let mut seed = [0; 16];
        for (place, byte) in seed.iter_mut().zip((number as u64 + 1).to_le_bytes()) {
            *place = byte;
        }
        let clock = self.clock(at);
        let call = own(Call::new(operation, &self.config, Seed::from_bytes(seed), clock), clock);
        self.callers.push(Caller {
            call: Some(Box::new(call)),
            at: At::Before(at),
            began: at,
            leaves: None,
            events: Vec::new(),
            ended: None,
            polls: 0,
        });
        number
    }

    /// That caller goes away then, telling the core (as an adapter's guard does) or not.
    pub fn leave_at(&mut self, caller: usize, at: Duration, telling: bool) {
        if let Some(caller) = self.callers.get_mut(caller) {
            caller.leaves = Some((at, telling));
        }
    }

    /// Lets everything happen, until all calls have ended.
    ///
    /// # Panics
    /// If they do not.
    pub fn run(&mut self) {
        self.run_until(Duration::MAX);
        assert!(
            self.callers.iter().all(|caller| matches!(caller.at, At::Over)),
            "a call never ended"
        );
    }

    /// Lets everything happen that happens by then.
    ///
    /// # Panics
    /// If the world does not come to rest.
    pub fn run_until(&mut self, end: Duration) {
        for _ in 0..2_000_000 {
            let due = self.callers.iter().enumerate();
            let due = due.filter_map(|(n, caller)| Some((caller.next()?, n))).min();
            match due {
                Some((at, n)) if at <= end => {
                    self.now = self.now.max(at);
                    self.deliver_late();
                    self.turn(n);
                }
                _ => {
                    if end < Duration::MAX {
                        self.now = self.now.max(end);
                    }
                    return;
                }
            }
        }
        panic!("the world does not come to rest");
    }

    /// One thing that one caller does.
    fn turn(&mut self, n: usize) {
        let now = self.clock(self.now);
        let seed = Seed::from_bytes([9; 16]);
        let shared = self.shared.get_or_insert_with(|| Shared::new(self.config.clone(), seed));
        let Some(caller) = self.callers.get_mut(n) else {
            return;
        };
        if let Some((_, telling)) = caller.leaves.filter(|(at, _)| *at <= self.now) {
            if let (true, Some(call)) = (telling, &mut caller.call)
                && call.abandon(shared, now)
            {
                self.wake();
            }
            self.over(n);
            return;
        }
        let Some(call) = &mut caller.call else { return };
        if let At::InFlight { number, outcome, .. } = &mut caller.at {
            let (number, outcome) = (*number, outcome.take());
            caller.at = At::Awake;
            if let Some(outcome) = outcome
                && call.handle(shared, now, number, outcome)
            {
                self.wake();
            }
            return;
        }
        caller.polls += 1;
        match call.poll(shared, now) {
            Step::Send(attempt) => self.send(n, attempt),
            Step::Wait(until) => caller.at = At::Waiting(until.elapsed_from_origin()),
            Step::Tell(event) => caller.events.push(event),
            Step::Done => self.over(n),
        }
    }

    fn over(&mut self, n: usize) {
        if let Some(caller) = self.callers.get_mut(n) {
            caller.at = At::Over;
            let (began, at) = (caller.began, self.now);
            caller.ended = caller.call.take().map(|call| Ended {
                caller: n,
                began,
                at,
                result: AnyCall::end(call),
            });
        }
    }

    fn wake(&mut self) {
        for caller in &mut self.callers {
            if matches!(caller.at, At::Waiting(_)) {
                caller.at = At::Awake;
            }
        }
    }

    /// What adapter, network and cloud do with one request.
    fn send(&mut self, n: usize, attempt: Attempt) {
        let weather = self.weather.pop_front().unwrap_or(Weather::Fine);
        let deadline = attempt.deadline().elapsed_from_origin();
        let (number, stage) = (attempt.number(), attempt.stage());
        let request = attempt.into_request();
        let token_left = self.token_left(&request);
        let arrives = self.now + self.latency;
        let back = arrives + self.latency;
        let (mut status, mut retry_after) = (None, None);
        let (ends, outcome) = match weather {
            Weather::Refused => (back, Outcome::Failed(Failure::never_sent(FailureKind::Connect))),
            Weather::LostBefore => {
                (back, Outcome::Failed(Failure::answer_lost(FailureKind::Broken)))
            }
            Weather::Fine | Weather::LostAfter | Weather::Slow(_) => {
                let reaction = self.cloud.react(EPOCH + arrives, &request);
                status = Some(reaction.answer.status().as_u16());
                let asked = reaction.answer.headers().get("retry-after");
                retry_after = asked.and_then(|text| text.to_str().ok()?.parse().ok());
                let delay = match (weather, reaction.delivery) {
                    (Weather::Slow(delay), _) | (_, Delivery::Delayed(delay)) => delay,
                    _ => Duration::ZERO,
                };
                let lost = weather == Weather::LostAfter
                    || matches!(
                        reaction.delivery,
                        Delivery::Dropped | Delivery::Truncated | Delivery::Garbage
                    );
                let outcome = if lost {
                    Outcome::Failed(Failure::answer_lost(FailureKind::Broken))
                } else {
                    Outcome::Answer(reaction.answer)
                };
                (back.saturating_add(delay), outcome)
            }
        };
        let (ends, outcome) = if ends > deadline {
            // The adapter gives up, and the answer comes all the same.
            self.late.push((ends, n, number, outcome));
            (deadline, Outcome::Failed(Failure::answer_lost(FailureKind::Timeout)))
        } else {
            (ends, outcome)
        };
        self.sent.push(Sent {
            caller: n,
            at: self.now,
            stage,
            number,
            weather,
            status,
            answered: matches!(outcome, Outcome::Answer(_)),
            token_left,
            ends,
            retry_after,
        });
        if let Some(caller) = self.callers.get_mut(n) {
            caller.at = At::InFlight { number, ends, outcome: Some(outcome) };
        }
    }

    /// Hands answers over that nobody waits for: they must change nothing.
    fn deliver_late(&mut self) {
        let now = self.clock(self.now);
        let (due, later) =
            std::mem::take(&mut self.late).into_iter().partition(|late| late.0 <= self.now);
        self.late = later;
        for (_, n, number, outcome) in due {
            if let (Some(caller), Some(shared)) = (self.callers.get_mut(n), &mut self.shared)
                && let Some(call) = &mut caller.call
            {
                assert!(!call.handle(shared, now, number, outcome), "a late answer was taken");
            }
        }
    }

    fn token_left(&self, request: &http::Request<Vec<u8>>) -> Option<f64> {
        let token = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
        let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let claims = claims.decode(token.split('.').nth(1)?).ok()?;
        let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
        Some(claims.get("exp")?.as_f64()? - (EPOCH + self.now).as_secs_f64())
    }

    fn clock(&self, at: Duration) -> Now {
        let off = Duration::from_secs(self.wall_off.unsigned_abs());
        let wall = SystemTime::UNIX_EPOCH + EPOCH + at.min(Duration::from_secs(1 << 40));
        let wall = if self.wall_off < 0 { wall - off } else { wall + off };
        Now::new(Mono::from_origin(at), wall)
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.now
    }

    /// The callers, in the order in which they were started.
    #[must_use]
    pub fn callers(&self) -> &[Caller] {
        &self.callers
    }

    /// The calls that have ended.
    pub fn ended(&self) -> impl Iterator<Item = &Ended> {
        self.callers.iter().filter_map(|caller| caller.ended.as_ref())
    }

    /// How that caller's call ended.
    ///
    /// # Panics
    /// If it has not.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test reports by panicking")]
    pub fn end_of(&self, caller: usize) -> &Ended {
        self.callers.get(caller).and_then(|caller| caller.ended.as_ref()).expect("it has ended")
    }

    /// What was sent for one stage.
    pub fn sent_for(&self, stage: Stage) -> impl Iterator<Item = &Sent> {
        self.sent.iter().filter(move |sent| sent.stage == stage)
    }

    /// How many consumers' tokens the connector keeps or is fetching.
    #[must_use]
    pub fn consumers(&self) -> usize {
        self.shared.as_ref().map(Shared::consumers).unwrap_or_default()
    }

    /// How many events with this text the cloud has kept.
    #[must_use]
    pub fn kept(&self, text: &str) -> usize {
        let is = |event: &serde_json::Value| event.get("message").is_some_and(|kept| kept == text);
        self.cloud.messages().iter().filter(|message| is(&message.event)).count()
    }

    /// Everything that can be printed of all that is there.
    #[must_use]
    pub fn shown(&self) -> String {
        let mut shown = format!("{:?}\n{:?}\n", self.config, self.shared);
        for caller in &self.callers {
            let call = caller.call.as_ref().map(|call| call.shown());
            // Writing to a String does not fail.
            let _ = writeln!(shown, "{call:?} {:?} {:?}", caller.events, caller.ended);
            if let Some(Ended { result: Err(error), .. }) = &caller.ended {
                let mut cause: Option<&dyn std::error::Error> = Some(error);
                while let Some(error) = cause {
                    let _ = writeln!(shown, "{error}");
                    cause = error.source();
                }
            }
        }
        shown
    }
}

/// A consumer.
///
/// # Panics
/// Never: it is a good id.
#[must_use]
#[expect(clippy::expect_used, reason = "a test reports by panicking")]
pub fn ada() -> ExtConsumerId {
    ExtConsumerId::new("pigeon-ring-0042").expect("a good id")
}

/// Opens a conversation for [`ada`] in `world`, and gives its id.
///
/// # Panics
/// If it cannot be opened.
#[must_use]
#[expect(clippy::expect_used, reason = "a test reports by panicking")]
pub fn conversation_of(world: &mut World) -> ConversationId {
    world.start(lp_connector_core::api::OpenConversation::new(ada()));
    world.run();
    let open = world.cloud.conversations().find(|conversation| conversation.open);
    ConversationId::new(&open.expect("an open conversation").id).expect("a good id")
}
