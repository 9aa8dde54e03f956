//! What the machine writes into its journal.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderMap, Method, Request, Response};
use serde_json::Value;

use crate::journal::{
    Delivery, Exchange, Half, Journal, Limits, NotificationRecord, RequestLog, Subject, TokenName,
    Way,
};
use crate::request::text;
use crate::sandbox::Sandbox;
use crate::tokens::ON_BEHALF;
use crate::{Endpoint, Transmission};

/// What is known of the request that is being answered.
#[derive(Clone, Default, Debug)]
pub(crate) struct Trace {
    /// Its number, where requests are recorded.
    pub(crate) number: Option<u64>,
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) kind: Option<String>,
    pub(crate) conversation: Option<String>,
    pub(crate) faults: Vec<u64>,
    /// How many messages and notifications there were before it.
    messages: u64,
    notifications: u64,
}

/// How an attempt to post a notification ended; see
/// [`Sandbox::complete_attempt`](crate::Sandbox::complete_attempt).
#[derive(Clone, Default, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a driver builds it")]
pub struct Attempted {
    /// The status; `None` if no response came in time.
    pub status: Option<u16>,
    /// The headers of the response.
    pub headers: HeaderMap,
    /// The body of the response.
    pub body: Vec<u8>,
    /// How long it took. `None`: as long as it took by the clock of the calls.
    pub took: Option<Duration>,
}

/// An attempt that has ended.
#[derive(Debug)]
pub(crate) struct FinishedAttempt<'a> {
    pub(crate) notification: u64,
    pub(crate) request: &'a Request<Vec<u8>>,
    pub(crate) began: Duration,
    pub(crate) now: Duration,
    pub(crate) replay: bool,
}

impl Sandbox {
    /// Records requests, notifications with their attempts, and what changes, from now on; what was recorded
    /// before is forgotten. `epoch` names the record: a position in it is none in another one.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lp_connector_sandbox::{Config, Limits, Sandbox};
    ///
    /// let mut sandbox = Sandbox::new(Config::new("127.0.0.1:4711", 1), 1);
    /// sandbox.record("e7c1", Limits::default());
    /// let request = http::Request::get("/nothing").body(Vec::new())?;
    /// let reply = sandbox.reply(Duration::ZERO, &request);
    /// let log = sandbox.recorded().unwrap();
    /// assert_eq!(log.get(reply.number.unwrap()).unwrap().status, Some(404));
    /// # Ok::<(), http::Error>(())
    /// ```
    pub fn record(&mut self, epoch: impl Into<String>, limits: Limits) {
        let mut journal = Journal::new(epoch.into(), limits);
        journal.requests.continue_from(self.recorded_before + 1);
        for (token, found) in self.state.app_tokens.newest() {
            journal.names.insert(token, TokenName::App(found.number));
        }
        for (token, found) in self.state.consumer_tokens.newest() {
            let name = TokenName::Consumer(found.number, found.consumer.clone());
            journal.names.insert(token, name);
        }
        self.journal = Some(Box::new(journal));
    }

    /// The requests and posts that are recorded; `None` if nothing is recorded.
    #[must_use]
    pub fn recorded(&self) -> Option<&RequestLog> {
        self.journal.as_ref().map(|journal| &journal.requests)
    }

    /// Adds what only the driver knows of a recorded request: how long it took, and the number of its
    /// connection.
    pub fn record_transport(&mut self, number: u64, took: Duration, connection: u64) {
        let exchange = self.journal.as_mut().and_then(|journal| journal.requests.get_mut(number));
        if let Some(exchange) = exchange {
            exchange.micros = micros(took);
            exchange.connection = Some(connection);
        }
    }

    /// Notes that a thing has changed.
    pub(crate) fn changed(&mut self, subject: Subject) {
        if let Some(journal) = &mut self.journal {
            journal.events.push(subject);
        }
    }

    pub(crate) fn name_token(&mut self, token: &str, name: TokenName) {
        if let Some(journal) = &mut self.journal {
            journal.names.insert(token, name);
        }
    }

    pub(crate) fn begin_trace(&mut self) {
        self.trace = Trace {
            number: self.journal.as_ref().map(|journal| journal.requests.next_number()),
            messages: self.state.published,
            notifications: self.notified,
            ..Trace::default()
        };
    }

    /// Notes what a request to SEND is and whom it is for.
    pub(crate) fn trace_send(&mut self, document: &Value) {
        if self.trace.number.is_some() {
            (self.trace.kind, self.trace.conversation) = describe(document);
        }
    }

