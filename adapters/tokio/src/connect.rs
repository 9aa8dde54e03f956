//! Makes connections: straight or through a proxy, and within a time.

use std::error;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioIo;
use lp_connector_core::connector::ProxyRules;
use tokio::net::TcpStream;
use tower_service::Service;

type Failed = Box<dyn error::Error + Send + Sync>;
type Boxed<T> = Pin<Box<dyn Future<Output = Result<T, Failed>> + Send>>;

/// A TCP connection to where a request goes, through the proxy that the rules name for it.
#[derive(Clone)]
pub(crate) struct Straight {
    http: HttpConnector,
    rules: ProxyRules,
}

impl Straight {
    pub(crate) fn new(rules: ProxyRules) -> Self {
        let mut http = HttpConnector::new();
        // TLS comes on top.
        http.enforce_http(false);
        http.set_nodelay(true);
        Self { http, rules }
    }
}

impl Service<Uri> for Straight {
    type Response = TokioIo<TcpStream>;
    type Error = Failed;
    type Future = Boxed<Self::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        self.http.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let (scheme, host) = (to.scheme_str().unwrap_or_default(), to.host().unwrap_or_default());
        let proxy = self.rules.for_host(scheme, host).and_then(|proxy| {
            let (host, port) = proxy.host_and_port()?;
            let uri: Uri = format!("http://{host}:{port}").parse().ok()?;
            Some((uri, proxy.authorization()))
        });
        let mut http = self.http.clone();
        Box::pin(async move {
            match proxy {
                None => Ok(http.call(to).await?),
                Some((proxy, authorization)) => {
                    let mut tunnel = Tunnel::new(proxy, http);
                    if let Some(authorization) = authorization {
                        tunnel = tunnel.with_auth(authorization);
                    }
                    Ok(tunnel.call(to).await?)
                }
            }
        })
    }
}

/// Another connector, given so long for all that it does.
#[derive(Clone)]
pub(crate) struct Timed<C> {
    inner: C,
    limit: Duration,
}

impl<C> Timed<C> {
    pub(crate) fn new(inner: C, limit: Duration) -> Self {
        Self { inner, limit }
    }
}

impl<C> Service<Uri> for Timed<C>
where
    C: Service<Uri>,
    C::Error: Into<Failed>,
    C::Future: Send + 'static,
{
    type Response = C::Response;
    type Error = Failed;
    type Future = Boxed<C::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let connecting = self.inner.call(to);
        let limit = self.limit;
        Box::pin(async move {
            match tokio::time::timeout(limit, connecting).await {
                Ok(connected) => connected.map_err(Into::into),
                Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            }
        })
    }
}
