//! The consumer's side of a conversation, for `chat` and `demo --interactive`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lp_connector_core::api::{ChatState, ClientProperties, ConversationRef, OpenConversation};
use lp_connector_core::conversation::{Click, Conversation};
use lp_connector_core::error::{Error, ErrorKind};
use lp_connector_core::file::Upload;
use lp_connector_core::id::DialogId;
use lp_connector_core::time::Mono;
use lp_connector_core::webhook::{
    Change, Delivered, Element, Event, Feed, FeedPoll, MessagingEvent, ReceiptStatus,
    ReceivedChatState, Transition, Verified,
};
use serde_json::json;

use crate::client::Client;
use crate::commands::file;
use crate::failure::Failure;
use crate::gaps::Gaps;
use crate::notices;

/// The features of our client ([protocol.md 6.5](lp_connector_core::protocol#6.5)).
const FEATURES: [&str; 5] =
    ["MULTI_DIALOG", "RICH_CONTENT", "QUICK_REPLIES", "PHOTO_SHARING", "AUTO_MESSAGES"];

/// How many of our own texts are kept, to show which one was read.
const MAX_SENT_TEXTS: usize = 1000;

/// A conversation with its client and its inbox.
pub(crate) struct Session {
    client: Client,
    /// The main dialog, for files.
    to: ConversationRef,
    state: Mutex<State>,
    origin: Instant,
    profile_rejected: Option<String>,
}

struct State {
    conversation: Conversation,
    feed: Feed,
    /// What is missing among what came.
    gaps: Gaps,
    /// What to show next, before anything else comes.
    next: Option<Notice>,
    /// The last message with elements to click.
    clickable: Option<MessagingEvent>,
    /// Our own texts, to show which one was read.
    sent_texts: BTreeMap<(DialogId, u64), String>,
}

/// Something to show.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) json: serde_json::Value,
    pub(crate) lines: Vec<String>,
    pub(crate) finished: bool,
}

/// The `Client-Properties` of each conversation.
pub(crate) fn properties() -> ClientProperties {
    FEATURES.into_iter().fold(ClientProperties::new(), ClientProperties::feature)
}

impl Session {
    /// Opens a conversation.
    pub(crate) fn open(client: Client, operation: OpenConversation) -> Result<Self, Error> {
        let opened = client.call(operation.client_properties(properties()))?.output;
        let to = opened.conversation.clone();
        let state = State {
            conversation: Conversation::new(opened.conversation),
            feed: Feed::default(),
            gaps: Gaps::default(),
            next: None,
            clickable: None,
            sent_texts: BTreeMap::new(),
        };
        let (state, profile_rejected) = (Mutex::new(state), opened.profile_rejected);
        Ok(Self { client, to, state, origin: Instant::now(), profile_rejected })
    }

    /// Why the service did not take the profile of the consumer.
    pub(crate) fn profile_rejected(&self) -> Option<&str> {
        self.profile_rejected.as_deref()
    }

    pub(crate) fn id(&self) -> String {
        self.lock().conversation.id().to_string()
    }

    /// The conversation, and its consumer.
    pub(crate) fn conversation(&self) -> &ConversationRef {
        &self.to
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.lock().conversation.is_finished()
    }

    /// Sends a text from the consumer. Returns its sequence.
    pub(crate) fn send(&self, text: &str) -> Result<Option<u64>, Error> {
        let (message, dialog) = {
            let conversation = &self.lock().conversation;
            (conversation.text(text), conversation.dialog())
        };
        let sequence = self.client.call(message)?.output.sequence;
        self.record_sent(&dialog, sequence, Some(text));
        Ok(sequence)
    }

    /// Sends a picture in a file. Returns its name and its size.
    pub(crate) fn send_file(&self, path: &Path) -> Result<(String, usize), Failure> {
        let (name, file) = file::read(path)?;
        let (size, mut upload) = (file.size(), Upload::new(&self.to, file));
        let (sequence, _) = file::drive(&self.client, &mut upload, |_| {})?;
        let dialog = self.lock().conversation.dialog();
        self.record_sent(&dialog, sequence, Some(&name));
        Ok((name, size))
    }

