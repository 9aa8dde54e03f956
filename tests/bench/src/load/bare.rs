//! The bare clients: the same requests, built by hand with every part cached, and the parsed response.

use std::future::Future;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::Progress;
use crate::BenchError;
use crate::cases::by_hand::{Answer, Cached};
use crate::cases::cloud::{TEXT, conversation};

/// How long a request may take where the client has time-outs, as in the adapters.
const TIMEOUT: Duration = Duration::from_secs(15);

/// How long idle connections are kept, as in the adapters.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// Parses a response, as every client has to.
fn parse(response: &Response<impl AsRef<[u8]>>) -> Result<u64, BenchError> {
    if !response.status().is_success() {
        return Err(format!("status {}", response.status()).into());
    }
    let answer: Answer = serde_json::from_slice(response.body().as_ref())?;
    if answer.code == "OK" { Ok(answer.body.sequence) } else { Err(answer.code.into()) }
}

pub(super) fn over_ureq(
    callers: usize,
    base: &str,
    progress: &Arc<Progress>,
    timed: bool,
) -> Result<(), BenchError> {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_idle_connections(callers.max(64))
        .max_idle_connections_per_host(callers.max(64))
        .proxy(None);
    let config = if timed {
        config.timeout_global(Some(TIMEOUT)).timeout_connect(Some(Duration::from_secs(5)))
    } else {
        config
    };
    let agent: ureq::Agent = config.build().into();
    thread::scope(|scope| {
        let senders: Vec<_> = (0..callers)
            .map(|_| {
                let agent = agent.clone();
                scope.spawn(move || -> Result<(), BenchError> {
                    let (mut cached, conversation) = (Cached::new(base), conversation());
                    loop {
                        let request = cached.request(conversation.as_str(), TEXT);
                        let (parts, mut body) = agent.run(request)?.into_parts();
                        let body = body.read_to_vec()?;
                        parse(&Response::from_parts(parts, body))?;
                        if !progress.count_message() {
                            return Ok(());
                        }
                    }
                })
            })
            .collect();
        senders.into_iter().try_for_each(|sender| sender.join().map_err(|_| "a panic")?)
    })
}

/// Runs a task for each caller on one thread.
pub(super) fn in_tokio<S, F>(
    callers: usize,
    progress: &Arc<Progress>,
    make: impl FnOnce() -> Result<S, BenchError>,
) -> Result<(), BenchError>
where
    S: Fn(usize, Arc<Progress>) -> F,
    F: Future<Output = Result<(), BenchError>> + Send + 'static,
{
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let _entered = runtime.enter();
    let sender = make()?;
    let senders: Vec<_> =
        (0..callers).map(|caller| runtime.spawn(sender(caller, progress.clone()))).collect();
    runtime.block_on(async {
        for sender in senders {
            sender.await??;
        }
        Ok(())
    })
}

pub(super) fn over_hyper_util(
    callers: usize,
    base: &str,
    progress: &Arc<Progress>,
    timed: bool,
) -> Result<(), BenchError> {
    in_tokio(callers, progress, || {
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_timer(TokioTimer::new())
            .build(http);
        let base = base.to_owned();
        Ok(move |_, progress: Arc<Progress>| {
            let (client, mut cached, conversation) =
                (client.clone(), Cached::new(&base), conversation());
            async move {
                loop {
                    let request = cached.request(conversation.as_str(), TEXT);
                    let request: Request<Full<Bytes>> = request.map(|body| Full::new(body.into()));
                    let exchange = async {
                        let (parts, body) = client.request(request).await?.into_parts();
                        let body = body.collect().await?.to_bytes();
                        Ok::<_, BenchError>(Response::from_parts(parts, body))
                    };
                    let response = if timed {
                        tokio::time::timeout(TIMEOUT, exchange).await??
                    } else {
                        exchange.await?
                    };
                    parse(&response)?;
                    if !progress.count_message() {
                        return Ok(());
                    }
                }
            }
        })
    })
}

pub(super) fn over_reqwest(
    callers: usize,
    base: &str,
    progress: &Arc<Progress>,
) -> Result<(), BenchError> {
    in_tokio(callers, progress, || {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(TIMEOUT)
            .connect_timeout(Duration::from_secs(5))
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build()?;
        let base = base.to_owned();
        Ok(move |_, progress: Arc<Progress>| {
            let (client, mut cached, conversation) =
                (client.clone(), Cached::new(&base), conversation());
            async move {
                let uri: Uri = cached.uri().clone();
                let url: reqwest::Url = uri.to_string().parse()?;
                loop {
                    let (parts, body) = cached.request(conversation.as_str(), TEXT).into_parts();
                    let request = client.post(url.clone()).headers(parts.headers).body(body);
                    let response = request.send().await?;
                    let mut answer = Response::new(Bytes::new());
                    *answer.status_mut() = response.status();
                    *answer.body_mut() = response.bytes().await?;
                    parse(&answer)?;
                    if !progress.count_message() {
                        return Ok(());
                    }
                }
            }
        })
    })
}
