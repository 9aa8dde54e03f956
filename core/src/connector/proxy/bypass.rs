//! The hosts of `no_proxy`.

use std::net::IpAddr;

use url::Host;

/// The hosts that are reached without the proxy.
#[derive(Clone, Debug, Default)]
pub(super) struct Bypass(Vec<Entry>);

#[derive(Clone, Debug)]
enum Entry {
    All,
    Address(IpAddr, Option<u16>),
    /// An address, and how many of its first bits count.
    Network(IpAddr, u32),
    Domain {
        name: String,
        /// Whether the name itself is meant too, or only all under it.
        itself: bool,
        port: Option<u16>,
    },
}

impl Bypass {
    /// The value of the variable; [`ProxyRules::new`](super::ProxyRules::new) describes it.
    pub(super) fn new(list: &str) -> Self {
        let entries = list.split(|c: char| c == ',' || c.is_ascii_whitespace());
        Self(entries.filter_map(entry).collect())
    }

    pub(super) fn covers(&self, host: &Host, port: u16) -> bool {
        let is_port = |only: &Option<u16>| only.is_none_or(|only| only == port);
        let address = address(host);
        self.0.iter().any(|entry| match (entry, host) {
            (Entry::All, _) => true,
            (Entry::Address(one, only), _) => address == Some(*one) && is_port(only),
            (Entry::Network(network, bits), _) => {
                address.is_some_and(|address| is_within(address, *network, *bits))
            }
            (Entry::Domain { name, itself, port }, Host::Domain(host)) => {
                is_port(port) && is_named(host.strip_suffix('.').unwrap_or(host), name, *itself)
            }
            (Entry::Domain { .. }, _) => false,
        })
    }
}

/// One entry. `None` if it names no host.
fn entry(text: &str) -> Option<Entry> {
    if text == "*" {
        return Some(Entry::All);
    }
    if let Some((network, bits)) = text.split_once('/') {
        let network: IpAddr = without_brackets(network).parse().ok()?;
        let bits = bits.parse().ok().filter(|bits| *bits <= width(network))?;
        return Some(Entry::Network(network, bits));
    }
    // An IPv6 address without brackets has colons, and no port.
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if text.parse::<IpAddr>().is_err() && !text.ends_with(']') => {
            (host, Some(port.parse().ok()?))
        }
        _ => (text, None),
    };
    if let Ok(address) = without_brackets(host).parse::<IpAddr>() {
        return Some(Entry::Address(address.to_canonical(), port));
    }
    let (name, itself) = match host.strip_prefix("*.") {
        Some(name) => (name, false),
        None => (host.strip_prefix('.').unwrap_or(host), true),
    };
    match Host::parse(name.strip_suffix('.').unwrap_or(name)).ok()? {
        Host::Domain(name) => Some(Entry::Domain { name, itself, port }),
        host => Some(Entry::Address(address(&host)?, port)),
    }
}

fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

fn address(host: &Host) -> Option<IpAddr> {
    match host {
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some(IpAddr::V4(*address)),
        Host::Ipv6(address) => Some(address.to_canonical()),
    }
}

const fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Whether the first `bits` of both addresses are the same.
fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    // The bits that differ, moved so that the first one is the highest of a `u128`.
    let differing = match (address, network) {
        (IpAddr::V4(one), IpAddr::V4(other)) => u128::from(one.to_bits() ^ other.to_bits()) << 96,
        (IpAddr::V6(one), IpAddr::V6(other)) => one.to_bits() ^ other.to_bits(),
        _ => return false,
    };
    differing.leading_zeros() >= bits
}

/// Whether `host` is `name`, if `itself` permits, or is under it.
fn is_named(host: &str, name: &str, itself: bool) -> bool {
    match host.strip_suffix(name) {
        Some("") => itself,
        Some(rest) => rest.ends_with('.'),
        None => false,
    }
}
