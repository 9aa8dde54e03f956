//! A request's way to the cloud, and its answer's way back.

use std::time::Duration;

use base64::Engine as _;
use http::Request;
use http::header::AUTHORIZATION;
use lp_connector_core::connector::{Attempt, Outcome};
use lp_connector_core::error::Stage;
use lp_connector_sandbox::Transmission;

use crate::caller::CallerState;
use crate::clock::EPOCH;
use crate::event_log::{LogEntry, SentRequest};
use crate::network::{Latencies, NetworkFault, answer_lost, failure_without_answer, timed_out};
use crate::wire::Connection;
use crate::world::World;

/// A request on its way there.
#[derive(Debug)]
pub(crate) struct RequestInFlight {
    pub(crate) arrives_at: Duration,
    nth: usize,
    /// Of which life of its process it is.
    generation: u64,
    back: Duration,
    request: Request<Vec<u8>>,
    connection: Option<(String, Connection)>,
}

/// An answer that comes when nobody waits for it any more.
#[derive(Debug)]
pub(crate) struct LateAnswer {
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
        let debug_text =
            if self.event_log_enabled { format!("{attempt:?}") } else { String::new() };
        let request = attempt.into_request();
        let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let mut resource = request.uri().path().to_owned();
        if stage == Stage::ConsumerJws {
            resource.push_str(&String::from_utf8_lossy(request.body()));
        }
        let https = request.uri().scheme_str() == Some("https");
        let planned = self.request_faults.get(&(n, number)).copied();
        let mut fault =
            planned.or_else(|| self.network_faults.pop_front()).unwrap_or(NetworkFault::None);
        if self.dead_hosts.contains(&host) {
            fault = NetworkFault::Refused;
        }
        let latencies = Latencies::new(self.latency, self.latency_seed, n, number);
        let mut arrives_at = self.now.saturating_add(latencies.request);
        if let NetworkFault::SlowRequest(by) = fault {
            arrives_at = arrives_at.saturating_add(by);
        }
        let back_now = arrives_at.saturating_add(latencies.response);
        let (outcome_at, outcome) = match failure_without_answer(fault) {
            Some(outcome) if back_now <= deadline => (back_now, outcome),
            _ => (deadline, timed_out()),
        };
        let (token_remaining, token_issued_at) = self.token(&request).unzip();
        let nth = self.sent.len();
        if failure_without_answer(fault).is_none() {
            let wire = self.processes.get_mut(process).and_then(|program| program.wire.as_mut());
            let connection = wire.map(|wire| {
                let connection = wire.connection(&host, mono);
                (host.clone(), connection)
            });
            let generation =
                self.processes.get(process).map(|program| program.generation).unwrap_or_default();
            let back = latencies.response;
            self.in_flight.push(RequestInFlight {
                arrives_at,
                nth,
                generation,
                back,
                request,
                connection,
            });
        }
        self.sent.push(SentRequest {
            caller: n,
            process,
            at: self.now,
            stage,
            number,
            fault,
            status: None,
            answered: false,
            token_remaining,
            token_issued_at,
            outcome_at,
            deadline,
            retry_after: None,
            host,
            resource,
            https,
            debug_text,
        });
        if let Some(caller) = self.callers.get_mut(n) {
            caller.state =
                CallerState::InFlight { nth, number, outcome_at, outcome: Some(outcome) };
        }
        self.log(LogEntry::RequestSent { nth });
    }

    /// What the cloud does with a request that has arrived, and what the network does with the answer.
    pub(crate) fn arrive(&mut self, n: usize) {
        let RequestInFlight { nth, generation, back, request, connection, .. } =
            self.in_flight.swap_remove(n);
        let reply = self.cloud.reply(self.cloud_clock(), &request);
        self.wake_delivery();
        let (Some(sent), now) = (self.sent.get_mut(nth), self.now) else { return };
        let (caller, number, fault) = (sent.caller, sent.number, sent.fault);
        sent.status = Some(reply.response.status().as_u16());
        let asked = reply.response.headers().get("retry-after");
        sent.retry_after = asked.and_then(|text| text.to_str().ok()?.parse().ok());
        let (process, deadline) = (sent.process, sent.deadline);
        self.log(LogEntry::RequestArrived { nth });
        let delay = match (fault, reply.transmission) {
            (NetworkFault::SlowResponse(delay), _) | (_, Transmission::Delayed(delay)) => delay,
            _ => Duration::ZERO,
        };
        let outcome_at = now.saturating_add(back).saturating_add(delay);
        let lost = matches!(fault, NetworkFault::ResponseLost)
            || matches!(
                reply.transmission,
                Transmission::Dropped | Transmission::Truncated | Transmission::Garbage
            );
        let Some(program) = self.processes.get_mut(process) else { return };
        let here = program.generation == generation && outcome_at <= deadline;
        let mono = program.clock.mono(outcome_at);
        let outcome = match (connection, &mut program.wire) {
            _ if lost => answer_lost(),
            (Some((origin, connection)), Some(wire)) if here => {
                let mix = (nth as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let transmitted =
                    wire.transmit((&origin, connection), &reply.response, fault, mix, mono);
                if !transmitted.is_faithful {
                    self.log(LogEntry::WrongAnswer { nth });
                }
                transmitted.outcome
            }
            _ if matches!(fault, NetworkFault::Truncated(_)) => answer_lost(),
            _ => Outcome::Answer(reply.response),
        };
        if let (NetworkFault::Duplicated(after), Outcome::Answer(answer)) = (fault, &outcome) {
            let outcome = Outcome::Answer(answer.clone());
            self.late_answers.push(LateAnswer {
                at: outcome_at.saturating_add(after),
                caller,
                number,
                outcome,
            });
        }
        match self.callers.get_mut(caller).map(|caller| &mut caller.state) {
            Some(CallerState::InFlight {
                nth: flying, outcome_at: until, outcome: known, ..
            }) if *flying == nth && here => {
                *until = outcome_at;
                if let Some(sent) = self.sent.get_mut(nth) {
                    sent.answered = matches!(outcome, Outcome::Answer(_));
                    sent.outcome_at = outcome_at;
                }
                *known = Some(outcome);
            }
            // The adapter gives up, or has, and the answer comes all the same.
            _ => self.late_answers.push(LateAnswer { at: outcome_at, caller, number, outcome }),
        }
    }

    /// Hands an answer over that nobody waits for: it must change nothing.
    pub(crate) fn deliver_late_answer(&mut self, n: usize) {
        let LateAnswer { caller, number, outcome, .. } = self.late_answers.swap_remove(n);
        let Some(waiting) = self.callers.get_mut(caller) else { return };
        let Some(process) = self.processes.get_mut(waiting.process) else { return };
        let now = process.clock.now(self.now);
        // Not while its own attempt is still under way: that answer would be in time.
        let in_time =
            matches!(waiting.state, CallerState::InFlight { number: own, .. } if own == number);
        if let (Some(call), false) = (&mut waiting.call, in_time) {
            let accepted = call.handle(&mut process.shared, now, number, outcome);
            assert!(self.event_log_enabled || !accepted, "a late answer was taken");
            self.log(LogEntry::LateAnswer { caller, number, accepted });
        }
    }

    /// What the cloud's clock says.
    pub(crate) fn cloud_clock(&self) -> Duration {
        let off = Duration::from_secs(self.cloud_clock_offset.unsigned_abs());
        let now = EPOCH + self.now.min(Duration::from_secs(1 << 40));
        if self.cloud_clock_offset < 0 { now - off } else { now + off }
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
