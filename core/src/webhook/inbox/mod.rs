//! Delivers each change once and in order, however notifications arrive.

#[cfg(test)]
mod bounds_tests;
mod conversation_queue;
mod delivered;
mod dialog;
#[cfg(test)]
mod every_order_tests;
mod poll;
mod saved;
mod seen;
#[cfg(test)]
mod tests;
mod window;

use std::collections::{BTreeSet, VecDeque};

use self::conversation_queue::ConversationQueue;
pub use self::delivered::{Delivered, Order};
pub use self::poll::{InboxFull, InboxPoll};
pub use self::saved::SavedConversation;
pub use self::window::ReorderWindow;
use super::Change;
use crate::id::{ConversationId, DialogId};
use crate::lru_map::LruMap;
use crate::time::Mono;

/// Delivers each change once, and in order where a short wait makes that possible. Notifications
/// may arrive twice, late or out of order ([protocol.md 9.3](crate::protocol#9.3)).
///
/// A sans-IO machine, like [`Call`](crate::connector::Call): time is an argument.
///
/// * Conversation, dialog and sequence identify a messaging event. The inbox drops an event that it
///   has seen. It holds an early event back within a [`ReorderWindow`], and then delivers it
///   nevertheless.
/// * A conversation's state is delivered if it is newer than all before it
///   (`metaDataLastUpdateTs`). Each state is complete, so older ones are dropped.
/// * Chat states and unknown changes pass through as they arrive.
///
/// Every wait ends, and memory is bounded by [`max_conversations`](Self::max_conversations) and
/// [`max_changes`](Self::max_changes).
///
/// # Invariants
///
/// Tests go to every state that up to six events of a dialog can lead to, with windows of none to four events, and with
/// any repeats, losses, pauses and restarts: more than 11 000.
///
/// 1. An event is delivered once, however often it arrives. One that is [marked as seen](Self::mark_seen) before it is
///    ready is not delivered.
/// 2. An event that has arrived is delivered at the end of its window's time at the latest. Then nothing is held.
/// 3. The first of the events that wait misses the one before it, and none waits if one after it was delivered.
/// 4. Each [`Order`] is true. An event that goes [after a gap](Order::AfterGap) had no room in the window, or its time
///    was over or that of one after it, or the inbox was full.
/// 5. No dialog holds more events than its window has.
/// 6. A full inbox takes no change, gives it back, and has room after the next delivery.
/// 7. A conversation that is [saved](Self::save) and [restored](Self::restore) is the same, and what it holds waits no longer.
///
/// ```
/// use std::time::Duration;
/// use lp_connector_core::time::Mono;
/// use lp_connector_core::webhook::{Change, Event, Inbox, InboxPoll, Verified};
///
/// let text = |sequence: u64, text: &str| {
///     let body = format!(r#"{{"type":"ms.MessagingEventNotification","body":{{"changes":[{{
///         "sequence":{sequence},"originatorMetadata":{{"role":"ASSIGNED_AGENT"}},"dialogId":"5f0c",
///         "event":{{"type":"ContentEvent","contentType":"text/plain","message":"{text}"}}}}]}}}}"#);
///     let parsed = Verified::dangerous_unverified(body.into_bytes()).parse().expect("JSON");
///     parsed.into_changes().remove(0)
/// };
/// let now = Mono::ZERO;
/// let mut inbox = Inbox::default();
/// for change in [text(0, "a"), text(2, "c"), text(0, "a"), text(1, "b")] {
///     inbox.handle(change, now)?;
/// }
/// let mut texts = String::new();
/// while let InboxPoll::Deliver(delivered) = inbox.poll(now) {
///     if let Change::Message(message) = &delivered.change
///         && let Event::Text(text) = message.event()
///     {
///         texts.push_str(text.text);
///     }
/// }
/// assert_eq!(texts, "abc");
/// # Ok::<(), lp_connector_core::webhook::InboxFull>(())
/// ```
#[derive(Clone, Debug)]
pub struct Inbox {
    window: ReorderWindow,
    max_conversations: usize,
    max_changes: usize,
    conversations: LruMap<ConversationId, Entry>,
    /// The conversations with ready changes, each once, in round-robin order.
    turns: VecDeque<ConversationId>,
    /// The conversations with held changes, by when the next is due.
    due: BTreeSet<(Mono, ConversationId)>,
    /// Ready changes of no remembered conversation.
    unscoped: VecDeque<Delivered>,
    /// The conversations that were evicted, for [`pop_evicted`](Inbox::pop_evicted).
    evicted: VecDeque<ConversationId>,
    /// The number of changes, held and ready.
    held: usize,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    queue: ConversationQueue,
    due: Option<Mono>,
    has_turn: bool,
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new(ReorderWindow::default())
    }
}

