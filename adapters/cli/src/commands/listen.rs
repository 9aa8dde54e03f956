//! Receives notifications and prints them. What is answered 200 was printed, or is printed before the end.

use std::collections::BTreeMap;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant, SystemTime};

use lp_connector_core::id::ConversationId;
use lp_connector_core::secret::Secret;
use lp_connector_core::time::Mono;
use lp_connector_core::webhook::{
    self, Algorithm, Change, Encoding, Feed, FeedPoll, Receiver, Snapshot, Unreadable, Verified,
};
use serde_json::{Value, json};

use crate::args::Endpoint;
use crate::failure::Failure;
use crate::listener::{Arrival, Listener};
use crate::notices;
use crate::output::{Output, sanitize};
use crate::post::{Poster, Target};

/// How many notifications are printed, and answered, at once.
const MAX_BATCH: usize = 64;

/// How often to look whether stdout still has a reader.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// The maximum number of states. Beyond it, all are dropped.
const MAX_STATES: usize = 10_000;

/// Prints notifications until a signal, or until one cannot be printed.
///
/// A notification is answered 200 after it was printed. Only one that waits for an earlier one is answered
/// before; it is printed within 2 s, or at the end. With a forwarder, it is answered 200 only if the endpoint
/// there takes it too.
pub(crate) fn listen(
    endpoint: &Endpoint,
    receiver: Receiver,
    as_they_come: bool,
    forwarder: Option<Forwarder>,
    output: &Output,
) -> Result<(), Failure> {
    let listener = Listener::start_until_signal(endpoint.listen, receiver)?;
    let mut printer = Printer::new(as_they_come, forwarder, output);
    let Err(failure) = printer.start(&listener).and_then(|()| printer.print_all(&listener)) else {
        return Ok(());
    };
    // Answers 503 to what was not printed.
    listener.close();
    printer.rescue();
    Err(Failure::Local(format!(
        "{failure}; what was not printed was answered 503, and is sent again"
    )))
}

/// Posts notifications on to another endpoint.
#[derive(Debug)]
pub(crate) struct Forwarder {
    pub(crate) poster: Poster,
    pub(crate) target: Target,
    /// Signs what is posted on.
    pub(crate) secret: Secret,
}

impl Forwarder {
    /// Posts the bytes as they came, signed anew as the sender signed them. Returns whether the endpoint took
    /// them, and what is printed of it.
    fn forward(&self, verified: &Verified) -> (bool, Value, String) {
        let matched = verified.signature_match();
        let (algorithm, encoding) = matched
            .map_or((Algorithm::Sha1, Encoding::Base64), |one| (one.algorithm, one.encoding));
        let signature = webhook::sign(&self.secret, algorithm, encoding, verified.body());
        let ids = [
            ("x-liveperson-account-id", verified.account()),
            ("x-liveperson-client-id", verified.client()),
        ];
        let mut headers = vec![("x-liveperson-signature", signature.as_str())];
        headers.extend(ids.into_iter().filter_map(|(name, id)| Some((name, id?))));
        let to = self.target.shown();
        match self.poster.post(&self.target, &headers, verified.body()) {
            Ok(answer) => {
                let (took, said) = (answer.took.as_millis(), answer.line());
                let colon = if said.is_empty() { "" } else { ": " };
                let event = json!({"event": "forwarded", "to": to, "status": answer.status,
                    "accepted": answer.is_accepted(), "took_ms": took as u64, "body": said});
                let line = format!("   -> {to} {} in {took} ms{colon}{said}", answer.status);
                (answer.is_accepted(), event, line)
            }
            Err(reason) => {
                let event = json!({"event": "forwarded", "to": to, "status": null,
                    "accepted": false, "reason": reason});
                (false, event, format!("   -> {to} no answer: {reason}"))
            }
        }
    }
}

/// What is to be printed.
struct Printer<'a> {
    output: &'a Output,
    as_they_come: bool,
    forwarder: Option<Forwarder>,
    feed: Feed,
    /// The last state of each conversation, to print only what has changed.
    states: BTreeMap<ConversationId, Snapshot>,
    /// Lines that are not written yet.
    text: String,
    origin: Instant,
}

impl<'a> Printer<'a> {
    fn new(as_they_come: bool, forwarder: Option<Forwarder>, output: &'a Output) -> Self {
        let (feed, states, text) = (Feed::default(), BTreeMap::new(), String::new());
        let origin = Instant::now();
        Self { output, as_they_come, forwarder, feed, states, text, origin }
    }

    fn start(&mut self, listener: &Listener) -> Result<(), Failure> {
        let address = listener.address();
        let forwards = self.forwarder.as_ref().map(|forwarder| forwarder.target.shown());
        let more = forwards.as_ref().map(|to| format!(", forwarding to {to}")).unwrap_or_default();
        let mut event = json!({"event": "listening", "listen": address.to_string()});
        if let (Some(to), Some(members)) = (forwards, event.as_object_mut()) {
            members.insert("forward_to".to_owned(), json!(to));
        }
        self.line(&event, &format!("listening at http://{address}/{more}; stop it with Ctrl-C"));
        self.write()
    }

