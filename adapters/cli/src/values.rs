//! The values of options: times and addresses.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

/// Parses a time limit: zero would leave no time for anything.
pub(crate) fn limit(text: &str) -> Result<Duration, String> {
    match time(text)? {
        Duration::ZERO => Err("expected more than zero".to_owned()),
        limit => Ok(limit),
    }
}

/// Parses a duration.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let read = humantime::parse_duration(text);
    read.map_err(|_| "expected a number and a unit, such as 5s, 200ms or 2m".to_owned())
}

/// The pauses before the retries: one retry for each.
#[derive(Clone, Debug)]
pub(crate) struct Pauses(pub(crate) Vec<Duration>);

/// Parses a list of durations, or `none`.
pub(crate) fn pauses(text: &str) -> Result<Pauses, String> {
    if text == "none" {
        return Ok(Pauses(Vec::new()));
    }
    text.split(',').map(time).collect::<Result<_, _>>().map(Pauses)
}

/// Parses an address to listen on: an IP address and a port, or `localhost` and a port.
pub(crate) fn listen_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let is_local = |name: &str| name.eq_ignore_ascii_case("localhost");
    if text.rsplit_once(':').is_some_and(|(name, _)| is_local(name))
        && let Ok(addresses) = text.to_socket_addrs()
        && let mut addresses = addresses.filter(|address| address.ip().is_loopback())
        && let Some(address) = addresses.next()
    {
        // A sandbox, and whoever else dials `localhost`, tries IPv4 too.
        return Ok(addresses.chain([address]).find(SocketAddr::is_ipv4).unwrap_or(address));
    }
    Err("expected an IP address and a port, such as 127.0.0.1:8080, or localhost:8080".to_owned())
}

/// Parses `NAME=VALUE`. The value may be empty, and may have an `=` in it.
pub(crate) fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected a name and a value, such as text=Coo".to_owned()),
    }
}
