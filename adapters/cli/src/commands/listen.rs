//! Receives notifications and prints them. What is answered 200 was printed, or is printed before the end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use lp_connector_core::id::ConversationId;
use lp_connector_core::time::Mono;
use lp_connector_core::webhook::{
    Change, Delivered, Feed, FeedPoll, Order, Receiver, Snapshot, Unreadable, Verified,
};
use serde_json::{Value, json};

use super::forward::{Forwarded, Forwarder, Forwarding, Pushed};
use crate::args::Endpoint;
use crate::failure::Failure;
use crate::gaps::Gaps;
use crate::listener::{Answer, Arrival, Listener};
use crate::notices;
use crate::output::{Output, sanitize};

/// How many notifications are printed, and answered, at once.
const MAX_BATCH: usize = 64;

/// How often to look whether stdout still has a reader.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// The maximum number of states. Beyond it, all are dropped.
const MAX_STATES: usize = 10_000;

/// Something to print.
enum Happening {
    Arrived(Arrival),
    Forwarded(Forwarded),
    /// A line about the sandbox.
    Said(String),
    /// Nothing arrives any more.
    Ended,
}

/// Prints notifications until a signal, or until one cannot be printed.
///
/// A notification is answered 200 after it was printed. Only one that waits for an earlier one is answered
/// before; it is printed within 2 s, or at the end. With a forwarder, it is answered 200 only if the endpoint
/// there takes it too. Once it listens, `retry` lets a sandbox try what it holds back.
pub(crate) fn listen(
    endpoint: &Endpoint,
    receiver: Receiver,
    as_they_come: bool,
    forwarder: Option<Forwarder>,
    retry: impl FnOnce(SocketAddr) -> Option<String> + Send + 'static,
    output: &Output,
) -> Result<(), Failure> {
    let listener = Listener::start_until_signal(endpoint.listen, receiver)?;
    let address = listener.address();
    let (arrivals, stop) = listener.into_parts();
    let (sender, happenings) = mpsc::sync_channel(MAX_BATCH);
    let forwarding = forwarder.map(|forwarder| {
        let sender = sender.clone();
        Forwarding::start(forwarder, move |done| sender.send(Happening::Forwarded(done)).is_ok())
    });
    let said = sender.clone();
    thread::spawn(move || {
        if let Some(line) = retry(address) {
            let _ = said.send(Happening::Said(line));
        }
    });
    let pump = thread::spawn(move || {
        for arrival in arrivals {
            // Dropped, it is answered 503.
            let _ = sender.send(Happening::Arrived(arrival));
        }
        let _ = sender.send(Happening::Ended);
    });
    let mut printer = Printer::new(as_they_come, forwarding, output);
    let printed = printer.start(address).and_then(|()| printer.print_all(&happenings));
    let Err(failure) = printed else {
        return Ok(());
    };
    // Answers 503 to what was not printed.
    drop((happenings, stop));
    let _ = pump.join();
    printer.rescue();
    // Without its reader it forwards no more: that is worth an error.
    if printer.forwarding.is_none() && output.end().is_ok() {
        return Ok(());
    }
    Err(Failure::Local(format!(
        "{failure}; what was not printed was answered 503, and is sent again"
    )))
}

/// What is to be printed.
struct Printer<'a> {
    output: &'a Output,
    as_they_come: bool,
    forwarding: Option<Forwarding>,
    /// How many notifications are being forwarded.
    under_way: usize,
    /// Whether the feed may have what was answered 200.
    owes: bool,
    feed: Feed,
    /// What is missing among what came.
    gaps: Gaps,
    /// The last state of each conversation, to print only what has changed.
    states: BTreeMap<ConversationId, Snapshot>,
    /// Lines that are not written yet.
    text: String,
    origin: Instant,
}

impl<'a> Printer<'a> {
    fn new(as_they_come: bool, forwarding: Option<Forwarding>, output: &'a Output) -> Self {
        Self {
            output,
            as_they_come,
            forwarding,
            under_way: 0,
            owes: false,
            feed: Feed::default(),
            gaps: Gaps::default(),
            states: BTreeMap::new(),
            text: String::new(),
            origin: Instant::now(),
        }
    }

    fn start(&mut self, address: SocketAddr) -> Result<(), Failure> {
        let forwards = self.forwarding.as_ref().map(|forwarding| forwarding.target().to_owned());
        let more = forwards.as_ref().map(|to| format!(", forwarding to {to}")).unwrap_or_default();
        let mut event = json!({"event": "listening", "listen": address.to_string()});
        if let (Some(to), Some(members)) = (forwards, event.as_object_mut()) {
            members.insert("forward_to".to_owned(), json!(to));
        }
        self.line(&event, &format!("listening at http://{address}/{more}; stop it with Ctrl-C"));
        self.write()
    }

