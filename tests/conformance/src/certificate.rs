//! A certificate for loopback, from a CA of its own.

use std::sync::{Arc, LazyLock};

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{DEFAULT_VERSIONS, RootCertStore, ServerConfig, SupportedProtocolVersion};

/// A certificate with its key, and the CA that issued it.
struct Made {
    ca: CertificateDer<'static>,
    ca_pem: String,
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

static MADE: LazyLock<Made> = LazyLock::new(make);

/// What a server needs of it, and the CA in PEM.
pub(crate) fn certificate() -> (Arc<ServerConfig>, String) {
    static CONFIG: LazyLock<Arc<ServerConfig>> = LazyLock::new(|| config(DEFAULT_VERSIONS, false));
    (CONFIG.clone(), MADE.ca_pem.clone())
}

/// The same for a server that speaks this version alone, and demands a certificate of the client too.
pub(crate) fn demanding(version: &'static SupportedProtocolVersion) -> (Arc<ServerConfig>, String) {
    (config(&[version], true), MADE.ca_pem.clone())
}

fn config(versions: &[&'static SupportedProtocolVersion], demands: bool) -> Arc<ServerConfig> {
    let builder = ServerConfig::builder_with_provider(lp_connector_tls::provider())
        .with_protocol_versions(versions)
        .unwrap();
    let builder = if demands {
        let mut roots = RootCertStore::empty();
        roots.add(MADE.ca.clone()).unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(roots.into(), lp_connector_tls::provider());
        builder.with_client_cert_verifier(verifier.build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivateKeyDer::Pkcs8(MADE.key.serialize_der().into());
    builder.with_single_cert(vec![MADE.certificate.clone()], key).unwrap().into()
}

fn make() -> Made {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_certificate = ca.self_signed(&ca_key).unwrap();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = KeyPair::generate().unwrap();
    let names = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = names.signed_by(&key, &issuer).unwrap();
    Made {
        ca: ca_certificate.der().clone(),
        ca_pem: ca_certificate.pem(),
        certificate: certificate.der().clone(),
        key,
    }
}
