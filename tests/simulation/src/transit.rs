//! A request's way to the cloud, and its answer's way back.

use std::time::Duration;

use base64::Engine as _;
use http::Request;
use http::header::AUTHORIZATION;
use lp_connector_core::connector::{Attempt, Outcome};
use lp_connector_core::error::Stage;
use lp_connector_sandbox::Delivery;

use crate::caller::At;
use crate::clock::EPOCH;
use crate::journal::{Happened, Sent};
use crate::network::{Ways, Weather, broken, nothing_arrives, timed_out};
use crate::wire::Connection;
use crate::world::World;

/// A request on its way there.
#[derive(Debug)]
pub(crate) struct Travelling {
    pub(crate) arrives: Duration,
    nth: usize,
    /// Of which life of its process it is.
    life: u64,
    back: Duration,
    request: Request<Vec<u8>>,
    connection: Option<(String, Connection)>,
}

/// An answer that comes when nobody waits for it any more.
#[derive(Debug)]
pub(crate) struct Late {
    pub(crate) at: Duration,
    caller: usize,
    number: u32,
    outcome: Outcome,
}

impl World {
    /// What adapter and network do with one request.
    pub(crate) fn send(&mut self, n: usize, attempt: Attempt) {
        let Some(process) = self.callers.get(n).map(|caller| caller.process) else { return };
        let Some(program) = self.processes.get_mut(process) else { return };
        let (number, stage) = (attempt.number(), attempt.stage());
        let deadline = program.clock.when(attempt.deadline());
        let mono = program.clock.mono(self.now);
        let shown = if self.watched { format!("{attempt:?}") } else { String::new() };
        let request = attempt.into_request();
        let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let mut what = request.uri().path().to_owned();
        if stage == Stage::ConsumerJws {
            what.push_str(&String::from_utf8_lossy(request.body()));
        }
        let https = request.uri().scheme_str() == Some("https");
        let trouble = self.troubles.get(&(n, number)).copied();
        let mut weather = trouble.or_else(|| self.weather.pop_front()).unwrap_or(Weather::Fine);
        if self.gone.contains(&host) {
            weather = Weather::Refused;
        }
        let ways = Ways::new(self.latency, self.mixed, n, number);
        let mut arrives = self.now.saturating_add(ways.there);
        if let Weather::Overtaken(by) = weather {
            arrives = arrives.saturating_add(by);
        }
        let back_now = arrives.saturating_add(ways.back);
        let (ends, outcome) = match nothing_arrives(weather) {
            Some(outcome) if back_now <= deadline => (back_now, outcome),
            _ => (deadline, timed_out()),
        };
        let (token_left, token_from) = self.token(&request).unzip();
        let nth = self.sent.len();
        if nothing_arrives(weather).is_none() {
            let wire = self.processes.get_mut(process).and_then(|program| program.wire.as_mut());
            let connection = wire.map(|wire| {
                let connection = wire.connection(&host, mono);
                (host.clone(), connection)
            });
            let life = self.processes.get(process).map(|program| program.life).unwrap_or_default();
            let back = ways.back;
            self.travelling.push(Travelling { arrives, nth, life, back, request, connection });
        }
        self.sent.push(Sent {
            caller: n,
            process,
            at: self.now,
            stage,
            number,
            weather,
            status: None,
            answered: false,
            token_left,
            token_from,
            ends,
            deadline,
            retry_after: None,
            host,
            what,
            https,
            shown,
        });
        if let Some(caller) = self.callers.get_mut(n) {
            caller.at = At::InFlight { nth, number, ends, outcome: Some(outcome) };
        }
        self.note(Happened::Sent { nth });
    }

