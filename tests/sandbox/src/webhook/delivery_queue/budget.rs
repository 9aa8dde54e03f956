//! How much waits: when there is more than may, the oldest is lost.

use std::mem::size_of;

use super::{DeliveryQueue, QueuedNotification};

impl QueuedNotification {
    /// About how much memory it takes.
    pub(super) fn size(&self) -> usize {
        let headers = self.request.headers().iter();
        let headers = headers.map(|(name, value)| name.as_str().len() + value.len());
        let url = self.request.uri().path().len() + self.request.uri().query().map_or(0, str::len);
        let fixed = size_of::<Self>() + self.conversation.len() + url;
        fixed + headers.sum::<usize>() + self.request.body().len()
    }
}

impl DeliveryQueue {
    /// Loses the oldest that are not in flight, until there is no more than may wait. The newest stays.
    pub(super) fn trim(&mut self) {
        let mut waiting = self.waiting();
        while waiting > 1 && (waiting > self.budget.entries || self.bytes > self.budget.bytes) {
            // Each queue begins with its oldest.
            let firsts = self.queues.iter().filter_map(|(conversation, queue)| {
                queue.front().map(|(id, _)| (*id, conversation))
            });
            let Some((_, conversation)) = firsts.min() else { return };
            let conversation = conversation.clone();
            let queue = self.queues.get_mut(&conversation);
            let Some((_, oldest)) = queue.and_then(|queue| queue.pop_front()) else { return };
            self.remove_if_empty(&conversation);
            self.bytes -= oldest.size();
            self.skippers -= usize::from(oldest.may_skip_at.is_some());
            self.lost += 1;
            self.dropped.push(oldest.number);
            waiting -= 1;
        }
    }

    /// About how many bytes wait that are not in flight.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Counts what waits again.
    pub(crate) fn count_again(&mut self) {
        let queued = self.queues.values().flatten();
        self.bytes = queued.map(|(_, item)| item.size()).sum();
        self.trim();
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
