//! In place of the client's module that sends: the cloud answers at once, in this process.

use bytes::Bytes;
use http::Response;
use lp_connector_core::connector::{Attempt, Outcome, Transport};
use lp_connector_core::error::Error;
use lp_connector_core::time::Mono;
use shuttle::sync::atomic::{AtomicUsize, Ordering};

use crate::Runtime;
use crate::deadlines::Clock;

const LOOKUP: &str = r#"{"service":"sentinel","account":"91827364","baseURI":"127.0.0.1:1"}"#;
const TOKEN: &str = r#"{"access_token":"x.y.z","token_type":"bearer","expires_in":3600}"#;

/// Sends to a cloud that has one service and gives one token.
pub(crate) struct Sender<R> {
    runtime: R,
    tokens: AtomicUsize,
}

impl<R: Runtime> Sender<R> {
    #[expect(clippy::unnecessary_wraps, reason = "as the one that it stands for")]
    pub(crate) fn new(runtime: R, _: Clock, _: &Transport) -> Result<Self, Error> {
        Ok(Self { runtime, tokens: AtomicUsize::new(0) })
    }

    pub(crate) fn runtime(&self) -> &R {
        &self.runtime
    }

    pub(crate) async fn send(&self, attempt: Attempt, _: impl Fn() -> Mono) -> Outcome {
        let is_for_token = attempt.token().is_some();
        // The answer takes a while: others go on.
        shuttle::future::yield_now().await;
        let body = if is_for_token {
            assert_eq!(self.tokens.fetch_add(1, Ordering::SeqCst), 0, "a second token");
            TOKEN
        } else {
            LOOKUP
        };
        Outcome::Response(Response::new(Bytes::from_static(body.as_bytes())))
    }
}
