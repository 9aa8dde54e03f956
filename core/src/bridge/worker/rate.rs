//! How many requests may begin in a second, where there is a limit.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::Worker;
use crate::bridge::store::LaneId;
use crate::id::AccountId;
use crate::time::{Mono, Now};

/// All of it, in millionths.
const WHOLE: u32 = 1_000_000;

/// The credit for one request: requests a second, times millionths, times nanoseconds.
const REQUEST: u128 = 1_000_000_000 * WHOLE as u128;

/// The most accounts with credit of their own. One that had no request for long needs none.
const MAX_ACCOUNTS: usize = 1024;

/// A lane whose request may begin by then is held; one whose turn is later is released until then. One lane is held
/// in any case.
const SOON: Duration = Duration::from_secs(4);

/// How long a lane is released, at least and at most.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The limit of one worker.
#[derive(Clone, Debug)]
pub(super) struct Rate {
    credits: Credits,
    /// Lanes that are held until there is credit.
    waiting: VecDeque<LaneId>,
}

/// What each account may send: a credit that grows with time, up to that of a second.
#[derive(Clone, Debug)]
struct Credits {
    per_second: u32,
    share: u32,
    accounts: BTreeMap<AccountId, Account>,
}

#[derive(Clone, Copy, Debug)]
struct Account {
    credit: u128,
    /// When the credit was that.
    at: Mono,
    /// The turn of the lane that was released last.
    last_turn: Mono,
}

impl Rate {
    pub(super) const fn new(per_second: u32) -> Self {
        let credits = Credits { per_second, share: WHOLE, accounts: BTreeMap::new() };
        Self { credits, waiting: VecDeque::new() }
    }

    pub(super) fn spend(&mut self, account: &AccountId, now: Mono) {
        let one = self.credits.account(account, now);
        one.credit = one.credit.saturating_sub(REQUEST);
    }

    fn waiting_of(&self, account: &AccountId) -> usize {
        self.waiting.iter().filter(|lane| lane.account() == account).count()
    }

    /// How long a lane is released whose request has to wait: each one's turn comes after the one before it. Any program
    /// may have it then, so the turns come as fast as all programs together may send.
    fn pause(&mut self, account: &AccountId, now: Mono) -> Duration {
        let between = SHORTEST_PAUSE / self.credits.per_second.max(1);
        let one = self.credits.account(account, now);
        let turn = (one.last_turn + between).max(now + SHORTEST_PAUSE).min(now + LONGEST_PAUSE);
        one.last_turn = turn;
        turn.since(now)
    }
}

impl Credits {
    fn speed(&self) -> u128 {
        u128::from(self.per_second) * u128::from(self.share)
    }

    /// The most credit: what a second brings, and one request at least.
    fn most(&self) -> u128 {
        (self.speed() * 1_000_000_000).max(REQUEST)
    }

    /// The account, with its credit of now.
    fn account(&mut self, account: &AccountId, now: Mono) -> &mut Account {
        let (speed, most) = (self.speed(), self.most());
        if self.accounts.len() >= MAX_ACCOUNTS && !self.accounts.contains_key(account) {
            self.accounts.retain(|_, one| one.credit_at(now, speed, most) < most);
        }
        let new = Account { credit: REQUEST, at: now, last_turn: Mono::ZERO };
        let one = self.accounts.entry(account.clone()).or_insert(new);
        one.credit = one.credit_at(now, speed, most);
        one.at = now;
        one
    }

    /// The time in which so much credit grows. `None`: it does not grow.
    fn time_for(&self, credit: u128) -> Option<Duration> {
        let nanos = credit.div_ceil(Some(self.speed()).filter(|speed| *speed > 0)?);
        Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    /// When the next request of this account may begin, after so many others.
    fn next(&self, account: &AccountId, others: usize, now: Mono) -> Mono {
        let (speed, most) = (self.speed(), self.most());
        let known = self.accounts.get(account);
        let credit = known.map_or(REQUEST, |one| one.credit_at(now, speed, most));
        let wanted = REQUEST.saturating_mul(others as u128 + 1);
        match self.time_for(wanted.saturating_sub(credit)) {
            Some(time) => now + time,
            None => Mono::NEVER,
        }
    }

    fn set_share(&mut self, share: u32, now: Mono) {
        if share == self.share {
            return;
        }
        let (speed, most) = (self.speed(), self.most());
        self.share = share.min(WHOLE);
        let new_most = self.most();
        for one in self.accounts.values_mut() {
            one.credit = one.credit_at(now, speed, most).min(new_most);
            one.at = now;
        }
    }
}

impl Account {
    fn credit_at(&self, now: Mono, speed: u128, most: u128) -> u128 {
        let grown = now.since(self.at).as_nanos().saturating_mul(speed);
        self.credit.saturating_add(grown).min(most)
    }
}

impl Worker {
    /// Sets this program's part of the [rate](crate::bridge::BridgeConfig::rate), in millionths: what
    /// [`Membership::share`](crate::bridge::Membership::share) says. Default: all of it.
    pub fn set_share(&mut self, millionths: u32, now: Now) {
        if let Some(rate) = &mut self.rate {
            rate.credits.set_share(millionths, now.mono());
        }
    }

