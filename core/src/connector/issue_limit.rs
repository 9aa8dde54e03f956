//! A rate limit for requests of an AppJWT.

use std::time::Duration;

use crate::time::Mono;

/// Limits how often an AppJWT is issued: twice at once, then every 15 s, so at most 6 in a minute. It
/// takes effect only for tokens that live shorter than that, or that are rejected as soon as they are
/// issued, and keeps either from flooding Sentinel.
#[derive(Debug, Default)]
pub(super) struct IssueLimit {
    /// The time until which the issued tokens are accounted for, at one every 15 s.
    paid_until: Mono,
}

impl IssueLimit {
    const INTERVAL: Duration = Duration::from_secs(15);

    /// The earliest time of the next request.
    pub(super) fn next(&self) -> Mono {
        Mono::from_origin(self.paid_until.since(Mono::from_origin(Self::INTERVAL)))
    }

    pub(super) fn record(&mut self, now: Mono) {
        self.paid_until = self.paid_until.max(now) + Self::INTERVAL;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_six_tokens_are_issued_in_a_minute() {
        let mut limit = IssueLimit::default();
        let mut times = Vec::new();
        let mut now = Mono::from_origin(Duration::from_secs(1000));
        while times.len() < 50 {
            now = now.max(limit.next());
            limit.record(now);
            times.push(now);
        }
        assert_eq!(times[0], times[1]);
        for six in times.windows(7) {
            assert!(six[6].since(six[0]) >= Duration::from_secs(60), "{six:?}");
        }
    }
}
