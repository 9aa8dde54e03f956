//! Webhooks: a connector's endpoint and inbox, and the posts of the cloud in flight to it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use http::Request;
use lp_connector_core::id::{ConversationId, DialogId};
use lp_connector_core::secret::Secret;
use lp_connector_core::webhook::{
    Change, Event, Feed, FeedPoll, Inbox, Order, Receiver, ReorderWindow,
};
use lp_connector_sandbox::NextPost;

use crate::clock::Clock;
use crate::event_log::LogEntry;
use crate::world::World;

/// A fault that one webhook post meets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a scenario chooses among all of them")]
pub enum PostFault {
    /// The post is lost.
    RequestLost,
    /// The post is accepted, and the response is lost: the cloud posts it again.
    ResponseLost,
    /// The connector answers 503.
    Unavailable,
    /// The post is delayed by this time.
    SlowRequest(Duration),
}

impl fmt::Display for PostFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RequestLost => f.write_str("request lost"),
            Self::ResponseLost => f.write_str("response lost"),
            Self::Unavailable => f.write_str("answered 503"),
            Self::SlowRequest(by) => write!(f, "request delayed by {by:?}"),
        }
    }
}

/// The webhook endpoint and inbox of one process.
#[derive(Debug)]
pub(crate) struct WebhookEndpoint {
    pub(crate) process: usize,
    receiver: Receiver,
    pub(crate) feed: Feed,
    /// What the program saved last: all that a crash leaves.
    saved: String,
    /// Faults by the number of the post.
    pub(crate) post_faults: BTreeMap<u64, PostFault>,
    /// When to ask the cloud for the next post.
    poll_cloud_at: Option<Duration>,
    /// When to poll the feed.
    poll_feed_at: Option<Duration>,
    posts_in_flight: Vec<PostInFlight>,
    post_count: u64,
    /// The texts that were answered 200, whether the response arrived or not.
    pub(crate) accepted_texts: Vec<String>,
    /// The messages processed so far.
    pub(crate) processed: Vec<ProcessedMessage>,
}

/// A message that the connector processed.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct ProcessedMessage {
    pub(crate) conversation: String,
    pub(crate) sequence: Option<u64>,
    pub(crate) order: Order,
    /// The text, if it is one from an agent to the consumer.
    pub(crate) text: Option<String>,
}

/// A post or its response in flight.
#[derive(Debug)]
struct PostInFlight {
    at: Duration,
    nth: u64,
    id: u64,
    leg: Leg,
}

#[derive(Debug)]
enum Leg {
    Request(Box<Request<Vec<u8>>>),
    Response(Option<u16>),
}

impl WebhookEndpoint {
    pub(crate) fn new(process: usize, secrets: impl IntoIterator<Item = String>) -> Self {
        let receiver = secrets
            .into_iter()
            .fold(Receiver::new(), |receiver, secret| receiver.secret(Secret::new(secret)));
        Self {
            process,
            receiver,
            feed: Feed::new(inbox()),
            saved: String::new(),
            post_faults: BTreeMap::new(),
            poll_cloud_at: Some(Duration::ZERO),
            poll_feed_at: None,
            posts_in_flight: Vec::new(),
            post_count: 0,
            accepted_texts: Vec::new(),
            processed: Vec::new(),
        }
    }

    /// When the endpoint acts next.
    pub(crate) fn due(&self) -> Option<Duration> {
        let posts = self.posts_in_flight.iter().map(|post| post.at);
        posts.chain(self.poll_cloud_at).chain(self.poll_feed_at).min()
    }

    /// Saves the feed, as a program does before it answers a post, and together with what it made of a change.
    #[expect(clippy::expect_used, reason = "a simulation reports by panicking")]
    fn save(&mut self, clock: Clock, at: Duration) {
        let (inbox, now) = (self.feed.inbox(), clock.mono(at));
        let conversations = inbox.conversations().filter_map(|id| inbox.save(id, now));
        let waiting: Vec<_> = self.feed.waiting().collect();
        let saved = (conversations.collect::<Vec<_>>(), inbox.save_unscoped(), waiting);
        self.saved = serde_json::to_string(&saved).expect("JSON");
    }

    /// Restarts the process with the feed that it saved last. What happened since is lost.
    #[expect(clippy::expect_used, reason = "a simulation reports by panicking")]
    pub(crate) fn restart(&mut self, after: Clock) {
        let (mut inbox, now) = (inbox(), after.mono(after.origin));
        let mut waiting = Vec::new();
        if !self.saved.is_empty() {
            let (conversations, unscoped, changes): (Vec<_>, _, Vec<_>) =
                serde_json::from_str(&self.saved).expect("as it was stored");
            for saved in conversations {
                inbox.restore(saved, now);
            }
            inbox.restore_unscoped(unscoped);
            waiting = changes;
        }
        self.feed = Feed::new(inbox);
        for change in waiting {
            self.feed.push_change(change, now);
        }
        self.poll_feed_at = Some(after.origin);
    }

    /// Handles a post, as a web framework's handler does. Returns the status.
    fn receive(&mut self, request: &Request<Vec<u8>>, clock: Clock, at: Duration) -> u16 {
        let verified = match self.receiver.verify(request) {
            Ok(verified) => verified,
            Err(rejection) => return rejection.status().as_u16(),
        };
        if self.feed.is_full() {
            return 503;
        }
        if let Ok(notification) = verified.parse() {
            self.accepted_texts.extend(notification.changes().iter().filter_map(agent_text));
        }
        self.feed.push(verified, clock.mono(at));
        self.poll_feed_at = Some(at);
        self.save(clock, at);
        200
    }

