//! A TCP connection to a host by name.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use lp_connector_core::connector::{Failure, FailureKind};

use crate::Runtime;
use crate::race::{either, first_ok};

/// How long the address family that the system prefers is tried alone, before the other is tried too
/// (RFC 8305, 5).
const HEAD_START: Duration = Duration::from_millis(300);

/// Resolves `host`, and connects to the first of its addresses that accepts.
pub(crate) async fn dial<R: Runtime>(
    runtime: &R,
    host: &str,
    port: u16,
) -> Result<R::Stream, Failure> {
    let resolved = runtime.resolve(host, port).await;
    let addresses =
        resolved.map_err(|error| Failure::never_sent(FailureKind::Resolve).with_source(error))?;
    let Some(preferred) = addresses.first().map(SocketAddr::is_ipv4) else {
        return Err(Failure::never_sent(FailureKind::Resolve));
    };
    let (first, other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv4() == preferred);
    let connected = if other.is_empty() {
        in_turn(runtime, &first).await
    } else {
        both_families(runtime, &first, &other).await
    };
    let stream =
        connected.map_err(|error| Failure::never_sent(FailureKind::Connect).with_source(error))?;
    // A whole request is written at once: there is nothing to wait for. It works without as well.
    let _ = R::socket(&stream).set_tcp_nodelay(true);
    Ok(stream)
}

async fn both_families<R: Runtime>(
    runtime: &R,
    first: &[SocketAddr],
    other: &[SocketAddr],
) -> io::Result<R::Stream> {
    let mut first = pin!(in_turn(runtime, first));
    let mut head_start = pin!(async {
        runtime.sleep(HEAD_START).await;
        None
    });
    let alone = either(pin!(async { Some(first.as_mut().await) }), head_start.as_mut()).await;
    let mut other = pin!(in_turn(runtime, other));
    match alone {
        Some(Ok(stream)) => Ok(stream),
        Some(Err(_)) => other.await,
        None => first_ok(first, other.as_mut()).await,
    }
}

/// Tries one address after the other.
async fn in_turn<R: Runtime>(runtime: &R, addresses: &[SocketAddr]) -> io::Result<R::Stream> {
    let mut last = io::ErrorKind::AddrNotAvailable.into();
    for address in addresses {
        match runtime.connect(*address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
#[path = "dial_tests.rs"]
mod tests;
