//! How many attempts a call makes of its own request, and how long it pauses between them.

use std::collections::BTreeMap;
use std::time::Duration;

use lp_connector_core::error::Stage;

use super::{CallSpec, ROUNDING};
use crate::event_log::SentRequest;
use crate::invariant::{Invariant, Violation};
use crate::scenario::Policy;

/// The pauses of [protocol.md 11](lp_connector_core::protocol#11), written down again independently
/// of the core.
const DOCUMENTED: [Duration; 3] =
    [Duration::from_secs(5), Duration::from_secs(10), Duration::from_secs(15)];

#[derive(Debug, Default)]
pub(super) struct Attempts(BTreeMap<usize, Call>);

#[derive(Debug, Default)]
struct Call {
    attempts: usize,
    /// Pauses used so far; each retry uses one.
    pauses: usize,
    refreshes: usize,
    last_number: u32,
    /// How the last attempt ended, and when.
    last: Option<(Ending, Duration)>,
}

#[derive(Clone, Copy, Debug)]
enum Ending {
    /// The status, and the `Retry-After` seconds.
    Response(u16, Option<u64>),
    NoResponse,
}

impl Attempts {
    pub(super) fn on_sent(
        &mut self,
        callers: &[CallSpec],
        sent: &SentRequest,
        at: Duration,
    ) -> Result<(), Violation> {
        let call = self.0.entry(sent.caller).or_default();
        let fail = |invariant, why: String| Err(Violation::new(invariant, at, why));
        let Some(spec) = callers.get(sent.caller) else { return Ok(()) };
        let name = spec.name;
        if sent.number <= call.last_number {
            return fail(
                Invariant::AttemptsWithinPolicy,
                format!("caller {name} sent #{} again", sent.number),
            );
        }
        call.last_number = sent.number;
        if sent.stage != Stage::Operation {
            return Ok(());
        }
        call.attempts += 1;
        let retries = if spec.policy == Policy::None { 0 } else { DOCUMENTED.len() };
        if let Some((ending, ended)) = call.last {
            let renewed = matches!(ending, Ending::Response(401, _));
            if renewed {
                call.refreshes += 1;
            } else {
                call.pauses += 1;
            }
            if call.refreshes > 2 || call.pauses > retries {
                let why = format!(
                    "attempt {} of caller {name}: {} refreshes, {} retries",
                    call.attempts, call.refreshes, call.pauses
                );
                return fail(Invariant::AttemptsWithinPolicy, why);
            }
            let documented = DOCUMENTED.get(call.pauses.wrapping_sub(1)).copied();
            let documented = documented.unwrap_or_default();
            let retry_after =
                |seconds: Option<u64>| Duration::from_secs(seconds.unwrap_or_default());
            let minimum = match ending {
                Ending::Response(401, _) => Duration::ZERO,
                Ending::Response(429, seconds) => retry_after(seconds).max(Duration::from_secs(1)),
                Ending::Response(503, seconds) => retry_after(seconds).max(documented),
                Ending::Response(..) | Ending::NoResponse => documented,
            };
            let pause = at.saturating_sub(ended);
            if pause + ROUNDING + minimum / 1000 < minimum {
                let why =
                    format!("caller {name} paused {pause:?} after {ending:?}, not {minimum:?}");
                return fail(Invariant::PausesRespected, why);
            }
        }
        Ok(())
    }

    pub(super) fn on_outcome(&mut self, sent: &SentRequest, at: Duration) {
        if sent.stage == Stage::Operation {
            let ending = match sent.status {
                Some(status) if sent.received => Ending::Response(status, sent.retry_after),
                _ => Ending::NoResponse,
            };
            self.0.entry(sent.caller).or_default().last = Some((ending, at));
        }
    }
}
