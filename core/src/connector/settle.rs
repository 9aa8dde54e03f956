//! What an attempt's end leads to: a result, a token for all, a renewal, a pause, or an error.

use std::collections::BTreeMap;
use std::time::Duration;

use super::call::Flight;
use super::setback::{Renewal, Setback};
use super::shared::{Hosts, Need};
use super::slot::Grant;
use super::{Call, EventKind, FailureKind, Outcome, Shared, Why};
use crate::api::{Answer, Authority, Operation, Reason, Refusal, Repeat, Service, Target};
use crate::api::{domain, idp, sentinel};
use crate::error::{ErrorKind, Sent, Stage};
use crate::policy::{Decision, Probe, Trouble};
use crate::time::{Mono, Now};

impl<O: Operation> Call<O> {
    /// Ends the attempt in flight. Says whether others should look again.
    pub(super) fn settle(&mut self, shared: &mut Shared, now: Now, outcome: Outcome) -> bool {
        let Some(flight) = self.progress.flight.take() else {
            return false;
        };
        let stage = flight.stage;
        let mono = now.mono();
        let mut setback = match outcome {
            Outcome::Failed(failure) => {
                let (kind, may_have_left) = (failure.kind, failure.may_have_left);
                self.tell(stage, EventKind::Lost { failure: kind, may_have_left });
                if let (false, Target::Service(service)) = (may_have_left, &flight.target) {
                    shared.suspect(service, mono);
                }
                Setback::failed(failure, stage)
            }
            Outcome::Answer(response) => {
                let status = response.status().as_u16();
                let elapsed = mono.since(flight.began);
                self.tell(stage, EventKind::Answered { status, elapsed });
                let repeated = stage == Stage::Operation && self.progress.effect == Sent::Maybe;
                let answer = Answer::new(&response, repeated);
                let refused = match &flight.fetch {
                    Some((need, grant)) => {
                        self.fetched(shared, mono, &flight, need, *grant, &answer)
                    }
                    None => self.operation.read(&answer).map(|output| self.succeed(output)),
                };
                match refused {
                    Ok(()) => {
                        self.works(shared, &flight.target, stage);
                        return flight.fetch.is_some();
                    }
                    Err(refusal) => {
                        let secrets = shared.secrets(&self.authority);
                        Setback::refused(refusal, &response, stage, &secrets, now)
                    }
                }
            }
        };
        // Not the service's failure: this call had less time left than an attempt is given.
        setback.cut_short = matches!(setback.why, Why::Failure(FailureKind::Timeout))
            && flight.deadline <= mono
            && flight.deadline < flight.began + shared.config.attempt_timeout;
        if setback.works {
            self.works(shared, &flight.target, stage);
        }
        match flight.fetch.clone() {
            Some((need, grant)) => {
                self.fetch_failed(shared, mono, &flight, &need, grant, setback);
                true
            }
            None => {
                self.try_failed(shared, mono, &flight, setback);
                false
            }
        }
    }

    /// Stores what was fetched, for all.
    fn fetched(
        &mut self,
        shared: &mut Shared,
        now: Mono,
        flight: &Flight,
        need: &Need,
        grant: Grant,
        answer: &Answer<'_>,
    ) -> Result<(), Refusal> {
        match need {
            Need::Domain(key) => {
                let hosts = vouched(shared, key.as_ref(), domain::read(answer)?)?;
                let renew_at = now + shared.config.domain_life;
                let slot = shared.domain(key).0;
                let hosts = updated(slot.value(now), hosts);
                slot.fetched(now, grant, hosts, renew_at, Mono::NEVER);
            }
            Need::AppJwt => {
                let jwt = sentinel::read(answer)?;
                shared.issued.note(now);
                let life = usable(jwt.life);
                // The server issued it after the request left: it cannot end before this.
                let end = flight.began + life;
                if end <= now {
                    let how = format!(
                        "its AppJWT lives {} s, and had ended when it came",
                        jwt.life.as_secs()
                    );
                    return Err(Refusal::unreadable(how));
                }
                let margin = shared.config.renewal_margin.min(life / 10);
                let renew_at = flight.began + life.saturating_sub(margin);
                shared.app_jwt.fetched(now, grant, jwt, renew_at, end);
            }
            Need::ConsumerJws(consumer) => {
                let jws = idp::read(answer)?;
                if let Some(slot) = shared.consumers.get_mut(consumer) {
                    // It never expires (protocol.md 5).
                    slot.fetched(now, grant, jws, Mono::NEVER, Mono::NEVER);
                }
            }
        }
        Ok(())
    }

