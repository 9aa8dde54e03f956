//! What happens in the bridge, for metrics and the log.

use lp_connector_bridge::{BridgeEvent, BridgeEventKind};
use lp_connector_core::bridge::{DeliveryKind, DeliveryOutcome, MessageOutcome};
use lp_connector_core::id::{AccountId, ExtConsumerId};

use super::config::DeliveryType;
use super::core::Core;
use super::gateway::Gateway;
use super::metrics::{Metric, UNKNOWN};

/// Records an event of the bridge.
pub(super) fn record(core: &Core, event: &BridgeEvent) {
    record_kind(core, &event.account, event.consumer.as_ref(), &event.kind);
}

fn record_kind(
    core: &Core,
    account: &AccountId,
    consumer: Option<&ExtConsumerId>,
    event: &BridgeEventKind,
) {
    let gateway = consumer.and_then(|consumer| core.gateway_of(account, consumer));
    let name = gateway.map_or(UNKNOWN, |gateway| gateway.name.as_str());
    let consumer = consumer.map(|consumer| consumer.as_str());
    let metrics = &core.metrics;
    match event {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use lp_connector_bridge::Memory;
    use lp_connector_core::bridge::{FailureReason, OrderAnomaly};

    use super::super::doubles::{core_over, gateway_with};
    use super::super::logged::logged;
    use super::*;

    fn core() -> Core {
        core_over(Arc::new(Memory::new()))
    }

    /// Records this of a consumer of the gateway `sms`.
    fn happens(core: &Core, event: &BridgeEventKind) {
        let consumer = ExtConsumerId::new("sms:+41790000001").unwrap();
        record_kind(core, &"91827364".parse().unwrap(), Some(&consumer), event);
    }

    /// A try of a delivery has ended so. What is taken was stored 3 s before.
    fn ends(core: &Core, content: DeliveryKind, outcome: DeliveryOutcome) {
        let after = (outcome == DeliveryOutcome::Taken).then_some(Duration::from_secs(3));
        let delivery = "5f0c:5f0c:7".to_owned();
        happens(core, &BridgeEventKind::Delivery { delivery, content, attempt: 2, outcome, after });
    }

    fn assert_shown(core: &Core, line: &str) {
        let text = core.metrics.render();
        assert!(text.contains(&format!("lp_bridge_{line}\n")), "{line}: {text}");
    }

    #[test]
    fn the_log_has_the_reason_of_a_message_that_failed() {
        let core = core();
        let lines = logged(|| {
            for outcome in
                [MessageOutcome::Failed(FailureReason::UnknownOption), MessageOutcome::Reported]
            {
                let message = "SM9f6".to_owned();
                happens(&core, &BridgeEventKind::Message { message, outcome, after: None });
            }
        });
        let failed = "INFO failed sms sms:+41790000001 SM9f6 unknown_option";
        assert_eq!(lines, [failed, "INFO reported sms sms:+41790000001 SM9f6"]);
    }

    #[test]
    fn an_anomaly_of_the_order_is_counted_by_its_kind() {
        let core = core();
        for anomaly in [OrderAnomaly::Late, OrderAnomaly::AfterGap, OrderAnomaly::Late] {
            let delivery = "5f0c:5f0c:7".to_owned();
            happens(&core, &BridgeEventKind::OrderAnomaly { delivery, anomaly });
        }
        assert_shown(&core, "order_anomalies_total{kind=\"late\"} 2");
        assert_shown(&core, "order_anomalies_total{kind=\"after_gap\"} 1");
        assert_shown(&core, "order_anomalies_total{kind=\"possibly_repeated\"} 0");
    }

    #[test]
    fn a_delivery_that_expired_is_counted_by_its_type() {
        let core = core();
        for (content, name, times) in [
            (DeliveryKind::Message, "message.created", 2),
            (DeliveryKind::Status, "message.status", 3),
            (DeliveryKind::Changed, "conversation.changed", 4),
        ] {
            (0..times).for_each(|_| ends(&core, content, DeliveryOutcome::Expired));
            let series = format!("gateway=\"sms\",type=\"{name}\",outcome=\"expired\"");
            assert_shown(&core, &format!("deliveries_total{{{series}}} {times}"));
        }
    }

    #[test]
    fn the_latency_is_that_of_wanted_deliveries_taken() {
        let mut core = core();
        let wanted = vec![DeliveryType::MessageCreated];
        core.gateways = vec![Arc::new(gateway_with(|config| config.deliver.types = wanted))];
        for (content, outcome) in [
            (DeliveryKind::Message, DeliveryOutcome::Outage),
            (DeliveryKind::Message, DeliveryOutcome::Taken),
            // Neither was posted: what a gateway does not want counts as taken.
            (DeliveryKind::Status, DeliveryOutcome::Taken),
            (DeliveryKind::Changed, DeliveryOutcome::Taken),
        ] {
            ends(&core, content, outcome);
        }
        assert_shown(&core, "delivery_latency_seconds_count{gateway=\"sms\"} 1");
        assert_shown(&core, "delivery_latency_seconds_sum{gateway=\"sms\"} 3");
    }
}
