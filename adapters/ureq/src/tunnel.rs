//! The tunnel through a proxy, made by the core's rules.

use std::error;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use lp_connector_core::connector::{Failure, ProxyRules, Tunnel};
use ureq::unversioned::transport::{ConnectionDetails, Connector, NextTimeout, Transport, time};

/// The link of the connector chain behind TCP, which leads to the proxy where the rules name one: the
/// resolver gives its addresses for those of the host.
#[derive(Debug)]
pub(crate) struct TunnelConnector {
    pub(crate) rules: Arc<ProxyRules>,
}

impl<In: Transport> Connector<In> for TunnelConnector {
    type Out = In;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<In>, ureq::Error> {
        let Some(mut transport) = chained else { return Ok(None) };
        if let Some(proxy) = self.rules.for_uri(details.uri).map_err(failed)? {
            let tunnel = Tunnel::new(proxy, details.uri).map_err(failed)?;
            open(tunnel, &mut transport, &Clock::start(details.timeout))?;
        }
        Ok(Some(transport))
    }
}

fn open(
    mut tunnel: Tunnel,
    transport: &mut impl Transport,
    clock: &Clock,
) -> Result<(), ureq::Error> {
    let mut rest = tunnel.request();
    while !rest.is_empty() {
        let output = transport.buffers().output();
        let (now, later) = rest.split_at(rest.len().min(output.len()));
        output.iter_mut().zip(now).for_each(|(to, from)| *to = *from);
        transport.transmit_output(now.len(), clock.left())?;
        rest = later;
    }
    loop {
        let Some(byte) = transport.buffers().input().first().copied() else {
            if !transport.await_input(clock.left())? {
                return Err(failed(tunnel.closed()));
            }
            continue;
        };
        // One at a time: what follows the answer belongs to the tunnel.
        transport.buffers().input_consume(1);
        if tunnel.feed(byte).map_err(failed)? {
            return Ok(());
        }
    }
}

/// What is left of the time to connect: ureq gives each link all of it.
struct Clock {
    start: Instant,
    whole: NextTimeout,
}

impl Clock {
    fn start(whole: NextTimeout) -> Self {
        Self { start: Instant::now(), whole }
    }

    fn left(&self) -> NextTimeout {
        let mut left = self.whole;
        if let time::Duration::Exact(whole) = left.after {
            left.after = time::Duration::Exact(whole.saturating_sub(self.start.elapsed()));
        }
        left
    }
}

/// Why there is no tunnel, on its way through ureq.
#[derive(Debug)]
pub(crate) struct TunnelFailed(pub(crate) Failure);

impl fmt::Display for TunnelFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.kind().words())
    }
}

impl error::Error for TunnelFailed {}

pub(crate) fn failed(failure: Failure) -> ureq::Error {
    ureq::Error::Other(Box::new(TunnelFailed(failure)))
}

#[cfg(test)]
mod tests {
    use lp_connector_core::connector::FailureKind;

    use super::*;

    #[test]
    fn a_tunnel_that_failed_says_why() {
        let error = failed(Failure::never_sent(FailureKind::ProxyAuthentication)).to_string();
        assert!(error.contains("the proxy requires a valid user and password"), "{error}");
    }
}
