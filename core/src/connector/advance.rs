//! What a call does next: what it still lacks, in order, and then its own request.

use http::Request;
use http::header::{AUTHORIZATION, HeaderName, USER_AGENT};

use super::call::Flight;
use super::shared::Need;
use super::slot::{Claim, Claimant, Grant};
use super::{Attempt, Call, Shared, Step};
use crate::api::{Authority, Draft, Gathered, Operation, Origin, Plan, Service, Target};
use crate::api::{domain, idp, sentinel};
use crate::error::{Error, ErrorKind, Sent, Stage};
use crate::id::ExtConsumerId;
use crate::policy::{Admission, Turn};
use crate::time::Mono;

/// The ConsumerJWS' header (protocol.md 5; 14, row 14).
const ON_BEHALF: HeaderName = HeaderName::from_static("x-lp-on-behalf");

/// Why a call cannot go on at once.
enum Halt {
    /// Something has to be fetched first; boxed, as it is rare.
    Fetch(Box<Step>),
    Wait(Mono),
    Fail(Error),
}

/// A claim that a call can go on with.
enum Claimed {
    Held(u64),
    Fetch(Grant),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Fail(error)
    }
}

impl<O: Operation> Call<O> {
    /// Goes as far as it can without waiting. `None` means that the call is over.
    pub(super) fn advance(
        &mut self,
        shared: &mut Shared,
        now: Mono,
    ) -> Result<Option<Step>, Error> {
        match self.gather(shared, now) {
            Ok(step) => Ok(step),
            Err(Halt::Fetch(step)) => Ok(Some(*step)),
            Err(Halt::Wait(until)) => Ok(Some(Step::Wait(until))),
            Err(Halt::Fail(error)) => Err(error),
        }
    }

    fn gather(&mut self, shared: &mut Shared, now: Mono) -> Result<Option<Step>, Halt> {
        // Asked first: no token need be had for a request that could not go.
        if !self.gathers
            && let Some(until) = shared.circuit(&self.target).left_alone(now)
        {
            return Err(self.left_alone(&self.target, Stage::Operation, until, now).into());
        }
        let origin = match self.target.clone() {
            Target::DomainApi => shared.config.trust.domain_api().clone(),
            Target::Service(service) => self.origin(shared, now, &service)?,
        };
        let authority = self.authority.clone();
        let (mut app_generation, mut consumer_generation) = (0, 0);
        match &authority {
            Authority::Nobody => {}
            Authority::App => app_generation = self.app_jwt(shared, now)?,
            Authority::Consumer(consumer) => {
                app_generation = self.app_jwt(shared, now)?;
                consumer_generation = self.consumer_jws(shared, now, consumer, app_generation)?;
            }
        }
        self.progress.joined = None;
        self.turn(shared, now, &authority)?;
        let draft = match self.take_plan(&shared.config)? {
            Plan::Send(draft) => draft,
            Plan::Gather(output) => {
                let app = shared.app_jwt.value(now);
                let consumer = match &authority {
                    Authority::Consumer(consumer) => shared.consumers.get(consumer),
                    _ => None,
                };
                let output = output(&Gathered {
                    origin: &origin,
                    app: app.map(|jwt| (jwt, shared.app_jwt.remaining(now))),
                    consumer: consumer.and_then(|slot| slot.value(now)).map(|jws| &jws.claims),
                });
                self.succeed(output);
                return Ok(None);
            }
        };
        let deadline = self.attempt_deadline(shared, now);
        let probe = match shared.circuit(&self.target).admit(now, deadline) {
            Admission::Go => None,
            Admission::Probe(probe) => Some(probe),
            Admission::NotBefore(until) => {
                return Err(self.left_alone(&self.target, Stage::Operation, until, now).into());
            }
        };
        let mut request = self.written(draft, &origin)?;
        self.authorize(shared, &authority, &mut request, now);
        self.progress.tries = self.progress.tries.saturating_add(1);
        let flight = Flight {
            number: 0,
            stage: Stage::Operation,
            target: self.target.clone(),
            origin: origin.clone(),
            began: now,
            deadline,
            fetch: None,
            probe,
            app_generation,
            consumer_generation,
        };
        Ok(Some(self.launch(shared, flight, request)))
    }

    /// Waits for its turn, where the service has a limit.
    fn turn(&mut self, shared: &mut Shared, now: Mono, authority: &Authority) -> Result<(), Halt> {
        if self.gathers || shared.rate(&self.target).is_none() {
            return Ok(());
        }
        let ticket = *self.progress.ticket.get_or_insert_with(|| shared.next_lease());
        let flow = match authority {
            Authority::Consumer(consumer) => Some(consumer.clone()),
            _ => None,
        };
        let Some(rate) = shared.rate(&self.target) else { return Ok(()) };
        match rate.ask(now, ticket, &mut self.progress.round, &flow) {
            Turn::Now => Ok(()),
            Turn::NotBefore(at) if at >= self.deadline => {
                if let Some(round) = self.progress.round.take() {
                    rate.forget(ticket, round);
                }
                let why = "there are more requests than the configured rate lets through";
                let earlier = Error::new(ErrorKind::RateLimited, why).at(Stage::Operation, None);
                Err(self.out_of_time(Some((at.since(now), earlier))).into())
            }
            Turn::NotBefore(at) => Err(Halt::Wait(at)),
        }
    }

