//! What is logged of refusals. Alone in its process: all servers of a process share the lines of a second.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use lp_connector_axum::secret::Secret;
use lp_connector_axum::webhook::{Algorithm, Encoding, Receiver, Verified, sign};
use lp_connector_axum::{Webhooks, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

fn secret() -> Secret {
    Secret::new("n3v3r-u5e-7h15-1n-pr0d".to_owned())
}

/// Keeps the level and the message of each line of the crate's.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

/// The message of a line.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("lp_connector_axum")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut message = Message::default();
        event.record(&mut message);
        self.0.lock().unwrap().push(format!("{} {}", event.metadata().level(), message.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Posts a body with these further lines of its head. Returns the status of the answer.
async fn post(address: SocketAddr, path: &str, headers: &str, body: &str) -> String {
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\
         {headers}\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.strip_prefix("HTTP/1.1 ").unwrap()[..3].to_owned()
}

fn signature(body: &str) -> String {
    let signature = sign(&secret(), Algorithm::Sha256, Encoding::Hex, body.as_bytes());
    format!("x-liveperson-signature: {signature}\r\n")
}

#[tokio::test]
async fn every_refusal_is_logged_once_and_nothing_else() {
    let lines = Lines::default();
    tracing::subscriber::set_global_default(lines.clone()).unwrap();
    let store = |verified: Verified| async move {
        if verified.body() == b"{}" { Ok(()) } else { Err("the disk is full") }
    };
    let router = Webhooks::new(Receiver::new().secret(secret())).path("/lp").durable(store);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, router, std::future::pending()));

    assert_eq!(post(address, "/lp", &signature("{}"), "{}").await, "200");
    assert_eq!(post(address, "/lp", &signature("[]"), "[]").await, "503");
    assert_eq!(post(address, "/lp", "", "").await, "401");
    assert_eq!(post(address, "/sms?key=s3cr3t", "", "").await, "404");
    let logged = lines.0.lock().unwrap().clone();
    let expected = [
        "WARN 503: the notification was not stored: the disk is full",
        "WARN 401: the notification has no x-liveperson-signature",
        "WARN 404: nothing is served at \"/sms\"",
    ];
    assert_eq!(logged, expected);
}
