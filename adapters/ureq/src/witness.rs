//! Whether a request left: seen where the bytes pass, not guessed from an error.

use std::cell::Cell;

use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

thread_local! {
    /// ureq does a request on the thread that asks for it, from first to last byte.
    static LEFT: Cell<bool> = const { Cell::new(false) };
}

/// Watches the request that this thread sends next.
pub(crate) fn watch() -> Watch {
    LEFT.set(false);
    Watch
}

/// The watch over one request.
pub(crate) struct Watch;

impl Watch {
    /// True if some of the request was given to a connection: then it may have arrived.
    #[expect(clippy::unused_self, reason = "there is nothing to ask before a watch was set")]
    pub(crate) fn request_left(&self) -> bool {
        LEFT.get()
    }
}

/// The last link of the connector chain: wraps what the others made.
#[derive(Debug)]
pub(crate) struct WitnessConnector;

impl<In: Transport> Connector<In> for WitnessConnector {
    type Out = Witness<In>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Witness<In>>, ureq::Error> {
        // What passed until now was between us and a proxy.
        LEFT.set(false);
        Ok(chained.map(Witness))
    }
}

#[derive(Debug)]
pub(crate) struct Witness<In>(In);

impl<In: Transport> Transport for Witness<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.0.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        if amount > 0 {
            LEFT.set(true);
        }
        self.0.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.0.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.0.is_open()
    }

    fn is_tls(&self) -> bool {
        self.0.is_tls()
    }
}