impl Inbox {
    /// An empty inbox.
    #[must_use]
    pub fn new(window: ReorderWindow) -> Self {
        Self {
            window,
            max_conversations: 10_000,
            max_changes: 10_000,
            conversations: LruMap::new(),
            turns: VecDeque::new(),
            due: BTreeSet::new(),
            unscoped: VecDeque::new(),
            evicted: VecDeque::new(),
            held: 0,
        }
    }

    /// Limits the remembered conversations. Beyond it the inbox evicts the least recently used one:
    /// it still delivers its changes, but later duplicates of them count as new.
    /// [`pop_evicted`](Self::pop_evicted) returns them. Default: 10 000; at least 1.
    #[must_use]
    pub fn max_conversations(mut self, conversations: usize) -> Self {
        self.max_conversations = conversations.max(1);
        self
    }

    /// Limits the changes in the inbox, held and ready. Beyond it [`handle`](Self::handle) takes no
    /// more. Default: 10 000; at least 1.
    #[must_use]
    pub fn max_changes(mut self, changes: usize) -> Self {
        self.max_changes = changes.max(1);
        self
    }

    /// Takes a change in.
    ///
    /// # Errors
    /// [`InboxFull`], with the change, if the inbox holds [`max_changes`](Self::max_changes).
    pub fn handle(&mut self, change: Change, now: Mono) -> Result<(), InboxFull> {
        if self.is_full() {
            // If every change is held back, release some, so that the next poll makes room.
            if self.turns.is_empty()
                && self.unscoped.is_empty()
                && let Some((_, conversation)) = self.due.first().cloned()
            {
                self.with(&conversation, ConversationQueue::flush);
            }
            return Err(InboxFull { change: Box::new(change) });
        }
        let conversation = match &change {
            Change::Message(event) => event.conversation().clone(),
            Change::Conversation(change) => change.conversation().clone(),
            Change::Other(_) => {
                self.unscoped.push_back(Delivered::in_order(change));
                self.held += 1;
                return Ok(());
            }
        };
        let window = self.window;
        self.with(&conversation, |queue| queue.handle(change, window, now));
        Ok(())
    }

    /// Takes changes in from the front of `waiting`, as many as fit.
    pub(in crate::webhook) fn handle_from(&mut self, waiting: &mut VecDeque<Change>, now: Mono) {
        while let Some(change) = waiting.pop_front() {
            if let Err(full) = self.handle(change, now) {
                waiting.push_front(full.into_change());
                return;
            }
        }
    }

    /// Marks a sequence as seen that need not arrive as a notification: that of the connector's own
    /// message or receipt, from the response to it. Its echo is then dropped, and later events no
    /// longer wait for it.
    pub fn mark_seen(&mut self, conversation: &ConversationId, dialog: &DialogId, sequence: u64) {
        self.with(conversation, |queue| queue.mark_seen(dialog, sequence));
    }

    /// The next delivery, or when to poll again. May be called at any time.
    pub fn poll(&mut self, now: Mono) -> InboxPoll {
        while let Some((due, conversation)) = self.due.first().cloned()
            && due <= now
        {
            self.with(&conversation, |queue| queue.release(now));
        }
        if let Some(delivered) = self.unscoped.pop_front() {
            self.held -= 1;
            return InboxPoll::Deliver(delivered);
        }
        while let Some(conversation) = self.turns.pop_front() {
            let Some(entry) = self.conversations.get_mut(&conversation) else { continue };
            let delivered = entry.queue.ready.pop_front();
            entry.has_turn = !entry.queue.ready.is_empty();
            if entry.has_turn {
                // One change a turn, so that a busy conversation does not delay the others.
                self.turns.push_back(conversation);
            }
            if let Some(delivered) = delivered {
                self.held -= 1;
                return InboxPoll::Deliver(delivered);
            }
        }
        self.due.first().map_or(InboxPoll::Idle, |(due, _)| InboxPoll::Wait(*due))
    }

    /// When [`poll`](Self::poll) next delivers a change: [`Mono::ZERO`] if one is ready now, `None`
    /// if the inbox is empty. It changes nothing.
    #[must_use]
    pub fn next_due(&self) -> Option<Mono> {
        if !self.unscoped.is_empty() || !self.turns.is_empty() {
            return Some(Mono::ZERO);
        }
        self.due.first().map(|(due, _)| *due)
    }

