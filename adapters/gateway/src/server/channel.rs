//! The channel of the bridge: posts deliveries to the gateways.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use lp_connector_bridge::{Channel, Content, FromAgent, Undelivered};
use lp_connector_core::bridge::{Delivery, DeliveryContent, Verdict};
use lp_connector_core::id::ExtConsumerId;

use super::circuit::Permit;
use super::config::DeliveryType;
use super::core::Core;
use super::files;
use super::gateway::Gateway;
use super::metrics::{Metric, Metrics};
use super::no_answer::NoAnswer;
use super::post::{Answer, Post};
use crate::delivery::{Envelope, Extras};
use crate::outcome::Outcome;

/// How long news of typing may take: they are worth something only now.
const TYPING_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a delivery to a paused gateway waits before it is looked at again.
const PAUSED: Duration = Duration::from_secs(5);

/// How long a delivery waits for which there was no place.
const CROWDED: Duration = Duration::from_millis(250);

/// The gateways, as the bridge's channel.
#[derive(Debug)]
pub(super) struct Gateways(pub(super) Arc<Core>);

impl Channel for Gateways {
    async fn deliver(&self, to: &ExtConsumerId, message: FromAgent) -> Result<(), Undelivered> {
        let Some(gateway) = self.0.gateway_of(&message.account, to) else {
            tracing::warn!(
                target: super::LOG, event = "no_gateway", delivery = message.id,
                "a delivery waits for a gateway that is not configured"
            );
            return Err(Undelivered::Outage(None));
        };
        match (&message.content, message.delivery()) {
            (Content::Typing(typing), _) => self.typing(gateway, to, &message, *typing).await,
            (content, Some(delivery)) => self.post(gateway, delivery, content).await,
            (_, None) => Ok(()),
        }
    }
}

impl Gateways {
    async fn post(
        &self,
        gateway: &Gateway,
        delivery: &Delivery,
        content: &Content,
    ) -> Result<(), Undelivered> {
        let limit = Instant::now() + self.0.try_limit;
        let kind = match &delivery.content {
            DeliveryContent::Message(_) => DeliveryType::MessageCreated,
            DeliveryContent::Status(_) => DeliveryType::MessageStatus,
            _ => DeliveryType::ConversationChanged,
        };
        if !gateway.types.contains(&kind) {
            return Ok(());
        }
        // Not known yet counts as paused: it may have been paused before this program began.
        if gateway.is_paused() || !self.0.is_started() {
            return Err(Undelivered::Paused(PAUSED));
        }
        let mut probe = match gateway.circuit().admit(Instant::now()) {
            Permit::Wait(pause) => return Err(Undelivered::NotTried(pause)),
            permit => Permitted { gateway, permit, is_over: false },
        };
        let Some(place) = gateway.room().await else {
            return Err(Undelivered::NotTried(CROWDED));
        };
        let keys = gateway.keys();
        let extras = match content {
            Content::File(file) => files::offer(&self.0, gateway, &keys, delivery, file).await?,
            _ => Extras::default(),
        };
        let Some(envelope) = Envelope::of(delivery, &gateway.name, &gateway.rules, &extras) else {
            return Ok(());
        };
        let (attempt, begun) = (delivery.attempt, Instant::now());
        let post = Post {
            id: envelope.id,
            attempt,
            body: envelope.body,
            until: limit.min(begun + gateway.config.deliver.timeout),
        };
        let answer = gateway.poster.post(post, keys, place).await;
        if answer == Err(NoAnswer::TooLate) {
            return Err(Undelivered::NotTried(CROWDED));
        }
        let elapsed = begun.elapsed();
        let outcome = match &answer {
            Ok(answer) => Outcome::of(answer.status, answer.retry_after),
            Err(_) => Outcome::no_answer(),
        };
        self.record(gateway, delivery, kind, attempt, &answer, &outcome, elapsed);
        probe.end(&self.0.metrics, &outcome);
        match outcome.verdict {
            Verdict::Taken => {
                self.0.metrics.set_to_now(Metric::GatewayLastSuccess, &[&gateway.name]);
                Ok(())
            }
            Verdict::Refused(cause) => Err(Undelivered::Refused(cause)),
            Verdict::Outage(pause) => Err(Undelivered::Outage(pause)),
            Verdict::Paused(pause) => Err(Undelivered::Paused(pause)),
            Verdict::NotTried(pause) => Err(Undelivered::NotTried(pause)),
            Verdict::Broken => Err(Undelivered::Outage(None)),
        }
    }

