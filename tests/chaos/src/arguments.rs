//! The options of the program.

use std::path::PathBuf;
use std::time::Duration;

use lp_connector_sandbox::Fault;

use crate::ChaosError;
use crate::outage::{self, OutageKind};

pub(crate) const HELP: &str = "\
Kills the bridge again and again, and compares the books of both sides.

  --messages N        accepted messages in all (2000); the agents answer each second one
  --consumers N       how many consumers write them (one for each 20 messages, 100 to 1000)
  --instances N       processes of the bridge over one store (1)
  --kill-every TIME   SIGKILL for one of them, and another one in its place (300ms)
  --freeze TIME       besides, SIGSTOP for one of them that has a commit in hand, for this long, again and again
  --beside FILE       each second process is of this other version of this program: see beside.sh
  --engine-stop TIME  in the middle, the file is locked or the server is stopped for this long
  --engine-restart TIME  the server is stopped each time, with `-m fast` and `-m immediate` in turn; first for 10 s
  --failover          a server with a synchronous standby, which acknowledges nothing for a while; then the server is
                      killed and the standby promoted
  --disk-full TIME    the store's disk is full for this long in the middle
  --fault FAULT       a fault of the sandbox, such as send:p0.05=drop-after; repeatable
  --delay TIME        notifications come late by this much
  --program FILE      the bridge is this program, lp-connector, and its channel is the gateway in Python
  --gateway FILE      that gateway (adapters/cli/examples/gateway.py)
  --store STORE       sqlite, or postgres: that of LP_TEST_POSTGRES or pg_virtualenv, or one of its own (sqlite)
  --cold N            another run: start N processes at once, and count how often a token was asked for
  --limit TIME        give up after this long (600s, or 60ms for each message)
  --directory DIR     where the store is (a new one that is removed)";

#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) messages: usize,
    pub(crate) consumers: usize,
    pub(crate) instances: usize,
    pub(crate) kill_every: Option<Duration>,
    pub(crate) freeze: Option<Duration>,
    pub(crate) outage: Option<(OutageKind, Duration)>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) program: Option<PathBuf>,
    pub(crate) gateway: PathBuf,
    pub(crate) postgres: bool,
    pub(crate) engine_restart: Option<Duration>,
    pub(crate) failover: bool,
    pub(crate) beside: Option<PathBuf>,
    pub(crate) cold: Option<usize>,
    pub(crate) limit: Duration,
    pub(crate) directory: Option<PathBuf>,
}

pub(crate) fn parse() -> Result<Arguments, ChaosError> {
    let mut arguments = Arguments {
        messages: 2000,
        consumers: 0,
        instances: 1,
        kill_every: Some(Duration::from_millis(300)),
        freeze: None,
        outage: None,
        faults: Vec::new(),
        program: None,
        gateway: "adapters/cli/examples/gateway.py".into(),
        postgres: false,
        engine_restart: None,
        failover: false,
        beside: None,
        cold: None,
        limit: Duration::ZERO,
        directory: None,
    };
    let mut given = std::env::args().skip(1);
    while let Some(option) = given.next() {
        let mut value = || given.next().ok_or_else(|| format!("{option} needs a value"));
        match option.as_str() {
            "--messages" => arguments.messages = value()?.parse()?,
            "--consumers" => arguments.consumers = value()?.parse::<usize>()?.max(1),
            "--instances" => arguments.instances = value()?.parse::<usize>()?.max(1),
            "--kill-every" => {
                let time = time(&value()?)?;
                arguments.kill_every = (time > Duration::ZERO).then_some(time);
            }
            "--freeze" => arguments.freeze = Some(time(&value()?)?),
            "--engine-stop" => {
                arguments.outage = Some((OutageKind::Locked, time(&value()?)?));
            }
            "--disk-full" => arguments.outage = Some((OutageKind::Full, time(&value()?)?)),
            "--fault" => arguments.faults.push(value()?.parse()?),
            "--delay" => {
                let fault = format!("webhook=delay:{}ms", time(&value()?)?.as_millis());
                arguments.faults.push(fault.parse()?);
            }
            "--engine-restart" => arguments.engine_restart = Some(time(&value()?)?),
            "--failover" => arguments.failover = true,
            "--beside" => arguments.beside = Some(value()?.into()),
            "--cold" => arguments.cold = Some(value()?.parse::<usize>()?.max(1)),
            "--program" => arguments.program = Some(value()?.into()),
            "--gateway" => arguments.gateway = value()?.into(),
            "--limit" => arguments.limit = time(&value()?)?,
            outage::SMALL_DISK | "--directory" => arguments.directory = Some(value()?.into()),
            "--store" => match value()?.as_str() {
                "sqlite" => arguments.postgres = false,
                "postgres" => arguments.postgres = true,
                other => {
                    let known = "there are sqlite and postgres";
                    return Err(format!("there is no store {other}: {known}").into());
                }
            },
            other => return Err(format!("there is no option {other}: see --help").into()),
        }
    }
    arguments.check()?;
    if arguments.consumers == 0 {
        arguments.consumers = (arguments.messages / 20).clamp(100, 1000);
    }
    if arguments.limit.is_zero() {
        let each = Duration::from_millis(60).saturating_mul(arguments.messages.try_into()?);
        arguments.limit = each.max(Duration::from_secs(600));
    }
    Ok(arguments)
}

impl Arguments {
    /// Refuses options that do not go together.
    fn check(&mut self) -> Result<(), ChaosError> {
        if self.program.is_some() && self.instances > 1 {
            return Err("the gateway in Python knows one program: leave --instances out".into());
        }
        if self.program.is_some() && (self.postgres || self.beside.is_some()) {
            return Err("--program goes with neither --store postgres nor --beside".into());
        }
        if (self.failover || self.engine_restart.is_some()) && !self.postgres {
            return Err("there is no server to stop: say --store postgres".into());
        }
        if self.failover && self.engine_restart.is_some() {
            return Err("--failover and --engine-restart are two runs".into());
        }
        if self.freeze.is_some() && self.instances < 2 {
            return Err("--freeze needs another process that goes on: say --instances 2".into());
        }
        if let Some((kind @ OutageKind::Locked, _)) = self.outage.as_mut().filter(|_| self.postgres)
        {
            *kind = OutageKind::Stopped;
        }
        Ok(())
    }
}

/// `300ms`, `20s`, `10m`.
fn time(text: &str) -> Result<Duration, ChaosError> {
    let digits = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| format!("{text} is no time: say 300ms or 20s"))?;
    match text.get(digits.len()..) {
        Some("ms") => Ok(Duration::from_millis(number)),
        Some("s") => Ok(Duration::from_secs(number)),
        Some("m") => Ok(Duration::from_secs(number.saturating_mul(60))),
        _ => Err(format!("{text} is no time: say 300ms or 20s").into()),
    }
}
