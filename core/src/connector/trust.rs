//! Checks hosts: requests go only to TLS hosts under trusted suffixes.

use std::error;
use std::fmt;

use http::uri::{Authority, Scheme};
use url::{Host, Url};

use crate::api::Origin;
use crate::error::Error;

/// The hosts that may receive requests.
///
/// Whatever the Domain API returns, a request goes only to a host under one of these suffixes, and only
/// over TLS. Loopback is the exception, for a test server on the same machine: it is allowed only if the
/// Domain API's own address, which the program configures, is loopback too, and then with the same scheme.
///
/// Hosts are parsed and canonicalised by the WHATWG URL standard. A host that is not written in canonical
/// form is an error: so the check, the request and any other URL parser mean the same host.
///
/// ```
/// use lp_connector_core::connector::Trust;
///
/// let trust = Trust::new("https://api.liveperson.net", ["liveperson.net"])?;
/// assert!(trust.resolve_trusted("va.sentinel.liveperson.net").is_ok());
/// assert!(trust.resolve_trusted("liveperson.net.evil.example").is_err());
/// assert!(trust.resolve_trusted("va.sentinel.liveperson.net:+443").is_err());
/// assert!(trust.resolve_trusted("127.0.0.1:8080").is_err());
/// # Ok::<(), lp_connector_core::error::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Trust {
    domain_api: Origin,
    suffixes: Vec<String>,
}

/// Why a host may not receive requests. It quotes the host, shortened and without control characters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UntrustedHost {
    shown: String,
    why: Why,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Why {
    NoHost,
    Loopback,
    Elsewhere(String),
}

impl fmt::Display for UntrustedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.shown;
        match &self.why {
            Why::NoHost => write!(f, "{shown:?} is not a plain host name"),
            Why::Loopback => write!(f, "{shown:?} is this machine, and the Domain API is not"),
            Why::Elsewhere(trusted) => {
                write!(f, "{shown:?} is not under a trusted suffix ({trusted})")
            }
        }
    }
}

impl error::Error for UntrustedHost {}

