//! A consumer's side of a conversation, both ways: what `chat` and `demo --two-way` have in common.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lp_connector_core::api::{ChatState, ClientProperties, OpenConversation};
use lp_connector_core::conversation::{Click, Conversation};
use lp_connector_core::error::{Error, ErrorKind};
use lp_connector_core::id::DialogId;
use lp_connector_core::time::Mono;
use lp_connector_core::webhook::{
    Audience, Change, Element, Event, Feed, FeedPoll, MessagingEvent, ReceiptStatus,
    ReceivedChatState, Role, Transition, Verified,
};
use serde_json::json;

use crate::client::Client;
use crate::notices;

/// What the conversation's client can do ([protocol.md 6.5](lp_connector_core::protocol#6.5)).
const FEATURES: [&str; 5] =
    ["MULTI_DIALOG", "RICH_CONTENT", "QUICK_REPLIES", "PHOTO_SHARING", "AUTO_MESSAGES"];

/// How much of our own texts is kept, to say which one was read.
const MAX_KEPT: usize = 1000;

/// One conversation, with what is needed to hold it.
pub(crate) struct Session {
    client: Client,
    state: Mutex<State>,
    origin: Instant,
}

struct State {
    conversation: Conversation,
    feed: Feed,
    /// The last message that has something to click on.
    clickable: Option<MessagingEvent>,
    /// Our own texts, to say which one was read.
    said: BTreeMap<(DialogId, u64), String>,
}

/// Something to be shown.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) json: serde_json::Value,
    pub(crate) lines: Vec<String>,
    pub(crate) finished: bool,
}

/// The features of every conversation of ours.
pub(crate) fn properties() -> ClientProperties {
    FEATURES.into_iter().fold(ClientProperties::new(), ClientProperties::feature)
}

impl Session {
    /// Opens a conversation.
    pub(crate) fn open(client: Client, operation: OpenConversation) -> Result<Self, Error> {
        let opened = client.call(operation.client_properties(properties()))?.output;
        let state = State {
            conversation: Conversation::new(opened.conversation),
            feed: Feed::default(),
            clickable: None,
            said: BTreeMap::new(),
        };
        Ok(Self { client, state: Mutex::new(state), origin: Instant::now() })
    }

    pub(crate) fn id(&self) -> String {
        self.lock().conversation.id().to_string()
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.lock().conversation.is_finished()
    }

    /// Says something in the consumer's name. Gives its sequence.
    pub(crate) fn say(&self, text: &str) -> Result<Option<u64>, Error> {
        let (message, dialog) = {
            let conversation = &self.lock().conversation;
            (conversation.text(text), conversation.dialog())
        };
        let sequence = self.client.call(message)?.output.sequence;
        self.sent(&dialog, sequence, Some(text));
        Ok(sequence)
    }

    /// Clicks on the `number`th element (from 1) of what was last to be clicked on. `None` if there is
    /// no such element.
    pub(crate) fn choose(&self, number: usize) -> Result<Option<String>, Error> {
        // Taken out first: what comes meanwhile is another thing to click on.
        let taken = {
            let mut state = self.lock();
            let clickable = state.clickable.as_ref();
            let found =
                clickable.and_then(|message| click_on(&state.conversation, message, number));
            found.and_then(|found| Some((found, state.clickable.take()?)))
        };
        let Some(((click, label), message)) = taken else { return Ok(None) };
        let result = self.click(click, message.dialog(), &label);
        if result.is_err() {
            self.lock().clickable.get_or_insert(message);
        }
        result.map(|()| Some(label))
    }

    fn click(&self, click: Click, dialog: &DialogId, label: &str) -> Result<(), Error> {
        let sequence = self.client.call(click.receipt)?.output.sequence;
        self.sent(dialog, sequence, None);
        if let Some(text) = click.text {
            let sequence = self.client.call(text)?.output.sequence;
            self.sent(dialog, sequence, Some(label));
        }
        Ok(())
    }

    /// True if nothing waits to be shown.
    pub(crate) fn is_settled(&self) -> bool {
        self.lock().feed.is_empty()
    }

    /// How many elements there are to click on.
    pub(crate) fn choices(&self) -> usize {
        match self.lock().clickable.as_ref().map(MessagingEvent::event) {
            Some(Event::Text(text)) => text.quick_replies.map_or(0, |all| all.replies().count()),
            Some(Event::RichContent(rich)) => rich.clickable().len(),
            _ => 0,
        }
    }

