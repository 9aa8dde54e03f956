//! Makes connections: straight or through a proxy, with TLS or without.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use futures_io::{AsyncRead, AsyncWrite};
use futures_rustls::TlsConnector;
use futures_rustls::pki_types::ServerName;
use futures_rustls::rustls::ClientConfig;
use http::Uri;
use lp_connector_core::connector::{Failure, FailureKind, ProxyRules, ProxyUrl, Transport, Tunnel};
use lp_connector_core::error::Error;

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
            rules: lp_connector_tls::proxy_rules(transport)?,
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
        let https = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let stream = match self.rules.for_uri(uri)? {
            None => {
                dial(runtime, bare, uri.port_u16().unwrap_or(if https { 443 } else { 80 })).await?
            }
            Some(proxy) => {
                let (at, port) = proxy.host_and_port().unwrap_or_default();
                let dialled = dial(runtime, &at, port).await;
                let stream = dialled.map_err(|failure| failure.through(proxy))?;
                tunnel(stream, Tunnel::new(proxy, uri)?, proxy).await?
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
            Failure::never_sent(lp_connector_tls::handshake_failure(&error)).with_source(error)
        })
    }
}

/// Makes a tunnel on a connection to a proxy.
async fn tunnel<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    mut tunnel: Tunnel,
    proxy: &ProxyUrl,
) -> Result<S, Failure> {
    let broken = |error: io::Error| {
        Failure::never_sent(FailureKind::Connect).with_source(error).through(proxy)
    };
    write_all(&mut stream, tunnel.request(), &AtomicBool::new(false)).await.map_err(broken)?;
    let mut byte = [0; 1];
    loop {
        match read(&mut stream, &mut byte).await {
            Ok(0) => return Err(tunnel.closed()),
            Ok(_) if tunnel.feed(byte[0])? => return Ok(stream),
            Ok(_) => {}
            Err(error) => return Err(broken(error)),
        }
    }
}
