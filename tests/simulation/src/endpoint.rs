//! The way back: what the cloud posts, and a connector's endpoint that takes it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use http::Request;
use lp_connector_core::id::{ConversationId, DialogId};
use lp_connector_core::secret::Secret;
use lp_connector_core::webhook::{Change, Event, Inbox, InboxPoll, Order, Receiver, Window};
use lp_connector_sandbox::Next;

use crate::clock::Clock;
use crate::journal::Happened;
use crate::world::World;

/// What becomes of one post.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a story chooses among all of them")]
pub enum PostWeather {
    /// It never arrives.
    Lost,
    /// It arrives and is taken, and the answer never does: the cloud posts it again.
    AnswerLost,
    /// The connector has no room: 503.
    Busy,
    /// It takes so long to arrive.
    Slow(Duration),
}

impl fmt::Display for PostWeather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost => f.write_str("never arrives"),
            Self::AnswerLost => f.write_str("is taken, and the answer is lost"),
            Self::Busy => f.write_str("is answered 503"),
            Self::Slow(by) => write!(f, "takes {by:?} more"),
        }
    }
}

/// A connector's endpoint and its inbox, in one process.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) process: usize,
    receiver: Receiver,
    pub(crate) inbox: Inbox,
    /// What becomes of each post, by its number.
    pub(crate) troubles: BTreeMap<u64, PostWeather>,
    /// When the cloud is to be asked for the next post.
    ask_at: Option<Duration>,
    /// When the inbox is to be looked into.
    look_at: Option<Duration>,
    posts: Vec<Posting>,
    posted: u64,
    /// The texts that were answered 200, whether that answer arrived or not.
    pub(crate) took: Vec<String>,
    /// All that was acted on.
    pub(crate) heard: Vec<Heard>,
}

/// A message that the connector acted on.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Heard {
    pub(crate) conversation: String,
    pub(crate) sequence: Option<u64>,
    pub(crate) order: Order,
    /// What an agent said to the consumer, if this is that.
    pub(crate) text: Option<String>,
}

/// A post on its way there, or its answer on its way back.
#[derive(Debug)]
struct Posting {
    at: Duration,
    nth: u64,
    id: u64,
    way: Way,
}

#[derive(Debug)]
enum Way {
    There(Box<Request<Vec<u8>>>),
    Back(Option<u16>),
}

impl Endpoint {
    pub(crate) fn new(process: usize, secrets: impl IntoIterator<Item = String>) -> Self {
        let receiver = secrets
            .into_iter()
            .fold(Receiver::new(), |receiver, secret| receiver.secret(Secret::new(secret)));
        Self {
            process,
            receiver,
            inbox: inbox(),
            troubles: BTreeMap::new(),
            ask_at: Some(Duration::ZERO),
            look_at: None,
            posts: Vec::new(),
            posted: 0,
            took: Vec::new(),
            heard: Vec::new(),
        }
    }

    /// When there is something to do.
    pub(crate) fn due(&self) -> Option<Duration> {
        let posts = self.posts.iter().map(|posting| posting.at);
        posts.chain(self.ask_at).chain(self.look_at).min()
    }

    /// Its process stops, and starts again from what it has stored.
    #[expect(clippy::expect_used, reason = "a simulation reports by panicking")]
    pub(crate) fn restart(&mut self, before: Clock, after: Clock, at: Duration) {
        let ids = self.inbox.conversations();
        let now = before.mono(at);
        let saved: Vec<_> = ids.filter_map(|id| self.inbox.save(id, now)).collect();
        let stored = serde_json::to_string(&(saved, self.inbox.save_apart())).expect("JSON");
        let (saved, apart): (Vec<_>, _) = serde_json::from_str(&stored).expect("as it was stored");
        self.inbox = inbox();
        for saved in saved {
            self.inbox.restore(saved, after.mono(after.origin));
        }
        self.inbox.restore_apart(apart);
        self.look_at = Some(after.origin);
    }

    /// Takes a post, as a web framework's handler does.
    fn takes(&mut self, request: &Request<Vec<u8>>, clock: Clock, at: Duration) -> u16 {
        let verified = match self.receiver.verify(request) {
            Ok(verified) => verified,
            Err(rejection) => return rejection.status(),
        };
        let Ok(notification) = verified.parse() else { return 200 };
        for change in notification.into_changes() {
            self.took.extend(said(&change));
            if self.inbox.handle(change, clock.mono(at)).is_err() {
                return 503;
            }
        }
        self.look_at = Some(at);
        200
    }

