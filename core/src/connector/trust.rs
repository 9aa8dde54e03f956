//! Which hosts may be told anything (promise: secrets go over TLS alone, to trusted hosts alone).

use std::net::{Ipv4Addr, Ipv6Addr};

use http::uri::{Authority, Scheme, Uri};

use crate::api::Origin;
use crate::error::Error;

/// The hosts that the configuration vouches for.
///
/// Whatever the Domain API answers, a request goes only to a host under one of these suffixes, and
/// only over TLS. Loopback is the exception, for a stand-in on the same machine: it is allowed only
/// if the Domain API's own address, which the caller named, is loopback too, and then by the same
/// scheme.
///
/// ```
/// use lp_connector_core::connector::Trust;
///
/// let trust = Trust::new("https://api.liveperson.net", ["liveperson.net"])?;
/// assert!(trust.vouch("va.sentinel.liveperson.net").is_ok());
/// assert!(trust.vouch("liveperson.net.evil.example").is_err());
/// assert!(trust.vouch("127.0.0.1:8080").is_err());
/// # Ok::<(), lp_connector_core::error::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Trust {
    domain_api: Origin,
    suffixes: Vec<String>,
}

impl Trust {
    /// `domain_api` is the address of the Domain API: `https://` and a host, or `http://` and a
    /// loopback host.
    ///
    /// # Errors
    /// [`Configuration`](crate::error::ErrorKind::Configuration) for any other address, and for a suffix that is no host name.
    pub fn new<S: AsRef<str>>(
        domain_api: &str,
        suffixes: impl IntoIterator<Item = S>,
    ) -> Result<Self, Error> {
        let domain_api = address(domain_api)?;
        let suffixes = suffixes
            .into_iter()
            .map(|suffix| {
                let suffix = suffix.as_ref().trim_start_matches('.').to_ascii_lowercase();
                if is_host_name(&suffix) {
                    Ok(suffix)
                } else {
                    Err(Error::configuration(format!(
                        "the trusted suffix {suffix:?} is no host name"
                    )))
                }
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { domain_api, suffixes })
    }

    /// For addresses written in this crate, which a test holds to be usable.
    pub(super) fn cloud(host: &'static str, suffixes: &[&str]) -> Self {
        Self {
            domain_api: Origin::new(Scheme::HTTPS, Authority::from_static(host)),
            suffixes: suffixes.iter().map(|suffix| (*suffix).to_owned()).collect(),
        }
    }

    /// Where the Domain API is.
    #[must_use]
    pub fn domain_api(&self) -> &Origin {
        &self.domain_api
    }

    /// The origin that a `baseURI` of the Domain API stands for: a bare host, perhaps with a port
    /// (protocol.md 2.2). `https://` before it and a slash behind it are tolerated.
    ///
    /// # Errors
    /// Why the host is not trusted, in words that name it.
    pub fn vouch(&self, base_uri: &str) -> Result<Origin, String> {
        let bare = base_uri.trim();
        let bare = bare.strip_prefix("https://").unwrap_or(bare);
        let bare = bare.strip_suffix('/').unwrap_or(bare);
        let shown: String = bare.chars().filter(|c| !c.is_control()).take(100).collect();
        let authority = authority(bare).ok_or_else(|| format!("{shown:?} is no host"))?;
        let host = authority.host().to_ascii_lowercase();
        if is_loopback(&host) {
            return if is_loopback(self.domain_api.host()) {
                Ok(Origin::new(self.domain_api.parts().0, authority))
            } else {
                Err(format!("{shown:?} is this machine itself, and the Domain API is not"))
            };
        }
        let under = |suffix: &String| {
            host.strip_suffix(suffix.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        if is_host_name(&host) && self.suffixes.iter().any(under) {
            Ok(Origin::new(Scheme::HTTPS, authority))
        } else {
            let trusted = self.suffixes.join(", ");
            Err(format!("{shown:?} is not under a trusted suffix ({trusted})"))
        }
    }
}

/// The Domain API's address as the caller gave it.
fn address(url: &str) -> Result<Origin, Error> {
    let refuse = |why: &str| Error::configuration(format!("the Domain API address {why}"));
    let uri: Uri = url.trim().parse().map_err(|_| refuse("is no URL"))?;
    let scheme = uri.scheme().cloned().ok_or_else(|| {
        refuse("must begin with https://, as https://api.liveperson.net (http:// is for loopback)")
    })?;
    let authority = uri
        .authority()
        .and_then(|found| authority(found.as_str()))
        .ok_or_else(|| refuse("has no plain host name"))?;
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(refuse("must be a host alone, with no path"));
    }
    let plain = scheme == Scheme::HTTP && is_loopback(authority.host());
    if scheme != Scheme::HTTPS && !plain {
        return Err(refuse("must begin with https:// (http:// is for loopback hosts alone)"));
    }
    Ok(Origin::new(scheme, authority))
}

/// A host and perhaps a port: no user, no empty or impossible port.
fn authority(text: &str) -> Option<Authority> {
    let authority: Authority = text.parse().ok()?;
    let host = authority.host();
    let rest = authority.as_str().strip_prefix(host)?; // no `user@` before it
    let port_is_fine = rest.is_empty() || authority.port_u16().is_some_and(|port| port > 0);
    (port_is_fine && (is_host_name(host) || is_loopback(host))).then_some(authority)
}

/// Labels of letters, digits and inner hyphens, the last not all digits: what DNS allows, and no IP
/// address.
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

fn is_loopback(host: &str) -> bool {
    let unbracketed = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || unbracketed.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
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
            ("VA.MSG.LivePerson.net", "https://VA.MSG.LivePerson.net"),
            ("liveperson.net", "https://liveperson.net"),
            ("x.lprnd.net:8443", "https://x.lprnd.net:8443"),
            ("https://x.liveperson.net/", "https://x.liveperson.net"),
        ] {
            assert_eq!(cloud().vouch(base).unwrap().to_string(), origin);
        }
    }

