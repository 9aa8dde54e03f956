//! The exchange that makes a tunnel.

use std::error;
use std::fmt;

use http::header::PROXY_AUTHORIZATION;
use http::{Method, Request, StatusCode, Uri};

use super::super::{Failure, FailureKind};
use super::ProxyUrl;
use crate::http1::{DecodeError, Decoder, Limits, Progress, RequestTarget, encode};

/// Asks a proxy for a tunnel to the host of a request (RFC 9110, 9.3.6).
///
/// An adapter connects to the proxy, writes [`request`](Self::request), and feeds what comes back, byte by
/// byte, until the tunnel is open: what follows belongs to the host at its other end.
///
/// ```
/// use http::Uri;
/// use lp_connector_core::connector::{ProxyUrl, Tunnel};
///
/// let proxy = ProxyUrl::new("http://proxy.example:3128");
/// let mut tunnel = Tunnel::new(&proxy, &Uri::from_static("https://va.msg.liveperson.net/api"))?;
/// assert!(tunnel.request().starts_with(b"CONNECT va.msg.liveperson.net:443 HTTP/1.1\r\n"));
/// let mut is_open = false;
/// for byte in b"HTTP/1.1 200 Connection established\r\n\r\n" {
///     assert!(!is_open);
///     is_open = tunnel.feed(*byte)?;
/// }
/// assert!(is_open);
/// # Ok::<(), lp_connector_core::connector::Failure>(())
/// ```
#[derive(Debug)]
pub struct Tunnel {
    proxy: String,
    request: Bytes,
    decoder: Decoder,
}

/// The request, which may hold a password.
struct Bytes(Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Tunnel {
    /// Begins the exchange with `proxy`, for a connection to the host of `to`.
    ///
    /// # Errors
    /// [`Failure`] if `to` has no host, or `proxy` cannot be used.
    pub fn new(proxy: &ProxyUrl, to: &Uri) -> Result<Self, Failure> {
        let invalid = || Failure::never_sent(FailureKind::ProxySetting);
        let host = to.host().ok_or_else(invalid)?;
        let port = to.port_u16().unwrap_or(if to.scheme_str() == Some("http") { 80 } else { 443 });
        let mut request = Request::new("");
        *request.method_mut() = Method::CONNECT;
        *request.uri_mut() = format!("http://{host}:{port}/").parse().map_err(|_| invalid())?;
        if let Some(authorization) = proxy.authorization() {
            request.headers_mut().insert(PROXY_AUTHORIZATION, authorization);
        }
        let mut bytes = Vec::new();
        encode(&request, RequestTarget::Authority, &mut bytes).map_err(|_| invalid())?;
        Ok(Self {
            proxy: proxy.authority().ok_or_else(invalid)?,
            request: Bytes(bytes),
            // The head alone counts, as for HEAD: a refusal's body is not read, and may never end.
            decoder: Decoder::new(&Method::HEAD, Limits::new()),
        })
    }

    /// The bytes to send to the proxy.
    #[must_use]
    pub fn request(&self) -> &[u8] {
        &self.request.0
    }

    /// Takes the next byte from the proxy. True if the tunnel is open now.
    ///
    /// # Errors
    /// [`Failure`] if the proxy refuses the tunnel, or what it sends is not HTTP. Nothing of the request
    /// left.
    pub fn feed(&mut self, byte: u8) -> Result<bool, Failure> {
        let decoded = match self.decoder.feed(&[byte]) {
            Ok(Progress::More) => return Ok(false),
            Ok(Progress::Done(decoded)) => decoded,
            Err(error) => {
                return Err(self.failure(FailureKind::Connect, Answer::Unreadable(error)));
            }
        };
        let status = decoded.response.status();
        let kind = match status {
            status if status.is_success() => return Ok(true),
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => FailureKind::ProxyAuthentication,
            _ => FailureKind::Connect,
        };
        Err(self.failure(kind, Answer::Status(status.as_u16())))
    }

    /// The failure of a tunnel whose connection ends before it is open.
    #[must_use]
    pub fn closed(&self) -> Failure {
        self.failure(FailureKind::Connect, Answer::None)
    }

    fn failure(&self, kind: FailureKind, answer: Answer) -> Failure {
        Failure::never_sent(kind).with_source(Refused { proxy: self.proxy.clone(), answer })
    }
}

/// What a proxy answered in place of opening the tunnel.
#[derive(Clone, Debug)]
struct Refused {
    proxy: String,
    answer: Answer,
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    Status(u16),
    Unreadable(DecodeError),
    None,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let proxy = &self.proxy;
        match self.answer {
            Answer::Status(status) => write!(f, "the proxy {proxy} refused with status {status}"),
            Answer::Unreadable(error) => {
                write!(f, "the proxy {proxy} does not speak HTTP: {error}")
            }
            Answer::None => write!(f, "the proxy {proxy} closed the connection"),
        }
    }
}

impl error::Error for Refused {}
