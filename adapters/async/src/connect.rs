//! Makes connections: straight or through a proxy, with TLS or without.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use futures_io::{AsyncRead, AsyncWrite};
use futures_rustls::TlsConnector;
use futures_rustls::pki_types::ServerName;
use futures_rustls::rustls::ClientConfig;
use http::header::PROXY_AUTHORIZATION;
use http::{Method, Request, Uri};
use lp_connector_core::connector::{Failure, FailureKind, ProxyRules, ProxyUrl, Transport};
use lp_connector_core::error::Error;
use lp_connector_core::http1::{Decoder, Limits, Progress, RequestTarget, encode};

use crate::Runtime;
use crate::connection::{Connection, read, write_all};
use crate::dial::dial;
use crate::race::either;
use crate::record_stream::RecordStream;

pub(crate) struct Connector {
    tls: TlsConnector,
    rules: ProxyRules,
    transport: Transport,
}

impl Connector {
    pub(crate) fn new(transport: &Transport) -> Result<Self, Error> {
        let tls: Arc<ClientConfig> = lp_connector_tls::client_config(transport)?.into();
        Ok(Self {
            tls: tls.into(),
            rules: ProxyRules::new(transport.proxy(), |name| std::env::var(name).ok())?,
            transport: transport.clone(),
        })
    }

    /// Connects to where `uri` leads, within the time for it: to the end of the TLS handshake. A
    /// failure here means that nothing of a request was sent.
    pub(crate) async fn connect<R: Runtime>(
        &self,
        runtime: &R,
        uri: &Uri,
    ) -> Result<Connection<R>, Failure> {
        let connecting = pin!(self.connected(runtime, uri));
        let time_is_up = pin!(async {
            runtime.sleep(self.transport.connect_timeout()).await;
            Err(Failure::never_sent(FailureKind::Timeout))
        });
        either(connecting, time_is_up).await
    }

    async fn connected<R: Runtime>(
        &self,
        runtime: &R,
        uri: &Uri,
    ) -> Result<Connection<R>, Failure> {
        let scheme = uri.scheme_str().unwrap_or_default();
        let https = scheme == "https";
        let host = uri.host().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        let stream = match self.rules.for_host(scheme, bare) {
            None => dial(runtime, bare, port).await?,
            Some(proxy) => {
                let (at, proxy_port) = proxy.host_and_port().unwrap_or_default();
                let stream = dial(runtime, &at, proxy_port).await?;
                let tunnel = tunnel(stream, &format!("{host}:{port}"), proxy).await;
                tunnel
                    .map_err(|error| Failure::never_sent(FailureKind::Connect).with_source(error))?
            }
        };
        if !https {
            return Ok(Connection::plain(stream));
        }
        let handshake = async {
            let name = ServerName::try_from(bare.to_owned()).map_err(io::Error::other)?;
            self.tls.connect(name, RecordStream::new(stream)).await
        };
        handshake.await.map(Connection::tls).map_err(|error| {
            let tls = lp_connector_tls::is_tls(&error);
            let kind = if tls { FailureKind::Tls } else { FailureKind::Connect };
            Failure::never_sent(kind).with_source(error)
        })
    }
}

/// Asks a proxy for a way through to `to` (RFC 9110, 9.3.6).
async fn tunnel<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    to: &str,
    proxy: &ProxyUrl,
) -> io::Result<S> {
    let mut request = Request::new(Vec::new());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = format!("http://{to}/").parse().map_err(io::Error::other)?;
    if let Some(authorization) = proxy.authorization() {
        request.headers_mut().insert(PROXY_AUTHORIZATION, authorization);
    }
    let mut bytes = Vec::new();
    encode(&request, RequestTarget::Authority, &mut bytes).map_err(io::Error::other)?;
    write_all(&mut stream, &bytes, &AtomicBool::new(false)).await?;
    let mut decoder = Decoder::new(&Method::CONNECT, Limits::new());
    // A byte at a time: what comes behind the answer belongs to the tunnel.
    let mut byte = [0; 1];
    loop {
        if read(&mut stream, &mut byte).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Progress::Done(answer) = decoder.feed(&byte).map_err(io::Error::other)? {
            let status = answer.response.status();
            return if status.is_success() {
                Ok(stream)
            } else {
                Err(io::Error::other(format!("the proxy refused with status {}", status.as_u16())))
            };
        }
    }
}