    #[test]
    fn every_other_host_is_refused_by_name() {
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
            assert!(cloud().vouch(base).is_err(), "{base:?}");
        }
    }

    #[test]
    fn loopback_is_trusted_by_a_loopback_domain_api_alone_and_by_its_scheme() {
        let plain = Trust::new("http://127.0.0.1:4000", ["liveperson.net"]).unwrap();
        assert_eq!(plain.vouch("127.0.0.1:4000").unwrap().scheme(), "http");
        assert_eq!(plain.vouch("localhost:4000").unwrap().scheme(), "http");
        assert_eq!(plain.vouch("va.liveperson.net").unwrap().scheme(), "https");
        let tls = Trust::new("https://localhost:4000", ["liveperson.net"]).unwrap();
        assert_eq!(tls.vouch("127.0.0.1:4001").unwrap().scheme(), "https");
    }

    #[test]
    fn an_unusable_domain_api_address_says_what_is_wanted() {
        for (address, why) in [
            ("http://api.liveperson.net", "loopback hosts alone"),
            ("ftp://api.liveperson.net", "must begin with https://"),
            ("api.liveperson.net", "must begin with https://"),
            ("https://api.liveperson.net/x", "no path"),
            ("https://u@api.liveperson.net", "no plain host"),
            ("not a url", "no URL"),
            ("", "no URL"),
        ] {
            let error = Trust::new(address, ["liveperson.net"]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.to_string().contains(why), "{address}: {error}");
        }
        assert!(Trust::new("https://api.liveperson.net", ["*.net"]).is_err());
    }

    proptest! {
        #[test]
        fn nothing_outside_the_suffixes_is_ever_vouched_for(base: String) {
            if let Ok(origin) = cloud().vouch(&base) {
                let host = origin.host().to_ascii_lowercase();
                let under = |suffix: &str| host.strip_suffix(suffix).is_some_and(|rest| {
                    rest.is_empty() || rest.ends_with('.')
                });
                prop_assert!(under("liveperson.net") || under("lprnd.net"), "{}", host);
                prop_assert_eq!(origin.scheme(), "https");
            }
        }

        #[test]
        fn no_prefix_makes_a_foreign_host_trusted(prefix in "[a-z0-9@:/.#?-]{0,30}") {
            let base = format!("{prefix}.evil.example");
            prop_assert!(cloud().vouch(&base).is_err());
        }
    }
}