    /// Prints what arrives until no more can, and what became of all that is being forwarded.
    fn print_all(&mut self, happenings: &mpsc::Receiver<Happening>) -> Result<(), Failure> {
        let mut ended = false;
        while !ended || self.under_way > 0 {
            let due = self.take_due();
            self.write()?;
            match happenings.recv_timeout(due.min(LOOK_INTERVAL)) {
                Ok(first) => {
                    let rest = happenings.try_iter().take(MAX_BATCH);
                    ended |= self.print_batch(std::iter::once(first).chain(rest))?;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.feed.finish();
        self.take_due();
        self.write()
    }

    /// Prints what happened; once it is written, notifications are answered or forwarded. Returns whether no more
    /// can arrive.
    fn print_batch(
        &mut self,
        happenings: impl Iterator<Item = Happening>,
    ) -> Result<bool, Failure> {
        let (mut arrivals, mut answers, mut ended) = (Vec::new(), Vec::new(), false);
        for happening in happenings {
            match happening {
                Happening::Arrived(arrival) => {
                    if self.feed.is_full() {
                        self.take_due();
                    }
                    if self.feed.is_full() {
                        continue; // dropped: it is answered 503
                    }
                    self.take(arrival.verified.clone());
                    arrivals.push(arrival);
                }
                Happening::Forwarded(Forwarded { event, line, answer }) => {
                    self.under_way = self.under_way.saturating_sub(1);
                    self.line(&event, &line);
                    answers.extend(answer);
                }
                Happening::Said(line) => {
                    self.line(&json!({"event": "note", "text": line}), &format!("-- {line}"));
                }
                Happening::Ended => ended = true,
            }
        }
        self.take_due();
        self.write()?;
        let mut refused = Vec::new();
        for arrival in arrivals {
            match &self.forwarding {
                Some(forwarding) => match forwarding.push(arrival) {
                    Pushed::Taken => self.under_way += 1,
                    Pushed::Refused(first) => refused.extend(first),
                },
                None => arrival.answer.accept(),
            }
        }
        answers.into_iter().for_each(Answer::accept);
        refused.iter().for_each(|one| self.line(&one.event, &one.line));
        self.owes = !self.feed.is_empty();
        Ok(ended)
    }

    fn take(&mut self, verified: Verified) {
        if self.as_they_come
            && let Ok(notification) = verified.parse()
        {
            for change in notification.changes() {
                self.change(notices::describe(change), change, &notices::lines(change));
            }
        } else {
            self.feed.push(verified, self.now());
        }
    }

    /// Takes what is due out of the feed. Returns how long to wait for more.
    fn take_due(&mut self) -> Duration {
        loop {
            match self.feed.poll(self.now()) {
                FeedPoll::Deliver(delivered) => self.delivered(&delivered),
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

    /// A change in its order, after a line for what is missing before it.
    fn delivered(&mut self, delivered: &Delivered) {
        let (change, order) = (&delivered.change, delivered.order);
        if let Some(gap) = self.gaps.before(delivered) {
            self.change(gap.describe(), change, &[format!("-- {gap}")]);
        }
        let mut lines = self.news(change);
        if order == Order::Late {
            lines.iter_mut().for_each(|line| line.insert_str(0, "(late) "));
        }
        let mut event = notices::describe(change);
        if let (Change::Message(_), Some(members)) = (change, event.as_object_mut()) {
            members.insert("order".to_owned(), json!(order));
        }
        self.change(event, change, &lines);
    }

    fn change(&mut self, event: Value, change: &Change, lines: &[String]) {
        let place = notices::time_and_place(change, SystemTime::now());
        let lines: Vec<_> = lines.iter().map(|line| format!("{place} {line}")).collect();
        self.line(&event, &lines.join("\n"));
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
        self.owes &= !self.feed.is_empty();
        Ok(())
    }

    /// Writes to stderr what was answered 200 while it waited for its order, and cannot be printed.
    fn rescue(&mut self) {
        self.feed.finish();
        self.take_due();
        if self.owes && !self.text.is_empty() {
            self.output.log("answered 200, and not printed on stdout:");
            self.output.rescue(&self.text);
        }
    }

    fn now(&self) -> Mono {
        Mono::from_origin(self.origin.elapsed())
    }
}