    /// Tells the gateway that the agent types: one try, and nothing is kept of it.
    async fn typing(
        &self,
        gateway: &Gateway,
        to: &ExtConsumerId,
        message: &FromAgent,
        typing: bool,
    ) -> Result<(), Undelivered> {
        let kind = DeliveryType::TypingChanged;
        let is_wanted = gateway.types.contains(&kind)
            && !gateway.is_paused()
            && self.0.is_started()
            && !gateway.circuit().is_open();
        let (Some(consumer), true) = (gateway.rules.internal(to), is_wanted) else { return Ok(()) };
        let conversation = message.conversation.as_ref().map(|id| id.as_str());
        let now = SystemTime::now();
        let envelope =
            Envelope::typing(&message.id, now, &gateway.name, consumer, conversation, typing);
        let Some(place) = gateway.free_room() else { return Ok(()) };
        let begun = Instant::now();
        let until = begun + TYPING_TIMEOUT.min(gateway.config.deliver.timeout);
        let post = Post { id: envelope.id, attempt: 1, body: envelope.body, until };
        let answer = gateway.poster.post(post, gateway.keys(), place).await;
        let outcome = match &answer {
            Ok(answer) => Outcome::of(answer.status, answer.retry_after),
            Err(_) => Outcome::no_answer(),
        };
        let metrics = &self.0.metrics;
        metrics.observe(Metric::DeliveryDuration, &[&gateway.name], begun.elapsed());
        metrics.count(Metric::Deliveries, &[&gateway.name, kind.name(), outcome.name()]);
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "they are what a line of the log says")]
    fn record(
        &self,
        gateway: &Gateway,
        delivery: &Delivery,
        kind: DeliveryType,
        attempt: u32,
        answer: &Result<Answer, NoAnswer>,
        outcome: &Outcome,
        elapsed: Duration,
    ) {
        let metrics = &self.0.metrics;
        let name = gateway.name.as_str();
        metrics.observe(Metric::DeliveryDuration, &[name], elapsed);
        metrics.count(Metric::Deliveries, &[name, kind.name(), outcome.name()]);
        let status = answer.as_ref().ok().map(|answer| answer.status);
        let cause = cause(answer, outcome);
        let seconds = elapsed.as_secs_f64();
        let conversation = delivery.conversation.as_ref().map(|id| id.as_str());
        let consumer = delivery.consumer.as_str();
        if outcome.is_misconfigured {
            tracing::error!(
                target: super::LOG, event = "misconfigured", gateway = name, consumer, conversation,
                delivery = delivery.id, attempt, status, seconds, cause,
                "the gateway's URL, token or secret is probably wrong: its deliveries wait"
            );
        } else if outcome.verdict == Verdict::Taken {
            tracing::info!(
                target: super::LOG, event = "delivery", gateway = name, consumer, conversation,
                delivery = delivery.id, attempt, status, seconds, cause
            );
        } else {
            tracing::warn!(
                target: super::LOG, event = "delivery", gateway = name, consumer, conversation,
                delivery = delivery.id, attempt, status, seconds, cause
            );
        }
        // What a gateway writes may quote the message: it is for those who look for it.
        if let (false, Ok(answer)) = (outcome.verdict == Verdict::Taken, answer) {
            let text = answer.text.as_str();
            tracing::trace!(target: super::LOG, event = "answer", delivery = delivery.id, answer = text);
        }
    }
}

/// What the log says of a try's end: what it means, and why, in fixed words.
fn cause(answer: &Result<Answer, NoAnswer>, outcome: &Outcome) -> String {
    match answer {
        _ if outcome.verdict == Verdict::Taken => outcome.name().to_owned(),
        Ok(answer) => format!("{}: status {}", outcome.name(), answer.status),
        Err(why) => format!("{}: {why}", outcome.name()),
    }
}

/// A try that the circuit allowed. If it is dropped without an end, another one may probe.
struct Permitted<'a> {
    gateway: &'a Gateway,
    permit: Permit,
    is_over: bool,
}

impl Permitted<'_> {
    fn end(&mut self, metrics: &Metrics, outcome: &Outcome) {
        self.is_over = true;
        let name = self.gateway.name.as_str();
        let is_up = !matches!(outcome.verdict, Verdict::Outage(_) | Verdict::Broken);
        metrics.set(Metric::GatewayUp, &[name], f64::from(u8::from(is_up)));
        let mut circuit = self.gateway.circuit();
        let changed = match is_up {
            true => circuit.succeed(),
            false => circuit.fail(self.permit, Instant::now()),
        };
        drop(circuit);
        match (changed, is_up) {
            (true, true) => tracing::info!(
                target: super::LOG, event = "gateway_up", gateway = name, "the gateway answers again"
            ),
            (true, false) => tracing::error!(
                target: super::LOG, event = "gateway_down", gateway = name,
                "the gateway keeps failing: its deliveries wait, and one at a time tries it"
            ),
            _ => {}
        }
    }
}

