//! From verified notifications to ordered deliveries.

use std::collections::VecDeque;
use std::error;
use std::fmt;

use super::inbox::{Delivered, Inbox, InboxPoll};
use super::notification::{Change, UnreadableNotification};
use super::verified::Verified;
use crate::time::Mono;

/// Parses notifications and delivers their changes through an [`Inbox`]: each once, and in order
/// where a short wait makes that possible.
///
/// A sans-IO machine, like [`Call`](crate::connector::Call): time is an argument. The program
/// pushes what its endpoint received, and polls until [`Wait`](FeedPoll::Wait) or
/// [`Idle`](FeedPoll::Idle) before it pushes more. Then the feed holds one notification beyond
/// [`Inbox::max_changes`] at most.
///
/// It loses nothing: changes that the inbox has no room for wait here, and notifications that are
/// not JSON are delivered as [`Unreadable`]. Both were answered 200, so the platform does not send
/// them again.
///
/// ```
/// use lp_connector_core::time::Mono;
/// use lp_connector_core::webhook::{Change, Event, Feed, FeedPoll, Verified};
///
/// let text = |sequence: u64, text: &str| {
///     let body = format!(r#"{{"type":"ms.MessagingEventNotification","body":{{"changes":[{{
///         "sequence":{sequence},"originatorMetadata":{{"role":"ASSIGNED_AGENT"}},"dialogId":"5f0c",
///         "event":{{"type":"ContentEvent","contentType":"text/plain","message":"{text}"}}}}]}}}}"#);
///     Verified::dangerous_unverified(body) // a receiver's `Pending::finish` returns it
/// };
/// let now = Mono::ZERO;
/// let mut feed = Feed::default();
/// for notification in [text(0, "a"), text(2, "c"), text(0, "a"), text(1, "b")] {
///     feed.push(notification, now);
/// }
/// feed.push(Verified::dangerous_unverified("not JSON"), now);
///
/// let (mut texts, mut unreadable) = (String::new(), 0);
/// loop {
///     match feed.poll(now) {
///         FeedPoll::Deliver(delivered) => {
///             if let Change::Message(message) = &delivered.change
///                 && let Event::Text(text) = message.event()
///             {
///                 texts.push_str(text.text);
///             }
///         }
///         FeedPoll::Unreadable(_) => unreadable += 1,
///         FeedPoll::Wait(_) | FeedPoll::Idle => break,
///     }
/// }
/// assert_eq!((texts.as_str(), unreadable), ("abc", 1));
/// ```
#[derive(Debug, Default)]
pub struct Feed {
    inbox: Inbox,
    /// Changes that the inbox had no room for.
    waiting: VecDeque<Change>,
    unreadable: VecDeque<Unreadable>,
    finished: bool,
}

/// The next step of a [`Feed`]'s caller.
#[derive(Clone, PartialEq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a driver must handle every one")]
pub enum FeedPoll {
    /// Handle this change, then poll again.
    Deliver(Delivered),
    /// Set this notification aside, then poll again.
    Unreadable(Unreadable),
    /// Poll again at this instant, or when a notification arrives.
    Wait(Mono),
    /// Poll again when a notification arrives.
    Idle,
}

/// A verified notification that is not JSON.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Unreadable {
    /// The notification, with its raw bytes.
    pub notification: Verified,
    /// The parse error, with its position.
    pub error: UnreadableNotification,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl error::Error for Unreadable {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.error)
    }
}

impl Feed {
    /// A feed through this inbox, which may be a restored one.
    #[must_use]
    pub fn new(inbox: Inbox) -> Self {
        Self { inbox, waiting: VecDeque::new(), unreadable: VecDeque::new(), finished: false }
    }

    /// Takes a notification in.
    pub fn push(&mut self, notification: Verified, now: Mono) {
        match notification.parse() {
            Ok(parsed) => {
                self.waiting.extend(parsed.into_changes());
                self.inbox.handle_from(&mut self.waiting, now);
            }
            Err(error) => self.unreadable.push_back(Unreadable { notification, error }),
        }
    }

    /// Takes a change in that is parsed already.
    pub fn push_change(&mut self, change: Change, now: Mono) {
        self.waiting.push_back(change);
        self.inbox.handle_from(&mut self.waiting, now);
    }