    /// Acts on all that is ready. Gives how many there were.
    fn act(&mut self, clock: Clock, at: Duration) -> usize {
        let before = self.heard.len();
        self.look_at = loop {
            match self.inbox.poll(clock.mono(at)) {
                InboxPoll::Deliver(delivered) => {
                    if let Change::Message(message) = &delivered.change {
                        self.heard.push(Heard {
                            conversation: message.conversation().as_str().to_owned(),
                            sequence: message.sequence(),
                            order: delivered.order,
                            text: said(&delivered.change),
                        });
                    }
                }
                InboxPoll::Wait(until) => break Some(clock.when(until)),
                InboxPoll::Idle => break None,
            }
        };
        self.heard.len() - before
    }
}

fn inbox() -> Inbox {
    Inbox::new(Window::default()).max_changes(500)
}

/// What an agent said to the consumer, if this is that.
fn said(change: &Change) -> Option<String> {
    match change {
        Change::Message(message) if message.is_for_consumer() => match message.event() {
            Event::Text(text) => Some(text.text.to_owned()),
            _ => None,
        },
        _ => None,
    }
}

impl World {
    /// Something may have been published: the cloud may have something to post.
    pub(crate) fn published(&mut self) {
        if let Some(endpoint) = &mut self.endpoint {
            endpoint.ask_at = Some(self.now);
        }
    }

    /// The connector counts its own message as seen, as the answer to it said.
    pub(crate) fn account_for(&mut self, text: &str) {
        let kept = self.cloud.messages().iter().rev();
        let mut kept =
            kept.filter(|message| message.event.get("message").is_some_and(|it| it == text));
        let (Some(message), Some(endpoint)) = (kept.next(), &mut self.endpoint) else { return };
        let ids = (ConversationId::new(&message.conversation), DialogId::new(&message.dialog));
        if let ((Ok(conversation), Ok(dialog)), Some(sequence)) = (ids, message.sequence) {
            endpoint.inbox.account_for(&conversation, &dialog, sequence);
            endpoint.look_at = Some(self.now);
        }
    }

    /// What the courier and the endpoint do now.
    pub(crate) fn serve(&mut self) {
        let (now, cloud_now, latency) = (self.now, self.cloud_clock(), self.latency);
        let Some(endpoint) = &mut self.endpoint else { return };
        let Some(process) = self.processes.get(endpoint.process) else { return };
        let (clock, here) = (process.clock, process.back_at <= now);
        if endpoint.ask_at.is_some_and(|at| at <= now) {
            endpoint.ask_at = match self.cloud.next_post(cloud_now) {
                Next::Post(post) => {
                    let nth = endpoint.posted;
                    endpoint.posted += 1;
                    let more = match endpoint.troubles.get(&nth) {
                        Some(PostWeather::Slow(by)) => *by,
                        _ => Duration::ZERO,
                    };
                    let way = Way::There(Box::new(post.request));
                    let at = now + latency + more;
                    endpoint.posts.push(Posting { at, nth, id: post.id, way });
                    Some(now)
                }
                // By the cloud's clock.
                Next::Wait(at) => {
                    Some(now + at.saturating_sub(cloud_now).max(Duration::from_millis(1)))
                }
                Next::Idle => None,
            };
            return;
        }
        if let Some(n) = endpoint.posts.iter().position(|posting| posting.at <= now) {
            let Posting { nth, id, way, .. } = endpoint.posts.swap_remove(n);
            match way {
                Way::There(request) => {
                    let trouble = endpoint.troubles.get(&nth).copied();
                    let status = match trouble {
                        Some(PostWeather::Lost) => None,
                        _ if !here => None,
                        Some(PostWeather::Busy) => Some(503),
                        _ => Some(endpoint.takes(&request, clock, now)),
                    };
                    let told = status.filter(|_| trouble != Some(PostWeather::AnswerLost));
                    let way = Way::Back(told);
                    endpoint.posts.push(Posting { at: now + latency, nth, id, way });
                    self.note(Happened::Posted { nth, status });
                }
                Way::Back(status) => {
                    self.cloud.posted(cloud_now, id, status);
                    self.published();
                }
            }
            return;
        }
        if endpoint.look_at.is_some_and(|at| at <= now) {
            if !here {
                endpoint.look_at = Some(process.back_at);
                return;
            }
            let count = endpoint.act(clock, now);
            let first = endpoint.heard.len() - count;
            for nth in first..first + count {
                self.note(Happened::Heard { nth });
            }
        }
    }
}
