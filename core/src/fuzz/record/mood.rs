//! How a service and a channel answer.

use std::sync::Arc;

use bytes::Bytes;

use super::lanes::{Ground, SECOND, account, ada};
use crate::api::{ConversationRef, Operation, ResponseView};
use crate::bridge::{CallResult, Called, Outgoing, Verdict};
use crate::connector::Config;
use crate::error::{Delivery as Effect, Error, ErrorKind};
use crate::id::{ConversationId, LpConsumerId};
use crate::seed::Seed;

/// What else happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mood {
    Good,
    /// The last holder of the lane died.
    TakenOver,
    /// The lane was not looked at for a long time.
    Late,
    /// Everything is refused.
    Refusing,
    /// Answers are lost.
    Losing,
    /// Nothing is sent for now.
    Out,
    /// Each conversation is closed, and there is one already.
    Closed,
    /// The store refuses some commits, and does not answer to others.
    StoreFails,
}

impl Mood {
    /// The mood of these three bits.
    pub(super) fn of(bits: u8) -> Self {
        match bits & 7 {
            0 => Self::Good,
            1 => Self::TakenOver,
            2 => Self::Late,
            3 => Self::Refusing,
            4 => Self::Losing,
            5 => Self::Out,
            6 => Self::Closed,
            _ => Self::StoreFails,
        }
    }
}

impl Ground {
    pub(super) fn verdict(&mut self) -> Verdict {
        self.sequence += 1;
        match (self.mood, self.sequence % 2) {
            (Mood::Refusing, _) => Verdict::Refused("no".to_owned()),
            (Mood::Losing, _) => Verdict::Broken,
            (Mood::Out, _) => Verdict::Outage(Some(SECOND * 7)),
            (Mood::Closed, 0) => Verdict::Paused(SECOND * 9),
            (Mood::Closed, _) => Verdict::NotTried(SECOND * 9),
            _ => Verdict::Taken,
        }
    }

    pub(super) fn call(&mut self, outgoing: &Outgoing) -> CallResult {
        let is_written = match outgoing {
            Outgoing::Identify(_) => true,
            Outgoing::Open(open) => is_written(open),
            Outgoing::Text(text) => is_written(text),
            Outgoing::Receipt(receipt) => is_written(receipt),
            Outgoing::UploadUrl(upload) => is_written(upload),
            Outgoing::Put(put) => is_written(put),
            Outgoing::File(file) => is_written(file),
            Outgoing::Close(close) => is_written(close),
        };
        let failed = |kind, effect| Err(Error::new(kind, "it failed").with_delivery(effect));
        if !is_written {
            return failed(ErrorKind::InvalidInput, Effect::NotSent);
        }
        match (self.mood, outgoing) {
            (Mood::Refusing, _) => return failed(ErrorKind::Rejected, Effect::Rejected),
            (Mood::Losing, _) => return failed(ErrorKind::Unconfirmed, Effect::Unknown),
            (Mood::Out, _) => return failed(ErrorKind::Unavailable, Effect::NotSent),
            (Mood::Closed, Outgoing::Open(_)) => {
                return failed(ErrorKind::AlreadyOpen, Effect::Rejected);
            }
            (Mood::Closed, Outgoing::Identify(_)) => {}
            (Mood::Closed, _) => return failed(ErrorKind::ConversationClosed, Effect::Rejected),
            _ => {}
        }
        self.sequence += 1;
        Ok(match outgoing {
            Outgoing::Identify(_) => {
                Called::Identified(Some(LpConsumerId::new("lp-ada").expect("a good id")))
            }
            Outgoing::Open(_) => {
                let id = ConversationId::new("c9").expect("a good id");
                Called::Opened(ConversationRef::new(ada(), id))
            }
            Outgoing::Text(_) | Outgoing::Receipt(_) | Outgoing::File(_) => {
                Called::Published(Some(self.sequence))
            }
            Outgoing::UploadUrl(upload) => {
                let answer = r#"{"code":"OK","body":{"relativePath":"/files/1","queryParams":{"temp_url_sig":"s"}}}"#;
                let response = http::Response::new(Bytes::from_static(answer.as_bytes()));
                Called::Url(upload.parse(&ResponseView::new(&response, false)).expect("a URL"))
            }
            Outgoing::Put(_) | Outgoing::Close(_) => Called::Done,
        })
    }
}

/// Whether it can be sent. A client that cannot write it says so.
fn is_written(operation: &impl Operation) -> bool {
    let config = Arc::new(Config::new(account()));
    operation.request(&config.context(Seed::from_bytes([1; 16]))).is_ok()
}
