use std::future::pending;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_io::{AsyncRead, AsyncWrite};
use smol::net::TcpStream;
use socket2::SockRef;

use super::*;

/// Resolves to these addresses; connects to a listener in place of one that accepts.
struct Scripted {
    addresses: Vec<(SocketAddr, Then)>,
    listener: SocketAddr,
    tried: Mutex<Vec<SocketAddr>>,
}

#[derive(Clone, Copy, Debug)]
enum Then {
    Accepts,
    /// Once another address was tried too.
    AcceptsLate,
    Refuses,
    Hangs,
}

/// A stream that knows which address it leads to.
struct To(TcpStream, SocketAddr);

impl Runtime for Scripted {
    type Stream = To;

    async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(self.addresses.iter().map(|(address, _)| *address).collect())
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<To> {
        self.tried.lock().unwrap().push(address);
        let then = self.addresses.iter().find(|(known, _)| *known == address).unwrap().1;
        while matches!(then, Then::AcceptsLate) && self.tried.lock().unwrap().len() < 2 {
            smol::Timer::after(Duration::from_millis(1)).await;
        }
        match then {
            Then::Accepts | Then::AcceptsLate => {
                TcpStream::connect(self.listener).await.map(|stream| To(stream, address))
            }
            Then::Refuses => Err(io::ErrorKind::ConnectionRefused.into()),
            Then::Hangs => pending().await,
        }
    }

    fn socket(stream: &To) -> SockRef<'_> {
        (&stream.0).into()
    }

    async fn sleep(&self, time: Duration) {
        smol::Timer::after(time).await;
    }
}

impl AsyncRead for To {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for To {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(context)
    }
}

const V6: &str = "[2001:db8::1]:80";
const OTHER_V6: &str = "[2001:db8::2]:80";
const V4: &str = "192.0.2.1:80";

/// Which address it connects to, the addresses tried, and how long it took.
fn dialled(addresses: &[(&str, Then)]) -> (Result<SocketAddr, Failure>, Vec<String>, Duration) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let parse = |(address, then): &(&str, Then)| (address.parse().unwrap(), *then);
    let runtime = Scripted {
        addresses: addresses.iter().map(parse).collect(),
        listener: listener.local_addr().unwrap(),
        tried: Mutex::default(),
    };
    let start = Instant::now();
    let connected = smol::block_on(dial(&runtime, "a name", 80));
    let took = start.elapsed();
    let tried = runtime.tried.into_inner().unwrap().iter().map(SocketAddr::to_string).collect();
    (connected.map(|stream| stream.1), tried, took)
}

#[test]
fn addresses_of_one_family_are_tried_in_turn() {
    let (to, tried, _) = dialled(&[(V6, Then::Refuses), (OTHER_V6, Then::Accepts)]);
    assert_eq!(to.unwrap().to_string(), OTHER_V6);
    assert_eq!(tried, [V6, OTHER_V6]);
}

#[test]
fn the_other_family_waits_for_a_head_start() {
    let (to, tried, took) = dialled(&[(V6, Then::Hangs), (V4, Then::Accepts)]);
    assert_eq!(to.unwrap().to_string(), V4);
    assert_eq!(tried, [V6, V4]);
    assert!(took >= HEAD_START, "{took:?}");
}

#[test]
fn the_preferred_family_may_come_late_if_the_other_refuses() {
    let (to, tried, _) = dialled(&[(V6, Then::AcceptsLate), (V4, Then::Refuses)]);
    assert_eq!(to.unwrap().to_string(), V6);
    assert_eq!(tried, [V6, V4]);
}

#[test]
fn the_other_family_takes_over_at_once_after_a_refusal() {
    let (to, tried, took) =
        dialled(&[(V6, Then::Refuses), (OTHER_V6, Then::Refuses), (V4, Then::Accepts)]);
    assert_eq!(to.unwrap().to_string(), V4);
    assert_eq!(tried, [V6, OTHER_V6, V4]);
    assert!(took < HEAD_START, "{took:?}");
}

#[test]
fn the_preferred_family_alone_is_tried_if_it_accepts() {
    let (to, tried, _) = dialled(&[(V4, Then::Accepts), (V6, Then::Hangs)]);
    assert_eq!(to.unwrap().to_string(), V4);
    assert_eq!(tried, [V4]);
}

#[test]
fn no_address_and_no_connection_were_never_sent_to() {
    let failure = dialled(&[]).0.unwrap_err();
    assert_eq!((failure.kind(), failure.may_have_left()), (FailureKind::Resolve, false));
    let failure = dialled(&[(V6, Then::Refuses), (V4, Then::Refuses)]).0.unwrap_err();
    assert_eq!((failure.kind(), failure.may_have_left()), (FailureKind::Connect, false));
}
