//! How long a connection lasts, on a clock that moves when everything waits: the client's end is in memory.

use axum::routing::{any, get};
use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

/// A connection that is served.
struct Served {
    client: DuplexStream,
    /// Ends when the server has closed it.
    serving: JoinHandle<Duration>,
    slots: Arc<ConnectionSlots>,
    permits: Arc<Semaphore>,
    stop: watch::Sender<()>,
    start: Instant,
}

/// Serves one connection. `/wait` waits for a permit, `/large` answers more than the connection holds, `/broken`
/// fails, and `/proof` authenticates the connection.
fn serve_one() -> Served {
    let (client, server) = duplex(1024);
    let slots = ConnectionSlots::new(1);
    let connection = slots.take(&Reading::new(READING)).unwrap();
    let permits = Arc::new(Semaphore::new(0));
    let waiting = permits.clone();
    let authenticate = |request: Request<axum::body::Body>| async move {
        request.extensions().get::<Connection>().unwrap().authenticate();
    };
    let router = Router::new()
        .route("/", get(|| async {}))
        .route("/large", get(|| async { "x".repeat(1_000_000) }))
        .route("/broken", get(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
        .route("/proof", any(authenticate))
        .route("/wait", get(|| async move { waiting.acquire().await.unwrap().forget() }));
    let (stop, stopped) = watch::channel(());
    let start = Instant::now();
    let serving = tokio::spawn(async move {
        run(server, router, connection, stopped).await;
        start.elapsed()
    });
    Served { client, serving, slots, permits, stop, start }
}

impl Served {
    async fn ask(&mut self, path: &str) {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
        self.client.write_all(request.as_bytes()).await.unwrap();
    }

    /// The head of the next answer; empty if the connection was closed.
    async fn answer(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match self.client.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => break,
            }
        }
        String::from_utf8(head).unwrap()
    }

    /// When the server closes it.
    async fn closed(self) -> Duration {
        let Self { client, serving, stop, .. } = self;
        let at = serving.await.unwrap();
        drop((client, stop));
        at
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_has_ten_seconds_however_it_comes() {
    assert_eq!(serve_one().closed().await, SECOND * 10, "nothing");

    let mut half = serve_one();
    half.client.write_all(&REQUEST[..10]).await.unwrap();
    assert_eq!(half.closed().await, SECOND * 10, "half a head");

    let mut slow = serve_one();
    for byte in &REQUEST[..9] {
        slow.client.write_all(&[*byte]).await.unwrap();
        sleep(SECOND).await;
    }
    assert_eq!(slow.closed().await, SECOND * 10, "a byte each second");

    let mut idle = serve_one();
    sleep(SECOND * 4).await;
    idle.ask("/").await;
    assert!(idle.answer().await.starts_with("HTTP/1.1 200"));
    assert_eq!(idle.closed().await, SECOND * 14, "idle after an answer");
}

#[tokio::test(start_paused = true)]
async fn a_connection_ends_after_five_minutes() {
    let mut used = serve_one();
    for _ in 0..59 {
        sleep(SECOND * 5).await;
        used.ask("/").await;
        assert!(used.answer().await.starts_with("HTTP/1.1 200"));
    }
    assert_eq!(used.closed().await, LIFE);
}

#[tokio::test(start_paused = true)]
async fn a_request_at_the_end_of_the_life_has_ten_seconds() {
    for (answered, closes) in [(true, LIFE + SECOND * 9), (false, LIFE + SECOND * 10)] {
        let mut busy = serve_one();
        busy.ask("/wait").await;
        sleep(LIFE + SECOND * 9).await;
        if answered {
            busy.permits.add_permits(1);
            assert!(busy.answer().await.starts_with("HTTP/1.1 200"));
        }
        assert_eq!(busy.closed().await, closes, "answered: {answered}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_no_answer_ends_with_its_life() {
    let mut deaf = serve_one();
    deaf.ask("/large").await;
    assert_eq!(deaf.closed().await, LIFE + SECOND);
}

#[tokio::test(start_paused = true)]
async fn the_stop_gives_ten_seconds_to_requests_and_one_to_answers() {
    for (path, patience) in [("/wait", SECOND * 10), ("/large", SECOND)] {
        let mut served = serve_one();
        served.ask(path).await;
        sleep(SECOND).await;
        let Served { client, serving, stop, permits, .. } = served;
        drop(stop);
        assert_eq!(serving.await.unwrap(), SECOND + patience, "{path}");
        drop((client, permits));
    }
}

#[tokio::test(start_paused = true)]
async fn an_evicted_connection_is_closed_at_once() {
    let mut evicted = serve_one();
    evicted.ask("/wait").await;
    sleep(SECOND).await;
    assert_eq!(evicted.slots.evict(), Eviction::Done);
    assert_eq!(evicted.answer().await, "");
    assert_eq!(evicted.start.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_failure_closes_an_unauthenticated_connection_only() {
    for (first, closes) in [("/", true), ("/proof", false)] {
        for path in ["/nowhere", "/broken"] {
            let mut served = serve_one();
            served.ask(first).await;
            served.answer().await;
            served.ask(path).await;
            let refused = served.answer().await;
            assert_eq!(refused.contains("connection: close"), closes, "{first} {refused}");
        }
    }
}
