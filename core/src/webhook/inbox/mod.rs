//! From notifications as they come to each event once and in order.

#[cfg(test)]
mod bounds_tests;
mod dialog;
mod seen;
#[cfg(test)]
mod tests;
mod thread;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::thread::SavedConversation;
use self::thread::Thread;
use super::Change;
use crate::id::{ConversationId, DialogId};
use crate::lru_map::LruMap;
use crate::time::Mono;

/// How long events are held back for those before them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    count: usize,
    time: Duration,
}

impl Window {
    /// At most `count` events of one dialog are held back, and none for longer than `time`.
    ///
    /// Receipts take a sequence too: who does not subscribe to all kinds of messaging event
    /// meets a gap for each that does not come, and waits for it as long as this says, unless
    /// [`account_for`](Inbox::account_for) fills it.
    #[must_use]
    pub const fn new(count: usize, time: Duration) -> Self {
        Self { count, time }
    }

    /// Nothing is held back: each event once, in the order in which they come.
    #[must_use]
    pub const fn none() -> Self {
        Self::new(0, Duration::ZERO)
    }
}

impl Default for Window {
    /// 64 events, for 2 s.
    fn default() -> Self {
        Self::new(64, Duration::from_secs(2))
    }
}

/// How an event stands to those before it in its dialog.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Order {
    /// All before it were delivered, or it has no place in a row.
    InOrder,
    /// Some before it are missing, and were waited for in vain.
    AfterGap,
    /// Some after it were delivered already.
    Late,
}

/// A change, to be acted on.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Delivered {
    /// The change.
    pub change: Change,
    /// How it stands to those before it.
    pub order: Order,
}

/// What an [`Inbox`] says to do next.
#[derive(Clone, PartialEq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a driver must handle every one")]
pub enum InboxPoll {
    /// Act on this, and poll again.
    Deliver(Delivered),
    /// Nothing to do before this instant, unless a change comes.
    Wait(Mono),
    /// Nothing to do before a change comes.
    Idle,
}

/// It holds as many changes as it may: poll first, then hand this one in again.
#[derive(Clone, PartialEq, Debug)]
pub struct Full {
    change: Box<Change>,
}

impl Full {
    /// The change that it did not take.
    #[must_use]
    pub fn into_change(self) -> Change {
        *self.change
    }
}

impl std::fmt::Display for Full {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the inbox is full: take out what is ready first")
    }
}

impl std::error::Error for Full {}

/// Turns changes as they come (twice, out of order, or late, as protocol.md 9.3 allows) into each one
/// once, and in order as far as waiting a little makes that possible. A pure machine, as
/// [`Call`](crate::connector::Call) is: time comes in as an argument.
///
/// * A messaging event is told by its conversation, dialog and sequence. One that was seen is dropped.
///   One that comes before its turn is held back, within a [`Window`], and then delivered all the same.
/// * A conversation's state is delivered if it is newer than the newest before it
///   (`metaDataLastUpdateTs`); each is complete, so an older one is dropped.
/// * Chat states, and whatever this version does not know, go through as they come.
///
/// Nothing is waited for for ever, and nothing grows without bound: see
/// [`conversations`](Self::max_conversations) and [`changes`](Self::max_changes).
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
/// let mut said = String::new();
/// while let InboxPoll::Deliver(delivered) = inbox.poll(now) {
///     if let Change::Message(message) = &delivered.change
///         && let Event::Text(text) = message.event()
///     {
///         said.push_str(text.text);
///     }
/// }
/// assert_eq!(said, "abc");
/// # Ok::<(), lp_connector_core::webhook::Full>(())
/// ```
#[derive(Debug)]
pub struct Inbox {
    window: Window,
    max_conversations: usize,
    max_changes: usize,
    threads: LruMap<ConversationId, Entry>,
    /// Those with something ready, each once.
    turns: VecDeque<ConversationId>,
    /// Those that hold something back, by when it is due.
    due: BTreeSet<(Mono, ConversationId)>,
    /// What comes from conversations that had to go, and from none.
    apart: VecDeque<Delivered>,
    /// How many changes are held in all.
    held: usize,
}