    /// Prints what arrives until no more can.
    fn print_all(&mut self, listener: &Listener) -> Result<(), Failure> {
        loop {
            let due = self.take_due();
            self.write()?;
            match listener.arrivals().recv_timeout(due.min(LOOK_INTERVAL)) {
                Ok(first) => {
                    // Each is forwarded before the next one is taken.
                    let batch = if self.forwarder.is_some() { 0 } else { MAX_BATCH };
                    let rest = listener.arrivals().try_iter().take(batch);
                    self.print_batch(std::iter::once(first).chain(rest))?;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.feed.finish();
                    self.take_due();
                    return self.write();
                }
            }
        }
    }

    /// Prints notifications, and answers them once they are written.
    fn print_batch(&mut self, arrivals: impl Iterator<Item = Arrival>) -> Result<(), Failure> {
        let mut answers = Vec::new();
        for arrival in arrivals {
            if self.feed.is_full() {
                self.take_due();
            }
            if self.feed.is_full() {
                continue; // dropped: it is answered 503
            }
            let (verified, answer) = arrival.into_parts();
            let forwarded = self.forwarder.is_some().then(|| verified.clone());
            self.take(verified);
            let Some(verified) = forwarded else {
                answers.push(answer);
                continue;
            };
            self.take_due();
            self.write()?;
            if self.forward(&verified) {
                answers.push(answer);
            }
        }
        self.take_due();
        self.write()?;
        answers.into_iter().for_each(|answer| answer.accept());
        Ok(())
    }

    /// Posts a notification on. Returns whether the endpoint took it.
    fn forward(&mut self, verified: &Verified) -> bool {
        let Some(forwarder) = &self.forwarder else { return true };
        let (accepted, event, line) = forwarder.forward(verified);
        self.line(&event, &line);
        accepted
    }

    fn take(&mut self, verified: Verified) {
        if self.as_they_come
            && let Ok(notification) = verified.parse()
        {
            for change in notification.changes() {
                self.change(change, &notices::lines(change));
            }
        } else {
            self.feed.push(verified, self.now());
        }
    }

    /// Takes what is due out of the feed. Returns how long to wait for more.
    fn take_due(&mut self) -> Duration {
        loop {
            match self.feed.poll(self.now()) {
                FeedPoll::Deliver(delivered) => {
                    let lines = self.news(&delivered.change);
                    self.change(&delivered.change, &lines);
                }
                FeedPoll::Unreadable(unreadable) => self.unreadable(&unreadable),
                FeedPoll::Wait(until) => return until.since(self.now()),
                FeedPoll::Idle => return Duration::from_secs(3600),
            }
        }
    }

    /// The lines of a change. Of a conversation's state, only what has changed.
    fn news(&mut self, change: &Change) -> Vec<String> {
        let Change::Conversation(state) = change else { return notices::lines(change) };
        if self.states.len() >= MAX_STATES && !self.states.contains_key(state.conversation()) {
            self.states.clear();
        }
        let last = self.states.entry(state.conversation().clone()).or_default();
        notices::transitions(state, &last.apply(state))
    }

    fn change(&mut self, change: &Change, lines: &[String]) {
        let place = notices::time_and_place(change, SystemTime::now());
        let lines: Vec<_> = lines.iter().map(|line| format!("{place} {line}")).collect();
        self.line(&notices::describe(change), &lines.join("\n"));
    }

    /// A notification that is not JSON. Any answer but 200 would hold back all others.
    fn unreadable(&mut self, unreadable: &Unreadable) {
        let body = String::from_utf8_lossy(unreadable.notification.body());
        self.line(
            &json!({"event": "unreadable", "reason": unreadable.to_string(), "body": body}),
            &format!("unreadable ({unreadable}): {body:?}"),
        );
    }

    fn line(&mut self, event: &Value, line: &str) {
        match self.output.is_json() {
            true => self.text.push_str(&event.to_string()),
            false => self.text.push_str(&sanitize(line)),
        }
        self.text.push('\n');
    }

    /// Writes the lines, if there are any. They stay here if that fails. Fails too if nobody reads any more.
    fn write(&mut self) -> Result<(), Failure> {
        self.output.check_reader()?;
        if !self.text.is_empty() {
            self.output.raw(self.text.as_bytes());
            self.output.check()?;
            self.text.clear();
        }
        Ok(())
    }

    /// Writes to stderr what was answered 200 while it waited for its order, and cannot be printed.
    fn rescue(&mut self) {
        self.feed.finish();
        self.take_due();
        if !self.text.is_empty() {
            self.output.log("answered 200, and not printed on stdout:");
            self.output.text_to_stderr(&self.text);
        }
    }

    fn now(&self) -> Mono {
        Mono::from_origin(self.origin.elapsed())
    }
}
