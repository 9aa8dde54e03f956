//! Receives notifications and prints them. What is answered 200 was printed, or is printed before the end.

use std::collections::BTreeMap;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant, SystemTime};

use lp_connector_core::id::ConversationId;
use lp_connector_core::time::Mono;
use lp_connector_core::webhook::{
    Change, Feed, FeedPoll, Receiver, Snapshot, Unreadable, Verified,
};
use serde_json::{Value, json};

use crate::args::Endpoint;
use crate::failure::Failure;
use crate::listener::{Arrival, Listener};
use crate::notices;
use crate::output::{Output, sanitize};

/// How many notifications are printed, and answered, at once.
const MAX_BATCH: usize = 64;

/// How often to look whether stdout still has a reader.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// The maximum number of states. Beyond it, all are dropped.
const MAX_STATES: usize = 10_000;

/// Prints notifications until a signal, or until one cannot be printed.
///
/// A notification is answered 200 after it was printed. Only one that waits for an earlier one is answered
/// before; it is printed within 2 s, or at the end.
pub(crate) fn listen(
    endpoint: &Endpoint,
    receiver: Receiver,
    as_they_come: bool,
    output: &Output,
) -> Result<(), Failure> {
    let listener = Listener::start_until_signal(endpoint.listen, receiver)?;
    let mut printer = Printer::new(as_they_come, output);
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

/// What is to be printed.
struct Printer<'a> {
    output: &'a Output,
    as_they_come: bool,
    feed: Feed,
    /// The last state of each conversation, to print only what has changed.
    states: BTreeMap<ConversationId, Snapshot>,
    /// Lines that are not written yet.
    text: String,
    origin: Instant,
}

impl<'a> Printer<'a> {
    fn new(as_they_come: bool, output: &'a Output) -> Self {
        let (feed, states) = (Feed::default(), BTreeMap::new());
        Self { output, as_they_come, feed, states, text: String::new(), origin: Instant::now() }
    }

    fn start(&mut self, listener: &Listener) -> Result<(), Failure> {
        let address = listener.address();
        self.line(
            &json!({"event": "listening", "listen": address.to_string()}),
            &format!("listening at http://{address}/; stop it with Ctrl-C"),
        );
        self.write()
    }

    /// Prints what arrives until no more can.
    fn print_all(&mut self, listener: &Listener) -> Result<(), Failure> {
        loop {
            let due = self.take_due();
            self.write()?;
            match listener.arrivals().recv_timeout(due.min(LOOK_INTERVAL)) {
                Ok(first) => {
                    let rest = listener.arrivals().try_iter().take(MAX_BATCH);
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
            self.take(verified);
            answers.push(answer);
        }
        self.take_due();
        self.write()?;
        answers.into_iter().for_each(|answer| answer.accept());
        Ok(())
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