    /// True if the limit lets a request of this account begin.
    pub(super) fn may_call(&self, account: &AccountId, now: Mono) -> bool {
        self.rate.as_ref().is_none_or(|rate| rate.credits.next(account, 0, now) <= now)
    }

    /// Makes a lane wait for the limit: held if its turn is soon, released otherwise.
    pub(super) fn throttle(&mut self, id: &LaneId, now: Now) {
        let Some(rate) = &mut self.rate else { return };
        let before = rate.waiting_of(id.account());
        let turn = rate.credits.next(id.account(), before, now.mono());
        let is_soon = turn <= now.mono() + SOON || (before == 0 && turn < Mono::NEVER);
        match self.lanes.get_mut(id) {
            Some(held) if is_soon => {
                held.machine.cancelled();
                rate.waiting.push_back(id.clone());
            }
            _ => {
                let pause = rate.pause(id.account(), now.mono());
                self.put_off(id, pause, now);
                if let Some(held) = self.lanes.get_mut(id) {
                    held.others_first = true;
                }
            }
        }
    }

    /// When to look for a lane that others may have first: once in a second, however many there are, and not when others
    /// do.
    pub(super) fn after_others(&self, due: Mono) -> Mono {
        let millis = 300 + u64::try_from(self.seed.bits() % 700).unwrap_or_default();
        let second = due.elapsed_from_origin().as_secs().saturating_add(1);
        Mono::from_origin(Duration::from_secs(second)) + Duration::from_millis(millis)
    }

    /// The pause before the next claim, if another request of an account whose lanes wait could not begin soon: other
    /// programs look before, and have what this one would only put off.
    pub(super) fn throttled_pause(&self, now: Mono) -> Option<Duration> {
        let rate = self.rate.as_ref()?;
        let account = rate.waiting.back()?.account();
        let times = if rate.credits.share < WHOLE { 2 } else { 1 };
        let is_late = rate.credits.next(account, rate.waiting_of(account), now) > now + SOON;
        is_late.then(|| self.config.poll_most.saturating_mul(times))
    }

    /// The lane that has waited longest for the limit, and may begin now, or one that must be leased for another term.
    pub(super) fn next_throttled(&mut self, now: Now) -> Option<LaneId> {
        let rate = self.rate.as_ref()?;
        let at = rate.waiting.iter().position(|id| {
            self.is_stopping
                || self.leased_until(id) <= now.mono()
                || (self.has_room(id.account()) && self.may_call(id.account(), now.mono()))
        })?;
        self.rate.as_mut()?.waiting.remove(at)
    }

    /// When too little is left of the lane's term for a request to begin.
    fn leased_until(&self, id: &LaneId) -> Mono {
        let reserve = Mono::from_origin(self.config.effect_reserve());
        let until = self.lanes.get(id).map_or(Mono::ZERO, |held| held.held_until);
        Mono::from_origin(until.since(reserve)) + Duration::from_nanos(1)
    }

    /// When the first lane that waits for the limit goes on.
    pub(super) fn throttled_until(&self, now: Mono) -> Mono {
        let Some(rate) = &self.rate else { return Mono::NEVER };
        let next = rate.waiting.iter().map(|id| {
            let lease = self.leased_until(id);
            match self.has_room(id.account()) {
                true => rate.credits.next(id.account(), 0, now).min(lease),
                false => lease,
            }
        });
        next.min().unwrap_or(Mono::NEVER)
    }
}

#[cfg(test)]
#[path = "rate_tests.rs"]
mod tests;
