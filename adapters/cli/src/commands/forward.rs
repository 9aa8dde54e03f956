//! Posts received notifications on to another endpoint: several at a time, those of one conversation one after
//! another.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use lp_connector_core::secret::Secret;
use lp_connector_core::webhook::{self, Algorithm, Change, Encoding, Verified};
use serde_json::{Value, json};
use ureq::http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::listener::{Answer, Arrival};
use crate::post::{Poster, Target};

/// How many notifications are posted on at a time.
const MAX_POSTS: usize = 16;

/// How many may wait for their turn. Beyond it they are answered 503.
const MAX_WAITING: usize = 1024;

/// Once no more than that wait, it is told again that too many do.
const CALM: usize = MAX_WAITING / 2;

/// How long a notification may take, from its arrival to the endpoint's answer: its sender gets one within 2 s,
/// well before the platform calls an endpoint slow ([protocol.md 9.1](lp_connector_core::protocol#9.1)).
const LIMIT: Duration = Duration::from_millis(1_800);

const SIGNATURE: HeaderName = HeaderName::from_static("x-liveperson-signature");

/// Headers of one connection (RFC 9110, 7.6.1), and those that every request has anew.
const OWN: [HeaderName; 11] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::HOST,
    header::CONTENT_LENGTH,
];

/// Where notifications go on to.
#[derive(Debug)]
pub(crate) struct Forwarder {
    pub(crate) poster: Poster,
    pub(crate) target: Target,
    /// Signs what is posted on.
    pub(crate) secret: Secret,
}

/// What became of a notification.
pub(crate) struct Forwarded {
    pub(crate) event: Value,
    pub(crate) line: String,
    /// The answer to its sender, if the endpoint took it. Otherwise the sender has got 503.
    pub(crate) answer: Option<Answer>,
}

/// The threads that post. They end with the program, or once nobody takes what became of a notification.
pub(crate) struct Forwarding {
    target: String,
    queue: Arc<(Mutex<Queue<Arrival>>, Condvar)>,
}

impl Forwarding {
    /// Starts to post. `done` takes what became of each notification, and returns false if nobody takes it any more.
    pub(crate) fn start(
        forwarder: Forwarder,
        done: impl Fn(Forwarded) -> bool + Clone + Send + 'static,
    ) -> Self {
        let target = forwarder.target.shown();
        let (forwarder, queue) =
            (Arc::new(forwarder), Arc::new((Mutex::default(), Condvar::new())));
        for _ in 0..MAX_POSTS {
            let (forwarder, queue, done) =
                (Arc::clone(&forwarder), Arc::clone(&queue), done.clone());
            thread::spawn(move || work(&forwarder, &queue, done));
        }
        Self { target, queue }
    }

    /// The endpoint's URL, without its query.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    /// Posts a notification on when its turn comes. If too many wait it is answered 503, and for the first of such a
    /// burst there is something to print.
    pub(crate) fn push(&self, arrival: Arrival) -> Pushed<Forwarded> {
        let (queue, pushed) = &*self.queue;
        let (conversation, sequence) = about(&arrival.verified);
        let taken = lock(queue).push(conversation.clone(), arrival);
        pushed.notify_one();
        match taken {
            Pushed::Taken => Pushed::Taken,
            Pushed::Refused(first) => Pushed::Refused(first.map(|_| {
                let reason = format!(
                    "{MAX_WAITING} wait for their turn: this one, and all for which there is no room, are \
                     answered 503, and are sent again"
                );
                not_forwarded(&self.target, conversation.as_deref(), sequence, &reason)
            })),
        }
    }
}

fn lock(queue: &Mutex<Queue<Arrival>>) -> MutexGuard<'_, Queue<Arrival>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Posts one after another.
fn work(
    forwarder: &Forwarder,
    (queue, pushed): &(Mutex<Queue<Arrival>>, Condvar),
    done: impl Fn(Forwarded) -> bool,
) {
    loop {
        let (conversation, arrival) = {
            let mut queue = lock(queue);
            loop {
                match queue.pop() {
                    Some(next) => break next,
                    None => queue = pushed.wait(queue).unwrap_or_else(PoisonError::into_inner),
                }
            }
        };
        let forwarded = forwarder.forward(arrival);
        if lock(queue).finish(conversation) {
            pushed.notify_one();
        }
        if !done(forwarded) {
            return;
        }
    }
}

/// Whether something waits for its turn now.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Pushed<T> {
    Taken,
    /// There is no room; with something for the first one of a burst.
    Refused(Option<T>),
}

/// What is to be posted. Of each conversation one thing is under way at a time.
#[derive(Debug)]
struct Queue<T> {
    ready: VecDeque<(Option<String>, T)>,
    /// The conversations of which one is ready or under way, and what waits for that.
    waiting: BTreeMap<String, VecDeque<T>>,
    len: usize,
    /// Whether one was refused, and many wait since.
    is_full: bool,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { ready: VecDeque::new(), waiting: BTreeMap::new(), len: 0, is_full: false }
    }
}

