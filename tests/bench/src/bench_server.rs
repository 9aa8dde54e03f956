//! The server of the load measurements. It answers like the cloud with little work, so that the clients
//! are measured and not the server; unlike the sandbox it stores no messages.
//!
//! It checks of each message that it has credentials and a JSON body of the length in the head.

use std::io::{self, Read as _, Write as _};
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::machine;

/// A callback for the bytes of each request.
pub(crate) type RequestObserver = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// Prints the address, and serves until standard input ends.
pub(crate) fn run() -> io::Result<()> {
    machine::pin_to_core(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    println!("http://{}", listener.local_addr()?);
    io::stdout().flush()?;
    std::thread::spawn(|| {
        // Standard input ends with the parent process.
        let _ = io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    runtime.block_on(serve(listener, None))
}

/// Serves all connections of a listener.
pub(crate) async fn serve(
    listener: TcpListener,
    observer: Option<RequestObserver>,
) -> io::Result<()> {
    let authority = listener.local_addr()?.to_string();
    let hosts = Arc::new(authority);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (hosts, observer) = (hosts.clone(), observer.clone());
        tokio::spawn(async move {
            // A failed connection affects its client only.
            let _ = connection(stream, &hosts, observer).await;
        });
    }
}

async fn connection(
    mut stream: TcpStream,
    host: &str,
    observer: Option<RequestObserver>,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    let (mut filled, mut answer) = (0, Vec::with_capacity(1024));
    loop {
        let room = buffer.get_mut(filled..).unwrap_or_default();
        let read = stream.read(room).await?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        let bytes = buffer.get(..filled).unwrap_or_default();
        let Some(request) = Request::read(bytes)? else { continue };
        if let Some(observer) = &observer {
            observer(bytes);
        }
        answer.clear();
        request.answer(host, &mut answer);
        filled = 0;
        stream.write_all(&answer).await?;
    }
}

/// The parts of a request that the response depends on.
struct Request<'a> {
    path: &'a str,
    is_authorized: bool,
    body: &'a [u8],
}

impl<'a> Request<'a> {
    /// `None` if the request is incomplete.
    fn read(bytes: &'a [u8]) -> io::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Request::new(&mut headers);
        let parsed = head.parse(bytes).map_err(io::Error::other)?;
        let httparse::Status::Complete(length) = parsed else { return Ok(None) };
        let value =
            |name: &str| head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        let body_length = value("content-length")
            .and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok())
            .unwrap_or(0);
        let Some(body) = bytes.get(length..length + body_length) else { return Ok(None) };
        let is_authorized = value("authorization").is_some_and(|header| header.value.len() > 400)
            && value("x-lp-on-behalf").is_some_and(|header| header.value.len() > 400);
        Ok(Some(Self { path: head.path.unwrap_or_default(), is_authorized, body }))
    }

    fn answer(&self, host: &str, into: &mut Vec<u8>) {
        let path = self.path.split('?').next().unwrap_or_default();
        let token = "e".repeat(430);
        let (status, body) = if path.ends_with("/send") {
            if self.is_authorized && self.body.len() > 400 && self.body.ends_with(b"}}}") {
                ("200 OK", r#"{"reqId":"0","code":"OK","body":{"sequence":7}}"#.to_owned())
            } else {
                ("400 Bad Request", r#"{"code":"BAD_REQUEST"}"#.to_owned())
            }
        } else if let Some(service) = path.strip_suffix("/baseURI.json") {
            let service = service.rsplit('/').next().unwrap_or_default();
            ("200 OK", format!(r#"{{"service":"{service}","baseURI":"{host}"}}"#))
        } else if path.ends_with("/app/token") {
            ("200 OK", format!(r#"{{"access_token":"{token}","token_type":"Bearer"}}"#))
        } else {
            ("200 OK", format!(r#"{{"token":"{token}"}}"#))
        };
        let length = body.len();
        // Headers as a service behind a load balancer sends them.
        into.extend_from_slice(
            format!(
                "HTTP/1.1 {status}\r\nDate: Sat, 18 Jul 2026 09:41:07 GMT\r\n\
                 Content-Type: application/json\r\nContent-Length: {length}\r\n\
                 X-Request-Id: 6a3f0c52-8d0e-4a6f-9f5c-2b7f8e1d3c4a\r\n\
                 Cache-Control: no-store\r\n\r\n{body}"
            )
            .as_bytes(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_refuses_what_is_not_a_message() {
        let answer = |bytes: &[u8]| {
            let mut answer = Vec::new();
            Request::read(bytes).unwrap().unwrap().answer("h", &mut answer);
            String::from_utf8(answer).unwrap()
        };
        assert!(answer(b"POST /x/send?v=3 HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 400"));
        assert!(answer(b"GET /a/idp/baseURI.json HTTP/1.1\r\n\r\n").contains("\"baseURI\":\"h\""));
        assert!(Request::read(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n1").unwrap().is_none());
    }
}
