//! Posts a delivery to a gateway.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use lp_connector_core::connector::{Config, Transport};
use lp_connector_core::error::Error;
use lp_connector_core::policy::retry_after;
use lp_connector_tls::Roots;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::config::DeliverConfig;
use super::gateway::Keys;
use super::no_answer::NoAnswer;
use super::threads::Threads;

/// How much of an answer is kept for people, in bytes.
const KEPT: u64 = 1024;

/// How long an idle connection is kept: less than the servers of most languages do.
const IDLE: Duration = Duration::from_secs(4);

/// What is left of a try must be enough for an answer: less is no try.
const SHORTEST: Duration = Duration::from_millis(50);

const USER_AGENT: &str = concat!("lp-connector-bridge/", env!("CARGO_PKG_VERSION"));

/// A delivery that is to be posted.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) id: String,
    /// The number of the try, from 1.
    pub(super) attempt: u32,
    pub(super) body: String,
    /// It is over by then, and is not begun later.
    pub(super) until: Instant,
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
    threads: Arc<Threads>,
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
        Ok(Self {
            agent: Agent::new_with_config(agent),
            url: config.url.as_str().into(),
            threads: Arc::new(Threads::new(config.concurrency)),
        })
    }

    /// Posts, in this place. The place is taken until the post is over, whether somebody waits for it or not: so that
    /// no more are under way than may be.
    pub(super) async fn post(
        &self,
        post: Post,
        keys: Arc<Keys>,
        place: OwnedSemaphorePermit,
    ) -> Result<Answer, NoAnswer> {
        let poster = self.clone();
        let (sender, receiver) = oneshot::channel();
        self.threads.run(move || {
            // Nobody waits for it any more: another try may be under way.
            if sender.is_closed() {
                return;
            }
            let answer = poster.post_blocking(&post, &keys);
            drop(place);
            // An error means that nobody waits any more.
            let _ = sender.send(answer);
        });
        receiver.await.unwrap_or(Err(NoAnswer::BrokenOff))
    }

    fn post_blocking(&self, post: &Post, keys: &Keys) -> Result<Answer, NoAnswer> {
        let left = time_left(post.until, Instant::now()).ok_or(NoAnswer::TooLate)?;
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
            .timeout_global(Some(left))
            .build();
        let mut response = request.send(body).map_err(|error| NoAnswer::of(&error))?;
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers(), now);
        // A short answer is read to its end, so that its connection can be used again.
        let text = beginning(&mut response);
        Ok(Answer { status, retry_after, text })
    }
}

/// What is left for a try, if that is enough for one.
fn time_left(until: Instant, now: Instant) -> Option<Duration> {
    let left = until.saturating_duration_since(now);
    (left >= SHORTEST).then_some(left)
}