    /// The fetch of something shared went wrong: the pause, or the end, is everybody's.
    fn fetch_failed(
        &mut self,
        shared: &mut Shared,
        now: Mono,
        flight: &Flight,
        need: &Need,
        grant: Grant,
        setback: Setback,
    ) {
        let stage = flight.stage;
        if let Some(renewal) = setback.renew
            && shared.fetching(need).is_some_and(|fetching| fetching.renew_once(grant))
        {
            self.renew(shared, flight, renewal, stage);
            if let Some(fetching) = shared.fetching(need) {
                fetching.release(now, grant);
            }
            return;
        }
        let jitter = shared.jitter.draw();
        let policy = shared.config.retry.clone();
        let circuit = shared.config.circuit.clone();
        // (One call's own wait is bounded by its deadline.)
        let asked = setback.asked.map(|asked| asked.min(circuit.longest_asked()));
        let obeyed = matches!(setback.trouble, Some(Trouble::Status(429 | 503)));
        let not_before = asked.filter(|_| obeyed).unwrap_or_default();
        if matches!(need, Need::ConsumerJws(_)) {
            shared.idp_not_before = shared.idp_not_before.max(now + not_before);
        }
        let Some(fetching) = shared.fetching(need) else {
            return;
        };
        let failures = if grant.early { fetching.early_failures() } else { fetching.failures() };
        let round = fetching.round();
        let error = setback
            .error
            .operation_is(self.operation.name(), None)
            .at(stage, Some(flight.origin.authority().to_owned()))
            .attempts_are(failures.saturating_add(1))
            .sent_is(setback.effect)
            // It waits in its slot for those who wait for it: one for each consumer, perhaps.
            .keep_body(1024);
        if setback.cut_short {
            fetching.cut_short(now, grant, CUT_SHORT_PAUSE);
            if let Some(probe) = grant.probe {
                shared.circuit(&flight.target).forget(probe);
            }
            self.progress.last = Some(error);
            return;
        }
        // What all wait for goes by what was configured for all, not by this call's own policy.
        let decide = |failures| {
            setback.trouble.map_or(Decision::Final, |trouble| {
                let token = stage == Stage::AppJwt;
                policy.decide(trouble, failures, true, token, asked, jitter)
            })
        };
        if grant.early {
            let asked = asked.unwrap_or_default();
            // As a call's own pauses at first, then as long as a service that is down is left alone.
            let pause = match decide(failures) {
                Decision::Retry(pause) => pause,
                _ => {
                    let pause = circuit.pause(failures.saturating_sub(policy.retries()));
                    policy.lengthened(pause.max(asked), jitter)
                }
            };
            // Should the token end meanwhile, the pause is that after a first failure.
            let floor = match decide(0) {
                Decision::Retry(pause) => pause,
                _ => asked,
            };
            fetching.early_failed(now, grant, floor, pause, &error);
            if !setback.works {
                self.probe_failed(shared, now, &flight.target, stage, grant.probe);
            }
            self.tell(stage, EventKind::RenewalPutOff { pause, why: setback.why });
            return;
        }
        match decide(failures) {
            Decision::Retry(pause) if grant.probe.is_none() => {
                fetching.retry(now, grant, pause, &error);
                let attempt = failures.saturating_add(2);
                self.tell(stage, EventKind::Retry { attempt, pause, why: setback.why });
            }
            Decision::Retry(_) | Decision::Exhausted => {
                fetching.fail(now, grant, not_before, &error);
                self.exhausted(shared, now, &flight.target, stage, grant.probe);
            }
            Decision::Unsafe | Decision::Final => {
                fetching.fail(now, grant, not_before, &error);
                if !setback.works {
                    self.probe_failed(shared, now, &flight.target, stage, grant.probe);
                }
            }
        }
        // Found again at the next claim, as by everybody who waited for this round.
        self.progress.joined = Some((need.clone(), round));
    }

