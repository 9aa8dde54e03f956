use std::future::poll_fn;
use std::io::{IoSlice, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use futures_io::AsyncWrite as _;

use super::*;

/// Both ends of a connection.
fn pair() -> (AsyncIoStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connecting = AsyncIoStream::connect(listener.local_addr().unwrap());
    let stream = smol::block_on(connecting).unwrap();
    (stream, listener.accept().unwrap().0)
}

async fn read(stream: &mut AsyncIoStream) -> String {
    let mut buffer = [0; 4];
    let read = poll_fn(|context| Pin::new(&mut *stream).poll_read(context, &mut buffer)).await;
    String::from_utf8(buffer[..read.unwrap()].to_vec()).unwrap()
}

async fn write(stream: &mut AsyncIoStream) {
    let written = poll_fn(|context| Pin::new(&mut *stream).poll_write(context, b"Coo?")).await;
    assert_eq!(written.unwrap(), 4);
}

/// A task of which only the waking is of interest.
#[derive(Default)]
struct Task(AtomicUsize);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn what_was_there_before_a_write_is_read_after_it() {
    let (mut stream, mut peer) = pair();
    peer.write_all(b"early").unwrap();
    smol::block_on(async {
        write(&mut stream).await;
        assert_eq!(read(&mut stream).await, "earl");
        assert_eq!(read(&mut stream).await, "y");
    });
}

#[test]
fn each_exchange_is_read_also_after_one_that_came_at_once() {
    let (mut stream, mut peer) = pair();
    smol::block_on(async {
        for n in 0..20 {
            write(&mut stream).await;
            if n % 3 == 0 {
                // A poll before there is anything, as when a deadline is looked at.
                let waker = Waker::from(Arc::<Task>::default());
                let mut context = Context::from_waker(&waker);
                let mut byte = [0; 1];
                assert!(Pin::new(&mut stream).poll_read(&mut context, &mut byte).is_pending());
            }
            peer.write_all(&[b'a' + n]).unwrap();
            assert_eq!(read(&mut stream).await.as_bytes(), [b'a' + n]);
        }
    });
}

#[test]
fn the_end_is_read_after_a_write() {
    let (mut stream, peer) = pair();
    smol::block_on(async {
        write(&mut stream).await;
        peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read(&mut stream).await, "");
    });
}

#[test]
fn a_closed_stream_takes_nothing_more_and_is_read_on() {
    let (mut stream, mut peer) = pair();
    smol::block_on(async {
        poll_fn(|context| Pin::new(&mut stream).poll_close(context)).await.unwrap();
        let written = poll_fn(|context| Pin::new(&mut stream).poll_write(context, b"Coo?")).await;
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(peer.read(&mut [0; 4]).unwrap(), 0, "it has come to the end");
        peer.write_all(b"late").unwrap();
        assert_eq!(read(&mut stream).await, "late");
    });
}

#[test]
fn a_read_after_a_write_waits_for_the_reactor() {
    let (mut stream, mut peer) = pair();
    peer.write_all(b"early").unwrap();
    smol::block_on(async {
        write(&mut stream).await;
        let mut polls = 0;
        let mut buffer = [0; 5];
        poll_fn(|context| {
            polls += 1;
            Pin::new(&mut stream).poll_read(context, &mut buffer)
        })
        .await
        .unwrap();
        assert!(polls > 1, "it reads only what the reactor has reported");
        assert_eq!(&buffer, b"early");
    });
}

#[test]
fn several_records_leave_in_one_call() {
    let (mut stream, _peer) = pair();
    let records = [IoSlice::new(b"Coo"), IoSlice::new(b"Coo?")];
    let write = poll_fn(|context| Pin::new(&mut stream).poll_write_vectored(context, &records));
    assert_eq!(smol::block_on(write).unwrap(), 7);
}