    /// Where `service` is, as the Domain API says and the configuration trusts.
    fn origin(
        &mut self,
        shared: &mut Shared,
        now: Mono,
        service: &Service,
    ) -> Result<Origin, Halt> {
        let key = shared.domain_key(service);
        if let Some(origin) = shared.origin_held(&key, service, now) {
            return Ok(origin);
        }
        let need = Need::Domain(key.clone());
        let who = self.claimant(shared, now, &need, 0, Mono::ZERO);
        let (slot, circuit) = shared.domain(&key);
        let claim = slot.claim(now, who, || circuit.admit(now, who.deadline));
        let last = slot.fetching.last().cloned();
        let claimed = self.granted(&need, &Target::DomainApi, claim, last, now)?;
        if let Claimed::Fetch(grant) = claimed {
            let account = shared.config.account.clone();
            let draft = match &key {
                Some(service) => domain::request_one(&account, service),
                None => domain::request_all(&account),
            };
            let origin = shared.config.trust.domain_api().clone();
            let step =
                self.fetch(shared, now, need, grant, Target::DomainApi, &origin, draft, 0)?;
            return Err(Halt::Fetch(Box::new(step)));
        }
        let host = shared.domain_held(&key).and_then(|slot| slot.value(now)?.get(service));
        match host {
            Some(Ok(origin)) => Ok(origin.clone()),
            Some(Err(why)) => Err(Error::new(
                ErrorKind::UntrustedHost,
                format!("the Domain API names a host for {service} that is not trusted: {why}"),
            )
            .at(Stage::Domain, None)
            .into()),
            None => Err(Error::new(
                ErrorKind::Refused,
                format!("the Domain API names no host for the service {service}"),
            )
            .at(Stage::Domain, None)
            .sent_is(Sent::Yes)
            .into()),
        }
    }

    /// Makes sure of an AppJWT, and gives its generation.
    fn app_jwt(&mut self, shared: &mut Shared, now: Mono) -> Result<u64, Halt> {
        let least = self.progress.least_app;
        if let Some(generation) = shared.app_jwt.ready(now, least) {
            return Ok(generation);
        }
        // Where the token comes from is seen to before the lease is taken, which it would outlast.
        let origin = self.origin(shared, now, &Service::SENTINEL)?;
        let need = Need::AppJwt;
        let who = self.claimant(shared, now, &need, least, shared.issued.next());
        let (slot, circuit) = shared.app_jwt();
        let claim = slot.claim(now, who, || circuit.admit(now, who.deadline));
        let last = slot.fetching.last().cloned();
        let target = Target::Service(Service::SENTINEL);
        let grant = match self.granted(&need, &target, claim, last, now)? {
            Claimed::Held(generation) => return Ok(generation),
            Claimed::Fetch(grant) => grant,
        };
        let Some((client, secret)) = &shared.config.credentials else {
            return Err(unfetchable(shared, &need, grant, now));
        };
        let place = shared.config.credentials_in;
        let draft = sentinel::request(&shared.config.account, client, secret, place);
        let step = self.fetch(shared, now, need, grant, target, &origin, draft, 0)?;
        Err(Halt::Fetch(Box::new(step)))
    }

    /// Makes sure of a ConsumerJWS, and gives its generation.
    fn consumer_jws(
        &mut self,
        shared: &mut Shared,
        now: Mono,
        consumer: &ExtConsumerId,
        app_generation: u64,
    ) -> Result<u64, Halt> {
        // Asked before it counts as used: a slot is made only by a call that can go on to fill it.
        if shared.consumers.get_mut(consumer).is_some_and(|slot| !slot.wants_fetch(now, 0))
            && let Some(generation) = shared.consumers.touch(consumer, now).ready(now, 0)
        {
            return Ok(generation);
        }
        let origin = self.origin(shared, now, &Service::IDP)?;
        let need = Need::ConsumerJws(consumer.clone());
        let who = self.claimant(shared, now, &need, 0, shared.idp_not_before);
        let (slot, circuit) = shared.consumer(consumer, now);
        let claim = slot.claim(now, who, || circuit.admit(now, who.deadline));
        let last = slot.fetching.last().cloned();
        let target = Target::Service(Service::IDP);
        let grant = match self.granted(&need, &target, claim, last, now)? {
            Claimed::Held(generation) => return Ok(generation),
            Claimed::Fetch(grant) => grant,
        };
        let draft = idp::request(&shared.config.account, consumer).map_err(Error::from)?;
        let step = self.fetch(shared, now, need, grant, target, &origin, draft, app_generation)?;
        Err(Halt::Fetch(Box::new(step)))
    }

