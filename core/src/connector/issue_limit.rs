//! How often an AppJWT may be requested.

use std::time::Duration;

use crate::time::Mono;

/// How often an AppJWT may be issued: twice at once, then every 15 s, which is 6 a minute. It takes effect
/// only with tokens that live shorter than that, or that are rejected as soon as they are issued, and keeps
/// either from becoming a storm.
#[derive(Debug, Default)]
pub(super) struct IssueLimit {
    /// Up to when the tokens issued so far are paid for, at one in every 15 s.
    paid_until: Mono,
}

impl IssueLimit {
    const INTERVAL: Duration = Duration::from_secs(15);

    /// When the next may be requested: one may be owed.
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
