//! Reads the bodies of calls.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::{Problem, ProblemKind};
use crate::request::MAX_BODY;

/// How much of a body that is too large is read before it is refused.
const MAX_DISCARDED: usize = 4 * MAX_BODY;

/// The memory of the bodies of all gateways, in bytes; what each has at least; and the unit in which it is counted.
const MEMORY: usize = 64 * 1024 * 1024;
const LEAST: usize = 2 * MAX_BODY;
const UNIT: usize = 64 * 1024;

/// The memory of the bodies under way of one gateway, or of the operators: what one takes is missing to no other.
#[derive(Debug)]
pub(super) struct Memory(Arc<Semaphore>);

/// Memory that a body takes.
#[derive(Debug, Default)]
pub(super) struct Taken {
    permit: Option<OwnedSemaphorePermit>,
    units: usize,
}

impl Memory {
    /// The share of one of so many gateways. Of none, it is that of the operators.
    pub(super) fn share(gateways: usize) -> Self {
        Self::new(MEMORY.checked_div(gateways).unwrap_or_default().max(LEAST))
    }

    fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes / UNIT)))
    }
}

impl Taken {
    /// Takes memory for so many bytes in all. False if there is too little left.
    fn grow_to(&mut self, bytes: usize, memory: &Memory) -> bool {
        let units = bytes / UNIT + 1;
        let more = u32::try_from(units.saturating_sub(self.units)).unwrap_or(u32::MAX);
        if more == 0 {
            return true;
        }
        let Ok(permit) = memory.0.clone().try_acquire_many_owned(more) else { return false };
        match &mut self.permit {
            Some(all) => all.merge(permit),
            none => *none = Some(permit),
        }
        self.units = units;
        true
    }
}

/// Reads a body to its end, within this time. It takes memory as it arrives: one that is announced and does not come
/// takes none. One that is too large is read on for a while, and not kept: a caller that is cut off in the middle of it
/// sees no answer, and sends it again.
///
/// A body that does not arrive says nothing of the message in it: a caller must not take that for its end.
pub(super) async fn collect(
    body: Body,
    memory: &Memory,
    within: Duration,
) -> Result<(Bytes, Taken), Problem> {
    let late = |_| Problem::new(ProblemKind::Incomplete, "the body did not arrive in time");
    tokio::time::timeout(within, read(body, memory)).await.map_err(late)?
}

async fn read(mut body: Body, memory: &Memory) -> Result<(Bytes, Taken), Problem> {
    let (mut bytes, mut taken) = (BytesMut::new(), Taken::default());
    let mut length = 0;
    let mut has_room = taken.grow_to(0, memory);
    while let Some(frame) = body.frame().await {
        let early = |_| Problem::new(ProblemKind::Incomplete, "the body ended early");
        let Ok(data) = frame.map_err(early)?.into_data() else { continue };
        length += data.len();
        has_room = has_room && (length > MAX_BODY || taken.grow_to(length, memory));
        if has_room && length <= MAX_BODY {
            bytes.extend_from_slice(&data);
        } else {
            // It will be refused: others may have the memory.
            (bytes, taken) = (BytesMut::new(), Taken::default());
        }
        if length > MAX_DISCARDED {
            break;
        }
    }
    if length > MAX_BODY {
        let problem = Problem::new(ProblemKind::TooLarge, "a body has at most 4.5 MiB");
        return Err(problem.limit(MAX_BODY));
    }
    if !has_room {
        let detail = "the bodies that are under way take all the memory there is for them";
        return Err(Problem::new(ProblemKind::TooMany, detail));
    }
    Ok((bytes.freeze(), taken))
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_lite::future::{block_on, poll_once};
    use futures_lite::stream::{self, StreamExt as _};
    use lp_connector_core::bridge::Verdict;

    use super::*;
    use crate::outcome::Outcome;

    /// A body of one part, and what comes after it.
    fn body(then: impl stream::Stream<Item = io::Result<Bytes>> + Send + 'static) -> Body {
        Body::from_stream(stream::once(Ok(Bytes::from_static(b"{"))).chain(then))
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
    }

    fn collected(body: Body) -> Result<Bytes, Problem> {
        let memory = Memory::share(1);
        runtime().block_on(collect(body, &memory, Duration::ZERO)).map(|(bytes, _)| bytes)
    }

    #[test]
    fn a_body_that_does_not_arrive_is_no_fault_of_the_message() {
        let broken = || Err(io::Error::from(io::ErrorKind::ConnectionReset));
        for body in [body(stream::pending()), body(stream::once(broken()))] {
            let problem = collected(body).unwrap_err();
            assert_eq!(problem.kind(), ProblemKind::Incomplete);
            let outcome = Outcome::of(problem.status(), None);
            assert_eq!(outcome.verdict, Verdict::Outage(None));
            assert!(!outcome.is_misconfigured);
        }
        assert_eq!(collected(body(stream::empty())), Ok(Bytes::from_static(b"{")));
    }

    #[test]
    fn a_body_takes_the_memory_that_it_fills() {
        let memory = Memory::new(LEAST);
        let slow: Vec<_> = (0..50).map(|_| read(body(stream::pending()), &memory)).collect();
        let mut slow: Vec<_> = slow.into_iter().map(Box::pin).collect();
        runtime().block_on(async {
            for one in &mut slow {
                assert!(poll_once(one).await.is_none(), "it waits");
            }
            let (bytes, taken) = read(Body::from(vec![0; MAX_BODY]), &memory).await.unwrap();
            assert_eq!((bytes.len(), taken.units), (MAX_BODY, MAX_BODY / UNIT + 1));
            let full = read(Body::from(vec![0; MAX_BODY]), &memory).await.unwrap_err();
            assert_eq!(full.kind(), ProblemKind::TooMany);
            drop(taken);
            assert!(read(Body::from(vec![0; MAX_BODY]), &memory).await.is_ok());
        });
    }

    #[test]
    fn a_body_that_will_be_refused_keeps_no_memory() {
        // The second part is too much: for the memory, and for a body.
        for (units, part) in [(4, 2 * UNIT), (73, MAX_BODY)] {
            let memory = Memory::new(units * UNIT);
            let part = Bytes::from(vec![b' '; part]);
            let parts = stream::iter([part.clone(), part]).map(Ok::<_, io::Error>);
            let body = Body::from_stream(parts.chain(stream::pending()));
            let mut reading = Box::pin(read(body, &memory));
            assert!(block_on(poll_once(&mut reading)).is_none(), "it waits");
            assert_eq!(memory.0.available_permits(), units);
        }
    }

    #[test]
    fn a_body_is_read_on_up_to_four_times_its_limit() {
        let pulled = Arc::new(AtomicUsize::new(0));
        let (counter, part) = (pulled.clone(), Bytes::from(vec![b' '; MAX_BODY]));
        let parts = stream::repeat(part).take(9).map(move |part| {
            counter.fetch_add(1, Ordering::Relaxed);
            Ok::<_, io::Error>(part)
        });
        let problem = block_on(read(Body::from_stream(parts), &Memory::share(1))).unwrap_err();
        assert_eq!(problem.kind(), ProblemKind::TooLarge);
        // Four parts are as much as is read on, and the fifth one is more.
        assert_eq!(pulled.load(Ordering::Relaxed), 5);
    }
}
