use std::future::Future;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_rustls::TlsConnector;
use futures_rustls::pki_types::{PrivateKeyDer, ServerName};
use futures_rustls::rustls::{ServerConfig, ServerConnection};
use http::Method;
use lp_connector_core::http1::Limits;
use rcgen::{CertificateParams, KeyPair};
use socket2::{Domain, SockRef, Socket, Type};

use super::*;
use crate::world_tests::Task;

const NAME: &str = "cloud.sandbox.test";
const REQUEST: &[u8] = b"POST /probe HTTP/1.1\r\nhost: cloud.sandbox.test\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nCoo!";

/// A server in memory.
struct Peer {
    /// `None` if it speaks no TLS.
    tls: Option<ServerConnection>,
    then: Then,
    /// It has read that nothing comes any more.
    has_read_the_end: bool,
    is_closed: bool,
    /// Never connected: whoever looks at it gets an error.
    socket: Socket,
}

/// What it does once TLS is set up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Then {
    Answers,
    /// It takes nothing at the first try.
    AnswersLate,
    Resets,
}

impl Peer {
    fn new(tls: Option<ServerConnection>, then: Then) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { tls, then, has_read_the_end: false, is_closed: false, socket }
    }

    fn is_set_up(&self) -> bool {
        self.tls.as_ref().is_none_or(|tls| !tls.is_handshaking())
    }
}

impl AsyncRead for Peer {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let is_reset = self.is_set_up() && self.then == Then::Resets;
        if let Some(tls) = &mut self.tls
            && tls.wants_write()
        {
            return Poll::Ready(tls.write_tls(&mut buffer));
        }
        match is_reset {
            true => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            false => Poll::Pending,
        }
    }
}

impl AsyncWrite for Peer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_set_up() {
            match self.then {
                Then::Answers => {}
                Then::AnswersLate => {
                    self.then = Then::Answers;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Then::Resets => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            }
        }
        let Some(tls) = &mut self.tls else { return Poll::Ready(Ok(bytes.len())) };
        let taken = tls.read_tls(&mut bytes)?;
        let state = tls.process_new_packets().map_err(io::Error::other)?;
        if state.plaintext_bytes_to_read() > 0 {
            tls.writer().write_all(ANSWER)?;
        }
        self.has_read_the_end = state.peer_has_closed();
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.is_closed = true;
        Poll::Ready(Ok(()))
    }
}

/// Only its streams are of interest.
struct InMemory;

impl Runtime for InMemory {
    type Stream = Peer;

    async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(Vec::new())
    }

    async fn connect(&self, _: SocketAddr) -> io::Result<Peer> {
        Err(io::ErrorKind::ConnectionRefused.into())
    }

    fn socket(stream: &Peer) -> SockRef<'_> {
        (&stream.socket).into()
    }

    async fn sleep(&self, _: Duration) {}
}

fn plain(then: Then) -> Connection<InMemory> {
    Connection::plain(Peer::new(None, then))
}

fn tls(then: Then) -> Connection<InMemory> {
    let key = KeyPair::generate().unwrap();
    let names = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
    let certificate = names.self_signed(&key).unwrap();
    let client = lp_connector_tls::client_config_with(certificate.pem().as_bytes()).unwrap();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let server = ServerConfig::builder_with_provider(lp_connector_tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let peer = Peer::new(Some(ServerConnection::new(server.into()).unwrap()), then);
    let name = ServerName::try_from(NAME).unwrap();
    let connector = TlsConnector::from(Arc::new(client));
    Connection::tls(run(connector.connect(name, RecordStream::new(peer))).unwrap())
}

/// Runs a future to its end. In memory nothing comes later.
#[track_caller]
fn run<T>(future: impl Future<Output = T>) -> T {
    Task::new(future).poll().expect("it waits for ever")
}

fn exchange(connection: &mut Connection<InMemory>, request: &[u8]) -> Result<Decoded, Failure> {
    let decoder = Decoder::new(&Method::POST, Limits::new());
    run(connection.exchange(request, decoder, &AtomicBool::new(false)))
}

/// Whole records may have left before a write fails. The peer cannot read one in part.
#[test]
fn a_request_of_several_records_may_have_left_in_part() {
    for (is_tls, length, may_have_left) in
        [(true, 16_384, false), (true, 16_385, true), (false, 16_385, false)]
    {
        let mut connection = if is_tls { tls(Then::Resets) } else { plain(Then::Resets) };
        let failure = exchange(&mut connection, &vec![b'x'; length]).unwrap_err();
        let reported = (failure.kind(), failure.may_have_left());
        assert_eq!(reported, (FailureKind::Broken, may_have_left), "{length} bytes");
    }
}

#[test]
fn what_tls_holds_back_leaves_before_the_answer_is_read() {
    let decoded = exchange(&mut tls(Then::AnswersLate), REQUEST).unwrap();
    assert_eq!(decoded.response.body(), "Coo!");
}

#[test]
fn a_connection_whose_socket_has_failed_is_stale() {
    assert!(run(plain(Then::Answers).is_stale()));
}

#[test]
fn closing_ends_tls_and_the_socket() {
    let mut connection = tls(Then::Answers);
    run(poll_fn(|context| Pin::new(&mut connection.stream).poll_close(context))).unwrap();
    let Stream::Tls(tls) = &connection.stream else { panic!("it is plain") };
    let peer = tls.get_ref().0.stream();
    assert!(peer.has_read_the_end && peer.is_closed);
}
