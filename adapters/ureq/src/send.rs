//! Sends one request, and says how it went.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use lp_connector_core::connector::{Attempt, Failure, FailureKind, Outcome, ProxyRules, Transport};
use lp_connector_core::error::Error;
use lp_connector_core::time::Mono;
use lp_connector_tls::Roots;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::transport::{Connector as _, RustlsConnector, TcpConnector};
use ureq::{Agent, Body, Timeout};

use crate::records::RecordsConnector;
use crate::resolver::CachingResolver;
use crate::sent_tracker;
use crate::tunnel::{TunnelConnector, TunnelFailed};

/// As many idle connections as threads may want at once.
const IDLE_PER_HOST: usize = 64;

/// ureq adds times to the clock without looking whether they fit: none is longer than a year.
pub(crate) const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// One agent, configured so that the core sees every response: no redirect is followed, no status is an
/// error, nothing is repeated.
#[derive(Debug)]
pub(crate) struct Sender {
    agent: Agent,
    resolver: CachingResolver,
    rules: Arc<ProxyRules>,
    max_body: u64,
}

impl Sender {
    pub(crate) fn new(transport: &Transport) -> Result<Self, Error> {
        let rules = Arc::new(lp_connector_tls::proxy_rules(transport)?);
        let resolver = CachingResolver::new(rules.clone());
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(transport.connect_timeout().min(LONGEST)))
            .max_idle_age(transport.idle_timeout().min(LONGEST))
            .max_idle_connections(4 * IDLE_PER_HOST)
            .max_idle_connections_per_host(IDLE_PER_HOST)
            .user_agent("")
            .accept("")
            // Ours is a link of the chain: what ureq sends to a proxy is not what other clients send.
            .proxy(None)
            .tls_config(tls(transport)?)
            .build();
        // ureq's own chain, with our tunnel, and two links that watch.
        let connector =
            ().chain(TcpConnector::default())
                .chain(TunnelConnector { rules: rules.clone() })
                .chain(RecordsConnector)
                .chain(RustlsConnector::default())
                .chain(sent_tracker::SentTrackerConnector);
        Ok(Self {
            agent: Agent::with_parts(config, connector, resolver.clone()),
            resolver,
            rules,
            max_body: u64::try_from(transport.max_body()).unwrap_or(u64::MAX),
        })
    }

    /// Performs one attempt on the calling thread.
    pub(crate) fn send(&self, attempt: Attempt, now: Mono) -> Outcome {
        let left = attempt.time_left(now).min(LONGEST);
        let uri = attempt.request().uri().clone();
        // ureq's own body type, without a copy where nothing else holds the bytes.
        let request = attempt.into_request().map(Vec::from);
        let request = self.agent.configure_request(request).timeout_global(Some(left)).build();
        let read = |response: http::Response<Body>| {
            let (parts, mut body) = response.into_parts();
            let body = body.with_config().limit(self.max_body).read_to_vec()?;
            Ok(http::Response::from_parts(parts, body.into()))
        };
        let watch = sent_tracker::watch();
        match self.agent.run(request).and_then(read) {
            Ok(response) => Outcome::Response(response),
            Err(error) => {
                let failure = self.failure(error, &uri, watch.request_left());
                if let (false, Some(host)) = (failure.may_have_left(), uri.authority()) {
                    self.resolver.forget(host.as_str());
                }
                Outcome::Failed(failure)
            }
        }
    }

    fn failure(&self, error: ureq::Error, uri: &Uri, request_left: bool) -> Failure {
        let failure = match error {
            ureq::Error::Other(other) => match other.downcast::<TunnelFailed>() {
                Ok(tunnel) => return tunnel.0,
                Err(other) => failure(ureq::Error::Other(other), request_left),
            },
            error => failure(error, request_left),
        };
        let connecting = matches!(failure.kind(), FailureKind::Resolve | FailureKind::Connect);
        match self.rules.for_uri(uri) {
            Ok(Some(proxy)) if connecting => failure.through(proxy),
            _ => failure,
        }
    }
}

fn tls(transport: &Transport) -> Result<TlsConfig, Error> {
    let roots = match lp_connector_tls::roots(transport)? {
        Roots::These(roots) => {
            let roots = roots.iter().map(|root| Certificate::from_der(root.as_ref()).to_owned());
            RootCerts::from(roots)
        }
        _ => RootCerts::WebPki,
    };
    Ok(TlsConfig::builder()
        .root_certs(roots)
        // Named, so that it does not matter which providers the rest of the program has.
        .unversioned_rustls_crypto_provider(lp_connector_tls::provider())
        .build())
}

fn failure(error: ureq::Error, request_left: bool) -> Failure {
    use ureq::Error as E;
    let connecting = !request_left;
    let kind = match &error {
        E::HostNotFound | E::Timeout(Timeout::Resolve) => FailureKind::Resolve,
        E::Timeout(_) => FailureKind::Timeout,
        E::Rustls(_) | E::Tls(_) | E::Pem(_) | E::TlsRequired => FailureKind::Tls,
        E::Io(source) if lp_connector_tls::is_tls(source) => FailureKind::Tls,
        E::ConnectionFailed => FailureKind::Connect,
        E::Io(_) if connecting => FailureKind::Connect,
        E::Io(_) => FailureKind::Broken,
        E::Protocol(_) | E::LargeResponseHeader(..) => FailureKind::Protocol,
        E::BodyExceedsLimit(_) => FailureKind::TooLarge,
        _ => FailureKind::Other,
    };
    let failure = if connecting { Failure::never_sent(kind) } else { Failure::answer_lost(kind) };
    match error {
        // The one variant that quotes the URL, and with it perhaps a query.
        E::BadUri(_) => failure,
        error => failure.with_source(error),
    }
}
