//! A channel that keeps a ledger, and does what a test says.

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use lp_connector_bridge::message::{Content, FromAgent};
use lp_connector_bridge::{Progress, Undelivered, blocking};
use lp_connector_core::id::ExtConsumerId;

/// A test fails if what it waits for does not come within this time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What the channel does with a message.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Act {
    Take,
    Refuse,
    Outage,
    /// For a moment.
    Pause,
    Panic,
    /// Until [`Ledger::release`]; then it takes it.
    Hang,
}

/// A message, as the channel got it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Note {
    pub(crate) account: String,
    pub(crate) to: String,
    pub(crate) id: String,
    pub(crate) what: String,
    pub(crate) attempt: u32,
    pub(crate) possibly_repeated: bool,
}

type Script = Box<dyn FnMut(&Note) -> Act + Send>;

pub(crate) struct Ledger {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
pub(crate) struct State {
    /// Every call of the handler.
    pub(crate) tried: Vec<Note>,
    /// What it took.
    pub(crate) taken: Vec<Note>,
    /// Handlers that hang, and those that were dropped while they did.
    pub(crate) hanging: usize,
    pub(crate) dropped: usize,
    pub(crate) most_at_once: usize,
    at_once: usize,
    is_released: bool,
    script: Option<Script>,
}

impl State {
    /// What was taken of this kind, in order.
    pub(crate) fn of(&self, to: &str, kind: &str) -> Vec<&str> {
        let mine = self.taken.iter().filter(|note| note.to == to);
        mine.filter_map(|note| note.what.strip_prefix(kind)?.strip_prefix(' ')).collect()
    }

    pub(crate) fn tries_of(&self, what: &str) -> Vec<&Note> {
        self.tried.iter().filter(|note| note.what == what).collect()
    }
}

impl Ledger {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), changed: Condvar::new() })
    }

    /// Decides about each message. Default: it is taken.
    pub(crate) fn script(&self, script: impl FnMut(&Note) -> Act + Send + 'static) {
        self.state.lock().unwrap().script = Some(Box::new(script));
    }

    pub(crate) fn release(&self) {
        self.state.lock().unwrap().is_released = true;
        self.changed.notify_all();
    }

    pub(crate) fn with<T>(&self, inspect: impl FnOnce(&State) -> T) -> T {
        inspect(&self.state.lock().unwrap())
    }

    /// Waits until something else is so.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < deadline, "never: {what}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until it is so.
    #[track_caller]
    pub(crate) fn wait(&self, is_so: impl Fn(&State) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.state.lock().unwrap();
        while !is_so(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "it never comes; tried: {:#?}", state.tried);
            state = self.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Waits for these of a kind, and for no others.
    #[track_caller]
    pub(crate) fn expect(&self, to: &str, kind: &str, expected: &[&str]) {
        self.wait(|state| state.of(to, kind).len() >= expected.len());
        self.with(|state| assert_eq!(state.of(to, kind), expected));
    }

    fn begin(&self, note: &Note) -> Act {
        let mut state = self.state.lock().unwrap();
        state.tried.push(note.clone());
        state.at_once += 1;
        state.most_at_once = state.most_at_once.max(state.at_once);
        let act = state.script.as_mut().map_or(Act::Take, |script| script(note));
        state.hanging += usize::from(act == Act::Hang);
        drop(state);
        self.changed.notify_all();
        act
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }

    fn end(&self, note: Note, act: Act) -> Result<(), Undelivered> {
        self.change(|state| {
            state.at_once -= 1;
            if matches!(act, Act::Take | Act::Hang) {
                state.taken.push(note.clone());
            }
        });
        match act {
            Act::Take | Act::Hang => Ok(()),
            Act::Refuse => Err(Undelivered::Refused("a test refuses it".to_owned())),
            Act::Outage => Err(Undelivered::Outage(None)),
            Act::Pause => Err(Undelivered::Paused(Duration::from_millis(1))),
            Act::Panic => panic!("a test panics on purpose"),
        }
    }
}

fn note<D>(to: &ExtConsumerId, message: &FromAgent<D>) -> Note {
    let what = match &message.content {
        Content::Text(text) => format!("text {}", text.numbered()),
        Content::File(file) => format!(
            "file {} {} {}",
            file.media_type(),
            file.caption().unwrap_or_default(),
            file.file_type().unwrap_or_default()
        ),
        Content::Typing(is_typing) => format!("typing {is_typing}"),
        Content::Changed(transition) => format!("changed {transition:?}"),
        Content::Status(status) => {
            let progress = match &status.progress {
                Progress::Failed(reason) => reason.name(),
                Progress::Sent => "sent",
                Progress::Delivered => "delivered",
                Progress::Read => "read",
                _ => "?",
            };
            format!("status {} {progress}", status.message)
        }
        _ => "other".to_owned(),
    };
    let (account, to) = (message.account.to_string(), to.to_string());
    let (attempt, possibly_repeated) = (message.attempt, message.possibly_repeated);
    Note { account, to, id: message.id.clone(), what, attempt, possibly_repeated }
}

/// The channel, on an async bridge or on a blocking one.
pub(crate) struct LedgerChannel(pub(crate) Arc<Ledger>);

/// Counts a handler that is dropped before its end.
struct Hanging<'a>(Option<&'a Ledger>);

impl Drop for Hanging<'_> {
    fn drop(&mut self) {
        if let Some(ledger) = self.0 {
            ledger.change(|state| {
                state.dropped += 1;
                state.at_once -= 1;
            });
        }
    }
}

impl lp_connector_bridge::Channel for LedgerChannel {
    async fn deliver(
        &self,
        to: &ExtConsumerId,
        message: lp_connector_bridge::FromAgent,
    ) -> Result<(), Undelivered> {
        let mut note = note(to, &message);
        if let Content::File(file) = &message.content {
            note.what += &format!(": {}", String::from_utf8_lossy(&file.bytes().await?));
        }
        let act = self.0.begin(&note);
        if act == Act::Hang {
            let _guard = Hanging(Some(&self.0));
            std::future::pending::<()>().await;
        }
        self.0.end(note, act)
    }
}

impl blocking::Channel for LedgerChannel {
    fn deliver(&self, to: &ExtConsumerId, message: blocking::FromAgent) -> Result<(), Undelivered> {
        let mut note = note(to, &message);
        if let Content::File(file) = &message.content {
            note.what += &format!(": {}", String::from_utf8_lossy(&file.bytes()?));
        }
        let act = self.0.begin(&note);
        if act == Act::Hang {
            self.0.wait(|state| state.is_released);
        }
        self.0.end(note, act)
    }
}
