//! Sends one request, and says how it went.

use std::error;
use std::io;

use lp_connector_core::connector::{Attempt, Failure, FailureKind, Outcome, Proxy, Transport};
use lp_connector_core::error::Error;
use lp_connector_core::time::Mono;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::transport::{Connector, DefaultConnector};
use ureq::{Agent, Body, Timeout};

use crate::resolver::CachingResolver;
use crate::witness;

/// As many idle connections as threads may want at once.
const IDLE_PER_HOST: usize = 64;

/// One agent, set up so that the core hears of everything: no redirect is followed, no status is an
/// error, nothing is repeated.
#[derive(Debug)]
pub(crate) struct Sender {
    agent: Agent,
    resolver: CachingResolver,
    max_body: u64,
}

impl Sender {
    pub(crate) fn new(transport: &Transport) -> Result<Self, Error> {
        let resolver = CachingResolver::new();
        let proxy = match transport.proxy() {
            Proxy::FromEnvironment => ureq::Proxy::try_from_env(),
            Proxy::Url(url) => {
                let unusable = |_| Error::configuration("the proxy's URL cannot be used");
                Some(ureq::Proxy::new(url.expose()).map_err(unusable)?)
            }
            _ => None,
        };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(transport.connect_timeout()))
            .max_idle_age(transport.idle_timeout())
            .max_idle_connections(4 * IDLE_PER_HOST)
            .max_idle_connections_per_host(IDLE_PER_HOST)
            .user_agent("")
            .accept("")
            .proxy(proxy)
            .tls_config(tls(transport.extra_ca_pem())?)
            .build();
        let connector = DefaultConnector::new().chain(witness::WitnessConnector);
        Ok(Self {
            agent: Agent::with_parts(config, connector, resolver.clone()),
            resolver,
            max_body: u64::try_from(transport.max_body()).unwrap_or(u64::MAX),
        })
    }

    /// Performs one attempt on the calling thread.
    pub(crate) fn send(&self, attempt: Attempt, now: Mono) -> Outcome {
        let left = attempt.time_left(now);
        let host = attempt.request().uri().authority().map(ToString::to_string);
        let request = attempt.into_request();
        let request = self.agent.configure_request(request).timeout_global(Some(left)).build();
        let read = |response: http::Response<Body>| {
            let (parts, mut body) = response.into_parts();
            let body = body.with_config().limit(self.max_body).read_to_vec()?;
            Ok(http::Response::from_parts(parts, body))
        };
        let watch = witness::watch();
        match self.agent.run(request).and_then(read) {
            Ok(response) => Outcome::Answer(response),
            Err(error) => {
                let failure = failure(error, watch.request_left());
                if let (false, Some(host)) = (failure.may_have_left(), host) {
                    self.resolver.forget(&host);
                }
                Outcome::Failed(failure)
            }
        }
    }
}

/// The platform's roots and the extra ones; where the platform has none, those that come with ureq.
fn tls(extra_pem: &[u8]) -> Result<TlsConfig, Error> {
    let platform = rustls_native_certs::load_native_certs().certs;
    let mut roots: Vec<_> =
        platform.iter().map(|der| Certificate::from_der(der.as_ref()).to_owned()).collect();
    let mut extra = 0;
    for item in parse_pem(extra_pem) {
        if let Ok(PemItem::Certificate(certificate)) = item {
            roots.push(certificate);
            extra += 1;
        }
    }
    if extra == 0 && !extra_pem.is_empty() {
        return Err(Error::configuration("the extra CA holds no certificate in PEM"));
    }
    let roots =
        if roots.is_empty() { RootCerts::WebPki } else { RootCerts::new_with_certs(&roots) };
    Ok(TlsConfig::builder()
        .root_certs(roots)
        // Named, so that it does not matter which providers the rest of the program has.
        .unversioned_rustls_crypto_provider(rustls::crypto::ring::default_provider().into())
        .build())
}

fn failure(error: ureq::Error, request_left: bool) -> Failure {
    use ureq::Error as E;
    let connecting = !request_left;
    let kind = match &error {
        E::HostNotFound | E::Timeout(Timeout::Resolve) => FailureKind::Resolve,
        E::Timeout(_) => FailureKind::Timeout,
        E::Rustls(_) | E::Tls(_) | E::Pem(_) | E::TlsRequired => FailureKind::Tls,
        E::Io(source) if is_tls(source) => FailureKind::Tls,
        E::ConnectionFailed | E::ConnectProxyFailed(_) => FailureKind::Connect,
        E::Io(_) if connecting => FailureKind::Connect,
        E::Io(_) => FailureKind::Broken,
        E::Protocol(_) | E::LargeResponseHeader(..) => FailureKind::Protocol,
        E::BodyExceedsLimit(_) => FailureKind::TooLarge,
        _ => FailureKind::Other,
    };
    // A proxy that refused the tunnel has seen CONNECT, and nothing of the request.
    let never_sent = connecting || matches!(error, E::ConnectProxyFailed(_));
    let failure = if never_sent { Failure::never_sent(kind) } else { Failure::answer_lost(kind) };
    match error {
        // The one variant that quotes the URL, and with it perhaps a query.
        E::BadUri(_) => failure,
        error => failure.because(error),
    }
}

/// rustls reports a bad certificate through `io::Error`.
fn is_tls(source: &io::Error) -> bool {
    let inner: Option<&(dyn error::Error + 'static)> =
        source.get_ref().map(|inner| inner as &(dyn error::Error + 'static));
    inner.is_some_and(|inner| inner.is::<rustls::Error>())
}