#[derive(Debug, Default)]
struct Entry {
    thread: Thread,
    due: Option<Mono>,
    has_turn: bool,
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new(Window::default())
    }
}

impl Inbox {
    /// An empty one.
    #[must_use]
    pub fn new(window: Window) -> Self {
        Self {
            window,
            max_conversations: 10_000,
            max_changes: 10_000,
            threads: LruMap::new(),
            turns: VecDeque::new(),
            due: BTreeSet::new(),
            apart: VecDeque::new(),
            held: 0,
        }
    }

    /// How many conversations are remembered; the one used longest ago goes first, and its events
    /// would be taken for new ones. Default: 10 000; at least 1.
    #[must_use]
    pub fn max_conversations(mut self, conversations: usize) -> Self {
        self.max_conversations = conversations.max(1);
        self
    }

    /// How many changes are held, be it back or ready, before [`handle`](Self::handle) refuses more.
    /// Default: 10 000; at least 1.
    #[must_use]
    pub fn max_changes(mut self, changes: usize) -> Self {
        self.max_changes = changes.max(1);
        self
    }

    /// Takes a change in.
    ///
    /// # Errors
    /// [`Full`], with the change, if it holds as many as it may.
    pub fn handle(&mut self, change: Change, now: Mono) -> Result<(), Full> {
        if self.held >= self.max_changes {
            // If all of it is held back, whoever polls now would find nothing to take out.
            if self.turns.is_empty()
                && self.apart.is_empty()
                && let Some((_, conversation)) = self.due.first().cloned()
            {
                self.with(&conversation, Thread::flush);
            }
            return Err(Full { change: Box::new(change) });
        }
        let conversation = match &change {
            Change::Message(event) => event.conversation().clone(),
            Change::Conversation(change) => change.conversation().clone(),
            Change::Other(_) => {
                self.apart.push_back(Delivered { change, order: Order::InOrder });
                self.held += 1;
                return Ok(());
            }
        };
        let window = self.window;
        self.with(&conversation, |thread| thread.handle(change, window, now));
        Ok(())
    }

    /// Takes changes in from the front, as many as it may hold, and leaves the rest for after the next
    /// [`poll`](Self::poll): then nothing of a notification is lost on a full inbox.
    ///
    /// ```
    /// use std::collections::VecDeque;
    /// use lp_connector_core::time::Mono;
    /// use lp_connector_core::webhook::{Inbox, InboxPoll, Verified};
    ///
    /// let body = br#"[{"type":"a"},{"type":"b"},{"type":"c"}]"#.to_vec();
    /// let notification = Verified::dangerous_unverified(body).parse().expect("JSON");
    /// let mut waiting = VecDeque::from(notification.into_changes());
    /// let mut inbox = Inbox::default().max_changes(2);
    /// let mut acted_on = 0;
    /// loop {
    ///     inbox.handle_from(&mut waiting, Mono::ZERO);
    ///     match inbox.poll(Mono::ZERO) {
    ///         InboxPoll::Deliver(_) => acted_on += 1,
    ///         InboxPoll::Wait(_) | InboxPoll::Idle => break,
    ///     }
    /// }
    /// assert_eq!(acted_on, 3);
    /// ```
    pub fn handle_from(&mut self, waiting: &mut VecDeque<Change>, now: Mono) {
        while let Some(change) = waiting.pop_front() {
            if let Err(full) = self.handle(change, now) {
                waiting.push_front(full.into_change());
                return;
            }
        }
    }

    /// Counts a sequence as seen that will not come as a notification, or need not: that of a message
    /// or receipt of our own, as its answer says. Its echo is then dropped, and what came after it
    /// waits no longer.
    pub fn account_for(&mut self, conversation: &ConversationId, dialog: &DialogId, sequence: u64) {
        self.with(conversation, |thread| thread.account_for(dialog, sequence));
    }

