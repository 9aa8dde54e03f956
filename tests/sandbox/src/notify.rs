//! Notifications of what happens in conversations.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use serde_json::Value;

use crate::Endpoint;
use crate::fault::FaultKind;
use crate::journal::{Attempted, Delivery, FinishedAttempt, NotificationRecord, Subject};
use crate::random::stable_hex;
use crate::response::text_of;
use crate::sandbox::Sandbox;
use crate::state::{Message, Publication, milliseconds};
use crate::webhook::{
    AppState, CompletedPost, DeliveryQueue, NextPost, QueuedNotification, Target, Webhooks,
    event_key, notification,
};

/// How long a reordered notification waits for the next one.
const REORDER_DELAY: Duration = Duration::from_millis(300);

impl Sandbox {
    /// Replaces the webhooks. Undelivered notifications are lost: see
    /// [`redirect_webhooks`](Self::redirect_webhooks).
    pub fn set_webhooks(&mut self, webhooks: Webhooks) {
        self.deliveries = DeliveryQueue::replacing(&self.deliveries, webhooks.retention);
        self.replace_webhooks(webhooks);
        self.record_queue_replaced();
    }

    /// Replaces the webhooks like [`set_webhooks`](Self::set_webhooks), and keeps what is not delivered: it goes to
    /// the new endpoints, signed for them, without waiting for its next attempt. `now` is the time since the Unix
    /// epoch. Only notifications whose event has no endpoint any more are lost.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lp_connector_sandbox::{Config, Sandbox, Webhooks};
    ///
    /// let mut sandbox = Sandbox::new(Config::new("127.0.0.1:4711", 1), 1);
    /// sandbox.set_webhooks(Webhooks::all_at("http://127.0.0.1:8080/"));
    /// sandbox.redirect_webhooks(Duration::ZERO, Webhooks::all_at("http://127.0.0.1:8081/"));
    /// assert_eq!(sandbox.notifications_lost(), 0);
    /// ```
    pub fn redirect_webhooks(&mut self, now: Duration, webhooks: Webhooks) {
        let retention = webhooks.retention;
        self.replace_webhooks(webhooks);
        let mut deliveries = std::mem::take(&mut self.deliveries);
        deliveries.redirect(now, retention, |item| self.target(item));
        self.deliveries = deliveries;
        self.record_dropped();
        self.record_redirected(now);
    }

    /// Where a notification goes by the webhooks that there are now.
    fn target(&self, item: &QueuedNotification) -> Option<Target> {
        let body = item.request.body();
        let key = event_key(&serde_json::from_slice(body).ok()?)?;
        let endpoint = self.webhooks.as_ref()?.endpoints.get(&key)?;
        let request = self.signed(&endpoint.url, &endpoint.headers, body.clone())?;
        Some(Target { request, max_retries: endpoint.max_retries })
    }

    fn replace_webhooks(&mut self, webhooks: Webhooks) {
        let previous = self.webhooks.replace(webhooks);
        let endpoints = previous.into_iter().flat_map(|previous| previous.endpoints);
        for (name, value) in endpoints.flat_map(|(_, endpoint)| endpoint.headers) {
            self.state.retire_header(name, value);
        }
    }

    /// Tries all notifications at once that are held back because an endpoint took none, oldest first. With
    /// retention the first is tried, and the others follow it if it is taken
    /// ([protocol.md 9.3](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#9.3)); without, each
    /// is, and one more of its retries is used up. If it is not taken, the pauses begin anew: 2, 4, 8 … s. `now` is
    /// the time since the Unix epoch. Returns how many were held back.
    pub fn retry_notifications(&mut self, now: Duration) -> usize {
        let held = self.deliveries.retry(now);
        for number in &held {
            self.record_due(*number, now);
        }
        self.changed(Subject::Webhooks);
        held.len()
    }

    /// The webhooks, if there are any.
    #[must_use]
    pub fn webhooks(&self) -> Option<&Webhooks> {
        self.webhooks.as_ref()
    }

    /// The next step of delivery. `now` is the time since the Unix epoch.
    ///
    /// A driver posts what it gets, reports the outcome with [`complete_post`](Self::complete_post), and
    /// calls this again after each change.
    pub fn next_post(&mut self, now: Duration) -> NextPost {
        let next = self.deliveries.poll(now);
        self.record_dropped();
        if let NextPost::Post(post) = &next {
            self.record_delivery(post.notification, Delivery::Posting, None);
        }
        next
    }

    fn record_dropped(&mut self) {
        for number in self.deliveries.take_dropped() {
            self.record_delivery(number, Delivery::GaveUp, None);
        }
    }

    /// Reports the outcome of a post: the status of the response, or `None` if none came within 5 s.
    pub fn complete_post(&mut self, now: Duration, id: u64, status: Option<u16>) {
        self.complete_attempt(now, id, &Attempted { status, ..Attempted::default() });
    }

    /// Reports the outcome of a post like [`complete_post`](Self::complete_post), with the response, for the
    /// record.
    pub fn complete_attempt(&mut self, now: Duration, id: u64, outcome: &Attempted) {
        let Some(done) = self.deliveries.complete(now, id, outcome.status) else { return };
        let CompletedPost { number, request, began, next, delivered, moved_to } = done;
        let attempt =
            FinishedAttempt { notification: number, request: &request, began, now, replay: false };
        self.record_attempt(&attempt, outcome);
        self.record_moved(number, moved_to);
        let state = match (delivered, next) {
            (true, _) => Delivery::Delivered,
            (false, Some(_)) => Delivery::Waiting,
            (false, None) => Delivery::GaveUp,
        };
        self.record_delivery(number, state, next);
        // It may be among them: there was no room for it any more.
        self.record_dropped();
    }

