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
/// As [`certificates`], unless there is no extra CA.
pub fn roots(transport: &Transport) -> Result<Roots, Error> {
    roots_with(transport.extra_ca_pem())
}

/// The same with the PEM text of an extra CA, which may be empty.
///
/// # Errors
/// As [`roots`].
pub fn roots_with(pem: &[u8]) -> Result<Roots, Error> {
    joined(rustls_native_certs::load_native_certs().certs, pem)
}

/// The platform's roots, and beside them those of the PEM text.
fn joined(mut roots: Vec<CertificateDer<'static>>, pem: &[u8]) -> Result<Roots, Error> {
    if !pem.is_empty() {
        roots.extend(certificates(pem)?);
    }
    Ok(if roots.is_empty() { Roots::Mozilla } else { Roots::These(roots) })
}

/// The certificates of a PEM text. Text around its blocks is skipped, as tools write comments there.
///
/// # Errors
/// [`Configuration`](lp_connector_core::error::ErrorKind::Configuration) if there is none, or if a block is
/// no certificate that can be trusted: it names the block by its number, from 1. A file that was cut, or has
/// a key in it, is not taken in part.
pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let mut store = RootCertStore::empty();
    let mut certificates = Vec::new();
    for (index, block) in blocks(pem).enumerate() {
        let number = index + 1;
        let certificate = CertificateDer::from_pem_slice(block).ok();
        let trusted = certificate.filter(|one| store.add(one.clone()).is_ok());
        let Some(certificate) = trusted else {
            let name = label(block);
            return Err(Error::configuration(format!(
                "the extra CA's PEM block {number}{name} is not a certificate that can be trusted"
            )));
        };
        certificates.push(certificate);
    }
    if certificates.is_empty() {
        return Err(Error::configuration("the extra CA contains no PEM certificate"));
    }
    Ok(certificates)
}

/// What begins a block, at the start of a line.
const BEGIN: &[u8] = b"-----BEGIN ";

/// The blocks of a PEM text: each from its first line to that of the next.
fn blocks(pem: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_start = |at: usize| {
        let before = at.checked_sub(1).and_then(|before| pem.get(before));
        before.is_none_or(|byte| matches!(byte, b'\n' | b'\r'))
            && pem.get(at..).is_some_and(|rest| rest.starts_with(BEGIN))
    };
    // Behind a byte-order mark too.
    let first = if pem.starts_with(b"\xef\xbb\xbf-----BEGIN ") { Some(3) } else { None };
    let mut starts =
        first.into_iter().chain((0..pem.len()).filter(move |at| is_start(*at))).peekable();
    std::iter::from_fn(move || {
        let start = starts.next()?;
        let end = starts.peek().copied().unwrap_or(pem.len());
        pem.get(start..end)
    })
}

/// The label of a block, such as ` (PRIVATE KEY)`. Nothing for what may be a part of a key.
fn label(block: &[u8]) -> String {
    let line = block.strip_prefix(BEGIN).unwrap_or_default();
    let label: String =
        line.iter().take_while(|byte| **byte != b'-').map(|byte| char::from(*byte)).collect();
    let is_label = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == ' ';
    let shown = !label.is_empty() && label.len() <= 40 && label.chars().all(is_label);
    if shown { format!(" ({label})") } else { String::new() }
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
    random().map(Seed::from_bytes)
}

/// Draws bytes that nobody can guess from the operating system's randomness.
///
/// # Errors
/// As [`seed`].
pub fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    let filled = rustls::crypto::ring::default_provider().secure_random.fill(&mut bytes);
    filled.map_err(|_| Error::configuration("the operating system provides no randomness"))?;
    Ok(bytes)
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
    client_config_with(transport.extra_ca_pem())
}

/// The same with the PEM text of an extra CA, which may be empty.
///
/// # Errors
/// As [`client_config`].
pub fn client_config_with(extra_ca_pem: &[u8]) -> Result<ClientConfig, Error> {
    let mut store = RootCertStore::empty();
    match roots_with(extra_ca_pem)? {
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

#[cfg(test)]
#[path = "certificates_tests.rs"]
mod tests;
