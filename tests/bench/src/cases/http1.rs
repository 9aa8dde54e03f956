//! HTTP/1.1 without sockets: decoding a response, and a whole exchange.

use std::future::Future;
use std::hint::black_box;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::rt::{Read, ReadBufCursor, Write};
use lp_connector_core::http1::{Decoder, Limits, Progress, RequestTarget, encode};
use ureq_proto::client::{Call, RecvBodyResult, RecvResponseResult, SendRequestResult};

use super::cloud::{TEXT, conversation};
use super::{Case, OURS, Once, by_hand};

pub(super) const CASES: fn() -> Vec<Case> = || {
    vec![
        Case::new("HTTP/1.1 answer", OURS, decode),
        Case::new("HTTP/1.1 answer", "httparse, the head alone", httparse_alone),
        Case::new("HTTP/1.1 exchange", OURS, exchange),
        Case::new("HTTP/1.1 exchange", "ureq-proto", ureq_proto),
        Case::new("HTTP/1.1 exchange", "hyper, a connection that is open", over_hyper),
    ]
};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nDate: Sat, 18 Jul 2026 09:41:07 GMT\r\n\
    Content-Type: application/json\r\nContent-Length: 47\r\nConnection: keep-alive\r\n\
    X-Request-Id: 6a3f0c52-8d0e-4a6f-9f5c-2b7f8e1d3c4a\r\nCache-Control: no-store\r\n\
    Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n\
    X-Content-Type-Options: nosniff\r\n\r\n\
    {\"reqId\":\"0\",\"code\":\"OK\",\"body\":{\"sequence\":7}}";

fn request() -> Request<Vec<u8>> {
    by_hand::Cached::new(by_hand::CLOUD).request(conversation().as_str(), TEXT)
}

fn decode() -> Once {
    Box::new(|| {
        let mut decoder = Decoder::new(&Method::POST, Limits::new());
        let Ok(Progress::Done(decoded)) = decoder.feed(black_box(ANSWER)) else { unreachable!() };
        black_box(decoded);
    })
}

fn httparse_alone() -> Once {
    Box::new(|| {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut headers);
        assert!(response.parse(black_box(ANSWER)).unwrap().is_complete());
        black_box(&response);
    })
}

fn exchange() -> Once {
    let request = request();
    let mut bytes = Vec::new();
    Box::new(move || {
        bytes.clear();
        encode(black_box(&request), RequestTarget::Origin, &mut bytes).unwrap();
        black_box(&bytes);
        let mut decoder = Decoder::new(request.method(), Limits::new());
        let Ok(Progress::Done(decoded)) = decoder.feed(black_box(ANSWER)) else { unreachable!() };
        black_box(decoded);
    })
}

fn ureq_proto() -> Once {
    let (parts, body) = request().into_parts();
    let (mut output, mut input) = (vec![0; 4096], vec![0; 4096]);
    Box::new(move || {
        let mut head = Request::new(());
        *head.method_mut() = parts.method.clone();
        *head.uri_mut() = parts.uri.clone();
        *head.headers_mut() = parts.headers.clone();
        let length = http::HeaderValue::from(body.len());
        head.headers_mut().insert(http::header::CONTENT_LENGTH, length);
        let mut call = Call::new(head).unwrap().proceed();
        let head = call.write(&mut output).unwrap();
        let Ok(Some(SendRequestResult::SendBody(mut call))) = call.proceed() else {
            unreachable!()
        };
        let (taken, written) = call.write(&body, &mut output[head..]).unwrap();
        assert_eq!(taken, body.len());
        black_box(&output[..head + written]);
        let mut call = call.proceed().unwrap();
        let (read, response) = call.try_response(black_box(ANSWER), false).unwrap();
        let Some(RecvResponseResult::RecvBody(mut call)) = call.proceed() else { unreachable!() };
        let (_, length) = call.read(&ANSWER[read..], &mut input).unwrap();
        let Some(RecvBodyResult::Cleanup(call)) = call.proceed() else { unreachable!() };
        assert!(!call.must_close_connection());
        black_box((response, input[..length].to_vec()));
    })
}

/// Both ends of a connection, with the same response to every request.
#[derive(Default)]
struct Memory {
    asked: usize,
    answer: &'static [u8],
}

impl Read for Memory {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.asked == 0 {
            return Poll::Pending;
        }
        self.asked = 0;
        buffer.put_slice(black_box(self.answer));
        Poll::Ready(Ok(()))
    }
}

impl Write for Memory {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.asked += black_box(bytes).len();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn over_hyper() -> Once {
    let mut context = Context::from_waker(Waker::noop());
    let memory = Memory { asked: 0, answer: ANSWER };
    let handshake = hyper::client::conn::http1::handshake::<_, Full<Bytes>>(memory);
    let Poll::Ready(Ok((mut sender, connection))) = pin!(handshake).poll(&mut context) else {
        unreachable!("nothing is waited for")
    };
    let mut connection = Box::pin(connection);
    let (mut parts, body) = request().into_parts();
    parts.headers.insert(http::header::HOST, http::HeaderValue::from_static("va.example.net"));
    let body = Bytes::from(body);
    Box::new(move || {
        let mut context = Context::from_waker(Waker::noop());
        let mut request = Request::new(Full::new(body.clone()));
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = parts.uri.clone();
        *request.headers_mut() = parts.headers.clone();
        let exchange = async {
            let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
            (parts, body.collect().await.unwrap().to_bytes())
        };
        let mut exchange = pin!(exchange);
        for _ in 0..10 {
            if let Poll::Ready(answer) = exchange.as_mut().poll(&mut context) {
                assert_eq!(answer.1.len(), 47);
                black_box(answer);
                // The connection task sees that it is free for the next request.
                let _ = connection.as_mut().poll(&mut context);
                return;
            }
            let _ = connection.as_mut().poll(&mut context);
        }
        unreachable!("the answer was there at once");
    })
}
