//! A configuration: what its builders refuse, what its accessors say, and what a call makes of it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arbitrary::{Arbitrary, Result, Unstructured};
use bytes::Bytes;
use http::Response;
use http::header::USER_AGENT;

use super::event::hides;
use super::long_secret::long_secret;
use super::operation::text;
use super::{conversation, has_canary, trust};
use crate::api::{
    AuthorizeApp, Idempotency, IdentifyConsumer, Lookup, Prepared, ResolveDomain, ResponseView,
    SendText, Service,
};
use crate::connector::{
    Attempt, Call, Callable, Config, ConnectorState, Outcome, Proxy, ProxyUrl, Step,
};
use crate::error::{Delivery, Error, ErrorKind, Stage};
use crate::id::{AccountId, ClientId};
use crate::policy::RetryPolicy;
use crate::secret::Secret;
use crate::seed::Seed;
use crate::time::{Mono, Now};

const SECRET: &str = "fuzz-canary-secret";
const NEW_SECRET: &str = "fuzz-canary-secret-2";

/// What the service says to a token request while it fails.
const FAILING: u16 = 503;

#[derive(Arbitrary, Debug)]
struct Setting {
    has_credentials: bool,
    proxy: u8,
    connect: u16,
    idle: u16,
    connections: u8,
    body: u32,
    authorities: [u8; 4],
    timeout: u16,
    pauses: [Option<u8>; 4],
    /// Another login replaces that of the configuration: of the same app, of another, of another account, of none.
    login: u8,
    /// Whose configuration the call has.
    is_foreign: bool,
    /// From 0xf0 on, a secret that no URL can carry: rare, as it takes time.
    long_secret: u8,
}

/// A configuration with any values, and calls under it.
pub fn config(data: &[u8]) {
    if !has_canary(data) {
        let _ = run(&mut Unstructured::new(data));
    }
}

fn run(input: &mut Unstructured<'_>) -> Result<()> {
    trust::trust(input)?;
    let setting = Setting::arbitrary(input)?;
    let (account, app, agent) = (text(input)?, text(input)?, text(input)?);
    let account = AccountId::new(account).map_err(|_| arbitrary::Error::IncorrectFormat)?;
    let app = ClientId::new(app).map_err(|_| arbitrary::Error::IncorrectFormat)?;
    let config = setting.config(&account, &app);
    hides(&format!("{config:?}"));
    let config = match config.clone().user_agent(agent) {
        Ok(config) => config,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.to_string().contains("the user agent"), "{error}");
            assert!(!is_header(agent), "{agent:?} is refused");
            return Ok(());
        }
    };
    assert!(is_header(agent), "{agent:?} is no header");
    let mut world = World::new(&setting, config);
    world.agent = Some(agent);
    world.replace_login(&setting, &account, &app);
    world.call(&setting);
    look_up(&ResolveDomain::new(Service::named(agent)), world.state.config());
    look_up(&AuthorizeApp::new(), world.state.config());
    look_up(&IdentifyConsumer::new(super::consumer()), world.state.config());
    if setting.long_secret >= 0xf0 {
        long_secret(&account, &app);
    }
    Ok(())
}

/// What a header can carry.
fn is_header(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f))
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

