//! The endpoint over real sockets: it keeps the contract with any sender and any request.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use lp_connector_axum::secret::Secret;
use lp_connector_axum::webhook::{Algorithm, Change, Encoding, Event, Receiver, sign};
use lp_connector_axum::{Notifications, Webhooks, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const SECRET: &str = "n3v3r-u5e-7h15-1n-pr0d";

fn secret() -> Secret {
    Secret::new(SECRET.to_owned())
}

/// A listening endpoint, and the means to stop it.
struct Listening {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
}

async fn listen(webhooks: Webhooks) -> (Listening, Notifications) {
    let (router, notifications) = webhooks.split();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let serving = tokio::spawn(serve(listener, router, async {
        let _ = stopped.await;
    }));
    (Listening { address, stop, serving }, notifications)
}

fn webhooks() -> Webhooks {
    Webhooks::new(Receiver::new().secret(secret()))
}

fn body(n: usize) -> String {
    format!(
        r#"{{"kind":"notification","type":"ms.MessagingEventNotification","body":{{"changes":[{{
        "sequence":{n},"originatorMetadata":{{"role":"ASSIGNED_AGENT"}},"dialogId":"5f0c",
        "event":{{"type":"ContentEvent","contentType":"text/plain","message":"text {n} 🙂"}}}}]}}}}"#
    )
}

fn signed(body: &str) -> Request<Full<Bytes>> {
    let signature = sign(&secret(), Algorithm::Sha256, Encoding::Base64, body.as_bytes());
    Request::post("/")
        .header("host", "localhost")
        .header("x-liveperson-signature", signature)
        .body(Full::from(body.to_owned()))
        .unwrap()
}

/// A keep-alive connection.
async fn connect(address: SocketAddr) -> hyper::client::conn::http1::SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn post(address: SocketAddr, request: Request<Full<Bytes>>) -> StatusCode {
    connect(address).await.send_request(request).await.unwrap().status()
}

fn text_of(verified: &lp_connector_axum::webhook::Verified) -> String {
    let notification = verified.parse().unwrap();
    let [Change::Message(message)] = notification.changes() else { panic!() };
    let Event::Text(text) = message.event() else { panic!() };
    text.text.to_owned()
}

#[tokio::test]
async fn only_signed_posts_are_answered_200_and_queued() {
    let (server, mut notifications) = listen(webhooks()).await;
    let address = server.address;
    assert_eq!(post(address, signed(&body(1))).await, 200);
    assert_eq!(text_of(&notifications.recv().await.unwrap()), "text 1 🙂");
    // Signed, but not JSON: any other answer would hold back all notifications for days.
    assert_eq!(post(address, signed("not json")).await, 200);
    assert!(notifications.recv().await.unwrap().parse().is_err());

    let mut forged = signed(&body(2));
    *forged.body_mut() = Full::from(body(3));
    assert_eq!(post(address, forged).await, 401);
    let mut unsigned = signed(&body(2));
    unsigned.headers_mut().clear();
    assert_eq!(post(address, unsigned).await, 401);
    let mut get = signed("");
    *get.method_mut() = http::Method::GET;
    assert_eq!(post(address, get).await, 405);
    let large = "x".repeat(1024 * 1024 + 1);
    assert_eq!(post(address, signed(&large)).await, 413);
    assert!(notifications.is_empty());
}

#[tokio::test]
async fn a_full_queue_answers_503_until_it_has_room() {
    let (server, mut notifications) = listen(webhooks().queue(2)).await;
    let mut connection = connect(server.address).await;
    for (n, status) in [(0, 200), (1, 200), (2, 503), (3, 503)] {
        let answer = connection.send_request(signed(&body(n))).await.unwrap();
        assert_eq!(answer.status(), status, "{n}");
        answer.into_body().collect().await.unwrap();
        connection.ready().await.unwrap();
    }
    notifications.recv().await.unwrap();
    assert_eq!(post(server.address, signed(&body(4))).await, 200);
}

#[tokio::test]
async fn what_is_queued_can_be_taken_without_a_wait() {
    let (server, mut notifications) = listen(webhooks()).await;
    assert!(notifications.try_recv().is_none());
    for n in [7, 8] {
        assert_eq!(post(server.address, signed(&body(n))).await, 200);
    }
    assert_eq!((notifications.len(), notifications.is_empty()), (2, false));
    assert_eq!(text_of(&notifications.try_recv().unwrap()), "text 7 🙂");
    assert_eq!(text_of(&notifications.try_recv().unwrap()), "text 8 🙂");
    assert_eq!((notifications.len(), notifications.is_empty()), (0, true));
}

