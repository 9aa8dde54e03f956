//! What the end of a connection says about a request.

use std::error;
use std::io;

use lp_connector_core::connector::{Failure, FailureKind};
use rustls::AlertDescription as Alert;

/// Whether an error is a TLS error, or is caused by one. rustls reports a bad certificate through
/// [`io::Error`].
#[must_use]
pub fn is_tls(error: &(dyn error::Error + 'static)) -> bool {
    rustls_error(error).is_some()
}

/// The kind of a failed handshake, by the error that ended it.
///
/// ```
/// use lp_connector_core::connector::FailureKind;
///
/// let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
/// assert_eq!(lp_connector_tls::handshake_failure(&reset), FailureKind::Connect);
/// ```
#[must_use]
pub fn handshake_failure(error: &(dyn error::Error + 'static)) -> FailureKind {
    match alert(error) {
        Some(alert) if is_about_certificate(alert) => FailureKind::ClientCertificate,
        _ if is_tls(error) => FailureKind::Tls,
        _ => FailureKind::Connect,
    }
}

/// The failure of a request by the error that came in place of its response. `first` is true if the
/// connection has carried no response before.
///
/// In TLS 1.3 a client has finished its part of the handshake, and has sent its request, before it learns
/// that the server accepts no client without a certificate. The server has read none of the request then:
/// it verifies the certificate first (RFC 8446, 4.4.2.4). Of a later refusal that is not certain.
#[must_use]
pub fn response_failure(error: &(dyn error::Error + 'static), first: bool) -> Failure {
    match alert(error) {
        Some(alert) if first && is_about_certificate(alert) => {
            Failure::never_sent(FailureKind::ClientCertificate)
        }
        Some(alert) if is_about_certificate(alert) || alert == Alert::HandshakeFailure => {
            Failure::answer_lost(FailureKind::ClientCertificate)
        }
        _ => Failure::answer_lost(FailureKind::Broken),
    }
}

/// Whether a write failed because the peer has closed the connection. It may have said why: an alert or a
/// response can still be read then.
#[must_use]
pub fn is_closed_by_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected)
}

/// Whether the server refuses the client's certificate, or its absence (RFC 8446, 6.2).
fn is_about_certificate(alert: Alert) -> bool {
    matches!(
        alert,
        Alert::CertificateRequired
            | Alert::NoCertificate
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
    )
}

fn alert(error: &(dyn error::Error + 'static)) -> Option<Alert> {
    match rustls_error(error) {
        Some(rustls::Error::AlertReceived(alert)) => Some(*alert),
        _ => None,
    }
}

fn rustls_error<'a>(error: &'a (dyn error::Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    // An `io::Error` does not give its inner error as the source, and may contain another `io::Error`.
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    inner.and_then(|inner| rustls_error(inner)).or_else(|| error.source().and_then(rustls_error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(alert: Alert) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, rustls::Error::AlertReceived(alert))
    }

    #[test]
    fn a_refused_certificate_is_not_sent_on_a_new_connection_only() {
        use FailureKind::{Broken, ClientCertificate};
        for (alert, kind, on_new, on_used) in [
            (Alert::CertificateRequired, ClientCertificate, false, true),
            (Alert::BadCertificate, ClientCertificate, false, true),
            (Alert::UnknownCA, ClientCertificate, false, true),
            (Alert::AccessDenied, ClientCertificate, false, true),
            (Alert::NoCertificate, ClientCertificate, false, true),
            (Alert::UnsupportedCertificate, ClientCertificate, false, true),
            (Alert::CertificateRevoked, ClientCertificate, false, true),
            (Alert::CertificateExpired, ClientCertificate, false, true),
            (Alert::CertificateUnknown, ClientCertificate, false, true),
            (Alert::HandshakeFailure, ClientCertificate, true, true),
            (Alert::InternalError, Broken, true, true),
            (Alert::BadRecordMac, Broken, true, true),
        ] {
            for (first, may_have_left) in [(true, on_new), (false, on_used)] {
                let failure = response_failure(&received(alert), first);
                assert_eq!((failure.kind(), failure.may_have_left()), (kind, may_have_left));
            }
        }
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        let failure = response_failure(&reset, true);
        assert_eq!((failure.kind(), failure.may_have_left()), (Broken, true));
    }

    #[test]
    fn a_failed_handshake_has_its_kind() {
        let nested = io::Error::other(io::Error::other(rustls::Error::HandshakeNotComplete));
        for (error, kind) in [
            (received(Alert::CertificateRequired), FailureKind::ClientCertificate),
            (received(Alert::HandshakeFailure), FailureKind::Tls),
            (io::Error::other(rustls::Error::DecryptError), FailureKind::Tls),
            (nested, FailureKind::Tls),
            (io::ErrorKind::UnexpectedEof.into(), FailureKind::Connect),
        ] {
            assert_eq!(handshake_failure(&error), kind, "{error}");
        }
    }
    #[test]
    fn a_peer_that_closes_may_have_said_why() {
        use io::ErrorKind as Kind;
        for (kind, closed) in [
            (Kind::BrokenPipe, true),
            (Kind::ConnectionAborted, true),
            (Kind::ConnectionReset, true),
            (Kind::NotConnected, true),
            (Kind::TimedOut, false),
            (Kind::WouldBlock, false),
            (Kind::InvalidData, false),
        ] {
            assert_eq!(is_closed_by_peer(&kind.into()), closed, "{kind:?}");
        }
    }
}
