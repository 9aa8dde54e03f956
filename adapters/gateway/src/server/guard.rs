//! Who may ask: the `Host`, and tokens.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use url::Url;

use super::answer::Refusal;
use crate::problem::ProblemKind;

/// The names that a `Host` may have. `None`: any, for the listener is reached under names that nobody here knows.
#[derive(Clone, Debug)]
pub(super) struct Hosts(Option<Arc<BTreeSet<String>>>);

impl Hosts {
    /// On a loopback address a page in a browser could reach the listener under a name of its own (DNS rebinding).
    pub(super) fn new(listener: SocketAddr, public_url: &Url, allowed: &[String]) -> Self {
        if !listener.ip().is_loopback() {
            return Self(None);
        }
        let own = ["localhost".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned()];
        let address = match listener.ip() {
            std::net::IpAddr::V4(ip) => ip.to_string(),
            std::net::IpAddr::V6(ip) => format!("[{ip}]"),
        };
        let public = public_url.host_str().map(str::to_owned);
        let all = own.into_iter().chain([address]).chain(public).chain(allowed.iter().cloned());
        Self(Some(Arc::new(all.map(|name| name.to_ascii_lowercase()).collect())))
    }

    fn allow(&self, headers: &HeaderMap) -> bool {
        let Some(names) = &self.0 else { return true };
        let mut hosts = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
        host.to_str().is_ok_and(|host| names.contains(&without_port(host).to_ascii_lowercase()))
    }
}

/// A host without its port.
fn without_port(host: &str) -> &str {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) && (!name.contains(':') || name.ends_with(']')) => name,
        _ => host,
    }
}

/// Refuses a foreign `Host`.
pub(super) async fn check_host(
    State(hosts): State<Hosts>,
    request: Request,
    next: Next,
) -> Response {
    match hosts.allow(request.headers()) {
        true => next.run(request).await,
        false => {
            let detail = "the header host is none of this bridge's: a proxy's is for allowed_hosts";
            Refusal::new(ProblemKind::Host, detail).into_response()
        }
    }
}

/// The token of a request.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn hosts(listener: &str) -> Hosts {
        let public = Url::parse("https://bridge.example/x").unwrap();
        Hosts::new(listener.parse().unwrap(), &public, &["Proxy.example".to_owned()])
    }

    #[test]
    fn a_loopback_listener_knows_its_names() {
        let hosts = hosts("127.0.0.2:8081");
        for (host, allowed) in [
            ("localhost:8081", true),
            ("LOCALHOST", true),
            ("127.0.0.1:1", true),
            ("127.0.0.2", true),
            ("[::1]:8081", true),
            ("bridge.example", true),
            ("proxy.example:443", true),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("localhost:8081@evil.example", false),
            ("", false),
            ("::1", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            assert_eq!(hosts.allow(&headers), allowed, "{host:?}");
        }
        let mut twice = HeaderMap::new();
        assert!(!hosts.allow(&twice));
        twice.append(header::HOST, HeaderValue::from_static("localhost"));
        twice.append(header::HOST, HeaderValue::from_static("evil.example"));
        assert!(!hosts.allow(&twice));
    }

    #[test]
    fn another_listener_has_names_of_its_own() {
        assert!(hosts("0.0.0.0:8081").allow(&HeaderMap::new()));
    }

    #[test]
    fn a_token_follows_the_word_bearer() {
        for (value, token) in
            [("Bearer a", Some("a")), ("bearer a", Some("a")), ("Basic a", None), ("a", None)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static(value));
            assert_eq!(bearer(&headers), token, "{value}");
        }
    }
}
