//! Posts a delivery to a gateway.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lp_connector_core::connector::{Config, Transport};
use lp_connector_core::error::Error;
use lp_connector_core::policy::retry_after;
use lp_connector_tls::Roots;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::config::DeliverConfig;
use super::gateway::Keys;

/// How much of an answer is kept for people, in bytes.
const KEPT: u64 = 1024;

/// How long an idle connection is kept: less than the servers of most languages do.
const IDLE: Duration = Duration::from_secs(4);

const USER_AGENT: &str = concat!("lp-connector-bridge/", env!("CARGO_PKG_VERSION"));

/// A delivery that is to be posted.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) id: String,
    /// The number of the try, from 1.
    pub(super) attempt: u32,
    pub(super) body: String,
    pub(super) timeout: Duration,
}

/// What a gateway answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    /// The beginning of its body.
    pub(super) text: String,
}

/// Posts to one gateway. No redirect is followed, and no proxy is used.
#[derive(Clone, Debug)]
pub(super) struct Poster {
    agent: Agent,
    url: Arc<str>,
}

impl Poster {
    pub(super) fn new(config: &DeliverConfig) -> Result<Self, Error> {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(USER_AGENT)
            .max_idle_age(IDLE)
            .max_idle_connections(config.concurrency)
            .max_idle_connections_per_host(config.concurrency)
            .tls_config(tls()?)
            .build();
        Ok(Self { agent: Agent::new_with_config(agent), url: config.url.as_str().into() })
    }

    /// Posts. An error says in a few words why there was no answer, without the URL.
    pub(super) async fn post(&self, post: Post, keys: Arc<Keys>) -> Result<Answer, String> {
        let poster = self.clone();
        // It ends by its own time-out, whether somebody waits for it or not.
        let posting = tokio::task::spawn_blocking(move || poster.post_blocking(&post, &keys));
        posting.await.unwrap_or_else(|_| Err("the post broke off".to_owned()))
    }

    fn post_blocking(&self, post: &Post, keys: &Keys) -> Result<Answer, String> {
        let now = SystemTime::now();
        let timestamp = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let body = post.body.as_bytes();
        let request = self
            .agent
            .post(&*self.url)
            .header("content-type", "application/json; charset=utf-8")
            .header("webhook-id", &post.id)
            .header("webhook-timestamp", timestamp.to_string())
            .header("webhook-signature", keys.signing.sign(&post.id, timestamp, body))
            .header("lp-bridge-attempt", post.attempt.to_string())
            .config()
            .timeout_global(Some(post.timeout))
            .build();
        let mut response = request.send(body).map_err(|error| cause(&error))?;
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers(), now);
        // A short answer is read to its end, so that its connection can be used again.
        let text = beginning(&mut response);
        Ok(Answer { status, retry_after, text })
    }
}

fn beginning(response: &mut ureq::http::Response<ureq::Body>) -> String {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let _ = response.body_mut().as_reader().take(KEPT).read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Why there is no answer. None of these texts has a part of the URL.
fn cause(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => "no answer in time".to_owned(),
        ureq::Error::HostNotFound => "the host's name is unknown".to_owned(),
        ureq::Error::ConnectionFailed => "no connection".to_owned(),
        ureq::Error::Io(error) => error.kind().to_string(),
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) | ureq::Error::Pem(_) => {
            "TLS failed".to_owned()
        }
        _ => "no valid answer".to_owned(),
    }
}

/// Trusts what the clients of LivePerson trust.
fn tls() -> Result<TlsConfig, Error> {
    let roots = match lp_connector_tls::roots(&transport()?)? {
        Roots::These(roots) => RootCerts::from(
            roots.iter().map(|root| Certificate::from_der(root.as_ref()).to_owned()),
        ),
        _ => RootCerts::WebPki,
    };
    Ok(TlsConfig::builder()
        .root_certs(roots)
        .unversioned_rustls_crypto_provider(lp_connector_tls::provider())
        .build())
}

/// The default settings of sockets: nothing but the platform's certificates is taken from them.
fn transport() -> Result<Transport, Error> {
    let account = "0".parse().map_err(|_| Error::configuration("an account id"))?;
    Ok(Config::new(account).transport().clone())
}
