//! Senders who prove nothing: what they are answered, and that they cost the others nothing.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::convert::Infallible;
use std::future::Future as _;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse as _;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use lp_connector_axum::secret::Secret;
use lp_connector_axum::webhook::{Algorithm, Encoding, Receiver, Rejection, sign};
use lp_connector_axum::{WebhookError, Webhooks};
use tokio::time::Instant;

/// A well-formed signature of another body.
const FORGED: &str = "sha1=qnaEr/M2QPwyNYg/gqULRhu7RWE=";

fn secret() -> Secret {
    Secret::new("n3v3r-u5e-7h15-1n-pr0d".to_owned())
}

fn webhooks() -> Webhooks {
    Webhooks::new(Receiver::new().secret(secret()))
}

async fn call(router: &Router, request: Request<Body>) -> Response<Body> {
    TowerToHyperService::new(router.clone()).call(request).await.unwrap()
}

fn signed(path: &str, body: &str) -> Request<Body> {
    let signature = sign(&secret(), Algorithm::Sha256, Encoding::Hex, body.as_bytes());
    let request = Request::post(path).header("x-liveperson-signature", signature);
    request.body(Body::from(body.to_owned())).unwrap()
}

/// A body of which some arrives, and the rest never.
struct Stalled(Option<Bytes>);

impl futures_core::Stream for Stalled {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.take().map_or(Poll::Pending, |bytes| Poll::Ready(Some(Ok(bytes))))
    }
}

fn stalled(bytes: usize) -> Request<Body> {
    let request = Request::post("/").header("x-liveperson-signature", FORGED);
    request.body(Body::from_stream(Stalled(Some(vec![b'x'; bytes].into())))).unwrap()
}

#[tokio::test]
async fn a_refusal_says_what_would_be_accepted_and_closes() {
    let (router, queue) = webhooks().split();
    let request = || Request::post("/").header("x-liveperson-signature", FORGED);
    let cases = [
        (request().method("GET"), 405, Some(("allow", "POST"))),
        (request().method("PUT"), 405, Some(("allow", "POST"))),
        (request().header("content-encoding", "gzip"), 415, Some(("accept-encoding", "identity"))),
        (request().header("content-length", "99999999"), 413, None),
        (request(), 401, Some(("www-authenticate", "LivePerson-Signature"))),
        (Request::post("/"), 401, Some(("www-authenticate", "LivePerson-Signature"))),
    ];
    for (request, status, header) in cases {
        let answer = call(&router, request.body(Body::from("{}")).unwrap()).await;
        assert_eq!(answer.status(), status);
        let value = |name| answer.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!(value("connection"), Some("close"), "{status}");
        if let Some((name, expected)) = header {
            assert_eq!(value(name), Some(expected), "{status}");
        }
    }
    assert!(queue.is_empty());
}

#[tokio::test]
async fn the_body_of_a_refusal_is_a_line_that_says_why() {
    let cases = [
        (
            WebhookError::Rejected(Rejection::TooLarge),
            413,
            "the notification is larger than the limit",
        ),
        (WebhookError::Timeout, 408, "the notification did not arrive in time"),
        (WebhookError::IncompleteBody, 400, "the notification ended early"),
        (WebhookError::Evicted, 503, "too many notifications are on their way"),
        (WebhookError::Overloaded, 503, "the queue of notifications is full"),
        (WebhookError::NotStored, 503, "the notification was not stored"),
    ];
    for (error, status, line) in cases {
        let answer = error.into_response();
        assert_eq!(answer.status(), status, "{error:?}");
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, line, "{error:?}");
    }
}

/// Its body never arrives, so the answer cannot depend on it.
#[tokio::test]
async fn what_the_head_shows_is_refused_before_the_body() {
    let (router, _queue) = webhooks().split();
    for signature in [None, Some(""), Some("sha1="), Some("sha1=x"), Some("md5=00")] {
        let mut request = stalled(0);
        request.headers_mut().clear();
        if let Some(signature) = signature {
            request.headers_mut().insert("x-liveperson-signature", signature.parse().unwrap());
        }
        let answer = pin!(call(&router, request));
        let answer = answer.poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(answer, Poll::Ready(answer) if answer.status() == 401), "{signature:?}");
    }
}

#[tokio::test]
async fn every_path_is_served_unless_some_are_named() {
    // The prefix and the named paths of the router; a path; the status.
    let cases: [(Option<&str>, &[&str], &str, u16); 12] = [
        (None, &[], "/", 200),
        (None, &[], "/lp", 200),
        (None, &[], "/lp/", 200),
        (None, &[], "/a/b?c=d", 200),
        (None, &["/lp"], "/lp", 200),
        (None, &["/lp"], "/", 404),
        (None, &["/lp"], "/lp/x", 404),
        (None, &["lp", "/two", "/two"], "/two", 200),
        (Some("/lp"), &[], "/lp", 200),
        (Some("/lp"), &[], "/lp/x", 200),
        (Some("/lp"), &[], "/", 404),
        (Some("/lp"), &["/x"], "/lp/x", 200),
    ];
    for (prefix, named, path, status) in cases {
        let webhooks = named.iter().fold(webhooks(), |webhooks, path| webhooks.path(*path));
        let (router, _queue) = webhooks.split();
        let router = prefix.map_or(router.clone(), |prefix| Router::new().nest(prefix, router));
        let answer = call(&router, signed(path, "{}")).await;
        assert_eq!(answer.status(), status, "{prefix:?} {named:?} {path}");
    }
}