    /// Clicks the `number`th element, from 1, of the last message with elements. Returns its label, or
    /// `None` if there is no such element.
    pub(crate) fn choose(&self, number: usize) -> Result<Option<String>, Error> {
        // Taken out first: a message that arrives meanwhile has its own elements.
        let taken = {
            let mut state = self.lock();
            let clickable = state.clickable.as_ref();
            let found =
                clickable.and_then(|message| click_on(&state.conversation, message, number));
            found.and_then(|found| Some((found, state.clickable.take()?)))
        };
        let Some(((click, label), message)) = taken else { return Ok(None) };
        let result = self.send_click(click, message.dialog(), &label);
        if result.is_err() {
            self.lock().clickable.get_or_insert(message);
        }
        result.map(|()| Some(label))
    }

    fn send_click(&self, click: Click, dialog: &DialogId, label: &str) -> Result<(), Error> {
        let sequence = self.client.call(click.receipt)?.output.sequence;
        self.record_sent(dialog, sequence, None);
        if let Some(text) = click.text {
            let sequence = self.client.call(text)?.output.sequence;
            self.record_sent(dialog, sequence, Some(label));
        }
        Ok(())
    }

    /// Whether everything has been shown.
    pub(crate) fn is_settled(&self) -> bool {
        self.lock().feed.is_empty()
    }

    /// The number of elements to click.
    pub(crate) fn choices(&self) -> usize {
        match self.lock().clickable.as_ref().map(MessagingEvent::event) {
            Some(Event::Text(text)) => text.quick_replies.map_or(0, |all| all.replies().count()),
            Some(Event::RichContent(rich)) => rich.clickable().len(),
            _ => 0,
        }
    }

