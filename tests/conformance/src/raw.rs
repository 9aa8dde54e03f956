//! A server that plays a script on each connection, byte by byte as it is told.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What the server does.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Reads a request whole, and answers with these bytes.
    Answer(Vec<u8>),
    /// Reads a request whole, and closes with a reset.
    ReadAndReset,
    /// Keeps the connection open, and does nothing with it.
    Stall,
}

pub(crate) struct Raw {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    ended: Receiver<()>,
}

impl Raw {
    /// Plays one script for each connection, in the order in which they come; then refuses to talk.
    pub(crate) fn start(scripts: Vec<Vec<Act>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        let (end, ended) = mpsc::channel();
        thread::spawn(move || {
            for script in scripts {
                let Ok((stream, _)) = listener.accept() else { return };
                let (seen, end) = (seen.clone(), end.clone());
                // Bounded by the scripts; each ends with its script, or with the client.
                thread::spawn(move || {
                    play(stream, script, &seen);
                    let _ = end.send(());
                });
            }
        });
        Self { address, requests, ended }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The request lines that came.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits until one more script has been played to its end.
    pub(crate) fn wait(&self) {
        self.ended.recv_timeout(Duration::from_secs(10)).unwrap();
    }
}

/// A good answer with this body.
pub(crate) fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn play(mut stream: TcpStream, script: Vec<Act>, seen: &Mutex<Vec<String>>) {
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.set_nodelay(true).unwrap();
    for act in script {
        match act {
            Act::Answer(bytes) => {
                if !read_request(&mut stream, seen) || stream.write_all(&bytes).is_err() {
                    return;
                }
            }
            Act::ReadAndReset => {
                read_request(&mut stream, seen);
                return;
            }
            Act::Stall => {
                // Until the client gives up.
                let mut rest = [0; 1024];
                while stream.read(&mut rest).is_ok_and(|read| read > 0) {}
                return;
            }
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
}

/// Reads head and body. False if the client closed instead.
fn read_request(stream: &mut TcpStream, seen: &Mutex<Vec<String>>) -> bool {
    let mut bytes = Vec::new();
    let mut byte = [0; 1];
    while !bytes.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => bytes.extend_from_slice(&byte),
            _ => return false,
        }
    }
    let head = String::from_utf8_lossy(&bytes).to_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
    let length: usize = length.and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    if stream.read_exact(&mut body).is_err() {
        return false;
    }
    seen.lock().unwrap().push(head.lines().next().unwrap_or_default().to_owned());
    true
}

/// A proxy that makes tunnels, or refuses to.
pub(crate) struct RawProxy {
    address: SocketAddr,
    tunnels: Arc<Mutex<Vec<String>>>,
}

impl RawProxy {
    pub(crate) fn start(refuse: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let tunnels = Arc::new(Mutex::new(Vec::new()));
        let seen = tunnels.clone();
        thread::spawn(move || {
            // More connections than any case makes.
            for stream in listener.incoming().take(20).flatten() {
                let seen = seen.clone();
                thread::spawn(move || tunnel(stream, refuse, &seen));
            }
        });
        Self { address, tunnels }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://user:s3cr3t@{}", self.address)
    }

    /// Where the tunnels led.
    pub(crate) fn tunnels(&self) -> Vec<String> {
        self.tunnels.lock().unwrap().clone()
    }
}

fn tunnel(mut client: TcpStream, refuse: bool, seen: &Mutex<Vec<String>>) {
    let requests = Mutex::new(Vec::new());
    if !read_request(&mut client, &requests) {
        return;
    }
    let line = requests.lock().unwrap().pop().unwrap();
    let to = line.split(' ').nth(1).unwrap_or_default().to_owned();
    if refuse {
        let _ = client.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
        return;
    }
    seen.lock().unwrap().push(to.clone());
    let Ok(mut server) = TcpStream::connect(to) else { return };
    if client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").is_err() {
        return;
    }
    let (mut from_client, mut to_server) =
        (client.try_clone().unwrap(), server.try_clone().unwrap());
    let forth = thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let _ = std::io::copy(&mut server, &mut client);
    let _ = client.shutdown(Shutdown::Both);
    let _ = forth.join();
}