    /// The operation's own request went wrong.
    fn try_failed(&mut self, shared: &mut Shared, now: Mono, flight: &Flight, setback: Setback) {
        let stage = Stage::Operation;
        self.progress.effect = self.progress.effect.max(setback.effect);
        if let Some(renewal) = setback.renew
            && self.authority != Authority::Nobody
            && self.may_renew(renewal)
        {
            self.renew(shared, flight, renewal, stage);
            return;
        }
        let error = setback
            .error
            .operation_is(self.operation.name(), None)
            .at(stage, Some(flight.origin.authority().to_owned()))
            .attempts_are(self.progress.tries)
            .sent_is(self.progress.effect);
        let idempotent = self.operation.repeat() == Repeat::Idempotent;
        let jitter = self.jitter.draw();
        let decision = setback.trouble.map_or(Decision::Final, |trouble| {
            self.retry.decide(
                trouble,
                self.progress.retries,
                idempotent,
                false,
                setback.asked,
                jitter,
            )
        });
        match decision {
            Decision::Retry(pause) if flight.probe.is_none() => {
                let at = now + pause;
                // Nothing could follow a pause that lasts until the deadline.
                if at >= self.deadline {
                    self.fail(self.out_of_time(Some((pause, error))));
                    return;
                }
                self.progress.resume_at = at;
                self.progress.retries = self.progress.retries.saturating_add(1);
                self.progress.last = Some(error);
                self.progress.carried = setback.carried.or(self.progress.carried.take());
                let attempt = self.progress.tries.saturating_add(1);
                self.tell(stage, EventKind::Retry { attempt, pause, why: setback.why });
            }
            Decision::Retry(_) | Decision::Exhausted => {
                self.own_exhausted(shared, now, flight, setback.cut_short);
                self.fail(error);
            }
            Decision::Unsafe => {
                self.own_exhausted(shared, now, flight, setback.cut_short);
                self.fail(match setback.trouble {
                    Some(Trouble::AnswerLost) => {
                        let why = setback.why;
                        let headline = format!(
                            "the request was sent, and {why}: whether it took effect is unknown"
                        );
                        error.recast(ErrorKind::Unconfirmed, headline)
                    }
                    _ => error,
                });
            }
            Decision::Final => {
                if !setback.works {
                    self.probe_failed(shared, now, &flight.target, stage, flight.probe);
                }
                self.fail(error);
            }
        }
    }

    /// Whether this call has not renewed that token before: each once, never a loop.
    fn may_renew(&mut self, renewal: Renewal) -> bool {
        let renewed = match renewal {
            Renewal::AppJwt | Renewal::PerhapsAppJwt => &mut self.progress.renewed_app,
            Renewal::ConsumerJws => &mut self.progress.renewed_consumer,
        };
        !std::mem::replace(renewed, true)
    }

    /// Sees to it that the next try has another token than the one that was refused.
    fn renew(&mut self, shared: &mut Shared, flight: &Flight, renewal: Renewal, stage: Stage) {
        let token = match renewal {
            Renewal::ConsumerJws => {
                if let Authority::Consumer(consumer) = &self.authority
                    && let Some(slot) = shared.consumers.get_mut(consumer)
                {
                    slot.reject(flight.consumer_generation);
                }
                Stage::ConsumerJws
            }
            Renewal::AppJwt => {
                shared.app_jwt.reject(flight.app_generation);
                Stage::AppJwt
            }
            Renewal::PerhapsAppJwt => Stage::AppJwt,
        };
        if token == Stage::AppJwt {
            let next = flight.app_generation.saturating_add(1);
            self.progress.least_app = self.progress.least_app.max(next);
        }
        self.tell(stage, EventKind::Renewing { token });
    }

    fn works(&mut self, shared: &mut Shared, target: &Target, stage: Stage) {
        if shared.circuit(target).works() {
            self.tell(stage, EventKind::CircuitClosed { target: target.clone() });
        }
    }

