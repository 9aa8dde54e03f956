//! What a sandbox remembers of what passed: requests, notifications with their attempts, and what has
//! changed. Off, until [`Sandbox::record`] is called.

mod event_log;
mod limits;
mod names;
mod notification_log;
mod recording;
mod request_log;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use event_log::EventLog;
pub use limits::Limits;
pub(crate) use names::{Names, Repeats, TokenName, digest};
pub(crate) use notification_log::{Delivery, NotificationLog, NotificationRecord, short_kind};
pub use recording::Attempted;
pub(crate) use recording::{FinishedAttempt, Trace};
pub use request_log::{
    Exchange, FaultFilter, Half, KeptBody, RequestLog, StatusFilter, Way, WireFilter,
};

use crate::state::State;

/// The most secrets that are remembered after they were replaced.
const MAX_RETIRED: usize = 1000;

/// A thing that has changed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Subject {
    Conversation(String),
    Message(u64),
    Exchange(u64),
    Notification(u64),
    Faults,
    Tokens,
    Webhooks,
    Installs,
    Files,
}

/// A secret that was replaced. The log, messages and clients may still have it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Retired {
    pub(crate) secret: String,
    /// The webhook header whose value it was; `None` for a client secret.
    pub(crate) header: Option<String>,
}

/// What a sandbox remembers.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    /// Names this journal: a position in it is none in another one.
    pub(crate) epoch: String,
    pub(crate) limits: Limits,
    pub(crate) events: EventLog<Subject>,
    pub(crate) requests: RequestLog,
    pub(crate) notifications: NotificationLog,
    pub(crate) repeats: Repeats,
    pub(crate) names: Names,
    /// By the key of an event: the status of the last post, and when it ended.
    pub(crate) last_posts: BTreeMap<String, (Option<u16>, Duration)>,
}

impl Journal {
    pub(crate) fn new(epoch: String, limits: Limits) -> Self {
        Self {
            epoch,
            limits,
            events: EventLog::new(limits.events),
            requests: RequestLog::new(limits),
            notifications: NotificationLog::new(limits.notifications, limits.body_bytes),
            repeats: Repeats::default(),
            names: Names::default(),
            last_posts: BTreeMap::new(),
        }
    }

    /// Begins anew under another name. Tokens keep their names, and no number returns.
    pub(crate) fn renew(&mut self, epoch: String) {
        let next = self.requests.next_number();
        let previous = std::mem::replace(self, Self::new(epoch, self.limits));
        self.requests.continue_from(next);
        self.names = previous.names;
    }
}

/// What was said before a restart or a reset is masked after it: old secrets belong to the state.
impl State {
    pub(crate) fn retire(&mut self, secret: String) {
        self.keep_retired(Retired { secret, header: None });
    }

    /// Keeps the value of a webhook header.
    pub(crate) fn retire_header(&mut self, name: String, secret: String) {
        self.keep_retired(Retired { secret, header: Some(name) });
    }

    fn keep_retired(&mut self, retired: Retired) {
        // Webhooks that are set again and again with the same headers push out nothing.
        self.retired.retain(|kept| *kept != retired);
        if self.retired.len() >= MAX_RETIRED {
            self.retired.pop_front();
        }
        self.retired.push_back(retired);
    }
}

#[cfg(test)]
#[path = "bounds_tests.rs"]
mod tests;
