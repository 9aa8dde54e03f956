//! The first Ctrl-C of a chat, which closes its conversation, and the second one, which does not wait for that.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use lp_connector_core::api::ConversationRef;

use super::converse;
use crate::output::Output;
use crate::session::Notice;
use crate::terminal::Screen;

/// Whether a chat was interrupted, and what a second Ctrl-C leaves.
#[derive(Clone)]
pub(crate) struct Interrupt(Arc<State>);

struct State {
    output: Output,
    screen: OnceLock<Screen>,
    /// The conversation, once it is open.
    conversation: OnceLock<ConversationRef>,
    is_closed: AtomicBool,
    has_begun: AtomicBool,
    /// Whether it was told, or need not be any more. Held while it is told.
    is_told: Mutex<bool>,
}

impl Interrupt {
    pub(crate) fn new(output: &Output) -> Self {
        Self(Arc::new(State {
            output: output.clone(),
            screen: OnceLock::new(),
            conversation: OnceLock::new(),
            is_closed: AtomicBool::new(false),
            has_begun: AtomicBool::new(false),
            is_told: Mutex::new(false),
        }))
    }

    /// The conversation is open.
    pub(crate) fn opened(&self, conversation: &ConversationRef) {
        let _ = self.0.conversation.set(conversation.clone());
    }

    /// The conversation is closed.
    pub(crate) fn closed(&self) {
        self.0.is_closed.store(true, Ordering::SeqCst);
    }

    /// From now on lines are shown on this screen.
    pub(crate) fn shows_on(&self, screen: &Screen) {
        let _ = self.0.screen.set(screen.clone());
    }

    /// Ctrl-C was pressed, or a signal came. Returns whether it is the first one.
    pub(crate) fn begin(&self) -> bool {
        !self.0.has_begun.swap(true, Ordering::SeqCst)
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.0.has_begun.load(Ordering::SeqCst)
    }

    /// Tells, once, what a second Ctrl-C does.
    pub(crate) fn tell(&self) {
        let mut is_told = self.lock();
        if std::mem::replace(&mut *is_told, true) {
            return;
        }
        let notice = Notice::text(
            "(waiting for the requests under way; a second Ctrl-C ends this chat at once)",
        );
        match self.0.screen.get() {
            Some(screen) => screen.show(&notice.json, &notice.lines),
            None => self.0.output.done(&notice.json, notice.lines.join("\n")),
        }
    }

    /// There is nothing to wait for any more: it is told before this returns, or not at all.
    pub(crate) fn settle(&self) {
        *self.lock() = true;
    }

    /// What a second Ctrl-C leaves.
    pub(crate) fn left(&self) -> String {
        match self.0.conversation.get() {
            _ if self.0.is_closed.load(Ordering::SeqCst) => String::new(),
            Some(conversation) => format!("; {}", converse::maybe_open(conversation)),
            None => "; a conversation may have been opened".to_owned(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.0.is_told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