#[tokio::test]
async fn the_queue_is_bounded_in_bytes() {
    let receiver = Receiver::new().secret(secret()).max_body(10_000);
    let (server, mut notifications) = listen(Webhooks::new(receiver).memory(27_072)).await;
    let large = "x".repeat(9_000);
    let mut answers = Vec::new();
    for _ in 0..5 {
        answers.push(post(server.address, signed(&large)).await.as_u16());
    }
    assert_eq!(answers, [200, 200, 200, 503, 503]);
    assert_eq!(
        post(server.address, signed("{}")).await,
        503,
        "three fill the memory to the last byte"
    );
    notifications.recv().await.unwrap();
    assert_eq!(post(server.address, signed("{}")).await, 200);
}

/// A sender that sends nothing reserves nothing, whatever length it announces.
#[tokio::test]
async fn idle_senders_reserve_no_memory() {
    let receiver = Receiver::new().secret(secret());
    let (server, mut notifications) =
        listen(Webhooks::new(receiver).queue(2).memory(64 * 1024)).await;
    let mut idle = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\
                    x-liveperson-signature: sha1=qnaEr/M2QPwyNYg/gqULRhu7RWE=\r\n\r\n{";
        stream.write_all(head.as_bytes()).await.unwrap();
        idle.push(stream);
    }
    for n in 0..2 {
        assert_eq!(post(server.address, signed(&body(n))).await, 200, "{n}");
    }
    assert_eq!(text_of(&notifications.recv().await.unwrap()), "text 0 🙂");
    drop(idle);
}

/// 10 000 notifications from 64 senders at full speed, and a consumer that pauses in the middle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_answered_200_is_lost_under_load() {
    const ALL: usize = 10_000;
    const QUEUE: usize = 500;
    let (server, mut notifications) = listen(webhooks().queue(QUEUE)).await;
    let (next, taken) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let senders: Vec<_> = (0..64)
        .map(|_| {
            let (next, address) = (next.clone(), server.address);
            tokio::spawn(async move {
                let (mut good, mut full) = (Vec::new(), 0);
                let mut connection = connect(address).await;
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= ALL {
                        return (good, full);
                    }
                    connection.ready().await.unwrap();
                    let answer = connection.send_request(signed(&body(n))).await.unwrap();
                    match answer.status().as_u16() {
                        200 => good.push(n),
                        503 => full += 1,
                        other => panic!("{other}"),
                    }
                    answer.into_body().collect().await.unwrap();
                }
            })
        })
        .collect();
    let counted = taken.clone();
    let (resume, resumed) = oneshot::channel::<()>();
    let consumer = tokio::spawn(async move {
        let mut texts = Vec::new();
        let mut resumed = Some(resumed);
        while let Some(verified) = notifications.recv().await {
            assert!(notifications.len() <= QUEUE);
            texts.push(text_of(&verified));
            counted.fetch_add(1, Ordering::Relaxed);
            if texts.len() == 2000 {
                // It pauses until everything was sent.
                resumed.take().unwrap().await.unwrap();
            }
        }
        texts
    });
    let (mut good, mut full) = (BTreeSet::new(), 0);
    for sender in senders {
        let (taken, refused) = sender.await.unwrap();
        good.extend(taken.into_iter().map(|n| format!("text {n} 🙂")));
        full += refused;
    }
    resume.send(()).unwrap();
    server.stop.send(()).unwrap();
    server.serving.await.unwrap().unwrap();
    let texts = consumer.await.unwrap();
    assert_eq!(good.len() + full, ALL);
    assert!(full > 0 && good.len() >= 2000, "{} good, {full} full", good.len());
    assert_eq!(texts.len(), good.len(), "each notification once");
    assert_eq!(texts.into_iter().collect::<BTreeSet<_>>(), good);
}

#[tokio::test]
async fn a_shutdown_finishes_requests_and_drains_the_queue() {
    let (server, mut notifications) = listen(webhooks()).await;
    let body = body(7);
    let (parts, _) = signed(&body).into_parts();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let mut head = "POST / HTTP/1.1\r\n".to_owned();
    for (name, value) in &parts.headers {
        head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body.as_bytes()[..10]).await.unwrap();
    // After an answer on another connection, the server has seen the head on this one.
    assert_eq!(post(server.address, signed("{}")).await, 200);
    server.stop.send(()).unwrap();
    assert!(notifications.recv().await.is_some());
    stream.write_all(&body.as_bytes()[10..]).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    server.serving.await.unwrap().unwrap();
    assert_eq!(text_of(&notifications.recv().await.unwrap()), "text 7 🙂");
    assert!(notifications.recv().await.is_none(), "the drained queue ends");
    assert!(TcpStream::connect(server.address).await.is_err());
}