    /// Records the request that was answered. Returns its number.
    pub(crate) fn end_trace(
        &mut self,
        now: Duration,
        request: &Request<Vec<u8>>,
        response: &Response<Vec<u8>>,
        transmission: Transmission,
    ) -> Option<u64> {
        let trace = std::mem::take(&mut self.trace);
        let number = trace.number?;
        let (published, notified) = (self.state.published, self.notified);
        let journal = self.journal.as_mut()?;
        let (mut kind, mut conversation) = (trace.kind, trace.conversation);
        if kind.is_none() {
            (kind, conversation) = match trace.endpoint {
                // A fault kept it from its endpoint.
                Some(Endpoint::Send) if !trace.faults.is_empty() => {
                    let document = serde_json::from_slice(request.body()).unwrap_or_default();
                    describe(&document)
                }
                Some(Endpoint::Conversation) => (Some("open".to_owned()), conversation),
                _ => (None, conversation),
            };
        }
        let limit = journal.limits.body;
        let repeat = trace.endpoint.and_then(|endpoint| {
            let caller = request.headers().get(ON_BEHALF);
            let caller = caller.map(|value| value.as_bytes()).unwrap_or_default();
            let capacity = journal.limits.exchanges;
            journal.repeats.count(now, endpoint, caller, request.body(), capacity)
        });
        let silent = matches!(transmission, Transmission::Dropped | Transmission::Garbage);
        let target = request.uri().path_and_query().map(|target| target.as_str().to_owned());
        journal.requests.push(Exchange {
            number: 0,
            at: now,
            way: Way::In,
            endpoint: trace.endpoint,
            kind,
            method: request.method().clone(),
            target: target.unwrap_or_default(),
            request: Half::of(request.headers(), request.body(), limit),
            status: (!silent).then(|| response.status().as_u16()),
            response: match silent {
                true => Half::default(),
                false => Half::of(response.headers(), response.body(), limit),
            },
            micros: 0,
            connection: None,
            faults: trace.faults,
            conversation,
            repeat,
            transmission,
            notification: None,
            attempt: None,
            replay: false,
            messages: (trace.messages < published).then_some((trace.messages + 1, published)),
            notifications: (trace.notifications < notified)
                .then_some((trace.notifications + 1, notified)),
        });
        journal.events.push(Subject::Exchange(number));
        Some(number)
    }

    /// Records a notification before its first attempt.
    pub(crate) fn record_notification(&mut self, record: NotificationRecord) {
        let number = record.number;
        if let Some(journal) = &mut self.journal {
            journal.notifications.push(record);
            journal.events.push(Subject::Notification(number));
            journal.events.push(Subject::Webhooks);
        }
    }

    pub(crate) fn record_delivery(
        &mut self,
        notification: u64,
        state: Delivery,
        next: Option<Duration>,
    ) {
        let Some(journal) = &mut self.journal else { return };
        if let Some(record) = journal.notifications.get_mut(notification) {
            record.state = state;
            record.next = next;
            journal.events.push(Subject::Notification(notification));
            journal.events.push(Subject::Webhooks);
        }
    }

    /// Notes that the next attempt of a notification that waits for it comes now.
    pub(crate) fn record_due(&mut self, notification: u64, now: Duration) {
        let Some(journal) = &mut self.journal else { return };
        let record = journal.notifications.get_mut(notification);
        if let Some(next) = record.and_then(|record| record.next.as_mut()) {
            *next = now;
            journal.events.push(Subject::Notification(notification));
        }
    }

    /// Records an attempt to post a notification. Returns its number and that of the exchange.
    pub(crate) fn record_attempt(
        &mut self,
        attempt: &FinishedAttempt<'_>,
        outcome: &Attempted,
    ) -> Option<(u32, u64)> {
        let journal = self.journal.as_mut()?;
        let record = journal.notifications.get_mut(attempt.notification)?;
        let limit = journal.limits.body;
        record.add_attempt(journal.requests.next_number());
        let took = outcome.took.unwrap_or_else(|| attempt.now.saturating_sub(attempt.began));
        journal.last_posts.insert(record.key.clone(), (outcome.status, attempt.now));
        let number = journal.requests.push(Exchange {
            number: 0,
            at: attempt.began,
            way: Way::Out,
            endpoint: Some(Endpoint::Webhook),
            kind: Some(record.kind().to_owned()),
            method: Method::POST,
            target: attempt.request.uri().to_string(),
            request: Half::of(attempt.request.headers(), attempt.request.body(), limit),
            status: outcome.status,
            response: Half::of(&outcome.headers, &outcome.body, limit),
            micros: micros(took),
            connection: None,
            faults: record.faults.clone(),
            conversation: record.conversation.clone(),
            repeat: None,
            transmission: Transmission::Whole,
            notification: Some(record.number),
            attempt: Some(record.attempts),
            replay: attempt.replay,
            messages: record.message.map(|message| (message, message)),
            notifications: None,
        });
        journal.events.push(Subject::Exchange(number));
        journal.events.push(Subject::Notification(attempt.notification));
        journal.events.push(Subject::Webhooks);
        Some((record.attempts, number))
    }