    /// The state of the app's deliveries.
    #[must_use]
    pub fn app_state(&self) -> AppState {
        self.deliveries.state()
    }

    /// When the next of the notifications that are held back is tried, as the time since the Unix epoch; `None`
    /// while it is. Time-based retry waits 2, 4, 8 … 300 s, and count-based retry 30 s
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

    /// How many of those are held back until their next attempt, because an endpoint took no notification
    /// ([`next_try`](Self::next_try)).
    #[must_use]
    pub fn notifications_held(&self) -> usize {
        self.deliveries.held()
    }

    /// Publishes an event and queues its notification. Returns its sequence.
    pub(crate) fn publish(&mut self, now: Duration, publication: Publication<'_>) -> u64 {
        // The sequence of a chat state has no meaning (protocol.md 7.1).
        self.publish_message(now, publication).and_then(|(_, sequence)| sequence).unwrap_or(0)
    }

    /// Publishes an event and queues its notification. Returns the message's number and sequence.
    pub(crate) fn publish_message(
        &mut self,
        now: Duration,
        publication: Publication<'_>,
    ) -> Option<(u64, Option<u64>)> {
        let (has_gaps, request) = (self.config.sequence_gaps, self.trace.number);
        let message = self.state.publish(now, publication, has_gaps, request)?;
        let (number, sequence) = (message.number, message.sequence);
        let conversation = message.conversation.clone();
        let (key, body) = match self.config.changed_echo && message.role == "CONSUMER" {
            true => notification::of_message(&with_changed_text(message)),
            false => notification::of_message(message),
        };
        self.changed(Subject::Message(number));
        self.changed(Subject::Conversation(conversation.clone()));
        let notification = self.notify(now, &conversation, &key, &body, Some(number));
        if let Some(message) = self.state.messages.entries_mut().next_back() {
            message.notification = notification;
        }
        Some((number, sequence))
    }

    /// Queues a notification of a conversation's new state.
    pub(crate) fn notify_conversation(&mut self, now: Duration, conversation: &str) {
        self.state.conversations.weigh_again(conversation);
        let Some(changed) = self.state.conversations.get_mut(conversation) else {
            return;
        };
        changed.updated_ms = milliseconds(now).max(changed.updated_ms + 1);
        let (key, body) = notification::of_conversation(changed, &self.config);
        self.changed(Subject::Conversation(conversation.to_owned()));
        self.notify(now, conversation, &key, &body, None);
    }

    /// Queues a notification, if its event has an endpoint. Returns its number.
    fn notify(
        &mut self,
        now: Duration,
        conversation: &str,
        key: &str,
        body: &Value,
        message: Option<u64>,
    ) -> Option<u64> {
        let endpoint = self.webhooks.as_ref()?.endpoints.get(key)?.clone();
        // A fault counts what would be posted.
        let faults = self.faults_for(now, Endpoint::Webhook);
        *self.requests.entry(Endpoint::Webhook).or_default() += 1;
        let body = text_of(body);
        let request = self.signed(&endpoint.url, &endpoint.headers, body)?;
        self.notified += 1;
        let number = self.notified;
        let is_lost = faults.has(&FaultKind::Drop);
        if self.journal.is_some() {
            self.record_notification(NotificationRecord {
                number,
                key: key.to_owned(),
                conversation: Some(conversation.to_owned()),
                message,
                cause: self.trace.number,
                url: endpoint.url.clone(),
                body: Bytes::copy_from_slice(request.body()),
                state: if is_lost { Delivery::LostByFault } else { Delivery::Waiting },
                attempts: 0,
                next: None,
                exchanges: Vec::new(),
                faults: faults.numbers.clone(),
                at: now,
            });
        }
        let reorders = faults.has(&FaultKind::Reorder);
        let held = if reorders { REORDER_DELAY } else { Duration::ZERO };
        let item = QueuedNotification {
            number,
            conversation: conversation.to_owned(),
            request,
            max_retries: endpoint.max_retries,
            due: now.saturating_add(faults.delay()).saturating_add(held),
            created: now,
            attempts: 0,
            may_skip_at: None,
            began: now,
            moved: None,
        };
        let copies = match (is_lost, faults.has(&FaultKind::Duplicate)) {
            (true, _) => 0,
            (false, false) => 1,
            (false, true) => 2,
        };
        for _ in 0..copies {
            match reorders {
                true => self.deliveries.enqueue_reordered(now, item.clone()),
                false => self.deliveries.enqueue(now, item.clone()),
            }
        }
        self.record_dropped();
        Some(number)
    }

    /// The post of a notification, signed with the secret of the first app.
    pub(crate) fn signed(
        &self,
        url: &str,
        headers: &[(String, String)],
        body: Vec<u8>,
    ) -> Option<Request<Vec<u8>>> {
        let app = self.config.app()?;
        let signature =
            self.webhooks.as_ref().map(|webhooks| webhooks.signature).unwrap_or_default();
        let mut request = Request::post(url)
            .header("content-type", "application/json")
            .header("x-liveperson-account-id", self.config.account.as_str())
            .header("x-liveperson-client-id", app.client_id())
            .header("x-liveperson-signature", signature.of(app.client_secret(), &body));
        for (name, value) in headers {
            request = request.header(name.as_str(), value.as_str());
        }
        request.body(body).ok()
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
