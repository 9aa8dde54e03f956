//! Where the sandbox posts to.

use url::{Host, Url};

/// Whether a notification can be posted to a URL. Parsers differ: both that read it must take it.
pub(super) fn is_http_url(url: &str) -> bool {
    let is_http = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    Url::parse(url).is_ok_and(|url| is_http(&url))
        && url.parse::<http::Uri>().is_ok_and(|url| url.host().is_some_and(|host| !host.is_empty()))
}

/// Host and port of a URL that the sandbox posts to: `http://` and a loopback host. It posts nowhere else.
///
/// ```
/// use lp_connector_sandbox::webhook_target;
///
/// let here = Some(("127.0.0.1".to_owned(), 8080));
/// assert_eq!(webhook_target("http://127.0.0.1:8080/lp"), here);
/// assert_eq!(webhook_target("http://127.0.0.1:8080@hooks.example/"), None);
/// assert_eq!(webhook_target("https://127.0.0.1:8080/"), None);
/// ```
#[must_use]
pub fn webhook_target(url: &str) -> Option<(String, u16)> {
    if !is_http_url(url) {
        return None;
    }
    let url = Url::parse(url).ok()?;
    let host = match url.host()? {
        Host::Domain(name) => (name == "localhost").then(|| name.to_owned()),
        Host::Ipv4(address) => address.is_loopback().then(|| address.to_string()),
        Host::Ipv6(address) => address.is_loopback().then(|| address.to_string()),
    };
    let plain = url.scheme() == "http" && url.username().is_empty() && url.password().is_none();
    host.filter(|_| plain).zip(url.port_or_known_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sandbox_posts_to_this_machine_alone() {
        for (url, target) in [
            ("http://127.0.0.1", Some(("127.0.0.1", 80))),
            ("http://127.8.9.1:81/a?b", Some(("127.8.9.1", 81))),
            ("http://LOCALHOST:81/", Some(("localhost", 81))),
            ("http://[::1]:81/", Some(("::1", 81))),
            ("http://0x7f.1:81/", Some(("127.0.0.1", 81))),
            ("http://127.0.0.1:81\\@hooks.example/", None),
            ("http://127.0.0.1:81/a b", None),
            ("\thttp://127.0.0.1:81/", None),
            ("http://localhost:81@hooks.example/", None),
            ("http://user@localhost:81/", None),
            ("http://localhost.hooks.example/", None),
            ("http://0.0.0.0/", None),
            ("http://192.0.2.1/", None),
            ("http://[::ffff:192.0.2.1]/", None),
            ("https://127.0.0.1/", None),
            ("ftp://127.0.0.1/", None),
            ("127.0.0.1:80", None),
            ("", None),
        ] {
            let target = target.map(|(host, port)| (host.to_owned(), port));
            assert_eq!(webhook_target(url), target, "{url}");
        }
    }
}
