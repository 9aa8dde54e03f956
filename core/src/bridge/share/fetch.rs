//! One token: taken from another program, or requested.

use std::time::Duration;

use super::TokenSharing;
use super::cells::{TokenValue, app_cell, claim_cell, consumer_token_cell};
use crate::api::{ResponseView, idp, sentinel};
use crate::bridge::store::{Answer, Cell, CellId, Request};
use crate::connector::{Outcome, SharedToken, TokenRequest};
use crate::secret::Secret;
use crate::time::Mono;

/// How much longer than anybody's patience a claim lasts.
const CLAIM_MORE: Duration = Duration::from_secs(1);

/// The pauses between looks, from the first to the longest.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
const LOOK_AGAIN_MOST: Duration = Duration::from_millis(400);

/// A token that lives shorter is not shared: it would be looked for all the time.
const LEAST_LIFE: Duration = Duration::from_secs(60);

/// What to do in place of sending a token request.
#[must_use = "a fetch only moves when its step is carried out"]
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a driver must handle every step")]
pub enum FetchStep {
    /// Ask the store, and pass the answer to [`TokenFetch::answered`]: `None` if there is none by this instant.
    Ask(Request, Mono),
    /// Poll again at this instant.
    Wait(Mono),
    /// Send the attempt, and pass its outcome to [`TokenFetch::sent`].
    Send,
    /// The attempt ends with this token, [as if it were its response](Outcome::Shared).
    Use(SharedToken),
}

/// One token that a client needs. See the [module](super).
#[derive(Debug)]
pub struct TokenFetch {
    token: CellId,
    /// The cell of the claim, and the claim to write. `None`: a consumer's token, which nobody claims.
    claim: Option<(CellId, String)>,
    /// False: what is found was rejected.
    may_use_any: bool,
    /// Nothing of another program is waited for after this.
    until: Mono,
    claim_life: Duration,
    consumer_life: Duration,
    pause: Duration,
    /// The versions of the two cells.
    seen: u64,
    claim_seen: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Look,
    LookAgain(Mono),
    Claim,
    Asked,
    Send,
    Sending(Mono),
    Use(SharedToken),
    Over,
}

impl TokenFetch {
    pub(super) fn new(
        sharing: &TokenSharing,
        request: &TokenRequest,
        now: Mono,
        patience: Duration,
    ) -> Self {
        let (account, app) = (&sharing.account, &sharing.app);
        let (token, claim) = match request.consumer() {
            Some(consumer) => (consumer_token_cell(account, consumer), None),
            None => {
                let claim = format!("{}/{}", sharing.name, sharing.fetches);
                (app_cell(account, app), Some((claim_cell(account, app), claim)))
            }
        };
        Self {
            token,
            may_use_any: claim.is_some() || !request.replaces_rejected(),
            claim,
            until: now + patience,
            claim_life: sharing.settings.patience.saturating_add(CLAIM_MORE),
            consumer_life: sharing.settings.consumer_life,
            pause: LOOK_AGAIN,
            seen: 0,
            claim_seen: 0,
            state: State::Look,
        }
    }

    /// What to do next. It never returns the same step twice.
    pub fn poll(&mut self, sharing: &mut TokenSharing, now: Mono) -> FetchStep {
        match std::mem::replace(&mut self.state, State::Asked) {
            State::Look => FetchStep::Ask(self.look(), self.until),
            State::LookAgain(at) if now < at && now < self.until => {
                self.state = State::LookAgain(at);
                FetchStep::Wait(at.min(self.until))
            }
            State::LookAgain(_) if now < self.until => FetchStep::Ask(self.look(), self.until),
            State::Claim => match &self.claim {
                Some((cell, claim)) => {
                    let request = Request::Swap {
                        cell: cell.clone(),
                        seen: self.claim_seen,
                        value: claim.clone().into_bytes(),
                        life: Some(self.claim_life),
                    };
                    FetchStep::Ask(request, self.until)
                }
                None => self.send(now),
            },
            State::Asked if now < self.until => FetchStep::Wait(self.until),
            State::Asked => {
                self.go_alone(sharing, now);
                self.send(now)
            }
            State::LookAgain(_) | State::Send => self.send(now),
            State::Use(token) => {
                self.state = State::Over;
                FetchStep::Use(token)
            }
            state @ (State::Sending(_) | State::Over) => {
                self.state = state;
                FetchStep::Wait(Mono::NEVER)
            }
        }
    }

