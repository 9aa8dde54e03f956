//! How often, and after which pauses, a call's own request is sent.

use std::collections::BTreeMap;
use std::time::Duration;

use lp_connector_core::error::Stage;

use super::{CallSpec, ROUNDING};
use crate::event_log::SentRequest;
use crate::invariant::{Invariant, Violation};
use crate::scenario::Policy;

/// The pauses of protocol.md 11, written out here once more.
const DOCUMENTED: [Duration; 3] =
    [Duration::from_secs(5), Duration::from_secs(10), Duration::from_secs(15)];

#[derive(Debug, Default)]
pub(super) struct Attempts(BTreeMap<usize, Call>);

#[derive(Debug, Default)]
struct Call {
    tries: usize,
    /// Pauses used up, as each repetition uses one.
    pauses: usize,
    renewals: usize,
    last_number: u32,
    /// How the last try ended, and when.
    last: Option<(Ending, Duration)>,
}

#[derive(Clone, Copy, Debug)]
enum Ending {
    Answer(u16, Option<u64>),
    None,
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
                format!("#{} of {name} again", sent.number),
            );
        }
        call.last_number = sent.number;
        if sent.stage != Stage::Operation {
            return Ok(());
        }
        call.tries += 1;
        let retries = if spec.policy == Policy::None { 0 } else { DOCUMENTED.len() };
        if let Some((ending, ended)) = call.last {
            let renewed = matches!(ending, Ending::Answer(401, _));
            if renewed {
                call.renewals += 1;
            } else {
                call.pauses += 1;
            }
            if call.renewals > 2 || call.pauses > retries {
                let why = format!(
                    "try {} of {name}: {} renewals, {} repetitions",
                    call.tries, call.renewals, call.pauses
                );
                return fail(Invariant::AttemptsWithinPolicy, why);
            }
            let documented = DOCUMENTED.get(call.pauses.wrapping_sub(1)).copied();
            let documented = documented.unwrap_or_default();
            let asked = |seconds: Option<u64>| Duration::from_secs(seconds.unwrap_or_default());
            let least = match ending {
                Ending::Answer(401, _) => Duration::ZERO,
                Ending::Answer(429, seconds) => asked(seconds).max(Duration::from_secs(1)),
                Ending::Answer(503, seconds) => asked(seconds).max(documented),
                Ending::Answer(..) | Ending::None => documented,
            };
            let pause = at.saturating_sub(ended);
            if pause + ROUNDING + least / 1000 < least {
                let why = format!("{name} paused {pause:?} after {ending:?}, not {least:?}");
                return fail(Invariant::PausesRespected, why);
            }
        }
        Ok(())
    }

    pub(super) fn on_outcome(&mut self, sent: &SentRequest, at: Duration) {
        if sent.stage == Stage::Operation {
            let ending = match sent.status {
                Some(status) if sent.answered => Ending::Answer(status, sent.retry_after),
                _ => Ending::None,
            };
            self.0.entry(sent.caller).or_default().last = Some((ending, at));
        }
    }
}
