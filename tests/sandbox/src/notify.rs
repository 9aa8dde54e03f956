//! Notifications of what happens in conversations.

use std::time::Duration;

use http::Request;
use serde_json::Value;

use crate::Endpoint;
use crate::fault::FaultKind;
use crate::random::stable_hex;
use crate::sandbox::Sandbox;
use crate::state::{Message, Publication, milliseconds};
use crate::webhook::{
    AppState, DeliveryQueue, NextPost, QueuedNotification, Webhooks, notification,
};

/// How long a reordered notification waits for the next one.
const REORDER_DELAY: Duration = Duration::from_millis(300);

impl Sandbox {
    /// Replaces the webhooks. Undelivered notifications are lost.
    pub fn set_webhooks(&mut self, webhooks: Webhooks) {
        self.deliveries = DeliveryQueue::replacing(&self.deliveries, webhooks.retention);
        self.webhooks = Some(webhooks);
    }

    /// The next step of delivery. `now` is the time since the Unix epoch.
    ///
    /// A driver posts what it gets, reports the outcome with [`complete_post`](Self::complete_post), and
    /// calls this again after each change.
    pub fn next_post(&mut self, now: Duration) -> NextPost {
        self.deliveries.poll(now)
    }

    /// Reports the outcome of a post: the status of the response, or `None` if none came within 5 s.
    pub fn complete_post(&mut self, now: Duration, id: u64, status: Option<u16>) {
        self.deliveries.complete(now, id, status);
    }

    /// The state of the app's deliveries.
    #[must_use]
    pub fn app_state(&self) -> AppState {
        self.deliveries.state()
    }

    /// When the next notification is posted, as the time since the Unix epoch, if the endpoint did not take
    /// the last one: time-based retry waits 2, 4, 8 … 300 s
    /// ([protocol.md 9.3](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#9.3)).
    #[must_use]
    pub fn next_try(&self) -> Option<Duration> {
        self.deliveries.next_try()
    }

    /// How many notifications were dropped.
    #[must_use]
    pub fn notifications_lost(&self) -> u64 {
        self.deliveries.lost()
    }

    /// How many notifications are not delivered yet.
    #[must_use]
    pub fn notifications_waiting(&self) -> usize {
        self.deliveries.waiting()
    }

    /// Publishes an event and queues its notification. Returns its sequence.
    pub(crate) fn publish(&mut self, now: Duration, publication: Publication<'_>) -> u64 {
        let has_gaps = self.config.sequence_gaps;
        let Some(message) = self.state.publish(now, publication, has_gaps) else { return 0 };
        // The sequence of a chat state has no meaning (protocol.md 7.1).
        let sequence = message.sequence.unwrap_or(0);
        let conversation = message.conversation.clone();
        let (key, body) = match self.config.changed_echo && message.role == "CONSUMER" {
            true => notification::of_message(&with_changed_text(message)),
            false => notification::of_message(message),
        };
        self.notify(now, &conversation, &key, &body);
        sequence
    }

    /// Queues a notification of a conversation's new state.
    pub(crate) fn notify_conversation(&mut self, now: Duration, conversation: &str) {
        let Some(changed) = self.state.conversations.get_mut(conversation) else {
            return;
        };
        changed.updated_ms = milliseconds(now).max(changed.updated_ms + 1);
        let (key, body) = notification::of_conversation(changed, &self.config);
        self.notify(now, conversation, &key, &body);
    }

    fn notify(&mut self, now: Duration, conversation: &str, key: &str, body: &Value) {
        let fault = self.fault_for(Endpoint::Webhook);
        let Some(webhooks) = &self.webhooks else { return };
        let Some(endpoint) = webhooks.endpoints.get(key) else { return };
        *self.requests.entry(Endpoint::Webhook).or_default() += 1;
        let body = body.to_string().into_bytes();
        let Some(app) = self.config.app() else { return };
        let mut request = Request::post(endpoint.url.as_str())
            .header("content-type", "application/json")
            .header("x-liveperson-account-id", self.config.account.as_str())
            .header("x-liveperson-client-id", app.client_id())
            .header("x-liveperson-signature", webhooks.signature.of(app.client_secret(), &body));
        for (name, value) in &endpoint.headers {
            request = request.header(name.as_str(), value.as_str());
        }
        let Ok(request) = request.body(body) else { return };
        let due = now
            + match fault {
                Some(FaultKind::Reorder) => REORDER_DELAY,
                Some(FaultKind::Delay(pause)) => pause,
                _ => Duration::ZERO,
            };
        let item = QueuedNotification {
            conversation: conversation.to_owned(),
            request,
            max_retries: endpoint.max_retries,
            due,
            created: now,
            attempts: 0,
            may_skip_at: None,
        };
        match fault {
            Some(FaultKind::Drop) => {}
            Some(FaultKind::Duplicate) => {
                self.deliveries.enqueue(now, item.clone());
                self.deliveries.enqueue(now, item);
            }
            Some(FaultKind::Reorder) => self.deliveries.enqueue_reordered(item),
            _ => self.deliveries.enqueue(now, item),
        }
    }

    /// LivePerson's id of a consumer, always the same
    /// ([protocol.md 5](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#5)).
    pub(crate) fn lp_consumer_id(&self, consumer: &str) -> String {
        stable_hex(&format!("{}/{consumer}", self.config.account))
    }
}

/// The message as a channel that adds a blank tells it back.
fn with_changed_text(message: &Message) -> Message {
    let mut changed = message.clone();
    if let Some(Value::String(text)) = changed.event.get_mut("message") {
        text.push(' ');
    }
    changed
}
