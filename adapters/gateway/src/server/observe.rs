//! What happens in the bridge, for metrics and the log.

use lp_connector_bridge::{BridgeEvent, BridgeEventKind};
use lp_connector_core::bridge::{DeliveryKind, DeliveryOutcome, MessageOutcome};

use super::config::DeliveryType;
use super::core::Core;
use super::gateway::Gateway;
use super::metrics::{Metric, UNKNOWN};

/// Records an event of the bridge.
pub(super) fn record(core: &Core, event: &BridgeEvent) {
    let consumer = event.consumer.as_ref();
    let gateway = consumer.and_then(|consumer| core.gateway_of(&event.account, consumer));
    let name = gateway.map_or(UNKNOWN, |gateway| gateway.name.as_str());
    let consumer = consumer.map(|consumer| consumer.as_str());
    let metrics = &core.metrics;
    match &event.kind {
        BridgeEventKind::Message { message, outcome, after } => {
            if gateway.is_some() {
                metrics.count(Metric::Messages, &[name, outcome.name()]);
            }
            if let (Some(_), Some(after)) = (gateway, after) {
                metrics.observe(Metric::MessageLatency, &[name], *after);
            }
            let seconds = after.map(|after| after.as_secs_f64());
            let cause = match outcome {
                MessageOutcome::Failed(reason) => Some(reason.name()),
                _ => None,
            };
            tracing::info!(
                target: super::LOG, event = outcome.name(), gateway = name, consumer, message,
                seconds, cause
            );
        }
        BridgeEventKind::Conversation { conversation, outcome } => {
            metrics.count(Metric::Conversations, &[outcome.name()]);
            let conversation = conversation.as_str();
            tracing::info!(
                target: super::LOG, event = outcome.name(), gateway = name, consumer, conversation
            );
        }
        BridgeEventKind::Delivery { content, outcome, after, .. } => {
            if let Some(gateway) = gateway {
                record_delivery(core, gateway, kind(*content), *outcome, *after);
            }
        }
        BridgeEventKind::OrderAnomaly { anomaly, .. } => {
            metrics.count(Metric::OrderAnomalies, &[anomaly.name()]);
        }
        BridgeEventKind::DeadLetter { dead_letter, reason } => {
            metrics.count(Metric::DeadLettersTotal, &[name, reason.name()]);
            tracing::error!(
                target: super::LOG, event = "dead_letter", gateway = name, consumer,
                delivery = dead_letter, cause = reason.name()
            );
        }
        // The store's answers tell of these too, and are counted there.
        _ => {}
    }
}

/// What the posts themselves do not tell.
fn record_delivery(
    core: &Core,
    gateway: &Gateway,
    kind: DeliveryType,
    outcome: DeliveryOutcome,
    after: Option<std::time::Duration>,
) {
    if !gateway.types.contains(&kind) {
        return;
    }
    let name = gateway.name.as_str();
    match (outcome, after) {
        (DeliveryOutcome::Taken, Some(after)) => {
            core.metrics.observe(Metric::DeliveryLatency, &[name], after);
        }
        (DeliveryOutcome::Expired, _) => {
            core.metrics.count(Metric::Deliveries, &[name, kind.name(), "expired"]);
        }
        _ => {}
    }
}

const fn kind(kind: DeliveryKind) -> DeliveryType {
    match kind {
        DeliveryKind::Message => DeliveryType::MessageCreated,
        DeliveryKind::Status => DeliveryType::MessageStatus,
        _ => DeliveryType::ConversationChanged,
    }
}
