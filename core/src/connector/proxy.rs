//! Chooses the HTTP proxy of a request: one set of rules for all adapters.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use url::{Host, Url};

use crate::error::Error;

/// The proxy setting.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Proxy {
    /// From the environment: see [`ProxyRules::new`].
    #[default]
    FromEnvironment,
    /// No proxy.
    None,
    /// This proxy for every request: `http://host:port` or `http://user:password@host:port`.
    Url(ProxyUrl),
}

/// The URL of a proxy. `Debug` hides its user and password.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl(String);

impl ProxyUrl {
    /// Takes the URL, in canonical form. What is no URL stays as it is; [`ProxyRules::new`] rejects it.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        let text = url.into();
        // Canonical, so that an HTTP client that parses it again finds the host that was checked.
        Self(Url::parse(&text).map_or(text, String::from))
    }

    /// The URL, with its password if it has one.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Host and port, without user and password; an IPv6 address has no brackets. `None` if this is no
    /// `http://` URL.
    #[must_use]
    pub fn host_and_port(&self) -> Option<(String, u16)> {
        let url = self.parse()?;
        let host = match url.host()? {
            Host::Ipv6(address) => address.to_string(),
            host => host.to_string(),
        };
        Some((host, url.port_or_known_default()?))
    }

    /// The value of `Proxy-Authorization`, if the URL holds a user (RFC 7617).
    #[must_use]
    pub fn authorization(&self) -> Option<HeaderValue> {
        let url = self.parse()?;
        if url.username().is_empty() && url.password().is_none() {
            return None;
        }
        let mut plain: Vec<u8> = percent_encoding::percent_decode_str(url.username()).collect();
        plain.push(b':');
        plain.extend(percent_encoding::percent_decode_str(url.password().unwrap_or_default()));
        let basic = format!("Basic {}", STANDARD.encode(plain));
        let mut value = HeaderValue::try_from(basic).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    fn parse(&self) -> Option<Url> {
        let url = Url::parse(&self.0).ok()?;
        (url.scheme() == "http" && url.has_host()).then_some(url)
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.0.rsplit('@').next().unwrap_or_default().trim_end_matches('/');
        write!(f, "ProxyUrl(..{host})")
    }
}

/// The rules that choose the proxy of a request, if any.
///
/// ```
/// use lp_connector_core::connector::{Proxy, ProxyRules};
///
/// let environment = |name: &str| match name {
///     "https_proxy" => Some("http://proxy.example:3128".to_owned()),
///     "no_proxy" => Some("internal.example, 127.0.0.1".to_owned()),
///     _ => None,
/// };
/// let rules = ProxyRules::new(&Proxy::FromEnvironment, environment)?;
/// assert!(rules.for_host("https", "va.msg.liveperson.net").is_some());
/// assert!(rules.for_host("https", "a.internal.example").is_none());
/// assert!(rules.for_host("http", "va.msg.liveperson.net").is_none());
/// # Ok::<(), lp_connector_core::error::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ProxyRules {
    https: Option<ProxyUrl>,
    http: Option<ProxyUrl>,
    except: Vec<String>,
}