    /// Processes all changes that are ready. Returns how many messages there were.
    fn process_ready(&mut self, clock: Clock, at: Duration) -> usize {
        let before = self.processed.len();
        self.poll_feed_at = loop {
            match self.feed.poll(clock.mono(at)) {
                FeedPoll::Deliver(delivered) => {
                    if let Change::Message(message) = &delivered.change {
                        self.processed.push(ProcessedMessage {
                            conversation: message.conversation().as_str().to_owned(),
                            sequence: message.sequence(),
                            order: delivered.order,
                            text: agent_text(&delivered.change),
                        });
                    }
                }
                FeedPoll::Unreadable(_) => {}
                FeedPoll::Wait(until) => break Some(clock.when(until)),
                FeedPoll::Idle => break None,
            }
        };
        let count = self.processed.len() - before;
        if count > 0 {
            self.save(clock, at);
        }
        count
    }
}

fn inbox() -> Inbox {
    Inbox::new(ReorderWindow::default()).max_changes(500)
}

/// The text of a change, if it is one from an agent to the consumer.
fn agent_text(change: &Change) -> Option<String> {
    match change {
        Change::Message(message) if message.is_for_consumer() => match message.event() {
            Event::Text(text) => Some(text.text.to_owned()),
            _ => None,
        },
        _ => None,
    }
}

impl World {
    /// Asks the cloud for posts now: an event may have been published.
    pub(crate) fn wake_delivery(&mut self) {
        if let Some(endpoint) = &mut self.endpoint {
            endpoint.poll_cloud_at = Some(self.now);
        }
    }

    /// Marks the connector's own message as seen, with the sequence of its response.
    pub(crate) fn mark_seen(&mut self, text: &str) {
        let stored = self.cloud.messages().iter().rev();
        let mut stored =
            stored.filter(|message| message.event.get("message").is_some_and(|it| it == text));
        let (Some(message), Some(endpoint)) = (stored.next(), &mut self.endpoint) else { return };
        let ids = (ConversationId::new(&message.conversation), DialogId::new(&message.dialog));
        if let ((Ok(conversation), Ok(dialog)), Some(sequence)) = (ids, message.sequence) {
            endpoint.feed.inbox_mut().mark_seen(&conversation, &dialog, sequence);
            endpoint.poll_feed_at = Some(self.now);
        }
    }

    /// Does the next thing of the delivery queue or the endpoint.
    pub(crate) fn step_webhooks(&mut self) {
        let (now, cloud_now, latency) = (self.now, self.cloud_clock(), self.latency);
        let Some(endpoint) = &mut self.endpoint else { return };
        let Some(process) = self.processes.get(endpoint.process) else { return };
        let (clock, is_running) = (process.clock, process.resumes_at <= now);
        if endpoint.poll_cloud_at.is_some_and(|at| at <= now) {
            endpoint.poll_cloud_at = match self.cloud.next_post(cloud_now) {
                NextPost::Post(post) => {
                    let nth = endpoint.post_count;
                    endpoint.post_count += 1;
                    let delay = match endpoint.post_faults.get(&nth) {
                        Some(PostFault::SlowRequest(by)) => *by,
                        _ => Duration::ZERO,
                    };
                    let leg = Leg::Request(Box::new(post.request));
                    let at = now + latency + delay;
                    endpoint.posts_in_flight.push(PostInFlight { at, nth, id: post.id, leg });
                    Some(now)
                }
                // `at` is by the cloud's clock.
                NextPost::Wait(at) => {
                    Some(now + at.saturating_sub(cloud_now).max(Duration::from_millis(1)))
                }
                NextPost::Idle => None,
            };
            return;
        }
        if let Some(n) = endpoint.posts_in_flight.iter().position(|post| post.at <= now) {
            let PostInFlight { nth, id, leg, .. } = endpoint.posts_in_flight.swap_remove(n);
            match leg {
                Leg::Request(request) => {
                    let fault = endpoint.post_faults.get(&nth).copied();
                    let status = match fault {
                        Some(PostFault::RequestLost) => None,
                        _ if !is_running => None,
                        Some(PostFault::Unavailable) => Some(503),
                        _ => Some(endpoint.receive(&request, clock, now)),
                    };
                    let delivered = status.filter(|_| fault != Some(PostFault::ResponseLost));
                    let leg = Leg::Response(delivered);
                    endpoint.posts_in_flight.push(PostInFlight { at: now + latency, nth, id, leg });
                    self.log(LogEntry::PostHandled { nth, status });
                }
                Leg::Response(status) => {
                    self.cloud.complete_post(cloud_now, id, status);
                    self.wake_delivery();
                }
            }
            return;
        }
        if endpoint.poll_feed_at.is_some_and(|at| at <= now) {
            if !is_running {
                endpoint.poll_feed_at = Some(process.resumes_at);
                return;
            }
            let count = endpoint.process_ready(clock, now);
            let first = endpoint.processed.len() - count;
            for nth in first..first + count {
                self.log(LogEntry::MessageProcessed { nth });
            }
        }
    }
}
