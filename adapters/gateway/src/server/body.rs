//! Reads the bodies of calls.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;

use crate::problem::{Problem, ProblemKind};
use crate::request::MAX_BODY;

/// How much of a body that is too large is read before it is refused.
const MAX_DISCARDED: usize = 4 * MAX_BODY;

/// Reads a body to its end, within this time. One that is too large is read on for a while, and not kept: a caller that
/// is cut off in the middle of it sees no answer, and sends it again.
///
/// A body that does not arrive says nothing of the message in it: a caller must not take that for its end.
pub(super) async fn collect(body: Body, within: Duration) -> Result<Bytes, Problem> {
    let late = |_| Problem::new(ProblemKind::Incomplete, "the body did not arrive in time");
    tokio::time::timeout(within, read(body)).await.map_err(late)?
}

async fn read(mut body: Body) -> Result<Bytes, Problem> {
    let mut bytes = BytesMut::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let early = |_| Problem::new(ProblemKind::Incomplete, "the body ended early");
        let Ok(data) = frame.map_err(early)?.into_data() else { continue };
        length += data.len();
        if length <= MAX_BODY {
            bytes.extend_from_slice(&data);
        } else if length > MAX_DISCARDED {
            break;
        }
    }
    match length > MAX_BODY {
        true => {
            Err(Problem::new(ProblemKind::TooLarge, "a body has at most 4.5 MiB").limit(MAX_BODY))
        }
        false => Ok(bytes.freeze()),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures_lite::stream::{self, StreamExt as _};
    use lp_connector_core::bridge::Verdict;

    use super::*;
    use crate::outcome::Outcome;

    /// A body of one part, and what comes after it.
    fn body(then: impl stream::Stream<Item = io::Result<Bytes>> + Send + 'static) -> Body {
        Body::from_stream(stream::once(Ok(Bytes::from_static(b"{"))).chain(then))
    }

    fn collected(body: Body) -> Result<Bytes, Problem> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(collect(body, Duration::ZERO))
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
}
