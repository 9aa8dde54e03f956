//! Chooses the proxy of a request: one set of rules for all adapters.

mod bypass;
mod proxy_url;
mod tunnel;

use std::error;
use std::fmt;
use std::net::IpAddr;

use http::Uri;
use url::Host;

use super::{Failure, FailureKind};
use crate::error::Error;
use bypass::Bypass;
pub use proxy_url::ProxyUrl;
use proxy_url::Reason;
pub use tunnel::Tunnel;

/// The proxy setting.
///
/// Whatever it says, a request to this machine (loopback) goes there directly.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Proxy {
    /// From the environment: see [`ProxyRules::new`].
    #[default]
    FromEnvironment,
    /// No proxy.
    None,
    /// This proxy for every request: see [`ProxyUrl`]. `no_proxy` does not count.
    Url(ProxyUrl),
}

/// The rules that choose the proxy of a request, if any.
///
/// ```
/// use lp_connector_core::connector::{Proxy, ProxyRules};
///
/// let environment = |name: &str| match name {
///     "https_proxy" => Some("http://proxy.example:3128".to_owned()),
///     "no_proxy" => Some("internal.example, 10.0.0.0/8".to_owned()),
///     _ => None,
/// };
/// let rules = ProxyRules::new(&Proxy::FromEnvironment, environment)?;
/// let is_proxied = |uri: &'static str| {
///     rules.for_uri(&http::Uri::from_static(uri)).is_ok_and(|proxy| proxy.is_some())
/// };
/// assert!(is_proxied("https://va.msg.liveperson.net/"));
/// assert!(!is_proxied("https://a.internal.example/"));
/// assert!(!is_proxied("https://10.1.2.3:8443/"));
/// assert!(!is_proxied("http://127.0.0.1:8080/"));
/// # Ok::<(), lp_connector_core::error::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ProxyRules {
    /// The proxy, and where its URL is from.
    proxy: Option<(ProxyUrl, &'static str)>,
    bypass: Bypass,
}

/// The variables that may name the proxy, the first one that is not empty counts (as in curl).
const VARIABLES: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

/// The variables that name hosts without a proxy.
const EXCEPTIONS: [&str; 2] = ["no_proxy", "NO_PROXY"];

impl ProxyRules {
    /// Creates the rules for `proxy`. `variable` reads the environment, as the core does not: a value that
    /// is not UTF-8 is passed on as [`String::from_utf8_lossy`] has it, and cannot be used.
    ///
    /// From the environment, the proxy is the first of `https_proxy`, `HTTPS_PROXY`, `all_proxy` and
    /// `ALL_PROXY` that is not empty: see [`ProxyUrl`]. `http_proxy` and `HTTP_PROXY` (which a request header
    /// sets in a CGI program) are not read: plain HTTP goes to this machine alone, and directly.
    ///
    /// `no_proxy` or `NO_PROXY` lists hosts without a proxy, separated by commas or blanks:
    ///
    /// | entry | hosts |
    /// |---|---|
    /// | `*` | all |
    /// | `a.example`, `.a.example` | `a.example` and all under it, as curl has it (Go: `.` is only for those under it) |
    /// | `*.a.example` | all under `a.example`, as Go has it (curl: none) |
    /// | `192.0.2.1`, `2001:db8::1`, `[2001:db8::1]` | this address |
    /// | `192.0.2.0/24`, `2001:db8::/32` | this network; names are not resolved |
    /// | any but `*` and a network, with `:8443` | this port alone, as Go has it |
    ///
    /// Case and a dot at the end do not count, and names are compared in ASCII (IDNA). Any other entry
    /// names no host.
    ///
    /// # Errors
    /// [`Configuration`](crate::error::ErrorKind::Configuration) for a [`Proxy::Url`] that cannot be used.
    /// A variable is judged only when a request needs it: see [`for_uri`](Self::for_uri).
    pub fn new(proxy: &Proxy, variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        match proxy {
            Proxy::None => Ok(Self::default()),
            Proxy::Url(url) => {
                let from = "the configuration";
                url.parts().map_err(|reason| {
                    Error::configuration(UnusableProxy { from, reason }.to_string())
                })?;
                Ok(Self { proxy: Some((url.clone(), from)), bypass: Bypass::default() })
            }
            Proxy::FromEnvironment => {
                let value =
                    |name: &str| variable(name).filter(|value| !value.trim_ascii().is_empty());
                let first = VARIABLES.into_iter().find_map(|name| Some((value(name)?, name)));
                let except = EXCEPTIONS.into_iter().find_map(value).unwrap_or_default();
                Ok(Self {
                    proxy: first.map(|(value, from)| (ProxyUrl::from_variable(&value), from)),
                    bypass: Bypass::new(&except),
                })
            }
        }
    }

    /// The proxy for a request to `uri`, or `None` for a direct connection. A request to this machine
    /// (`localhost` and all under it, loopback addresses, and the unspecified ones) has none.
    ///
    /// # Errors
    /// [`FailureKind::ProxySetting`], if the variable that names the proxy is unusable, or if `uri` is not
    /// `https`: nothing goes through a proxy in clear text.
    pub fn for_uri(&self, uri: &Uri) -> Result<Option<&ProxyUrl>, Failure> {
        let Some((proxy, from)) = &self.proxy else { return Ok(None) };
        let unusable = |reason| {
            let unusable = UnusableProxy { from, reason };
            Failure::never_sent(FailureKind::ProxySetting).with_source(unusable)
        };
        let host = Host::parse(uri.host().unwrap_or_default());
        let host = host.map_err(|_| unusable(Reason::NoTarget))?;
        let https = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        if is_this_machine(&host) || self.bypass.covers(&host, port) {
            return Ok(None);
        }
        if !https {
            return Err(unusable(Reason::ClearText));
        }
        proxy.parts().map_err(unusable)?;
        Ok(Some(proxy))
    }
}

/// Whether a host is this machine, by its name or address alone.
fn is_this_machine(host: &Host) -> bool {
    let is_here = |address: IpAddr| address.is_loopback() || address.is_unspecified();
    match host {
        Host::Domain(name) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            // All under `localhost` is loopback (RFC 6761, 6.3).
            name == "localhost" || name.ends_with(".localhost")
        }
        Host::Ipv4(address) => is_here(IpAddr::V4(*address)),
        // An IPv4-mapped address is the IPv4 one.
        Host::Ipv6(address) => is_here(address.to_canonical()),
    }
}

/// A proxy that cannot be used. It says where its URL is from, and nothing of the URL, which may hold a
/// password.
#[derive(Clone, Copy, Debug)]
struct UnusableProxy {
    from: &'static str,
    reason: Reason,
}

impl fmt::Display for UnusableProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the proxy of {} cannot be used: {}", self.from, self.reason)
    }
}

impl error::Error for UnusableProxy {}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