    /// No more notifications will arrive: from now on [`poll`](Self::poll) delivers what the inbox
    /// holds back without waiting for earlier events. At [`FeedPoll::Idle`] the feed is empty.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// The next delivery, or when to poll again. May be called at any time.
    pub fn poll(&mut self, now: Mono) -> FeedPoll {
        if let Some(unreadable) = self.unreadable.pop_front() {
            return FeedPoll::Unreadable(unreadable);
        }
        self.inbox.handle_from(&mut self.waiting, now);
        // A waiting change may fill a gap, so it is taken in first.
        if self.finished && self.waiting.is_empty() {
            self.inbox.flush();
        }
        match self.inbox.poll(now) {
            InboxPoll::Deliver(delivered) => FeedPoll::Deliver(delivered),
            InboxPoll::Wait(until) => FeedPoll::Wait(until),
            InboxPoll::Idle => FeedPoll::Idle,
        }
    }

    /// True if the inbox has no room. An endpoint without a queue of its own answers 503 then, and
    /// the platform sends the notification again.
    #[must_use]
    pub fn is_full(&self) -> bool {
        !self.waiting.is_empty() || self.inbox.is_full()
    }

    /// True if the feed holds neither a change nor an unreadable notification.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.unreadable.is_empty() && self.waiting.is_empty() && self.inbox.is_empty()
    }

    /// The changes that the inbox had no room for. A program that stores its inbox stores these
    /// too, and [pushes](Self::push_change) them again.
    pub fn waiting(&self) -> impl Iterator<Item = &Change> {
        self.waiting.iter()
    }

    /// The inbox.
    #[must_use]
    pub fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// The inbox, for [`mark_seen`](Inbox::mark_seen), [`forget`](Inbox::forget) and the like.
    pub fn inbox_mut(&mut self) -> &mut Inbox {
        &mut self.inbox
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::id::{ConversationId, DialogId};
    use crate::webhook::{Order, ReorderWindow};

    fn notification(sequences: &[u64]) -> Verified {
        let changes: Vec<_> = sequences
            .iter()
            .map(|sequence| {
                json!({"sequence": sequence, "dialogId": "d",
                    "event": {"type": "ContentEvent", "message": "x"}})
            })
            .collect();
        let body = json!({"type": "ms.MessagingEventNotification", "body": {"changes": changes}});
        Verified::dangerous_unverified(body.to_string())
    }

    /// Every delivery up to the next wait: its sequence and order.
    fn drain(feed: &mut Feed, now: Mono) -> (Vec<(u64, Order)>, FeedPoll) {
        let mut delivered = Vec::new();
        loop {
            match feed.poll(now) {
                FeedPoll::Deliver(Delivered { change: Change::Message(message), order }) => {
                    delivered.push((message.sequence().unwrap(), order));
                }
                other => return (delivered, other),
            }
        }
    }

    #[test]
    fn a_held_event_is_due_after_the_window() {
        let mut feed = Feed::default();
        feed.push(notification(&[1]), Mono::ZERO);
        let due = Mono::from_origin(Duration::from_secs(2));
        assert_eq!(drain(&mut feed, Mono::ZERO), (vec![], FeedPoll::Wait(due)));
        assert_eq!(drain(&mut feed, due), (vec![(1, Order::AfterGap)], FeedPoll::Idle));
        assert!(feed.is_empty());
    }

    #[test]
    fn after_finish_nothing_is_held_back() {
        let mut feed = Feed::default();
        feed.push(notification(&[1, 3]), Mono::ZERO);
        feed.finish();
        let both = vec![(1, Order::AfterGap), (3, Order::AfterGap)];
        assert_eq!(drain(&mut feed, Mono::ZERO), (both, FeedPoll::Idle));
    }

    #[test]
    fn a_notification_larger_than_the_inbox_is_delivered_whole() {
        let mut feed = Feed::new(Inbox::default().max_changes(2));
        feed.push(notification(&[0, 1, 2, 3, 4]), Mono::ZERO);
        assert!(feed.is_full());
        assert_eq!(feed.waiting().count(), 3);
        let all = (0..5).map(|sequence| (sequence, Order::InOrder)).collect();
        assert_eq!(drain(&mut feed, Mono::ZERO), (all, FeedPoll::Idle));
        assert!(!feed.is_full() && feed.is_empty());
    }

    #[test]
    fn an_unreadable_notification_is_delivered_with_its_bytes() {
        let mut feed = Feed::default();
        feed.push(Verified::dangerous_unverified("s3cr3t"), Mono::ZERO);
        assert!(!feed.is_empty());
        let FeedPoll::Unreadable(unreadable) = feed.poll(Mono::ZERO) else { panic!() };
        assert_eq!(unreadable.notification.body(), b"s3cr3t");
        assert!(!format!("{unreadable} {unreadable:?}").contains("s3cr3t"));
        let text = "the notification is not JSON (line 1, column 1)";
        assert_eq!(unreadable.to_string(), text);
        assert_eq!(error::Error::source(&unreadable).unwrap().to_string(), text);
        assert_eq!(feed.poll(Mono::ZERO), FeedPoll::Idle);
    }

    proptest! {
        /// Whatever the inbox has room for, and whenever it is polled.
        #[test]
        fn finish_delivers_every_change_once(
            notifications in prop::collection::vec(
                (prop::collection::vec(0u64..40, 0..6), any::<bool>()), 0..20),
            room in 1usize..6, window in 0usize..4,
        ) {
            let window = ReorderWindow::new(window, Duration::from_secs(2));
            let mut feed = Feed::new(Inbox::new(window).max_changes(room));
            let (mut pushed, mut delivered) = (Vec::new(), Vec::new());
            for (sequences, poll) in notifications {
                feed.push(notification(&sequences), Mono::ZERO);
                pushed.extend(sequences);
                if poll {
                    delivered.extend(drain(&mut feed, Mono::ZERO).0);
                    prop_assert!(!feed.is_full() || feed.waiting().count() == 0);
                }
            }
            feed.finish();
            let (rest, end) = drain(&mut feed, Mono::ZERO);
            prop_assert_eq!(end, FeedPoll::Idle);
            prop_assert!(feed.is_empty());
            delivered.extend(rest);
            let mut delivered: Vec<_> = delivered.into_iter().map(|(sequence, _)| sequence).collect();
            delivered.sort_unstable();
            pushed.sort_unstable();
            pushed.dedup();
            prop_assert_eq!(delivered, pushed);
        }
    }

    #[test]
    fn a_feed_with_a_change_that_waits_is_not_empty() {
        let mut feed = Feed::new(Inbox::default().max_changes(1));
        feed.push(notification(&[0, 1]), Mono::ZERO);
        assert!(matches!(feed.poll(Mono::ZERO), FeedPoll::Deliver(_)));
        assert_eq!((feed.inbox().len(), feed.waiting().count()), (0, 1));
        assert!(!feed.is_empty());
    }

    #[test]
    fn a_full_inbox_or_a_change_that_waits_fills_a_feed() {
        let mut feed = Feed::new(Inbox::default().max_changes(2));
        feed.push(notification(&[0]), Mono::ZERO);
        assert!(!feed.is_full());
        feed.push(notification(&[1]), Mono::ZERO);
        assert_eq!((feed.inbox().len(), feed.waiting().count()), (2, 0));
        assert!(feed.is_full());
        feed.push(notification(&[2]), Mono::ZERO);
        assert!(matches!(feed.poll(Mono::ZERO), FeedPoll::Deliver(_)));
        assert_eq!((feed.inbox().len(), feed.waiting().count()), (1, 1));
        assert!(feed.is_full());
    }

    #[test]
    fn a_stored_feed_goes_on_where_it_was() {
        let mut stored = Feed::new(Inbox::default().max_changes(2));
        stored.push(notification(&[0, 1, 2, 3]), Mono::ZERO);
        let mut feed = Feed::new(stored.inbox().clone());
        for change in stored.waiting() {
            feed.push_change(change.clone(), Mono::ZERO);
        }
        let all = (0..4).map(|sequence| (sequence, Order::InOrder)).collect();
        assert_eq!(drain(&mut feed, Mono::ZERO), (all, FeedPoll::Idle));
    }

    #[test]
    fn an_echo_that_is_marked_as_seen_is_not_delivered() {
        let mut feed = Feed::default();
        let conversation = ConversationId::new("d").unwrap();
        let dialog = DialogId::main_of(&conversation);
        feed.inbox_mut().mark_seen(&conversation, &dialog, 0);
        feed.push(notification(&[0, 1]), Mono::ZERO);
        let other = vec![(1, Order::InOrder)];
        assert_eq!(drain(&mut feed, Mono::ZERO), (other, FeedPoll::Idle));
    }
}