impl Drop for Permitted<'_> {
    fn drop(&mut self) {
        if !self.is_over && self.permit == Permit::Probe {
            self.gateway.circuit().cancel_probe();
        }
    }
}

#[cfg(test)]
mod tests {
    use lp_connector_core::bridge::{Progress, Status};

    use super::super::doubles::{AwayStore, core_over, gateway};
    use super::super::logged::logged;
    use super::*;

    #[test]
    fn the_log_says_once_that_a_gateway_is_down_or_up_again() {
        let (gateway, metrics) = (gateway(), Metrics::new(&["sms".to_owned()]));
        let end = |status| {
            let mut tried = Permitted { gateway: &gateway, permit: Permit::Try, is_over: false };
            tried.end(&metrics, &Outcome::of(status, None));
        };
        let lines = logged(|| {
            end(204);
            // The tenth in a row opens the circuit.
            (0..12).for_each(|_| end(503));
            (0..2).for_each(|_| end(204));
        });
        assert_eq!(lines, ["ERROR gateway_down sms", "INFO gateway_up sms"]);
    }

    #[test]
    fn a_probe_that_is_not_posted_leaves_room_for_another() {
        let (gateway, now) = (gateway(), Instant::now());
        for _ in 0..10 {
            gateway.circuit().fail(Permit::Try, now);
        }
        let later = now + Duration::from_secs(5);
        for _ in 0..2 {
            let permit = gateway.circuit().admit(later);
            assert_eq!(permit, Permit::Probe);
            drop(Permitted { gateway: &gateway, permit, is_over: false });
        }
    }

    #[test]
    fn a_try_that_is_not_posted_leaves_no_room_beside_a_probe() {
        let (gateway, now) = (gateway(), Instant::now());
        // Begun before the circuit opened.
        let tried = Permitted { gateway: &gateway, permit: Permit::Try, is_over: false };
        for _ in 0..10 {
            gateway.circuit().fail(Permit::Try, now);
        }
        let later = now + Duration::from_secs(5);
        assert_eq!(gateway.circuit().admit(later), Permit::Probe);
        drop(tried);
        assert!(matches!(gateway.circuit().admit(later), Permit::Wait(_)));
    }

    /// What the log says of a try that the gateway answers with this status.
    fn recorded(status: u16) -> Vec<String> {
        let gateways = Gateways(Arc::new(core_over(Arc::new(AwayStore::new()))));
        let gateway = gateway();
        let content = DeliveryContent::Status(Status::new("SM9f3", Progress::Sent, None));
        let ada = ExtConsumerId::new("ada").unwrap();
        let delivery = Delivery::new("5f0c:1".to_owned(), gateway.account.clone(), ada, content);
        let answer = Ok(Answer { status, retry_after: None, text: "quoted".to_owned() });
        let (kind, outcome) = (DeliveryType::MessageStatus, Outcome::of(status, None));
        logged(|| {
            gateways.record(&gateway, &delivery, kind, 1, &answer, &outcome, Duration::ZERO);
        })
    }

    #[test]
    fn a_delivery_that_fails_is_a_warning_in_the_log() {
        for (status, expected) in [
            (204, "INFO delivery sms ada 5f0c:1 taken"),
            (503, "WARN delivery sms ada 5f0c:1 outage: status 503"),
            (404, "ERROR misconfigured sms ada 5f0c:1 misconfigured: status 404"),
        ] {
            assert_eq!(recorded(status)[0], expected);
        }
    }

    #[test]
    fn what_a_gateway_writes_is_logged_if_it_takes_nothing() {
        assert!(recorded(204)[1..].is_empty());
        for status in [503, 422, 404] {
            assert_eq!(recorded(status)[1..], ["TRACE answer 5f0c:1 quoted"], "{status}");
        }
    }

    #[test]
    fn the_log_says_why_a_delivery_failed() {
        let answered = |status| {
            let answer = Answer { status, retry_after: None, text: "quoted".to_owned() };
            cause(&Ok(answer), &Outcome::of(status, None))
        };
        for (status, expected) in [
            (204, "taken"),
            (422, "refused: status 422"),
            (503, "outage: status 503"),
            (404, "misconfigured: status 404"),
        ] {
            assert_eq!(answered(status), expected);
        }
        let unanswered = cause(&Err(NoAnswer::Refused), &Outcome::no_answer());
        assert_eq!(unanswered, "outage: connection refused");
    }
}
