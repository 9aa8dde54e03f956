//! The event stream: what has changed since a reader looked, as it is now.
//!
//! A reader costs a position. What changed twice goes once; of more than 200 messages, exchanges, notifications
//! or conversations the newest go, and the rest is counted.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::describe;
use super::{
    API_VERSION, FaultList, FileList, Hello, InstallList, LeftOut, Reset, Row, TokenList, WireRows,
};
use crate::journal::Subject;
use crate::mask::Secrets;
use crate::sandbox::Sandbox;

/// The most of a kind in one frame.
const MAX_IN_FRAME: usize = 200;

/// The most conversations whose left out messages are counted one by one.
const MAX_COUNTED: usize = 1000;

/// Where a reader is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Cursor {
    epoch: String,
    position: u64,
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.epoch, self.position)
    }
}

impl Cursor {
    /// The position behind everything.
    pub(crate) fn now(sandbox: &mut Sandbox) -> Option<Self> {
        let journal = sandbox.journal.as_mut()?;
        Some(Self { epoch: journal.epoch.clone(), position: journal.events.position() })
    }

    fn parse(text: &str) -> Option<Self> {
        let (epoch, position) = text.rsplit_once('-')?;
        let is_number = !position.is_empty() && position.bytes().all(|byte| byte.is_ascii_digit());
        let position = is_number.then(|| position.parse().ok()).flatten()?;
        Some(Self { epoch: epoch.to_owned(), position })
    }
}

/// An event of the stream.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct StreamedEvent {
    pub(crate) name: &'static str,
    /// The position after it. Only the last event of a frame has one, so that a frame that was cut comes again.
    pub(crate) id: Option<String>,
    pub(crate) data: Value,
}

impl StreamedEvent {
    /// An event without a position.
    pub(crate) fn new(name: &'static str, data: impl Serialize) -> Self {
        // A document without a map whose keys are no texts is always JSON.
        Self { name, id: None, data: serde_json::to_value(data).unwrap_or_default() }
    }

    fn at(self, cursor: &Cursor) -> Self {
        Self { id: Some(cursor.to_string()), ..self }
    }

    /// Its text in the stream.
    pub(crate) fn encode(&self, text: &mut String) {
        if let Some(id) = &self.id {
            text.push_str(&format!("id: {id}\n"));
        }
        text.push_str(&format!("event: {}\ndata: {}\n\n", self.name, self.data));
    }
}

/// Opens a stream behind `after`, or now. `None` if nothing is recorded.
pub(crate) fn open(
    sandbox: &mut Sandbox,
    after: Option<&str>,
) -> Option<(Cursor, Vec<StreamedEvent>)> {
    let now = Cursor::now(sandbox)?;
    let wanted = after.and_then(Cursor::parse);
    let journal = sandbox.journal.as_ref()?;
    let known = wanted.clone().filter(|wanted| {
        wanted.epoch == now.epoch && journal.events.after(wanted.position).is_some()
    });
    let hello = |resumed: bool| {
        let (api, epoch) = (API_VERSION.to_owned(), now.epoch.clone());
        StreamedEvent::new("hello", Hello { api, epoch, resumed })
    };
    Some(match (known, after) {
        (Some(known), _) => {
            let hello = hello(true).at(&known);
            (known, vec![hello])
        }
        (None, None) => (now.clone(), vec![hello(false).at(&now)]),
        (None, Some(_)) => {
            let same = wanted.is_some_and(|wanted| wanted.epoch == now.epoch);
            let why = if same { "too far behind" } else { "restarted" };
            (now.clone(), vec![reset(why).at(&now), hello(false).at(&now)])
        }
    })
}

fn reset(why: &str) -> StreamedEvent {
    StreamedEvent::new("reset", Reset { why: why.to_owned() })
}

/// Whether there is anything for a reader.
pub(crate) fn has_news(sandbox: &Sandbox, cursor: &Cursor) -> bool {
    sandbox.journal.as_ref().is_some_and(|journal| {
        journal.epoch != cursor.epoch || journal.events.has_news(cursor.position)
    })
}