    /// Records a post that somebody asked for. Returns its number among the attempts, and that of the exchange.
    pub(crate) fn record_requested(
        &mut self,
        attempt: &FinishedAttempt<'_>,
        outcome: &Attempted,
    ) -> Option<(u32, u64)> {
        let numbers = self.record_attempt(attempt, outcome)?;
        let journal = self.journal.as_mut()?;
        let record = journal.notifications.get_mut(attempt.notification)?;
        let is_accepted = matches!(outcome.status, Some(200 | 201));
        match (is_accepted, record.state) {
            // The queue still has it.
            (_, Delivery::Waiting) => {}
            (true, _) => record.state = Delivery::Delivered,
            (false, Delivery::Posting) if !attempt.replay => record.state = Delivery::GaveUp,
            (false, _) => {}
        }
        Some(numbers)
    }

    /// Notes where what waits goes, now that the webhooks are other ones.
    pub(crate) fn record_redirected(&mut self, now: Duration) {
        let Some(journal) = &mut self.journal else { return };
        let endpoints = self.webhooks.iter().flat_map(|webhooks| &webhooks.endpoints);
        let urls: BTreeMap<&String, &String> =
            endpoints.map(|(key, endpoint)| (key, &endpoint.url)).collect();
        let waits = |record: &&mut NotificationRecord| record.state == Delivery::Waiting;
        for record in journal.notifications.iter_mut().filter(waits) {
            if let Some(url) = urls.get(&record.key) {
                record.url.clone_from(url);
            }
            record.next = record.next.map(|_| now);
            journal.events.push(Subject::Notification(record.number));
        }
        journal.last_posts.clear();
        journal.events.push(Subject::Webhooks);
    }

    /// Notes where a notification goes from now on.
    pub(crate) fn record_moved(&mut self, notification: u64, url: Option<String>) {
        let Some(journal) = &mut self.journal else { return };
        if let (Some(record), Some(url)) = (journal.notifications.get_mut(notification), url) {
            record.url = url;
        }
    }

    /// Marks everything that is not delivered as given up: its queue is gone.
    pub(crate) fn record_queue_replaced(&mut self) {
        let Some(journal) = &mut self.journal else { return };
        let waiting = |state| matches!(state, Delivery::Waiting | Delivery::Posting);
        for record in journal.notifications.iter_mut().filter(|record| waiting(record.state)) {
            record.state = Delivery::GaveUp;
            record.next = None;
            journal.events.push(Subject::Notification(record.number));
        }
        journal.last_posts.clear();
        journal.events.push(Subject::Webhooks);
    }
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

/// What a request to SEND is in short, and its conversation.
fn describe(document: &Value) -> (Option<String>, Option<String>) {
    let body = document.get("body").unwrap_or(&Value::Null);
    let event = body.get("event").unwrap_or(&Value::Null);
    let conversation = text(body, "conversationId").or_else(|| text(body, "dialogId"));
    let kind = match (text(document, "type").unwrap_or_default(), text(event, "type")) {
        (_, Some("ContentEvent")) if event.get("message").is_some_and(Value::is_string) => "text",
        (_, Some("ContentEvent")) => "file",
        (_, Some("RichContentEvent")) => "card",
        (_, Some("AcceptStatusEvent")) => "receipt",
        (_, Some("ChatStateEvent")) => "typing",
        (kind, _) => match kind.rsplit('.').next().unwrap_or_default() {
            "UpdateConversationField" => "update",
            "GenerateURLForUploadFile" => "upload",
            "GenerateURLForDownloadFile" => "download",
            "SetUserProfile" => "profile",
            "GetClock" => "clock",
            _ => return (None, conversation.map(str::to_owned)),
        },
    };
    (Some(kind.to_owned()), conversation.map(str::to_owned))
}