#[tokio::test]
async fn it_can_be_merged_with_a_fallback_of_ones_own() {
    let (router, _queue) = webhooks().path("/lp").split();
    let own = Router::new().route("/health", axum::routing::get(|| async { "OK" }));
    let app = own.merge(router).fallback(|| async { "mine" });
    let get = |path| Request::get(path).body(Body::empty()).unwrap();
    assert_eq!(call(&app, get("/health")).await.status(), 200);
    assert_eq!(call(&app, get("/other")).await.status(), 200);
    assert_eq!(call(&app, signed("/lp", "{}")).await.status(), 200);
}

/// 64 of them would fill the memory of the queue; 512 are all connections.
#[tokio::test(start_paused = true)]
async fn stalled_bodies_cost_a_notification_little() {
    for attackers in [64, 512] {
        let (router, queue) = webhooks().split();
        let mut stalling = tokio::task::JoinSet::new();
        for _ in 0..attackers {
            let router = router.clone();
            stalling
                .spawn(async move { call(&router, stalled(1_000_000)).await.status().as_u16() });
        }
        for _ in 0..attackers {
            tokio::task::yield_now().await;
        }
        let largest = " ".repeat(1024 * 1024);
        for (body, limit) in [("{}", 0), (&largest, 1000)] {
            let start = Instant::now();
            assert_eq!(call(&router, signed("/", body)).await.status(), 200);
            let took = start.elapsed().as_millis();
            assert!(took <= limit, "{attackers}: {took} ms for {} bytes", body.len());
        }
        assert_eq!(queue.len(), 2);
        let statuses = stalling.join_all().await;
        // They lost their turn while others waited.
        assert!(statuses.iter().all(|status| *status == 503), "{statuses:?}");
    }
}

#[tokio::test]
async fn bodies_on_their_way_take_half_as_much_as_the_queue() {
    let receiver = Receiver::new().secret(secret()).max_body(10_000);
    let (router, _queue) = Webhooks::new(receiver).memory(60_000).split();
    let mut context = Context::from_waker(Waker::noop());
    let mut calls = [10_000; 3].map(|bytes| Box::pin(call(&router, stalled(bytes))));
    for _ in 0..2 {
        // The second time none has given way: three fill the memory to the last byte.
        assert!(calls.iter_mut().all(|call| call.as_mut().poll(&mut context).is_pending()));
    }
    let mut last = Box::pin(call(&router, stalled(1)));
    assert!(last.as_mut().poll(&mut context).is_pending());
    let statuses = calls.each_mut().map(|call| match call.as_mut().poll(&mut context) {
        Poll::Ready(answer) => Some(answer.status().as_u16()),
        Poll::Pending => None,
    });
    assert_eq!(statuses, [Some(503), None, None], "the oldest gives way");
}

#[tokio::test(start_paused = true)]
async fn durable_answers_200_only_after_the_store_has_it() {
    let start = Instant::now();
    // How long the store takes, whether it succeeds; the status, and after how long.
    let cases = [
        (0, Ok(()), 200, 0),
        (1999, Ok(()), 200, 1999),
        (500, Err("the disk is full"), 503, 500),
        (2001, Ok(()), 503, 2000),
        (3_600_000, Ok(()), 503, 2000),
    ];
    for (takes, result, status, after) in cases {
        let router = webhooks().durable(move |verified| async move {
            assert_eq!(verified.body(), b"{}");
            tokio::time::sleep(Duration::from_millis(takes)).await;
            result
        });
        let begun = start.elapsed();
        let answer = call(&router, signed("/", "{}")).await;
        let took = (start.elapsed() - begun).as_millis();
        assert_eq!((answer.status().as_u16(), took), (status, after), "{takes} {result:?}");
        assert_eq!(answer.headers().get("connection"), None, "the sender is no stranger");
        let refused = Request::post("/").body(Body::from("{}")).unwrap();
        assert_eq!(call(&router, refused).await.status(), 401, "nothing is stored of strangers");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_being_stored_counts_as_memory() {
    let receiver = Receiver::new().secret(secret()).max_body(10_000);
    let router = Webhooks::new(receiver).memory(20_000).durable(|_| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok::<_, String>(())
    });
    let body = "x".repeat(9_000);
    let mut posts = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (router, request) = (router.clone(), signed("/", &body));
        posts.spawn(async move { call(&router, request).await.status().as_u16() });
    }
    let mut statuses = posts.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 503, 503]);
    assert_eq!(call(&router, signed("/", &body)).await.status(), 200, "the memory comes back");
}