impl<T> Queue<T> {
    /// Adds one, of no conversation if it is not known.
    fn push(&mut self, conversation: Option<String>, one: T) -> Pushed<()> {
        if self.len >= MAX_WAITING {
            let is_first = !std::mem::replace(&mut self.is_full, true);
            return Pushed::Refused(is_first.then_some(()));
        }
        self.len += 1;
        if let Some(id) = &conversation {
            if let Some(behind) = self.waiting.get_mut(id) {
                behind.push_back(one);
                return Pushed::Taken;
            }
            self.waiting.insert(id.clone(), VecDeque::new());
        }
        self.ready.push_back((conversation, one));
        Pushed::Taken
    }

    /// The next one, which is under way until its conversation is [finished](Self::finish) with it.
    fn pop(&mut self) -> Option<(Option<String>, T)> {
        let next = self.ready.pop_front()?;
        self.len = self.len.saturating_sub(1);
        self.is_full &= self.len > CALM;
        Some(next)
    }

    /// The one under way of this conversation has ended. Returns whether another one is ready now.
    fn finish(&mut self, conversation: Option<String>) -> bool {
        let Some(id) = conversation else { return false };
        match self.waiting.get_mut(&id).and_then(VecDeque::pop_front) {
            Some(next) => {
                self.ready.push_back((Some(id), next));
                true
            }
            None => {
                self.waiting.remove(&id);
                false
            }
        }
    }
}

impl Forwarder {
    /// Posts the bytes as they came, with the headers that they came with, signed anew as the sender signed them.
    fn forward(&self, arrival: Arrival) -> Forwarded {
        let Arrival { verified, headers, came, answer } = arrival;
        let to = self.target.shown();
        let (conversation, sequence) = about(&verified);
        let mut event = event(&to, conversation.as_deref(), sequence);
        let mut told = |name: &str, value: Value| {
            event.as_object_mut().map(|members| members.insert(name.to_owned(), value))
        };
        let place = place(conversation.as_deref(), sequence);
        let left = LIMIT.saturating_sub(came.elapsed());
        let posted = match left.is_zero() {
            true => Err("its turn came too late: those before it took too long".to_owned()),
            false => {
                let headers = passed_on(&headers, &self.signature(&verified));
                self.poster.post(&self.target, headers, verified.body(), left)
            }
        };
        match posted {
            Ok(got) => {
                let (took, said) = (got.took.as_millis(), got.line());
                let colon = if said.is_empty() { "" } else { ": " };
                told("status", json!(got.status));
                told("accepted", json!(got.is_accepted()));
                told("took_ms", json!(u64::try_from(took).unwrap_or(u64::MAX)));
                told("body", json!(said));
                let line = format!("   {place}-> {to} {} in {took} ms{colon}{said}", got.status);
                if got.is_accepted() {
                    return Forwarded { event, line, answer: Some(answer) };
                }
                answer.refuse(format!("{to} answered {}", got.status));
                Forwarded { event, line, answer: None }
            }
            Err(reason) => {
                answer.refuse(format!("{to} gave no answer: {reason}"));
                not_forwarded(&to, conversation.as_deref(), sequence, &reason)
            }
        }
    }

    fn signature(&self, verified: &Verified) -> String {
        let (algorithm, encoding) = verified
            .signature_match()
            .map_or((Algorithm::Sha1, Encoding::Base64), |one| (one.algorithm, one.encoding));
        webhook::sign(&self.secret, algorithm, encoding, verified.body())
    }
}

/// The event of a notification that has no answer yet.
fn event(to: &str, conversation: Option<&str>, sequence: Option<u64>) -> Value {
    json!({"event": "forwarded", "to": to, "status": null, "accepted": false,
        "conversation_id": conversation, "sequence": sequence})
}

/// The beginning of a notification's line.
fn place(conversation: Option<&str>, sequence: Option<u64>) -> String {
    match (conversation, sequence) {
        (Some(id), Some(sequence)) => format!("{id} #{sequence} "),
        (Some(id), None) => format!("{id} "),
        _ => String::new(),
    }
}

/// A notification without an answer from the endpoint.
fn not_forwarded(
    to: &str,
    conversation: Option<&str>,
    sequence: Option<u64>,
    reason: &str,
) -> Forwarded {
    let mut event = event(to, conversation, sequence);
    if let Some(members) = event.as_object_mut() {
        members.insert("reason".to_owned(), json!(reason));
    }
    let line = format!("   {}-> {to} no answer: {reason}", place(conversation, sequence));
    Forwarded { event, line, answer: None }
}

