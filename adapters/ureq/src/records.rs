//! The connection under TLS: whether there is anything on it that nobody asked for.

use lp_connector_tls::{Records, is_closed_by_peer};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, NextTimeout, Transport,
};

/// The link of the connector chain before TLS: wraps what TLS reads from.
#[derive(Debug)]
pub(crate) struct RecordsConnector;

impl<In: Transport> Connector<In> for RecordsConnector {
    type Out = Either<In, RecordTransport<In>>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        Ok(chained.map(|transport| {
            if details.needs_tls() && !transport.is_tls() {
                Either::B(RecordTransport { transport, records: Records::new(), is_closed: false })
            } else {
                Either::A(transport)
            }
        }))
    }
}

/// A transport, and the records that came on it.
///
/// To find out whether a TLS connection may be used again, ureq looks at the socket alone. What was
/// read from it together with the last response, and is not a whole record or was not yet taken by
/// TLS, would become the next response.
#[derive(Debug)]
pub(crate) struct RecordTransport<In> {
    transport: In,
    records: Records,
    /// The peer has closed it.
    is_closed: bool,
}

impl<In: Transport> Transport for RecordTransport<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.transport.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        match self.transport.transmit_output(amount, timeout) {
            // It may have said why, in an alert. TLS writes before it reads, so that it never gets to that if
            // a write fails: this one seems to succeed, and the next read tells.
            Err(ureq::Error::Io(error)) if is_closed_by_peer(&error) => {
                self.is_closed = true;
                Ok(())
            }
            transmitted => transmitted,
        }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let before = self.transport.buffers().input().len();
        let progress = self.transport.await_input(timeout)?;
        let input = self.transport.buffers().input();
        self.records.pass(input.get(before..).unwrap_or_default());
        Ok(progress)
    }

    fn is_open(&mut self) -> bool {
        !self.is_closed
            && self.records.are_whole()
            && self.transport.buffers().input().is_empty()
            && self.transport.is_open()
    }
}

#[cfg(test)]
#[path = "records_tests.rs"]
mod tests;
