//! hyper's client, on a connection in memory.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::Request;
use http_body::Body as _;
use http_body_util::Empty;
use hyper::client::conn::http1::Builder;
use hyper::rt::{Read, ReadBufCursor, Write};

use super::{Input, LONGEST, Response};

/// After so many rounds without a step the server closes the connection, and after as many more it is over.
const IDLE_ROUNDS: u32 = 4;

/// The response as hyper reads it, or its error.
pub(super) fn read(input: Input<'_>) -> Result<Response, String> {
    let closed = Rc::new(Cell::new(false));
    let memory = Memory { asked: false, answer: input.bytes.to_vec(), closed: Rc::clone(&closed) };
    let mut context = Context::from_waker(Waker::noop());
    // What the core reads too, though nobody may send it any more.
    let handshake = Builder::new()
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .handshake::<_, Empty<Bytes>>(memory);
    let Poll::Ready(Ok((mut sender, connection))) = pin!(handshake).poll(&mut context) else {
        return Err("no connection".to_owned());
    };
    let mut connection = pin!(connection);
    let mut request = Request::new(Empty::new());
    *request.method_mut() = input.method.clone();
    let mut response = pin!(sender.send_request(request));
    let (mut head, mut body) = (None, Vec::new());
    let mut idle = 0;
    // Each round but the idle ones reads a byte or more.
    for _ in 0..LONGEST + 3 * IDLE_ROUNDS as usize {
        idle += 1;
        match &mut head {
            None => match response.as_mut().poll(&mut context) {
                Poll::Ready(Ok(response)) => {
                    head = Some(response.into_parts());
                    idle = 0;
                }
                Poll::Ready(Err(error)) => return Err(format!("{error:?}")),
                Poll::Pending => {}
            },
            Some((parts, incoming)) => match Pin::new(incoming).poll_frame(&mut context) {
                Poll::Ready(Some(Ok(frame))) => {
                    body.extend(frame.into_data().unwrap_or_default());
                    idle = 0;
                }
                Poll::Ready(Some(Err(error))) => return Err(format!("{error:?}")),
                Poll::Ready(None) => {
                    let _ = connection.as_mut().poll(&mut context);
                    let (status, headers) = (parts.status, std::mem::take(&mut parts.headers));
                    let reusable = !closed.get()
                        && matches!(sender.poll_ready(&mut context), Poll::Ready(Ok(())));
                    return Ok(Response { status, headers, body, reusable });
                }
                Poll::Pending => {}
            },
        }
        let _ = connection.as_mut().poll(&mut context);
        if idle == IDLE_ROUNDS {
            closed.set(true);
        } else if idle == 2 * IDLE_ROUNDS {
            break;
        }
    }
    Err("it waits for ever".to_owned())
}

/// A connection whose other end answers the first request.
struct Memory {
    asked: bool,
    /// What has not been read of the answer.
    answer: Vec<u8>,
    closed: Rc<Cell<bool>>,
}

impl Read for Memory {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.asked && !self.answer.is_empty() {
            let length = self.answer.len().min(buffer.remaining());
            let part: Vec<u8> = self.answer.drain(..length).collect();
            buffer.put_slice(&part);
            return Poll::Ready(Ok(()));
        }
        if self.closed.get() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

impl Write for Memory {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.asked |= !bytes.is_empty();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
