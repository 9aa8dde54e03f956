//! The last link of the connector chain: reads responses with the core's codec, in place of ureq's parser.
//!
//! ureq's parser takes no folded header, no more than a hundred headers and no headers of a `100 Continue`;
//! and it takes a body that TLS or TCP has cut off for a whole one. ureq keeps what it is here for: names,
//! connections, proxies, TLS, time-outs and the writing of requests. Of a response it sees a stand-in, which
//! says whether the connection is kept.

use std::fmt;
use std::time::Duration;

use lp_connector_tls::is_closed_by_peer;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, NextTimeout, Transport, time,
};

use crate::exchange;

/// The stand-in for a response whose connection is kept.
const KEPT: &[u8] = b"HTTP/1.1 204 \r\n\r\n";

/// The stand-in for a response whose connection is closed.
const CLOSED: &[u8] = b"HTTP/1.1 204 \r\nconnection: close\r\n\r\n";

#[derive(Debug)]
pub(crate) struct CodecConnector;

impl<In: Transport> Connector<In> for CodecConnector {
    type Out = CodecTransport<In>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        Ok(chained.map(CodecTransport::new))
    }
}

/// A transport whose input is the stand-in for a response.
pub(crate) struct CodecTransport<In> {
    transport: In,
    stand_in: &'static [u8],
    /// No response has come on it yet.
    is_new: bool,
    /// The peer has closed it.
    is_closed: bool,
}

impl<In: Transport> CodecTransport<In> {
    fn new(transport: In) -> Self {
        Self { transport, stand_in: &[], is_new: true, is_closed: false }
    }
}

impl<In: Transport> Transport for CodecTransport<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        if amount > 0 {
            exchange::request_leaves(self.is_new);
        }
        if self.is_closed {
            return Ok(());
        }
        match self.transport.transmit_output(amount, steady(timeout)) {
            // It may have responded to what it has read: that is read next.
            Err(ureq::Error::Io(error)) if is_closed_by_peer(&error) => {
                self.is_closed = true;
                Ok(())
            }
            transmitted => transmitted,
        }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let has_input = self.transport.await_input(steady(timeout))?;
        let done = if has_input {
            let buffers = self.transport.buffers();
            let bytes = buffers.input();
            let (taken, fed) = (bytes.len(), exchange::feed(bytes));
            buffers.input_consume(taken);
            fed
        } else {
            exchange::finish().map(Some)
        };
        if let Some(reusable) = done.map_err(|error| ureq::Error::Other(error.into()))? {
            self.is_new = false;
            self.stand_in = if reusable && !self.is_closed { KEPT } else { CLOSED };
        }
        Ok(true)
    }

    fn is_open(&mut self) -> bool {
        !self.is_closed
            && self.stand_in.is_empty()
            && self.transport.buffers().input().is_empty()
            && self.transport.is_open()
    }

    fn is_tls(&self) -> bool {
        self.transport.is_tls()
    }
}

/// What is written goes to the connection; what is read is the stand-in.
impl<In: Transport> Buffers for CodecTransport<In> {
    fn output(&mut self) -> &mut [u8] {
        self.transport.buffers().output()
    }

    fn input(&self) -> &[u8] {
        self.stand_in
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        self.transport.buffers().input_append_buf()
    }

    fn input_appended(&mut self, amount: usize) {
        self.transport.buffers().input_appended(amount);
    }

    fn input_consume(&mut self, amount: usize) {
        self.stand_in = self.stand_in.get(amount..).unwrap_or_default();
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        self.transport.buffers().tmp_and_output()
    }

    fn can_use_input(&self) -> bool {
        !self.stand_in.is_empty()
    }
}

impl<In: Transport> fmt::Debug for CodecTransport<In> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodecTransport").field("transport", &self.transport).finish_non_exhaustive()
    }
}

/// What the time left is rounded up to.
const GRAIN: Duration = Duration::from_millis(10);

/// The time left, hardly more: to set a socket's time-out takes a system call, which is saved where the
/// next request, or the next step of this one, has about as much time as the last.
fn steady(mut timeout: NextTimeout) -> NextTimeout {
    if let time::Duration::Exact(left) = timeout.after
        && let Ok(grains) = u32::try_from(left.as_nanos().div_ceil(GRAIN.as_nanos()))
    {
        timeout.after = time::Duration::Exact(GRAIN * grains);
    }
    timeout
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
