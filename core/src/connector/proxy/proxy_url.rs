//! The URL of a proxy, and the credentials in it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use percent_encoding::percent_decode_str;
use url::{Host, Url};

/// The URL of a proxy: `http://host:port` or `http://user:password@host:port`. `Debug` hides its user and
/// password.
///
/// * The connection to the proxy is plain HTTP; it carries `CONNECT`, and TLS inside of that.
/// * The port must be given: programs disagree on the default (80 or 1080).
/// * User and password are percent-encoded (RFC 3986, 3.2.1): `%40` for `@`, `%3A` for `:`, `%2F` for `/`.
///   They may not hold control characters, and the user no colon (RFC 7617, 2). `http://user@host:port` has
///   an empty password.
///
/// ```
/// use lp_connector_core::connector::ProxyUrl;
///
/// let url = ProxyUrl::new("http://ada:p%40ss@proxy.example:3128");
/// assert_eq!(url.host_and_port(), Some(("proxy.example".to_owned(), 3128)));
/// assert_eq!(url.authorization().unwrap(), "Basic YWRhOnBAc3M="); // ada:p@ss
/// assert_eq!(ProxyUrl::new("http://proxy.example").host_and_port(), None);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl {
    text: String,
    parts: Result<Parts, Reason>,
}

/// What a connection needs.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) host: Host,
    pub(super) port: u16,
    pub(super) authorization: Option<HeaderValue>,
}

/// Why a proxy cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reason {
    NoUrl,
    Scheme,
    NoPort,
    More,
    Credentials,
    NotUtf8,
    NoTarget,
    ClearText,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoUrl => "it is no URL: it must be http:// and a host and a port",
            Self::Scheme => "it must be http:// and a host and a port (not https:// or SOCKS)",
            Self::NoPort => "it has no port: it must be http:// and a host and a port",
            Self::More => {
                "more follows its host and port (in a user or password, / is %2F, ? is %3F and # is %23)"
            }
            Self::Credentials => "its user holds a colon, or its user or password control characters",
            Self::NotUtf8 => "it is not UTF-8 (percent-encode other bytes)",
            Self::NoTarget => "the request has no host",
            Self::ClearText => "the request would go through it in clear text",
        })
    }
}

impl ProxyUrl {
    /// Takes the URL. What is unusable stays as it is; [`ProxyRules::new`](super::ProxyRules::new)
    /// rejects it.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        let text = url.into();
        match Url::parse(&text) {
            Ok(url) => Self { parts: parts(&url, &text), text: url.into() },
            Err(_) => Self { parts: Err(Reason::NoUrl), text },
        }
    }

    /// The URL in a variable, which may lack its scheme.
    pub(super) fn from_variable(value: &str) -> Self {
        let value = value.trim_ascii();
        if value.contains(char::REPLACEMENT_CHARACTER) {
            return Self { parts: Err(Reason::NotUtf8), text: value.to_owned() };
        }
        let bare = !value.contains("://");
        Self::new(if bare { format!("http://{value}") } else { value.to_owned() })
    }

    pub(super) fn parts(&self) -> Result<&Parts, Reason> {
        self.parts.as_ref().map_err(|reason| *reason)
    }

    /// The URL in canonical form, with its password if it has one.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// Host and port, without user and password; an IPv6 address has no brackets. `None` if the URL
    /// cannot be used.
    #[must_use]
    pub fn host_and_port(&self) -> Option<(String, u16)> {
        let Parts { host, port, .. } = self.parts().ok()?;
        let host = match host {
            Host::Ipv6(address) => address.to_string(),
            host => host.to_string(),
        };
        Some((host, *port))
    }

    /// `host:port`, as in a URL: an IPv6 address has brackets. `None` if the URL cannot be used.
    #[must_use]
    pub fn authority(&self) -> Option<String> {
        self.parts().ok().map(|parts| format!("{}:{}", parts.host, parts.port))
    }

    /// The value of `Proxy-Authorization`, if the URL holds a user or a password (RFC 7617).
    #[must_use]
    pub fn authorization(&self) -> Option<HeaderValue> {
        self.parts().ok()?.authorization.clone()
    }
}

/// Takes a URL apart. `text` is what it was parsed from.
fn parts(url: &Url, text: &str) -> Result<Parts, Reason> {
    if url.scheme() != "http" {
        return Err(Reason::Scheme);
    }
    let host = url.host().ok_or(Reason::NoUrl)?.to_owned();
    // An unencoded `/` in a password ends the host: then another host is meant than the one found.
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(Reason::More);
    }
    let port = url.port().or_else(|| written_80(text)).filter(|port| *port > 0);
    let port = port.ok_or(Reason::NoPort)?;
    Ok(Parts { host, port, authorization: authorization(url)? })
}

/// The port 80, if it is written: `url` drops it as the default of `http`.
fn written_80(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once("://")?;
    let authority = rest.split(['/', '\\', '?', '#']).next()?;
    let (_, port) = authority.rsplit('@').next()?.rsplit_once(':')?;
    port.trim_ascii().parse().ok().filter(|port| *port == 80)
}

fn authorization(url: &Url) -> Result<Option<HeaderValue>, Reason> {
    let user: Vec<u8> = percent_decode_str(url.username()).collect();
    let password: Vec<u8> = percent_decode_str(url.password().unwrap_or_default()).collect();
    if user.is_empty() && password.is_empty() {
        return Ok(None);
    }
    if user.contains(&b':') || user.iter().chain(&password).any(u8::is_ascii_control) {
        return Err(Reason::Credentials);
    }
    let basic = format!("Basic {}", STANDARD.encode([&user, &b":"[..], &password].concat()));
    let mut value = HeaderValue::try_from(basic).map_err(|_| Reason::Credentials)?;
    value.set_sensitive(true);
    Ok(Some(value))
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyUrl(..{})", self.authority().unwrap_or_default())
    }
}