    /// The operation's own request has failed for the last time.
    fn own_exhausted(&mut self, shared: &mut Shared, now: Mono, flight: &Flight, cut_short: bool) {
        match flight.probe {
            Some(probe) if cut_short => shared.circuit(&flight.target).forget(probe),
            None if cut_short => {}
            probe => self.exhausted(shared, now, &flight.target, Stage::Operation, probe),
        }
    }

    fn exhausted(
        &mut self,
        shared: &mut Shared,
        now: Mono,
        target: &Target,
        stage: Stage,
        probe: Option<Probe>,
    ) {
        let policy = shared.config.circuit.clone();
        let opened = shared.circuit(target).exhausted(now, probe, target.prepares(), &policy);
        if let Some(pause) = opened {
            self.tell(stage, EventKind::CircuitOpened { target: target.clone(), pause });
        }
    }

    /// A probe that failed in a way that no policy repeats has failed all the same.
    fn probe_failed(
        &mut self,
        shared: &mut Shared,
        now: Mono,
        target: &Target,
        stage: Stage,
        probe: Option<Probe>,
    ) {
        if probe.is_some() {
            self.exhausted(shared, now, target, stage, probe);
        }
    }
}

/// The least time between two fetches that were cut short by the deadlines of the calls that made
/// them.
const CUT_SHORT_PAUSE: Duration = Duration::from_secs(1);

/// What may be used of a life that was told in whole seconds: `iat` is rounded down, so the token may
/// be up to a second older than it says.
fn usable(life: Duration) -> Duration {
    life.saturating_sub(Duration::from_secs(1).min(life / 10))
}

/// The hosts that may be used, from what the Domain API answered. If it was asked for one service and
/// names an untrusted host for it, that is the answer's fault, and no other call gets further.
fn vouched(
    shared: &Shared,
    asked: Option<&Service>,
    entries: Vec<(Service, String)>,
) -> Result<Hosts, Refusal> {
    let mut hosts = BTreeMap::new();
    for (service, base) in entries {
        if asked.is_some_and(|asked| *asked != service) {
            continue;
        }
        let origin = shared.config.trust.vouch(&base);
        if let (Some(_), Err(why)) = (asked, &origin) {
            return Err(Refusal::status(200).because(Reason::Untrusted(why.clone())));
        }
        hosts.insert(service, origin);
    }
    match asked {
        Some(service) if hosts.is_empty() => {
            Err(Refusal::unreadable(format!("it names no host for the service {service}")))
        }
        _ => Ok(hosts),
    }
}

/// What is known after a look-up: an old host is better than none, and serves until another is known.
fn updated(old: Option<&Hosts>, mut hosts: Hosts) -> Hosts {
    for (service, host) in old.into_iter().flatten() {
        if host.is_ok() && !matches!(hosts.get(service), Some(Ok(_))) {
            hosts.insert(service.clone(), host.clone());
        }
    }
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::Trust;

    #[test]
    fn a_list_of_hosts_that_lacks_one_leaves_the_one_that_was_known() {
        let host = |name: &str| Trust::default().vouch(name);
        let (new, old) = (host("new.liveperson.net"), host("old.liveperson.net"));
        let hosts = |messaging: &_, idp: Option<&_>| {
            let messaging = (Service::MESSAGING, Clone::clone(messaging));
            [Some(messaging), idp.map(|idp: &Result<_, _>| (Service::IDP, idp.clone()))]
                .into_iter()
                .flatten()
                .collect::<Hosts>()
        };
        let before = hosts(&old, Some(&old));
        let untrusted = host("evil.example");
        assert!(untrusted.is_err());
        assert_eq!(updated(Some(&before), hosts(&new, None)), hosts(&new, Some(&old)));
        assert_eq!(updated(Some(&before), hosts(&new, Some(&untrusted))), hosts(&new, Some(&old)));
        assert_eq!(updated(None, hosts(&new, Some(&untrusted))), hosts(&new, Some(&untrusted)));
    }
}

#[cfg(test)]
#[path = "settle_tests.rs"]
mod driven_tests;
