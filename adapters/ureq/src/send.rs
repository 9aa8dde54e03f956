//! Sends one request, and says how it went.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Uri};
use lp_connector_core::connector::{Attempt, Failure, FailureKind, Outcome, ProxyRules, Transport};
use lp_connector_core::error::Error;
use lp_connector_core::http1::{DecodeError, Limits};
use lp_connector_core::time::Mono;
use lp_connector_tls::Roots;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::transport::{Connector as _, RustlsConnector, TcpConnector};
use ureq::{Agent, AsSendBody, Timeout};

use crate::codec::CodecConnector;
use crate::exchange::Exchange;
use crate::records::RecordsConnector;
use crate::resolver::CachingResolver;
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
    limits: Limits,
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
        // ureq's own chain, with our tunnel, a link that watches, and one that reads.
        let connector =
            ().chain(TcpConnector::default())
                .chain(TunnelConnector { rules: rules.clone() })
                .chain(RecordsConnector)
                .chain(RustlsConnector::default())
                .chain(CodecConnector);
        Ok(Self {
            agent: Agent::with_parts(config, connector, resolver.clone()),
            resolver,
            rules,
            limits: Limits::new().body(transport.max_body()),
        })
    }

    /// Performs one attempt on the calling thread.
    pub(crate) fn send(&self, attempt: Attempt, now: Mono) -> Outcome {
        let left = attempt.time_left(now).min(LONGEST);
        let request = attempt.into_request();
        let uri = request.uri().clone();
        let exchange = Exchange::begin(request.method(), self.limits.clone());
        // A method that has no body says nothing of its length (RFC 9110, 8.6).
        let has_body = !request.body().is_empty()
            || [Method::POST, Method::PUT, Method::PATCH].contains(request.method());
        let done = if has_body {
            // ureq's own body type, without a copy where nothing else holds the bytes.
            self.run(request.map(Vec::from), left)
        } else {
            self.run(request.map(|_| ()), left)
        };
        match done.map(|()| exchange.take_response()) {
            Ok(Some(response)) => Outcome::Response(response),
            // Not reached: ureq gets its stand-in together with the response.
            Ok(None) => Outcome::Failed(Failure::answer_lost(FailureKind::Other)),
            Err(error) => {
                let failure = self.failure(error, &uri, &exchange);
                if let (false, Some(host)) = (failure.may_have_left(), uri.authority()) {
                    self.resolver.forget(host.as_str());
                }
                Outcome::Failed(failure)
            }
        }
    }

    /// Performs an exchange. What ureq returns is the stand-in for the response.
    fn run(&self, request: Request<impl AsSendBody>, left: Duration) -> Result<(), ureq::Error> {
        let request = self.agent.configure_request(request).timeout_global(Some(left)).build();
        self.agent.run(request).map(drop)
    }

    fn failure(&self, error: ureq::Error, uri: &Uri, exchange: &Exchange) -> Failure {
        let failure = match error {
            ureq::Error::Other(other) => match other.downcast::<TunnelFailed>() {
                Ok(tunnel) => return tunnel.0,
                Err(other) => failure(ureq::Error::Other(other), exchange),
            },
            error => failure(error, exchange),
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

fn failure(error: ureq::Error, exchange: &Exchange) -> Failure {
    use ureq::Error as E;
    let failure = match &error {
        _ if !exchange.request_left() => Failure::never_sent(match &error {
            E::HostNotFound | E::Timeout(Timeout::Resolve) => FailureKind::Resolve,
            E::Timeout(_) => FailureKind::Timeout,
            E::Rustls(error) => lp_connector_tls::handshake_failure(error),
            E::Io(error) => lp_connector_tls::handshake_failure(error),
            E::Tls(_) | E::Pem(_) | E::TlsRequired => FailureKind::Tls,
            E::ConnectionFailed => FailureKind::Connect,
            E::Protocol(_) => FailureKind::Protocol,
            _ => FailureKind::Other,
        }),
        E::Timeout(_) => Failure::answer_lost(FailureKind::Timeout),
        E::Io(error) => lp_connector_tls::response_failure(error, exchange.on_new_connection()),
        E::Other(error) => Failure::answer_lost(match error.downcast_ref::<DecodeError>() {
            Some(error) => (*error).into(),
            None => FailureKind::Other,
        }),
        _ => Failure::answer_lost(FailureKind::Other),
    };
    match error {
        // The one variant that quotes the URL, and with it perhaps a query.
        E::BadUri(_) => failure,
        // Without ureq's word "other" before it.
        E::Other(error) => match error.downcast::<DecodeError>() {
            Ok(error) => failure.with_source(*error),
            Err(error) => failure.with_source(E::Other(error)),
        },
        error => failure.with_source(error),
    }
}

#[cfg(test)]
#[path = "send_tests.rs"]
mod tests;