    /// What the cloud does with a request that has arrived, and what the network does with the answer.
    pub(crate) fn arrive(&mut self, n: usize) {
        let Travelling { nth, life, back, request, connection, .. } =
            self.travelling.swap_remove(n);
        let reaction = self.cloud.react(self.cloud_clock(), &request);
        self.published();
        let (Some(sent), now) = (self.sent.get_mut(nth), self.now) else { return };
        let (caller, number, weather) = (sent.caller, sent.number, sent.weather);
        sent.status = Some(reaction.answer.status().as_u16());
        let asked = reaction.answer.headers().get("retry-after");
        sent.retry_after = asked.and_then(|text| text.to_str().ok()?.parse().ok());
        let (process, deadline) = (sent.process, sent.deadline);
        self.note(Happened::Arrived { nth });
        let delay = match (weather, reaction.delivery) {
            (Weather::Slow(delay), _) | (_, Delivery::Delayed(delay)) => delay,
            _ => Duration::ZERO,
        };
        let ends = now.saturating_add(back).saturating_add(delay);
        let lost = matches!(weather, Weather::LostAfter)
            || matches!(
                reaction.delivery,
                Delivery::Dropped | Delivery::Truncated | Delivery::Garbage
            );
        let Some(program) = self.processes.get_mut(process) else { return };
        let here = program.life == life && ends <= deadline;
        let mono = program.clock.mono(ends);
        let outcome = match (connection, &mut program.wire) {
            _ if lost => broken(),
            (Some((origin, connection)), Some(wire)) if here => {
                let mix = (nth as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let carried =
                    wire.carry((&origin, connection), &reaction.answer, weather, mix, mono);
                if !carried.true_to_it {
                    self.note(Happened::Mangled { nth });
                }
                carried.outcome
            }
            _ if matches!(weather, Weather::Cut(_)) => broken(),
            _ => Outcome::Answer(reaction.answer),
        };
        if let (Weather::Twice(after), Outcome::Answer(answer)) = (weather, &outcome) {
            let outcome = Outcome::Answer(answer.clone());
            self.late.push(Late { at: ends.saturating_add(after), caller, number, outcome });
        }
        match self.callers.get_mut(caller).map(|caller| &mut caller.at) {
            Some(At::InFlight { nth: flying, ends: until, outcome: known, .. })
                if *flying == nth && here =>
            {
                *until = ends;
                if let Some(sent) = self.sent.get_mut(nth) {
                    sent.answered = matches!(outcome, Outcome::Answer(_));
                    sent.ends = ends;
                }
                *known = Some(outcome);
            }
            // The adapter gives up, or has, and the answer comes all the same.
            _ => self.late.push(Late { at: ends, caller, number, outcome }),
        }
    }

    /// Hands an answer over that nobody waits for: it must change nothing.
    pub(crate) fn deliver_late(&mut self, n: usize) {
        let Late { caller, number, outcome, .. } = self.late.swap_remove(n);
        let Some(waiting) = self.callers.get_mut(caller) else { return };
        let Some(process) = self.processes.get_mut(waiting.process) else { return };
        let now = process.clock.now(self.now);
        // Not while its own attempt is still under way: that answer would be in time.
        let in_time = matches!(waiting.at, At::InFlight { number: own, .. } if own == number);
        if let (Some(call), false) = (&mut waiting.call, in_time) {
            let taken = call.handle(&mut process.shared, now, number, outcome);
            assert!(self.watched || !taken, "a late answer was taken");
            self.note(Happened::Late { caller, number, taken });
        }
    }

    /// What the cloud's clock says.
    pub(crate) fn cloud_clock(&self) -> Duration {
        let off = Duration::from_secs(self.cloud_off.unsigned_abs());
        let now = EPOCH + self.now.min(Duration::from_secs(1 << 40));
        if self.cloud_off < 0 { now - off } else { now + off }
    }

    /// For how long the request's token is still good by the cloud's clock, and since when it was.
    fn token(&self, request: &Request<Vec<u8>>) -> Option<(f64, f64)> {
        let token = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
        let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let claims = claims.decode(token.split('.').nth(1)?).ok()?;
        let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
        let now = self.cloud_clock().as_secs_f64();
        let issued = claims.get("iat")?.as_f64()?;
        let age = now - issued;
        Some((claims.get("exp")?.as_f64()? - now, self.now.as_secs_f64() - age))
    }
}