    /// Makes every held change ready, and waits no longer for those before it. For a program that
    /// stops: nothing more arrives.
    pub fn flush(&mut self) {
        while let Some((_, conversation)) = self.due.first().cloned() {
            self.with(&conversation, ConversationQueue::flush);
        }
    }

    /// Forgets a conversation, for example one that is finished. The inbox still delivers its
    /// changes, but later duplicates of them count as new. Returns false if the conversation is
    /// unknown.
    pub fn forget(&mut self, conversation: &ConversationId) -> bool {
        let Some(entry) = self.conversations.remove(conversation) else { return false };
        self.release_all(conversation, entry);
        true
    }

    /// Takes the next of the conversations that were evicted because the inbox was full
    /// ([`max_conversations`](Self::max_conversations)), in the order of eviction.
    ///
    /// A program that stores conversations can [restore](Self::restore) one when it is used again.
    /// The inbox remembers as many evictions as conversations, and drops the oldest first.
    pub fn pop_evicted(&mut self) -> Option<ConversationId> {
        self.evicted.pop_front()
    }

    /// The state of one conversation, its held and ready changes included. `None` if it is unknown.
    ///
    /// A program that stores the state after each handled and delivered change, and
    /// [restores](Self::restore) it, loses nothing in a restart. It only sees those changes again
    /// that were delivered after the last store.
    #[must_use]
    pub fn save(&self, conversation: &ConversationId, now: Mono) -> Option<SavedConversation> {
        let entry = self.conversations.get(conversation)?;
        Some(SavedConversation::of(conversation.clone(), &entry.queue, now))
    }

    /// The ready changes that belong to no remembered conversation: unknown changes, and changes of
    /// conversations that were forgotten. Store them beside the conversations.
    #[must_use]
    pub fn save_unscoped(&self) -> Vec<Delivered> {
        self.unscoped.iter().cloned().collect()
    }

    /// Puts back the changes that [`save_unscoped`](Self::save_unscoped) returned.
    pub fn restore_unscoped(&mut self, saved: Vec<Delivered>) {
        self.held += saved.len();
        self.unscoped.extend(saved);
    }

    /// Restores a conversation's state, and replaces the present one.
    pub fn restore(&mut self, saved: SavedConversation, now: Mono) {
        let conversation = saved.conversation().clone();
        let restored = saved.into_queue(self.window, now);
        self.with(&conversation, |queue| *queue = restored);
    }

    /// The remembered conversations, the least recently used first. Restore them in this order to
    /// keep it.
    pub fn conversations(&self) -> impl Iterator<Item = &ConversationId> {
        self.conversations.keys()
    }

    /// The number of changes in the inbox, held and ready.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held
    }

    /// True if the inbox holds [`max_changes`](Self::max_changes).
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.held >= self.max_changes
    }

    /// True if the inbox holds no change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Updates one conversation, and the indexes over all of them.
    fn with(&mut self, conversation: &ConversationId, act: impl FnOnce(&mut ConversationQueue)) {
        let entry = self.conversations.touch(conversation, Entry::default);

        let before = entry.queue.len();
        act(&mut entry.queue);
        self.held = (self.held + entry.queue.len()).saturating_sub(before);

        let due = entry.queue.due();
        if due != entry.due {
            if let Some(old) = entry.due.take() {
                self.due.remove(&(old, conversation.clone()));
            }
            if let Some(new) = due {
                self.due.insert((new, conversation.clone()));
            }
            entry.due = due;
        }
        let has_turn = !entry.queue.ready.is_empty();
        if has_turn != entry.has_turn {
            entry.has_turn = has_turn;
            match has_turn {
                true => self.turns.push_back(conversation.clone()),
                false => self.turns.retain(|turn| turn != conversation),
            }
        }
        self.evict();
    }

    /// Forgets the least recently used conversations beyond the limit. The one just used is not among them.
    fn evict(&mut self) {
        while self.conversations.len() > self.max_conversations {
            let Some((oldest, entry)) = self.conversations.pop_oldest() else { return };
            self.release_all(&oldest, entry);
            self.evicted.push_back(oldest);
            if self.evicted.len() > self.max_conversations {
                self.evicted.pop_front();
            }
        }
    }

    /// Makes every change of a forgotten conversation ready.
    fn release_all(&mut self, conversation: &ConversationId, mut entry: Entry) {
        if let Some(due) = entry.due {
            self.due.remove(&(due, conversation.clone()));
        }
        if entry.has_turn {
            self.turns.retain(|turn| turn != conversation);
        }
        entry.queue.flush();
        self.unscoped.append(&mut entry.queue.ready);
    }
}