/// The conversation and the sequence of a notification's first change.
fn about(verified: &Verified) -> (Option<String>, Option<u64>) {
    let Ok(notification) = verified.parse() else { return (None, None) };
    match notification.changes().first() {
        Some(Change::Message(message)) => {
            (Some(message.conversation().to_string()), message.sequence())
        }
        Some(Change::Conversation(state)) => (Some(state.conversation().to_string()), None),
        _ => (None, None),
    }
}

/// All headers of a notification but those of its connection, with another signature.
fn passed_on(came: &HeaderMap, signature: &str) -> HeaderMap {
    let named = came.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named: Vec<String> =
        named.flat_map(|value| value.split(',')).map(|name| name.trim().to_lowercase()).collect();
    let is_own = |name: &HeaderName| {
        OWN.contains(name) || *name == SIGNATURE || named.iter().any(|one| one == name.as_str())
    };
    let mut headers = HeaderMap::new();
    for (name, value) in came.iter().filter(|(name, _)| !is_own(name)) {
        headers.append(name, value.clone());
    }
    if let Ok(signature) = HeaderValue::try_from(signature) {
        headers.insert(SIGNATURE, signature);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_conversation_one_is_under_way_at_a_time() {
        let mut queue = Queue::default();
        let id = |name: &str| Some(name.to_owned());
        for (conversation, n) in [("a", 1), ("a", 2), ("b", 3), ("", 4), ("", 5), ("a", 6)] {
            let conversation = id(conversation).filter(|name| !name.is_empty());
            assert_eq!(queue.push(conversation, n), Pushed::Taken);
        }
        let mut under_way = Vec::new();
        while let Some(next) = queue.pop() {
            under_way.push(next);
        }
        let numbers: Vec<_> = under_way.iter().map(|(_, n)| *n).collect();
        assert_eq!(numbers, [1, 3, 4, 5]);
        assert!(!queue.finish(id("b")) && !queue.finish(None));
        for n in [2, 6] {
            assert!(queue.finish(id("a")));
            assert_eq!(queue.pop(), Some((id("a"), n)));
            assert_eq!(queue.pop(), None);
        }
        assert!(!queue.finish(id("a")));
        assert!(queue.waiting.is_empty() && queue.len == 0);
        assert!(queue.push(id("a"), 7) == Pushed::Taken && queue.pop().is_some());
    }

    #[test]
    fn what_waits_is_bounded_and_a_burst_is_told_once() {
        let mut queue = Queue::default();
        let all = (0..MAX_WAITING)
            .filter(|n| queue.push((n % 2 == 0).then(String::new), *n) == Pushed::Taken);
        assert_eq!(all.count(), MAX_WAITING);
        let (first, later) = (Pushed::Refused(Some(())), Pushed::Refused(None));
        assert_eq!(queue.push(None, 0), first);
        assert_eq!(queue.push(Some("b".to_owned()), 0), later);
        // There is room for one again and again, and no more.
        for _ in 0..10 {
            assert!(queue.pop().is_some());
            assert_eq!(queue.push(None, 0), Pushed::Taken);
            assert_eq!(queue.push(None, 0), later);
        }
        while queue.len > CALM {
            assert!(queue.pop().is_some() || queue.finish(Some(String::new())));
        }
        while queue.len < MAX_WAITING {
            assert_eq!(queue.push(None, 0), Pushed::Taken);
        }
        assert_eq!([(); 2].map(|()| queue.push(None, 0)), [first, later]);
    }

    #[test]
    fn headers_of_the_connection_stay_behind() {
        let mut came = HeaderMap::new();
        for (name, value) in [
            ("host", "a"),
            ("content-length", "2"),
            ("connection", "keep-alive, X-Hop"),
            ("connection", "x-hop-2"),
            ("x-hop", "1"),
            ("x-hop-2", "1"),
            ("keep-alive", "1"),
            ("te", "trailers"),
            ("trailer", "x"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "x"),
            ("proxy-connection", "x"),
            ("proxy-authorization", "x"),
            ("proxy-authenticate", "x"),
            ("x-liveperson-signature", "sha1=a"),
            ("x-liveperson-client-id", "c"),
            ("content-type", "text/x"),
            ("user-agent", "lp"),
            ("authorization", "Basic x"),
            ("x-pigeon", "1"),
            ("x-pigeon", "2"),
        ] {
            came.append(name, HeaderValue::from_static(value));
        }
        let passed = passed_on(&came, "sha1=b");
        let mut names: Vec<_> = passed.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        let expected = [
            "authorization",
            "content-type",
            "user-agent",
            "x-liveperson-client-id",
            "x-liveperson-signature",
            "x-pigeon",
        ];
        assert_eq!(names, expected);
        assert_eq!(passed.get_all("x-pigeon").iter().count(), 2);
        assert_eq!(passed.get(SIGNATURE).unwrap(), "sha1=b");
    }
}
