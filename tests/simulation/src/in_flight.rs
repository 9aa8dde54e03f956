//! Requests and responses in flight between a process and the cloud.

use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use lp_connector_core::connector::{Attempt, Outcome, Wake};
use lp_connector_core::error::Stage;
use lp_connector_sandbox::Transmission;

use crate::caller::CallerState;
use crate::clock::EPOCH;
use crate::event_log::{LogEntry, SentRequest};
use crate::network::{Latencies, NetworkFault, failure_without_response, response_lost, timed_out};
use crate::wire::Connection;
use crate::world::World;

/// A request that has not reached the cloud.
#[derive(Debug)]
pub(crate) struct RequestInFlight {
    pub(crate) arrives_at: Duration,
    nth: usize,
    /// The generation of the process that sent it.
    generation: u64,
    response_latency: Duration,
    request: Request<Vec<u8>>,
    connection: Option<(String, Connection)>,
}

/// A response that arrives after its attempt has ended.
#[derive(Debug)]
pub(crate) struct LateResponse {
    pub(crate) at: Duration,
    caller: usize,
    number: u32,
    outcome: Outcome,
}

impl World {
    /// Sends a request, as an adapter does, and applies the network's fault to it.
    pub(crate) fn send(&mut self, n: usize, attempt: Attempt) {
        let Some(process) = self.callers.get(n).map(|caller| caller.process) else { return };
        let Some(program) = self.processes.get_mut(process) else { return };
        let (number, stage) = (attempt.number(), attempt.stage());
        let deadline = program.clock.when(attempt.deadline());
        let mono = program.clock.mono(self.now);
        let debug_text =
            if self.event_log_enabled { format!("{attempt:?}") } else { String::new() };
        let request = attempt.into_request().map(Vec::from);
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
        let failure_at = arrives_at.saturating_add(latencies.response);
        let (outcome_at, outcome) = match failure_without_response(fault) {
            Some(outcome) if failure_at <= deadline => (failure_at, outcome),
            _ => (deadline, timed_out()),
        };
        let (token_remaining, token_issued_at) = self.token_times(&request).unzip();
        let nth = self.sent.len();
        if failure_without_response(fault).is_none() {
            let wire = self.processes.get_mut(process).and_then(|program| program.wire.as_mut());
            let connection = wire.map(|wire| {
                let connection = wire.connection(&host, mono);
                (host.clone(), connection)
            });
            let generation =
                self.processes.get(process).map(|program| program.generation).unwrap_or_default();
            self.in_flight.push(RequestInFlight {
                arrives_at,
                nth,
                generation,
                response_latency: latencies.response,
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
            received: false,
            token_remaining,
            token_issued_at,
            outcome_at,
            deadline,
            retry_after: None,
            host,
            resource,
            https,
            is_unreadable: false,
            is_delayed: false,
            debug_text,
        });
        if let Some(caller) = self.callers.get_mut(n) {
            caller.state =
                CallerState::InFlight { nth, number, outcome_at, outcome: Some(outcome) };
        }
        self.log(LogEntry::RequestSent { nth });
    }

    /// Hands an arrived request to the cloud, and applies the network's fault to the response.
    pub(crate) fn arrive(&mut self, n: usize) {
        let RequestInFlight { nth, generation, response_latency, request, connection, .. } =
            self.in_flight.swap_remove(n);
        let reply = self.cloud.reply(self.cloud_clock(), &request);
        self.wake_delivery();
        let (Some(sent), now) = (self.sent.get_mut(nth), self.now) else { return };
        let (caller, number, fault) = (sent.caller, sent.number, sent.fault);
        sent.status = Some(reply.response.status().as_u16());
        let retry_after = reply.response.headers().get("retry-after");
        sent.retry_after = retry_after.and_then(|text| text.to_str().ok()?.parse().ok());
        let content_type = reply.response.headers().get(CONTENT_TYPE);
        sent.is_unreadable =
            content_type.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        sent.is_delayed =
            matches!(reply.transmission, Transmission::Delayed(_)) || !reply.delay.is_zero();
        let (process, deadline) = (sent.process, sent.deadline);
        self.log(LogEntry::RequestArrived { nth });
        let delay = match (fault, reply.transmission) {
            (NetworkFault::SlowResponse(delay), _) | (_, Transmission::Delayed(delay)) => delay,
            _ => reply.delay,
        };
        let outcome_at = now.saturating_add(response_latency).saturating_add(delay);
        let lost = matches!(fault, NetworkFault::ResponseLost)
            || matches!(
                reply.transmission,
                Transmission::Dropped | Transmission::Truncated | Transmission::Garbage
            );
        let Some(program) = self.processes.get_mut(process) else { return };
        let in_time = program.generation == generation && outcome_at <= deadline;
        let mono = program.clock.mono(outcome_at);
        let outcome = match (connection, &mut program.wire) {
            _ if lost => response_lost(),
            (Some((origin, connection)), Some(wire)) if in_time => {
                let mix = (nth as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let transmitted =
                    wire.transmit((&origin, connection), &reply.response, fault, mix, mono);
                if !transmitted.is_faithful {
                    self.log(LogEntry::WrongResponse { nth });
                }
                transmitted.outcome
            }
            _ if matches!(fault, NetworkFault::Truncated(_)) => response_lost(),
            _ => Outcome::Response(reply.response.map(Bytes::from)),
        };
        if let (NetworkFault::Duplicated(after), Outcome::Response(answer)) = (fault, &outcome) {
            let outcome = Outcome::Response(answer.clone());
            self.late_responses.push(LateResponse {
                at: outcome_at.saturating_add(after),
                caller,
                number,
                outcome,
            });
        }
        match self.callers.get_mut(caller).map(|caller| &mut caller.state) {
            Some(CallerState::InFlight {
                nth: awaited, outcome_at: due, outcome: planned, ..
            }) if *awaited == nth && in_time => {
                *due = outcome_at;
                if let Some(sent) = self.sent.get_mut(nth) {
                    sent.received = matches!(outcome, Outcome::Response(_));
                    sent.outcome_at = outcome_at;
                }
                *planned = Some(outcome);
            }
            // The attempt ends, or has ended, before the response arrives.
            _ => self.late_responses.push(LateResponse { at: outcome_at, caller, number, outcome }),
        }
    }

    /// Hands a late response to the call, which must ignore it.
    pub(crate) fn deliver_late_response(&mut self, n: usize) {
        let LateResponse { caller, number, outcome, .. } = self.late_responses.swap_remove(n);
        let Some(waiting) = self.callers.get_mut(caller) else { return };
        let Some(process) = self.processes.get_mut(waiting.process) else { return };
        let now = process.clock.now(self.now);
        // While the attempt is still in flight, its response would be in time.
        let in_time =
            matches!(waiting.state, CallerState::InFlight { number: own, .. } if own == number);
        if let (Some(call), false) = (&mut waiting.call, in_time) {
            let accepted = call.handle(&mut process.state, now, number, outcome) == Wake::Waiters;
            assert!(self.event_log_enabled || !accepted, "a late response was accepted");
            self.log(LogEntry::LateResponse { caller, number, accepted });
        }
    }

    /// The cloud's clock, as the time since the Unix epoch.
    pub(crate) fn cloud_clock(&self) -> Duration {
        let offset = Duration::from_secs(self.cloud_clock_offset.unsigned_abs());
        let now = EPOCH + self.now.min(Duration::from_secs(1 << 40));
        if self.cloud_clock_offset < 0 { now - offset } else { now + offset }
    }

    /// How many seconds the request's token is still valid by the cloud's clock, and when it was issued.
    fn token_times(&self, request: &Request<Vec<u8>>) -> Option<(f64, f64)> {
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