    /// Says what to do next. May be called at any time.
    pub fn poll(&mut self, now: Mono) -> InboxPoll {
        while let Some((due, conversation)) = self.due.first().cloned()
            && due <= now
        {
            self.with(&conversation, |thread| thread.release(now));
        }
        if let Some(delivered) = self.apart.pop_front() {
            self.held -= 1;
            return InboxPoll::Deliver(delivered);
        }
        while let Some(conversation) = self.turns.pop_front() {
            let Some(entry) = self.threads.get_mut(&conversation) else { continue };
            let delivered = entry.thread.ready.pop_front();
            entry.has_turn = !entry.thread.ready.is_empty();
            if entry.has_turn {
                // One at a time, so that a busy conversation does not hold up the others.
                self.turns.push_back(conversation);
            }
            if let Some(delivered) = delivered {
                self.held -= 1;
                return InboxPoll::Deliver(delivered);
            }
        }
        self.due.first().map_or(InboxPoll::Idle, |(due, _)| InboxPoll::Wait(*due))
    }

    /// All that is known of one conversation, what is ready and not yet taken out included; `None` if
    /// there is nothing. Stored after each change that was handled or delivered, and
    /// [restored](Self::restore), nothing is lost, and nothing is repeated but what was taken out
    /// since.
    #[must_use]
    pub fn save(&self, conversation: &ConversationId, now: Mono) -> Option<SavedConversation> {
        let entry = self.threads.get(conversation)?;
        Some(SavedConversation::of(conversation.clone(), &entry.thread, now))
    }

    /// What is ready and belongs to no conversation that is remembered: changes that this version does
    /// not know, and what was held in conversations that had to go. To be stored beside these.
    #[must_use]
    pub fn save_apart(&self) -> Vec<Delivered> {
        self.apart.iter().cloned().collect()
    }

    /// Takes back what [`save_apart`](Self::save_apart) gave.
    pub fn restore_apart(&mut self, saved: Vec<Delivered>) {
        self.held += saved.len();
        self.apart.extend(saved);
    }

    /// Goes on with a conversation from where it was saved, in place of what is known of it now.
    pub fn restore(&mut self, saved: SavedConversation, now: Mono) {
        let conversation = saved.conversation.clone();
        let restored = saved.into_thread(self.window, now);
        self.with(&conversation, |thread| *thread = restored);
    }

    /// The conversations that are remembered, from the one used longest ago to the one used last.
    /// Restored in this order, they go in this order.
    pub fn conversations(&self) -> impl Iterator<Item = &ConversationId> {
        self.threads.keys()
    }

    /// How many changes it holds, be it back or ready.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held
    }

    /// True if it holds no change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Does something to one conversation, and keeps the books about it.
    fn with(&mut self, conversation: &ConversationId, act: impl FnOnce(&mut Thread)) {
        if self.threads.len() >= self.max_conversations && !self.threads.contains(conversation) {
            self.make_room();
        }
        let entry = self.threads.touch(conversation, Entry::default);

        let before = entry.thread.len();
        act(&mut entry.thread);
        self.held = (self.held + entry.thread.len()).saturating_sub(before);

        let due = entry.thread.due();
        if due != entry.due {
            if let Some(old) = entry.due.take() {
                self.due.remove(&(old, conversation.clone()));
            }
            if let Some(new) = due {
                self.due.insert((new, conversation.clone()));
            }
            entry.due = due;
        }
        if !entry.has_turn && !entry.thread.ready.is_empty() {
            entry.has_turn = true;
            self.turns.push_back(conversation.clone());
        }
    }

    /// Lets the conversation go that was used longest ago, but nothing that it holds.
    fn make_room(&mut self) {
        while self.threads.len() >= self.max_conversations {
            let Some((oldest, mut entry)) = self.threads.pop_oldest() else { return };
            if let Some(due) = entry.due {
                self.due.remove(&(due, oldest.clone()));
            }
            if entry.has_turn {
                self.turns.retain(|turn| *turn != oldest);
            }
            entry.thread.flush();
            self.apart.append(&mut entry.thread.ready);
        }
    }
}