    /// Tells whether the consumer is typing.
    pub(crate) fn typing(&self, state: ChatState) -> Result<(), Error> {
        let operation = self.lock().conversation.chat_state(state);
        match operation {
            Some(operation) => self.client.call(operation).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Tells that all that came was read.
    pub(crate) fn read(&self) -> Result<(), Error> {
        loop {
            let Some(receipt) = self.lock().conversation.mark_read() else { return Ok(()) };
            match self.client.call(receipt.clone()) {
                // It closed meanwhile, and nobody minds.
                Err(error) if error.kind() == ErrorKind::ConversationClosed => {}
                Err(error) => {
                    self.lock().conversation.restore_receipt(&receipt);
                    return Err(error);
                }
                Ok(_) => {}
            }
        }
    }

    /// The consumer hangs up.
    pub(crate) fn close(&self) -> Result<(), Error> {
        let close = self.lock().conversation.close_all();
        self.client.call(close).map(|_| ())
    }

    /// Takes a notification in.
    pub(crate) fn take(&self, verified: Verified) {
        let now = self.now();
        self.lock().feed.push(verified, now);
    }

    /// The next notice, or how long there is none.
    pub(crate) fn poll(&self) -> Result<Notice, Duration> {
        loop {
            let now = self.now();
            let state = &mut *self.lock();
            match state.feed.poll(now) {
                FeedPoll::Deliver(delivered) => {
                    if let Some(notice) = state.notice(&delivered.change) {
                        return Ok(notice);
                    }
                }
                FeedPoll::Unreadable(unreadable) => {
                    return Ok(Notice::of(format!("set aside: {unreadable}")));
                }
                FeedPoll::Wait(until) => return Err(until.since(now)),
                FeedPoll::Idle => return Err(Duration::from_secs(3600)),
            }
        }
    }

    /// Our own message fills its place in the row, and need not come back.
    fn sent(&self, dialog: &DialogId, sequence: Option<u64>, text: Option<&str>) {
        let mut state = self.lock();
        if let Some(sequence) = sequence {
            let id = state.conversation.id().clone();
            state.feed.inbox_mut().mark_seen(&id, dialog, sequence);
            if let Some(text) = text {
                state.said.insert((dialog.clone(), sequence), text.to_owned());
                if state.said.len() > MAX_KEPT {
                    state.said.pop_first();
                }
            }
        }
    }

    fn now(&self) -> Mono {
        Mono::from_origin(self.origin.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What is to be shown of a change: nothing of other conversations, of the consumer's own echo, or
    /// of what is not for their eyes.
    fn notice(&mut self, change: &Change) -> Option<Notice> {
        let happened = self.conversation.apply(change);
        let finished = happened.contains(&Transition::Finished);
        let json = notices::describe(change);
        match change {
            Change::Message(message) if message.conversation() == self.conversation.id() => {
                let lines = self.said_by_agent(message)?;
                Some(Notice { json, lines, finished })
            }
            Change::Conversation(state) if state.conversation() == self.conversation.id() => {
                let lines: Vec<_> = happened.iter().filter_map(notices::transition).collect();
                (!lines.is_empty()).then_some(Notice { json, lines, finished })
            }
            Change::Other(_) => {
                Some(Notice { json, lines: notices::lines(change), finished: false })
            }
            _ => None,
        }
    }

    fn said_by_agent(&mut self, message: &MessagingEvent) -> Option<Vec<String>> {
        if message.role() == Some(Role::Consumer) || message.audience() != Audience::All {
            return None;
        }
        let who = notices::author(message);
        match message.event() {
            Event::ChatState(ReceivedChatState::Composing) => {
                Some(vec![format!("{who} is typing …")])
            }
            Event::ChatState(_) => None,
            Event::AcceptStatus(receipt) => {
                let ticks = match receipt.status {
                    ReceiptStatus::Accept => "✓ delivered",
                    ReceiptStatus::Read => "✓✓ read",
                    _ => return None,
                };
                let read = receipt.status == ReceiptStatus::Read;
                let texts: Vec<_> = receipt
                    .sequences()
                    .filter_map(|n| {
                        let key = (message.dialog().clone(), n);
                        // What was read was read: it is told once, however often it is said.
                        if read { self.said.remove(&key) } else { self.said.get(&key).cloned() }
                    })
                    .map(|text| format!("   {ticks}: {text}"))
                    .collect();
                (!texts.is_empty()).then_some(texts)
            }
            event => {
                let choices = match &event {
                    Event::Text(text) => text.quick_replies.is_some(),
                    Event::RichContent(rich) => !rich.clickable().is_empty(),
                    _ => false,
                };
                // What came before it is no longer what a number is about.
                self.clickable = choices.then(|| message.clone());
                let mut lines = notices::content(message).into_iter();
                let first = lines.next().unwrap_or_default();
                Some(std::iter::once(format!("{who}: {first}")).chain(lines.map(indent)).collect())
            }
        }
    }
}

fn indent(line: String) -> String {
    format!("   {line}")
}

/// The two messages of a click on the `number`th element, and what is written on it.
fn click_on(
    conversation: &Conversation,
    message: &MessagingEvent,
    number: usize,
) -> Option<(Click, String)> {
    let place = number.checked_sub(1)?;
    let click = |element: Element<'_>| {
        let label = element.label().unwrap_or_default().to_owned();
        conversation.click(message, element).map(|click| (click, label))
    };
    match message.event() {
        Event::Text(text) => click(text.quick_replies?.replies().nth(place)?),
        Event::RichContent(rich) => click(rich.clickable().get(place).copied()?),
        _ => None,
    }
}

impl Notice {
    /// A line that is no notification.
    pub(crate) fn of(line: impl Into<String>) -> Self {
        let line = line.into();
        Self { json: json!({"event": "note", "text": line}), lines: vec![line], finished: false }
    }
}
