//! Whether a request left: seen where the bytes pass, not guessed from an error.

use std::cell::Cell;
use std::time::Duration;

use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, NextTimeout, Transport, time,
};

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
pub(crate) struct SentTrackerConnector;

impl<In: Transport> Connector<In> for SentTrackerConnector {
    type Out = SentTracker<In>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<SentTracker<In>>, ureq::Error> {
        // What passed until now was between us and a proxy.
        LEFT.set(false);
        Ok(chained.map(SentTracker))
    }
}

#[derive(Debug)]
pub(crate) struct SentTracker<In>(In);

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

impl<In: Transport> Transport for SentTracker<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.0.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        if amount > 0 {
            LEFT.set(true);
        }
        self.0.transmit_output(amount, steady(timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.0.await_input(steady(timeout))
    }

    fn is_open(&mut self) -> bool {
        self.0.is_open()
    }

    fn is_tls(&self) -> bool {
        self.0.is_tls()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_rounded_up_to_the_grain_and_none_stays_none() {
        let left = |after| steady(NextTimeout { after, ..NextTimeout::default() }).after;
        let exact = |millis: f64| time::Duration::Exact(Duration::from_secs_f64(millis / 1e3));
        for (before, after) in [(14_999.9, 15_000.0), (0.1, 10.0), (10.0, 10.0), (0.0, 0.0)] {
            assert_eq!(left(exact(before)), exact(after));
        }
        assert_eq!(left(time::Duration::NotHappening), time::Duration::NotHappening);
        let year = time::Duration::Exact(crate::send::LONGEST);
        assert_eq!(left(year), year);
    }
}