impl Trust {
    /// `domain_api` is the address of the Domain API: `https://` and a host, or `http://` and a
    /// loopback host.
    ///
    /// # Errors
    /// [`Configuration`](crate::error::ErrorKind::Configuration) for any other address, and for a suffix
    /// that is not a host name.
    pub fn new<S: AsRef<str>>(
        domain_api: &str,
        suffixes: impl IntoIterator<Item = S>,
    ) -> Result<Self, Error> {
        let domain_api = domain_api_origin(domain_api)?;
        let suffixes = suffixes
            .into_iter()
            .map(|suffix| {
                let suffix = suffix.as_ref().trim_start_matches('.').to_ascii_lowercase();
                if is_host_name(&suffix) {
                    Ok(suffix)
                } else {
                    let why = format!("the trusted suffix {suffix:?} is not a host name");
                    Err(Error::configuration(why))
                }
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { domain_api, suffixes })
    }

    /// The Domain API over TLS at `host`, and these suffixes.
    pub(super) fn cloud(host: &'static str, suffixes: &[&str]) -> Self {
        Self {
            domain_api: Origin::new(Scheme::HTTPS, Authority::from_static(host)),
            suffixes: suffixes.iter().map(|&suffix| suffix.to_owned()).collect(),
        }
    }

    /// The Domain API's address.
    #[must_use]
    pub fn domain_api(&self) -> &Origin {
        &self.domain_api
    }

    /// Whether the Domain API is on this machine, as a sandbox is: its host is loopback.
    #[must_use]
    pub fn is_local(&self) -> bool {
        is_loopback_origin(&self.domain_api)
    }

    /// The origin to send to for a base URI from the Domain API: a host, perhaps with a port,
    /// perhaps with `https://` before it ([protocol.md 2.2](crate::protocol#2.2)).
    ///
    /// # Errors
    /// [`UntrustedHost`] says why nothing may be sent there.
    pub fn resolve_trusted(&self, base_uri: &str) -> Result<Origin, UntrustedHost> {
        let bare = base_uri.trim();
        let bare = bare.strip_prefix("https://").unwrap_or(bare);
        let bare = bare.strip_suffix('/').unwrap_or(bare);
        let untrusted = |why| {
            let shown = bare.chars().filter(|c| !c.is_control()).take(MAX_SHOWN).collect();
            Err(UntrustedHost { shown, why })
        };
        let Some(found) = parse(Scheme::HTTPS, bare) else { return untrusted(Why::NoHost) };
        if found.is_loopback {
            return if self.is_local() {
                let scheme = self.domain_api.parts().0;
                // Parsed again, as each scheme has its own default port.
                parse(scheme, bare).map_or_else(|| untrusted(Why::NoHost), |found| Ok(found.origin))
            } else {
                untrusted(Why::Loopback)
            };
        }
        let host = found.origin.host();
        let under = |suffix: &String| {
            host.strip_suffix(suffix.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        if self.suffixes.iter().any(under) {
            Ok(found.origin)
        } else {
            untrusted(Why::Elsewhere(self.suffixes.join(", ")))
        }
    }
}

/// The most characters of a host that an error quotes.
const MAX_SHOWN: usize = 100;

/// A host that was written in canonical form.
struct Found {
    origin: Origin,
    is_loopback: bool,
}

/// Parses a host and an optional port. `None` unless they are written as a URL parser writes them (except for
/// upper case and a default port): then no parser can read another host into them.
fn parse(scheme: Scheme, text: &str) -> Option<Found> {
    let url = Url::parse(&format!("{scheme}://{text}/")).ok()?;
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none();
    let host = url.host()?;
    let is_loopback = match &host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    let is_named = matches!(&host, Host::Domain(name) if is_host_name(name));
    let port = url.port_or_known_default().filter(|port| *port > 0)?;
    let authority = match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_string(),
    };
    let written = text.to_ascii_lowercase();
    let as_written = written == authority || written == format!("{host}:{port}");
    if !plain || !as_written || !(is_named || is_loopback) {
        return None;
    }
    let origin = Origin::new(scheme, authority.parse().ok()?);
    Some(Found { origin, is_loopback })
}

/// The Domain API's address as configured.
fn domain_api_origin(address: &str) -> Result<Origin, Error> {
    let invalid = |why: &str| Error::configuration(format!("the Domain API address {why}"));
    let url = Url::parse(address.trim()).map_err(|error| match error {
        url::ParseError::RelativeUrlWithoutBase => invalid(
            "must begin with https://, as https://api.liveperson.net (http:// is for loopback)",
        ),
        _ => invalid("is not a URL"),
    })?;
    let scheme = match url.scheme() {
        "https" => Scheme::HTTPS,
        "http" => Scheme::HTTP,
        _ => {
            return Err(invalid("must begin with https:// (http:// is for loopback hosts alone)"));
        }
    };
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(invalid("must be a host alone, with no path"));
    }
    let written = address.trim();
    let written = written.split_once("://").map_or(written, |(_, rest)| rest);
    let found = parse(scheme.clone(), written.strip_suffix('/').unwrap_or(written));
    let found = found.ok_or_else(|| invalid("has no plain host name"))?;
    if scheme == Scheme::HTTP && !found.is_loopback {
        return Err(invalid("must begin with https:// (http:// is for loopback hosts alone)"));
    }
    Ok(found.origin)
}

fn is_loopback_origin(origin: &Origin) -> bool {
    let (scheme, authority) = origin.parts();
    parse(scheme, authority.as_str()).is_some_and(|found| found.is_loopback)
}

/// Labels of letters, digits and inner hyphens, the last not all digits: the form that DNS allows.
fn is_host_name(host: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last_is_a_name =
        host.rsplit('.').next().is_some_and(|last| !last.bytes().all(|byte| byte.is_ascii_digit()));
    host.len() <= 253 && host.split('.').all(label) && last_is_a_name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use proptest::prelude::*;

    fn cloud() -> Trust {
        Trust::new("https://api.liveperson.net", ["liveperson.net", ".lprnd.net"]).unwrap()
    }

    #[test]
    fn hosts_under_a_trusted_suffix_are_reached_over_tls() {
        for (base, origin) in [
            ("va.msg.liveperson.net", "https://va.msg.liveperson.net"),
            ("VA.MSG.LivePerson.net", "https://va.msg.liveperson.net"),
            ("va.msg.liveperson.net:443", "https://va.msg.liveperson.net"),
            ("liveperson.net", "https://liveperson.net"),
            ("x.lprnd.net:8443", "https://x.lprnd.net:8443"),
            ("https://x.liveperson.net/", "https://x.liveperson.net"),
        ] {
            assert_eq!(cloud().resolve_trusted(base).unwrap().to_string(), origin);
        }
    }

    #[test]
    fn a_suffix_in_upper_case_is_the_same_suffix() {
        let trust = Trust::new("https://API.LivePerson.NET", ["LivePerson.Net", ".LPRND.net"]);
        let trust = trust.unwrap();
        for base in ["va.msg.liveperson.net", "VA.LIVEPERSON.NET", "x.lprnd.net", "LpRnD.net"] {
            assert!(trust.resolve_trusted(base).is_ok(), "{base}");
        }
        assert!(trust.resolve_trusted("evil.example").is_err());
    }

    #[test]
    fn every_other_host_is_refused() {
        for base in [
            "liveperson.net.evil.example",
            "evilliveperson.net",
            "evil.example",
            "http://va.liveperson.net",
            "user@va.liveperson.net",
            "va.liveperson.net@evil.example",
            "va.liveperson.net/path",
            "va.liveperson.net:0",
            "va.liveperson.net:99999",
            "va.liveperson.net:",
            "va.liveperson.net:+443",
            "va.liveperson.net:0443",
            "va.liveperson.net:44 3",
            "va.liveperson.net\\@evil.example",
            "va%2eliveperson.net",
            "va.liveperson.net#evil.example",
            "va.liveperson.net?x",
            "//va.liveperson.net",
            "va。liveperson.net",
            "va\u{ad}.liveperson.net",
            "0x7f.1",
            "2130706433",
            "0177.0.0.1",
            "va.liveperson.net.",
            "-.liveperson.net",
            "..liveperson.net",
            "10.0.0.1",
            "127.0.0.1",
            "localhost:80",
            "[::1]:80",
            "",
            " ",
            "\u{0}",
            "xn--\u{fc}.liveperson.net",
        ] {
            assert!(cloud().resolve_trusted(base).is_err(), "{base:?}");
        }
    }

    #[test]
    fn loopback_is_for_a_loopback_domain_api_alone() {
        let plain = Trust::new("http://127.0.0.1:4000", ["liveperson.net"]).unwrap();
        assert_eq!(plain.resolve_trusted("127.0.0.1:4000").unwrap().scheme(), "http");
        assert_eq!(plain.resolve_trusted("localhost:4000").unwrap().scheme(), "http");
        assert_eq!(plain.resolve_trusted("va.liveperson.net").unwrap().scheme(), "https");
        assert!(plain.is_local() && !cloud().is_local());
        let tls = Trust::new("https://localhost:4000", ["liveperson.net"]).unwrap();
        assert_eq!(tls.resolve_trusted("127.0.0.1:4001").unwrap().scheme(), "https");
    }

    #[test]
    fn a_refused_host_says_why_without_its_control_characters() {
        for (base, why) in [
            ("ev\u{7}il.example/x", "\"evil.example/x\" is not a plain host name"),
            ("localhost", "\"localhost\" is this machine, and the Domain API is not"),
            ("evil.example", "\"evil.example\" is not under a trusted suffix ("),
        ] {
            let refused = cloud().resolve_trusted(base).unwrap_err().to_string();
            assert!(refused.starts_with(why), "{refused}");
        }
    }

    #[test]
    fn an_unusable_domain_api_address_says_why() {
        for (address, why) in [
            ("http://api.liveperson.net", "loopback hosts alone"),
            ("ftp://api.liveperson.net", "must begin with https://"),
            ("api.liveperson.net", "must begin with https://"),
            ("https://api.liveperson.net/x", "no path"),
            ("https://api.liveperson.net?x", "no path"),
            ("https://api.liveperson.net#x", "no path"),
            ("https://u@api.liveperson.net", "no plain host"),
            ("not a url", "must begin with https://"),
            ("", "must begin with https://"),
            ("https://", "not a URL"),
            ("https://api.liveperson.net:+443", "not a URL"),
            ("https://api.liveperson.net\\@evil.example", "no path"),
        ] {
            let error = Trust::new(address, ["liveperson.net"]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.to_string().contains(why), "{address}: {error}");
        }
        assert!(Trust::new("https://api.liveperson.net", ["*.net"]).is_err());
    }

    proptest! {
        #[test]
        fn nothing_outside_the_suffixes_is_trusted(base: String) {
            if let Ok(origin) = cloud().resolve_trusted(&base) {
                let host = origin.host().to_ascii_lowercase();
                let under = |suffix: &str| host.strip_suffix(suffix).is_some_and(|rest| {
                    rest.is_empty() || rest.ends_with('.')
                });
                prop_assert!(under("liveperson.net") || under("lprnd.net"), "{}", host);
                prop_assert_eq!(origin.scheme(), "https");
            }
        }

        /// `http`'s parser is the oracle.
        #[test]
        fn both_url_parsers_read_the_same_host(
            base in "[a-zA-Z0-9.:@%/?#\\\\\\[\\] +-]{0,12}\\.?liveperson\\.net[:0-9+a-z@/#?]{0,6}",
        ) {
            if let Ok(origin) = cloud().resolve_trusted(&base) {
                let bare = base.trim().trim_start_matches("https://");
                let uri: http::Uri = format!("https://{bare}").parse().unwrap();
                prop_assert_eq!(uri.host().unwrap().to_ascii_lowercase(), origin.host());
                let port = origin.authority().rsplit_once(':').map(|(_, port)| port.to_owned());
                let port = port.and_then(|port| port.parse().ok()).unwrap_or(443);
                prop_assert_eq!(uri.port_u16().unwrap_or(443), port);
            }
        }

        #[test]
        fn no_prefix_makes_a_foreign_host_trusted(prefix in "[a-z0-9@:/.#?-]{0,30}") {
            let base = format!("{prefix}.evil.example");
            prop_assert!(cloud().resolve_trusted(&base).is_err());
        }
    }

    #[test]
    fn a_refused_host_is_shortened() {
        let refused = cloud().resolve_trusted(&"evil.".repeat(1000)).unwrap_err().to_string();
        assert!(refused.contains("evil.") && refused.chars().count() < 200, "{refused}");
    }
}
