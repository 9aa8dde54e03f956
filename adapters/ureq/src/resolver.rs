//! Name resolution, remembered for a while.
//!
//! ureq resolves before it looks for an idle connection, for each request, and with a time-out set it
//! starts a thread to do so. Remembering the answer takes both away.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::Uri;
use ureq::config::Config;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// How long addresses are used before they are asked for again.
const LIFE: Duration = Duration::from_secs(30);

/// More hosts than this are not remembered.
const MAX_HOSTS: usize = 256;

#[derive(Clone, Debug)]
pub(crate) struct CachingResolver {
    known: Arc<Mutex<Known>>,
}

/// Addresses by `host:port`, and when they were found.
type Known = BTreeMap<String, (Instant, Vec<SocketAddr>)>;

impl CachingResolver {
    pub(crate) fn new() -> Self {
        Self { known: Arc::default() }
    }

    /// Drops the cached addresses of `authority`, after a failed connect.
    pub(crate) fn forget(&self, authority: &str) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(authority);
    }

    fn remembered(&self, authority: &str) -> Option<Vec<SocketAddr>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, addresses) = known.get(authority)?;
        (since.elapsed() < LIFE).then(|| addresses.clone())
    }

    fn remember(&self, authority: &str, addresses: &[SocketAddr]) {
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
        let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        if let Some(addresses) =
            self.remembered(authority).or_else(|| authority.parse().ok().map(|one| vec![one]))
        {
            let mut all = self.empty();
            addresses.into_iter().for_each(|address| all.push(address));
            return Ok(all);
        }
        let all = DefaultResolver::default().resolve(uri, config, timeout)?;
        self.remember(authority, &all);
        Ok(all)
    }
}