impl Setting {
    /// The accessors say what was set, and before that the documented defaults.
    fn config(&self, account: &AccountId, app: &ClientId) -> Config {
        let ms = |ms: u16| Duration::from_millis(ms.into());
        let mut config = Config::new(account.clone());
        assert_eq!((config.account(), config.client_id()), (account, None));
        let sockets = config.transport();
        let seconds = (sockets.connect_timeout().as_secs(), sockets.idle_timeout().as_secs());
        assert_eq!((seconds, sockets.max_connections()), ((5, 15), 64));
        assert_eq!(sockets.max_body(), 8 << 20);
        assert!(sockets.extra_ca_pem().is_empty() && *sockets.proxy() == Proxy::FromEnvironment);
        let proxy = match self.proxy % 3 {
            0 => Proxy::FromEnvironment,
            1 => Proxy::None,
            _ => Proxy::Url(ProxyUrl::new("http://user:fuzz-canary-secret@proxy.example:3128")),
        };
        config = config
            .connect_timeout(ms(self.connect))
            .idle_timeout(ms(self.idle))
            .max_connections(self.connections.into())
            .max_body(self.body as usize)
            .extra_ca_pem(self.authorities)
            .proxy(proxy.clone());
        if self.has_credentials {
            config = config.credentials(app.clone(), secret(SECRET));
        }
        assert_eq!(config.client_id(), self.has_credentials.then_some(app));
        let sockets = config.transport();
        let times = (sockets.connect_timeout(), sockets.idle_timeout());
        assert_eq!(times, (ms(self.connect), ms(self.idle)));
        assert_eq!(sockets.max_connections(), usize::from(self.connections).max(1));
        assert_eq!((sockets.max_body(), sockets.proxy()), (self.body as usize, &proxy));
        assert_eq!(sockets.extra_ca_pem(), self.authorities);
        config
    }

    fn pauses(&self) -> impl Iterator<Item = Duration> + '_ {
        let set = self.pauses.iter().map_while(|pause| *pause);
        set.map(|tenths| Duration::from_millis(100 * u64::from(tenths)))
    }

    /// How often the message is sent: with each pause after which there is time left.
    fn attempts(&self) -> u32 {
        let (mut attempts, mut at) = (0, Duration::ZERO);
        for pause in std::iter::once(Duration::ZERO).chain(self.pauses()) {
            at += pause;
            if at >= self.timeout() {
                break;
            }
            attempts += 1;
        }
        attempts
    }

    fn timeout(&self) -> Duration {
        Duration::from_millis(10 * u64::from(self.timeout))
    }
}

/// One state, and what an observer knows.
struct World<'a> {
    state: ConnectorState,
    now: Now,
    /// The secret of the next token request.
    secret: &'static str,
    agent: Option<&'a str>,
}

impl<'a> World<'a> {
    fn new(setting: &Setting, config: Config) -> Self {
        let secret = if setting.has_credentials { SECRET } else { "" };
        let state = ConnectorState::new(config, Seed::from_bytes([1; 16]));
        let now = Now::new(Mono::ZERO, SystemTime::UNIX_EPOCH);
        Self { state, now, secret, agent: None }
    }

    /// The login of the same app of the same account alone replaces that of the configuration.
    fn replace_login(&mut self, setting: &Setting, account: &AccountId, app: &ClientId) {
        let other_account = AccountId::new("1").expect("a good id");
        let other_app = ClientId::new("other app").expect("a good id");
        let (account, of_app) = match setting.login % 4 {
            0 => (account.clone(), Some(app.clone())),
            1 => (account.clone(), Some(other_app)),
            2 => (other_account, Some(app.clone())),
            _ => (account.clone(), None),
        };
        let is_same = setting.has_credentials
            && account == *self.state.config().account()
            && of_app.as_ref() == Some(app);
        let mut other = Config::new(account);
        if let Some(app) = of_app {
            other = other.credentials(app, secret(NEW_SECRET));
        }
        assert_eq!(self.state.replace_login(&other), is_same);
        if is_same {
            self.secret = NEW_SECRET;
        }
    }

