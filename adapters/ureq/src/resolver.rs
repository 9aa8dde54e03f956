//! Name resolution, remembered for a while.
//!
//! ureq resolves before it looks for an idle connection, for each request, and with a time-out set it
//! starts a thread to do so. Remembering the answer takes both away.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::Uri;
use http::uri::Authority;
use lp_connector_core::connector::{ProxyRules, ProxyUrl};
use ureq::config::Config;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::tunnel::failed;

/// How long addresses are used before they are asked for again.
const LIFE: Duration = Duration::from_secs(30);

/// More hosts than this are not remembered.
const MAX_HOSTS: usize = 256;

/// Where a request is proxied, it gives the proxy's addresses in place of the host's, which the proxy
/// resolves.
#[derive(Clone, Debug)]
pub(crate) struct CachingResolver {
    rules: Arc<ProxyRules>,
    known: Arc<Mutex<Known>>,
}

/// Addresses to connect to by the host's `host:port`, and when they were found.
type Known = BTreeMap<String, (Instant, Vec<SocketAddr>)>;

impl CachingResolver {
    pub(crate) fn new(rules: Arc<ProxyRules>) -> Self {
        Self { rules, known: Arc::default() }
    }

    /// Drops the cached addresses of `authority`, after a failed connect.
    pub(crate) fn forget(&self, authority: &str) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(authority);
    }

    fn remembered(&self, authority: &str, now: Instant) -> Option<Vec<SocketAddr>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, addresses) = known.get(authority)?;
        (now.saturating_duration_since(*since) < LIFE).then(|| addresses.clone())
    }

    pub(crate) fn remember(&self, authority: &str, addresses: &[SocketAddr]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_HOSTS {
            known.clear();
        }
        known.insert(authority.to_owned(), (Instant::now(), addresses.to_vec()));
    }
}

impl Resolver for CachingResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let authority = uri.authority().map(Authority::as_str).unwrap_or_default();
        let proxy = self.rules.for_uri(uri).map_err(failed)?.and_then(ProxyUrl::authority);
        let literal = proxy.as_deref().unwrap_or(authority).parse().ok();
        if let Some(addresses) =
            self.remembered(authority, Instant::now()).or(literal.map(|one| vec![one]))
        {
            let mut all = self.empty();
            addresses.into_iter().for_each(|address| all.push(address));
            return Ok(all);
        }
        let resolver = DefaultResolver::default();
        let all = match proxy.map(|proxy| format!("http://{proxy}/").parse()).transpose() {
            Ok(None) => resolver.resolve(uri, config, timeout)?,
            Ok(Some(proxy)) => resolver.resolve(&proxy, config, timeout)?,
            Err(_) => return Err(ureq::Error::HostNotFound),
        };
        self.remember(authority, &all);
        Ok(all)
    }
}

#[cfg(test)]
#[path = "resolver_tests.rs"]
mod tests;
