//! A delivery that the channel is offered, and what is told of it.

use super::delivery::{Delivery, DeliveryContent, Verdict};
use super::event::{BridgeEventKind, DeliveryKind, DeliveryOutcome, OrderAnomaly};
use super::tries::{DeadLetterReason, Tried};
use crate::time::{Now, Timestamp};
use crate::webhook::Order;

/// What is known of a delivery while the channel has it.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Offer {
    delivery: String,
    content: DeliveryKind,
    attempt: u32,
    order: Order,
    possibly_repeated: bool,
    stored: Option<Timestamp>,
}

impl Offer {
    /// `stored` is when what it delivers was stored.
    pub(super) fn of(delivery: &Delivery, stored: Option<Timestamp>) -> Self {
        Self {
            delivery: delivery.id.clone(),
            content: match delivery.content {
                DeliveryContent::Message(_) => DeliveryKind::Message,
                DeliveryContent::Changed(_) => DeliveryKind::Changed,
                DeliveryContent::Status(_) => DeliveryKind::Status,
            },
            attempt: delivery.attempt,
            order: delivery.order,
            possibly_repeated: delivery.possibly_repeated,
            stored,
        }
    }

    /// The delivery's id.
    pub(super) fn delivery(&self) -> &str {
        &self.delivery
    }

    /// What is told of the try.
    pub(super) fn ended(self, verdict: &Verdict, tried: &Tried, now: Now) -> Vec<BridgeEventKind> {
        let Self { delivery, content, attempt, order, possibly_repeated, stored } = self;
        let outcome = match (verdict, tried) {
            (_, Tried::GivenUp(DeadLetterReason::Expired)) => DeliveryOutcome::Expired,
            (Verdict::Taken, _) => DeliveryOutcome::Taken,
            (Verdict::Refused(_), _) => DeliveryOutcome::Refused,
            (Verdict::Outage(_), _) => DeliveryOutcome::Outage,
            (Verdict::Paused(_) | Verdict::NotTried(_), _) => DeliveryOutcome::Paused,
            (Verdict::Broken, _) => DeliveryOutcome::Broken,
        };
        let is_taken = outcome == DeliveryOutcome::Taken;
        let after = stored.filter(|_| is_taken).and_then(|at| at.until(now));
        let anomalies = [
            (order == Order::AfterGap, OrderAnomaly::AfterGap),
            (order == Order::Late, OrderAnomaly::Late),
            (possibly_repeated, OrderAnomaly::PossiblyRepeated),
        ];
        let anomalies = anomalies.into_iter().filter(|(is_so, _)| is_taken && *is_so);
        let anomalies = anomalies.map(|(_, anomaly)| BridgeEventKind::OrderAnomaly {
            delivery: delivery.clone(),
            anomaly,
        });
        let mut events: Vec<BridgeEventKind> = anomalies.collect();
        events.push(BridgeEventKind::Delivery { delivery, content, attempt, outcome, after });
        events
    }
}
