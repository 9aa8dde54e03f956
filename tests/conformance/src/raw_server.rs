//! A server that plays a script on each connection, byte by byte as it is told.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};

use crate::certificate::{certificate, demanding};

/// What the server does.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Reads a request whole, and responds with these bytes.
    Respond(Vec<u8>),
    /// Sends these bytes without a request, when [`RawServer::proceed`] says so.
    Send(Vec<u8>),
    /// With TLS: reads a request whole and responds with the first bytes. The beginning of a record with
    /// the second bytes comes with them, the rest when there is another request.
    RespondAndBegin(Vec<u8>, Vec<u8>),
    /// With TLS: sends what TLS itself sends on an idle connection (a key update), when
    /// [`RawServer::proceed`] says so.
    SpeakTls,
    /// Reads a request whole, and closes with a reset.
    ReadAndReset,
    /// Reads a request but for its last byte, responds with these bytes, and closes with a reset.
    RespondAndReset(Vec<u8>),
    /// Reads the head of a request, responds with these bytes, and closes with a reset.
    RespondToHead(Vec<u8>),
    /// Reads a request whole, responds with these bytes, and ends TLS as it should be ended.
    RespondAndEndTls(Vec<u8>),
    /// Closes, when [`RawServer::proceed`] says so.
    Close,
    /// Keeps the connection open for 10 s, and does nothing with it.
    Stall,
    /// Reads the head of a request, and then nothing for 10 s.
    StallAtHead,
}

pub(crate) struct RawServer {
    address: SocketAddr,
    tls: Option<(Arc<ServerConfig>, String)>,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    go: Sender<()>,
    done: Receiver<()>,
}

/// What the connections of a server share.
#[derive(Clone)]
struct Stage {
    requests: Arc<Mutex<Vec<String>>>,
    go: Arc<Mutex<Receiver<()>>>,
    done: Sender<()>,
}

enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl RawServer {
    /// Plays one script for each connection, in the order in which they come; then refuses to talk.
    pub(crate) fn start(scripts: Vec<Vec<Act>>) -> Self {
        Self::start_with(None, scripts)
    }

    /// The same, over TLS.
    pub(crate) fn start_tls(scripts: Vec<Vec<Act>>) -> Self {
        Self::start_with(Some(certificate()), scripts)
    }

    /// The same, over this version of TLS, and demands a certificate of the client.
    pub(crate) fn start_demanding(
        version: &'static SupportedProtocolVersion,
        scripts: Vec<Vec<Act>>,
    ) -> Self {
        Self::start_with(Some(demanding(version)), scripts)
    }

    fn start_with(tls: Option<(Arc<ServerConfig>, String)>, scripts: Vec<Vec<Act>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (go, gone) = mpsc::channel();
        let (end, done) = mpsc::channel();
        let stage = Stage { requests: requests.clone(), go: Arc::new(Mutex::new(gone)), done: end };
        let config = tls.as_ref().map(|(config, _)| config.clone());
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = connections.clone();
        thread::spawn(move || {
            for script in scripts {
                let Ok((stream, _)) = listener.accept() else { return };
                accepted.fetch_add(1, Ordering::Relaxed);
                let (stage, config) = (stage.clone(), config.clone());
                // Bounded by the scripts; each ends with its script, or with the client.
                thread::spawn(move || {
                    // A client that closes ends its script.
                    let _ = play(stream, config, script, &stage);
                    let _ = stage.done.send(());
                });
            }
        });
        Self { address, tls, requests, connections, go, done }
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The CA of its certificate, if it speaks TLS.
    pub(crate) fn ca_pem(&self) -> String {
        self.tls.as_ref().map(|(_, pem)| pem.clone()).unwrap_or_default()
    }

    /// The heads of the requests that came, in lower case.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Lets the next act that waits for it happen, and waits until it has.
    pub(crate) fn proceed(&self) {
        self.go.send(()).unwrap();
        self.wait();
    }

    /// Waits until one more script has been played to its end.
    pub(crate) fn wait(&self) {
        self.done.recv_timeout(Duration::from_secs(10)).unwrap();
        // What was sent is in the client's socket by now, on a busy machine a moment later.
        thread::sleep(Duration::from_millis(20));
    }
}

impl Stage {
    /// Waits for [`RawServer::proceed`]. Between two of them one act alone waits.
    fn wait(&self) -> io::Result<()> {
        let go = self.go.lock().unwrap();
        go.recv_timeout(Duration::from_secs(10)).map_err(io::Error::other)
    }
}

/// A good response with this body.
pub(crate) fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn play(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    script: Vec<Act>,
    stage: &Stage,
) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.set_nodelay(true)?;
    let mut wire = match tls {
        None => Wire::Plain(stream),
        Some(config) => {
            let connection = ServerConnection::new(config).map_err(io::Error::other)?;
            Wire::Tls(Box::new(StreamOwned::new(connection, stream)))
        }
    };
    let mut begun = Vec::new();
    for act in script {
        match act {
            Act::Respond(bytes) => {
                read_request(&mut wire, &stage.requests)?;
                wire.tcp().write_all(&std::mem::take(&mut begun))?;
                wire.write_all(&bytes)?;
            }
            Act::Send(bytes) => {
                stage.wait()?;
                wire.write_all(&bytes)?;
                stage.done.send(()).map_err(io::Error::other)?;
            }
            Act::RespondAndBegin(response, unsolicited) => {
                read_request(&mut wire, &stage.requests)?;
                let Wire::Tls(tls) = &mut wire else { return Ok(()) };
                tls.conn.writer().write_all(&response)?;
                let mut records = Vec::new();
                while tls.conn.wants_write() {
                    tls.conn.write_tls(&mut records)?;
                }
                tls.conn.writer().write_all(&unsolicited)?;
                while tls.conn.wants_write() {
                    tls.conn.write_tls(&mut begun)?;
                }
                records.extend(begun.drain(..20));
                tls.sock.write_all(&records)?;
            }
            Act::SpeakTls => {
                stage.wait()?;
                let Wire::Tls(tls) = &mut wire else { return Ok(()) };
                tls.conn.refresh_traffic_keys().map_err(io::Error::other)?;
                while tls.conn.wants_write() {
                    tls.conn.write_tls(&mut tls.sock)?;
                }
                stage.done.send(()).map_err(io::Error::other)?;
            }
            Act::ReadAndReset => {
                read_request(&mut wire, &stage.requests)?;
                return Ok(());
            }
            Act::RespondAndReset(bytes) => {
                let length = begin_request(&mut wire, &stage.requests)?;
                wire.read_exact(&mut vec![0; length.saturating_sub(1)])?;
                // Once it has come, closing without reading it is a reset.
                wire.tcp().peek(&mut [0; 1])?;
                wire.write_all(&bytes)?;
                return Ok(());
            }
            Act::RespondToHead(bytes) => {
                begin_request(&mut wire, &stage.requests)?;
                wire.tcp().peek(&mut [0; 1])?;
                wire.write_all(&bytes)?;
                return Ok(());
            }
            Act::RespondAndEndTls(bytes) => {
                read_request(&mut wire, &stage.requests)?;
                wire.write_all(&bytes)?;
                let Wire::Tls(tls) = &mut wire else { return Ok(()) };
                tls.conn.send_close_notify();
                while tls.conn.wants_write() {
                    tls.conn.write_tls(&mut tls.sock)?;
                }
                break;
            }
            Act::Close => {
                stage.wait()?;
                break;
            }
            Act::StallAtHead => {
                begin_request(&mut wire, &stage.requests)?;
                // Nobody says go on.
                return stage.wait();
            }
            Act::Stall => {
                // Until the client gives up.
                let mut rest = [0; 1024];
                while wire.tcp().read(&mut rest)? > 0 {}
                return Ok(());
            }
        }
    }
    wire.tcp().shutdown(Shutdown::Both)
}

/// Reads a head.
pub(crate) fn read_head(from: &mut impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    let mut byte = [0; 1];
    while !bytes.ends_with(b"\r\n\r\n") {
        from.read_exact(&mut byte)?;
        bytes.extend_from_slice(&byte);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads head and body.
fn read_request(from: &mut impl Read, seen: &Mutex<Vec<String>>) -> io::Result<()> {
    let length = begin_request(from, seen)?;
    from.read_exact(&mut vec![0; length])
}

/// Reads the head of a request, and gives the length of the body behind it.
fn begin_request(from: &mut impl Read, seen: &Mutex<Vec<String>>) -> io::Result<usize> {
    let head = read_head(from)?.to_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
    let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
    seen.lock().unwrap().push(head);
    Ok(length)
}

impl Wire {
    /// The connection under TLS, or under nothing.
    fn tcp(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &mut stream.sock,
        }
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
