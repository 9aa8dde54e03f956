//! One dialog: each sequence once, in order within the reorder window.

use std::collections::BTreeMap;

use super::delivered::{Delivered, Order};
use super::seen::Seen;
use super::window::ReorderWindow;
use crate::time::Mono;
use crate::webhook::{Change, MessagingEvent};

/// The state of one dialog.
///
/// Every held event has a higher sequence than all delivered ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Dialog {
    /// The sequences that were delivered or marked as seen.
    pub(super) seen: Seen,
    pub(super) highest: Option<u64>,
    pub(super) held: BTreeMap<u64, Held>,
}

/// An event that waits for those before it.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) event: MessagingEvent,
    /// When the event stops waiting.
    pub(super) due: Mono,
}

impl Dialog {
    /// Takes an event in. Moves what can be delivered now to `ready`.
    pub(super) fn handle(
        &mut self,
        sequence: u64,
        event: MessagingEvent,
        window: ReorderWindow,
        now: Mono,
        ready: &mut impl Extend<Delivered>,
    ) {
        if self.seen.contains(sequence) || self.held.contains_key(&sequence) {
            return;
        }
        if self.highest.is_some_and(|highest| sequence < highest) {
            // Later events were delivered already.
            self.deliver(sequence, event, Order::Late, ready);
            return;
        }
        self.held.insert(sequence, Held { event, due: now + window.time });
        self.deliver_consecutive(ready);
        while self.held.len() > window.count {
            self.release_lowest(ready);
        }
    }

    /// Marks a sequence as seen that need not arrive as a notification.
    pub(super) fn mark_seen(&mut self, sequence: u64, ready: &mut impl Extend<Delivered>) {
        self.held.remove(&sequence);
        self.seen.insert(sequence);
        self.deliver_consecutive(ready);
    }

    /// Delivers the events that are due, and those before them.
    pub(super) fn release(&mut self, now: Mono, ready: &mut impl Extend<Delivered>) {
        while self.held.values().any(|held| held.due <= now) {
            self.release_lowest(ready);
        }
    }

    /// When the next held event is due.
    pub(super) fn due(&self) -> Option<Mono> {
        self.held.values().map(|held| held.due).min()
    }

    /// Delivers all held events.
    pub(super) fn flush(&mut self, ready: &mut impl Extend<Delivered>) {
        while !self.held.is_empty() {
            self.release_lowest(ready);
        }
    }

    /// Delivers the lowest held event despite the gap before it, and all that directly follow it.
    fn release_lowest(&mut self, ready: &mut impl Extend<Delivered>) {
        if let Some((sequence, held)) = self.held.pop_first() {
            self.deliver(sequence, held.event, Order::AfterGap, ready);
            self.deliver_consecutive(ready);
        }
    }

    /// Delivers the held events that directly follow a seen sequence.
    fn deliver_consecutive(&mut self, ready: &mut impl Extend<Delivered>) {
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
