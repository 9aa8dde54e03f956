//! One request and its response, seen where the bytes pass.
//!
//! ureq does a request on the thread that asks for it, from first to last byte. So the exchange of a thread
//! is the one that it does now.

use std::cell::RefCell;

use bytes::Bytes;
use http::{Method, Response};
use lp_connector_core::http1::{DecodeError, Decoded, Decoder, Limits, Progress};

thread_local! {
    static EXCHANGE: RefCell<Option<State>> = const { RefCell::new(None) };
}

struct State {
    decoder: Decoder,
    request_left: bool,
    on_new_connection: bool,
    response: Option<Response<Bytes>>,
}

/// The exchange that this thread does now, until it is dropped.
pub(crate) struct Exchange(());

impl Exchange {
    /// Begins one.
    pub(crate) fn begin(method: &Method, limits: Limits) -> Self {
        EXCHANGE.set(Some(State {
            decoder: Decoder::new(method, limits),
            request_left: false,
            on_new_connection: false,
            response: None,
        }));
        Self(())
    }

    /// True if some of the request was given to a connection: then it may have arrived.
    #[expect(clippy::unused_self, reason = "there is nothing to ask before an exchange has begun")]
    pub(crate) fn request_left(&self) -> bool {
        with(|state| state.request_left).unwrap_or_default()
    }

    /// True if that connection had carried no response before.
    #[expect(clippy::unused_self, reason = "there is nothing to ask before an exchange has begun")]
    pub(crate) fn on_new_connection(&self) -> bool {
        with(|state| state.on_new_connection).unwrap_or_default()
    }

    /// The response, if it has come whole.
    #[expect(clippy::unused_self, reason = "there is nothing to ask before an exchange has begun")]
    pub(crate) fn take_response(&self) -> Option<Response<Bytes>> {
        with(|state| state.response.take()).flatten()
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        EXCHANGE.set(None);
    }
}

/// Notes that some of the request is given to a connection.
pub(crate) fn request_leaves(on_new_connection: bool) {
    with(|state| {
        state.request_left = true;
        state.on_new_connection = on_new_connection;
    });
}

/// Decodes bytes that have arrived. True, and whether the connection may carry another request, once the
/// response is whole.
pub(crate) fn feed(bytes: &[u8]) -> Result<Option<bool>, DecodeError> {
    with(|state| match state.decoder.feed(bytes)? {
        Progress::More => Ok(None),
        Progress::Done(decoded) => Ok(Some(state.keep(decoded))),
    })
    .unwrap_or(Err(DecodeError::Finished))
}

/// Ends the response where the connection has ended well.
pub(crate) fn finish() -> Result<bool, DecodeError> {
    with(|state| state.decoder.finish().map(|decoded| state.keep(decoded)))
        .unwrap_or(Err(DecodeError::Finished))
}

impl State {
    fn keep(&mut self, decoded: Decoded) -> bool {
        self.response = Some(decoded.response);
        decoded.reusable
    }
}

fn with<T>(change: impl FnOnce(&mut State) -> T) -> Option<T> {
    EXCHANGE.with_borrow_mut(|exchange| exchange.as_mut().map(change))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_response_comes_to_an_exchange_that_has_ended() {
        let exchange = Exchange::begin(&Method::GET, Limits::new());
        assert_eq!(feed(b"HTTP/1.1 200 OK\r\n"), Ok(None));
        drop(exchange);
        assert_eq!(feed(b"content-length: 0\r\n\r\n"), Err(DecodeError::Finished));
    }
}