    fn claimant(
        &self,
        shared: &mut Shared,
        now: Mono,
        need: &Need,
        least: u64,
        not_before: Mono,
    ) -> Claimant {
        let joined = self.progress.joined.as_ref();
        Claimant {
            least,
            joined: joined.filter(|(joined, _)| joined == need).map(|(_, round)| *round),
            lease: shared.next_lease(),
            deadline: self.attempt_deadline(shared, now),
            not_before,
        }
    }

    /// What a claim means for this call: the value, a grant to fetch it, or a halt.
    fn granted(
        &mut self,
        need: &Need,
        target: &Target,
        claim: Claim,
        last: Option<Error>,
        now: Mono,
    ) -> Result<Claimed, Halt> {
        let stage = need.stage();
        match claim {
            Claim::Held(generation) => Ok(Claimed::Held(generation)),
            Claim::Fetch(grant) => Ok(Claimed::Fetch(grant)),
            Claim::Failed(error) => Err(error.into()),
            Claim::Open(until) => Err(self.left_alone(target, stage, until, now).into()),
            Claim::Wait { until, pausing: true, .. } if until >= self.deadline => {
                let earlier = last.unwrap_or_else(|| {
                    let why = "tokens are being issued too often to ask for another yet";
                    Error::new(ErrorKind::Unavailable, why).at(stage, None)
                });
                Err(self.out_of_time(Some((until.since(now), earlier))).into())
            }
            Claim::Wait { until, round, .. } => {
                self.progress.joined = Some((need.clone(), round));
                Err(Halt::Wait(until.min(self.deadline)))
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "each is one fact of the one request it makes")]
    fn fetch(
        &mut self,
        shared: &Shared,
        now: Mono,
        need: Need,
        grant: Grant,
        target: Target,
        origin: &Origin,
        draft: Draft,
        app_generation: u64,
    ) -> Result<Step, Error> {
        let mut request = self.written(draft, origin)?;
        if matches!(need, Need::ConsumerJws(_)) {
            self.authorize(shared, &Authority::App, &mut request, now);
        }
        let flight = Flight {
            number: 0,
            stage: need.stage(),
            target,
            origin: origin.clone(),
            began: now,
            deadline: self.attempt_deadline(shared, now),
            fetch: Some((need, grant)),
            probe: None,
            app_generation,
            consumer_generation: 0,
        };
        Ok(self.launch(shared, flight, request))
    }

    fn launch(&mut self, shared: &Shared, mut flight: Flight, request: Request<Vec<u8>>) -> Step {
        let mut request = request;
        if let Some(agent) = &shared.config.user_agent {
            request.headers_mut().insert(USER_AGENT, agent.clone());
        }
        self.progress.numbered = self.progress.numbered.saturating_add(1);
        flight.number = self.progress.numbered;
        let attempt = Attempt {
            number: flight.number,
            operation: self.operation.name(),
            stage: flight.stage,
            deadline: flight.deadline,
            request,
        };
        self.progress.flight = Some(flight);
        Step::Send(attempt)
    }

    fn written(&self, draft: Draft, origin: &Origin) -> Result<Request<Vec<u8>>, Error> {
        draft.for_origin(origin).map_err(Error::from)
    }

    /// Puts the credentials in: the AppJWT bare, with no `Bearer` (protocol.md 4.4).
    fn authorize(
        &self,
        shared: &Shared,
        authority: &Authority,
        request: &mut Request<Vec<u8>>,
        now: Mono,
    ) {
        if *authority == Authority::Nobody {
            return;
        }
        if let Some(jwt) = shared.app_jwt.value(now) {
            request.headers_mut().insert(AUTHORIZATION, jwt.header.clone());
        }
        if let Authority::Consumer(consumer) = authority
            && let Some(jws) = shared.consumers.get(consumer).and_then(|slot| slot.value(now))
        {
            request.headers_mut().insert(ON_BEHALF, jws.header.clone());
        }
    }

    fn attempt_deadline(&self, shared: &Shared, now: Mono) -> Mono {
        (now + shared.config.attempt_timeout).min(self.deadline)
    }

    /// The error for a service whose circuit is open.
    fn left_alone(&self, target: &Target, stage: Stage, until: Mono, now: Mono) -> Error {
        Error::new(ErrorKind::CircuitOpen, format!("{target} has kept failing and is left alone"))
            .at(stage, None)
            .attempts_are(if stage == Stage::Operation { self.progress.tries } else { 0 })
            .retry_in(until.since(now))
            .after(self.progress.last.clone())
    }
}

/// Gives a grant back that nothing was made ready for. It is not granted without its being said
/// before that it would be; were it so after all, a call must rather end than go on with no token.
fn unfetchable(shared: &mut Shared, need: &Need, grant: Grant, now: Mono) -> Halt {
    if let Some(fetching) = shared.fetching(need) {
        fetching.release(now, grant);
    }
    Error::new(ErrorKind::Abandoned, "what this call needs could not be asked for").into()
}

impl Need {
    pub(super) fn stage(&self) -> Stage {
        match self {
            Self::Domain(_) => Stage::Domain,
            Self::AppJwt => Stage::AppJwt,
            Self::ConsumerJws(_) => Stage::ConsumerJws,
        }
    }
}

#[cfg(test)]
#[path = "advance_tests.rs"]
mod tests;