fn beginning(response: &mut ureq::http::Response<ureq::Body>) -> String {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let _ = response.body_mut().as_reader().take(KEPT).read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Trusts what the clients of LivePerson trust.
fn tls() -> Result<TlsConfig, Error> {
    Ok(trusting(lp_connector_tls::roots(&transport()?)?))
}

fn trusting(roots: Roots) -> TlsConfig {
    let roots = match roots {
        Roots::These(roots) => RootCerts::from(
            roots.iter().map(|root| Certificate::from_der(root.as_ref()).to_owned()),
        ),
        _ => RootCerts::WebPki,
    };
    TlsConfig::builder()
        .root_certs(roots)
        .unversioned_rustls_crypto_provider(lp_connector_tls::provider())
        .build()
}

/// The default settings of sockets: nothing but the platform's certificates is taken from them.
fn transport() -> Result<Transport, Error> {
    let account = "0".parse().map_err(|_| Error::configuration("an account id"))?;
    Ok(Config::new(account).transport().clone())
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::sync::mpsc;
    use std::thread;

    use lp_connector_core::secret::Secret;
    use tokio::runtime::{Builder, Runtime};
    use tokio::sync::Semaphore;

    use super::super::config::GatewayConfig;
    use super::*;

    /// A gateway that answers when it is told to.
    struct Hand {
        listener: TcpListener,
        poster: Poster,
        keys: Arc<Keys>,
        room: Arc<Semaphore>,
    }

    impl Hand {
        fn new() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}/", listener.local_addr().unwrap());
            let mut config = GatewayConfig::new("sms", url);
            let secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
            config.deliver.secrets.push(Secret::new(secret.to_owned()));
            let keys = Arc::new(Keys::new(&config).unwrap());
            let room = Arc::new(Semaphore::new(1));
            Self { listener, poster: Poster::new(&config.deliver).unwrap(), keys, room }
        }

        fn post(&self, until: Instant) -> impl Future<Output = Result<Answer, NoAnswer>> + use<> {
            let post = Post { id: "5f0c:7".to_owned(), attempt: 1, body: "{}".to_owned(), until };
            let place = self.room.clone().try_acquire_owned().unwrap();
            let (poster, keys) = (self.poster.clone(), self.keys.clone());
            async move { poster.post(post, keys, place).await }
        }

        /// The post that has come.
        fn taken(&self) -> TcpStream {
            let mut stream = self.listener.accept().unwrap().0;
            assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
            stream
        }
    }

    fn answer(mut stream: TcpStream) {
        stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").unwrap();
    }

    fn runtime() -> Runtime {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).max_blocking_threads(1).enable_all().build().unwrap()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    #[test]
    fn a_post_that_would_begin_too_late_is_not_sent() {
        let hand = Hand::new();
        let answer = runtime().block_on(hand.post(Instant::now()));
        assert_eq!(answer, Err(NoAnswer::TooLate));
        hand.listener.set_nonblocking(true).unwrap();
        assert_eq!(hand.listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_try_has_fifty_milliseconds_at_least() {
        let now = Instant::now();
        let left = |millis| time_left(now + Duration::from_millis(millis), now);
        assert_eq!(left(49), None);
        assert_eq!(left(50), Some(Duration::from_millis(50)));
        assert_eq!(time_left(now, now + Duration::from_secs(1)), None, "it was to be over before");
    }

    #[test]
    fn the_first_kilobyte_of_an_answer_is_kept() {
        let kept = |text: String| {
            let body = ureq::Body::builder().data(text);
            beginning(&mut ureq::http::Response::new(body))
        };
        assert_eq!(kept("the disk is full".to_owned()), "the disk is full");
        let long = ["a".repeat(1_000), "b".repeat(500)].concat();
        assert_eq!(kept(long), ["a".repeat(1_000), "b".repeat(24)].concat());
    }

    #[test]
    fn the_roots_of_the_platform_are_trusted() {
        let tls = trusting(Roots::These(vec![b"the company's own root".to_vec().into()]));
        let RootCerts::Specific(roots) = tls.root_certs() else { panic!() };
        let roots: Vec<&[u8]> = roots.iter().map(Certificate::der).collect();
        assert_eq!(roots, [b"the company's own root"]);
        let without = trusting(Roots::Mozilla);
        assert!(matches!(without.root_certs(), RootCerts::WebPki), "it has none");
    }

    #[test]
    fn posts_use_the_cryptography_of_the_clients() {
        let Hand { poster, .. } = Hand::new();
        let tls = poster.agent.config().tls_config();
        // Without this, another part of the program could choose it for the whole process.
        assert!(tls.unversioned_rustls_crypto_provider().is_some());
    }

    #[test]
    fn a_redirect_is_an_answer_and_is_not_followed() {
        let (hand, runtime) = (Hand::new(), runtime());
        let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
        elsewhere.set_nonblocking(true).unwrap();
        let redirect = format!(
            "HTTP/1.1 302 Found\r\nlocation: http://{}/login\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            elsewhere.local_addr().unwrap()
        );
        let posting = runtime.spawn(hand.post(soon()));
        hand.taken().write_all(redirect.as_bytes()).unwrap();
        let status = runtime.block_on(posting).unwrap().map(|answer| answer.status);
        assert_eq!(status, Ok(302));
        assert_eq!(elsewhere.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_post_that_nobody_waits_for_keeps_its_place() {
        let (hand, runtime) = (Hand::new(), runtime());
        let posting = runtime.spawn(hand.post(soon()));
        let stream = hand.taken();
        posting.abort();
        assert!(runtime.block_on(posting).is_err());
        assert_eq!(hand.room.available_permits(), 0, "it is under way still");
        answer(stream);
        assert!(runtime.block_on(hand.room.acquire()).is_ok());
    }

    #[test]
    fn posts_take_no_thread_of_the_runtimes() {
        let (hand, runtime) = (Hand::new(), runtime());
        let (release, gate) = mpsc::channel::<()>();
        let _busy = runtime.spawn_blocking(move || gate.recv());
        let posting = runtime.spawn(hand.post(soon()));
        let answering = thread::spawn(move || answer(hand.taken()));
        let in_time = async { tokio::time::timeout(Duration::from_secs(10), posting).await };
        let status = runtime.block_on(in_time).unwrap().unwrap().map(|answer| answer.status);
        assert_eq!(status, Ok(204));
        answering.join().unwrap();
        drop(release);
    }

    #[test]
    fn why_there_is_no_answer_is_told_apart() {
        let cases: [(NoAnswer, Option<&[u8]>); 3] = [
            (NoAnswer::Refused, None),
            (NoAnswer::BrokenOff, Some(b"")),
            (NoAnswer::Invalid, Some(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")),
        ];
        for (expected, bytes) in cases {
            let Hand { listener, poster, keys, room } = Hand::new();
            let answering = bytes.map(|bytes| (listener, bytes));
            let answering = answering.map(|(listener, bytes)| {
                thread::spawn(move || {
                    let mut stream = listener.accept().unwrap().0;
                    assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
                    stream.write_all(bytes).unwrap();
                })
            });
            let place = room.try_acquire_owned().unwrap();
            let (id, body) = ("5f0c:7".to_owned(), "{}".to_owned());
            let post = Post { id, attempt: 1, body, until: soon() };
            assert_eq!(runtime().block_on(poster.post(post, keys, place)), Err(expected));
            answering.into_iter().for_each(|thread| thread.join().unwrap());
        }
    }
}
