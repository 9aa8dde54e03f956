//! The channel's gateway: it takes deliveries and writes them down.

use std::io::Read;
use std::sync::Arc;

use serde_json::Value;
use tiny_http::{Response, Server};

use crate::ChaosError;
use crate::books::{Books, Told};

/// The most bytes of a delivery.
const MAX_BODY: u64 = 1 << 20;

/// Serves deliveries on some threads, and returns the address.
pub(crate) fn serve(books: &Arc<Books>) -> Result<String, ChaosError> {
    let server = Arc::new(Server::http("127.0.0.1:0")?);
    let address = server.server_addr().to_string();
    for _ in 0..8 {
        let (server, books) = (server.clone(), books.clone());
        std::thread::spawn(move || {
            while let Ok(mut request) = server.recv() {
                let mut body = Vec::new();
                let read = request.as_reader().take(MAX_BODY).read_to_end(&mut body);
                let taken = read.is_ok() && take(&books, &body).is_some();
                let _ = request.respond(Response::empty(if taken { 204 } else { 400 }));
            }
        });
    }
    Ok(format!("http://{address}/deliver"))
}

fn take(books: &Books, body: &[u8]) -> Option<()> {
    let delivery: Value = serde_json::from_slice(body).ok()?;
    let text = |name: &str| delivery.get(name).and_then(Value::as_str);
    let mut book = books.lock();
    match text("kind")? {
        "message" => {
            let in_order = text("order")? == "in_order";
            book.deliver(text("consumer")?, text("id")?, text("text")?, in_order);
        }
        "status" => match text("progress")? {
            "sent" => book.tell(text("message")?, Told::Sent),
            "unconfirmed" => book.tell(text("message")?, Told::Unconfirmed),
            "failed" => book.tell(text("message")?, Told::Refused),
            _ => {}
        },
        _ => {}
    }
    Some(())
}
