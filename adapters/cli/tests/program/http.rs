//! An endpoint that keeps what is posted to it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test reports by panicking")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// A request, which waits for its answer.
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    stream: TcpStream,
}

impl Request {
    fn read(stream: TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let start = head.len();
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return None;
            }
            let line = head[start..].to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        Some(Self { head, body, stream })
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The values of a header.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(one, _)| one.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    /// Answers with a status, such as `200 OK`, and a body, and closes the connection.
    pub(crate) fn answer(self, status: &str, body: &str) {
        let length = body.len();
        self.answer_with(&format!(
            "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        ));
    }

    /// Answers with these bytes. Whoever asked may be gone.
    pub(crate) fn answer_with(mut self, bytes: &str) {
        let _ = self.stream.write_all(bytes.as_bytes());
    }
}

/// An endpoint whose requests `take` answers, each on a thread of its own, until the tests end. Returns its URL.
pub(crate) fn serve(take: impl Fn(Request) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let take = Arc::new(take);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let take = Arc::clone(&take);
            thread::spawn(move || {
                Request::read(stream).into_iter().for_each(|request| take(request))
            });
        }
    });
    url
}