    /// A message that the service never takes: it is sent as often as its own policy and its own time permit.
    fn call(&mut self, setting: &Setting) {
        let own = self.state.config().clone();
        let config = if setting.is_foreign { Arc::new((*own).clone()) } else { own };
        let policy = RetryPolicy::documented().pauses(setting.pauses()).jitter_percent(0);
        let send = SendText::new(&conversation(), "ring");
        let call = Call::new(send, &config, Seed::from_bytes([2; 16]), self.now);
        let call = call.timeout(setting.timeout(), self.now).retry(policy);
        let to = conversation();
        assert_eq!(Callable::conversation(call.operation()), Some(to.id()));
        let origin = config.trust.domain_api();
        let nothing = Prepared { origin, app: None, consumer: None };
        assert_eq!(Callable::look_up(call.operation(), &nothing), None, "it is sent");
        assert_eq!(call.is_finished(), !setting.has_credentials);
        let (error, sent) = self.run(call);
        let line = format!("{error:#} {error:?}");
        hides(&line);
        if !setting.has_credentials {
            assert!(line.contains("client id and secret"), "{line}");
        } else if setting.is_foreign {
            assert!(line.contains("another connector's configuration"), "{line}");
        } else {
            assert_eq!(
                (sent, error.attempts()),
                (setting.attempts(), setting.attempts()),
                "{line}"
            );
            let is_retried = sent as usize > setting.pauses().count();
            let kind =
                if is_retried { ErrorKind::Unavailable } else { ErrorKind::DeadlineExceeded };
            let delivery = if sent > 0 { Delivery::Rejected } else { Delivery::NotSent };
            assert_eq!((error.kind(), error.delivery()), (kind, delivery), "{line}");
            return;
        }
        assert_eq!((error.kind(), sent), (ErrorKind::Configuration, 0), "{line}");
    }

    /// Runs a call to its end: hosts and tokens are there, and the service fails. The error, and how often the call's own
    /// request was sent.
    fn run(&mut self, mut call: Call<impl Callable<Output: std::fmt::Debug>>) -> (Error, u32) {
        let mut sent = 0;
        for _ in 0..100 {
            match call.poll(&mut self.state, self.now) {
                Step::Send(attempt) => {
                    let (number, stage) = (attempt.number(), attempt.stage());
                    sent += u32::from(stage == Stage::Operation);
                    let outcome = Outcome::Response(self.answer(attempt));
                    let _ = call.handle(&mut self.state, self.now, number, outcome);
                }
                Step::Wait(until) => {
                    assert!(until > self.now.mono(), "it waits for the past");
                    self.now = self.now.later(until.since(self.now.mono()));
                }
                Step::Done(result) => {
                    assert!(call.is_finished());
                    return (result.expect_err("nothing succeeds here"), sent);
                }
            }
        }
        panic!("it never ends")
    }

    fn answer(&self, attempt: Attempt) -> Response<Bytes> {
        let stage = attempt.stage();
        let (uri, body) = (attempt.request().uri().clone(), attempt.request().body().clone());
        let request = attempt.into_request();
        assert!(*request.uri() == uri && *request.body() == body, "another request by value");
        let agent = request.headers().get(USER_AGENT).map(|agent| agent.as_bytes());
        assert_eq!(agent, self.agent.map(str::as_bytes));
        let service = uri.path().split('/').nth(5).unwrap_or_default();
        let (status, body) = match stage {
            Stage::Domain => {
                (200, format!(r#"{{"service":"{service}","baseURI":"a.liveperson.net"}}"#))
            }
            Stage::AppJwt => {
                let body = String::from_utf8_lossy(request.body());
                let login = body.rsplit_once("client_secret=").map(|(_, secret)| secret);
                assert_eq!(login, Some(self.secret), "the login of another");
                (200, r#"{"access_token":"fuzz-canary-token"}"#.to_owned())
            }
            Stage::ConsumerJws => (200, r#"{"token":"fuzz-canary-jws"}"#.to_owned()),
            Stage::Operation => (FAILING, String::new()),
        };
        let mut response = Response::new(body.into());
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
        response
    }
}

/// A look-up has no request of its own, so none of its kind is read.
fn look_up<L: Lookup + Callable>(look_up: &L, config: &Config) {
    let request = look_up.request(&config.context(Seed::from_bytes([3; 16])));
    assert!(matches!(request, Ok(None)), "{request:?}");
    assert_eq!(look_up.idempotency(), Idempotency::Idempotent);
    assert_eq!(look_up.conversation(), None);
    let response = Response::new(Bytes::from_static(b"{}"));
    assert!(look_up.parse(&ResponseView::new(&response, false)).is_err());
}
