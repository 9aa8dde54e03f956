//! Hands one thing at a time to the channel.

use super::ConversationLane;
use super::record::{Pending, PendingContent};
use crate::bridge::dead_letter;
use crate::bridge::delivery::{Delivery, DeliveryContent, Verdict};
use crate::bridge::entry::{Choice, ConsumerEntry, ReceiptKind};
use crate::bridge::event::BridgeEvent;
use crate::bridge::tries::{DeadLetterReason, Tried, Tries};
use crate::time::Mono;
use crate::time::Now;
use crate::webhook::{Action, Element, Event, MessagingEvent, Order};

/// The most options of a message that a consumer can choose by number.
const MAX_CHOICES: usize = 64;

/// The most bytes of these options: the consumer's lane keeps them.
const MAX_CHOICE_BYTES: usize = 64 * 1024;

impl ConversationLane {
    pub(super) fn next_delivery(&self, now: Mono) -> Option<Delivery> {
        if self.tries.is_paused(now) {
            return None;
        }
        let pending = self.record.pending.front()?;
        let order = match pending.order {
            Order::InOrder if self.record.has_gap && pending.tells_gap() => Order::AfterGap,
            order => order,
        };
        Some(Delivery {
            id: pending.id.clone(),
            account: self.account.clone(),
            consumer: self.consumer()?.clone(),
            conversation: Some(self.conversation.clone()),
            at: pending.at,
            order,
            replayed: pending.replayed,
            attempt: self.tries.attempt(),
            possibly_repeated: self.tries.is_possibly_repeated(),
            details: pending.details,
            content: match &pending.content {
                PendingContent::Message(message) => DeliveryContent::Message(message.clone()),
                PendingContent::Changed(transition) => DeliveryContent::Changed(transition.clone()),
            },
        })
    }

    /// What the channel made of the delivery.
    pub(in crate::bridge) fn delivered(&mut self, verdict: &Verdict, now: Now) {
        let Some(offer) = self.offer.take() else { return };
        self.must_commit = true;
        let Some(consumer) = self.consumer().cloned() else { return };
        let (settings, lane) = (self.config.of(&consumer), self.lane());
        let tried = self.tries.on_verdict(verdict, settings, &lane, now.mono());
        let account = self.account.clone();
        self.events.extend(offer.ended(verdict, &tried, now).into_iter().map(|kind| BridgeEvent {
            account: account.clone(),
            consumer: Some(consumer.clone()),
            kind,
        }));
        match tried {
            Tried::Again => {}
            Tried::Taken => {
                if let Some(pending) = self.record.pending.pop_front() {
                    self.record.has_gap &= !pending.tells_gap();
                    self.follow_up(&pending, ReceiptKind::Delivered);
                }
            }
            Tried::GivenUp(reason) => {
                if let Some(pending) = self.record.pending.pop_front() {
                    self.record.has_gap = true;
                    self.follow_up(&pending, ReceiptKind::NotReceived);
                    let lane = self.lane();
                    self.append.push(dead_letter::delivery(
                        &lane,
                        pending,
                        reason,
                        Some(consumer),
                        self.wall,
                    ));
                }
            }
        }
    }

    /// The lane has no room for its newest delivery. What follows says that there is a gap.
    pub(super) fn set_newest_aside(&mut self, newest: Pending) {
        if self.record.pending.is_empty() {
            self.tries = Tries::default();
        }
        if let (PendingContent::Message(message), true) = (&newest.content, newest.tells_gap()) {
            self.record.hidden_gap = Some(message.dialog().clone());
        }
        self.follow_up(&newest, ReceiptKind::NotReceived);
        let (lane, consumer) = (self.lane(), self.consumer().cloned());
        let reason = DeadLetterReason::TooLarge;
        self.append.push(dead_letter::delivery(&lane, newest, reason, consumer, self.wall));
    }

    /// The receipt of a message, and the options that it offers.
    fn follow_up(&mut self, pending: &Pending, status: ReceiptKind) {
        let PendingContent::Message(message) = &pending.content else { return };
        let Some(sequence) = message.sequence() else { return };
        self.tell_consumer(&ConsumerEntry::Receipt {
            conversation: self.conversation.clone(),
            dialog: message.dialog().clone(),
            status,
            sequences: vec![sequence],
            reported: false,
        });
        let options = match status {
            ReceiptKind::Delivered => choices(message, sequence),
            _ => Vec::new(),
        };
        if self.record.has_offered || !options.is_empty() {
            self.record.has_offered = !options.is_empty();
            let (message, dialog) = (pending.id.clone(), message.dialog().clone());
            self.tell_consumer(&ConsumerEntry::Offered { message, dialog, options });
        }
    }
}

/// The options of a message, in the order of their numbers.
fn choices(message: &MessagingEvent, sequence: u64) -> Vec<Choice> {
    let choice = |element: Element<'_>| Choice {
        title: element.label().unwrap_or_default().to_owned(),
        text: element.actions().find_map(|action| match action {
            Action::PublishText(text) => Some(text.to_owned()),
            _ => None,
        }),
        metadata: element.click_metadata().map(|json| json.to_value()).unwrap_or_default(),
        sequence,
    };
    let mut left = MAX_CHOICE_BYTES;
    let has_room = |choice: &Choice| {
        let bytes = serde_json::to_vec(choice).map_or(0, |json| json.len());
        left.checked_sub(bytes).inspect(|rest| left = *rest).is_some()
    };
    match message.event() {
        Event::RichContent(content) => {
            let clickable = content.clickable().into_iter().take(MAX_CHOICES);
            clickable.map(choice).take_while(has_room).collect()
        }
        Event::Text(text) => {
            let replies = text.quick_replies;
            let replies = replies.iter().flat_map(|all| all.replies()).take(MAX_CHOICES);
            replies.map(choice).take_while(has_room).collect()
        }
        _ => Vec::new(),
    }
}