/// What has changed for a reader, whose position moves.
pub(crate) fn next(sandbox: &mut Sandbox, cursor: &mut Cursor) -> Vec<StreamedEvent> {
    let Some(now) = Cursor::now(sandbox) else { return Vec::new() };
    let previous = std::mem::replace(cursor, now.clone());
    let Some(journal) = &sandbox.journal else { return Vec::new() };
    if previous.epoch != now.epoch {
        return vec![reset("reset").at(&now)];
    }
    let Some(changed) = journal.events.after(previous.position) else {
        return vec![reset("too far behind").at(&now)];
    };
    let secrets = describe::secrets(sandbox);
    let mut events = Frame::of(sandbox, &secrets, &changed).into_events();
    // The texts of exchanges are masked already.
    let others = events.iter_mut().filter(|event| event.name != "wire");
    others.for_each(|event| secrets.scrub(&mut event.data));
    if let Some(last) = events.last_mut() {
        last.id = Some(now.to_string());
    }
    events
}

/// What goes out at once.
#[derive(Default)]
struct Frame {
    /// Newest first.
    events: Vec<StreamedEvent>,
    rows: Vec<Row>,
    rows_left_out: usize,
    messages: usize,
    notifications: usize,
    conversations: usize,
    messages_left_out: BTreeMap<String, usize>,
    notifications_left_out: usize,
    conversations_left_out: usize,
}

impl Frame {
    fn of(sandbox: &Sandbox, secrets: &Secrets<'_>, changed: &[&Subject]) -> Self {
        let mut frame = Self::default();
        for subject in changed.iter().rev() {
            frame.add(sandbox, secrets, subject);
        }
        frame
    }

    fn push(&mut self, name: &'static str, data: impl Serialize) {
        self.events.push(StreamedEvent::new(name, data));
    }

    fn add(&mut self, sandbox: &Sandbox, secrets: &Secrets<'_>, subject: &Subject) {
        let Some(journal) = &sandbox.journal else { return };
        match subject {
            Subject::Conversation(id) => {
                let Some(found) = sandbox.state.conversations.get(id) else { return };
                self.conversations += 1;
                match self.conversations <= MAX_IN_FRAME {
                    true => self.push("conversation", describe::conversation(secrets, found)),
                    false => self.conversations_left_out += 1,
                }
            }
            Subject::Message(number) => {
                let Some(found) = sandbox.state.message(*number) else { return };
                self.messages += 1;
                if self.messages <= MAX_IN_FRAME {
                    self.push("message", describe::message(sandbox, found));
                } else if self.messages_left_out.len() < MAX_COUNTED
                    || self.messages_left_out.contains_key(&found.conversation)
                {
                    *self.messages_left_out.entry(found.conversation.clone()).or_default() += 1;
                }
            }
            Subject::Exchange(number) => {
                if self.rows.len() >= MAX_IN_FRAME {
                    self.rows_left_out += 1;
                } else if let Some(found) = journal.requests.get(*number) {
                    self.rows.push(describe::row(secrets, found));
                }
            }
            Subject::Notification(number) => {
                let Some(found) = journal.notifications.get(*number) else { return };
                self.notifications += 1;
                match self.notifications <= MAX_IN_FRAME {
                    true => self.push("notification", describe::notification(found)),
                    false => self.notifications_left_out += 1,
                }
            }
            Subject::Faults => {
                let faults = sandbox.faults().iter().map(describe::fault).collect();
                self.push("faults", FaultList { faults });
            }
            Subject::Tokens => {
                self.push("tokens", TokenList { tokens: describe::tokens(sandbox) });
            }
            Subject::Webhooks => self.push("webhooks", describe::webhooks(sandbox)),
            Subject::Installs => {
                self.push("installs", InstallList { installs: describe::installs(sandbox) });
            }
            Subject::Files => self.push("files", FileList { files: describe::files(sandbox) }),
        }
    }

    /// Oldest first.
    fn into_events(mut self) -> Vec<StreamedEvent> {
        self.events.reverse();
        self.rows.reverse();
        if !self.rows.is_empty() {
            let (rows, left_out) = (self.rows, self.rows_left_out);
            self.events.push(StreamedEvent::new("wire", WireRows { rows, left_out }));
        }
        let left_out = self.messages_left_out.len() + self.notifications_left_out;
        if left_out + self.conversations_left_out > 0 {
            let left_out = LeftOut {
                messages: self.messages_left_out,
                notifications: self.notifications_left_out,
                conversations: self.conversations_left_out,
            };
            self.events.push(StreamedEvent::new("left_out", left_out));
        }
        self.events
    }
}
