//! What a gateway's answer to a delivery means.
//!
//! Either the message is at fault, and will not do a second time, or the gateway is out of order, and the message waits.
//! Nothing that may be a wrong URL, token or secret counts as the message's fault: it would cost every message.
//!
//! | the gateway answers | it means | the bridge |
//! |---|---|---|
//! | 2xx | it has it, durably | goes on |
//! | 400, 413, 415, 422 | this one never will do | tries it three times, then sets it aside |
//! | 408, 429, 5xx, no answer | out of order, or full | waits, in order |
//! | any other | wrong URL, token or secret | waits, in order, and says so |
//!
//! ```
//! use lp_connector_core::bridge::Verdict;
//! use lp_connector_gateway::outcome::Outcome;
//!
//! assert_eq!(Outcome::of(204, None).verdict, Verdict::Taken);
//! assert!(Outcome::of(404, None).is_misconfigured);
//! ```

use std::time::Duration;

use lp_connector_core::bridge::Verdict;

/// The longest `Retry-After` that counts.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// What an answer means.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// What becomes of the delivery.
    pub verdict: Verdict,
    /// The URL, the token or the secret is probably wrong: say so loudly.
    pub is_misconfigured: bool,
}

impl Outcome {
    /// An answer with this status, and the pause that its `Retry-After` asks for.
    #[must_use]
    pub fn of(status: u16, retry_after: Option<Duration>) -> Self {
        let verdict = match status {
            200..=299 => Verdict::Taken,
            400 | 413 | 415 | 422 => {
                Verdict::Refused(format!("the gateway answered with status {status}"))
            }
            429 | 503 => Verdict::Outage(retry_after.map(|pause| pause.min(MAX_RETRY_AFTER))),
            _ => Verdict::Outage(None),
        };
        let is_misconfigured =
            !matches!(status, 200..=299 | 400 | 408 | 413 | 415 | 422 | 429 | 500..);
        Self { verdict, is_misconfigured }
    }

    /// A short fixed name: `taken`, `refused`, `outage` or `misconfigured`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match &self.verdict {
            Verdict::Taken => "taken",
            Verdict::Refused(_) => "refused",
            _ if self.is_misconfigured => "misconfigured",
            _ => "outage",
        }
    }

    /// No answer: no connection, no TLS, no time left.
    #[must_use]
    pub const fn no_answer() -> Self {
        Self { verdict: Verdict::Outage(None), is_misconfigured: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_fault_of_the_message_counts_against_it() {
        for status in 100..=599 {
            let outcome = Outcome::of(status, None);
            let expected = match status {
                200..=299 => Verdict::Taken,
                400 | 413 | 415 | 422 => {
                    Verdict::Refused(format!("the gateway answered with status {status}"))
                }
                _ => Verdict::Outage(None),
            };
            assert_eq!(outcome.verdict, expected, "{status}");
        }
        for status in [301, 302, 307, 401, 403, 404, 405, 410, 418] {
            assert!(Outcome::of(status, None).is_misconfigured, "{status}");
        }
        for status in [204, 400, 408, 429, 500, 503] {
            assert!(!Outcome::of(status, None).is_misconfigured, "{status}");
        }
    }

    #[test]
    fn a_retry_after_counts_up_to_five_minutes() {
        let pause =
            |status, seconds| Outcome::of(status, Some(Duration::from_secs(seconds))).verdict;
        assert_eq!(pause(503, 7), Verdict::Outage(Some(Duration::from_secs(7))));
        assert_eq!(pause(429, 9999), Verdict::Outage(Some(Duration::from_secs(300))));
        assert_eq!(pause(500, 7), Verdict::Outage(None));
    }
}
