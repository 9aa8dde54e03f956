//! What passed over the wire, as a ring with a filter.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};

use crate::journal::Limits;
use crate::{Endpoint, Transmission};

/// Which way an exchange goes, seen from the cloud.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "there are two ways")]
pub enum Way {
    /// A request of a client to the cloud.
    In,
    /// A notification that the cloud posts.
    Out,
}

/// The part of a body that is kept.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct KeptBody {
    /// The first bytes, at most [`Limits::body`]; none if they are no longer kept.
    pub bytes: Bytes,
    /// How many bytes there were.
    pub total: usize,
}

impl KeptBody {
    /// The first `limit` bytes of a body.
    #[must_use]
    pub fn of(body: &[u8], limit: usize) -> Self {
        let kept = body.get(..limit).unwrap_or(body);
        Self { bytes: Bytes::copy_from_slice(kept), total: body.len() }
    }
}

/// The headers and the body of a request or a response.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Half {
    /// The headers; none if they are no longer kept.
    pub headers: HeaderMap,
    /// The body.
    pub body: KeptBody,
}

impl Half {
    pub(crate) fn of(headers: &HeaderMap, body: &[u8], limit: usize) -> Self {
        Self { headers: headers.clone(), body: KeptBody::of(body, limit) }
    }

    fn size(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
        headers.sum::<usize>() + self.body.bytes.len()
    }

    fn forget(&mut self) {
        self.headers = HeaderMap::new();
        self.body.bytes = Bytes::new();
    }
}

/// A request with its response: one that came to the cloud, or a notification that the cloud posted.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Exchange {
    /// Its number, from 1.
    pub number: u64,
    /// When it began, as the time since the Unix epoch.
    pub at: Duration,
    /// Which way it went.
    pub way: Way,
    /// The endpoint, if the path belongs to one.
    pub endpoint: Option<Endpoint>,
    /// What it is in short, such as `text`, or the kind of event of a notification.
    pub kind: Option<String>,
    /// The method.
    pub method: Method,
    /// Path and query, or the URL of a notification. The query may contain secrets.
    pub target: String,
    /// The request.
    pub request: Half,
    /// The status; `None` without a response.
    pub status: Option<u16>,
    /// The response.
    pub response: Half,
    /// How long it took, in microseconds.
    pub micros: u64,
    /// The number of the connection, if known.
    pub connection: Option<u64>,
    /// The numbers of the faults that applied.
    pub faults: Vec<u64>,
    /// The conversation that it belongs to.
    pub conversation: Option<String>,
    /// How many times the same body came to this endpoint within a minute, if it is more than once.
    pub repeat: Option<u32>,
    /// How the response was transmitted.
    pub transmission: Transmission,
    /// The notification, if it is the post of one.
    pub notification: Option<u64>,
    /// Which attempt of the notification it is, from 1.
    pub attempt: Option<u32>,
    /// Whether somebody asked for this attempt.
    pub replay: bool,
    /// The numbers of the first and the last message that it brought.
    pub messages: Option<(u64, u64)>,
    /// The numbers of the first and the last notification that it caused.
    pub notifications: Option<(u64, u64)>,
}

impl Exchange {
    fn size(&self) -> usize {
        let conversation = self.conversation.as_ref().map_or(0, String::len);
        self.request.size() + self.response.size() + self.target.len() + conversation
    }
}

/// Which exchanges to look for. A member that is `None` lets all pass.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a plain set of conditions, built with ..Default")]
pub struct WireFilter {
    /// This endpoint.
    pub endpoint: Option<Endpoint>,
    /// This status or class of statuses.
    pub status: Option<StatusFilter>,
    /// A conversation whose id begins so.
    pub conversation: Option<String>,
    /// This fault.
    pub fault: Option<FaultFilter>,
    /// This way.
    pub way: Option<Way>,
}

/// A condition on the status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "the conditions of the filter's syntax")]
pub enum StatusFilter {
    /// This status.
    Is(u16),
    /// Such as `5xx`: its first digit.
    Class(u16),
    /// No response.
    None,
}

impl std::str::FromStr for StatusFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("no status {text:?}: say 503, 5xx or none");
        if text == "none" {
            return Ok(Self::None);
        }
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        match text.strip_suffix("xx") {
            Some(class) if class.len() == 1 && digits(class) => {
                class.parse().map(Self::Class).map_err(|_| wrong())
            }
            None if text.len() == 3 && digits(text) => {
                text.parse().map(Self::Is).map_err(|_| wrong())
            }
            _ => Err(wrong()),
        }
    }
}

