//! One dialog: each sequence once, and in order as far as waiting for it is worth while.

use std::collections::BTreeMap;

use super::seen::Seen;
use super::{Delivered, Order, Window};
use crate::time::Mono;
use crate::webhook::{Change, MessagingEvent};

/// What is known of one dialog.
///
/// All that is held back has a sequence above the highest that was delivered.
#[derive(Debug, Default)]
pub(super) struct Dialog {
    /// What was delivered, or is accounted for.
    pub(super) seen: Seen,
    pub(super) highest: Option<u64>,
    pub(super) held: BTreeMap<u64, Held>,
}

/// An event that waits for those before it.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) event: MessagingEvent,
    /// From here on it waits no longer.
    pub(super) due: Mono,
}

impl Dialog {
    /// Takes an event. What can be delivered now goes to `ready`.
    pub(super) fn handle(
        &mut self,
        sequence: u64,
        event: MessagingEvent,
        window: Window,
        now: Mono,
        ready: &mut impl Extend<Delivered>,
    ) {
        if self.seen.contains(sequence) || self.held.contains_key(&sequence) {
            return;
        }
        if self.highest.is_some_and(|highest| sequence < highest) {
            // What comes after it is gone already.
            self.deliver(sequence, event, Order::Late, ready);
            return;
        }
        self.held.insert(sequence, Held { event, due: now + window.time });
        self.follow(ready);
        while self.held.len() > window.count {
            self.release_lowest(ready);
        }
    }

    /// Counts a sequence as seen that will not come as a notification, or need not.
    pub(super) fn account_for(&mut self, sequence: u64, ready: &mut impl Extend<Delivered>) {
        self.held.remove(&sequence);
        self.seen.insert(sequence);
        self.follow(ready);
    }

    /// Delivers what has waited long enough, and what stands before it.
    pub(super) fn release(&mut self, now: Mono, ready: &mut impl Extend<Delivered>) {
        while self.held.values().any(|held| held.due <= now) {
            self.release_lowest(ready);
        }
    }

    /// When the next of those held has waited long enough.
    pub(super) fn due(&self) -> Option<Mono> {
        self.held.values().map(|held| held.due).min()
    }

    /// Delivers all that is held.
    pub(super) fn flush(&mut self, ready: &mut impl Extend<Delivered>) {
        while !self.held.is_empty() {
            self.release_lowest(ready);
        }
    }

    /// Delivers the lowest of those held, though some before it are missing, and all that follow it.
    fn release_lowest(&mut self, ready: &mut impl Extend<Delivered>) {
        if let Some((sequence, held)) = self.held.pop_first() {
            self.deliver(sequence, held.event, Order::AfterGap, ready);
            self.follow(ready);
        }
    }

    /// Delivers those whose turn it is.
    fn follow(&mut self, ready: &mut impl Extend<Delivered>) {
        while let Some(lowest) = self.held.first_entry()
            && lowest.key().checked_sub(1).is_none_or(|before| self.seen.contains(before))
        {
            let (sequence, held) = lowest.remove_entry();
            self.deliver(sequence, held.event, Order::InOrder, ready);
        }
    }

    fn deliver(
        &mut self,
        sequence: u64,
        event: MessagingEvent,
        order: Order,
        ready: &mut impl Extend<Delivered>,
    ) {
        self.seen.insert(sequence);
        self.highest = self.highest.max(Some(sequence));
        ready.extend([Delivered { change: Change::Message(event), order }]);
    }
}