/// On a clock that jumps: the test takes no real time.
#[tokio::test(start_paused = true)]
async fn a_slow_sender_times_out_and_takes_no_place() {
    let (router, _notifications) = webhooks().queue(1).split();
    let request = |content: axum::body::Body| {
        let (parts, _) = signed(&body(0)).into_parts();
        Request::from_parts(parts, content)
    };
    let never = http_body_util::StreamBody::new(Never);
    let mut service = router.into_service();
    let call = |service: &mut axum::routing::RouterIntoService<axum::body::Body>, request| {
        hyper::service::Service::call(
            &hyper_util::service::TowerToHyperService::new(service.clone()),
            request,
        )
    };
    let slow = call(&mut service, request(axum::body::Body::new(never))).await.unwrap();
    assert_eq!(slow.status(), StatusCode::REQUEST_TIMEOUT);
    let good = call(&mut service, request(axum::body::Body::from(body(0)))).await.unwrap();
    assert_eq!(good.status(), StatusCode::OK);
}

/// A body that never arrives.
struct Never;

impl futures_core::Stream for Never {
    type Item = Result<hyper::body::Frame<Bytes>, std::io::Error>;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Pending
    }
}

#[tokio::test]
async fn malformed_http_does_not_affect_others() {
    let (server, mut notifications) = listen(webhooks()).await;
    for garbage in [&b"\x00\x01\x02"[..], b"POST\r\n\r\n", b"GET / HTTP/9\r\n\r\n"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(garbage).await.unwrap();
    }
    let mut huge = TcpStream::connect(server.address).await.unwrap();
    huge.write_all(b"POST / HTTP/1.1\r\nx: ").await.unwrap();
    let mut refused = false;
    for _ in 0..64 {
        refused |= huge.write_all(&[b'x'; 4096]).await.is_err();
    }
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(5), huge.read_to_end(&mut answer)).await;
    assert!(refused || ended.is_ok(), "a head of 256 KB is cut off");
    assert_eq!(post(server.address, signed(&body(1))).await, 200);
    assert_eq!(text_of(&notifications.recv().await.unwrap()), "text 1 🙂");
}

/// The sandbox has its own implementation of the signature, and posts over sockets.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_signature_variant_of_the_sandbox_verifies() {
    use lp_connector_sandbox::{Agent, Server, ServerConfig, Signature};
    use lp_connector_ureq::api::OpenConversation;
    use lp_connector_ureq::id::{AccountId, ClientId, ExtConsumerId};
    for signature in Signature::ALL {
        let cloud = Server::start(ServerConfig::new()).unwrap();
        let (account, client) = (cloud.account_id(), cloud.client_id());
        let ids = || (AccountId::new(&account).unwrap(), ClientId::new(&client).unwrap());
        let secret = Secret::new(cloud.client_secret());
        let receiver = Receiver::new().app(ids().0, ids().1, [secret.clone()]);
        let (server, mut notifications) = listen(Webhooks::new(receiver)).await;
        let endpoint =
            lp_connector_sandbox::Webhooks::all_at(format!("http://{}/", server.address));
        cloud.with(|cloud| cloud.set_webhooks(endpoint.signature(signature)));
        let config = lp_connector_ureq::Config::new(ids().0)
            .credentials(ids().1, secret)
            .trust(lp_connector_ureq::Trust::new(&cloud.base_url(), ["liveperson.net"]).unwrap());
        let client = lp_connector_ureq::Client::new(config).unwrap();
        let ada = ExtConsumerId::new("ada").unwrap();
        let opened = tokio::task::spawn_blocking(move || {
            client.open_conversation(OpenConversation::new(ada)).unwrap().output
        });
        let id = opened.await.unwrap().conversation.id().clone();
        let created = notifications.recv().await.unwrap();
        assert!(matches!(created.parse().unwrap().changes(), [Change::Conversation(_)]));
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let said = Agent::Text("Grüße 🙂".to_owned(), Vec::new());
        cloud.with(|cloud| cloud.agent(now, id.as_str(), said)).unwrap();
        let texts = [notifications.recv().await.unwrap(), notifications.recv().await.unwrap()];
        assert!(texts.iter().any(|verified| {
            matches!(verified.parse().unwrap().changes(), [Change::Message(_)])
        }));
    }
}
