//! The notifications, with their attempts, after they have ended.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

/// The most attempts of one notification that are remembered.
const MAX_ATTEMPTS: usize = 100;

/// What has become of a notification.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Delivery {
    Waiting,
    Posting,
    Delivered,
    GaveUp,
    LostByFault,
}

impl Delivery {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Posting => "posting",
            Self::Delivered => "delivered",
            Self::GaveUp => "gave up",
            Self::LostByFault => "lost by fault",
        }
    }
}

/// A notification.
#[derive(Clone, Debug)]
pub(crate) struct NotificationRecord {
    pub(crate) number: u64,
    /// The key of its event.
    pub(crate) key: String,
    pub(crate) conversation: Option<String>,
    pub(crate) message: Option<u64>,
    /// The number of the request that caused it.
    pub(crate) cause: Option<u64>,
    pub(crate) url: String,
    pub(crate) body: Bytes,
    pub(crate) state: Delivery,
    pub(crate) attempts: u32,
    pub(crate) next: Option<Duration>,
    /// The exchanges of its attempts.
    pub(crate) exchanges: Vec<u64>,
    pub(crate) faults: Vec<u64>,
    pub(crate) at: Duration,
}

impl NotificationRecord {
    /// The kind of its event: the last part of the key.
    pub(crate) fn kind(&self) -> &str {
        short_kind(&self.key)
    }

    fn size(&self) -> usize {
        self.body.len() + self.url.len()
    }

    pub(crate) fn add_attempt(&mut self, exchange: u64) {
        self.attempts += 1;
        if self.exchanges.len() >= MAX_ATTEMPTS {
            self.exchanges.remove(0);
        }
        self.exchanges.push(exchange);
    }
}

/// The last part of an event's key.
pub(crate) fn short_kind(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// A bounded log of notifications.
#[derive(Clone, Debug)]
pub(crate) struct NotificationLog {
    capacity: usize,
    max_bytes: usize,
    records: VecDeque<NotificationRecord>,
    bytes: usize,
}

impl NotificationLog {
    pub(crate) fn new(capacity: usize, max_bytes: usize) -> Self {
        Self { capacity, max_bytes, records: VecDeque::new(), bytes: 0 }
    }

    /// Appends a notification. Numbers grow.
    pub(crate) fn push(&mut self, record: NotificationRecord) {
        self.bytes += record.size();
        self.records.push_back(record);
        while (self.records.len() > self.capacity || self.bytes > self.max_bytes)
            && let Some(oldest) = self.records.pop_front()
        {
            self.bytes -= oldest.size();
        }
    }

    fn place(&self, number: u64) -> Option<usize> {
        self.records.binary_search_by_key(&number, |record| record.number).ok()
    }

    pub(crate) fn get(&self, number: u64) -> Option<&NotificationRecord> {
        self.records.get(self.place(number)?)
    }

    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut NotificationRecord> {
        let place = self.place(number)?;
        self.records.get_mut(place)
    }

    /// Newest first, from below a number.
    pub(crate) fn before(&self, number: u64) -> impl Iterator<Item = &NotificationRecord> {
        self.records.iter().rev().skip_while(move |record| record.number >= number)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut NotificationRecord> {
        self.records.iter_mut()
    }
}
