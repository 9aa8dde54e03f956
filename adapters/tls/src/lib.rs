//! The TLS and proxy settings that all adapters share, where a TLS record ends, and what the end of a
//! connection means.
//!
//! A client trusts the platform's roots and the extra CA of the configuration. Where there are none, as
//! in a bare container, it trusts Mozilla's roots. The crypto provider is always ring, never the
//! process's default: the rest of a program may use any other.
//!
//! ```
//! use lp_connector_core::connector::Config;
//! use lp_connector_core::id::AccountId;
//!
//! let config = Config::new(AccountId::new("91827364")?);
//! let tls = lp_connector_tls::client_config(config.transport())?;
//! assert!(tls.alpn_protocols.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod failure;
mod records;

use std::sync::Arc;

use lp_connector_core::connector::{ProxyRules, Transport};
use lp_connector_core::error::Error;
use lp_connector_core::seed::Seed;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

pub use failure::{handshake_failure, is_closed_by_peer, is_tls, response_failure};
pub use records::Records;

/// The roots that a client trusts.
#[derive(Debug)]
#[non_exhaustive]
pub enum Roots {
    /// These certificates.
    These(Vec<CertificateDer<'static>>),
    /// Mozilla's roots: the platform has none, and no extra CA is configured.
    Mozilla,
}

/// Loads the platform's roots and the extra CA.
///
/// # Errors
/// [`Configuration`](lp_connector_core::error::ErrorKind::Configuration) if the extra CA contains no
/// PEM certificate.
pub fn roots(transport: &Transport) -> Result<Roots, Error> {
    let mut roots = rustls_native_certs::load_native_certs().certs;
    let pem = transport.extra_ca_pem();
    let extra: Vec<_> = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect();
    if extra.is_empty() && !pem.is_empty() {
        return Err(Error::configuration("the extra CA contains no PEM certificate"));
    }
    roots.extend(extra);
    Ok(if roots.is_empty() { Roots::Mozilla } else { Roots::These(roots) })
}

/// The crypto provider of all adapters.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Draws a seed from the operating system's randomness.
///
/// # Errors
/// [`Configuration`](lp_connector_core::error::ErrorKind::Configuration) if the system provides none.
pub fn seed() -> Result<Seed, Error> {
    let mut bytes = [0; 16];
    let filled = rustls::crypto::ring::default_provider().secure_random.fill(&mut bytes);
    filled.map_err(|_| Error::configuration("the operating system provides no randomness"))?;
    Ok(Seed::from_bytes(bytes))
}

/// The rules that choose a proxy, with the environment of this process.
///
/// # Errors
/// As [`ProxyRules::new`].
pub fn proxy_rules(transport: &Transport) -> Result<ProxyRules, Error> {
    ProxyRules::new(transport.proxy(), |name| {
        std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
    })
}

/// A rustls configuration that trusts [`roots`], for TLS 1.2 and 1.3.
///
/// # Errors
/// As [`roots`], and if the provider supports neither.
pub fn client_config(transport: &Transport) -> Result<ClientConfig, Error> {
    let mut store = RootCertStore::empty();
    match roots(transport)? {
        Roots::These(roots) => {
            // Some platforms keep certificates that cannot be parsed. They are skipped.
            let _ = store.add_parsable_certificates(roots);
        }
        Roots::Mozilla => store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let unusable = |error| Error::configuration(format!("cannot set up TLS: {error}"));
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_root_certificates(store)
        .with_no_client_auth())
}