    fn look(&self) -> Request {
        let claim = self.claim.iter().map(|(cell, _)| cell.clone());
        Request::Read([self.token.clone()].into_iter().chain(claim).collect())
    }

    fn send(&mut self, now: Mono) -> FetchStep {
        self.state = State::Sending(now);
        FetchStep::Send
    }

    /// The store does not answer: this fetch, and those to come, do without it.
    fn go_alone(&mut self, sharing: &mut TokenSharing, now: Mono) {
        sharing.alone_until = now + super::ALONE;
        self.state = State::Send;
    }

    /// Takes the store's answer: `None` if it gave none in time, or failed.
    pub fn answered(&mut self, sharing: &mut TokenSharing, answer: Option<Answer>, now: Mono) {
        if !matches!(self.state, State::Asked) {
            return;
        }
        match answer {
            Some(Answer::Cells(cells)) => self.looked(sharing, cells, now),
            Some(Answer::Swapped(true)) => self.state = State::Send,
            Some(Answer::Swapped(false)) => self.look_again(now),
            _ => self.go_alone(sharing, now),
        }
    }

    fn looked(&mut self, sharing: &mut TokenSharing, cells: Vec<Option<Cell>>, now: Mono) {
        let mut cells = cells.into_iter();
        let (token, claim) = (cells.next().flatten(), cells.next().flatten());
        self.seen = token.as_ref().map_or(0, |cell| cell.version);
        self.claim_seen = claim.as_ref().map_or(0, |cell| cell.version);
        let value = token.and_then(|cell| TokenValue::read(&cell.value));
        // Whoever claimed for the token that is there has done so.
        let done = value.as_ref().map(|value| value.claim.clone());
        if let Some(value) = value
            && self.may_use_any
            && !is_same(sharing.rejected.as_ref(), &value.token)
            && let Some(token) = SharedToken::new(value.token.clone(), value.usable)
        {
            if self.claim.is_some() {
                sharing.held = Some(value.token);
            }
            self.state = State::Use(token);
            return;
        }
        let is_others = |cell: &Cell| {
            done.as_ref().is_none_or(|done| done.as_bytes() != cell.value)
                && !cell.value.starts_with(sharing.name.as_bytes())
        };
        if claim.as_ref().is_some_and(is_others) {
            self.look_again(now);
        } else {
            // A consumer's token, which nobody claims, is then requested at once.
            self.state = State::Claim;
        }
    }

    fn look_again(&mut self, now: Mono) {
        self.state = State::LookAgain(now + self.pause);
        self.pause = self.pause.saturating_mul(2).min(LOOK_AGAIN_MOST);
    }

    /// Takes the outcome of the attempt. The request that it returns tells the others: ask the store, and do not wait.
    pub fn sent(
        &mut self,
        sharing: &mut TokenSharing,
        outcome: &Outcome,
        now: Mono,
    ) -> Option<Request> {
        let State::Sending(sent_at) = std::mem::replace(&mut self.state, State::Over) else {
            return None;
        };
        let Outcome::Response(response) = outcome else { return None };
        let response = ResponseView::new(response, false);
        let (token, usable, life) = match &self.claim {
            Some(_) => {
                let jwt = sentinel::parse(&response).ok()?;
                let token = Secret::new(jwt.header.to_str().ok()?.to_owned());
                sharing.held = Some(token.clone());
                if jwt.life < LEAST_LIFE {
                    // Nobody is to wait for the next one.
                    sharing.alone_until = now + super::ALONE;
                    return None;
                }
                let life = jwt.life.saturating_sub(now.since(sent_at)).checked_sub(jwt.life / 4)?;
                (token, jwt.life / 5, life)
            }
            None => {
                let jws = idp::parse(&response).ok()?;
                let token = Secret::new(jws.header.to_str().ok()?.to_owned());
                (token, self.consumer_life, self.consumer_life)
            }
        };
        if life.is_zero() || now < sharing.alone_until {
            return None;
        }
        let claim = self.claim.as_ref().map(|(_, claim)| claim.clone()).unwrap_or_default();
        let value = TokenValue { token, usable, claim };
        Some(Request::Swap {
            cell: self.token.clone(),
            seen: self.seen,
            value: value.write(),
            life: Some(life),
        })
    }
}

fn is_same(one: Option<&Secret>, other: &Secret) -> bool {
    one.is_some_and(|one| one.expose() == other.expose())
}
