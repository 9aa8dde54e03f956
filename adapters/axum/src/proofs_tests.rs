//! What proves a connection, and what it shares.

use std::convert::Infallible;
use std::future::Future as _;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use lp_connector_core::secret::Secret;
use lp_connector_core::webhook::{Algorithm, Encoding, Receiver, sign};
use tokio::time::{Instant, Sleep, sleep};

use super::*;
use crate::connection::ConnectionSlots;
use crate::{Signed, Webhooks};

fn secret() -> Secret {
    Secret::new("n3v3r-u5e-7h15-1n-pr0d".to_owned())
}

fn receiver() -> Receiver {
    Receiver::new().secret(secret())
}

/// A request with the signature of `signed`, on a connection of its own.
async fn post(router: Router, signed: &str, body: String, reading: &Reading) -> (u16, Connection) {
    let connection = ConnectionSlots::new(1).take(reading).unwrap();
    let signature = sign(&secret(), Algorithm::Sha256, Encoding::Hex, signed.as_bytes());
    let request = Request::post("/").header("x-liveperson-signature", signature);
    let request = request.extension(connection.clone()).body(Body::from(body)).unwrap();
    let response = TowerToHyperService::new(router).call(request).await.unwrap();
    (response.status().as_u16(), connection)
}

fn extracting() -> Router {
    let handler = |Signed(_): Signed| async {};
    Router::new().route("/", axum::routing::post(handler)).with_state(receiver())
}

#[tokio::test]
async fn only_a_signature_of_the_whole_body_authenticates() {
    for extracted in [false, true] {
        for (signed, body, status, authenticated) in
            [("{}", "{}", 200, true), ("{}", "{ }", 401, false), ("{}", "", 401, false)]
        {
            let (queued, _queue) = Webhooks::new(receiver()).split();
            let router = if extracted { extracting() } else { queued };
            let answer = post(router, signed, body.to_owned(), &Reading::new(0)).await;
            let found = (answer.0, answer.1.is_authenticated());
            assert_eq!(found, (status, authenticated), "{body:?}, extracted: {extracted}");
        }
    }
}

/// A body that an extractor reads takes the memory of an older one, if it is short.
#[tokio::test]
async fn what_is_extracted_shares_the_memory_of_its_server() {
    let reading = Reading::new(0);
    let older = reading.begin(false);
    let largest = 1024 * 1024;
    assert!(older.grow(2 * largest, largest));
    let body = "x".repeat(100);
    let (status, _) = post(extracting(), &body, body.clone(), &reading).await;
    assert_eq!((status, older.grow(0, largest)), (200, false));
}

/// Frames of so many bytes, and then nothing more.
struct Frames(std::slice::Iter<'static, usize>);

impl futures_core::Stream for Frames {
    type Item = Result<Vec<u8>, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.next().map_or(Poll::Pending, |bytes| Poll::Ready(Some(Ok(vec![b'x'; *bytes]))))
    }
}

/// All that a body takes is counted, and it takes no more before it is full.
#[test]
fn a_full_body_takes_half_as_much_again() {
    // The frames of a body of at most 700 bytes, and the memory that it has after them.
    let cases: [(&'static [usize], usize); 6] = [
        (&[100], 100),
        (&[100, 10], 150),
        (&[100, 10, 40], 150),
        (&[100, 10, 41], 225),
        (&[100, 200], 300),
        (&[600, 10], 700),
    ];
    for (frames, expected) in cases {
        let reading = Reading::new(10_000);
        let memory = reading.begin(false);
        let body = Body::from_stream(Frames(frames.iter()));
        let reads = pin!(read(body, 700, Some(&memory)));
        assert!(reads.poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(reading.used(), expected, "{frames:?}");
    }
}

/// Ten bytes, one each so often.
struct Slow {
    left: usize,
    every: Duration,
    next: Pin<Box<Sleep>>,
}

impl Slow {
    fn new(every: Duration) -> Self {
        Self { left: 10, every, next: Box::pin(sleep(every)) }
    }
}

impl futures_core::Stream for Slow {
    type Item = Result<&'static [u8], Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.next.as_mut().poll(context).map(|()| {
            self.left -= 1;
            self.next = Box::pin(sleep(self.every));
            Some(Ok(&b"x"[..]))
        })
    }
}

/// On a clock that moves when everything waits.
#[tokio::test(start_paused = true)]
async fn a_body_has_four_seconds_however_it_comes() {
    for every in [Duration::from_secs(1), Duration::from_secs(3600)] {
        let (router, _queue) = Webhooks::new(receiver()).split();
        let signature = sign(&secret(), Algorithm::Sha256, Encoding::Hex, b"{}");
        let request = Request::post("/").header("x-liveperson-signature", signature);
        let start = Instant::now();
        let request = request.body(Body::from_stream(Slow::new(every))).unwrap();
        let response = TowerToHyperService::new(router).call(request).await.unwrap();
        let found = (response.status().as_u16(), start.elapsed());
        assert_eq!(found, (408, Duration::from_secs(4)), "a byte each {every:?}");
    }
}