/// A condition on the faults.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "the conditions of the filter's syntax")]
pub enum FaultFilter {
    /// Any fault applied.
    Any,
    /// The fault with this number applied.
    Number(u64),
}

impl WireFilter {
    /// Whether an exchange passes.
    #[must_use]
    pub fn matches(&self, exchange: &Exchange) -> bool {
        let status = match self.status {
            None => true,
            Some(StatusFilter::Is(status)) => exchange.status == Some(status),
            Some(StatusFilter::Class(class)) => {
                exchange.status.is_some_and(|status| status / 100 == class)
            }
            Some(StatusFilter::None) => exchange.status.is_none(),
        };
        let fault = match self.fault {
            None => true,
            Some(FaultFilter::Any) => !exchange.faults.is_empty(),
            Some(FaultFilter::Number(number)) => exchange.faults.contains(&number),
        };
        let conversation = self.conversation.as_ref().is_none_or(|start| {
            exchange.conversation.as_ref().is_some_and(|id| id.starts_with(start.as_str()))
        });
        status
            && fault
            && conversation
            && self.endpoint.is_none_or(|endpoint| exchange.endpoint == Some(endpoint))
            && self.way.is_none_or(|way| exchange.way == way)
    }
}

/// A bounded log of exchanges: the oldest headers and bodies go first, then the oldest exchanges.
#[derive(Clone, Debug)]
pub struct RequestLog {
    limits: Limits,
    exchanges: VecDeque<Exchange>,
    made: u64,
    /// The bytes of headers and bodies that are kept.
    size: usize,
    /// Exchanges below this number have no headers and bodies any more.
    bodies_from: u64,
}

impl RequestLog {
    /// A log with these bounds.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, exchanges: VecDeque::new(), made: 0, size: 0, bodies_from: 1 }
    }

    /// Sets the number of the next exchange of an empty log.
    pub(crate) fn continue_from(&mut self, next: u64) {
        self.made = next.saturating_sub(1);
        self.bodies_from = next;
    }

    /// The number of the next exchange.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.made + 1
    }

    /// Appends an exchange, which gets the next number. Returns the number.
    pub fn push(&mut self, mut exchange: Exchange) -> u64 {
        self.made += 1;
        exchange.number = self.made;
        self.size += exchange.size();
        self.exchanges.push_back(exchange);
        while self.exchanges.len() > self.limits.exchanges
            && let Some(oldest) = self.exchanges.pop_front()
        {
            self.size -= oldest.size();
        }
        while self.size > self.limits.body_bytes && self.bodies_from <= self.made {
            let number = self.bodies_from;
            self.bodies_from += 1;
            let Some(oldest) = self.get_mut(number) else { continue };
            let before = oldest.size();
            oldest.request.forget();
            oldest.response.forget();
            let after = oldest.size();
            self.size -= before - after;
        }
        // What is left of them may be long too.
        while self.size > self.limits.body_bytes
            && let Some(oldest) = self.exchanges.pop_front()
        {
            self.size -= oldest.size();
        }
        self.made
    }

    /// The exchange with this number, if it is kept.
    #[must_use]
    pub fn get(&self, number: u64) -> Option<&Exchange> {
        self.exchanges.get(self.place(number)?)
    }

    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut Exchange> {
        let place = self.place(number)?;
        self.exchanges.get_mut(place)
    }

    fn place(&self, number: u64) -> Option<usize> {
        let first = self.made + 1 - self.exchanges.len() as u64;
        usize::try_from(number.checked_sub(first)?).ok()
    }

    /// The exchanges that pass, newest first, from below number `before` and above number `after`.
    pub fn find<'a>(
        &'a self,
        before: Option<u64>,
        after: Option<u64>,
        filter: &'a WireFilter,
    ) -> impl Iterator<Item = &'a Exchange> {
        let before = before.unwrap_or(u64::MAX);
        let after = after.unwrap_or(0);
        let newest_first = self.exchanges.iter().rev();
        newest_first
            .skip_while(move |exchange| exchange.number >= before)
            .take_while(move |exchange| exchange.number > after)
            .filter(|exchange| filter.matches(exchange))
    }

    /// How many exchanges are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.exchanges.len()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exchanges.is_empty()
    }

    /// How many bytes of headers and bodies are kept.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// The bounds.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }
}

#[cfg(test)]
#[path = "request_log_tests.rs"]
mod tests;
