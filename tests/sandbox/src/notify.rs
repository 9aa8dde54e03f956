//! What happens in conversations becomes notifications.

use std::time::Duration;

use http::Request;
use serde_json::Value;

use crate::Endpoint;
use crate::fault::FaultKind;
use crate::random::stable_hex;
use crate::sandbox::Sandbox;
use crate::state::{Publication, milliseconds};
use crate::webhook::{
    AppState, DeliveryQueue, NextPost, QueuedNotification, Webhooks, notification,
};

/// How long a notification is held that was ordered to come after the next one.
const REORDER_DELAY: Duration = Duration::from_millis(300);

impl Sandbox {
    /// What the app has registered for, from now on.
    pub fn set_webhooks(&mut self, webhooks: Webhooks) {
        self.deliveries = DeliveryQueue::replacing(&self.deliveries, webhooks.retention);
        self.webhooks = Some(webhooks);
    }

    /// What is to be done next about notifications, `now` being the time since the Unix epoch.
    pub fn next_post(&mut self, now: Duration) -> NextPost {
        self.deliveries.poll(now)
    }

    /// How a post went: the status of its answer, or `None` if there was none within 5 s.
    pub fn complete_post(&mut self, now: Duration, id: u64, status: Option<u16>) {
        self.deliveries.complete(now, id, status);
    }

    /// What the app's deliveries are like.
    #[must_use]
    pub fn app_state(&self) -> AppState {
        self.deliveries.state()
    }

    /// How many notifications were given up.
    #[must_use]
    pub fn notifications_lost(&self) -> u64 {
        self.deliveries.lost()
    }

    /// How many notifications are yet to be delivered.
    #[must_use]
    pub fn notifications_waiting(&self) -> usize {
        self.deliveries.waiting()
    }

    /// Publishes an event, and tells of it. Gives its sequence.
    pub(crate) fn publish(&mut self, now: Duration, publication: Publication<'_>) -> u64 {
        let Some(message) = self.state.publish(now, publication) else { return 0 };
        // What a chat state is answered means nothing (protocol.md 7.1).
        let sequence = message.sequence.unwrap_or(0);
        let conversation = message.conversation.clone();
        let (key, body) = notification::of_message(message);
        self.notify(now, &conversation, &key, &body);
        sequence
    }

    /// Tells of a conversation's state, which has just changed.
    pub(crate) fn notify_conversation(&mut self, now: Duration, conversation: &str) {
        let Some(changed) = self.state.conversations.get_mut(conversation) else {
            return;
        };
        changed.updated_ms = milliseconds(now).max(changed.updated_ms + 1);
        let (key, body) = notification::of_conversation(changed, &self.config.account);
        self.notify(now, conversation, &key, &body);
    }

    fn notify(&mut self, now: Duration, conversation: &str, key: &str, body: &Value) {
        let fault = self.fault_for(Endpoint::Webhook);
        let Some(webhooks) = &self.webhooks else { return };
        let Some(registered) = webhooks.endpoints.get(key) else { return };
        *self.requests.entry(Endpoint::Webhook).or_default() += 1;
        let body = body.to_string().into_bytes();
        let Some(app) = self.config.app() else { return };
        let mut request = Request::post(registered.url.as_str())
            .header("content-type", "application/json")
            .header("x-liveperson-account-id", self.config.account.as_str())
            .header("x-liveperson-client-id", app.client_id())
            .header("x-liveperson-signature", webhooks.signature.of(app.client_secret(), &body));
        for (name, value) in &registered.headers {
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
            max_retries: registered.max_retries,
            due,
            created: now,
            attempts: 0,
            // In the time-based mode one that is late would hold up those after it.
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

    /// LivePerson's id of a consumer: the same each time (protocol.md 5).
    pub(crate) fn consumer_lp(&self, consumer: &str) -> String {
        stable_hex(&format!("{}/{consumer}", self.config.account))
    }
}
