//! Deliveries on a clock that jumps: ordered, complete, and without a wait at the end.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::time::Duration;

use axum::body::Body;
use http::{Request, StatusCode};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use lp_connector_axum::id::DialogId;
use lp_connector_axum::secret::Secret;
use lp_connector_axum::time::Mono;
use lp_connector_axum::webhook::{
    Algorithm, Change, Delivered, Encoding, Event, Inbox, Order, Receiver, Unreadable, sign,
};
use lp_connector_axum::{Deliveries, Webhooks};
use tokio::time::{Instant, timeout};

type Router = axum::routing::RouterIntoService<Body>;

fn endpoint() -> (Router, Deliveries) {
    let (router, deliveries) = Webhooks::new(Receiver::new().secret(secret())).deliveries();
    (router.into_service(), deliveries)
}

fn secret() -> Secret {
    Secret::new("n3v3r-u5e-7h15-1n-pr0d".to_owned())
}

async fn post(router: &Router, body: &str) -> StatusCode {
    let signature = sign(&secret(), Algorithm::Sha256, Encoding::Base64, body.as_bytes());
    let request = Request::post("/")
        .header("x-liveperson-signature", signature)
        .body(Body::from(body.to_owned()))
        .unwrap();
    TowerToHyperService::new(router.clone()).call(request).await.unwrap().status()
}

fn text(sequence: u64) -> String {
    format!(
        r#"{{"type":"ms.MessagingEventNotification","body":{{"changes":[{{"sequence":{sequence},
        "originatorMetadata":{{"role":"ASSIGNED_AGENT"}},"dialogId":"5f0c",
        "event":{{"type":"ContentEvent","contentType":"text/plain","message":"{sequence}"}}}}]}}}}"#
    )
}

fn read(delivery: Option<Result<Delivered, Unreadable>>) -> (String, Order) {
    let delivered = delivery.unwrap().unwrap();
    let Change::Message(message) = &delivered.change else { panic!() };
    let Event::Text(text) = message.event() else { panic!() };
    (text.text.to_owned(), delivered.order)
}

#[tokio::test(start_paused = true)]
async fn events_are_delivered_in_order_and_once() {
    let (router, mut deliveries) = endpoint();
    for sequence in [1, 0, 1, 2] {
        assert_eq!(post(&router, &text(sequence)).await, 200);
    }
    for sequence in 0..3 {
        assert_eq!(read(deliveries.next().await), (sequence.to_string(), Order::InOrder));
    }
    assert!(timeout(Duration::from_secs(60), deliveries.next()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_gap_delays_no_longer_than_the_window() {
    let (router, mut deliveries) = endpoint();
    let start = Instant::now();
    assert_eq!(post(&router, &text(1)).await, 200);
    assert_eq!(read(deliveries.next().await), ("1".to_owned(), Order::AfterGap));
    let waited = start.elapsed();
    assert!((Duration::from_secs(2)..Duration::from_secs(3)).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_router_held_events_come_at_once() {
    let (router, mut deliveries) = endpoint();
    for sequence in [1, 3, 5] {
        assert_eq!(post(&router, &text(sequence)).await, 200);
    }
    drop(router);
    let start = Instant::now();
    for sequence in [1, 3, 5] {
        assert_eq!(read(deliveries.next().await), (sequence.to_string(), Order::AfterGap));
    }
    assert!(deliveries.next().await.is_none() && deliveries.next().await.is_none());
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn after_close_the_queue_is_still_delivered() {
    let (router, mut deliveries) = endpoint();
    assert_eq!(post(&router, &text(0)).await, 200);
    deliveries.close();
    assert_eq!(post(&router, &text(1)).await, 503);
    assert_eq!(read(deliveries.next().await).0, "0");
    assert!(deliveries.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_notification_is_delivered_too() {
    let (router, mut deliveries) = endpoint();
    assert_eq!(post(&router, "not JSON").await, 200);
    assert_eq!(post(&router, &text(0)).await, 200);
    let unreadable = deliveries.next().await.unwrap().unwrap_err();
    assert_eq!(unreadable.notification.body(), b"not JSON");
    assert_eq!(read(deliveries.next().await).0, "0");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_next_loses_nothing() {
    let (router, mut deliveries) = endpoint();
    let mut delivered = Vec::new();
    for sequence in 0..50_u64 {
        assert_eq!(post(&router, &text(sequence ^ 1)).await, 200);
        // The time-out drops the future while it waits for the gap or for a notification.
        while let Ok(next) = timeout(Duration::from_millis(1), deliveries.next()).await {
            delivered.push(read(next).0);
        }
    }
    assert_eq!(delivered, (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
}

/// As the echo of a message of the program's own.
#[tokio::test(start_paused = true)]
async fn what_is_marked_as_seen_is_not_waited_for() {
    let (router, mut deliveries) = endpoint();
    for sequence in [0, 2] {
        assert_eq!(post(&router, &text(sequence)).await, 200);
    }
    assert_eq!(read(deliveries.next().await).0, "0");
    let id = deliveries.inbox().conversations().next().unwrap().clone();
    deliveries.inbox_mut().mark_seen(&id, &DialogId::new("5f0c").unwrap(), 1);
    assert_eq!(read(deliveries.next().await), ("2".to_owned(), Order::InOrder));
}

#[tokio::test(start_paused = true)]
async fn a_restored_inbox_continues_where_it_was_saved() {
    let (router, mut deliveries) = endpoint();
    for sequence in [0, 2] {
        assert_eq!(post(&router, &text(sequence)).await, 200);
    }
    assert_eq!(read(deliveries.next().await).0, "0");
    assert!(timeout(Duration::from_secs(1), deliveries.next()).await.is_err(), "2 is held");
    let id = deliveries.inbox().conversations().next().unwrap().clone();
    let saved = deliveries.inbox().save(&id, deliveries.now()).unwrap();

    let mut inbox = Inbox::default();
    inbox.restore(saved, Mono::ZERO);
    let (router, notifications) = Webhooks::new(Receiver::new().secret(secret())).split();
    let (router, mut deliveries) = (router.into_service(), Deliveries::new(notifications, inbox));
    for sequence in [0, 1] {
        assert_eq!(post(&router, &text(sequence)).await, 200);
    }
    for sequence in [1, 2] {
        assert_eq!(read(deliveries.next().await), (sequence.to_string(), Order::InOrder));
    }
}