    /// Sets the consumer's chat state.
    pub(crate) fn set_chat_state(&self, state: ChatState) -> Result<(), Error> {
        let operation = self.lock().conversation.chat_state(state);
        match operation {
            Some(operation) => self.client.call(operation).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Marks all messages as read.
    pub(crate) fn mark_read(&self) -> Result<(), Error> {
        loop {
            let Some(receipt) = self.lock().conversation.mark_read() else { return Ok(()) };
            match self.client.call(receipt.clone()) {
                // The conversation was closed meanwhile: no receipt is needed.
                Err(error) if error.kind() == ErrorKind::ConversationClosed => {}
                Err(error) => {
                    self.lock().conversation.restore_receipt(&receipt);
                    return Err(error);
                }
                Ok(_) => {}
            }
        }
    }

    /// Closes the conversation, unless it is closed already.
    pub(crate) fn close(&self) -> Result<(), Error> {
        let close = self.lock().conversation.close_all();
        match self.client.call(close) {
            Err(error) if error.kind() != ErrorKind::ConversationClosed => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether there is no room for another notification.
    pub(crate) fn is_full(&self) -> bool {
        self.lock().feed.is_full()
    }

    /// No more notifications come: what waits for earlier ones is due now.
    pub(crate) fn finish(&self) {
        self.lock().feed.finish();
    }

    /// Takes a notification.
    pub(crate) fn receive(&self, verified: Verified) {
        let now = self.now();
        self.lock().feed.push(verified, now);
    }

    /// The next notice, or how long to wait for it.
    pub(crate) fn next_notice(&self) -> Result<Notice, Duration> {
        loop {
            let now = self.now();
            let state = &mut *self.lock();
            if let Some(notice) = state.next.take() {
                return Ok(notice);
            }
            match state.feed.poll(now) {
                FeedPoll::Deliver(delivered) => {
                    let gap = state.gap(&delivered);
                    state.next = state.notice(&delivered.change);
                    if let Some(first) = gap.or_else(|| state.next.take()) {
                        return Ok(first);
                    }
                }
                FeedPoll::Unreadable(unreadable) => {
                    return Ok(Notice::text(format!("set aside: {unreadable}")));
                }
                FeedPoll::Wait(until) => return Err(until.since(now)),
                FeedPoll::Idle => return Err(Duration::from_secs(3600)),
            }
        }
    }

    /// Records a message of ours, so that the inbox does not wait for its echo.
    fn record_sent(&self, dialog: &DialogId, sequence: Option<u64>, text: Option<&str>) {
        let mut state = self.lock();
        if let Some(sequence) = sequence {
            let id = state.conversation.id().clone();
            state.feed.inbox_mut().mark_seen(&id, dialog, sequence);
            state.gaps.seen(&id, dialog, sequence);
            if let Some(text) = text {
                state.sent_texts.insert((dialog.clone(), sequence), text.to_owned());
                if state.sent_texts.len() > MAX_SENT_TEXTS {
                    state.sent_texts.pop_first();
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
    /// What is missing before a message of this conversation.
    fn gap(&mut self, delivered: &Delivered) -> Option<Notice> {
        let gap = self.gaps.before(delivered)?;
        let lines = match &delivered.change {
            Change::Message(message) if message.conversation() == self.conversation.id() => {
                vec![format!("({gap})")]
            }
            _ => return None,
        };
        Some(Notice { json: gap.describe(), lines, finished: false })
    }

    /// What to show of a change: nothing of other conversations, of our own messages, or of messages
    /// that the consumer must not see.
    fn notice(&mut self, change: &Change) -> Option<Notice> {
        let transitions = self.conversation.apply(change);
        let finished = transitions.contains(&Transition::Finished);
        let json = notices::describe(change);
        match change {
            Change::Message(message) if message.conversation() == self.conversation.id() => {
                let lines = self.message_lines(message)?;
                Some(Notice { json, lines, finished })
            }
            Change::Conversation(state) if state.conversation() == self.conversation.id() => {
                let lines: Vec<_> = transitions.iter().filter_map(notices::transition).collect();
                (!lines.is_empty()).then_some(Notice { json, lines, finished })
            }
            Change::Other(_) => {
                Some(Notice { json, lines: notices::lines(change), finished: false })
            }
            _ => None,
        }
    }

    /// The lines of a message that the consumer sees.
    fn message_lines(&mut self, message: &MessagingEvent) -> Option<Vec<String>> {
        if !message.is_for_consumer() {
            return None;
        }
        let author = notices::author(message);
        match message.event() {
            Event::ChatState(ReceivedChatState::Composing) => {
                Some(vec![format!("{author} is typing …")])
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
                        // Each text is shown as read once, however many receipts name it.
                        if read {
                            self.sent_texts.remove(&key)
                        } else {
                            self.sent_texts.get(&key).cloned()
                        }
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
                // A number now refers to this message, not to an earlier one.
                self.clickable = choices.then(|| message.clone());
                let mut lines = notices::content(message).into_iter();
                let first = lines.next().unwrap_or_default();
                Some(
                    std::iter::once(format!("{author}: {first}"))
                        .chain(lines.map(indent))
                        .collect(),
                )
            }
        }
    }
}

fn indent(line: String) -> String {
    format!("   {line}")
}

/// The messages of a click on the `number`th element, from 1, and the element's label.
fn click_on(
    conversation: &Conversation,
    message: &MessagingEvent,
    number: usize,
) -> Option<(Click, String)> {
    let index = number.checked_sub(1)?;
    let click = |element: Element<'_>| {
        let label = element.label().unwrap_or_default().to_owned();
        conversation.click(message, element).map(|click| (click, label))
    };
    match message.event() {
        Event::Text(text) => click(text.quick_replies?.replies().nth(index)?),
        Event::RichContent(rich) => click(rich.clickable().get(index).copied()?),
        _ => None,
    }
}

impl Notice {
    /// A line that does not come from a notification.
    pub(crate) fn text(line: impl Into<String>) -> Self {
        let line = line.into();
        Self { json: json!({"event": "note", "text": line}), lines: vec![line], finished: false }
    }
}