impl ProxyRules {
    /// Creates the rules for `proxy`. `variable` reads the environment, as the core does not.
    ///
    /// From the environment: `https_proxy` or `all_proxy` for TLS, `http_proxy` or `all_proxy` for
    /// plain HTTP, and `no_proxy`, a list of hosts (with all under them) or `*`; each in lower or in
    /// upper case. `HTTP_PROXY` is ignored: a request header of a CGI program sets it.
    ///
    /// # Errors
    /// [`Configuration`](crate::error::ErrorKind::Configuration) for a URL that is not `http://` and a
    /// host.
    pub fn new(proxy: &Proxy, variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let usable = |url: ProxyUrl, from: &str| match url.host_and_port() {
            Some(_) => Ok(url),
            None => Err(Error::configuration(format!(
                "the proxy of {from} cannot be used: it must be http:// and a host"
            ))),
        };
        let named = |names: &[&str]| {
            let found = names.iter().find_map(|name| Some((*name, variable(name)?)));
            let found = found.filter(|(_, url)| !url.trim().is_empty());
            found
                .map(|(name, url)| {
                    let bare = !url.contains("://");
                    let url = if bare { format!("http://{url}") } else { url };
                    usable(ProxyUrl::new(url.trim()), name)
                })
                .transpose()
        };
        match proxy {
            Proxy::None => Ok(Self::default()),
            Proxy::Url(url) => {
                let url = usable(url.clone(), "the configuration")?;
                Ok(Self { https: Some(url.clone()), http: Some(url), except: Vec::new() })
            }
            Proxy::FromEnvironment => {
                let except = variable("no_proxy").or_else(|| variable("NO_PROXY"));
                let except = except.unwrap_or_default();
                let except = except.split(',').map(|host| host.trim().trim_start_matches('.'));
                Ok(Self {
                    https: named(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])?,
                    http: named(&["http_proxy", "all_proxy", "ALL_PROXY"])?,
                    except: except
                        .filter(|host| !host.is_empty())
                        .map(str::to_ascii_lowercase)
                        .collect(),
                })
            }
        }
    }

    /// All proxies of the rules.
    pub fn all(&self) -> impl Iterator<Item = &ProxyUrl> {
        self.https.iter().chain(&self.http)
    }

    /// The proxy for a host (without port), or `None` for a direct connection.
    #[must_use]
    pub fn for_host(&self, scheme: &str, host: &str) -> Option<&ProxyUrl> {
        let host = host.to_ascii_lowercase();
        let excepted = self.except.iter().any(|except| {
            except == "*"
                || host
                    .strip_suffix(except.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        });
        if excepted {
            return None;
        }
        if scheme == "https" { self.https.as_ref() } else { self.http.as_ref() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(environment: &[(&str, &str)]) -> Result<ProxyRules, Error> {
        ProxyRules::new(&Proxy::FromEnvironment, |name| {
            let found = environment.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_is_read_as_usual() {
        let all = rules(&[("ALL_PROXY", "proxy:1")]).unwrap();
        let url = all.for_host("http", "h").unwrap();
        assert_eq!(url.host_and_port(), Some(("proxy".to_owned(), 1)));
        let upper = rules(&[("HTTP_PROXY", "http://x"), ("HTTPS_PROXY", "http://y")]).unwrap();
        assert!(upper.for_host("http", "h").is_none() && upper.for_host("https", "h").is_some());
        let except =
            rules(&[("https_proxy", "http://y"), ("NO_PROXY", ".a.example,B.example")]).unwrap();
        for (host, through) in [
            ("x.a.example", false),
            ("a.example", false),
            ("b.EXAMPLE", false),
            ("xb.example", true),
        ] {
            assert_eq!(except.for_host("https", host).is_some(), through, "{host}");
        }
        assert!(
            rules(&[("https_proxy", "http://y"), ("no_proxy", "*")])
                .unwrap()
                .for_host("https", "h")
                .is_none()
        );
        assert!(rules(&[("https_proxy", " ")]).unwrap().for_host("https", "h").is_none());
    }

    #[test]
    fn a_refused_proxy_hides_its_password() {
        for url in ["https://user:s3cr3t@p", "socks5://p", "::::", ""] {
            let proxy = Proxy::Url(ProxyUrl::new(url));
            let error = ProxyRules::new(&proxy, |_| None).unwrap_err();
            assert!(!format!("{error} {error:?} {proxy:?}").contains("s3cr3t"), "{url}");
        }
        let url = ProxyUrl::new("http://u%40x:p%25w@h");
        // "u@x:p%w"
        assert_eq!(url.authorization().unwrap(), "Basic dUB4OnAldw==");
        assert_eq!(url.host_and_port(), Some(("h".to_owned(), 80)));
    }

    #[test]
    fn a_proxy_url_is_kept_in_canonical_form() {
        for (text, canonical, host, port) in [
            ("http://PROXY.example:80", "http://proxy.example/", "proxy.example", 80),
            ("http://0x7f.1:8080/", "http://127.0.0.1:8080/", "127.0.0.1", 8080),
            ("http://[::0:1]:3128", "http://[::1]:3128/", "::1", 3128),
            ("http://a.example\\@b.example", "http://a.example/@b.example", "a.example", 80),
        ] {
            let url = ProxyUrl::new(text);
            assert_eq!(url.expose(), canonical);
            assert_eq!(url.host_and_port(), Some((host.to_owned(), port)), "{text}");
        }
    }

    #[test]
    fn every_proxy_is_named() {
        let all = |environment: &[(&str, &str)]| -> Vec<_> {
            let rules = rules(environment).unwrap();
            rules.all().filter_map(ProxyUrl::host_and_port).map(|(host, _)| host).collect()
        };
        assert_eq!(all(&[("https_proxy", "a"), ("http_proxy", "b")]), ["a", "b"]);
        assert_eq!(all(&[("http_proxy", "b")]), ["b"]);
        assert!(all(&[]).is_empty());
    }
}
