//! How calls are answered: ids of requests, and errors as RFC 9457 has them.

use std::collections::hash_map::RandomState;
use std::fmt::Write as _;
use std::hash::{BuildHasher as _, Hasher as _};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_lite::FutureExt as _;
use serde::Serialize;

use crate::problem::{Problem, ProblemKind};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The most characters of a caller's own id of a request.
const MAX_REQUEST_ID: usize = 64;

/// The id of a request, in its extensions.
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub(super) Arc<str>);

/// Makes ids of requests.
#[derive(Debug)]
pub(super) struct RequestIds {
    instance: String,
    number: AtomicU64,
    refusals: Bound,
}

/// So many calls that are refused are logged as warnings in a minute, beside those of known gateways.
const WARNINGS: u32 = 60;
const MINUTE: Duration = Duration::from_secs(60);

/// How many warnings there were in this minute, and since when it runs.
#[derive(Debug, Default)]
struct Bound(Mutex<Option<(Instant, u32)>>);

impl Bound {
    /// Whether there may be one more.
    fn allows(&self, now: Instant) -> bool {
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_now = minute.filter(|(begun, _)| now.saturating_duration_since(*begun) < MINUTE);
        let (begun, count) = of_now.unwrap_or((now, 0));
        *minute = Some((begun, count.saturating_add(1)));
        count < WARNINGS
    }
}

/// Who called, in the extensions of a response: for the log.
#[derive(Clone, Debug)]
pub(super) struct Caller(pub(super) String);

/// A problem, as a response.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) Box<Problem>);

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl Refusal {
    pub(super) fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Problem::new(kind, detail).into()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = status(&self.0);
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        match self.0.kind() {
            ProblemKind::Unauthorized => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            ProblemKind::TooMany
            | ProblemKind::Incomplete
            | ProblemKind::StoreUnavailable
            | ProblemKind::Starting => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        // Its body is written where the request's id is known.
        response.extensions_mut().insert(*self.0);
        response
    }
}

fn status(problem: &Problem) -> StatusCode {
    StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

impl RequestIds {
    pub(super) fn new() -> Self {
        // Random for each of them: the ids of two programs differ.
        let instance = RandomState::new().build_hasher().finish() >> 32;
        Self {
            instance: format!("{instance:08x}"),
            number: AtomicU64::new(0),
            refusals: Bound::default(),
        }
    }

    /// The caller's own id if it is a plain one, or a new one.
    fn of(&self, headers: &HeaderMap) -> Arc<str> {
        let is_plain = |id: &&str| {
            (1..=MAX_REQUEST_ID).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
        };
        let own = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(is_plain);
        own.map_or_else(|| self.next().into(), Into::into)
    }

    /// Whether the end of a call is a warning. What strangers ask must not fill the log: beyond a bound it is for those
    /// who look for it.
    fn warns_of(&self, status: u16, is_known: bool, now: Instant) -> bool {
        status >= 400 && (is_known || status >= 500 || self.refusals.allows(now))
    }

    fn next(&self) -> String {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let mut id = self.instance.clone();
        let _ = write!(id, "-{number}");
        id
    }
}

/// Gives the request its id, writes problems out, and logs the end. Around everything else.
pub(super) async fn finish(
    State(ids): State<Arc<RequestIds>>,
    mut request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let id = ids.of(request.headers());
    request.extensions_mut().insert(RequestId(id.clone()));
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let mut response = answered.unwrap_or_else(|_| {
        Refusal::new(ProblemKind::Internal, "a part of the bridge panicked").into_response()
    });
    let problem = response.extensions_mut().remove::<Problem>();
    let caller = response.extensions_mut().remove::<Caller>().map(|caller| caller.0);
    if let Some(problem) = &problem {
        *response.body_mut() = Body::from(problem.to_json(&id));
        let problem_json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, problem_json);
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let seconds = begun.elapsed().as_secs_f64();
    let (status, gateway) = (response.status().as_u16(), caller.as_deref());
    let cause = problem.as_ref().map(Problem::slug);
    let is_known = gateway.is_some();
    match (ids.warns_of(status, is_known, begun), is_known) {
        (true, _) => tracing::warn!(
            target: super::LOG, event = "request", request = &*id, gateway, %method, path, status, seconds, cause
        ),
        (false, true) => tracing::info!(
            target: super::LOG, event = "request", request = &*id, gateway, %method, path, status, seconds, cause
        ),
        (false, false) => tracing::debug!(
            target: super::LOG, event = "request", request = &*id, %method, path, status, seconds, cause
        ),
    }
    response
}

/// JSON with this status.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    // These values always serialise.
    let body = serde_json::to_string(body).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

pub(super) async fn not_found() -> Refusal {
    Refusal::new(ProblemKind::NotFound, "nothing is served here")
}

pub(super) async fn other_method() -> Refusal {
    Refusal::new(ProblemKind::Method, "the header allow names the methods of this path")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_of_a_minute_are_bounded() {
        let (bound, begun) = (Bound::default(), Instant::now());
        let allowed = |now| (0..1000).filter(|_| bound.allows(now)).count();
        assert_eq!(allowed(begun), 60);
        assert_eq!(allowed(begun + Duration::from_secs(59)), 0);
        assert_eq!(allowed(begun + Duration::from_secs(60)), 60);
    }

    #[test]
    fn what_strangers_ask_cannot_fill_the_log() {
        let (ids, now) = (RequestIds::new(), Instant::now());
        for (status, is_known, warnings) in [
            (202, true, 0),
            (399, false, 0),
            (400, true, 100),
            (422, true, 100),
            // The bridge's own faults are warnings, whoever asks.
            (500, false, 100),
            (503, false, 100),
            // None of these used the bound up.
            (400, false, 60),
            (499, false, 0),
            (503, false, 100),
        ] {
            let warns = |_: &usize| ids.warns_of(status, is_known, now);
            assert_eq!((0..100).filter(warns).count(), warnings, "{status} {is_known}");
        }
    }
}
